"""What the picture of a face is like: measured, and as one number for weighting. What is too poor, the policy says.

The measures are those of ISO/IEC 29794-5 that need no network of their own: size, sharpness, exposure, dynamic range,
pose, and whether the photo's edge cuts the face off.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.domain import Face, FaceQuality, Photo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Luminance = NDArray[np.float64]

MIDDLE = 0.75
"""Part of the box, each way, that is looked at: the rest is hair and background."""

MIDDLE_PX = 48
"""Side that the middle of every face is brought to, as of a box of 64 px. Blur that is not seen at this size does no
harm, and what is measured does not depend on how large the photo is."""

YAW_LIMIT = 2.0
"""Greatest yaw that is told. Behind a nose that is so far beyond an eye, the other eye was guessed."""

GOOD_SIZE_PX = 64.0
GOOD_SHARPNESS = 0.5
GOOD_CONTRAST = 0.06
GOOD_BRIGHTNESS = (0.2, 0.8)
"""From where on a face gains nothing: of 40 sharp photographs, a copy of 64 px, one in half the light or with half the
contrast, or one blurred with a standard deviation of 1/128 of the face's width, was as much like the person's other
photos as before (the cosine lower by less than 0.02)."""

GOOD_YAW = 1.0
"""Up to where a turned face loses nothing: as templates, such photos are what other turned faces are recognized by."""


def measure(photo: Photo, face: Face) -> FaceQuality:
    """Measure the picture of a face.

    Args:
        photo: The photo, with its pixels.
        face: The face, photo frame.

    Returns:
        - ``size_px``: the shorter side of the box in decoded pixels, those beyond the photo's edge among them;
        - ``sharpness``: standard deviation of the luminance's Laplacian (the four neighbours less four times the pixel)
          by that of the luminance itself, over the middle of the box at ``MIDDLE_PX``. After Pech-Pacheco et al., ICPR
          2000, who do not divide; so it is the same in dim light and under low contrast. 0 for a uniform face;
        - ``brightness`` and ``contrast``: mean and standard deviation of the luminance (ITU-R 601-2, as stored) over
          the same pixels, in [0, 1];
        - ``yaw``: how far the nose is from the middle between the eyes, along the line through them, in halves of their
          distance; positive to the right of the photo, at most ``YAW_LIMIT``. A head that is tilted has the same;
        - ``visible``: share of the box's area inside the photo;
        - ``overall``: see :func:`overall`.
    """
    luminance = _luminance(photo, face)
    left, top, right, bottom = face.box_xyxy
    size_px = min(right - left, bottom - top) * photo.scale
    sharpness, brightness = _sharpness(luminance), float(luminance.mean() / 255)
    contrast, yaw, visible = float(luminance.std() / 255), _yaw(face), _visible(photo, face)
    return FaceQuality(
        size_px=size_px,
        sharpness=sharpness,
        brightness=brightness,
        contrast=contrast,
        yaw=yaw,
        visible=visible,
        overall=overall(size_px, sharpness, brightness, contrast, yaw, visible, face.probability),
    )


def overall(
    size_px: float,
    sharpness: float,
    brightness: float,
    contrast: float,
    yaw: float,
    visible: float,
    probability: float,
) -> float:
    """One number in [0, 1]: the product of how much of what is good each measure reaches.

    That is size, sharpness and contrast by their ``GOOD_`` values, the distance of brightness from black and from white
    by that of ``GOOD_BRIGHTNESS``, that of yaw from ``YAW_LIMIT`` by that of ``GOOD_YAW``, the visible share, and the
    detection's probability; each counts 1 at most. So no measure can get better and the whole worse, and one bad
    measure is enough to make it bad.
    """
    dark, bright = GOOD_BRIGHTNESS
    shares = (
        size_px / GOOD_SIZE_PX,
        sharpness / GOOD_SHARPNESS,
        contrast / GOOD_CONTRAST,
        brightness / dark,
        (1 - brightness) / (1 - bright),
        (YAW_LIMIT - abs(yaw)) / (YAW_LIMIT - GOOD_YAW),
        visible,
        probability,
    )
    return math.prod(min(share, 1.0) for share in shares)


def _sharpness(luminance: Luminance) -> float:
    inner = luminance[1:-1, 1:-1]
    sides = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    contrast = float(luminance.std())
    return float((sides - 4 * inner).std()) / contrast if contrast > 0 else 0.0


def _yaw(face: Face) -> float:
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y) = face.landmarks_xy[:3]
    across_x, across_y = right_x - left_x, right_y - left_y
    squared = across_x**2 + across_y**2
    if squared == 0:  # one eye behind the other: which way cannot be said
        return YAW_LIMIT
    from_middle = (nose_x - (left_x + right_x) / 2) * across_x + (nose_y - (left_y + right_y) / 2) * across_y
    return max(-YAW_LIMIT, min(YAW_LIMIT, 2 * from_middle / squared))


def _visible(photo: Photo, face: Face) -> float:
    left, top, right, bottom = face.box_xyxy
    width = max(0.0, min(right, photo.width_px) - max(left, 0))
    height = max(0.0, min(bottom, photo.height_px) - max(top, 0))
    return width * height / ((right - left) * (bottom - top))


def _luminance(photo: Photo, face: Face) -> Luminance:
    """The middle of the box, as far as it is in the photo: shape (48, 48), whole numbers in [0, 255]."""
    height, width = photo.pixels.shape[:2]
    left, top, right, bottom = (side * photo.scale for side in face.box_xyxy)
    x0, x1 = _middle(left, right, width)
    y0, y1 = _middle(top, bottom, height)
    column, row = math.floor(x0), math.floor(y0)
    # Cut out first: Pillow would copy the whole photo.
    region = Image.fromarray(photo.pixels[row : math.ceil(y1), column : math.ceil(x1)])
    small = region.resize(
        (MIDDLE_PX, MIDDLE_PX),
        Image.Resampling.BILINEAR,
        box=(x0 - column, y0 - row, x1 - column, y1 - row),
        reducing_gap=2.0,
    )
    return np.asarray(small.convert("L"), np.float64)


def _middle(low: float, high: float, size: int) -> tuple[float, float]:
    """The middle of one side of the box, inside the photo; at least one pixel of it."""
    edge = (high - low) * (1 - MIDDLE) / 2
    start = min(max(low + edge, 0.0), size - 1.0)
    return start, max(min(high - edge, float(size)), start + 1.0)
