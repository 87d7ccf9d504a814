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

from facegallery.domain import Photo, Pixels
from facegallery.gallery.pipeline import AHEAD_PIXELS, GROUP_PHOTOS, GROUP_PIXELS, analyzed


def photo(number: int, side_px: int = 1) -> Photo:
    """A photo of ``side_px`` squared pixels that take no memory."""
    pixels: Pixels = np.broadcast_to(np.uint8(0), (side_px, side_px, 3))
    return Photo(Path(f"{number}.jpg"), f"{number:064d}", pixels, side_px, side_px)


def photo_of(item: Photo | str) -> Photo | None:
    return item if isinstance(item, Photo) else None


def name(item: Photo | str) -> str:
    return item if isinstance(item, str) else item.path.stem


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Every test must leave as many threads as it found."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 900, 3000, 4096]), max_size=60))
def test_order_and_groups(sides: list[int]) -> None:
    """Every item comes out once and in order, photos with their own answer; no group is larger than it may be."""
    items: list[Photo | str] = [photo(at, side) if side else f"skipped {at}" for at, side in enumerate(sides)]

    def answers(photos: Sequence[Photo]) -> list[str]:
        n_pixels = [each.pixels.shape[0] * each.pixels.shape[1] for each in photos]
        assert 0 < len(photos) <= GROUP_PHOTOS
        assert len(photos) == 1 or sum(n_pixels) <= GROUP_PIXELS
        return [f"answer {each.path.stem}" for each in photos]

    found = list(analyzed(items, lambda item: item, photo_of, answers))

    assert [item for item, _ in found] == items
    assert [answer for _, answer in found] == [
        f"answer {name(item)}" if isinstance(item, Photo) else None for item in items
    ]


@pytest.mark.parametrize("sides", [(300,), (4096,), (300, 300, 300, 4000), (2000, 3000)], ids=str)
def test_fifty_thousand_photos_take_no_more_memory_than_a_few(sides: tuple[int, ...]) -> None:
    """However many photos there are, only so many pixels are held at a time: those read ahead and two groups."""
    alive, most, lock = 0, 0, threading.Lock()

    class Counted(Photo):
        """A photo that says when it is let go."""

        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= self.width_px**2

    def read(number: int) -> Photo:
        nonlocal alive, most
        side_px = sides[number % len(sides)]
        made = photo(number, side_px)
        with lock:
            alive += side_px**2
            most = max(most, alive)
        return Counted(made.path, made.content_hash, made.pixels, side_px, side_px)

    n_photos = 50_000 if sides == (300,) else 2_000
    found = analyzed(range(n_photos), read, photo_of, lambda photos: [0] * len(photos))

    assert sum(1 for _ in found) == n_photos
    largest = max(sides) ** 2
    assert most <= AHEAD_PIXELS + 3 * max(GROUP_PIXELS, largest) + 4 * largest
    assert alive <= largest  # the last item is still named by the loop


def test_the_first_answer_does_not_wait_for_the_last_photo() -> None:
    """From a stream without end the first answers come, and stopping ends the threads."""
    n_read = 0

    def read(number: int) -> Photo:
        nonlocal n_read
        n_read += 1
        return photo(number)

    stream = analyzed(itertools.count(), read, photo_of, lambda photos: [0] * len(photos))
    assert [name(item) for item, _ in itertools.islice(stream, 3)] == ["0", "1", "2"]
    stream.close()  # type: ignore[attr-defined]  # a generator, behind its Iterator
    assert n_read < 10 * GROUP_PHOTOS


def test_photos_are_read_while_others_are_analyzed() -> None:
    """Reading goes on while the networks are busy: the first group's analysis ends only when more has been read."""
    more_is_read = threading.Event()

    def read(number: int) -> Photo:
        if number == GROUP_PHOTOS + 1:
            more_is_read.set()
        return photo(number)

    def answers(photos: Sequence[Photo]) -> list[bool]:
        return [more_is_read.wait(timeout=30)] * len(photos)

    found = list(analyzed(range(3 * GROUP_PHOTOS), read, photo_of, answers))
    assert all(answer for _, answer in found)


@pytest.mark.parametrize("where", ["read", "analyze"])
def test_what_is_raised_comes_out(where: str) -> None:
    """A fault of the program in one photo is raised to the caller after the answers before it, and ends the threads."""

    def read(number: int) -> Photo:
        if where == "read" and number == 40:
            raise ZeroDivisionError
        return photo(number)

    def answers(photos: Sequence[Photo]) -> list[int]:
        if where == "analyze" and any(each.path.stem == "40" for each in photos):
            raise ZeroDivisionError
        return [0] * len(photos)

    found: list[str] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(name(item) for item, _ in analyzed(range(100), read, photo_of, answers))
    assert found == [str(number) for number in range(len(found))]
    assert 0 < len(found) <= 40
