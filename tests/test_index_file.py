"""The index file is used only when it is whole and the one wanted; otherwise it is made again from the store."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facegallery.domain import IndexStamp, TemplateSet, Vectors
from facegallery.index import FaissIndex
from facegallery.index_file import CURRENT, DAMAGED, MISSING, describe, load, open_index, remove, save

STAMP = IndexStamp(revision=5, state="5", fingerprint="a" * 64, count=4)


def unit_vectors(n: int) -> Vectors:
    vectors = np.random.default_rng(0).standard_normal((n, 512)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


VECTORS = unit_vectors(STAMP.count)


def rows(revision: int = STAMP.revision, n: int = STAMP.count) -> TemplateSet:
    return TemplateSet(revision, str(revision), np.arange(n, dtype=np.int64), unit_vectors(n), ("Ada",) * n)


def never() -> TemplateSet:
    raise AssertionError("the store was read though the file could be used")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "index.faiss"
    save(FaissIndex.of(rows()), path, STAMP)
    return path


def test_a_saved_index_is_loaded_without_the_store(path: Path) -> None:
    """The second start reads the file, and gets the same answers."""
    index, reason = open_index(path, stamp=lambda: STAMP, templates=never)
    assert reason is None
    assert describe(path, STAMP) == CURRENT
    for found, expected in zip(index.search(VECTORS, 4), FaissIndex.of(rows()).search(VECTORS, 4), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (replace(STAMP, revision=7, state="7"), "stale: revision 5, the gallery is at 7"),
        (replace(STAMP, state="x"), "stale: made of another gallery, or of one since restored"),
        (replace(STAMP, fingerprint="b" * 64), "stale: made with another model"),
        (replace(STAMP, count=9), "stale: 4 templates, the gallery has 9"),
    ],
    ids=["revision", "state", "model", "count"],
)
def test_an_index_of_something_else_is_not_used(path: Path, stamp: IndexStamp, reason: str) -> None:
    """Another revision, model or count is told, the index is made again, and the file is then the one wanted."""
    assert load(path, stamp) == describe(path, stamp) == reason
    now = replace(rows(stamp.revision, stamp.count), state=stamp.state)
    index, told = open_index(path, stamp=lambda: stamp, templates=lambda: now)
    assert told == reason
    assert index.count == stamp.count
    assert describe(path, stamp) == CURRENT


def test_no_file_is_made_and_next_time_used(tmp_path: Path) -> None:
    """The first start makes the file, also for an empty gallery."""
    path = tmp_path / "index.faiss"
    empty = IndexStamp(0, "0", "a" * 64, 0)
    assert describe(path, empty) == MISSING
    assert open_index(path, stamp=lambda: empty, templates=lambda: rows(0, 0))[1] == MISSING
    index, reason = open_index(path, stamp=lambda: empty, templates=never)
    assert (index.count, reason) == (0, None)


def test_a_change_between_stamp_and_rows_is_saved_under_the_rows_revision(path: Path) -> None:
    """Where another process enrolled meanwhile, the file says what is in it and not what was asked for."""
    later = IndexStamp(8, "8", STAMP.fingerprint, 6)
    stamps = iter([replace(STAMP, revision=6, state="6"), later])
    index, _ = open_index(path, stamp=lambda: next(stamps), templates=lambda: rows(8, 6))
    assert index.count == 6
    assert describe(path, later) == CURRENT


def test_an_index_that_was_overtaken_while_it_was_written_is_not_left(path: Path) -> None:
    """Somebody forgotten between reading and writing must not come back by a late writer."""
    stamps = iter([replace(STAMP, revision=6, state="6"), replace(STAMP, revision=9, state="9")])
    open_index(path, stamp=lambda: next(stamps), templates=lambda: rows(8, 6))
    assert not path.exists()


def test_removing_takes_what_killed_writers_left(path: Path) -> None:
    """Their half-made files hold vectors too; other files stay."""
    (path.parent / "index.faiss.abc.new").write_bytes(b"vectors")
    (path.parent / "other.new").write_bytes(b"something else")
    remove(path)
    remove(path)
    assert [file.name for file in path.parent.iterdir()] == ["other.new"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """The index is a cache: it is used from memory where it cannot be saved."""
    index, reason = open_index(tmp_path / "nowhere" / "index.faiss", stamp=lambda: STAMP, templates=rows)
    assert (index.count, reason) == (STAMP.count, MISSING)
    (tmp_path / "folder").mkdir()
    index, reason = open_index(tmp_path / "folder", stamp=lambda: STAMP, templates=rows)
    assert (index.count, reason) == (STAMP.count, "not readable: Is a directory")
    assert describe(tmp_path / "folder", STAMP) == "not readable: Is a directory"
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]  # and nothing half-made stays behind


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte_anywhere_is_noticed(path: Path, where: float, flip: int) -> None:
    """In the vectors, the stamp, the digest or the mark: the file is never used, and FAISS never sees it."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[int(where * len(whole))] ^= flip
    path.write_bytes(changed)
    try:
        found = load(path, STAMP)
        assert isinstance(found, str)
        assert found == describe(path, STAMP)
        assert found == DAMAGED or found.startswith("stale: ")
    finally:
        path.write_bytes(whole)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=300), st.binary(max_size=80).map(lambda start: start + b"fgindex1")))
@example(content=bytes(32) + struct.pack("<I", 4000) + b"fgindex1")  # a stamp longer than the file
def test_any_other_bytes_are_damage(path: Path, content: bytes) -> None:
    """Whatever lies in the file's place is named as damaged, and replaced."""
    path.write_bytes(content)
    assert load(path, STAMP) == describe(path, STAMP) == DAMAGED
    assert open_index(path, stamp=lambda: STAMP, templates=rows)[1] == DAMAGED
    assert describe(path, STAMP) == CURRENT


def test_a_file_cut_short_at_any_place_is_damage(path: Path) -> None:
    """A copy that was interrupted is never taken for the whole."""
    whole = path.read_bytes()
    for n_bytes in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:n_bytes])
        assert load(path, STAMP) == DAMAGED


def sealed(payload: bytes, stamp: IndexStamp) -> bytes:
    """The file format, written down a second time."""
    text = json.dumps(asdict(stamp)).encode()
    return payload + text + hashlib.sha256(payload + text).digest() + struct.pack("<I", len(text)) + b"fgindex1"


def test_the_format_is_what_its_description_says(path: Path) -> None:
    """FAISS's own bytes come first, so that FAISS alone can read the file; the rest is as documented."""
    whole = path.read_bytes()
    alone = faiss.read_index(str(path))
    assert alone.ntotal == STAMP.count
    assert whole == sealed(faiss.serialize_index(alone).tobytes(), STAMP)


def flat(size: int, n: int) -> Any:
    index = faiss.IndexFlatIP(size)
    index.add(VECTORS[:n, :size])
    return index


def by_id(inner: Any, n: int) -> Any:
    index = faiss.IndexIDMap2(inner)
    index.add_with_ids(np.ascontiguousarray(VECTORS[:n, : inner.d]), np.arange(n, dtype=np.int64))
    return index


@pytest.mark.parametrize(
    "make",
    [
        lambda: flat(512, STAMP.count),
        lambda: by_id(faiss.IndexFlatIP(64), STAMP.count),
        lambda: by_id(faiss.IndexFlatIP(512), STAMP.count - 1),
        lambda: by_id(faiss.IndexFlatL2(512), STAMP.count),
    ],
    ids=["without ids", "of another size", "of another count", "of another measure"],
)
def test_a_whole_file_with_another_index_in_it_is_damage(path: Path, make: Callable[[], Any]) -> None:
    """The digest is right and the stamp is right, and still what FAISS found is looked at before it is used."""
    path.write_bytes(sealed(faiss.serialize_index(make()).tobytes(), STAMP))
    assert load(path, STAMP) == DAMAGED
    path.write_bytes(sealed(b"no index at all", STAMP))
    assert load(path, STAMP) == DAMAGED


def test_saving_is_all_or_nothing(path: Path) -> None:
    """Where writing fails half-way (a full disk) the old file is still there, whole, and nothing lies beside it."""

    class HalfWritten(FaissIndex):
        def write(self, write: Callable[[bytes], object]) -> None:
            write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save(HalfWritten.of(rows()), path, STAMP)
    assert describe(path, STAMP) == CURRENT
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_only_this_person_may_read_the_index(path: Path) -> None:
    """Vectors are biometric data: 0600, also where a file with other rights was there before."""
    path.chmod(0o644)
    save(FaissIndex.of(rows()), path, STAMP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_stamp_that_is_not_the_index_s_is_refused(path: Path) -> None:
    """A file that would be thrown away at once is not written."""
    with pytest.raises(ValueError, match="says 4 vectors"):
        save(FaissIndex(), path, STAMP)
