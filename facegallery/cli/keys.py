"""Command ``rekey``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import ERROR, note, say
from facegallery.cli.opening import asked_passphrase, chosen_passphrase, new_key_file
from facegallery.cli.options import GalleryOption
from facegallery.domain import SecretKind
from facegallery.settings import NEW_PASSPHRASE_VARIABLE


def rekey(
    to_key_file: Annotated[
        Path | None, typer.Option("--to-key-file", metavar="FILE", help="A key file instead of a passphrase.")
    ] = None,
    gallery: GalleryOption = None,
) -> None:
    """Give an encrypted gallery another passphrase or key file. Backups keep the one that they were made with."""
    from facegallery import Gallery
    from facegallery.gallery.secrets import secret_from_environment

    old = secret_from_environment() or (asked_passphrase("Its passphrase now") if sys.stdin.isatty() else None)
    with Gallery.open(gallery, secret=old) as opened:
        if opened.encryption is None or old is None:
            note("The gallery is not encrypted, so it has no secret to change.")
            raise typer.Exit(ERROR)
        new = new_key_file(to_key_file) if to_key_file is not None else chosen_passphrase(NEW_PASSPHRASE_VARIABLE)
        opened.change_secret(old, new)
        how = "passphrase" if new.kind is SecretKind.PASSPHRASE else f"key file {to_key_file}"
        say(f"The gallery in {opened.folder} opens with the new {how} from now on.")
