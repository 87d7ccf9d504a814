"""One to one: are the faces in two photos the same person? Needs no gallery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegallery.domain import EmbeddedFace, Face, Verdict
from facegallery.gallery.analysis import FaceAnalyzer, pick_face, read_and_analyze
from facegallery.matching.decisions import checked_threshold, verify


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to a 1:1 comparison.

    Attributes:
        verdict: ``match``: one person; ``unknown``: not shown to be one person.
        similarity: Cosine of the two embeddings, in [-1, 1].
        threshold: The similarity that a match needs.
        model: Name of the embedding model.
        paths: The two photos.
        face_numbers: Which face of each, from 1.
        faces: The face that was compared in each; photo frame.
    """

    verdict: Verdict
    similarity: float
    threshold: float
    model: str
    paths: tuple[Path, Path]
    face_numbers: tuple[int, int]
    faces: tuple[Face, Face]


def verify_photos(
    analyzer: FaceAnalyzer,
    paths: tuple[Path, Path],
    *,
    face_numbers: tuple[int | None, int | None] = (None, None),
    threshold: float | None = None,
) -> Verification:
    """Compare one face of each of two photos.

    A photo with several faces is not searched for the best pair: a bystander would then verify in the person's place.

    Args:
        analyzer: Detector and embedder.
        paths: The two photos.
        face_numbers: Which face of each, from 1 as ``detect`` numbers them; None where the photo has one face.
        threshold: The similarity a match needs; None takes the model's default.

    Raises:
        PhotoError: A file cannot be used as a photo.
        FaceChoiceNeeded: A photo has no face, or several and no number was given.
    """
    limit = analyzer.model.spec.threshold if threshold is None else checked_threshold(threshold)
    first, second = (
        _one_face(analyzer, path, number, option=option)
        for path, number, option in zip(paths, face_numbers, ("--face-a", "--face-b"), strict=True)
    )
    similarity = float(np.dot(first[1].embedding, second[1].embedding))
    return Verification(
        verdict=verify(similarity, limit),
        similarity=similarity,
        threshold=limit,
        model=analyzer.model.spec.name,
        paths=paths,
        face_numbers=(first[0], second[0]),
        faces=(first[1].face, second[1].face),
    )


def _one_face(analyzer: FaceAnalyzer, path: Path, number: int | None, *, option: str) -> tuple[int, EmbeddedFace]:
    """The face that is meant, and its number."""
    _, faces = read_and_analyze(analyzer, path)
    position = pick_face(path, faces, number, option=option)
    return position + 1, faces[position]
