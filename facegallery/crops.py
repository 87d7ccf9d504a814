"""From a detected face to the square crop that the embedder sees, and between the frames of reduced and original photo.

The crop of the box is that of facenet-pytorch's ``extract_face``, to the bit: the networks' published weights were
measured on it. The crop by landmarks is of :mod:`facegallery.alignment`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.alignment import Affine, aligned_crop, alignment_of
from facegallery.domain import CROP_SIZE_PX, BoxXyxy, Crop, Face, Photo, Preparation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels

    Points = NDArray[np.float32]

CROP_MARGIN_PX = 14
"""Pixels of the crop, both sides together, that lie outside the box; facenet-pytorch's LFW notebook uses 14."""

PNG_LEVEL = 4
"""How hard kept crops are compressed: 3 % larger than at Pillow's own 6, in 40 % of its time."""


def crop_face(photo: Photo, face: Face, preparation: Preparation) -> Pixels:
    """Cut out a face and bring it to the embedder's size.

    Args:
        photo: The photo that the face is in.
        face: The face, photo frame. Its box may reach beyond the photo's edge; of a box that lies outside altogether,
            the nearest pixels of the photo are taken, so that one bad box never ends a run.
        preparation: By box or by landmarks; a face whose landmarks are all in one point is cut out by its box.

    Returns:
        shape (160, 160, 3), uint8, RGB. A box with its margin is stretched to a square, as the networks were trained.
    """
    transform = _alignment(photo, face, preparation)
    if transform is not None:
        return aligned_crop(photo.pixels, transform)
    x0, y0, x1, y1 = _region(photo, face)
    region = Image.fromarray(photo.pixels[y0:y1, x0:x1])
    return np.array(region.resize((CROP_SIZE_PX, CROP_SIZE_PX), Image.Resampling.BILINEAR))


def landmarks_in_crop(photo: Photo, face: Face, preparation: Preparation) -> Points:
    """Where the landmarks of a face are in its crop.

    Args:
        photo: The photo that the face is in.
        face: The face, photo frame.
        preparation: How the crop is made.

    Returns:
        shape (5, 2), float32, x and y, crop frame, in the order of ``LANDMARK_NAMES``. A landmark that the detector
        put outside the crop is outside it here too.
    """
    points = np.array(face.landmarks_xy) * photo.scale
    transform = _alignment(photo, face, preparation)
    if transform is not None:
        return transform.moved(points).astype(np.float32)
    x0, y0, x1, y1 = _region(photo, face)
    in_crop: Points = ((points - (x0, y0)) * CROP_SIZE_PX / (x1 - x0, y1 - y0)).astype(np.float32)
    return in_crop


def packed(pixels: Pixels, preparation: Preparation) -> Crop:
    """A crop as it is kept.

    Args:
        pixels: shape (160, 160, 3), uint8, RGB.
        preparation: How it was cut out.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=PNG_LEVEL)
    return Crop(preparation, file.getvalue())


def unpacked(crop: Crop) -> Pixels:
    """The pixels of a kept crop: shape (160, 160, 3), uint8, RGB, each as it was.

    Raises:
        ValueError: The PNG is damaged, or is another picture.
    """
    try:
        with Image.open(io.BytesIO(crop.png), formats=["PNG"]) as image:
            if image.size != (CROP_SIZE_PX, CROP_SIZE_PX) or image.mode != "RGB":
                raise ValueError(f"a crop is {CROP_SIZE_PX}x{CROP_SIZE_PX} RGB, not {image.size} {image.mode}")
            return np.array(image)
    except (OSError, SyntaxError) as error:  # SyntaxError is what Pillow raises at a broken chunk
        raise ValueError(f"the kept crop is damaged: {error}") from error


def _alignment(photo: Photo, face: Face, preparation: Preparation) -> Affine | None:
    """From decoded pixels to the aligned crop; None where the crop is the box's."""
    return alignment_of(np.array(face.landmarks_xy) * photo.scale) if preparation.aligned else None


def _region(photo: Photo, face: Face) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a face with its margin, in whole decoded pixels inside the photo."""
    height, width = photo.pixels.shape[:2]
    left, top, right, bottom = _with_margin(_scaled(face.box_xyxy, photo.scale))
    # Towards the photo's edge first, then to whole pixels: extract_face's order.
    x0 = min(int(max(left, 0)), width - 1)
    y0 = min(int(max(top, 0)), height - 1)
    x1 = max(int(min(right, width)), x0 + 1)
    y1 = max(int(min(bottom, height)), y0 + 1)
    return x0, y0, x1, y1


def to_photo_frame(faces: list[Face], photo: Photo) -> list[Face]:
    """Move faces from the frame of the decoded pixels to the photo frame.

    Args:
        faces: Faces as a detector found them in ``photo.pixels``.
        photo: The photo, reduced or not.

    Returns:
        The same faces in the frame of the upright original.
    """
    if photo.scale == 1.0:
        return faces
    factor = 1.0 / photo.scale
    return [
        replace(
            face,
            box_xyxy=_scaled(face.box_xyxy, factor),
            landmarks_xy=tuple((x * factor, y * factor) for x, y in face.landmarks_xy),
        )
        for face in faces
    ]


def _scaled(box_xyxy: BoxXyxy, factor: float) -> BoxXyxy:
    left, top, right, bottom = box_xyxy
    return left * factor, top * factor, right * factor, bottom * factor


def _with_margin(box_xyxy: BoxXyxy) -> BoxXyxy:
    left, top, right, bottom = box_xyxy
    across = CROP_MARGIN_PX * (right - left) / (CROP_SIZE_PX - CROP_MARGIN_PX) / 2
    down = CROP_MARGIN_PX * (bottom - top) / (CROP_SIZE_PX - CROP_MARGIN_PX) / 2
    return left - across, top - down, right + across, bottom + down
