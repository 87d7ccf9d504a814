"""What the tests of killed writers do to an index: one step at a time, again and again, or looked at on the way.

Run in processes of their own; arguments are strings.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from facegallery.domain import Cipher
from facegallery.index import blocks
from facegallery.index.folder import IndexFolder
from facegallery.index.opening import forgetting, open_index, refresh
from facegallery.sealing import GalleryCipher
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from tests.searching import enroll

blocks.BLOCK_BYTES = 10_500
"""A setting, not a part: five vectors or 77 codes, so that a few templates make several blocks."""


@dataclass(frozen=True)
class Opened:
    """An open gallery, and how its index is kept."""

    store: Store
    folder: Path
    cipher: Cipher | None
    limit: int

    def names(self) -> list[str]:
        """The members."""
        return [member.name for member in self.store.members()]


def cipher_of(key: str) -> Cipher | None:
    """The cipher of a key in hex; none of an empty one."""
    return GalleryCipher(bytes.fromhex(key)) if key else None


@contextmanager
def opened(gallery: Path | str, key: str, limit: int | str) -> Iterator[Opened]:
    with Store.open(Path(gallery) / DATABASE_NAME) as store:
        yield Opened(store, Path(gallery) / INDEX_NAME, cipher_of(key), int(limit))


def create(there: Opened) -> None:
    """Write it anew, from nothing."""
    with IndexFolder(there.folder, there.cipher).writing() as writer:
        writer.clear()
    refresh(there.folder, there.store, cipher=there.cipher, limit=there.limit)


def append(there: Opened) -> None:
    """Enroll two and append them."""
    taken = set(there.names())
    free = (name for name in (f"New{number}" for number in count()) if name not in taken)
    enroll(there.store, next(free), next(free))
    refresh(there.folder, there.store, cipher=there.cipher, limit=there.limit)


def bury(there: Opened) -> None:
    """Forget one from the middle and the newest."""
    names = there.names()
    for name in {names[len(names) // 2], names[-1]}:
        with forgetting(there.folder, there.store, cipher=there.cipher, limit=there.limit) as gone:
            gone(there.store.forget(name).template_ids)


def mend(there: Opened) -> None:
    """Open it after a forgetting that was killed before it came to the index, and an enrollment."""
    with forgetting(there.folder, there.store, cipher=there.cipher, limit=there.limit):
        there.store.forget(there.names()[0])
    append(there)
    open_index(there.folder, there.store, cipher=there.cipher, limit=there.limit)


STEPS: dict[str, Callable[[Opened], None]] = {"create": create, "append": append, "bury": bury, "mend": mend}


def again_and_again(
    step: Callable[[Opened], None], times: int
) -> Callable[[str, str, str], Generator[None, None, None]]:
    """A command for ``tests.kills.Nursery``."""

    def work(gallery: str, key: str, limit: str) -> Generator[None, None, None]:
        with opened(gallery, key, limit) as there:
            yield
            for _ in range(times):
                step(there)

    return work


def look_at(step: str, gallery: str, key: str, limit: str, into: str) -> Generator[None, None, None]:
    """Take a step, and copy the index's folder before each time that the step opens, renames, cuts or removes a file.

    Python tells of these by its audit events, so that nothing of the library need be replaced to be looked at. What is
    written to a file that is open is seen at the next event. The hook stays: for a process that ends with this.
    """
    folder, taken, looking = Path(gallery) / INDEX_NAME, count(), False

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal looking
        concerns = event == "os.chmod" or any(str(each).startswith(str(folder)) for each in arguments)
        if looking and concerns and folder.is_dir():
            looking = False  # copying opens files, too
            shutil.copytree(folder, Path(into) / f"{next(taken):03}")
            looking = True

    yield
    sys.addaudithook(look)
    with opened(gallery, key, limit) as there:
        looking = True
        STEPS[step](there)
        look("os.chmod", ())  # and once more at its end
        looking = False


COMMANDS = {**{name: again_and_again(step, 2) for name, step in STEPS.items()}, "look at": look_at}
