"""Integrated gradients: what each pixel adds to the target on the way from a blurred crop to the crop.

"Axiomatic Attribution for Deep Networks" (Sundararajan, Taly, Yan, 2017): the gradient by a pixel, averaged over the
straight line from a baseline to the input, times how far the pixel moves. The values add up to the target's value for
the crop less that for the baseline (completeness) but for what the average over finitely many steps misses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.explanation.attribution import captum_attr, gradients_on, values_of
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant
from facegallery.network import to_input

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels
    from facegallery.explanation.method import Floats

LEAST_STEPS = 64
"""Steps to begin with. Of ten faces 32 steps left four with a gap above ``GAP``, up to 0.035; 64 left one of six."""

MOST_STEPS = 512

GAP = 0.01
"""The gap that is not worth more steps: the last digit of a similarity that is printed."""

BATCH = 8

NOISE = 1e-5
"""A map whose spread, were it everywhere, adds up to no more than this is rounding."""


@dataclass(frozen=True, slots=True)
class IntegratedGradients:
    """Integrated gradients of the targets from the blurred crop, summed over the colours.

    The number of steps is doubled from ``least_steps`` to at most ``most_steps`` until the values add up within
    ``gap``. ``base`` is the target's value for the baseline, and the map's settings hold the steps and the gap.
    """

    least_steps: int = LEAST_STEPS
    most_steps: int = MOST_STEPS
    gap: float = GAP
    name = "integrated-gradients"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the targets; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        with gradients_on():
            values = values_of(model.network, targets)
            inputs = to_input(np.stack([crop, filled(crop, Fill.BLUR)]))
            scores, bases = values(inputs).tolist()
            return tuple(
                self._heat(values, inputs, number, target, score, base)
                for number, (target, score, base) in enumerate(zip(targets, scores, bases, strict=True))
            )

    def _heat(
        self,
        values: Callable[[torch.Tensor], torch.Tensor],
        inputs: torch.Tensor,
        number: int,
        target: Target,
        score: float,
        base: float,
    ) -> HeatMap:
        method = captum_attr().IntegratedGradients(values)
        n_steps = self.least_steps
        while True:
            pixels = method.attribute(inputs[:1], inputs[1:], target=number, n_steps=n_steps, internal_batch_size=BATCH)
            heat: Floats = pixels[0].sum(dim=0).detach().numpy()  # (1, 3, h, w) -> (h, w)
            gap = score - base - float(heat.sum(dtype=np.float64))
            if abs(gap) <= self.gap or n_steps * 2 > self.most_steps:
                break
            n_steps *= 2
        constant = is_constant(heat, NOISE / heat.size)
        settings: dict[str, str | int | float] = {"baseline": Fill.BLUR.value, "steps": n_steps, "gap": gap}
        shown = np.zeros_like(heat) if constant else heat
        return HeatMap(self.name, shown, target.words, score, constant, signed=True, base=base, settings=settings)
