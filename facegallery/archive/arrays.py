r"""Vectors as an npy file of one exact form, so that nothing in its head has to be interpreted.

NPY format version 1.0 (numpy.lib.format): ``\x93NUMPY``, version, length of the head, and the head, a Python literal.
Here the literal is the one that numpy writes, padded to 128 bytes in all; any other head (a pickle's ``|O``, another
shape, Fortran's order) is not read at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from facegallery.archive.fields import Fault
from facegallery.domain import EMBEDDING_SIZE, UNIT_LENGTH_TOLERANCE, Vectors

HEAD_BYTES = 128
ROW_BYTES = 4 * EMBEDDING_SIZE

_KEPT = "<f4"
_ROWS_AT_ONCE = 4096  # 8 MiB


def head(count: int) -> bytes:
    """The head of a file of ``count`` vectors: 128 bytes."""
    start = b"\x93NUMPY\x01\x00" + (HEAD_BYTES - 10).to_bytes(2, "little")
    literal = f"{{'descr': '{_KEPT}', 'fortran_order': False, 'shape': ({count}, {EMBEDDING_SIZE}), }}".encode()
    return start + literal.ljust(HEAD_BYTES - len(start) - 1) + b"\n"


def file_size(count: int) -> int:
    """Bytes in a file of ``count`` vectors."""
    return HEAD_BYTES + count * ROW_BYTES


def pieces(vectors: Vectors, count: int, what: str) -> Iterable[bytes]:
    """A file of vectors, piece by piece.

    Args:
        vectors: shape (n, 512), float32, unit length.
        count: What n must be.
        what: What they are called in messages.

    Raises:
        Fault: They are anything else.
    """
    if vectors.dtype != np.float32 or vectors.shape != (count, EMBEDDING_SIZE):
        raise Fault(f"the {what} are {vectors.shape} {vectors.dtype}, not {count} x {EMBEDDING_SIZE} float32")
    yield head(count)
    for start in range(0, count, _ROWS_AT_ONCE):
        some = vectors[start : start + _ROWS_AT_ONCE]
        _require_unit(some, start, what)
        yield some.astype(_KEPT).tobytes()


def from_file(read_into: Callable[[int, memoryview], None], count: int, what: str) -> Vectors:
    """The vectors of a file whose size is known to be ``file_size(count)``.

    Args:
        read_into: Fills a buffer with the file's bytes from some offset on.
        count: How many vectors it must hold.
        what: What they are called in messages.

    Returns:
        shape (n, 512), float32, unit length.

    Raises:
        Fault: It is not such a file, or a vector has not unit length.
    """
    found = bytearray(HEAD_BYTES)
    read_into(0, memoryview(found))
    if found != head(count):
        raise Fault(f"the {what} are no npy file of {count} x {EMBEDDING_SIZE} float32 numbers as it is written here")
    vectors = np.empty((count, EMBEDDING_SIZE), np.dtype(_KEPT))
    for start in range(0, count, _ROWS_AT_ONCE):
        some = vectors[start : start + _ROWS_AT_ONCE]
        read_into(HEAD_BYTES + start * ROW_BYTES, some.view(np.uint8).data.cast("B"))
        _require_unit(some, start, what)
    return vectors.astype(np.float32, copy=False)


def _require_unit(vectors: Vectors, start: int, what: str) -> None:
    """Refuse vectors of another length; NaN and infinity have none."""
    with np.errstate(all="ignore"):  # a signalling NaN warns when it is widened
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    odd = np.flatnonzero(~(np.abs(np.sqrt(squares) - 1) <= UNIT_LENGTH_TOLERANCE))
    if len(odd):
        raise Fault(f"vector {start + int(odd[0])} of the {what} has not unit length")
