"""Vectors as the database keeps them: float32, little-endian, unit length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from facegallery.domain import EMBEDDING_SIZE, UNIT_LENGTH_TOLERANCE, Vectors

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


def from_blobs(blobs: Sequence[bytes]) -> Vectors:
    """The vectors of these rows: shape (n, 512), float32."""
    import numpy as np

    return np.frombuffer(b"".join(blobs), dtype=_KEPT).reshape(-1, EMBEDDING_SIZE).astype(np.float32)


def qualities_of(kept: Iterable[float | None]) -> Vectors:
    """Qualities as they count: shape (n,), float32, in [0, 1]; 1 for a face that was enrolled before they were kept."""
    import numpy as np

    return np.array([1.0 if quality is None else quality for quality in kept], np.float32)


def is_unit(vectors: Vectors) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which rows of shape (n, 512) have unit length; NaN has none."""
    import numpy as np

    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return np.asarray(np.abs(lengths - 1) <= UNIT_LENGTH_TOLERANCE)
