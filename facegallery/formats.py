"""Which photo format bytes are in, whatever the file is called; told from the bytes alone, without a decoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facegallery.errors import PhotoError, PhotoFault

SUFFIXES: Mapping[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
    ".avif": "AVIF",
}
"""The photo suffixes, lower-case, and the format that each promises (Pillow's names)."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"}

_OTHER_PICTURES = (
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop document"),
)
_OTHER_CONTENT = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
)


def recognised_format(path: Path, data: bytes) -> str:
    """The format that the bytes are in.

    Args:
        path: The file, for the message; its suffix does not count.
        data: Its bytes, not empty.

    Returns:
        Pillow's name of the format: one of the values of ``SUFFIXES``.

    Raises:
        PhotoError: ``unsupported`` for a picture of another format, ``not_a_photo`` for anything else, with what it is.
    """
    found = _format_of(data)
    if found is not None:
        return found
    for signature, words in _OTHER_PICTURES:
        if data.startswith(signature):
            advice = "which is not supported; save it as JPEG or PNG"
            raise PhotoError(path, PhotoFault.UNSUPPORTED, f"it is {words}, {advice}")
    for signature, words in _OTHER_CONTENT:
        if data[:64].lstrip().lower().startswith(signature.lower()):
            raise PhotoError(path, PhotoFault.NOT_A_PHOTO, f"it is {words}, not a photo")
    if data[4:8] == b"ftyp":
        raise PhotoError(path, PhotoFault.NOT_A_PHOTO, "it is a video or another media file, not a photo")
    raise PhotoError(
        path,
        PhotoFault.NOT_A_PHOTO,
        "its content is no photo format known here (JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF)",
    )


def mislabelled(path: Path, picture_format: str) -> str | None:
    """What to tell the person when the file's suffix promises another format; None when it does not."""
    promised = SUFFIXES.get(path.suffix.lower(), picture_format)
    if promised == picture_format:
        return None
    return f"its name says {shown(promised)} but it is a {shown(picture_format)} picture"


def shown(picture_format: str) -> str:
    """A format's name as people write it."""
    return {"HEIF": "HEIC", "WEBP": "WebP"}.get(picture_format, picture_format)


def stated_bytes(data: bytes, picture_format: str) -> int:
    """How long the file must at least be by its own account; 0 for formats that do not say."""
    if picture_format == "WEBP":
        return 8 + int.from_bytes(data[4:8], "little")
    if picture_format == "TIFF":  # where the table of contents begins
        return 2 + int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big")
    if picture_format in ("HEIF", "AVIF"):
        end = 0
        while end + 8 <= len(data) and _big_endian(data[end : end + 4]) >= 8:  # 0 and 1 are special: rest, and 64 bits
            end += _big_endian(data[end : end + 4])
        return end
    return 0


def _big_endian(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _format_of(data: bytes) -> str | None:
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    # "BM" alone also begins many a text.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    if data[4:8] == b"ftyp":
        # The major brand is often only "mif1" (any picture in this container); the compatible ones say which codec.
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(_big_endian(data[:4]), 256), 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None
