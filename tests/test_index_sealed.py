"""An encrypted gallery's index: nothing in it can be read, changed, exchanged or brought back without the key."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from facegallery.domain import Preparation
from facegallery.index import blocks
from facegallery.index.codes import CodeRows
from facegallery.index.folder import IndexFolder
from facegallery.index.opening import CURRENT, DAMAGED, TAMPERED, describe, forgetting, open_index, refresh
from facegallery.index.stamps import BaseStamp
from facegallery.sealing import GalleryCipher
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from tests.searching import CODES, EXACT, MODEL, answers, enroll, expected, forget

CIPHER, OTHER = GalleryCipher(bytes(32)), GalleryCipher(bytes(range(32)))
BOTH_KINDS = pytest.mark.parametrize("limit", [EXACT, CODES], ids=["exact", "codes"])
NAMES = [f"Person{number}" for number in range(12)]
SLOTS = 5
"""In a block here: twelve templates fill two, and begin a third."""


@pytest.fixture
def store(tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A gallery of twelve members with a template each, and short blocks."""
    row_bytes = 2048 if limit == EXACT else 128
    monkeypatch.setattr(blocks, "BLOCK_BYTES", SLOTS * (8 + row_bytes))  # a setting, not a part
    with Store.create(tmp_path / "gallery" / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX) as opened:
        enroll(opened, *NAMES)
        yield opened


@pytest.fixture
def folder(tmp_path: Path, store: Store) -> Path:
    return tmp_path / "gallery" / INDEX_NAME


def stamp_of(folder: Path) -> BaseStamp:
    stamp = IndexFolder(folder, CIPHER).stamp()
    assert stamp is not None
    return stamp


def files_of_blocks(folder: Path) -> list[Path]:
    """In their order."""
    return [folder / f"block.{block.name}" for block in stamp_of(folder).blocks]


def traces(store: Store, *names: str) -> list[bytes]:
    """The bytes that must not be there: members' vectors and their codes."""
    vectors = np.concatenate([store.templates(name).vectors for name in names])
    return [each.tobytes() for each in (*vectors, *CodeRows.encode(vectors))]


def whole(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


# --- what is there to be read -------------------------------------------------------------------------------------


@BOTH_KINDS
def test_without_the_key_nothing_can_be_read(store: Store, folder: Path, limit: int) -> None:
    """No vector, no code and no id: only how many bytes there are. With it the answers are the reference's."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    content = whole(folder)
    assert not [trace for trace in traces(store, *NAMES) if trace in content]
    assert not [key for key in store.templates().ids if key.tobytes() in content]
    assert MODEL.fingerprint.encode() not in content
    assert describe(folder, store, cipher=CIPHER) == CURRENT
    assert answers(open_index(folder, store, limit=limit, cipher=CIPHER), store, NAMES) == expected(store, NAMES)


@BOTH_KINDS
def test_full_blocks_stay_when_templates_are_added(store: Store, folder: Path, limit: int) -> None:
    """Only the last block, which has room, is written again; what it was before is gone."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    before = files_of_blocks(folder)
    contents = [file.read_bytes() for file in before]
    enroll(store, *(f"Late{number}" for number in range(5)))
    refresh(folder, store, limit=limit, cipher=CIPHER)
    after = files_of_blocks(folder)
    assert [block.n_slots for block in stamp_of(folder).blocks] == [5, 5, 5, 2]
    assert after[:2] == before[:2]
    assert [file.read_bytes() for file in after[:2]] == contents[:2]
    assert not before[2].exists()
    assert {file.name for file in folder.iterdir()} == {"lock", "stamp.json", *(file.name for file in after)}
    assert describe(folder, store, cipher=CIPHER) == CURRENT


@BOTH_KINDS
def test_the_blocks_of_the_forgotten_are_sealed_again_without_them(store: Store, folder: Path, limit: int) -> None:
    """In the first block and in the last: these are other files, the old ones are overwritten, and the rest stays."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    before = files_of_blocks(folder)
    for number, file in enumerate(before):
        os.link(file, folder.parent / f"kept{number}")  # so that what was on the disk can be looked at later
    contents = [file.read_bytes() for file in before]
    gone = traces(store, "Person1", "Person11")
    forget(store, folder, "Person1", limit, CIPHER)
    forget(store, folder, "Person11", limit, CIPHER)
    after = files_of_blocks(folder)
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, False]
    kept = [(folder.parent / f"kept{number}").read_bytes() for number in range(3)]
    assert kept == [bytes(len(contents[0])), contents[1], bytes(len(contents[2]))]
    assert {file.name for file in folder.iterdir()} == {"lock", "stamp.json", *(file.name for file in after)}
    stamp = stamp_of(folder)
    ids, rows = IndexFolder(folder, CIPHER).arrays(stamp)
    assert (ids < 0).nonzero()[0].tolist() == [1, 11]
    assert not [trace for trace in gone if trace in rows.tobytes()]
    assert (stamp.n_live, stamp.last_id) == (10, 11)
    assert describe(folder, store, cipher=CIPHER) == CURRENT
    assert answers(open_index(folder, store, limit=limit, cipher=CIPHER), store, NAMES) == expected(store, NAMES)


@BOTH_KINDS
def test_the_newest_template_is_known_when_whole_blocks_are_dead(store: Store, folder: Path, limit: int) -> None:
    """Those of the last block and one before: the next append comes behind them all the same."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    with forgetting(folder, store, limit=limit, cipher=CIPHER) as bury:
        bury([key for name in ("Person9", "Person10", "Person11") for key in store.forget(name).template_ids])
    assert (stamp_of(folder).last_id, stamp_of(folder).n_live) == (9, 9)
    enroll(store, "Late")
    refresh(folder, store, limit=limit, cipher=CIPHER)
    assert describe(folder, store, cipher=CIPHER) == CURRENT
    assert stamp_of(folder).n_slots == 13


# --- plain and encrypted ------------------------------------------------------------------------------------------


@BOTH_KINDS
@pytest.mark.parametrize("how", ["open", "refresh", "forget"])
def test_a_plain_index_in_an_encrypted_gallery_is_overwritten_and_removed(
    store: Store, folder: Path, limit: int, how: str
) -> None:
    """Whatever comes first; it is told until then, and never used."""
    open_index(folder, store, limit=limit)
    (rows,) = folder.glob("rows.*")
    os.link(rows, folder.parent / "kept")
    assert describe(folder, store, cipher=CIPHER) == "stale: it is not encrypted, and the gallery is"
    if how == "open":
        open_index(folder, store, limit=limit, cipher=CIPHER)
    elif how == "refresh":
        refresh(folder, store, limit=limit, cipher=CIPHER)
    else:
        forget(store, folder, "Person3", limit, CIPHER)
    assert not any((folder.parent / "kept").read_bytes())
    assert not [file for file in folder.iterdir() if file.name.startswith(("rows", "ids"))]
    assert answers(open_index(folder, store, limit=limit, cipher=CIPHER), store, NAMES) == expected(store, NAMES)
    assert describe(folder, store, cipher=CIPHER) == CURRENT


@BOTH_KINDS
def test_a_sealed_index_in_a_plain_gallery_is_removed(store: Store, folder: Path, limit: int) -> None:
    """And made again as the gallery's own."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    assert describe(folder, store) == "stale: it is encrypted, and the gallery is not"
    assert answers(open_index(folder, store, limit=limit), store, NAMES) == expected(store, NAMES)
    assert not list(folder.glob("block.*"))
    assert describe(folder, store) == CURRENT


@BOTH_KINDS
def test_a_link_is_removed_and_what_it_leads_to_stays(store: Store, folder: Path, limit: int) -> None:
    """Only the folder's own files are overwritten."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    (folder.parent / "else").write_bytes(b"somebody's")
    (folder / "link").symlink_to(folder.parent / "else")
    forget(store, folder, "Person3", limit, CIPHER)
    assert not (folder / "link").is_symlink()
    assert (folder.parent / "else").read_bytes() == b"somebody's"


# --- chance and intent --------------------------------------------------------------------------------------------


def fall_over(file: Path, place: int) -> None:
    """One bit."""
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def mended(sealed: bytes) -> bytes:
    """A byte changed, and the check sum set right."""
    body = bytearray(sealed[:-4])
    body[40] ^= 1
    return bytes(body) + zlib.crc32(bytes(body)).to_bytes(4, "little")


def change_stamp(folder: Path, change: Callable[[bytes], bytes]) -> None:
    stamp = folder / "stamp.json"
    sealed = b64decode(json.loads(stamp.read_bytes())["sealed"])
    stamp.write_text(json.dumps({"sealed": b64encode(change(sealed)).decode()}))


def exchange(folder: Path) -> None:
    first, second = files_of_blocks(folder)[:2]
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])


def bring_back(folder: Path) -> None:
    """A block as it was before, under its new name: with somebody in it who is no more."""
    (folder.parent / "new").mkdir()
    old = files_of_blocks(folder)[0].read_bytes()
    with Store.open(folder.parent / DATABASE_NAME) as store:
        forget(store, folder, "Person1", EXACT if len(old) > 2000 else CODES, CIPHER)
    files_of_blocks(folder)[0].write_bytes(old)


def seal_by_another(folder: Path) -> None:
    shutil.rmtree(folder)
    with Store.open(folder.parent / DATABASE_NAME) as store:
        open_index(folder, store, cipher=OTHER)


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of a block": (lambda folder: fall_over(files_of_blocks(folder)[1], 100), DAMAGED),
    "the end of a block": (lambda folder: fall_over(files_of_blocks(folder)[2], -1), DAMAGED),
    "a block cut short": (lambda folder: os.truncate(files_of_blocks(folder)[1], 50), DAMAGED),
    "an empty block": (lambda folder: os.truncate(files_of_blocks(folder)[1], 0), DAMAGED),
    "no block": (lambda folder: files_of_blocks(folder)[1].unlink(), "not readable: No such file or directory"),
    "a bit of the stamp": (
        lambda folder: change_stamp(folder, lambda sealed: sealed[:50] + bytes([sealed[50] ^ 1]) + sealed[51:]),
        DAMAGED,
    ),
    "a short stamp": (lambda folder: change_stamp(folder, lambda sealed: sealed[:20]), DAMAGED),
    "a stamp that is no base64": (lambda folder: (folder / "stamp.json").write_text('{"sealed": "?"}'), DAMAGED),
    "a stamp that is a number": (lambda folder: (folder / "stamp.json").write_text('{"sealed": 3}'), DAMAGED),
    "a block and its check sum": (
        lambda folder: files_of_blocks(folder)[1].write_bytes(mended(files_of_blocks(folder)[1].read_bytes())),
        TAMPERED,
    ),
    "a stamp and its check sum": (lambda folder: change_stamp(folder, mended), TAMPERED),
    "two blocks exchanged": (exchange, TAMPERED),
    "an earlier state of a block": (bring_back, TAMPERED),
    "sealed with another key": (seal_by_another, TAMPERED),
}


@BOTH_KINDS
@pytest.mark.parametrize("harm", HARMS)
def test_what_was_harmed_is_told_and_made_again(store: Store, folder: Path, limit: int, harm: str) -> None:
    """Chance is told from intent, nothing of it is used, and the files are good again afterwards."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    change, words = HARMS[harm]
    change(folder)
    assert describe(folder, store, cipher=CIPHER) == words
    assert answers(open_index(folder, store, limit=limit, cipher=CIPHER), store, NAMES) == expected(store, NAMES)
    assert describe(folder, store, cipher=CIPHER) == CURRENT
    named = {"lock", "stamp.json", *(file.name for file in files_of_blocks(folder))}
    assert {file.name for file in folder.iterdir()} == named


@BOTH_KINDS
@pytest.mark.parametrize("harm", HARMS)
def test_nobody_stays_in_files_that_were_harmed(store: Store, folder: Path, limit: int, harm: str) -> None:
    """Forgetting somebody whose block does not open leaves no index; appending to one that does not makes it anew."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    HARMS[harm][0](folder)
    forget(store, folder, "Person7", limit, CIPHER)
    assert not describe(folder, store, cipher=CIPHER).startswith("stale")
    enroll(store, "Late")
    refresh(folder, store, limit=limit, cipher=CIPHER)
    open_index(folder, store, limit=limit, cipher=CIPHER)
    ids, _ = IndexFolder(folder, CIPHER).arrays(stamp_of(folder))
    np.testing.assert_array_equal(ids[ids > 0], store.templates().ids)
    assert describe(folder, store, cipher=CIPHER) == CURRENT


@BOTH_KINDS
@pytest.mark.parametrize("harm", ["a block cut short", "an empty block", "no block", "the end of a block"])
def test_nothing_is_appended_to_what_is_not_whole(store: Store, folder: Path, limit: int, harm: str) -> None:
    """Sizes are looked at, and the block that has room is opened: where either is wrong, all is written anew."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    HARMS[harm][0](folder)
    enroll(store, "Late")
    refresh(folder, store, limit=limit, cipher=CIPHER)
    assert describe(folder, store, cipher=CIPHER) == CURRENT


@BOTH_KINDS
def test_a_whole_index_from_before_is_noticed(store: Store, folder: Path, limit: int) -> None:
    """All its seals are right, and the store no longer has one of its templates."""
    open_index(folder, store, limit=limit, cipher=CIPHER)
    shutil.copytree(folder, folder.parent / "before")
    forget(store, folder, "Person1", limit, CIPHER)
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "before", folder)
    assert describe(folder, store, cipher=CIPHER) == "stale: 12 templates, the gallery has 11 of them"
    assert answers(open_index(folder, store, limit=limit, cipher=CIPHER), store, NAMES) == expected(store, NAMES)
    assert describe(folder, store, cipher=CIPHER) == CURRENT
