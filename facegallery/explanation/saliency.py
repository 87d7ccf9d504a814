"""Saliency: how much the target would change with each pixel, to first order.

"Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps" (Simonyan, Vedaldi,
Zisserman, 2014). As there, a pixel's value is the largest absolute derivative over its three colours. The sign is left
out: it says whether a brighter or a darker pixel would raise the target, not whether the place raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import CROP_SIZE_PX
from facegallery.explanation.attribution import captum_attr, gradients_on, values_of
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant, is_stationary
from facegallery.network import to_input

if TYPE_CHECKING:
    from facegallery.domain import Pixels, Vectors
    from facegallery.explanation.method import Floats

NOISE = 0.01 / (2 * CROP_SIZE_PX**2)
"""A spread that is not above this says nothing: were every pixel moved over the input's whole range of 2, the target
would, to first order, change by no more than the last digit of a similarity that is printed. That is 2e-7, between the
3e-8 that rounding leaves of cosine(x, x), whose gradient is zero, and the 2e-2 of two photos.
"""


@dataclass(frozen=True, slots=True)
class Saliency:
    """The gradient of the targets by the pixels, in target per unit of the network's input (128 grey levels)."""

    name = "saliency"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the targets; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        with gradients_on():
            inputs = to_input(crop[np.newaxis]).requires_grad_()
            values = values_of(model.network, targets)
            embedding = model.network(inputs).detach().numpy()
            method = captum_attr().Saliency(values)
            gradients = [method.attribute(inputs, target=number, abs=True)[0] for number in range(len(targets))]
        maps = [gradient.amax(dim=0).numpy() for gradient in gradients]  # (3, h, w) -> (h, w)
        return tuple(_heat(*each, embedding[0]) for each in zip(maps, targets, strict=True))


def _heat(values: Floats, target: Target, embedding: Vectors) -> HeatMap:
    score = float(embedding @ target.direction)
    constant = is_stationary(target, embedding) or is_constant(values, NOISE)
    shown = np.zeros_like(values) if constant else values
    settings = {"colours": "largest absolute value"}
    return HeatMap(Saliency.name, shown, target.words, score, constant, signed=False, settings=settings)
