"""How far a map can be trusted: does the network do what the map says it does?

Three questions, each answered by running the network again:

- *deletion and insertion* ("RISE: Randomized Input Sampling for Explanation of Black-box Models", Petsiuk et al.,
  2018): cover the crop's pixels from the map's highest to its lowest, and the number explained should fall at once;
  uncover them in that order on a covered crop, and it should rise at once. The area under each curve is the figure. We
  differ from the paper in that ties are broken at random, and in measuring with several covers: none is neutral to a
  network.
- *stability*: the crop shifted by a pixel is the same face, and should have the same map.
- *randomization* ("Sanity Checks for Saliency Maps", Adebayo et al., 2018): the weights are shuffled from the top of
  the network down; a map that stays as it was shows the picture and not what the network learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import CROP_SIZE_PX
from facegallery.explanation.fills import Fill, filled

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.nn import Module

    from facegallery.domain import Embedder, Pixels
    from facegallery.explanation.method import ExplainedModel, ExplanationMethod, Floats, HeatMap, Target

N_STEPS = 20
"""Steps from an untouched to a covered crop: 5 % of its pixels each."""

TIES_SEED = 0
SHUFFLE_SEED = 0

SHIFTS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Rows down and columns to the right."""

STAGES = (
    ("last_linear", "last_bn"),
    ("block8", "repeat_3"),
    ("mixed_7a", "repeat_2"),
    ("mixed_6a", "repeat_1"),
    ("conv2d_4b", "conv2d_4a", "conv2d_3b", "conv2d_2b", "conv2d_2a", "conv2d_1a"),
)
"""Parts of InceptionResnetV1 from the top down, whose weights are shuffled one stage after the other."""


# --- deletion and insertion ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How well a map's order of the pixels agrees with what the network makes of them.

    Attributes:
        deletion: By fill, the area under the target's value while the highest pixels are covered first, over the
            covered fraction 0..1; lower is better. Not clipped: a similarity may be negative.
        insertion: The same while they are uncovered first on a covered crop; higher is better.
        constant: The map says nothing. Its figures are those of a random order, and count like any other's.
    """

    deletion: Mapping[Fill, float]
    insertion: Mapping[Fill, float]
    constant: bool

    @property
    def difference(self) -> Mapping[Fill, float]:
        """Insertion minus deletion by fill; higher is better, and what a fill does to any map cancels in part."""
        return {fill: self.insertion[fill] - self.deletion[fill] for fill in self.deletion}

    @property
    def mean_difference(self) -> float:
        """Insertion minus deletion, the mean over the fills."""
        return float(np.mean(list(self.difference.values())))


def averaged(several: Sequence[Faithfulness]) -> Faithfulness:
    """The means of several measurements with the same fills; constant where all are."""
    return Faithfulness(
        {fill: float(np.mean([each.deletion[fill] for each in several])) for fill in several[0].deletion},
        {fill: float(np.mean([each.insertion[fill] for each in several])) for fill in several[0].insertion},
        all(each.constant for each in several),
    )


def faithfulness(
    embedder: Embedder,
    crop: Pixels,
    target: Target,
    heat: HeatMap,
    *,
    n_steps: int = N_STEPS,
    fills: Sequence[Fill] = tuple(Fill),
) -> Faithfulness:
    """Cover and uncover a crop in the order of a map.

    Args:
        embedder: Made the embedding that the map explains.
        crop: shape (160, 160, 3), uint8, RGB.
        target: The number that is followed. Need not be what the map was made of: a map of a channel may be held
            against a similarity.
        heat: Its order of the pixels at the crop's size is judged, nothing else.
        n_steps: Steps of equally many pixels, but for rounding.
        fills: What to cover with.
    """
    ranks = np.empty(heat.at_crop_size().size, np.int64)
    ranks[pixel_order(heat.at_crop_size())] = np.arange(ranks.size)
    chosen = ranks.reshape(CROP_SIZE_PX, CROP_SIZE_PX, 1) < _edges(ranks.size, n_steps)[:, None, None, None]
    deletion, insertion = {}, {}
    for fill in fills:
        cover = filled(crop, fill)
        deleted, inserted = np.where(chosen, cover, crop), np.where(chosen, crop, cover)  # (n_steps + 1, 160, 160, 3)
        values = target.of(embedder.embed(np.concatenate([deleted, inserted]))).astype(np.float64)
        deletion[fill], insertion[fill] = _area(values[: n_steps + 1]), _area(values[n_steps + 1 :])
    return Faithfulness(deletion, insertion, heat.constant)


def pixel_order(values: Floats) -> NDArray[np.int64]:
    """Places of an array's flattened values, highest first.

    Equal values come in an order that is random, and the same each time: in their order in the array a map of few
    values, such as one of coarse cells, would cover from the top of the crop down.
    """
    ties = np.random.default_rng(TIES_SEED).permutation(values.size)
    order: NDArray[np.int64] = np.lexsort((ties, -values.ravel()))
    return order


def _edges(n_pixels: int, n_steps: int) -> NDArray[np.int64]:
    """How many pixels are chosen at each step, from 0 to all: shape (n_steps + 1,)."""
    edges: NDArray[np.int64] = np.linspace(0, n_pixels, n_steps + 1).round().astype(np.int64)
    return edges


def _area(values: NDArray[np.float64]) -> float:
    """The area under values at equal steps over 0..1, by the trapezoid rule."""
    return float((values[:-1] + values[1:]).mean() / 2)


# --- stability ----------------------------------------------------------------------------------------------------


def stability(
    method: ExplanationMethod, model: ExplainedModel, crop: Pixels, target: Target, heat: HeatMap
) -> float | None:
    """How alike the maps of a crop and of the crop shifted by a pixel are.

    Args:
        method: Made ``heat``.
        model: What is explained.
        crop: shape (160, 160, 3), uint8, RGB.
        target: What ``heat`` explains.
        heat: The map of the crop as it is.

    Returns:
        The mean over four directions of Pearson's correlation between the map and the shifted crop's map, shifted
        back; the row or column that was filled from the edge is left out. A map that becomes constant counts as 0;
        None where ``heat`` is constant itself.
    """
    if heat.constant:
        return None
    padded = np.pad(crop, ((1, 1), (1, 1), (0, 0)), mode="edge")
    correlations = []
    for down, right in SHIFTS:
        shifted = np.ascontiguousarray(_window(padded, 1 - down, 1 - right))
        (moved,) = method.explain(model, shifted, [target])
        before, after = (
            heat.at_crop_size()[_kept(-down), _kept(-right)],
            moved.at_crop_size()[_kept(down), _kept(right)],
        )
        correlations.append(_pearson(before, after))
    return float(np.mean(correlations))


def _window(padded: Pixels, top: int, left: int) -> Pixels:
    return padded[top : top + CROP_SIZE_PX, left : left + CROP_SIZE_PX]


def _kept(shift: int) -> slice:
    """The rows (or columns) that are left of an axis when what was shifted in is cut off."""
    return slice(max(shift, 0), CROP_SIZE_PX + min(shift, 0))


def _pearson(first: Floats, second: Floats) -> float:
    """Pearson's correlation, in float64; 0 where one of the two is constant."""
    a, b = (values.astype(np.float64).ravel() - values.mean(dtype=np.float64) for values in (first, second))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


# --- randomization ------------------------------------------------------------------------------------------------


def shuffled_models(
    network: Module,
    *,
    model_of: Callable[[Module], ExplainedModel],
    stages: Sequence[Sequence[str]] = STAGES,
    seed: int = SHUFFLE_SEED,
) -> Iterator[tuple[str, ExplainedModel]]:
    """Models whose weights are shuffled from the top down, each a stage further than the one before.

    Each tensor of weights is permuted within itself: sizes and spread stay, what was learned is gone. The network
    itself is not touched; each model holds a copy of it.

    Args:
        network: As ``network.load_network`` returns it.
        model_of: Puts a copy of the network and an embedder on it together; the embedder must not be a compiled one.
        stages: Names of modules, stage by stage.
        seed: Of the permutations.

    Yields:
        The stage's first module and the model.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    shuffled = network
    for stage in stages:
        shuffled = deepcopy(shuffled)
        for name in stage:
            for tensor in shuffled.get_submodule(name).parameters():
                order = torch.randperm(tensor.numel(), generator=generator)
                tensor.data = tensor.data.flatten()[order].view_as(tensor)
        yield stage[0], model_of(shuffled)


def randomization(
    method: ExplanationMethod,
    crop: Pixels,
    target: Target,
    heat: HeatMap,
    shuffled: Sequence[tuple[str, ExplainedModel]],
) -> dict[str, float] | None:
    """How much of a map is left when the network's weights are shuffled. The map must change.

    The target's direction stays what it was. That the shuffled network's score means nothing is the point.

    Args:
        method: Made ``heat``.
        crop: shape (160, 160, 3), uint8, RGB.
        target: What ``heat`` explains.
        heat: The map of the network as it is.
        shuffled: As ``shuffled_models`` makes them.

    Returns:
        By stage the absolute Spearman correlation of the two maps' values, cell by cell; a map that becomes constant
        counts as 0. Two maps of n unrelated cells come to sqrt(2 / (pi (n - 1))) on average: 0.28 for 9, 0.10 for 64.
        None where ``heat`` is constant.
    """
    if heat.constant:
        return None
    left = {}
    for stage, model in shuffled:
        (other,) = method.explain(model, crop, [target])
        left[stage] = abs(_pearson(_ranks(heat.values), _ranks(other.values)))
    return left


def _ranks(values: Floats) -> Floats:
    """Ranks from 1 in the shape (n,); equal values share their mean rank."""
    _, places, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return ranks[places].astype(np.float32)
