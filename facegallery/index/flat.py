"""A plain gallery's slots: two files, mapped where they lie.

    ids.<token>       int64 a slot
    rows.<token>      one row a slot: float32 vectors or codes

Numbers are little-endian. What lies behind the stamped number of slots is the rest of an append that was killed: nobody
reads it, and the next writer cuts it off. Whoever is forgotten is overwritten where he lies, rows before ids, so that
whoever has the files open finds him no more. So a process that is killed on the way leaves dead rows that the stamp
still counts; the store then counts fewer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.disk import create_private, flush
from facegallery.domain import Ids
from facegallery.index.slots import ID_DTYPE, Batches, grown, newest_live, require_after, slot_of
from facegallery.index.stamps import BaseStamp, DamagedIndex


class FlatSlots:
    """Rows as they are. Fulfils ``slots.Slots``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, stamp: BaseStamp) -> set[str]:
        """Names of the files that a stamp speaks of."""
        return {file.name for file in self._files(stamp)}

    def are_there(self, stamp: BaseStamp) -> bool:
        """Whether both files are there with at least as many slots as the stamp says."""
        try:
            n_ids, n_rows = (file.stat().st_size for file in self._files(stamp))
        except OSError:
            return False
        return n_ids >= stamp.n_slots * ID_DTYPE.itemsize and n_rows >= stamp.n_slots * stamp.row_bytes

    def read(self, stamp: BaseStamp) -> tuple[Ids, NDArray[Any]]:
        """All slots: ids in memory, rows mapped; see ``slots.Slots``."""
        ids_file, rows_file = self._files(stamp)
        ids = np.array(_mapped(ids_file, ID_DTYPE, (stamp.n_slots,)), np.int64)
        return ids, _mapped(rows_file, stamp.rows.row_dtype, (stamp.n_slots, stamp.rows.row_length))

    def start(self, stamp: BaseStamp) -> None:
        """Make two empty files."""
        for file in self._files(stamp):
            os.close(create_private(file, os.O_EXCL))

    def append(self, stamp: BaseStamp, batches: Batches) -> BaseStamp:
        """Write slots behind those that are there; see ``slots.Slots``."""
        ids_file, rows_file = self._files(stamp)
        with ids_file.open("r+b") as ids_out, rows_file.open("r+b") as rows_out:
            newest = 0
            if stamp.n_slots:
                ids_out.seek((stamp.n_slots - 1) * ID_DTYPE.itemsize)
                newest = abs(int(np.frombuffer(ids_out.read(ID_DTYPE.itemsize), ID_DTYPE)[0]))
            rows_out.seek(stamp.n_slots * stamp.row_bytes)
            for ids, vectors in batches:
                require_after(newest, ids)
                ids_out.write(ids.astype(ID_DTYPE).tobytes())
                rows_out.write(stamp.rows.encode(vectors).tobytes())
                stamp = grown(stamp, ids)
                newest = stamp.last_id
        flush(rows_file)
        flush(ids_file)
        return stamp

    def bury(self, stamp: BaseStamp, ids: Sequence[int]) -> BaseStamp:
        """Overwrite the rows of these templates with zeros; see ``slots.Slots``."""
        ids_file, rows_file = self._files(stamp)
        if stamp.n_slots == 0:
            return stamp
        held = np.memmap(ids_file, ID_DTYPE, "r+", shape=(stamp.n_slots,))
        slots = [slot for key in ids if (slot := slot_of(held, key)) is not None]
        with rows_file.open("r+b") as rows_out:
            for slot in slots:
                rows_out.seek(slot * stamp.row_bytes)
                rows_out.write(bytes(stamp.row_bytes))
        flush(rows_file)
        held[slots] *= -1  # after the rows: a slot that says it is dead is empty
        held.flush()
        flush(ids_file)
        return replace(stamp, n_live=stamp.n_live - len(slots), last_id=newest_live(held))

    def cut(self, stamp: BaseStamp) -> None:
        """Cut off what lies behind the last slot."""
        for file, slot_bytes in zip(self._files(stamp), (ID_DTYPE.itemsize, stamp.row_bytes), strict=True):
            if file.stat().st_size > stamp.n_slots * slot_bytes:
                os.truncate(file, stamp.n_slots * slot_bytes)
                flush(file)

    def remove(self, file: Path) -> None:
        """Remove a file; not overwritten before, since somebody may have it mapped and still search in it."""
        file.unlink()

    def _files(self, stamp: BaseStamp) -> tuple[Path, Path]:
        """Where ids and rows are."""
        return self._folder / f"ids.{stamp.token}", self._folder / f"rows.{stamp.token}"


def _mapped(file: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The first rows of a file; no file can be mapped when there are none."""
    n_bytes = dtype.itemsize * int(np.prod(shape))
    if file.stat().st_size < n_bytes:
        raise DamagedIndex(f"{file.name} is cut short")
    return np.memmap(file, dtype, "r", shape=shape) if n_bytes else np.empty(shape, dtype)
