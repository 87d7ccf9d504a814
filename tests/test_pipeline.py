"""Photos in a stream: in order, in bounded memory, and with nothing left behind when it is stopped."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery.domain import Photo, Pixels, SkippedPhoto
from facegallery.gallery.analysis import BATCH_PIXELS, in_batches
from facegallery.gallery.pipeline import GROUP_PHOTOS, Analysis, analyzed


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Every test must leave as many threads as it found."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def held_by(item: Path | str) -> Path | str:
    return item


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=200), st.integers(1, 4))
def test_order_and_groups(are_photos: list[bool], n_at_once: int) -> None:
    """Every item comes out once and in order, photos with their own answer; no group is larger than it may be."""
    items: list[Path | str] = [Path(f"{at}") if is_photo else f"known {at}" for at, is_photo in enumerate(are_photos)]

    def answers(paths: Sequence[Path]) -> list[str]:
        assert 0 < len(paths) <= GROUP_PHOTOS
        return [f"answer {path}" for path in paths]

    found = list(analyzed(items, held_by, Analysis(answers, n_at_once)))

    assert [item for item, _ in found] == items
    assert [answer for _, answer in found] == [item if isinstance(item, str) else f"answer {item}" for item in items]


@pytest.mark.parametrize("n_at_once", [1, 2, 8])
def test_fifty_thousand_photos_are_taken_a_few_groups_at_a_time(n_at_once: int) -> None:
    """However many photos there are, no more are taken ahead of their answers than the groups in work and one more, and
    the work is done by so many threads at most.
    """
    n_taken = n_answered = most_ahead = at_work = most_at_work = 0
    lock = threading.Lock()

    def taken() -> Iterator[Path]:
        nonlocal n_taken
        for number in range(50_000):
            n_taken += 1
            yield Path(f"{number}")

    def answers(paths: Sequence[Path]) -> Sequence[Path]:
        nonlocal at_work, most_at_work
        with lock:
            at_work += 1
            most_at_work = max(most_at_work, at_work)
        with lock:
            at_work -= 1
        return paths

    for path, answer in analyzed(taken(), lambda path: path, Analysis(answers, n_at_once)):
        assert path == answer
        n_answered += 1
        most_ahead = max(most_ahead, n_taken - n_answered)

    assert n_answered == 50_000
    assert most_ahead < (n_at_once + 1) * GROUP_PHOTOS
    assert most_at_work <= n_at_once


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 900, 3000, 4096]), max_size=40))
def test_pixels_are_held_for_a_few_photos(sides: list[int]) -> None:
    """Of a group whose photos are large only some are decoded at a time, and one more; none is lost."""
    alive = most = 0

    class Counted(Photo):
        """A photo that says when it is let go."""

        def __del__(self) -> None:
            nonlocal alive
            alive -= self.width_px**2

    def reads() -> Iterator[Photo | SkippedPhoto]:
        nonlocal alive, most
        for side_px in sides:
            if side_px == 0:
                yield SkippedPhoto(Path("x"), "missing", "there is no such file")
                continue
            alive += side_px**2
            most = max(most, alive)
            pixels: Pixels = np.broadcast_to(np.uint8(0), (side_px, side_px, 3))  # takes no memory
            yield Counted(Path("x"), "0" * 64, pixels, side_px, side_px)

    found = []
    for batch in in_batches(reads()):
        found += [read.width_px if isinstance(read, Photo) else 0 for read in batch]
        n_pixels = sum(read.width_px**2 for read in batch if isinstance(read, Photo))
        assert n_pixels <= BATCH_PIXELS or len([read for read in batch if isinstance(read, Photo)]) == 1
        del batch
    assert found == sides
    assert most <= 2 * max(BATCH_PIXELS, 4096**2) + 4096**2  # the batch, the one before it, and the photo in between


def test_the_first_answer_does_not_wait_for_the_last_photo() -> None:
    """From a stream without end the first answers come, and stopping ends the threads."""
    paths = (Path(f"{number}") for number in itertools.count())
    stream = analyzed(paths, lambda path: path, Analysis(lambda paths: paths, 2))
    assert [str(path) for path, _ in itertools.islice(stream, 3)] == ["0", "1", "2"]
    stream.close()  # type: ignore[attr-defined]  # a generator, behind its Iterator
    assert int(str(next(paths))) < 10 * GROUP_PHOTOS


def test_groups_are_worked_on_side_by_side() -> None:
    """Two groups are in work at the same time: each waits for the other."""
    together = threading.Barrier(2, timeout=30)

    def answers(paths: Sequence[Path]) -> Sequence[Path]:
        together.wait()
        return paths

    paths = [Path(f"{number}") for number in range(4 * GROUP_PHOTOS)]
    assert len(list(analyzed(paths, lambda path: path, Analysis(answers, 2)))) == len(paths)


@pytest.mark.parametrize("where", ["items", "analyze"])
def test_what_is_raised_comes_out(where: str) -> None:
    """A fault in the program is raised to the caller, after the answers before it, and ends the threads."""

    def paths() -> Iterator[Path]:
        for number in range(100):
            if where == "items" and number == 40:
                raise ZeroDivisionError
            yield Path(f"{number}")

    def answers(paths: Sequence[Path]) -> Sequence[Path]:
        if where == "analyze" and Path("40") in paths:
            raise ZeroDivisionError
        return paths

    found: list[str] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(str(path) for path, _ in analyzed(paths(), lambda path: path, Analysis(answers, 2)))
    assert found == [str(number) for number in range(len(found))]
    assert len(found) <= 40
    if where == "analyze":
        assert len(found) == 40
