"""MTCNN's cascade over arrays: from pixels to boxes and landmarks, the three networks passed in.

The cascade is "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (Zhang et al.,
2016) as facenet-pytorch's ``detect_face`` computes it, number for number, with one difference: a candidate that a
network moved wholly off the photo, which has no crop, is dropped; there it raises an exception.

Boxes are rows of left, top, right, bottom in the photo's frame, float32 as in facenet-pytorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from facegallery.pyramid import CELL_PX, STRIDE_PX, Level, Piece, pyramid_scales
from facegallery.summed_area import SummedArea
from facegallery.suppression import Overlap, suppress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Ids, Pixels

    Floats = NDArray[np.float32]
    Cells = tuple[Ids, Ids, Floats, Floats]  # of candidates: rows, columns, probabilities and moves

Network: TypeAlias = "Callable[[Floats], tuple[Floats, ...]]"
"""Takes shape (n, 3, h, w), float32, RGB, (x - 127.5) / 128; may keep no reference to it."""

FIRST_THRESHOLD, SECOND_THRESHOLD, THIRD_THRESHOLD = 0.6, 0.7, 0.7

_SECOND_SIDE_PX, _THIRD_SIDE_PX = 24, 48

_TOGETHER_PIXELS = 1_000_000
"""Pixels of pieces that are made before the first network is shown them, at 12 bytes each."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The cascade's networks, in facenet-pytorch's order of outputs.

    Attributes:
        first: (1, 3, h, w), h and w at least 12 -> moves (1, 4, h', w') and probabilities (1, 2, h', w'), where h' is
            ceil(h / 2) - 5. Cell (r, c) looks at the rows 2r to 2r + 11 and the columns 2c to 2c + 11.
        second: (n, 3, 24, 24) -> moves (n, 4), probabilities (n, 2).
        third: (n, 3, 48, 48) -> moves (n, 4), landmarks (n, 10: five x, five y), probabilities (n, 2).
            Moves and landmarks are in sides of the box; the second probability is that of a face.
        first_sides: Even sides, ascending, of the pieces that the first network is shown, and each less one: for a
            runtime that prepares itself for each new size. Empty where any size is as good as another.
        second_batch: Crops that the second network is given at once, at most. The default is torch's best: 256 of them
            take 1.6 times as long each.
        third_batch: The same for the third.
    """

    first: Network
    second: Network
    third: Network
    first_sides: tuple[int, ...] = ()
    second_batch: int = 64
    third_batch: int = 16


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
    first = [_first_stage(table, side, networks) for table, side in zip(tables, smallest_px, strict=True)]
    second = _second_stage(tables, first, networks)
    return _third_stage(tables, second, networks)


# --- stages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Boxes (n, 4), probabilities (n,) and moves (n, 4) of one level."""

    boxes: Floats
    scores: Floats
    moves: Floats


def _first_stage(table: SummedArea, smallest_px: float, networks: Networks) -> Floats:
    """Candidate boxes of one photo, square, shape (n, 4)."""
    levels = [Level(table, scale) for scale in pyramid_scales(table.height, table.width, smallest_px)]
    if not levels:
        return np.empty((0, 4), np.float32)
    answers: dict[Level, list[Cells]] = {level: [] for level in levels}
    for some in _together([(level, piece) for level in levels for piece in level.pieces(networks.first_sides)]):
        # Pieces first and then their answers: between calls in a row the network's threads do not fall asleep.
        shown = [_shown(level, piece) for level, piece in some]
        for (level, piece), (moves, probabilities) in zip(some, map(networks.first, shown), strict=True):
            answers[level].append(_found(piece, moves, probabilities))
    return _joined([_candidates(level.scale, answers[level]) for level in levels])


def _together(pieces: Sequence[tuple[Level, Piece]]) -> Iterator[list[tuple[Level, Piece]]]:
    """Pieces in lots of about ``_TOGETHER_PIXELS``."""
    lot: list[tuple[Level, Piece]] = []
    n_pixels = 0
    for level, piece in pieces:
        lot.append((level, piece))
        n_pixels += piece.rows.size * piece.columns.size
        if n_pixels >= _TOGETHER_PIXELS:
            yield lot
            lot, n_pixels = [], 0
    if lot:
        yield lot


def _shown(level: Level, piece: Piece) -> Floats:
    """A piece as the first network's input: shape (1, 3, h, w)."""
    values = np.zeros((1, 3, piece.rows.size, piece.columns.size), np.float32)
    shown = level.table.level(level.height, level.width, rows=piece.rows.shown, columns=piece.columns.shown)
    values[0, :, piece.rows.n_before :, piece.columns.n_before :] = _standardized(shown)
    return values


def _found(piece: Piece, moves: Floats, probabilities: Floats) -> Cells:
    """What the first network found in one piece of a level."""
    new = (piece.rows.new_cells, piece.columns.new_cells)
    probabilities, moves = probabilities[0, 1][new], moves[0][:, new[0], new[1]]
    row, column = np.nonzero(probabilities >= FIRST_THRESHOLD)
    return (
        row + piece.rows.first_cell,
        column + piece.columns.first_cell,
        probabilities[row, column],
        moves[:, row, column].T,  # (4, h', w') -> (n, 4)
    )


def _candidates(scale: float, answers: Sequence[Cells]) -> _Candidates:
    """The candidates of one level, from the answers about its pieces."""
    rows, columns, scores, moves = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    order = np.lexsort((columns, rows))  # as if the level had been seen whole: of equal scores the first is taken
    corners = np.stack([columns, rows], axis=1)[order].astype(np.float32) * STRIDE_PX
    # One pixel to the right and below of where the cell lies: as in the authors' Matlab, which counts from 1.
    left_top, right_bottom = (np.floor((corners + shift) / np.float32(scale)) for shift in (1, CELL_PX))
    boxes, scores = np.concatenate([left_top, right_bottom], axis=1), scores[order]
    kept = suppress(boxes, scores, 0.5, Overlap.UNION)
    return _Candidates(boxes[kept], scores[kept], moves[order][kept])


def _joined(levels: Sequence[_Candidates]) -> Floats:
    """Boxes of one photo from the candidates of its levels: shape (n, 4), square."""
    boxes = np.concatenate([level.boxes for level in levels])
    scores = np.concatenate([level.scores for level in levels])
    moves = np.concatenate([level.moves for level in levels])
    kept = suppress(boxes, scores, 0.7, Overlap.UNION)
    boxes, moves = boxes[kept], moves[kept]
    sides = boxes[:, 2:] - boxes[:, :2]
    return _squared(boxes + moves * np.concatenate([sides, sides], axis=1))


def _second_stage(tables: Sequence[SummedArea], candidates: Sequence[Floats], networks: Networks) -> list[Floats]:
    """Candidates that the second network takes for faces: for each photo square boxes, shape (n, 4)."""
    of_photo, boxes, crops = _with_crops(tables, candidates)
    if not len(boxes):
        return [boxes] * len(tables)
    crops_of = _Crops(tables, of_photo, crops, _SECOND_SIDE_PX)
    moves, probabilities = _in_batches(crops_of, networks.second_batch, networks.second)
    stage = []
    for photo in range(len(tables)):
        passed = np.flatnonzero((of_photo == photo) & (probabilities[:, 1] > SECOND_THRESHOLD))
        passed = passed[suppress(boxes[passed], probabilities[passed, 1], 0.7, Overlap.UNION)]
        stage.append(_squared(_moved(boxes[passed], moves[passed])))
    return stage


def _third_stage(tables: Sequence[SummedArea], candidates: Sequence[Floats], networks: Networks) -> list[Found]:
    """The faces of each photo."""
    of_photo, boxes, crops = _with_crops(tables, candidates)
    if not len(boxes):
        return [Found(boxes, boxes[:, 0], np.empty((0, 5, 2), np.float32)) for _ in tables]
    crops_of = _Crops(tables, of_photo, crops, _THIRD_SIDE_PX)
    moves, points, probabilities = _in_batches(crops_of, networks.third_batch, networks.third)
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


@dataclass(frozen=True, slots=True)
class _Crops:
    """Rectangles of photos, (n, 4), and the photo of each, (n,), ascending; to be resized to ``side_px``."""

    tables: Sequence[SummedArea]
    of_photo: Ids
    boxes: Ids
    side_px: int

    def batch(self, rows: slice) -> Floats:
        """Some of them as a network's input: shape (m, 3, side, side)."""
        boxes, of_photo = self.boxes[rows], self.of_photo[rows]
        parts = [self.tables[photo].crops(boxes[of_photo == photo], self.side_px) for photo in np.unique(of_photo)]
        return _standardized(np.concatenate(parts))


def _in_batches(crops: _Crops, n_in_batch: int, network: Network) -> list[Floats]:
    """Answers of a network for all crops."""
    batches = (slice(start, start + n_in_batch) for start in range(0, len(crops.boxes), n_in_batch))
    answers = [network(crops.batch(rows)) for rows in batches]
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
