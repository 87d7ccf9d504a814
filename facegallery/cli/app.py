"""The command line's assembly and its edge: every error of the tree is caught here, once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, TextIO

import typer

from facegallery.cli import (
    auditing,
    calibrating,
    clustering,
    demonstration,
    enrolling,
    evaluating,
    explaining,
    filtering,
    health,
    identifying,
    logged,
    members,
    models,
    rejecting,
)
from facegallery.cli.console import ERROR, note, nowhere, speak_utf8
from facegallery.errors import FacegalleryError, SlowerRuntime
from facegallery.version import __version__

app = typer.Typer(
    name="facegallery",
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


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before a command."""


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
    members.forget,
    logged.log,
    enrolling.init,
    calibrating.calibrate,
    auditing.audit,
    health.doctor,
    demonstration.demo,
):
    app.command()(_command)
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
