"""Measure search at size: opening, one probe against FAISS's flat index, recall, memory, adding and forgetting.

    python benchmarks/search.py                     # 200,000 members with 5 templates: 6 GB of disk, 6 of memory
    python benchmarks/search.py --members 20000

Members are random unit vectors, and two templates of one member have a cosine of about 0.7. All use as
many threads as facegallery gives FAISS (``FACEGALLERY_THREADS``). With two, FAISS 1.15's flat index takes twice as long
for a single probe as with one, so that its time with one is given beside. ``benchmarks.searching`` puts the figures
into the table of all benchmarks; this file imports nothing from there, so that it can be run by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.domain import EMBEDDING_SIZE, EmbeddedFace, Face, ModelIdentity, Photo, Preparation, ScoreRule, Vectors
from facegallery.gallery.search import MemberSearch
from facegallery.index.engine import load_faiss
from facegallery.index.opening import forgetting, open_index, refresh
from facegallery.settings import DATABASE_NAME, INDEX_NAME, n_threads
from facegallery.store import Store

MODEL = ModelIdentity("starter", "0" * 64)
N_PROBES = 500
N_TIMES, N_OPENINGS = 21, 11
MEMBER_COSINE = 0.7
PROCESS_STATUS = Path("/proc/self/status")
"""Where a process reads how much memory it has."""

ADDED = "2026-11-21 00:00:00.000000"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out about one gallery.

    Attributes:
        figures: By part and name.
        times_ms: Of one probe, by the way it was searched; those of one place were taken one right after the other.
    """

    figures: dict[str, dict[str, float]]
    times_ms: dict[str, tuple[float, ...]]


def members(n_members: int, n_templates: int, *, seed: int = 0) -> Iterator[Vectors]:
    """Templates of random people, a thousand members at a time: shape (1000 * n_templates, 512), float32, unit."""
    rng = np.random.default_rng(seed)
    for start in range(0, n_members, 1000):
        centres = units(rng.standard_normal((min(1000, n_members - start), 1, EMBEDDING_SIZE)))
        yield around(np.repeat(centres, n_templates, axis=1).reshape(-1, EMBEDDING_SIZE), rng)


def around(centres: NDArray[Any], rng: np.random.Generator) -> Vectors:
    """Another embedding of each of these people; shape as given."""
    return units(centres + np.sqrt(1 / MEMBER_COSINE - 1) * units(rng.standard_normal(centres.shape)))


def units(vectors: NDArray[Any]) -> Vectors:
    """Scaled to unit length, float32."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def make_gallery(folder: Path, batches: Iterator[Vectors], n_templates: int, *, first_id: int = 1) -> None:
    """Make or extend a gallery quickly: rows as ``Store.enroll`` writes them, in one transaction.

    Args:
        folder: The gallery's folder.
        batches: Templates, member by member.
        n_templates: Templates of each member.
        first_id: Id of the first new template; also of its photo and face.
    """
    path = folder / DATABASE_NAME
    Store.create(path, model=MODEL, preparation=Preparation.BOX).close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA synchronous = OFF")
        for vectors in batches:
            ids = range(first_id, first_id + len(vectors))
            owners = [(key - 1) // n_templates + 1 for key in ids]
            names = [(owner, f"Member {owner}", f"member {owner}", ADDED) for owner in dict.fromkeys(owners)]
            raw.executemany("INSERT INTO members VALUES (?, ?, ?, ?)", names)
            raw.executemany(
                "INSERT INTO photos VALUES (?, ?, ?, 200, 200, ?)",
                [(key, f"{key:064x}", f"/photos/{key}.jpg", ADDED) for key in ids],
            )
            raw.executemany(
                "INSERT INTO faces VALUES (?, ?, 1, 1, 99, 99, '[]', 0.99, NULL)", [(key, key) for key in ids]
            )
            raw.executemany(
                "INSERT INTO templates VALUES (?, ?, ?, 1, ?, ?)",
                [
                    (key, key, owner, vector.tobytes(), ADDED)
                    for key, owner, vector in zip(ids, owners, vectors, strict=True)
                ],
            )
            first_id += len(vectors)
        raw.execute("UPDATE gallery_settings SET revision = revision + 1, state = lower(hex(randomblob(16)))")


def against_flat(
    folder: Path, vectors: Vectors, probes: Vectors
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """One probe at a time, in turns with FAISS's flat index on the same vectors.

    Returns:
        Recall@1 and medians in ms, and all times in ms by the way of searching.
    """
    faiss = load_faiss()
    flat = faiss.IndexFlatIP(EMBEDDING_SIZE)
    flat.add(vectors)
    nearest = np.concatenate([flat.search(some, 1)[1][:, 0] + 1 for some in np.array_split(probes, 4)])
    with Store.open(folder / DATABASE_NAME) as store:
        index = open_index(folder / INDEX_NAME, store)
        search = MemberSearch(
            index, ScoreRule.BEST, templates_of=store.templates_of, templates_of_members=store.templates_of_members
        )
        found = [row[0].template_id for row in search.candidates(probes, 2)]
        ways: dict[str, Callable[[Vectors], object]] = {
            "flat_ms": lambda probe: _flat_search(flat, probe, n_threads()),
            "flat_one_thread_ms": lambda probe: _flat_search(flat, probe, 1),
            "index_ms": lambda probe: index.search(probe, index.n_first),
            "search_ms": lambda probe: search.candidates(probe, 2),
        }
        times = _in_turns(ways, probes[:: max(1, len(probes) // N_TIMES)][:N_TIMES])
    hits = np.array(found) == nearest
    half = len(probes) // 2
    medians = {name: median(each) for name, each in times.items()}
    figures = {
        **medians,
        "times_faster": medians["flat_ms"] / medians["search_ms"],
        "times_faster_than_one_thread": medians["flat_one_thread_ms"] / medians["search_ms"],
        "n_threads": n_threads(),
        "recall_members": float(hits[:half].mean()),
        "recall_strangers": float(hits[half:].mean()),
        "n_probes_each": half,
    }
    return figures, times


def opening(folder: Path) -> dict[str, float]:
    """A new process opens the gallery and answers one probe: seconds, and how much memory that took. Medians."""
    found = [json.loads(_run_in_new_process(_OPENING, folder)) for _ in range(N_OPENINGS)]
    return {key: float(median(each[key] for each in found)) for key in found[0]}


def changing(folder: Path, n_templates: int, per_member: int) -> dict[str, float]:
    """Seconds to enroll a template, to find it, to append it to the files; and to forget a whole member. Medians."""
    vector = units(np.random.default_rng(99).standard_normal(EMBEDDING_SIZE))
    face = EmbeddedFace(Face((1, 1, 99, 99), ((1, 1),) * 5, 0.99), vector)
    times: dict[str, list[float]] = {"enroll_s": [], "reopen_s": [], "refresh_s": [], "forget_s": []}

    def timed(name: str, step: Callable[[], object]) -> None:
        started = time.perf_counter()
        step()
        times[name].append(time.perf_counter() - started)

    with Store.open(folder / DATABASE_NAME) as store:
        index = open_index(folder / INDEX_NAME, store)
        for number in range(9):
            photo = Photo(Path(f"/new/{number}.jpg"), f"{number:x>64}", np.zeros((1, 1, 3), np.uint8), 1, 1)
            timed("enroll_s", partial(store.enroll, "New", photo, face=face, model=MODEL))
            timed("reopen_s", partial(open_index, folder / INDEX_NAME, store, known=index))
            timed("refresh_s", partial(refresh, folder / INDEX_NAME, store))
        for number in range(9):
            timed("forget_s", partial(_forget, folder, store, f"Member {n_templates // per_member // 2 + number}"))
    return {name: median(each) for name, each in times.items()}


def measure(n_members: int, per_member: int, folder: Path) -> Measured:
    """Make a gallery and measure everything about it; what is under way is said on standard error."""
    _say(f"making a gallery of {n_members * per_member} templates")
    started = time.perf_counter()
    make_gallery(folder, members(n_members, per_member), per_member)
    made = time.perf_counter() - started
    _say("building its index")
    started = time.perf_counter()
    with Store.open(folder / DATABASE_NAME) as store:
        refresh(folder / INDEX_NAME, store)
    built = time.perf_counter() - started
    vectors = np.concatenate(list(members(n_members, per_member)))
    rng = np.random.default_rng(7)
    known = around(vectors[rng.integers(0, len(vectors), N_PROBES)], rng)
    strangers = units(rng.standard_normal((N_PROBES, EMBEDDING_SIZE)))
    on_disk = sum(file.stat().st_size for file in (folder / INDEX_NAME).iterdir())
    _say("opening it in new processes")
    opened = opening(folder)
    _say("searching")
    one_probe, times_ms = against_flat(folder, vectors, np.concatenate((known, strangers)))
    _say("enrolling and forgetting")
    figures = {
        "gallery": {"n_templates": len(vectors), "made_s": made, "index_built_s": built},
        "memory": {
            "share_of_flat_on_disk": on_disk / vectors.nbytes,
            "share_of_flat_resident": opened.pop("resident_bytes") / vectors.nbytes,
            "share_of_flat_at_most": opened.pop("peak_bytes") / vectors.nbytes,
        },
        "opening": opened,
        "one_probe": one_probe,
        "changing": changing(folder, len(vectors), per_member),
    }
    return Measured(figures, times_ms)


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, nargs="+", default=[200_000], metavar="N", help="galleries to measure")
    parser.add_argument("--templates", type=int, default=5, metavar="N", help="templates of each member")
    parser.add_argument("--folder", type=Path, default=None, help="where the galleries are made for a while")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    results = []
    for n_members in options.members:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            results.append(measure(n_members, options.templates, Path(folder) / "gallery").figures)
        for part, figures in results[-1].items():
            print(part)
            for name, figure in figures.items():
                print(f"    {name:30} {figure:12.6g}", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


_OPENING = """
import json, re, sys, time
from pathlib import Path
from statistics import median
def memory(what):  # not getrusage: there a new process begins with the peak of the one that started it
    return 1024 * int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
import numpy as np
from facegallery.index.engine import load_faiss
from facegallery.gallery.gallery import Gallery
import facegallery.index.opening, facegallery.gallery.search, sqlalchemy
load_faiss()
before = memory("VmRSS")
started = time.perf_counter()
from facegallery.domain import ScoreRule
with Gallery.open(sys.argv[1]) as gallery:
    search = gallery._member_search(ScoreRule.BEST)
    opened = time.perf_counter()
    probe = np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)
    search.candidates(probe / np.linalg.norm(probe), 2)
    first = time.perf_counter()
    print(json.dumps({"open_s": opened - started, "first_search_s": first - opened,
                      "resident_bytes": memory("VmRSS") - before, "peak_bytes": memory("VmHWM") - before}))
"""


def _say(what: str) -> None:
    print(f"search: {what}", file=sys.stderr, flush=True)


def _run_in_new_process(script: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script, str(folder)], env=environment, check=True, capture_output=True, text=True
    )
    return json.dumps({**json.loads(done.stdout), "process_s": time.perf_counter() - started})


def _flat_search(flat: Any, probe: Vectors, threads: int) -> None:
    load_faiss().omp_set_num_threads(threads)
    flat.search(probe, 2)


def _in_turns(ways: dict[str, Callable[[Vectors], object]], probes: Vectors) -> dict[str, tuple[float, ...]]:
    for way in ways.values():  # once, so that the first round finds everything warm as the others do
        way(probes[:1])
    times: dict[str, list[float]] = {name: [] for name in ways}
    for probe in probes:
        for name, way in ways.items():
            started = time.perf_counter()
            way(probe[np.newaxis])
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: tuple(each) for name, each in times.items()}


def _forget(folder: Path, store: Store, member: str) -> None:
    with forgetting(folder / INDEX_NAME, store) as bury:
        bury(store.forget(member).template_ids)


if __name__ == "__main__":
    sys.exit(main())
