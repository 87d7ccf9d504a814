"""How much work a photo's file may ask for beside its pixels; no more is read out of it than honest files need.

A picture of few pixels can still take a decoder hours or all memory: a JPEG of a thousand scans, a PNG of millions of
empty chunks, a TIFF whose numbers are its own pixels. A decoder written in C cannot be interrupted, so such a file has
to be refused before it begins.
"""

from __future__ import annotations

import re
import struct
from io import BytesIO
from typing import Literal

MAX_SCANS = 100
"""Of one JPEG. Encoders write about 10; each goes over the whole picture again, 12 ms for ``MAX_PIXELS``."""

MAX_SEGMENTS = 10_000
"""Of one JPEG, its scans included. A profile, a depth map and a signature in 64 KiB pieces make hundreds."""

MAX_EXIF_SEGMENTS = 16
"""Of one JPEG: 1 MiB of EXIF. Pillow copies what it has when it meets another one."""

MAX_TIFF_NUMBERS = 2_000_000
"""In the directories of a TIFF's first picture: two for each strip or tile."""

MAX_TIFF_ENTRIES = 65_535
"""In one directory: as many as a TIFF that is no BigTIFF can say."""

MAX_RLE_PIXELS = 20_000_000
"""Of one BMP that is packed in runs: Pillow unpacks them in Python, 80 ns a pixel."""

MAX_READS = 4_000_000
"""Times that a decoder may ask for a piece of the file, two seconds' worth: a PNG of 512 MB in 8-KiB chunks takes a
tenth of it."""

MAX_READ_BYTES = 8 * 2**30
"""Bytes that a decoder may be given, some many times over: of a TIFF of small strips Pillow reads 64 KiB for each."""

_SOS, _EOI, _EXIF = 0xDA, 0xD9, 0xE1
_WITHOUT_LENGTH = (0x01, 0xD8)
_INTERLEAVED = frozenset({0xC0, 0xC1})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)

_TIFF_DIRECTORIES = (0x8769, 0x8825, 0xA005)
_TIFF_NUMBERS = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Types whose values become numbers, one by one, and the bytes of each; those of other types stay bytes or text."""

_RLE = (1, 2)
_RLE_HEADER_BYTES = 40


class TooMuchWorkError(ValueError):
    """A file asks for more work than any honest photo."""


class BoundedStream(BytesIO):
    """A file in memory that can be read at most ``MAX_READS`` times and ``MAX_READ_BYTES`` in all."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = MAX_READS
        self._bytes_left = MAX_READ_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as ever.

        Raises:
            TooMuchWorkError: The file was read too often.
        """
        data = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(data)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise TooMuchWorkError("it is in too many pieces")
        return data


def refuse_overwork(data: bytes, picture_format: str) -> None:
    """Look at a file's outline, without a decoder.

    Args:
        data: The file.
        picture_format: What it is, in Pillow's words.

    Raises:
        TooMuchWorkError: It asks for more than the limits of this module.
    """
    if picture_format == "JPEG":
        _refuse_jpeg(data)
    elif picture_format == "TIFF":
        _refuse_tiff(data)
    elif picture_format == "BMP":
        _refuse_bmp(data)


def _refuse_jpeg(data: bytes) -> None:
    """Walk from marker to marker as libjpeg does; over the data of scans only where there may be several."""
    n_segments = n_scans = n_exif = at = 0
    n_components, is_progressive = 0, False
    while (found := _MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _EOI:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        content = at + 2
        n_segments += 1
        n_scans += marker == _SOS
        n_exif += marker == _EXIF and data.startswith(b"Exif\0\0", content)
        if n_scans > MAX_SCANS:
            raise TooMuchWorkError(f"it is made of more than {MAX_SCANS} scans")
        if n_segments > MAX_SEGMENTS or n_exif > MAX_EXIF_SEGMENTS:
            raise TooMuchWorkError("it is in too many pieces")
        if marker in _FRAMES:
            is_progressive = marker not in _INTERLEAVED
            n_components = int.from_bytes(data[content + 5 : content + 6], "big")
        if marker == _SOS and not is_progressive and data[content : content + 1] == bytes([n_components]):
            return  # all colours are in the one scan
        at += max(2, int.from_bytes(data[at:content], "big"))


def _refuse_tiff(data: bytes) -> None:
    """Add up the numbers in the directories of the first picture, the only ones whose values are looked at."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    is_big = data[2:4] in (b"+\0", b"\0+")
    word, count_bytes, first_at = (8, 8, 8) if is_big else (4, 2, 4)

    def number(at: int, n_bytes: int) -> int:
        return int.from_bytes(data[at : at + n_bytes], order)

    n_numbers = 0
    waiting = [number(first_at, word)]
    is_first = True
    while waiting:
        start = waiting.pop()
        n_entries = number(start, count_bytes)
        if n_entries > MAX_TIFF_ENTRIES:
            raise TooMuchWorkError("its table of contents has too many entries")
        entries_at, entry_bytes = start + count_bytes, 4 + 2 * word
        for at in range(entries_at, min(entries_at + n_entries * entry_bytes, len(data)), entry_bytes):
            if is_first and number(at, 2) in _TIFF_DIRECTORIES:
                waiting.append(number(at + 4 + word, word))
                continue
            value_bytes, n_values = _TIFF_NUMBERS.get(number(at + 2, 2), 0), number(at + 4, word)
            if number(at + 4 + word, word) + n_values * value_bytes <= len(data):  # any other is passed over
                n_numbers += n_values if value_bytes else 0
        is_first = False
    if n_numbers > MAX_TIFF_NUMBERS:
        raise TooMuchWorkError("its table of contents holds too many numbers")


def _refuse_bmp(data: bytes) -> None:
    """Of a picture in runs, look at the size."""
    header_bytes, width, height = struct.unpack_from("<Iii", data.ljust(34, b"\0"), 14)
    is_in_runs = header_bytes >= _RLE_HEADER_BYTES and int.from_bytes(data[30:34], "little") in _RLE
    if is_in_runs and abs(width) * abs(height) > MAX_RLE_PIXELS:
        raise TooMuchWorkError(f"it has more than {MAX_RLE_PIXELS:,} pixels in runs")
