"""Boxes drawn on pictures: faces on their photo with words and landmarks, readable on any background and in a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facegallery.domain import BoxXyxy, Face, Photo, Pixels, PointXy, Verdict
from facegallery.pictures.fonts import Line, typeset

FaceNote = tuple[Face, str, Verdict | None]
"""A face, the words for it, and what was decided about it (None where nothing was asked)."""

MIN_SHORT_SIDE_PX = 480
"""A smaller photo is drawn enlarged to this, so that words fit beside its faces..."""

MAX_ENLARGED_LONG_SIDE_PX = 4096
"""...unless that made a long strip a huge picture."""

OUTLINED_PX = 320
"""A smaller picture is enlarged to this before a place on it is outlined, so that the line stays thin beside it."""

_HALO = "#ffffff"
_OUTLINE_PX = 3
_TEXT_PER_FACE, _MIN_TEXT_PX, _MAX_TEXT_PER_PHOTO = 1 / 6, 12, 1 / 32
_LINE_PER_FACE, _MIN_LINE_PX, _MAX_LINE_PER_PHOTO = 1 / 35, 2, 1 / 300
_DOT_PER_FACE, _MAX_DOT_PER_PHOTO = 1 / 45, 1 / 110
_LABEL_PER_FACE, _LABEL_PER_TEXT = 2.5, 20  # a longer label is shortened

# What a place for a label costs: on another label it cannot be read, on a face it hides what the picture is about.
_COST_ON_LABEL, _COST_ON_OTHER_FACE, _COST_ON_OWN_FACE, _COST_PER_HEIGHT_AWAY = 20.0, 3.0, 1.0, 0.2


@dataclass(frozen=True, slots=True)
class _Style:
    """Colours from Okabe and Ito's palette for all kinds of colour vision; dashes tell the verdict in grey too."""

    colour: str
    ink: str
    dashed: bool


_STYLES = {
    Verdict.MATCH: _Style("#0072b2", "#ffffff", dashed=False),
    Verdict.UNKNOWN: _Style("#d55e00", "#000000", dashed=True),
    Verdict.AMBIGUOUS: _Style("#cc79a7", "#000000", dashed=True),
    None: _Style("#f0e442", "#000000", dashed=False),
}

_OUTLINE = _Style("#000000", _HALO, dashed=False)


def draw_faces(photo: Photo, faces: Sequence[FaceNote]) -> Image.Image:
    """Draw faces on their photo.

    Args:
        photo: The photo, reduced or not.
        faces: What to draw, in the photo frame. A match is blue with a solid box, an unknown orange and an ambiguous
            face pink with a dashed one, a face nothing was asked about yellow. Words that are too long are shortened
            in their middle.

    Returns:
        The photo with the drawing, RGB, in the size of ``photo.pixels`` or, where that is small, enlarged. Words stay
        inside it, and off each other where there is room.
    """
    canvas = _canvas(photo)
    draw = ImageDraw.Draw(canvas)
    scale = canvas.width / photo.width_px
    boxes = [_inside(_scaled(face.box_xyxy, scale), canvas) for face, _, _ in faces]
    styles = [_STYLES[verdict] for _, _, verdict in faces]
    for (face, _, _), box, style in zip(faces, boxes, styles, strict=True):
        _draw_box(draw, box, style, _line_width(box, canvas))
        radius = min((box[2] - box[0]) * _DOT_PER_FACE, max(canvas.size) * _MAX_DOT_PER_PHOTO)
        for x, y in face.landmarks_xy:
            _draw_dot(draw, (x * scale, y * scale), style.colour, radius)
    lines = [_label(text, box, canvas) for (_, text, _), box in zip(faces, boxes, strict=True)]
    places = place_labels([_label_size(line) for line in lines], boxes, canvas.size)
    for place, box, style in zip(places, boxes, styles, strict=True):  # before any label: a leader crosses no words
        _draw_leader(draw, place, box, style)
    for place, line, style in zip(places, lines, styles, strict=True):
        _draw_label(draw, place, line, style)
    return canvas


def outlined(picture: Pixels, box: BoxXyxy) -> Pixels:
    """Point at a place on a picture: a black box with a white halo, seen on dark and on bright.

    Args:
        picture: shape (h, w, 3), uint8, RGB; not changed.
        box: The place, in the picture's pixels; what lies outside the picture is cut off.

    Returns:
        shape (h, w, 3), uint8, RGB: the picture with the box, enlarged to 320 px where its short side is less.
    """
    image = Image.fromarray(picture)
    scale = max(1.0, OUTLINED_PX / min(image.size))
    canvas = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    _draw_box(ImageDraw.Draw(canvas), _inside(_scaled(box, scale), canvas), _OUTLINE, _OUTLINE_PX)
    return np.asarray(canvas)


# --- sizes --------------------------------------------------------------------------------------------------------


def _canvas(photo: Photo) -> Image.Image:
    picture = Image.fromarray(photo.pixels)
    factor = min(MIN_SHORT_SIDE_PX / min(picture.size), MAX_ENLARGED_LONG_SIDE_PX / max(picture.size))
    if factor <= 1:
        return picture
    size = round(picture.width * factor), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _scaled(box: BoxXyxy, scale: float) -> BoxXyxy:
    left, top, right, bottom = box
    return left * scale, top * scale, right * scale, bottom * scale


def _inside(box: BoxXyxy, canvas: Image.Image) -> BoxXyxy:
    """The part of a box that is on the canvas, so that all four of its lines are seen."""
    left, top, right, bottom = box
    across, down = canvas.width - 1, canvas.height - 1
    return min(max(left, 0), across), min(max(top, 0), down), max(min(right, across), 0), max(min(bottom, down), 0)


def _line_width(box: BoxXyxy, canvas: Image.Image) -> int:
    most = max(canvas.size) * _MAX_LINE_PER_PHOTO
    return round(max(_MIN_LINE_PX, min((box[2] - box[0]) * _LINE_PER_FACE, most)))


def _label(text: str, box: BoxXyxy, canvas: Image.Image) -> Line:
    face_px = box[2] - box[0]
    size = round(max(_MIN_TEXT_PX, min(face_px * _TEXT_PER_FACE, max(canvas.size) * _MAX_TEXT_PER_PHOTO)))
    line = typeset(text, size)
    room = max(face_px * _LABEL_PER_FACE, size * _LABEL_PER_TEXT)
    return line.shortened(min(room, canvas.width - 2 * _padding(line)))


def _padding(line: Line) -> int:
    return max(2, line.height_px // 5)


def _label_size(line: Line) -> tuple[float, float]:
    return line.width_px + 2 * _padding(line), float(line.height_px)


# --- places for the labels ----------------------------------------------------------------------------------------


def place_labels(
    sizes: Sequence[tuple[float, float]], boxes: Sequence[BoxXyxy], canvas_size: tuple[int, int]
) -> list[BoxXyxy]:
    """Choose where labels go, one after the other: each at the cheapest of the places around its face.

    Args:
        sizes: Width and height of each label, none larger than the canvas.
        boxes: The face of each label, in the canvas's frame.
        canvas_size: Width and height of the canvas.

    Returns:
        A place for each label, on the canvas; off other labels where there is room.
    """
    chosen: list[BoxXyxy] = []
    for number, (size, box) in enumerate(zip(sizes, boxes, strict=True)):
        others = [*boxes[:number], *boxes[number + 1 :]]
        costs = {
            place: _COST_ON_LABEL * _covered(place, chosen)
            + _COST_ON_OTHER_FACE * _covered(place, others)
            + _COST_ON_OWN_FACE * _covered(place, [box])
            + _COST_PER_HEIGHT_AWAY * _gap(place, box) / size[1]
            for place in _candidates(size, box, canvas_size)
        }
        chosen.append(min(costs, key=lambda place: costs[place]))
    return chosen


def _candidates(size: tuple[float, float], box: BoxXyxy, canvas_size: tuple[int, int]) -> list[BoxXyxy]:
    """Places around and on a face, the best first, all moved onto the canvas."""
    width, height = size
    left, top, right, bottom = box
    lefts = (left, right - width, (left + right - width) / 2)
    tops = (top - height, bottom, top, bottom - height, *(top - step * height for step in range(2, 7)))
    beside = product((right, left - width), (top, (top + bottom - height) / 2, bottom - height))
    below = product(lefts, (bottom + step * height for step in range(1, 6)))
    corners = [(x, y) for y, x in product(tops, lefts)] + list(beside) + list(below)
    return [_moved_inside((x, y, x + width, y + height), canvas_size) for x, y in corners]


def _moved_inside(place: BoxXyxy, canvas_size: tuple[int, int]) -> BoxXyxy:
    left, top, right, bottom = place
    x = max(0.0, min(left, canvas_size[0] - (right - left)))
    y = max(0.0, min(top, canvas_size[1] - (bottom - top)))
    return x, y, x + right - left, y + bottom - top


def _covered(place: BoxXyxy, others: Sequence[BoxXyxy]) -> float:
    """How much of a place the others cover, as a share of its area, summed."""
    if not others:
        return 0.0
    rows: NDArray[np.float64] = np.array(others)
    across = np.minimum(rows[:, 2], place[2]) - np.maximum(rows[:, 0], place[0])
    down = np.minimum(rows[:, 3], place[3]) - np.maximum(rows[:, 1], place[1])
    area = (place[2] - place[0]) * (place[3] - place[1])
    return float((across.clip(0) * down.clip(0)).sum() / area)


def _gap(one: BoxXyxy, other: BoxXyxy) -> float:
    """Distance between two boxes, 0 where they touch."""
    across = max(one[0] - other[2], other[0] - one[2], 0.0)
    down = max(one[1] - other[3], other[1] - one[3], 0.0)
    return max(across, down)


# --- strokes ------------------------------------------------------------------------------------------------------


def _draw_box(draw: ImageDraw.ImageDraw, box: BoxXyxy, style: _Style, width: int) -> None:
    draw.rectangle(_grown(box, 1), outline=_HALO, width=width + 2)
    if not style.dashed:
        draw.rectangle(box, outline=style.colour, width=width)
        return
    left, top, right, bottom = box
    dash, inset = 5 * width, width - 1
    for start in np.arange(left, right, 2 * dash):
        end = min(start + dash, right)
        draw.rectangle((start, top, end, min(top + inset, bottom)), fill=style.colour)
        draw.rectangle((start, max(bottom - inset, top), end, bottom), fill=style.colour)
    for start in np.arange(top, bottom, 2 * dash):
        end = min(start + dash, bottom)
        draw.rectangle((left, start, min(left + inset, right), end), fill=style.colour)
        draw.rectangle((max(right - inset, left), start, right, end), fill=style.colour)


def _draw_dot(draw: ImageDraw.ImageDraw, point: PointXy, colour: str, radius: float) -> None:
    x, y = point
    draw.ellipse(_grown((x, y, x, y), radius + 1), fill=_HALO)
    draw.ellipse(_grown((x, y, x, y), radius), fill=colour)


def _draw_leader(draw: ImageDraw.ImageDraw, place: BoxXyxy, box: BoxXyxy, style: _Style) -> None:
    """Tie a label to the face it had to leave."""
    if _gap(place, box) > 0:
        ends = _nearest(place, box), _nearest(box, place)
        draw.line(ends, fill=_HALO, width=4)
        draw.line(ends, fill=style.colour, width=2)


def _draw_label(draw: ImageDraw.ImageDraw, place: BoxXyxy, line: Line, style: _Style) -> None:
    draw.rectangle(place, fill=style.colour, outline=_HALO)
    line.draw(draw, (place[0] + _padding(line), place[1]), fill=style.ink)


def _nearest(box: BoxXyxy, other: BoxXyxy) -> PointXy:
    """The point of a box that is nearest to the middle of another."""
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])


def _grown(box: BoxXyxy, margin: float) -> BoxXyxy:
    return box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin
