"""Crops to embeddings by InceptionResnetV1: in PyTorch, the reference, or compiled by OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.compiled import CompiledNetwork, Recipe, open_network
from facegallery.domain import CROP_SIZE_PX, EMBEDDING_SIZE, UNIT_LENGTH_TOLERANCE, ModelIdentity, Precision
from facegallery.errors import ModelFileRefused
from facegallery.network import best_device, load_network, to_input
from facegallery.parts import N_FEATURES, cells_of, head_of, last_maps, trunk_of
from facegallery.parts import mirrored as with_mirror_images

if TYPE_CHECKING:
    import torch

    from facegallery.domain import FaceCells, Pixels, Vectors

BATCH = 8
"""Crops that go through the network at once: larger ones gain no time on a CPU, and each crop takes some 4 MB."""


class TorchEmbedder:
    """Embeds crops with PyTorch; fulfils ``domain.Embedder``."""

    def __init__(self, network: torch.nn.Module, model: ModelIdentity, path: Path) -> None:
        """Take a loaded network; ``load`` makes one from a file.

        Args:
            network: As ``network.load_network`` or ``parts.mirrored`` returns it.
            model: The name and fingerprint of its weights.
            path: The file they came from, for messages.
        """
        self._device = best_device()
        self._network = network.to(self._device)
        self._model = model
        self._path = path

    @classmethod
    def load(cls, path: Path, model: ModelIdentity, *, mirrored: bool = False) -> TorchEmbedder:
        """Load the weights of a model, onto a GPU where there is one.

        Args:
            path: The weight file.
            model: What it must be: the file's SHA-256 is compared with the fingerprint.
            mirrored: Embed each crop together with its mirror image.

        Raises:
            ModelNotFound: There is no such file.
            ModelFileRefused: The file is not this model.
        """
        network = load_network(path, name=model.name, sha256=model.fingerprint)
        return cls(with_mirror_images(network) if mirrored else network, model, path)

    @property
    def model(self) -> ModelIdentity:
        """The model whose vectors these are."""
        return self._model

    def embed(self, crops: Pixels) -> Vectors:
        """Embed a batch of crops.

        Args:
            crops: shape (n, 160, 160, 3), uint8, RGB; n may be 0.

        Returns:
            shape (n, 512), float32, each row of unit length. A crop's row is the same, within 1e-5, in any batch.

        Raises:
            ModelFileRefused: The network gives vectors that are not finite or have no length.
        """
        batches = [self._embed_batch(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
        return _joined(batches, self._model, self._path)

    def cells(self, crops: Pixels) -> FaceCells:
        """What each cell of the last feature map says; see :class:`facegallery.domain.Embedder`."""
        batches = (to_input(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH))
        maps = [self._run(partial(last_maps, self._network), batch) for batch in batches]
        return cells_of(partial(self._run, head_of(self._network)), np.concatenate(maps))

    def _embed_batch(self, crops: Pixels) -> Vectors:
        return self._run(self._network, to_input(crops))

    def _run(self, part: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor | Vectors) -> Vectors:
        import torch

        with torch.inference_mode():
            answer: Vectors = part(torch.as_tensor(values).to(self._device)).cpu().numpy()
        return answer


class CompiledEmbedder:
    """Embeds crops with the network compiled for this processor; fulfils ``domain.Embedder``.

    Its large part is kept in two forms, for one crop and for ``BATCH``: one form for any number takes a third longer
    for one.
    """

    def __init__(self, path: Path, model: ModelIdentity, precision: Precision, *, mirrored: bool = False) -> None:
        """Say what to embed with; ``load`` does the work that can fail.

        Args:
            path: The weight file; read only where the compiled network is not in the cache.
            model: What it must be.
            precision: ``f32`` or ``bf16``.
            mirrored: Embed each crop together with its mirror image.
        """
        self._path = path
        self._model = model
        self._precision = precision
        self._mirrored = mirrored
        self._recipes = recipes(path, model, precision)
        self._networks: dict[str, CompiledNetwork] = {}

    @classmethod
    def load(
        cls, path: Path, model: ModelIdentity, precision: Precision, *, mirrored: bool = False
    ) -> CompiledEmbedder:
        """Get ready for single crops; for batches when there is the first.

        Raises:
            RuntimeUnavailable: OpenVINO is missing or fails.
            ModelNotFound: There is no such file.
            ModelFileRefused: The file is not this model.
        """
        embedder = cls(path, model, precision, mirrored=mirrored)
        embedder._network("one")
        embedder._network("head")
        return embedder

    @property
    def model(self) -> ModelIdentity:
        """The model whose vectors these are."""
        return self._model

    @property
    def precision(self) -> Precision:
        """What it computes in."""
        return self._precision

    def embed(self, crops: Pixels) -> Vectors:
        """Embed a batch of crops, as ``TorchEmbedder.embed`` does.

        In bf16 a row's cosine with torch's is 0.9999 or more, and a crop's row is the same, within 1e-2, in any batch.
        """
        if not len(crops):
            return _joined([], self._model, self._path)
        pooled = self._maps(crops).mean(axis=(2, 3))
        return _joined([_unit(self._head(pooled))], self._model, self._path)

    def cells(self, crops: Pixels) -> FaceCells:
        """What each cell of the last feature map says; see :class:`facegallery.domain.Embedder`."""
        return cells_of(self._head, self._maps(crops))

    def _maps(self, crops: Pixels) -> Vectors:
        """The last feature maps, as ``parts.last_maps`` makes them: shape (n, 1792, 3, 3)."""
        if not self._mirrored:
            return self._maps_of(crops)
        straight, mirror = np.split(self._maps_of(np.concatenate([crops, crops[:, :, ::-1]])), 2)
        mean: Vectors = (straight + mirror[..., ::-1]) / np.float32(2)
        return mean

    def _maps_of(self, crops: Pixels) -> Vectors:
        n_in_batches = len(crops) // BATCH * BATCH
        lots = [("batch", start, BATCH) for start in range(0, n_in_batches, BATCH)]
        lots += [("one", start, 1) for start in range(n_in_batches, len(crops))]
        return np.concatenate(
            [self._network(form)(np.ascontiguousarray(crops[start : start + n]))[0] for form, start, n in lots]
        )

    def _head(self, features: Vectors) -> Vectors:
        return self._network("head")(np.ascontiguousarray(features))[0]

    def _network(self, form: str) -> CompiledNetwork:
        if form not in self._networks:
            self._networks[form] = open_network(self._recipes[form])
        return self._networks[form]


def recipes(path: Path, model: ModelIdentity, precision: Precision) -> dict[str, Recipe]:
    """What the compiled embedder is made from: the trunk for ``one`` crop and for a ``batch``, and the ``head``."""

    def network() -> torch.nn.Module:
        return load_network(path, name=model.name, sha256=model.fingerprint)

    def trunk(n_crops: int) -> Recipe:
        return Recipe(
            name=f"{model.name}-{precision.value}-{n_crops}",
            fingerprint=model.fingerprint,
            shape=(n_crops, CROP_SIZE_PX, CROP_SIZE_PX, 3),
            precision=precision,
            module=lambda: trunk_of(network(), for_bf16=precision is Precision.BF16),
            takes_crops=True,
        )

    head = Recipe(
        name=f"{model.name}-head",
        fingerprint=model.fingerprint,
        shape=(-1, N_FEATURES),
        precision=Precision.F32,
        module=lambda: head_of(network()),
    )
    return {"one": trunk(1), "batch": trunk(BATCH), "head": head}


def _unit(rows: Vectors) -> Vectors:
    """Rows brought to unit length, as the last line of InceptionResnetV1 does."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = rows / np.maximum(lengths, np.float32(1e-12))
    return scaled


def _joined(batches: list[Vectors], model: ModelIdentity, path: Path) -> Vectors:
    """The rows of all batches; refuses rows that cannot be compared.

    Raises:
        ModelFileRefused: A row is not of unit length.
    """
    embeddings = np.concatenate(batches) if batches else np.empty((0, EMBEDDING_SIZE), np.float32)
    # Written so that NaN, which compares as false with everything, is held back too.
    if not np.all(np.abs(np.linalg.norm(embeddings, axis=1) - 1) < UNIT_LENGTH_TOLERANCE):
        raise ModelFileRefused(
            model.name,
            path,
            expected="embeddings of unit length",
            actual="numbers that are not finite, or all zero",
            advice="The weights are damaged: import or pull the model again.",
        )
    return embeddings
