"""Made-up galleries for the tests of the index, and what is asked of them: a search by the best template alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from facegallery.domain import (
    Cipher,
    EmbeddedFace,
    Face,
    Ids,
    ModelIdentity,
    Photo,
    ScoreRule,
    TemplateSet,
    VectorIndex,
    Vectors,
)
from facegallery.gallery.search import MemberSearch
from facegallery.index.opening import forgetting
from facegallery.index.reference import NumpyIndex
from facegallery.store import Store

MODEL = ModelIdentity("starter", "a" * 64)
EXACT, CODES = 100, 3
"""Limits under which a few templates are kept as vectors, and as codes."""


def by_best_template(index: VectorIndex, templates_of: Callable[[Ids], TemplateSet]) -> MemberSearch:
    """Ranks members by their best template; nothing else can be asked of it."""
    return MemberSearch(index, ScoreRule.BEST, templates_of=templates_of, templates_of_members=_nobody)


def unit_vectors(n: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, 512)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def vector_of(name: str) -> Vectors:
    seed = int.from_bytes(sha256(name.encode()).digest()[:4], "little")
    return unit_vectors(1, seed).reshape(512)


def enroll(store: Store, *names: str) -> None:
    """One template each; a second one of a name is a near copy of the first."""
    for name in names:
        member = name.split("-")[0]
        vector = vector_of(member) + np.float32(0.3) * vector_of(name)
        photo = Photo(Path(f"/{name}.jpg"), sha256(name.encode()).hexdigest(), np.zeros((1, 1, 3), np.uint8), 1, 1)
        face = EmbeddedFace(
            Face((0, 0, 1, 1), ((0, 0),) * 5, 1), np.asarray(vector / np.linalg.norm(vector), np.float32)
        )
        store.enroll(member, photo, face=face, model=MODEL)


def forget(store: Store, folder: Path, name: str, limit: int = EXACT, cipher: Cipher | None = None) -> None:
    with forgetting(folder, store, limit=limit, cipher=cipher) as bury:
        bury(store.forget(name).template_ids)
    assert store.erase()


def answers(index: VectorIndex, store: Store, probes: Sequence[str]) -> list[list[tuple[str, float]]]:
    """Names and similarities, to five digits: the last ones depend on how many are added up at once."""
    search = by_best_template(index, store.templates_of)
    found = search.candidates(np.stack([vector_of(name) for name in probes]), 50)
    return [[(candidate.member, round(candidate.similarity, 5)) for candidate in row] for row in found]


def expected(store: Store, probes: Sequence[str]) -> list[list[tuple[str, float]]]:
    """By the reference, of all the store holds."""
    index, rows = NumpyIndex(), store.templates()
    index.add(rows.ids, rows.vectors)
    return answers(index, store, probes)


def _nobody(members: Sequence[str]) -> TemplateSet:
    raise AssertionError(f"the templates of {members} are not needed")
