"""The plain reference in NumPy that every other index is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegallery.domain import EMBEDDING_SIZE, Ids, Vectors
from facegallery.index.engine import require_probes, require_vectors


class NumpyIndex:
    """Every similarity is computed, in float64, and sorted; of equal similarities the smaller id comes first."""

    n_first = 1

    def __init__(self) -> None:
        self._ids: Ids = np.empty(0, np.int64)
        self._vectors: Vectors = np.empty((0, EMBEDDING_SIZE), np.float32)

    @property
    def count(self) -> int:
        """Number of vectors held."""
        return len(self._ids)

    def least_said(self, similarity: float) -> float:
        """What the index says of a vector that is this similar: just that."""
        return similarity

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors.

        Args:
            ids: shape (n,), int64, at least 0, not yet held, each once.
            vectors: shape (n, 512), float32, finite.

        Raises:
            ValueError: They are anything else; nothing is added.
        """
        _require_new(ids, vectors, held=self._ids)
        ids, vectors = np.concatenate((self._ids, ids)), np.concatenate((self._vectors, vectors))
        order = np.argsort(ids)
        self._ids, self._vectors = ids[order], vectors[order]

    def remove(self, ids: Sequence[int]) -> int:
        """Remove vectors; ids that are not held are passed over. Returns how many were removed."""
        kept = ~np.isin(self._ids, np.asarray(ids, np.int64))
        n_removed = self.count - int(kept.sum())
        self._ids, self._vectors = self._ids[kept], self._vectors[kept]
        return n_removed

    def search(self, probes: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Find the k most similar vectors for each probe; see ``domain.VectorIndex``.

        Raises:
            ValueError: The probes are not finite float32 of shape (m, 512), or k is under 1.
        """
        require_probes(probes, k)
        similarities = (probes.astype(np.float64) @ self._vectors.astype(np.float64).T).astype(np.float32)
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :k]  # stable, and the ids ascend
        return np.take_along_axis(similarities, best, axis=1), self._ids[best]


def _require_new(ids: Ids, vectors: Vectors, *, held: Ids) -> None:
    require_vectors(vectors)
    if ids.dtype != np.int64 or ids.shape != (len(vectors),):
        raise ValueError(f"{len(vectors)} vectors need as many int64 ids, not {ids.shape} {ids.dtype}")
    if len(ids) and ids.min() < 0:
        raise ValueError("an id is at least 0")
    if len(np.unique(ids)) < len(ids) or np.isin(ids, held).any():
        raise ValueError("an id is given twice, or already held")
