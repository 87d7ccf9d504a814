"""InceptionResnetV1 as a ``domain.Embedder``: unit rows, the same in any batch, and only from the right file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from facegallery.domain import CROP_SIZE_PX, EMBEDDING_SIZE, ModelIdentity, Pixels
from facegallery.embedding import BATCH, TorchEmbedder
from facegallery.errors import ModelFileRefused
from facegallery.network import load_network
from facegallery.settings import bundled

WEIGHTS = bundled("starter.safetensors")


@pytest.fixture(scope="module")
def embedder() -> TorchEmbedder:
    fingerprint = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    return TorchEmbedder.load(WEIGHTS, ModelIdentity("starter", fingerprint))


@pytest.fixture(scope="module")
def crops() -> Pixels:
    """One crop more than a batch holds."""
    shape = (BATCH + 1, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def test_rows_are_unit_float32(embedder: TorchEmbedder, crops: Pixels) -> None:
    """Each crop gives 512 plain float32 numbers of unit length, and crops that differ give rows that do."""
    rows = embedder.embed(crops[:2])
    assert type(rows) is np.ndarray
    assert rows.dtype == np.float32
    assert rows.shape == (2, EMBEDDING_SIZE)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


def test_no_crops_no_rows(embedder: TorchEmbedder, crops: Pixels) -> None:
    """An empty batch gives an empty (0, 512) array, so that callers need no special case."""
    rows = embedder.embed(crops[:0])
    assert rows.shape == (0, EMBEDDING_SIZE)
    assert rows.dtype == np.float32


def test_a_row_is_the_same_alone_and_in_a_batch(embedder: TorchEmbedder, crops: Pixels) -> None:
    """A face's embedding does not depend on which other faces are embedded with it, nor on its place among them."""
    together = embedder.embed(crops)
    for place in (0, BATCH - 1, BATCH):  # both ends of the first batch, and the one of the second
        np.testing.assert_allclose(embedder.embed(crops[place : place + 1])[0], together[place], atol=1e-5)


def test_no_gradient_is_kept(embedder: TorchEmbedder, crops: Pixels) -> None:
    """Embedding records nothing, even where the caller has gradients on."""
    seen: list[torch.Tensor] = []
    network = load_network(WEIGHTS, name="starter")
    network.register_forward_hook(lambda *arguments: seen.append(arguments[2]))
    with torch.enable_grad():
        TorchEmbedder(network, embedder.model, WEIGHTS).embed(crops[:1])
    assert [tensor.requires_grad for tensor in seen] == [False]
    assert seen[0].is_inference()


def test_another_file_is_refused() -> None:
    """A file that is not the model its fingerprint names is not used."""
    with pytest.raises(ModelFileRefused):
        TorchEmbedder.load(WEIGHTS, ModelIdentity("starter", "0" * 64))


class _Network(torch.nn.Module):
    """Gives one number for every entry of every row."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return crops.new_full((len(crops), EMBEDDING_SIZE), self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_damaged_weights_are_named(value: float, crops: Pixels) -> None:
    """Vectors that cannot be compared raise an error that names the model's file, rather than being stored."""
    identity, path = ModelIdentity("broken", "0" * 64), Path("models/broken.pt")
    embedder = TorchEmbedder(_Network(value), identity, path)
    assert embedder.model == identity
    with pytest.raises(ModelFileRefused, match="unit length") as caught:
        embedder.embed(crops[:1])
    assert caught.value.path == path
