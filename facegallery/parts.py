"""InceptionResnetV1 in two parts: a trunk that ends with its last feature map, and an affine head.

The head's answer for a mean is the mean of its answers: so each cell of the map has a part of its own in the embedding.

For the compiled embedder the cut has a second use, since only the trunk may be computed in bf16. bf16 keeps 8 bits. In
two places that is too few, and cosines with the float32 embedding fall to 0.9994: in the first layer, whose weights
nearly cancel on a photo of little contrast, and in the last, which subtracts what all faces have in common. So the
first layer's weights are given as two terms, which together have 16 bits, and the head stays in float32: then the
lowest cosine over 67 faces is 0.99994, in the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.domain import FaceCells

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Conv2d, Module

    from facegallery.domain import Vectors

N_FEATURES = 1792
"""Numbers that the trunk gives for each cell."""


def trunk_of(network: Module, *, for_bf16: bool = False) -> Module:
    """From crops to the last feature map.

    Args:
        network: As ``network.load_network`` or ``mirrored`` returns it. With ``for_bf16`` it is changed, and not to be
            used afterwards.
        for_bf16: Give the first layer's weights as two terms. In float32 the answers are the same up to rounding.

    Returns:
        A module from (n, 3, h, w) to (n, 1792, h', w'), float32: 3x3 for 160 px, 8x8 for 320 px.
    """
    from torch.nn import Identity, Sequential

    parts = dict(network.named_children())
    if for_bf16:
        from torch.nn.utils.fusion import fuse_conv_bn_eval

        first: Any = parts["conv2d_1a"]
        first.conv = _in_two_terms(fuse_conv_bn_eval(first.conv, first.bn))
        first.bn = Identity()
    end = list(parts).index("avgpool_1a")
    return Sequential(*list(parts.values())[:end]).eval()


def head_of(network: Module) -> Module:
    """From features to the embedding before it is brought to unit length: affine.

    Args:
        network: As ``network.load_network`` returns it.

    Returns:
        A module from (n, 1792) to (n, 512), float32.
    """
    from torch.nn import Sequential

    parts = dict(network.named_children())
    return Sequential(parts["last_linear"], parts["last_bn"]).eval()


def mirrored(network: Module) -> Module:
    """The network over a crop and its mirror image: the mean of the two last feature maps, the second turned back.

    A face and its mirror image are one person; what the network says of only one of them is its own. Since the head is
    affine, the embedding is that of the mean of the two, brought to unit length.

    Args:
        network: As ``network.load_network`` returns it. The layers are shared with it, and have the same names.
    """
    import torch

    class Mirrored(torch.nn.Module):
        """Embeds as the network does; its layers see twice the rows: the crops, then their mirror images."""

        is_mirrored = True

        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            pooled = last_maps(self, crops).mean(dim=(2, 3))
            return torch.nn.functional.normalize(head_of(self)(pooled), dim=1)

    both = Mirrored()
    for name, layer in network.named_children():
        both.add_module(name, layer)
    return both.eval()


def last_maps(network: Module, crops: Tensor) -> Tensor:
    """The feature maps of whose cells' mean the embedding is made.

    Args:
        network: As ``network.load_network`` or ``mirrored`` returns it.
        crops: shape (n, 3, h, w), as ``network.to_input`` returns them.

    Returns:
        shape (n, 1792, h', w'), float32.
    """
    import torch

    trunk = trunk_of(network)
    if not getattr(network, "is_mirrored", False):
        plain: Tensor = trunk(crops)
        return plain
    straight, mirror = trunk(torch.cat([crops, crops.flip(3)])).split(len(crops))
    mean: Tensor = (straight + mirror.flip(3)) / 2
    return mean


def cells_of(head: Callable[[Vectors], Vectors], maps: Vectors) -> FaceCells:
    """What each cell of last feature maps has to say.

    Args:
        head: From (n, 1792) to (n, 512), both float32.
        maps: shape (n, 1792, rows, columns), float32.
    """
    n, n_features, rows, columns = maps.shape
    features = maps.transpose(0, 2, 3, 1).reshape(-1, n_features)  # (n, 1792, r, c) -> (n * r * c, 1792)
    said = head(np.concatenate([features, np.zeros((1, n_features), np.float32)]))
    return FaceCells(said[:-1].reshape(n, rows, columns, -1), said[-1])


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
