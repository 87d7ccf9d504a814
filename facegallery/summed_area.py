"""Exact means over rectangles of a photo: one table of sums serves every level of the pyramid and every crop.

"Area" resizing, as torch's ``adaptive_avg_pool2d`` does it: pixel i of n is the mean of the pixels from
floor(i * size / n) to ceil((i + 1) * size / n), so that neighbours may share a pixel. With a table of sums (Crow,
"Summed-area tables for texture mapping", 1984) each mean costs four look-ups, whatever its rectangle's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Ids, Pixels

    Floats = NDArray[np.float32]
    Packed = NDArray[np.uint64]

_BITS = 21
"""Three colours share a uint64. Sums over the photo overflow into each other, but the difference that gives a
rectangle's sum is exact modulo 2**64, and so is each colour of it while its own sum stays under 2**21."""

_LONGEST_SIDE_PX = 90
"""A rectangle of this side at most sums to 90 * 90 * 255 < 2**21; a larger one is summed in parts."""

_ROWS_AT_ONCE = 32
"""Rows packed at a time, so that they are still in the cache when they are summed."""


class SummedArea:
    """Sums of one photo's pixels above and to the left of every point; 8 bytes a pixel.

    Attributes:
        height: Of the photo, in pixels.
        width: Of the photo, in pixels.
    """

    def __init__(self, pixels: Pixels) -> None:
        """Sum a photo, shape (h, w, 3), uint8, RGB; it is read once and not kept."""
        self.height, self.width = pixels.shape[:2]
        self._table: Packed = np.empty((self.height + 1, self.width + 1), np.uint64)
        self._table[0] = 0
        self._table[1:, 0] = 0
        for start in range(0, self.height, _ROWS_AT_ONCE):
            rows = self._table[start + 1 : start + 1 + _ROWS_AT_ONCE, 1:]
            np.cumsum(_packed(pixels[start : start + _ROWS_AT_ONCE]), axis=1, out=rows)
            for y in range(start + 1, start + 1 + len(rows)):  # with cumsum the table took three times as long
                np.add(self._table[y], self._table[y - 1], out=self._table[y])

    def level(self, height: int, width: int, *, rows: slice, columns: slice) -> Floats:
        """A rectangle of the photo resized to (height, width).

        Args:
            height: Of the whole resized photo.
            width: Of the resized photo.
            rows: Which of its rows.
            columns: Which of its columns.

        Returns:
            shape (3, n_rows, n_columns), float32, RGB, 0 to 255.
        """
        top, bottom = _cells(np.zeros(1, np.int64), np.array([self.height]), height)
        left, right = _cells(np.zeros(1, np.int64), np.array([self.width]), width)
        top, bottom, left, right = top[:, rows], bottom[:, rows], left[:, columns], right[:, columns]
        n_parts = _n_parts(bottom - top, right - left)
        (tops,), (bottoms,) = _in_parts(top, bottom, n_parts)
        (lefts,), (rights,) = _in_parts(left, right, n_parts)
        between = slice(lefts[0], rights[-1] + 1)
        strips = self._table[bottoms, between]
        strips -= self._table[tops, between]
        sums = np.take(strips, rights - between.start, axis=1)
        sums -= np.take(strips, lefts - between.start, axis=1)
        means: Floats = _means(sums[np.newaxis], bottom - top, right - left, n_parts)[0]
        return means

    def crops(self, boxes: Ids, side_px: int) -> Floats:
        """Rectangles of the photo, each resized to a square.

        Args:
            boxes: shape (n, 4), int64: left, top, right, bottom in whole pixels from 0, inside the photo, right and
                bottom not included; each with at least one pixel.
            side_px: The squares' side.

        Returns:
            shape (n, 3, side_px, side_px), float32, RGB, 0 to 255.
        """
        left, right = _cells(boxes[:, 0], boxes[:, 2] - boxes[:, 0], side_px)
        top, bottom = _cells(boxes[:, 1], boxes[:, 3] - boxes[:, 1], side_px)
        n_parts = _n_parts(bottom - top, right - left)
        tops, bottoms = (edge[:, :, np.newaxis] * (self.width + 1) for edge in _in_parts(top, bottom, n_parts))
        lefts, rights = (edge[:, np.newaxis, :] for edge in _in_parts(left, right, n_parts))
        flat = self._table.reshape(-1)
        sums = np.take(flat, bottoms + rights)
        sums -= np.take(flat, bottoms + lefts)
        sums -= np.take(flat, tops + rights)
        sums += np.take(flat, tops + lefts)
        return _means(sums, bottom - top, right - left, n_parts)


def _packed(pixels: Pixels) -> Packed:
    """Three colours in one number: red lowest, then green, then blue."""
    packed = pixels[..., 2].astype(np.uint64)
    for colour in (1, 0):
        packed <<= np.uint64(_BITS)
        packed |= pixels[..., colour]
    return packed


def _cells(start: Ids, size: Ids, n: int) -> tuple[Ids, Ids]:
    """Where the pixels of something resized from ``size`` to ``n`` begin and end: (m,) and (m,) -> twice (m, n)."""
    index = np.arange(n)
    size = size[:, np.newaxis]
    return start[:, np.newaxis] + index * size // n, start[:, np.newaxis] - (-(index + 1) * size // n)


def _n_parts(heights: Ids, widths: Ids) -> int:
    """In how many parts each side of each cell must be summed so that no sum overflows."""
    longest_px = max(heights.max(initial=1), widths.max(initial=1))
    return int(-(-longest_px // _LONGEST_SIDE_PX))


def _in_parts(start: Ids, end: Ids, n_parts: int) -> tuple[Ids, Ids]:
    """Cut each cell into ``n_parts``, (m, n) -> (m, n * n_parts); a part may be empty."""
    if n_parts == 1:
        return start, end
    edges = start[..., np.newaxis] + (end - start)[..., np.newaxis] * np.arange(n_parts + 1) // n_parts
    m, n = start.shape
    return edges[..., :-1].reshape(m, n * n_parts), edges[..., 1:].reshape(m, n * n_parts)


def _means(sums: Packed, heights: Ids, widths: Ids, n_parts: int) -> Floats:
    """Means of cells from the packed sums of their parts.

    Args:
        sums: shape (m, h * n_parts, w * n_parts).
        heights: shape (m, h), of the cells.
        widths: shape (m, w), of the cells.
        n_parts: Parts of each side of each cell.

    Returns:
        shape (m, 3, h, w), float32. Sums are whole numbers: only the two divisions round, as in torch.
    """
    m, h, w = len(sums), heights.shape[1], widths.shape[1]
    means = np.empty((m, 3, h, w), np.float32)
    mask = np.uint64((1 << _BITS) - 1)
    for colour in range(3):
        part = sums >> np.uint64(_BITS * colour) & mask
        if n_parts > 1:
            part = part.reshape(m, h, n_parts, w, n_parts).sum(axis=(2, 4))
        means[:, colour] = part
    means /= heights[:, np.newaxis, :, np.newaxis].astype(np.float32)
    means /= widths[:, np.newaxis, np.newaxis, :].astype(np.float32)
    return means
