"""Grad-CAM: where a layer's channels that raise a target are active.

"Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (Selvaraju et al., 2017): a channel's
weight is the spatial mean of d target / d activation, the map is ReLU(sum over channels of weight * activation). The
paper's target is the score of one of a classifier's outputs; an embedder has none, so the target is either the
embedding's strongest channel or what is asked for, such as the similarity to a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.explanation.layers import LayerView, observed
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_stationary
from facegallery.network import to_input

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels

DEFAULT_LAYER = "repeat_2"
"""Layer of the maps unless another is asked for: 8x8 tells regions apart, and at 3x3 more maps come out constant."""

CONSTANT_TOLERANCE = 1e-5
"""A map whose spread is not above this share is rounding, and is reported as constant. Two shares are compared:

- of the largest sum of |weight * activation| over the channels of a cell. The map is what is left of such sums after
  their terms cancelled, so its rounding is relative to them: about 1e-6 for up to 1,792 float32 terms;
- of the target's range (1: all targets are of the size of a cosine) divided by the number of cells. A cell's value is
  its first-order contribution to the target, so a spread that adds up to less than this over the map explains nothing.
  It is what catches cosine(x, x), whose derivative is zero: rounding leaves 2e-7 there, against 2e-2 for two photos.
"""


@dataclass(frozen=True, slots=True)
class GradCamTopChannel:
    """Grad-CAM of the probe's embedding channel of largest absolute value, whatever the targets are.

    The target is that absolute value: for a negative channel the map shows what makes it negative.
    """

    layer: str = DEFAULT_LAYER
    name = "gradcam"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the crop's strongest channel; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        with observed(model.network, self.layer) as view:
            embedding = model.network(to_input(crop[np.newaxis]))[0]
            channel = int(embedding.detach().abs().argmax())
            value = embedding[channel]
            words = f"embedding channel {channel}, the strongest ({value.item():+.2f})"
            return (_heat(self.name, view, value.abs(), words, self.layer),) * len(targets)


@dataclass(frozen=True, slots=True)
class GradCamMatch:
    """Grad-CAM of the targets. A probe that is the template's own crop gives a constant map of the similarity."""

    layer: str = DEFAULT_LAYER
    name = "gradcam-match"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the targets; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        with observed(model.network, self.layer) as view:
            embedding = model.network(to_input(crop[np.newaxis]))[0]
            unit = embedding.detach().numpy()
            scores = [embedding @ embedding.new_tensor(target.direction) for target in targets]
            return tuple(
                _heat(self.name, view, score, target.words, self.layer, nothing=is_stationary(target, unit))
                for score, target in zip(scores, targets, strict=True)
            )


def _heat(
    method: str, view: LayerView, score: torch.Tensor, words: str, layer: str, *, nothing: bool = False
) -> HeatMap:
    """The map of a number; constant where there is known to be nothing to see."""
    weights = view.gradient(score).mean(dim=(2, 3), keepdim=True)
    rows = weights * view.activation.detach()  # (n, channels, 1, 1) * (n, channels, h, w)
    # A network that looks at the mirror image too has a second row for it.
    terms = rows[0] if len(rows) == 1 else rows[0] + rows[1].flip(2)
    heat = terms.sum(dim=0).relu()  # (channels, h, w) -> (h, w)
    spread = (heat.max() - heat.min()).item()
    constant = nothing or not spread > CONSTANT_TOLERANCE * max(terms.abs().sum(dim=0).max().item(), 1 / heat.numel())
    values = np.zeros(tuple(heat.shape), np.float32) if constant else heat.numpy()
    settings = {"layer": layer, "grid": "x".join(map(str, values.shape))}
    return HeatMap(method, values, words, score.item(), constant, signed=False, settings=settings)
