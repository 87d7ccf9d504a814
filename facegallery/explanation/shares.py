"""The exact split: one share of the score for each cell of the network's last feature map, and a constant.

The network's end is affine: the embedding is the mean of what the cells say, brought to unit length. So a scalar
product with the embedding is a sum over the cells, without any approximation. It is the class activation map of
"Learning Deep Features for Discriminative Localization" (Zhou et al., 2016), exact for a similarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.domain import FaceCells
from facegallery.errors import ExplanationError
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant
from facegallery.network import to_input
from facegallery.parts import cells_of, head_of, last_maps

if TYPE_CHECKING:
    from facegallery.domain import Pixels, Vectors

SUM_TOLERANCE = 1e-5
"""How far the shares' sum may be from the score: rounding of float32 stays a tenth of it."""

FINE_SIZE_PX = 320
"""Side of the enlarged crop: its last feature map has 8x8 cells, that of the crop itself 3x3."""

_NOISE = 1e-6
"""Spread of a map, in shares of the largest sum of a cell's terms, that is rounding."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The exact split of the score that the decision rests on."""

    name = "shares"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Split the targets; see :class:`facegallery.explanation.method.ExplanationMethod`.

        Raises:
            ExplanationError: The shares do not add up to the score.
        """
        crops = crop[np.newaxis]
        return _split(self.name, model.embedder.cells(crops), model.embedder.embed(crops)[0], targets, {})


@dataclass(frozen=True, slots=True)
class FineShares:
    """The exact split on a finer grid, of another score: that of the crop enlarged, by the network in PyTorch.

    The network was trained on 160 px, so the score is another one; ``settings`` says both.
    """

    size_px: int = FINE_SIZE_PX
    name = "shares-fine"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Split the targets of the enlarged crop; see :class:`facegallery.explanation.method.ExplanationMethod`.

        Raises:
            ExplanationError: The shares do not add up to the score.
        """
        import torch

        square = (self.size_px, self.size_px)
        enlarged = np.asarray(Image.fromarray(crop).resize(square, Image.Resampling.BICUBIC))[np.newaxis]
        network = model.network
        head = head_of(network)
        with torch.inference_mode():
            maps = last_maps(network, to_input(enlarged)).numpy()
            embedding = network(to_input(enlarged))[0].numpy()
            cells = cells_of(lambda features: head(torch.from_numpy(features)).numpy(), maps)
        scores = [float(target.of(model.embedder.embed(crop[np.newaxis]))[0]) for target in targets]
        heats = _split(self.name, cells, embedding, targets, {"enlarged to": f"{self.size_px} px"})
        return tuple(
            replace(heat, settings={**heat.settings, "score at 160 px": score})
            for heat, score in zip(heats, scores, strict=True)
        )


def _split(
    method: str, cells: FaceCells, embedding: Vectors, targets: Sequence[Target], settings: dict[str, str]
) -> tuple[HeatMap, ...]:
    """The shares of one crop: cells of shape (1, rows, columns, 512), its embedding of shape (512,)."""
    said = cells.vectors[0].astype(np.float64)
    constant = cells.constant.astype(np.float64)
    n_cells = said.shape[0] * said.shape[1]
    length = float(np.linalg.norm(said.mean(axis=(0, 1))))
    settings = {**settings, "grid": f"{said.shape[0]}x{said.shape[1]}"}
    heats = []
    for target in targets:
        direction = target.direction.astype(np.float64)
        terms = (said - constant) * direction / (n_cells * length)  # (rows, columns, 512)
        shares, base = terms.sum(axis=-1), float(constant @ direction / length)
        score = float(embedding @ target.direction)
        if not abs(base + shares.sum() - score) <= SUM_TOLERANCE:
            raise ExplanationError(
                f"The shares of the {target.words} add up to {base + shares.sum():.6f}, and the score is {score:.6f}: "
                "the network was computed in two ways. Next: facegallery explain --runtime torch"
            )
        values = shares.astype(np.float32)
        is_flat = is_constant(values, _NOISE * float(np.abs(terms).sum(axis=-1).max()))
        heats.append(
            HeatMap(
                method,
                np.zeros_like(values) if is_flat else values,
                target.words,
                score,
                is_flat,
                signed=True,
                base=score if is_flat else base,
                settings=settings,
            )
        )
    return tuple(heats)
