"""Numbers as people see them."""

from __future__ import annotations

import pytest

from facegallery.text import apart


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
