"""What is told of somebody's removal: how much went, and what nobody may find any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Traces:
    """The very bytes that were removed, so that every file can be searched for them; kept in memory only.

    Attributes:
        vectors: For each template its 2048 bytes.
        content_hashes: SHA-256 of the photos that are no longer in the gallery, lower-case hex.
        texts: Names, paths and hashes as somebody could read them, and every value as the database kept it.
    """

    vectors: tuple[bytes, ...] = field(repr=False)
    content_hashes: tuple[str, ...] = field(repr=False)
    texts: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed from the store.

    Attributes:
        template_ids: Ascending.
        counts: By table how many rows went.
        traces: What must not be found any more.
    """

    template_ids: tuple[int, ...]
    counts: Mapping[str, int]
    traces: Traces
