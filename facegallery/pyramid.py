"""The pyramid of a photo: at which sizes the first network of the cascade looks at it, and in which pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegallery.summed_area import SummedArea

CELL_PX = 12
"""The side of what the first network looks at for one answer: a smallest face is reduced to this."""

PYRAMID_FACTOR = 0.709
"""Each level's side as a share of the one before; facenet-pytorch's default."""

STRIDE_PX = 2
"""From one cell of the first network's answer to the next."""

_BAND_PIXELS = 80_000
"""A first network that takes any size sees a level in bands of about this size. What lies between its layers, five
megabytes, is then used again from band to band; for larger ones torch asks the system for fresh pages each time, at 1.5
times the cost."""

_CALL_PIXELS = 3_500
"""What one call costs beside the pixels it looks at, in pixels: 0.15 ms, measured with OpenVINO."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of one axis of a level, as the first network is shown it.

    A stretch begins at an even pixel, and the last one ends where the level ends. The network pools pixels in pairs,
    at an odd end one alone: so what it finds in a cell is what it would find in the whole level.

    Attributes:
        shown: Pixels of the level.
        n_before: Pixels of padding before them; even.
        first_cell: The level's first cell that is new in this stretch: not in the one before.
    """

    shown: slice
    n_before: int
    first_cell: int

    @property
    def size(self) -> int:
        """Pixels in all."""
        return int(self.shown.stop - self.shown.start + self.n_before)

    @property
    def new_cells(self) -> slice:
        """The new cells, counted in this stretch."""
        return slice(self.first_cell - (self.shown.start - self.n_before) // STRIDE_PX, None)


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of a level."""

    rows: Cut
    columns: Cut


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A photo at one size of the pyramid."""

    table: SummedArea
    scale: float

    @property
    def height(self) -> int:
        """In pixels of the level."""
        return int(self.table.height * self.scale + 1)

    @property
    def width(self) -> int:
        """In pixels of the level."""
        return int(self.table.width * self.scale + 1)

    def pieces(self, sides: Sequence[int]) -> list[Piece]:
        """The pieces that together show every cell once; with ``sides`` all of a few sizes."""
        if sides:
            row_px, column_px = min(
                ((rows, columns) for rows in sides for columns in sides),
                key=lambda size: (
                    _n_cuts(self.height, size[0]) * _n_cuts(self.width, size[1]) * (size[0] * size[1] + _CALL_PIXELS)
                ),
            )
            columns = list(_cuts(self.width, column_px, padded=True))
            return [Piece(row, column) for row in _cuts(self.height, row_px, padded=True) for column in columns]
        band_px = max(2 * CELL_PX, _BAND_PIXELS // self.width // STRIDE_PX * STRIDE_PX)
        whole = Cut(slice(0, self.width), 0, 0)
        return [Piece(row, whole) for row in _cuts(self.height, band_px, padded=False)]


def _n_cuts(side_px: int, cut_px: int) -> int:
    """Stretches of ``cut_px`` that it takes to show every cell of a level's side; neighbours share ten pixels."""
    return max(1, -(-_n_cells(side_px) // _n_cells(cut_px)))


def _n_cells(side_px: int) -> int:
    """Cells that the first network's answer has along a side."""
    return -(-side_px // STRIDE_PX) - 5


def _cuts(side_px: int, cut_px: int, *, padded: bool) -> Iterator[Cut]:
    """Cut a level's side into stretches of ``cut_px`` (even). The last one ends where the level ends, and is a pixel
    shorter where that leaves it an even beginning; a level that is shorter still is padded before it, or left so.
    """
    n_in_cut = _n_cells(cut_px)
    n_cuts = _n_cuts(side_px, cut_px)
    for cut in range(n_cuts - 1):
        start = STRIDE_PX * n_in_cut * cut
        yield Cut(slice(start, start + cut_px), 0, n_in_cut * cut)
    first_cell = n_in_cut * (n_cuts - 1)
    if padded:
        start = side_px - cut_px + side_px % STRIDE_PX
        yield Cut(slice(max(start, 0), side_px), max(-start, 0), first_cell)
    else:
        yield Cut(slice(STRIDE_PX * first_cell, side_px), 0, first_cell)


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
