"""Looking for bytes in the files of a folder, in a process of its own.

On POSIX systems a process that closes any descriptor of a file loses all its locks on it, and SQLite's are such locks:
who has a gallery open must not read the database's file beside SQLite. So another process does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and where something was found.

    Attributes:
        n_files: Files that were read.
        n_bytes: Their size.
        paths: Those in which one of the wanted bytes is.
    """

    n_files: int
    n_bytes: int
    paths: tuple[Path, ...]


def search_apart(folder: Path, wanted: Sequence[bytes]) -> Found:
    """Look in all files of a folder and its folders, in another process.

    Args:
        folder: Where.
        wanted: What to look for; each at least one byte.

    Raises:
        OSError: The process cannot be started, or a file cannot be read.
    """
    question = json.dumps([str(folder.absolute()), [each.hex() for each in wanted]])
    command = [sys.executable, "-m", "facegallery.traces"]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode != 0:
        raise OSError(done.stderr.strip().rpartition("\n")[2] or "the search for what was removed ended early")
    n_files, n_bytes, paths = json.loads(done.stdout)
    return Found(n_files, n_bytes, tuple(Path(path) for path in paths))


def search(folder: Path, wanted: Sequence[bytes]) -> Found:
    """The same in this process, which must have none of the files open."""
    paths, n_files, n_bytes = [], 0, 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            n_read, is_in = _look(path, wanted)
        except FileNotFoundError:  # gone since it was listed
            continue
        n_files, n_bytes = n_files + 1, n_bytes + n_read
        if is_in:
            paths.append(path)
    return Found(n_files, n_bytes, tuple(paths))


def _look(path: Path, wanted: Sequence[bytes]) -> tuple[int, bool]:
    overlap = max(map(len, wanted), default=1) - 1
    n_read, is_in, tail = 0, False, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            n_read += len(chunk)
            seen = tail + chunk
            is_in = is_in or any(each in seen for each in wanted)
            tail = seen[len(seen) - overlap :] if overlap else b""
    return n_read, is_in


if __name__ == "__main__":
    _folder, _wanted = json.load(sys.stdin)
    _found = search(Path(_folder), [bytes.fromhex(each) for each in _wanted])
    json.dump([_found.n_files, _found.n_bytes, [str(path) for path in _found.paths]], sys.stdout)
