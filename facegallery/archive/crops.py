"""Crops as PNG files. Only the plainest kind is read: 160 x 160, 8 bits, RGB, and nothing beside the pixels."""

from __future__ import annotations

import io
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np

from facegallery.archive.fields import Fault
from facegallery.domain import CROP_SIZE_PX

if TYPE_CHECKING:
    from facegallery.domain import Pixels

MAX_PNG_BYTES = 2 * 3 * CROP_SIZE_PX**2
"""Twice the pixels: no compression makes them longer than that."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK_EXTRA_BYTES = 12  # length, kind, check sum
# Width, height, bits, colour type 2 (RGB), and the only compression, filter and interlace method 0.
_HEADER = CROP_SIZE_PX.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])


def to_png(pixels: Pixels, what: str) -> bytes:
    """A crop as PNG.

    Args:
        pixels: shape (160, 160, 3), uint8, RGB.
        what: What it is called in messages.

    Raises:
        Fault: It is anything else.
    """
    from PIL import Image

    if pixels.shape != (CROP_SIZE_PX, CROP_SIZE_PX, 3) or pixels.dtype != np.uint8:
        raise Fault(f"{what} is {pixels.shape} {pixels.dtype}, not {CROP_SIZE_PX} x {CROP_SIZE_PX} x 3 uint8")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    return file.getvalue()


def from_png(content: bytes, what: str) -> Pixels:
    """The pixels of a crop.

    Args:
        content: At most ``MAX_PNG_BYTES``.
        what: What it is called in messages.

    Returns:
        shape (160, 160, 3), uint8, RGB.

    Raises:
        Fault: It is not a PNG of that size and kind, has anything beside the pixels, or is damaged.
    """
    from PIL import Image

    kinds = _chunks(content, what)
    if kinds[0] != b"IHDR" or kinds[-1] != b"IEND" or set(kinds[1:-1]) != {b"IDAT"}:
        raise Fault(f"{what} has other parts than a picture's size and its pixels")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                return np.array(image, np.uint8)
    except Exception as error:  # hostile bytes can raise anything from here
        raise Fault(f"{what} cannot be decoded") from error


def _chunks(content: bytes, what: str) -> list[bytes]:
    """The kinds of the chunks that a PNG consists of, whose check sums are right; its size and kind are a crop's."""
    if not content.startswith(_SIGNATURE):
        raise Fault(f"{what} is no PNG")
    kinds, at, view = [], len(_SIGNATURE), memoryview(content)
    while at < len(content):
        length = int.from_bytes(view[at : at + 4], "big")
        end = at + _CHUNK_EXTRA_BYTES + length
        kind = bytes(view[at + 4 : at + 8])
        if end > len(content) or zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise Fault(f"{what} is a damaged PNG")
        if kind == b"IHDR" and view[at + 8 : end - 4] != _HEADER:
            raise Fault(f"{what} is no PNG of {CROP_SIZE_PX} x {CROP_SIZE_PX} pixels in RGB with 8 bits")
        kinds.append(kind)
        at = end
    if not kinds:
        raise Fault(f"{what} is a damaged PNG")
    return kinds
