"""Numbers and names as people see them, and as shells take them."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery.text import apart, printable, shell_word


@pytest.mark.parametrize(
    ("value", "limit", "told"),
    [
        (0.81, 0.72, ("0.81", "0.72")),
        (0.7199, 0.72, ("0.7199", "0.7200")),
        (0.718, 0.72, ("0.718", "0.720")),
        (0.72, 0.72, ("0.72", "0.72")),
        (0.004, 0.0, ("0.004", "0.000")),
    ],
)
def test_numbers_that_differ_look_different(value: float, limit: float, told: tuple[str, str]) -> None:
    """Nobody reads that 0.72 does not reach 0.72; equal numbers look equal."""
    assert apart(value, limit) == told


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@given(words=st.lists(WORDS, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_word_for_a_shell_is_printable_and_comes_back(words: list[str]) -> None:
    """Whatever a name holds, bash makes of the word what it stands for, and nothing else."""
    written = [shell_word(word) for word in [*words, *HARD_WORDS]]
    assert all(word == printable(word) for word in written)
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    command = ["bash", "-c", f"printf '%s\\0' {' '.join(written)}"]
    printed = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    assert [os.fsdecode(word) for word in printed.split(b"\0")[:-1]] == [*words, *HARD_WORDS]


HARD_WORDS = ["", "it's", "$(id) `id` \\", "a\nb", "\x1b[31m'\\n'", "\x9bm", "\u202e\u2066x", "caf\udce9.jpg", "-rf"]
