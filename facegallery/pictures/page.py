"""A page: an explanation as one HTML file that carries its pictures, asks for nothing else and runs nothing."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from facegallery.pictures.figure import Figure
from facegallery.pictures.heat import colour_bar
from facegallery.pictures.output import HTML, PNG_LEVEL, write_output
from facegallery.settings import bundled
from facegallery.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from facegallery.domain import Pixels

TEMPLATE = "page.html.jinja"

_BAR_STOPS = 9  # as many as the unsigned map's table has colours

# The blocks of Hebrew, Arabic and their relatives. A run of them may hold spaces and punctuation, not Latin or digits.
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff"
_RTL_RUNS = re.compile(rf"([{_RTL}](?:\W*[{_RTL}])*)")


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows; numbers come formatted.

    Attributes:
        caption: What the table shows.
        columns: Their headings.
        rows: A text for each column; the first names the row.
        right_aligned: Places of the columns that are set flush right, numbers, from 0.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right_aligned: Collection[int] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A part of a page: paragraphs, then pictures, then tables."""

    title: str
    paragraphs: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a page says. Any text may hold anything: it is shown as it is, and is never markup.

    Attributes:
        title: The heading.
        lead: The decision in words, a paragraph each.
        sections: What follows, from the top.
        settings: What the page was made with, by name; listed at the end.
    """

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    settings: Mapping[str, str]


def html_of(page: Page) -> str:
    """The page as HTML5: always valid UTF-8, pictures inside as PNG, no script, no reference to anything outside.

    Names from right to left are isolated, so that they do not reorder the words and numbers beside them; characters
    that would, or that are none, are shown escaped (see ``text.printable``).
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(data_uri=_data_uri, runs=_runs)
    template = environment.from_string(bundled(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(page=page, unsigned_bar=_gradient(signed=False), signed_bar=_gradient(signed=True))


def save_page(page: Page, path: Path) -> None:
    """Write a page, whole or not at all. Folders on the way are made.

    Args:
        page: The page.
        path: Where to; its name ends in ``.html`` or ``.htm``. An earlier page of this program there is replaced; any
            other file is not.

    Raises:
        ExplanationError: The name is of another format, another file is in the place, or it cannot be written.
    """
    content = html_of(page).encode("utf-8")
    write_output(path, HTML, lambda file: file.write(content))


def _shown(value: object) -> object:
    """What any expression of the template comes out as, before it is escaped; markup of the template's own stays."""
    return value if hasattr(value, "__html__") else printable(value)


def _runs(text: str) -> list[tuple[bool, str]]:
    """A text in pieces, each with whether it is written from right to left."""
    return [(place % 2 == 1, piece) for place, piece in enumerate(_RTL_RUNS.split(text)) if piece]


def _data_uri(picture: Pixels) -> str:
    """A picture of shape (h, w, 3), uint8, RGB, as the address that holds it."""
    png = io.BytesIO()
    Image.fromarray(picture).save(png, format="PNG", compress_level=PNG_LEVEL)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")


def _gradient(*, signed: bool) -> str:
    """A colour bar in CSS."""
    stops = ", ".join("#" + bytes(colour).hex() for colour in colour_bar(_BAR_STOPS, 1, signed=signed)[0])
    return f"linear-gradient(to right, {stops})"
