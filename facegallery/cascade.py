"""MTCNN's cascade over arrays: from pixels to boxes and landmarks, the three networks passed in.

The cascade is "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (Zhang et al.,
2016) as facenet-pytorch's ``detect_face`` computes it, number for number, with one difference: a candidate that a
network moved wholly off the photo, which has no crop, is dropped; there it raises an exception.

Boxes are rows of left, top, right, bottom in the photo's frame, float32 as in facenet-pytorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from facegallery.summed_area import SummedArea

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Ids, Pixels

    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

Network: TypeAlias = "Callable[[Floats], tuple[Floats, ...]]"
"""Takes shape (n, 3, h, w), float32, RGB, (x - 127.5) / 128; may keep no reference to it."""

CELL_PX = 12
"""The side of what the first network looks at for one answer: a smallest face is reduced to this."""

PYRAMID_FACTOR = 0.709
"""Each level's side as a share of the one before; this and the thresholds are facenet-pytorch's defaults."""

FIRST_THRESHOLD, SECOND_THRESHOLD, THIRD_THRESHOLD = 0.6, 0.7, 0.7

_STRIDE_PX = 2
_SECOND_SIDE_PX, _THIRD_SIDE_PX = 24, 48

_BAND_PIXELS = 80_000
"""The first network sees a level in bands of about this size. What lies between its layers, five megabytes, is then
used again from band to band; for larger ones torch asks the system for fresh pages each time, at 1.5 times the cost."""

_SECOND_BATCH, _THIRD_BATCH = 64, 16
"""Crops in one batch, for the same reason: 256 of them take 1.6 times as long each."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The cascade's networks, in facenet-pytorch's order of outputs.

    Attributes:
        first: (1, 3, h, w), h and w at least 12 -> moves (1, 4, h', w') and probabilities (1, 2, h', w'), where h' is
            ceil(h / 2) - 5. Cell (r, c) looks at the rows 2r to 2r + 11 and the columns 2c to 2c + 11.
        second: (n, 3, 24, 24) -> moves (n, 4), probabilities (n, 2).
        third: (n, 3, 48, 48) -> moves (n, 4), landmarks (n, 10: five x, five y), probabilities (n, 2).
            Moves and landmarks are in sides of the box; the second probability is that of a face.
    """

    first: Network
    second: Network
    third: Network


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The faces of one photo, most probable first.

    Attributes:
        boxes_xyxy: shape (n, 4), float32; photo frame. May reach beyond the photo.
        probabilities: shape (n,), float32.
        landmarks_xy: shape (n, 5, 2), float32; photo frame.
    """

    boxes_xyxy: Floats
    probabilities: Floats
    landmarks_xy: Floats


class Overlap(Enum):
    """What the shared area of two boxes is divided by."""

    UNION = "union"
    """The area of both together; sides are right - left (``torchvision.ops.nms``)."""
    MIN = "min"
    """The smaller one's area; sides are right - left + 1 (``nms_numpy`` of facenet-pytorch)."""


def find_faces(photos: Sequence[Pixels], smallest_px: Sequence[float], networks: Networks) -> list[Found]:
    """Run the cascade on photos of any sizes; the second and third network see crops of all photos together.

    Until the last network is done, 8 bytes are held for each pixel of all ``photos``.

    Args:
        photos: each of shape (h, w, 3), uint8, RGB, at least 1x1.
        smallest_px: for each photo the side of the smallest face looked for; at least 12, so that no level of the
            pyramid is larger than the photo.
        networks: The three networks.

    Returns:
        For each photo its faces; none for a photo that is lower or narrower than its smallest face.
    """
    if not photos:
        return []
    tables = [SummedArea(photo) for photo in photos]
    first = [_first_stage(table, side, networks.first) for table, side in zip(tables, smallest_px, strict=True)]
    second = _second_stage(tables, first, networks.second)
    return _third_stage(tables, second, networks.third)


def pyramid_scales(height: int, width: int, smallest_px: float) -> list[float]:
    """Sizes at which the first network looks, as shares of the photo's, largest first; empty where no face fits."""
    scale = CELL_PX / smallest_px
    shorter_px = min(height, width) * scale
    scales = []
    while shorter_px >= CELL_PX:
        scales.append(scale)
        scale *= PYRAMID_FACTOR
        shorter_px *= PYRAMID_FACTOR
    return scales


# --- stages -------------------------------------------------------------------------------------------------------


def _first_stage(table: SummedArea, smallest_px: float, network: Network) -> Floats:
    """Candidate boxes of one photo, square, shape (n, 4)."""
    levels = [_candidates(table, scale, network) for scale in pyramid_scales(table.height, table.width, smallest_px)]
    if not levels:
        return np.empty((0, 4), np.float32)
    boxes, scores, moves = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    kept = suppress(boxes, scores, 0.7, Overlap.UNION)
    boxes, moves = boxes[kept], moves[kept]
    sides = boxes[:, 2:] - boxes[:, :2]
    return _squared(boxes + moves * np.concatenate([sides, sides], axis=1))


def _candidates(table: SummedArea, scale: float, network: Network) -> tuple[Floats, Floats, Floats]:
    """What the first network finds at one level: boxes (n, 4), probabilities (n,), moves (n, 4)."""
    rows, columns, scores, moves = [], [], [], []
    for first_row, band in _bands(table, scale):
        band_moves, probabilities = network(band)
        row, column = np.nonzero(probabilities[0, 1] >= FIRST_THRESHOLD)
        rows.append(row + first_row)
        columns.append(column)
        scores.append(probabilities[0, 1, row, column])
        moves.append(band_moves[0][:, row, column].T)  # (4, h', w') -> (n, 4)
    corners = np.stack([np.concatenate(columns), np.concatenate(rows)], axis=1).astype(np.float32) * _STRIDE_PX
    # One pixel to the right and below of where the cell lies: as in the authors' Matlab, which counts from 1.
    left_top, right_bottom = (np.floor((corners + shift) / np.float32(scale)) for shift in (1, CELL_PX))
    score = np.concatenate(scores)
    boxes = np.concatenate([left_top, right_bottom], axis=1)
    kept = suppress(boxes, score, 0.5, Overlap.UNION)
    return boxes[kept], score[kept], np.concatenate(moves)[kept]


def _bands(table: SummedArea, scale: float) -> Iterator[tuple[int, Floats]]:
    """A level as the first network's input, in bands: the row of its answer where each begins, and (1, 3, h, w).

    Bands overlap by ten rows, so that the answers joined are those for the whole level.
    """
    height, width = int(table.height * scale + 1), int(table.width * scale + 1)
    n_answers = -(-height // _STRIDE_PX) - 5
    n_at_once = max(16, _BAND_PIXELS // (_STRIDE_PX * width))
    for first in range(0, n_answers, n_at_once):
        end = _STRIDE_PX * (first + n_at_once) + CELL_PX - _STRIDE_PX if first + n_at_once < n_answers else height
        level = table.level(height, width, rows=slice(_STRIDE_PX * first, end))
        yield first, _standardized(level)[np.newaxis]


def _second_stage(tables: Sequence[SummedArea], candidates: Sequence[Floats], network: Network) -> list[Floats]:
    """Candidates that the second network takes for faces: for each photo square boxes, shape (n, 4)."""
    of_photo, boxes, crops = _with_crops(tables, candidates)
    if not len(boxes):
        return [boxes] * len(tables)
    moves, probabilities = _in_batches(tables, of_photo, crops, _SECOND_SIDE_PX, _SECOND_BATCH, network)
    stage = []
    for photo in range(len(tables)):
        passed = np.flatnonzero((of_photo == photo) & (probabilities[:, 1] > SECOND_THRESHOLD))
        passed = passed[suppress(boxes[passed], probabilities[passed, 1], 0.7, Overlap.UNION)]
        stage.append(_squared(_moved(boxes[passed], moves[passed])))
    return stage


def _third_stage(tables: Sequence[SummedArea], candidates: Sequence[Floats], network: Network) -> list[Found]:
    """The faces of each photo."""
    of_photo, boxes, crops = _with_crops(tables, candidates)
    if not len(boxes):
        return [Found(boxes, boxes[:, 0], np.empty((0, 5, 2), np.float32)) for _ in tables]
    moves, points, probabilities = _in_batches(tables, of_photo, crops, _THIRD_SIDE_PX, _THIRD_BATCH, network)
    stage = []
    for photo in range(len(tables)):
        passed = np.flatnonzero((of_photo == photo) & (probabilities[:, 1] > THIRD_THRESHOLD))
        box, score = boxes[passed], probabilities[passed, 1]
        sides = box[:, 2:] - box[:, :2] + 1
        shares = points[passed].reshape(-1, 2, 5).transpose(0, 2, 1)  # five x, five y -> five pairs
        landmarks = sides[:, np.newaxis] * shares + box[:, np.newaxis, :2] - 1
        box = _moved(box, moves[passed])
        kept = suppress(box, score, 0.7, Overlap.MIN)
        stage.append(Found(box[kept], score[kept], landmarks[kept]))
    return stage


# --- crops --------------------------------------------------------------------------------------------------------


def _with_crops(tables: Sequence[SummedArea], candidates: Sequence[Floats]) -> tuple[Ids, Floats, Ids]:
    """Join the photos' candidates, without those that have no pixel in their photo.

    Returns:
        The photo of each, shape (n,); its box, (n, 4), float32; the box in whole pixels inside the photo, (n, 4),
        int64, left, top, right, bottom, counted from 0 with right and bottom not included.
    """
    of_photo = np.repeat(np.arange(len(tables)), [len(boxes) for boxes in candidates])
    boxes = np.concatenate(list(candidates))
    sizes = np.array([(table.width, table.height) for table in tables], np.float32)
    whole = np.trunc(boxes)
    # Counted from 1, with the last pixel included: pixel 1 is the first.
    left_top = np.maximum(whole[:, :2], 1) - 1
    right_bottom = np.minimum(whole[:, 2:], sizes[of_photo])
    has_pixels = (right_bottom > left_top).all(axis=1)  # False also where a number is not one
    crops = np.concatenate([left_top, right_bottom], axis=1)[has_pixels].astype(np.int64)
    return of_photo[has_pixels], boxes[has_pixels], crops


def _in_batches(
    tables: Sequence[SummedArea], of_photo: Ids, crops: Ids, side_px: int, n_at_once: int, network: Network
) -> list[Floats]:
    """Answers of a network for crops reduced or enlarged to ``side_px``; ``of_photo`` ascends."""
    answers = []
    for start in range(0, len(crops), n_at_once):
        batch = slice(start, start + n_at_once)
        photos = np.unique(of_photo[batch])
        parts = [tables[photo].crops(crops[batch][of_photo[batch] == photo], side_px) for photo in photos]
        answers.append(network(_standardized(np.concatenate(parts))))
    return [np.concatenate(parts) for parts in zip(*answers, strict=True)]


def _standardized(values: Floats) -> Floats:
    """Bring 0 to 255 to the networks' range, in place."""
    values -= np.float32(127.5)
    values *= np.float32(1 / 128)
    return values


# --- boxes --------------------------------------------------------------------------------------------------------


def _moved(boxes: Floats, moves: Floats) -> Floats:
    """Move each side of each box by a share of the box's side."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    moved: Floats = boxes + moves * np.concatenate([sides, sides], axis=1)
    return moved


def _squared(boxes: Floats) -> Floats:
    """Make boxes square about their centres, by their longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    left_top = boxes[:, :2] + sides * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([left_top, left_top + side], axis=1)


def suppress(boxes: Floats, scores: Floats, threshold: float, overlap: Overlap) -> Ids:
    """Non-maximum suppression: go through boxes by falling score, and drop what overlaps a kept one too much.

    Args:
        boxes: shape (n, 4), float32.
        scores: shape (n,), float32. Of equal ones the first is taken first, under ``Overlap.MIN`` the one that NumPy's
            own sort puts last, as in the functions they follow.
        threshold: A box with a greater overlap is dropped, one with just this much is not.
        overlap: How the overlap of two boxes is measured.

    Returns:
        Rows kept, by falling score, shape (m,), int64.
    """
    order = np.argsort(-scores, kind="stable") if overlap is Overlap.UNION else np.argsort(scores)[::-1]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    one, other = _overlapping(boxes, threshold, overlap)
    one_first = rank[one] < rank[other]
    return order[_undefeated(np.where(one_first, one, other), np.where(one_first, other, one), len(boxes))[order]]


def _overlapping(boxes: Floats, threshold: float, overlap: Overlap) -> tuple[Ids, Ids]:
    """All pairs of boxes that overlap by more than ``threshold``, each once."""
    extra_px = np.float32(overlap is Overlap.MIN)
    one, other = _near_in_height(boxes, threshold if overlap is Overlap.UNION else 0.0)
    left_top = np.maximum(boxes[one, :2], boxes[other, :2])
    right_bottom = np.minimum(boxes[one, 2:], boxes[other, 2:])
    shared_sides = np.maximum(right_bottom - left_top + extra_px, 0)
    shared = shared_sides[:, 0] * shared_sides[:, 1]
    sides = boxes[:, 2:] - boxes[:, :2] + extra_px
    area = sides[:, 0] * sides[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        if overlap is Overlap.UNION:
            # In float64, as torchvision compares; the other one's Python number is rounded to float32 by NumPy.
            too_much = shared / (area[one] + area[other] - shared) > np.float64(threshold)
        else:
            too_much = ~(shared / np.minimum(area[one], area[other]) <= threshold)
    return one[too_much], other[too_much]


def _near_in_height(boxes: Floats, threshold: float) -> tuple[Ids, Ids]:
    """Pairs of boxes that can overlap by more than ``threshold``, judged by top and bottom alone, each once.

    Shared over joint area is at most shared over joint height. So of two boxes the lower one's top must be within
    1 - ``threshold`` of the upper one's height; a pixel is added for the convention with + 1 and for rounding.
    """
    by_top = np.argsort(boxes[:, 1], kind="stable")
    top, bottom = boxes[by_top, 1], boxes[by_top, 3]
    end = np.searchsorted(top, top + (bottom - top) * np.float32(1 - threshold) + 1, side="right")
    n_each = np.maximum(end - np.arange(len(top)) - 1, 0)
    one = np.repeat(np.arange(len(top)), n_each)
    other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(n_each) - n_each, n_each)
    return by_top[one], by_top[other]


def _undefeated(better: Ids, worse: Ids, n: int) -> Flags:
    """Who is left when each of ``n``, best first, drops the worse ones it is paired with, unless it was dropped.

    All that have no better one left are settled at once: as many rounds as the longest chain of pairs, not ``n``.
    """
    left = np.ones(n, bool)
    while len(better):
        beaten = np.zeros(n, bool)
        beaten[worse] = True
        left[worse[~beaten[better]]] = False  # paired with one that nobody can drop any more
        open_pairs = left[better] & left[worse] & beaten[better]
        better, worse = better[open_pairs], worse[open_pairs]
    return left
