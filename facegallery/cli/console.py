"""What every command shares: where text goes, exit codes, tables, progress, and the gallery to enroll into."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from facegallery import Gallery

DONE = 0
ERROR = 1
USAGE = 2
SOME_SKIPPED = 3
INTERRUPTED = 130  # as shells report SIGINT

PIPE_WIDTH = 200
"""Columns of a table that is not written to a terminal: wide enough that names and paths are not folded."""


def stdout() -> Console:
    """Where answers go."""
    return _console(stderr=False)


def stderr() -> Console:
    """Where progress, notices and errors go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, emoji=False, markup=False, soft_wrap=False)


def say(text: str) -> None:
    """Print a line of the answer to standard output."""
    stdout().print(printable(text), soft_wrap=True)


def note(text: str) -> None:
    """Print a line for the person, beside the answer, to standard error."""
    stderr().print(printable(text), soft_wrap=True)


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table; the columns named in ``right`` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in set(right) else "left", overflow="fold")
    return made


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on standard error with one task; drawn only on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:
        bar.add_task(description, total=total)
        yield bar


def advance(bar: Progress) -> None:
    """One step of the only task."""
    bar.advance(bar.task_ids[0])


def open_or_create(folder: Path | None, model: str | None) -> Gallery:
    """The gallery to enroll into: an existing one (checked against ``model``), or a new one, said aloud."""
    from facegallery import Gallery

    if Gallery.exists(folder):
        gallery = Gallery.open(folder)
        if model is not None:
            gallery.require_model(model)
        return gallery
    gallery = Gallery.create(folder, model=model)
    spec = gallery.installed_model().spec
    note(f"New gallery in {gallery.folder}, on model '{spec.name}': {spec.summary}")
    if model is None and spec.name == "starter":
        note(
            "For real work fetch the better model first: 'facegallery model pull vggface2'. A gallery keeps its model."
        )
    return gallery
