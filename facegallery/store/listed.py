"""Any number of values in one parameter: a list of parameters is limited, and compiled anew for each length.

connection.execute(delete(FaceRow).where(FaceRow.id.in_(IN_LIST)), listed(face_ids))
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import bindparam, func, select

LISTED = func.json_each(bindparam("ids")).table_valued("value")
"""The values as a table, to be joined: its column is ``LISTED.c.value``."""

IN_LIST = select(LISTED.c.value)
"""The values as a subquery, for ``in_``."""


def listed(values: Iterable[int] | Iterable[str]) -> dict[str, str]:
    """What both are bound to. Sorted: rows are then met in the order in which they lie in the file."""
    return {"ids": json.dumps(sorted(values))}
