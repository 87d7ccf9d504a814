"""Pieces of a level: every cell of the first network's answer is seen once, and answered as in the whole level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery.mtcnn import torch_networks
from facegallery.pyramid import STRIDE_PX, Level
from facegallery.summed_area import SummedArea

SIDES = (24, 32, 64, 96)

_FIRST = torch_networks().first


def level_of(height: int, width: int, seed: int = 0) -> Level:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Level(SummedArea(noise), 0.6)


@settings(max_examples=200, deadline=None)
@given(st.integers(20, 400), st.integers(20, 400), st.sampled_from([(), (24,), SIDES]))
def test_each_cell_is_new_in_one_piece(height: int, width: int, sides: tuple[int, ...]) -> None:
    """The new cells of all pieces together are the level's cells, each once; and pieces are of the sizes asked for."""
    level = level_of(height, width)
    seen = np.zeros((-(-level.height // STRIDE_PX) - 5, -(-level.width // STRIDE_PX) - 5), int)
    for piece in level.pieces(sides):
        n_rows, n_columns = (-(-cut.size // STRIDE_PX) - 5 for cut in (piece.rows, piece.columns))
        new = np.zeros((n_rows, n_columns), bool)[piece.rows.new_cells, piece.columns.new_cells]
        assert new.size > 0
        there = seen[piece.rows.first_cell :, piece.columns.first_cell :][: new.shape[0], : new.shape[1]]
        assert there.shape == new.shape
        there += 1
        if sides:
            assert {piece.rows.size + piece.rows.size % 2, piece.columns.size + piece.columns.size % 2} <= set(sides)
    assert (seen == 1).all()


@pytest.mark.parametrize("sides", [(), (24,), SIDES], ids=str)
@settings(max_examples=40, deadline=None)
@given(st.integers(25, 260), st.integers(25, 260), st.integers(0, 99))
def test_a_piece_is_answered_as_in_the_whole(sides: tuple[int, ...], height: int, width: int, seed: int) -> None:
    """What the first network says about a cell does not depend on the piece that shows it, up to rounding, also at odd
    ends, where it pools a single pixel.
    """
    level = level_of(height, width, seed)
    whole = level.table.level(level.height, level.width, rows=slice(None), columns=slice(None))
    expected = _FIRST(((whole - 127.5) / 128)[np.newaxis].astype(np.float32))
    for piece in level.pieces(sides):
        values = np.full((1, 3, piece.rows.size, piece.columns.size), 9, np.float32)  # padding must not matter
        shown = level.table.level(level.height, level.width, rows=piece.rows.shown, columns=piece.columns.shown)
        values[0, :, piece.rows.n_before :, piece.columns.n_before :] = (shown - 127.5) / 128
        for found, right in zip(_FIRST(values), expected, strict=True):
            new = found[..., piece.rows.new_cells, piece.columns.new_cells]
            there = right[..., piece.rows.first_cell :, piece.columns.first_cell :]
            np.testing.assert_allclose(new, there[..., : new.shape[-2], : new.shape[-1]], atol=2e-5)
