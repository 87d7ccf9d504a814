"""Rates of errors and their intervals, on scores small enough to be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from facegallery.evaluation.intervals import Rate, bootstrap_people
from facegallery.evaluation.rates import ErrorRates, Trials, supports


def trials(scores: list[float], people: str | None = None) -> Trials:
    """Trials of one person each, named by a letter; of as many people where no letters are given."""
    names = people or [str(place) for place in range(len(scores))]
    return Trials(np.array(scores, np.float32), [(name,) for name in names])


def test_a_score_equal_to_the_threshold_reaches_it() -> None:
    """Of strangers the equal one is named too, of members it is found."""
    errors = ErrorRates(trials([0.5, 0.75, 0.9, -np.inf]), trials([0.25, 0.5, 0.5, 0.75]))
    at_half, above = errors.at([0.5, 0.500001])
    assert (at_half.false_positives.n_held, at_half.false_positives.n) == (3, 4)
    assert (at_half.false_negatives.n_held, at_half.false_negatives.n) == (1, 4)  # no score is never enough
    assert (above.false_positives.n_held, above.false_negatives.n_held) == (1, 2)


def test_a_wanted_rate_takes_the_lowest_threshold_that_keeps_to_it() -> None:
    """Ten strangers, 30 %: just above the fourth best score; with a tie there, just above the tied ones."""
    strangers = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8]
    (at,) = ErrorRates(trials([0.65, 0.66, 0.9]), trials(strangers)).at_rates([0.3])
    assert at.point is not None
    assert at.point.threshold == float(np.nextafter(np.float32(0.65), np.float32(1)))
    assert at.point.false_positives.n_held == 3
    assert at.point.false_negatives.n_held == 1

    tied = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7, 0.75, 0.8]
    (at,) = ErrorRates(trials([0.65, 0.7, 0.9]), trials(tied)).at_rates([0.3])
    assert at.point is not None
    assert at.point.false_positives.n_held == 2  # both or none of the two that score the same
    assert at.point.false_negatives.n_held == 2


def test_the_rate_itself_may_be_reached() -> None:
    """29 of 100 are 29 %, whatever binary fractions say."""
    strangers = [place / 100 for place in range(100)]
    (at,) = ErrorRates(trials([0.5]), trials(strangers)).at_rates([0.29])
    assert at.point is not None
    assert at.point.false_positives.n_held == 29


def test_no_rate_is_finer_than_the_trials_allow() -> None:
    """Three errors must be expected: 2 % needs 150 trials, and of 149 it is not told."""
    assert supports(0.02, 150)
    assert not supports(0.02, 149)
    errors = ErrorRates(trials([0.9]), trials([0.1] * 20))
    coarse, fine = errors.at_rates([0.2, 0.1])
    assert coarse.point is not None
    assert fine.point is None
    assert (fine.wanted, fine.n_non_mated) == (0.1, 20)


def test_members_and_strangers_who_found_no_face() -> None:
    """A probe without a face is missed at any threshold; a stranger's counts among those who might have been named."""
    (point,) = ErrorRates(trials([0.9, -np.inf]), trials([0.8, -np.inf])).at([-1.0])
    assert (point.false_positives.n_held, point.false_positives.n) == (1, 2)
    assert (point.false_negatives.n_held, point.false_negatives.n) == (1, 2)


def test_trials_of_one_person_are_not_as_many_people() -> None:
    """The same scores tell less when four people have ten each than when forty have one."""
    rng = np.random.default_rng(1)
    strangers = rng.normal(0.3, 0.1, 400).tolist()
    scores = [0.9] * 20 + [0.1] * 20
    many = ErrorRates(trials(scores), trials(strangers)).at([0.5])[0].false_negatives
    few = ErrorRates(trials(scores, "a" * 10 + "b" * 10 + "c" * 10 + "d" * 10), trials(strangers)).at([0.5])[0]
    assert many.n_held == few.false_negatives.n_held == 20
    assert few.false_negatives.high - few.false_negatives.low > 2 * (many.high - many.low)


def test_an_interval_holds_what_is_uncertain_about_the_threshold() -> None:
    """FNIR at a wanted FPIR is less certain than FNIR at the same threshold when that is simply given."""
    rng = np.random.default_rng(2)
    strangers, members = rng.normal(0.4, 0.1, 200).tolist(), rng.normal(0.6, 0.1, 400).tolist()
    errors = ErrorRates(trials(members), trials(strangers, "".join(chr(65 + place // 10) for place in range(200))))
    (at,) = errors.at_rates([0.05])
    assert at.point is not None
    (given,) = errors.at([at.point.threshold])
    chosen = at.point.false_negatives
    assert chosen.n_held == given.false_negatives.n_held
    assert chosen.high - chosen.low > 1.2 * (given.false_negatives.high - given.false_negatives.low)
    assert at.threshold_low < at.point.threshold < at.threshold_high


def test_a_pair_of_two_people_counts_as_often_as_both_are_drawn() -> None:
    """Non-mated pairs that all share one person tell less than pairs of people who are in one pair each."""
    scores = np.array([0.9] * 10 + [0.1] * 30, np.float32)
    mated = trials([0.8])
    people = [(f"a{place}", f"b{place}") for place in range(40)]
    apart = ErrorRates(mated, Trials(scores, people)).at([0.5])[0].false_positives
    for side in (0, 1):
        shared = [
            tuple("twin" if row < 10 and at == side else name for at, name in enumerate(pair))
            for row, pair in enumerate(people)
        ]
        together = ErrorRates(mated, Trials(scores, shared)).at([0.5])[0].false_positives
        assert together.n_held == apart.n_held == 10
        assert together.high - together.low > 1.1 * (apart.high - apart.low)


def test_resampling_is_the_same_each_time_and_right_for_a_mean() -> None:
    """For one trial a person the interval is that of the binomial distribution."""
    held = [True] * 100 + [False] * 300
    names = [str(place) for place in range(400)]
    rate = Rate.over_people(held, names)
    assert rate == Rate.over_people(held, names)
    assert (rate.n_held, rate.n) == (100, 400)
    assert (rate.low, rate.high) == pytest.approx((0.25 - 1.96 * 0.02165, 0.25 + 1.96 * 0.02165), abs=0.006)
    np.testing.assert_array_equal(bootstrap_people(lambda _: np.array([0.5]), 3), [[0.5], [0.5]])


def test_nothing_held_has_a_width_by_the_number_of_people() -> None:
    """Twenty trials of two people without an error say no more than two trials."""
    assert Rate.over_people([False] * 20, list("ab") * 10) == Rate(0, 20, *bounds(0, 2))
    assert Rate.over_people([True] * 20, list("ab") * 10) == Rate(20, 20, *bounds(2, 2))
    one = Rate.over_people([True] + [False] * 199, [str(place) for place in range(200)])
    assert one.high == pytest.approx(Rate.of([True] + [False] * 199).high)  # resampling one error falls short of Wilson


def bounds(n_held: int, n: int) -> tuple[float, float]:
    rate = Rate.of([True] * n_held + [False] * (n - n_held))
    return rate.low, rate.high


def test_strangers_without_a_face_make_no_threshold_that_is_none() -> None:
    """Where most strangers' photos have no face, every similarity keeps the rate: it is the lowest there is."""
    strangers = [-np.inf] * 28 + [0.5, 0.6]
    (at,) = ErrorRates(trials([0.5, 0.9]), trials(strangers)).at_rates([0.2])
    assert at.point is not None
    assert at.point.threshold == -1
    assert at.point.false_positives.n_held == 2
