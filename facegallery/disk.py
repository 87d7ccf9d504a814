"""What files ask of the disk: a hash, a write that lasts, to be their owner's alone, to be held by one process."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_OWNER_ALONE = 0o600


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def flush(path: Path) -> None:
    """Make what was written to a file, or renamed in a folder, survive a loss of power."""
    if sys.platform == "win32" and path.is_dir():
        return  # a folder cannot be opened there
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_file(path: Path) -> None:
    """Make the folder and an empty file, readable by this person alone whatever the umask; keep what is there."""
    try:
        path.parent.mkdir(parents=True, mode=0o700)
        path.parent.chmod(0o700)
    except FileExistsError:
        pass
    with suppress(FileExistsError):
        os.close(create_private(path, os.O_EXCL))


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this person may read and that lasts; one that is there is not overwritten.

    Raises:
        FileExistsError: There is such a file.
        OSError: It cannot be written.
    """
    with os.fdopen(create_private(path, os.O_EXCL), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def create_private(path: Path, flags: int = 0) -> int:
    """Open a file for reading and writing, made if need be; only its owner may read it, whatever the umask.

    Args:
        path: The file.
        flags: More of ``os.open``'s: ``O_EXCL`` for one that must not be there, ``O_TRUNC`` to empty one that is.

    Returns:
        A descriptor; to be closed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _UNTRANSLATED | flags, _OWNER_ALONE)
    if sys.platform != "win32":
        os.fchmod(descriptor, _OWNER_ALONE)  # the umask may have taken more, and a file that was there may have more
    return descriptor


def overwrite(path: Path) -> None:
    """Overwrite all of a file with zeros, as far as the file system and the disk write where it lies."""
    left = path.stat().st_size
    with path.open("r+b") as file:
        while left > 0:
            left -= file.write(bytes(min(left, _CHUNK_BYTES)))
        file.flush()
        os.fsync(file.fileno())


if sys.platform == "win32":
    import msvcrt

    _UNTRANSLATED = os.O_BINARY

    def lock(descriptor: int) -> None:
        """Take an open file for this process or raise OSError at once; closing it, or a crash, gives it back."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    _UNTRANSLATED = 0

    def lock(descriptor: int) -> None:
        """Take an open file for this process or raise OSError at once; closing it, or a crash, gives it back."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
