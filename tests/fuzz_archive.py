"""Fuzzes the reader of archives: it refuses any bytes with its one error, or gives what can be written again.

Run by ``make fuzz``. libFuzzer, through atheris, changes a string of bytes to reach new lines of the archive's reader.
One byte of the string says what is made of the others. Most of it is put into a sound archive whose sizes and hashes
are then set right again, as somebody would who means harm: bytes at random never get past a check sum.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

MAX_INPUT_BYTES = 1024
MAX_MEMORY_MB = 1024
MAX_SECONDS = 10
"""An archive of a few kilobytes takes a few milliseconds and megabytes; these say that something has no bound."""

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("-inf"), "", "\0", "a",
    "\ud800", "%FF", "2026-05-03T12:00:00+00:00", "f" * 64, [], [[]], {}, [0] * 4, [[0, 0]] * 5, {"size": 0},
]  # fmt: skip


PLACES = [0, 1, 2**16, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]

NOISE = re.compile(r"#[0-9]+\s|INFO: (Instrumenting|Running|A corpus|Using)|WARNING: Failed to find function|#####|\"")
"""What libFuzzer says that tells nobody whether something was found."""

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it: flushing a file costs nothing there


def main(options: list[str]) -> int:
    """Fuzz in a process of its own, which libFuzzer ends as it likes.

    Args:
        options: libFuzzer's: ``-max_total_time=60 -seed=1``, or a file ``fuzz-crash-...`` that is to be tried again.

    Returns:
        0 if nothing was found.
    """
    if find_spec("atheris") is None:
        print("Nothing was fuzzed: atheris is not built for this Python on this machine.")
        return 0
    with tempfile.TemporaryDirectory(prefix="facegallery-fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        command = [sys.executable, "-m", "tests.fuzz_archive", folder, *options]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if not NOISE.match(line):
                    print(line, end="", flush=True)
    return child.returncode


def fuzz(folder: Path, options: list[str]) -> None:
    """Fuzz in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["facegallery.archive"]):
        from facegallery.archive import read_archive, write_archive
        from facegallery.errors import ArchiveRefused
        from tests import archives

    content = replace(
        archives.sample_content(),
        crops={number: np.full((160, 160, 3), number, np.uint8) for number in (0, 2)},  # a few hundred bytes each
    )
    write_archive(folder / "sound", content)
    sound, entries = (folder / "sound").read_bytes(), archives.entries_of(folder / "sound")
    names = sorted(entries)

    def splice(given: Any, old: bytes) -> bytes:
        """Put some bytes in the place of some others, up to three times."""
        new = bytearray(old)
        for _ in range(given.ConsumeIntInRange(1, 3)):
            at = given.ConsumeIntInRange(0, len(new))
            width = given.ConsumeIntInRange(0, 8)
            new[at : at + width] = given.ConsumeBytes(given.ConsumeIntInRange(0, 8))
        return bytes(new)

    def any_bytes(given: Any) -> bytes:
        rest: bytes = given.ConsumeBytes(given.remaining_bytes())
        return rest

    def spliced_file(given: Any) -> bytes:
        return splice(given, sound)

    def spliced_directory(given: Any) -> bytes:
        at = sound.index(b"PK\1\2")
        return sound[:at] + splice(given, sound[at:])

    def spliced_entry(given: Any) -> bytes:
        changed = dict(entries)
        name = given.PickValueInList(names)
        changed[name] = splice(given, changed[name])
        return mended(changed, name)

    def replaced_entry(given: Any) -> bytes:
        changed = dict(entries)
        name = given.PickValueInList(names)
        changed[name] = any_bytes(given)
        return mended(changed, name)

    def cut_entry(given: Any) -> bytes:
        changed = dict(entries)
        name = given.PickValueInList(names)
        changed[name] = changed[name][: given.ConsumeIntInRange(0, len(changed[name]))]
        return mended(changed, name)

    def some_entries(given: Any) -> bytes:
        kept = given.ConsumeIntInRange(0, 2 ** len(names) - 1)
        return mended({name: entries[name] for at, name in enumerate(names) if kept >> at & 1}, "")

    def lying_directory(given: Any) -> bytes:
        """The directory says another place or size of an entry, small, large or beyond any."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in entries.items():
                archive.writestr(zipfile.ZipInfo(name), content)
            info = archive.getinfo(given.PickValueInList(names))
            for field in ("header_offset", "file_size", "compress_size"):
                if given.ConsumeBool():
                    setattr(info, field, given.PickValueInList(PLACES))
        return file.getvalue()

    def other_entries(given: Any) -> bytes:
        changed = dict(entries)
        del changed[given.PickValueInList(names)]
        changed[given.ConsumeUnicodeNoSurrogates(given.ConsumeIntInRange(0, 20))] = b""
        return mended(changed, "")

    def changed_value(given: Any) -> bytes:
        """One value somewhere in the JSON of one entry becomes another of ``VALUES``."""
        changed = dict(entries)
        name = given.PickValueInList([name for name in names if ".json" in name])
        lines = [json.loads(line) for line in changed[name].splitlines()] if name != "manifest.json" else []
        document = lines or [json.loads(changed[name])]
        inner: Any = document
        while isinstance(inner, dict | list) and inner:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = given.PickValueInList(keys)
            if not isinstance(inner[key], dict | list) or given.ConsumeProbability() < 0.2:
                inner[key] = given.PickValueInList(VALUES)
                break
            inner = inner[key]
        changed[name] = b"".join(json.dumps(each).encode() + b"\n" for each in document)
        return mended(changed, name)

    def mended(changed: archives.Entries, name: str) -> bytes:
        if name == "manifest.json":
            archives.mend_sum(changed)
        elif name != "manifest.sha256" and "manifest.json" in changed:
            archives.mend(changed)
        return archives.pack(changed)

    makers: list[Callable[[Any], bytes]] = [
        any_bytes, spliced_file, spliced_directory, spliced_entry, replaced_entry, other_entries, changed_value,
        cut_entry, some_entries, lying_directory,
    ]  # fmt: skip

    def one(data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data)
        (folder / "hostile").write_bytes(given.PickValueInList(makers)(given))
        try:
            found = read_archive(folder / "hostile")
        except ArchiveRefused:
            return
        for vectors in (found.vectors, found.rejection_vectors):
            assert np.isclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, rtol=0, atol=0.0011).all()
        # What was taken is a gallery: it can be written, and read as the same.
        write_archive(folder / "again", found, replace=True)
        archives.assert_same(read_archive(folder / "again"), found)

    bounds = [
        f"-max_len={MAX_INPUT_BYTES}",
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        f"-timeout={MAX_SECONDS}",
        "-len_control=10",
        "-artifact_prefix=fuzz-",
    ]
    atheris.Setup([sys.argv[0], *bounds, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments and Path(arguments[0]).is_dir():
        fuzz(Path(arguments[0]), arguments[1:])
    sys.exit(main(arguments))
