"""Many photos, one after the other: analyzed in groups, several at a time, answered in order, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

GROUP_PHOTOS = 8
"""Photos in a group: at one face each as many as the embedder takes in one batch. A person waits for one group."""

_GROUP_ITEMS = 8 * GROUP_PHOTOS
"""Items in a group, those among them that need no analysis too."""

_Item = TypeVar("_Item")
_Known = TypeVar("_Known")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Analysis(Generic[_Answer]):
    """A way to analyze photos.

    Attributes:
        analyze: Reads files and gives an answer for each, in their order; called in several threads.
        n_at_once: How many groups it works on at a time.
    """

    analyze: Callable[[Sequence[Path]], Sequence[_Answer]]
    n_at_once: int


@dataclass(frozen=True)
class _Group(Generic[_Item, _Known, _Answer]):
    """Items with what they hold, and the answers about the files among that."""

    held: list[tuple[_Item, Path | _Known]]
    answers: Future[Sequence[_Answer]]

    def answered(self) -> Iterator[tuple[_Item, _Known | _Answer]]:
        left = iter(self.answers.result())
        for item, held in self.held:
            yield item, (next(left) if isinstance(held, Path) else held)


def analyzed(
    items: Iterable[_Item], held_by: Callable[[_Item], Path | _Known], analysis: Analysis[_Answer]
) -> Iterator[tuple[_Item, _Known | _Answer]]:
    """Analyze the photos among items.

    Args:
        items: Photos and other things; taken as they are needed, some groups before their answers are.
        held_by: The file of an item, or what is known about it already without looking at one.
        analysis: Looks at the files.

    Yields:
        Each item in its order, and what is known now.

    Raises:
        Exception: What ``items`` and ``analysis`` raise, in its turn. It ends the work, as closing the generator does.
    """
    pool = ThreadPoolExecutor(analysis.n_at_once, thread_name_prefix="analyze")
    waiting: deque[_Group[_Item, _Known, _Answer]] = deque()
    try:
        for held in _groups((item, held_by(item)) for item in items):
            paths = [each for _, each in held if isinstance(each, Path)]
            waiting.append(_Group(held, pool.submit(analysis.analyze, paths) if paths else _nothing()))
            if len(waiting) > analysis.n_at_once:  # one group is ready for whoever is done first
                yield from waiting.popleft().answered()
        while waiting:
            yield from waiting.popleft().answered()
    finally:
        pool.shutdown(cancel_futures=True)


def _groups(held: Iterable[tuple[_Item, Path | _Known]]) -> Iterator[list[tuple[_Item, Path | _Known]]]:
    group: list[tuple[_Item, Path | _Known]] = []
    n_photos = 0
    for pair in held:
        group.append(pair)
        n_photos += isinstance(pair[1], Path)
        if n_photos == GROUP_PHOTOS or len(group) == _GROUP_ITEMS:
            yield group
            group, n_photos = [], 0
    if group:
        yield group


def _nothing() -> Future[Sequence[_Answer]]:
    nothing: Future[Sequence[_Answer]] = Future()
    nothing.set_result(())
    return nothing
