"""Which faces of a folder are explained, and against what: a probe for each person, and that person's nearest photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import Photo, SkippedPhoto
from facegallery.gallery.analysis import FaceAnalyzer, in_batches, read_or_skip
from facegallery.walk import find_photos, member_folders

if TYPE_CHECKING:
    from facegallery.domain import Pixels, Vectors

LEAST_PHOTOS = 2
"""Photos with exactly one face that a person needs: one to explain, one to compare it with."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A face to explain.

    Attributes:
        person: Name of the person's folder.
        path: The photo.
        crop: shape (160, 160, 3), uint8, RGB.
        embedding: shape (512,), float32, unit length.
        nearest: The embedding of the person's most similar other photo, in the same form.
        nearest_path: That photo.
        similarity: The two embeddings' cosine.
        n_left_out: The person's photos that could not be read or have not exactly one face.
    """

    person: str
    path: Path
    crop: Pixels
    embedding: Vectors
    nearest: Vectors
    nearest_path: Path
    similarity: float
    n_left_out: int


@dataclass(frozen=True, slots=True)
class SkippedPerson:
    """A person who is left out, and why.

    Attributes:
        person: Name of the person's folder.
        reason: In words, one line.
    """

    person: str
    reason: str


def find_probes(folder: Path, *, analyzer: FaceAnalyzer, n_faces: int | None = None) -> Iterator[Probe | SkippedPerson]:
    """For each person of a folder the face to explain: that of the first photo, by name, with exactly one face.

    Args:
        folder: Holds one folder a person.
        analyzer: Finds and embeds the faces.
        n_faces: How many probes are wanted; None for one of each person.

    Yields:
        A probe or the reason why there is none, in the natural order of the folders' names.

    Raises:
        PhotoError: ``folder`` is missing, is no folder or cannot be looked into.
    """
    n_found = 0
    for person, of_person in member_folders(folder):
        if n_found == n_faces:
            return
        paths = list(find_photos([of_person]))
        faces = _single_faces(paths, analyzer)
        if len(faces) < LEAST_PHOTOS:
            found = f"{len(faces)} of {len(paths)} photos can be used: they must be readable, with exactly one face"
            yield SkippedPerson(person, f"{found}; {LEAST_PHOTOS} are needed")
            continue
        n_found += 1
        path, crop, embedding = faces[0]
        others = np.stack([other for _, _, other in faces[1:]])
        similarities = others @ embedding
        best = int(similarities.argmax())
        yield Probe(
            person=person,
            path=path,
            crop=crop,
            embedding=embedding,
            nearest=others[best],
            nearest_path=faces[1 + best][0],
            similarity=float(similarities[best]),
            n_left_out=len(paths) - len(faces),
        )


def _single_faces(paths: Sequence[Path | SkippedPhoto], analyzer: FaceAnalyzer) -> list[tuple[Path, Pixels, Vectors]]:
    """Path, crop and embedding of each photo that has exactly one face."""
    found = []
    for batch in in_batches(map(read_or_skip, paths)):
        photos = [read for read in batch if isinstance(read, Photo)]
        for photo, faces in zip(photos, analyzer.analyze_many(photos), strict=True):
            if len(faces) == 1:
                found.append((photo.path, analyzer.crop(photo, faces[0].face), faces[0].embedding))
    return found
