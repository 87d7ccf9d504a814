"""Where the detector's third network, O-Net, looked for a face: maps over the 48x48 crop that it was shown.

What is explained is the log-odds of "face", log(p(face) / p(other)): the difference of the two numbers that O-Net's
softmax takes in. The probability of a face soon rounds to 1, where no cover changes it and its gradient is 0. But that
of "other", 1e-7 say, keeps all its digits, and so the log-odds are had from the softmax's two answers without loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.explanation.layers import observed
from facegallery.explanation.method import HeatMap, is_constant

if TYPE_CHECKING:
    import torch

    from facegallery.cascade import Network
    from facegallery.explanation.method import Floats

LAYERS = ("prelu1", "prelu2", "prelu3", "prelu4")
"""O-Net's layers that have places: what its four convolutions and their activations give."""

DEFAULT_LAYER = "prelu3"
"""Layer of the gradient's map: 8x8 cells that look at 21x21 pixels each. Over 16 faces it agrees best with covering
places (correlation 0.48). The last layer, 3x3 cells of 33x33 pixels, has the better deletion, but is a blob about the
middle (0.34); the second, 21x21 cells of 9x9, falls into specks (0.36, over 24 faces).
"""

PATCH_PX, STEP_PX = 12, 4
"""Side of the square that covers a place, an eye with its brow in a crop of 48 pixels, and its steps."""

LEAST_LOG_ODDS = 1e-3
"""A map that explains less than this is rounding (1e-5, of log-odds up to 20) and says nothing: no probability moves by
more than a quarter of it."""

TARGET = "log-odds of 'face'"


@dataclass(frozen=True, slots=True, eq=False)
class Covered:
    """What O-Net says when places of a crop are covered.

    Attributes:
        heat: By how much covering a pixel lowers the log-odds of a face, as the mean over the squares that cover it:
            shape (48, 48).
        probabilities: shape (rows, columns), float32: that of a face with each place covered.
        worst_fall: By how much the worst place, covered, lowers the log-odds.
        worst_xyxy: The square, in pixels of the crop, that lowers it most; right and bottom are not included.
        worst_crop: The crop with that square covered, as O-Net was shown it: shape (3, 48, 48), float32.
    """

    heat: HeatMap
    probabilities: Floats
    worst_fall: float
    worst_xyxy: tuple[int, int, int, int]
    worst_crop: Floats

    @property
    def worst_probability(self) -> float:
        """The probability of a face with the worst place covered."""
        return float(self.probabilities.min())


def gradient_maps(onet: torch.nn.Module, crops: Floats, *, layer: str = DEFAULT_LAYER) -> tuple[HeatMap, ...]:
    """Which places of a layer O-Net's answer comes from: gradient times activation, summed over the channels.

    This is HiResCAM ("Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
    Draelos and Carin, 2020). Grad-CAM's weight for a channel is its gradient's mean over the places, but O-Net's dense
    layer weighs each place by itself, so that mean is the weight of none. From the layer on O-Net is piecewise linear
    (PReLU, maximum, dense): what a cell is given is what it adds to the log-odds as long as no unit changes its side,
    and what is left of them (two fifths at ``prelu3``) comes from the biases and is no place's.

    We differ in how the map is laid over the crop. A cell's part is shared evenly among all pixels that the cell looks
    at; the sum stays. Stretched over the crop instead, as class activation maps are, the cells at the edge would be
    painted over corners that they hardly see.

    Args:
        onet: As ``mtcnn.third_network`` returns it.
        crops: shape (n, 3, 48, 48), float32, RGB, (x - 127.5) / 128, as the cascade shows them to O-Net.
        layer: One of ``LAYERS``.

    Returns:
        For each crop its map, shape (48, 48). In its settings, ``sum`` is how much of the score all places make.

    Raises:
        ExplanationError: No such layer.
    """
    import torch

    with observed(onet, layer, layers=LAYERS) as view:
        *_, probabilities = onet(torch.from_numpy(crops))
        scores = probabilities[:, 1].log() - probabilities[:, 0].log()
        gradients = view.gradient(scores.sum())  # no crop's score rests on another's activation
        cells = (gradients * view.activation.detach()).sum(dim=1).numpy()  # (n, channels, h, w) -> (n, h, w)
    step, field = field_of(onet, layer)
    return tuple(
        _gradient_map(_spread(of_crop, step, field, crops.shape[-1]), float(score), layer, of_crop.shape)
        for of_crop, score in zip(cells, scores.tolist(), strict=True)
    )


def covered_map(network: Network, crop: Floats, *, n_at_once: int) -> Covered:
    """Cover one place after the other and ask O-Net again, as a black box (Zeiler and Fergus, 2014, section 2.1).

    A place is covered with the crop's mean colour. No cover is neutral: a square of one colour has edges of its own.

    Args:
        network: O-Net, in whatever runs it.
        crop: shape (3, 48, 48), float32, RGB, (x - 127.5) / 128.
        n_at_once: Most crops that the network takes in one call.

    Returns:
        The map and its worst place. A pixel is covered by up to nine of the 100 squares.
    """
    side = crop.shape[-1]
    starts = range(0, side - PATCH_PX + 1, STEP_PX)
    places = [(slice(top, top + PATCH_PX), slice(left, left + PATCH_PX)) for top in starts for left in starts]
    shown = np.repeat(crop[np.newaxis], 1 + len(places), axis=0)  # the first stays as it is
    for covered, place in zip(shown[1:], places, strict=True):
        covered[:, place[0], place[1]] = crop.mean(axis=(1, 2), keepdims=True)
    probabilities = _probabilities(network, shown, n_at_once)
    score, *left_over = log_odds(probabilities).tolist()
    falls, n_covers = np.zeros((2, side, side))
    for place, under in zip(places, left_over, strict=True):
        falls[place] += score - under
        n_covers[place] += 1
    worst = int(np.argmin(left_over))
    rows, columns = places[worst]
    values = np.divide(falls, n_covers, out=falls, where=n_covers > 0).astype(np.float32)
    settings: dict[str, str | int | float] = {"patch_px": PATCH_PX, "step_px": STEP_PX, "fill": "mean"}
    return Covered(
        heat=_heat_map("occlusion", values, score, LEAST_LOG_ODDS, settings),
        probabilities=probabilities[1:, 1].reshape(len(starts), len(starts)),
        worst_fall=score - left_over[worst],
        worst_xyxy=(columns.start, rows.start, columns.stop, rows.stop),
        worst_crop=shown[1 + worst],
    )


def log_odds(probabilities: Floats) -> Floats:
    """log(p(face) / p(other)) for O-Net's answers of shape (n, 2), "other" first: shape (n,), float32."""
    other, face = np.log(probabilities.astype(np.float64)).T
    of_face: Floats = (face - other).astype(np.float32)
    return of_face


def field_of(onet: torch.nn.Module, layer: str) -> tuple[int, int]:
    """How many pixels lie between two cells of a layer, and how many across each looks at.

    Taken from the modules before it, which O-Net passes through in the order in which they are listed, without padding.
    """
    step, field = 1, 1
    for name, module in onet.named_children():
        kernel, stride = (int(np.max(getattr(module, size, 1))) for size in ("kernel_size", "stride"))
        field += (kernel - 1) * step
        step *= stride
        if name == layer:
            break
    return step, field


def _gradient_map(values: Floats, score: float, layer: str, grid: Sequence[int]) -> HeatMap:
    settings: dict[str, str | int | float] = {
        "layer": layer,
        "grid": "x".join(map(str, grid)),
        "sum": round(float(values.sum()), 3),
    }
    # Its values are shares of the score, a small one for each pixel.
    return _heat_map("hirescam", values, score, LEAST_LOG_ODDS / values.size, settings)


def _heat_map(
    method: str, values: Floats, score: float, noise: float, settings: Mapping[str, str | int | float]
) -> HeatMap:
    constant = is_constant(values, noise)
    shown = np.zeros_like(values) if constant else values
    return HeatMap(method, shown, TARGET, score, constant, signed=True, settings=settings)


def _probabilities(network: Network, crops: Floats, n_at_once: int) -> Floats:
    """O-Net's probabilities of "other" and of a face: shape (n, 2)."""
    batches = (crops[start : start + n_at_once] for start in range(0, len(crops), n_at_once))
    return np.concatenate([network(batch)[-1] for batch in batches])


def _spread(cells: Floats, step: int, field: int, side: int) -> Floats:
    """Share what cells (n, n) say among the pixels that they look at: shape (side, side), of the same sum."""
    shares = np.zeros((len(cells), side))
    for cell, of_cell in enumerate(shares):
        of_cell[cell * step : cell * step + field] = 1
    shares /= shares.sum(axis=1, keepdims=True)
    spread: Floats = (shares.T @ cells @ shares).astype(np.float32)
    return spread
