"""Grad-CAM against maps worked out by hand, and on the bundled network; nothing is left on a network afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from facegallery.crops import crop_face
from facegallery.detection import MtcnnDetector
from facegallery.domain import CROP_SIZE_PX, Pixels, Vectors
from facegallery.errors import ExplanationError
from facegallery.explanation.gradcam import GradCamMatch, GradCamTopChannel
from facegallery.explanation.method import ExplanationMethod, observed
from facegallery.images import read_photo
from facegallery.mtcnn import torch_networks
from facegallery.network import LAYERS, load_network, to_input
from facegallery.settings import bundled

METHODS: tuple[ExplanationMethod, ...] = (GradCamTopChannel(), GradCamMatch())
WEIGHTS = np.array([[-3.0, 1.0], [1.0, 2.0]], np.float32)
OTHER = np.array([0.6, 0.8], np.float32)
"""A template for ``Tiny``: unit length, two numbers."""

RED = np.array([[191, 127], [127, 255]], np.uint8)
GREEN = np.array([[64, 255], [191, 0]], np.uint8)


PLACES = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
"""How much each cell of ``Tiny``'s layer counts; the sum is 1."""


class Tiny(nn.Module):
    """A network that can be followed by hand.

    Its layer holds 2x2 cells of two channels: how red and how green a quarter of the crop is. Each channel's cells are
    summed with the weights ``PLACES``; the output is ``WEIGHTS`` times the two sums plus ``bias``, brought to unit
    length. ``ripple`` is added to one cell of the layer: what rounding may do to it.
    """

    def __init__(self, bias: tuple[float, float] = (0, 0), ripple: float = 0) -> None:
        super().__init__()
        channels = nn.Conv2d(3, 2, 1, bias=False)
        self.block8 = nn.Sequential(nn.AvgPool2d(CROP_SIZE_PX // 2), channels, _Ripple(ripple))
        self.head = nn.Linear(2, 2)
        self.requires_grad_(False).eval()
        channels.weight.copy_(torch.eye(3)[:2, :, None, None])  # red to channel 0, green to channel 1
        self.head.weight.copy_(torch.from_numpy(WEIGHTS))
        self.head.bias.copy_(torch.tensor(bias))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Embed: (n, 3, 160, 160) to (n, 2)."""
        return F.normalize(self.head((self.block8(crops) * torch.from_numpy(PLACES)).sum(dim=(2, 3))), dim=1)


class _Ripple(nn.Module):
    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = height

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return cells + torch.tensor([[0, 0], [0, self.height]])


def quarters(red: Pixels, green: Pixels) -> Pixels:
    """A crop of four plain quarters."""
    cells = np.stack([red, green, np.zeros_like(red)], axis=-1)
    return cells.repeat(CROP_SIZE_PX // 2, axis=0).repeat(CROP_SIZE_PX // 2, axis=1)


def levels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two channels of ``quarters(RED, GREEN)`` in the layer."""
    return (RED - 127.5) / 128, (GREEN - 127.5) / 128


def output() -> tuple[NDArray[np.float64], float]:
    """The unit embedding of ``quarters(RED, GREEN)``, and its length before."""
    raw = WEIGHTS @ np.array([(channel * PLACES).sum() for channel in levels()])
    length = float(np.linalg.norm(raw))
    return raw / length, length


def by_hand(direction: NDArray[np.floating]) -> NDArray[np.float64]:
    """The Grad-CAM map of ``direction . embedding`` by the chain rule, scaled to a largest value of 1.

    d (direction . embedding) / d raw = (direction - (direction . embedding) embedding) / length, for a vector brought
    to unit length; d raw / d sum = WEIGHTS; d sum / d cell = PLACES, whose mean over the cells is 1/4.
    """
    embedding, length = output()
    by_raw = (direction - (direction @ embedding) * embedding) / length
    weights = WEIGHTS.T @ by_raw / 4
    red, green = levels()
    heat = np.maximum(weights[0] * red + weights[1] * green, 0)
    scaled: NDArray[np.float64] = heat / heat.max()
    assert 0 < np.count_nonzero(heat) < heat.size  # or the checks below could not see a missing ReLU
    return scaled


def test_top_channel_by_hand() -> None:
    """The strongest output is the first, and negative: the map shows what makes it so, by the chain rule."""
    embedding, _ = output()
    assert abs(embedding[0]) > abs(embedding[1])
    assert embedding[0] < 0

    heat = GradCamTopChannel().explain(Tiny(), quarters(RED, GREEN), template=None, layer="block8")

    assert not heat.constant
    assert heat.values.dtype == np.float32
    np.testing.assert_allclose(heat.values, by_hand(np.array([-1.0, 0.0])), atol=1e-5)
    assert heat.score == pytest.approx(-embedding[0], abs=1e-6)
    assert heat.target == f"embedding channel 0, the strongest ({embedding[0]:+.2f})"
    assert (heat.method, heat.layer) == ("gradcam", "block8")


@pytest.mark.parametrize("sign", [1, -1])
def test_match_by_hand(sign: int) -> None:
    """The map of the cosine to a template by the chain rule, for one template and for its opposite."""
    template = sign * OTHER
    embedding, _ = output()

    heat = GradCamMatch().explain(Tiny(), quarters(RED, GREEN), template=template, layer="block8")

    assert not heat.constant
    np.testing.assert_allclose(heat.values, by_hand(template), atol=1e-5)
    assert heat.score == pytest.approx(template @ embedding, abs=1e-6)
    assert heat.target == f"similarity to the template ({heat.score:.2f})"
    assert (heat.method, heat.layer) == ("gradcam-match", "block8")


FLAT = quarters(np.full((2, 2), 200, np.uint8), np.full((2, 2), 90, np.uint8))


def test_a_map_that_is_the_same_everywhere_is_constant() -> None:
    """Where every cell contributes alike the map points nowhere, though each contribution is large."""
    heats = [
        GradCamMatch().explain(Tiny(bias=(4, 0)), FLAT, template=template, layer="block8")
        for template in (OTHER, -OTHER)
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
            GradCamMatch().explain(Tiny(nearly_nothing, ripple), FLAT, template=sign * OTHER, layer="block8")
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
        sign: GradCamMatch().explain(network, quarters(red, green), template=sign * OTHER, layer="block8").constant
        for sign in (1, -1)
    }
    assert sorted(constant.values()) == [False, True]


# --- nothing is left behind -----------------------------------------------------------------------------------------


def n_hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._backward_hooks) for module in network.modules())


def test_the_hook_is_gone_after_success_and_after_failure() -> None:
    """However an explanation ends, no module keeps a hook."""
    network = Tiny()
    with observed(network, "block8"):
        assert n_hooks(network) == 1
    assert n_hooks(network) == 0
    with pytest.raises(KeyError), observed(network, "block8"):
        raise KeyError
    assert n_hooks(network) == 0
    for method in METHODS:
        method.explain(network, quarters(RED, GREEN), template=OTHER, layer="block8")
        with pytest.raises(ValueError, match="uint8"):
            method.explain(network, np.zeros((1, 1, 4), np.uint8), template=OTHER, layer="block8")
        assert n_hooks(network) == 0
    with pytest.raises(RuntimeError):  # a template of another length fails in the middle
        GradCamMatch().explain(network, quarters(RED, GREEN), template=np.zeros(3, np.float32), layer="block8")
    assert n_hooks(network) == 0


def test_no_parameter_keeps_a_gradient() -> None:
    """A network whose parameters take gradients has none stored afterwards, and is in the mode it was in."""
    network = Tiny().requires_grad_(True)
    for method in METHODS:
        method.explain(network, quarters(RED, GREEN), template=OTHER, layer="block8")
    assert [parameter.grad for parameter in network.parameters()] == [None] * 3
    assert not network.training


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_mode_does_not_matter(mode: type[torch.no_grad] | type[torch.inference_mode]) -> None:
    """An explanation inside ``no_grad`` or ``inference_mode`` is the same as outside, and the mode holds afterwards."""
    network = Tiny()
    for method in METHODS:
        outside = method.explain(network, quarters(RED, GREEN), template=OTHER, layer="block8")
        with mode():
            inside = method.explain(network, quarters(RED, GREEN), template=OTHER, layer="block8")
            assert not torch.is_grad_enabled()
        np.testing.assert_array_equal(inside.values, outside.values)


# --- what is asked wrongly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_an_unknown_layer_lists_the_known_ones(method: ExplanationMethod) -> None:
    """The error names every layer that can be asked for."""
    with pytest.raises(ExplanationError) as caught:
        method.explain(Tiny(), quarters(RED, GREEN), template=OTHER, layer="block9")
    assert all(name in str(caught.value) for name in ("block9", *LAYERS))


def test_a_match_needs_a_template() -> None:
    """Without a template there is no similarity to explain, and the error says so."""
    with pytest.raises(ExplanationError, match="no template"):
        GradCamMatch().explain(Tiny(), quarters(RED, GREEN), template=None, layer="block8")


def test_a_network_that_does_not_run_through_the_layer_is_an_error() -> None:
    """The view of a layer that was not reached says so, rather than showing an old activation."""
    with observed(Tiny(), "block8") as view, pytest.raises(ExplanationError):
        _ = view.activation


# --- the bundled network --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return load_network(bundled("starter.safetensors"), name="starter")


@pytest.fixture(scope="module")
def crops() -> Pixels:
    """One portrait of Bea and one of Ada."""
    detector = MtcnnDetector(torch_networks())
    photos = [read_photo(bundled(f"sample_group/probe/{name}-1.jpg")) for name in ("bea", "ada")]
    return np.stack([crop_face(photo, detector.detect(photo.pixels)[0]) for photo in photos])


@pytest.fixture(scope="module")
def templates(network: nn.Module, crops: Pixels) -> Vectors:
    """Their embeddings, from one batch."""
    with torch.inference_mode():
        rows: Vectors = network(to_input(crops)).numpy()
    return rows


@pytest.mark.parametrize(("layer", "side"), LAYERS.items())
def test_every_layer_explains_a_portrait(
    layer: str, side: int, network: nn.Module, crops: Pixels, templates: Vectors
) -> None:
    """Each layer gives both methods a map with a bright and a dark place, of the side that is promised for it."""
    for method in METHODS:
        heat = method.explain(network, crops[0], template=templates[1], layer=layer)
        assert not heat.constant
        assert heat.values.shape == (side, side)
        assert heat.values.max() == 1
        assert 0 <= heat.values.min() < 0.9
    assert heat.score == pytest.approx(templates[0] @ templates[1], abs=1e-5)
    assert n_hooks(network) == 0


@pytest.mark.parametrize("layer", LAYERS)
def test_a_probe_against_itself_is_constant(layer: str, network: nn.Module, crops: Pixels, templates: Vectors) -> None:
    """The derivative of cosine(x, x) is zero: what rounding leaves of it (template and probe come from batches of two
    sizes) is reported as constant, though scaled up it would look like a map.
    """
    heat = GradCamMatch().explain(network, crops[0], template=templates[0], layer=layer)
    assert heat.score == pytest.approx(1, abs=1e-5)
    assert heat.constant
    assert not heat.values.any()
