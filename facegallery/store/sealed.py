"""What the columns keep: readable in a plain gallery and sealed in an encrypted one.

Statements are compiled for an engine's dialect, so the dialect is where a type finds the cipher of its gallery. A type
binds a value to the column alone. What is bound to its row as well (names, vectors, paths, landmarks, journal and log)
is sealed by functions, which are told the row.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Dialect, Engine, Text
from sqlalchemy.types import TypeDecorator

from facegallery.domain import Cipher, PointXy
from facegallery.sealing import BrokenSeal

_CIPHER = "facegallery_cipher"

_Value = TypeVar("_Value")


def give_cipher(engine: Engine, cipher: Cipher | None) -> None:
    """Have an engine seal and open what it keeps; before its first statement."""
    setattr(engine.dialect, _CIPHER, cipher)


def cipher_of(of: Connection | Dialect) -> Cipher | None:
    """The cipher of a connection's gallery; None in a plain one."""
    cipher: Cipher | None = getattr(of.dialect if isinstance(of, Connection) else of, _CIPHER, None)
    return cipher


class _InColumn(TypeDecorator[_Value]):
    """A value that is kept as text and bound to its column."""

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context


class FilePath(_InColumn[Path]):
    """A path as readable text; as the file system's own bytes where those are not valid text."""

    cache_ok = True

    def process_bind_param(self, value: Path | None, dialect: Dialect) -> str | bytes | None:
        """Choose the form; SQLite remembers which it was."""
        return None if value is None else _kept_path(cipher_of(dialect), value, self.context)

    def process_result_value(self, value: str | bytes | None, dialect: Dialect) -> Path | None:
        """Undo what ``process_bind_param`` did."""
        return None if value is None else _path_of(cipher_of(dialect), value, self.context)


class LookupText(_InColumn[str]):
    """Text that rows are found by; equal texts are kept as equal texts."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it where the gallery is encrypted."""
        return None if value is None else lookup_text(cipher_of(dialect), value, self.context)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo what ``process_bind_param`` did."""
        cipher = cipher_of(dialect)
        if value is None or cipher is None:
            return value
        return cipher.from_lookup(_decoded(value), self.context.encode()).decode()


class LookupHash(_InColumn[str]):
    """A SHA-256, lower-case hex, that rows are found by: 64 characters in a plain gallery and in an encrypted one."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it where the gallery is encrypted."""
        cipher = cipher_of(dialect)
        if value is None or cipher is None:
            return value
        return _encoded(cipher.lookup(bytes.fromhex(value), self.context.encode()))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo what ``process_bind_param`` did."""
        cipher = cipher_of(dialect)
        return value if value is None or cipher is None else _hash_of(cipher, value, self.context)


class MemberName(TypeDecorator[str]):
    """A member's id and kept name, ``id:name``, opened to the name. Only for reading: see ``tables.MEMBER_NAME``."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open the name in the row it was sealed for."""
        if value is None:
            return None
        member_id, kept = value.split(":", 1)
        opened = _open_text(cipher_of(dialect), kept, _name_context(int(member_id)))
        return kept if opened is None else opened.decode()


class PhotoPath(TypeDecorator[Path]):
    """A photo's kept hash and path, ``hash:path in hex``, opened to the path. See ``tables.PHOTO_PATH``."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> Path | None:
        """Open the path beside the hash that it was sealed for."""
        if value is None:
            return None
        cipher, (kept_hash, path) = cipher_of(dialect), value.split(":")
        content_hash = kept_hash if cipher is None else _hash_of(cipher, kept_hash, "content_hash")
        return _path_of(cipher, bytes.fromhex(path), _photo_context(content_hash))


def kept_photo_path(connection: Connection, path: Path, content_hash: str) -> str | bytes:
    """What ``path`` holds in the rows of a photo of these bytes."""
    return kept_path(connection, path, _photo_context(content_hash))


def photo_path_of(connection: Connection, kept: str | bytes, content_hash: str) -> Path:
    """Undo what ``kept_photo_path`` did."""
    return path_of(connection, kept, _photo_context(content_hash))


def kept_name(connection: Connection, member_id: int, name: str) -> str:
    """What ``MemberRow.name`` holds for a member's name."""
    return kept_text(connection, name, _name_context(member_id))


def name_of(connection: Connection, member_id: int, kept: str) -> str:
    """Undo what ``kept_name`` did."""
    return text_of(connection, kept, _name_context(member_id))


def lookup_text(cipher: Cipher | None, text: str, context: str) -> str:
    """The text that a ``LookupText`` of this context keeps."""
    return text if cipher is None else _encoded(cipher.lookup(text.encode(), context.encode()))


def seal_bytes(connection: Connection, plain: bytes, context: str) -> bytes:
    """Bytes as they are kept: sealed where the gallery is encrypted."""
    cipher = cipher_of(connection)
    return plain if cipher is None else cipher.seal(plain, context.encode())


def open_bytes(connection: Connection, kept: bytes, context: str) -> bytes:
    """Undo what ``seal_bytes`` did.

    Raises:
        BrokenSeal: They are damaged, or were changed or moved.
    """
    cipher = cipher_of(connection)
    return kept if cipher is None else cipher.unseal(kept, context.encode())


def kept_text(connection: Connection, text: str, context: str) -> str:
    """Text as it is kept: sealed where the gallery is encrypted."""
    return _seal_text(cipher_of(connection), text.encode(), context) or text


def text_of(connection: Connection, kept: str, context: str) -> str:
    """Undo what ``kept_text`` did.

    Raises:
        BrokenSeal: It is damaged, or was changed or moved; so it is for the two below.
    """
    opened = _open_text(cipher_of(connection), kept, context)
    return kept if opened is None else opened.decode()


def kept_path(connection: Connection, path: Path, context: str) -> str | bytes:
    """A path as it is kept; readable as ``FilePath`` has it."""
    return _kept_path(cipher_of(connection), path, context)


def path_of(connection: Connection, kept: str | bytes, context: str) -> Path:
    """Undo what ``kept_path`` did."""
    return _path_of(cipher_of(connection), kept, context)


def kept_points(connection: Connection, points: tuple[PointXy, ...], context: str) -> str:
    """Points as they are kept: JSON, exact to the last digit. NaN is refused, since no other reader would take it."""
    return kept_text(connection, json.dumps([[float(x), float(y)] for x, y in points], allow_nan=False), context)


def points_of(connection: Connection, kept: str, context: str) -> tuple[PointXy, ...]:
    """Undo what ``kept_points`` did."""
    text = text_of(connection, kept, context)
    try:
        return tuple((float(x), float(y)) for x, y in json.loads(text))
    except (ValueError, TypeError) as error:
        raise BrokenSeal(context.encode(), tampered=False) from error


def exactly(number: float | None) -> str:
    """A number as contexts speak of it: SQLite keeps every digit, but no negative zero."""
    return repr(None if number is None else float(number) + 0.0)


def _photo_context(content_hash: str) -> str:
    return f"path of photo {content_hash}"


def _kept_path(cipher: Cipher | None, path: Path, context: str) -> str | bytes:
    sealed = _seal_text(cipher, os.fsencode(path), context)
    if sealed is not None:
        return sealed
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return str(path)


def _path_of(cipher: Cipher | None, kept: str | bytes, context: str) -> Path:
    opened = _open_text(cipher, kept, context)
    return Path(os.fsdecode(kept if opened is None else opened))


def _hash_of(cipher: Cipher, kept: str, context: str) -> str:
    return cipher.from_lookup(_decoded(kept), context.encode()).hex()


def _name_context(member_id: int) -> str:
    return f"name of member {member_id}"


def _seal_text(cipher: Cipher | None, plain: bytes, context: str) -> str | None:
    return None if cipher is None else _encoded(cipher.seal(plain, context.encode()))


def _open_text(cipher: Cipher | None, kept: str | bytes, context: str) -> bytes | None:
    return None if cipher is None else cipher.unseal(_decoded(kept), context.encode())


def _encoded(sealed: bytes) -> str:
    return base64.b64encode(sealed).decode()


def _decoded(kept: str | bytes) -> bytes:
    """The bytes behind a sealed text; none where it is not one, which then fails as damaged."""
    try:
        return base64.b64decode(kept, validate=True)
    except ValueError:
        return b""
