"""JSON from an untrusted file: objects of exactly the expected keys, and values of exactly the expected kinds."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Collection
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

MAX_PATH_BYTES = 32_768
"""Longest path of a photo: eight times Linux's longest, and as long as Windows' longest."""

MAX_INT = 2**63 - 1
"""Largest whole number: what SQLite can keep."""

MAX_INT_DIGITS = 19

SHA256 = re.compile(r"[0-9a-f]{64}")

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?\+00:00")
_MAX_SHOWN = 60
# What JSON leaves as it is and some readers of lines take for the end of one.
_LINE_ENDS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}

_E = TypeVar("_E", bound=Enum)


class Fault(ValueError):
    """What is wrong with an archive, or with what should become one; one line, without the file's name."""


def shown(value: object) -> str:
    """Something from outside, short enough for a message."""
    text = repr(value[: _MAX_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


# --- to JSON ----------------------------------------------------------------------------------------------------------


def to_json(value: object, *, indent: int | None = None) -> bytes:
    """One JSON value and a line end. Names stay readable; without ``indent`` it is one line for every reader.

    Raises:
        Fault: A number in it is not finite.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
        return text.translate(_LINE_ENDS).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise Fault(f"{shown(error.object[error.start : error.end])} is half a character") from error
    except ValueError as error:
        raise Fault("a number is not finite") from error


def time_text(moment: datetime) -> str:
    """A moment in UTC, as ISO 8601.

    Raises:
        Fault: It has no time zone.
    """
    if moment.tzinfo is None:
        raise Fault("a time has no time zone")
    return moment.astimezone(timezone.utc).isoformat()


def path_fields(path: Path) -> dict[str, str]:
    """A path as readable text; percent-encoded where its bytes are not valid text.

    Raises:
        Fault: No file of this machine can have it.
    """
    if _is_encodable(str(path)):
        return {"path": str(path), "path_form": "text"}
    try:
        return {"path": quote_from_bytes(os.fsencode(path)), "path_form": "percent"}
    except UnicodeEncodeError as error:
        raise Fault(f"{shown(str(path))} is no path of this machine") from error


PATH_KEYS = ("path", "path_form")


# --- from JSON --------------------------------------------------------------------------------------------------------


def from_json(content: bytes, where: str) -> Any:
    """The value that some bytes hold.

    Raises:
        Fault: They are not JSON in UTF-8, or hold NaN, an enormous whole number, or one key twice in an object.
    """
    try:
        return json.loads(
            content.decode(), parse_constant=_no_number, parse_int=_whole_number, object_pairs_hook=_each_key_once
        )
    except RecursionError as error:
        raise Fault(f"{where} is nested too deeply") from error
    except ValueError as error:
        raise Fault(f"{where} is not JSON as it is written here ({error})") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _whole_number(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INT_DIGITS:
        raise ValueError("a whole number has too many digits")
    return int(digits)


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


class Fields:
    """One JSON object of exactly the expected keys, read field by field.

    Args:
        value: What JSON held.
        where: What it is, for messages: ``face 3``.
        keys: All its keys.

    Raises:
        Fault: It is no object, or has other keys; and from each method, where a field is not what that returns.
    """

    def __init__(self, value: object, where: str, keys: Collection[str]) -> None:
        if not isinstance(value, dict):
            raise Fault(f"{where} is not an object")
        if missing := [key for key in keys if key not in value]:
            raise Fault(f"{where} lacks '{missing[0]}'")
        if len(value) > len(keys):
            unknown = next(key for key in value if key not in keys)
            raise Fault(f"{where} has an unknown key, {shown(unknown)}")
        self._value = value
        self.where = where

    def fault(self, key: str, should: str) -> Fault:
        """To be raised: what a field should be and is not."""
        return Fault(f"{self.where}: '{key}' is not {should}")

    def raw(self, key: str) -> Any:
        """A field as JSON gave it."""
        return self._value[key]

    def inner(self, key: str, keys: Collection[str]) -> Fields:
        """An object of its own."""
        return Fields(self._value[key], f"'{key}' of {self.where}", keys)

    def text(self, key: str) -> str:
        """Any text, with no half of a surrogate pair and no U+0000."""
        value = self._value[key]
        if not isinstance(value, str) or "\0" in value or not _is_encodable(value):
            raise self.fault(key, "text")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], should: str) -> str:
        """Text of one form."""
        value = self._value[key]
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.fault(key, should)
        return value

    def sha256(self, key: str) -> str:
        """64 lower-case hex digits."""
        return self.matching(key, SHA256, "a SHA-256 in lower-case hex")

    def whole(self, key: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included; true and false are none."""
        value = self._value[key]
        if type(value) is not int or not low <= value <= high:
            raise self.fault(key, f"a whole number from {low} to {high}" if low <= high else "possible: there are none")
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from ``low`` to ``high``, both included; true and false are none."""
        value = finite(self._value[key])
        if value is None or not low <= value <= high:
            raise self.fault(key, "a number" if high == math.inf else f"a number from {low:g} to {high:g}")
        return value

    def truth(self, key: str) -> bool:
        """True or false, and neither 1 nor 0."""
        value = self._value[key]
        if not isinstance(value, bool):
            raise self.fault(key, "true or false")
        return value

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """So many finite numbers."""
        found = _numbers(self._value[key], count)
        if found is None:
            raise self.fault(key, f"{count} numbers")
        return found

    def points(self, key: str, count: int) -> tuple[tuple[float, float], ...]:
        """So many points (x, y) of finite numbers."""
        value = self._value[key]
        points = [_numbers(point, 2) for point in value] if isinstance(value, list) and len(value) == count else [None]
        found = tuple((point[0], point[1]) for point in points if point is not None)
        if len(found) < count:
            raise self.fault(key, f"{count} points of two numbers")
        return found

    def time(self, key: str) -> datetime:
        """A moment, in UTC."""
        try:
            return datetime.fromisoformat(self.matching(key, _TIME, "a time in UTC, as 2026-05-03T12:00:00+00:00"))
        except ValueError as error:  # a 13th month
            raise self.fault(key, "a time in UTC, as 2026-05-03T12:00:00+00:00") from error

    def choice(self, key: str, kind: type[_E]) -> _E:
        """A member of an enumeration, by its value."""
        value = self._value[key]
        for each in kind:
            if isinstance(value, str) and each.value == value:
                return each
        raise self.fault(key, f"one of {', '.join(repr(each.value) for each in kind)}")

    def path(self) -> Path:
        """The two fields of a path, exactly as it was."""
        text, form = self.text("path"), self._value["path_form"]
        try:
            if form == "text" and 0 < len(text.encode()) <= MAX_PATH_BYTES:
                return Path(text)
            if form == "percent" and 0 < len(text) <= 3 * MAX_PATH_BYTES:
                content = unquote_to_bytes(text)
                # Each path has one form only, so no two readers take it for two paths.
                if b"\0" not in content and quote_from_bytes(content) == text and not _is_text(content):
                    return Path(os.fsdecode(content))
        except ValueError as error:  # bytes that no path of this machine can have
            raise self.fault("path", "a path of this machine") from error
        raise self.fault("path", "a path in the form that 'path_form' says")


def finite(value: object) -> float | None:
    """A number of JSON as a float; None where it is none, or no float comes near it."""
    if type(value) is not int and type(value) is not float:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _numbers(value: object, count: int) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    found = [number for number in map(finite, value) if number is not None]
    return tuple(found) if len(found) == count else None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
