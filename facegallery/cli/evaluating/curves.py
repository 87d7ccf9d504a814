"""The plots of a report, from its error rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from facegallery.evaluation.rates import LEAST_EXPECTED
from facegallery.pictures.plots import DetCurve, Distributions

if TYPE_CHECKING:
    from facegallery.domain import Vectors
    from facegallery.evaluation.rates import ErrorRates, OperatingPoint
    from facegallery.pictures.plots import Plot

N_POINTS = 40
HIGHEST_RATE = 0.5
"""Beyond it nobody works."""


def plots_of(
    errors: ErrorRates, names: tuple[str, str], scores: Mapping[str, Vectors], threshold: float
) -> tuple[Plot, ...]:
    """The trade between both errors, and how the scores lie; either is left out where there is nothing to draw.

    Args:
        errors: False positives and negatives.
        names: What they are called.
        scores: By name of the kind of trial, shape (n,), float32; what is none (-inf) is left out.
        threshold: The one in force.
    """
    plots: list[Plot] = []
    lowest = min(LEAST_EXPECTED / len(errors.non_mated.scores), HIGHEST_RATE)
    wanted = np.unique(np.geomspace(lowest, HIGHEST_RATE, N_POINTS))
    points = [at.point for at in errors.at_rates(wanted.tolist()) if at.point is not None]
    if points:
        plots.append(_det_curve(points, names))
    finite = {name: each[np.isfinite(each)] for name, each in scores.items()}
    if all(map(len, finite.values())):
        plots.append(Distributions("Similarities", finite, threshold))
    return tuple(plots)


def _det_curve(points: Sequence[OperatingPoint], names: tuple[str, str]) -> DetCurve:
    return DetCurve(
        f"{names[1]} against {names[0]}",
        names,
        np.array([point.false_positives.share for point in points]),
        np.array([point.false_negatives.share for point in points]),
        np.array([point.false_negatives.low for point in points]),
        np.array([point.false_negatives.high for point in points]),
    )
