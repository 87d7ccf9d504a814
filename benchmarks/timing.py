"""Times of two sides taken in turns, and the ratio that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

MIN_PAIRS = 5
"""Fewer pairs than this are for trying the benchmarks, not for writing down."""

REST_S = 0.05
"""A pause before each turn: threads that spin after the other side's work have gone to sleep by then."""


class Quotient(Enum):
    """Which of the two times is divided by the other."""

    SPEED = "peer / ours"
    """How many times as fast as the peer: more is better."""
    SHARE = "ours / peer"
    """What share of the peer's time: less is better."""


@dataclass(frozen=True, slots=True)
class Target:
    """The ratio that is wanted.

    Attributes:
        quotient: What the ratio is.
        limit: The least speed, or the greatest share.
    """

    quotient: Quotient
    limit: float

    @classmethod
    def at_least(cls, limit: float) -> Target:
        """At least this many times as fast as the peer."""
        return cls(Quotient.SPEED, limit)

    @classmethod
    def at_most(cls, limit: float) -> Target:
        """At most this many times the peer's time."""
        return cls(Quotient.SHARE, limit)

    def ratio(self, ours_s: float, peer_s: float) -> float:
        """The ratio of one pair of times."""
        return peer_s / ours_s if self.quotient is Quotient.SPEED else ours_s / peer_s

    def is_met(self, ratio: float) -> bool:
        """Whether a ratio is as wanted; just the limit is."""
        return ratio >= self.limit if self.quotient is Quotient.SPEED else ratio <= self.limit


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several ratios, and how far they lie apart.

    Attributes:
        median: The one to go by.
        least: The smallest of them.
        greatest: The largest of them.
    """

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """Times of two sides; those of one place were taken one right after the other.

    Attributes:
        ours_s: At least one time, in seconds.
        peer_s: As many.
    """

    ours_s: tuple[float, ...]
    peer_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.ours_s or len(self.ours_s) != len(self.peer_s):
            raise ValueError(f"{len(self.ours_s)} times and {len(self.peer_s)} make no pairs")

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return len(self.ours_s)

    @property
    def ours_median_s(self) -> float:
        """Median of our times."""
        return median(self.ours_s)

    @property
    def peer_median_s(self) -> float:
        """Median of the peer's times."""
        return median(self.peer_s)

    def spread(self, target: Target) -> Spread:
        """The ratios pair by pair: a machine that slows down for a while slows both times of a pair."""
        ratios = [target.ratio(*pair) for pair in zip(self.ours_s, self.peer_s, strict=True)]
        return Spread(median(ratios), min(ratios), max(ratios))


def in_turns(
    sides: Sequence[Callable[[], float]], *, n_rounds: int, n_warm_up: int = 1, rest_s: float = REST_S
) -> list[tuple[float, ...]]:
    """Ask each side for a time, one after the other, round by round: A B A B ...

    Args:
        sides: Each does its work and returns the seconds it took.
        n_rounds: Rounds that count, at least one.
        n_warm_up: Rounds before them that do not.
        rest_s: The pause before each turn.

    Returns:
        For each side its times, shape (n_rounds,).
    """
    rounds = []
    for number in range(n_warm_up + n_rounds):
        times = []
        for side in sides:
            time.sleep(rest_s)
            times.append(side())
        if number >= n_warm_up:
            rounds.append(times)
    return list(zip(*rounds, strict=True))


def pairs_in_turns(
    ours: Callable[[], float], peer: Callable[[], float], *, n_rounds: int, n_warm_up: int = 1, rest_s: float = REST_S
) -> Pairs:
    """Two sides in turns; see :func:`in_turns`."""
    return Pairs(*in_turns([ours, peer], n_rounds=n_rounds, n_warm_up=n_warm_up, rest_s=rest_s))


def joined(several: Iterable[Pairs]) -> Pairs:
    """The pairs of several inputs as one collection."""
    pairs = [pair for each in several for pair in zip(each.ours_s, each.peer_s, strict=True)]
    return Pairs(tuple(ours_s for ours_s, _ in pairs), tuple(peer_s for _, peer_s in pairs))
