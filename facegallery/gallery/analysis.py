"""From photos to their embedded faces: detection, quality, crops, embedder in one call, with or without a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from facegallery.crops import crop_face, landmarks_in_crop, to_photo_frame
from facegallery.domain import (
    AUTOMATIC,
    Detector,
    EmbeddedFace,
    Embedder,
    Face,
    FaceQuality,
    Photo,
    Preparation,
    RuntimeChoice,
    SkippedPhoto,
    VectorSpace,
)
from facegallery.errors import FaceChoiceNeeded, PhotoError
from facegallery.gallery.networks import load_networks
from facegallery.images import read_photo
from facegallery.quality import measure
from facegallery.walk import find_photos
from facegallery.weights.files import InstalledModel, ModelFiles

if TYPE_CHECKING:
    from torch.nn import Module

    from facegallery.domain import Pixels, Vectors

_Found = TypeVar("_Found")
_Answer = TypeVar("_Answer")

BATCH_PIXELS = 16_000_000
"""Pixels that are analyzed together at most, unless one photo alone has more; detection holds 11 bytes for each."""


@dataclass(frozen=True, slots=True)
class AnalyzedPhoto:
    """A photo and its faces.

    Attributes:
        photo: Without its pixels.
        faces: In the photo frame, most probable first.
    """

    photo: Photo
    faces: list[EmbeddedFace]


@dataclass(frozen=True)
class FaceAnalyzer:
    """A detector and an embedder that belong together.

    Attributes:
        detector: Finds the faces.
        embedder: Makes their embeddings.
        model: The installed model behind the embedder, with its default threshold.
        preparation: How faces are prepared for the embedder, which was made for it.
        keeps_crops: Whether embedded faces come with their crops.
    """

    detector: Detector
    embedder: Embedder
    model: InstalledModel
    preparation: Preparation
    keeps_crops: bool = False
    _busy: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def space(self) -> VectorSpace:
        """What its embeddings can be compared with."""
        return VectorSpace(self.model.fingerprint, self.preparation)

    def analyze(self, photo: Photo) -> list[EmbeddedFace]:
        """Faces in the photo frame with their embeddings, most probable first; empty when there is no face."""
        return self.analyze_many([photo])[0]

    def analyze_many(self, photos: Sequence[Photo]) -> list[list[EmbeddedFace]]:
        """The same for several photos, in less time than one after the other: their faces are embedded together."""
        return self.embed(photos, detect_many(self.detector, photos))

    def embed(self, photos: Sequence[Photo], found: Sequence[list[Face]]) -> list[list[EmbeddedFace]]:
        """The same faces with their embeddings, for photos and the faces that were found in each of them."""
        import numpy as np

        if not any(found):
            return [[] for _ in photos]
        crops = [self.crop(photo, face) for photo, faces in zip(photos, found, strict=True) for face in faces]
        embedded = zip(self.embedder.embed(np.stack(crops)), crops, strict=True)
        return [
            [self._with(face, measure(photo, face), *next(embedded)) for face in faces]
            for photo, faces in zip(photos, found, strict=True)
        ]

    def _with(self, face: Face, quality: FaceQuality, embedding: Vectors, crop: Pixels) -> EmbeddedFace:
        return EmbeddedFace(face, embedding, quality, crop if self.keeps_crops else None)

    def crop(self, photo: Photo, face: Face) -> Pixels:
        """The crop that is embedded: shape (160, 160, 3), uint8, RGB."""
        return crop_face(photo, face, self.preparation)

    def landmarks_in_crop(self, photo: Photo, face: Face) -> Vectors:
        """Where its landmarks are: shape (5, 2), float32, x and y, crop frame."""
        return landmarks_in_crop(photo, face, self.preparation)

    def analyze_files(self, paths: Sequence[Path]) -> list[AnalyzedPhoto | SkippedPhoto]:
        """Read photos and analyze them; a file that cannot be used is an answer too.

        Several threads may call it: some read while one is at the networks, which use all processors by themselves.
        """

        def answer(photo: Photo, faces: list[EmbeddedFace]) -> AnalyzedPhoto:
            return AnalyzedPhoto(photo.without_pixels(), faces)

        return answers_for(paths, self.analyze_many, answer, busy=self._busy)

    @cached_property
    def network(self) -> Module:
        """The embedder's network in PyTorch on the CPU, for explanations; loaded at first use."""
        from facegallery.network import load_network
        from facegallery.parts import mirrored

        network = load_network(self.model.path, name=self.model.spec.name, sha256=self.model.fingerprint)
        return mirrored(network) if self.preparation.mirrored else network


def detect_many(detector: Detector, photos: Sequence[Photo]) -> list[list[Face]]:
    """For each photo its faces in the photo frame, most probable first."""
    found = detector.detect_many([photo.pixels for photo in photos])
    return [to_photo_frame(faces, photo) for faces, photo in zip(found, photos, strict=True)]


def load_analyzer(
    model: InstalledModel, choice: RuntimeChoice = AUTOMATIC, preparation: Preparation | None = None
) -> FaceAnalyzer:
    """Load the networks. The slow part of a command's start.

    Args:
        model: The embedder's.
        choice: What runs the networks.
        preparation: How faces are prepared for the embedder; None takes the model's usual way.

    Raises:
        RuntimeUnavailable: The runtime that was asked for cannot be had.
    """
    preparation = preparation or model.spec.preparation
    detector, embedder = load_networks(model, choice, preparation)
    return FaceAnalyzer(detector=detector, embedder=embedder, model=model, preparation=preparation)


def default_analyzer(
    name: str | None = None, choice: RuntimeChoice = AUTOMATIC, preparation: Preparation | None = None
) -> FaceAnalyzer:
    """An analyzer for work without a gallery, on the named model or the best one on this machine.

    Args:
        name: The model's; None takes ``vggface2`` if its file is on this machine, else ``starter``.
        choice: What runs the networks.
        preparation: How faces are prepared for the embedder; None takes the model's usual way.

    Raises:
        ModelNotFound: The model is unknown or its file is not here.
        RuntimeUnavailable: The runtime that was asked for cannot be had.
    """
    files = ModelFiles.default()
    return load_analyzer(files.find(name or files.default_name()), choice, preparation)


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


def read_or_skip(entry: Path | SkippedPhoto) -> Photo | SkippedPhoto:
    """Read one photo; a file that cannot be used is an answer instead of an exception."""
    if isinstance(entry, SkippedPhoto):
        return entry
    try:
        return read_photo(entry)
    except PhotoError as error:
        return skipped_photo(error)


def answers_for(
    paths: Sequence[Path],
    look: Callable[[Sequence[Photo]], Sequence[_Found]],
    answer: Callable[[Photo, _Found], _Answer],
    *,
    busy: Lock,
) -> list[_Answer | SkippedPhoto]:
    """Read photos and look at them in batches that fit into memory.

    Args:
        paths: The files.
        look: What the networks find in several photos.
        answer: The answer for a photo and what was found in it; must not keep its pixels.
        busy: Held while looking, so that of several threads one looks and the others read.

    Returns:
        For each file its answer, or why it cannot be used.
    """
    answers: list[_Answer | SkippedPhoto] = []
    for batch in in_batches(map(read_or_skip, paths)):
        with busy:
            found = iter(look([read for read in batch if isinstance(read, Photo)]))
        answers += [answer(read, next(found)) if isinstance(read, Photo) else read for read in batch]
    return answers


def in_batches(reads: Iterable[Photo | SkippedPhoto]) -> Iterator[list[Photo | SkippedPhoto]]:
    """Photos with together at most ``BATCH_PIXELS``, or one larger one, as they come."""
    batch: list[Photo | SkippedPhoto] = []
    n_pixels = 0
    for read in reads:
        more = read.pixels.shape[0] * read.pixels.shape[1] if isinstance(read, Photo) else 0
        if n_pixels and n_pixels + more > BATCH_PIXELS:
            yield batch
            batch, n_pixels = [], 0
        batch.append(read)
        n_pixels += more
    if batch:
        yield batch


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
