"""What an explanation method is: a network, a crop and a layer in, a map out; and how methods look into a layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from facegallery.errors import ExplanationError
from facegallery.network import LAYERS

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from facegallery.domain import Pixels, Vectors


@dataclass(frozen=True, eq=False)
class HeatMap:
    """What one method says about one crop.

    Attributes:
        method: The method's name.
        layer: The layer it looked at, one of ``network.LAYERS``.
        values: shape (h, w), float32, crop frame (row 0 is the top), at least 0, largest 1; all 0 when ``constant``.
        target: What was explained, in words.
        score: The target's value for this crop.
        constant: The map points at no region: it is the same everywhere but for rounding, and must not be drawn.
    """

    method: str
    layer: str
    values: NDArray[np.float32]
    target: str
    score: float
    constant: bool


class ExplanationMethod(Protocol):
    """One way to make a map."""

    @property
    def name(self) -> str:
        """The method's name, as it is chosen and shown."""
        ...

    def explain(self, network: torch.nn.Module, crop: Pixels, *, template: Vectors | None, layer: str) -> HeatMap:
        """Explain one crop.

        The network is left as it was found: no hook stays, no gradient is stored. One explanation at a time for each
        network, since the layer is observed while the crop runs through.

        Args:
            network: As ``network.load_network`` returns it; its output has unit length.
            crop: shape (160, 160, 3), uint8, RGB.
            template: The template to compare with, shape (512,), float32, unit length; None is enough for a method that
                looks at the probe alone.
            layer: One of ``network.LAYERS``.

        Raises:
            ExplanationError: No such layer, or the method needs a template and there is none.
        """
        ...


class LayerView:
    """One layer while a crop runs through: its activation, and the gradient of what comes out at the end."""

    def __init__(self) -> None:
        self._activation: torch.Tensor | None = None

    @property
    def activation(self) -> torch.Tensor:
        """The layer's output: shape (n, channels, h, w), float32. Only after the network ran."""
        if self._activation is None:
            raise ExplanationError("The network ran without passing through the layer that is to be explained.")
        return self._activation

    def gradient(self, target: torch.Tensor) -> torch.Tensor:
        """The derivative of a number by the activation, in the activation's shape. Fills no parameter's ``.grad``."""
        import torch

        return torch.autograd.grad(target, self.activation)[0]

    def _observe(self, module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the signature of a forward hook
        # The rest of the network continues from a leaf: nothing below the layer is kept for a backward pass.
        self._activation = output.detach().requires_grad_()
        return self._activation


@contextmanager
def observed(network: torch.nn.Module, layer: str) -> Iterator[LayerView]:
    """Observe a layer. Gradients are on inside, whatever the caller's mode; the hook is gone afterwards, come what may.

    Tensors that the caller made in inference mode cannot be used inside: make the network's input here.

    Raises:
        ExplanationError: No such layer.
    """
    import torch

    if layer not in LAYERS:
        raise ExplanationError(f"There is no layer {layer!r} to explain. Choose one of: {', '.join(LAYERS)}.")
    view = LayerView()
    hook = network.get_submodule(layer).register_forward_hook(view._observe)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield view
    finally:
        hook.remove()
