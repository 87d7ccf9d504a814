"""The rows of the table: what was measured against whom, or why it was not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TypeAlias

from benchmarks.timing import Pairs, Spread, Target


@dataclass(frozen=True, slots=True)
class Check:
    """A number beside the times that must hold for them to count.

    Attributes:
        what: What the number is.
        value: The number.
        least: What it must reach.
    """

    what: str
    value: float
    least: float

    @property
    def is_met(self) -> bool:
        """Whether it is reached; a number that is not one does not reach it."""
        return self.value >= self.least


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A number beside the times that must not grow too large for them to count.

    Attributes:
        what: What the number is.
        value: The number.
        most: What it may reach.
    """

    what: str
    value: float
    most: float

    @property
    def is_met(self) -> bool:
        """Whether it stays there; a number that is not one does not."""
        return self.value <= self.most


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        what: What was done.
        peer: The name of who did it too, and how.
        target: The ratio wanted.
        pairs: The times.
        n_photos: Photos that one time is for, where a rate is told; else None.
        checks: What must hold besides.
        remarks: What a reader should know, each a phrase.
    """

    what: str
    peer: str
    target: Target
    pairs: Pairs
    n_photos: int | None = None
    checks: tuple[Check | Ceiling, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def spread(self) -> Spread:
        """The ratio reached."""
        return self.pairs.spread(self.target)

    @property
    def is_met(self) -> bool:
        """Whether ratio and checks are as wanted."""
        return self.target.is_met(self.spread.median) and all(check.is_met for check in self.checks)

    def fields(self) -> dict[str, object]:
        """The row for JSON."""
        return {
            **_head(self),
            "measured": True,
            "ratio": asdict(self.spread),
            "is_met": self.is_met,
            "n_pairs": self.pairs.count,
            "ours_median_s": self.pairs.ours_median_s,
            "peer_median_s": self.pairs.peer_median_s,
            "ours_s": list(self.pairs.ours_s),
            "peer_s": list(self.pairs.peer_s),
            "n_photos": self.n_photos,
            "checks": [{**asdict(check), "is_met": check.is_met} for check in self.checks],
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A comparison that was not made.

    Attributes:
        what: What would have been done.
        peer: Against whom.
        target: The ratio wanted; None where none can be told.
        reason: Why not, in words.
    """

    what: str
    peer: str
    target: Target | None
    reason: str

    def fields(self) -> dict[str, object]:
        """The row for JSON."""
        return {**_head(self), "measured": False, "reason": self.reason}


AnyRow: TypeAlias = Row | NotMeasured


def _head(row: AnyRow) -> dict[str, object]:
    target = row.target
    wanted = None if target is None else {"ratio": target.quotient.value, "limit": target.limit}
    return {"what": row.what, "peer": row.peer, "wanted": wanted}
