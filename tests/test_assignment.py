"""All faces of one photo: a member is named once, by the best total, and not at all where it fits both ways."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegallery.domain import Verdict
from facegallery.gallery.words import decision_words
from facegallery.matching.assignment import decide_photo
from facegallery.matching.decisions import decide
from tests.test_decisions import at, ranked


def test_a_member_is_named_once_in_a_photo() -> None:
    """The face that fits better keeps the name; the other is decided by its next candidate, and says who was taken."""
    first, second = decide_photo([ranked(Ada=0.8, Bea=0.75), ranked(Ada=0.9, Bea=0.2)], limits=at(0.7))
    assert (first.member, second.member) == ("Bea", "Ada")
    assert first.taken == ("Ada",)
    assert second.taken == ()
    assert decision_words(first).endswith("Ada fits another face of this photo better.")


def test_a_face_that_loses_its_only_member_is_unknown() -> None:
    """Losing the name does not lower the bar for the next one."""
    first, second = decide_photo([ranked(Ada=0.8, Bea=0.69), ranked(Ada=0.9, Bea=0.2)], limits=at(0.7))
    assert first.member is None
    assert first.best is not None
    assert first.best.member == "Bea"
    assert second.member == "Ada"


def test_a_stranger_beside_members_keeps_the_true_ranking() -> None:
    """Only a member that would be a match here is passed over: the nearest member and the margin of an unknown are
    true.
    """
    stranger, _ = decide_photo([ranked(Ada=0.30, Bea=0.28), ranked(Ada=0.9, Bea=0.2)], limits=at(0.7))
    assert stranger.best is not None
    assert (stranger.best.member, stranger.taken) == ("Ada", ())
    assert stranger.margin == pytest.approx(0.02)


def test_a_face_whose_only_candidates_are_taken_says_so() -> None:
    """A one-member gallery and that member twice in a photo: the reason is not an empty gallery."""
    first, second = decide_photo([ranked(Ada=0.8), ranked(Ada=0.9)], limits=at(0.7))
    assert (first.best, second.member) == (None, "Ada")
    assert decision_words(first) == "Unknown. Ada fits another face of this photo better."


def test_the_best_total_wins_over_the_best_pair() -> None:
    """The most similar pair is not fixed first: 0.90 + 0.30 is less than 0.85 + 0.88."""
    first, second = decide_photo([ranked(Ada=0.90, Bea=0.85), ranked(Ada=0.88, Bea=0.30)], limits=at(0.7))
    assert (first.member, second.member) == ("Bea", "Ada")


def test_the_margin_is_to_the_best_other_reading_of_the_photo() -> None:
    """Bea would be nearer at the first face than Cy is, but is at the second; Cy there sets Ada free for the third."""
    faces = [ranked(Ada=0.90, Bea=0.85, Cy=0.78), ranked(Bea=0.80), ranked(Ada=0.75)]
    first, second, third = decide_photo(faces, limits=at(0.7))
    assert (first.member, second.member, third.member) == ("Ada", "Bea", None)
    assert first.margin == pytest.approx(0.07)


def test_members_that_are_equally_like_two_faces_are_both_named_once() -> None:
    """Where nothing tells who is who, each face keeps the member that it was given: nobody is named twice."""
    faces = [ranked(), ranked(Ada=0.8, Bea=0.8), ranked(Ada=0.8, Bea=0.8, Cy=0.8)]
    names = [each.member for each in decide_photo(faces, limits=at(0.8))]
    assert names[0] is None
    assert len(set(names)) == 3


def test_equal_to_the_threshold_is_enough_beside_others() -> None:
    """The tie rule holds where faces want the same member too."""
    faces = [ranked(Bea=0.95, Ada=0.9), ranked(Ada=0.6, Bea=0.95, Cy=0.7, Dan=0.2), ranked(Bea=0.97, Ada=0.4)]
    assert [each.member for each in decide_photo(faces, limits=at(0.7))] == ["Ada", "Cy", "Bea"]


def test_who_is_not_like_anybody_does_not_decide_between_others() -> None:
    """A face that nobody fits may stay without a name, however unlike all members it is."""
    faces = [ranked(Ada=0.90, Bea=0.60), ranked(Ada=0.89, Bea=-0.20)]
    assert [each.member for each in decide_photo(faces, limits=at(0.7))] == ["Ada", None]


def test_without_a_margin_nothing_is_ambiguous() -> None:
    """Also where two faces are the very same, and sums of their similarities differ by their rounding."""
    face = {"B": 0.7580969837889726, "A": 0.0, "C": 0.3532256840871286}
    photo = [ranked(A=0.4705481810734067), ranked(**face), ranked(**face)]
    assert {each.verdict for each in decide_photo(photo, limits=at(-0.5))} == {Verdict.MATCH}


def test_twins_that_fit_both_ways_are_ambiguous_in_both_faces() -> None:
    """Either alone would lead by enough; together they could as well be the other way round."""
    photo = [ranked(Ada=0.90, Bea=0.85), ranked(Ada=0.89, Bea=0.85)]
    first, second = decide_photo(photo, limits=at(0.7, 0.03))
    assert (first.verdict, second.verdict) == (Verdict.AMBIGUOUS, Verdict.AMBIGUOUS)
    assert first.margin == pytest.approx(0.01)
    assert first.runner_up is not None
    assert first.runner_up.member == "Bea"
    assert [each.member for each in decide_photo(photo, limits=at(0.7))] == ["Ada", "Bea"]


def test_twins_told_apart_by_the_other_face_are_named() -> None:
    """Alone the first face is ambiguous; beside the other twin it is not."""
    photo = [ranked(Ada=0.86, Bea=0.85), ranked(Ada=0.5, Bea=0.95)]
    alone, *_ = decide_photo(photo[:1], limits=at(0.7, 0.03))
    assert alone.verdict is Verdict.AMBIGUOUS
    assert [each.member for each in decide_photo(photo, limits=at(0.7, 0.03))] == ["Ada", "Bea"]


similarities = st.floats(min_value=-1, max_value=1, allow_nan=False)
photos = st.lists(st.dictionaries(st.sampled_from("ABCDEF"), similarities, max_size=6), max_size=6)


@given(photo=photos, threshold=similarities)
def test_no_photo_names_anybody_twice_or_below_the_threshold(photo: list[dict[str, float]], threshold: float) -> None:
    """For any similarities: names are unique, reach the threshold, and only a taken member is passed over."""
    decisions = decide_photo([ranked(**face) for face in photo], limits=at(threshold))
    names = [decision.member for decision in decisions if decision.member is not None]
    assert len(names) == len(set(names))
    for decision, face in zip(decisions, photo, strict=True):
        reachable = {name for name, similarity in face.items() if similarity >= threshold}
        if decision.member is None:
            assert reachable <= set(names)
        else:
            assert decision.member in reachable
            chosen = face[decision.member]
            assert {name for name in face if face[name] > chosen + 1e-9} <= set(decision.taken)
            assert {name for name in face if face[name] >= chosen - 1e-9} - {decision.member} >= set(decision.taken)
            assert set(decision.taken) <= set(names)


@given(photo=photos, threshold=similarities)
def test_alone_in_a_photo_a_face_gets_its_best_candidate(photo: list[dict[str, float]], threshold: float) -> None:
    """With one face the rule for photos is the rule for faces."""
    for face in photo:
        assert decide_photo([ranked(**face)], limits=at(threshold)) == [decide(ranked(**face), limits=at(threshold))]


def test_of_two_faces_that_one_member_fits_the_better_is_named() -> None:
    """However little better: the member is in the photo once, and only one of the two can be it."""
    first, second = decide_photo([ranked(Ada=0.8000), ranked(Ada=0.7999)], limits=at(0.7, 0.03))
    assert (first.member, second.member, second.taken) == ("Ada", None, ("Ada",))


@pytest.mark.parametrize("near", [0.699, 0.701])
def test_a_runner_up_that_is_clearly_somebody_else_is_no_rival(near: float) -> None:
    """Bea is at the second face for sure: she does not make the first one ambiguous, whether she reaches it or not."""
    first, second = decide_photo([ranked(Ada=0.705, Bea=near), ranked(Bea=0.95)], limits=at(0.7, 0.03))
    assert (first.member, second.member) == ("Ada", "Bea")


@given(photo=st.lists(st.dictionaries(st.sampled_from("ABCD"), similarities, max_size=4), max_size=4))
def test_no_other_way_to_name_has_a_better_total(photo: list[dict[str, float]]) -> None:
    """Against all ways there are: what is named exceeds the threshold by as much as any naming can."""
    threshold = 0.2
    decisions = decide_photo([ranked(**face) for face in photo], limits=at(threshold))
    total = sum(each.best.similarity - threshold for each in decisions if each.member and each.best)

    def worth(way: tuple[str, ...]) -> float:
        gains = [face.get(name, -1.0) - threshold for face, name in zip(photo, way, strict=True)]
        return sum(gain for gain in gains if gain >= 0)

    assert total == pytest.approx(max(map(worth, permutations("ABCD1234", len(photo)))), abs=1e-6)


@given(photo=st.lists(st.dictionaries(st.sampled_from("ABCD"), similarities, max_size=4), max_size=4))
def test_a_wider_margin_never_names_more(photo: list[dict[str, float]]) -> None:
    """What is named under a margin is named so without one."""
    faces = [ranked(**face) for face in photo]
    plain = decide_photo(faces, limits=at(0.2))
    for without, under in zip(plain, decide_photo(faces, limits=at(0.2, 0.1)), strict=True):
        assert under.member in (None, without.member)
        assert without.member is None or under.verdict is not Verdict.UNKNOWN
