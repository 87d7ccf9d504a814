"""A face with a part covered: the eyes, the nose, the mouth, or everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.regions import REGIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels

PARTS: dict[str, tuple[str, ...]] = {
    "the left eye": ("left eye",),
    "the right eye": ("right eye",),
    "the eyes": ("left eye", "right eye"),
    "the nose": ("nose",),
    "the mouth": ("mouth",),
    "all but eyes, nose and mouth": ("the rest",),
}
"""Parts of a face, in words, and the regions they are made of."""

FILL = Fill.MEAN


def with_parts_covered(crop: Pixels, regions: NDArray[np.int8]) -> Pixels:
    """The crop with each part covered.

    Args:
        crop: shape (160, 160, 3), uint8, RGB.
        regions: As ``regions.region_of_pixels`` returns it.

    Returns:
        shape (n, 160, 160, 3), uint8, RGB: one for each of ``PARTS``.
    """
    fill = filled(crop, FILL)
    masks = [np.isin(regions, [REGIONS.index(name) for name in names]) for names in PARTS.values()]
    return np.stack([np.where(mask[..., np.newaxis], fill, crop) for mask in masks])
