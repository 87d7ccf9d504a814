"""Pictures of answers: faces, names and landmarks drawn on the photo, one PNG a photo."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from facegallery.domain import Face, SkippedPhoto, Verdict
from facegallery.errors import ExplanationError, PhotoError
from facegallery.gallery.detecting import DetectedPhoto
from facegallery.gallery.identification import IdentifiedFace, IdentifiedPhoto
from facegallery.images import read_photo
from facegallery.matching.quality_policy import DEFAULT_POLICY
from facegallery.pictures.boxes import draw_faces
from facegallery.pictures.output import save_png
from facegallery.walk import DRAWN

NOT_DRAWN = "not_drawn"
MAX_STEM_BYTES = 200
"""File systems take 255 bytes for a name, and the name gets longer here."""


class Drawings:
    """A folder that pictures are written into; photos of one name do not overwrite each other.

    Attributes:
        folder: Where the pictures go.
        written: The pictures written so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []

    def path_for(self, photo: Path) -> Path:
        """``<name>-faces.png``, numbered where another photo of that name was drawn; a very long name is shortened."""
        stem = os.fsdecode(os.fsencode(photo.stem)[:MAX_STEM_BYTES])
        path, number = self.folder / f"{stem}{DRAWN}", 1
        while path in self.written:
            number += 1
            path = self.folder / f"{stem}-{number}{DRAWN}"
        return path


def draw_identified(result: IdentifiedPhoto, drawings: Drawings) -> Path:
    """Draw the decisions on a photo. Returns the picture's path.

    Raises:
        PhotoError: The photo can no longer be read.
        ExplanationError: The picture cannot be written.
    """
    labelled: list[tuple[Face, str, Verdict | None]] = []
    for face in result.faces:
        labelled.append((face.face, _label(face), face.decision.verdict))
    return _draw(result.path, labelled, drawings)


def _label(face: IdentifiedFace) -> str:
    """Number, who, how similar, and what is wrong with the face's picture."""
    best, runner_up = face.decision.best, face.decision.runner_up
    who = face.decision.member or face.decision.verdict.value
    if face.decision.verdict is Verdict.AMBIGUOUS and best is not None and runner_up is not None:
        who = f"{best.member}? {runner_up.member}?"
    similarity = [] if best is None else [f"{best.similarity:.2f}"]
    faults = [f"({fault.code.value})" for fault in DEFAULT_POLICY.faults(face.face, face.quality)]
    return " ".join([str(face.number), who, *similarity, *faults])


def draw_detected(result: DetectedPhoto, drawings: Drawings) -> Path:
    """Draw the detections on a photo. Returns the picture's path.

    Raises:
        PhotoError: The photo can no longer be read.
        ExplanationError: The picture cannot be written.
    """
    labelled: list[tuple[Face, str, Verdict | None]] = [
        (face, f"{number} {face.probability:.2f}", None) for number, face in enumerate(result.faces, start=1)
    ]
    return _draw(result.path, labelled, drawings)


def _draw(photo: Path, labelled: list[tuple[Face, str, Verdict | None]], drawings: Drawings) -> Path:
    path = drawings.path_for(photo)
    # Read again rather than kept since the answer: answers of a large folder must not hold its pixels.
    save_png(draw_faces(read_photo(photo), labelled), path)
    drawings.written.append(path)
    return path


Result = TypeVar("Result", IdentifiedPhoto, DetectedPhoto)


def drawn_or_why(draw: Callable[[Result, Drawings], Path], result: Result, drawings: Drawings) -> list[SkippedPhoto]:
    """Draw one result. A picture that cannot be drawn is an entry in the list, and the other answers are not lost."""
    try:
        draw(result, drawings)
    except (PhotoError, ExplanationError) as error:
        return [SkippedPhoto(result.path, NOT_DRAWN, f"no picture of it: {error}")]
    return []
