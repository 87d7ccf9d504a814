"""What becomes of the hostile pictures, how long each takes and how much memory, measured in this process.

``python -m tests.hostile_images`` prints it.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facegallery.errors import PhotoError
from facegallery.images import MAX_PIXELS, WORK_SIDE_PX, read_photo
from tests.hostile_corpus import HostileFile, corpus

HUNG_S = 30.0
"""A file that takes longer ends the process: a decoder in C cannot be asked to stop."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``photo``, the fault's code, or what was raised instead."""

    kind: str
    format: str
    name: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Reading:
    """What became of all of them, in one process.

    Attributes:
        first: In order.
        second: The same files once more.
        peak_mib: The most memory that the process had, the making of the files included, over what it had before the
            first was read.
        growth_mib: How much more it had after the second time than after the first.
    """

    first: list[Outcome]
    second: list[Outcome]
    peak_mib: float
    growth_mib: float


def read_all(files: Sequence[HostileFile], folder: Path) -> Reading:
    """Read every file twice with the real ``read_photo``; ``folder / "now"`` names the one that is being read."""
    paths = []
    for number, file in enumerate(files):
        path = folder / f"{number} {file.name}"
        path.write_bytes(file.data)
        paths.append(path)
    before = _now_mib()
    passes, sizes = [], []
    for _ in range(2):
        passes.append([_outcome(file, path, folder / "now") for file, path in zip(files, paths, strict=True)])
        sizes.append(_now_mib())
    return Reading(passes[0], passes[1], _peak_mib() - before, sizes[1] - sizes[0])


def _outcome(file: HostileFile, path: Path, now: Path) -> Outcome:
    now.write_text(file.name)
    faulthandler.dump_traceback_later(HUNG_S, exit=True)
    started = time.perf_counter()
    try:
        photo = read_photo(path)
    except PhotoError as error:
        outcome = error.fault.value if "object at 0x" not in error.reason else f"reason: {error.reason}"
    except Exception as error:  # what must not be: it is told, and the others are read too
        outcome = f"raised {type(error).__name__}: {error}"
    else:
        height, width, n_colours = photo.pixels.shape
        is_sane = (
            photo.pixels.dtype == np.uint8
            and n_colours == 3
            and min(height, width) >= 1
            and max(height, width) <= WORK_SIDE_PX
            and photo.width_px * photo.height_px <= MAX_PIXELS
        )
        outcome = "photo" if is_sane else f"odd photo {photo.pixels.shape} {photo.pixels.dtype}"
    finally:
        faulthandler.cancel_dump_traceback_later()
    return Outcome(file.kind, file.format, file.name, outcome, time.perf_counter() - started)


def _peak_mib() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage tells the peak of the process that started this one, where that is larger
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**10  # type: ignore[index]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _now_mib() -> float:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20 if statm.exists() else _peak_mib()


def table_of(reading: Reading) -> str:
    """Kinds and formats by outcome, the slowest files, and memory."""
    lines = [f"{len(reading.first)} files"]
    for title, keys in (
        ("by kind", [each.kind for each in reading.first]),
        ("by format", [each.format.split(",")[0].upper() for each in reading.first]),
    ):
        lines.append(f"\n{title}")
        for key in dict.fromkeys(keys):
            found = Counter(each.outcome for each, own in zip(reading.first, keys, strict=True) if own == key)
            shown = ", ".join(f"{outcome} {count}" for outcome, count in found.most_common())
            lines.append(f"  {key:32s} {found.total():4d}: {shown}")
    slowest = sorted([*reading.first, *reading.second], key=lambda each: -each.seconds)[:8]
    lines += ["\nslowest", *(f"  {each.seconds:6.2f} s  {each.name}: {each.outcome}" for each in slowest)]
    lines.append(f"\npeak memory +{reading.peak_mib:.0f} MiB; second pass {reading.growth_mib:+.1f} MiB")
    return "\n".join(lines)


def main() -> None:
    """Read all and print the table, or one JSON document."""
    parser = argparse.ArgumentParser(description="Read the hostile pictures.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        reading = read_all(corpus(), options.folder or Path(made))
    sys.stdout.write(json.dumps(asdict(reading)) if options.json else table_of(reading) + "\n")


if __name__ == "__main__":
    main()
