"""Where the secret of an encrypted gallery comes from: a key file, or what the environment says."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from facegallery.disk import write_private
from facegallery.domain import Secret, SecretKind
from facegallery.errors import WrongKey
from facegallery.sealing import new_key
from facegallery.settings import KEY_FILE_VARIABLE, PASSPHRASE_VARIABLE

LEAST_PASSPHRASE = 8
"""Characters of a new passphrase; how long a secret holds is decided by the person, this only stops slips."""

_HEADER = b"facegallery key file 1\n"
_MOST_BYTES = 4096


def secret_from_environment() -> Secret | None:
    """The secret that the environment names, or None; a key file goes before a passphrase.

    Raises:
        WrongKey: The key file cannot be used.
    """
    named, passphrase = os.environ.get(KEY_FILE_VARIABLE), os.environ.get(PASSPHRASE_VARIABLE)
    if named:
        return secret_from_file(Path(named).expanduser())
    return passphrase_secret(passphrase) if passphrase else None


def passphrase_secret(passphrase: str) -> Secret:
    """A passphrase as a secret."""
    return Secret(SecretKind.PASSPHRASE, passphrase.encode(errors="surrogateescape"))


def secret_from_file(path: Path) -> Secret:
    """The secret in a key file.

    Raises:
        WrongKey: It cannot be read, or is no key file.
    """
    try:
        with path.open("rb") as file:
            contents = file.read(_MOST_BYTES)
        key = base64.b64decode(contents.removeprefix(_HEADER).strip(), validate=True)
    except OSError as error:
        raise WrongKey(path, f"the key file cannot be read ({error.strerror})") from error
    except ValueError:
        key = b""
    if not contents.startswith(_HEADER) or len(key) != len(new_key()):
        raise WrongKey(path, "it is not a key file that facegallery made")
    return Secret(SecretKind.KEY_FILE, key)


def make_key_file(path: Path) -> Secret:
    """Write a new key file that only this person may read; one that is there is never overwritten.

    Raises:
        WrongKey: It is there already, or cannot be written.
    """
    key = new_key()
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        write_private(path, (_HEADER + base64.b64encode(key) + b"\n").decode())
    except OSError as error:
        raise WrongKey(path, f"the key file cannot be made ({error.strerror})") from error
    return Secret(SecretKind.KEY_FILE, key)
