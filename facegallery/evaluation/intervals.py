"""How sure a figure is: 95 % intervals for rates and for means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.matching.calibration import Z_95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


N_RESAMPLES = 10_000
N_RESAMPLES_OF_PEOPLE = 2_000
"""Fewer, since each of them goes over all trials; an end of the interval moves by a twentieth of its width."""

BOOTSTRAP_SEED = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something held, with its 95 % interval.

    Of independent trials it is Wilson's ("Probable inference, the law of succession, and statistical inference", 1927):
    it stays within [0, 1] and has a width even where nothing or everything held. Where people have several trials
    each, it comes from resampling the people (:meth:`over_people`).

    Attributes:
        n_held: How often it held.
        n: Of how many.
        low: Lower end of the interval; 0 where ``n`` is 0.
        high: Upper end; 1 where ``n`` is 0.
    """

    n_held: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, held: Sequence[bool]) -> Rate:
        """The rate of what held in independent trials."""
        n, n_held = len(held), sum(held)
        return cls(n_held, n, *_wilson(n_held, n))

    @classmethod
    def over_people(cls, held: Sequence[bool], people: Sequence[str]) -> Rate:
        """The rate of what held in trials of which each is about one person, and a person may have several.

        Args:
            held: For each trial.
            people: Whose trial it is.
        """
        names, whose = np.unique(np.array(people, np.str_), return_inverse=True)
        per_person = np.bincount(whose, minlength=len(names))
        held_per_person = np.bincount(whose, np.array(held, np.float64), len(names))
        bounds = bootstrap_people(
            lambda weights: np.atleast_1d(weights @ held_per_person / (weights @ per_person)), len(names)
        )
        return cls.within(sum(held), len(held), (bounds[0, 0], bounds[1, 0]), n_people=len(names))

    @classmethod
    def within(cls, n_held: int, n: int, bounds: tuple[float, float], *, n_people: int) -> Rate:
        """A rate with an interval from resampling people.

        It is at no end nearer than Wilson's for independent trials, which resampling few of a kind falls short of.
        Where nothing or everything held, nothing tells how alike the trials of a person are: Wilson's for one trial a
        person.

        Args:
            n_held: How often it held.
            n: Of how many.
            bounds: Lower and upper end.
            n_people: Whose trials they are.
        """
        if n_held in (0, n):
            return cls(n_held, n, *_wilson(n_people if n_held else 0, n_people))
        low, high = _wilson(n_held, n)
        return cls(n_held, n, min(float(bounds[0]), low), max(float(bounds[1]), high))

    @property
    def share(self) -> float:
        """What part held, in [0, 1]; NaN of no trials."""
        return self.n_held / self.n if self.n else float("nan")


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, with the 95 % interval of the percentile bootstrap ("An Introduction to the Bootstrap", Efron, 1993).

    Attributes:
        value: The mean.
        n: Of how many values.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """The mean of at least one value; resampled 10,000 times, each time the same."""
        sample = np.array(values, np.float64)
        drawn = np.random.default_rng(BOOTSTRAP_SEED).integers(0, len(sample), (N_RESAMPLES, len(sample)))
        low, high = np.quantile(sample[drawn].mean(axis=1), (0.025, 0.975))
        return cls(float(sample.mean()), len(sample), float(low), float(high))


def bootstrap_people(statistic: Callable[[Counts], Floats], n_people: int) -> Floats:
    """95 % percentile intervals of figures that rest on several trials of each person.

    Not the trials but the people are drawn again, with all their trials: photos of one person are alike, and so are the
    errors on them ("An Introduction to the Bootstrap", Efron, 1993; for biometrics "Performance generalization in
    biometric authentication using joint user-specific and sample bootstraps", Poh, 2007).

    Args:
        statistic: The figures, shape (k,), when each person counts as often as the weights of shape (n_people,) say.
            NaN where they cannot be told.
        n_people: How many people there are.

    Returns:
        shape (2, k): lower and upper ends; the same each time. 0 and 1 where there is nobody.
    """
    if not n_people:
        return np.array([[0.0], [1.0]])
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = (np.bincount(rng.integers(0, n_people, n_people), minlength=n_people) for _ in range(N_RESAMPLES_OF_PEOPLE))
    ends: Floats = np.nanquantile(np.stack([statistic(weights) for weights in drawn]), (0.025, 0.975), axis=0)
    return ends


def _wilson(n_held: int, n: int) -> tuple[float, float]:
    if not n:
        return 0.0, 1.0
    share, room = n_held / n, Z_95**2 / n
    middle = (share + room / 2) / (1 + room)
    reach = Z_95 / (1 + room) * float(np.sqrt(share * (1 - share) / n + room / (4 * n)))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
