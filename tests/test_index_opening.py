"""The index's files beside their store: always complete, never behind a wrong name, and rid of whoever is forgotten."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegallery.domain import Cipher, ModelIdentity, Preparation
from facegallery.errors import GalleryUnavailable
from facegallery.index import opening
from facegallery.index.codes import CodeRows
from facegallery.index.exact import ExactRows
from facegallery.index.folder import IndexFolder
from facegallery.index.opening import (
    CURRENT,
    DAMAGED,
    MISSING,
    describe,
    forgetting,
    open_index,
    refresh,
)
from facegallery.index.reference import NumpyIndex
from facegallery.sealing import GalleryCipher
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from tests.children import line_of, start
from tests.searching import (
    CODES,
    EXACT,
    MODEL,
    answers,
    by_best_template,
    enroll,
    expected,
    forget,
    unit_vectors,
    vector_of,
)

BOTH_KINDS = pytest.mark.parametrize("limit", [EXACT, CODES], ids=["exact", "codes"])
PLAIN_AND_SEALED = pytest.mark.parametrize("cipher", [None, GalleryCipher(bytes(32))], ids=["plain", "sealed"])


NAMES = [f"Person{number}" for number in range(12)]


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """A gallery of twelve members with a template each; to be changed."""
    with Store.create(tmp_path / "gallery" / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX) as store:
        enroll(store, *NAMES)
    return tmp_path / "gallery"


@pytest.fixture
def store(gallery: Path) -> Iterator[Store]:
    with Store.open(gallery / DATABASE_NAME) as opened:
        yield opened


@pytest.fixture
def folder(gallery: Path) -> Path:
    return gallery / INDEX_NAME


def never_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Records from which template on the store's vectors are read."""
    read: list[int] = []
    original = store.template_batches

    def recorded(after: int) -> object:
        read.append(after)
        return original(after)

    monkeypatch.setattr(store, "template_batches", recorded)
    return read


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# --- kinds and answers --------------------------------------------------------------------------------------------


@PLAIN_AND_SEALED
@BOTH_KINDS
def test_both_kinds_answer_as_the_reference(store: Store, folder: Path, limit: int, cipher: Cipher | None) -> None:
    """From new files, from files read again, and with a tail: the store's own similarities."""
    for added in ([], ["Person3-2", "Late", "Late-2"]):
        enroll(store, *added)
        for _ in range(2):
            index = open_index(folder, store, limit=limit, cipher=cipher)
            assert isinstance(index.base, ExactRows if limit == EXACT else CodeRows)
            assert index.count == 12 + len(added)
            assert answers(index, store, NAMES) == expected(store, NAMES)
    assert describe(folder, store, cipher=cipher) == "behind by 3"


@PLAIN_AND_SEALED
def test_base_and_tail_are_one_list(store: Store, folder: Path, cipher: Cipher | None) -> None:
    """Whatever is asked for, the best of both come, best first, as from one index."""
    open_index(folder, store, cipher=cipher)
    enroll(store, "Late", "Person3-2", "Later")
    index, rows, reference = open_index(folder, store, cipher=cipher), store.templates(), NumpyIndex()
    reference.add(rows.ids, rows.vectors)
    probes = np.stack([vector_of(name) for name in ("Late", "Person3", "Person7")])
    for k in (1, 2, 5, 15, 99):
        found, ids = index.search(probes, k)
        wanted, wanted_ids = reference.search(probes, k)
        np.testing.assert_array_equal(ids, wanted_ids)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_many_templates_as_codes_have_recall_and_exact_similarities(tmp_path: Path) -> None:
    """3000 templates of 600 people: the nearest member is the reference's, and so is the similarity."""
    from benchmarks.search import around, make_gallery, members

    make_gallery(tmp_path, members(600, 5), 5)
    rng = np.random.default_rng(5)
    with Store.open(tmp_path / DATABASE_NAME) as store:
        index = open_index(tmp_path / INDEX_NAME, store, limit=1000)
        assert isinstance(index.base, CodeRows)
        rows = store.templates()
        reference = NumpyIndex()
        reference.add(rows.ids, rows.vectors)
        probes = np.concatenate((around(rows.vectors[::30], rng), unit_vectors(100, seed=6)))
        pairs = [by_best_template(each, store.templates_of).candidates(probes, 2) for each in (index, reference)]
    same = [found[0] == wanted[0] for found, wanted in zip(*pairs, strict=True)]
    assert np.mean(same) >= 0.995


@PLAIN_AND_SEALED
def test_the_kind_follows_the_number_of_templates(store: Store, folder: Path, cipher: Cipher | None) -> None:
    """At the limit exact, above it codes; codes stay codes when some go."""
    kinds = []
    changes: tuple[Callable[[], None], ...] = (
        lambda: None,
        lambda: enroll(store, "One"),
        lambda: forget(store, folder, "One", limit=12, cipher=cipher),
    )
    for change in changes:
        change()
        refresh(folder, store, limit=12, cipher=cipher)
        stamp = IndexFolder(folder, cipher).stamp()
        assert stamp is not None
        kinds.append((stamp.kind, stamp.n_live))
    assert kinds == [("exact", 12), ("codes", 13), ("codes", 12)]
    assert answers(open_index(folder, store, limit=12, cipher=cipher), store, NAMES) == expected(store, NAMES)


# --- what is written, and when ------------------------------------------------------------------------------------


@BOTH_KINDS
def test_adding_reads_and_writes_only_what_is_new(
    store: Store, folder: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening after an enrollment changes no file; refreshing appends, and the old bytes stay where they are."""
    open_index(folder, store, limit=limit)
    before = files_of(folder)
    read = never_batches(store, monkeypatch)
    enroll(store, "Late")
    store.rename("Person1", "Somebody")
    open_index(folder, store, limit=limit)
    assert files_of(folder) == before
    refresh(folder, store, limit=limit)
    assert read == [12, 12]
    after = files_of(folder)
    assert after.keys() == before.keys()
    assert all(after[name].startswith(before[name]) for name in after if name.startswith(("ids", "rows")))
    assert describe(folder, store) == CURRENT


@PLAIN_AND_SEALED
def test_a_long_tail_is_appended_when_opened(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, cipher: Cipher | None
) -> None:
    """Somebody who enrolled and never refreshed: the next opening does it, once there is enough to be worth it."""
    monkeypatch.setattr(opening, "LONGEST_TAIL", 2)  # a setting, not a part
    open_index(folder, store, cipher=cipher)
    enroll(store, "A", "B")
    open_index(folder, store, cipher=cipher)
    assert describe(folder, store, cipher=cipher) == "behind by 2"
    enroll(store, "C")
    open_index(folder, store, cipher=cipher)
    assert describe(folder, store, cipher=cipher) == CURRENT


@PLAIN_AND_SEALED
def test_an_open_index_is_used_again_and_takes_in_what_is_new(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, cipher: Cipher | None
) -> None:
    """A process that stays does not load the base again because one template was added."""
    first = open_index(folder, store, limit=CODES, cipher=cipher)
    enroll(store, "Late")
    second = open_index(folder, store, limit=CODES, known=first, cipher=cipher)
    assert second.base is first.base
    assert answers(second, store, ["Late"])[0][0][0] == "Late"
    forget(store, folder, "Person0", limit=CODES, cipher=cipher)
    third = open_index(folder, store, limit=CODES, known=second, cipher=cipher)
    assert third.count == 12
    assert answers(third, store, NAMES) == expected(store, NAMES)


@PLAIN_AND_SEALED
@pytest.mark.parametrize("umask", [0, 0o777], ids=["takes nothing", "takes all"])
def test_only_this_person_may_read_the_files(store: Store, folder: Path, umask: int, cipher: Cipher | None) -> None:
    """Vectors are biometric data: 0700 and 0600 whatever the umask, also where a killed process left a wider file."""
    old = os.umask(umask)
    try:
        open_index(folder, store, cipher=cipher)
        (folder / "stamp.json.new").touch()
        (folder / "stamp.json.new").chmod(0o666)
        (folder / "lock").chmod(0o666)
        enroll(store, "Late")
        refresh(folder, store, cipher=cipher)
    finally:
        os.umask(old)
    assert describe(folder, store, cipher=cipher) == CURRENT
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@PLAIN_AND_SEALED
def test_files_of_the_version_before_go(store: Store, folder: Path, cipher: Cipher | None) -> None:
    """One file, index.faiss, and what its killed writers left: they hold vectors, too."""
    for name in ("index.faiss", "index.faiss.abc.new"):
        (folder.parent / name).write_bytes(b"vectors")
    open_index(folder, store, cipher=cipher)
    assert not list(folder.parent.glob("index.faiss*"))


# --- any history --------------------------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("enroll"), st.sampled_from(["A", "A-2", "B", "B-2", "C", "D"])),
        st.tuples(st.just("forget"), st.sampled_from(["A", "B", "C", "Person0", "Person1", "Person11"])),
        st.tuples(st.sampled_from(["open", "reopen", "refresh", "orphan", "restore"]), st.just("")),
    ),
    max_size=12,
)


@PLAIN_AND_SEALED
@BOTH_KINDS
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
def test_any_history_ends_in_the_answers_of_a_new_index(
    gallery: Path,
    tmp_path_factory: pytest.TempPathFactory,
    limit: int,
    history: list[tuple[str, str]],
    cipher: Cipher | None,
) -> None:
    """Enrolling, forgetting, killed forgetting, opening, appending, restoring a copy: same answers as from scratch."""
    here = tmp_path_factory.mktemp("history") / "gallery"
    shutil.copytree(gallery, here)
    shutil.copy(here / DATABASE_NAME, here / "copy")
    folder = here / INDEX_NAME
    store, known = Store.open(here / DATABASE_NAME), None
    try:
        for what, name in history:
            there = {member.name for member in store.members()}
            if what == "enroll":
                enroll(store, name)
            elif what == "forget" and name in there:
                forget(store, folder, name, limit, cipher=cipher)
            elif what == "orphan" and there:
                with forgetting(folder, store, limit=limit, cipher=cipher):
                    store.forget(sorted(there)[0])  # and killed before it came to bury
            elif what == "open":
                known = open_index(folder, store, limit=limit, cipher=cipher)
            elif what == "reopen":
                known = open_index(folder, store, limit=limit, known=known, cipher=cipher)
            elif what == "refresh":
                refresh(folder, store, limit=limit, cipher=cipher)
            elif what == "restore":
                store.close()
                for file in here.glob(f"{DATABASE_NAME}*"):
                    file.unlink()
                shutil.copy(here / "copy", here / DATABASE_NAME)
                store, known = Store.open(here / DATABASE_NAME), None
        index = open_index(folder, store, limit=limit, known=known, cipher=cipher)
        assert answers(index, store, [*NAMES, "A", "B"]) == expected(store, [*NAMES, "A", "B"])
        refresh(folder, store, limit=limit, cipher=cipher)
        assert describe(folder, store, cipher=cipher) == CURRENT
    finally:
        store.close()


# --- forgetting ---------------------------------------------------------------------------------------------------


def traces(store: Store, name: str) -> list[bytes]:
    """The bytes that must not be left: a member's vectors and their codes."""
    vectors = store.templates(name).vectors
    return [each.tobytes() for each in (*vectors, *CodeRows.encode(vectors))]


@BOTH_KINDS
def test_nothing_of_the_forgotten_is_left_and_nothing_else_changes(store: Store, folder: Path, limit: int) -> None:
    """In the middle and at the end; the file is the same file, all other bytes stay, and who has it open goes on."""
    enroll(store, "Person5-2", "Person5-3")
    index = open_index(folder, store, limit=limit)
    inodes = {file.name: file.stat().st_ino for file in folder.iterdir() if file.name != "stamp.json"}
    gone = traces(store, "Person5") + traces(store, "Person11")
    kept = CodeRows.encode(store.templates("Person6").vectors).tobytes()
    whole = b"".join(files_of(folder).values())
    assert sum(trace in whole for trace in gone) == 4
    forget(store, folder, "Person5", limit)
    forget(store, folder, "Person11", limit)
    left = b"".join(file.read_bytes() for file in folder.parent.rglob("*") if file.is_file())
    assert not [trace for trace in gone if trace in left]
    assert (kept in left) == (limit == CODES)
    assert inodes == {file.name: file.stat().st_ino for file in folder.iterdir() if file.name != "stamp.json"}
    assert describe(folder, store) == CURRENT
    assert answers(index, store, NAMES) == expected(store, NAMES)
    assert answers(open_index(folder, store, limit=limit), store, NAMES) == expected(store, NAMES)


@BOTH_KINDS
def test_what_a_killed_append_left_is_forgotten_too(store: Store, folder: Path, limit: int) -> None:
    """Bytes behind the last slot, and files that were never published."""
    open_index(folder, store, limit=limit)
    gone = traces(store, "Person5")
    for file in folder.glob("rows.*"):
        with file.open("ab") as out:
            out.write(b"".join(gone))
    (folder / "rows.0123456789abcdef").write_bytes(gone[0])
    (folder / "stamp.json.new").write_bytes(b"{")
    forget(store, folder, "Person5", limit)
    left = b"".join(files_of(folder).values())
    assert not [trace for trace in gone if trace in left]
    assert len(files_of(folder)) == 4
    assert describe(folder, store) == CURRENT


def test_a_forgetting_that_was_killed_is_finished_by_the_next_opening(store: Store, folder: Path) -> None:
    """The store no longer has them, the files still do: told, then buried, without reading any vector."""
    open_index(folder, store, limit=CODES)
    gone = traces(store, "Person5")
    inodes = {file.name: file.stat().st_ino for file in folder.glob("rows.*")}
    store.forget("Person5")
    assert describe(folder, store) == "stale: 12 templates, the gallery has 11 of them"
    assert answers(open_index(folder, store, limit=CODES), store, NAMES) == expected(store, NAMES)
    assert not [trace for trace in gone if trace in b"".join(files_of(folder).values())]
    assert inodes == {file.name: file.stat().st_ino for file in folder.glob("rows.*")}
    assert describe(folder, store) == CURRENT


@PLAIN_AND_SEALED
def test_mostly_dead_files_are_written_anew(store: Store, folder: Path, cipher: Cipher | None) -> None:
    """Not before more than half are gone."""
    open_index(folder, store, limit=CODES, cipher=cipher)
    slots = []
    for name in NAMES[:7]:
        forget(store, folder, name, CODES, cipher=cipher)
        stamp = IndexFolder(folder, cipher).stamp()
        assert stamp is not None
        slots.append(stamp.n_slots)
    assert slots == [12] * 6 + [5]
    assert answers(open_index(folder, store, limit=CODES, cipher=cipher), store, NAMES) == expected(store, NAMES)


@BOTH_KINDS
def test_ids_that_were_damaged_do_not_keep_anybody(store: Store, folder: Path, limit: int) -> None:
    """Whose slot cannot be found is not left in the file: without an index nobody is in it."""
    open_index(folder, store, limit=limit)
    gone = traces(store, "Person5")
    (ids,) = folder.glob("ids.*")
    content = bytearray(ids.read_bytes())
    content[5 * 8 : 6 * 8] = (10**6).to_bytes(8, "little")
    ids.write_bytes(content)
    forget(store, folder, "Person5", limit)
    assert not [trace for trace in gone if trace in b"".join(files_of(folder).values())]
    assert answers(open_index(folder, store, limit=limit), store, NAMES) == expected(store, NAMES)


# --- not this store's, or damaged ---------------------------------------------------------------------------------


@PLAIN_AND_SEALED
def test_files_of_another_history_are_not_used(gallery: Path, tmp_path: Path, cipher: Cipher | None) -> None:
    """A database brought back from a copy that has gone on otherwise, with the same ids and as many templates."""
    folder, database = gallery / INDEX_NAME, gallery / DATABASE_NAME
    shutil.copy(database, tmp_path / "copy")
    with Store.open(database) as store:
        enroll(store, "Zed")
        open_index(folder, store, cipher=cipher)
    restore(database, tmp_path / "copy")
    with Store.open(database) as store:
        enroll(store, "Zoe")
        assert describe(folder, store, cipher=cipher) == "stale: made of another gallery, or of one since restored"
        assert answers(open_index(folder, store, cipher=cipher), store, ["Zoe"])[0][0][0] == "Zoe"
        assert describe(folder, store, cipher=cipher) == CURRENT


def restore(database: Path, copy: Path) -> None:
    """Put a copy of the database in its place, as from a backup."""
    for file in database.parent.glob(f"{DATABASE_NAME}*"):
        file.unlink()
    shutil.copy(copy, database)


@PLAIN_AND_SEALED
def test_a_copy_from_before_somebody_was_forgotten_has_them_again(
    gallery: Path, tmp_path: Path, cipher: Cipher | None
) -> None:
    """The files lack somebody whom the restored database has: they are made again."""
    folder, database = gallery / INDEX_NAME, gallery / DATABASE_NAME
    shutil.copy(database, tmp_path / "copy")
    with Store.open(database) as store:
        open_index(folder, store, cipher=cipher)
        forget(store, folder, "Person4", cipher=cipher)
    restore(database, tmp_path / "copy")
    with Store.open(database) as store:
        assert describe(folder, store, cipher=cipher) == "stale: 11 templates, the gallery has 12 of them"
        assert answers(open_index(folder, store, cipher=cipher), store, NAMES) == expected(store, NAMES)


@PLAIN_AND_SEALED
def test_another_model_s_files_are_not_used(store: Store, folder: Path, tmp_path: Path, cipher: Cipher | None) -> None:
    """Also where number and ids are the same."""
    with Store.create(
        tmp_path / "other" / DATABASE_NAME, model=ModelIdentity("x", "b" * 64), preparation=Preparation.BOX
    ) as other:
        open_index(folder, other, cipher=cipher)
        with closing(sqlite3.connect(tmp_path / "other" / DATABASE_NAME)):
            pass
    assert describe(folder, store, cipher=cipher) == "stale: made with another model"
    assert open_index(folder, store, cipher=cipher).count == 12
    assert describe(folder, store, cipher=cipher) == CURRENT


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def overwrite_stamp(folder: Path, **fields: object) -> None:
    stamp = json.loads((folder / "stamp.json").read_bytes())
    (folder / "stamp.json").write_text(json.dumps({**stamp, **fields}))


def swap_ids(folder: Path) -> None:
    (ids,) = folder.glob("ids.*")
    content = ids.read_bytes()
    ids.write_bytes(content[8:16] + content[:8] + content[16:])


HARMS: dict[str, Callable[[Path], object]] = {
    "no stamp": lambda folder: (folder / "stamp.json").unlink(),
    "an empty stamp": lambda folder: (folder / "stamp.json").write_bytes(b""),
    "a garbage stamp": lambda folder: (folder / "stamp.json").write_bytes(b"\xff\x00 garbage"),
    "a stamp that is a list": lambda folder: (folder / "stamp.json").write_bytes(b"[1, 2]"),
    "another format": lambda folder: overwrite_stamp(folder, format=99),
    "an unknown kind": lambda folder: overwrite_stamp(folder, kind="graph"),
    "a field too many": lambda folder: overwrite_stamp(folder, more=1),
    "a number of another type": lambda folder: overwrite_stamp(folder, n_slots="12"),
    "a negative number": lambda folder: overwrite_stamp(folder, n_live=-1),
    "a token that is a path": lambda folder: overwrite_stamp(folder, token="../x"),  # noqa: S106 - the end of a file name
    "too many slots": lambda folder: overwrite_stamp(folder, n_slots=10**9),
    "a time that is none": lambda folder: overwrite_stamp(folder, last_added="yesterday"),
    "a time without a zone": lambda folder: overwrite_stamp(folder, last_added="2026-11-21T10:00:00"),
    "short ids": lambda folder: shorten(next(folder.glob("ids.*"))),
    "short rows": lambda folder: shorten(next(folder.glob("rows.*"))),
    "no ids": lambda folder: next(folder.glob("ids.*")).unlink(),
    "no rows": lambda folder: next(folder.glob("rows.*")).unlink(),
    "ids in disorder": swap_ids,
}


@BOTH_KINDS
@pytest.mark.parametrize("harm", HARMS)
def test_files_that_were_harmed_are_made_again(store: Store, folder: Path, limit: int, harm: str) -> None:
    """Never a crash, never a missing member; the files are good again afterwards."""
    open_index(folder, store, limit=limit)
    HARMS[harm](folder)
    assert describe(folder, store) != CURRENT
    assert answers(open_index(folder, store, limit=limit), store, NAMES) == expected(store, NAMES)
    assert describe(folder, store) == CURRENT
    assert len(files_of(folder)) == 4


@BOTH_KINDS
def test_a_changed_row_can_hide_somebody_but_is_found_by_doctor(store: Store, folder: Path, limit: int) -> None:
    """Rows are not read through at each opening. What they say never reaches a decision: similarities are right."""
    open_index(folder, store, limit=limit)
    (rows,) = folder.glob("rows.*")
    content = bytearray(rows.read_bytes())
    width = len(content) // 12
    content[2 * width : 3 * width], content[:width] = content[:width], content[2 * width : 3 * width]
    rows.write_bytes(content)
    assert describe(folder, store) == DAMAGED
    found = answers(open_index(folder, store, limit=limit), store, NAMES)
    assert found == expected(store, NAMES)
    rows.write_bytes(os.urandom(len(content)))
    for some, all_of_them in zip(
        answers(open_index(folder, store, limit=limit), store, NAMES), expected(store, NAMES), strict=True
    ):
        assert set(some) <= set(all_of_them)


@BOTH_KINDS
def test_what_a_killed_append_left_is_cut_off_wherever_it_was_killed(store: Store, folder: Path, limit: int) -> None:
    """Half a row, a row without its id, an id without its row: nobody reads them, and the next append starts there."""
    open_index(folder, store, limit=limit)
    (ids,), (rows,) = folder.glob("ids.*"), folder.glob("rows.*")
    whole = ids.read_bytes(), rows.read_bytes()
    for n_ids, n_rows in ((0, 1), (0, 700), (8, 0), (3, 5000), (80, 0)):
        ids.write_bytes(whole[0] + b"\x07" * n_ids)
        rows.write_bytes(whole[1] + b"\x07" * n_rows)
        assert describe(folder, store) == CURRENT
        assert answers(open_index(folder, store, limit=limit), store, NAMES) == expected(store, NAMES)
    enroll(store, "Late")
    refresh(folder, store, limit=limit)
    assert ids.stat().st_size == 13 * 8
    assert describe(folder, store) == CURRENT


# --- folders that cannot be written, and several processes --------------------------------------------------------


@PLAIN_AND_SEALED
@pytest.mark.parametrize("there", ["a file", "a link to nowhere", "missing"])
def test_without_files_the_index_is_made_in_memory(
    store: Store, folder: Path, there: str, cipher: Cipher | None
) -> None:
    """The index is a cache: where it cannot be kept, answers are the same."""
    if there == "a file":
        folder.write_bytes(b"in the way")
    elif there == "a link to nowhere":
        folder.symlink_to(folder.parent / "nothing" / "at" / "all")
    path = folder if there != "missing" else folder.parent / "no" / "such" / INDEX_NAME
    for limit in (EXACT, CODES):
        assert answers(open_index(path, store, limit=limit, cipher=cipher), store, NAMES) == expected(store, NAMES)
    assert describe(path, store, cipher=cipher) != CURRENT
    if there != "missing":
        with pytest.raises(GalleryUnavailable):
            forget(store, path, "Person1", cipher=cipher)
        assert store.member("Person1").n_templates == 1, "nothing was done"


@PLAIN_AND_SEALED
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_used_as_it_is(store: Store, folder: Path, cipher: Cipher | None) -> None:
    """With what is missing added in memory; forgetting refuses before it does anything."""
    open_index(folder, store, cipher=cipher)
    enroll(store, "Late")
    folder.chmod(0o500)
    try:
        assert answers(open_index(folder, store, cipher=cipher), store, ["Late"]) == expected(store, ["Late"])
    finally:
        folder.chmod(0o700)


HOLDING = """
import sys
from pathlib import Path
from threading import Timer
from facegallery.index.folder import IndexFolder
with IndexFolder(Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.readline()
"""

READING = """
import sys
from pathlib import Path
from threading import Timer
import numpy as np
from tests.searching import by_best_template
from facegallery.index.opening import open_index
from facegallery.store import Store
gallery, limit = Path(sys.argv[1]), int(sys.argv[2])
probe = np.frombuffer(bytes.fromhex(sys.argv[3]), np.float32)[np.newaxis]
with Store.open(gallery / "gallery.sqlite3") as store:
    search = by_best_template(open_index(gallery / "index", store, limit=limit), store.templates_of)
    while True:
        print([candidate.member for candidate in search.candidates(probe, 50)[0]][:3], flush=True)
        if not sys.stdin.readline():
            break
"""


def ask(child: subprocess.Popen[str]) -> str:
    assert child.stdin is not None
    child.stdin.write("again\n")
    child.stdin.flush()
    return line_of(child)


@BOTH_KINDS
def test_a_reader_with_the_files_open_goes_on_while_others_write(
    store: Store, folder: Path, gallery: Path, limit: int
) -> None:
    """Another process forgets, appends and writes the files anew: the reader answers on, and never names the gone."""
    open_index(folder, store, limit=limit)
    with start(READING, gallery, limit, vector_of("Person5").tobytes().hex()) as reader:
        first = line_of(reader)
        assert first.startswith("['Person5'")
        forget(store, folder, "Person5", limit)
        without = ask(reader)
        assert "Person5" not in without
        assert without.split(", ")[0].strip("[") == first.split(", ")[1]
        enroll(store, "Late")
        refresh(folder, store, limit=limit)
        assert ask(reader) == without
        for name in NAMES[6:]:
            forget(store, folder, name, limit)
        assert "Person" in ask(reader)
        assert reader.poll() is None


@PLAIN_AND_SEALED
def test_reading_never_waits_and_forgetting_waits_a_while(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, cipher: Cipher | None
) -> None:
    """Another process writes the files: searching goes on from memory, forgetting refuses and has done nothing."""
    enroll(store, "Late")
    folder.mkdir()
    with start(HOLDING, folder) as holder:
        assert line_of(holder) == "held"
        assert answers(open_index(folder, store, limit=CODES, cipher=cipher), store, NAMES) == expected(store, NAMES)
        refresh(folder, store, cipher=cipher)
        assert describe(folder, store, cipher=cipher) == MISSING
        monkeypatch.setattr(opening, "FORGET_WAIT_S", 0.2)  # a setting, not a part
        with pytest.raises(GalleryUnavailable, match="another program"):
            forget(store, folder, "Person1", cipher=cipher)
        assert store.member("Person1").n_templates == 1
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait()
    forget(store, folder, "Person1", cipher=cipher)


def test_forgetting_waits_for_a_writer_that_ends(store: Store, folder: Path) -> None:
    """Somebody who appends for a moment is no reason to refuse."""
    open_index(folder, store)
    with start(HOLDING, folder) as holder:
        assert line_of(holder) == "held"
        assert holder.stdin is not None
        letting_go = Timer(0.3, holder.stdin.close)
        letting_go.start()
        forget(store, folder, "Person1")
        letting_go.join()
    assert describe(folder, store) == CURRENT


@PLAIN_AND_SEALED
def test_files_that_lack_somebody_are_not_used_though_nobody_can_write(
    gallery: Path, tmp_path: Path, cipher: Cipher | None
) -> None:
    """A database from before somebody was forgotten, and the lock held: the index is made in memory, whole."""
    folder, database = gallery / INDEX_NAME, gallery / DATABASE_NAME
    shutil.copy(database, tmp_path / "copy")
    with Store.open(database) as store:
        open_index(folder, store, cipher=cipher)
        forget(store, folder, "Person4", cipher=cipher)
    restore(database, tmp_path / "copy")
    with Store.open(database) as store, IndexFolder(folder, cipher).writing():
        assert answers(open_index(folder, store, cipher=cipher), store, NAMES) == expected(store, NAMES)


def test_a_reader_waits_for_a_stamp_that_is_about_to_come(store: Store, folder: Path) -> None:
    """The ids say somebody is dead and the stamp does not yet: the files are used once it does."""
    open_index(folder, store, limit=CODES)
    stamp = IndexFolder(folder).stamp()
    assert stamp is not None
    with IndexFolder(folder).writing() as writer:
        removed = store.forget("Person5").template_ids
        buried = writer.bury(stamp, removed)
        coming = Timer(0.03, lambda: writer.publish(buried, store.tail(buried.last_id).last_added))
        coming.start()
        index = open_index(folder, store, limit=CODES)
        coming.join()
    assert isinstance(index.base, CodeRows)
    assert index.base.count == 11


@PLAIN_AND_SEALED
def test_a_reader_that_meets_a_forgetting_half_way_uses_the_files(
    store: Store, folder: Path, cipher: Cipher | None
) -> None:
    """Rows gone from the store and not yet from the files, the lock held: nobody who is left is missing."""
    open_index(folder, store, limit=CODES, cipher=cipher)
    with forgetting(folder, store, limit=CODES, cipher=cipher) as bury:
        removed = store.forget("Person5").template_ids
        index = open_index(folder, store, limit=CODES, cipher=cipher)
        assert isinstance(index.base, CodeRows)
        assert answers(index, store, NAMES) == expected(store, NAMES)
        bury(removed)
    assert describe(folder, store, cipher=cipher) == CURRENT
