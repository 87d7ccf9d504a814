"""The command line's assembly and its edge: every error of the tree is caught here, once."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from facegallery.cli import (
    archiving,
    auditing,
    calibrating,
    clustering,
    crops,
    demonstration,
    enrolling,
    evaluating,
    explaining,
    filtering,
    health,
    history,
    identifying,
    keeping,
    keys,
    logged,
    members,
    models,
    reembedding,
    rejecting,
)
from facegallery.cli.console import ERROR, note, nowhere, speak_utf8
from facegallery.errors import FacegalleryError, SlowerRuntime
from facegallery.settings import KEY_FILE_VARIABLE
from facegallery.text import printable
from facegallery.version import __version__


class _Commands(TyperGroup):
    """The commands. A mistake in how one is used repeats what was typed, which is made printable here."""

    def make_context(self, *arguments: Any, **others: Any) -> Any:
        """Parse what stands before a command."""
        with _printable_mistakes():
            return super().make_context(*arguments, **others)

    def invoke(self, *arguments: Any, **others: Any) -> Any:
        """Parse the rest, and run the command."""
        with _printable_mistakes():
            return super().invoke(*arguments, **others)


@contextmanager
def _printable_mistakes() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)  # as typer's own have, whose base class it does not export
        if isinstance(message, str):
            error.__dict__["message"] = printable(message)
        raise


app = typer.Typer(
    name="facegallery",
    cls=_Commands,
    help="Recognise the members of a group in photos, on your own machine, and show why.",
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some inputs were skipped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facegallery {__version__}")
        raise typer.Exit


@contextmanager
def _named_in_environment(key_file: Path) -> Iterator[None]:
    """For one command the environment names this key file: there the gallery looks for it, whoever opens it."""
    before = os.environ.get(KEY_FILE_VARIABLE)
    os.environ[KEY_FILE_VARIABLE] = str(key_file)
    try:
        yield
    finally:
        if before is None:
            del os.environ[KEY_FILE_VARIABLE]
        else:
            os.environ[KEY_FILE_VARIABLE] = before


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback acts on it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file", metavar="FILE", help=f"Key file of an encrypted gallery. Default: {KEY_FILE_VARIABLE}."
        ),
    ] = None,
) -> None:
    """Options that stand before a command."""
    if key_file is not None:
        context.with_resource(_named_in_environment(key_file))


for _command in (
    enrolling.enroll,
    identifying.identify,
    explaining.explain,
    filtering.filters,
    identifying.verify,
    identifying.detect,
    clustering.cluster,
    clustering.name,
    rejecting.reject,
    rejecting.rejections,
    members.members,
    members.show,
    members.rename,
    members.merge,
    members.unmerge,
    members.move,
    history.history,
    history.undo,
    members.forget,
    crops.crops,
    reembedding.reembed,
    logged.log,
    enrolling.init,
    calibrating.calibrate,
    auditing.audit,
    keeping.check,
    keeping.backup,
    keeping.restore,
    archiving.export,
    keeping.compact,
    keys.rekey,
    health.doctor,
    demonstration.demo,
):
    app.command()(_command)
app.command("import")(archiving.import_)  # a word of Python's cannot be a function's name
app.add_typer(models.app, name="model")
app.add_typer(evaluating.app, name="evaluate")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning of ours is a note for the person; any other is shown as Python does."""
    if issubclass(category, SlowerRuntime):
        note(f"Note: {message}")
    else:
        _python_shows(message, category, filename, lineno, file, line)


_python_shows = warnings.showwarning


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; errors of the tree become one message and exit code 1.

    Args:
        arguments: Without the program's name; None takes those of this process.
    """
    speak_utf8()
    warnings.showwarning = _show_warning
    try:
        try:
            app(arguments, prog_name="facegallery")
        finally:
            sys.stdout.flush()  # here, where a full disk can still be said
    except FacegalleryError as error:
        note(f"Error: {error}")
        sys.exit(ERROR)
    except OSError as error:  # of the answer's own stream: all others are translated where they arise
        sys.stdout = nowhere()  # or the interpreter would try once more as it ends
        note(f"Error: the answer could not be written: {error.strerror or error}")
        sys.exit(ERROR)
