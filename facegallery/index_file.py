"""The index on disk: a cache of the store that is used only when it is whole and says that it is the one wanted.

One file: FAISS's own bytes, then what we say about them, so that FAISS can still read (or memory-map) the file:

    payload | stamp as JSON | SHA-256 of payload and stamp, 32 bytes | length of the JSON, 4 bytes | b"fgindex1"

Numbers are little-endian. SHA-256 tells damage and mix-ups; it does not tell forgery, which needs write access to
the gallery itself.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from facegallery.domain import IndexStamp, TemplateSet
from facegallery.index import FaissIndex

CURRENT = "current"
MISSING = "missing"
DAMAGED = "damaged"

_MARK = b"fgindex1"
_UNFINISHED = ".new"
_TAIL = struct.Struct("<32sI8s")
_MAX_STAMP_BYTES = 4096
_CHUNK_BYTES = 1 << 20


def open_index(
    path: Path, *, stamp: Callable[[], IndexStamp], templates: Callable[[], TemplateSet]
) -> tuple[FaissIndex, str | None]:
    """The index from the file, or one made from the store and saved for next time.

    Args:
        path: The index file. Where it cannot be written, the index is used from memory.
        stamp: Says what the store holds now.
        templates: Reads all templates from the store; called only when the file cannot be used. Where somebody changed
            the store meanwhile, the index is of that later state.

    Returns:
        The index, and why it had to be rebuilt (as ``describe`` says it), or None when the file was used.
    """
    wanted = stamp()
    loaded = load(path, wanted)
    if isinstance(loaded, FaissIndex):
        return loaded, None
    rows = templates()
    index = FaissIndex.of(rows)
    saved = IndexStamp(rows.revision, rows.state, wanted.fingerprint, len(rows.ids))
    with suppress(OSError):  # a cache: a folder that is read-only or full costs the next start some time, no more
        save(index, path, saved)
        if stamp() != saved:
            # Somebody may have been forgotten, and the index cleared of them, between our reading and our writing.
            path.unlink(missing_ok=True)
    return index, loaded


def remove(path: Path) -> None:
    """Remove the file, and what writers that were killed left beside it.

    Raises:
        OSError: It cannot be removed.
    """
    for file in (path, *path.parent.glob(f"{glob.escape(path.name)}.*{_UNFINISHED}")):
        file.unlink(missing_ok=True)


def describe(path: Path, stamp: IndexStamp) -> str:
    """The file's state in words: ``current``, ``missing``, ``stale: why``, ``damaged`` or ``not readable: why``."""
    try:
        with path.open("rb") as file:
            return _state(file, stamp)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"not readable: {error.strerror}"


def load(path: Path, stamp: IndexStamp) -> FaissIndex | str:
    """The index in the file, or why it cannot be used, as ``describe`` says it. Other bytes never reach FAISS."""
    try:
        with path.open("rb") as file:
            state = _state(file, stamp)
            if state != CURRENT:
                return state
            file.seek(0)  # the same open file: another process may have put a new one in its place by now
            index = FaissIndex.read(file.read)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"not readable: {error.strerror}"
    except ValueError:
        return DAMAGED
    return index if index.count == stamp.count else DAMAGED


def save(index: FaissIndex, path: Path, stamp: IndexStamp) -> None:
    """Put the index in place in one step: whoever opens the file sees the old one or the new one, whole.

    Only this person may read it, and it is on the disk when this returns.

    Raises:
        OSError: The folder cannot be written, or is full; the old file is still there.
        ValueError: The stamp is not of this index.
    """
    if stamp.count != index.count:
        raise ValueError(f"the stamp says {stamp.count} vectors, the index holds {index.count}")
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=_UNFINISHED, dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(index, file, json.dumps(asdict(stamp)).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _write(index: FaissIndex, file: BinaryIO, stamp: bytes) -> None:
    digest = hashlib.sha256()

    def both(piece: bytes) -> None:
        digest.update(piece)
        file.write(piece)

    index.write(both)
    both(stamp)
    file.write(_TAIL.pack(digest.digest(), len(stamp), _MARK))


def _state(file: BinaryIO, wanted: IndexStamp) -> str:
    """Read the file from its end to its beginning: the stamp decides at once, the digest takes the whole file."""
    size = os.fstat(file.fileno()).st_size
    if size < _TAIL.size:
        return DAMAGED
    file.seek(size - _TAIL.size)
    expected, n_stamp, mark = _TAIL.unpack(file.read(_TAIL.size))
    n_payload = size - _TAIL.size - n_stamp
    if mark != _MARK or n_stamp > _MAX_STAMP_BYTES or n_payload < 0:
        return DAMAGED
    file.seek(n_payload)
    found = _stamp(file.read(n_stamp))
    if found is None:
        return DAMAGED
    if found != wanted:
        return _difference(found, wanted)
    file.seek(0)
    return CURRENT if _digest(file, n_payload + n_stamp) == expected else DAMAGED


def _stamp(text: bytes) -> IndexStamp | None:
    try:
        return IndexStamp(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _difference(found: IndexStamp, wanted: IndexStamp) -> str:
    if found.fingerprint != wanted.fingerprint:
        return "stale: made with another model"
    if found.revision == wanted.revision and found.state != wanted.state:
        return "stale: made of another gallery, or of one since restored"
    if found.revision != wanted.revision:
        return f"stale: revision {found.revision}, the gallery is at {wanted.revision}"
    return f"stale: {found.count} templates, the gallery has {wanted.count}"


def _digest(file: BinaryIO, n_bytes: int) -> bytes:
    digest = hashlib.sha256()
    while n_bytes and (piece := file.read(min(n_bytes, _CHUNK_BYTES))):
        digest.update(piece)
        n_bytes -= len(piece)
    return digest.digest()
