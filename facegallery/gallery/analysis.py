"""From a photo to its embedded faces: detection, crops and the embedder in one call, with or without a gallery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.crops import crop_face, to_photo_frame
from facegallery.domain import Detector, EmbeddedFace, Face, Photo, Pixels, SkippedPhoto
from facegallery.errors import FaceChoiceNeeded, PhotoError
from facegallery.images import read_photo
from facegallery.walk import find_photos
from facegallery.weights.files import InstalledModel, ModelFiles

if TYPE_CHECKING:
    from torch.nn import Module

    from facegallery.embedding import TorchEmbedder


@dataclass(frozen=True)
class FaceAnalyzer:
    """A detector and an embedder that belong together.

    Attributes:
        detector: Finds the faces.
        embedder: Makes their embeddings.
        model: The installed model behind the embedder, with its default threshold.
    """

    detector: Detector
    embedder: TorchEmbedder
    model: InstalledModel

    def detect(self, photo: Photo) -> list[Face]:
        """Faces in the photo frame, most probable first."""
        return to_photo_frame(self.detector.detect(photo.pixels), photo)

    def analyze(self, photo: Photo) -> list[EmbeddedFace]:
        """Faces in the photo frame with their embeddings, most probable first; empty when there is no face."""
        faces = self.detect(photo)
        if not faces:
            return []
        embeddings = self.embedder.embed(self.crops(photo, faces))
        return [EmbeddedFace(face=face, embedding=row) for face, row in zip(faces, embeddings, strict=True)]

    @property
    def network(self) -> Module:
        """The embedder's network in PyTorch, for explanations."""
        return self.embedder.network

    def crops(self, photo: Photo, faces: list[Face]) -> Pixels:
        """What the embedder sees: shape (n, 160, 160, 3), uint8, RGB."""
        import numpy as np

        return np.stack([crop_face(photo, face) for face in faces])


def load_detector() -> Detector:
    """The detector that every gallery and command uses."""
    from facegallery.detection import MtcnnDetector

    return MtcnnDetector.load()


def load_analyzer(model: InstalledModel) -> FaceAnalyzer:
    """Load the networks. The slow part of a command's start: torch and the weights are read here."""
    from facegallery.embedding import TorchEmbedder

    return FaceAnalyzer(
        detector=load_detector(),
        embedder=TorchEmbedder.load(model.path, model.identity),
        model=model,
    )


def default_analyzer(name: str | None = None) -> FaceAnalyzer:
    """An analyzer for work without a gallery, on the named model or the best one on this machine.

    Raises:
        ModelNotFound: The model is unknown or its file is not here.
    """
    files = ModelFiles.default()
    return load_analyzer(files.find(name or files.default_name()))


def pick_face(path: Path, faces: list[EmbeddedFace], number: int | None, *, option: str) -> int:
    """Position of the one face that is meant.

    Args:
        path: The photo, for the message.
        faces: All faces of the photo.
        number: The number asked for, from 1, or None when the person named none.
        option: The option that names a number, for the message.

    Raises:
        FaceChoiceNeeded: No face, several and no number, or no face of that number.
    """
    if number is not None and not 1 <= number <= len(faces):
        raise FaceChoiceNeeded(path, len(faces), f"{option} {number} names none of them.")
    if number is None and len(faces) != 1:
        advice = (
            "Take a photo in which the face is larger, sharper or less turned away."
            if not faces
            else f"Say which with {option} N; 'facegallery detect PHOTO --draw DIR' shows the numbers."
        )
        raise FaceChoiceNeeded(path, len(faces), advice)
    return 0 if number is None else number - 1


def expand(inputs: Iterable[Path | str | SkippedPhoto]) -> list[Path | SkippedPhoto]:
    """The photos among files and folders, all found before the first is worked on: pictures that are drawn into one of
    the folders meanwhile are not taken for photos, and the number of photos is known.
    """
    return list(find_photos(Path(entry) if isinstance(entry, str) else entry for entry in inputs))


def skipped_photo(error: PhotoError) -> SkippedPhoto:
    """A file that cannot be used, as an answer instead of an exception."""
    return SkippedPhoto(error.path, error.fault.value, error.reason)


def read_and_analyze(analyzer: FaceAnalyzer, path: Path) -> tuple[Photo, list[EmbeddedFace]]:
    """Read one photo and find its faces.

    Raises:
        PhotoError: The file cannot be used as a photo.
    """
    photo = read_photo(path)
    return photo, analyzer.analyze(photo)
