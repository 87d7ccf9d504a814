"""What opens an encrypted gallery."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class SecretKind(str, Enum):
    """What a gallery's key is had from."""

    PASSPHRASE = "passphrase"  # noqa: S105 - a kind of secret, not one
    KEY_FILE = "key file"


@dataclass(frozen=True, slots=True)
class Secret:
    """A passphrase or the contents of a key file.

    Attributes:
        kind: Which of the two.
        value: UTF-8 of the passphrase, or the file's bytes; never printed.
    """

    kind: SecretKind
    value: bytes = field(repr=False)
