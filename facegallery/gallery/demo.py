"""The demonstration: the bundled sample group, enrolled, identified and explained into one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from facegallery.domain import SkippedPhoto, Verdict
from facegallery.gallery.drawing import Drawings, draw_identified
from facegallery.gallery.enrollment import EnrollOutcome, plan_folder
from facegallery.gallery.explaining.output import draw_explanation, page_of
from facegallery.gallery.explaining.values import Explanation
from facegallery.gallery.gallery import Gallery
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.pictures.output import save_png
from facegallery.pictures.page import save_page
from facegallery.settings import bundled
from facegallery.walk import find_photos

MODEL = "starter"
"""The demonstration runs on the bundled model, so that it is the same on every machine."""


class Demo:
    """One run of the demonstration. A second run into the same folder finds everything enrolled already.

    Attributes:
        gallery: The demonstration's own gallery.
        enroll_files: The photos to enroll.
        probe_files: The photos to identify: single portraits of members and strangers, and a group photo.
        pictures: The pictures and pages written so far.
    """

    def __init__(self, gallery: Gallery, output: Path) -> None:
        sample = bundled("sample_group")
        self.gallery = gallery
        self._plan = plan_folder(sample / "enroll")
        self.enroll_files = [photo for entry in self._plan for photo in entry.photos]
        self.probe_files = [*find_photos([sample / "probe"]), sample / "group.jpg"]
        self._output = output
        self.pictures: list[Path] = []

    @classmethod
    def prepare(cls, output: Path) -> Demo:
        """Open or make the demonstration's gallery inside a folder.

        Raises:
            GalleryError: The folder holds something else, or cannot be written.
        """
        folder = output / "gallery"
        return cls(Gallery.create(folder, model=MODEL), output)

    def __enter__(self) -> Demo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gallery.close()

    def enroll(self) -> Iterator[EnrollOutcome]:
        """Enroll the sample group."""
        yield from self.gallery.enroll(self._plan)
        self.gallery.refresh_index()

    def identify(self) -> Iterator[IdentifiedPhoto]:
        """Identify the probes, and draw the group photo."""
        drawings = Drawings(self._output)
        for result in self.gallery.identify(self.probe_files):
            if isinstance(result, SkippedPhoto):
                continue  # the bundled photos are read by a test; one that cannot be is no reason to stop here
            if len(result.faces) > 1:
                draw_identified(result, drawings)
            yield result
        self.pictures += drawings.written

    def explain(self, photos: Sequence[IdentifiedPhoto]) -> Iterator[tuple[str, Explanation]]:
        """Explain the first match and the first unknown among single portraits, each with a picture and a page."""
        for verdict, title in ((Verdict.MATCH, "A match explained"), (Verdict.UNKNOWN, "An unknown explained")):
            photo = next(
                photo for photo in photos if len(photo.faces) == 1 and photo.faces[0].decision.verdict is verdict
            )
            explanation = self.gallery.explain(photo.path)
            picture, page = (self._output / f"explain-{verdict.value}{suffix}" for suffix in (".png", ".html"))
            save_png(draw_explanation(explanation), picture)
            save_page(page_of(explanation), page)
            self.pictures += [picture, page]
            yield f"{title}: {photo.path.name}", explanation
