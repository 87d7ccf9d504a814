"""What a place of a crop is covered with, so that it says nothing about the person any more."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from facegallery.domain import Pixels

BLUR_SIGMA_PX = 16
"""Spread of the blur: a tenth of the crop, wider than an eye."""

NOISE_SEED = 0


class Fill(str, Enum):
    """What covers a place. No fill is neutral to a network, so what is claimed should hold for more than one."""

    MEAN = "mean"
    """The crop's mean colour."""
    BLUR = "blur"
    """The crop, blurred so far that no feature is left."""
    NOISE = "noise"
    """Uniform noise, the same each time."""


def filled(crop: Pixels, fill: Fill) -> Pixels:
    """A whole crop's cover.

    Args:
        crop: shape (h, w, 3), uint8, RGB.
        fill: What to cover with.

    Returns:
        shape (h, w, 3), uint8, RGB.
    """
    if fill is Fill.BLUR:
        return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(BLUR_SIGMA_PX)))
    if fill is Fill.NOISE:
        return np.random.default_rng(NOISE_SEED).integers(0, 256, crop.shape, dtype=np.uint8)
    return np.full_like(crop, crop.reshape(-1, 3).mean(axis=0).round().astype(np.uint8))
