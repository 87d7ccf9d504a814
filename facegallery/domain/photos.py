"""Photos, the faces found in them, and what an embedder says of a face."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from facegallery.domain.models import Preparation

if TYPE_CHECKING:  # numpy is not needed to import the vocabulary, and costs 0.1 s at the start of each command
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
Vectors: TypeAlias = "NDArray[np.float32]"
Ids: TypeAlias = "NDArray[np.int64]"

CROP_SIZE_PX = 160
"""Side of the square crop that InceptionResnetV1 takes."""

EMBEDDING_SIZE = 512
"""Numbers in one embedding of InceptionResnetV1."""

UNIT_LENGTH_TOLERANCE = 1e-3
"""How far an embedding's length may be from 1. float32 rounding over 512 numbers stays under 1e-5; a slip does not."""

SAME_FACE_OVERLAP = 0.5
"""Intersection over union from which two boxes in the same bytes are one face."""

LANDMARK_NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
"""MTCNN's five landmarks in its order; left and right as seen in the photo."""

BoxXyxy = tuple[float, float, float, float]
PointXy = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo.

    Attributes:
        path: The file it was read from, as given.
        content_hash: SHA-256 of the file's bytes, lower-case hex. Two names of the same bytes have the same hash.
        pixels: shape (h, w, 3), uint8, RGB, upright (EXIF orientation applied). A very large photo is reduced while it
            is decoded: then h < height_px.
        width_px: Width of the upright original.
        height_px: Height of the upright original.
        notice: Something the person should know though the photo could be read (a PNG that is named .jpg), or None.
    """

    path: Path
    content_hash: str
    pixels: Pixels
    width_px: int
    height_px: int
    notice: str | None = None

    @property
    def scale(self) -> float:
        """Decoded pixels per pixel of the original; 1.0 unless the photo was reduced."""
        # By the long sides: rounding to whole pixels matters least there.
        return float(max(self.pixels.shape[:2]) / max(self.width_px, self.height_px))

    def without_pixels(self) -> Photo:
        """The same photo, its pixels let go: for photos that wait in numbers."""
        return replace(self, pixels=self.pixels[:0, :0].copy())


@dataclass(frozen=True, slots=True)
class Face:
    """One detection.

    Attributes:
        box_xyxy: Left, top, right, bottom; photo frame. May reach beyond the photo's edge.
        landmarks_xy: Five points in the order of ``LANDMARK_NAMES``; photo frame.
        probability: The detector's probability that this is a face, in [0, 1].
    """

    box_xyxy: BoxXyxy
    landmarks_xy: tuple[PointXy, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What the picture of a face is like; see :mod:`facegallery.quality` for how it is measured.

    Attributes:
        size_px: Shorter side of the box, in decoded pixels.
        sharpness: Fine detail in proportion to the contrast; how much is enough, a policy says.
        brightness: Mean luminance of the face, in [0, 1].
        contrast: Standard deviation of that luminance.
        yaw: How far the face is turned aside, from the landmarks: 0 frontal, -1 or 1 where the nose is over an eye.
        visible: Share of the box that lies inside the photo, in [0, 1].
        overall: All of it as one number in [0, 1], for weighting.
    """

    size_px: float
    sharpness: float
    brightness: float
    contrast: float
    yaw: float
    visible: float
    overall: float


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedFace:
    """A face with its embedding.

    Attributes:
        face: The detection.
        embedding: shape (512,), float32, unit length.
        quality: What the picture of the face is like; None where nobody looked.
        crop: shape (160, 160, 3), uint8, RGB: what was embedded; None unless crops are to be kept.
    """

    face: Face
    embedding: Vectors
    quality: FaceQuality | None = None
    crop: Pixels | None = None


@dataclass(frozen=True, slots=True)
class Crop:
    """A face as the embedder saw it, as it is kept; ``facegallery.crops`` makes and reads the PNG.

    Attributes:
        preparation: How it was cut out.
        png: A PNG of 160x160 pixels, RGB, without loss.
    """

    preparation: Preparation
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class FaceCells:
    """What each cell of the network's last feature map says of some crops.

    The network's end is affine: a crop's embedding is the mean of what its cells say, brought to unit length.

    Attributes:
        vectors: shape (n, rows, columns, 512), float32, crop frame (row 0 is the top). ``constant`` is in each of them.
        constant: shape (512,), float32: what a cell without any feature says.
    """

    vectors: Vectors
    constant: Vectors


@dataclass(frozen=True, slots=True)
class SkippedPhoto:
    """A photo that was left out, and why.

    Attributes:
        path: The file.
        code: Stable reason for programs: a ``PhotoFault`` value, or one of those in ``gallery.enrollment``.
        reason: The same in words, one line.
    """

    path: Path
    code: str
    reason: str


def same_face(a_xyxy: BoxXyxy, b_xyxy: BoxXyxy) -> bool:
    """Whether two boxes in the same bytes are of one face."""
    return a_xyxy == b_xyxy or overlap(a_xyxy, b_xyxy) >= SAME_FACE_OVERLAP


def overlap(a_xyxy: BoxXyxy, b_xyxy: BoxXyxy) -> float:
    """Intersection over union of two boxes in one frame, in [0, 1]; 0 where a box is too small or large for floats."""
    width = min(a_xyxy[2], b_xyxy[2]) - max(a_xyxy[0], b_xyxy[0])
    height = min(a_xyxy[3], b_xyxy[3]) - max(a_xyxy[1], b_xyxy[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a_xyxy, b_xyxy)) - width * height
    return width * height / union if union > 0 else 0.0
