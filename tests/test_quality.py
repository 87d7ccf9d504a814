"""What the picture of a face is measured to be like, and which faces are called poor."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from facegallery.domain import Face, FaceQuality, Photo, Pixels
from facegallery.gallery.analysis import FaceAnalyzer, detect_many
from facegallery.images import read_photo
from facegallery.matching.quality_policy import DEFAULT_POLICY, Poor, QualityPolicy
from facegallery.quality import measure, overall

FRONTAL = ((20.0, 24.0), (44.0, 24.0), (32.0, 36.0), (22.0, 48.0), (42.0, 48.0))
BOX = (0.0, 0.0, 64.0, 64.0)
FACE = Face(BOX, FRONTAL, 1.0)
GOOD = FaceQuality(size_px=100, sharpness=0.7, brightness=0.5, contrast=0.2, yaw=0.0, visible=1.0, overall=1.0)


def photo_of(pixels: Pixels) -> Photo:
    return Photo(Path("/face.png"), "0" * 64, pixels, pixels.shape[1], pixels.shape[0])


def grey(values: object, shape: tuple[int, int] = (64, 64)) -> Photo:
    return photo_of(np.broadcast_to(np.asarray(values, np.uint8)[..., None], (*shape, 3)).copy())


@pytest.fixture(scope="module")
def portrait(analyzer: FaceAnalyzer, sample_group: Path) -> tuple[Photo, Face]:
    """A photograph and the face in it."""
    photo = read_photo(sample_group / "enroll" / "Ada" / "1.jpg")
    return photo, detect_many(analyzer.detector, [photo])[0][0]


def altered(portrait: tuple[Photo, Face], image: Image.Image) -> tuple[Photo, Face]:
    """The portrait with other pixels; where there are fewer, the face is moved along."""
    photo, face = portrait
    by = image.width / photo.width_px
    box = tuple(side * by for side in face.box_xyxy)
    points = tuple((x * by, y * by) for x, y in face.landmarks_xy)
    return photo_of(np.array(image)), Face((box[0], box[1], box[2], box[3]), points, face.probability)


def image_of(portrait: tuple[Photo, Face]) -> Image.Image:
    return Image.fromarray(portrait[0].pixels)


def poor(portrait: tuple[Photo, Face]) -> list[Poor]:
    return [fault.code for fault in DEFAULT_POLICY.faults(portrait[1], measure(*portrait))]


# --- measures, by hand --------------------------------------------------------------------------------------------


def test_a_uniform_face_has_brightness_and_nothing_else() -> None:
    """51 of 255 is 0.2; without contrast there is no detail, and the face is worth nothing."""
    quality = measure(grey(51), FACE)
    assert quality.brightness == pytest.approx(0.2)
    assert (quality.contrast, quality.sharpness, quality.overall) == (0.0, 0.0, 0.0)


def test_sharpness_is_the_laplacian_s_deviation_by_the_luminance_s() -> None:
    """On a chessboard the Laplacian is 4 and -4 where the luminance is 0 and 1: 4 by 0.5. Half the contrast changes
    nothing. The box of 64 px is looked at pixel by pixel, in its middle: what is in the outer eighth has no say.
    """
    board = np.indices((64, 64)).sum(axis=0) % 2
    quality = measure(grey(255 * board), FACE)
    assert (quality.brightness, quality.contrast) == (0.5, 0.5)
    assert quality.sharpness == pytest.approx(8.0, rel=1e-5)
    faint = 64 + 127 * board
    faint[:8] = faint[-8:] = 255
    assert measure(grey(faint), FACE).sharpness == pytest.approx(8.0, rel=1e-5)
    assert measure(grey(faint), FACE).contrast == pytest.approx(127 / 255 / 2, rel=1e-5)


def test_size_is_in_decoded_pixels() -> None:
    """What a reduced photo has lost is not counted: the shorter side of the box, times the scale."""
    photo = replace(grey(51, (100, 100)), width_px=400, height_px=400)
    assert measure(photo, Face((40.0, 40.0, 200.0, 280.0), FRONTAL, 1.0)).size_px == pytest.approx(40.0)


def test_a_reduced_photo_is_looked_at_in_the_right_place() -> None:
    """The box is in pixels of the original: the bright face in the middle of a dark photo is bright."""
    pixels = np.zeros((128, 128), np.uint8)
    pixels[32:96, 32:96] = 255
    photo = replace(grey(pixels, (128, 128)), width_px=512, height_px=512)
    assert measure(photo, Face((128.0, 128.0, 384.0, 384.0), FRONTAL, 1.0)).brightness == 1.0


@pytest.mark.parametrize(
    ("box", "visible"),
    [
        (BOX, 1.0),
        ((-32.0, 0.0, 32.0, 64.0), 0.5),
        ((32.0, 32.0, 96.0, 96.0), 0.25),
        ((0.0, -16.0, 64.0, 48.0), 0.75),
        ((200.0, 200.0, 264.0, 264.0), 0.0),
        ((-90.0, -90.0, -26.0, -26.0), 0.0),
    ],
)
def test_visible_is_the_share_of_the_box_inside_the_photo(box: tuple[float, ...], visible: float) -> None:
    """A face that the edge cuts off is measured by what is there; one outside altogether ends no run."""
    left, top, right, bottom = box
    quality = measure(grey(51), Face((left, top, right, bottom), FRONTAL, 1.0))
    assert quality.visible == visible
    assert quality.brightness == pytest.approx(0.2)
    assert quality.size_px == 64.0


@pytest.mark.parametrize(
    ("nose", "yaw"),
    [((32.0, 40.0), 0.0), ((44.0, 40.0), 1.0), ((20.0, 40.0), -1.0), ((38.0, 30.0), 0.5), ((99.0, 40.0), 2.0)],
)
def test_yaw_is_the_nose_between_the_eyes(nose: tuple[float, float], yaw: float) -> None:
    """In halves of the eyes' distance, here 12 px: 0 in the middle, 1 over the eye on the right; 2 is the end."""
    landmarks = (FRONTAL[0], FRONTAL[1], nose, *FRONTAL[3:])
    assert measure(grey(51), Face(BOX, landmarks, 1.0)).yaw == pytest.approx(yaw)


def test_eyes_in_one_place_are_a_profile() -> None:
    """Where no line goes through the eyes, the face is turned as far as can be."""
    landmarks = ((20.0, 24.0), (20.0, 24.0), (10.0, 36.0), *FRONTAL[3:])
    assert measure(grey(51), Face(BOX, landmarks, 1.0)).yaw == 2.0


@given(angle=st.floats(-math.pi, math.pi), nose_x=st.floats(15, 49), scale=st.floats(0.1, 10))
def test_a_tilted_or_larger_head_is_turned_no_further(angle: float, nose_x: float, scale: float) -> None:
    """Yaw stays when all landmarks are rotated in the picture and enlarged."""
    landmarks = (FRONTAL[0], FRONTAL[1], (nose_x, 36.0), *FRONTAL[3:])
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    rotated = tuple((cosine * x - sine * y, sine * x + cosine * y) for x, y in landmarks)
    yaws = [measure(grey(51), Face(BOX, points, 1.0)).yaw for points in (landmarks, rotated)]
    assert yaws[0] == pytest.approx(yaws[1], abs=1e-9)


# --- measures, on a photograph ------------------------------------------------------------------------------------


def test_a_photograph_of_a_face_is_good(portrait: tuple[Photo, Face]) -> None:
    """Nothing is wrong with it, and it counts almost in full."""
    assert poor(portrait) == []
    assert measure(*portrait).overall > 0.9


def test_blur_lowers_sharpness_until_it_is_the_reason(portrait: tuple[Photo, Face]) -> None:
    """The more blur, the less sharpness and the less the face is worth; nothing else is found wrong with it."""
    width = measure(*portrait).size_px
    blurred = [
        altered(portrait, image_of(portrait).filter(ImageFilter.GaussianBlur(share * width)))
        for share in (0.0, 1 / 128, 1 / 64, 1 / 32, 1 / 16)
    ]
    found = [measure(*each) for each in blurred]
    assert sorted((each.sharpness for each in found), reverse=True) == [each.sharpness for each in found]
    assert sorted((each.overall for each in found), reverse=True) == [each.overall for each in found]
    assert [poor(each) for each in blurred] == [[], [], [], [Poor.BLURRED], [Poor.BLURRED]]


def test_a_smaller_copy_is_as_sharp_until_it_is_too_small(portrait: tuple[Photo, Face]) -> None:
    """Sharpness does not depend on the photo's resolution as long as the face has the pixels that are looked at."""
    before = measure(*portrait)
    smaller = [altered(portrait, image_of(portrait).resize((side, side))) for side in (192, 128)]
    for by, each in zip((2, 3), smaller, strict=True):
        quality = measure(*each)
        assert quality.size_px == pytest.approx(before.size_px / by)
        assert quality.sharpness == pytest.approx(before.sharpness, rel=0.15)
    tiny = altered(portrait, image_of(portrait).resize((40, 40)))
    assert measure(*tiny).size_px == pytest.approx(before.size_px * 40 / 384)
    assert Poor.TOO_SMALL in poor(tiny)


def test_less_light_is_not_less_sharp(portrait: tuple[Photo, Face]) -> None:
    """A third of the light is a third of brightness and contrast; a tenth is too dark."""
    photo, _ = portrait
    before = measure(*portrait)
    dim = measure(*altered(portrait, Image.fromarray((photo.pixels / 3).round().astype(np.uint8))))
    assert dim.brightness == pytest.approx(before.brightness / 3, rel=0.02)
    assert dim.contrast == pytest.approx(before.contrast / 3, rel=0.02)
    assert dim.sharpness == pytest.approx(before.sharpness, rel=0.05)
    dark = altered(portrait, Image.fromarray((photo.pixels / 10).round().astype(np.uint8)))
    assert poor(dark) == [Poor.TOO_DARK, Poor.LOW_CONTRAST]


def test_overexposed_and_flat_photographs_are_told_apart(portrait: tuple[Photo, Face]) -> None:
    """Burnt out is too bright; grey all over is flat."""
    pixels = portrait[0].pixels.astype(np.float64)
    burnt = altered(portrait, Image.fromarray((pixels * 4).clip(0, 255).astype(np.uint8)))
    assert poor(burnt) == [Poor.TOO_BRIGHT]
    flat = altered(portrait, Image.fromarray((128 + (pixels - 128) / 12).round().astype(np.uint8)))
    assert poor(flat) == [Poor.LOW_CONTRAST]


# --- one number ---------------------------------------------------------------------------------------------------

SHARES = st.floats(0, 1)
MEASURES = st.tuples(st.floats(1, 500), st.floats(0, 8), SHARES, st.floats(0, 0.5), st.floats(-2, 2), SHARES, SHARES)


@given(measures=MEASURES, place=st.sampled_from([0, 1, 3, 5, 6]), more=st.floats(0, 1))
def test_more_of_a_good_measure_never_lowers_the_whole(measures: tuple[float, ...], place: int, more: float) -> None:
    """Size, sharpness, contrast, visible share and probability."""
    better = [*measures]
    better[place] += more * (500 if place == 0 else 1)
    assert 0 <= overall(*measures) <= overall(*better)


@given(measures=MEASURES, towards=SHARES)
def test_nearer_to_the_front_and_to_middle_light_never_lowers_the_whole(
    measures: tuple[float, ...], towards: float
) -> None:
    """Yaw on either side of 0, and brightness on either side of 0.5."""
    frontal, lit = [*measures], [*measures]
    frontal[4] *= 1 - towards
    lit[2] += towards * (0.5 - lit[2])
    assert overall(*measures) <= overall(*frontal)
    assert overall(*measures) <= overall(*lit) * (1 + 1e-12)


def test_the_whole_by_hand() -> None:
    """Good in all is 1; half the good size at a visible share of a half and a yaw of 1.5 is an eighth."""
    assert overall(64, 0.5, 0.5, 0.06, 0, 1, 1) == 1
    assert overall(900, 3, 0.2, 0.4, 1, 1, 1) == 1
    assert overall(32, 3, 0.8, 0.4, -1.5, 0.5, 1) == pytest.approx(1 / 8)
    assert overall(64, 0.25, 0.9, 0.03, 0, 1, 0.5) == pytest.approx(1 / 16)
    assert overall(64, 3, 0.05, 0.4, 0, 1, 1) == pytest.approx(1 / 4)


# --- the policy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "poorer", "limit"),
    [
        (Poor.TOO_SMALL, {"size_px": 23.9}, 24),
        (Poor.BLURRED, {"sharpness": 0.149}, 0.15),
        (Poor.TOO_DARK, {"brightness": 0.09}, 0.1),
        (Poor.LOW_CONTRAST, {"contrast": 0.02}, 0.03),
        (Poor.CUT_OFF, {"visible": 0.49}, 0.5),
        (Poor.TOO_BRIGHT, {"brightness": 0.91}, 0.9),
        (Poor.PROFILE, {"yaw": -1.51}, 1.5),
        (Poor.PROFILE, {"yaw": 1.6}, 1.5),
    ],
)
def test_each_reason_has_its_limit(code: Poor, poorer: dict[str, float], limit: float) -> None:
    """One measure beyond its limit is one fault, told with its number and the limit; on the limit all is well."""
    (fault,) = DEFAULT_POLICY.faults(FACE, replace(GOOD, **poorer))
    (value,) = poorer.values()
    assert (fault.code, fault.value, fault.limit) == (code, abs(value), limit)
    assert f"{abs(value):g}" in fault.words
    assert f" {limit:g})" in fault.words
    on_it = {name: math.copysign(limit, value) for name, value in poorer.items()}
    assert DEFAULT_POLICY.faults(FACE, replace(GOOD, **on_it)) == ()


def test_a_detection_that_is_unsure_is_a_reason_too() -> None:
    """The probability is the detector's, and stands with the face."""
    (fault,) = DEFAULT_POLICY.faults(replace(FACE, probability=0.89), GOOD)
    assert (fault.code, fault.value) == (Poor.UNCERTAIN, 0.89)
    assert "probability 0.89, at least 0.9" in fault.words
    assert DEFAULT_POLICY.faults(replace(FACE, probability=0.9), GOOD) == ()


def test_a_policy_can_ask_for_more() -> None:
    """Limits are fields; several faults are all told, and none where nobody looked."""
    strict = QualityPolicy(min_size_px=120, max_yaw=0.2)
    faults = strict.faults(FACE, replace(GOOD, yaw=0.3))
    assert [fault.code for fault in faults] == [Poor.TOO_SMALL, Poor.PROFILE]
    assert strict.faults(FACE, None) == ()
