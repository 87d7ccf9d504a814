"""How often scores lead to the wrong answer: rates of false positives and of false negatives, by threshold.

One pair of rates serves both protocols, since both ask which scores reach a threshold:

- one to one (FMR, FNMR): a *non-mated* trial compares two people, a *mated* one two photos of one person;
- one to many (FPIR, FNIR): a non-mated trial is a stranger's search, and its score that of the nearest member; a mated
  one is a member's, and its score that member's own, or -inf where another member is nearer or no face was found.

A score equal to the threshold reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.evaluation.intervals import Rate, bootstrap_people
from facegallery.matching.decisions import reaches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Ids, Vectors
    from facegallery.evaluation.intervals import Counts, Floats

    Held = NDArray[np.bool_]

LEAST_EXPECTED = 3
"""Errors that a number of trials must lead one to expect before a rate is claimed. Where nothing at all went wrong in n
trials, the rate is still only known to be below 3 / n ("If nothing goes wrong, is everything all right?", Hanley and
Lippman-Hand, 1983)."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Comparisons or searches of one kind.

    Attributes:
        scores: shape (n,), float32: what must reach the threshold; -inf where no threshold is low enough.
        people: For each trial the one or two people it is about. Trials that share a person are not independent.
    """

    scores: Vectors
    people: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold leads to.

    Attributes:
        threshold: The similarity that a match needs.
        false_positives: Non-mated trials that reach it (FMR, FPIR), of all of them.
        false_negatives: Mated trials that do not (FNMR, FNIR), of all of them.
    """

    threshold: float
    false_positives: Rate
    false_negatives: Rate


@dataclass(frozen=True, slots=True)
class PointAtRate:
    """The threshold for a wanted rate of false positives.

    Attributes:
        wanted: The rate.
        n_non_mated: Trials there are to find it from.
        point: The lowest threshold whose rate is not above ``wanted``. The interval of ``false_negatives`` holds what
            is uncertain about the threshold too. None where the trials cannot support the rate.
        threshold_low: Lower end of the threshold's 95 % interval; NaN without a point.
        threshold_high: Upper end.
    """

    wanted: float
    n_non_mated: int
    point: OperatingPoint | None
    threshold_low: float = float("nan")
    threshold_high: float = float("nan")


def supports(wanted: float, n_trials: int) -> bool:
    """Whether so many trials can tell a rate as small as this one."""
    return wanted * n_trials >= LEAST_EXPECTED


class ErrorRates:
    """Both rates of one experiment. Intervals come from resampling the people of all trials together.

    A trial of two people counts as often as the product of how often each is drawn ("The pigeonhole bootstrap", Owen,
    2007), which errs towards intervals that are too wide.
    """

    def __init__(self, mated: Trials, non_mated: Trials) -> None:
        """Take the trials of an experiment, at least one of each kind."""
        self.mated = mated
        self.non_mated = non_mated
        names = sorted({name for trials in (mated, non_mated) for people in trials.people for name in people})
        number = {name: place for place, name in enumerate(names)}
        self._n_people = len(names)
        self._mated = _Counted(mated, number)
        self._non_mated = _Counted(non_mated, number)

    def at(self, thresholds: Sequence[float]) -> list[OperatingPoint]:
        """Both rates at given thresholds."""
        reached = reaches(self._non_mated.scores[:, None], np.array(thresholds, np.float64))
        missed = ~reaches(self._mated.scores[:, None], np.array(thresholds, np.float64))

        def rates(weights: Counts) -> Floats:
            return np.stack([self._non_mated.shares(reached, weights), self._mated.shares(missed, weights)])

        low, high = bootstrap_people(rates, self._n_people).reshape(2, 2, len(thresholds))
        return [
            OperatingPoint(
                threshold,
                self._non_mated.rate(reached[:, column], (low[0, column], high[0, column])),
                self._mated.rate(missed[:, column], (low[1, column], high[1, column])),
            )
            for column, threshold in enumerate(thresholds)
        ]

    def over_range(self) -> list[OperatingPoint]:
        """Both rates at round thresholds, 0.05 apart, over the range of the scores."""
        scores = np.concatenate([self.mated.scores, self.non_mated.scores])
        reachable = scores[np.isfinite(scores)]
        if not len(reachable):
            return []
        lowest, highest = np.floor(reachable.min() * 20), np.ceil(reachable.max() * 20)
        return self.at([step / 20 for step in range(int(lowest), int(highest) + 1)])

    def at_rates(self, wanted: Sequence[float]) -> list[PointAtRate]:
        """For each wanted rate of false positives the lowest threshold that keeps to it, and what that leads to."""
        n = len(self._non_mated.scores)
        supported = np.array([rate for rate in wanted if supports(rate, n)])
        if not len(supported):
            return [PointAtRate(rate, n, None) for rate in wanted]
        everybody = np.ones(self._n_people, np.int64)
        thresholds = self._non_mated.thresholds(supported, everybody)

        def chosen_again(weights: Counts) -> Floats:
            again = self._non_mated.thresholds(supported, weights)
            missed = ~reaches(self._mated.scores[:, None], again)
            return np.stack([again, self._mated.shares(missed, weights)])

        low, high = bootstrap_people(chosen_again, self._n_people)
        points = {}
        for column, point in enumerate(self.at(thresholds.tolist())):
            missed = ~reaches(self._mated.scores, point.threshold)
            false_negatives = self._mated.rate(missed, (low[1, column], high[1, column]))
            points[float(supported[column])] = (
                OperatingPoint(point.threshold, point.false_positives, false_negatives),
                float(low[0, column]),
                float(high[0, column]),
            )
        return [
            PointAtRate(rate, n, *points[rate]) if rate in points else PointAtRate(rate, n, None) for rate in wanted
        ]


class _Counted:
    """Trials whose people have numbers, counted with weights."""

    def __init__(self, trials: Trials, number: dict[str, int]) -> None:
        self.scores: Floats = trials.scores.astype(np.float64)  # a threshold must not be rounded to be compared
        pairs = [(number[people[0]], number[people[-1]]) for people in trials.people]
        self._first, self._second = np.array(pairs, np.int64).reshape(-1, 2).T
        self._n_people = len({person for pair in pairs for person in pair})
        self._descending: Ids = np.argsort(-self.scores, kind="stable")

    def shares(self, held: Held, weights: Counts) -> Floats:
        """Weighted share of the trials in which each column of ``held``, shape (n, k), holds; NaN without weight."""
        by_trial = self._by_trial(weights)
        total = by_trial.sum()
        shares: Floats = by_trial @ held / total if total else np.full(held.shape[1], np.nan)
        return shares

    def thresholds(self, wanted: Floats, weights: Counts) -> Floats:
        """For each wanted share, all below 1, the lowest threshold that no greater weighted share reaches; a float32
        that is a similarity, though trials without a score would be kept out by any.

        NaN without weight.
        """
        reaching = np.cumsum(self._by_trial(weights)[self._descending])
        if not reaching[-1]:
            return np.full(len(wanted), np.nan)
        # The first trial that is one too many must stay below, and with it all that score the same.
        too_many = np.searchsorted(reaching / reaching[-1], wanted, side="right")
        scores = self.scores[self._descending][too_many].astype(np.float32)
        lowest: Floats = np.maximum(np.nextafter(scores, np.float32(np.inf)), np.float32(-1)).astype(np.float64)
        return lowest

    def rate(self, held: Held, bounds: tuple[float, float]) -> Rate:
        return Rate.within(int(held.sum()), len(held), bounds, n_people=min(self._n_people, len(held)))

    def _by_trial(self, weights: Counts) -> Counts:
        first, second = weights[self._first], weights[self._second]
        by_trial: Counts = np.where(self._first == self._second, first, first * second)
        return by_trial
