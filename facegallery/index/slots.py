"""Slots: one for each template that was ever put into an index's files, with its id and its row.

How they lie in files is told in :mod:`facegallery.index.flat` for a plain gallery and in
:mod:`facegallery.index.blocks` for an encrypted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facegallery.domain import Ids, Vectors
from facegallery.index.stamps import BaseStamp, DamagedIndex

ID_DTYPE = np.dtype("<i8")

Batches = Iterable[tuple[Ids, Vectors]]
"""Ids, shape (n,), int64, ascending from batch to batch, and vectors, shape (n, 512), float32."""


class Slots(Protocol):
    """How slots lie in files. What a change returns counts once it is published as the stamp."""

    def names(self, stamp: BaseStamp) -> set[str]:
        """Names of the files that a stamp speaks of."""
        ...

    def are_there(self, stamp: BaseStamp) -> bool:
        """Whether these files are there and long enough; costs no look into them."""
        ...

    def read(self, stamp: BaseStamp) -> tuple[Ids, NDArray[Any]]:
        """All slots.

        Returns:
            Ids, shape (n,), int64, ascending without regard to sign, negative: the template was forgotten; and rows,
            shape (n, width), zeros where the template was forgotten.

        Raises:
            FileNotFoundError: The files have been replaced since.
            DamagedIndex: They are not what the stamp says.
            OSError: They cannot be read.
        """
        ...

    def start(self, stamp: BaseStamp) -> None:
        """Make the files of a stamp without slots."""
        ...

    def append(self, stamp: BaseStamp, batches: Batches) -> BaseStamp:
        """Put slots behind those that are there.

        Raises:
            DamagedIndex: The ids would not ascend, or what is there cannot be read.
            OSError: The files cannot be written.
        """
        ...

    def bury(self, stamp: BaseStamp, ids: Sequence[int]) -> BaseStamp:
        """Leave nothing of these templates' rows; those that are not there are passed over.

        Raises:
            DamagedIndex: What is there cannot be read.
            OSError: The files cannot be written.
        """
        ...

    def cut(self, stamp: BaseStamp) -> None:
        """Cut off what a killed append left behind the last slot."""
        ...

    def remove(self, file: Path) -> None:
        """Remove a file that no stamp speaks of."""
        ...


def slot_of(held: Ids, key: int) -> int | None:
    """Where a live template is, by bisection: dead ids keep their place in the order."""
    low, high = 0, len(held)
    while low < high:
        middle = (low + high) // 2
        if abs(int(held[middle])) < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(held) and int(held[low]) == key else None


def newest_live(held: Ids) -> int:
    """The id in the last live slot, or 0."""
    return next((int(held[slot]) for slot in range(len(held) - 1, -1, -1) if held[slot] > 0), 0)


def require_after(newest: int, ids: Ids) -> None:
    """Check that ids may follow.

    Raises:
        DamagedIndex: They do not ascend. So it is after a backup was restored that ends where the live part of the
            files ends.
    """
    if ids[0] <= newest:
        raise DamagedIndex(f"template {ids[0]} comes after {newest}")


def grown(stamp: BaseStamp, ids: Ids) -> BaseStamp:
    """The stamp with slots for these templates."""
    n = len(ids)
    return replace(stamp, n_slots=stamp.n_slots + n, n_live=stamp.n_live + n, last_id=int(ids[-1]))
