"""A panel: a decision in words above a row of pictures with captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageOps

from facegallery.pictures.figure import Figure, Legend
from facegallery.pictures.fonts import Line, typeset
from facegallery.pictures.heat import colour_bar

if TYPE_CHECKING:
    from facegallery.domain import Pixels

TILE_PX = 320
TILES_A_ROW = 4
MARGIN_PX = 32
GAP_PX = 24

_WORDS_PX, _TITLE_PX, _CAPTION_PX = 22, 19, 16
_BAR_PX = 12
_INK, _FAINT_INK, _PAPER, _EMPTY, _EDGE = "#111111", "#444444", "#ffffff", "#f0f0f0", "#767676"


def draw_panel(words: Sequence[str], *groups: Sequence[Figure]) -> Image.Image:
    """Draw a panel on white. All text is wrapped; none is cut off.

    Args:
        words: The decision, a paragraph each, above the pictures.
        groups: The pictures, from the left, four in a row; each group begins a row.
    """
    # Two columns at least: sentences above a single picture would be wrapped too narrow to read.
    columns = min(max([2, *map(len, groups)]), TILES_A_ROW)
    width = columns * TILE_PX + (columns - 1) * GAP_PX
    bands = [_stacked(_paragraphs(words, _WORDS_PX, width), width=width, ink=_INK)]
    bands += [
        _row(tiles[start : start + TILES_A_ROW], width)
        for tiles in groups
        for start in range(0, len(tiles), TILES_A_ROW)
    ]
    height = sum(band.height for band in bands) + GAP_PX * (len(bands) - 1)
    page = Image.new("RGB", (width + 2 * MARGIN_PX, height + 2 * MARGIN_PX), _PAPER)
    top = MARGIN_PX
    for band in bands:
        page.paste(band, (MARGIN_PX, top))
        top += band.height + GAP_PX
    return page


def _row(tiles: Sequence[Figure], width: int) -> Image.Image:
    """Tiles side by side, their pictures at one height however long the titles are."""
    titles = [_stacked(_paragraphs([tile.title], _TITLE_PX, TILE_PX), width=TILE_PX, ink=_INK) for tile in tiles]
    bodies = [_body(tile) for tile in tiles]
    head = max(title.height for title in titles)
    row = Image.new("RGB", (width, head + max(body.height for body in bodies)), _PAPER)
    for place, (title, body) in enumerate(zip(titles, bodies, strict=True)):
        left = place * (TILE_PX + GAP_PX)
        row.paste(title, (left, head - title.height))
        row.paste(body, (left, head))
    return row


def _body(tile: Figure) -> Image.Image:
    """Picture, legend and captions of a tile, from the top."""
    picture = tile.shown()
    parts = [_placeholder(tile.placeholder) if picture is None else _picture(picture)]
    if tile.legend is not None:
        parts.append(_legend(tile.legend))
    parts.append(_stacked(_paragraphs(tile.captions, _CAPTION_PX, TILE_PX), width=TILE_PX, ink=_FAINT_INK))
    space = _CAPTION_PX // 2
    body = Image.new("RGB", (TILE_PX, sum(part.height + space for part in parts)), _PAPER)
    top = space
    for part in parts:
        body.paste(part, (0, top))
        top += part.height + space
    return body


def _picture(pixels: Pixels) -> Image.Image:
    """The picture as large as fits a square, in its middle."""
    square = (TILE_PX, TILE_PX)
    return ImageOps.pad(Image.fromarray(pixels), square, method=Image.Resampling.BICUBIC, color=_PAPER)


def _placeholder(text: str) -> Image.Image:
    lines = _paragraphs(text.split("\n"), _CAPTION_PX, TILE_PX - 2 * GAP_PX)
    words = _stacked(lines, width=TILE_PX - 2 * GAP_PX, ink=_FAINT_INK, paper=_EMPTY, flow=0.5)
    box = Image.new("RGB", (TILE_PX, max(TILE_PX, words.height + 2 * GAP_PX)), _EMPTY)
    ImageDraw.Draw(box).rectangle((0, 0, box.width - 1, box.height - 1), outline=_EDGE)
    box.paste(words, (GAP_PX, (box.height - words.height) // 2))
    return box


def _legend(words: Legend) -> Image.Image:
    """The bar, and under it the words for its ends, and for zero in its middle; they share the width."""
    width, last = TILE_PX // len(words), len(words) - 1
    blocks = [
        _stacked(_paragraphs([word], _CAPTION_PX, width), width=width, ink=_FAINT_INK, flow=place / last)
        for place, word in enumerate(words)
    ]
    legend = Image.new("RGB", (TILE_PX, _BAR_PX + max(block.height for block in blocks)), _PAPER)
    legend.paste(Image.fromarray(colour_bar(TILE_PX, _BAR_PX, signed=len(words) == 3)), (0, 0))
    for place, block in enumerate(blocks):
        legend.paste(block, ((TILE_PX - width) * place // last, _BAR_PX))
    return legend


def _paragraphs(texts: Iterable[str], size_px: int, width: int) -> list[Line]:
    return [line for text in texts for line in typeset(text, size_px).wrapped(width)]


def _stacked(lines: Sequence[Line], *, width: int, ink: str, paper: str = _PAPER, flow: float = 0) -> Image.Image:
    """Lines under each other; ``flow`` is 0 for flush left, 0.5 for centred, 1 for flush right."""
    block = Image.new("RGB", (width, sum(line.height_px for line in lines)), paper)
    draw, top = ImageDraw.Draw(block), 0
    for line in lines:
        line.draw(draw, (flow * (width - line.width_px), top), fill=ink)
        top += line.height_px
    return block
