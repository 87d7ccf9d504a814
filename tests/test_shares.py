"""The exact split: shares worked out by hand, their sum, and what happens when it is not the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facegallery.crops import crop_face, landmarks_in_crop
from facegallery.domain import CROP_SIZE_PX, FaceCells, Pixels, Preparation
from facegallery.errors import ExplanationError
from facegallery.explanation.method import Target
from facegallery.explanation.regions import REGIONS, by_region, region_of_pixels
from facegallery.explanation.shares import SUM_TOLERANCE, FineShares, Shares
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.images import read_photo
from facegallery.settings import bundled
from tests.tiny_network import (
    GREEN,
    PLACES,
    RED,
    TEMPLATE,
    WEIGHTS,
    Tiny,
    TinyEmbedder,
    TinyModel,
    levels,
    n_hooks,
    output,
    quarters,
)

TARGET = Target(TEMPLATE, "similarity to the template")
CROP = quarters(RED, GREEN)
LANDMARKS = np.array([[50, 60], [110, 60], [80, 90], [58, 120], [102, 120]], np.float32)


def test_shares_by_hand() -> None:
    """A quarter's share is its weight times what its colours say of the template, over the embedding's length."""
    (heat,) = Shares().explain(TinyModel(), CROP, [TARGET])
    _, length = output()
    red, green = levels()
    by_hand = PLACES * (np.stack([red, green], axis=-1) @ WEIGHTS.T @ TEMPLATE) / length
    np.testing.assert_allclose(heat.values, by_hand, atol=1e-6)
    assert heat.base == pytest.approx(0, abs=1e-6)
    assert heat.values.min() < 0 < heat.values.max()
    assert (heat.signed, heat.constant) == (True, False)


def test_a_bias_is_the_constant() -> None:
    """What the network adds for any face is no place's share, and the sum is the score with it."""
    (heat,) = Shares().explain(TinyModel(Tiny(bias=(0.5, -2))), CROP, [TARGET])
    red, green = levels()
    raw = WEIGHTS @ np.array([(red * PLACES).sum(), (green * PLACES).sum()]) + (0.5, -2)
    length = np.linalg.norm(raw)
    assert heat.base == pytest.approx(float(np.array([0.5, -2]) @ TEMPLATE / length), abs=1e-6)
    assert heat.base + heat.values.sum() == pytest.approx(float(raw @ TEMPLATE / length), abs=SUM_TOLERANCE)


def test_shares_of_a_difference_are_the_difference_of_shares() -> None:
    """Two targets share one look at the crop, and what is split is linear in the target."""
    other = Target(np.array([0.8, -0.6], np.float32), "other")
    difference = Target(TARGET.direction - other.direction, "difference")
    one, two, both = Shares().explain(TinyModel(), CROP, [TARGET, other, difference])
    np.testing.assert_allclose(both.values, one.values - two.values, atol=1e-6)
    assert both.score == pytest.approx(one.score - two.score, abs=1e-6)


def test_a_sum_that_is_not_the_score_is_an_error() -> None:
    """Cells of another network than the embeddings' are noticed, and the target named."""

    class Wrong(TinyEmbedder):
        def cells(self, crops: Pixels) -> FaceCells:
            cells = super().cells(crops)
            return replace(cells, vectors=cells.vectors * np.array([1.001, 1], np.float32))

    model = TinyModel()
    model.embedder = Wrong(model.network)
    with pytest.raises(ExplanationError, match="similarity to the template add up to"):
        Shares().explain(model, CROP, [TARGET])


def test_a_flat_crop_has_no_shares_to_show() -> None:
    """Where every cell says the same the map is constant, and the constant is the whole score."""
    network = Tiny()
    flat = quarters(np.full((2, 2), 200, np.uint8), np.full((2, 2), 90, np.uint8))
    model = TinyModel(network)

    class Even(TinyEmbedder):
        def cells(self, crops: Pixels) -> FaceCells:
            cells = super().cells(crops)
            return replace(cells, vectors=np.broadcast_to(cells.vectors.mean(axis=(1, 2), keepdims=True), (1, 2, 2, 2)))

    model.embedder = Even(network)
    (heat,) = Shares().explain(model, flat, [TARGET])
    assert heat.constant
    assert not heat.values.any()
    assert heat.base == heat.score


@pytest.fixture(scope="module")
def face(analyzer: FaceAnalyzer) -> tuple[Pixels, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """A crop and its landmarks."""
    photo = read_photo(bundled("sample_group/probe/bea-1.jpg"))
    found = analyzer.analyze(photo)[0].face
    return crop_face(photo, found, Preparation.BOX), landmarks_in_crop(photo, found, Preparation.BOX)


def test_shares_of_a_face_add_up(
    analyzer: FaceAnalyzer, face: tuple[Pixels, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
) -> None:
    """On the bundled network: 3x3 shares of the very score, 8x8 of the enlarged crop's; no hook is left."""
    crop, landmarks = face
    template = analyzer.embedder.embed(np.roll(crop, 12, axis=0)[np.newaxis])[0]  # the face further down
    target = Target(template, "similarity")
    (heat,) = Shares().explain(analyzer, crop, [target])
    (fine,) = FineShares().explain(analyzer, crop, [target])
    assert (heat.values.shape, fine.values.shape) == ((3, 3), (8, 8))
    assert heat.score == pytest.approx(float(analyzer.embedder.embed(crop[np.newaxis])[0] @ template), abs=1e-7)
    for each in (heat, fine):
        assert each.base is not None
        assert abs(each.base + each.values.sum() - each.score) <= SUM_TOLERANCE
    assert fine.settings["score at 160 px"] == pytest.approx(heat.score, abs=1e-6)
    regions = by_region(heat.values, region_of_pixels(landmarks))
    assert sum(regions.values()) == pytest.approx(heat.values.sum(), abs=1e-6)
    assert n_hooks(analyzer.network) == 0


# --- regions --------------------------------------------------------------------------------------------------------


def test_regions_are_where_the_landmarks_say() -> None:
    """Each landmark is in its region, a pixel is in exactly one, corners are in none but the rest."""
    regions = region_of_pixels(LANDMARKS)
    assert regions.shape == (CROP_SIZE_PX, CROP_SIZE_PX)
    named = [REGIONS[regions[int(y), int(x)]] for x, y in LANDMARKS]
    assert named == ["left eye", "right eye", "nose", "mouth", "mouth"]
    assert {REGIONS[regions[y, x]] for y in (0, 159) for x in (0, 159)} == {"the rest"}
    sizes = np.bincount(regions.ravel(), minlength=len(REGIONS)) / regions.size
    assert all(0.02 < size < 0.15 for size in sizes[:4])
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_regions_turn_with_the_head() -> None:
    """A face turned by a quarter has its regions turned by a quarter."""
    turned = np.stack([CROP_SIZE_PX - LANDMARKS[:, 1], LANDMARKS[:, 0]], axis=1)
    agree = region_of_pixels(turned) == np.rot90(region_of_pixels(LANDMARKS), -1)
    assert agree.mean() > 0.97


@pytest.mark.parametrize("landmarks", [np.full((5, 2), 80), np.full((5, 2), -400), LANDMARKS * [[-1, 1]]])
def test_odd_landmarks_still_give_regions(landmarks: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """Landmarks that coincide, lie outside or are mirrored: every pixel has a region, and nothing is divided by 0."""
    regions = region_of_pixels(np.asarray(landmarks, np.float32))
    assert regions.min() >= 0
    assert regions.max() < len(REGIONS)


def test_sums_by_region_by_hand() -> None:
    """A cell that lies half in a region gives it half its value."""
    regions = np.full((CROP_SIZE_PX, CROP_SIZE_PX), REGIONS.index("the rest"), np.int8)
    regions[:, :40] = REGIONS.index("nose")  # half of the left cells
    values = np.array([[1, 2], [4, 8]], np.float32)
    assert by_region(values, regions) == pytest.approx(
        {"left eye": 0, "right eye": 0, "nose": 2.5, "mouth": 0, "the rest": 12.5}
    )
