"""Which files are meant when a person names files and folders, in an order that a person expects."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from facegallery.domain import SkippedPhoto
from facegallery.errors import PhotoError, PhotoFault
from facegallery.formats import SUFFIXES
from facegallery.text import natural_key

DRAWN = "-faces.png"
"""How the names of pictures end that the program drew of photos; a walk passes over them."""

PASSED_OVER = frozenset({"@eadir", "__macosx", "#recycle", "$recycle.bin"})
"""Folders, casefolded, in which file servers and systems keep thumbnails, forks of files, and what was deleted."""


def find_photos(inputs: Iterable[Path | SkippedPhoto]) -> Iterator[Path | SkippedPhoto]:
    """Find the photos that files and folders stand for.

    A file is taken whatever its name. A folder is walked with all folders below: first its own photos (files with a
    known suffix), then its folders, each in natural order. Hidden names and our own drawings are passed over. Links
    are followed; what a link leads to a second time is left out, and so is a link up to a folder that the walk came
    through.

    Args:
        inputs: Files and folders. What an earlier search could not look into comes out as it went in.

    Yields:
        Paths as they were reached, each file once; a ``SkippedPhoto`` for what is missing or cannot be looked into.
    """
    seen: set[Path] = set()
    for path in inputs:
        if isinstance(path, SkippedPhoto):
            yield path
            continue
        try:
            is_folder = _is_existing_folder(path)
        except PhotoError as error:
            yield _skipped(error)
            continue
        if is_folder:
            yield from _walk(path, seen)
        elif _is_new(_real(path), seen):
            yield path


def member_folders(root: Path) -> list[tuple[str, Path]]:
    """List the members of an enrollment folder: its direct sub-folders, one a member.

    Args:
        root: The enrollment folder.

    Returns:
        The member's name (the folder's, in Unicode form NFC) and the folder, in natural order. A link that leads
        nowhere counts as a folder: ``find_photos`` says what is wrong with it.

    Raises:
        PhotoError: ``root`` is missing, is no folder or cannot be looked into.
    """
    folders = [entry.path for entry in _entries(root) if entry.is_folder]
    return [(unicodedata.normalize("NFC", folder.name), folder) for folder in folders]


def loose_photos(root: Path) -> list[Path]:
    """List the photos that lie directly in an enrollment folder and therefore belong to no member.

    Args:
        root: The enrollment folder.

    Returns:
        Files with a known photo suffix, in natural order.

    Raises:
        PhotoError: ``root`` is missing, is no folder or cannot be looked into.
    """
    return [entry.path for entry in _entries(root) if _has_photo_suffix(entry.path) and not entry.is_folder]


# --- the walk -----------------------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    path: Path
    is_link: bool
    is_folder: bool
    """Also true of a link that cannot be followed and is not named like a photo: looking into it says why."""


def _walk(top: Path, seen: set[Path]) -> Iterator[Path | SkippedPhoto]:
    """Photos in ``top`` and below it that are not ``seen`` (real paths), without recursion: folders may be nested
    deeper than Python's stack.
    """
    real_top = _real(top)
    # A link from a member's folder up to the folder of all members would make everybody's photos this member's.
    above = set(real_top.parents)
    waiting = [(top, real_top)]
    while waiting:
        folder, real_folder = waiting.pop()
        if real_folder in above or not _is_new(real_folder, seen):
            continue
        try:
            entries = _entries(folder)
        except PhotoError as error:
            yield _skipped(error)
            continue
        folders = []
        for entry in entries:
            real = _real(entry.path) if entry.is_link else real_folder / entry.path.name
            if entry.is_folder:
                folders.append((entry.path, real))
            elif _has_photo_suffix(entry.path) and _is_new(real, seen):
                yield entry.path
        waiting.extend(reversed(folders))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises on a loop of links before Python 3.13


def _is_new(real_path: Path, seen: set[Path]) -> bool:
    """Whether a file or folder was not seen before; from now on it was."""
    is_new = real_path not in seen
    seen.add(real_path)
    return is_new


def _entries(folder: Path) -> list[_Entry]:
    """What a folder holds, in natural order, without hidden names and without system folders."""
    try:
        with os.scandir(folder) as listing:
            entries = [_entry(found, folder) for found in listing if _is_shown(found.name)]
    except OSError as error:
        raise _photo_error(folder, error) from error
    return sorted(entries, key=lambda entry: natural_key(entry.path.name))


def _entry(found: os.DirEntry[str], folder: Path) -> _Entry:
    path = folder / found.name
    if not found.is_symlink():
        return _Entry(path, is_link=False, is_folder=found.is_dir())
    try:
        return _Entry(path, is_link=True, is_folder=stat.S_ISDIR(found.stat().st_mode))
    except OSError:  # the link leads nowhere, round in a circle, or where this person may not go
        return _Entry(path, is_link=True, is_folder=not _has_photo_suffix(path))


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in PASSED_OVER


def _is_existing_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise _photo_error(path, error) from error


def _has_photo_suffix(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.endswith(DRAWN)


# --- faults -------------------------------------------------------------------------------------------------------


def _photo_error(path: Path, error: OSError | ValueError) -> PhotoError:
    if isinstance(error, FileNotFoundError):
        reason = "the link points to nothing" if path.is_symlink() else "there is no such file or folder"
        return PhotoError(path, PhotoFault.MISSING, reason)
    if isinstance(error, NotADirectoryError):
        return PhotoError(path, PhotoFault.MISSING, "there is no such folder")
    if isinstance(error, PermissionError):
        return PhotoError(path, PhotoFault.NOT_READABLE, "there is no permission to look into it")
    detail = getattr(error, "strerror", None) or str(error)
    return PhotoError(path, PhotoFault.NOT_READABLE, f"it cannot be looked into: {detail}")


def _skipped(error: PhotoError) -> SkippedPhoto:
    return SkippedPhoto(error.path, error.fault.value, error.reason)
