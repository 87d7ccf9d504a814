"""What every way of searching needs: FAISS with its threads set, and vectors that can be searched with."""

from __future__ import annotations

from typing import Any

import numpy as np

from facegallery.domain import EMBEDDING_SIZE, Vectors
from facegallery.threads import limit_faiss


def load_faiss(n_probes: int | None = None) -> Any:
    """FAISS, imported when it is first needed, with threads for so many probes in the calling thread.

    Untyped: its own types come and go with its versions.
    """
    limit_faiss(n_probes)
    import faiss

    return faiss


def require_probes(probes: Vectors, k: int) -> None:
    """Pass for vectors that can be searched with, and a k of at least 1.

    Raises:
        ValueError: They are anything else. A NaN would make FAISS answer with -1, and k = 0 would crash it.
    """
    require_vectors(probes)
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")


def require_vectors(vectors: Vectors) -> None:
    """Pass for finite float32 of shape (n, 512).

    Raises:
        ValueError: They are anything else.
    """
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != EMBEDDING_SIZE:
        raise ValueError(
            f"vectors have shape (n, {EMBEDDING_SIZE}) and type float32, not {vectors.shape} {vectors.dtype}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("vectors are finite numbers")
