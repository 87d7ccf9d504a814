"""Every way of searching against the NumPy reference: the same answers where it is exact, near ones where it is not."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery.domain import Ids, TemplateSet, Vectors
from facegallery.index.codes import MEAN_SQUARE_ERROR, POINTS, CodeRows, rotate
from facegallery.index.exact import ExactRows
from facegallery.index.reference import NumpyIndex
from tests.searching import by_best_template

TOLERANCE = 1e-6
"""Two engines add 512 products in different orders; float32 leaves a few units in the eighth digit."""


def unit_vectors(n: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, 512)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def ids_of(*ids: int) -> Ids:
    return np.array(ids, np.int64)


def reference(ids: Ids, vectors: Vectors) -> NumpyIndex:
    index = NumpyIndex()
    index.add(ids, vectors)
    return index


BACK_ENDS = pytest.mark.parametrize("back_end", [reference, ExactRows])


# --- congruence ---------------------------------------------------------------------------------------------------

POOL = unit_vectors(30)
"""Few enough that the same vector is drawn twice: equal similarities are the case worth testing."""


@settings(max_examples=120, deadline=None)
@given(
    held=st.dictionaries(st.integers(1, 60), st.integers(0, 29), max_size=50),
    probes=st.lists(st.integers(0, 29), max_size=5),
    k=st.integers(1, 70),
)
def test_exact_rows_answer_as_the_reference(held: dict[int, int], probes: list[int], k: int) -> None:
    """Same ids in the same order, similarities within 1e-6."""
    ids = ids_of(*sorted(held))
    vectors = POOL[[held[key] for key in ids.tolist()]]
    expected, expected_ids = reference(ids, vectors).search(POOL[probes], k)
    found, found_ids = ExactRows(ids, vectors).search(POOL[probes], k)
    assert found.shape == expected.shape == (len(probes), min(k, len(ids)))
    assert found.dtype == expected.dtype == np.float32
    assert found_ids.dtype == expected_ids.dtype == np.int64
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_array_equal(found_ids, expected_ids)


def test_many_probes_at_once_are_answered_alike() -> None:
    """FAISS computes large batches in another way (matrix blocks); each named vector is as similar as claimed."""
    vectors, probes = unit_vectors(2000, seed=1), unit_vectors(50, seed=2)
    ids = np.arange(5, 2005, dtype=np.int64)
    expected, expected_ids = reference(ids, vectors).search(probes, 20)
    found, found_ids = ExactRows(ids, vectors).search(probes, 20)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_allclose(found, np.einsum("md,mkd->mk", probes, vectors[found_ids - 5]), atol=TOLERANCE)
    assert (found_ids == expected_ids).mean() > 0.99  # the rest are neighbours closer than the tolerance


# --- exact back ends ----------------------------------------------------------------------------------------------


@BACK_ENDS
def test_the_answer_can_be_worked_out_by_hand(back_end: type[ExactRows]) -> None:
    """Three axes and a probe between two of them: 0.8, 0.6 and 0, in this order."""
    axes = np.eye(3, 512, dtype=np.float32)
    index = back_end(ids_of(10, 20, 30), axes)
    probe = (0.6 * axes[2] + 0.8 * axes[0])[np.newaxis]
    similarities, ids = index.search(probe, 3)
    assert ids.tolist() == [[10, 30, 20]]
    np.testing.assert_allclose(similarities, [[0.8, 0.6, 0.0]], atol=TOLERANCE)


@BACK_ENDS
def test_of_equal_similarities_the_smaller_id_comes_first(back_end: type[ExactRows]) -> None:
    """Also where the cut goes through the middle of many equal ones."""
    one = unit_vectors(1)
    index = back_end(np.arange(1, 202, dtype=np.int64), np.concatenate((np.repeat(one, 200, axis=0), -one)))
    for k in (1, 3, 50, 200, 201, 500):
        assert index.search(one, k)[1][0].tolist() == list(range(1, 202))[:k]


@BACK_ENDS
def test_there_are_never_more_answers_than_vectors(back_end: type[ExactRows]) -> None:
    """FAISS fills up with -1; nobody outside sees one. No vectors and no probes are ordinary."""
    assert back_end(ids_of(), unit_vectors(0)).search(unit_vectors(2), 5)[1].shape == (2, 0)
    index = back_end(ids_of(1, 7), unit_vectors(2))
    assert index.search(unit_vectors(3, seed=9), 100)[1].shape == (3, 2)
    assert index.search(unit_vectors(3, seed=9), 100)[1].min() >= 1
    assert index.search(unit_vectors(0), 5)[0].shape == (0, 2)


@pytest.mark.parametrize("back_end", [reference, ExactRows, lambda ids, rows: CodeRows(ids, CodeRows.encode(rows))])
def test_a_probe_that_cannot_be_compared_is_refused(back_end: type[ExactRows]) -> None:
    """A NaN would make FAISS answer with -1, and k = 0 would crash it."""
    index = back_end(ids_of(1), unit_vectors(1))
    for probes, k in ((unit_vectors(1) * np.float32(np.nan), 1), (unit_vectors(1)[0], 1), (unit_vectors(1), 0)):
        with pytest.raises(ValueError, match=r"vectors|k is"):
            index.search(probes, k)


@BACK_ENDS
def test_the_layout_of_an_array_does_not_matter(back_end: type[ExactRows]) -> None:
    """Views with steps hold the same numbers as copies."""
    vectors = unit_vectors(6)
    index = back_end(np.arange(6, dtype=np.int64)[::2], vectors[::2])
    assert index.search(np.asfortranarray(vectors)[::2], 1)[1].tolist() == [[0], [2], [4]]


# --- the reference alone ------------------------------------------------------------------------------------------


def test_removed_vectors_are_gone_and_may_come_back() -> None:
    """Ids that are not held are passed over; the count says how many went."""
    vectors = unit_vectors(4)
    index = reference(ids_of(1, 2, 3, 4), vectors)
    assert index.remove([2, 4, 99]) == 2
    assert index.remove([]) == 0
    assert sorted(index.search(vectors[:1], 9)[1][0].tolist()) == [1, 3]
    index.add(ids_of(2), vectors[1:2])
    assert index.search(vectors[1:2], 1)[1].tolist() == [[2]]


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        (ids_of(5), unit_vectors(2)),
        (ids_of(5, 5), unit_vectors(2)),
        (ids_of(1, 5), unit_vectors(2)),
        (ids_of(-1), unit_vectors(1)),
        (np.array([5], np.int32), unit_vectors(1)),
        (ids_of(5)[np.newaxis], unit_vectors(1)),
        (ids_of(5), unit_vectors(1).astype(np.float64)),
        (ids_of(5), unit_vectors(1)[0]),
        (ids_of(5), unit_vectors(1)[:, :511]),
        (ids_of(5), unit_vectors(1) * np.float32(np.nan)),
    ],
    ids=["count", "twice", "held", "negative", "int32", "two axes", "float64", "one axis", "511", "NaN"],
)
def test_what_cannot_be_added_is_refused_whole(ids: Ids, vectors: Vectors) -> None:
    """A refusal adds nothing."""
    index = reference(ids_of(1), unit_vectors(1))
    with pytest.raises(ValueError, match=r"vectors|id"):
        index.add(ids, vectors)
    assert index.count == 1


# --- codes --------------------------------------------------------------------------------------------------------


def decoded(rows: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Vectors:
    """What rows of codes stand for after the rotation, written down a second time: shape (n, 512)."""
    codes = np.stack((rows & 15, rows >> 4), axis=2).reshape(len(rows), 256)
    return np.asarray(POINTS[codes].reshape(len(rows), 512) / np.sqrt(512), np.float32)


def groups(n_members: int, n_templates: int, seed: int) -> Vectors:
    """Templates of people: cosine about 0.7 within one."""
    centres = np.repeat(unit_vectors(n_members, seed), n_templates, axis=0)
    vectors = centres + np.float32(0.65) * unit_vectors(len(centres), seed + 1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_the_rotation_keeps_lengths_and_angles_and_spreads_any_vector() -> None:
    """Inner products stay; a vector of one number, which no quantizer could keep, comes out like all others."""
    vectors = np.concatenate((unit_vectors(20), np.eye(5, 512, dtype=np.float32)))
    np.testing.assert_allclose(rotate(vectors) @ rotate(vectors).T, vectors @ vectors.T, atol=TOLERANCE)
    turned = rotate(np.eye(512, dtype=np.float32))
    assert np.abs(turned).max() < 7 / np.sqrt(512)
    assert (np.abs(turned) < 0.6745 / np.sqrt(512)).mean() == pytest.approx(0.5, abs=0.05)  # a Gaussian's quartiles


def test_codes_are_the_same_bits_everywhere() -> None:
    """One hash for all machines and versions: files may travel, and doctor compares bytes. Batches do not matter."""
    vectors = ((np.arange(600 * 512) * 7919 % 1009 - 504) / 8192).astype(np.float32).reshape(600, 512)
    rows = CodeRows.encode(vectors)
    assert rows.shape == (600, 128)
    assert rows.dtype == np.uint8
    assert (
        hashlib.sha256(rows.tobytes()).hexdigest() == "f8a129f0942e50334ab32d68e8d8958f73a7807fd5fe18e8c30f27ec6295521b"
    )
    one_by_one = [CodeRows.encode(vectors[row : row + 1]) for row in range(9)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), rows[:9])
    assert CodeRows.encode(vectors[:0]).shape == (0, 128)


def test_a_code_stands_for_the_nearest_points() -> None:
    """The error is the one that is stated, and no other assignment of points would make it smaller by much."""
    turned = rotate(unit_vectors(400))
    rows = CodeRows.encode(unit_vectors(400))
    assert np.square(turned - decoded(rows)).sum(axis=1).mean() == pytest.approx(MEAN_SQUARE_ERROR, rel=0.01)
    pairs = turned.reshape(-1, 1, 2) * np.sqrt(512)
    best = np.square(pairs - POINTS).sum(axis=2).min(axis=1).mean() / 2
    assert best == pytest.approx(MEAN_SQUARE_ERROR, rel=0.01)


def test_faiss_scans_what_the_codes_stand_for() -> None:
    """Similarities as computed from the points by hand, within the 8 bits of FAISS's tables; ids of ours, no dead."""
    vectors, probes = unit_vectors(1000), unit_vectors(7, seed=5)
    ids = np.arange(11, 1011, dtype=np.int64)
    dead = np.arange(0, 1000, 3)
    rows = CodeRows.encode(vectors)
    rows[dead], ids[dead] = 0, -ids[dead]
    index = CodeRows(ids, rows)
    assert index.count == (ids > 0).sum()
    found, found_ids = index.search(probes, 2000)
    assert found.shape == found_ids.shape == (7, index.count)
    assert set(found_ids[0].tolist()) == set(ids[ids > 0].tolist())
    assert (np.diff(found, axis=1) <= 0).all()
    assert len(found_ids[0]) == len(set(found_ids[0].tolist()))
    by_hand = rotate(probes) @ decoded(rows).T
    for row in range(7):
        np.testing.assert_allclose(found[row], by_hand[row, found_ids[row] - 11], atol=0.003)
    assert CodeRows(ids_of(), rows[:0]).search(probes, 3)[1].shape == (7, 0)
    assert index.search(probes[:0], 3)[1].shape == (0, 3)


def test_rows_shared_out_among_threads_are_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One probe or several, one thread or three: the same ids with the same similarities."""
    vectors, probes = unit_vectors(1000), unit_vectors(5, seed=5)
    ids, rows = np.arange(11, 1011, dtype=np.int64), CodeRows.encode(vectors)
    alone = CodeRows(ids, rows)
    monkeypatch.setattr("facegallery.index.codes.LEAST_ROWS_A_PART", 300)  # a setting, not a part
    monkeypatch.setenv("FACEGALLERY_THREADS", "3")
    shared = CodeRows(ids, rows)
    for k in (1, 50, 400, 1000):
        said, found = alone.search(probes, k)
        assert found.shape == (5, k)
        one_by_one = [shared.search(probe[np.newaxis], k) for probe in probes]
        joined = [np.concatenate(each) for each in zip(*one_by_one, strict=True)]
        for some in (shared.search(probes, k), joined):
            np.testing.assert_allclose(some[0], said, atol=1e-6)
            assert (np.sort(some[1], axis=1) == np.sort(found, axis=1)).mean() > 0.99  # equal tables may change places


@pytest.mark.parametrize("shift", [0.0, 0.7], ids=["spread evenly", "around one mean"])
def test_codes_propose_the_nearest(shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest of 4000 templates is found, for members and strangers, also where all people are much alike and few
    proposals are asked for at first: more are asked for as long as the nearest may be missing.
    """
    monkeypatch.setattr(CodeRows, "n_first", 1)  # a setting, not a part
    vectors = groups(800, 5, seed=1) + shift * unit_vectors(1, seed=9)
    vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    strangers = unit_vectors(200, seed=3) + shift * unit_vectors(1, seed=9)
    members = vectors[::20] + np.float32(0.65) * unit_vectors(200, seed=4)
    probes = np.concatenate((members, strangers))
    probes = np.asarray(probes / np.linalg.norm(probes, axis=1, keepdims=True), np.float32)
    ids = np.arange(1, 4001, dtype=np.int64)
    index = CodeRows(ids, CodeRows.encode(vectors))

    def templates_of(some: Ids) -> TemplateSet:
        return TemplateSet(
            0, "", some, vectors[some - 1], tuple(str(key) for key in some), np.ones(len(some), np.float32)
        )

    best, nearest = reference(ids, vectors).search(probes, 1)
    found = by_best_template(index, templates_of).candidates(probes, 2)
    assert np.mean([row[0].template_id == key for row, key in zip(found, nearest[:, 0], strict=True)]) >= 0.995
    all_said, all_ids = index.search(probes, 4000)
    expected = [index.least_said(float(each)) for each in best[:, 0]]
    assert (all_said[all_ids == nearest] >= expected).mean() >= 0.98
