"""Faces in photos by MTCNN, with facenet-pytorch's three networks and its thresholds, run by torch.

What facenet-pytorch raises on is an ordinary answer here: an image too small to hold a face has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.cascade import Networks, find_faces
from facegallery.domain import Face
from facegallery.threads import limit_torch

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from facegallery.cascade import Found, Network
    from facegallery.domain import Pixels

    Floats = NDArray[np.float32]

MIN_FACE_PX = 20
"""The smallest face looked for, and so the smallest image looked at: facenet-pytorch's own default."""

MAX_FACES_ACROSS = 102.4
"""How many of the smallest faces fit along the side of the image (of a square of the same area): 20 px at 2048x2048.

The first network's time grows with image area / smallest face squared, so this bounds it. Faces of 20 px in a photo of
4000x3000 are too coarse to be recognised.
"""

_CHANNELS_AT_ONCE = 16
"""Channels that one instruction handles (AVX-512, float32), or a multiple of that."""


class MtcnnDetector:
    """Finds faces with MTCNN; fulfils ``domain.Detector``. Holds no state between calls."""

    def __init__(self, networks: Networks) -> None:
        """Take the three networks; ``load`` makes the usual ones."""
        self._networks = networks

    @classmethod
    def load(cls) -> MtcnnDetector:
        """Build the detector from the three networks that travel inside facenet-pytorch (CPU, no download)."""
        return cls(load_networks())

    def detect(self, pixels: Pixels) -> list[Face]:
        """Find faces in one image. Never raises for what the image shows or for its size.

        Args:
            pixels: shape (h, w, 3), uint8, RGB, any size of at least 1x1. Faces under ``MIN_FACE_PX`` (in a large
                image: under 1 / ``MAX_FACES_ACROSS`` of its side) are not looked for.

        Returns:
            Faces in the frame of ``pixels``, most probable first; an empty list when there is none. Every number
            is finite, and every box has an area of which some is in the image.
        """
        return self.detect_many([pixels])[0]

    def detect_many(self, photos: Sequence[Pixels]) -> list[list[Face]]:
        """Find faces in several images of any sizes, in less time than one after the other.

        Args:
            photos: each as ``detect`` takes it. 8 bytes are held for each of their pixels until all are done: give a
                large folder in groups.

        Returns:
            For each image what ``detect`` returns.
        """
        found = find_faces(photos, [smallest_face_px(pixels) for pixels in photos], self._networks)
        return [_faces(of_photo, pixels) for of_photo, pixels in zip(found, photos, strict=True)]


def smallest_face_px(pixels: Pixels) -> float:
    """Side of the smallest face that is looked for in an image of shape (h, w, 3)."""
    height, width = pixels.shape[:2]
    return max(MIN_FACE_PX, math.sqrt(height * width) / MAX_FACES_ACROSS)


def load_networks() -> Networks:
    """The three networks with the weights inside facenet-pytorch, run by torch on the CPU."""
    limit_torch()
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    return Networks(torch_network(_widened(PNet())), torch_network(RNet()), torch_network(ONet()))


def torch_network(module: torch.nn.Module) -> Network:
    """A torch module as a network of the cascade."""
    import torch

    module = module.eval().to(memory_format=torch.channels_last)

    def run(values: Floats) -> tuple[Floats, ...]:
        with torch.inference_mode():
            return tuple(answer.numpy() for answer in module(torch.from_numpy(values)))

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


def _faces(found: Found, pixels: Pixels) -> list[Face]:
    """The usable ones as values, most probable first."""
    height, width = pixels.shape[:2]
    rows = zip(
        found.boxes_xyxy.tolist(),
        found.landmarks_xy.tolist(),
        found.probabilities.tolist(),
        _usable(found, width, height).tolist(),
        strict=True,
    )
    return [
        Face(tuple(box), tuple((x, y) for x, y in landmarks), probability)
        for box, landmarks, probability, is_usable in rows
        if is_usable
    ]


def _usable(found: Found, width: int, height: int) -> NDArray[np.bool_]:
    """Which are of finite numbers and have an area of which some is in the image; shape (n,)."""
    boxes, landmarks = found.boxes_xyxy, found.landmarks_xy
    is_finite = np.isfinite(boxes).all(axis=1) & np.isfinite(landmarks).all(axis=(1, 2))
    left, top, right, bottom = boxes.T
    has_area = (right > left) & (bottom > top)
    touches_image = (right > 0) & (bottom > 0) & (left < width) & (top < height)
    return np.asarray(is_finite & has_area & touches_image)
