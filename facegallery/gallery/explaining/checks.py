"""How far to trust an explanation's maps, measured on the very face that is explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from facegallery.embedding import TorchEmbedder
from facegallery.explanation.baselines import CentredGaussian, RandomMap
from facegallery.explanation.faithfulness import (
    Faithfulness,
    averaged,
    faithfulness,
    randomization,
    shuffled_models,
    stability,
)
from facegallery.explanation.method import Target
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.explaining.values import Explanation, MapCheck

if TYPE_CHECKING:
    from torch.nn import Module

    from facegallery.domain import Embedder
    from facegallery.explanation.method import ExplainedModel, ExplanationMethod


N_RANDOM = 5
"""Random maps that the mean is taken over: one alone may be lucky on one face."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shuffled:
    """A shuffled network as an ``ExplainedModel``."""

    embedder: Embedder
    network: Module


def shuffled_networks(analyzer: FaceAnalyzer) -> Iterator[tuple[str, ExplainedModel]]:
    """The analyzer's network with its weights shuffled, stage by stage.

    Takes seconds, and some 200 MB for each of five stages: the weights, and the embedder's copy of them.
    """
    installed = analyzer.model

    def model_of(network: Module) -> _Shuffled:
        # The embedder takes a copy of its own, which it may move to a GPU.
        return _Shuffled(TorchEmbedder(deepcopy(network), installed.identity, installed.path), network)

    return shuffled_models(analyzer.network, model_of=model_of)


def checked(explanation: Explanation, analyzer: FaceAnalyzer, told: Callable[[], None] = lambda: None) -> Explanation:
    """Check the maps over the probe.

    Args:
        explanation: What is checked.
        analyzer: Made it.
        told: Called after each of the explanation's methods.

    Returns:
        The explanation with ``checks``: one for each of its maps.
    """
    crop = explanation.crop
    compared = explanation.comparison
    target = Target(compared.direction, f"similarity to {compared.enrolled.member}")

    def measured(baseline: ExplanationMethod) -> Faithfulness:
        return faithfulness(analyzer.embedder, crop, target, *baseline.explain(analyzer, crop, [target]))

    random = averaged([measured(RandomMap(seed=seed)) for seed in range(N_RANDOM)])
    gaussian = measured(CentredGaussian())
    shuffled = list(shuffled_networks(analyzer))
    checks = []
    for method, heat in zip(explanation.methods, explanation.maps, strict=True):
        left = randomization(method, crop, target, heat, shuffled)
        checks.append(
            MapCheck(
                method=heat.method,
                own=faithfulness(analyzer.embedder, crop, target, heat),
                random=random,
                gaussian=gaussian,
                stability=stability(method, analyzer, crop, target, heat),
                shuffled=None if left is None else float(np.mean(list(left.values()))),
            )
        )
        told()
    return replace(explanation, checks=tuple(checks))
