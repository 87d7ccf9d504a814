"""The index's folder: which files it is made of, and the four ways in which they change.

    index/lock              held by the one process that writes
    index/stamp.json        what the other two hold; replaced in one step, and last
    index/ids.<token>       int64 a slot, ascending; negative: the template was forgotten
    index/rows.<token>      one row a slot: float32 vectors or codes; zeros where the template was forgotten

Numbers are little-endian. What lies behind the stamped number of slots is the rest of an append that was killed: nobody
reads it, and the next writer cuts it off. A rebuilt index has files of a new token, so that whoever has the old ones
open reads on in them.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.disk import flush, lock
from facegallery.domain import Ids, Vectors
from facegallery.index.codes import CodeRows
from facegallery.index.exact import ExactRows

FORMAT = 1
"""Grows when a file means something else than before, the quantizer's points and rotation included."""

ID_DTYPE = np.dtype("<i8")

_LOCK, _STAMP, _UNFINISHED = "lock", "stamp.json", "stamp.json.new"
_OLD_FILES = "index.faiss*"
_POLL_S = 0.02

Rows = ExactRows | CodeRows
KINDS: dict[str, type[ExactRows] | type[CodeRows]] = {kind.kind: kind for kind in (ExactRows, CodeRows)}


class DamagedIndex(ValueError):
    """The files do not fit together, or cannot be understood."""


@dataclass(frozen=True, slots=True)
class BaseStamp:
    """What the files hold.

    Attributes:
        kind: ``exact`` or ``codes``.
        token: Ends the names of the two files.
        fingerprint: The embedding model's.
        n_slots: How many rows there are, dead ones too. Never shrinks under one token, since a file that somebody has
            mapped must not.
        n_live: How many of them are templates.
        last_id: The newest of these, 0 when there is none. All templates of the store up to it are among them.
        last_added: When that one was kept, in ISO format; None when there is none.
    """

    kind: str
    token: str
    fingerprint: str
    n_slots: int
    n_live: int
    last_id: int
    last_added: str | None

    @property
    def rows(self) -> type[ExactRows] | type[CodeRows]:
        """The kind of rows."""
        return KINDS[self.kind]

    @property
    def row_bytes(self) -> int:
        """Bytes in one row."""
        return self.rows.row_dtype.itemsize * self.rows.row_length

    @property
    def last_added_at(self) -> datetime | None:
        """``last_added`` as a moment."""
        return None if self.last_added is None else datetime.fromisoformat(self.last_added)


class IndexFolder:
    """The files, for reading. They are a cache: every method may find none, or other ones than a moment ago."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> BaseStamp | None:
        """What the files hold, or None when there is no index.

        Raises:
            DamagedIndex: The stamp cannot be understood.
            OSError: It cannot be read.
        """
        try:
            text = (self.path / _STAMP).read_bytes()
        except FileNotFoundError:
            return None
        return _parsed(text)

    def arrays(self, stamp: BaseStamp) -> tuple[Ids, NDArray[Any]]:
        """The slots that a stamp speaks of.

        Returns:
            Ids, shape (n,), int64, in memory, and rows, shape (n, width), mapped.

        Raises:
            FileNotFoundError: The files have been replaced since.
            DamagedIndex: They are shorter than the stamp says, or their ids are not the stamp's.
            OSError: They cannot be read.
        """
        n = stamp.n_slots
        ids = np.array(_mapped(self.ids_file(stamp), ID_DTYPE, (n,)), np.int64)
        rows = _mapped(self.rows_file(stamp), stamp.rows.row_dtype, (n, stamp.rows.row_length))
        live = ids[ids > 0]
        newest = int(live[-1]) if len(live) else 0
        if (np.diff(np.abs(ids)) <= 0).any() or len(live) != stamp.n_live or newest != stamp.last_id:
            raise DamagedIndex("its ids are not those of its stamp")
        return ids, rows

    def is_long_enough(self, stamp: BaseStamp) -> bool:
        """Whether both files are there with at least as many slots as the stamp says; costs nothing."""
        try:
            n_ids, n_rows = (file.stat().st_size for file in (self.ids_file(stamp), self.rows_file(stamp)))
        except OSError:
            return False
        return n_ids >= stamp.n_slots * ID_DTYPE.itemsize and n_rows >= stamp.n_slots * stamp.row_bytes

    def ids_file(self, stamp: BaseStamp) -> Path:
        """Where the ids are."""
        return self.path / f"ids.{stamp.token}"

    def rows_file(self, stamp: BaseStamp) -> Path:
        """Where the rows are."""
        return self.path / f"rows.{stamp.token}"

    @contextmanager
    def writing(self, *, wait_s: float = 0.0) -> Iterator[IndexWriter]:
        """Be the one writer; the folder is made if need be.

        Args:
            wait_s: How long to wait for another writer to end.

        Raises:
            BlockingIOError: Another process writes.
            OSError: The folder cannot be written.
        """
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
            self.path.chmod(0o700)
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor, wait_s)
            yield IndexWriter(self)
        finally:
            os.close(descriptor)


class IndexWriter:
    """The one process that changes the files; given by ``IndexFolder.writing``.

    A killed process leaves the index as it was or as it would have become, with two exceptions that the next writer
    sees to: bytes behind the last slot, and dead rows that the stamp still counts (the store then counts fewer).
    """

    def __init__(self, folder: IndexFolder) -> None:
        self._folder = folder

    def clear(self) -> None:
        """Remove everything but the lock."""
        self.tidy(None)

    def tidy(self, stamp: BaseStamp | None) -> None:
        """Remove whatever the stamp does not speak of: it may hold what was to be forgotten."""
        path = self._folder.path
        kept = {_LOCK}
        if stamp is not None:
            ids, rows = self._folder.ids_file(stamp), self._folder.rows_file(stamp)
            kept |= {_STAMP, ids.name, rows.name}
            _cut(ids, stamp.n_slots * ID_DTYPE.itemsize)
            _cut(rows, stamp.n_slots * stamp.row_bytes)
        for file in path.iterdir():
            if file.name not in kept:
                with suppress(PermissionError):  # Windows: somebody has it open; the next writer tries again
                    file.unlink()
        for file in path.parent.glob(_OLD_FILES):
            file.unlink()

    def create(self, kind: str, fingerprint: str, batches: Iterable[tuple[Ids, Vectors]]) -> BaseStamp:
        """Write new files, beside the old ones; they are used once they are :meth:`publish`-ed.

        Args:
            kind: ``exact`` or ``codes``.
            fingerprint: The embedding model's.
            batches: Ids, ascending from batch to batch, and vectors.
        """
        empty = BaseStamp(kind, secrets.token_hex(8), fingerprint, 0, 0, 0, None)
        for file in (self._folder.ids_file(empty), self._folder.rows_file(empty)):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return self.append(empty, batches)

    def append(self, stamp: BaseStamp, batches: Iterable[tuple[Ids, Vectors]]) -> BaseStamp:
        """Write rows behind those that are there; they count once the stamp that this returns is published.

        Raises:
            DamagedIndex: The ids would not ascend. So it is after a backup was restored that ends where the live part
                of the files ends.
        """
        ids_file, rows_file = self._folder.ids_file(stamp), self._folder.rows_file(stamp)
        with ids_file.open("r+b") as ids_out, rows_file.open("r+b") as rows_out:
            newest = 0
            if stamp.n_slots:
                ids_out.seek((stamp.n_slots - 1) * ID_DTYPE.itemsize)
                newest = abs(int(np.frombuffer(ids_out.read(ID_DTYPE.itemsize), ID_DTYPE)[0]))
            rows_out.seek(stamp.n_slots * stamp.row_bytes)
            for ids, vectors in batches:
                if ids[0] <= newest:
                    raise DamagedIndex(f"template {ids[0]} comes after {newest}")
                ids_out.write(ids.astype(ID_DTYPE).tobytes())
                rows_out.write(stamp.rows.encode(vectors).tobytes())
                n, newest = len(ids), int(ids[-1])
                stamp = replace(stamp, n_slots=stamp.n_slots + n, n_live=stamp.n_live + n, last_id=newest)
        flush(rows_file)
        flush(ids_file)
        return stamp

    def bury(self, stamp: BaseStamp, ids: Sequence[int]) -> BaseStamp:
        """Overwrite the rows of these templates with zeros; those that are not there are passed over.

        Returns:
            What the files now hold; to be published.
        """
        ids_file, rows_file = self._folder.ids_file(stamp), self._folder.rows_file(stamp)
        with ids_file.open("r+b") as ids_out, rows_file.open("r+b") as rows_out:
            held = np.memmap(ids_out, ID_DTYPE, "r+", shape=(stamp.n_slots,)) if stamp.n_slots else np.empty(0, "<i8")
            slots = [slot for key in ids if (slot := _slot_of(held, key)) is not None]
            for slot in slots:
                rows_out.seek(slot * stamp.row_bytes)
                rows_out.write(bytes(stamp.row_bytes))
            rows_out.flush()
            os.fsync(rows_out.fileno())
            held[slots] *= -1  # after the rows: a slot that says it is dead is empty
            newest = _newest_slot(held)
            last_id = 0 if newest is None else int(held[newest])
            if isinstance(held, np.memmap):
                held.flush()
        flush(ids_file)
        return replace(stamp, n_live=stamp.n_live - len(slots), last_id=last_id)

    def publish(self, stamp: BaseStamp, last_added: datetime | None) -> BaseStamp:
        """Say what the files hold, in one step that survives a loss of power; returns the stamp with its time."""
        stamp = replace(stamp, last_added=None if last_added is None else last_added.isoformat())
        path = self._folder.path
        descriptor = os.open(path / _UNFINISHED, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps({"format": FORMAT, **asdict(stamp)}).encode())
            file.flush()
            os.fsync(file.fileno())
        (path / _UNFINISHED).replace(path / _STAMP)
        flush(path)
        return stamp


def _parsed(text: bytes) -> BaseStamp:
    try:
        fields = json.loads(text)
        if fields.pop("format") != FORMAT:
            raise DamagedIndex("it is of another version")
        stamp = BaseStamp(**fields)
        numbers = (stamp.n_slots, stamp.n_live, stamp.last_id)
        if stamp.kind not in KINDS or min(numbers) < 0 or not all(type(number) is int for number in numbers):
            raise DamagedIndex("its stamp says impossible things")
        if not stamp.token.isalnum() or (stamp.last_added_at is None) != (stamp.last_id == 0):
            raise DamagedIndex("its stamp says impossible things")
    except DamagedIndex:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedIndex("its stamp cannot be understood") from error
    return stamp


def _mapped(file: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The first rows of a file; no file can be mapped when there are none."""
    n_bytes = dtype.itemsize * int(np.prod(shape))
    if file.stat().st_size < n_bytes:
        raise DamagedIndex(f"{file.name} is cut short")
    return np.memmap(file, dtype, "r", shape=shape) if n_bytes else np.empty(shape, dtype)


def _cut(file: Path, n_bytes: int) -> None:
    if file.stat().st_size > n_bytes:
        os.truncate(file, n_bytes)
        flush(file)


def _slot_of(held: Ids, key: int) -> int | None:
    """Where a live template is, by bisection: dead ids keep their place in the order."""
    low, high = 0, len(held)
    while low < high:
        middle = (low + high) // 2
        if abs(int(held[middle])) < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(held) and int(held[low]) == key else None


def _newest_slot(held: Ids) -> int | None:
    """The last live slot."""
    return next((slot for slot in range(len(held) - 1, -1, -1) if held[slot] > 0), None)


def _take(descriptor: int, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return lock(descriptor)
        except OSError as error:
            if time.monotonic() >= deadline:
                said = f"another program has been writing it for more than {wait_s:.0f} seconds"
                raise BlockingIOError(error.errno, said) from error
            time.sleep(_POLL_S)
