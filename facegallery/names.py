"""Members' names: what may be kept, and when two are the same."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from facegallery.errors import BadName

MAX_NAME_LENGTH = 300
"""Longest member's name, in characters after normalization: longer than any file system lets a folder's name be."""

LEAST_TOLD = 4
"""Characters of a name that is looked for inside of words; shorter ones are parts of too many."""

N_NEAREST = 3
"""How many look-alike names an error offers."""


def clean_name(name: str) -> str:
    """The form in which a member's name is kept and shown: NFC, without spaces at its ends.

    Everything else stays as given, line breaks and direction marks too; whoever prints a name escapes it.

    Raises:
        BadName: It is empty, longer than ``MAX_NAME_LENGTH``, or holds U+0000 or half a surrogate pair (the trace of a
            file name that is not valid text).
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise BadName(name, "it is empty")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise BadName(name, f"it has {len(cleaned)} characters, and {MAX_NAME_LENGTH} is the most")
    if "\0" in cleaned:
        raise BadName(name, "it holds the character U+0000")
    if any("\ud800" <= character <= "\udfff" for character in cleaned):
        raise BadName(name, "it is not valid text in this machine's encoding")
    return cleaned


def name_key(name: str) -> str:
    """What two spellings of one member's name have in common: no regard to case, Unicode form and runs of spaces.

    Unicode's canonical caseless matching (The Unicode Standard, 3.13, D145), then composed and with single spaces.
    """
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return " ".join(unicodedata.normalize("NFC", folded).split())


def nearest_names(name: str, enrolled: Iterable[str]) -> tuple[str, ...]:
    """The enrolled names that look like this one, best first, at most ``N_NEAREST``."""
    by_key = {name_key(each): each for each in enrolled}
    return tuple(by_key[key] for key in difflib.get_close_matches(name_key(name), by_key, n=N_NEAREST))


def is_in_path(names: Iterable[str], path: Path) -> bool:
    """Whether a path tells one of these names, in any spelling: within it, or as a whole part where it is short."""
    whole, parts = name_key(str(path)), {name_key(part) for part in (*path.parts, path.stem)}
    keys = [name_key(name) for name in names]
    return any(key in (whole if len(key) >= LEAST_TOLD else parts) for key in keys)
