"""Crops in which every face stands upright, is of one size, and has its eyes, nose and mouth at the same places.

A detector's box follows the head's turn and the hair, and then the embedder has to. Moving, turning and scaling a face
until its landmarks lie where a usual face's do spares it that ("Deep Face Recognition: A Survey", Wang and Deng, 2021,
section 2.1). The places and the stretch are those of the crop by box, as its average over the first five photos of 50
people in everyday photographs has them, so that the networks see faces of the shape that they were trained on; only a
quarter more of the surroundings is taken. What each of this is worth: docs/accuracy.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.domain import CROP_SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels

    Floats = NDArray[np.float64]

STRETCH = 1.34
"""How much a face is stretched sideways: MTCNN's boxes are so much taller than wide, and their crops are square."""

ZOOM = 0.8
"""Size of the face in the crop, relative to the crop by box with its margin of 14 px."""

_USUAL_XY = ((47.4, 64.7), (112.6, 64.7), (80.0, 95.2), (51.4, 117.0), (108.6, 117.0))
"""Where ``LANDMARK_NAMES`` lie in the crop by box on average; made symmetric."""

_GREY = (127, 127, 127)
"""What lies beyond the photo's edge: 0 to the network."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A map of the plane.

    Attributes:
        matrix: shape (2, 3), float64: applied to (x, y, 1).
    """

    matrix: Floats

    def moved(self, points_xy: Floats) -> Floats:
        """The points' places after it; both of shape (n, 2)."""
        return np.asarray(points_xy @ self.matrix[:, :2].T + self.matrix[:, 2])

    def inverse(self) -> Affine:
        """The way back."""
        back = np.linalg.inv(self.matrix[:, :2])
        return Affine(np.column_stack([back, -back @ self.matrix[:, 2]]))


def alignment_of(landmarks_xy: Floats) -> Affine | None:
    """The map that brings landmarks nearest to their usual places, by turning, scaling and moving alone.

    The least-squares solution of "Least-squares estimation of transformation parameters between two point patterns"
    (Umeyama, 1991); in the plane one complex number turns and scales, and a mirror image is never a solution.

    Args:
        landmarks_xy: shape (5, 2), float64, in the order of ``LANDMARK_NAMES``, pixels.

    Returns:
        From those pixels to the crop frame, or None where all landmarks lie in one point.
    """
    usual = (np.array(_USUAL_XY) - CROP_SIZE_PX / 2) * ZOOM / (STRETCH, 1)  # about the crop's centre, not stretched
    source, target = (points[:, 0] + 1j * points[:, 1] for points in (landmarks_xy, usual))
    spread = source - source.mean()
    size = float((spread.conj() @ spread).real)
    if not size > 0:
        return None
    turn = complex(spread.conj() @ target) / size
    move = complex(target.mean() - turn * source.mean())
    unstretched = np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
    matrix = unstretched * [[STRETCH], [1]]
    matrix[:, 2] += CROP_SIZE_PX / 2
    return Affine(matrix)


def aligned_crop(pixels: Pixels, to_crop: Affine) -> Pixels:
    """Cut a crop out of an image.

    Args:
        pixels: shape (h, w, 3), uint8, RGB.
        to_crop: From those pixels to the crop frame.

    Returns:
        shape (160, 160, 3), uint8, RGB. What would lie outside the image is grey.
    """
    height, width = pixels.shape[:2]
    corners = to_crop.inverse().moved(np.array([(0, 0), (0, 1), (1, 0), (1, 1)], np.float64) * CROP_SIZE_PX)
    # Only what the crop shows, and a pixel more to interpolate with: a photo may be a hundred times larger.
    x0, y0 = (int(edge) for edge in np.clip(np.floor(corners.min(axis=0)) - 1, 0, (width - 1, height - 1)))
    x1, y1 = (int(edge) for edge in np.clip(np.ceil(corners.max(axis=0)) + 1, (x0 + 1, y0 + 1), (width, height)))
    region = Image.fromarray(pixels[y0:y1, x0:x1])
    # A pixel of the crop is interpolated between four: where it stands for more, they are averaged first.
    step = max(1, int(1 / np.sqrt(abs(np.linalg.det(to_crop.matrix[:, :2])))))
    region = region.reduce(step)
    from_crop = to_crop.inverse().matrix
    from_crop[:, 2] -= (x0, y0)
    return np.array(
        region.transform(
            (CROP_SIZE_PX, CROP_SIZE_PX),
            Image.Transform.AFFINE,
            tuple((from_crop / step).ravel()),
            Image.Resampling.BILINEAR,
            fillcolor=_GREY,
        )
    )
