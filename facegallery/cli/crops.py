"""Command ``crops``: the faces' pixels that are kept in the gallery."""

from __future__ import annotations

from typing import Annotated

import typer

from facegallery.cli.console import ERROR, confirmed, note, say
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption
from facegallery.text import printable


def crops(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of this member only.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Remove them; vectors and names stay. Asks.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    gallery: GalleryOption = None,
) -> None:
    """Say how many faces' pixels are kept ('enroll --keep-crops'), or remove them."""
    with open_gallery(gallery) as opened:
        whose = "" if name is None else f" of {opened.member(name).name}"
        n_kept = opened.count_crops(name)
        if not drop:
            say(f"{_crops(n_kept)}{whose} kept.")
            return
        if n_kept and not yes:
            question = f"Remove {_crops(n_kept)}{printable(whose)}? Without their photos they cannot be made again."
            if not confirmed(question, otherwise="to remove them without being asked: --yes"):
                note("Nothing was removed.")
                raise typer.Exit(ERROR)
        say(f"{_crops(opened.drop_crops(name))}{whose} removed.")
        for backup in opened.backups():
            note(f"A backup may still hold crops; remove it if you need it no more: {backup}")


def _crops(count: int) -> str:
    return f"{count} crop{'s' * (count != 1)}"
