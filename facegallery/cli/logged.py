"""Command ``log``: what was answered, where the gallery keeps it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import ERROR, confirmed, note, say, stdout, table
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.domain import LoggedDecision, Verdict
from facegallery.text import apart, printable

if TYPE_CHECKING:
    from facegallery import Gallery

USUAL_DAYS = 30
"""For how many days answers are kept unless somebody says otherwise."""

MOST_DAYS = 3660
"""``store.logged.MOST_LOG_DAYS``, which would import the database to say how the command is used; a test holds the two
equal."""


def log(
    member: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Answers about this member only.")] = None,
    since: Annotated[
        float | None, typer.Option("--since", min=0.0, max=MOST_DAYS, metavar="DAYS", help="Of so many days only.")
    ] = None,
    most: Annotated[int | None, typer.Option("-n", min=1, metavar="N", help="So many of the newest only.")] = None,
    on: Annotated[bool, typer.Option("--on", help="Keep answers from now on.")] = False,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=MOST_DAYS, metavar="N", help=f"With --on: for so many days ({USUAL_DAYS})."),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Keep none, and remove those that are there.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Remove those that are there, and go on.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before entries are removed.")] = False,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row an answer.")] = False,
    gallery: GalleryOption = None,
) -> None:
    """Show what identify and explain answered, the newest first, where the gallery keeps that. Off by default.

    Kept are who asked, when, the photo's place and hash, and the answer; never a photo, and no vector.
    """
    _refuse_together(on, off, clear, listing=any((member, since is not None, most, as_json, as_csv)), days=days)
    with open_gallery(gallery) as opened:
        if on:
            _switch_on(opened, days or opened.log_days or USUAL_DAYS)
        elif off or clear:
            _remove(opened, off=off, yes=yes)
        else:
            _show(opened, opened.logged(member, since_days=since, most=most), as_json=as_json, as_csv=as_csv)


def _refuse_together(on: bool, off: bool, clear: bool, *, listing: bool, days: int | None) -> None:
    if on + off + clear > 1 or ((on or off or clear) and listing):
        raise typer.BadParameter("Each of --on, --off and --clear goes without the others, and without what is shown.")
    if days is not None and not on:
        raise typer.BadParameter("--days goes with --on.")


def _switch_on(opened: Gallery, n_days: int) -> None:
    opened.keep_log(n_days)
    say(f"Answers of identify and explain are kept from now on, each for {n_days} day{'s' * (n_days != 1)}.")
    note("To read them: facegallery log. To keep no more, and remove them: facegallery log --off")


def _remove(opened: Gallery, *, off: bool, yes: bool) -> None:
    n_there = len(opened.logged())
    question = f"Remove {n_there} answer{'s' * (n_there != 1)} for good?"
    if n_there and not yes and not confirmed(question, otherwise="to remove without being asked: --yes"):
        note("Nothing was removed.")
        raise typer.Exit(ERROR)
    removed = opened.stop_log() if off else opened.clear_log()
    say(f"{'No answers are kept any more' if off else 'The log is empty'}: {removed} removed.")


def _show(opened: Gallery, entries: Sequence[LoggedDecision], *, as_json: bool, as_csv: bool) -> None:
    from facegallery.cli.report import as_json as json_text
    from facegallery.cli.report import log_csv, log_document

    if as_json and as_csv:
        raise typer.BadParameter("Choose one of --json and --csv.")
    n_days = opened.log_days
    if as_json:
        sys.stdout.write(json_text(log_document(entries, log_days=n_days)) + "\n")
    elif as_csv:
        sys.stdout.write(log_csv(entries))
    elif entries:
        _print(entries)
    if n_days is None:
        note(f"The log is off: no answers are kept. To keep them for {USUAL_DAYS} days: facegallery log --on")
    elif not entries:
        note(f"No such answer in the log. It is on; answers are kept for {n_days} day{'s' * (n_days != 1)}.")


def _print(entries: Sequence[LoggedDecision]) -> None:
    numbers = ("face", "similarity", "threshold", "margin")
    columns = (
        "when (UTC)",
        "who asked",
        "how",
        "photo",
        "face",
        "decision",
        "similarity",
        "threshold",
        "near",
        "margin",
    )
    rows = table(*columns, "model", right=numbers)
    for each in entries:
        named = each.verdict is Verdict.MATCH
        similarity, threshold = ("", f"{each.threshold:.2f}")
        if each.similarity is not None:
            similarity, threshold = apart(each.similarity, each.threshold)
        rows.add_row(
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            printable(each.asked.by),
            each.asked.command,
            printable(each.asked.path),
            f"{each.face_number}",
            printable(each.member or "") if named else each.verdict.value,
            similarity,
            threshold,
            printable(", ".join(filter(None, (None if named else each.member, each.runner_up)))),
            "" if each.margin is None else f"{each.margin:.2f}",
            printable(each.asked.model.name),
        )
    stdout().print(rows)
