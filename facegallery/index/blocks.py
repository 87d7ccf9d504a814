"""An encrypted gallery's slots: sealed blocks of many, a file each, that are written once and never changed.

    block.<name>      sealed: the ids of its slots, int64, then their rows

A change writes new blocks beside the old ones: an append those behind the last full block, a burying those that the
templates were in. The stamp that names the new ones is replaced in one step, and only then are the old ones overwritten
and removed. So a process that is killed leaves the index as it was or as it would have become, and files that no stamp
names, which the next writer removes.

A block is sealed for its place: the index's token, its number, its name and its size. The stamp, which is sealed too,
holds the names. So neither another block nor an earlier state of the same one can be put in a block's place.
"""

from __future__ import annotations

import os
import secrets
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.disk import create_private, overwrite
from facegallery.domain import Cipher, Ids
from facegallery.index.slots import ID_DTYPE, Batches, grown, newest_live, require_after, slot_of
from facegallery.index.stamps import BaseStamp, Block, DamagedIndex, unsealed

BLOCK_BYTES = 2 << 20
"""Of a full block before it is sealed: large enough for AES to run at its full speed, small enough to be written again
for one template in a few milliseconds."""


class SealedSlots:
    """Rows in sealed blocks. Fulfils ``slots.Slots``."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self._folder = folder
        self._cipher = cipher

    def names(self, stamp: BaseStamp) -> set[str]:
        """Names of the files that a stamp speaks of."""
        return {self._file(block).name for block in stamp.blocks}

    def are_there(self, stamp: BaseStamp) -> bool:
        """Whether all blocks are there, as long as the stamp says."""
        try:
            return all(self._file(block).stat().st_size == block.n_bytes for block in stamp.blocks)
        except OSError:
            return False

    def read(self, stamp: BaseStamp) -> tuple[Ids, NDArray[Any]]:
        """All slots, in memory; see ``slots.Slots``."""
        if sum(block.n_slots for block in stamp.blocks) != stamp.n_slots:
            raise DamagedIndex("its blocks have not the slots of its stamp")
        ids = np.empty(stamp.n_slots, np.int64)
        rows = np.empty((stamp.n_slots, stamp.rows.row_length), stamp.rows.row_dtype)
        start = 0
        for number, block in enumerate(stamp.blocks):
            there = slice(start, start + block.n_slots)
            ids[there], rows[there] = self._opened(stamp, number)
            start += block.n_slots
        return ids, rows

    def start(self, stamp: BaseStamp) -> None:
        """Without slots there are no blocks."""

    def append(self, stamp: BaseStamp, batches: Batches) -> BaseStamp:
        """Seal what is new, together with what is in the last block if that is not full; see ``slots.Slots``."""
        n_most = _slots_in_block(stamp)
        blocks = list(stamp.blocks)
        newest = blocks[-1].newest_id if blocks else 0
        held: list[tuple[Ids, NDArray[Any]]] = []
        if blocks and blocks[-1].n_slots < n_most:
            held.append(self._opened(stamp, len(blocks) - 1))
            blocks.pop()
        grown_stamp = stamp

        def new() -> Iterator[tuple[Ids, NDArray[Any]]]:
            nonlocal grown_stamp, newest
            for ids, vectors in batches:
                require_after(newest, ids)
                grown_stamp = grown(grown_stamp, ids)
                newest = grown_stamp.last_id
                yield ids, stamp.rows.encode(vectors)

        for ids, rows in _cut_into(chain(held, new()), n_most):
            blocks.append(self._sealed(stamp, len(blocks), ids, rows))
        return replace(grown_stamp, blocks=tuple(blocks))

    def bury(self, stamp: BaseStamp, ids: Sequence[int]) -> BaseStamp:
        """Seal the blocks of these templates again, with zeros for them; see ``slots.Slots``."""
        newest_ids = [block.newest_id for block in stamp.blocks]
        keys_of: dict[int, list[int]] = {}
        for key in ids:
            keys_of.setdefault(bisect_left(newest_ids, key), []).append(key)
        keys_of.pop(len(newest_ids), None)  # newer than all
        for number, keys in keys_of.items():
            held, rows = self._opened(stamp, number)
            slots = [slot for key in keys if (slot := slot_of(held, key)) is not None]
            if slots:
                rows[slots] = 0
                held[slots] *= -1
                blocks = list(stamp.blocks)
                blocks[number] = self._sealed(stamp, number, held, rows)
                stamp = replace(stamp, n_live=stamp.n_live - len(slots), blocks=tuple(blocks))
        return replace(stamp, last_id=self._last_id(stamp)) if stamp.last_id in ids else stamp

    def cut(self, stamp: BaseStamp) -> None:
        """Nothing lies behind a block's slots."""

    def remove(self, file: Path) -> None:
        """Overwrite a file and remove it: it could still be read by whoever learns the key, or is a plain one."""
        if file.is_file() and not file.is_symlink():  # what a link leads to is somebody else's
            overwrite(file)
        file.unlink()

    def _file(self, block: Block) -> Path:
        return self._folder / f"block.{block.name}"

    def _last_id(self, stamp: BaseStamp) -> int:
        """The newest live template, or 0."""
        newest = (newest_live(self._opened(stamp, number)[0]) for number in reversed(range(len(stamp.blocks))))
        return next((found for found in newest if found), 0)

    def _opened(self, stamp: BaseStamp, number: int) -> tuple[Ids, NDArray[Any]]:
        """Ids and rows of one block, as they may be changed."""
        block = stamp.blocks[number]
        plain = unsealed(
            self._cipher, self._file(block).read_bytes(), _context(stamp, number, block.name, block.n_slots)
        )
        if len(plain) != block.n_slots * (ID_DTYPE.itemsize + stamp.row_bytes):
            raise DamagedIndex(f"{self._file(block).name} has not the slots of its stamp")
        ids = np.frombuffer(plain, ID_DTYPE, block.n_slots)
        rows = np.frombuffer(plain, stamp.rows.row_dtype, offset=ids.nbytes)
        return ids.astype(np.int64), rows.reshape(block.n_slots, stamp.rows.row_length).copy()

    def _sealed(self, stamp: BaseStamp, number: int, ids: Ids, rows: NDArray[Any]) -> Block:
        """Write one block."""
        name = secrets.token_hex(8)
        plain = ids.astype(ID_DTYPE).tobytes() + rows.tobytes()
        sealed = self._cipher.seal(plain, _context(stamp, number, name, len(ids)))
        block = Block(name, len(ids), abs(int(ids[-1])), len(sealed))
        with os.fdopen(create_private(self._file(block), os.O_EXCL), "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        return block


def _context(stamp: BaseStamp, number: int, name: str, n_slots: int) -> bytes:
    return f"block {name}, number {number} of index {stamp.token}, {n_slots} slots of {stamp.kind}".encode()


def _slots_in_block(stamp: BaseStamp) -> int:
    return max(1, BLOCK_BYTES // (ID_DTYPE.itemsize + stamp.row_bytes))


def _cut_into(parts: Iterator[tuple[Ids, NDArray[Any]]], n_most: int) -> Iterator[tuple[Ids, NDArray[Any]]]:
    """The same slots, n_most at a time, and what is left."""
    held: list[tuple[Ids, NDArray[Any]]] = []
    for part in parts:
        held.append(part)
        if sum(len(ids) for ids, _ in held) >= n_most:
            ids, rows = (np.concatenate(some) for some in zip(*held, strict=True))
            n_full = len(ids) // n_most * n_most
            for start in range(0, n_full, n_most):
                yield ids[start : start + n_most], rows[start : start + n_most]
            held = [(ids[n_full:], rows[n_full:])] if n_full < len(ids) else []
    if held:
        ids, rows = (np.concatenate(some) for some in zip(*held, strict=True))
        yield ids, rows
