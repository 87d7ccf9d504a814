"""Decisions: thresholds, ranks, margins, and one name once in a photo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegallery.domain import Candidate, TemplateSet, Vectors, Verdict
from facegallery.gallery.words import decision_words
from facegallery.matching.decisions import centroids, decide, decide_photo, rank_members, reaches


def ranked(**similarity_of: float) -> list[Candidate]:
    ordered = sorted(similarity_of.items(), key=lambda item: -item[1])
    return [
        Candidate(member=name, similarity=similarity, rank=rank, template_id=rank)
        for rank, (name, similarity) in enumerate(ordered, start=1)
    ]


def test_a_similarity_equal_to_the_threshold_is_a_match() -> None:
    """The tie rule: equal is enough, the next smaller number is not."""
    assert decide(ranked(Ada=0.7), threshold=0.7).verdict is Verdict.MATCH
    assert decide(ranked(Ada=float(np.nextafter(0.7, 0))), threshold=0.7).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_zero_and_negative_thresholds_are_obeyed(threshold: float) -> None:
    """0.0 is a threshold like any other, not 'none given'."""
    decision = decide(ranked(Ada=0.0), threshold=threshold)
    assert decision.member == "Ada"
    assert decision.threshold == threshold


def test_an_array_is_compared_element_by_element() -> None:
    """The one comparison serves arrays too, with the same tie rule."""
    values = np.array([[0.5, 0.7], [0.71, -1.0]], dtype=np.float32)
    assert reaches(values, float(np.float32(0.7))).tolist() == [[False, True], [True, False]]


def test_an_unknown_face_keeps_its_nearest_member_but_has_no_name() -> None:
    """Unknown never names; it says who was nearest and by how much the next one is behind."""
    decision = decide(ranked(Ada=0.41, Bea=0.30), threshold=0.7)
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
    decision = decide([], threshold=0.7)
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


def test_a_member_is_named_once_in_a_photo() -> None:
    """The face that fits better keeps the name; the other is decided by its next candidate, and says who was taken."""
    first, second = decide_photo([ranked(Ada=0.8, Bea=0.75), ranked(Ada=0.9, Bea=0.2)], threshold=0.7)
    assert (first.member, second.member) == ("Bea", "Ada")
    assert first.taken == ("Ada",)
    assert second.taken == ()
    assert decision_words(first).endswith("Ada fits another face of this photo better.")


def test_a_face_that_loses_its_only_member_is_unknown() -> None:
    """Losing the name does not lower the bar for the next one."""
    first, second = decide_photo([ranked(Ada=0.8, Bea=0.69), ranked(Ada=0.9, Bea=0.2)], threshold=0.7)
    assert first.member is None
    assert first.best is not None
    assert first.best.member == "Bea"
    assert second.member == "Ada"


def test_a_stranger_beside_members_keeps_the_true_ranking() -> None:
    """Only a member that would be a match here is passed over: the nearest member and the margin of an unknown are
    true.
    """
    stranger, _ = decide_photo([ranked(Ada=0.30, Bea=0.28), ranked(Ada=0.9, Bea=0.2)], threshold=0.7)
    assert stranger.best is not None
    assert (stranger.best.member, stranger.taken) == ("Ada", ())
    assert stranger.margin == pytest.approx(0.02)


def test_a_face_whose_only_candidates_are_taken_says_so() -> None:
    """A one-member gallery and that member twice in a photo: the reason is not an empty gallery."""
    first, second = decide_photo([ranked(Ada=0.8), ranked(Ada=0.9)], threshold=0.7)
    assert (first.best, second.member) == (None, "Ada")
    assert decision_words(first) == "Unknown: Ada fits another face of this photo better."


similarities = st.floats(min_value=-1, max_value=1, allow_nan=False)
photos = st.lists(st.dictionaries(st.sampled_from("ABCDEF"), similarities, max_size=6), max_size=6)


@given(photo=photos, threshold=similarities)
def test_no_photo_names_anybody_twice_or_below_the_threshold(photo: list[dict[str, float]], threshold: float) -> None:
    """For any similarities: names are unique, reach the threshold, and only a taken member is passed over."""
    decisions = decide_photo([ranked(**face) for face in photo], threshold=threshold)
    names = [decision.member for decision in decisions if decision.member is not None]
    assert len(names) == len(set(names))
    for decision, face in zip(decisions, photo, strict=True):
        reachable = {name for name, similarity in face.items() if similarity >= threshold}
        if decision.member is None:
            assert reachable <= set(names)
        else:
            assert decision.member in reachable
            chosen = face[decision.member]
            assert {name for name in face if face[name] > chosen} <= set(decision.taken)
            assert {name for name in face if face[name] >= chosen} - {decision.member} >= set(decision.taken)
            assert set(decision.taken) <= set(names)


@given(photo=photos, threshold=similarities)
def test_alone_in_a_photo_a_face_gets_its_best_candidate(photo: list[dict[str, float]], threshold: float) -> None:
    """With one face the rule for photos is the rule for faces."""
    for face in photo:
        assert decide_photo([ranked(**face)], threshold=threshold) == [decide(ranked(**face), threshold=threshold)]


def unit(*values: float) -> Vectors:
    vector = np.array(values, dtype=np.float64)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def test_centroids_are_unit_means_by_member() -> None:
    """The mean of a member's templates, scaled to length 1; opposite templates give zero, not NaN."""
    vectors = np.stack([unit(1, 0), unit(0, 1), unit(0, 1), unit(1, 0), unit(-1, 0)])
    names, means = centroids(TemplateSet(1, "1", np.arange(5), vectors, ("Ada", "Bea", "Ada", "Cy", "Cy")))
    assert names == ("Ada", "Bea", "Cy")
    expected = np.array([[0.70710678, 0.70710678], [0, 1], [0, 0]])
    np.testing.assert_allclose(means.astype(np.float64), expected, atol=1e-6)
