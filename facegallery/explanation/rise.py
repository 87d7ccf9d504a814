"""CorrRISE: how the presence of each pixel goes together with the target, over random masks.

"Towards Visual Saliency Explanations of Face Verification" (Lu, Xu and Ebrahimi, WACV 2024): the crop is masked at
random many times, and a pixel's value is Pearson's correlation, over the masks, between the mask at the pixel and the
similarity. Positive where presence raises the target (the paper's similarity map), negative where it lowers it (its
dissimilarity map). Nothing but the embedder's answers is used.

We differ in the masks and in what absence is. The paper covers the crop with a few black squares; ours are those of
"RISE" (Petsiuk et al., 2018), random grids enlarged smoothly and shifted at random, and what is absent is blurred:
black squares have edges and a colour that a network answers to by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.domain import CROP_SIZE_PX
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant

if TYPE_CHECKING:
    from facegallery.domain import Embedder, Pixels, Vectors
    from facegallery.explanation.method import Floats

N_MASKS = 500
"""As in the paper. Sampling alone leaves 1/sqrt(500) = 0.04 of correlation at a pixel that has no part."""

GRID = 8
"""Cells along a side of a mask."""

SCORE_NOISE = 1e-3
"""Targets that differ by no more over all masks do not depend on them: correlation would enlarge mere rounding."""

_MASKS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class CorrRise:
    """Random-mask correlation. All targets share the same masked crops.

    Attributes:
        n_masks: Each costs one embedding.
        seed: Of the masks; the same for every crop.
    """

    n_masks: int = N_MASKS
    seed: int = 0
    name = "corrrise"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the targets; see :class:`facegallery.explanation.method.ExplanationMethod`.

        The maps have shape (160, 160) and values in [-1, 1]: correlations, which do not add up to the score.
        """
        masks = random_masks(self.n_masks, np.random.default_rng(self.seed))
        masked = _embedded(model.embedder, crop, masks)
        plain = model.embedder.embed(crop[np.newaxis])
        settings: dict[str, str | int] = {"masks": self.n_masks, "grid": f"{GRID}x{GRID}", "fill": Fill.BLUR.value}
        settings["seed"] = self.seed
        heats = []
        for target in targets:
            values = target.of(masked)
            constant = is_constant(values, SCORE_NOISE)
            heat = np.zeros((CROP_SIZE_PX, CROP_SIZE_PX), np.float32) if constant else _correlation(masks, values)
            score = float(target.of(plain)[0])
            heats.append(HeatMap(self.name, heat, target.words, score, constant, signed=True, settings=settings))
        return tuple(heats)


def random_masks(n_masks: int, rng: np.random.Generator) -> Floats:
    """Smooth random masks: each cell of a grid is present or absent with equal chance.

    Args:
        n_masks: How many.
        rng: Draws the cells and the shifts.

    Returns:
        shape (n_masks, 160, 160), float32, crop frame: 1 where the crop is present, 0 where it is absent, and in
        between on the way from cell to cell.
    """
    cell = -(-CROP_SIZE_PX // GRID)
    side = (GRID + 1) * cell  # one cell more than the crop, for the shift
    grids = rng.integers(0, 2, (n_masks, GRID, GRID)).astype(np.float32)
    shifts = rng.integers(0, cell, (n_masks, 2))
    masks = np.empty((n_masks, CROP_SIZE_PX, CROP_SIZE_PX), np.float32)
    for mask, grid, (top, left) in zip(masks, grids, shifts, strict=True):
        large = np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BILINEAR))
        mask[:] = large[top : top + CROP_SIZE_PX, left : left + CROP_SIZE_PX]
    return masks


def _embedded(embedder: Embedder, crop: Pixels, masks: Floats) -> Vectors:
    """Embeddings of the crop under each mask: shape (n_masks, 512)."""
    present, absent = crop.astype(np.float32), filled(crop, Fill.BLUR).astype(np.float32)
    return np.concatenate(
        [
            embedder.embed((absent + some[..., np.newaxis] * (present - absent)).round().astype(np.uint8))
            for some in np.array_split(masks, -(-len(masks) // _MASKS_AT_ONCE))
        ]
    )


def _correlation(masks: Floats, values: Vectors) -> Floats:
    """Pearson's correlation of each pixel's mask with the values: shape (160, 160), float32; 0 where no mask varies."""
    centred = values - values.mean()
    away = masks.reshape(len(masks), -1) - masks.reshape(len(masks), -1).mean(axis=0)  # (n_masks, 160 * 160)
    covariance = centred @ away
    lengths = np.linalg.norm(centred) * np.linalg.norm(away, axis=0)
    correlation: Floats = np.divide(covariance, lengths, out=np.zeros_like(covariance), where=lengths > 0)
    return correlation.reshape(CROP_SIZE_PX, CROP_SIZE_PX)
