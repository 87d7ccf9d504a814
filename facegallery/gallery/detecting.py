"""Faces in photos, without a gallery and without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facegallery.domain import AUTOMATIC, Detector, Face, Photo, RuntimeChoice, SkippedPhoto
from facegallery.gallery.analysis import detect_many, expand, photo_or_none, read_or_skip
from facegallery.gallery.networks import load_detector
from facegallery.gallery.pipeline import analyzed


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
    inputs: Iterable[Path | str | SkippedPhoto],
    *,
    detector: Detector | None = None,
    runtime: RuntimeChoice = AUTOMATIC,
) -> Iterator[DetectedPhoto | SkippedPhoto]:
    """Find the faces in photos and folders of photos.

    Args:
        inputs: Photos and folders.
        detector: None loads the one that galleries use.
        runtime: How that one's networks are to be run.

    Yields:
        One value a photo: its faces, possibly none, or why it was skipped.
    """
    used = detector or load_detector(runtime)

    def detect(photos: Sequence[Photo]) -> list[list[Face]]:
        return detect_many(used, photos)

    for read, faces in analyzed(expand(inputs), read_or_skip, photo_or_none, detect):
        if isinstance(read, SkippedPhoto):
            yield read
        else:
            found = tuple(faces or ())
            yield DetectedPhoto(read.path, read.content_hash, read.width_px, read.height_px, found, read.notice)
