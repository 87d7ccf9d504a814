"""How a layer of the network is looked into: its output, and the gradient of what comes out at the end by it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from facegallery.errors import ExplanationError
from facegallery.network import LAYERS

if TYPE_CHECKING:
    import torch

FILTER_LAYERS = (
    "conv2d_1a",
    "conv2d_2a",
    "conv2d_2b",
    "conv2d_3b",
    "conv2d_4a",
    "conv2d_4b",
    "repeat_1",
    "mixed_6a",
    "repeat_2",
    "mixed_7a",
    "repeat_3",
    "block8",
)
"""Layers whose filters can be looked at, in the order a crop passes them; ``network.LAYERS`` are among them."""

EMBEDDING = "embedding"
"""What stands for the network's own output where a layer is asked for."""


class LayerView:
    """One layer while a crop runs through: its activation, and the gradient of what comes out at the end."""

    def __init__(self) -> None:
        self._activation: torch.Tensor | None = None

    @property
    def activation(self) -> torch.Tensor:
        """The layer's output: shape (n, channels, h, w), float32; of a ``parts.mirrored`` network 2 n rows.

        Only after the network ran.
        """
        if self._activation is None:
            raise ExplanationError("The network ran without passing through the layer that is to be explained.")
        return self._activation

    def gradient(self, target: torch.Tensor) -> torch.Tensor:
        """The derivative of a number by the activation, in the activation's shape; may be asked for several numbers.

        Fills no parameter's ``.grad``.
        """
        import torch

        return torch.autograd.grad(target, self.activation, retain_graph=True)[0]

    def _observe(self, module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the signature of a forward hook
        # The rest of the network continues from a leaf: nothing below the layer is kept for a backward pass.
        self._activation = output.detach().requires_grad_()
        return self._activation


@contextmanager
def observed(network: torch.nn.Module, layer: str, *, layers: Collection[str] = LAYERS) -> Iterator[LayerView]:
    """Observe one of ``layers``. Gradients are on inside, whatever the caller's mode; the hook is gone afterwards, come
    what may.

    Tensors that the caller made in inference mode cannot be used inside: make the network's input here.

    Raises:
        ExplanationError: No such layer.
    """
    import torch

    if layer not in layers:
        raise ExplanationError(f"There is no layer {layer!r} to explain. Choose one of: {', '.join(layers)}.")
    view = LayerView()
    hook = network.get_submodule(layer).register_forward_hook(view._observe)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield view
    finally:
        hook.remove()


def output_of(network: torch.nn.Module, layer: str, inputs: torch.Tensor) -> torch.Tensor:
    """Run crops through the network as far as a layer; what lies behind it is not computed.

    Args:
        network: As ``network.load_network`` returns it. No hook stays on it, come what may.
        layer: One of ``FILTER_LAYERS``, or ``EMBEDDING``.
        inputs: shape (n, 3, 160, 160), as ``network.to_input`` returns them.

    Returns:
        shape (n, channels, h, w), float32; of the embedding (n, 512). Differentiable by ``inputs`` if the caller's
        gradient mode is on. What a ``parts.mirrored`` network says of the mirror images is left out.

    Raises:
        ExplanationError: No such layer.
    """
    if layer == EMBEDDING:
        embeddings: torch.Tensor = network(inputs)
        return embeddings
    if layer not in FILTER_LAYERS:
        known = ", ".join((*FILTER_LAYERS, EMBEDDING))
        raise ExplanationError(f"There is no layer {layer!r} to look at. Choose one of: {known}.")

    def stop(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:  # noqa: ARG001 - the signature of a forward hook
        raise _ReachedError(output)

    hook = network.get_submodule(layer).register_forward_hook(stop)
    try:
        network(inputs)
    except _ReachedError as reached:
        return reached.output[: len(inputs)]
    finally:
        hook.remove()
    raise ExplanationError(f"The network ran without passing through layer {layer!r}.")


class _ReachedError(Exception):
    """The layer has answered. An exception is the one way in which a hook can end a network's run."""

    def __init__(self, output: torch.Tensor) -> None:
        super().__init__()
        self.output = output
