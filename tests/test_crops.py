"""Promises about crops: facenet-pytorch's own to the bit, a crop for every box, frames that agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from facenet_pytorch.models.utils.detect_face import extract_face
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facegallery.crops import CROP_MARGIN_PX, crop_face, landmarks_in_crop, to_photo_frame
from facegallery.domain import CROP_SIZE_PX, BoxXyxy, Face, Photo, Preparation

HEIGHT, WIDTH = 90, 120
PIXELS = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def photo_of(*, width_px: int = WIDTH, height_px: int = HEIGHT) -> Photo:
    return Photo(Path("a.jpg"), "0" * 64, PIXELS, width_px=width_px, height_px=height_px)


def face_at(box_xyxy: BoxXyxy) -> Face:
    return Face(box_xyxy, ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0), (9.0, 10.0)), 0.99)


positions = st.floats(-60, 150)
sizes = st.floats(0, 200)


@given(left=positions, top=positions, width=sizes, height=sizes)
@settings(max_examples=200, deadline=None)
def test_a_crop_is_that_of_facenet_pytorch_to_the_bit(left: float, top: float, width: float, height: float) -> None:
    """Wherever its ``extract_face`` gives a picture, ours is the same; elsewhere ours is a picture all the same."""
    box = (left, top, left + width, top + height)
    crop = crop_face(photo_of(), face_at(box), Preparation.BOX)
    assert crop.shape == (CROP_SIZE_PX, CROP_SIZE_PX, 3)
    assert crop.dtype == np.uint8
    try:
        theirs = extract_face(Image.fromarray(PIXELS), box, image_size=CROP_SIZE_PX, margin=CROP_MARGIN_PX)
    except (ValueError, SystemError):  # no pixel inside the photo
        return
    if crop_has_pixels(box):
        assert np.array_equal(crop.transpose(2, 0, 1), theirs.numpy())


def crop_has_pixels(box: BoxXyxy) -> bool:
    """Whether the box with its margin covers a whole pixel of the photo; Pillow resizes also what is empty."""
    share = CROP_MARGIN_PX / (CROP_SIZE_PX - CROP_MARGIN_PX) / 2
    across, down = share * (box[2] - box[0]), share * (box[3] - box[1])
    return int(max(box[0] - across, 0)) < int(min(box[2] + across, WIDTH)) and int(max(box[1] - down, 0)) < int(
        min(box[3] + down, HEIGHT)
    )


@pytest.mark.parametrize(
    ("box", "pixel"),
    [
        ((-50.0, -50.0, -10.0, -10.0), (0, 0)),
        ((500.0, 500.0, 600.0, 600.0), (HEIGHT - 1, WIDTH - 1)),
        ((500.0, 10.2, 600.0, 10.4), (10, WIDTH - 1)),
        ((7.0, 5.0, 7.0, 5.0), (5, 7)),
        ((7.0, 5.0, 3.0, 2.0), (5, 7)),
    ],
)
def test_a_box_without_a_pixel_gives_the_nearest_one(box: BoxXyxy, pixel: tuple[int, int]) -> None:
    """Boxes outside the photo, empty or turned inside out end no run: the crop is of the nearest pixel."""
    assert (crop_face(photo_of(), face_at(box), Preparation.BOX) == PIXELS[pixel]).all()


def test_a_crop_keeps_nothing_of_the_photo() -> None:
    """A crop can be written to without changing the photo."""
    before = PIXELS.copy()
    crop_face(photo_of(), face_at((0.0, 0.0, 160.0, 160.0)), Preparation.BOX)[:] = 0
    assert np.array_equal(PIXELS, before)


def test_the_box_is_in_the_frame_of_the_original() -> None:
    """In a photo reduced to a quarter, a box of the original's pixels gives the crop of the same place."""
    reduced = photo_of(width_px=4 * WIDTH, height_px=4 * HEIGHT)
    crop = crop_face(reduced, face_at((40.0, 80.0, 240.0, 320.0)), Preparation.BOX)
    assert np.array_equal(crop, crop_face(photo_of(), face_at((10.0, 20.0, 60.0, 80.0)), Preparation.BOX))


@given(box=st.tuples(positions, positions, positions, positions), factor=st.integers(1, 9))
def test_detected_faces_are_moved_to_the_photo_frame(box: BoxXyxy, factor: int) -> None:
    """Box and landmarks are multiplied alike, the probability stays; where nothing was reduced, all stays."""
    photo = photo_of(width_px=factor * WIDTH, height_px=factor * HEIGHT)
    (moved,) = to_photo_frame([face_at(box)], photo)
    assert moved.box_xyxy == pytest.approx([factor * side for side in box])
    assert np.array(moved.landmarks_xy) == pytest.approx(factor * np.arange(1, 11).reshape(5, 2))
    assert moved.probability == 0.99
    if factor == 1:
        assert moved == face_at(box)


def test_no_face_is_no_face() -> None:
    """An empty list stays one."""
    assert to_photo_frame([], photo_of(width_px=2 * WIDTH, height_px=2 * HEIGHT)) == []


def test_photos_are_read_and_cropped_without_torch() -> None:
    """None of the modules that bring photos in imports torch."""
    code = "import facegallery.walk, facegallery.crops, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_landmarks_are_where_the_crop_shows_them() -> None:
    """A bright dot at each landmark of a photo is at the landmark's place in the crop, also of a reduced photo."""
    points = ((70.0, 60.0), (110.0, 62.0), (90.0, 80.0), (75.0, 100.0), (105.0, 98.0))
    for scale in (1, 2):
        pixels = np.zeros((200, 220, 3), np.uint8)
        for x, y in points:
            pixels[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 255
        photo = Photo(Path("x.png"), "0" * 64, pixels, 220 * scale, 200 * scale)
        face = Face(
            tuple(scale * side for side in (50.0, 40.0, 130.0, 120.0)),  # type: ignore[arg-type]  # four sides
            tuple((scale * x, scale * y) for x, y in points),
            1.0,
        )
        crop = crop_face(photo, face, Preparation.BOX)
        for x, y in landmarks_in_crop(photo, face, Preparation.BOX):
            assert crop[int(y), int(x), 0] > 128
