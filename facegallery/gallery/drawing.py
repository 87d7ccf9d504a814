"""Pictures of answers: faces, names and landmarks drawn on the photo, one PNG a photo."""

from __future__ import annotations

from pathlib import Path

from facegallery.domain import Face, Verdict
from facegallery.gallery.detecting import DetectedPhoto
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.images import read_photo
from facegallery.pictures.boxes import draw_faces
from facegallery.pictures.panel import save_png


class Drawings:
    """A folder that pictures are written into; photos of one name do not overwrite each other.

    Attributes:
        folder: Where the pictures go.
        written: The pictures written so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []

    def path_for(self, photo: Path, content_hash: str) -> Path:
        """``<name>-faces.png``; with the start of the content hash where another photo has that name already."""
        plain = self.folder / f"{photo.stem}-faces.png"
        return plain if plain not in self.written else self.folder / f"{photo.stem}-{content_hash[:8]}-faces.png"


def draw_identified(result: IdentifiedPhoto, drawings: Drawings) -> Path:
    """Draw the decisions on a photo. Returns the picture's path.

    Raises:
        PhotoError: The photo can no longer be read.
    """
    labelled: list[tuple[Face, str, Verdict | None]] = []
    for face in result.faces:
        best, name = face.decision.best, face.decision.member or "unknown"
        label = f"{face.number} {name}" if best is None else f"{face.number} {name} {best.similarity:.2f}"
        labelled.append((face.face, label, face.decision.verdict))
    return _draw(result.path, result.content_hash, labelled, drawings)


def draw_detected(result: DetectedPhoto, drawings: Drawings) -> Path:
    """Draw the detections on a photo. Returns the picture's path.

    Raises:
        PhotoError: The photo can no longer be read.
    """
    labelled: list[tuple[Face, str, Verdict | None]] = [
        (face, f"{number} {face.probability:.2f}", None) for number, face in enumerate(result.faces, start=1)
    ]
    return _draw(result.path, result.content_hash, labelled, drawings)


def _draw(photo: Path, content_hash: str, labelled: list[tuple[Face, str, Verdict | None]], drawings: Drawings) -> Path:
    path = drawings.path_for(photo, content_hash)
    # Read again rather than kept since the answer: answers of a large folder must not hold its pixels.
    save_png(draw_faces(read_photo(photo), labelled), path)
    drawings.written.append(path)
    return path
