"""Limits from the gallery's own photos: the threshold for a wanted false match rate, and the margin of a sure name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import Calibration
from facegallery.errors import CalibrationRefused
from facegallery.matching.decisions import DEFAULT_MIN_MARGIN, MOST_FMR, reaches

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from facegallery.domain import ScoreRule, Vectors
    from facegallery.matching.comparisons import Comparisons

LEAST_MEMBERS = 10
"""People below which resampling them says too little about others."""

LEAST_FALSE_MATCHES = 10
"""False matches that the wanted rate must lead one to expect among the comparisons. They come in clumps (two people who
look alike, one photo that looks like everybody), so fewer may all be the work of a single pair."""

MISNAMED_RATE = 0.01
"""Share of the named photos that may bear a wrong name, which the margin is chosen for: 1 name in 100."""

LEAST_MISNAMED = 5
"""Wrong names in the gallery below which its photos say nothing about margins."""

MOST_GIVEN_UP = 0.5
"""Share of the right names that a margin may cost. Where more would have to go, the wrong names have wide margins, as
photos in the wrong folder have: no margin mends that."""

DOMINANT = 0.5
"""Share of all false matches from which two members are worth a look: they may be one person."""

STEPS = 10_000
"""Limits are chosen in ten-thousandths, as they are printed: what is shown can be typed."""

N_RESAMPLES = 1000
Z_95 = 1.959964
"""The normal distribution's 97.5 % quantile."""

_WEIGHTS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class LikePair:
    """Two members who make most of the false matches.

    Attributes:
        members: Their names.
        n_matches: Photos of one that reach the threshold at the other.
        n_false_matches: Of so many in the gallery.
    """

    members: tuple[str, str]
    n_matches: int
    n_false_matches: int


def calibrate(
    comparisons: Comparisons, *, score: ScoreRule, fmr: float, now: datetime, rng: np.random.Generator
) -> tuple[Calibration, LikePair | None]:
    """Choose the limits for a wanted false match rate.

    A false match is a comparison of a photo with another member that reaches the threshold; the rate is of all such
    comparisons. The threshold is the lowest multiple of 1 / ``STEPS`` at which the rate is not above the wanted one.

    Args:
        comparisons: Of the gallery.
        score: The rule that made them.
        fmr: The wanted rate, above 0 and at most ``MOST_FMR``.
        now: When this is (UTC).
        rng: Resamples the people.

    Returns:
        The calibration, and the two members who make most of its false matches, where two do.

    Raises:
        CalibrationRefused: The gallery cannot support the rate.
    """
    _require_enough(comparisons, fmr)
    strange = comparisons.without_own()
    threshold = lowest_threshold(strange[np.isfinite(strange)], fmr)
    matches = _matches_by_person(comparisons, strange, threshold)
    pair = _like_pair(comparisons, matches)
    if threshold > 1:
        raise CalibrationRefused(
            "comparisons of different members reach a similarity of 1: the same photos are enrolled under several "
            "names. 'facegallery audit' lists them"
        )
    low, high = rate_interval(matches, np.bincount(comparisons.own, minlength=len(comparisons.members)), rng=rng)
    names = Names.of(comparisons, threshold)
    margin = names.lowest_margin()
    calibration = Calibration(
        created_at=now,
        score=score,
        wanted_fmr=fmr,
        threshold=threshold,
        min_margin=DEFAULT_MIN_MARGIN if margin is None else margin,
        fmr=int(matches[:, 2].sum()) / comparisons.n_non_mated,
        fmr_low=low,
        fmr_high=high,
        fnmr=comparisons.fnmr(threshold),
        n_mated=len(comparisons.mated),
        n_non_mated=comparisons.n_non_mated,
        n_members=len(comparisons.members),
        n_templates=len(comparisons.own),
        n_enrolled=comparisons.n_photos + comparisons.n_copies,
        n_named=len(names.margins),
        n_misnamed=int((~names.right).sum()),
        margin_chosen=margin is not None,
        stranger_scores=np.sort(strange.max(axis=1)),
    )
    return calibration, pair


# --- what the data can support ------------------------------------------------------------------------------------


def _require_enough(comparisons: Comparisons, fmr: float) -> None:
    n_members, n_photos = len(comparisons.members), len(comparisons.own)
    if n_members < LEAST_MEMBERS:
        raise CalibrationRefused(
            f"it has {_count(n_members, 'member')}, and fewer than {LEAST_MEMBERS} say too little about strangers. "
            f"Enroll {LEAST_MEMBERS - n_members} or more others, with two photos each or more: 'facegallery enroll DIR'"
        )
    if not len(comparisons.mated):
        raise CalibrationRefused(
            "no member has two photos (copies of one do not count), so nothing tells how similar a member's "
            "photos are. Enroll more photos of the same members: 'facegallery enroll DIR'"
        )
    if fmr * comparisons.n_non_mated < LEAST_FALSE_MATCHES:
        smallest = smallest_fmr(comparisons.n_non_mated)
        n_needed = members_for(fmr, n_photos / n_members)
        smaller = (
            f", or ask for the smallest rate that these support: 'facegallery calibrate --fmr {smallest:g}'"
            if smallest <= MOST_FMR
            else ""
        )
        raise CalibrationRefused(
            f"its {n_members} members with {n_photos} photos make {comparisons.n_non_mated:,} comparisons of different "
            f"people, and a false match rate of {100 * fmr:.3g} % takes {LEAST_FALSE_MATCHES / fmr:,.0f}. Enroll about "
            f"{n_needed - n_members} more members with as many photos each{smaller}",
            smallest_fmr=smallest if smaller else None,
        )


def smallest_fmr(n_non_mated: int) -> float:
    """The smallest rate, to two digits, that so many comparisons of different people support."""
    rate = LEAST_FALSE_MATCHES / n_non_mated
    digits = 1 - math.floor(math.log10(rate))
    return float(round(math.ceil(rate * 10**digits - 1e-9) / 10**digits, digits))


def members_for(fmr: float, photos_each: float) -> int:
    """Members, with so many photos each, whose comparisons support a rate: m (m - 1) photos >= least / rate."""
    return math.ceil((1 + math.sqrt(1 + 4 * LEAST_FALSE_MATCHES / (fmr * photos_each))) / 2)


# --- the threshold ------------------------------------------------------------------------------------------------


def lowest_threshold(scores: Vectors, fmr: float) -> float:
    """The lowest multiple of 1 / ``STEPS`` that at most a share ``fmr`` of the scores reaches; a tie reaches it."""
    n_allowed = math.floor(fmr * len(scores) + 1e-9)
    place = len(scores) - 1 - n_allowed
    first_too_many = float(np.partition(scores, place)[place])
    return _step_above(first_too_many)


def _step_above(value: float) -> float:
    """The lowest multiple of 1 / ``STEPS`` that is greater, and still is as a float32, which scores are."""
    step = math.floor(value * STEPS)
    while np.float32(step / STEPS) <= np.float32(value):
        step += 1
    return step / STEPS


def _matches_by_person(comparisons: Comparisons, strange: Vectors, threshold: float) -> NDArray[np.int64]:
    """False matches that are there: rows of the photo's member, the other member, and how many, shape (k, 3)."""
    photos, others = np.nonzero(reaches(strange, threshold))
    n_members = len(comparisons.members)
    pairs, counts = np.unique(comparisons.own[photos] * n_members + others, return_counts=True)
    return np.stack([pairs // n_members, pairs % n_members, counts], axis=1)


def rate_interval(
    matches: NDArray[np.int64], n_photos: NDArray[np.int64], *, rng: np.random.Generator
) -> tuple[float, float]:
    """The 95 % interval of the false match rate among as many other people at the same threshold.

    Comparisons that share a person are not independent, so people are resampled, each with all photos on both sides of
    a comparison: "The pigeonhole bootstrap" (Owen, 2007). This gives the deviation of one group's rate. The others are
    a group too, so theirs differs from it by sqrt(2) deviations. A rate of few events is skew: the upper end is taken
    on a logarithmic scale, the lower one on the plain scale, where it may be 0.

    Args:
        matches: shape (k, 3), int64: the photos' member, the other member, how many false matches.
        n_photos: shape (m,): photos of each member.
        rng: Resamples.
    """
    n_members = len(n_photos)
    share = matches[:, 2].sum() / (n_photos.sum() * (n_members - 1))
    if not share:
        return 0.0, min(3 / n_members, 1.0)  # the rule of three: none among so many people
    rates = []
    at_once = max(_WEIGHTS_AT_ONCE // max(n_members, len(matches)), 1)
    for start in range(0, N_RESAMPLES, at_once):
        n = min(at_once, N_RESAMPLES - start)
        drawn = rng.multinomial(n_members, np.full(n_members, 1 / n_members), size=n).astype(np.float64)
        weights = drawn[:, matches[:, 0]] * drawn[:, matches[:, 1]]  # (n, k)
        of_one_person = (drawn**2) @ n_photos  # comparisons of a person with the same person drawn again: left out
        rates.append(weights @ matches[:, 2] / ((drawn @ n_photos) * n_members - of_one_person))
    reach = Z_95 * math.sqrt(2) * float(np.concatenate(rates).std()) / share
    return share * max(1 - reach, 0.0), min(share * math.exp(reach), 1.0)


def _like_pair(comparisons: Comparisons, matches: NDArray[np.int64]) -> LikePair | None:
    """The two members who make more than ``DOMINANT`` of the false matches, or None."""
    of_pair: dict[tuple[int, int], int] = {}
    for one, other, count in matches.tolist():
        pair = (min(one, other), max(one, other))
        of_pair[pair] = of_pair.get(pair, 0) + count
    if not of_pair:
        return None
    (first, second), most = max(of_pair.items(), key=lambda each: each[1])
    total = sum(of_pair.values())
    if most <= DOMINANT * total:
        return None
    return LikePair((comparisons.members[first], comparisons.members[second]), most, total)


# --- the margin ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The names that a gallery's photos get when each is identified against all the others.

    Attributes:
        margins: shape (n,), float32: of each photo that reaches the threshold the margin to the runner-up.
        right: shape (n,), bool: whether the nearest member is its own.
    """

    margins: Vectors
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, comparisons: Comparisons, threshold: float) -> Names:
        """Identify the photos whose members have others; there are at least two members."""
        own = comparisons.scores[np.arange(len(comparisons.own)), comparisons.own]
        nearest = comparisons.scores.argmax(axis=1)
        two = np.partition(comparisons.scores, -2, axis=1)[:, -2:]
        named = np.isfinite(own) & reaches(two[:, 1], threshold)
        return cls((two[:, 1] - two[:, 0])[named], (nearest == comparisons.own)[named])

    def with_margin(self, min_margin: float) -> Names:
        """Those with at least this margin."""
        kept = reaches(self.margins, min_margin)
        return Names(self.margins[kept], self.right[kept])

    def lowest_margin(self) -> float | None:
        """The lowest multiple of 1 / ``STEPS`` at which at most ``MISNAMED_RATE`` of the names are wrong.

        None where the photos cannot tell: fewer than 1 / ``MISNAMED_RATE`` are named or ``LEAST_MISNAMED`` of them
        wrongly, or a margin would cost more than ``MOST_GIVEN_UP`` of the right names.
        """
        wrong = np.sort(self.margins[~self.right])
        if len(self.margins) * MISNAMED_RATE < 1 or len(wrong) < LEAST_MISNAMED:
            return None
        for margin in [0.0, *map(_step_above, wrong.tolist())]:
            kept = self.with_margin(margin).right
            if kept.sum() < (1 - MOST_GIVEN_UP) * self.right.sum():
                return None
            if (~kept).sum() <= MISNAMED_RATE * len(kept):
                return margin
        return None


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
