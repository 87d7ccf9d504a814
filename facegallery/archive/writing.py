"""Writing an archive: whole or not at all, for its owner only, and nothing that could not be read again."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from facegallery.archive import arrays, calibrations, crops, manifest, readme, records
from facegallery.archive.fields import Fault
from facegallery.archive.manifest import MANIFEST, MANIFEST_SUM, Counts, EntrySum, Manifest
from facegallery.disk import flush
from facegallery.domain import GalleryContent
from facegallery.errors import ArchiveNotWritten
from facegallery.version import __version__

_LARGE_BYTES = 1 << 30
"""Entries that may be longer than half of what ZIP can say without its extension are written with it."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_R = TypeVar("_R")


def write_archive(path: Path, content: GalleryContent, *, replace: bool = False) -> None:
    """Write everything in a gallery as one file, which only its owner may read.

    It is written under another name beside ``path`` and takes its own name when it is complete and on the disk; what
    fails or is stopped on the way leaves what was there. The same content gives the same bytes.

    Args:
        path: Where to; the folder must be there.
        content: What to write. Crops are read one at a time.
        replace: Whether a file that is there may be replaced.

    Raises:
        ArchiveNotWritten: A file is there, the folder cannot be written to or is full, or the content has something
            that ``read_archive`` would refuse.
    """
    try:
        _require_free(path, replace=replace)
        descriptor, name = tempfile.mkstemp(prefix=".facegallery-", suffix=".part", dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(file, content)
            flush(part)
            _put_in_place(part, path, replace=replace)
        finally:
            part.unlink(missing_ok=True)
        flush(path.parent)
    except Fault as fault:
        advice = "'facegallery doctor' checks the gallery."
        raise ArchiveNotWritten(path, f"the gallery cannot be archived, as {fault}", advice=advice) from fault
    except OSError as error:
        advice = "Mend that, or name another file."
        raise ArchiveNotWritten(path, error.strerror or str(error), advice=advice) from error


def _require_free(path: Path, *, replace: bool) -> None:
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except ValueError as error:  # U+0000, half a character
        advice = "Name another file."
        raise ArchiveNotWritten(path, "no file can have this name", advice=advice) from error
    if not replace:
        raise _taken(path)


def _taken(path: Path) -> ArchiveNotWritten:
    return ArchiveNotWritten(
        path, "there is a file already", advice="Name another one, or have this one replaced: '--replace'."
    )


def _put_in_place(part: Path, path: Path, *, replace: bool) -> None:
    """Give a complete file its name; one that came there meanwhile is not replaced unasked."""
    if not replace:
        try:
            os.link(part, path)
        except FileExistsError as error:
            raise _taken(path) from error
        except OSError:  # a file system without links, as on many sticks
            if os.path.lexists(path):
                raise _taken(path) from None
        else:
            return
    part.replace(path)


def _write(file: IO[bytes], content: GalleryContent) -> None:
    counts = Counts(
        members=len(content.members),
        photos=len(content.photos),
        faces=len(content.faces),
        rejections=len(content.rejections),
        crops=len(content.crops),
    )
    records.require_relations(content)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        writer = _Writer(archive, counts)
        writer.add(manifest.README, [readme.TEXT.encode()])
        writer.add_records(records.MEMBER, content.members)
        writer.add_records(records.PHOTO, content.photos)
        writer.add_records(records.FACE, content.faces)
        writer.add(manifest.VECTORS, arrays.pieces(content.vectors, counts.faces, "vectors"), large=True)
        writer.add_records(records.REJECTION, content.rejections)
        of_rejections = arrays.pieces(content.rejection_vectors, counts.rejections, "vectors of rejections")
        writer.add(manifest.REJECTION_VECTORS, of_rejections, large=True)
        if content.calibration is not None:
            writer.add(manifest.CALIBRATION, [calibrations.to_bytes(content.calibration)])
        for number in sorted(content.crops):
            name = manifest.crop_name(number)
            writer.add(name, [crops.to_png(content.crops[number], f"the crop of face {number}")])
        of_archive = manifest.to_bytes(
            Manifest(
                program=f"facegallery {__version__}",
                created_at=content.created_at,
                gallery_id=content.gallery_id,
                model=content.model,
                preparation=content.preparation,
                counts=counts,
                entries=writer.sums,
            )
        )
        manifest.from_bytes(of_archive)  # says what is wrong with it, if anything is
        writer.add(MANIFEST, [of_archive])
        writer.add(MANIFEST_SUM, [manifest.sum_of_manifest(writer.sums[MANIFEST].sha256)])


class _Writer:
    """Adds entries and remembers what they are."""

    def __init__(self, archive: zipfile.ZipFile, counts: Counts) -> None:
        self._archive = archive
        self._counts = counts
        self.sums: dict[str, EntrySum] = {}

    def add(self, name: str, pieces: Iterable[bytes], *, large: bool = False) -> None:
        """Add an entry; nothing about it depends on when and where it is written."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system = 3  # Unix: the next line is a mode
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        digest, size = hashlib.sha256(), 0
        with self._archive.open(info, "w", force_zip64=large) as entry:
            for piece in pieces:
                entry.write(piece)
                digest.update(piece)
                size += len(piece)
        self.sums[name] = EntrySum(size, digest.hexdigest())

    def add_records(self, form: records.Form[_R], all_of: Sequence[_R]) -> None:
        """Add a file of lines."""
        lines = (form.line(record, number, self._counts) for number, record in enumerate(all_of))
        self.add(form.entry, lines, large=len(all_of) * records.MAX_LINE_BYTES > _LARGE_BYTES)
