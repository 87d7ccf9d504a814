"""The photos of an experiment, each looked at once: what was found in it, or why it gave nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from facegallery.domain import Preparation, RuntimeChoice, SkippedPhoto
from facegallery.gallery.analysis import AnalyzedPhoto, answers_for, detect_many, load_analyzer
from facegallery.gallery.enrollment import NO_FACE
from facegallery.gallery.jobs import analysis_of
from facegallery.gallery.pipeline import analyzed
from facegallery.weights.files import InstalledModel

if TYPE_CHECKING:
    from facegallery.domain import EmbeddedFace, Photo, Vectors
    from facegallery.evaluation.subjects import SubjectRule

ByPreparation = Mapping[Preparation, AnalyzedPhoto]
"""What was found in a photo: the same faces, embedded in each way."""

Looked = ByPreparation | SkippedPhoto


@dataclass(frozen=True, slots=True)
class ComparingJob:
    """Detect, and embed what was found in several ways.

    Attributes:
        model: The embedder's model.
        choice: How the networks are to be run.
        preparations: The ways, at least one.
    """

    model: InstalledModel
    choice: RuntimeChoice
    preparations: tuple[Preparation, ...] = tuple(Preparation)

    def load(self) -> Callable[[Sequence[Path]], Sequence[Looked]]:
        """See ``workers.Job``."""
        loaded = {way.mirrored: load_analyzer(self.model, self.choice, way) for way in self.preparations}
        analyzers = [replace(loaded[way.mirrored], preparation=way) for way in self.preparations]
        busy = Lock()

        def look(photos: Sequence[Photo]) -> list[tuple[list[EmbeddedFace], ...]]:
            found = detect_many(analyzers[0].detector, photos)
            return list(zip(*(analyzer.embed(photos, found) for analyzer in analyzers), strict=True))

        def answer(photo: Photo, ways: tuple[list[EmbeddedFace], ...]) -> ByPreparation:
            kept = photo.without_pixels()
            return {way: AnalyzedPhoto(kept, faces) for way, faces in zip(self.preparations, ways, strict=True)}

        return lambda paths: answers_for(paths, look, answer, busy=busy)


def look_at(paths: Sequence[Path], job: ComparingJob) -> Iterator[tuple[Path, Looked]]:
    """Each photo and what was found in it, in order, as it is done; in several processes where that is quicker."""
    loaded: list[Callable[[Sequence[Path]], Sequence[Looked]]] = []
    loading = Lock()

    def here(some: Sequence[Path]) -> Sequence[Looked]:
        with loading:
            if not loaded:
                loaded.append(job.load())
        return loaded[0](some)

    with analysis_of(len(paths), job, here) as analysis:
        yield from analyzed(paths, lambda path: path, analysis)


def prepared(found: Mapping[Path, Looked], preparation: Preparation) -> dict[Path, AnalyzedPhoto | SkippedPhoto]:
    """What was found, by one of the ways in which it was embedded."""
    return {path: answer if isinstance(answer, SkippedPhoto) else answer[preparation] for path, answer in found.items()}


def subject_embeddings(found: Mapping[Path, AnalyzedPhoto | SkippedPhoto], subject: SubjectRule) -> dict[Path, Vectors]:
    """For each photo with a face the embedding of the person it is of: shape (512,), float32, unit length."""
    embeddings = {}
    for path, answer in found.items():
        place = None if isinstance(answer, SkippedPhoto) else subject(answer.photo, answer.faces)
        if place is not None and not isinstance(answer, SkippedPhoto):
            embeddings[path] = answer.faces[place].embedding
    return embeddings


def left_out(found: Mapping[Path, AnalyzedPhoto | SkippedPhoto]) -> tuple[SkippedPhoto, ...]:
    """The photos that gave no face, and why: failure to acquire."""
    said = []
    for path, answer in found.items():
        if isinstance(answer, SkippedPhoto):
            said.append(answer)
        elif not answer.faces:
            said.append(SkippedPhoto(path, NO_FACE, "no face was found in it"))
    return tuple(said)
