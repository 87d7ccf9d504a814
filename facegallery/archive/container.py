"""The ZIP file around an archive, read as one that somebody made to do harm.

``zipfile`` reads the directory; the entries' bytes are then read from where they lie. All are stored, none is
compressed, and no two share a byte, so an archive never holds more than its own size: nothing in it can grow.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from facegallery.archive.fields import Fault, shown
from facegallery.archive.manifest import MAX_CROPS, is_expected

MAX_DIRECTORY_BYTES = 64 * 1024 + 128 * MAX_CROPS
"""What the ZIP file's directory may take: an entry has 46 bytes, its name, and 28 where the file is large."""

CHUNK_BYTES = 1 << 20

_LOCAL = struct.Struct("<4s2xHH16x2H")  # signature, flags, method, lengths of name and extra field
_UTF8_NAME = 0x800  # the only flag that changes nothing about the bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Where an entry's bytes lie in the file.

    Attributes:
        start: Offset of the first.
        size: How many.
    """

    start: int
    size: int


class Container:
    """An open archive: its entries' places, and their bytes. A context manager; nothing is kept open afterwards.

    Args:
        path: The file.

    Raises:
        Fault: It is no ZIP file, or one with entries that no archive has.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        # Opening a pipe would wait for somebody to write to it.
        try:
            mode = path.stat().st_mode
        except ValueError as error:  # U+0000
            raise Fault("no file can have this name") from error
        if not stat.S_ISREG(mode):
            raise Fault("it is not a file")
        self._file = path.open("rb")
        try:
            self.spans = _spans(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of an entry, at most ``CHUNK_BYTES`` at a time."""
        span = self.spans[name]
        done = 0
        while done < span.size:
            self._file.seek(span.start + done)
            chunk = self._file.read(min(CHUNK_BYTES, span.size - done))
            if not chunk:
                raise Fault("the file became shorter while it was read")
            done += len(chunk)
            yield chunk

    def whole(self, name: str, most: int) -> bytes:
        """All bytes of an entry.

        Raises:
            Fault: There are more than ``most``.
        """
        if self.spans[name].size > most:
            raise Fault(f"{name} has {self.spans[name].size:,} bytes, and {most:,} is the most")
        return b"".join(self.chunks(name))

    def read_into(self, name: str, offset: int, buffer: memoryview) -> None:
        """Fill a buffer with an entry's bytes from ``offset`` on, of which there are enough."""
        self._file.seek(self.spans[name].start + offset)
        done = 0
        while done < len(buffer):
            count = self._file.readinto(buffer[done:])
            if not count:
                raise Fault("the file became shorter while it was read")
            done += count

    def lines(self, name: str, most: int) -> Iterator[bytes]:
        """The lines of an entry without their ends, in memory one chunk at a time.

        Raises:
            Fault: A line has more than ``most`` bytes, or the last one has no end.
        """
        rest = b""
        for chunk in self.chunks(name):
            *complete, rest = (rest + chunk).split(b"\n")
            for line in complete:
                if len(line) > most:
                    raise Fault(f"a line of {name} has more than {most:,} bytes")
                yield line
            if len(rest) > most:
                raise Fault(f"a line of {name} has more than {most:,} bytes")
        if rest:
            raise Fault(f"the last line of {name} has no end")

    def sha256(self, name: str) -> str:
        """Hash of an entry's bytes, lower-case hex."""
        digest = hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
        return digest.hexdigest()


def read_span(path: Path, span: Span) -> bytes:
    """The bytes of an entry that was found before; fewer where the file has become shorter.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(span.start)
        return file.read(span.size)


class _Bounded:
    """A file of which no reader takes more at once than there is, or than a directory may be long."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        rest = max(self._size - self.tell(), 0)
        taken = rest if count < 0 else min(count, rest)  # so much is reserved, whether it is there or not
        if taken > MAX_DIRECTORY_BYTES:
            raise Fault("its directory is too long")
        return self._file.read(taken)


def _spans(file: IO[bytes]) -> dict[str, Span]:
    """Where each entry lies.

    Raises:
        Fault: The file is no ZIP file, or an entry is not of an archive, or lies over another.
    """
    try:
        # Not closed: it holds nothing, and closing would not close a file that was opened elsewhere.
        directory = zipfile.ZipFile(_Bounded(file))
    except Fault:
        raise
    except Exception as error:  # hostile bytes can raise anything from here
        raise Fault("it is no ZIP file, or its directory is damaged") from error
    spans: dict[str, Span] = {}
    entries = sorted(directory.infolist(), key=lambda info: info.header_offset)
    if not entries:
        raise Fault("it is an empty ZIP file")
    ends = [info.header_offset for info in entries[1:]] + [directory.start_dir]
    for info, end in zip(entries, ends, strict=True):
        _require_plain(info)
        if info.orig_filename in spans:
            raise Fault(f"it has the entry {info.orig_filename} twice")
        if not 0 <= info.header_offset <= end:
            raise Fault(f"its entry {info.orig_filename} is not where the directory says")
        span = _span(file, info)
        if span.start + span.size > end:
            raise Fault(f"its entry {info.orig_filename} lies over another one")
        spans[info.orig_filename] = span
    return spans


def _require_plain(info: zipfile.ZipInfo) -> None:
    """Only a plain file under a name that an archive has: stored, not encrypted, no link, no folder."""
    name = info.orig_filename
    if not is_expected(name) or info.filename != name:
        raise Fault(f"it has an entry {shown(name)}, which is no part of an archive")
    if info.flag_bits & ~_UTF8_NAME:
        raise Fault(f"its entry {name} is encrypted, or written in another way than here")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise Fault(f"its entry {name} is compressed, or its size is not what it says")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Fault(f"its entry {name} is a link, or no file")


def _span(file: IO[bytes], info: zipfile.ZipInfo) -> Span:
    """Where an entry's bytes begin; what stands before them must say the same as the directory."""
    fault = Fault(f"its entry {info.orig_filename} is not where the directory says")
    file.seek(info.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        raise fault
    signature, flags, method, name_length, extra_length = _LOCAL.unpack(head)
    name = file.read(name_length)
    if signature != b"PK\3\4" or flags & ~_UTF8_NAME or method != 0 or name != info.orig_filename.encode():
        raise fault
    return Span(info.header_offset + _LOCAL.size + name_length + extra_length, info.file_size)
