"""Faces in photos, without a gallery and without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock

from facegallery.domain import AUTOMATIC, Detector, Face, FaceQuality, Photo, RuntimeChoice, SkippedPhoto
from facegallery.gallery.analysis import answers_for, detect_many, expand
from facegallery.gallery.jobs import AnalysisJob, analysis_of
from facegallery.gallery.networks import load_detector
from facegallery.gallery.pipeline import analyzed
from facegallery.quality import measure


@dataclass(frozen=True, slots=True)
class DetectedPhoto:
    """One photo and the faces in it.

    Attributes:
        path: The file.
        content_hash: SHA-256 of its bytes.
        width_px: Width of the upright photo.
        height_px: Height of the upright photo.
        faces: Most probable first; photo frame. Their numbers are their places, from 1.
        qualities: Beside them, what their pictures are like.
        notice: Something to know though the photo could be read, or None.
    """

    path: Path
    content_hash: str
    width_px: int
    height_px: int
    faces: tuple[Face, ...]
    qualities: tuple[FaceQuality, ...]
    notice: str | None


class FileDetector:
    """Detects in files; several threads may share one."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._busy = Lock()

    def detect_files(self, paths: Sequence[Path]) -> list[DetectedPhoto | SkippedPhoto]:
        """Read photos and find their faces; a file that cannot be used is an answer too."""
        return answers_for(paths, partial(detect_many, self._detector), _detected, busy=self._busy)


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
    found = expand(inputs)

    loading = Lock()

    @cache
    def loaded() -> FileDetector:
        return FileDetector(detector or load_detector(runtime))

    def here(paths: Sequence[Path]) -> list[DetectedPhoto | SkippedPhoto]:
        with loading:
            file_detector = loaded()
        return file_detector.detect_files(paths)

    job = AnalysisJob(None, runtime, None) if detector is None else None
    with analysis_of(len(found), job, here) as analysis:
        for _, answer in analyzed(found, lambda entry: entry, analysis):
            yield answer


def _detected(photo: Photo, faces: list[Face]) -> DetectedPhoto:
    return DetectedPhoto(
        path=photo.path,
        content_hash=photo.content_hash,
        width_px=photo.width_px,
        height_px=photo.height_px,
        faces=tuple(faces),
        qualities=tuple(measure(photo, face) for face in faces),
        notice=photo.notice,
    )
