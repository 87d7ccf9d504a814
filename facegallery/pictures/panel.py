"""A panel: a decision in words above a row of pictures with captions; and the one way a picture is written to disk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageOps
from PIL.PngImagePlugin import PngInfo

from facegallery.errors import ExplanationError
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

# Read back before a file is replaced; Pillow writes it into the first bytes of the PNG.
_SIGNATURE = ("Software", "facegallery")
_SIGNED = b"tEXt" + "\0".join(_SIGNATURE).encode("ascii")
_PNG_START_BYTES = 512


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One picture of a panel.

    Attributes:
        title: Above the picture.
        picture: shape (h, w, 3), uint8, RGB, any size; None where there is nothing to show.
        captions: Under the picture, a paragraph each.
        placeholder: In the picture's place when there is none: why. Line ends are kept.
        legend: The words at the low and high end of a bar with the colours of ``heat.overlay``; None draws no bar.
    """

    title: str
    picture: Pixels | None
    captions: Sequence[str] = ()
    placeholder: str = ""
    legend: tuple[str, str] | None = None


def draw_panel(words: Sequence[str], tiles: Sequence[Tile]) -> Image.Image:
    """Draw a panel on white. All text is wrapped; none is cut off.

    Args:
        words: The decision, a paragraph each, above the pictures.
        tiles: The pictures, from the left, four in a row.
    """
    # Two columns at least: sentences above a single picture would be wrapped too narrow to read.
    columns = min(max(len(tiles), 2), TILES_A_ROW)
    width = columns * TILE_PX + (columns - 1) * GAP_PX
    bands = [_stacked(_paragraphs(words, _WORDS_PX, width), width=width, ink=_INK)]
    bands += [_row(tiles[start : start + TILES_A_ROW], width) for start in range(0, len(tiles), TILES_A_ROW)]
    height = sum(band.height for band in bands) + GAP_PX * (len(bands) - 1)
    page = Image.new("RGB", (width + 2 * MARGIN_PX, height + 2 * MARGIN_PX), _PAPER)
    top = MARGIN_PX
    for band in bands:
        page.paste(band, (MARGIN_PX, top))
        top += band.height + GAP_PX
    return page


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture, whole or not at all. Folders on the way are made.

    Args:
        image: The picture.
        path: Where to; its name ends in ``.png``. An earlier picture of this program there is replaced; any other file
            is not, so that a slip of the keyboard never costs a photo.

    Raises:
        ExplanationError: The name is of another format, another file is in the place, or it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise ExplanationError(f"{path}: pictures are written as PNG. Give a name that ends in '.png'.")
    part = path.parent / f".{uuid.uuid4().hex}.part"
    info = PngInfo()
    info.add_text(*_SIGNATURE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not _drawn_by_us(path):
            raise ExplanationError(
                f"{path} exists and is no picture of this program, so it is not replaced. "
                "Give another name, or remove it."
            )
        try:
            with part.open("xb") as file:
                image.save(file, format="PNG", pnginfo=info)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ExplanationError(
            f"{path}: the picture cannot be written ({error.strerror or error}). Give a place that can be written to."
        ) from error


def _drawn_by_us(path: Path) -> bool:
    with path.open("rb") as file:
        return _SIGNED in file.read(_PNG_START_BYTES)


def _row(tiles: Sequence[Tile], width: int) -> Image.Image:
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


def _body(tile: Tile) -> Image.Image:
    """Picture, legend and captions of a tile, from the top."""
    parts = [_placeholder(tile.placeholder) if tile.picture is None else _picture(tile.picture)]
    if tile.legend is not None:
        parts.append(_legend(*tile.legend))
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
    return ImageOps.pad(Image.fromarray(pixels), square, method=Image.Resampling.BICUBIC, color=_EMPTY)


def _placeholder(text: str) -> Image.Image:
    lines = _paragraphs(text.split("\n"), _CAPTION_PX, TILE_PX - 2 * GAP_PX)
    words = _stacked(lines, width=TILE_PX - 2 * GAP_PX, ink=_FAINT_INK, paper=_EMPTY, flow=0.5)
    box = Image.new("RGB", (TILE_PX, max(TILE_PX, words.height + 2 * GAP_PX)), _EMPTY)
    ImageDraw.Draw(box).rectangle((0, 0, box.width - 1, box.height - 1), outline=_EDGE)
    box.paste(words, (GAP_PX, (box.height - words.height) // 2))
    return box


def _legend(low: str, high: str) -> Image.Image:
    """The bar, and under it the words for its ends; they share the width."""
    half = TILE_PX // 2
    ends = [_paragraphs([word], _CAPTION_PX, half) for word in (low, high)]
    left, right = (_stacked(lines, width=half, ink=_FAINT_INK, flow=flow) for flow, lines in enumerate(ends))
    legend = Image.new("RGB", (TILE_PX, _BAR_PX + max(left.height, right.height)), _PAPER)
    legend.paste(Image.fromarray(colour_bar(TILE_PX, _BAR_PX)), (0, 0))
    legend.paste(left, (0, _BAR_PX))
    legend.paste(right, (half, _BAR_PX))
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
