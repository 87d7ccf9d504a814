"""Crops to embeddings by InceptionResnetV1 in PyTorch, the reference for every other runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import EMBEDDING_SIZE, UNIT_LENGTH_TOLERANCE, ModelIdentity
from facegallery.errors import ModelFileRefused
from facegallery.network import load_network, to_input

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels, Vectors

BATCH = 16
"""Crops that go through the network at once: larger ones gain no time on a CPU, and each crop takes some 4 MB."""


class TorchEmbedder:
    """Embeds crops with PyTorch on the CPU; fulfils ``domain.Embedder``."""

    def __init__(self, network: torch.nn.Module, model: ModelIdentity, path: Path) -> None:
        """Take a loaded network; ``load`` makes one from a file.

        Args:
            network: As ``network.load_network`` returns it.
            model: The name and fingerprint of its weights.
            path: The file they came from, for messages.
        """
        self._network = network
        self._model = model
        self._path = path

    @classmethod
    def load(cls, path: Path, model: ModelIdentity) -> TorchEmbedder:
        """Load the weights of a model.

        Args:
            path: The weight file.
            model: What it must be: the file's SHA-256 is compared with the fingerprint.

        Raises:
            ModelNotFound: There is no such file.
            ModelFileRefused: The file is not this model.
        """
        return cls(load_network(path, name=model.name, sha256=model.fingerprint), model, path)

    @property
    def model(self) -> ModelIdentity:
        """The model whose vectors these are."""
        return self._model

    @property
    def network(self) -> torch.nn.Module:
        """The network itself, for explanations: shape (n, 3, 160, 160) in, (n, 512) of unit length out."""
        return self._network

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
        embeddings = np.concatenate(batches) if batches else np.empty((0, EMBEDDING_SIZE), np.float32)
        # Written so that NaN, which compares as false with everything, is held back too.
        if not np.all(np.abs(np.linalg.norm(embeddings, axis=1) - 1) < UNIT_LENGTH_TOLERANCE):
            raise ModelFileRefused(
                self._model.name,
                self._path,
                expected="embeddings of unit length",
                actual="numbers that are not finite, or all zero",
                advice="The weights are damaged: import or pull the model again.",
            )
        return embeddings

    def _embed_batch(self, crops: Pixels) -> Vectors:
        import torch

        with torch.inference_mode():
            batch: Vectors = self._network(to_input(crops)).numpy()
        return batch
