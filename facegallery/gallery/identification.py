"""One to many: who is in a photo. Every face gets a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facegallery.domain import (
    Calibration,
    Decision,
    EmbeddedFace,
    Face,
    FaceQuality,
    Limits,
    Photo,
    SkippedPhoto,
    Vectors,
)
from facegallery.gallery.analysis import AnalyzedPhoto
from facegallery.gallery.asking import Asking
from facegallery.gallery.pipeline import Analysis, analyzed
from facegallery.gallery.search import MemberSearch
from facegallery.matching.assignment import decide_photo
from facegallery.matching.strangers import strangers_of

N_CANDIDATES = 2
"""Candidates reported for each face unless more are asked for: the best and the runner-up."""


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """One face and its decision.

    Attributes:
        number: From 1, most probable detection first; the same number as ``detect`` gives.
        face: The detection; photo frame.
        decision: Who it is, or unknown.
        quality: What the picture of the face is like. A poor one is decided about all the same: poor faces of strangers
            are named no more often than others, and a person must not vanish for being far away.
    """

    number: int
    face: Face
    decision: Decision
    quality: FaceQuality | None


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
    photo: Photo,
    faces: list[EmbeddedFace],
    *,
    search: MemberSearch,
    limits: Limits,
    top: int = N_CANDIDATES,
    calibration: Calibration | None = None,
) -> IdentifiedPhoto:
    """Decide about all faces of one photo.

    Args:
        photo: The photo; its pixels are not needed.
        faces: Its faces with embeddings.
        search: Ranks the members.
        limits: What a match needs.
        top: Candidates to report for each face.
        calibration: The gallery's for this score rule: says how many strangers would score as high.
    """
    # A face may lose its best members to all the other faces of the photo and must still have a runner-up.
    n_members = max(top, len(faces) + 1)
    candidates = search.candidates(stack_embeddings(faces), n_members) if faces else []
    decisions = [_with_strangers(decision, calibration) for decision in decide_photo(candidates, limits=limits)]
    return IdentifiedPhoto(
        path=photo.path,
        content_hash=photo.content_hash,
        width_px=photo.width_px,
        height_px=photo.height_px,
        faces=tuple(
            IdentifiedFace(number, embedded.face, decision, embedded.quality)
            for number, (embedded, decision) in enumerate(zip(faces, decisions, strict=True), start=1)
        ),
        notice=photo.notice,
    )


def identify_photos(
    photos: Iterable[Path | SkippedPhoto],
    analysis: Analysis[AnalyzedPhoto | SkippedPhoto],
    *,
    asking: Asking,
    top: int = N_CANDIDATES,
) -> Iterator[IdentifiedPhoto | SkippedPhoto]:
    """Decide about all faces of many photos, by one moment of the gallery.

    Args:
        photos: The files, or why one was skipped.
        analysis: Finds and embeds faces.
        asking: What is answered by.
        top: Candidates to report for each face.

    Yields:
        One value a photo, as it is done; where decisions are logged, it is in the log by then.
    """
    for _, answer in analyzed(photos, lambda entry: entry, analysis):
        if isinstance(answer, SkippedPhoto):
            yield answer
            continue
        identified = identify_faces(
            answer.photo,
            answer.faces,
            search=asking.search,
            limits=asking.limits,
            top=top,
            calibration=asking.calibration,
        )
        decisions = {face.number: face.decision for face in identified.faces}
        asking.log.keep(identified.path, identified.content_hash, decisions)
        yield identified


def _with_strangers(decision: Decision, calibration: Calibration | None) -> Decision:
    if calibration is None or decision.best is None:
        return decision
    return replace(decision, strangers=strangers_of(calibration, decision.best.similarity))


def stack_embeddings(faces: list[EmbeddedFace]) -> Vectors:
    """Embeddings of several faces as one array: shape (n, 512), float32."""
    return np.stack([face.embedding for face in faces])
