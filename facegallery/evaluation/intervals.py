"""How sure a figure is: 95 % intervals for rates and for means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959964
"""The normal distribution's 97.5 % quantile."""

N_RESAMPLES = 10_000
BOOTSTRAP_SEED = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something held, with Wilson's 95 % interval.

    "Probable inference, the law of succession, and statistical inference" (Wilson, 1927): stays within [0, 1] and has a
    width even where nothing or everything held.

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
        """The rate of what held."""
        n, n_held = len(held), sum(held)
        if not n:
            return cls(0, 0, 0.0, 1.0)
        share, room = n_held / n, Z_95**2 / n
        middle = (share + room / 2) / (1 + room)
        reach = Z_95 / (1 + room) * float(np.sqrt(share * (1 - share) / n + room / (4 * n)))
        return cls(n_held, n, max(middle - reach, 0.0), min(middle + reach, 1.0))


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
