"""The model of an experiment, and looking at its photos, with a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facegallery.cli.console import INTERRUPTED, advance, note, progress, stoppable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facegallery.evaluation.acquisition import ComparingJob, Looked
    from facegallery.weights.files import InstalledModel


def chosen_model(name: str | None) -> InstalledModel:
    """The named model, or the one that a new gallery takes.

    Raises:
        ModelNotFound: There is no such model, or its file is not here.
    """
    from facegallery.weights.files import ModelFiles

    files = ModelFiles.default()
    return files.find(name or files.default_name())


def look_or_exit(photos: Sequence[Path], job: ComparingJob) -> dict[Path, Looked]:
    """What was found in each photo.

    Raises:
        Exit: Ctrl-C. Rates over some of the photos would be those of another experiment.
    """
    from facegallery.evaluation.acquisition import look_at

    found: dict[Path, Looked] = {}
    with progress("Finding faces", len(photos)) as bar, stoppable() as stop:
        for path, answer in look_at(photos, job):
            found[path] = answer
            advance(bar)
    if stop.asked:
        note(f"Stopped after {len(found)} of {len(photos)} photos. Nothing was measured, and nothing changed.")
        raise typer.Exit(INTERRUPTED)
    return found
