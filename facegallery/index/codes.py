"""Rows of 2 bits a number instead of 32: short enough to look at a million of them for one probe in 5 ms.

A vector is turned by a fixed rotation, after which its numbers are spread like independent Gaussians of variance 1/512
whatever the vectors were like, and each two of them are replaced by the nearest of 16 fixed points. So the quantizer
depends on no data: it is never trained, and rows that are added later are as good as the first ones.

- Rotation: signs, then a Walsh-Hadamard transform; twice. Additions and one exact division only, so that every
  machine gives the same bits, where a matrix product would not.
- Points: the best 16 for two independent Gaussian numbers (Lloyd's algorithm on 3,000,000 samples, two decimals);
  mean square error 0.1079 of the variance. Four bits that each say one of 16 points, 256 times: what FAISS calls
  a product quantizer, and scans 32 rows at once with table look-ups in registers (``IndexPQFastScan``; Andre et al.,
  "Cache locality is not enough", VLDB 2015).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.domain import EMBEDDING_SIZE, Ids, Vectors
from facegallery.index.engine import load_faiss, require_probes
from facegallery.settings import n_threads

N_PAIRS = EMBEDDING_SIZE // 2

POINTS = np.array(
    [
        (-1.79, 0.54), (-1.68, -0.78), (-1.12, 1.67), (-0.89, -0.06), (-0.87, -1.81), (-0.53, 0.80),
        (-0.42, -0.86), (0.00, 0.00), (0.19, 1.86), (0.39, 0.80), (0.43, -1.82), (0.49, -0.74),
        (0.95, 0.06), (1.37, 1.26), (1.52, -1.08), (2.00, 0.12),
    ]
)  # fmt: skip
"""The 16 points for two independent numbers of variance 1."""

MEAN_SQUARE_ERROR = 0.1079
"""Of a number of variance 1, when it is replaced by its point."""

SCALE = float(np.sqrt(EMBEDDING_SIZE))
"""The numbers of a unit vector have variance 1/512."""

N_FIRST = 300
"""Proposals asked for at first: at 1,000,000 templates enough for nearly all probes, also those of strangers."""

SAID_DEVIATIONS = 2.5
"""Standard deviations by which a row may say less than is expected of it; 6 in 1000 say even less."""

LEAST_ROWS_A_PART = 50_000
"""Rows that are worth a thread of their own for one probe: a quarter of a millisecond."""

_CELLS_PER_UNIT = 16
_N_CELLS = 128
_ROWS_AT_ONCE = 256
"""512 KiB: the additions of the rotation then stay in a processor's cache."""


class CodeRows:
    """Codes in FAISS's own layout, in memory; the dead are left out."""

    kind = "codes"
    row_dtype = np.dtype(np.uint8)
    row_length = N_PAIRS // 2
    n_first = N_FIRST

    def __init__(self, ids: Ids, rows: NDArray[Any]) -> None:
        """Search these rows.

        Args:
            ids: shape (n,), int64; those of dead rows are negative.
            rows: shape (n, 128), uint8, from :meth:`encode`; copied.
        """
        if len(ids) and ids.min() <= 0:
            rows, ids = rows[ids > 0], ids[ids > 0]
        self.ids = ids
        n_parts = min(n_threads(), max(1, len(ids) // LEAST_ROWS_A_PART))
        self._parts = [_fast_scan(np.ascontiguousarray(part)) for part in np.array_split(rows, n_parts)]
        self._pool = ThreadPoolExecutor(n_parts) if n_parts > 1 else None

    @classmethod
    def encode(cls, vectors: Vectors) -> NDArray[Any]:
        """The rows of these vectors: the same bits on every machine.

        Args:
            vectors: shape (n, 512), float32, unit length.

        Returns:
            shape (n, 128), uint8: two pairs a byte, the first in the low four bits.
        """
        rows = np.empty((len(vectors), cls.row_length), np.uint8)
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            rows[some] = _encode(rotate(vectors[some]))
        return rows

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def least_said(self, similarity: float) -> float:
        """What the index says at least of a vector that is this similar, but for 6 in 1000.

        With points that are the means of what they stand for, a row says (1 - D) s + e of a similarity s: D is their
        mean square error, and e is Gaussian with variance D (1 - D) / 512.
        """
        deviation = float(np.sqrt(MEAN_SQUARE_ERROR * (1 - MEAN_SQUARE_ERROR) / EMBEDDING_SIZE))
        return (1 - MEAN_SQUARE_ERROR) * similarity - SAID_DEVIATIONS * deviation

    def search(self, probes: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Find the k rows that look most similar to each probe; see ``domain.VectorIndex``.

        Raises:
            ValueError: The probes are not finite float32 of shape (m, 512), or k is under 1.
        """
        require_probes(probes, k)
        wanted = min(k, self.count)
        if wanted == 0 or len(probes) == 0:
            return np.empty((len(probes), wanted), np.float32), np.empty((len(probes), wanted), np.int64)
        turned = rotate(probes)

        def scan(part: Any) -> tuple[Vectors, Ids]:
            load_faiss(len(probes))  # sets the threads of the thread that this runs in
            similarities, slots = part.search(turned, min(wanted, part.ntotal))
            return similarities, slots

        # FAISS shares out probes among its threads, and would scan all rows with one thread for a single probe.
        share = map if self._pool is None or len(probes) > 1 else self._pool.map
        scanned = list(share(scan, self._parts))
        starts = np.cumsum([0, *(part.ntotal for part in self._parts[:-1])])
        similarities = np.concatenate([found for found, _ in scanned], axis=1)
        slots = np.concatenate([start + slots for start, (_, slots) in zip(starts, scanned, strict=True)], axis=1)
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :wanted]
        return np.take_along_axis(similarities, best, axis=1), self.ids[np.take_along_axis(slots, best, axis=1)]


def rotate(vectors: Vectors) -> Vectors:
    """Turn vectors; lengths and inner products stay.

    Args:
        vectors: shape (n, 512), float32.

    Returns:
        shape (n, 512), float32, C-contiguous.
    """
    turned = np.array(vectors.T, np.float32, order="C")  # (512, n): each addition below runs over whole rows
    for signs in _signs():
        turned *= signs
        half = 1
        while half < EMBEDDING_SIZE:
            pairs = turned.reshape(-1, 2, half, turned.shape[1])
            added = np.empty_like(pairs)
            np.add(pairs[:, 0], pairs[:, 1], out=added[:, 0])
            np.subtract(pairs[:, 0], pairs[:, 1], out=added[:, 1])
            turned = added.reshape(turned.shape)
            half *= 2
    turned *= np.float32(1 / EMBEDDING_SIZE)  # a power of two: no digit is lost
    return np.ascontiguousarray(turned.T)


@lru_cache(maxsize=1)
def _signs() -> Vectors:
    """Two times 512 signs, shape (2, 512, 1), from a hash: no generator of random numbers promises to stay the same."""
    drawn = hashlib.shake_256(b"facegallery rotation").digest(2 * EMBEDDING_SIZE // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(2, EMBEDDING_SIZE, 1)
    return np.asarray(np.where(bits == 1, 1, -1), np.float32)


@lru_cache(maxsize=1)
def _nearest_points() -> NDArray[np.uint8]:
    """For each cell of a fine grid over two numbers the point nearest to its middle: shape (128 * 128,)."""
    middles = (np.arange(_N_CELLS) - _N_CELLS / 2 + 0.5) / _CELLS_PER_UNIT
    distances = np.zeros((_N_CELLS, _N_CELLS, len(POINTS)))
    distances += (middles[:, np.newaxis, np.newaxis] - POINTS[:, 0]) ** 2
    distances += (middles[np.newaxis, :, np.newaxis] - POINTS[:, 1]) ** 2
    return np.asarray(distances.argmin(axis=2), np.uint8).ravel()


def _encode(turned: Vectors) -> NDArray[np.uint8]:
    """Shape (n, 512) after the rotation to rows of shape (n, 128)."""
    cells = turned * np.float32(_CELLS_PER_UNIT * SCALE)
    cells += np.float32(_N_CELLS // 2)
    np.clip(cells, 0, _N_CELLS - 1, out=cells)
    whole = cells.astype(np.uint16)  # rounds down: none is negative
    codes = _nearest_points()[whole[:, 0::2] * np.uint16(_N_CELLS) + whole[:, 1::2]]  # (n, 256)
    return np.asarray(codes[:, 0::2] | codes[:, 1::2] << np.uint8(4), np.uint8)


def _fast_scan(rows: NDArray[np.uint8]) -> Any:
    faiss = load_faiss()
    plain = faiss.IndexPQ(EMBEDDING_SIZE, N_PAIRS, 4, faiss.METRIC_INNER_PRODUCT)
    points = np.tile((POINTS / SCALE).astype(np.float32).ravel(), N_PAIRS)
    faiss.copy_array_to_vector(points, plain.pq.centroids)
    plain.is_trained = True
    faiss.copy_array_to_vector(rows.ravel(), plain.codes)
    plain.ntotal = len(rows)
    return faiss.IndexPQFastScan(plain)
