"""Faces in one image by MTCNN, with facenet-pytorch's three networks and its thresholds.

The cascade is "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (Zhang et al.,
2016). What facenet-pytorch raises on is an ordinary answer here: an image too small to hold a face has none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.domain import Face
from facegallery.threads import limit_torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels

    Rows = NDArray[np.float64]

MIN_FACE_PX = 20
"""The smallest face looked for, and so the smallest image looked at: facenet-pytorch's own default."""

MAX_FACES_ACROSS = 102.4
"""How many of the smallest faces fit along the side of the image (of a square of the same area): 20 px at 2048x2048.

The first network's time grows with image area / smallest face squared, so this bounds it: a 4000x3000 photo takes 2.0 s
on one core, and 3.7 s if faces of 20 px were looked for, which at that size are too coarse to be recognised.
"""

_PNET_CELL_PX = 12
"""What the first network sees of the reduced image at once: a smallest face is reduced to this."""


class MtcnnDetector:
    """Finds faces with MTCNN; fulfils ``domain.Detector``. Holds no state between calls."""

    def __init__(self, mtcnn: Any) -> None:
        """Take a ``facenet_pytorch.MTCNN``; ``load`` makes the usual one."""
        self._mtcnn = mtcnn

    @classmethod
    def load(cls) -> MtcnnDetector:
        """Build the detector from the three networks that travel inside facenet-pytorch (CPU, no download)."""
        limit_torch()
        from facenet_pytorch import MTCNN

        return cls(MTCNN(keep_all=True, min_face_size=MIN_FACE_PX))

    def detect(self, pixels: Pixels) -> list[Face]:
        """Find faces in one image. Never raises for what the image shows or for its size.

        Args:
            pixels: shape (h, w, 3), uint8, RGB, any size of at least 1x1. Faces under ``MIN_FACE_PX`` (in a large
                image: under 1 / ``MAX_FACES_ACROSS`` of its side) are not looked for.

        Returns:
            Faces in the frame of ``pixels``, most probable first; an empty list when there is none. Every number
            is finite, and every box has an area of which some is in the image.
        """
        height, width = pixels.shape[:2]
        smallest_px = max(MIN_FACE_PX, math.sqrt(height * width) / MAX_FACES_ACROSS)
        # The library's own condition in its own arithmetic: with no level in its pyramid it joins an empty list.
        if min(height, width) * (_PNET_CELL_PX / smallest_px) < _PNET_CELL_PX:
            return []
        found = self._cascade(pixels, smallest_px)
        if found is None:
            # With a border there is something to crop where the candidate went, and the real faces are found.
            border = min(height, width)
            found = self._cascade(np.pad(pixels, ((border, border), (border, border), (0, 0))), smallest_px)
            if found is None:
                return []  # only an image made for this gets here
            found = found[0] - (border, border, border, border, 0), found[1] - border
        boxes, points = found
        pairs = zip(boxes, points, strict=True)
        faces = [_face(box, landmarks) for box, landmarks in pairs if _is_usable(box, landmarks, width, height)]
        return sorted(faces, key=lambda face: face.probability, reverse=True)

    def _cascade(self, pixels: Pixels, smallest_px: float) -> tuple[Rows, Rows] | None:
        """Boxes with probability, shape (n, 5), and landmarks, shape (n, 5, 2); None when a candidate was lost.

        A candidate that a network moved wholly off the image has no crop. The library then joins an empty list of
        crops, or has more boxes than crops; it was seen on an image made for it, and reported for video frames.
        """
        import torch
        from facenet_pytorch.models.utils.detect_face import detect_face

        # Not MTCNN.detect: that takes the smallest face from an attribute, which two threads would share.
        mtcnn = self._mtcnn
        try:
            with torch.inference_mode():
                boxes, points = detect_face(
                    pixels,
                    smallest_px,
                    mtcnn.pnet,
                    mtcnn.rnet,
                    mtcnn.onet,
                    mtcnn.thresholds,
                    mtcnn.factor,
                    mtcnn.device,
                )
        except (IndexError, RuntimeError, ValueError) as error:
            if isinstance(error, IndexError) or "non-empty list" in str(error):
                return None
            raise  # no memory, for one
        # One image went in: (1, n, 5) and (1, n, 5, 2), of dtype object.
        return boxes[0].astype(np.float64), points[0].astype(np.float64)


def _is_usable(box: Rows, landmarks: Rows, width: int, height: int) -> bool:
    left, top, right, bottom = box[:4]
    has_area = right > left and bottom > top
    touches_image = right > 0 and bottom > 0 and left < width and top < height
    return bool(np.isfinite(box).all() and np.isfinite(landmarks).all() and has_area and touches_image)


def _face(box: Rows, landmarks: Rows) -> Face:
    left, top, right, bottom, probability = box.tolist()
    return Face((left, top, right, bottom), tuple((x, y) for x, y in landmarks.tolist()), probability)
