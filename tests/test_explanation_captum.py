"""Saliency, integrated gradients, LIME and feature visualization against what is worked out by hand on ``Tiny``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from facegallery.domain import CROP_SIZE_PX, Pixels
from facegallery.errors import ExplanationError
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.integrated import IntegratedGradients
from facegallery.explanation.layers import EMBEDDING
from facegallery.explanation.lime import KERNEL_WIDTH, N_SUPERPIXELS, RIDGE, Lime, superpixels
from facegallery.explanation.method import ExplanationMethod, Target
from facegallery.explanation.saliency import Saliency
from facegallery.explanation.visualization import ascend
from tests.tiny_network import (
    GREEN,
    PLACES,
    RED,
    TEMPLATE,
    WEIGHTS,
    Tiny,
    TinyModel,
    n_hooks,
    output,
    quarters,
)

HALF = CROP_SIZE_PX // 2
CROP = quarters(RED, GREEN)
TARGETS = (Target(TEMPLATE, "the template"), Target(np.array([-1, 0.5], np.float32), "another"))


def in_quarters(crop: Pixels) -> NDArray[np.int64]:
    """Superpixels that can be followed by hand: upper left, upper right, lower left, lower right."""
    return np.arange(4).reshape(2, 2).repeat(HALF, axis=0).repeat(HALF, axis=1)


METHODS: tuple[ExplanationMethod, ...] = (
    Saliency(),
    IntegratedGradients(),
    Lime(n_patterns=64, split=in_quarters),
)
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))


def by_raw(direction: NDArray[np.floating], raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of direction . raw / |raw| by raw."""
    length = np.linalg.norm(raw)
    derivative: NDArray[np.float64] = (direction - (direction @ raw) * raw / length**2) / length
    return derivative


def raw_of(crop: Pixels) -> NDArray[np.float64]:
    """What ``Tiny`` makes of a crop before it is brought to unit length."""
    raw: NDArray[np.float64] = WEIGHTS @ np.array([(_means(crop)[channel] * PLACES).sum() for channel in (0, 1)])
    return raw


def _means(crop: Pixels) -> NDArray[np.float64]:
    """The quarters' mean colours in the network's range: (3, 2, 2)."""
    colours = (crop.astype(np.float64) - 127.5) / 128
    means: NDArray[np.float64] = colours.reshape(2, HALF, 2, HALF, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    return means


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.words)
def test_saliency_by_the_chain_rule(target: Target) -> None:
    """A pixel moves its quarter's mean by 1/6400, that its sum by its place's weight; of red and green the larger."""
    embedding, length = output()
    by_channel = WEIGHTS.T @ by_raw(target.direction, embedding * length)
    expected = np.abs(by_channel).max() * PLACES / HALF**2

    (heat,) = Saliency().explain(TinyModel(), CROP, [target])

    assert heat.values.shape == (CROP_SIZE_PX, CROP_SIZE_PX)
    assert heat.values.dtype == np.float32
    np.testing.assert_allclose(heat.values, expected.repeat(HALF, axis=0).repeat(HALF, axis=1), rtol=1e-4)
    assert heat.score == pytest.approx(target.direction @ embedding, abs=1e-6)
    assert (heat.method, heat.target, heat.signed, heat.constant) == ("saliency", target.words, False, False)


def test_integrated_gradients_by_the_path_integral() -> None:
    """Each pixel's way from the blurred crop times the mean gradient on it, here by ten thousand steps in numpy; and
    the values add up to the score less the baseline's.
    """
    baseline = filled(CROP, Fill.BLUR)
    start, end = raw_of(baseline), raw_of(CROP)
    shares = (np.arange(10_000) + 0.5) / 10_000
    way = (CROP.astype(np.float64) - baseline) / 128
    heats = IntegratedGradients().explain(TinyModel(), CROP, TARGETS)
    for target, heat in zip(TARGETS, heats, strict=True):
        by_channel = WEIGHTS.T @ np.mean(
            [by_raw(target.direction, start + share * (end - start)) for share in shares], axis=0
        )
        place = (PLACES / HALF**2).repeat(HALF, axis=0).repeat(HALF, axis=1)
        np.testing.assert_allclose(heat.values, (way[..., :2] @ by_channel) * place, atol=1e-7)

        assert heat.base is not None
        assert heat.base == pytest.approx(target.direction @ start / np.linalg.norm(start), abs=1e-5)
        assert heat.score == pytest.approx(target.direction @ end / np.linalg.norm(end), abs=1e-5)
        assert heat.base + heat.values.sum(dtype=np.float64) == pytest.approx(heat.score, abs=1e-4)
        assert heat.settings["gap"] == pytest.approx(heat.score - heat.base - heat.values.sum(), abs=1e-5)
        assert (heat.signed, heat.constant) == (True, False)


def test_integrated_gradients_take_more_steps_until_they_add_up() -> None:
    """Steps are doubled while the gap is too wide, and no further than allowed; the map says how many were taken."""

    def settings(gap: float, most_steps: int = 64) -> tuple[object, float]:
        method = IntegratedGradients(least_steps=1, most_steps=most_steps, gap=gap)
        (heat,) = method.explain(TinyModel(), CROP, TARGETS[:1])
        return heat.settings["steps"], abs(float(heat.settings["gap"]))

    one, gap_of_one = settings(gap=1)
    two, gap_of_two = settings(gap=gap_of_one / 2)
    most, _ = settings(gap=0, most_steps=6)
    assert (one, two, most) == (1, 2, 4)
    assert gap_of_two <= gap_of_one / 2


def test_lime_by_a_ridge_regression_in_numpy() -> None:
    """The coefficients of the quarters are those of the normal equations, weighted by the kernel of the paper's
    program; all targets are fitted to one set of embeddings, and a region's sum is its coefficient.
    """
    model = TinyModel()
    method = Lime(n_patterns=50, split=in_quarters)
    patterns = np.random.default_rng(method.seed).integers(0, 2, (50, 4)).astype(np.float64)
    patterns[0] = 1
    seen = patterns.astype(bool)[:, in_quarters(CROP), np.newaxis]
    embeddings = model.embedder.embed(np.where(seen, CROP, filled(CROP, Fill.BLUR)))
    norms = np.linalg.norm(patterns, axis=1)
    cosines = np.divide(patterns.sum(axis=1), 2 * norms, out=np.zeros(50), where=norms > 0)
    weights = np.sqrt(np.exp(-((1 - cosines) ** 2) / KERNEL_WIDTH**2))
    centred = patterns - weights @ patterns / weights.sum()
    model.embedder.seen.clear()

    heats = method.explain(model, CROP, TARGETS)

    assert sum(model.embedder.seen) == 50
    assert max(model.embedder.seen) == 8
    for target, heat in zip(TARGETS, heats, strict=True):
        values = (embeddings @ target.direction).astype(np.float64)
        left = values - weights @ values / weights.sum()
        normal = (centred.T * weights) @ centred + RIDGE * np.eye(4)
        coefficients = np.linalg.solve(normal, (centred.T * weights) @ left)
        missed = left - centred @ coefficients
        np.testing.assert_allclose(
            heat.values, (coefficients.reshape(2, 2) / HALF**2).repeat(HALF, axis=0).repeat(HALF, axis=1), atol=1e-8
        )
        assert (coefficients.min() < 0 < coefficients.max()) or target is TARGETS[0]
        assert heat.settings["fit"] == pytest.approx(1 - weights @ missed**2 / (weights @ left**2), abs=1e-4)
        assert heat.score == pytest.approx(float(target.direction @ output()[0]), abs=1e-6)


def test_superpixels_cover_a_crop_without_a_gap() -> None:
    """About as many as asked for, numbered from 0, and following edges: none holds both sides of the quarters'."""
    y, x = np.mgrid[:CROP_SIZE_PX, :CROP_SIZE_PX]
    crop = np.stack([(x < HALF) * 200, (y < HALF) * 200, np.zeros_like(x)], axis=-1).astype(np.uint8)
    places = superpixels(crop)
    assert places.shape == (CROP_SIZE_PX, CROP_SIZE_PX)
    assert np.array_equal(np.unique(places), np.arange(places.max() + 1))
    assert 0.7 * N_SUPERPIXELS < places.max() < 1.3 * N_SUPERPIXELS
    assert all(len(np.unique(crop[places == number], axis=0)) == 1 for number in range(places.max() + 1))


def test_the_picture_that_drives_a_filter_is_found() -> None:
    """``Tiny``'s first channel is how red the crop is: what drives it is red all over, and its value is that of the
    pixels that are returned.
    """
    drawn = ascend(Tiny(), "block8", 0, rng=np.random.default_rng(1))
    red, green, blue = drawn.pixels.reshape(-1, 3).mean(axis=0)
    assert drawn.pixels.shape == (CROP_SIZE_PX, CROP_SIZE_PX, 3)
    assert drawn.pixels[..., 0].min() == 255
    assert abs(green - 127.5) < 10
    assert abs(blue - 127.5) < 10
    assert abs(drawn.start) < 0.05
    assert drawn.end == pytest.approx((red - 127.5) / 128, abs=1e-3)


def test_a_number_of_the_embedding_can_be_driven() -> None:
    """Of the embedding itself: ``Tiny``'s first is -3 red + 1 green, of which unit length takes all but the share."""
    drawn = ascend(
        Tiny(),
        EMBEDDING,
        0,
        rng=np.random.default_rng(1),
    )
    red, green, _ = (drawn.pixels.reshape(-1, 3).mean(axis=0) - 127.5) / 128
    assert red < 0 < -red
    raw = WEIGHTS @ np.array([red, green])
    assert drawn.end == pytest.approx(raw[0] / np.linalg.norm(raw), abs=0.02)
    assert drawn.end > 0.99


def test_a_visualization_depends_on_its_seed_alone() -> None:
    """One generator's state, one picture; another's, another."""
    first, again, other = (
        ascend(Tiny(), "block8", 1, rng=np.random.default_rng(seed), n_steps=3).pixels for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


# --- what says nothing ----------------------------------------------------------------------------------------------


def test_a_probe_against_itself_has_constant_saliency() -> None:
    """The gradient of cosine(x, x) is zero: rounding of it is no map."""
    itself = Target(output()[0].astype(np.float32), "itself")
    (heat,) = Saliency().explain(TinyModel(), CROP, [itself])
    assert heat.constant
    assert not heat.values.any()


def test_a_plain_crop_is_its_own_baseline() -> None:
    """Of a crop of one colour nothing is lost by the blur, and no place counts."""
    plain = np.full_like(CROP, (200, 90, 10))
    for method in (IntegratedGradients(), METHODS[2]):
        (heat,) = method.explain(TinyModel(), plain, TARGETS[:1])
        assert heat.constant
        assert not heat.values.any()


# --- nothing is left behind -----------------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_same_map_in_any_mode_which_holds_afterwards(
    method: ExplanationMethod, mode: type[torch.no_grad] | type[torch.inference_mode] | type[torch.enable_grad]
) -> None:
    """Repeated, and inside each gradient mode, a map is the same; the mode is then as it was."""
    model = TinyModel()
    outside = method.explain(model, CROP, TARGETS)
    with mode():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        inside = method.explain(model, CROP, TARGETS)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    for one, other in zip(outside, inside, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-5, atol=1e-9)


def traces(network: nn.Module) -> list[object]:
    """What a method could leave on a network or in the process."""
    grads = [parameter.grad for parameter in network.parameters()]
    return [
        n_hooks(network),
        grads,
        network.training,
        torch.random.get_rng_state().tolist(),
        str(np.random.get_state()),  # noqa: NPY002 - is it left alone?
    ]


@each_method
def test_a_method_leaves_no_trace(method: ExplanationMethod) -> None:
    """No hook, no parameter's gradient, and the global generators where they were; also of parameters that take one."""
    model = TinyModel(Tiny().requires_grad_(True))
    before = traces(model.network)
    method.explain(model, CROP, TARGETS)
    assert traces(model.network) == before


class Failing(Tiny):
    """Fails behind its layer."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Reach the layer, and fail."""
        self.block8(crops)
        raise RuntimeError("no memory")


@each_method
def test_a_method_that_fails_leaves_no_trace(method: ExplanationMethod) -> None:
    """The same after a failure, and gradients are as they were."""
    model = TinyModel(Failing())
    before = traces(model.network)
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="no memory"):
            method.explain(model, CROP, TARGETS)
        assert not torch.is_grad_enabled()
    assert traces(model.network) == before


def test_a_visualization_leaves_no_trace() -> None:
    """After success, and after a failure on the way; steps are counted."""
    network, failing = Tiny().requires_grad_(True), Failing()
    before, before_failing = traces(network), traces(failing)
    steps: list[int] = []
    with torch.inference_mode():
        ascend(network, "block8", 0, rng=np.random.default_rng(0), n_steps=2, on_step=lambda: steps.append(1))
        with pytest.raises(RuntimeError, match="no memory"):
            ascend(failing, EMBEDDING, 0, rng=np.random.default_rng(0), n_steps=2)
    assert (traces(network), traces(failing)) == (before, before_failing)
    assert len(steps) == 2


@pytest.mark.parametrize("channel", [-1, 2])
def test_a_filter_that_does_not_exist_is_an_error(channel: int) -> None:
    """The error says which there are, and the hook is gone."""
    network = Tiny()
    with pytest.raises(ExplanationError, match=f"'block8' has filters 0 to 1, and none of number {channel}"):
        ascend(network, "block8", channel, rng=np.random.default_rng(0))
    assert n_hooks(network) == 0


def test_captum_is_imported_in_silence(tmp_path: Path) -> None:
    """On a machine where matplotlib finds no cache and may not make one, nothing is printed and no socket opened."""
    code = """
import socket, sys
def refused(*_): raise SystemExit("opens a socket")
socket.socket.connect = refused
from facegallery.explanation.attribution import captum_attr
import logging
captum_attr().IntegratedGradients
assert logging.getLogger("matplotlib").level == logging.NOTSET
"""
    folder = tmp_path / "not a folder"
    folder.write_text("")
    environment = {**os.environ, "MPLCONFIGDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
