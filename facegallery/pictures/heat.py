"""A map drawn over the crop it explains, and the bar that says what its colours mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels

OVERLAY_PX = 320
"""Side of the drawn square: twice the crop's, so that a coarse map blends smoothly."""

MAP_SHARE = 0.5
"""How much of a drawn pixel is the map's colour; the rest is the face in grey, which stays recognisable."""

# Nine of the 256 colours of "inferno" by Nathaniel Smith and Stefan van der Walt (2015, CC0, in matplotlib): equal
# steps look equal, lightness only rises, so that the map reads the same in grey and to the colour-blind.
_COLOURS_AT = np.array([0, 32, 64, 96, 128, 159, 191, 223, 255]) / 255
_COLOURS = np.array(
    [
        (0, 0, 4),
        (33, 12, 74),
        (87, 16, 110),
        (138, 34, 106),
        (188, 55, 84),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ]
)


def overlay(crop: Pixels, values: NDArray[np.float32]) -> Pixels:
    """Draw a map over a crop.

    Args:
        crop: shape (h, w, 3), uint8, RGB, square.
        values: shape (rows, columns), float32, in [0, 1]; spread evenly over the crop, and smoothed between the cells'
            centres (bilinear).

    Returns:
        shape (320, 320, 3), uint8, RGB: dark where the map is 0, bright where it is 1; the crop in grey shines through.
    """
    square = (OVERLAY_PX, OVERLAY_PX)
    grey = Image.fromarray(crop).convert("L").resize(square, Image.Resampling.BICUBIC)
    smooth = Image.fromarray(values.astype(np.float32)).resize(square, Image.Resampling.BILINEAR)
    return _blended(np.asarray(smooth), np.asarray(grey))


def colour_bar(width_px: int, height_px: int) -> Pixels:
    """The colours of ``overlay`` from 0 at the left to 1 at the right, as they look over middle grey.

    Returns:
        shape (height_px, width_px, 3), uint8, RGB.
    """
    values = np.tile(np.linspace(0, 1, width_px), (height_px, 1))
    return _blended(values, np.full(values.shape, 128))


def _blended(values: NDArray[np.floating], grey: NDArray[np.integer]) -> Pixels:
    """Colours of a map in [0, 1], mixed with grey in 0..255 of the same shape (h, w)."""
    colours = np.stack([np.interp(values, _COLOURS_AT, _COLOURS[:, channel]) for channel in range(3)], axis=-1)
    mixed = MAP_SHARE * colours + (1 - MAP_SHARE) * grey[..., np.newaxis]
    pixels: Pixels = mixed.round().astype(np.uint8)
    return pixels
