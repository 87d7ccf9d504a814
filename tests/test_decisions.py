"""Decisions: thresholds, ranks, margins, and one name once in a photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facegallery.domain import Candidate, Limits, Verdict
from facegallery.gallery.words import decision_words
from facegallery.matching.decisions import decide, rank_members, reaches


def at(threshold: float, min_margin: float = 0.0) -> Limits:
    return Limits(threshold, min_margin, "asked for")


def ranked(**similarity_of: float) -> list[Candidate]:
    ordered = sorted(similarity_of.items(), key=lambda item: -item[1])
    return [
        Candidate(member=name, similarity=similarity, rank=rank, template_id=rank)
        for rank, (name, similarity) in enumerate(ordered, start=1)
    ]


def test_a_similarity_equal_to_the_threshold_is_a_match() -> None:
    """The tie rule: equal is enough, the next smaller number is not."""
    assert decide(ranked(Ada=0.7), limits=at(0.7)).verdict is Verdict.MATCH
    assert decide(ranked(Ada=float(np.nextafter(0.7, 0))), limits=at(0.7)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_zero_and_negative_thresholds_are_obeyed(threshold: float) -> None:
    """0.0 is a threshold like any other, not 'none given'."""
    decision = decide(ranked(Ada=0.0), limits=at(threshold))
    assert decision.member == "Ada"
    assert decision.threshold == threshold


def test_an_array_is_compared_element_by_element() -> None:
    """The one comparison serves arrays too, with the same tie rule."""
    values = np.array([[0.5, 0.7], [0.71, -1.0]], dtype=np.float32)
    assert reaches(values, float(np.float32(0.7))).tolist() == [[False, True], [True, False]]


def test_an_unknown_face_keeps_its_nearest_member_but_has_no_name() -> None:
    """Unknown never names; it says who was nearest and by how much the next one is behind."""
    decision = decide(ranked(Ada=0.41, Bea=0.30), limits=at(0.7))
    assert decision.member is None
    assert decision.best is not None
    assert decision.best.member == "Ada"
    assert decision.margin == pytest.approx(0.11)
    assert decision_words(decision) == (
        "Unknown: the nearest member, Ada, has similarity 0.41, 0.29 short of the threshold 0.70. "
        "Next is Bea at 0.30 (margin 0.11)."
    )


def test_an_empty_gallery_answers_unknown() -> None:
    """No candidate: unknown, no name, no margin, and words that say so."""
    decision = decide([], limits=at(0.7))
    assert (decision.verdict, decision.member, decision.best, decision.margin) == (Verdict.UNKNOWN, None, None, None)
    assert decision_words(decision) == "Unknown: there is no member to compare with."


def test_members_are_ranked_by_their_best_template() -> None:
    """One candidate a member with the best template's id; a template that is gone is passed over."""
    candidates = rank_members(
        np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32),
        np.array([4, 9, 2, 7], dtype=np.int64),
        {9: "Bea", 2: "Ada", 7: "Bea"},
    )
    assert [(each.member, each.rank, each.template_id) for each in candidates] == [("Bea", 1, 9), ("Ada", 2, 2)]


def test_too_small_a_margin_is_ambiguous_and_names_nobody() -> None:
    """Above the threshold and too near to the runner-up: no name, both are told; equal to the margin is enough."""
    twins = ranked(Ada=0.86, Bea=0.84, Cy=0.1)
    decision = decide(twins, limits=at(0.7, 0.03))
    assert (decision.verdict, decision.member) == (Verdict.AMBIGUOUS, None)
    assert decision_words(decision) == (
        "Ambiguous: Ada (similarity 0.86) or Bea (0.84). A name needs a similarity of 0.70 and a margin of 0.03; the "
        "margin is 0.02."
    )
    assert decide(ranked(Ada=0.75, Bea=0.5), limits=at(0.7, 0.25)).member == "Ada"
    assert decide(ranked(Ada=0.5, Bea=0.49), limits=at(0.7, 0.03)).verdict is Verdict.UNKNOWN
    assert decide(ranked(Ada=0.9), limits=at(0.7, 0.5)).member == "Ada"


def test_a_runner_up_under_the_threshold_is_near_all_the_same() -> None:
    """The margin is to the next member, whether that one would be named or not."""
    assert decide(ranked(Ada=0.71, Bea=0.69), limits=at(0.7, 0.05)).verdict is Verdict.AMBIGUOUS


def test_a_rejected_member_is_passed_over_and_told() -> None:
    """What somebody said is obeyed: the next member is decided about, and the answer says why it is not the first."""
    first, second = ranked(Ada=0.9, Bea=0.8)
    decision = decide([replace(first, rejected=True), second], limits=at(0.7, 0.2))
    assert (decision.member, decision.rejected, decision.margin) == ("Bea", ("Ada",), None)
    alone = decide([replace(first, rejected=True)], limits=at(0.7))
    assert (alone.verdict, alone.best, alone.rejected) == (Verdict.UNKNOWN, None, ("Ada",))
    below = decide([replace(first, rejected=True, similarity=0.6)], limits=at(0.7))
    assert below.rejected == ()
