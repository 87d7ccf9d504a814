"""The game of the known region: a patch of another face is pasted into a crop, and a method is asked to point at it.

Deletion and insertion measure a map against the network's answers to odd pictures. Here what the map should say is
known beforehand, because we made it so: the score fell, and one place is the reason. After the "inpainting game" of
"Explainable Face Recognition" (Williford, May and Byrne, ECCV 2020), which repaints a region by a trained network; ours
pastes the other face's own pixels from the same place, which needs no network. Its edge is soft: a seam would lower the
score too, and a method that points at the seam points beside the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from facegallery.domain import CROP_SIZE_PX
from facegallery.explanation.faithfulness import pixel_order
from facegallery.explanation.method import Target

if TYPE_CHECKING:
    from facegallery.domain import Embedder, Pixels
    from facegallery.explanation.method import ExplainedModel, ExplanationMethod

PATCH_PX = 64
"""Side of the patch, two fifths of the crop: an eye with its brow and cheek, or the mouth with the chin."""

SOFT_EDGE_PX = 4
"""Over how many pixels the patch goes over into the crop: the standard deviation of a Gaussian."""

LEAST_FALL = 0.15
"""By how much the patch has to lower the score: by less, it is no reason that a map should show above all others."""

N_PLACES = 80
"""Places that are tried before the game is given up on a face."""

_PLACES_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Pasted:
    """A crop with a patch of another face in it.

    Attributes:
        crop: shape (160, 160, 3), uint8, RGB.
        top: The patch's first row, crop frame.
        left: Its first column.
        side_px: Its side.
        fall: By how much it lowers the target.
    """

    crop: Pixels
    top: int
    left: int
    side_px: int
    fall: float

    def holds(self, row: int, column: int) -> bool:
        """Whether a pixel of the crop lies in the patch."""
        return self.top <= row < self.top + self.side_px and self.left <= column < self.left + self.side_px


def chance_of(side_px: int) -> float:
    """How often a pixel drawn at random is a hit: the share of the crop that the patch takes."""
    return (side_px / CROP_SIZE_PX) ** 2


def paste_patch(
    embedder: Embedder,
    crop: Pixels,
    other: Pixels,
    target: Target,
    *,
    rng: np.random.Generator,
    side_px: int = PATCH_PX,
    least_fall: float = LEAST_FALL,
    n_places: int = N_PLACES,
) -> Pasted | None:
    """Paste a patch of another face into a crop, at the first place tried where the score falls far enough.

    Args:
        embedder: Made the embedding that is explained.
        crop: shape (160, 160, 3), uint8, RGB.
        other: Another person's crop, in the same form: detection placed both, so that their parts roughly correspond.
        target: The score.
        rng: Draws the places, evenly over all at which the patch lies inside the crop.
        side_px: The patch's side.
        least_fall: How far the score has to fall.
        n_places: Places that are tried.

    Returns:
        The crop with its patch; None where no place tried lowers the score so far, and the game cannot be played.
    """
    score = float(target.of(embedder.embed(crop[np.newaxis]))[0])
    places = rng.integers(0, CROP_SIZE_PX - side_px + 1, (n_places, 2))
    for start in range(0, n_places, _PLACES_AT_ONCE):
        batch = places[start : start + _PLACES_AT_ONCE]
        pasted = np.stack([_with_patch(crop, other, top, left, side_px) for top, left in batch])
        falls = score - target.of(embedder.embed(pasted))
        if (falls >= least_fall).any():
            first = int(np.argmax(falls >= least_fall))
            top, left = (int(place) for place in batch[first])
            return Pasted(pasted[first], top, left, side_px, float(falls[first]))
    return None


def points_at_patch(method: ExplanationMethod, model: ExplainedModel, pasted: Pasted, target: Target) -> bool:
    """Whether the place that a method says lowers the target most lies in the patch.

    That place is the lowest of a signed map. A method that cannot say "lowers" is asked what raises the negated target,
    and the place is the highest of that map. Of equal places one is drawn, the same each time; a constant map points
    nowhere and misses.
    """
    (heat,) = method.explain(model, pasted.crop, [target])
    if not heat.signed:
        negated = Target(-target.direction, f"{target.words}, negated")
        (heat,) = method.explain(model, pasted.crop, [negated])
    if heat.constant:
        return False
    lowers = -heat.at_crop_size() if heat.signed else heat.at_crop_size()
    row, column = divmod(int(pixel_order(lowers)[0]), CROP_SIZE_PX)
    return pasted.holds(row, column)


def _with_patch(crop: Pixels, other: Pixels, top: int, left: int, side_px: int) -> Pixels:
    whole = np.zeros(crop.shape[:2], np.uint8)
    whole[top : top + side_px, left : left + side_px] = 255
    soft = np.asarray(Image.fromarray(whole).filter(ImageFilter.GaussianBlur(SOFT_EDGE_PX)), np.float32) / 255
    pasted: Pixels = (crop + (other.astype(np.float32) - crop) * soft[..., np.newaxis]).round().astype(np.uint8)
    return pasted
