"""facegallery's side: the calls that its own commands make.

The process that measures imports no network: what a side needs is imported in the side's own process.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.photos import first_photos
from benchmarks.task import MODEL, Enrolled

if TYPE_CHECKING:
    from facegallery.domain import Face, Pixels, Vectors


class OurSide:
    """Detector and embedder, loaded; a side of :class:`benchmarks.workers.Worker`."""

    def __init__(self) -> None:
        from facegallery.domain import Preparation
        from facegallery.gallery.analysis import load_analyzer
        from facegallery.weights.files import ModelFiles

        # As facenet-pytorch does it: one embedding of the box for each face.
        self._analyzer = load_analyzer(ModelFiles.default().find(MODEL), preparation=Preparation.BOX)

    def embed(self, crops: Pixels) -> Callable[[], Vectors]:
        """Embed crops of shape (n, 160, 160, 3), uint8, RGB."""
        return lambda: self._analyzer.embedder.embed(crops)

    def detect(self, pixels: Pixels) -> Callable[[], list[Face]]:
        """Find the faces in an image of shape (h, w, 3), uint8, RGB."""
        return lambda: self._analyzer.detector.detect(pixels)

    def crops(self, paths: list[Path], n_crops: int) -> Callable[[], Pixels]:
        """The first ``n_crops`` faces of photos: shape (n, 160, 160, 3), uint8, RGB."""
        import numpy as np

        from facegallery.gallery.analysis import detect_many
        from facegallery.images import read_photo

        def cut() -> Pixels:
            found: list[Pixels] = []
            for path in paths:
                photo = read_photo(path)
                found += [self._analyzer.crop(photo, face) for face in detect_many(self._analyzer.detector, [photo])[0]]
                if len(found) >= n_crops:
                    break
            return np.stack(found[:n_crops])

        return cut

    def runtime(self) -> Callable[[], str]:
        """What runs the networks and how exactly it computes, in words."""
        from facegallery.compiled import version
        from facegallery.embedding import CompiledEmbedder

        def words() -> str:
            embedder = self._analyzer.embedder
            if isinstance(embedder, CompiledEmbedder):
                return f"OpenVINO {version()}, embeds in {embedder.precision.value}, detects in f32"
            return "torch, f32"

        return words


def enroll(folder: Path, n_photos: int, gallery_folder: Path) -> Enrolled:
    """Enroll a folder of folders into a new gallery, its index written too; one embedding a face, as the peers do."""
    from facegallery import Gallery
    from facegallery.domain import Preparation
    from facegallery.gallery.enrollment import EnrollStatus, plan_folder

    plan = first_photos(plan_folder(folder), n_photos)
    with Gallery.create(gallery_folder, model=MODEL, preparation=Preparation.BOX) as gallery:
        outcomes = list(gallery.enroll(plan))
        gallery.refresh_index()
    return Enrolled(len(outcomes), sum(outcome.status is EnrollStatus.ENROLLED for outcome in outcomes))
