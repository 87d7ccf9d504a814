"""Many processes in one gallery, with made-up vectors: enrolling, renaming, moving, forgetting and asking at once.

``python -m tests.many_at_once`` prints what was done and how long the longest write had to wait for the others; the
tests hold that nothing is lost. Each process is one of :func:`work`, has members of its own, and says at its end who
must be there; what one process did, all others see.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np

from facegallery.domain import EmbeddedFace, Face, ModelIdentity, Photo, Preparation, ScoreRule, Vectors
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.membership import MembersGallery
from facegallery.gallery.searches import Searches
from facegallery.index.opening import describe
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.weights.files import InstalledModel, ModelFiles
from tests.children import line_of, start

MODEL = ModelIdentity("starter", "a" * 64)
LANDMARKS = ((20.0, 30.0), (40.0, 30.0), (30.0, 40.0), (22.0, 50.0), (38.0, 50.0))
N_PROCESSES = 8
KINDS = ("enroll", "rename", "move", "forget", "ask")
_Answer = TypeVar("_Answer")
LINE = "{:>9}  {:>10}  {:>7}  {:>13}  {:>10}  {:>6}" + 5 * "  {:>8}"

WORKING = """
import json, sys
from pathlib import Path
from tests.many_at_once import work
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(work(Path(sys.argv[1]), int(sys.argv[2]), n_rounds=int(sys.argv[3]))), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        n_operations: By kind.
        seconds: From the start of the first operation to the end of the last.
        expected: By member's name the templates that the processes say must be there.
        found: The same, as the gallery has it.
        errors: What processes printed to standard error or ended with, and what the checks found.
        longest_s: By kind of operation the slowest one, its own work included.
        index_state: See ``opening.describe``.
    """

    n_operations: Counter[str]
    seconds: float
    expected: dict[str, int]
    found: dict[str, int]
    errors: list[str]
    longest_s: dict[str, float]
    index_state: str


def run(folder: Path, *, n_rounds: int, n_processes: int = N_PROCESSES) -> Outcome:
    """Let processes work in a new gallery, all at once.

    Args:
        folder: Where the gallery is made.
        n_rounds: How many rounds each process does; some seven operations a round.
        n_processes: How many.
    """
    database = folder / DATABASE_NAME
    Store.create(database, model=MODEL, preparation=Preparation.BOX).close()
    children = [start(WORKING, folder, who, n_rounds, stderr=subprocess.PIPE) for who in range(n_processes)]
    for child in children:
        line_of(child)
    began = time.monotonic()
    said = [(child, *child.communicate()) for child in _all_told(children)]
    seconds = time.monotonic() - began
    errors = [f"{child.returncode}: {err}" for child, _, err in said if child.returncode or err]
    reports = [json.loads(out) for _, out, _ in said if out]
    with Store.open(database) as store:
        found = {member.name: member.n_templates for member in store.members()}
        errors += store.check()
        index_state = describe(folder / INDEX_NAME, store)
    return Outcome(
        n_operations=sum((Counter(report["n_operations"]) for report in reports), Counter()),
        seconds=seconds,
        expected={name: n for report in reports for name, n in report["expected"].items()},
        found=found,
        errors=errors,
        longest_s={
            kind: max(report["longest_s"].get(kind, 0.0) for report in reports)
            for kind in sorted({kind for report in reports for kind in report["longest_s"]})
        },
        index_state=index_state,
    )


def _all_told(children: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """The processes, after each was told to begin."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return children


def work(folder: Path, who: int, *, n_rounds: int) -> dict[str, object]:
    """What one process does: who must be there at its end, how much it did, and its slowest write."""
    with Store.open(folder / DATABASE_NAME) as store:
        worker = _Worker(folder, store, who)
        for number in range(n_rounds):
            worker.round(number)
        return {
            "expected": dict(worker.expected),
            "n_operations": dict(worker.n_operations),
            "longest_s": worker.longest_s,
        }


class _Worker:
    """One process and its members. What it asks must be answered by what it did just now."""

    def __init__(self, folder: Path, store: Store, who: int) -> None:
        self._store = store
        self._who = who
        self._gallery = MembersGallery(
            folder, store=store, models=ModelFiles(folder / "models"), load_analyzer=_no_networks
        )
        self._searches = Searches(folder / INDEX_NAME, store)
        self._rng = np.random.default_rng(who)
        self.expected: Counter[str] = Counter()
        self.n_operations: Counter[str] = Counter()
        self.longest_s: dict[str, float] = {}

    def round(self, number: int) -> None:
        """A new member with three photos, one of them for another; a new name; a question; now and then a farewell."""
        name, other = f"P{self._who} M{number}", f"P{self._who} all"
        vectors = [self._enroll(name, f"{number} {each}") for each in range(3)]
        self._enroll(other, f"{number} other")
        renamed = f"{name} now"
        self._timed("rename", lambda: self._store.rename(name, renamed))
        self.expected[renamed] = self.expected.pop(name)
        self._named(vectors[0], renamed)
        if number % 3 == 1:
            moved = self._store.enrolled_faces(renamed)[0].template_id
            self._timed("move", lambda: self._gallery.move_templates({moved: other}))
            self.expected[renamed] -= 1
            self.expected[other] += 1
        if number % 3 == 2:
            self._timed("forget", lambda: self._gallery.forget(renamed))
            del self.expected[renamed]
            self._named(vectors[0], None)
        if number % 5 == 4:
            self._gallery.refresh_index()

    def _enroll(self, name: str, content: str) -> Vectors:
        content_hash = sha256(f"{self._who} {content}".encode()).hexdigest()
        photo = Photo(Path(f"/{self._who}/{content}.jpg"), content_hash, np.zeros((1, 1, 3), np.uint8), 1, 1)
        vector = self._rng.standard_normal(512).astype(np.float32)
        vector /= np.linalg.norm(vector)
        face = EmbeddedFace(Face((0.0, 0.0, 1.0, 1.0), LANDMARKS, 1.0), vector)
        self._timed("enroll", lambda: self._store.enroll(name, photo, face=face, model=MODEL))
        self.expected[name] += 1
        return vector

    def _named(self, vector: Vectors, name: str | None) -> None:
        """A question must be answered so: with a member who looks just like that, or with nobody who does."""
        (best,) = self._timed(
            "ask", lambda: self._searches.by(ScoreRule.BEST, self._store.space()).candidates(vector[np.newaxis], 1)[0]
        )
        said = best.member if best.similarity > 0.99 else None
        if said != name:
            raise AssertionError(f"{said} was answered where {name} was to be")

    def _timed(self, kind: str, operation: Callable[[], _Answer]) -> _Answer:
        began = time.monotonic()
        answer = operation()
        self.longest_s[kind] = max(self.longest_s.get(kind, 0.0), time.monotonic() - began)
        self.n_operations[kind] += 1
        return answer


def _no_networks(_: InstalledModel) -> FaceAnalyzer:
    raise AssertionError("no photo is looked at here")


def main() -> None:
    """Print the figures."""
    n_rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(LINE.format("processes", "operations", "seconds", "rows expected", "rows found", "errors", *KINDS))
    for n_processes in (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(Path(folder) / "gallery", n_rounds=n_rounds, n_processes=n_processes)
        print(
            LINE.format(
                n_processes,
                sum(outcome.n_operations.values()),
                f"{outcome.seconds:.1f}",
                sum(outcome.expected.values()),
                sum(outcome.found.values()),
                len(outcome.errors) + (outcome.expected != outcome.found),
                *(f"{outcome.longest_s[kind]:.2f} s" for kind in KINDS),
            )
        )
        for error in outcome.errors:
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
