"""Half of the people of an experiment, so that what was chosen on some can be reported on others."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeVar

_Entry = TypeVar("_Entry")


class Half(str, Enum):
    """Which of the people take part."""

    ALL = "all"
    TUNE = "tune"
    """The first half of the members and the first half of the strangers, by name."""
    REPORT = "report"
    """The others."""

    def of(self, entries: Sequence[_Entry]) -> list[_Entry]:
        """The entries that take part; of an odd number one more tunes."""
        middle = (len(entries) + 1) // 2
        return list(entries[:middle] if self is Half.TUNE else entries[middle:] if self is Half.REPORT else entries)
