"""Commands ``history`` and ``undo``: what was done to the members, in words, and taking it back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facegallery.cli.console import ERROR, confirmed, note, of_gallery, say, stdout, table
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.domain import Action, JournalEntry
from facegallery.text import printable

if TYPE_CHECKING:
    from facegallery import Gallery

N_SHOWN = 20
"""Entries that ``history`` shows unless it is told otherwise."""

FORGOTTEN = "(forgotten)"
"""Stands in the place of a name that is not kept any more."""


def history(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Of this member only, or of who was called so before.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many entries, newest first.")] = N_SHOWN,
    as_json: JsonOption = False,
    gallery: GalleryOption = None,
) -> None:
    """List what was done to the members, newest first: names, merges, moved photos, and what of it can be undone."""
    with open_gallery(gallery) as opened:
        entries = opened.history(n, name)
    if as_json:
        from facegallery.cli.report import as_json as json_text

        sys.stdout.write(json_text({"entries": [_fields(entry) for entry in entries]}) + "\n")
        return
    if not entries:
        note("Nothing was done to the members yet but to enroll them.")
        return
    rows = table("number", "when", "what", "undo", right=("number",))
    for entry in entries:
        rows.add_row(f"{entry.entry_id}", f"{entry.at:%Y-%m-%d %H:%M}", printable(in_words(entry)), _undo_cell(entry))
    stdout().print(rows)


def undo(
    number: Annotated[
        int | None, typer.Argument(metavar="[N]", min=1, help="Number in 'history'. Default: the newest that can be.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    gallery: GalleryOption = None,
) -> None:
    """Take back what was done to the members: a name, a merge, moved photos, "this is not X". Undo that to redo it."""
    with open_gallery(gallery) as opened:
        entry = opened.to_undo(number)
        question = printable(f"Undo {entry.entry_id}: {in_words(entry)}?")
        if not yes and not confirmed(question, otherwise="to undo without being asked: --yes"):
            note("Nothing was undone.")
            raise typer.Exit(ERROR)
        done = opened.undo(entry.entry_id)
        say(f"Undone: {in_words(entry)}.")
        if entry.action is not Action.REJECT:
            note_undo(opened, done, again=True)


def note_undo(gallery: Gallery, entry: JournalEntry, *, again: bool = False) -> None:
    """Say how what was just done is taken back."""
    what = "To do it again" if again else "To undo it"
    note(f"{what}: facegallery undo {entry.entry_id}{of_gallery(gallery)}")


def in_words(entry: JournalEntry) -> str:
    """What was done, in words; names are as they were then."""
    words = _named(entry)
    return words if not entry.is_partial else f"{words}; some of it is forgotten"


def _named(entry: JournalEntry) -> str:
    photos = counted(entry.n_templates, "photo")
    gone = [each.before for each in entry.members if each.after is None] or [FORGOTTEN]
    come = [each.after for each in entry.members if each.before is None] or [FORGOTTEN]
    stay = [each.after for each in entry.members if None not in (each.before, each.after)] or [FORGOTTEN]
    match entry.action:
        case Action.RENAME:
            change = entry.members[0] if entry.members else None
            return f"renamed {change.before if change else FORGOTTEN} to {change.after if change else FORGOTTEN}"
        case Action.MERGE:
            return f"merged {gone[0]} into {stay[0]} ({photos})"
        case Action.UNMERGE:
            return f"took {come[0]} out of {stay[0]} again ({photos})"
        case Action.MOVE:
            return _moved(entry)
        case Action.REMOVE:
            with_them = f", {counted(entry.n_members, 'member')} with them" if entry.n_members else ""
            return f"took out {photos}{with_them}"
        case Action.FORGET:
            return f"forgot {counted(entry.n_members, 'member')} ({photos})"
        case Action.REJECT:
            where = f"the face in {entry.faces[0].photo_path}" if entry.faces else "a face"
            return f"said that {where} is not {stay[0]}"
        case Action.TAKE_BACK:
            return f"took back that a face is not {stay[0]}"
        case Action.IMPORT:
            return f"imported {photos}{_with_new(entry.n_members)}"
        case Action.UNDO:
            return f"undid {entry.undoes}"


def _with_new(n_members: int) -> str:
    return f" and {counted(n_members, 'new member')}" if n_members else ""


def _moved(entry: JournalEntry) -> str:
    faces = [face for face in entry.faces if not face.is_rejection]
    if len(faces) == entry.n_templates == 1:
        pair = f"from {faces[0].from_member or FORGOTTEN} to {faces[0].to_member or FORGOTTEN}"
        return f"moved {faces[0].photo_path} {pair}"
    pairs = dict.fromkeys((face.from_member or FORGOTTEN, face.to_member or FORGOTTEN) for face in faces)
    whose = " and ".join(f"from {before} to {after}" for before, after in pairs) if len(pairs) <= 2 else ""
    return " ".join(filter(None, (f"moved {counted(entry.n_templates, 'photo')}", whose)))


def counted(n: int, what: str) -> str:
    """A number of things."""
    return f"{n} {what}{'s' * (n != 1)}"


def _undo_cell(entry: JournalEntry) -> str:
    if entry.undone_by is not None:
        return f"undone by {entry.undone_by}"
    if entry.can_undo:
        return "can be undone"
    return f"undo {entry.undo_first} first" if entry.undo_first is not None else "no"


def _fields(entry: JournalEntry) -> dict[str, Any]:
    return {
        "entry": entry.entry_id,
        "at": entry.at.isoformat(),
        "action": entry.action.value,
        "members": [{"before": each.before, "after": each.after} for each in entry.members],
        "photos": [
            {
                "path": str(face.photo_path),
                "from": face.from_member,
                "to": face.to_member,
                "rejected": face.is_rejection,
            }
            for face in entry.faces
        ],
        "n_members": entry.n_members,
        "n_templates": entry.n_templates,
        "undoes": entry.undoes,
        "undone_by": entry.undone_by,
        "is_partial": entry.is_partial,
        "can_undo": entry.can_undo,
        "why_not": entry.obstacle,
        "undo_first": entry.undo_first,
    }
