"""Rows that are the vectors themselves, searched by FAISS's flat inner product: every one is compared.

FAISS adds up in another order than the reference, and for many probes at once in blocks, so that two equal vectors
may differ in the last digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.domain import EMBEDDING_SIZE, Ids, Vectors
from facegallery.index.engine import load_faiss, require_probes


class ExactRows:
    """Vectors where they lie (in memory or in a mapped file): none is copied."""

    kind = "exact"
    row_dtype = np.dtype("<f4")
    row_length = EMBEDDING_SIZE
    n_first = 1

    def __init__(self, ids: Ids, rows: NDArray[Any]) -> None:
        """Search these rows.

        Args:
            ids: shape (n,), int64, ascending without regard to sign; those of dead rows are negative.
            rows: shape (n, 512), float32; dead rows are zero.
        """
        self.ids = ids
        self._rows = np.ascontiguousarray(rows, np.float32)

    @classmethod
    def encode(cls, vectors: Vectors) -> NDArray[Any]:
        """The rows of these vectors, shape (n, 512), float32: themselves."""
        return vectors.astype(cls.row_dtype, copy=False)

    @property
    def count(self) -> int:
        """Number of rows, dead ones too."""
        return len(self.ids)

    def least_said(self, similarity: float) -> float:
        """What the index says of a vector that is this similar: just that."""
        return similarity

    def search(self, probes: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Find the k most similar rows for each probe; see ``domain.VectorIndex``.

        Of equal similarities the smaller id comes first.

        Raises:
            ValueError: The probes are not finite float32 of shape (m, 512), or k is under 1.
        """
        require_probes(probes, k)
        wanted = min(k, self.count)
        if wanted == 0 or len(probes) == 0:
            return np.empty((len(probes), wanted), np.float32), np.empty((len(probes), wanted), np.int64)
        faiss = load_faiss(len(probes))
        asked, probes = wanted, np.ascontiguousarray(probes)
        while True:
            # FAISS cuts anywhere among equal similarities: ask for more until each row's last answer is a lesser one.
            asked = min(2 * asked, self.count)
            similarities, slots = faiss.knn(probes, self._rows, asked, metric=faiss.METRIC_INNER_PRODUCT)
            if asked == self.count or not (similarities[:, wanted - 1] <= similarities[:, -1]).any():
                break
        ids = np.where(slots >= 0, self.ids[slots], 0)  # -1 where a damaged file holds NaN: nobody's id
        order = np.lexsort((ids, -similarities), axis=1)[:, :wanted]
        return np.take_along_axis(similarities, order, axis=1), np.take_along_axis(ids, order, axis=1)
