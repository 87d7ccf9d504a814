"""Opening a gallery for a command: an encrypted one asks for its passphrase, a missing one may be made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facegallery.cli.console import ERROR, INTERRUPTED, USAGE, note
from facegallery.domain import AUTOMATIC, Preparation, RuntimeChoice, Secret, SecretKind
from facegallery.errors import GalleryNotFound, KeyNeeded
from facegallery.settings import KEY_FILE_VARIABLE, PASSPHRASE_VARIABLE

if TYPE_CHECKING:
    from facegallery import Gallery


def open_gallery(folder: Path | None, runtime: RuntimeChoice = AUTOMATIC) -> Gallery:
    """The gallery in a folder. Where it needs a passphrase and a person is there to ask, the person is asked."""
    from facegallery import Gallery

    try:
        gallery = Gallery.open(folder, runtime=runtime)
    except KeyNeeded as error:
        if error.kind != SecretKind.PASSPHRASE.value or not sys.stdin.isatty():
            raise
        return Gallery.open(
            folder, runtime=runtime, secret=asked_passphrase(f"Passphrase of the gallery in {error.path.parent}")
        )
    if gallery.encryption is None and _key_is_named():
        note(f"A key is named, and the gallery in {gallery.folder} is not encrypted. Was another one put in its place?")
    return gallery


def _key_is_named() -> bool:
    return bool(os.environ.get(KEY_FILE_VARIABLE) or os.environ.get(PASSPHRASE_VARIABLE))


def new_secret() -> Secret:
    """What a new gallery is to be encrypted with: the key file that was named, made if need be, or a passphrase."""
    from facegallery.gallery.secrets import secret_from_file

    named = os.environ.get(KEY_FILE_VARIABLE)
    if named is None:
        return chosen_passphrase()
    path = Path(named).expanduser()
    return secret_from_file(path) if path.exists() else new_key_file(path)


def new_key_file(path: Path) -> Secret:
    """A new key file, with the advice that belongs to it."""
    from facegallery.gallery.secrets import make_key_file

    made = make_key_file(path)
    note(f"New key file: {path}. Without it nobody can read the gallery: keep a copy in another place.")
    return made


def chosen_passphrase(variable: str = PASSPHRASE_VARIABLE) -> Secret:
    """A new passphrase: from this variable of the environment, else asked for twice."""
    from facegallery.gallery.secrets import LEAST_PASSPHRASE, passphrase_secret

    chosen = os.environ.get(variable)
    if chosen is None and not sys.stdin.isatty():
        note(
            f"Nobody is here to be asked for a passphrase: put it into {variable}, or name a key file: "
            "'facegallery --key-file FILE ...'."
        )
        raise typer.Exit(USAGE)
    secret = asked_passphrase("New passphrase", twice=True) if chosen is None else passphrase_secret(chosen)
    if len(secret.value) < LEAST_PASSPHRASE:
        note(f"A passphrase has at least {LEAST_PASSPHRASE} characters; several words are better.")
        raise typer.Exit(USAGE)
    note("Without the passphrase nobody can read the gallery, and nobody can bring it back.")
    return secret


def asked_passphrase(question: str, *, twice: bool = False) -> Secret:
    """A passphrase from the person at the terminal, not shown."""
    from facegallery.gallery.secrets import passphrase_secret

    try:
        answer = typer.prompt(question, hide_input=True, err=True, confirmation_prompt=twice)
    except typer.Abort as error:
        raise typer.Exit(INTERRUPTED) from error
    return passphrase_secret(answer)


def open_or_create(
    folder: Path | None,
    model: str | None,
    runtime: RuntimeChoice = AUTOMATIC,
    *,
    preparation: Preparation | None = None,
    secret: Secret | None = None,
) -> Gallery:
    """The gallery to enroll into: an existing one (checked against what was asked for), or a new one, said aloud."""
    from facegallery import Gallery

    try:
        gallery = open_gallery(folder, runtime)
    except GalleryNotFound:  # also where an earlier attempt to make one was cut short: create finishes it
        if secret is None and _key_is_named():
            note("A key is named, and there is no gallery yet. Make one encrypted by it: 'facegallery init --encrypt'.")
            raise typer.Exit(ERROR) from None
        gallery = Gallery.create(folder, model=model, preparation=preparation, runtime=runtime, secret=secret)
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
