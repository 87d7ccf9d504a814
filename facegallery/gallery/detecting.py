"""Faces in photos, without a gallery and without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facegallery.crops import to_photo_frame
from facegallery.domain import Detector, Face, SkippedPhoto
from facegallery.errors import PhotoError
from facegallery.gallery.analysis import expand, load_detector, skipped_photo
from facegallery.images import read_photo


@dataclass(frozen=True, slots=True)
class DetectedPhoto:
    """One photo and the faces in it.

    Attributes:
        path: The file.
        content_hash: SHA-256 of its bytes.
        width_px: Width of the upright photo.
        height_px: Height of the upright photo.
        faces: Most probable first; photo frame. Their numbers are their places, from 1.
        notice: Something to know though the photo could be read, or None.
    """

    path: Path
    content_hash: str
    width_px: int
    height_px: int
    faces: tuple[Face, ...]
    notice: str | None


def detect_photos(
    inputs: Iterable[Path | str | SkippedPhoto], *, detector: Detector | None = None
) -> Iterator[DetectedPhoto | SkippedPhoto]:
    """Find the faces in photos and folders of photos.

    Args:
        inputs: Photos and folders.
        detector: None loads the one that galleries use.

    Yields:
        One value a photo: its faces, possibly none, or why it was skipped.
    """
    detector = detector or load_detector()
    for found in expand(inputs):
        if isinstance(found, SkippedPhoto):
            yield found
            continue
        try:
            photo = read_photo(found)
        except PhotoError as error:
            yield skipped_photo(error)
            continue
        faces = tuple(to_photo_frame(detector.detect(photo.pixels), photo))
        yield DetectedPhoto(photo.path, photo.content_hash, photo.width_px, photo.height_px, faces, photo.notice)
