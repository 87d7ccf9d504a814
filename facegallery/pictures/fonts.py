"""Text in pictures: a font that has the letters, no character that misleads, and lines that fit.

Pillow's own font travels with it and draws the same everywhere, but holds little beyond ASCII. A name that needs more
is drawn with a font of the system, where there is one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import ImageFont

from facegallery.text import printable

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",  # macOS: nearly all of Unicode's first plane
    "segoeui.ttf",  # Windows
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "meiryo.ttc",
    "malgun.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "Nirmala.ttf",
)
"""File names of fonts with many letters on Linux, macOS and Windows, the plainest first."""

ELLIPSIS = "..."
"""Three full stops: every font has them."""

_NEVER_A_CHARACTER = "\U0010ffff"  # a noncharacter: what a font draws for it, it draws for every letter it lacks


@dataclass(frozen=True, slots=True)
class Line:
    """Text that is ready to be drawn.

    Attributes:
        text: Without anything that a font cannot draw or that would reorder other letters.
        font: The font it is drawn with.
    """

    text: str
    font: ImageFont.FreeTypeFont

    @property
    def width_px(self) -> float:
        """Width of the drawn text."""
        return self.font.getlength(self.text)

    @property
    def height_px(self) -> int:
        """Height of a line in this font, whatever its letters."""
        return sum(self.font.getmetrics())

    def draw(self, draw: ImageDraw, left_top: tuple[float, float], *, fill: str) -> None:
        """Draw the line with its upper left corner at a point."""
        draw.text(left_top, self.text, font=self.font, fill=fill, anchor="la")

    def shortened(self, width_px: float) -> Line:
        """The line itself if it fits, else its beginning and its end with an ellipsis between.

        Names and figures stand at either end, so both stay.
        """
        text, kept = self.text, len(self.text)
        while kept and self.font.getlength(text) > width_px:
            kept -= 1
            tail = kept // 2
            text = self.text[: kept - tail].rstrip() + ELLIPSIS + self.text[len(self.text) - tail :].lstrip()
        return Line(text, self.font)

    def wrapped(self, width_px: float) -> list[Line]:
        """The same words over as many lines as they need; a word that is too long alone is broken. Nothing is lost."""
        lines: list[str] = []
        for piece in self._pieces(width_px):
            longer = f"{lines[-1]} {piece}" if lines else piece
            if lines and self.font.getlength(longer) <= width_px:
                lines[-1] = longer
            else:
                lines.append(piece)
        return [Line(line, self.font) for line in lines]

    def _pieces(self, width_px: float) -> Iterator[str]:
        for word in self.text.split():
            start = 0
            for end in range(1, len(word)):
                if self.font.getlength(word[start : end + 1]) > width_px:
                    yield word[start:end]
                    start = end
            yield word[start:]


def typeset(text: str, size_px: int) -> Line:
    """Make text drawable, in the first font that has its letters, or else in the one that lacks the fewest.

    A letter that no font has is drawn as the letter under its accent where that exists, else as the font's empty box.
    """
    shown = printable(unicodedata.normalize("NFC", text))
    best = _font(None, size_px)
    missing = _missing(best, shown)
    for name in SYSTEM_FONTS if missing else ():
        path = _system_font(name)
        if path is None:
            continue
        font = _font(path, size_px)
        lacking = _missing(font, shown)
        if len(lacking) < len(missing):
            best, missing = font, lacking
        if not missing:
            break
    return Line("".join(_without_accent(char) if char in missing else char for char in shown), best)


@lru_cache(maxsize=64)
def _font(path: str | None, size_px: int) -> ImageFont.FreeTypeFont:
    if path is not None:
        return ImageFont.truetype(path, size_px)
    font = ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("with a size given, Pillow's own font is a FreeType font")
    return font


@lru_cache(maxsize=len(SYSTEM_FONTS))
def _system_font(name: str) -> str | None:
    """Where a font is; Pillow looks through the system's font folders, which takes a while."""
    try:
        path = ImageFont.truetype(name, 10).path
    except OSError:
        return None
    return path if isinstance(path, str) else None


def _missing(font: ImageFont.FreeTypeFont, text: str) -> set[str]:
    """The characters of a text that the font has no shape for."""
    lacking = _shape(font, _NEVER_A_CHARACTER)
    beyond_ascii = {char for char in text if not char.isascii() and not char.isspace()}
    return {char for char in beyond_ascii if _shape(font, char) == lacking}


def _shape(font: ImageFont.FreeTypeFont, char: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(char)
    return mask.size, bytes(mask)


def _without_accent(char: str) -> str:
    base = unicodedata.normalize("NFKD", char)[0]
    return base if base.isascii() else char
