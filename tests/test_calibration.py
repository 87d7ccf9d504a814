"""Limits from a gallery's own photos: comparisons, threshold, interval, margin, refusals, and what strangers score."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegallery.domain import Calibration, ScoreRule, StrangerRate, TemplateSet, Vectors
from facegallery.errors import CalibrationRefused
from facegallery.matching.calibration import (
    Names,
    calibrate,
    lowest_threshold,
    members_for,
    rate_interval,
    smallest_fmr,
)
from facegallery.matching.comparisons import Comparisons, compare
from facegallery.matching.decisions import DEFAULT_MIN_MARGIN
from facegallery.matching.strangers import stranger_words, strangers_of

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def templates_of(vectors: Vectors, members: Sequence[str]) -> TemplateSet:
    ids = np.arange(1, len(vectors) + 1)
    return TemplateSet(1, "state", ids, vectors, tuple(members), np.ones(len(vectors), np.float32))


def at_degrees(*degrees: float) -> Vectors:
    """Unit vectors in a plane."""
    angles = np.radians(degrees)
    vectors = np.zeros((len(degrees), 512), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    return vectors


def people(n_members: int, n_photos: int, draw: np.random.Generator) -> TemplateSet:
    """People who resemble each other more or less (eight families), and photos of uneven quality."""
    families = 0.9 * draw.normal(size=(8, 32))[draw.integers(0, 8, n_members)]
    faces = families + draw.normal(size=(n_members, 32))
    noise = draw.normal(size=(n_members, n_photos, 32)) * (0.3 + draw.gamma(2, 0.6, size=(n_members, 1, 1)))
    vectors = np.zeros((n_members * n_photos, 512), np.float32)
    vectors[:, :32] = (faces[:, None] + noise).reshape(-1, 32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return templates_of(vectors, [f"{member}" for member in range(n_members) for _ in range(n_photos)])


def calibrated(templates: TemplateSet, fmr: float) -> Calibration:
    comparisons = compare(templates, score=ScoreRule.CENTROID, rng=rng())
    return calibrate(comparisons, score=ScoreRule.CENTROID, fmr=fmr, now=NOW, rng=rng())[0]


# --- comparisons --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "scores", "n_within_50"),
    [
        # Ada at 0, 60 and 80 degrees, Bea at 120: each photo of Ada against the mean of her other two, or the nearest.
        (ScoreRule.CENTROID, [[70, 120], [20, 60], [50, 40], [72.12, None]], 1),
        (ScoreRule.BEST, [[60, 120], [20, 60], [20, 40], [40, None]], 2),
    ],
)
def test_a_photo_is_compared_with_its_own_member_without_itself(
    score: ScoreRule, scores: list[list[float | None]], n_within_50: int
) -> None:
    """Hand-computed angles; a member with a single photo has nothing to compare it with."""
    comparisons = compare(templates_of(at_degrees(0, 60, 80, 120), ["Ada"] * 3 + ["Bea"]), score=score, rng=rng())
    expected = [[-np.inf if angle is None else np.cos(np.radians(angle)) for angle in row] for row in scores]
    assert comparisons.members == ("Ada", "Bea")
    np.testing.assert_allclose(comparisons.scores, expected, atol=1e-4)
    assert len(comparisons.mated) == 3
    assert comparisons.n_non_mated == 4
    assert comparisons.fmr(float(np.cos(np.radians(50)))) == n_within_50 / 4
    assert comparisons.fnmr(0.99) == 1.0


def test_fmr_counts_a_tie_as_reached() -> None:
    """The one tie rule holds in rates too."""
    comparisons = compare(templates_of(at_degrees(0, 90), ["Ada", "Bea"]), score=ScoreRule.BEST, rng=rng())
    assert comparisons.fmr(float(comparisons.scores[0, 1])) == 1.0


def test_a_copy_does_not_vouch_for_its_original() -> None:
    """Of two nearly equal photos of a member one is left out; the same picture under two names is not a copy."""
    templates = templates_of(at_degrees(0, 5, 70, 0), ["Ada", "Ada", "Ada", "Bea"])
    comparisons = compare(templates, score=ScoreRule.BEST, rng=rng())
    assert (comparisons.n_copies, comparisons.n_photos) == (1, 3)
    np.testing.assert_allclose(comparisons.mated, np.cos(np.radians([70, 70])), atol=1e-6)


def test_a_large_gallery_has_photos_drawn() -> None:
    """So many photos are compared as the limit allows, with all members, and it is said of how many they are."""
    comparisons = compare(people(10, 4, rng()), score=ScoreRule.BEST, rng=rng(), most=170)
    assert comparisons.scores.shape == (17, 10)
    assert comparisons.n_photos == 40
    everything = compare(people(10, 4, rng()), score=ScoreRule.BEST, rng=rng())
    # A product of other matrices is added up in another order: equal but for the last digits.
    apart = np.abs(comparisons.scores[:, np.newaxis] - everything.scores).max(axis=2)
    assert (apart.min(axis=1) < 1e-5).all()


# --- the threshold ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fmr", "threshold"),
    [(0.05, 0.9001), (0.1, 0.8001), (0.2, 0.8001), (0.3, 0.5001), (0.9, 0.1001)],
)
def test_the_threshold_is_the_lowest_that_keeps_to_the_rate(fmr: float, threshold: float) -> None:
    """Ten scores, two of them equal: one of them alone cannot be let in, since equal scores reach a threshold alike."""
    scores = np.array([0.1, 0.5, 0.8, 0.1, 0.9, 0.4, 0.8, 0.3, 0.2, 0.1], np.float32)
    assert lowest_threshold(scores, fmr) == threshold


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_no_greater_share_reaches_the_threshold_and_a_lower_one_lets_more_in(scores: list[float], fmr: float) -> None:
    """What makes the threshold the right one, whatever the scores."""
    values = np.array(scores, np.float32)
    threshold = lowest_threshold(values, fmr)
    assert np.sum(values.astype(np.float64) >= threshold) <= fmr * len(values) + 1e-9
    assert np.sum(values.astype(np.float64) >= threshold - 1.01e-4) > fmr * len(values) - 1e-9


def test_the_calibration_says_what_it_rests_on() -> None:
    """Counts, rates, and each photo's score as a stranger, of one gallery."""
    templates = people(40, 4, rng())
    comparisons = compare(templates, score=ScoreRule.CENTROID, rng=rng())
    made, _ = calibrate(comparisons, score=ScoreRule.CENTROID, fmr=0.01, now=NOW, rng=rng())
    n_reached = int((comparisons.without_own() >= made.threshold).sum())
    assert (made.n_members, made.n_templates, made.n_mated, made.n_non_mated) == (40, 160, 160, 160 * 39)
    assert made.n_enrolled == 160
    assert made.fmr == n_reached / (160 * 39) <= 0.01
    assert made.fmr_low < made.fmr < made.fmr_high
    assert made.fnmr == pytest.approx(np.mean(comparisons.mated < made.threshold))
    assert np.all(np.diff(made.stranger_scores) >= 0)
    assert float(made.stranger_scores[-1]) == comparisons.without_own().max()
    assert made.created_at == NOW


# --- the interval -------------------------------------------------------------------------------------------------


def test_the_interval_holds_among_other_people() -> None:
    """Calibrated on some people, measured on others from the same families: inside in about 95 of 100 such pairs."""
    draw = np.random.default_rng(1)
    inside = []
    for _ in range(100):
        made = calibrated(people(30, 4, draw), 0.01)
        others = compare(people(30, 4, draw), score=ScoreRule.CENTROID, rng=draw)
        inside.append(made.fmr_low <= others.fmr(made.threshold) <= made.fmr_high)
    assert np.mean(inside) >= 0.93


def test_the_interval_is_of_people_and_not_of_comparisons() -> None:
    """The same rate from ten times the photos of the same people is hardly surer; spread over more people it is."""
    one_pair = np.array([[0, 1, 20]])
    spread = np.array([[place, place + 1, 1] for place in range(20)])
    few, more = np.full(40, 5), np.full(40, 50)
    width = [high - low for low, high in (rate_interval(m, n, rng=rng()) for m, n in ((one_pair, few), (spread, few)))]
    assert width[0] > 3 * width[1]
    low, high = rate_interval(spread, few, rng=rng())
    low_of_many, high_of_many = rate_interval(spread * [1, 1, 10], more, rng=rng())
    assert (low_of_many, high_of_many) == pytest.approx((low, high))


def test_no_false_match_is_told_by_the_rule_of_three() -> None:
    """None among 30 people: less than 3 in 30, and not zero for sure."""
    assert rate_interval(np.empty((0, 3), np.int64), np.full(30, 5), rng=rng()) == (0.0, 0.1)


# --- refusals -----------------------------------------------------------------------------------------------------


def refused(templates: TemplateSet, fmr: float) -> CalibrationRefused:
    with pytest.raises(CalibrationRefused) as refusal:
        calibrated(templates, fmr)
    return refusal.value


def test_too_few_members_are_refused() -> None:
    """Nine people say too little about strangers, whatever the rate."""
    refusal = refused(people(9, 5, rng()), 0.5)
    assert str(refusal) == (
        "The gallery cannot be calibrated: it has 9 members, and fewer than 10 say too little about strangers. "
        "Enroll 1 or more others, with two photos each or more: 'facegallery enroll DIR'."
    )
    assert refusal.smallest_fmr is None


def test_single_photos_are_refused() -> None:
    """Without two photos of anybody nothing is known about how similar a member's photos are."""
    assert "no member has two photos" in str(refused(people(12, 1, rng()), 0.5))


def test_a_rate_that_is_too_fine_is_refused_with_what_would_do() -> None:
    """10 members with 2 photos: 180 comparisons, of which 0.1 % is nothing; 72 members would do, or 5.6 %."""
    templates = people(10, 2, rng())
    refusal = refused(templates, 0.001)
    assert "10 members with 20 photos make 180 comparisons of different people" in str(refusal)
    assert "0.1 % takes 10,000" in str(refusal)
    assert "Enroll about 62 more members" in str(refusal)
    assert "'facegallery calibrate --fmr 0.056'" in str(refusal)
    assert refusal.smallest_fmr == 0.056
    assert calibrated(templates, 0.056).n_members == 10


@given(st.integers(20, 10**7), st.floats(1.0, 20.0), st.floats(1e-5, 0.4))
def test_what_a_refusal_advises_is_enough_and_not_more(n: int, photos_each: float, fmr: float) -> None:
    """The smallest rate makes ten false matches expected, two digits apart from fewer; so do the members asked for."""
    smallest = smallest_fmr(n)
    assert smallest * n >= 10 - 1e-6
    assert smallest * n <= 11.1
    members = members_for(fmr, photos_each)
    assert members * (members - 1) * photos_each * fmr >= 10 - 1e-6
    assert (members - 1) * (members - 2) * photos_each * fmr < 10 + 1e-6


def test_the_same_photos_under_several_names_are_refused() -> None:
    """Where others are as similar as can be, no threshold keeps them out; the person is sent to look."""
    everybody = np.repeat(people(10, 2, rng()).vectors[:2], 10, axis=0)
    templates = templates_of(everybody, [f"{place % 10}" for place in range(20)])
    comparisons = compare(templates, score=ScoreRule.BEST, rng=rng())
    with pytest.raises(CalibrationRefused, match=r"enrolled under several names\. 'facegallery audit' lists them\.$"):
        calibrate(comparisons, score=ScoreRule.BEST, fmr=0.1, now=NOW, rng=rng())


def test_two_members_who_make_most_false_matches_are_named() -> None:
    """One person under two names fills the tail: whose names they are is said."""
    templates = people(40, 4, rng())
    vectors = templates.vectors.copy()
    vectors[4:8] = vectors[0:4][[1, 2, 3, 0]]
    comparisons = compare(templates_of(vectors, templates.members), score=ScoreRule.CENTROID, rng=rng())
    _, pair = calibrate(comparisons, score=ScoreRule.CENTROID, fmr=0.0017, now=NOW, rng=rng())
    assert pair is not None
    assert (pair.members, pair.n_matches, pair.n_false_matches) == (("0", "1"), 8, 10)
    comparisons = compare(templates, score=ScoreRule.CENTROID, rng=rng())
    assert calibrate(comparisons, score=ScoreRule.CENTROID, fmr=0.01, now=NOW, rng=rng())[1] is None


# --- the margin ---------------------------------------------------------------------------------------------------


def names(right: Sequence[float], wrong: Sequence[float]) -> Names:
    margins = np.array([*right, *wrong], np.float32)
    return Names(margins, np.array([True] * len(right) + [False] * len(wrong)))


def test_the_margin_is_the_lowest_that_keeps_wrong_names_to_one_in_a_hundred() -> None:
    """Of 105 names five are wrong; one may stay beside the hundred right ones, so four must go: all up to 0.05."""
    margin = names([0.2] * 100, [0.02, 0.03, 0.04, 0.05, 0.06]).lowest_margin()
    assert margin == 0.0501


def test_a_margin_that_costs_right_names_counts_those_that_are_left() -> None:
    """With 40 right names below 0.055 only 60 are left, and one wrong name among 61 is too many: it must go too."""
    assert names([0.01] * 40 + [0.2] * 60, [0.02, 0.03, 0.04, 0.05, 0.06]).lowest_margin() == 0.0601


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ([0.2] * 90, [0.01] * 5),  # fewer than a hundred names
        ([0.2] * 200, [0.01] * 4),  # fewer than five of them wrong
        (
            [0.2] * 200,
            [0.01] * 4 + [0.5] * 6,
        ),  # wrong names of photos in the wrong folder: all right ones would have to go
    ],
)
def test_photos_that_tell_no_margin(right: list[float], wrong: list[float]) -> None:
    """Too few names, too few wrong ones, or wrong ones that no margin mends: None, and the usual margin stays."""
    assert names(right, wrong).lowest_margin() is None


def test_names_are_those_of_photos_whose_member_has_others() -> None:
    """Hand-computed: each photo against the others; who has a single photo is left out, and so is who falls short."""
    templates = templates_of(at_degrees(0, 20, 30, 70, 100), ["Ada", "Ada", "Bea", "Bea", "Cyrus"])
    found = Names.of(compare(templates, score=ScoreRule.BEST, rng=rng()), float(np.cos(np.radians(25))))
    # Ada at 0: own 20, Bea 30. Ada at 20: Bea 10, own 20. Bea at 30: Ada 10, own 40. Bea at 70 falls short: Cyrus 30.
    near, far = np.cos(np.radians([20, 10, 10])), np.cos(np.radians([30, 20, 40]))
    assert found.right.tolist() == [True, False, False]
    np.testing.assert_allclose(found.margins, near - far, atol=1e-6)
    wider = Names.of(compare(templates, score=ScoreRule.BEST, rng=rng()), float(np.cos(np.radians(35))))
    assert wider.right.tolist() == [True, False, False, False]  # and not Cyrus, at 30 from Bea


def test_a_calibration_says_whether_its_margin_is_its_own() -> None:
    """A gallery without wrong names keeps the usual margin and says that it was not chosen."""
    vectors = np.repeat(np.eye(40, 512, dtype=np.float32), 3, axis=0)
    vectors[:, 100:] = np.random.default_rng(2).normal(0, 0.03, size=(120, 412))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = calibrated(templates_of(vectors, [f"{place // 3}" for place in range(120)]), 0.01)
    assert (made.n_named, made.n_misnamed) == (120, 0)
    assert (made.min_margin, made.margin_chosen) == (DEFAULT_MIN_MARGIN, False)


# --- strangers ----------------------------------------------------------------------------------------------------


def with_strangers(scores: Sequence[float], n_members: int) -> Calibration:
    values = np.sort(np.array(scores, np.float32))
    return Calibration(
        NOW,
        ScoreRule.CENTROID,
        0.001,
        0.7,
        0.03,
        0.001,
        0,
        0.01,
        0.2,
        1,
        1,
        n_members,
        len(values),
        len(values),
        0,
        0,
        False,
        values,
    )


def test_strangers_who_score_as_high_are_counted_ties_and_all() -> None:
    """Of 120 photos the twelve at 0.5 reach 0.5, and none reaches more."""
    calibration = with_strangers([0.1] * 108 + [0.5] * 12, 60)
    assert strangers_of(calibration, 0.5) == StrangerRate(12, 120, 60)
    assert strangers_of(calibration, 0.5001) == StrangerRate(0, 120, 60)
    assert strangers_of(calibration, -1.0) == StrangerRate(120, 120, 60)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (StrangerRate(12, 120, 60), "about 1 in 10 strangers"),
        (StrangerRate(6, 120, 60), "about 1 in 20 strangers"),
        (StrangerRate(5, 120, 60), "about 1 in 20 strangers"),
        (StrangerRate(0, 120, 60), "fewer than 1 in 20 strangers"),
        (StrangerRate(0, 1200, 60), "fewer than 1 in 20 strangers"),
        (StrangerRate(108, 120, 60), "nearly every stranger"),
        (StrangerRate(107, 120, 60), "about 3 in 4 strangers"),
        (StrangerRate(90, 120, 60), "about 3 in 4 strangers"),
        (StrangerRate(80, 120, 60), "about 2 in 3 strangers"),
        (StrangerRate(65, 120, 60), "about 1 in 2 strangers"),
        (StrangerRate(60, 120, 60), "about 1 in 2 strangers"),
        (StrangerRate(40, 120, 60), "about 1 in 3 strangers"),
    ],
)
def test_no_rate_is_told_finer_than_the_people_allow(rate: StrangerRate, words: str) -> None:
    """Of 60 people at most 1 in 20 can be told, by the rule of three; ten times the photos change nothing."""
    assert stranger_words(rate) == words


def test_without_scores_nothing_is_said() -> None:
    """A forgotten member's scores are gone, and with them the answer."""
    assert strangers_of(with_strangers([], 60), 0.5) is None


def test_comparisons_of_one_member() -> None:
    """There is nobody else to compare with: no comparison, no fault."""
    comparisons = compare(templates_of(at_degrees(0, 60), ["Ada", "Ada"]), score=ScoreRule.CENTROID, rng=rng())
    assert isinstance(comparisons, Comparisons)
    assert comparisons.n_non_mated == 0
    assert len(comparisons.mated) == 2
