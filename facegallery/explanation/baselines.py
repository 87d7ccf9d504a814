"""Maps that know nothing of the network: what a method has to beat before its maps mean anything."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.domain import CROP_SIZE_PX
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant

if TYPE_CHECKING:
    from facegallery.domain import Pixels
    from facegallery.explanation.method import Floats

RANDOM_GRID = 8
"""Side of the random map: as coarse as the maps of many methods, so that it differs from theirs in nothing else."""

GAUSSIAN_SIGMA_PX = CROP_SIZE_PX / 4
"""Spread of the centred Gaussian. A detected face fills its crop, so that the centre alone is a strong guess."""


@dataclass(frozen=True, slots=True)
class RandomMap:
    """Uniform random numbers in a grid; another map for each crop, and the same for the same crop.

    At the crop's own size (``grid=160``) covering its highest pixels first strews the cover evenly over the face: no
    method covers like that, so the coarse grid is the fairer comparison.
    """

    name: str = "random"
    grid: int = RANDOM_GRID
    seed: int = 0

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Draw the map; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        rng = np.random.default_rng([self.seed, zlib.crc32(crop.tobytes())])
        values = rng.random((self.grid, self.grid), np.float32)
        return _heats(self.name, values, model, crop, targets)


@dataclass(frozen=True, slots=True)
class CentredGaussian:
    """High in the middle of the crop, falling off to its edges; the same for every crop."""

    name = "gaussian"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Draw the map; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        offsets = np.arange(CROP_SIZE_PX) - (CROP_SIZE_PX - 1) / 2
        along = np.exp(-(offsets**2) / (2 * GAUSSIAN_SIGMA_PX**2))
        return _heats(self.name, np.outer(along, along).astype(np.float32), model, crop, targets)


@dataclass(frozen=True, slots=True)
class Edges:
    """The gradient magnitude of the crop in grey: what a picture of a face looks like that no network has seen."""

    name = "edges"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Draw the map; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        down, across = np.gradient(np.asarray(Image.fromarray(crop).convert("L"), np.float32) / 255)
        return _heats(self.name, np.hypot(down, across).astype(np.float32), model, crop, targets)


BASELINES = (RandomMap(), RandomMap("random-pixels", grid=CROP_SIZE_PX), CentredGaussian(), Edges())


def _heats(
    name: str, values: Floats, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]
) -> tuple[HeatMap, ...]:
    """The same map for each target."""
    embedding = model.embedder.embed(crop[np.newaxis])
    constant = is_constant(values, noise=0)
    settings = {"grid": "x".join(map(str, values.shape))}
    return tuple(
        HeatMap(name, values, target.words, float(target.of(embedding)[0]), constant, signed=False, settings=settings)
        for target in targets
    )
