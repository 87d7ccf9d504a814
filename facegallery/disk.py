"""What files ask of the disk: a hash, a write that lasts, and a place that one process holds at a time."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

_CHUNK_BYTES = 1 << 20


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
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    path.chmod(0o600)


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this person may read; one that is there is not overwritten.

    Raises:
        FileExistsError: There is such a file.
        OSError: It cannot be written.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


if sys.platform == "win32":
    import msvcrt

    def lock(descriptor: int) -> None:
        """Take an open file for this process or raise OSError at once; closing it, or a crash, gives it back."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(descriptor: int) -> None:
        """Take an open file for this process or raise OSError at once; closing it, or a crash, gives it back."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
