"""The methods that can be asked for, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from facegallery.errors import ExplanationError
from facegallery.explanation.gradcam import DEFAULT_LAYER, GradCamMatch, GradCamTopChannel
from facegallery.explanation.integrated import IntegratedGradients
from facegallery.explanation.lime import Lime
from facegallery.explanation.method import ExplanationMethod
from facegallery.explanation.occlusion import FINE_ACROSS, Occlusion
from facegallery.explanation.rise import CorrRise
from facegallery.explanation.saliency import Saliency
from facegallery.explanation.shares import FineShares, Shares
from facegallery.network import LAYERS

METHODS: dict[str, Callable[[str], ExplanationMethod]] = {
    "shares": lambda _: Shares(),
    "shares-fine": lambda _: FineShares(),
    "occlusion": lambda _: Occlusion(),
    "occlusion-fine": lambda _: Occlusion(across=FINE_ACROSS, name="occlusion-fine"),
    "gradcam": GradCamTopChannel,
    "gradcam-match": GradCamMatch,
    "saliency": lambda _: Saliency(),
    "integrated-gradients": lambda _: IntegratedGradients(),
    "lime": lambda _: Lime(),
    "corrrise": lambda _: CorrRise(),
}
"""Each takes the layer to look at, which most have no use for."""

LAYERED = ("gradcam", "gradcam-match")
"""The methods that look at the layer."""

DEFAULT_METHODS = ("shares", "occlusion")
"""The exact split for the sum, occlusion for the places: of the maps that take no time it is the most faithful."""


def methods_named(names: Sequence[str] = DEFAULT_METHODS, *, layer: str = DEFAULT_LAYER) -> list[ExplanationMethod]:
    """The methods of these names.

    Args:
        names: Keys of ``METHODS``.
        layer: For Grad-CAM, one of ``network.LAYERS``.

    Raises:
        ExplanationError: No such method or layer.
    """
    if layer not in LAYERS:
        raise ExplanationError(f"There is no layer {layer!r} to explain. Choose one of: {', '.join(LAYERS)}.")
    for name in names:
        if name not in METHODS:
            raise ExplanationError(f"There is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    return [METHODS[name](layer) for name in dict.fromkeys(names)]
