"""Faces in photos by MTCNN, with facenet-pytorch's three networks and its thresholds.

What facenet-pytorch raises on is an ordinary answer here: an image too small to hold a face has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from facegallery.cascade import find_faces
from facegallery.domain import Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.cascade import Found, Networks
    from facegallery.domain import Pixels

    Floats = NDArray[np.float32]

MIN_FACE_PX = 20
"""The smallest face looked for, and so the smallest image looked at: facenet-pytorch's own default."""

MAX_FACES_ACROSS = 102.4
"""How many of the smallest faces fit along the side of the image (of a square of the same area): 20 px at 2048x2048.

The first network's time grows with image area / smallest face squared, so this bounds it. Faces of 20 px in a photo of
4000x3000 are too coarse to be recognised.
"""


class MtcnnDetector:
    """Finds faces with MTCNN; fulfils ``domain.Detector``. Holds no state between calls."""

    def __init__(self, networks: Networks) -> None:
        """Take the three networks; those of :mod:`facegallery.mtcnn` are the usual ones."""
        self._networks = networks

    def detect(self, pixels: Pixels) -> list[Face]:
        """Find faces in one image. Never raises for what the image shows or for its size.

        Args:
            pixels: shape (h, w, 3), uint8, RGB, any size of at least 1x1. Faces under ``MIN_FACE_PX`` (in a large
                image: under 1 / ``MAX_FACES_ACROSS`` of its side) are not looked for.

        Returns:
            Faces in the frame of ``pixels``, most probable first; an empty list when there is none. Every number
            is finite, and every box has an area of which some is in the image.
        """
        return self.detect_many([pixels])[0]

    def detect_many(self, photos: Sequence[Pixels]) -> list[list[Face]]:
        """Find faces in several images of any sizes, in less time than one after the other.

        Args:
            photos: each as ``detect`` takes it. 8 bytes are held for each of their pixels until all are done: give a
                large folder in groups.

        Returns:
            For each image what ``detect`` returns.
        """
        found = find_faces(photos, [smallest_face_px(pixels) for pixels in photos], self._networks)
        return [_faces(of_photo, pixels) for of_photo, pixels in zip(found, photos, strict=True)]


def smallest_face_px(pixels: Pixels) -> float:
    """Side of the smallest face that is looked for in an image of shape (h, w, 3)."""
    height, width = pixels.shape[:2]
    return max(MIN_FACE_PX, math.sqrt(height * width) / MAX_FACES_ACROSS)


def _faces(found: Found, pixels: Pixels) -> list[Face]:
    """The usable ones as values, most probable first."""
    height, width = pixels.shape[:2]
    rows = zip(
        found.boxes_xyxy.tolist(),
        found.landmarks_xy.tolist(),
        found.probabilities.tolist(),
        _usable(found, width, height).tolist(),
        strict=True,
    )
    return [
        Face(tuple(box), tuple((x, y) for x, y in landmarks), probability)
        for box, landmarks, probability, is_usable in rows
        if is_usable
    ]


def _usable(found: Found, width: int, height: int) -> NDArray[np.bool_]:
    """Which are of finite numbers and have an area of which some is in the image; shape (n,)."""
    boxes, landmarks = found.boxes_xyxy, found.landmarks_xy
    is_finite = np.isfinite(boxes).all(axis=1) & np.isfinite(landmarks).all(axis=(1, 2))
    left, top, right, bottom = boxes.T
    has_area = (right > left) & (bottom > top)
    touches_image = (right > 0) & (bottom > 0) & (left < width) & (top < height)
    return np.asarray(is_finite & has_area & touches_image)
