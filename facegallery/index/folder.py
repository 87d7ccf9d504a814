"""The index's folder: its one writer at a time, and the order in which files and stamp change.

    index/lock              held by the one process that writes
    index/stamp.json        what the other files hold; replaced in one step, and last
    index/...               ids and rows: of a plain gallery flat, of an encrypted one in sealed blocks

A rebuilt index has files of new names, so that whoever has the old ones open reads on in them.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.disk import create_private, lock
from facegallery.domain import Cipher, Ids
from facegallery.index.blocks import SealedSlots
from facegallery.index.flat import FlatSlots
from facegallery.index.slots import Batches, Slots
from facegallery.index.stamps import STAMP_NAME, BaseStamp, DamagedIndex, StampFile

_LOCK = "lock"
_OLD_FILES = "index.faiss*"
_POLL_S = 0.02


class IndexFolder:
    """The files, for reading. They are a cache: every method may find none, or other ones than a moment ago."""

    def __init__(self, path: Path, cipher: Cipher | None = None) -> None:
        """Look into a folder.

        Args:
            path: The folder; it need not be there.
            cipher: Seals an encrypted gallery's files; None for plain ones. Files of the other way are not understood.
        """
        self.path = path
        self._stamp_file = StampFile(path, cipher)
        self._slots: Slots = FlatSlots(path) if cipher is None else SealedSlots(path, cipher)

    def stamp(self) -> BaseStamp | None:
        """What the files hold, or None when there is no index.

        Raises:
            OtherwiseKept: It is plain and the gallery is encrypted, or the other way round.
            DamagedIndex: The stamp cannot be understood, or was changed.
            OSError: It cannot be read.
        """
        return self._stamp_file.read()

    def arrays(self, stamp: BaseStamp) -> tuple[Ids, NDArray[Any]]:
        """The slots that a stamp speaks of.

        Returns:
            Ids, shape (n,), int64, in memory, and rows, shape (n, width), mapped or, of sealed ones, in memory.

        Raises:
            FileNotFoundError: The files have been replaced since.
            DamagedIndex: They are shorter than the stamp says, or their ids are not the stamp's, or they were changed.
            OSError: They cannot be read.
        """
        ids, rows = self._slots.read(stamp)
        live = ids[ids > 0]
        newest = int(live[-1]) if len(live) else 0
        if (np.diff(np.abs(ids)) <= 0).any() or len(live) != stamp.n_live or newest != stamp.last_id:
            raise DamagedIndex("its ids are not those of its stamp")
        return ids, rows

    def has_files_of(self, stamp: BaseStamp) -> bool:
        """Whether the files that a stamp speaks of are there and long enough; costs no look into them."""
        return self._slots.are_there(stamp)

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
        descriptor = create_private(self.path / _LOCK)
        try:
            _take(descriptor, wait_s)
            yield IndexWriter(self.path, self._stamp_file, self._slots)
        finally:
            os.close(descriptor)


class IndexWriter:
    """The one process that changes the files; given by ``IndexFolder.writing``.

    A killed process leaves the index as it was or as it would have become, or one that counts otherwise than the store;
    and files or bytes that the stamp does not speak of, which the next writer removes.
    """

    def __init__(self, path: Path, stamp_file: StampFile, slots: Slots) -> None:
        self._path = path
        self._stamp_file = stamp_file
        self._slots = slots

    def clear(self) -> None:
        """Remove everything but the lock; the stamp first, so that nobody is sent to files that go."""
        (self._path / STAMP_NAME).unlink(missing_ok=True)
        self.tidy(None)

    def tidy(self, stamp: BaseStamp | None) -> None:
        """Remove whatever the stamp does not speak of: it may hold what was to be forgotten."""
        kept = {_LOCK}
        if stamp is not None:
            kept |= {STAMP_NAME} | self._slots.names(stamp)
            self._slots.cut(stamp)
        for file in self._path.iterdir():
            if file.name not in kept:
                with suppress(PermissionError):  # Windows: somebody has it open; the next writer tries again
                    self._slots.remove(file)
        for file in self._path.parent.glob(_OLD_FILES):
            self._slots.remove(file)

    def create(self, kind: str, fingerprint: str, batches: Batches) -> BaseStamp:
        """Write new files, beside the old ones; they are used once they are :meth:`publish`-ed.

        Args:
            kind: ``exact`` or ``codes``.
            fingerprint: The embedding model's.
            batches: Ids, ascending from batch to batch, and vectors.
        """
        empty = BaseStamp(kind, secrets.token_hex(8), fingerprint, 0, 0, 0, None)
        self._slots.start(empty)
        return self.append(empty, batches)

    def append(self, stamp: BaseStamp, batches: Batches) -> BaseStamp:
        """Write rows behind those that are there; they count once the stamp that this returns is published.

        Raises:
            DamagedIndex: The ids would not ascend, or a block that has room does not open.
        """
        return self._slots.append(stamp, batches)

    def bury(self, stamp: BaseStamp, ids: Sequence[int]) -> BaseStamp:
        """Replace the rows of these templates by zeros; those that are not there are passed over.

        Returns:
            What the files now hold; to be published.

        Raises:
            DamagedIndex: A block that one of them is in does not open.
        """
        return self._slots.bury(stamp, ids)

    def publish(self, stamp: BaseStamp, last_added: datetime | None) -> BaseStamp:
        """Say what the files hold, in one step, and remove what they were before; returns the stamp with its time."""
        stamp = replace(stamp, last_added=None if last_added is None else last_added.isoformat())
        self._stamp_file.write(stamp)
        self.tidy(stamp)
        return stamp


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
