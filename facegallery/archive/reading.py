"""Reading an archive: a file from anywhere, all of which is checked before any of it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from facegallery.archive import arrays, calibrations, crops, manifest, records
from facegallery.archive.container import Container, Span, read_span
from facegallery.archive.fields import Fault
from facegallery.archive.manifest import MANIFEST, MANIFEST_SUM, MAX_CROP_ENTRY_BYTES, MAX_MANIFEST_BYTES, Manifest
from facegallery.domain import Calibration, GalleryContent
from facegallery.errors import ArchiveRefused

if TYPE_CHECKING:
    from facegallery.domain import Pixels, Vectors

_MAX_README_BYTES = 64 * 1024
_MAX_SUM_BYTES = 256
_R = TypeVar("_R")


def read_archive(path: Path) -> GalleryContent:
    """Everything in an archive.

    The file is read in place and nothing is unpacked to the disk. It takes time and memory in proportion to its size.

    Args:
        path: The file; anybody may have made it.

    Returns:
        What it holds. Crops have been checked, and are read again from the file when they are asked for: a crop that
        was changed or removed meanwhile raises ``ArchiveRefused`` then.

    Raises:
        ArchiveRefused: It cannot be read, is no archive, or anything in it is not as ``docs/archive.md`` says.
    """
    try:
        with Container(path) as container:
            return _content(container, path)
    except Fault as fault:
        raise ArchiveRefused(path, str(fault)) from fault
    except OSError as error:
        raise ArchiveRefused(path, f"it cannot be read ({error.strerror or error})") from error


def _content(container: Container, path: Path) -> GalleryContent:
    of_archive = _manifest(container)
    _require_sizes(of_archive)
    _require_sums(container, of_archive)
    counts = of_archive.counts
    content = GalleryContent(
        gallery_id=of_archive.gallery_id,
        created_at=of_archive.created_at,
        model=of_archive.model,
        preparation=of_archive.preparation,
        members=_records(container, records.MEMBER, counts.members, of_archive),
        photos=_records(container, records.PHOTO, counts.photos, of_archive),
        faces=_records(container, records.FACE, counts.faces, of_archive),
        vectors=_vectors(container, manifest.VECTORS, counts.faces),
        rejections=_records(container, records.REJECTION, counts.rejections, of_archive),
        rejection_vectors=_vectors(container, manifest.REJECTION_VECTORS, counts.rejections),
        calibration=_calibration(container),
        crops=_crops(container, path, of_archive),
    )
    records.require_relations(content)
    return content


# --- what the archive says of itself ----------------------------------------------------------------------------------


def _manifest(container: Container) -> Manifest:
    """The manifest, once it has the hash that stands beside it and lists what is there."""
    for name in (MANIFEST, MANIFEST_SUM):
        if name not in container.spans:
            raise Fault(f"it is no archive of a gallery: it has no {name}")
    most = MAX_MANIFEST_BYTES + MAX_CROP_ENTRY_BYTES * len(container.spans)
    content = container.whole(MANIFEST, most)
    if hashlib.sha256(content).hexdigest() != manifest.read_sum(container.whole(MANIFEST_SUM, _MAX_SUM_BYTES)):
        raise Fault(f"{MANIFEST} was changed or damaged: its SHA-256 is not the one in {MANIFEST_SUM}")
    found = manifest.from_bytes(content)
    if found.entries.keys() != container.spans.keys() - {MANIFEST, MANIFEST_SUM}:
        raise Fault(f"its entries are not those that {MANIFEST} lists")
    for name, entry in found.entries.items():
        if entry.size != container.spans[name].size:
            raise Fault(f"{name} has {container.spans[name].size:,} bytes, and {MANIFEST} says {entry.size:,}")
    return found


def _require_sizes(of_archive: Manifest) -> None:
    """Hold each entry's size to what so many records can take, before any of it is read."""
    counts = of_archive.counts
    most = {
        manifest.README: _MAX_README_BYTES,
        manifest.MEMBERS: counts.members * records.MAX_LINE_BYTES,
        manifest.PHOTOS: counts.photos * records.MAX_LINE_BYTES,
        manifest.FACES: counts.faces * records.MAX_LINE_BYTES,
        manifest.REJECTIONS: counts.rejections * records.MAX_LINE_BYTES,
        manifest.VECTORS: arrays.file_size(counts.faces),
        manifest.REJECTION_VECTORS: arrays.file_size(counts.rejections),
        manifest.CALIBRATION: calibrations.MAX_BYTES,
    }
    for name, entry in of_archive.entries.items():
        if entry.size > most.get(name, crops.MAX_PNG_BYTES):
            raise Fault(f"{name} is larger than its number of records allows")
    for name in (manifest.VECTORS, manifest.REJECTION_VECTORS):
        if of_archive.entries[name].size < most[name]:
            raise Fault(f"{name} is smaller than its number of vectors needs")


def _require_sums(container: Container, of_archive: Manifest) -> None:
    for name, entry in of_archive.entries.items():
        if container.sha256(name) != entry.sha256:
            raise Fault(f"{name} was changed or damaged: its SHA-256 is not the one in {MANIFEST}")


# --- what it holds ----------------------------------------------------------------------------------------------------


def _records(container: Container, form: records.Form[_R], count: int, of_archive: Manifest) -> tuple[_R, ...]:
    found: list[_R] = []
    for number, line in enumerate(container.lines(form.entry, records.MAX_LINE_BYTES)):
        if number == count:
            raise Fault(f"{form.entry} has more than {count} lines")
        found.append(form.record(line, number, of_archive.counts))
    if len(found) < count:
        raise Fault(f"{form.entry} has {len(found)} lines, and {MANIFEST} says {count}")
    return tuple(found)


def _vectors(container: Container, name: str, count: int) -> Vectors:
    return arrays.from_file(lambda offset, buffer: container.read_into(name, offset, buffer), count, name)


def _calibration(container: Container) -> Calibration | None:
    if manifest.CALIBRATION not in container.spans:
        return None
    return calibrations.from_bytes(container.whole(manifest.CALIBRATION, calibrations.MAX_BYTES))


def _crops(container: Container, path: Path, of_archive: Manifest) -> Mapping[int, Pixels]:
    """The crops, each of which has been decoded once."""
    found = {}
    for number in of_archive.crop_numbers():
        name = manifest.crop_name(number)
        crops.from_png(container.whole(name, crops.MAX_PNG_BYTES), name)
        found[number] = container.spans[name], of_archive.entries[name].sha256
    return _CropsOnDisk(path.absolute(), found)


class _CropsOnDisk(Mapping[int, "Pixels"]):
    """Crops by the number of their face, each read when it is asked for: shape (160, 160, 3), uint8, RGB."""

    def __init__(self, path: Path, spans: Mapping[int, tuple[Span, str]]) -> None:
        self._path = path
        self._spans = spans

    def __getitem__(self, number: int) -> Pixels:
        span, sha256 = self._spans[number]
        name = manifest.crop_name(number)
        try:
            content = read_span(self._path, span)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise Fault(f"{name} was changed since the archive was read")
            return crops.from_png(content, name)
        except Fault as fault:
            raise ArchiveRefused(self._path, str(fault)) from fault
        except OSError as error:
            raise ArchiveRefused(self._path, f"it cannot be read ({error.strerror or error})") from error

    def __iter__(self) -> Iterator[int]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)
