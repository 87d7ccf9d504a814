"""InceptionResnetV1 in two parts, of which only the first may be computed in bf16: for the compiled embedder.

bf16 keeps 8 bits. In two places that is too few, and cosines with the float32 embedding fall to 0.9994: in the first
layer, whose weights nearly cancel on a photo of little contrast, and in the last, which subtracts what all faces have
in common. So the first layer's weights are given as two terms, which together have 16 bits, and the last layer stays
in float32: then the lowest cosine over 67 faces is 0.99994, in the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Conv2d, Module

N_FEATURES = 1792
"""Numbers between the two parts."""


def trunk_of(network: Module, *, for_bf16: bool) -> Module:
    """From crops to pooled features.

    Args:
        network: As ``network.load_network`` returns it; may be changed, and is not to be used afterwards.
        for_bf16: Give the first layer's weights as two terms. In float32 the answers are the same up to rounding.

    Returns:
        A module from (n, 3, 160, 160) to (n, 1792), float32.
    """
    from torch.nn import Flatten, Identity, Sequential

    parts = dict(network.named_children())
    if for_bf16:
        from torch.nn.utils.fusion import fuse_conv_bn_eval

        first: Any = parts["conv2d_1a"]
        first.conv = _in_two_terms(fuse_conv_bn_eval(first.conv, first.bn))
        first.bn = Identity()
    last = list(parts).index("avgpool_1a")
    return Sequential(*list(parts.values())[: last + 1], Flatten()).eval()


def head_of(network: Module) -> Module:
    """From pooled features to embeddings.

    Args:
        network: As ``network.load_network`` returns it.

    Returns:
        A module from (n, 1792) to (n, 512), float32, rows of unit length.
    """
    import torch
    from torch.nn import Sequential
    from torch.nn.functional import normalize

    class UnitLength(torch.nn.Module):
        """As the last line of InceptionResnetV1."""

        def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
            return normalize(embeddings, p=2.0, dim=1)

    parts = dict(network.named_children())
    return Sequential(parts["last_linear"], parts["last_bn"], UnitLength()).eval()


def _in_two_terms(old: Conv2d) -> Module:
    """The same convolution over its input twice: once with the weights as bf16 has them, once with what is left."""
    import torch

    coarse = old.weight.detach().to(torch.bfloat16).float()
    new = torch.nn.Conv2d(2 * old.in_channels, old.out_channels, 3, stride=2)
    new.weight = torch.nn.Parameter(torch.cat([coarse, old.weight.detach() - coarse], 1), requires_grad=False)
    new.bias = old.bias

    class Twice(torch.nn.Module):
        """Gives its layer the input twice."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = new

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.layer(torch.cat([values, values], 1))
            return answer

    return Twice()
