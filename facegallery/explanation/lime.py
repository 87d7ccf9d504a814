"""LIME: superpixels are covered at random, and a linear fit says what each of them does for the target.

"Why Should I Trust You? Explaining the Predictions of Any Classifier" (Ribeiro, Singh, Guestrin, 2016), as the authors'
program does it for pictures: half of the superpixels covered, a ridge regression, and patterns weighted by an
exponential kernel of width 0.25 on one minus the cosine between a pattern and that of the whole crop. What covers is
the blurred crop. A black box to the method: only the embedder that made the decision is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.explanation.attribution import captum_attr, global_rng_kept, gradients_on
from facegallery.explanation.fills import Fill, filled
from facegallery.explanation.method import ExplainedModel, HeatMap, Target, is_constant

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from facegallery.domain import Embedder, Pixels, Vectors
    from facegallery.explanation.method import Floats

    Superpixels = NDArray[np.int64]

N_SUPERPIXELS = 40
"""Asked for; slic gave 34 and 35 on three faces."""

COMPACTNESS = 20.0
"""How square slic's superpixels are against how much of one colour: at 20 they follow brows and lips."""

N_PATTERNS = 400
KERNEL_WIDTH = 0.25
RIDGE = 1.0
"""The penalty on squared coefficients; against the weights of 400 patterns it takes 2 % off a coefficient."""

SEED = 0
BATCH = 8
NOISE = 1e-5
"""Coefficients whose spread is not above this are rounding."""


def superpixels(crop: Pixels) -> Superpixels:
    """Split a crop by SLIC ("SLIC Superpixels", Achanta et al., 2010) in CIELAB.

    Args:
        crop: shape (h, w, 3), uint8, RGB.

    Returns:
        shape (h, w), int64: the number of each pixel's superpixel, from 0 without a gap; about ``N_SUPERPIXELS``.
    """
    from skimage.segmentation import slic

    return np.asarray(slic(crop, n_segments=N_SUPERPIXELS, compactness=COMPACTNESS, start_label=0), np.int64)


@dataclass(frozen=True, slots=True)
class Lime:
    """LIME over superpixels. One set of patterns, embedded once, serves all targets.

    A superpixel's coefficient is divided evenly among its pixels: the sum over a region is what the region adds in the
    linear fit. ``fit`` in the settings is the share of the target's weighted variance that the fit explains, R squared:
    where it is low the map says little.

    Attributes:
        n_patterns: How many covered crops are embedded, the whole one among them.
        seed: Of the patterns.
        split: Splits a crop (h, w, 3) into superpixels, (h, w) int64 from 0 without a gap.
    """

    n_patterns: int = N_PATTERNS
    seed: int = SEED
    split: Callable[[Pixels], Superpixels] = superpixels
    name = "lime"

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain the targets; see :class:`facegallery.explanation.method.ExplanationMethod`."""
        places = self.split(crop)
        patterns = self._patterns(int(places.max()) + 1)
        covered = _CoveredCrop(model.embedder, crop, places)
        return tuple(self._heat(covered, patterns, target) for target in targets)

    def _patterns(self, n_places: int) -> Floats:
        """Shape (n_patterns, n_places), float32: 1 where a superpixel is seen, 0 where it is covered; first all 1."""
        patterns = np.random.default_rng(self.seed).integers(0, 2, (self.n_patterns, n_places)).astype(np.float32)
        patterns[0] = 1
        return patterns

    def _heat(self, covered: _CoveredCrop, patterns: Floats, target: Target) -> HeatMap:
        coefficients, fit = _fitted(patterns, lambda batch: target.of(covered.embeddings(batch)))
        constant = is_constant(coefficients, NOISE)
        per_pixel = (coefficients / np.bincount(covered.places.ravel())).astype(np.float32)
        settings: dict[str, str | int | float] = {
            "superpixels": len(coefficients),
            "patterns": self.n_patterns,
            "seed": self.seed,
            "fill": Fill.BLUR.value,
            "fit": fit,
        }
        heat = (np.zeros_like(per_pixel) if constant else per_pixel)[covered.places]
        score = float(target.of(covered.embeddings(patterns[:BATCH]))[0])
        return HeatMap(self.name, heat, target.words, score, constant, signed=True, settings=settings)


class _CoveredCrop:
    """A crop whose superpixels can be covered; what was embedded once is remembered for the next target."""

    def __init__(self, embedder: Embedder, crop: Pixels, places: Superpixels) -> None:
        self.places = places
        self._embedder, self._crop, self._cover = embedder, crop, filled(crop, Fill.BLUR)
        self._known: dict[bytes, Vectors] = {}

    def embeddings(self, patterns: Floats) -> Vectors:
        """Embeddings, (n, 512), of the crop covered as each pattern says."""
        key = patterns.tobytes()
        if key not in self._known:
            seen = patterns.astype(bool)[:, self.places, np.newaxis]  # (n, superpixels) -> (n, h, w, 1)
            self._known[key] = self._embedder.embed(np.where(seen, self._crop, self._cover))
        return self._known[key]


def _fitted(patterns: Floats, values: Callable[[Floats], Vectors]) -> tuple[Floats, float]:
    """The coefficients of the linear fit, (superpixels,), and the share of the weighted variance that it explains."""
    import torch

    attr = captum_attr()  # before the next import, which would load captum too
    from captum._utils.models.linear_model import SkLearnRidge
    from sklearn.metrics import r2_score

    asked: list[Vectors] = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        asked.append(values(batch.numpy()))
        return torch.from_numpy(asked[-1])

    def drawn(_: torch.Tensor) -> Iterator[torch.Tensor]:
        for pattern in patterns:
            yield torch.from_numpy(pattern[np.newaxis])

    def kernel(_: torch.Tensor, __: torch.Tensor, pattern: torch.Tensor) -> float:
        return float(_weights(pattern.numpy())[0])

    # captum is given patterns, not pictures: its own kernel, on pixels, would weight all patterns nearly alike.
    ridge = SkLearnRidge(alpha=RIDGE)
    method = attr.LimeBase(forward, ridge, kernel, drawn, True, lambda pattern, _: pattern, None)
    with gradients_on(), global_rng_kept():
        method.attribute(torch.from_numpy(patterns[:1]), n_samples=len(patterns), perturbations_per_eval=BATCH)
    coefficients: Floats = ridge.representation().numpy()[0]
    predicted = patterns @ coefficients + ridge.bias().numpy()
    return coefficients, float(r2_score(np.concatenate(asked), predicted, sample_weight=_weights(patterns)))


def _weights(patterns: Floats) -> Floats:
    """How much each pattern counts, (n,): the exponential kernel on one minus its cosine to the whole crop's."""
    cosines = np.sqrt(patterns.mean(axis=1))  # of a vector of zeros and ones to one of ones
    weights: Floats = np.exp(-((1 - cosines) ** 2) / (2 * KERNEL_WIDTH**2))
    return weights
