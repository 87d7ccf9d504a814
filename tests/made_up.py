"""Made-up photos, faces and galleries for tests that need no network: vectors from seeds, hashes from words."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np

from facegallery.domain import EmbeddedFace, EnrolledFace, Face, ModelIdentity, Photo, Secret, SecretKind, Vectors
from facegallery.store import Store

MODEL = ModelIdentity("starter", "a" * 64)
LANDMARKS = ((20.0, 30.0), (40.0, 30.0), (30.0, 40.0), (22.0, 50.0), (38.0, 50.5))
KEY = Secret(SecretKind.KEY_FILE, bytes(range(32)))


def photo(word: str, path: str | None = None) -> Photo:
    """A photo whose bytes are known by a word."""
    content_hash = sha256(word.encode()).hexdigest()
    return Photo(Path(path or f"/photos/of {word}.jpg"), content_hash, np.zeros((2, 3, 3), np.uint8), 3, 2)


def vector(seed: int) -> Vectors:
    """Shape (512,), float32, unit length."""
    drawn = np.random.default_rng(seed).standard_normal(512).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn), np.float32)


def face(seed: int, left: float = 10.0) -> EmbeddedFace:
    """A face whose place is the same for all seeds unless it is moved."""
    return EmbeddedFace(Face((left, 20.0, left + 40.5, 70.25), LANDMARKS, 0.9375), vector(seed))


def enroll(store: Store, name: str, *seeds: int) -> list[EnrolledFace]:
    """One photo and face for each seed."""
    return [store.enroll(name, photo(f"{name} {seed}"), face=face(seed), model=MODEL) for seed in seeds]


def bytes_of(folder: Path) -> bytes:
    """All files of a folder and its folders."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
