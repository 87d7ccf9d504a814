"""How captum sees what is explained: the one place that imports it, and the function that its methods attribute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from facegallery.explanation.method import Target


def captum_attr() -> Any:
    """The module ``captum.attr``, imported in silence: it ships no types.

    It brings matplotlib along, which at its first import on a machine tells its logger about fonts and folders.
    """
    matplotlib = logging.getLogger("matplotlib")
    level = matplotlib.level
    matplotlib.setLevel(logging.CRITICAL)
    try:
        import captum.attr
    finally:
        matplotlib.setLevel(level)
    return captum.attr


def values_of(network: torch.nn.Module, targets: Sequence[Target]) -> Callable[[torch.Tensor], torch.Tensor]:
    """What captum's gradient methods take: from inputs (n, 3, 160, 160) to each target's value, (n, targets)."""
    import numpy as np
    import torch

    directions = torch.from_numpy(np.stack([target.direction for target in targets]))

    def values(inputs: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = network(inputs)
        return embeddings @ directions.T

    return values


@contextmanager
def gradients_on() -> Iterator[None]:
    """Gradients are on inside, whatever the caller's mode. Make the network's input inside."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def global_rng_kept() -> Iterator[None]:
    """What is drawn inside from torch's global generator on the CPU, from which captum draws, is put back."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield
