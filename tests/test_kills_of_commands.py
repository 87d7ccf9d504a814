"""Commands killed at any moment: the gallery opens and is sound, nothing in it is half, and a rerun finishes the work.

Writers of the index are killed in ``tests/test_index_kills.py``, 80 times.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facegallery.gallery.analysis import FaceAnalyzer
from tests.command_kills import LATE, N_KILLS, N_PROGRAM_KILLS, PROGRAMS, SCRIPT, Killing, as_program, in_nursery
from tests.kills import Kill, Nursery, table

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is copied and killed as on Unix")

KEY = "what a key file holds, random elsewhere"


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEGALLERY_MODELS", str(tmp_path_factory.mktemp("models")))
        with Nursery(SCRIPT) as started:
            yield started


def rng(step: str) -> np.random.Generator:
    return np.random.default_rng(list(step.encode()))


def told(killing: Iterator[Kill]) -> list[Kill]:
    """The kills, which are printed: pytest shows them with -s, and when a check failed."""
    kills: list[Kill] = []
    try:
        kills.extend(killing)
    finally:
        sys.stdout.write(f"\n{table(kills)}\n")
    return kills


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])
@pytest.mark.parametrize("step", N_KILLS)
def test_a_command_may_be_killed_at_any_moment(
    nursery: Nursery, analyzer: FaceAnalyzer, tmp_path: Path, step: str, key: str
) -> None:
    """What is left opens and passes 'check'; each photo is wholly there or not at all, an import and a merge are done
    or not; who is forgotten is in no file after a rerun, whose end is that of a run that nobody killed.
    """
    kills = told(Killing(in_nursery(nursery, step, key), analyzer, step, key, tmp_path).kills(N_KILLS[step], rng(step)))
    assert len(kills) == N_KILLS[step]
    assert sum(not kill.ended for kill in kills) >= N_KILLS[step] / 2, "most were done before: nothing was tried"


@pytest.mark.parametrize("step", PROGRAMS)
def test_a_program_may_be_killed(analyzer: FaceAnalyzer, tmp_path: Path, step: str) -> None:
    """As a person starts it, and kills it: the same holds."""
    killing = Killing(as_program(*PROGRAMS[step]), analyzer, step, "", tmp_path)
    assert len(told(killing.kills(N_PROGRAM_KILLS, rng(step), from_share=LATE))) == N_PROGRAM_KILLS


def test_there_are_as_many_kills_as_promised() -> None:
    """With the writers of the index: 200 in all."""
    from tests import test_index_kills
    from tests.index_writes import STEPS

    n_of_index = len(STEPS) * test_index_kills.N_KILLS * 4
    assert 2 * sum(N_KILLS.values()) >= 140
    assert 2 * sum(N_KILLS.values()) + n_of_index >= 200
