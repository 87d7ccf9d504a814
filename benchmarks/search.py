"""Measure search at size: opening, one probe against FAISS's flat index, recall, memory, adding and forgetting.

    python benchmarks/search.py                     # 200,000 members with 5 templates: 5 GB of disk, 6 of memory
    python benchmarks/search.py --members 20000

Members are random unit vectors, and two templates of one member have a cosine of about 0.7. Every process here uses as
many threads as FAISS is given (``FACEGALLERY_THREADS``); FAISS's flat index uses one for a single probe.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.domain import EMBEDDING_SIZE, ModelIdentity, Vectors
from facegallery.settings import DATABASE_NAME
from facegallery.store import Store

MODEL = ModelIdentity("starter", "0" * 64)
N_PROBES = 500
N_TIMES = 21
MEMBER_COSINE = 0.7
ADDED = "2026-11-21 00:00:00.000000"


def members(n_members: int, n_templates: int, *, seed: int = 0) -> Iterator[Vectors]:
    """Templates of random people, a thousand members at a time: shape (1000 * n_templates, 512), float32, unit."""
    rng = np.random.default_rng(seed)
    for start in range(0, n_members, 1000):
        centres = units(rng.standard_normal((min(1000, n_members - start), 1, EMBEDDING_SIZE)))
        yield around(np.repeat(centres, n_templates, axis=1).reshape(-1, EMBEDDING_SIZE), rng)


def around(centres: NDArray[Any], rng: np.random.Generator) -> Vectors:
    """Another embedding of each of these people; shape as given."""
    return units(centres + np.sqrt(1 / MEMBER_COSINE - 1) * units(rng.standard_normal(centres.shape)))


def units(vectors: NDArray[Any]) -> Vectors:
    """Scaled to unit length, float32."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def make_gallery(folder: Path, batches: Iterator[Vectors], n_templates: int, *, first_id: int = 1) -> None:
    """Make or extend a gallery quickly: rows as ``Store.enroll`` writes them, in one transaction.

    Args:
        folder: The gallery's folder.
        batches: Templates, member by member.
        n_templates: Templates of each member.
        first_id: Id of the first new template; also of its photo and face.
    """
    path = folder / DATABASE_NAME
    Store.create(path, model=MODEL).close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA synchronous = OFF")
        for vectors in batches:
            ids = range(first_id, first_id + len(vectors))
            owners = [(key - 1) // n_templates + 1 for key in ids]
            names = [(owner, f"Member {owner}", f"member {owner}", ADDED) for owner in dict.fromkeys(owners)]
            raw.executemany("INSERT INTO members VALUES (?, ?, ?, ?)", names)
            raw.executemany(
                "INSERT INTO photos VALUES (?, ?, ?, 200, 200, ?)",
                [(key, f"{key:064x}", f"/photos/{key}.jpg", ADDED) for key in ids],
            )
            raw.executemany("INSERT INTO faces VALUES (?, ?, 1, 1, 99, 99, '[]', 0.99)", [(key, key) for key in ids])
            raw.executemany(
                "INSERT INTO templates VALUES (?, ?, ?, 1, ?, ?)",
                [
                    (key, key, owner, vector.tobytes(), ADDED)
                    for key, owner, vector in zip(ids, owners, vectors, strict=True)
                ],
            )
            first_id += len(vectors)
        raw.execute("UPDATE gallery_settings SET revision = revision + 1, state = lower(hex(randomblob(16)))")
