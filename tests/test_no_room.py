"""A full disk and a folder that may not be written end in a clear error, with nothing lost, and mend themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from facegallery.domain import Preparation, Secret
from facegallery.errors import GalleryUnavailable
from facegallery.gallery import erasing
from facegallery.index.opening import describe, open_index, refresh
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from tests.conftest import RunCli
from tests.made_up import KEY, MODEL, bytes_of, enroll, face, photo, vector

DISK_MB = 16


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, in memory."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", str(where)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can only be made by root")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def fill(disk: Path, *, leave_bytes: int = 0) -> Path:
    """Take all room but so much."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave_bytes))
    return ballast


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def store(request: pytest.FixtureRequest, disk: Path) -> Iterator[Store]:
    """A gallery's store on that disk."""
    secret: Secret | None = request.param
    with Store.create(
        disk / "gallery" / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX, secret=secret
    ) as made:
        enroll(made, "Ada", 1, 2)
        enroll(made, "Bea", 3)
        yield made


def enroll_until_full(store: Store) -> int:
    """Returns how many were said to be enrolled."""
    said: list[int] = []

    def again_and_again() -> None:
        for seed in count():
            store.enroll("More", photo(f"more {seed}"), face=face(seed), model=MODEL)
            said.append(seed)

    with pytest.raises(GalleryUnavailable, match=r"full.*Nothing was lost"):
        again_and_again()
    return len(said)


def test_enrolling_onto_a_full_disk_keeps_all_that_was_said_to_be_kept(store: Store, disk: Path) -> None:
    """No half photo; with room again the same photo is enrolled."""
    fill(disk, leave_bytes=600_000)
    n = enroll_until_full(store)
    assert n > 3
    assert store.member("More").n_templates == n
    assert store.check() == []
    (disk / "ballast").unlink()
    store.enroll("More", photo(f"more {n}"), face=face(n), model=MODEL)
    assert store.member("More").n_templates == n + 1


Change = Callable[[Store], object]
CHANGES: dict[str, Change] = {
    "rename": lambda store: store.rename("Ada", "A" * 300),
    "merge": lambda store: store.merge("Ada", "Bea"),
    "move": lambda store: store.move_templates({1: "Bea"}),
    "reject": lambda store: store.reject("Ada", photo("r"), face=face(9), model=MODEL),
    "forget": lambda store: store.forget("Ada"),
    "back up": lambda store: store.back_up(store._path.with_name("backup")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_on_a_full_disk_is_done_whole_or_not_at_all(store: Store, disk: Path, change: Change) -> None:
    """The error says that the disk is full; members and vectors are those of before, and with room it works."""
    before = [(member.name, member.n_templates) for member in store.members()]
    fill(disk)
    with pytest.raises(GalleryUnavailable, match=r"full|No space"):
        change(store)
    assert [(member.name, member.n_templates) for member in store.members()] == before
    assert store.check() == []
    assert not store._path.with_name("backup").exists()
    (disk / "ballast").unlink()
    change(store)
    assert store.check() == []


def test_who_is_forgotten_on_a_full_disk_is_erased_once_there_is_room(store: Store, disk: Path) -> None:
    """The rows go; the database cannot be written anew for want of room, which is said, remembered, and done later."""
    for seed in range(100, 700):
        enroll(store, "Many", seed)
    assert store.erase()
    fill(disk, leave_bytes=800_000)  # for the transaction, not for a second copy
    ids = store.templates("Ada").ids.tolist()
    folder = disk / "gallery"
    with pytest.raises(GalleryUnavailable, match=r"full|No space"):
        erasing.remove(folder, store, ids, lambda: store.forget("Ada"))
    assert [member.name for member in store.members()] == ["Bea", "Many"]
    assert store.erasure() is not None
    assert not erasing.finish(folder, store, wait=False)
    (disk / "ballast").unlink()
    assert erasing.finish(folder, store)
    assert store.erasure() is None
    assert vector(1).tobytes()[:64] not in bytes_of(folder)


def test_an_index_without_room_is_done_without(store: Store, disk: Path) -> None:
    """Searching goes on from the database; with room again the files are made, and right."""
    fill(disk)
    folder = disk / "gallery" / INDEX_NAME
    index = open_index(folder, store, cipher=store.cipher)
    assert index.search(vector(3)[None], 1)[1].tolist() == [[3]]
    assert describe(folder, store, cipher=store.cipher) != "current"
    (disk / "ballast").unlink()
    refresh(folder, store, cipher=store.cipher)
    assert describe(folder, store, cipher=store.cipher) == "current"


def test_a_folder_that_may_not_be_written(
    disk: Path, gallery_folder: Path, run_cli: RunCli, sample_group: Path
) -> None:
    """Every command says what is wrong with which folder, and all is as it was once it may be written again."""
    folder = disk / "gallery"
    shutil.copytree(gallery_folder, folder)
    before = bytes_of(folder)
    remount(disk, "ro")
    for command in (
        ("members",),
        ("identify", sample_group / "probe" / "ada-1.jpg"),
        ("check",),
        ("rename", "Ada", "Eve"),
        ("merge", "Ada", "Bea", "--yes"),
        ("forget", "Ada", "--yes"),
        ("enroll", "--member", "New", sample_group / "probe" / "stranger-1a.jpg"),
        ("calibrate", "--reset"),
        ("backup",),
        ("init", "-g", disk / "other"),
    ):
        given = command if "-g" in command else (*command, "-g", folder)
        done = run_cli(*given)
        assert done.code == 1, (command, done)
        assert str(disk) in done.err
        assert "Traceback" not in done.err
    assert bytes_of(folder) == before
    remount(disk, "rw")
    assert run_cli("rename", "Ada", "Eve", "-g", folder).code == 0
