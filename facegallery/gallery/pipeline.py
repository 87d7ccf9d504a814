"""Many photos, one after the other: read ahead of the work, analyzed in groups, answered in order, in bounded memory.

While the networks look at one group, threads decode the next and the caller stores the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from facegallery.domain import Photo
from facegallery.settings import n_threads

GROUP_PHOTOS = 16
"""Photos analyzed together at most: as many faces, at one each, as the embedder takes in one batch."""

GROUP_PIXELS = 16_000_000
"""Pixels analyzed together at most, unless one photo alone has more. Detection holds 11 bytes for each."""

AHEAD_PIXELS = 32_000_000
"""Decoded pixels that may wait, 3 bytes each, as far as the sizes of the last photos foretell."""

_AHEAD_PHOTOS = 2 * GROUP_PHOTOS

_Entry = TypeVar("_Entry")
_Read = TypeVar("_Read")
_Answer = TypeVar("_Answer")


def analyzed(
    entries: Iterable[_Entry],
    read: Callable[[_Entry], _Read],
    photo_of: Callable[[_Read], Photo | None],
    analyze: Callable[[Sequence[Photo]], Sequence[_Answer]],
) -> Iterator[tuple[_Read, _Answer | None]]:
    """Read entries and analyze the photos among them.

    Args:
        entries: What to read; taken as they are needed.
        read: Reads one; called in several threads, in the entries' order.
        photo_of: The photo in what was read, or None where there is nothing to analyze.
        analyze: Answers for a group of photos; called in a thread of its own, one group at a time.

    Yields:
        What was read of each entry, in order, and the answer about its photo.

    Raises:
        Exception: What ``read`` and ``analyze`` raise, in its turn; it ends the work, as closing the generator does.
    """
    with (
        ThreadPoolExecutor(1, thread_name_prefix="analyze") as worker,
        closing(_read_ahead(entries, read, photo_of)) as items,
    ):
        before: tuple[list[_Read], Future[Sequence[_Answer]]] | None = None
        for group in _groups(items, photo_of):
            photos = [photo for photo in map(photo_of, group) if photo is not None]
            answers = worker.submit(analyze, photos) if photos else _nothing()
            if before is not None:
                yield from _answered(*before, photo_of)
            before = group, answers
        if before is not None:
            yield from _answered(*before, photo_of)


def _read_ahead(
    entries: Iterable[_Entry], read: Callable[[_Entry], _Read], photo_of: Callable[[_Read], Photo | None]
) -> Generator[_Read, None, None]:
    """Read entries in threads, in their order, some time before they are asked for."""
    pool = ThreadPoolExecutor(min(n_threads(), 4), thread_name_prefix="read")
    waiting: deque[Future[_Read]] = deque()
    heaviest = AHEAD_PIXELS // 4  # so that the first photos, of unknown sizes, are not all large
    try:
        for entry in entries:
            waiting.append(pool.submit(read, entry))
            if len(waiting) >= _AHEAD_PHOTOS or len(waiting) * heaviest >= AHEAD_PIXELS:
                done = waiting.popleft().result()
                heaviest = max(_n_pixels(photo_of(done)), heaviest * 7 // 8)
                yield done
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _groups(items: Iterable[_Read], photo_of: Callable[[_Read], Photo | None]) -> Iterator[list[_Read]]:
    group: list[_Read] = []
    n_pixels = 0
    for item in items:
        more = _n_pixels(photo_of(item))
        if len(group) >= GROUP_PHOTOS or (n_pixels and n_pixels + more > GROUP_PIXELS):
            yield group
            group, n_pixels = [], 0
        group.append(item)
        n_pixels += more
    if group:
        yield group


def _answered(
    group: list[_Read], answers: Future[Sequence[_Answer]], photo_of: Callable[[_Read], Photo | None]
) -> Iterator[tuple[_Read, _Answer | None]]:
    left = iter(answers.result())
    for item in group:
        yield item, (next(left) if photo_of(item) is not None else None)


def _nothing() -> Future[Sequence[_Answer]]:
    nothing: Future[Sequence[_Answer]] = Future()
    nothing.set_result(())
    return nothing


def _n_pixels(photo: Photo | None) -> int:
    return 0 if photo is None else photo.pixels.shape[0] * photo.pixels.shape[1]
