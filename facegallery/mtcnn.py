"""MTCNN's three networks, whose weights travel inside facenet-pytorch: run by torch, or compiled by OpenVINO."""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegallery.cascade import Networks
from facegallery.compiled import Recipe, open_network
from facegallery.domain import Precision
from facegallery.errors import RuntimeUnavailable
from facegallery.network import best_device
from facegallery.threads import limit_torch

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from facegallery.cascade import Network

    Floats = NDArray[np.float32]

_CHANNELS_AT_ONCE = 16
"""Channels that one instruction handles (AVX-512, float32), or a multiple of that."""

_FIRST_SIDES = (24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 640)
"""Sides of the pieces that the compiled first network sees. To get ready for a new size takes it some 3 ms, longer than
most pieces, and photos of all sizes have levels of all sizes: 1433 in a folder of 250 photos. These make 230 of them,
at 1.3 times the work."""

_SECOND_BATCH, _THIRD_BATCH = 32, 8
"""Crops in each batch of the compiled networks, always as many: as fast for each as any larger number."""


def torch_networks() -> Networks:
    """The three networks in torch: on a GPU where there is one, else on the CPU."""
    limit_torch()
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    return Networks(torch_network(_widened(PNet())), torch_network(RNet()), torch_network(ONet()))


def compiled_networks() -> Networks:
    """The three networks compiled for this processor; in float32, since in bf16 two photos of five get other boxes.

    Raises:
        RuntimeUnavailable: OpenVINO is missing or fails.
    """
    first, second, third = map(open_network, recipes())
    return Networks(
        first,
        _filled_up(second, _SECOND_BATCH),
        _filled_up(third, _THIRD_BATCH),
        first_sides=_FIRST_SIDES,
        second_batch=_SECOND_BATCH,
        third_batch=_THIRD_BATCH,
    )


def recipes() -> list[Recipe]:
    """What the three compiled networks are made from.

    Raises:
        RuntimeUnavailable: facenet-pytorch is missing.
    """
    shapes = {"PNet": (1, 3, -1, -1), "RNet": (_SECOND_BATCH, 3, 24, 24), "ONet": (_THIRD_BATCH, 3, 48, 48)}
    return [
        Recipe(
            name=name.lower(),
            fingerprint=hashlib.sha256(_weights(name).read_bytes()).hexdigest(),
            shape=shape,
            precision=Precision.F32,
            module=partial(_module, name),
        )
        for name, shape in shapes.items()
    ]


def third_network() -> torch.nn.Module:
    """The third network, O-Net, as a torch module on the CPU: what ``Networks.third`` computes, to look inside."""
    return _module("ONet")


def torch_network(module: torch.nn.Module) -> Network:
    """A torch module as a network of the cascade."""
    import torch

    device = best_device()
    module = module.eval().to(device).to(memory_format=torch.channels_last)

    def run(values: Floats) -> tuple[Floats, ...]:
        with torch.inference_mode():
            return tuple(answer.cpu().numpy() for answer in module(torch.from_numpy(values).to(device)))

    return run


def _module(name: str) -> torch.nn.Module:
    limit_torch()
    from facenet_pytorch.models import mtcnn

    module: torch.nn.Module = getattr(mtcnn, name)()
    return module.eval().requires_grad_(False)


def _weights(name: str) -> Path:
    """The file of a network's weights. Found without importing the package, which would import torch."""
    package = find_spec("facenet_pytorch")
    if package is None or not package.submodule_search_locations:
        raise RuntimeUnavailable("facenet-pytorch is not installed. Next: pip install --force-reinstall facegallery")
    return Path(package.submodule_search_locations[0]) / "data" / f"{name.lower()}.pt"


def _filled_up(network: Network, n: int) -> Network:
    """A network for exactly ``n`` crops as one for up to ``n``."""
    import numpy as np

    def run(values: Floats) -> tuple[Floats, ...]:
        if len(values) == n:
            return network(values)
        filled = np.zeros((n, *values.shape[1:]), np.float32)
        filled[: len(values)] = values
        return tuple(answer[: len(values)] for answer in network(filled))

    return run


def _widened(network: Any) -> Any:
    """Give the first layer of a P-Net channels of zeros, up to a number that the processor handles at once.

    They change nothing in what the network answers: zero weights make zeros, and zero weights take them up again. But
    with the 10 channels of P-Net its activation takes five times as long as with 16, its pooling half as long again,
    and the network, though its second layer is slower with 16, 1.15 times as long.
    """
    import torch
    from torch.nn.functional import pad

    first, slopes, second = network.conv1, network.prelu1, network.conv2
    n_more = -first.out_channels % _CHANNELS_AT_ONCE
    with torch.no_grad():
        first.weight = torch.nn.Parameter(pad(first.weight, (0, 0, 0, 0, 0, 0, 0, n_more)))  # (out, in, h, w)
        first.bias = torch.nn.Parameter(pad(first.bias, (0, n_more)))
        slopes.weight = torch.nn.Parameter(pad(slopes.weight, (0, n_more)))
        second.weight = torch.nn.Parameter(pad(second.weight, (0, 0, 0, 0, 0, n_more)))
    first.out_channels += n_more
    slopes.num_parameters += n_more
    second.in_channels += n_more
    return network
