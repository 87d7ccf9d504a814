"""Grad-CAM against maps worked out by hand, and on the bundled network; nothing is left on a network afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facegallery.crops import crop_face
from facegallery.domain import Pixels, Preparation, Vectors
from facegallery.errors import ExplanationError
from facegallery.explanation.gradcam import GradCamMatch, GradCamTopChannel
from facegallery.explanation.layers import observed
from facegallery.explanation.method import ExplanationMethod, HeatMap, Target
from facegallery.explanation.saliency import Saliency
from facegallery.explanation.shares import FineShares, Shares
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.images import read_photo
from facegallery.network import LAYERS
from facegallery.settings import bundled
from tests.tiny_network import (
    GREEN,
    RED,
    TEMPLATE,
    WEIGHTS,
    Tiny,
    TinyModel,
    levels,
    n_hooks,
    output,
    quarters,
)

METHODS: tuple[type[GradCamTopChannel] | type[GradCamMatch], ...] = (GradCamTopChannel, GradCamMatch)
CROP = quarters(RED, GREEN)


def one(method: ExplanationMethod, model: TinyModel | FaceAnalyzer, crop: Pixels, template: Vectors) -> HeatMap:
    """The map of one similarity."""
    (heat,) = method.explain(model, crop, [Target(template, "similarity to the template")])
    return heat


def by_hand(direction: NDArray[np.floating]) -> NDArray[np.float64]:
    """The Grad-CAM map of ``direction . embedding`` by the chain rule.

    d (direction . embedding) / d raw = (direction - (direction . embedding) embedding) / length, for a vector brought
    to unit length; d raw / d sum = WEIGHTS; d sum / d cell = PLACES, whose mean over the cells is 1/4.
    """
    embedding, length = output()
    by_raw = (direction - (direction @ embedding) * embedding) / length
    weights = WEIGHTS.T @ by_raw / 4
    red, green = levels()
    heat = np.maximum(weights[0] * red + weights[1] * green, 0)
    assert 0 < np.count_nonzero(heat) < heat.size  # or the checks below could not see a missing ReLU
    return np.asarray(heat)


def test_top_channel_by_hand() -> None:
    """The strongest output is the first, and negative: the map shows what makes it so, by the chain rule."""
    embedding, _ = output()
    assert abs(embedding[0]) > abs(embedding[1])
    assert embedding[0] < 0

    heat = one(GradCamTopChannel("block8"), TinyModel(), CROP, TEMPLATE)

    assert not heat.constant
    assert heat.values.dtype == np.float32
    np.testing.assert_allclose(heat.values, by_hand(np.array([-1.0, 0.0])), atol=1e-5)
    assert heat.score == pytest.approx(-embedding[0], abs=1e-6)
    assert heat.target == f"embedding channel 0, the strongest ({embedding[0]:+.2f})"
    assert (heat.method, heat.settings["layer"]) == ("gradcam", "block8")


@pytest.mark.parametrize("sign", [1, -1])
def test_match_by_hand(sign: int) -> None:
    """The map of the cosine to a template by the chain rule, for one template and for its opposite."""
    template = sign * TEMPLATE
    embedding, _ = output()

    heat = one(GradCamMatch("block8"), TinyModel(), CROP, template)

    assert not heat.constant
    np.testing.assert_allclose(heat.values, by_hand(template), atol=1e-5)
    assert heat.score == pytest.approx(template @ embedding, abs=1e-6)
    assert heat.target == "similarity to the template"
    assert (heat.method, heat.settings["layer"]) == ("gradcam-match", "block8")


FLAT = quarters(np.full((2, 2), 200, np.uint8), np.full((2, 2), 90, np.uint8))


def test_a_map_that_is_the_same_everywhere_is_constant() -> None:
    """Where every cell contributes alike the map points nowhere, though each contribution is large."""
    heats = [
        one(GradCamMatch("block8"), TinyModel(Tiny(bias=(4, 0))), FLAT, template) for template in (TEMPLATE, -TEMPLATE)
    ]
    for heat in heats:
        assert heat.constant
        assert not heat.values.any()
        assert heat.values.shape == (2, 2)


def test_rounding_of_large_contributions_is_constant() -> None:
    """Where an embedding was short before it was scaled, contributions are large and nearly cancel: what differs
    between the cells is then far above nothing, and still only rounding.
    """
    flat = WEIGHTS @ ((np.array([200, 90]) - 127.5) / 128)
    nearly_nothing = (float(1e-4 - flat[0]), float(2e-4 - flat[1]))
    heats = {
        ripple: [
            one(GradCamMatch("block8"), TinyModel(Tiny(nearly_nothing, ripple)), FLAT, sign * TEMPLATE)
            for sign in (1, -1)
        ]
        for ripple in (1e-6, 1e-2)
    }
    assert all(heat.constant for heat in heats[1e-6])
    assert not all(heat.constant for heat in heats[1e-2])  # the same place, when it is more than rounding


def test_a_map_without_positive_cells_is_constant() -> None:
    """Where no cell raises the target there is nothing to show, and no division by zero: of a template and its
    opposite, one has cells that all count for it, the other none.
    """
    red, green = np.array([[255, 191], [255, 191]], np.uint8), np.full((2, 2), 191, np.uint8)
    network = Tiny(bias=(4, 0))
    constant = {
        sign: one(GradCamMatch("block8"), TinyModel(network), quarters(red, green), sign * TEMPLATE).constant
        for sign in (1, -1)
    }
    assert sorted(constant.values()) == [False, True]


# --- nothing is left behind -----------------------------------------------------------------------------------------


def test_the_hook_is_gone_after_success_and_after_failure() -> None:
    """However an explanation ends, no module keeps a hook."""
    model = TinyModel()
    with observed(model.network, "block8"):
        assert n_hooks(model.network) == 1
    assert n_hooks(model.network) == 0
    with pytest.raises(KeyError), observed(model.network, "block8"):
        raise KeyError
    assert n_hooks(model.network) == 0
    for method in METHODS:
        one(method("block8"), model, CROP, TEMPLATE)
        with pytest.raises(ValueError, match="uint8"):
            one(method("block8"), model, np.zeros((1, 1, 4), np.uint8), TEMPLATE)
        assert n_hooks(model.network) == 0
    with pytest.raises(RuntimeError):  # a template of another length fails in the middle
        one(GradCamMatch("block8"), model, CROP, np.zeros(3, np.float32))
    assert n_hooks(model.network) == 0


def test_no_parameter_keeps_a_gradient() -> None:
    """A network whose parameters take gradients has none stored afterwards, and is in the mode it was in."""
    network = Tiny().requires_grad_(True)
    for method in METHODS:
        one(method("block8"), TinyModel(network), CROP, TEMPLATE)
    assert [parameter.grad for parameter in network.parameters()] == [None] * 3
    assert not network.training


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_mode_does_not_matter(mode: type[torch.no_grad] | type[torch.inference_mode]) -> None:
    """An explanation inside ``no_grad`` or ``inference_mode`` is the same as outside, and the mode holds afterwards."""
    model = TinyModel()
    for method in METHODS:
        outside = one(method("block8"), model, CROP, TEMPLATE)
        with mode():
            inside = one(method("block8"), model, CROP, TEMPLATE)
            assert not torch.is_grad_enabled()
        np.testing.assert_array_equal(inside.values, outside.values)


def test_several_targets_share_one_pass() -> None:
    """Two targets in one call give the maps that each gives alone."""
    targets = [Target(TEMPLATE, "one"), Target(-TEMPLATE, "other")]
    together = GradCamMatch("block8").explain(TinyModel(), CROP, targets)
    for heat, target in zip(together, targets, strict=True):
        (alone,) = GradCamMatch("block8").explain(TinyModel(), CROP, [target])
        np.testing.assert_array_equal(heat.values, alone.values)
        assert heat.target == target.words


# --- what is asked wrongly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_an_unknown_layer_lists_the_known_ones(method: type[GradCamTopChannel] | type[GradCamMatch]) -> None:
    """The error names every layer that can be asked for."""
    with pytest.raises(ExplanationError) as caught:
        one(method("block9"), TinyModel(), CROP, TEMPLATE)
    assert all(name in str(caught.value) for name in ("block9", *LAYERS))


def test_a_network_that_does_not_run_through_the_layer_is_an_error() -> None:
    """The view of a layer that was not reached says so, rather than showing an old activation."""
    with observed(Tiny(), "block8") as view, pytest.raises(ExplanationError):
        _ = view.activation


# --- the bundled network --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crops(analyzer: FaceAnalyzer) -> Pixels:
    """One portrait of Bea and one of Ada."""
    photos = [read_photo(bundled(f"sample_group/probe/{name}-1.jpg")) for name in ("bea", "ada")]
    return np.stack([crop_face(photo, analyzer.analyze(photo)[0].face, Preparation.BOX) for photo in photos])


@pytest.fixture(scope="module")
def templates(analyzer: FaceAnalyzer, crops: Pixels) -> Vectors:
    """Their embeddings, from one batch."""
    return analyzer.embedder.embed(crops)


@pytest.mark.parametrize(("layer", "side"), LAYERS.items())
def test_every_layer_explains_a_portrait(
    layer: str, side: int, analyzer: FaceAnalyzer, crops: Pixels, templates: Vectors
) -> None:
    """Each layer gives both methods a map with a bright and a dark place, of the side that is promised for it."""
    for method in METHODS:
        heat = one(method(layer), analyzer, crops[1], templates[0])
        assert not heat.constant
        assert heat.values.shape == (side, side)
        assert heat.values.max() > 0
        assert 0 <= heat.values.min() < 0.9 * heat.values.max()
    assert heat.score == pytest.approx(templates[0] @ templates[1], abs=1e-4)
    assert n_hooks(analyzer.network) == 0


@pytest.mark.parametrize(
    "method",
    [GradCamMatch("repeat_2"), GradCamMatch("repeat_1"), Saliency(), Shares(), FineShares()],
    ids=lambda method: f"{method.name}-{getattr(method, 'layer', '')}",
)
def test_the_map_of_a_mirror_image_is_the_map_s(
    method: ExplanationMethod, analyzer: FaceAnalyzer, crops: Pixels, templates: Vectors
) -> None:
    """The bundled model looks at a crop and its mirror image together: what a method says of the one it says, turned
    round, of the other.
    """
    assert analyzer.preparation.mirrored
    heat = one(method, analyzer, crops[0], templates[1])
    image = one(method, analyzer, np.ascontiguousarray(crops[0][:, ::-1]), templates[1])
    assert image.score == pytest.approx(heat.score, abs=1e-4)
    np.testing.assert_allclose(image.values[:, ::-1], heat.values, atol=0.02 * np.abs(heat.values).max())
    across = heat.values[:, ::-1] - heat.values
    assert np.abs(across).max() > 0.1 * np.abs(heat.values).max()  # it is not the same on both sides anyway


@pytest.mark.parametrize("layer", LAYERS)
def test_a_probe_against_itself_is_constant(
    layer: str, analyzer: FaceAnalyzer, crops: Pixels, templates: Vectors
) -> None:
    """The derivative of cosine(x, x) is zero: what rounding leaves of it (template and probe come from two runtimes)
    is reported as constant, though scaled up it would look like a map.
    """
    heat = one(GradCamMatch(layer), analyzer, crops[0], templates[0])
    assert heat.score == pytest.approx(1, abs=1e-5)
    assert heat.constant
    assert not heat.values.any()


@pytest.mark.parametrize(("cosine", "constant"), [(0.9999, True), (-0.9999, True), (0.99, False)])
@pytest.mark.parametrize("method", [GradCamMatch(), Saliency()], ids=lambda method: str(method.name))
def test_rounding_of_another_runtime_is_constant(
    method: ExplanationMethod, cosine: float, constant: bool, analyzer: FaceAnalyzer, crops: Pixels
) -> None:
    """The crop's own template as bf16 makes it differs by a cosine of 0.9999, and its derivative is all rounding, far
    above float32's; a template that really is another's is explained.
    """
    embedding = analyzer.embedder.embed(crops[:1])[0].astype(np.float64)
    aside = np.random.default_rng(0).standard_normal(512)
    aside -= (aside @ embedding) * embedding
    template = cosine * embedding + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    heat = one(method, analyzer, crops[0], template.astype(np.float32))
    assert heat.constant is constant
