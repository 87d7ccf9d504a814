"""Faithfulness, the known-region game and CorrRISE, against figures worked out by hand on a tiny network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from facegallery.domain import CROP_SIZE_PX, Pixels
from facegallery.explanation.baselines import BASELINES, CentredGaussian, Edges, RandomMap
from facegallery.explanation.faithfulness import (
    SHIFTS,
    STAGES,
    faithfulness,
    pixel_order,
    randomization,
    shuffled_models,
    stability,
)
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.game import PATCH_PX, SOFT_EDGE_PX, chance_of, paste_patch, points_at_patch
from facegallery.explanation.method import ExplainedModel, HeatMap, Target
from facegallery.explanation.rise import CorrRise, random_masks
from facegallery.network import load_network
from facegallery.settings import bundled
from tests.tiny_network import GREEN, PLACES, RED, TEMPLATE, WEIGHTS, Tiny, TinyModel, output, quarters

HALF = CROP_SIZE_PX // 2
TARGET = Target(TEMPLATE, "similarity")
CROP = quarters(RED, GREEN)
TINY_STAGES = (("head",), ("block8",))


def heat_of(values: NDArray[np.floating], *, signed: bool = True, constant: bool = False) -> HeatMap:
    return HeatMap("by hand", np.asarray(values, np.float32), TARGET.words, 0.0, constant, signed)


def in_quarters(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """A map of the crop's size, plain in each quarter."""
    return values.astype(np.float32).repeat(HALF, axis=0).repeat(HALF, axis=1)


def value_by_hand(red: NDArray[np.floating], green: NDArray[np.floating]) -> float:
    """The target of a crop whose quarters have these colours."""
    raw = WEIGHTS.astype(np.float64) @ [(((channel - 127.5) / 128) * PLACES).sum() for channel in (red, green)]
    return float(TEMPLATE @ raw / np.linalg.norm(raw))


@dataclass
class Says:
    """A method that says what it is told to, and remembers what it was asked."""

    answer: Callable[[Pixels, Target], HeatMap]
    asked: list[Target] = field(default_factory=list)
    name: str = "says"

    def explain(
        self,
        model: ExplainedModel,  # noqa: ARG002 - the signature is the Protocol's
        crop: Pixels,
        targets: Sequence[Target],
    ) -> tuple[HeatMap, ...]:
        """Answer for each target."""
        self.asked += targets
        return tuple(self.answer(crop, target) for target in targets)


# --- deletion and insertion -----------------------------------------------------------------------------------------


def covered_by_hand(order: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Deletion and insertion area when the quarters are covered with the mean colour in an order, one a step."""
    means = [float(np.round(channel.mean())) for channel in (RED, GREEN)]
    deleted: list[float] = []
    inserted: list[float] = []
    for n_covered in range(5):
        covered = np.zeros((2, 2), bool)
        for place in order[:n_covered]:
            covered[place] = True
        for values, away in ((deleted, covered), (inserted, ~covered)):
            red, green = (np.where(away, mean, channel) for mean, channel in zip(means, (RED, GREEN), strict=True))
            values.append(value_by_hand(red, green))
    weights = np.array([1, 2, 2, 2, 1]) / 8  # the trapezoid rule over four steps
    return float(weights @ deleted), float(weights @ inserted)


@pytest.mark.parametrize("order", [[(0, 0), (0, 1), (1, 0), (1, 1)], [(1, 0), (1, 1), (0, 1), (0, 0)]])
def test_areas_by_hand(order: list[tuple[int, int]]) -> None:
    """A map that orders the four quarters covers and uncovers one a step: both areas are known to the last digit."""
    values = np.zeros((2, 2))
    for number, place in enumerate(order):
        values[place] = -number  # from 0 down: the sign of a value does not matter, its order does
    found = faithfulness(TinyModel().embedder, CROP, TARGET, heat_of(in_quarters(values)), n_steps=4)
    deletion, insertion = covered_by_hand(order)
    assert found.deletion[Fill.MEAN] == pytest.approx(deletion, abs=1e-6)
    assert found.insertion[Fill.MEAN] == pytest.approx(insertion, abs=1e-6)
    assert found.difference[Fill.MEAN] == pytest.approx(insertion - deletion, abs=1e-6)
    assert set(found.deletion) == set(found.insertion) == set(Fill)
    assert found.mean_difference == pytest.approx(sum(found.difference.values()) / 3)


def test_areas_are_not_clipped() -> None:
    """A score under zero counts as what it is: the areas of the opposite target are the opposite ones."""
    model, heat = TinyModel(), heat_of(in_quarters(np.array([[4, 3], [2, 1]])))
    found = faithfulness(model.embedder, CROP, TARGET, heat)
    opposite = faithfulness(model.embedder, CROP, Target(-TEMPLATE, "opposite"), heat)
    for fill in Fill:
        assert opposite.deletion[fill] == pytest.approx(-found.deletion[fill], abs=1e-6)
        assert opposite.insertion[fill] == pytest.approx(-found.insertion[fill], abs=1e-6)


def test_the_right_map_beats_its_inverse() -> None:
    """The map of what each quarter does to the target is better than chance, and its inverse worse; what one covers
    first the other uncovers last, so that one's deletion is the other's insertion.
    """
    embedder = TinyModel().embedder
    cover = filled(CROP, Fill.MEAN)
    falls = np.zeros((2, 2))
    for row, column in np.ndindex(2, 2):
        crop = CROP.copy()
        place = np.s_[row * HALF : (row + 1) * HALF, column * HALF : (column + 1) * HALF]
        crop[place] = cover[place]
        falls[row, column] = -TARGET.of(embedder.embed(crop[np.newaxis]))[0]
    right, wrong = (
        faithfulness(embedder, CROP, TARGET, heat_of(in_quarters(sign * falls)), n_steps=4, fills=[Fill.MEAN])
        for sign in (1, -1)
    )
    assert right.mean_difference > 0.1 > -0.1 > wrong.mean_difference
    assert right.deletion[Fill.MEAN] == pytest.approx(wrong.insertion[Fill.MEAN], abs=1e-6)
    assert right.insertion[Fill.MEAN] == pytest.approx(wrong.deletion[Fill.MEAN], abs=1e-6)


def test_ties_are_broken_at_random_and_the_same_each_time() -> None:
    """Equal values come in no order of place, so that a map of one value does not cover from the top down."""
    order = pixel_order(np.zeros((CROP_SIZE_PX, CROP_SIZE_PX), np.float32))
    assert sorted(order) == list(range(CROP_SIZE_PX**2))
    first = np.bincount(order[:2560] // CROP_SIZE_PX, minlength=CROP_SIZE_PX)  # a tenth of the pixels, by row
    assert first.min() > 0
    np.testing.assert_array_equal(order, pixel_order(np.ones((CROP_SIZE_PX, CROP_SIZE_PX), np.float32)))
    assert list(pixel_order(np.array([[0.5, -1.0], [2.0, 0.0]], np.float32))) == [2, 0, 3, 1]


def test_a_constant_map_is_scored_and_counted() -> None:
    """A map that says nothing gets the figures of a random order, and the flag."""
    found = faithfulness(TinyModel().embedder, CROP, TARGET, heat_of(np.zeros((2, 2)), constant=True))
    assert found.constant
    assert np.isfinite([*found.deletion.values(), *found.insertion.values()]).all()
    assert not faithfulness(TinyModel().embedder, CROP, TARGET, heat_of(np.eye(2))).constant


# --- stability ------------------------------------------------------------------------------------------------------


def noisy(border: int) -> Pixels:
    """A crop of noise inside a plain border."""
    crop = np.full((CROP_SIZE_PX, CROP_SIZE_PX, 3), 128, np.uint8)
    inside = np.s_[border : CROP_SIZE_PX - border, border : CROP_SIZE_PX - border]
    crop[inside] = np.random.default_rng(0).integers(0, 256, crop[inside].shape)
    return crop


def test_a_map_that_moves_with_the_crop_is_stable() -> None:
    """Edges move as the crop does, by one pixel in each direction: shifted back they are the same map."""
    model, crop = TinyModel(), noisy(border=4)
    (heat,) = Edges().explain(model, crop, [TARGET])
    asked = Says(lambda crop, target: Edges().explain(model, crop, [target])[0])
    assert stability(asked, model, crop, TARGET, heat) == pytest.approx(1.0, abs=1e-6)
    assert len(asked.asked) == len(SHIFTS) == 4


def test_a_map_that_does_not_move_with_the_crop_is_not_stable() -> None:
    """A smooth map that stays in its place is nearly stable, one of other numbers for each crop is not at all."""
    model, crop = TinyModel(), noisy(border=4)
    found = []
    for method in (CentredGaussian(), RandomMap(grid=CROP_SIZE_PX)):
        (heat,) = method.explain(model, crop, [TARGET])
        found.append(stability(method, model, crop, TARGET, heat))
    assert found[0] == pytest.approx(0.9995, abs=5e-4)
    assert found[0] != 1
    assert found[1] == pytest.approx(0, abs=0.02)


def test_stability_of_constant_maps() -> None:
    """Of a constant map there is none; a map that becomes constant under a shift counts as not alike."""
    model = TinyModel()
    flat, steep = heat_of(np.zeros((2, 2)), constant=True), heat_of(np.eye(2))
    assert stability(Says(lambda *_: steep), model, CROP, TARGET, flat) is None
    assert stability(Says(lambda *_: flat), model, CROP, TARGET, steep) == 0


# --- randomization --------------------------------------------------------------------------------------------------


def as_model(network: nn.Module) -> TinyModel:
    assert isinstance(network, Tiny)
    return TinyModel(network)


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ([[10, 20], [30, 40]], 1.0),
        ([[4, 3], [2, 1]], 1.0),  # upside down is the same map in other colours
        ([[1, 3], [2, 4]], 0.8),  # 1 - 6 * (1 + 1) / (4 * 15)
        ([[1, 2], [2, 4]], 4.5 / np.sqrt(4.5 * 5)),  # ranks 1, 2.5, 2.5, 4
        ([[0, 0], [0, 0]], 0.0),
    ],
)
def test_what_is_left_of_a_map_by_hand(values: list[list[float]], left: float) -> None:
    """The absolute correlation of the ranks of the two maps' cells."""
    shuffled = [("top", TinyModel())]
    heat = heat_of(np.array([[1, 2], [3, 4]]))
    found = randomization(Says(lambda *_: heat_of(np.array(values))), CROP, TARGET, heat, shuffled)
    assert found is not None
    assert list(found) == ["top"]
    assert found["top"] == pytest.approx(left, abs=1e-6)


def test_weights_are_shuffled_from_the_top_and_the_network_is_left_alone() -> None:
    """Each stage permutes its own tensors and keeps what the stages before did; the network keeps every bit."""
    network = Tiny((0.25, 0.5))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    stages = list(shuffled_models(network, model_of=as_model, stages=TINY_STAGES, seed=1))

    assert [name for name, _ in stages] == ["head", "block8"]
    first, second = (dict(model.network.state_dict()) for _, model in stages)
    for name, tensor in before.items():
        assert torch.equal(network.state_dict()[name], tensor)
        for state in (first, second):
            assert torch.equal(state[name].flatten().sort().values, tensor.flatten().sort().values)
    assert not torch.equal(first["head.weight"], before["head.weight"])
    assert torch.equal(first["block8.1.weight"], before["block8.1.weight"])
    assert torch.equal(second["head.weight"], first["head.weight"])
    assert not torch.equal(second["block8.1.weight"], before["block8.1.weight"])


def test_a_constant_map_cannot_be_randomized() -> None:
    """There is nothing that could change."""
    assert randomization(Edges(), CROP, TARGET, heat_of(np.zeros((2, 2)), constant=True), []) is None


def test_the_stages_hold_all_weights_of_the_network() -> None:
    """After the last stage no weight of the bundled network is where it was learned."""
    network = load_network(bundled("starter.safetensors"), name="starter")
    with_weights = {name for name, part in network.named_children() if any(True for _ in part.parameters())}
    named = [name for stage in STAGES for name in stage]
    assert set(named) == with_weights
    assert len(named) == len(with_weights)


# --- baselines ------------------------------------------------------------------------------------------------------


def test_baselines_know_nothing_of_the_network() -> None:
    """Each is the same for any target, and none claims that a place lowers it."""
    model = TinyModel()
    for method in BASELINES:
        one, other = method.explain(model, CROP, [TARGET, Target(-TEMPLATE, "opposite")])
        np.testing.assert_array_equal(one.values, other.values)
        assert not one.signed
        assert one.values.min() >= 0
        assert one.score == pytest.approx(-other.score, abs=1e-6)
    assert len({method.name for method in BASELINES}) == len(BASELINES)


def test_baselines_by_hand() -> None:
    """The Gaussian is 1 in the middle and exp(-1/2) a quarter of the crop away; edges are where colours change; random
    maps differ from crop to crop and not from call to call.
    """
    model = TinyModel()
    gaussian = CentredGaussian().explain(model, CROP, [TARGET])[0].values
    assert gaussian[79, 80] == gaussian.max() == pytest.approx(1, abs=1e-3)
    assert gaussian[79, 120] / gaussian[79, 80] == pytest.approx(np.exp(-0.5), abs=0.01)
    edges = Edges().explain(model, CROP, [TARGET])[0].values
    assert (edges[HALF - 1 : HALF + 1] > 0).all()
    assert (edges[: HALF - 1, : HALF - 1] == 0).all()
    assert Edges().explain(model, np.full_like(CROP, 9), [TARGET])[0].constant
    first, again, other = (RandomMap().explain(model, crop, [TARGET])[0].values for crop in (CROP, CROP, CROP + 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# --- the known-region game ------------------------------------------------------------------------------------------

GREY = quarters(np.full((2, 2), 120, np.uint8), np.full((2, 2), 160, np.uint8))
RED_ALL_OVER = quarters(np.full((2, 2), 255, np.uint8), np.full((2, 2), 100, np.uint8))


def test_a_patch_of_the_other_face_lowers_the_score() -> None:
    """The patch holds the other crop's pixels of the same place, goes over softly, and nothing else is touched; the
    fall is what the embedder says; the same draw gives the same place.
    """
    embedder = TinyModel().embedder
    other = RED_ALL_OVER.copy()
    other[:, :, 2] = np.arange(CROP_SIZE_PX)  # what is pasted from another place is seen
    one, same = (paste_patch(embedder, GREY, other, TARGET, rng=np.random.default_rng(3)) for _ in range(2))
    assert one is not None
    assert same is not None
    assert (one.top, one.left) == (same.top, same.left)
    reach = 4 * SOFT_EDGE_PX
    inner = np.s_[one.top + reach : one.top + PATCH_PX - reach, one.left + reach : one.left + PATCH_PX - reach]
    np.testing.assert_allclose(one.crop[inner], other[inner], atol=1)
    outside = np.ones(GREY.shape[:2], bool)
    outside[
        max(one.top - reach, 0) : one.top + PATCH_PX + reach, max(one.left - reach, 0) : one.left + PATCH_PX + reach
    ] = False
    np.testing.assert_array_equal(one.crop[outside], GREY[outside])
    edge = one.crop[one.top + PATCH_PX // 2, one.left, 0].astype(int)  # half way between 120 and 255
    assert edge == pytest.approx((120 + 255) / 2, abs=15)
    before, after = TARGET.of(embedder.embed(np.stack([GREY, one.crop])))
    assert one.fall == pytest.approx(before - after, abs=1e-6)
    assert one.fall >= 0.15
    assert chance_of(one.side_px) == pytest.approx((PATCH_PX / CROP_SIZE_PX) ** 2)


def test_the_game_is_not_played_where_the_score_does_not_fall() -> None:
    """After the stated number of places it is given up; with a lower demand it is played."""
    model = TinyModel()
    assert paste_patch(model.embedder, GREY, GREY, TARGET, rng=np.random.default_rng(0), n_places=20) is None
    assert sum(model.embedder.seen) == 1 + 20
    assert paste_patch(model.embedder, GREY, GREY, TARGET, rng=np.random.default_rng(0), least_fall=0) is not None


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_a_hit_is_a_point_in_the_patch(signed: bool, inside: bool) -> None:
    """A signed map points with its minimum; one without a sign with its maximum, when asked for the opposite."""
    pasted = paste_patch(TinyModel().embedder, GREY, RED_ALL_OVER, TARGET, rng=np.random.default_rng(3))
    assert pasted is not None
    values = np.zeros((CROP_SIZE_PX, CROP_SIZE_PX))
    row, column = pasted.top, pasted.left + PATCH_PX - 1
    if not inside:
        column += 1
    values[row, column] = -1 if signed else 1
    values[(row + HALF) % CROP_SIZE_PX, column] = 1 if signed else 0  # what raises the target is not what is asked for
    method = Says(lambda *_: heat_of(values, signed=signed))
    assert points_at_patch(method, TinyModel(), pasted, TARGET) is inside
    np.testing.assert_array_equal(method.asked[-1].direction, TEMPLATE if signed else -TEMPLATE)


def test_a_constant_map_points_nowhere() -> None:
    """It misses, wherever the patch is."""
    pasted = paste_patch(TinyModel().embedder, GREY, RED_ALL_OVER, TARGET, rng=np.random.default_rng(3), side_px=160)
    assert pasted is not None
    assert not points_at_patch(Says(lambda *_: heat_of(np.zeros((2, 2)), constant=True)), TinyModel(), pasted, TARGET)


# --- CorrRISE -------------------------------------------------------------------------------------------------------


def test_corrrise_by_numpy() -> None:
    """At each pixel the correlation of the masks with the target of crops blended by hand, for both of two targets;
    the crops are embedded once.
    """
    model, other = TinyModel(), Target(np.array([1, 0], np.float32), "first output")
    heats = CorrRise(n_masks=30, seed=5).explain(model, CROP, [TARGET, other])
    assert sum(model.embedder.seen) == 30 + 1

    masks = random_masks(30, np.random.default_rng(5)).astype(np.float64)[..., np.newaxis]
    blended = np.round(masks * CROP + (1 - masks) * filled(CROP, Fill.BLUR))
    cells = blended.reshape(30, 2, HALF, 2, HALF, 3).mean(axis=(2, 4))[..., :2]
    raw = (((cells - 127.5) / 128) * PLACES[..., np.newaxis]).sum(axis=(1, 2)) @ WEIGHTS.T
    embeddings = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    for heat, target in zip(heats, (TARGET, other), strict=True):
        assert heat.values.shape == (CROP_SIZE_PX, CROP_SIZE_PX)
        assert heat.signed
        assert not heat.constant
        for row, column in ((0, 0), (40, 120), (159, 3), (80, 80), (121, 47)):
            expected = np.corrcoef(masks[:, row, column, 0], embeddings @ target.direction)[0, 1]
            assert heat.values[row, column] == pytest.approx(expected, abs=2e-3)
        assert heat.score == pytest.approx(target.direction @ output()[0], abs=1e-6)


def test_random_masks_cover_every_place_as_often() -> None:
    """Masks lie in [0, 1], go smoothly from cell to cell, and leave each pixel present half of the time."""
    masks = random_masks(400, np.random.default_rng(0))
    assert masks.shape == (400, CROP_SIZE_PX, CROP_SIZE_PX)
    assert masks.min() == 0
    assert masks.max() == 1
    assert np.abs(np.diff(masks, axis=2)).max() < 0.1
    # Cells lie elsewhere in each mask: no pixel is always in the middle of one.
    assert ((masks > 0.4) & (masks < 0.6)).any(axis=0).all()
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.12


def test_corrrise_of_a_plain_crop_is_constant() -> None:
    """Where absence changes nothing there is no correlation to enlarge."""
    (heat,) = CorrRise(n_masks=10).explain(TinyModel(), GREY, [TARGET])
    assert heat.constant
    assert not heat.values.any()
