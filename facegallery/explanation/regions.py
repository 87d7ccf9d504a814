"""The regions of a face that are spoken of: eyes, nose, mouth and the rest, placed by the five landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import CROP_SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.explanation.method import Floats

REGIONS = ("left eye", "right eye", "nose", "mouth", "the rest")
"""Left and right as seen in the photo, like the landmarks."""

EYE_ACROSS, EYE_DOWN = 0.42, 0.32
"""Half axes of an eye's ellipse, brow included, in distances between the eyes."""

NOSE_ACROSS, NOSE_DOWN = 0.30, 0.42
"""Half axes of the nose's ellipse. Its middle lies between the landmark, the tip, and the point between the eyes."""

MOUTH_ACROSS, MOUTH_DOWN = 0.22, 0.28
"""How far the mouth's ellipse reaches beyond its corners, and its half height."""

_LEAST_UNIT_PX = CROP_SIZE_PX / 8
"""The smallest distance between the eyes that is believed: of a face in profile the two landmarks nearly coincide."""


def region_of_pixels(landmarks_xy: Floats) -> NDArray[np.int8]:
    """The region that each pixel of a crop belongs to.

    Args:
        landmarks_xy: shape (5, 2), crop frame, in the order of ``domain.LANDMARK_NAMES``.

    Returns:
        shape (160, 160), int8: places in ``REGIONS``. Each pixel is in one region: where two ellipses overlap, in the
        one whose middle is nearer in its own measure.
    """
    left_eye, right_eye, tip, left_corner, right_corner = landmarks_xy.astype(np.float64)
    unit = max(float(np.hypot(*(right_eye - left_eye))), _LEAST_UNIT_PX)
    mouth = (left_corner + right_corner) / 2
    mouth_across = float(np.hypot(*(right_corner - left_corner))) / 2 + MOUTH_ACROSS * unit
    nose = tip + ((left_eye + right_eye) / 2 - tip) * 0.35
    ellipses = [
        (left_eye, EYE_ACROSS * unit, EYE_DOWN * unit),
        (right_eye, EYE_ACROSS * unit, EYE_DOWN * unit),
        (nose, NOSE_ACROSS * unit, NOSE_DOWN * unit),
        (mouth, mouth_across, MOUTH_DOWN * unit),
    ]
    # The ellipses lie as the eyes do: a head that is tilted has tilted regions.
    along = (right_eye - left_eye) / unit if unit > _LEAST_UNIT_PX else np.array([1.0, 0.0])
    along /= max(float(np.hypot(*along)), 1e-9)
    y, x = np.mgrid[:CROP_SIZE_PX, :CROP_SIZE_PX] + 0.5
    measures = []
    for (middle_x, middle_y), across, down in ellipses:
        right, below = x - middle_x, y - middle_y
        u, v = right * along[0] + below * along[1], below * along[0] - right * along[1]
        measures.append((u / across) ** 2 + (v / down) ** 2)
    nearest = np.argmin(measures, axis=0)
    inside = np.min(measures, axis=0) <= 1
    return np.where(inside, nearest, len(ellipses)).astype(np.int8)


def by_region(values: Floats, regions: NDArray[np.int8]) -> dict[str, float]:
    """The sum of a map over each region, every cell's value spread evenly over the pixels of the cell.

    Args:
        values: shape (rows, columns), float32, crop frame, spread evenly over the crop.
        regions: As ``region_of_pixels`` returns it.

    Returns:
        For each of ``REGIONS`` its sum; together they are the sum of ``values``.
    """
    n_rows, n_columns = values.shape
    row = np.arange(CROP_SIZE_PX) * n_rows // CROP_SIZE_PX
    column = np.arange(CROP_SIZE_PX) * n_columns // CROP_SIZE_PX
    per_pixel = values.astype(np.float64) / np.outer(np.bincount(row), np.bincount(column))
    sums = np.bincount(regions.ravel(), per_pixel[np.ix_(row, column)].ravel(), minlength=len(REGIONS))
    return dict(zip(REGIONS, sums.tolist(), strict=True))
