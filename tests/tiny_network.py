"""A network that can be followed by hand, as a model that the explanation methods take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from facegallery.domain import CROP_SIZE_PX, FaceCells, ModelIdentity, Pixels, Vectors
from facegallery.network import to_input

WEIGHTS = np.array([[-3.0, 1.0], [1.0, 2.0]], np.float32)
TEMPLATE = np.array([0.6, 0.8], np.float32)
"""A template for ``Tiny``: unit length, two numbers."""

RED = np.array([[191, 127], [127, 255]], np.uint8)
GREEN = np.array([[64, 255], [191, 0]], np.uint8)

PLACES = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
"""How much each cell of ``Tiny``'s layer counts; the sum is 1."""


class Tiny(nn.Module):
    """A network that can be followed by hand.

    Its layer holds 2x2 cells of two channels: how red and how green a quarter of the crop is. Each channel's cells are
    summed with the weights ``PLACES``; the output is ``WEIGHTS`` times the two sums plus ``bias``, brought to unit
    length. ``ripple`` is added to one cell of the layer: what rounding may do to it.
    """

    def __init__(self, bias: tuple[float, float] = (0, 0), ripple: float = 0) -> None:
        super().__init__()
        channels = nn.Conv2d(3, 2, 1, bias=False)
        self.block8 = nn.Sequential(nn.AvgPool2d(CROP_SIZE_PX // 2), channels, _Ripple(ripple))
        self.head = nn.Linear(2, 2)
        self.requires_grad_(False).eval()
        channels.weight.copy_(torch.eye(3)[:2, :, None, None])  # red to channel 0, green to channel 1
        self.head.weight.copy_(torch.from_numpy(WEIGHTS))
        self.head.bias.copy_(torch.tensor(bias))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Embed: (n, 3, 160, 160) to (n, 2)."""
        return F.normalize(self.head((self.block8(crops) * torch.from_numpy(PLACES)).sum(dim=(2, 3))), dim=1)


class _Ripple(nn.Module):
    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = height

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return cells + torch.tensor([[0, 0], [0, self.height]])


@dataclass(frozen=True)
class TinyEmbedder:
    """Embeds with a ``Tiny``; fulfils ``domain.Embedder``. Counts the crops it was shown."""

    network: Tiny
    seen: list[int] = field(default_factory=list)
    model: ModelIdentity = field(default_factory=lambda: ModelIdentity("tiny", "0" * 64))

    def embed(self, crops: Pixels) -> Vectors:
        """Embed: (n, 160, 160, 3) to (n, 2)."""
        self.seen.append(len(crops))
        with torch.inference_mode():
            return cast("Vectors", self.network(to_input(crops)).numpy())

    def cells(self, crops: Pixels) -> FaceCells:
        """Each quarter's part; four times its weight, since an embedding is the mean of its cells."""
        with torch.inference_mode():
            cells = self.network.block8(to_input(crops)).numpy().transpose(0, 2, 3, 1)
        constant = self.network.head.bias.numpy()
        said = 4 * PLACES[:, :, None] * cells @ WEIGHTS.T + constant
        return FaceCells(said.astype(np.float32), constant)


class TinyModel:
    """A ``Tiny`` as an ``ExplainedModel``."""

    def __init__(self, network: Tiny | None = None) -> None:
        self.network = network or Tiny()
        self.embedder = TinyEmbedder(self.network)


def quarters(red: Pixels, green: Pixels) -> Pixels:
    """A crop of four plain quarters."""
    cells = np.stack([red, green, np.zeros_like(red)], axis=-1)
    return cells.repeat(CROP_SIZE_PX // 2, axis=0).repeat(CROP_SIZE_PX // 2, axis=1)


def levels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two channels of ``quarters(RED, GREEN)`` in the layer."""
    return (RED - 127.5) / 128, (GREEN - 127.5) / 128


def output() -> tuple[NDArray[np.float64], float]:
    """The unit embedding of ``quarters(RED, GREEN)``, and its length before."""
    raw = WEIGHTS @ np.array([(channel * PLACES).sum() for channel in levels()])
    length = float(np.linalg.norm(raw))
    return raw / length, length


def n_hooks(network: nn.Module) -> int:
    """How many hooks its modules have."""
    return sum(
        len(module._forward_hooks) + len(module._backward_hooks) + len(module._forward_pre_hooks)
        for module in network.modules()
    )
