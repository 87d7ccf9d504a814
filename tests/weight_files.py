"""Weight files for tests: InceptionResnetV1's layout in a few kilobytes."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import torch
from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1
from safetensors.torch import load_file, save

from facegallery.domain import EMBEDDING_SIZE


@cache
def layout() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return dict(InceptionResnetV1(pretrained=None).state_dict())


def small_state(value: float = 0.01) -> dict[str, Any]:
    """Every tensor of the network; all share one stored number, so that a file of them is small."""
    number, count = torch.tensor(value), torch.tensor(7)
    return {
        key: (number if like.is_floating_point() else count).expand(like.shape)  # strides of 0
        for key, like in layout().items()
    }


@cache
def small_weights(value: float = 0.01) -> bytes:
    """A file of ``torch.save`` with this network's layout; another ``value`` makes another file of the same size."""
    buffer = io.BytesIO()
    torch.save(small_state(value), buffer)
    return buffer.getvalue()


def rotated(weights: Path) -> bytes:
    """A model as good as another, whose vectors have nothing in common with that one's: its axes are dealt out anew.

    What it says of two faces is the same, but no vector of the one can be compared with one of the other.
    """
    state = load_file(weights)
    order = torch.randperm(EMBEDDING_SIZE, generator=torch.Generator().manual_seed(5))
    ends = ("last_linear.weight", "last_bn.weight", "last_bn.bias", "last_bn.running_mean", "last_bn.running_var")
    return save({key: tensor[order].contiguous() if key in ends else tensor for key, tensor in state.items()})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
