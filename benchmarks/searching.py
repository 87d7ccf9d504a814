"""Search at size against FAISS flat: the rows that ``benchmarks.search`` measures, in this table."""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks.extent import Extent
from benchmarks.rows import AnyRow, NotMeasured
from benchmarks.timing import Target

SEARCH_TARGET = Target.at_least(15.0)
"""One probe among 1,000,000 templates, on the same threads; from issue 3."""

_WHAT, _PEER = "search one probe among 1,000,000 templates", "FAISS flat (IndexFlatIP)"


def search_rows(extent: Extent) -> list[AnyRow]:  # noqa: ARG001 - what the joined measurement will take
    """The rows of ``benchmarks.search``."""
    if find_spec("benchmarks.search") is None:
        return [NotMeasured(_WHAT, _PEER, SEARCH_TARGET, "benchmarks/search.py is not part of this version")]
    # >>> JOIN benchmarks.search HERE: import it, call measure(n_templates, ...) and make a Row of what it returns.
    return [NotMeasured(_WHAT, _PEER, SEARCH_TARGET, "benchmarks/search.py is not joined to this table yet")]
