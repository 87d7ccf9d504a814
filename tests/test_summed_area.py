"""The table of sums: levels and crops are those of torch's area interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from facegallery.domain import Pixels
from facegallery.summed_area import SummedArea

SIDES = st.integers(1, 60)


def noise(height: int, width: int, seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8, endpoint=True)


def by_torch(pixels: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
    """As facenet-pytorch resizes: shape (3, h, w), float32."""
    values = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    return interpolate(values, size=size, mode="area")[0].numpy()


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 99), st.data())
def test_levels_are_those_of_torch(
    height: int, width: int, new_height: int, new_width: int, seed: int, data: st.DataObject
) -> None:
    """Any rectangle of a level, reduced or enlarged, is the same rectangle of the photo that torch resized."""
    pixels = noise(height, width, seed)
    top, left = data.draw(st.integers(0, new_height - 1)), data.draw(st.integers(0, new_width - 1))
    rows = slice(top, data.draw(st.integers(top + 1, new_height)))
    columns = slice(left, data.draw(st.integers(left + 1, new_width)))

    found = SummedArea(pixels).level(new_height, new_width, rows=rows, columns=columns)

    np.testing.assert_allclose(found, by_torch(pixels, (new_height, new_width))[:, rows, columns], rtol=3e-7)


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, st.sampled_from([1, 24, 48]), st.integers(0, 99), st.data())
def test_crops_are_those_of_torch(height: int, width: int, side_px: int, seed: int, data: st.DataObject) -> None:
    """Any rectangles, each resized with the others, are what torch makes of each alone."""
    pixels = noise(height, width, seed)
    lefts_tops = st.tuples(st.integers(0, width - 1), st.integers(0, height - 1))
    boxes = [
        (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
        for left, top in data.draw(st.lists(lefts_tops, max_size=4))
    ]

    found = SummedArea(pixels).crops(np.array(boxes, np.int64).reshape(-1, 4), side_px)

    assert found.shape == (len(boxes), 3, side_px, side_px)
    for crop, (left, top, right, bottom) in zip(found, boxes, strict=True):
        np.testing.assert_allclose(crop, by_torch(pixels[top:bottom, left:right], (side_px, side_px)), rtol=3e-7)


@pytest.mark.parametrize("shape", [(1200, 30), (30, 1200), (1000, 1000), (89 * 13, 13), (91 * 13, 91 * 13)], ids=str)
def test_nothing_overflows(shape: tuple[int, int]) -> None:
    """Sums of large white cells fit; a colour that overflowed would be wrong and spoil the next one."""
    pixels = np.full((*shape, 3), 255, np.uint8)
    pixels[..., 1] = 254
    expected = np.array([255, 254, 255], np.float32)[:, None, None]

    table = SummedArea(pixels)

    np.testing.assert_allclose(
        table.level(13, 13, rows=slice(13), columns=slice(None)), expected.repeat(13, 1).repeat(13, 2), rtol=3e-7
    )
    whole = table.crops(np.array([[0, 0, shape[1], shape[0]]]), 3)[0]
    np.testing.assert_allclose(whole, expected.repeat(3, 1).repeat(3, 2), rtol=3e-7)


def test_large_cells_are_those_of_torch() -> None:
    """Cells that are summed in parts, of a size that does not divide evenly, have the mean that torch finds."""
    pixels = noise(1501, 1307, seed=1)
    np.testing.assert_allclose(
        SummedArea(pixels).level(13, 11, rows=slice(13), columns=slice(None)),
        by_torch(pixels, (13, 11)),
        rtol=1e-5,  # torch rounds sums
    )
