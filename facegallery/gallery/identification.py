"""One to many: who is in a photo. Every face gets a decision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegallery.domain import Decision, EmbeddedFace, Face, Photo, Vectors
from facegallery.gallery.search import MemberSearch
from facegallery.matching.decisions import decide_photo

N_CANDIDATES = 2
"""Candidates reported for each face unless more are asked for: the best and the runner-up."""


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """One face and its decision.

    Attributes:
        number: From 1, most probable detection first; the same number as ``detect`` gives.
        face: The detection; photo frame.
        decision: Who it is, or unknown.
    """

    number: int
    face: Face
    decision: Decision


@dataclass(frozen=True, slots=True)
class IdentifiedPhoto:
    """One photo with a decision for each of its faces.

    Attributes:
        path: The file.
        content_hash: SHA-256 of its bytes.
        width_px: Width of the upright photo.
        height_px: Height of the upright photo.
        faces: Possibly none.
        notice: Something to know though the photo could be read, or None.
    """

    path: Path
    content_hash: str
    width_px: int
    height_px: int
    faces: tuple[IdentifiedFace, ...]
    notice: str | None = None


def identify_faces(
    photo: Photo, faces: list[EmbeddedFace], *, search: MemberSearch, threshold: float, top: int = N_CANDIDATES
) -> IdentifiedPhoto:
    """Decide about all faces of one photo.

    Args:
        photo: The photo; its pixels are not needed.
        faces: Its faces with embeddings.
        search: Ranks the members.
        threshold: The similarity that a match needs.
        top: Candidates to report for each face.
    """
    # A face may lose its best members to all the other faces of the photo and must still have a runner-up.
    n_members = max(top, len(faces) + 1)
    candidates = search.candidates(stack_embeddings(faces), n_members) if faces else []
    decisions = decide_photo(candidates, threshold=threshold)
    return IdentifiedPhoto(
        path=photo.path,
        content_hash=photo.content_hash,
        width_px=photo.width_px,
        height_px=photo.height_px,
        faces=tuple(
            IdentifiedFace(number, embedded.face, decision)
            for number, (embedded, decision) in enumerate(zip(faces, decisions, strict=True), start=1)
        ),
        notice=photo.notice,
    )


def stack_embeddings(faces: list[EmbeddedFace]) -> Vectors:
    """Embeddings of several faces as one array: shape (n, 512), float32."""
    return np.stack([face.embedding for face in faces])
