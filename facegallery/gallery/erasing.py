"""Forgetting for good: rows, index, backups, free pages and log, in an order in which a crash loses no step.

The transaction that removes the rows also says that bytes are left (``store.erasure``). Whoever opens the gallery next
goes on from there, so that a program killed at any moment only delays what was promised.
"""

from __future__ import annotations

import glob
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facegallery.domain import Removal
from facegallery.errors import GalleryUnavailable, StillInTheLog
from facegallery.settings import BACKUP_PREFIX, DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.store.backups import UNFINISHED
from facegallery.store.erasure import takes_backups
from facegallery.traces import search_apart
from facegallery.version import __version__

LEAST_TEXT_BYTES = 6
"""Shorter texts stand in any large file by chance."""

_PIECE_BYTES = 64


def backups_in(folder: Path) -> list[Path]:
    """Backups in a gallery's folder, oldest first. They hold who was enrolled then."""
    return sorted(folder.glob(f"{BACKUP_PREFIX}*"))


def copies_at(path: Path) -> list[Path]:
    """A backup, and what a killed program left of it, as far as they are there."""
    return [path] * path.exists() + sorted(path.parent.glob(f"{glob.escape(path.name)}{UNFINISHED}*"))


def remove(folder: Path, store: Store, ids: Sequence[int], removing: Callable[[], Removal]) -> Removal:
    """Remove templates from the store and the index, and whatever else still holds their bytes.

    Args:
        folder: The gallery's.
        store: The gallery's.
        ids: The templates.
        removing: Removes their rows.

    Raises:
        StillInTheLog: The rows are removed, but another program keeps the rest from being done.
        GalleryUnavailable: The gallery cannot be written.
    """
    from facegallery.index.opening import forgetting

    with forgetting(folder / INDEX_NAME, store, cipher=store.cipher) as bury:
        removed = removing()
        bury(ids)
    if not finish(folder, store):
        raise StillInTheLog(folder / DATABASE_NAME, removed)
    return removed


def finish(folder: Path, store: Store, *, wait: bool = True) -> bool:
    """Do what is left to be done for somebody who was forgotten; nothing where there is nothing left.

    Args:
        folder: The gallery's.
        store: The gallery's.
        wait: Wait for other programs; else leave it to another time when they are in the way.

    Returns:
        Whether nothing is left.
    """
    if store.erasure() is None:
        return True
    from facegallery.index.opening import FORGET_WAIT_S, forgetting  # members are listed without it

    try:
        with forgetting(folder / INDEX_NAME, store, cipher=store.cipher, wait_s=FORGET_WAIT_S if wait else 0) as bury:
            begun = store.erasure()  # again: whoever held the lock may have forgotten somebody, or finished
            bury(())
        if begun is None:
            return True
        if takes_backups(begun):
            for backup in backups_in(folder):
                with suppress(FileNotFoundError):
                    backup.unlink()
        return store.erase(begun, wait_s=None if wait else 0)
    except (GalleryUnavailable, OSError):
        if wait:
            raise
        return False


@dataclass(frozen=True, slots=True)
class Search:
    """What a search of all files of a gallery for removed bytes came to.

    Attributes:
        n_files: Files that were read.
        n_bytes: Their size.
        n_traces: Things that were looked for.
        n_skipped: Texts too short, or part of what others have, so that finding them would mean nothing.
        found_in: Files in which one was found; empty when all is gone.
    """

    n_files: int
    n_bytes: int
    n_traces: int
    n_skipped: int
    found_in: tuple[Path, ...]


def search(folder: Path, removed: Removal, remaining: Iterable[bytes]) -> Search:
    """Look for what was removed in every file of a gallery's folder.

    Args:
        folder: The gallery's.
        removed: What to look for: of each vector three pieces, and all texts.
        remaining: Names and paths that are in the gallery rightly; what is part of one of them is not looked for.
    """
    others = b"\n".join(remaining)
    texts = [text for text in removed.traces.texts if len(text) >= LEAST_TEXT_BYTES and text not in others]
    wanted = [piece for vector in removed.traces.vectors for piece in _pieces(vector)] + texts
    found = search_apart(folder, wanted)
    n_traces, n_skipped = len(removed.traces.vectors) + len(texts), len(removed.traces.texts) - len(texts)
    return Search(found.n_files, found.n_bytes, n_traces, n_skipped, found.paths)


def certificate(gallery_id: str, removed: Removal, searched: Search, *, backups: Sequence[Path], at: datetime) -> str:
    """What was removed, as JSON, without saying who it was.

    Hashes are of a random salt, which is given, and the removed bytes: somebody who has a photo or a vector can check
    that it was among them, and nobody can find out by guessing names.

    Args:
        gallery_id: The gallery's.
        removed: What was removed.
        searched: What came of looking for it afterwards.
        backups: Backups that are still there.
        at: When.
    """
    salt = secrets.token_bytes(16)

    def hashed(values: Iterable[bytes]) -> list[str]:
        return sorted(hashlib.sha256(salt + value).hexdigest() for value in values)

    document = {
        "certificate": "facegallery forget 1",
        "program": __version__,
        "gallery_id": gallery_id,
        "removed_at": at.isoformat(timespec="seconds"),
        "rows_removed": dict(sorted(removed.counts.items())),
        "salt": salt.hex(),
        "vectors_sha256": hashed(removed.traces.vectors),
        "photos_sha256": hashed(bytes.fromhex(content_hash) for content_hash in removed.traces.content_hashes),
        "searched": {
            "files": searched.n_files,
            "bytes": searched.n_bytes,
            "traces": searched.n_traces,
            "texts_not_told_apart": searched.n_skipped,
            "files_with_traces": len(searched.found_in),
        },
        "backups_kept": len(backups),
    }
    return json.dumps(document, indent=2) + "\n"


def _pieces(vector: bytes) -> Iterator[bytes]:
    for start in (0, len(vector) // 2, len(vector) - _PIECE_BYTES):
        yield vector[start : start + _PIECE_BYTES]
