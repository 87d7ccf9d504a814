"""Vectors as the database keeps them: float32, little-endian, unit length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from facegallery.domain import EMBEDDING_SIZE, UNIT_LENGTH_TOLERANCE, Vectors
from facegallery.sealing import BrokenSeal
from facegallery.store.sealed import cipher_of, open_bytes, seal_bytes
from facegallery.store.tables import VECTOR_BYTES

if TYPE_CHECKING:  # numpy is imported where needed: members are listed without it
    import numpy as np

ROWS_AT_ONCE = 4096
"""Templates read in one go: 8 MiB, so that reading a large gallery holds its vectors once and not twice."""

_KEPT = "<f4"


def to_blob(vector: Vectors) -> bytes:
    """One vector as bytes.

    Args:
        vector: shape (512,), float32, unit length.

    Raises:
        ValueError: It is anything else; nothing that could not be searched later is kept.
    """
    import numpy as np

    if vector.shape != (EMBEDDING_SIZE,) or vector.dtype != np.float32:
        raise ValueError(f"a template is {EMBEDDING_SIZE} float32 numbers, not {vector.shape} {vector.dtype}")
    if not is_unit(vector[np.newaxis])[0]:
        raise ValueError("a template has unit length")
    return vector.astype(_KEPT).tobytes()


def seal_vector(connection: Connection, vector: bytes, *, face_id: int, member_id: int) -> bytes:
    """A template's vector as the database keeps it: in an encrypted gallery sealed for this face of this member."""
    return seal_bytes(connection, vector, _context(face_id, member_id))


def open_vector(connection: Connection, kept: bytes, *, face_id: int, member_id: int) -> bytes:
    """Undo what ``seal_vector`` did.

    Raises:
        BrokenSeal: It is damaged, or was changed, or is of another face or member.
    """
    return open_bytes(connection, kept, _context(face_id, member_id))


def open_vectors(connection: Connection, found: Sequence[Any]) -> Vectors:
    """The vectors of these rows, which have ``vector``, ``face_id`` and ``member_id``: shape (n, 512), float32.

    Raises:
        BrokenSeal: One is damaged, or was changed, or is of another face or member.
    """
    cipher = cipher_of(connection)
    if cipher is None:
        return from_blobs([row.vector for row in found])
    opened = [cipher.unseal(row.vector, context(row).encode()) for row in found]
    return from_blobs(opened)


def from_blobs(blobs: Sequence[bytes]) -> Vectors:
    """The vectors of these rows: shape (n, 512), float32.

    Raises:
        BrokenSeal: One has another length, as a sealed one in a gallery that is not encrypted.
    """
    import numpy as np

    joined = b"".join(blobs)
    if len(joined) != len(blobs) * VECTOR_BYTES:
        raise BrokenSeal(b"a vector", tampered=False)
    return np.frombuffer(joined, dtype=_KEPT).reshape(-1, EMBEDDING_SIZE).astype(np.float32)


def qualities_of(kept: Iterable[float | None]) -> Vectors:
    """Qualities as they count: shape (n,), float32, in [0, 1]; 1 for a face that was enrolled before they were kept."""
    import numpy as np

    return np.array([1.0 if quality is None else quality for quality in kept], np.float32)


def context(row: Any) -> str:
    """What the vector of a template is sealed for, from a row with ``face_id`` and ``member_id``."""
    return _context(row.face_id, row.member_id)


def _context(face_id: int, member_id: int) -> str:
    return f"vector of face {face_id} of member {member_id}"


def is_unit(vectors: Vectors) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which rows of shape (n, 512) have unit length; NaN has none."""
    import numpy as np

    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return np.asarray(np.abs(lengths - 1) <= UNIT_LENGTH_TOLERANCE)
