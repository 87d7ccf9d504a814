"""The stamp: what the other files of an index hold, in one small file that is replaced in one step, and last.

A plain gallery's is JSON. An encrypted one's is the same JSON sealed as a whole: whoever has not the key can neither
read it nor make one, and a bit that fell over is told from a word that somebody wrote.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from facegallery.disk import create_private, flush
from facegallery.domain import Cipher
from facegallery.index.codes import CodeRows
from facegallery.index.exact import ExactRows

FORMAT = 1
"""Grows when a file means something else than before, the quantizer's points and rotation included."""

STAMP_NAME = "stamp.json"

_UNFINISHED = "stamp.json.new"
_CONTEXT = b"the index's stamp"

Rows = ExactRows | CodeRows
KINDS: dict[str, type[ExactRows] | type[CodeRows]] = {kind.kind: kind for kind in (ExactRows, CodeRows)}


class DamagedIndex(ValueError):
    """The files do not fit together, or cannot be understood.

    Attributes:
        tampered: Whether somebody wrote them who has not the gallery's key; else it was chance.
    """

    def __init__(self, message: str, *, tampered: bool = False) -> None:
        super().__init__(message)
        self.tampered = tampered


class OtherwiseKept(DamagedIndex):
    """The files are plain in an encrypted gallery, or sealed in a plain one."""


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring slots that are sealed together.

    Attributes:
        name: Ends its file's name; never used again.
        n_slots: How many there are.
        newest_id: The greatest id in it, without regard to sign.
        n_bytes: Size of its file.
    """

    name: str
    n_slots: int
    newest_id: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class BaseStamp:
    """What the files hold.

    Attributes:
        kind: ``exact`` or ``codes``.
        token: Names the files; another one when they were written anew.
        fingerprint: The embedding model's.
        n_slots: How many rows there are, dead ones too. Never shrinks under one token, since a file that somebody has
            mapped must not.
        n_live: How many of them are templates.
        last_id: The newest of these, 0 when there is none. All templates of the store up to it are among them.
        last_added: When that one was kept, in ISO format; None when there is none.
        blocks: An encrypted gallery's: what they are made of, in order.
    """

    kind: str
    token: str
    fingerprint: str
    n_slots: int
    n_live: int
    last_id: int
    last_added: str | None
    blocks: tuple[Block, ...] = ()

    @property
    def rows(self) -> type[ExactRows] | type[CodeRows]:
        """The kind of rows."""
        return KINDS[self.kind]

    @property
    def row_bytes(self) -> int:
        """Bytes in one row."""
        return self.rows.row_dtype.itemsize * self.rows.row_length

    @property
    def last_added_at(self) -> datetime | None:
        """``last_added`` as a moment."""
        return None if self.last_added is None else datetime.fromisoformat(self.last_added)


class StampFile:
    """The stamp in its folder."""

    def __init__(self, folder: Path, cipher: Cipher | None) -> None:
        """Read and write this folder's stamp.

        Args:
            folder: The index's folder.
            cipher: Seals it; None for a plain gallery's.
        """
        self._folder = folder
        self._cipher = cipher

    def read(self) -> BaseStamp | None:
        """The stamp, or None when there is none.

        Raises:
            OtherwiseKept: It is sealed and the gallery is not, or the other way round.
            DamagedIndex: It cannot be understood, or was changed.
            OSError: It cannot be read.
        """
        try:
            text = (self._folder / STAMP_NAME).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return _stamp_of(_fields_of(text, self._cipher))
        except DamagedIndex:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedIndex("its stamp cannot be understood") from error

    def write(self, stamp: BaseStamp) -> None:
        """Replace it in one step that survives a loss of power."""
        fields = {"format": FORMAT, **asdict(stamp)}
        if not stamp.blocks:
            del fields["blocks"]  # so that a plain stamp is what it was before there were sealed ones
        text = json.dumps(fields).encode()
        if self._cipher is not None:
            text = json.dumps({"sealed": b64encode(self._cipher.seal(text, _CONTEXT)).decode()}).encode()
        with os.fdopen(create_private(self._folder / _UNFINISHED, os.O_TRUNC), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        (self._folder / _UNFINISHED).replace(self._folder / STAMP_NAME)
        flush(self._folder)


def unsealed(cipher: Cipher, sealed: bytes, context: bytes) -> bytes:
    """Open a sealed part of an index.

    Raises:
        DamagedIndex: It does not open.
    """
    from facegallery.sealing import BrokenSeal  # here, so that plain galleries do not wait for cryptography to load

    try:
        return cipher.unseal(sealed, context)
    except BrokenSeal as error:
        raise DamagedIndex(str(error), tampered=error.tampered) from error


def _fields_of(text: bytes, cipher: Cipher | None) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    sealed = fields.get("sealed")
    if cipher is None:
        if sealed is not None:
            raise OtherwiseKept("it is encrypted, and the gallery is not")
        return fields
    if sealed is None:
        raise OtherwiseKept("it is not encrypted, and the gallery is")
    opened: dict[str, Any] = json.loads(unsealed(cipher, b64decode(sealed, validate=True), _CONTEXT))
    return opened


def _stamp_of(fields: dict[str, Any]) -> BaseStamp:
    if fields.pop("format") != FORMAT:
        raise DamagedIndex("it is of another version")
    blocks = tuple(Block(**block) for block in fields.pop("blocks", ()))
    stamp = BaseStamp(**fields, blocks=blocks)
    numbers = (stamp.n_slots, stamp.n_live, stamp.last_id)
    if stamp.kind not in KINDS or min(numbers) < 0 or not all(type(number) is int for number in numbers):
        raise DamagedIndex("its stamp says impossible things")
    if not stamp.token.isalnum() or (stamp.last_added_at is None) != (stamp.last_id == 0):
        raise DamagedIndex("its stamp says impossible things")
    return stamp
