"""Feature visualization: the picture that drives one filter of a layer, found by gradient ascent.

"Visualizing Higher-Layer Features of a Deep Network" (Erhan et al., 2009); so that the picture means something, it is
held to what photos are like as in "Feature Visualization" (Olah, Mordvintsev, Schubert, 2017): the ascent moves waves
of which the long ones count more, as in photos, and the filter must answer wherever the picture is shifted by a little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import CROP_SIZE_PX
from facegallery.errors import ExplanationError
from facegallery.explanation.attribution import gradients_on
from facegallery.explanation.layers import output_of
from facegallery.network import to_input

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels
    from facegallery.explanation.method import Floats

N_STEPS = 64
STEP = 1.0
"""Length of a step over all waves: of 0.3, 1 and 3 the one whose picture drove conv2d_4b's filter 10 most."""

NOISE = 0.05
"""Spread of the waves at the start: grey with soft spots."""

_LEAST_SLOPE = 1e-12
"""So that a filter that nothing drives is no division by zero: the waves stay where they are."""

SHIFT_PX = 8
"""How far the picture is shifted at most; around its edges, since waves have none."""


@dataclass(frozen=True, slots=True, eq=False)
class Visualization:
    """The picture that drives a filter.

    Attributes:
        layer: The filter's layer.
        channel: The filter's number in its layer, from 0.
        pixels: shape (160, 160, 3), uint8, RGB.
        start: The filter's mean answer over its places for the noise that the ascent began with.
        end: The same for ``pixels``.
    """

    layer: str
    channel: int
    pixels: Pixels
    start: float
    end: float


def ascend(
    network: torch.nn.Module,
    layer: str,
    channel: int,
    *,
    rng: np.random.Generator,
    n_steps: int = N_STEPS,
    on_step: Callable[[], None] = lambda: None,
) -> Visualization:
    """Climb from grey noise to a picture that drives a filter: its mean answer over its places is made large.

    The network is left as it was found, as by :class:`facegallery.explanation.method.ExplanationMethod`.

    Args:
        network: As ``network.load_network`` returns it.
        layer: One of ``layers.FILTER_LAYERS``, or ``layers.EMBEDDING`` for a number of the embedding.
        channel: The filter's number in the layer, from 0.
        rng: Draws the noise and the shifts.
        n_steps: How far to climb.
        on_step: Called after each step.

    Raises:
        ExplanationError: No such layer, or no such filter in it.
    """
    import torch

    with gradients_on():
        waves = torch.from_numpy(rng.normal(0, NOISE, (3, CROP_SIZE_PX, CROP_SIZE_PX // 2 + 1, 2)).astype(np.float32))
        start = _answer(network, layer, channel, to_input(_pixels(waves)[np.newaxis])).item()
        for _ in range(n_steps):
            shift = rng.integers(-SHIFT_PX, SHIFT_PX, 2, endpoint=True).tolist()
            waves = waves.detach().requires_grad_()
            inputs = torch.roll(_picture(waves), shift, dims=(1, 2))[None] * (255 / 128) - 127.5 / 128
            (uphill,) = torch.autograd.grad(_answer(network, layer, channel, inputs), [waves])
            waves = waves + STEP * uphill / uphill.norm().clamp(min=_LEAST_SLOPE)
            on_step()
        pixels = _pixels(waves)
        end = _answer(network, layer, channel, to_input(pixels[np.newaxis])).item()
    return Visualization(layer, channel, pixels, start, end)


def _answer(network: torch.nn.Module, layer: str, channel: int, inputs: torch.Tensor) -> torch.Tensor:
    """The mean answer of a filter over its places, for one picture."""
    output = output_of(network, layer, inputs)[0]
    if not 0 <= channel < len(output):
        raise ExplanationError(f"Layer {layer!r} has filters 0 to {len(output) - 1}, and none of number {channel}.")
    return output[channel].mean()


def _picture(waves: torch.Tensor) -> torch.Tensor:
    """From waves (3, 160, 81, 2), real and imaginary, to colours (3, 160, 160) in [0, 1]; no wave at all is grey."""
    import torch

    square = (CROP_SIZE_PX, CROP_SIZE_PX)
    amplitudes = torch.view_as_complex(waves) * torch.from_numpy(_lengths())
    picture: torch.Tensor = torch.fft.irfft2(amplitudes, s=square, norm="ortho").sigmoid()
    return picture


def _lengths() -> Floats:
    """Each wave's length in px, (160, 81), float32; of the one without end, the picture's side."""
    down, across = np.fft.fftfreq(CROP_SIZE_PX)[:, np.newaxis], np.fft.rfftfreq(CROP_SIZE_PX)
    lengths: Floats = (1 / np.maximum(np.hypot(down, across), 1 / CROP_SIZE_PX)).astype(np.float32)
    return lengths


def _pixels(waves: torch.Tensor) -> Pixels:
    """The picture as it is shown: (160, 160, 3), uint8."""
    colours = _picture(waves.detach()).permute(1, 2, 0) * 255  # (3, h, w) -> (h, w, 3)
    pixels: Pixels = colours.round().byte().numpy()
    return pixels
