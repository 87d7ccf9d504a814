"""What the filters of a layer answer to one crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facegallery.errors import ExplanationError
from facegallery.explanation.layers import EMBEDDING, FILTER_LAYERS, output_of
from facegallery.network import to_input

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels
    from facegallery.explanation.method import Floats


def outputs(network: torch.nn.Module, layer: str, crop: Pixels) -> Floats:
    """The answers of a layer's filters.

    Args:
        network: As ``network.load_network`` returns it; left as it was found.
        layer: One of ``layers.FILTER_LAYERS``.
        crop: shape (160, 160, 3), uint8, RGB.

    Returns:
        shape (channels, h, w), float32, crop frame (row 0 is the top), spread over the crop but for a rim that
        convolutions without padding cut off.

    Raises:
        ExplanationError: No such layer, or the embedding, whose numbers have no place in the crop.
    """
    import torch

    if layer == EMBEDDING:
        raise ExplanationError(
            f"The embedding's numbers have no place in the face. Choose a layer of: {', '.join(FILTER_LAYERS)}."
        )
    with torch.inference_mode():
        answers: Floats = output_of(network, layer, to_input(crop[np.newaxis]))[0].numpy()
    return answers


def strongest(answers: Floats, n_filters: int) -> tuple[int, ...]:
    """The filters of the largest mean answer over their places, strongest first; of equals the lower number.

    Args:
        answers: shape (channels, h, w), as ``outputs`` returns them.
        n_filters: How many at most.
    """
    means = answers.mean(axis=(1, 2), dtype=np.float64)
    return tuple(np.argsort(-means, kind="stable")[:n_filters].tolist())
