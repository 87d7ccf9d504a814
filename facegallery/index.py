"""Nearest templates by inner product: a plain reference in NumPy, and FAISS, with the same answers.

Both answer exactly, most similar first; of equal similarities the smaller id comes first. In the reference that holds
without exception. FAISS adds up in another order, and for many probes at once in blocks, so that two equal vectors may
differ there in the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from facegallery.domain import EMBEDDING_SIZE, Ids, TemplateSet, Vectors
from facegallery.threads import limit_faiss


class NumpyIndex:
    """The reference: every similarity is computed, in float64, and sorted."""

    def __init__(self) -> None:
        self._ids: Ids = np.empty(0, np.int64)
        self._vectors: Vectors = np.empty((0, EMBEDDING_SIZE), np.float32)

    @property
    def count(self) -> int:
        """Number of vectors held."""
        return len(self._ids)

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
        """Find the k most similar vectors for each probe.

        Args:
            probes: shape (m, 512), float32, finite.
            k: At least 1; answers have min(k, count) columns.

        Returns:
            Similarities, shape (m, k'), float32, descending in each row, and the ids beside them, shape (m, k'), int64.

        Raises:
            ValueError: The probes or k are anything else.
        """
        _require_probes(probes, k)
        similarities = (probes.astype(np.float64) @ self._vectors.astype(np.float64).T).astype(np.float32)
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :k]  # stable, and the ids ascend
        return np.take_along_axis(similarities, best, axis=1), self._ids[best]


class FaissIndex:
    """FAISS's flat inner product, searched by ids of ours: every vector is compared, several at a time."""

    def __init__(self) -> None:
        faiss = _faiss()
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(EMBEDDING_SIZE))

    @classmethod
    def of(cls, templates: TemplateSet) -> FaissIndex:
        """An index of all these templates."""
        index = cls()
        index.add(templates.ids, templates.vectors)
        return index

    @classmethod
    def read(cls, read: Callable[[int], bytes]) -> FaissIndex:
        """Read what ``write`` wrote. FAISS trusts what it reads, so the caller has made sure that it is that.

        Args:
            read: Gives up to that many next bytes.

        Raises:
            ValueError: It is an index of another kind or size.
        """
        faiss = _faiss()
        try:
            found = faiss.read_index(faiss.PyCallbackIOReader(read))
        except RuntimeError as error:
            raise ValueError("FAISS cannot read it") from error
        if not isinstance(found, faiss.IndexIDMap2) or found.d != EMBEDDING_SIZE:
            raise ValueError(f"it is a {type(found).__name__} of {found.d} numbers a vector")
        if not isinstance(faiss.downcast_index(found.index), faiss.IndexFlatIP):
            raise ValueError("it does not search by inner product")
        index = cls()
        index._index = found
        return index

    @property
    def count(self) -> int:
        """Number of vectors held."""
        return int(self._index.ntotal)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors, as ``NumpyIndex.add`` does."""
        _require_new(ids, vectors, held=_faiss().vector_to_array(self._index.id_map))
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(vectors), np.ascontiguousarray(ids))

    def remove(self, ids: Sequence[int]) -> int:
        """Remove vectors, as ``NumpyIndex.remove`` does."""
        return int(self._index.remove_ids(np.asarray(ids, np.int64)))

    def search(self, probes: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Find the k most similar vectors for each probe, as ``NumpyIndex.search`` does."""
        _require_probes(probes, k)
        wanted = min(k, self.count)
        if wanted == 0 or len(probes) == 0:
            return np.empty((len(probes), wanted), np.float32), np.empty((len(probes), wanted), np.int64)
        probes = np.ascontiguousarray(probes)
        asked = wanted
        while True:
            # FAISS cuts anywhere among equal similarities: ask for more until each row's last answer is a lesser one.
            asked = min(2 * asked, self.count)
            similarities, ids = self._index.search(probes, asked)
            if asked == self.count or bool((similarities[:, wanted - 1] > similarities[:, -1]).all()):
                break
        order = np.lexsort((ids, -similarities), axis=1)[:, :wanted]
        return np.take_along_axis(similarities, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def write(self, write: Callable[[bytes], object]) -> None:
        """Hand the index over piece by piece, in FAISS's own format."""
        faiss = _faiss()
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))


def _faiss() -> Any:
    """FAISS, imported when an index is first made. Untyped: its own types come and go with its versions."""
    limit_faiss()
    import faiss

    return faiss


def _require_new(ids: Ids, vectors: Vectors, *, held: Ids) -> None:
    _require_vectors(vectors)
    if ids.dtype != np.int64 or ids.shape != (len(vectors),):
        raise ValueError(f"{len(vectors)} vectors need as many int64 ids, not {ids.shape} {ids.dtype}")
    if len(ids) and ids.min() < 0:
        raise ValueError("an id is at least 0")
    if len(np.unique(ids)) < len(ids) or np.isin(ids, held).any():
        raise ValueError("an id is given twice, or already held")


def _require_probes(probes: Vectors, k: int) -> None:
    _require_vectors(probes)
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")


def _require_vectors(vectors: Vectors) -> None:
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != EMBEDDING_SIZE:
        raise ValueError(
            f"vectors have shape (n, {EMBEDDING_SIZE}) and type float32, not {vectors.shape} {vectors.dtype}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("vectors are finite numbers")
