"""Occlusion: falls worked out by hand, the places of the patch, and which targets share a look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facegallery.domain import CROP_SIZE_PX, Pixels
from facegallery.explanation.covering import PARTS, with_parts_covered
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.method import Target, is_constant
from facegallery.explanation.occlusion import FINE_ACROSS, Occlusion
from facegallery.explanation.regions import REGIONS, region_of_pixels
from tests.test_shares import LANDMARKS
from tests.tiny_network import GREEN, PLACES, RED, TEMPLATE, WEIGHTS, TinyModel, levels, quarters

TARGET = Target(TEMPLATE, "similarity to the template")
CROP = quarters(RED, GREEN)


def similarity(
    red: np.ndarray[tuple[int, ...], np.dtype[np.float64]], green: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> float:
    """Of a crop whose quarters have these mean levels."""
    raw = WEIGHTS @ np.array([(red * PLACES).sum(), (green * PLACES).sum()])
    return float(raw @ TEMPLATE / np.linalg.norm(raw))


def test_falls_by_hand() -> None:
    """With a patch of a quarter's size in each quarter, the score without that quarter's colours, one by one."""
    method = Occlusion(across=2, patch_px=80)
    covered = method.cover(TinyModel(), CROP)
    assert covered.boxes_xyxy.tolist() == [[0, 0, 80, 80], [80, 0, 160, 80], [0, 80, 80, 160], [80, 80, 160, 160]]
    mean = CROP.reshape(-1, 3).mean(axis=0).round()
    red, green = levels()
    for place, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        without = red.copy(), green.copy()
        without[0][row, column], without[1][row, column] = ((mean[:2] - 127.5) / 128).tolist()
        assert covered.embeddings[place] @ TEMPLATE == pytest.approx(similarity(*without), abs=1e-6)
    (heat,) = method.heats(covered, [TARGET])
    falls = similarity(red, green) - covered.embeddings @ TEMPLATE
    in_the_middle = heat.values[[40, 40, 120, 120], [40, 120, 40, 120]]
    # Four sides of the patch away, another quarter's fall counts for nothing.
    assert np.sign(in_the_middle).tolist() == np.sign(falls).tolist()
    assert in_the_middle.argmax() == falls.argmax()


def test_a_map_is_a_weighted_mean_of_the_falls() -> None:
    """At each pixel: Gaussian weights about the patches' middles, and a little weight for no change."""
    method = Occlusion(across=3, patch_px=40)
    covered = method.cover(TinyModel(), CROP)
    (heat,) = method.heats(covered, [TARGET])
    falls = heat.score - covered.embeddings @ TEMPLATE
    y, x = 70, 31
    middles = (covered.boxes_xyxy[:, :2] + covered.boxes_xyxy[:, 2:]) / 2
    weights = np.exp(-((middles - (x + 0.5, y + 0.5)) ** 2).sum(axis=1) / (2 * 10**2))
    assert heat.values[y, x] == pytest.approx((weights * falls).sum() / (weights.sum() + 1e-3), abs=1e-6)


def test_the_patch_goes_over_the_face_and_leaves_the_corners() -> None:
    """37 places at the usual density and four times the density when fine; the uncovered crop is looked at too."""
    model = TinyModel()
    Occlusion().explain(model, CROP, [TARGET])
    assert model.embedder.seen == [38]
    boxes = Occlusion(across=FINE_ACROSS).cover(model, CROP).boxes_xyxy
    assert len(boxes) > 3 * 37
    assert boxes.min() == 0
    assert boxes.max() == CROP_SIZE_PX
    assert not any((box == [0, 0, 32, 32]).all() for box in boxes)


def test_targets_share_one_look() -> None:
    """Any number of targets costs one series of covered crops, and the map of a difference is the maps' difference."""
    model = TinyModel()
    other = Target(np.array([0.8, -0.6], np.float32), "other")
    difference = Target(TARGET.direction - other.direction, "difference")
    one, two, both = Occlusion().explain(model, CROP, [TARGET, other, difference])
    assert len(model.embedder.seen) == 1
    np.testing.assert_allclose(both.values, one.values - two.values, atol=1e-6)


def test_a_plain_crop_is_constant() -> None:
    """Where the fill looks like the crop nothing changes: a constant map, not one of rounding."""
    plain = np.full((CROP_SIZE_PX, CROP_SIZE_PX, 3), 200, np.uint8)
    (heat,) = Occlusion().explain(TinyModel(), plain, [TARGET])
    assert heat.constant
    assert not heat.values.any()


@example(float("inf"), 0.5)
@example(float("nan"), 0.5)
@given(st.floats(allow_nan=True, allow_infinity=True, width=32), st.floats(0, 1, width=32))
def test_nothing_but_a_finite_spread_is_a_map(value: float, noise: float) -> None:
    """NaN and infinities are constant maps, as is a spread of no more than the noise."""
    values = np.array([[value, 0]], np.float32)
    spread = abs(np.float32(value))
    assert is_constant(values, noise) == (not spread > noise or not np.isfinite(value))


# --- covers ---------------------------------------------------------------------------------------------------------


def test_fills() -> None:
    """Mean: one colour, the crop's; blur: no edge is left; noise: the same each time, and none of the crop."""
    crop: Pixels = np.random.default_rng(1).integers(0, 256, CROP.shape, dtype=np.uint8)
    crop[:, :80] //= 2
    mean, blur, noise = (filled(crop, fill) for fill in Fill)
    assert len(np.unique(mean.reshape(-1, 3), axis=0)) == 1
    assert np.abs(mean[0, 0] - crop.reshape(-1, 3).mean(axis=0)).max() <= 0.5
    assert np.abs(np.diff(blur.astype(int), axis=1)).max() <= 5
    assert blur[:, :40].mean() < blur[:, 120:].mean() - 30  # it is still this crop
    np.testing.assert_array_equal(noise, filled(CROP, Fill.NOISE))
    assert abs(float(np.corrcoef(noise.ravel(), crop.ravel())[0, 1])) < 0.02
    assert all(each.shape == crop.shape and each.dtype == np.uint8 for each in (mean, blur, noise))


def test_each_part_covers_its_regions_and_nothing_else() -> None:
    """Covered pixels are the fill's, all others are the crop's; the parts together cover the crop."""
    crop: Pixels = np.random.default_rng(0).integers(0, 256, CROP.shape, dtype=np.uint8)
    regions = region_of_pixels(LANDMARKS)
    fill = filled(crop, Fill.MEAN)
    ever = np.zeros(regions.shape, bool)
    for covered, names in zip(with_parts_covered(crop, regions), PARTS.values(), strict=True):
        inside = np.isin(regions, [REGIONS.index(name) for name in names])
        np.testing.assert_array_equal(covered[inside], fill[inside])
        np.testing.assert_array_equal(covered[~inside], crop[~inside])
        ever |= inside
    assert ever.all()
