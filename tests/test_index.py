"""FAISS and the NumPy reference are one index with two engines: the same answers, refusals and order."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery.domain import Ids, TemplateSet, VectorIndex, Vectors
from facegallery.index import FaissIndex, NumpyIndex

TOLERANCE = 1e-6
"""Two engines add 512 products in different orders; float32 leaves a few units in the eighth digit."""

BACK_ENDS = pytest.mark.parametrize("back_end", [NumpyIndex, FaissIndex])


def unit_vectors(n: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, 512)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def ids_of(*ids: int) -> Ids:
    return np.array(ids, np.int64)


# --- congruence ---------------------------------------------------------------------------------------------------

POOL = unit_vectors(30)
"""Few enough that the same vector is drawn twice: equal similarities are the case worth testing."""

changes = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 29)), max_size=25)),
        st.tuples(st.just("remove"), st.lists(st.tuples(st.integers(0, 60), st.just(0)), max_size=25)),
    ),
    max_size=6,
)


@settings(max_examples=120, deadline=None)
@given(changes=changes, probes=st.lists(st.integers(0, 29), max_size=5), k=st.integers(1, 70))
def test_both_back_ends_answer_alike(
    changes: list[tuple[str, list[tuple[int, int]]]], probes: list[int], k: int
) -> None:
    """After any additions and removals: same count, same ids in the same order, similarities within 1e-6."""
    reference, faiss = NumpyIndex(), FaissIndex()
    for what, items in changes:
        ids = ids_of(*(item[0] for item in items))
        if what == "remove":
            assert reference.remove(ids.tolist()) == faiss.remove(ids.tolist())
            continue
        vectors = POOL[[item[1] for item in items]]
        refusals = [refused(index, ids, vectors) for index in (reference, faiss)]
        assert refusals[0] == refusals[1]
    assert reference.count == faiss.count
    expected, expected_ids = reference.search(POOL[probes], k)
    found, found_ids = faiss.search(POOL[probes], k)
    assert found.shape == expected.shape == (len(probes), min(k, reference.count))
    assert found.dtype == expected.dtype == np.float32
    assert found_ids.dtype == expected_ids.dtype == np.int64
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_array_equal(found_ids, expected_ids)


def refused(index: VectorIndex, ids: Ids, vectors: Vectors) -> str | None:
    try:
        index.add(ids, vectors)
    except ValueError as error:
        return str(error)
    return None


def test_many_probes_at_once_are_answered_alike() -> None:
    """FAISS computes large batches in another way (matrix blocks); each named vector is as similar as claimed."""
    vectors, probes = unit_vectors(2000, seed=1), unit_vectors(50, seed=2)
    ids = np.random.default_rng(3).permutation(10_000)[:2000].astype(np.int64)
    reference, faiss = NumpyIndex(), FaissIndex()
    reference.add(ids, vectors)
    faiss.add(ids, vectors)
    expected, expected_ids = reference.search(probes, 20)
    found, found_ids = faiss.search(probes, 20)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    row_of = {key: row for row, key in enumerate(ids.tolist())}
    named = vectors[[[row_of[key] for key in row] for row in found_ids.tolist()]]
    np.testing.assert_allclose(found, np.einsum("md,mkd->mk", probes, named), atol=TOLERANCE)
    assert (found_ids == expected_ids).mean() > 0.99  # the rest are neighbours closer than the tolerance


# --- each back end ------------------------------------------------------------------------------------------------


@BACK_ENDS
def test_the_answer_can_be_worked_out_by_hand(back_end: type[NumpyIndex] | type[FaissIndex]) -> None:
    """Three axes and a probe between two of them: 0.8, 0.6 and 0, in this order."""
    index = back_end()
    axes = np.eye(3, 512, dtype=np.float32)
    index.add(ids_of(30, 10, 20), axes)
    probe = (0.6 * axes[0] + 0.8 * axes[1])[np.newaxis]
    similarities, ids = index.search(probe, 3)
    assert ids.tolist() == [[10, 30, 20]]
    np.testing.assert_allclose(similarities, [[0.8, 0.6, 0.0]], atol=TOLERANCE)


@BACK_ENDS
def test_of_equal_similarities_the_smaller_id_comes_first(back_end: type[NumpyIndex] | type[FaissIndex]) -> None:
    """Also where the cut goes through the middle of many equal ones, whatever the order they were added in."""
    index = back_end()
    one = unit_vectors(1)
    ids = np.random.default_rng(0).permutation(200).astype(np.int64)
    index.add(ids, np.repeat(one, 200, axis=0))
    index.add(ids_of(1000), -one)
    for k in (1, 3, 50, 200, 201, 500):
        found = index.search(one, k)[1][0].tolist()
        assert found == [*range(200), 1000][:k]


@BACK_ENDS
def test_there_are_never_more_answers_than_vectors(back_end: type[NumpyIndex] | type[FaissIndex]) -> None:
    """FAISS fills up with -1; nobody outside sees one. No vectors and no probes are ordinary."""
    index = back_end()
    assert index.search(unit_vectors(2), 5)[1].shape == (2, 0)
    index.add(ids_of(0, 7), unit_vectors(2))
    assert index.search(unit_vectors(3, seed=9), 100)[1].shape == (3, 2)
    assert index.search(unit_vectors(3, seed=9), 100)[1].min() >= 0
    assert index.search(unit_vectors(0), 5)[0].shape == (0, 2)


@BACK_ENDS
def test_removed_vectors_are_gone_and_may_come_back(back_end: type[NumpyIndex] | type[FaissIndex]) -> None:
    """Ids that are not held are passed over; the count says how many went."""
    index = back_end()
    vectors = unit_vectors(4)
    index.add(ids_of(1, 2, 3, 4), vectors)
    assert index.remove([2, 4, 99]) == 2
    assert index.remove([]) == 0
    assert sorted(index.search(vectors[:1], 9)[1][0].tolist()) == [1, 3]
    index.add(ids_of(2), vectors[1:2])
    assert index.search(vectors[1:2], 1)[1].tolist() == [[2]]


@BACK_ENDS
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
def test_what_cannot_be_added_is_refused_whole(
    back_end: type[NumpyIndex] | type[FaissIndex], ids: Ids, vectors: Vectors
) -> None:
    """Both refuse the same, and a refusal adds nothing."""
    index = back_end()
    index.add(ids_of(1), unit_vectors(1))
    with pytest.raises(ValueError, match=r"vectors|id"):
        index.add(ids, vectors)
    assert index.count == 1


@BACK_ENDS
def test_a_probe_that_cannot_be_compared_is_refused(back_end: type[NumpyIndex] | type[FaissIndex]) -> None:
    """A NaN would make FAISS answer with -1, and k = 0 would crash it."""
    index = back_end()
    index.add(ids_of(1), unit_vectors(1))
    for probes, k in ((unit_vectors(1) * np.float32(np.nan), 1), (unit_vectors(1)[0], 1), (unit_vectors(1), 0)):
        with pytest.raises(ValueError, match=r"vectors|k is"):
            index.search(probes, k)


@BACK_ENDS
def test_the_layout_of_an_array_does_not_matter(back_end: type[NumpyIndex] | type[FaissIndex]) -> None:
    """Views with steps hold the same numbers as copies; what was added does not change with the caller's array."""
    vectors = unit_vectors(6)
    index = back_end()
    mine = vectors.copy()
    index.add(np.arange(6, dtype=np.int64)[::2], mine[::2])
    mine[:] = 0
    assert index.search(np.asfortranarray(vectors)[::2], 1)[1].tolist() == [[0], [2], [4]]


# --- FAISS alone --------------------------------------------------------------------------------------------------


def test_an_index_of_a_template_set_holds_it() -> None:
    """The store's rows go in as they come."""
    vectors = unit_vectors(3)
    index = FaissIndex.of(TemplateSet(4, "4", ids_of(2, 3, 9), vectors, ("a", "b", "c")))
    assert index.search(vectors, 1)[1].tolist() == [[2], [3], [9]]
    assert FaissIndex.of(TemplateSet(0, "0", ids_of(), unit_vectors(0), ())).count == 0


def test_what_is_written_can_be_read() -> None:
    """An index read back answers the same, and can be changed further."""
    vectors = unit_vectors(5)
    index = FaissIndex()
    index.add(np.arange(5, dtype=np.int64), vectors)
    index.remove([3])
    file = io.BytesIO()
    index.write(file.write)
    file.seek(0)
    again = FaissIndex.read(file.read)
    for one, other in zip(index.search(vectors, 5), again.search(vectors, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.remove([4]) == 1
    again.add(ids_of(3), vectors[3:4])
    assert again.search(vectors[3:4], 1)[1].tolist() == [[3]]
