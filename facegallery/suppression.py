"""Non-maximum suppression over arrays: of boxes that overlap, the one with the highest score is kept.

Boxes are rows of left, top, right, bottom, float32.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Ids

    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]


class Overlap(Enum):
    """What the shared area of two boxes is divided by."""

    UNION = "union"
    """The area of both together; sides are right - left (``torchvision.ops.nms``)."""
    MIN = "min"
    """The smaller one's area; sides are right - left + 1 (``nms_numpy`` of facenet-pytorch)."""


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
