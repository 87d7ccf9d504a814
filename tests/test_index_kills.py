"""A writer of the index that is killed, at random and at each step: never a wrong index that counts as current."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from facegallery.domain import Cipher, Preparation
from facegallery.index.folder import IndexFolder
from facegallery.index.opening import CURRENT, describe, open_index, refresh
from facegallery.index.slots import ID_DTYPE
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from tests.index_writes import STEPS, cipher_of
from tests.kills import Kill, Nursery, moments, table
from tests.searching import CODES, EXACT, MODEL, answers, enroll, expected

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is copied and killed as on Unix")

KEY = bytes(range(32)).hex()
N_KILLS = 5
"""Of each step, kind and way of keeping: 80 in all."""

N_MEMBERS = 12
BOTH_KINDS = pytest.mark.parametrize("limit", [EXACT, CODES], ids=["exact", "codes"])
PLAIN_AND_SEALED = pytest.mark.parametrize("key", ["", KEY], ids=["plain", "sealed"])


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    path = tmp_path / "gallery"
    Store.create(path / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX).close()
    with Store.open(path / DATABASE_NAME) as store:
        enroll(store, *(f"Person{number}" for number in range(N_MEMBERS)))
    return path


def held(folder: Path, store: Store, cipher: Cipher | None) -> str:
    """What the files really hold, found without the code under test's own judgement: ``all``, ``the first N``, else."""
    index, rows = IndexFolder(folder, cipher), store.templates()
    stamp = index.stamp()
    assert stamp is not None
    ids, found = index.arrays(stamp)
    n_live = int((ids > 0).sum())
    same = np.array_equal(ids[ids > 0], rows.ids[:n_live])
    same = same and np.array_equal(found[ids > 0], stamp.rows.encode(rows.vectors[:n_live]))
    if not same or found[ids <= 0].any():
        return "something else"
    return "all" if n_live == len(rows.ids) else f"all but {len(rows.ids) - n_live}"


def nothing_else(folder: Path, cipher: Cipher | None) -> None:
    """No file and no byte that the stamp does not speak of."""
    stamp = IndexFolder(folder, cipher).stamp()
    assert stamp is not None
    sizes = {file.name: file.stat().st_size for file in folder.iterdir() if file.name not in ("lock", "stamp.json")}
    if cipher is None:
        n = stamp.n_slots
        assert sizes == {f"ids.{stamp.token}": n * ID_DTYPE.itemsize, f"rows.{stamp.token}": n * stamp.row_bytes}
    else:
        assert sizes == {f"block.{block.name}": block.n_bytes for block in stamp.blocks}


def check(folder: Path, store: Store, cipher: Cipher | None, limit: int) -> str:
    """What was left: said rightly, searched rightly, and good again after the next writer. Returns what was said."""
    said = describe(folder, store, cipher=cipher)
    if said == CURRENT:
        assert held(folder, store, cipher) == "all"
    elif said.startswith("behind by"):
        assert held(folder, store, cipher) == said.replace("behind by", "all but")
    probes = [member.name for member in store.members()]
    index = open_index(folder, store, cipher=cipher, limit=limit)
    assert set(index.base.ids[index.base.ids > 0].tolist()) <= set(store.templates().ids.tolist())
    assert answers(index, store, probes) == expected(store, probes)
    refresh(folder, store, cipher=cipher, limit=limit)
    assert describe(folder, store, cipher=cipher) == CURRENT
    assert held(folder, store, cipher) == "all"
    nothing_else(folder, cipher)
    return said


# --- at random ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    script = "from facegallery.index.engine import load_faiss; load_faiss(); from tests.index_writes import COMMANDS"
    with Nursery(script) as started:
        yield started


@BOTH_KINDS
@PLAIN_AND_SEALED
def test_a_writer_may_be_killed_at_any_moment(nursery: Nursery, gallery: Path, key: str, limit: int) -> None:
    """Kill after kill on the same gallery: what is left is told rightly, and the next writer mends it."""
    folder, cipher = gallery / INDEX_NAME, cipher_of(key)
    rng, kills = np.random.default_rng([limit, len(key)]), list[Kill]()
    try:
        for step in STEPS:
            longest_s = nursery.run(step, gallery, key, limit)
            for after_s in moments(rng, N_KILLS, longest_s=longest_s):
                ended = nursery.kill(step, gallery, key, limit, after_s=after_s)
                with Store.open(gallery / DATABASE_NAME) as store:
                    kills.append(Kill(step, after_s, ended, describe(folder, store, cipher=cipher)))
                    check(folder, store, cipher, limit)
                    n_missing = N_MEMBERS - len(store.members())
                    enroll(store, *(f"More{len(kills)}x{number}" for number in range(n_missing)))
    finally:
        sys.stdout.write(f"\n{table(kills)}\n")  # pytest shows it with -s, and when a check failed
    assert len(kills) == len(STEPS) * N_KILLS
    assert sum(not kill.ended for kill in kills) >= N_KILLS, "most were done before: nothing was tried"


# --- at each step -------------------------------------------------------------------------------------------------

State = dict[str, bytes]
"""Names and contents of the files in the index's folder."""


def looked_at(nursery: Nursery, step: str, gallery: Path, key: str, limit: int, into: Path) -> Iterator[State]:
    """The states of the index's folder while a step is taken, in order."""
    nursery.run("look at", step, gallery, key, limit, into)
    for taken in sorted(into.iterdir()):
        assert {stat.S_IMODE(file.stat().st_mode) for file in taken.iterdir()} <= {0o600}
        yield {file.name: file.read_bytes() for file in taken.iterdir()}


def with_half_writes(states: Iterator[State]) -> Iterator[tuple[State, bool]]:
    """Each state once, and before it those in which half of what was written since is there, which is told."""
    seen: list[State] = []
    before: State | None = None
    for state in states:
        torn = [] if before is None else list(_half_way(before, state))
        for each, is_torn in [*((some, True) for some in torn), (state, False)]:
            if each not in seen:
                seen.append(each)
                yield each, is_torn
        before = state


def _half_way(before: State, after: State) -> Iterator[State]:
    for name, content in after.items():
        old, half = before.get(name, b""), len(content) // 2
        if content != old:
            yield {**after, name: content[:half] + old[half:]}


@BOTH_KINDS
@PLAIN_AND_SEALED
@pytest.mark.parametrize("step", STEPS)
def test_each_state_on_the_way_is_right_or_mended(
    nursery: Nursery, gallery: Path, tmp_path: Path, key: str, limit: int, step: str
) -> None:
    """Before each time that a file is opened, renamed, cut or removed, and with half of each write: none is wrong and
    counts as current, nobody who is forgotten comes back, and only the owner could ever read.
    """
    folder, cipher = gallery / INDEX_NAME, cipher_of(key)
    with Store.open(gallery / DATABASE_NAME) as store:
        refresh(folder, store, cipher=cipher, limit=limit)
    states = with_half_writes(looked_at(nursery, step, gallery, key, limit, tmp_path / "states"))
    said = []
    first = next(states)  # after the step was taken: the gallery is what it will be
    with Store.open(gallery / DATABASE_NAME) as store:
        for state, is_torn in chain([first], states):
            shutil.rmtree(folder)
            folder.mkdir()
            for name, content in state.items():
                (folder / name).write_bytes(content)
            said.append(check(folder, store, cipher, limit))
            assert is_torn or said[-1].startswith(("current", "behind", "missing", "stale")), (
                "each step leaves it whole"
            )
    assert len(said) >= 5
    assert said[-1] == CURRENT
    assert len(set(said)) >= 2
