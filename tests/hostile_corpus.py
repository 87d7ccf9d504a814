"""Pictures made to break a reader: mutants of small ones in every format, and what an attacker writes by hand.

Nothing is a photograph; everything is made here, the same each time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

WIDTH, HEIGHT = 64, 48

Tag = tuple[int, int, Sequence[int]]
"""Of a TIFF: its number, its type, its values."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, FLOAT = 1, 2, 3, 4, 5, 7, 11
_TYPE_CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", UNDEFINED: "B", FLOAT: "I"}


@dataclass(frozen=True)
class HostileFile:
    """One file of the corpus.

    Attributes:
        kind: What was done to it.
        format: What it is a picture of, or pretends to be.
        name: The file's name.
        data: Its bytes.
    """

    kind: str
    format: str
    name: str
    data: bytes


# --- pictures -----------------------------------------------------------------------------------------------------


def pixels(channels: int = 3, dtype: type[np.generic] = np.uint8) -> NDArray[Any]:
    """Slopes with some noise: compressible, and not constant."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    slopes = np.stack([3 * x, 5 * y, 2 * (x + y), 255 - 3 * x], axis=-1)[..., :channels]
    noisy = np.clip(slopes + rng.integers(0, 24, slopes.shape), 0, 255)
    return np.asarray(noisy * 257 if dtype is np.uint16 else noisy).astype(dtype).squeeze()


def encoded(image: Image.Image, **how: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, **how)
    return stream.getvalue()


def heic(image: Image.Image, **how: Any) -> bytes:
    stream = BytesIO()
    pillow_heif.from_pillow(image).save(stream, **how)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes, *, length: int | None = None) -> bytes:
    stated = len(data) if length is None else length
    return struct.pack(">I", stated) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG_START = b"\x89PNG\r\n\x1a\n"


def png(
    width: int, height: int, rows: bytes, *, bits: int = 8, colour: int = 2, interlaced: int = 0, extra: bytes = b""
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return PNG_START + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def interlaced_rows(values: NDArray[Any]) -> bytes:
    """The seven passes of Adam7, unfiltered."""
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    parts = [values[top::down, left::across] for top, down, left, across in passes]
    return b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)


def with_png_chunk(extra: bytes) -> bytes:
    """A good PNG with something between its header and its picture."""
    return png(WIDTH, HEIGHT, b"".join(b"\0" + row.tobytes() for row in pixels()), extra=extra)


def tiff(tags: Sequence[Tag], data: bytes = b"", *, next_at: int = 0, n_tags: int | None = None) -> bytes:
    """A little-endian TIFF: header, pixels, values, then its only directory. Values ``-1`` become the pixels' place."""
    body = b"II*\0\0\0\0\0" + data
    entries = b""
    for tag, kind, values in sorted(tags):
        packed = struct.pack(f"<{len(values)}{_TYPE_CODES[kind]}", *(8 if value == -1 else value for value in values))
        if len(packed) > 4:
            entries += struct.pack("<HHII", tag, kind, len(values), len(body))
            body += packed
        else:
            entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    stated = len(tags) if n_tags is None else n_tags
    body += bytes(len(body) % 2)
    start = struct.pack("<I", len(body))
    return body[:4] + start + body[8:] + struct.pack("<H", stated) + entries + struct.pack("<I", next_at)


def tiff_tags(width: int, height: int, n_bytes: int, *, bits: Sequence[int] = (8, 8, 8), **other: Tag) -> list[Tag]:
    """The tags of a picture of one strip; ``other`` replaces or adds some."""
    tags: dict[int, Tag] = {
        256: (256, LONG, (width,)),
        257: (257, LONG, (height,)),
        258: (258, SHORT, bits),
        259: (259, SHORT, (1,)),
        262: (262, SHORT, (2 if len(bits) == 3 else 1,)),
        273: (273, LONG, (-1,)),
        277: (277, SHORT, (len(bits),)),
        278: (278, LONG, (height,)),
        279: (279, LONG, (n_bytes,)),
    }
    tags |= {tag[0]: tag for tag in other.values()}
    return list(tags.values())


def tiled_tiff(side: int = 16) -> bytes:
    tiles = [
        pixels()[top : top + side, left : left + side].tobytes()
        for top in range(0, HEIGHT, side)
        for left in range(0, WIDTH, side)
    ]
    places = [8 + number * len(tiles[0]) for number in range(len(tiles))]
    tags = [tag for tag in tiff_tags(WIDTH, HEIGHT, 0) if tag[0] not in (273, 278, 279)]
    tags += [
        (322, SHORT, (side,)),
        (323, SHORT, (side,)),
        (324, LONG, places),
        (325, LONG, [len(tile) for tile in tiles]),
    ]
    return tiff(tags, b"".join(tiles))


def float_tiff(values: NDArray[np.float32]) -> bytes:
    form: Tag = (339, SHORT, (3,))
    return tiff(
        tiff_tags(values.shape[1], values.shape[0], values.nbytes, bits=(32,), form=form),
        values.astype("<f4").tobytes(),
    )


def segment(marker: int, data: bytes) -> bytes:
    """One piece of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def with_jpeg_segments(*segments: bytes) -> bytes:
    """A good JPEG with something at its start."""
    whole = SEEDS["JPEG"][1]
    return whole[:2] + b"".join(segments) + whole[2:]


def jpeg_of_scans(width: int, height: int, n_scans: int) -> bytes:
    """A progressive JPEG that goes over its picture as often as it says, in twelve bytes each time."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    tables = segment(0xDB, bytes([0] + [1] * 64)) + segment(0xC2, frame)
    codes = b"".join(segment(0xC4, bytes([which << 4, 1, *bytes(15), 0])) for which in (0, 1))
    first, other = segment(0xDA, b"\1\1\0\0\0\0"), segment(0xDA, b"\1\1\0\1\x3f\0")
    return b"\xff\xd8" + tables + codes + first + other * (n_scans - 1) + b"\xff\xd9"


def rle_bmp() -> bytes:
    rows = b"".join(bytes([WIDTH, row, 0, 0]) for row in range(HEIGHT)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows


def _seeds() -> dict[str, tuple[str, bytes]]:
    """A good picture of each sort, with its file's suffix."""
    colour, grey = Image.fromarray(pixels()), Image.fromarray(pixels(1))
    frames = [Image.fromarray(np.roll(pixels(), shift, axis=1)) for shift in (0, 5, 10)]
    moving: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40}
    noted = PngInfo()
    noted.add_itxt("note", "a text", zip=True)
    fractions = pixels(1, np.float32) / np.float32(255)
    rows16 = b"".join(b"\0" + row.tobytes() for row in pixels(3, np.uint16).byteswap())
    seeds: dict[str, tuple[str, bytes]] = {
        "JPEG": (".jpg", encoded(colour, format="JPEG", exif=exif_block())),
        "JPEG, progressive": (".jpg", encoded(colour, format="JPEG", progressive=True)),
        "JPEG, CMYK": (".jpg", encoded(colour.convert("CMYK"), format="JPEG")),
        "PNG": (".png", encoded(colour, format="PNG", pnginfo=noted, exif=exif_block())),
        "PNG, 16 bit": (".png", png(WIDTH, HEIGHT, rows16, bits=16)),
        "PNG, palette": (".png", encoded(colour.quantize(32), format="PNG", transparency=3)),
        "PNG, interlaced": (".png", png(WIDTH, HEIGHT, interlaced_rows(pixels()), interlaced=1)),
        "PNG, animated": (".png", encoded(frames[0], format="PNG", **moving)),
        "WebP, lossy": (".webp", encoded(colour, format="WEBP", exif=exif_block())),
        "WebP, lossless": (".webp", encoded(Image.fromarray(pixels(4)), format="WEBP", lossless=True)),
        "WebP, animated": (".webp", encoded(frames[0], format="WEBP", **moving)),
        "TIFF": (".tif", encoded(colour, format="TIFF")),
        "TIFF, LZW": (".tif", encoded(colour, format="TIFF", compression="tiff_lzw")),
        "TIFF, deflate": (".tif", encoded(colour, format="TIFF", compression="tiff_adobe_deflate")),
        "TIFF, packbits": (".tif", encoded(grey, format="TIFF", compression="packbits")),
        "TIFF, JPEG": (".tif", encoded(colour, format="TIFF", compression="jpeg")),
        "TIFF, tiled": (".tif", tiled_tiff()),
        "TIFF, float": (".tif", float_tiff(fractions)),
        "TIFF, 16 bit": (".tif", encoded(Image.fromarray(pixels(1, np.uint16)), format="TIFF")),
        "BMP": (".bmp", encoded(colour, format="BMP")),
        "BMP, RLE": (".bmp", rle_bmp()),
        "GIF": (".gif", encoded(colour, format="GIF")),
        "GIF, animated": (".gif", encoded(frames[0], format="GIF", **moving)),
        "HEIC": (".heic", heic(colour)),
    }
    if features.check("avif"):  # from Pillow 11.3 on
        seeds["AVIF"] = (".avif", encoded(colour, format="AVIF"))
        seeds["AVIF, animated"] = (".avif", encoded(frames[0], format="AVIF", **moving))
    return seeds


# --- mutants ------------------------------------------------------------------------------------------------------

LARGE_NUMBERS = (
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
    b"\0\1\0\0",
    b"\0\0\0\0",
)
"""In either order of bytes; the last one is none."""

Mutate = Callable[[bytearray, np.random.Generator], bytes]


def _flip_bits(data: bytearray, rng: np.random.Generator) -> bytes:
    for at in rng.integers(0, len(data), rng.integers(1, 12)):
        data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _run(data: bytearray, rng: np.random.Generator, value: int) -> bytes:
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
    data[at : at + length] = bytes([value]) * len(data[at : at + length])
    return bytes(data)


def _cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: rng.integers(1, len(data))])


def _splice(data: bytearray, rng: np.random.Generator) -> bytes:
    """A piece of the file put somewhere else in it, or left out."""
    start, end = sorted(rng.integers(0, len(data), 2))
    piece, at = data[start:end], int(rng.integers(len(data)))
    return bytes(data[:start] + data[end:]) if rng.random() < 0.4 else bytes(data[:at] + piece + data[at:])


def _blow_up(data: bytearray, rng: np.random.Generator) -> bytes:
    """A number in the file's first part, where sizes and lengths are, made very large, or nothing."""
    width = int(rng.choice([2, 4]))
    at = int(rng.integers(4, min(len(data), 400) - width))
    values = [
        b"\xff" * 4,
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\0\1\0\0",
        bytes(4),
        b"\x80\0\0\0",
        b"\0\0\0\x80",
    ]
    data[at : at + width] = values[rng.integers(len(values))][:width]
    return bytes(data)


MUTATIONS: Mapping[str, tuple[int, Mutate]] = {
    "bits flipped": (10, _flip_bits),
    "run of 00": (4, lambda data, rng: _run(data, rng, 0)),
    "run of FF": (4, lambda data, rng: _run(data, rng, 0xFF)),
    "cut off": (4, _cut),
    "spliced": (5, _splice),
    "number blown up": (10, _blow_up),
}
"""What is done to each good picture, and how often."""


def mended_png(data: bytes) -> bytes:
    """With right checksums, so that damage gets past them to the decoder."""
    out, at = bytearray(data), len(PNG_START)
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def mutants() -> Iterator[HostileFile]:
    rng = np.random.default_rng(20_261)
    for format_, (suffix, data) in SEEDS.items():
        for kind, (count, mutate) in MUTATIONS.items():
            for number in range(count):
                changed = mutate(bytearray(data), rng)
                yield HostileFile(kind, format_, f"{format_} {kind} {number}{suffix}", changed)
                if suffix == ".png" and kind != "cut off":
                    name = f"{format_} {kind} {number}, checksums right{suffix}"
                    yield HostileFile(f"{kind}, checksums right", format_, name, mended_png(changed))


# --- by hand ------------------------------------------------------------------------------------------------------


def exif_block(orientation: int = 6, *, next_at: int = 0, sub_at: int | None = None) -> bytes:
    """EXIF whose only directory may lead to itself."""
    tags = [(0x0112, SHORT, (orientation,))] + ([] if sub_at is None else [(0x8769, LONG, (sub_at,))])
    return b"Exif\0\0" + tiff(tags, next_at=next_at)


def exif_of_many_values(n_tags: int, n_bytes: int) -> bytes:
    """A directory in which every tag says that the whole block is its value."""
    entries = b"".join(struct.pack("<HHII", tag, UNDEFINED, n_bytes, 8) for tag in range(0x1000, 0x1000 + n_tags))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, n_tags) + entries + bytes(n_bytes)


def _bombs() -> Iterator[tuple[str, str, bytes]]:
    frame = (jpeg := SEEDS["JPEG"][1]).index(b"\xff\xc0") + 5
    bmp = SEEDS["BMP"][1]
    yield "PNG", "huge.png", png(50_000, 50_000, b"\0")
    yield "PNG", "largest.png", png(2**31 - 1, 2**31 - 1, b"\0")
    yield "JPEG", "huge.jpg", jpeg[:frame] + struct.pack(">HH", 65_500, 65_500) + jpeg[frame + 4 :]
    yield "GIF", "screen.gif", b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + SEEDS["GIF"][1][10:]
    yield "BMP", "huge.bmp", bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:]
    yield "TIFF", "huge.tif", tiff(tiff_tags(100_000, 100_000, 1), b"\0")
    webp = SEEDS["WebP, animated"][1]
    at = webp.index(b"VP8X") + 12
    yield "WebP", "canvas.webp", webp[:at] + b"\xff\xff\xff\xff\xff\xff" + webp[at + 6 :]
    for format_, suffix in (("HEIC", ".heic"), ("AVIF", ".avif")):
        if format_ in SEEDS:
            whole = SEEDS[format_][1]
            at = whole.index(b"ispe") + 8
            yield format_, f"huge{suffix}", whole[:at] + struct.pack(">II", 100_000, 100_000) + whole[at + 8 :]


def _too_small() -> Iterator[tuple[str, str, bytes]]:
    """Less of a picture than is stated, up to the most that is decoded."""
    frame = (jpeg := SEEDS["JPEG"][1]).index(b"\xff\xc0") + 5
    yield "PNG", "much-missing.png", png(8_000, 8_000, b"\0" * 100)
    yield "JPEG", "much-missing.jpg", jpeg[:frame] + struct.pack(">HH", 8_000, 8_000) + jpeg[frame + 4 :]
    yield "GIF", "frame-outside.gif", SEEDS["GIF"][1].replace(b",\0\0\0\0", b",\xff\xff\xff\xff", 1)
    yield "TIFF", "one-strip.tif", tiff(tiff_tags(8_000, 8_000, 2**32 - 1), b"\0")
    rows: Tag = (278, LONG, (2**32 - 1,))
    packed: Tag = (259, SHORT, (8,))
    yield "TIFF", "endless-strip.tif", tiff(tiff_tags(64, 48, 9, rows=rows, packed=packed), zlib.compress(b"\0"))
    yield "TIFF", "many-tags.tif", tiff(tiff_tags(64, 48, 9), b"\0" * 9, n_tags=65_535)
    no_strips = [tag for tag in tiff_tags(64, 48, 9) if tag[0] not in (273, 278, 279)]
    tile: list[Tag] = [(322, LONG, (60_000,)), (323, LONG, (60_000,)), (324, LONG, (-1,)), (325, LONG, (9,))]
    yield "TIFF", "huge-tile.tif", tiff([*no_strips, *tile], b"\0" * 9)
    packed_tile = [packed if tag[0] == 259 else tag for tag in no_strips]
    yield "TIFF", "huge-packed-tile.tif", tiff([*packed_tile, *tile], zlib.compress(b"\0"))
    tiny: list[Tag] = [(322, LONG, (1,)), (323, LONG, (0,)), (324, LONG, (-1,)), (325, LONG, (9,))]
    yield "TIFF", "no-tile.tif", tiff([*no_strips, *tiny], b"\0" * 9)
    webp = SEEDS["WebP, animated"][1]
    at = webp.index(b"VP8X") + 12
    yield "WebP", "wide-canvas.webp", webp[:at] + struct.pack("<I", 3_999)[:3] * 2 + webp[at + 6 :]
    for format_, suffix in (("HEIC", ".heic"), ("AVIF", ".avif")):
        if format_ in SEEDS:
            whole = SEEDS[format_][1]
            at = whole.index(b"ispe") + 8
            yield format_, f"other-size{suffix}", whole[:at] + struct.pack(">II", 8_000, 8_000) + whole[at + 8 :]


def _overwork() -> Iterator[tuple[str, str, bytes]]:
    """Little to show and much to do."""
    yield "JPEG", "scans.jpg", jpeg_of_scans(65_500, 2_700, 20_000)
    yield "JPEG", "more-scans.jpg", jpeg_of_scans(64, 48, 101)
    full, small = segment(0xE1, b"Exif\0\0" + bytes(65_000)), segment(0xE1, b"Exif\0\0x")
    yield "JPEG", "exif-pieces.jpg", with_jpeg_segments(full * 20, small * 90_000)
    yield "JPEG", "segments.jpg", with_jpeg_segments(segment(0xE3, b"") * 1_000_000)
    bmp = rle_bmp()
    yield "BMP", "runs.bmp", bmp[:18] + struct.pack("<ii", 2_000_000, 60) + bmp[26:]
    numbers: Tag = (0x9999, SHORT, np.zeros(2_500_000, np.uint16).tolist())
    yield "TIFF", "numbers.tif", tiff(tiff_tags(1, 1, 3, numbers=numbers), b"\0\0\0")
    one: Tag = (278, LONG, (1,))
    places: Tag = (273, LONG, [8] * 200_000)
    strips = tiff_tags(1_000, 1_000, 3, rows=one, places=places)
    yield "TIFF", "one-strip-often.tif", tiff(strips, b"\0" * 70_000)


def _exif() -> Iterator[tuple[str, str, bytes]]:
    blocks = {
        "next-is-itself": exif_block(next_at=8),
        "sub-is-itself": exif_block(sub_at=8),
        "sub-is-outside": exif_block(sub_at=2**32 - 2),
        "orientation-0": exif_block(0),
        "orientation-99": exif_block(99),
        "orientation-65535": exif_block(65_535),
        "values-over-values": exif_of_many_values(3_000, 20_000),
    }
    image = Image.fromarray(pixels())
    for name, block in blocks.items():
        yield "JPEG", f"{name}.jpg", encoded(image, format="JPEG", exif=block)
        yield "PNG", f"{name}.png", with_png_chunk(chunk(b"eXIf", block[6:]))
        yield "WebP", f"{name}.webp", encoded(image, format="WEBP", exif=block)
    plain = tiff_tags(WIDTH, HEIGHT, pixels().nbytes)
    start = int.from_bytes(tiff(plain, pixels().tobytes())[4:8], "little")
    yield "TIFF", "next-is-itself.tif", tiff(plain, pixels().tobytes(), next_at=start)
    for name, at in (("itself", start), ("in-the-pixels", 8), ("outside", 2**32 - 2)):
        yield "TIFF", f"sub-is-{name}.tif", tiff([*plain, (0x8769, LONG, (at,))], pixels().tobytes())
    yield "PNG", "large-values-over-values.png", with_png_chunk(chunk(b"eXIf", exif_of_many_values(60_000, 2**20)[6:]))


def _profiles() -> Iterator[tuple[str, str, bytes]]:
    rng = np.random.default_rng(5)
    image = Image.fromarray(pixels())
    garbage = {
        "noise": rng.bytes(4_000),
        "empty": b"\0",
        "signed": bytes(36) + b"acsp" + rng.bytes(500),
        "claims-4-GB": b"\xff\xff\xff\xff" + bytes(32) + b"acsp" + bytes(84) + b"\xff\xff\xff\xff" + rng.bytes(99),
    }
    for name, profile in garbage.items():
        for format_, suffix in (("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif")):
            yield format_, f"profile-{name}{suffix}", encoded(image, format=format_, icc_profile=profile)
        yield "HEIC", f"profile-{name}.heic", heic(image, icc_profile=profile)
    yield "PNG", "profile-not-packed.png", with_png_chunk(chunk(b"iCCP", b"x\0\0not zlib at all"))
    parts = [segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 200]) + bytes(50)) for number in (0, 255, 7, 7)]
    yield "JPEG", "profile-in-wrong-parts.jpg", with_jpeg_segments(*parts)


def _texts() -> Iterator[tuple[str, str, bytes]]:
    bomb = zlib.compress(bytes(50_000_000), 9)
    yield "PNG", "text-bomb.png", with_png_chunk(chunk(b"zTXt", b"k\0\0" + bomb))
    yield "PNG", "international-text-bomb.png", with_png_chunk(chunk(b"iTXt", b"k\0\1\0\0\0" + bomb))
    yield "PNG", "profile-bomb.png", with_png_chunk(chunk(b"iCCP", b"k\0\0" + bomb))
    yield "PNG", "texts.png", with_png_chunk(chunk(b"tEXt", b"k\0" + bytes(100)) * 50_000)
    yield "PNG", "picture-bomb.png", png(WIDTH, HEIGHT, bytes(50_000_000))


def _animated() -> Iterator[tuple[str, str, bytes]]:
    for format_ in ("PNG, animated", "WebP, animated", "GIF, animated", "AVIF, animated"):
        if format_ in SEEDS:
            suffix, data = SEEDS[format_]
            yield format_, f"whole{suffix}", data
    endless = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield "PNG, animated", "frames-without-end.png", with_png_chunk(endless)


def _floats() -> Iterator[tuple[str, str, bytes]]:
    odd = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    odd[::3], odd[1::3, ::2], odd[:, 5] = np.nan, np.inf, -np.inf
    yield "TIFF, float", "odd.tif", float_tiff(odd)
    yield "TIFF, float", "nothing-finite.tif", float_tiff(np.full((HEIGHT, WIDTH), np.nan, np.float32))
    extremes = np.linspace(-3e38, 3e38, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    yield "TIFF, float", "extremes.tif", float_tiff(extremes)


def _narrow() -> Iterator[tuple[str, str, bytes]]:
    for width, height in ((1, 65_535), (65_535, 1)):
        size = f"{width}x{height}"
        image = Image.new("RGB", (width, height), (9, 99, 199))
        yield "PNG", f"{size}.png", encoded(image, format="PNG")
        yield "BMP", f"{size}.bmp", encoded(image, format="BMP")
        yield "TIFF", f"{size}.tif", encoded(image, format="TIFF", compression="tiff_lzw")
        yield "GIF", f"{size}.gif", encoded(image, format="GIF")
        jpeg = encoded(image.resize((min(width, 65_500), min(height, 65_500))), format="JPEG")
        yield "JPEG", f"{size}.jpg", jpeg
        webp = encoded(image.resize((min(width, 16_383), min(height, 16_383))), format="WEBP")
        yield "WebP", f"{size}.webp", webp
        yield "TIFF, float", f"{size}-float.tif", float_tiff(np.ones((height, width), np.float32))


def _at_every_marker() -> Iterator[tuple[str, str, bytes]]:
    for format_ in ("JPEG", "JPEG, progressive"):
        data = SEEDS[format_][1]
        places = [at for at in range(2, len(data) - 2) if data[at] == 0xFF and data[at + 1] not in (0, 0xFF)]
        for at in places:
            yield format_, f"{format_} cut at {at}.jpg", data[:at]
            yield format_, f"{format_} cut in {at}.jpg", data[: at + 3]
    for format_ in ("PNG", "PNG, animated"):
        data, at = SEEDS[format_][1], len(PNG_START)
        while at < len(data):
            yield format_, f"{format_} cut at {at}.png", data[:at]
            yield format_, f"{format_} cut in {at}.png", data[: at + 6]
            at += 12 + int.from_bytes(data[at : at + 4], "big")


def _no_size() -> Iterator[tuple[str, str, bytes]]:
    frame = (jpeg := SEEDS["JPEG"][1]).index(b"\xff\xc0") + 5
    bmp = SEEDS["BMP"][1]
    yield "PNG", "no-size.png", png(0, 0, b"")
    yield "PNG", "no-height.png", png(64, 0, b"")
    yield "JPEG", "no-size.jpg", jpeg[:frame] + bytes(4) + jpeg[frame + 4 :]
    yield "BMP", "no-size.bmp", bmp[:18] + bytes(8) + bmp[26:]
    yield "BMP", "lowest-height.bmp", bmp[:18] + struct.pack("<ii", 64, -(2**31)) + bmp[26:]
    yield "TIFF", "no-size.tif", tiff(tiff_tags(0, 0, 9), b"\0" * 9)
    yield "TIFF", "no-width.tif", tiff(tiff_tags(0, 48, 9), b"\0" * 9)
    yield "GIF", "no-size.gif", b"GIF89a" + bytes(4) + SEEDS["GIF"][1][10:]


def _checksums() -> Iterator[tuple[str, str, bytes]]:
    data = SEEDS["PNG"][1]
    for kind in (b"IHDR", b"iTXt", b"eXIf", b"IDAT"):
        at = data.index(kind)
        end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
        yield "PNG", f"checksum-{kind.decode()}.png", data[:end] + b"\0\0\0\0" + data[end + 4 :]


def _wrong_suffix() -> Iterator[tuple[str, str, bytes]]:
    suffixes = [".jpg", ".png", ".webp", ".tif", ".bmp", ".gif", ".heic", ".avif"]
    for format_, (suffix, data) in SEEDS.items():
        if ", " not in format_:
            wrong = suffixes[suffixes.index(suffix) - 1]
            yield format_, f"{format_} named{wrong}", data


def _no_pictures() -> Iterator[tuple[str, str, bytes]]:
    rng = np.random.default_rng(3)
    yield "none", "one-byte.jpg", b"\xff"
    yield "none", "text.jpg", b"Dear all,\nhere is the photo.\n"
    yield "none", "noise.png", rng.bytes(5_000)
    yield "none", "zeros.heic", bytes(5_000)
    yield "none", "page.gif", b"<html><script>alert(1)</script></html>"
    yield "none", "archive.tif", b"PK\x03\x04" + rng.bytes(100)
    yield "none", "program.bmp", b"MZ" + rng.bytes(300)
    yield "none", "video.heic", b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + rng.bytes(200)


def _only_headers() -> Iterator[tuple[str, str, bytes]]:
    for format_, (suffix, data) in SEEDS.items():
        for length in (4, 12, 24, 40):
            yield format_, f"{format_} first {length}{suffix}", data[:length]


BY_HAND: Mapping[str, Callable[[], Iterator[tuple[str, str, bytes]]]] = {
    "bomb": _bombs,
    "less than stated": _too_small,
    "overwork": _overwork,
    "EXIF": _exif,
    "profile": _profiles,
    "text bomb": _texts,
    "animated": _animated,
    "odd float": _floats,
    "narrow": _narrow,
    "cut at a marker": _at_every_marker,
    "no size": _no_size,
    "wrong checksum": _checksums,
    "wrong suffix": _wrong_suffix,
    "no picture": _no_pictures,
    "only a header": _only_headers,
    "empty": lambda: iter([("none", "empty.jpg", b"")]),
}

SEEDS = _seeds()


def corpus() -> list[HostileFile]:
    """All of them, each under a name of its own."""
    by_hand = [
        HostileFile(kind, format_, f"{kind} {name}", data)
        for kind, made in BY_HAND.items()
        for format_, name, data in made()
    ]
    return [*mutants(), *by_hand]
