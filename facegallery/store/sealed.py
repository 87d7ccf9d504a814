"""Column types: what they keep is readable in a plain gallery and sealed in an encrypted one.

Statements are compiled for an engine's dialect, so the dialect is where a type finds the cipher of its gallery. What a
type binds a value to is the column; rows that say who somebody is (names, vectors) are bound to their ids as well.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from sqlalchemy import Connection, Dialect, Engine, Text
from sqlalchemy.types import TypeDecorator

from facegallery.domain import Cipher, PointXy

_CIPHER = "facegallery_cipher"


def give_cipher(engine: Engine, cipher: Cipher | None) -> None:
    """Have an engine seal and open what it keeps; before its first statement."""
    setattr(engine.dialect, _CIPHER, cipher)


def cipher_of(of: Connection | Dialect) -> Cipher | None:
    """The cipher of a connection's gallery; None in a plain one."""
    cipher: Cipher | None = getattr(of.dialect if isinstance(of, Connection) else of, _CIPHER, None)
    return cipher


class SealedText(TypeDecorator[str]):
    """Text that is only read."""

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it where the gallery is encrypted."""
        return None if value is None else _seal_text(cipher_of(dialect), value.encode(), self.context) or value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo what ``process_bind_param`` did."""
        if value is None:
            return None
        opened = _open_text(cipher_of(dialect), value, self.context)
        return value if opened is None else opened.decode()


class FilePath(TypeDecorator[Path]):
    """A path as readable text; as the file system's own bytes where those are not valid text."""

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: Path | None, dialect: Dialect) -> str | bytes | None:
        """Choose the form; SQLite remembers which it was."""
        if value is None:
            return None
        sealed = _seal_text(cipher_of(dialect), os.fsencode(value), self.context)
        if sealed is not None:
            return sealed
        try:
            str(value).encode()
        except UnicodeEncodeError:
            return os.fsencode(value)
        return str(value)

    def process_result_value(self, value: str | bytes | None, dialect: Dialect) -> Path | None:
        """Undo what ``process_bind_param`` did."""
        if value is None:
            return None
        opened = _open_text(cipher_of(dialect), value, self.context)
        return Path(os.fsdecode(value if opened is None else opened))


class Points(TypeDecorator[tuple[PointXy, ...]]):
    """Points (x, y) as JSON, exact to the last digit."""

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: tuple[PointXy, ...] | None, dialect: Dialect) -> str | None:
        """Write them; NaN is refused, since no other reader of JSON would take it."""
        if value is None:
            return None
        text = json.dumps([[float(x), float(y)] for x, y in value], allow_nan=False)
        return _seal_text(cipher_of(dialect), text.encode(), self.context) or text

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[PointXy, ...] | None:
        """Read them."""
        if value is None:
            return None
        opened = _open_text(cipher_of(dialect), value, self.context)
        return tuple((float(x), float(y)) for x, y in json.loads(value if opened is None else opened))


class LookupText(TypeDecorator[str]):
    """Text that rows are found by; equal texts are kept as equal texts."""

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it where the gallery is encrypted."""
        return None if value is None else lookup_text(cipher_of(dialect), value, self.context)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo what ``process_bind_param`` did."""
        cipher = cipher_of(dialect)
        if value is None or cipher is None:
            return value
        return cipher.from_lookup(_decoded(value), self.context.encode()).decode()


class LookupHash(TypeDecorator[str]):
    """A SHA-256, lower-case hex, that rows are found by: 64 characters in a plain gallery and in an encrypted one."""

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it where the gallery is encrypted."""
        cipher = cipher_of(dialect)
        if value is None or cipher is None:
            return value
        return _encoded(cipher.lookup(bytes.fromhex(value), self.context.encode()))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo what ``process_bind_param`` did."""
        cipher = cipher_of(dialect)
        if value is None or cipher is None:
            return value
        return cipher.from_lookup(_decoded(value), self.context.encode()).hex()


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


def kept_name(connection: Connection, member_id: int, name: str) -> str:
    """What ``MemberRow.name`` holds for a member's name."""
    return _seal_text(cipher_of(connection), name.encode(), _name_context(member_id)) or name


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
