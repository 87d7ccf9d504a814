"""Text from outside, names of members and files, as people see it: safe to show, and in the order they expect."""

from __future__ import annotations

import re
import shlex
import unicodedata

_ESCAPED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line and paragraph separators
_BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: object) -> str:
    r"""Text with control characters, line ends, bidirectional controls and lone surrogates escaped, as ``\u202e``.

    A member's or a file's name may hold anything; shown, it must not move the cursor, forge a line or reorder its
    neighbours.
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in _ESCAPED_CATEGORIES or char in _BIDI_CONTROLS
        else char
        for char in str(text)
    )


def shell_word(text: object) -> str:
    r"""One word of a command that can be copied into a shell, printable as it stands.

    What ``printable`` would escape is given as ``$'...'``, which bash and zsh read back: a command with the escapes of
    ``printable`` alone would be about another member or file.
    """
    word = str(text)
    if word == printable(word):
        return shlex.quote(word)
    return "$'" + "".join(map(_shell_character, word)) + "'"


def _shell_character(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char == printable(char):
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a file's name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def apart(value: float, limit: float) -> tuple[str, str]:
    """Two numbers with two digits; with more, up to four, where fewer do not tell them apart."""
    for digits in (2, 3):
        told = f"{value:.{digits}f}", f"{limit:.{digits}f}"
        if value == limit or told[0] != told[1]:
            return told
    return f"{value:.4f}", f"{limit:.4f}"


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key by which ``2.jpg`` comes before ``10.jpg``; case and Unicode form matter only between equals."""
    parts = re.split(r"([0-9]+)", unicodedata.normalize("NFC", name).casefold())
    # Text and digits alternate, so that text is only ever compared with text.
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), name
