"""Commands ``backup``, ``restore``, ``check`` and ``compact``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import ERROR, confirmed, note, say
from facegallery.cli.opening import asked_passphrase, open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.domain import SecretKind
from facegallery.errors import KeyNeeded
from facegallery.text import printable

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def backup(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it. Default: in the gallery's folder.")
    ] = None,
    gallery: GalleryOption = None,
) -> None:
    """Write a backup: one file with the whole gallery as it is now. Others may go on using the gallery."""
    with open_gallery(gallery) as opened:
        written, encryption = opened.back_up(file), opened.encryption
        inside = written.parent.resolve() == opened.folder.resolve()
    say(f"Backup: {written}")
    if encryption is None:
        note("It is not encrypted: whoever reads it has the vectors and names of all members.")
    if not inside:
        note("'facegallery forget' cannot remove somebody from a backup in another folder; it will name the file.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    yes: YesOption = False,
    gallery: GalleryOption = None,
) -> None:
    """Bring the gallery back from a backup. What is there now is kept beside it, as a backup."""
    from facegallery import Gallery
    from facegallery.gallery.backing_up import describe_backup, restore_gallery

    about = describe_backup(gallery, file)
    if Gallery.exists(gallery) and not yes:
        question = f"Replace the gallery by {file}: {about}? It may bring back who was forgotten since."
        if not confirmed(printable(question), otherwise="to restore without being asked: --yes"):
            note("Nothing was restored.")
            raise typer.Exit(ERROR)
    try:
        restored = restore_gallery(gallery, file)
    except KeyNeeded as error:
        if error.kind != SecretKind.PASSPHRASE.value or not sys.stdin.isatty():
            raise
        restored = restore_gallery(gallery, file, secret=asked_passphrase(f"Passphrase of {file}"))
    say(f"Restored {restored.folder} from {file}: {about}.")
    if restored.kept is not None:
        note(f"What was there before is kept: {restored.kept}")


def check(as_json: JsonOption = False, gallery: GalleryOption = None) -> None:
    """Check everything that the gallery keeps: rows, vectors, seals, index, file permissions. Changes nothing."""
    with open_gallery(gallery) as opened:
        report = opened.check()
    if as_json:
        from facegallery.cli.report import as_json as json_text

        sys.stdout.write(json_text(report.fields()) + "\n")
    else:
        say(f"{opened.folder}: {report.n_members} members, {report.n_templates} templates, revision {report.revision}")
        for fault in report.faults:
            say(f"!! {fault}")
        for notice in report.notices:
            note(notice)
        if not report.faults:
            say("All is well.")
    if report.faults:
        raise typer.Exit(ERROR)


def compact(gallery: GalleryOption = None) -> None:
    """Write the database anew: no file holds anything but what is in the gallery now. 'forget' does this by itself."""
    with open_gallery(gallery) as opened:
        before = opened.size_bytes()
        opened.finish_erasure()
        say(f"{opened.folder}: {before / 1e6:.1f} MB before, {opened.size_bytes() / 1e6:.1f} MB now.")
