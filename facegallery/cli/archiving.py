"""Commands ``export`` and ``import``: a gallery as one readable file, and such a file into a gallery."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import (
    ERROR,
    INTERRUPTED,
    Stop,
    confirmed,
    note,
    note_stale_calibration,
    progress,
    say,
    stoppable,
)
from facegallery.cli.history import counted
from facegallery.cli.opening import new_secret, open_gallery
from facegallery.cli.options import GalleryOption
from facegallery.errors import GalleryNotFound
from facegallery.text import printable

if TYPE_CHECKING:
    from facegallery import Gallery
    from facegallery.domain import GalleryContent, Taken
    from facegallery.gallery.archiving import Exported

N_NAMED = 5
"""Members that are named before the rest is only counted."""

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; not in the gallery's folder.")],
    crops: Annotated[bool, typer.Option("--crops", help="With the faces' pixels, where they are kept.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace FILE if it is there.")] = False,
    yes: YesOption = False,
    gallery: GalleryOption = None,
) -> None:
    """Write everything in the gallery into one file that any program can read. It is not encrypted.

    JSON lines, and the vectors as a NumPy array, with check sums: docs/archive.md, and README.txt in the file itself.
    """
    with open_gallery(gallery) as opened:
        if opened.encryption is not None and not yes:
            question = "The gallery is encrypted, and the archive will not be. Write it all the same?"
            if not confirmed(question, otherwise="to export without being asked: --yes"):
                note("Nothing was written.")
                raise typer.Exit(ERROR)
        with progress("Writing", opened.count_crops() if crops else None) as bar, stoppable() as stop:
            step = partial(bar.advance, bar.task_ids[0])
            written = opened.export(file, with_crops=crops, replace=replace, told=step)
    _end_if_stopped(stop, "written")
    _tell_of_export(written)


def _end_if_stopped(stop: Stop, done: str) -> None:
    if stop.asked:
        note(f"Stopped: nothing was {done}.")
        raise typer.Exit(INTERRUPTED)


def _tell_of_export(written: Exported) -> None:
    parts = [counted(written.n_members, "member"), counted(written.n_faces, "face")]
    parts += [counted(written.n_rejections, "rejection")] if written.n_rejections else []
    parts += [counted(written.n_crops, "crop")] if written.n_crops else []
    say(f"Archive: {written.path} ({', '.join(parts)})")
    note("It is not encrypted: whoever reads it has the vectors and names of all members. Only you may read the file.")
    note("'facegallery forget' cannot remove somebody from it; it will name the file.")
    if written.n_other_crops:
        what = "crop was" if written.n_other_crops == 1 else "crops were"
        note(f"{written.n_other_crops} {what} left out: cut out otherwise than the gallery's faces are now.")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'export' wrote.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before adding to known members.")] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt the gallery, where there is none yet; as 'init --encrypt' does.")
    ] = False,
    gallery: GalleryOption = None,
) -> None:
    """Take an archive into the gallery, all of it or nothing; makes the gallery where there is none.

    What is there stays as it is, and what is there already does not come again. Asks first where photos would be added
    to members who are there.
    """
    from facegallery.archive import read_archive

    with progress("Reading", None), stoppable() as stop:
        content = read_archive(file)
    _end_if_stopped(stop, "imported")
    with _gallery_for(content, gallery, encrypt=encrypt) as opened:
        if not (yes or _may_add(opened.would_take(content))):
            note("Nothing was imported.")
            raise typer.Exit(ERROR)
        with progress("Importing", len(content.crops) or None) as bar, stoppable() as stop:
            taken = opened.take(content, told=partial(bar.advance, bar.task_ids[0]))
        _end_if_stopped(stop, "imported")
        _tell_of_import(opened, taken)


def _gallery_for(content: GalleryContent, folder: Path | None, *, encrypt: bool) -> Gallery:
    """The gallery that is to take an archive in; a new one on the archive's model where there is none, said aloud."""
    from facegallery import Gallery

    try:
        opened = open_gallery(folder)
    except GalleryNotFound:
        secret = new_secret() if encrypt else None
        made = Gallery.create_for(content, folder, secret=secret)
        note(f"New gallery in {made.folder}, on model '{made.model.name}'")
        return made
    if encrypt and opened.encryption is None:
        opened.close()
        note(f"The gallery in {opened.folder} is not encrypted. For one that is, name another: '--gallery FOLDER'.")
        raise typer.Exit(ERROR)
    return opened


def _may_add(coming: Taken) -> bool:
    """Ask where members who are there would get faces: two people of one name would become one."""
    if not coming.grown_members:
        return True
    for line in _in_words(coming):
        note(line)
    whom = _named(coming.grown_members)
    are = "is a member" if len(coming.grown_members) == 1 else "are members"
    question = f"{whom} {are} already, and would get faces of whoever is called so in the archive. Import?"
    return confirmed(printable(question), otherwise="to add without being asked, the same command with --yes")


def _tell_of_import(gallery: Gallery, taken: Taken) -> None:
    if taken.is_nothing:
        say("Nothing was imported: all that could come is there already.")
    for line in _in_words(taken):
        say(line)
    if taken.calibration is False:
        note("The archive's calibration was left out: it is of the group that it was made of.")
    gallery.refresh_index()
    note_stale_calibration(gallery)


def _in_words(taken: Taken) -> list[str]:
    """What comes, and what does not and why; a line each."""
    new = f", {_n_members(len(taken.new_members), 'new')}" if taken.new_members else ""
    grown = f", for {_n_members(len(taken.grown_members), 'known')}" if taken.grown_members else ""
    refused, words = taken.n_refused_faces, taken.n_refused_rejections
    lines = {
        f"New: {counted(taken.n_faces, 'face')}, {counted(taken.n_photos, 'photo')}{new}{grown}.": taken.n_faces,
        f"New: {counted(taken.n_rejections, 'rejection')}.": taken.n_rejections,
        f"New: {counted(taken.n_crops, 'crop')}.": taken.n_crops,
        "New: the calibration.": int(taken.calibration is True),
        f"There already: {counted(taken.n_known_faces, 'face')}.": taken.n_known_faces,
        f"There already: {counted(taken.n_known_rejections, 'rejection')}.": taken.n_known_rejections,
        f"Left out, enrolled for another member here: {counted(taken.n_others_faces, 'face')}.": taken.n_others_faces,
        f"Left out, said here not to be that member: {counted(refused, 'face')}.": refused,
        f"Left out, of faces or members that are otherwise here: {counted(words, 'rejection')}.": words,
    }
    return [line for line, count in lines.items() if count]


def _n_members(n: int, which: str) -> str:
    return f"{n} {which} member{'s' * (n != 1)}"


def _named(names: tuple[str, ...]) -> str:
    if len(names) > N_NAMED:
        return f"{', '.join(names[:N_NAMED])} and {len(names) - N_NAMED} more"
    return ", ".join(names)
