"""The table for people and the same for programs; what stands between the README's markers is replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from benchmarks.rows import AnyRow, Ceiling, Check, NotMeasured, Row
from benchmarks.timing import Quotient, Target

BEGIN = "<!-- results: 'make bench' writes what follows -->"
END = "<!-- end of results -->"

_HEADER = (
    "| what | peer | wanted | reached | least to greatest | met | ours | peer's | pairs | remarks |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def table(conditions: Mapping[str, str], rows: Sequence[AnyRow]) -> str:
    """The conditions as a list and the rows as a table, in Markdown."""
    known = [f"- {name}: {words}" for name, words in conditions.items()]
    return "\n".join([*known, "", *_HEADER, *map(_line, rows)])


def replaced(text: str, results: str) -> str:
    """A text with new results between the markers.

    Raises:
        ValueError: The text does not have each marker once, in their order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise ValueError(f"the text must hold each of {BEGIN!r} and {END!r} once, in this order")
    return f"{before}{BEGIN}\n\n{results}\n\n{END}{after}"


def document(conditions: Mapping[str, str], rows: Sequence[AnyRow]) -> str:
    """The same as JSON, with every single time in seconds."""
    content = {"conditions": dict(conditions), "rows": [row.fields() for row in rows]}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _line(row: AnyRow) -> str:
    if isinstance(row, NotMeasured):
        cells = [row.what, row.peer, _wanted(row.target), "not measured", "", "", "", "", "", row.reason]
    else:
        spread = row.spread
        cells = [
            row.what,
            row.peer,
            _wanted(row.target),
            _ratio(spread.median, row.target),
            f"{spread.least:.2f} to {spread.greatest:.2f}",
            "yes" if row.is_met else "**no**",
            _time(row.pairs.ours_median_s, row.n_photos),
            _time(row.pairs.peer_median_s, row.n_photos),
            str(row.pairs.count),
            "; ".join([*_checks(row), *row.remarks]),
        ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _wanted(target: Target | None) -> str:
    if target is None:
        return ""
    sign = "≥" if target.quotient is Quotient.SPEED else "≤"
    return f"{sign} {_ratio(target.limit, target)}"


def _ratio(ratio: float, target: Target) -> str:
    return f"{ratio:.2f}x {'as fast' if target.quotient is Quotient.SPEED else 'the time'}"


def _time(seconds: float, n_photos: int | None) -> str:
    words = f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
    return words if n_photos is None else f"{words} ({n_photos / seconds:.1f} photos/s)"


def _checks(row: Row) -> list[str]:
    return [f"{check.what}: {check.value:.6f} (wanted {_bound(check)})" for check in row.checks]


def _bound(check: Check | Ceiling) -> str:
    return f"≥ {check.least}" if isinstance(check, Check) else f"≤ {check.most}"
