"""Faces are grouped by mean similarity, never two of one photo together, whatever the order they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery.domain import Vectors
from facegallery.errors import TooManyFaces
from facegallery.evaluation.clusters import cluster_scores
from facegallery.matching import clusters
from facegallery.matching.clusters import group_faces, mean_limit
from facegallery.matching.scores import MemberTemplates


def on_circle(*degrees: float) -> Vectors:
    """Unit vectors in one plane: the similarity of two is the cosine of the angle between them."""
    angles = np.radians(degrees)
    vectors = np.zeros((len(degrees), 512), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    return vectors


def people(n_people: int, n_faces: int, seed: int = 0) -> tuple[Vectors, list[int]]:
    """Faces around a direction for each person, and whose each is; one person's are far more alike than two's."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.standard_normal((n_people, 512)), n_faces, axis=0)
    vectors = centres + 0.5 * rng.standard_normal(centres.shape)
    whose = [person for person in range(n_people) for _ in range(n_faces)]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32), whose


def photos(n: int) -> list[str]:
    return [f"photo {place}" for place in range(n)]


def test_each_person_is_one_group() -> None:
    """Faces of one person are one group, alone faces are groups of one, the largest group first."""
    vectors, _ = people(4, 5)
    kept = [*range(5), *range(5, 8), *range(10, 14), 15]  # 5, 3, 4 faces and 1
    assert group_faces(vectors[kept], photos(13), limit=0.5) == [
        [0, 1, 2, 3, 4],
        [8, 9, 10, 11],
        [5, 6, 7],
        [12],
    ]


def test_no_faces_are_no_groups() -> None:
    """Nothing in, nothing out."""
    assert group_faces(np.empty((0, 512), np.float32), [], limit=0.5) == []


def test_groups_are_joined_by_their_mean_and_not_by_their_nearest_pair() -> None:
    """At 0, 50 and 100 degrees: cos 50 is 0.64, and the mean of cos 50 and cos 100 is 0.23."""
    faces = on_circle(0, 50, 100)
    assert sorted(map(len, group_faces(faces, photos(3), limit=0.24))) == [1, 2]
    assert group_faces(faces, photos(3), limit=0.23) == [[0, 1, 2]]


def test_a_mean_equal_to_the_limit_is_enough() -> None:
    """A cosine of 0.5 reaches a limit of 0.5."""
    vectors = np.zeros((2, 512), np.float32)
    vectors[0, :4], vectors[1, 0:7:2] = 0.5, 0.5  # two of four places in common
    assert float(vectors[0] @ vectors[1]) == 0.5
    assert group_faces(vectors, photos(2), limit=0.5) == [[0, 1]]
    assert group_faces(vectors, photos(2), limit=0.5 + 1e-6) == [[0], [1]]


def test_two_faces_of_one_photo_are_two_people() -> None:
    """However alike, they are kept apart, and so are the groups around them."""
    faces = on_circle(0, 1, 2, 3)
    assert group_faces(faces[:2], ["a", "a"], limit=0.5) == [[0], [1]]
    groups = group_faces(faces, ["a", "a", "b", "c"], limit=-0.9)
    assert sorted(len(group) for group in groups) == [1, 3]
    assert not any({0, 1} <= set(group) for group in groups)


def test_many_faces_do_not_outvote_one_photo() -> None:
    """One pair of one photo keeps two large groups apart whose other pairs are all but equal."""
    faces = on_circle(*np.linspace(0, 1, 60))
    names = photos(60)
    names[59] = names[0]
    groups = group_faces(faces, names, limit=0.1)
    assert len(groups) == 2
    assert not any({0, 59} <= set(group) for group in groups)


def test_the_parts_that_are_looked_at_one_by_one_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same groups come out when the similarities are computed a few rows at a time."""
    vectors, whose = people(20, 4)
    whole = group_faces(vectors, photos(80), limit=0.5)
    monkeypatch.setattr(clusters, "ROWS_AT_ONCE", 7)
    assert group_faces(vectors, photos(80), limit=0.5) == whole
    assert [[whose[face] for face in group] for group in whole] == [[person] * 4 for person in range(20)]


def test_more_than_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces that hang together beyond the bound are an error that says what to do; apart, they are no trouble."""
    monkeypatch.setattr(clusters, "MAX_LINKED", 3)
    vectors, _ = people(3, 3)
    assert len(group_faces(vectors, photos(9), limit=0.5)) == 3
    with pytest.raises(TooManyFaces, match=r"4 unknown faces .* at most 3 .*'--join' with more than 0\.50"):
        group_faces(on_circle(0, 1, 2, 3), photos(4), limit=0.5)


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 35), st.integers(0, 5)), min_size=1, max_size=14),
    limit=st.floats(-0.5, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_order_of_the_faces_does_not_matter(places: list[tuple[int, int]], limit: float, seed: int) -> None:
    """Any order gives the same groups, also with equal faces, equal similarities and photos of several faces."""
    faces, names = on_circle(*(10.0 * step for step, _ in places)), [f"{photo}" for _, photo in places]
    order = np.random.default_rng(seed).permutation(len(places))

    def kinds(groups: list[list[int]], at: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        return sorted(sorted(at[face] for face in group) for group in groups)

    shuffled = group_faces(faces[order], [names[place] for place in order], limit=limit)
    assert kinds(shuffled, [places[place] for place in order]) == kinds(group_faces(faces, names, limit=limit), places)
    assert sorted(face for group in shuffled for face in group) == list(range(len(places)))
    for group in shuffled:
        owners = [names[order[face]] for face in group]
        assert len(set(owners)) == len(owners)


# --- the limit ----------------------------------------------------------------------------------------------------


def templates(*degrees: float) -> MemberTemplates:
    return MemberTemplates(on_circle(*degrees), np.ones(len(degrees), np.float32))


def test_the_limit_is_the_mean_similarity_of_a_face_that_is_just_named() -> None:
    """Templates 120 degrees apart have a mean of length 1/2: at a centroid similarity of 0.8 the mean one is 0.4."""
    member = templates(-60, 60)
    assert mean_limit(0.8, [member]) == pytest.approx(0.4)
    probe = on_circle(float(np.degrees(np.arccos(0.8))))[0]
    assert float((member.vectors @ probe).mean()) == pytest.approx(0.4)


def test_the_median_member_decides_and_single_photos_say_nothing() -> None:
    """Of lengths 1, 1/2 and cos 20 the median is the last; a member of one photo is not counted."""
    members = [templates(0, 0), templates(-60, 60), templates(-20, 20), templates(5), templates(6)]
    assert mean_limit(0.5, members) == pytest.approx(0.5 * np.cos(np.radians(20)))


@pytest.mark.parametrize("threshold", [0.7, 0.0, -0.3])
def test_without_members_the_threshold_is_the_limit(threshold: float) -> None:
    """Nothing to learn from: the cautious value. A threshold below 0 is not brought nearer to it."""
    assert mean_limit(threshold, []) == threshold
    assert mean_limit(threshold, [templates(3)]) == threshold
    assert mean_limit(min(threshold, 0.0), [templates(-60, 60)]) == min(threshold, 0.0)


# --- scores -------------------------------------------------------------------------------------------------------


def test_scores_are_those_computed_by_hand() -> None:
    """Three faces of Ada, one of them with two of Bea; a third of Bea alone."""
    scores = cluster_scores([["Ada", "Ada"], ["Ada", "Bea", "Bea"], ["Bea"]])
    assert (scores.n_people, scores.n_faces, scores.n_clusters) == (2, 6, 2)
    ada, bea = (1 + 1 + 1 / 3) / 3, (2 / 3 + 2 / 3 + 1) / 3
    assert scores.precision.value == pytest.approx((ada + bea) / 2)
    ada, bea = (2 / 3 + 2 / 3 + 1 / 3) / 3, (2 / 3 + 2 / 3 + 1 / 3) / 3
    assert scores.recall.value == pytest.approx((ada + bea) / 2)
    assert (scores.n_pairs_joined, scores.n_pairs_right, scores.n_pairs_of_person) == (1 + 3, 1 + 1, 3 + 3)
    assert (scores.pure.n_held, scores.pure.n) == (1, 2)


def test_faces_alone_have_full_precision_and_no_pairs() -> None:
    """Nothing joined: precision 1, recall a share of each person's faces, no pair right or wrong."""
    scores = cluster_scores([["Ada"], ["Ada"], ["Bea"]])
    assert (scores.precision.value, scores.recall.value) == (1.0, 0.75)
    assert (scores.n_pairs_joined, scores.n_pairs_right, scores.n_pairs_of_person) == (0, 0, 1)
    assert scores.pure.n == 0
