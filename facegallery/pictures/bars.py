"""Shares as bars: each with its name and its number, to the right of zero what raises, to the left what lowers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from facegallery.pictures.fonts import Line, typeset
from facegallery.pictures.heat import colour_bar

if TYPE_CHECKING:
    from facegallery.domain import Pixels

_TEXT_PER_WIDTH, _MIN_TEXT_PX = 1 / 20, 12
_INK, _PAPER = "#111111", "#ffffff"

Share = tuple[str, float, float | None]
"""Name, value, and how far the value spreads to either side (None where it does not)."""


def draw_bars(rows: Sequence[Share], *, width_px: int) -> Pixels:
    """Draw shares under each other, on one scale.

    Args:
        rows: What to draw, from the top, finite numbers; at least one.
        width_px: Width of the drawing. Text and lines grow with it: drawn at twice the width it is shown at, it is
            sharp on a fine screen.

    Returns:
        shape (h, width_px, 3), uint8, RGB. Bars have the colours of the ends of a signed ``heat.colour_bar``; a whisker
        shows the spread. A long name is wrapped.
    """
    size = round(max(_MIN_TEXT_PX, width_px * _TEXT_PER_WIDTH))
    numbers = [typeset(_number(value, spread), size) for _, value, spread in rows]
    room = width_px - 2 * size - max(number.width_px for number in numbers)
    names = [typeset(name, size).wrapped(max(room, size)) for name, _, _ in rows]
    place = _scale(rows, width_px, size)
    bands = [
        _band(name, number, row, width_px=width_px, place=place)
        for name, number, row in zip(names, numbers, rows, strict=True)
    ]
    return np.concatenate([np.asarray(band) for band in bands])


def _number(value: float, spread: float | None) -> str:
    return f"{value:+.3f}" if spread is None else f"{value:+.3f} +/- {spread:.3f}"


def _scale(rows: Sequence[Share], width_px: int, size: int) -> Callable[[float], float]:
    """Where a value lies across the drawing; zero and every whisker are on it."""
    ends = [0.0, *(value + sign * (spread or 0) for _, value, spread in rows for sign in (-1, 1))]
    low, high = min(ends), max(ends)
    per_unit = (width_px - size) / ((high - low) or 1)
    return lambda value: size / 2 + (value - low) * per_unit


def _band(
    name: Sequence[Line], number: Line, row: Share, *, width_px: int, place: Callable[[float], float]
) -> Image.Image:
    """One share: name and number, and the bar below."""
    line_px, (_, value, spread) = number.height_px, row
    stroke, margin = max(1, line_px // 12), line_px // 2
    top = line_px * max(len(name), 1) + 3 * stroke
    bottom, zero = top + line_px // 2, place(0)
    band = Image.new("RGB", (width_px, bottom + margin), _PAPER)
    draw = ImageDraw.Draw(band)
    for at, line in enumerate(name):
        line.draw(draw, (number.font.size / 2, at * line_px), fill=_INK)
    number.draw(draw, (width_px - number.font.size / 2 - number.width_px, 0), fill=_INK)
    lowers, raises = (tuple(map(int, colour)) for colour in colour_bar(2, 1, signed=True)[0])
    left, right = sorted((zero, place(value)))
    draw.rectangle((left, top, right, bottom), fill=lowers if value < 0 else raises, outline=_INK, width=stroke)
    if spread is not None:
        ends, middle, cap = (place(value - spread), place(value + spread)), (top + bottom) / 2, line_px / 8
        for ink, width in ((_PAPER, 3 * stroke), (_INK, stroke)):  # a halo: the bar may be as dark as the line
            draw.line((ends[0], middle, ends[1], middle), fill=ink, width=width)
            for x in ends:
                draw.line((x, middle - cap, x, middle + cap), fill=ink, width=width)
    draw.line((zero, top - 2 * stroke, zero, bottom + 2 * stroke), fill=_INK, width=2 * stroke)
    return band
