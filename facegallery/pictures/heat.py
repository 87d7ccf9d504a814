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

MAP_SHARE_SIGNED = 0.65
"""The same where a map with both signs is largest; where it is 0, all is face..."""

FACE_CONTRAST_SIGNED = 0.5
"""...with its contrast halved around middle grey, as under an unsigned map: black hair would hide a dark colour."""

_MIDDLE_GREY = 127.5

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

# The ends of "plasma", by the same authors (2015, CC0). Blue and yellow stay apart for the colour-blind, and one is
# darker than any face that is drawn, the other lighter, so that the sign is seen in grey too (of blue-white-red both
# ends are dark).
_LOWERS, _RAISES = np.array([(13, 8, 135), (240, 249, 33)])


def overlay(crop: Pixels, values: NDArray[np.float32], *, signed: bool) -> Pixels:
    """Draw a map over a crop.

    Args:
        crop: shape (h, w, 3), uint8, RGB, square.
        values: shape (rows, columns), float32, in any unit; spread evenly over the crop, and smoothed between the
            cells' centres (bilinear). The largest size gets the full colour; a map that is 0 everywhere stays so.
        signed: Whether the map says "lowers" too, as ``HeatMap.signed`` does. One that does not is never negative.

    Returns:
        shape (320, 320, 3), uint8, RGB, the crop in grey with less contrast shining through. Unsigned: dark where the
        map is 0, bright where it is largest. Signed: the grey itself where the map is 0, towards blue where it is
        negative and towards yellow where it is positive, which is always lighter.
    """
    square = (OVERLAY_PX, OVERLAY_PX)
    grey = Image.fromarray(crop).convert("L").resize(square, Image.Resampling.BICUBIC)
    relative = values.astype(np.float32) / (np.abs(values).max() or 1)
    smooth = Image.fromarray(relative).resize(square, Image.Resampling.BILINEAR)
    return _blended(np.asarray(smooth), np.asarray(grey), signed=signed)


def colour_bar(width_px: int, height_px: int, *, signed: bool) -> Pixels:
    """The colours of ``overlay`` as they look over middle grey, from 0 (signed: -1) at the left to 1 at the right.

    Returns:
        shape (height_px, width_px, 3), uint8, RGB.
    """
    values = np.tile(np.linspace(-1 if signed else 0, 1, width_px), (height_px, 1))
    return _blended(values, np.full(values.shape, _MIDDLE_GREY), signed=signed)


def _blended(values: NDArray[np.floating], grey: NDArray[np.number], *, signed: bool) -> Pixels:
    """Colours of a map in [-1, 1], mixed with a face's grey in 0..255 of the same shape (h, w)."""
    over, face = values[..., np.newaxis], grey[..., np.newaxis]  # (h, w) -> (h, w, 1), beside colours (h, w, 3)
    if signed:
        colours, share = np.where(over < 0, _LOWERS, _RAISES), MAP_SHARE_SIGNED * np.abs(over)
        face = _MIDDLE_GREY + FACE_CONTRAST_SIGNED * (face - _MIDDLE_GREY)
    else:
        channels = [np.interp(values, _COLOURS_AT, _COLOURS[:, channel]) for channel in range(3)]
        colours, share = np.stack(channels, axis=-1), MAP_SHARE
    pixels: Pixels = (share * colours + (1 - share) * face).round().astype(np.uint8)
    return pixels
