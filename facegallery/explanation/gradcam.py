"""Grad-CAM: where a layer's channels that raise a target are active.

"Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (Selvaraju et al., 2017): a channel's
weight is the spatial mean of d target / d activation, the map is ReLU(sum over channels of weight * activation). The
paper's target is the score of one of a classifier's outputs; an embedder has none, so the target is either the
embedding's strongest channel or its similarity to a template.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from facegallery.errors import ExplanationError
from facegallery.explanation.method import HeatMap, observed
from facegallery.network import to_input

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels, Vectors

CONSTANT_TOLERANCE = 1e-5
"""A map whose spread is not above this share is rounding, and is reported as constant. Two shares are compared:

- of the largest sum of |weight * activation| over the channels of a cell. The map is what is left of such sums after
  their terms cancelled, so its rounding is relative to them: about 1e-6 for up to 1,792 float32 terms;
- of the target's range (1: both targets are cosines) divided by the number of cells. A cell's value is its first-order
  contribution to the target, so a spread that adds up to less than this over the map explains nothing. It is what
  catches cosine(x, x), whose derivative is zero: rounding leaves 2e-7 there, against 2e-2 and more for two photos.
"""

Target = Callable[["torch.Tensor"], "tuple[torch.Tensor, str]"]
"""From an embedding, shape (512,), to the number that is explained and what it is, in words."""


class GradCamTopChannel:
    """Grad-CAM of the probe's embedding channel of largest absolute value.

    The target is that absolute value: for a negative channel the map shows what makes it negative.
    """

    name = "gradcam"

    def explain(self, network: torch.nn.Module, crop: Pixels, *, template: Vectors | None, layer: str) -> HeatMap:  # noqa: ARG002 - looks at the probe alone
        """Explain the crop's strongest channel; see :class:`facegallery.explanation.method.ExplanationMethod`."""

        def target(embedding: torch.Tensor) -> tuple[torch.Tensor, str]:
            channel = int(embedding.detach().abs().argmax())
            value = embedding[channel]
            return value.abs(), f"embedding channel {channel}, the strongest ({value.item():+.2f})"

        return _grad_cam(self.name, network, crop, layer, target)


class GradCamMatch:
    """Grad-CAM of the similarity to a template. A probe that is the template's own crop gives a constant map."""

    name = "gradcam-match"

    def explain(self, network: torch.nn.Module, crop: Pixels, *, template: Vectors | None, layer: str) -> HeatMap:
        """Explain the crop's similarity; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        if template is None:
            raise ExplanationError(f"'{self.name}' explains a similarity, and there is no template to compare with.")

        def target(embedding: torch.Tensor) -> tuple[torch.Tensor, str]:
            similarity = embedding @ embedding.new_tensor(template)
            return similarity, f"similarity to the template ({similarity.item():.2f})"

        return _grad_cam(self.name, network, crop, layer, target)


def _grad_cam(method: str, network: torch.nn.Module, crop: Pixels, layer: str, target: Target) -> HeatMap:
    with observed(network, layer) as view:
        score, words = target(network(to_input(crop[np.newaxis]))[0])
        gradient = view.gradient(score)[0]
        activation = view.activation.detach()[0]
    terms = gradient.mean(dim=(1, 2), keepdim=True) * activation  # (channels, 1, 1) * (channels, h, w)
    heat = terms.sum(dim=0).relu()  # (channels, h, w) -> (h, w)
    peak = heat.max().item()
    spread = peak - heat.min().item()
    constant = spread <= CONSTANT_TOLERANCE * max(terms.abs().sum(dim=0).max().item(), 1 / heat.numel())
    values = np.zeros(tuple(heat.shape), np.float32) if constant else (heat / peak).numpy()
    return HeatMap(method, layer, values, words, score.item(), constant)
