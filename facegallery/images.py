"""Photos in: the bytes of one file, their hash and their upright RGB pixels, or one clear reason why not."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import stat
import threading
import warnings
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError, _imaging, features
from PIL.TiffImagePlugin import TiffImageFile

from facegallery.bounds import BoundedStream, TooMuchWorkError, refuse_overwork
from facegallery.domain import Photo
from facegallery.errors import PhotoError, PhotoFault
from facegallery.formats import mislabelled, recognised_format, shown, stated_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Pixels

MAX_FILE_BYTES = 512 * 1024 * 1024
"""Files above this are refused unread: as many bytes as ``MAX_PIXELS`` take in 8-bit RGB, without any coding."""

MAX_PIXELS = 178_956_970
"""Most pixels that are decoded: where Pillow itself calls a picture a decompression bomb. Phones make 108 million."""

WORK_SIDE_PX = 4096
"""A photo whose long side is over this is reduced to it: 38 MB instead of the 324 MB of a 108-megapixel photo, in
which a face of 160 px, all that the embedder takes, still has 55 px."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the turn that makes the picture upright; 1 and anything else need none."""

_QUARTER_TURNS = (5, 6, 7, 8)

_BAND_VALUES = 2**20

_REDUCED_COPY = 1
_WHITE_IS_ZERO = 0


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file's bytes, read once, so that hash and pixels are of the same content.

    Attributes:
        path: The file, as given.
        data: Its bytes.
        content_hash: SHA-256 of ``data``, lower-case hex.
    """

    path: Path
    data: bytes = field(repr=False)
    content_hash: str


def read_photo(path: Path) -> Photo:
    """Read and decode one file.

    Args:
        path: The file.

    Returns:
        The photo: upright, RGB, uint8, its long side at most ``WORK_SIDE_PX``.

    Raises:
        PhotoError: The file cannot be used as a photo, and why.
    """
    return decode(load_file(path))


def load_file(path: Path) -> PhotoFile:
    """Read the bytes of one file and hash them, without decoding.

    Args:
        path: The file.

    Returns:
        The bytes and their hash.

    Raises:
        PhotoError: ``missing``, ``not_readable``, ``empty`` or ``too_large``.
    """
    try:
        # Asked before opening: opening a named pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "a device or pipe"
            raise PhotoError(path, PhotoFault.NOT_READABLE, f"it is {kind}, not a file")
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size > MAX_FILE_BYTES:
                raise PhotoError(
                    path, PhotoFault.TOO_LARGE, f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB, too large here"
                )
            data = stream.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = "the link points to nothing" if path.is_symlink() else "there is no such file"
        raise PhotoError(path, PhotoFault.MISSING, reason) from error
    except PermissionError as error:
        raise PhotoError(path, PhotoFault.NOT_READABLE, "there is no permission to read it") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        detail = getattr(error, "strerror", None) or str(error)
        raise PhotoError(path, PhotoFault.NOT_READABLE, f"it cannot be read: {detail}") from error
    if not data:
        raise PhotoError(path, PhotoFault.EMPTY, "the file is empty (0 bytes)")
    return PhotoFile(path=path, data=data, content_hash=hashlib.sha256(data).hexdigest())


def decode(file: PhotoFile) -> Photo:
    """Decode a file that was loaded.

    Args:
        file: The bytes.

    Returns:
        The photo: upright, RGB, uint8, its long side at most ``WORK_SIDE_PX``.

    Raises:
        PhotoError: ``not_a_photo``, ``unsupported``, ``truncated``, ``damaged`` or ``too_large``.
    """
    picture_format = recognised_format(file.path, file.data)
    try:
        with _quiet:
            pixels, size = _upright_pixels(file, picture_format)
    except PhotoError:
        raise
    except Exception as error:
        # Hostile bytes make decoders raise almost anything: OSError, SyntaxError, ValueError, struct.error, zlib.error,
        # KeyError, OverflowError, RecursionError ... This is the one place where all of it becomes the photo's fault.
        raise _photo_error(file, picture_format, error) from error
    return Photo(
        path=file.path,
        content_hash=file.content_hash,
        pixels=pixels,
        width_px=size[0],
        height_px=size[1],
        notice=mislabelled(file.path, picture_format),
    )


# --- faults -------------------------------------------------------------------------------------------------------


def _photo_error(file: PhotoFile, picture_format: str, error: Exception) -> PhotoError:
    """The fault that a decoder's exception stands for."""
    name = shown(picture_format)
    if isinstance(error, Image.DecompressionBombError):
        return PhotoError(
            file.path, PhotoFault.TOO_LARGE, f"it claims more than {MAX_PIXELS:,} pixels and was not decoded"
        )
    if isinstance(error, TooMuchWorkError):
        return PhotoError(file.path, PhotoFault.TOO_LARGE, f"the {name} picture would take too long to decode: {error}")
    if isinstance(error, MemoryError):
        return PhotoError(file.path, PhotoFault.TOO_LARGE, "decoding it needs more memory than there is")
    if "truncated" in str(error).lower() or stated_bytes(file.data, picture_format) > len(file.data):
        return PhotoError(
            file.path, PhotoFault.TRUNCATED, f"the {name} picture is cut off before its end; copy it again"
        )
    # Pillow's words for a header that it cannot make sense of name an object in memory.
    detail = "its header makes no sense" if isinstance(error, UnidentifiedImageError) else _one_line(error)
    return PhotoError(file.path, PhotoFault.DAMAGED, f"the {name} picture is damaged: {detail}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# --- pixels -------------------------------------------------------------------------------------------------------


def _upright_pixels(file: PhotoFile, picture_format: str) -> tuple[Pixels, tuple[int, int]]:
    """Decode to pixels, shape (h, w, 3), uint8, RGB; beside them width and height of the upright original."""
    image = _open_heif(file) if picture_format == "HEIF" else _open(file, picture_format)
    size = image.size
    drafted = _reduced(size) != size and image.draft(None, _reduced(size)) is not None  # JPEG decodes at 1/2, 1/4, 1/8
    image.load()
    if not drafted:
        size = image.size  # Pillow turns a TIFF upright while loading it
    orientation = _orientation(image)
    image = _eight_bit_bands(image)
    if image.size != _reduced(size):
        image = image.resize(_reduced(size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    image = _over_white(image)
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    # np.array copies: torch complains about arrays that cannot be written to
    return np.array(image), size[::-1] if orientation in _QUARTER_TURNS else size


def _open(file: PhotoFile, picture_format: str) -> Image.Image:
    if picture_format == "AVIF" and not _pillow_reads_avif():
        raise PhotoError(
            file.path, PhotoFault.UNSUPPORTED, "AVIF pictures need a newer Pillow: pip install --upgrade pillow"
        )
    refuse_overwork(file.data, picture_format)
    if picture_format == "TIFF":
        _silence_libtiff()
    # Only this one format: Pillow knows more than forty others, some of which start external programs.
    image = Image.open(BoundedStream(file.data), formats=(picture_format,))
    _refuse_bomb(image.size)
    if isinstance(image, TiffImageFile) and image.tag_v2.get(ExifTags.Base.NewSubfileType) == _REDUCED_COPY:
        raise PhotoError(
            file.path,
            PhotoFault.UNSUPPORTED,
            "it is a camera raw file, of which only a preview could be read; export it as JPEG",
        )
    return image


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from writing what is wrong with a file to standard error, past Python; Pillow raises it anyway.

    Its switches are found where Pillow's library is linked to a libtiff beside it, as on Linux and macOS.
    """
    with contextlib.suppress(OSError):
        pillow = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            switch = getattr(pillow, name, None)
            if switch is not None:
                switch(None)


def _pillow_reads_avif() -> bool:
    return bool(features.check("avif"))  # a Pillow before 11.3 warns about the word; decode keeps that quiet


def _open_heif(file: PhotoFile) -> Image.Image:
    """Decode the primary picture; libheif turns it upright itself."""
    try:
        import pillow_heif  # an extra
    except ImportError as error:
        raise PhotoError(
            file.path, PhotoFault.UNSUPPORTED, "HEIC pictures need one more package: pip install 'facegallery[heic]'"
        ) from error
    container = pillow_heif.open_heif(BytesIO(file.data))
    _refuse_bomb(container.size)
    image: Image.Image = container.to_pillow()
    return image


def _refuse_bomb(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise Image.DecompressionBombError


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    """The size that a photo is worked on at, of the same shape."""
    long_side = max(size)
    if long_side <= WORK_SIDE_PX:
        return size
    width, height = (max(1, round(side * WORK_SIDE_PX / long_side)) for side in size)
    return width, height


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a garbled EXIF block raises whatever its bytes lead to, and must not lose the photo
        return 1


def _eight_bit_bands(image: Image.Image) -> Image.Image:
    """The same picture in mode L, RGB, RGBA or CMYK, in which sizes can be changed without wrong colours."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _eight_bit_grey(image)
    if image.mode == "La":
        image = image.convert("LA")  # the only way that Pillow has out of premultiplied grey
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "CMYK") else image.convert("RGB")


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    """Grey of 16 bits and more to mode L by its full range; Pillow's own conversion would cut off at 255."""
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    values = np.asarray(image)
    if values.dtype.kind == "u":
        bits = 12 if tags.get(ExifTags.Base.BitsPerSample) == (12,) else 16
        grey = (values >> (bits - 8)).astype(np.uint8)  # as Pillow does with 16-bit colour
    else:
        grey = _stretched(values)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        grey = 255 - grey
    return Image.fromarray(grey)


def _stretched(values: NDArray[np.int32] | NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values with no fixed white to 0..255: fractions as they are, others from the least to the greatest of them.

    A band of rows at a time: numpy interpolates in 64 bits, in which the largest photo takes gigabytes.
    """
    n_rows = max(1, _BAND_VALUES // values.shape[1])
    bands = [slice(top, top + n_rows) for top in range(0, len(values), n_rows)]
    kept = (values[band][np.isfinite(values[band])] for band in bands)
    ends = [(float(finite.min()), float(finite.max())) for finite in kept if finite.size]
    low, high = min((end[0] for end in ends), default=0.0), max((end[1] for end in ends), default=0.0)
    if values.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    grey = np.empty(values.shape, np.uint8)
    for band in bands:
        stretched = np.interp(values[band], (low, high), (0.0, 255.0)) + 0.5  # holds infinities at the ends
        grey[band] = np.nan_to_num(stretched)
    return grey


def _over_white(image: Image.Image) -> Image.Image:
    """Mode RGB; what shows through a transparent picture is white."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


# --- Pillow's warnings --------------------------------------------------------------------------------------------


class _Quiet:
    """Keeps Pillow's warnings (large picture, odd EXIF) from being printed, or raised under ``python -W error``.

    What they say is either no fault here or reported in our own words. The filters belong to the whole process, so
    they are changed when the first thread begins to decode and put back when the last one has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\.")
            self._n_inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._filters.__exit__(kind, error, trace)


_quiet = _Quiet()
