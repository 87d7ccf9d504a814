"""The helper that kills: what it says of who was killed, who was done, and who failed by himself."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from tests.kills import Kill, Nursery, kill_program, moments, table

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is copied and killed as on Unix")

COMMANDS = """
import time
def rest(seconds):
    yield
    time.sleep(float(seconds))
def fail_late():
    yield
    raise ValueError("late")
def fail_early():
    raise ValueError("early")
    yield
COMMANDS = {"rest": rest, "fail late": fail_late, "fail early": fail_early}
"""


def test_a_nursery_tells_killed_from_done_and_goes_on() -> None:
    """Copy after copy, and how long one works that is let."""
    with Nursery(COMMANDS) as nursery:
        assert not nursery.kill("rest", 60, after_s=0.01)
        assert nursery.kill("rest", 0, after_s=1.0)
        assert 0.1 <= nursery.run("rest", 0.5) < 60
        with pytest.raises(RuntimeError, match="fail late ended with 1"):
            nursery.run("fail late")
        assert not nursery.kill("rest", 60, after_s=0.0)
    with Nursery(COMMANDS) as nursery, pytest.raises(RuntimeError, match="fail early failed before it began"):
        nursery.kill("fail early", after_s=0.0)


def test_a_program_is_killed_with_all_that_it_started() -> None:
    """Or is done before, or failed: that is no outcome of a kill."""
    assert not kill_program([sys.executable, "-c", "import time; time.sleep(60)"], after_s=0.05)
    assert kill_program([sys.executable, "-c", ""], after_s=60)
    with pytest.raises(RuntimeError, match="ended with 3: said"):
        kill_program([sys.executable, "-c", "import sys; sys.stderr.write('said'); sys.exit(3)"], after_s=60)


def test_moments_are_spread_and_the_same_for_a_seed() -> None:
    """One in each part of the time."""
    drawn = moments(np.random.default_rng(1), 10, longest_s=2.0)
    assert sorted(int(each / 0.2) for each in drawn) == list(range(10))
    assert drawn == moments(np.random.default_rng(1), 10, longest_s=2.0)


def test_the_table_has_a_line_for_each_kill() -> None:
    """Command, moment, whether it was done, outcome."""
    lines = table([Kill("append", 0.0123, False, "current"), Kill("bury", 1.5, True, "missing")]).splitlines()
    assert lines[1].split() == ["append", "12.3", "ms", "killed", "current"]
    assert lines[2].split() == ["bury", "1500.0", "ms", "ended", "missing"]
