"""Occlusion: how much the score falls when a place is covered, for a patch that slides over the crop.

"Visualizing and Understanding Convolutional Networks" (Zeiler and Fergus, 2014). It asks the very embedder that made
the decision, from outside, so it knows nothing of layers, and one series of covered crops serves any number of targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import CROP_SIZE_PX
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels, Vectors

PATCH_PX = 32
"""Side of the patch, a fifth of the crop: about an eye with its brow. Larger ones blur the map, smaller ones change
the score too little."""

ACROSS, FINE_ACROSS = 7, 13
"""Places of the patch along a side. 7: in the time that a person does not notice; 13: every second place between."""

REACH_PX = 72
"""Places whose middle is further from the crop's middle are left out: the corners of a crop are not of the face."""

SPREAD = 0.25
"""Reach of one place's fall in the map, in sides of the patch: a Gaussian's standard deviation."""

_FAR = 1e-3
"""Weight of "no change", which wins where no patch was near."""

NOISE = 2e-3
"""Spread of a map, in similarity, that may be rounding: what bf16 makes of one crop in batches of other sizes."""


@dataclass(frozen=True, eq=False)
class Covered:
    """A crop under a patch in many places.

    Attributes:
        boxes_xyxy: shape (n, 4), int64, crop frame: the patch's places.
        embeddings: shape (n, 512), float32: the embedding under each.
        uncovered: shape (512,), float32: the embedding of the crop itself.
        fill: shape (160, 160, 3), uint8, RGB: what the patch shows.
    """

    boxes_xyxy: NDArray[np.int64]
    embeddings: Vectors
    uncovered: Vectors
    fill: Pixels


@dataclass(frozen=True, slots=True)
class Occlusion:
    """The score's fall under a sliding patch, joined to a smooth map.

    Attributes:
        across: Places of the patch along a side.
        patch_px: Its side.
        fill: What it shows.
        name: The method's name.
    """

    across: int = ACROSS
    patch_px: int = PATCH_PX
    fill: Fill = Fill.MEAN
    name: str = "occlusion"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the targets; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        return self.heats(self.cover(model, crop), targets)

    def cover(self, model: ExplainedModel, crop: Pixels) -> Covered:
        """Embed the crop under the patch in each place.

        Args:
            model: What is explained.
            crop: shape (160, 160, 3), uint8, RGB.
        """
        fill = filled(crop, self.fill)
        boxes = self._places()
        crops = np.repeat(crop[np.newaxis], len(boxes) + 1, axis=0)
        for covered, (left, top, right, bottom) in zip(crops[1:], boxes.tolist(), strict=True):
            covered[top:bottom, left:right] = fill[top:bottom, left:right]
        embeddings = model.embedder.embed(crops)
        return Covered(boxes, embeddings[1:], embeddings[0], fill)

    def heats(self, covered: Covered, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """The map of each target from one series of covered crops."""
        settings: dict[str, str | int | float] = {
            "places": len(covered.boxes_xyxy),
            "patch": f"{self.patch_px} px",
            "fill": self.fill.value,
        }
        heats = []
        for target in targets:
            score = float(covered.uncovered @ target.direction)
            values = _spread(covered.boxes_xyxy, score - target.of(covered.embeddings))
            constant = is_constant(values, NOISE)
            heats.append(
                HeatMap(
                    self.name,
                    np.zeros_like(values) if constant else values,
                    target.words,
                    score,
                    constant,
                    signed=True,
                    settings=settings,
                )
            )
        return tuple(heats)

    def _places(self) -> NDArray[np.int64]:
        starts = np.linspace(0, CROP_SIZE_PX - self.patch_px, self.across).round().astype(np.int64)
        top, left = (each.ravel() for each in np.meshgrid(starts, starts, indexing="ij"))
        middle = (CROP_SIZE_PX - self.patch_px) / 2
        near = np.hypot(top - middle, left - middle) <= REACH_PX
        top, left = top[near], left[near]
        return np.stack([left, top, left + self.patch_px, top + self.patch_px], axis=1)


def _spread(boxes_xyxy: NDArray[np.int64], falls: Vectors) -> Vectors:
    """A smooth map through the falls: at each pixel the mean of those nearby; towards 0 where no patch was near.

    A mean over the patches that cover a pixel would do too, but its steps are those of the grid and not of the face.
    """
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    middles = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    pixels = np.arange(CROP_SIZE_PX) + 0.5
    # One weight for x and one for y: shape (n, 160) each.
    across, down = np.exp(
        -((pixels - middles.T[..., np.newaxis]) ** 2) / (2 * (SPREAD * sides.T[..., np.newaxis]) ** 2)
    )
    total = (down * falls[:, np.newaxis].astype(np.float64)).T @ across
    values: Vectors = (total / (down.T @ across + _FAR)).astype(np.float32)
    return values
