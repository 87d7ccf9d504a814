"""The two ways to analyze many photos, in this process or in several, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from facegallery.domain import Preparation, RuntimeChoice
from facegallery.gallery.networks import are_prepared
from facegallery.gallery.pipeline import Analysis
from facegallery.gallery.workers import Job, Workers
from facegallery.settings import n_workers
from facegallery.weights.files import InstalledModel

MANY_PHOTOS = 48
"""From this many photos on processes are worth their start, which takes as long as some 20 photos."""

_GROUPS_HERE = 2
"""In one process: one group is decoded while the networks look at the other."""


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """Detect and embed.

    Attributes:
        model: The embedder's model; None for detection alone.
        choice: How the networks are to be run.
        preparation: How faces are prepared for the embedder; None for detection alone.
        keeps_crops: Whether embedded faces come with their crops.
    """

    model: InstalledModel | None
    choice: RuntimeChoice
    preparation: Preparation | None
    keeps_crops: bool = False

    def load(self) -> Callable[[Sequence[Path]], Sequence[Any]]:
        """See ``workers.Job``."""
        if self.model is None:
            from facegallery.gallery.detecting import FileDetector
            from facegallery.gallery.networks import load_detector

            return FileDetector(load_detector(self.choice)).detect_files
        from facegallery.gallery.analysis import load_analyzer

        analyzer = load_analyzer(self.model, self.choice, self.preparation)
        return replace(analyzer, keeps_crops=self.keeps_crops).analyze_files


class ModelJob(Job, Protocol):
    """Such a job, and others that have networks to prepare."""

    @property
    def model(self) -> InstalledModel | None:
        """The embedder's model; None for detection alone."""
        ...

    @property
    def choice(self) -> RuntimeChoice:
        """How the networks are to be run."""
        ...


@contextmanager
def analysis_of(
    n_photos: int, job: ModelJob | None, here: Callable[[Sequence[Path]], Sequence[Any]]
) -> Iterator[Analysis[Any]]:
    """The quicker way for so many photos.

    Args:
        n_photos: How many there are to look at.
        job: What processes would do; None where there must be none.
        here: Does the same in this process.
    """
    n = n_workers()
    if job is None or n < 2 or n_photos < MANY_PHOTOS:
        yield Analysis(here, _GROUPS_HERE)
        return
    first, is_prepared = Lock(), cache(lambda: are_prepared(job.model, job.choice))

    def analyze(paths: Sequence[Path]) -> Sequence[Any]:
        with first:  # asked once, and only when there is something to do
            by_workers = is_prepared()
        return workers.analyze(paths) if by_workers else here(paths)

    with Workers(job, n) as workers:
        yield Analysis(analyze, n)
