"""Promises about reading photos: the right pixels or one clear reason, whatever the file holds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError, features

from facegallery.domain import Photo
from facegallery.errors import PhotoError, PhotoFault
from facegallery.images import MAX_FILE_BYTES, WORK_SIDE_PX, PhotoFile, decode, load_file, read_photo

Rgb = NDArray[np.uint8]

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {"format": "PNG"},
    "BMP": {"format": "BMP"},
    "TIFF": {"format": "TIFF"},
    "TIFF, compressed": {"format": "TIFF", "compression": "tiff_lzw"},
    "WebP": {"format": "WEBP", "lossless": True},
}
"""How each lossless format is saved."""

UPRIGHT_FROM_STORED: dict[int, Callable[[Rgb], Rgb]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored[::-1].transpose(1, 0, 2),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: stored[:, ::-1].transpose(1, 0, 2),
}
"""EXIF orientation by the standard's table: 6 means that the stored picture is to be turned a quarter clockwise."""

ORIENTATION_TAG = 274


# --- helpers ------------------------------------------------------------------------------------------------------


def encoded(image: Image.Image, **how: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, **how)
    return stream.getvalue()


def decoded(data: bytes, name: str = "photo") -> Photo:
    return decode(PhotoFile(Path(name), data, hashlib.sha256(data).hexdigest()))


def fault_of(data: bytes, name: str = "photo") -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decoded(data, name)
    assert "\n" not in caught.value.reason
    assert "object at 0x" not in caught.value.reason
    return caught.value


def noise(height: int, width: int) -> Rgb:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif


def stored_for(upright: Rgb, orientation: int) -> Image.Image:
    undo = {6: 8, 8: 6}.get(orientation, orientation)  # the other turns are their own reverse
    return Image.fromarray(np.ascontiguousarray(UPRIGHT_FROM_STORED[undo](upright)))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, bits: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(width: int, height: int, data: bytes, tags: Mapping[int, tuple[int, ...]]) -> bytes:
    """A little-endian TIFF of one strip, the pixels after the table; values are shorts, the sizes longs."""
    shorts = {259: (1,), 277: (1,), **tags}
    longs = {256: width, 257: height, 273: 0, 278: height, 279: len(data)}
    n_tags = len(shorts) + len(longs)
    overflow_at = 8 + 2 + 12 * n_tags + 4
    overflow = b"".join(struct.pack(f"<{len(v)}H", *v) for _, v in sorted(shorts.items()) if len(v) > 2)
    longs[273] = overflow_at + len(overflow)
    table = struct.pack("<H", n_tags)
    for tag in sorted({**shorts, **longs}):
        if tag in longs:
            table += struct.pack("<HHII", tag, 4, 1, longs[tag])
        elif len(shorts[tag]) > 2:
            table += struct.pack("<HHII", tag, 3, len(shorts[tag]), overflow_at)
            overflow_at += 2 * len(shorts[tag])
        else:
            table += struct.pack("<HHI", tag, 3, len(shorts[tag])) + struct.pack("<2H", *(*shorts[tag], 0)[:2])
    return b"II*\x00" + struct.pack("<I", 8) + table + struct.pack("<I", 0) + overflow + data


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions count, also when the tests are run by root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


ONE_OF_EACH = {
    **{name: encoded(Image.fromarray(noise(48, 64)), **how) for name, how in LOSSLESS.items()},
    "JPEG": encoded(Image.fromarray(noise(48, 64)), format="JPEG"),
    "JPEG, progressive": encoded(Image.fromarray(noise(48, 64)), format="JPEG", progressive=True),
    "TIFF, JPEG inside": encoded(Image.fromarray(noise(48, 64)), format="TIFF", compression="jpeg"),
    "WebP, lossy": encoded(Image.fromarray(noise(48, 64)), format="WEBP"),
    "GIF": encoded(Image.fromarray(noise(48, 64)), format="GIF"),
}


def heic(image: Image.Image, **how: Any) -> bytes:
    stream = BytesIO()
    pillow_heif.from_pillow(image).save(stream, **how)
    return stream.getvalue()


# --- pixels -------------------------------------------------------------------------------------------------------

small_rgb = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))


@pytest.mark.parametrize("name", LOSSLESS)
@given(pixels=small_rgb)
@settings(max_examples=15, deadline=None)
def test_a_lossless_format_gives_back_its_pixels(name: str, pixels: Rgb) -> None:
    """What was saved losslessly is read to the bit, with the size beside it and no notice."""
    photo = decoded(encoded(Image.fromarray(pixels), **LOSSLESS[name]))
    assert np.array_equal(photo.pixels, pixels)
    assert (photo.height_px, photo.width_px) == pixels.shape[:2]
    assert photo.scale == 1.0
    assert photo.notice is None


@pytest.mark.parametrize("name", ["PNG", "TIFF", "TIFF, compressed", "WebP"])
@given(pixels=small_rgb, orientation=st.sampled_from(sorted(UPRIGHT_FROM_STORED)))
@settings(max_examples=15, deadline=None)
def test_any_orientation_gives_the_same_upright_picture(name: str, pixels: Rgb, orientation: int) -> None:
    """However the camera was held, the pixels and the size are those of the upright picture."""
    photo = decoded(encoded(stored_for(pixels, orientation), exif=exif_of(orientation), **LOSSLESS[name]))
    assert np.array_equal(photo.pixels, pixels)
    assert (photo.height_px, photo.width_px) == pixels.shape[:2]


@pytest.mark.parametrize("orientation", sorted(UPRIGHT_FROM_STORED))
@pytest.mark.parametrize("save", [encoded, heic])
def test_lossy_photos_are_turned_upright_too(save: Callable[..., bytes], orientation: int) -> None:
    """JPEG and HEIC of every orientation show the same picture, within what the coding loses."""
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :48], upright[:32, 48:], upright[32:, :48] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    image = stored_for(upright, orientation)
    how = {"format": "JPEG"} if save is encoded else {}
    photo = decoded(save(image, quality=95, exif=exif_of(orientation).tobytes(), **how))
    assert photo.pixels.shape == upright.shape
    assert np.abs(photo.pixels.astype(int) - upright).mean() < 6


def of_values(dtype: str, *values: float) -> bytes:
    return np.array(values, dtype).tobytes()


GREY16 = {258: (16,), 262: (1,)}
FLOAT = {258: (32,), 262: (1,), 339: (3,)}
rgba_row = Image.fromarray(np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 255, 127]]], np.uint8))
la_row = Image.merge("LA", [Image.fromarray(np.array([[0, 90, 255]], np.uint8)), Image.new("L", (3, 1), 255)])
palette_row = rgba_row.convert("RGB").quantize(4)

PIXELS_BY_MODE: dict[str, tuple[bytes, list[Any]]] = {
    "1 bit": (encoded(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), format="PNG"), [0, 255]),
    "8 bit grey": (encoded(Image.fromarray(np.array([[0, 77, 255]], np.uint8)), format="PNG"), [0, 77, 255]),
    "grey and alpha": (encoded(la_row, format="PNG"), [0, 90, 255]),
    "colour and alpha": (encoded(rgba_row, format="PNG"), [(255, 0, 0), (255, 255, 255), (128, 128, 255)]),
    "palette": (encoded(palette_row, format="PNG"), [(255, 0, 0), (255, 0, 0), (0, 0, 255)]),
    "palette with a transparent colour": (
        encoded(palette_row, format="PNG", transparency=palette_row.getpixel((2, 0))),
        [(255, 0, 0), (255, 0, 0), (255, 255, 255)],
    ),
    "palette with alpha": (
        encoded(rgba_row.quantize(4), format="PNG"),
        [(255, 0, 0), (255, 255, 255), (128, 128, 255)],
    ),
    "GIF with a transparent colour": (
        encoded(palette_row, format="GIF", transparency=palette_row.getpixel((2, 0))),
        [(255, 0, 0), (255, 0, 0), (255, 255, 255)],
    ),
    "CMYK": (
        encoded(
            Image.fromarray(np.array([[[0, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8), "CMYK"),
            format="TIFF",
        ),
        [(255, 255, 255), (255, 0, 0), (0, 0, 0)],
    ),
    "CIELAB": (
        tiff(2, 1, bytes([255, 0, 0, 0, 0, 0]), {258: (8, 8, 8), 262: (8,), 277: (3,)}),
        [(255, 255, 255), (0, 0, 0)],
    ),
    "16 bit grey PNG": (
        png(3, 1, bits=16, colour=0, rows=b"\0" + of_values(">u2", 0, 0x80FF, 65535)),
        [0, 128, 255],
    ),
    "16 bit grey PNG with a transparent grey": (
        png(2, 1, bits=16, colour=0, rows=b"\0" + of_values(">u2", 0, 65535), extra=chunk(b"tRNS", b"\0\0")),
        [0, 255],
    ),
    "16 bit grey and alpha PNG": (
        png(2, 1, bits=16, colour=4, rows=b"\0" + of_values(">u2", 0x4000, 65535, 0x4000, 0)),
        [64, 255],
    ),
    "16 bit colour PNG": (
        png(2, 1, bits=16, colour=2, rows=b"\0" + of_values(">u2", 0, 0x8000, 65535, 65535, 256, 0)),
        [(0, 128, 255), (255, 1, 0)],
    ),
    "16 bit colour PNG with a transparent colour": (
        png(
            1, 1, bits=16, colour=2, rows=b"\0" + of_values(">u2", 0, 0x8000, 65535), extra=chunk(b"tRNS", b"\xff" * 6)
        ),
        [(0, 128, 255)],
    ),
    "16 bit grey TIFF": (tiff(3, 1, of_values("<u2", 0, 0x80FF, 65535), GREY16), [0, 128, 255]),
    "16 bit grey TIFF, big-endian": (
        encoded(Image.frombytes("I;16B", (2, 1), of_values(">u2", 0x4000, 65535)), format="TIFF"),
        [64, 255],
    ),
    "16 bit grey TIFF, white is zero": (
        tiff(3, 1, of_values("<u2", 0, 0x80FF, 65535), {**GREY16, 262: (0,)}),
        [255, 127, 0],
    ),
    "16 bit colour TIFF": (
        tiff(1, 1, of_values("<u2", 0, 0x8000, 65535), {258: (16, 16, 16), 262: (2,), 277: (3,)}),
        [(0, 128, 255)],
    ),
    "12 bit grey TIFF": (tiff(2, 1, bytes([0x80, 0x0F, 0xFF]), {258: (12,), 262: (1,)}), [128, 255]),
    "signed 16 bit TIFF": (tiff(3, 1, of_values("<i2", -100, 0, 100), {**GREY16, 339: (2,)}), [0, 128, 255]),
    "32 bit TIFF": (tiff(3, 1, of_values("<i4", 0, 500, 1000), {258: (32,), 262: (1,), 339: (2,)}), [0, 128, 255]),
    "float TIFF of fractions": (tiff(3, 1, of_values("<f4", 0.25, 0.5, 1.0), FLOAT), [64, 128, 255]),
    "float TIFF of other numbers": (tiff(3, 1, of_values("<f4", -10, 0, 10), FLOAT), [0, 128, 255]),
    "float TIFF with holes": (
        tiff(4, 1, of_values("<f4", np.nan, -np.inf, 1.0, np.inf), FLOAT),
        [0, 0, 255, 255],
    ),
    "float TIFF of nothing but holes": (tiff(2, 1, of_values("<f4", np.nan, np.nan), FLOAT), [0, 0]),
    "float TIFF of the widest range": (tiff(2, 1, of_values("<f4", -3e38, 3e38), FLOAT), [0, 255]),
}
"""A picture of one row in each mode, and the expected pixels: one number for grey, three for a colour."""


@pytest.mark.parametrize("mode", PIXELS_BY_MODE)
def test_every_pixel_mode_becomes_8_bit_rgb(mode: str) -> None:
    """Grey, palette, CMYK, 1, 12, 16 and 32 bits keep their range; alpha is blended over white."""
    data, expected = PIXELS_BY_MODE[mode]
    pixels = decoded(data).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    wanted = [value if isinstance(value, tuple) else (value,) * 3 for value in expected]
    assert pixels.shape == (1, len(wanted), 3)
    assert np.abs(pixels[0].astype(int) - wanted).max() <= 1, pixels[0].tolist()


def test_premultiplied_grey_is_read_where_pillow_can() -> None:
    """Grey that was multiplied by its alpha comes out blended over white; an older Pillow refuses the file."""
    data = tiff(2, 1, bytes([100, 255, 0, 0]), {258: (8, 8), 262: (1,), 277: (2,), 338: (1,)})
    try:
        Image.open(BytesIO(data))
    except UnidentifiedImageError:
        assert fault_of(data).fault is PhotoFault.DAMAGED
    else:
        assert decoded(data).pixels[0].tolist() == [[100] * 3, [255] * 3]


def test_a_picture_of_one_value_is_read() -> None:
    """Where the least number is the greatest too, stretching the range divides by nothing."""
    for dtype, tags in (("<i4", {258: (32,), 262: (1,), 339: (2,)}), ("<f4", FLOAT)):
        pixels = decoded(tiff(2, 1, of_values(dtype, 9, 9), tags)).pixels
        assert (pixels == pixels[0, 0]).all()


def test_adobe_cmyk_jpeg_is_not_read_as_a_negative() -> None:
    """JPEG of Adobe programs stores CMYK inverted; white paper stays white."""
    data = encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), format="JPEG")
    assert b"Adobe" in data
    assert decoded(data).pixels.min() > 250


@pytest.mark.parametrize(("name", "how"), [("GIF", {"format": "GIF"}), ("MPO", {"format": "MPO"})])
def test_of_several_pictures_the_first_is_read(name: str, how: dict[str, Any]) -> None:
    """Of an animation or a stereo pair, the photo is the first picture."""
    red, blue = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    photo = decoded(
        encoded(red, save_all=True, append_images=[blue], **how), f"photo.{'jpg' if name == 'MPO' else 'gif'}"
    )
    assert np.abs(photo.pixels.astype(int) - (255, 0, 0)).max() < 5
    assert photo.notice is None


# --- large photos -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (WORK_SIDE_PX, 8, (8, WORK_SIDE_PX)),
        (WORK_SIDE_PX + 1, 16, (16, WORK_SIDE_PX)),
        (2 * WORK_SIDE_PX, 32, (16, WORK_SIDE_PX)),
        (20_000, 1, (1, WORK_SIDE_PX)),
    ],
)
@pytest.mark.parametrize("how", [{"format": "PNG"}, {"format": "JPEG"}])
def test_a_photo_over_the_working_size_is_reduced(
    width: int, height: int, expected: tuple[int, int], how: dict[str, str]
) -> None:
    """The long side is at most ``WORK_SIDE_PX``, the size told is the original's, and the picture is all there."""
    ramp = np.repeat(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], height, axis=0).repeat(3, axis=2)
    photo = decoded(encoded(Image.fromarray(ramp), **how))
    assert photo.pixels.shape == (*expected, 3)
    assert (photo.width_px, photo.height_px) == (width, height)
    assert photo.scale == expected[1] / width
    wanted = np.linspace(0, 255, expected[1])
    assert np.abs(photo.pixels[0, :, 0] - wanted).mean() < 3


def test_a_large_turned_jpeg_tells_its_upright_size() -> None:
    """Reduced while decoding and then turned: width and height are those of the upright original."""
    lying = Image.new("RGB", (2 * WORK_SIDE_PX + 400, 64))
    photo = decoded(encoded(lying, format="JPEG", exif=exif_of(6)))
    assert (photo.width_px, photo.height_px) == (64, 2 * WORK_SIDE_PX + 400)
    assert photo.pixels.shape == (WORK_SIDE_PX, 31, 3)


def test_a_photo_of_a_large_camera_is_read_in_silence() -> None:
    """96 megapixels are more than Pillow warns about; here no warning is raised, printed or left switched off."""
    filters = list(warnings.filters)
    photo = decoded(encoded(Image.new("L", (12_000, 8_000), 128), format="JPEG"))
    assert photo.pixels.shape == (2731, WORK_SIDE_PX, 3)
    assert warnings.filters == filters


def test_decoding_in_many_threads_leaves_the_warnings_as_they_were() -> None:
    """Photos that Pillow warns about, in eight threads at once: all are read, the filters are put back."""
    filters = list(warnings.filters)
    data = with_exif_garbage()
    with ThreadPoolExecutor(8) as pool:
        photos = list(pool.map(decoded, [data] * 64))
    assert {photo.pixels.shape for photo in photos} == {(48, 64, 3)}
    assert warnings.filters == filters


def bombs() -> dict[str, bytes]:
    jpeg = ONE_OF_EACH["JPEG"]
    frame = jpeg.index(b"\xff\xc0") + 5
    bmp = ONE_OF_EACH["BMP"]
    return {
        "PNG": png(50_000, 50_000, bits=8, colour=2, rows=b"\0"),
        "JPEG": jpeg[:frame] + struct.pack(">HH", 65_500, 65_500) + jpeg[frame + 4 :],
        "GIF": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + ONE_OF_EACH["GIF"][10:],
        "BMP": bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:],
        "TIFF": tiff(100_000, 100_000, b"\0", {258: (8,), 262: (1,)}),
    }


@pytest.mark.parametrize("name", bombs())
@pytest.mark.parametrize("pillow_limit", [Image.MAX_IMAGE_PIXELS, None])
def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, pillow_limit: int | None) -> None:
    """A few bytes that claim billions of pixels are refused, also where somebody switched off Pillow's own limit."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    error = fault_of(bombs()[name])
    assert error.fault is PhotoFault.TOO_LARGE
    assert "pixels" in error.reason


def test_a_file_beyond_all_photos_is_refused_unread(tmp_path: Path) -> None:
    """A file above ``MAX_FILE_BYTES`` is never read into memory."""
    path = tmp_path / "disk-image.jpg"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(PhotoError, match="512 MiB") as caught:
        load_file(path)
    assert caught.value.fault is PhotoFault.TOO_LARGE


# --- files that are no photos -------------------------------------------------------------------------------------


def test_hash_and_pixels_are_of_one_reading(tmp_path: Path) -> None:
    """The hash is the SHA-256 of the file's bytes, the same under any name; the path is kept as given."""
    data = ONE_OF_EACH["PNG"]
    for name in ("a.png", "ü 写真\n.png"):
        path = tmp_path / name
        path.write_bytes(data)
        photo = read_photo(path)
        assert photo.content_hash == hashlib.sha256(data).hexdigest()
        assert photo.path == path


def test_what_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    """Missing files, dead links, folders, pipes and impossible names each get their own fault and words."""
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    expected = {
        "none.jpg": (PhotoFault.MISSING, "no such file"),
        "dead.jpg": (PhotoFault.MISSING, "link points to nothing"),
        "file/x.jpg": (PhotoFault.MISSING, "no such file"),
        "file": (PhotoFault.EMPTY, "empty"),
        "folder.jpg": (PhotoFault.NOT_READABLE, "a folder"),
        "pipe.jpg": (PhotoFault.NOT_READABLE, "pipe"),
        "round.jpg": (PhotoFault.NOT_READABLE, "cannot be read"),
        "n\0ll.jpg": (PhotoFault.NOT_READABLE, "null"),
        "x" * 300 + ".jpg": (PhotoFault.NOT_READABLE, "cannot be read"),
    }
    for name, (fault, words) in expected.items():
        with pytest.raises(PhotoError, match=words) as caught:
            read_photo(tmp_path / name)
        assert caught.value.fault is fault, name
        assert caught.value.path == tmp_path / name


def test_a_file_without_permission_is_named() -> None:
    """A file that this person may not read is a fault of that file."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder that only its owner may enter
        path = Path(folder) / "secret.jpg"
        path.write_bytes(ONE_OF_EACH["JPEG"])
        path.chmod(0)
        path.parent.chmod(0o755)
        with unprivileged(), pytest.raises(PhotoError, match="no permission") as caught:
            read_photo(path)
    assert caught.value.fault is PhotoFault.NOT_READABLE


@pytest.mark.parametrize(
    ("data", "fault", "words"),
    [
        (b"Dear all,\nhere is the photo.", PhotoFault.NOT_A_PHOTO, "no photo format"),
        (b"BMW is a car maker, and this is a text about it.", PhotoFault.NOT_A_PHOTO, "no photo format"),
        (b"\0" * 5000, PhotoFault.NOT_A_PHOTO, "no photo format"),
        (b"\xff", PhotoFault.NOT_A_PHOTO, "no photo format"),
        (b"%PDF-1.7\n...", PhotoFault.NOT_A_PHOTO, "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", PhotoFault.NOT_A_PHOTO, "PostScript"),
        (b"\n  <!DOCTYPE html><title>404</title>", PhotoFault.NOT_A_PHOTO, "web page"),
        (b"PK\x03\x04rest", PhotoFault.NOT_A_PHOTO, "ZIP"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", PhotoFault.NOT_A_PHOTO, "video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", PhotoFault.UNSUPPORTED, "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", PhotoFault.UNSUPPORTED, "JPEG 2000"),
        (b"8BPS\0\1", PhotoFault.UNSUPPORTED, "Photoshop"),
        (encoded(Image.new("RGB", (16, 16)), format="ICO"), PhotoFault.NOT_A_PHOTO, "no photo format"),
        (encoded(Image.new("RGB", (16, 16)), format="TIFF", tiffinfo={254: 1}), PhotoFault.UNSUPPORTED, "camera raw"),
    ],
)
def test_other_content_under_a_photo_name_is_recognised(data: bytes, fault: PhotoFault, words: str) -> None:
    """Text, documents, web pages, videos and foreign pictures named .jpg are told apart by what they hold."""
    error = fault_of(data, "holiday.jpg")
    assert error.fault is fault
    assert words in error.reason


@pytest.mark.parametrize(
    ("name", "format_", "notice"),
    [
        ("a.jpg", "PNG", "its name says JPEG but it is a PNG picture"),
        ("a.HEIC", "JPEG", "its name says HEIC but it is a JPEG picture"),
        ("a.png", "WebP", "its name says PNG but it is a WebP picture"),
        ("a.JPEG", "JPEG", None),
        ("a.tif", "TIFF", None),
        ("a.backup", "JPEG", None),
        ("a", "JPEG", None),
    ],
)
def test_a_photo_under_a_wrong_suffix_is_read_with_a_notice(name: str, format_: str, notice: str | None) -> None:
    """The content decides; a suffix that promises another photo format is worth a word, any other is not."""
    photo = decoded(ONE_OF_EACH[format_], name)
    assert photo.pixels.shape == (48, 64, 3)
    assert photo.notice == notice


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_photo_cut_off_anywhere_is_never_half_read(name: str) -> None:
    """Cut at any of 40 places it is refused, unless nothing of the picture is gone; most often as cut off."""
    data = ONE_OF_EACH[name]
    whole = decoded(data).pixels
    for length in np.linspace(1, len(data) - 1, 40).astype(int):
        try:
            pixels = decoded(data[:length]).pixels
        except PhotoError:
            continue
        assert np.array_equal(pixels, whole)
    assert fault_of(data[: len(data) // 2]).fault is PhotoFault.TRUNCATED
    assert fault_of(data[: len(data) * 9 // 10]).fault is PhotoFault.TRUNCATED


def test_a_damaged_photo_is_named_so() -> None:
    """Bytes overwritten in the middle of a PNG do not pass its checksum."""
    data = bytearray(ONE_OF_EACH["PNG"])
    data[1000:1100] = bytes(100)
    error = fault_of(bytes(data))
    assert error.fault is PhotoFault.DAMAGED
    assert error.reason.startswith("the PNG picture is damaged")
    assert fault_of(b"GIF89a" + bytes(100)).fault is PhotoFault.DAMAGED


def test_a_damaged_file_stays_refused_where_another_library_allows_half_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading changes none of Pillow's switches."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    fault_of(ONE_OF_EACH["JPEG"][:1000])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def with_exif_garbage() -> bytes:
    block = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(200))
    jpeg = ONE_OF_EACH["JPEG"]
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


@pytest.mark.parametrize(
    "data",
    [
        with_exif_garbage(),
        png(
            64, 48, bits=8, colour=2, rows=48 * (b"\0" + bytes(192)), extra=chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f" * 9)
        ),
        png(64, 48, bits=8, colour=2, rows=48 * (b"\0" + bytes(192)), extra=chunk(b"iCCP", b"x\0\0not zlib at all")),
        encoded(Image.fromarray(noise(48, 64)), format="JPEG", icc_profile=b"not a profile" * 50),
        encoded(Image.fromarray(noise(48, 64)), format="JPEG", exif=exif_of(99)),
        encoded(Image.fromarray(noise(48, 64)), format="WEBP", exif=b"Exif\0\0garbage"),
    ],
    ids=["JPEG EXIF", "PNG EXIF", "PNG profile", "JPEG profile", "orientation 99", "WebP EXIF"],
)
def test_garbled_metadata_does_not_lose_the_photo(data: bytes) -> None:
    """EXIF and colour profiles of garbage are passed over in silence; the picture is read as it lies."""
    assert decoded(data).pixels.shape == (48, 64, 3)


signatures = st.sampled_from([data[:cut] for data in ONE_OF_EACH.values() for cut in (4, 16, 40)])


@given(head=st.one_of(st.just(b""), signatures), tail=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_never_raise_anything_else(head: bytes, tail: bytes) -> None:
    """Any bytes, also behind a true header, are a photo or a ``PhotoError``."""
    with contextlib.suppress(PhotoError):
        decoded(head + tail)


@given(data=st.sampled_from(sorted(ONE_OF_EACH.values())), at=st.floats(0, 1), patch=st.binary(min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_photo_with_changed_bytes_never_raises_anything_else(data: bytes, at: float, patch: bytes) -> None:
    """Real photos with a few bytes overwritten anywhere are a photo or a ``PhotoError``."""
    start = int(at * (len(data) - len(patch)))
    with contextlib.suppress(PhotoError):
        decoded(data[:start] + patch + data[start + len(patch) :])


@pytest.mark.parametrize("raised", [MemoryError(), RecursionError("deep"), OSError("two\nlines"), zlib.error("bad")])
def test_whatever_a_decoder_raises_becomes_the_photos_fault(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    """No exception of Pillow's gets out as it is; running out of memory is told apart from damage."""

    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    error = fault_of(ONE_OF_EACH["BMP"])
    assert error.fault is (PhotoFault.TOO_LARGE if isinstance(raised, MemoryError) else PhotoFault.DAMAGED)
    assert error.__cause__ is raised


# --- HEIC and AVIF ------------------------------------------------------------------------------------------------


def test_heic_is_read_and_checked_like_the_others() -> None:
    """HEIC gives its pixels, is refused when cut off, and is known under another name."""
    flat = Image.new("RGB", (64, 48), (200, 100, 50))
    data = heic(flat, quality=95)
    photo = decoded(data, "photo.jpg")
    assert photo.pixels.shape == (48, 64, 3)
    assert np.abs(photo.pixels.astype(int) - (200, 100, 50)).max() < 8
    assert photo.notice == "its name says JPEG but it is a HEIC picture"
    assert fault_of(data[: len(data) // 2]).fault is PhotoFault.TRUNCATED
    assert fault_of(data[:30]).fault in (PhotoFault.TRUNCATED, PhotoFault.DAMAGED)


def test_without_pillow_heif_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC is an extra: without it the photo is skipped, and the reason says what to install."""
    data = heic(Image.new("RGB", (64, 48)))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # makes the import fail as if it was not installed
    error = fault_of(data)
    assert error.fault is PhotoFault.UNSUPPORTED
    assert "pip install 'facegallery[heic]'" in error.reason


def test_avif_is_read_where_pillow_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """AVIF is read by Pillow from 11.3 on; before that the reason says what to install."""
    header = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an older Pillow does not know the word
        can = bool(features.check("avif"))
    if can:
        data = encoded(Image.new("RGB", (64, 48), (200, 100, 50)), format="AVIF", quality=95)
        assert np.abs(decoded(data, "a.avif").pixels.astype(int) - (200, 100, 50)).max() < 8
        assert fault_of(data[:-5]).fault is PhotoFault.TRUNCATED
        assert "AVIF" in fault_of(header + bytes(50)).reason
    monkeypatch.setattr(features, "check", lambda _: False)
    error = fault_of(header + bytes(50))
    assert error.fault is PhotoFault.UNSUPPORTED
    assert "pip install --upgrade pillow" in error.reason
