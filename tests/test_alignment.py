"""Crops by landmarks: every face upright, of one size, with eyes, nose and mouth at the same places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facegallery.alignment import _USUAL_XY, STRETCH, ZOOM, Affine, aligned_crop, alignment_of
from facegallery.crops import crop_face, landmarks_in_crop
from facegallery.domain import CROP_SIZE_PX, Face, Photo, Preparation

USUAL = (np.array(_USUAL_XY) - 80) * ZOOM + 80
UNSTRETCHED = (USUAL - 80) / (STRETCH, 1)


def turned(points: np.ndarray, degrees: float, size: float, x: float, y: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(size * points @ turn.T + (x, y))


@given(
    degrees=st.floats(-180, 180),
    size=st.floats(0.05, 20),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_turned_scaled_and_moved_faces_come_to_one_place(degrees: float, size: float, x: float, y: float) -> None:
    """However a usual face lies in the photo, its landmarks come to lie where they always do."""
    to_crop = alignment_of(turned(UNSTRETCHED, degrees, size, x, y))
    assert to_crop is not None
    np.testing.assert_allclose(to_crop.moved(turned(UNSTRETCHED, degrees, size, x, y)), USUAL, atol=1e-6)


def test_a_mirrored_face_is_not_turned_inside_out() -> None:
    """Left stays left: a similarity has no mirror image, so the eyes keep their order from left to right."""
    mirrored = UNSTRETCHED * (-1, 1)
    to_crop = alignment_of(mirrored)
    assert to_crop is not None
    assert np.linalg.det(to_crop.matrix[:, :2]) > 0


def test_other_faces_come_as_near_as_turning_and_scaling_can() -> None:
    """The least squares: no small change of the map brings the landmarks nearer."""
    rng = np.random.default_rng(1)
    points = turned(UNSTRETCHED + rng.normal(0, 8, (5, 2)), 20, 2, 300, 200)
    to_crop = alignment_of(points)
    assert to_crop is not None

    def off(matrix: np.ndarray) -> float:
        landed = (Affine(matrix).moved(points) - 80) / (STRETCH, 1)
        return float(((landed - UNSTRETCHED) ** 2).sum())

    least = off(to_crop.matrix)
    for turn, scale, move in rng.normal(0, 0.01, (50, 3)):
        change = (1 + scale) * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        unstretched = (to_crop.matrix - [[0, 0, 80]] * 2) / [[STRETCH], [1]]
        moved = change @ unstretched + [[0, 0, move]] * 2
        assert off(moved * [[STRETCH], [1]] + [[0, 0, 80]] * 2) >= least


def test_landmarks_in_one_point_align_nothing() -> None:
    """There is no direction in a point; the crop is then the box's."""
    assert alignment_of(np.full((5, 2), 7.0)) is None
    photo = Photo(Path("a.png"), "0" * 64, np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8), 60, 60)
    face = Face((10.0, 10.0, 50.0, 50.0), ((30.0, 30.0),) * 5, 0.9)
    by_box, by_landmarks = (crop_face(photo, face, each) for each in (Preparation.BOX, Preparation.LANDMARKS))
    assert np.array_equal(by_box, by_landmarks)


@pytest.mark.parametrize("size", [0.4, 1.0, 3.7])
def test_a_crop_shows_what_lies_at_the_landmarks(size: float) -> None:
    """A bright spot painted on each landmark is found at the landmark's place in the crop, for small and large faces,
    turned ones too; and ``landmarks_in_crop`` says that place.
    """
    points = turned(UNSTRETCHED, 25, size, 400, 300)
    y, x = np.mgrid[:600, :800] + 0.5
    spots = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (3 * size) ** 2)) for px, py in points)
    pixels = np.repeat((255 * np.minimum(spots, 1)).astype(np.uint8)[..., None], 3, axis=2)
    photo = Photo(Path("a.png"), "0" * 64, pixels, 800, 600)
    left, top = points.min(axis=0) - 20 * size
    right, bottom = points.max(axis=0) + 20 * size
    face = Face((left, top, right, bottom), tuple((px, py) for px, py in points.tolist()), 0.9)
    crop = crop_face(photo, face, Preparation.LANDMARKS)
    assert crop.shape == (CROP_SIZE_PX, CROP_SIZE_PX, 3)
    np.testing.assert_allclose(landmarks_in_crop(photo, face, Preparation.LANDMARKS), USUAL, atol=1e-3)
    across, down = np.meshgrid(np.arange(160) + 0.5, np.arange(160) + 0.5)
    for place in USUAL:
        near = (across - place[0]) ** 2 + (down - place[1]) ** 2 < 9**2
        weight = crop[..., 0] * near
        centre = (across * weight).sum() / weight.sum(), (down * weight).sum() / weight.sum()
        np.testing.assert_allclose(centre, place, atol=0.5)


def test_beyond_the_photo_all_is_grey() -> None:
    """A face at the edge: what the photo does not show is grey, and what it shows is there."""
    pixels = np.full((100, 100, 3), 255, np.uint8)
    shifted = Affine(np.array([[1.0, 0, 80], [0, 1.0, 0]]))
    crop = aligned_crop(pixels, shifted)
    assert (crop[50, 10], crop[50, 120], crop[130, 120]) == (pytest.approx(127), pytest.approx(255), pytest.approx(127))


def test_a_face_outside_the_photo_is_a_crop_all_the_same() -> None:
    """One bad detection never ends a run."""
    far = turned(UNSTRETCHED, 0, 1, 5000, -5000)
    face = Face((4950.0, -5050.0, 5050.0, -4950.0), tuple((x, y) for x, y in far.tolist()), 0.9)
    pixels = np.asarray(Image.new("RGB", (50, 40), "red"))
    crop = crop_face(Photo(Path("a.png"), "0" * 64, pixels, 50, 40), face, Preparation.LANDMARKS)
    assert crop.shape == (160, 160, 3)
