"""What every command shares: where text goes, exit codes, tables, progress, and the gallery to enroll into."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from facegallery.domain import AUTOMATIC, DEFAULT_SCORE, Preparation, RuntimeChoice
from facegallery.errors import GalleryNotFound
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


LONG_FOLDER = 16
"""A common folder of more characters is not repeated in every row of a table."""


def speak_utf8() -> None:
    """Write UTF-8 into files and pipes whatever the locale says; a terminal gets escapes for what it cannot show.

    A stream that was closed before the program began takes everything and keeps nothing.
    """
    sys.stdout = sys.stdout or nowhere()
    sys.stderr = sys.stderr or nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def nowhere() -> TextIO:
    """A stream that takes everything and keeps nothing."""
    return Path(os.devnull).open("w", encoding="utf-8")


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


def short_names(paths: Sequence[Path]) -> list[str]:
    """The paths for a table: without the folder they are all in, which is printed once above it where it is long."""
    texts = [str(path) for path in paths]
    mixed = len({path.is_absolute() for path in paths}) > 1
    folder = "" if mixed else os.path.commonpath([str(path.parent) for path in paths])
    if len(folder) <= LONG_FOLDER:
        return texts
    say(f"In {folder}:")
    return [os.path.relpath(text, folder) for text in texts]


def confirmed(question: str, *, otherwise: str) -> bool:
    """Ask yes or no on standard error; where nobody is there to answer, say what to type, and take it for no."""
    import typer

    try:
        return typer.confirm(question, err=True)
    except typer.Abort as error:  # Ctrl-C, or nobody there to answer
        if sys.stdin.isatty():
            raise typer.Exit(INTERRUPTED) from error
        note(f"Nobody answers here; {otherwise}")
        return False


def note_stale_calibration(gallery: Gallery) -> None:
    """Say where the gallery has changed much since it was calibrated, with the command that mends it."""
    calibration, stale = gallery.calibration, gallery.stale_calibration()
    if calibration is not None and stale is not None:
        score = "" if calibration.score is DEFAULT_SCORE else f" --score {calibration.score.value}"
        command = f"facegallery calibrate --fmr {calibration.wanted_fmr:g}{score}"
        note(f"The gallery is no longer as it was calibrated: {stale}: {command}")


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on standard error with one task; drawn only on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:
        bar.add_task(description, total=total, rate="")
        yield bar


class Stop:
    """Whether the person pressed Ctrl-C."""

    asked = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Let Ctrl-C end a long piece of work in order, so that what is done by then can still be told."""
    stop = Stop()
    try:
        yield stop
    except KeyboardInterrupt:
        stop.asked = True


def advance(bar: Progress) -> None:
    """One photo more of the only task."""
    (task,) = bar.tasks
    bar.advance(task.id)
    if task.speed:
        bar.update(task.id, rate=f"{task.speed:.1f} photos/s")


def open_or_create(
    folder: Path | None,
    model: str | None,
    runtime: RuntimeChoice = AUTOMATIC,
    *,
    preparation: Preparation | None = None,
) -> Gallery:
    """The gallery to enroll into: an existing one (checked against what was asked for), or a new one, said aloud."""
    from facegallery import Gallery

    try:
        gallery = Gallery.open(folder, runtime=runtime)
    except GalleryNotFound:  # also where an earlier attempt to make one was cut short: create finishes it
        gallery = Gallery.create(folder, model=model, preparation=preparation, runtime=runtime)
    else:
        try:
            if model is not None:
                gallery.require_model(model)
            if preparation is not None:
                gallery.require_preparation(preparation)
        except BaseException:
            gallery.close()
            raise
        return gallery
    spec = gallery.installed_model().spec
    note(f"New gallery in {gallery.folder}, on model '{spec.name}': {spec.summary}")
    if model is None and spec.name == "starter":
        note(
            "For real work fetch the better model first: 'facegallery model pull vggface2'. A gallery keeps its model "
            "until 'facegallery reembed' takes it to another."
        )
    return gallery
