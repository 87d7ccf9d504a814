"""The store keeps what it is given, forgets when told, and survives other writers, crashes and damaged files."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import stat
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from facegallery.domain import (
    EmbeddedFace,
    EnrolledFace,
    Face,
    Member,
    ModelIdentity,
    Photo,
    Preparation,
    StoreStamp,
    Vectors,
)
from facegallery.errors import (
    BadName,
    GalleryDamaged,
    GalleryNotFound,
    GalleryUnavailable,
    MemberExists,
    MemberNotFound,
    ModelMismatch,
)
from facegallery.names import MAX_NAME_LENGTH, name_key
from facegallery.store import Store, clean_name
from facegallery.store.engine import open_engine, sqlite_errors
from tests.children import line_of, start

MODEL = ModelIdentity("starter", "a" * 64)
OTHER_MODEL = ModelIdentity("vggface2", "b" * 64)
NOON = datetime(2026, 11, 3, 12, 0, 0, 123456, tzinfo=timezone.utc)
LANDMARKS = ((20.0, 30.0), (40.0, 30.0), (30.0, 40.0), (22.0, 50.0), (38.0, 50.5))


def photo(content: str = "0", path: str = "/photos/ada.jpg") -> Photo:
    return Photo(
        Path(path), sha256(content.encode()).hexdigest(), np.zeros((2, 3, 3), np.uint8), width_px=3, height_px=2
    )


def unit_vector(seed: int) -> Vectors:
    vector = np.random.default_rng(seed).standard_normal(512).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def face(seed: int = 0, left: float = 10.0) -> EmbeddedFace:
    return EmbeddedFace(Face((left, 20.0, left + 40.5, 70.25), LANDMARKS, 0.9375), unit_vector(seed))


def enroll(store: Store, name: str, n: int, *, first: int = 0) -> list[EnrolledFace]:
    """Enroll n photos, each with other bytes and another face."""
    return [
        store.enroll(name, photo(f"{name_key(name)}{seed}", f"/photos/{seed}.jpg"), face=face(seed), model=MODEL)
        for seed in range(first, first + n)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery" / "gallery.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.create(path, model=MODEL, clock=lambda: NOON, preparation=Preparation.BOX) as opened:
        yield opened


# --- what goes in comes out ---------------------------------------------------------------------------------------

serial = itertools.count()
finite = st.floats(-1e6, 1e6, allow_nan=False)
spans = st.tuples(finite, finite).filter(lambda span: span[0] < span[1])
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda name: bool(name.strip())
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=names,
    horizontal=spans,
    vertical=spans,
    points=st.tuples(*[st.tuples(finite, finite)] * 5),
    probability=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_enrolled_face_comes_back_exactly(
    store: Store,
    name: str,
    horizontal: tuple[float, float],
    vertical: tuple[float, float],
    points: tuple[tuple[float, float], ...],
    probability: float,
    seed: int,
) -> None:
    """Name, box, landmarks, probability, path, time and every bit of the vector survive the database."""
    box = (horizontal[0], vertical[0], horizontal[1], vertical[1])
    given_face = EmbeddedFace(Face(box, points, probability), unit_vector(seed))
    taken = photo(str(next(serial)))
    kept = store.enroll(name, taken, face=given_face, model=MODEL)
    assert name_key(kept.member) == name_key(name)
    assert kept.face == given_face.face
    assert kept.photo_path == Path("/photos/ada.jpg")
    assert kept.enrolled_at == NOON
    assert kept == store.enrolled_face(kept.template_id)
    assert store.faces_of_photo(taken.content_hash) == [kept]
    assert store.templates().vectors[-1].tobytes() == given_face.embedding.tobytes()


def test_the_store_is_read_again_after_it_was_closed(path: Path) -> None:
    """Members, faces, model, revision and times are on the disk, not in the object."""
    with Store.create(
        path,
        model=MODEL,
        preparation=Preparation.LANDMARKS,
        clock=lambda: NOON.astimezone(timezone(timedelta(hours=2))),
    ) as store:
        kept = enroll(store, "Ada", 2)
    with Store.open(path) as store:
        assert store.model() == MODEL
        assert store.preparation() is Preparation.LANDMARKS
        assert store.stamp().revision == 2
        assert store.members() == [Member("Ada", 2, NOON)]
        assert store.members()[0].created_at.utcoffset() == timedelta(0)
        assert store.enrolled_faces() == kept
        assert store.stamp() == StoreStamp(2, store.state(), MODEL.fingerprint, 2)
        tails = [store.tail(last_id) for last_id in (0, 1, 9)]
        assert [(tail.count, tail.last_added) for tail in tails] == [(2, None), (1, NOON), (0, None)]
        assert {tail.fingerprint for tail in tails} == {f"{MODEL.fingerprint} landmarks"}


def test_a_path_is_kept_absolute_and_need_not_be_valid_text(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo is found again from another working folder, also one whose file name no encoding explains."""
    monkeypatch.chdir("/")
    odd = os.fsdecode(b"photos/caf\xe9.jpg")
    kept = store.enroll("Ada", photo("1", odd), face=face(), model=MODEL)
    assert kept.photo_path == Path("/") / odd
    assert store.enrolled_face(kept.template_id).photo_path == Path("/") / odd


def test_templates_are_one_array_in_the_order_of_their_ids(store: Store) -> None:
    """All vectors come as float32 rows beside ids and names, and a member's alone when asked."""
    kept = [*enroll(store, "Ada", 2), *enroll(store, "Bea", 3), *enroll(store, "Ada", 1, first=9)]
    everything = store.templates()
    assert everything.revision == store.stamp().revision == 6
    assert everything.ids.dtype == np.int64
    assert everything.vectors.dtype == np.float32
    assert everything.ids.tolist() == [each.template_id for each in kept]
    assert everything.members == ("Ada", "Ada", "Bea", "Bea", "Bea", "Ada")
    expected = np.stack([unit_vector(seed) for seed in (0, 1, 0, 1, 2, 9)])
    np.testing.assert_array_equal(everything.vectors, expected)
    of_ada = store.templates("ADA")
    assert of_ada.members == ("Ada",) * 3
    np.testing.assert_array_equal(of_ada.vectors, expected[[0, 1, 5]])


def test_templates_of_an_empty_gallery_have_their_shape(store: Store) -> None:
    """No rows is an ordinary answer: (0, 512), not an error."""
    empty = store.templates()
    assert (empty.revision, empty.ids.shape, empty.vectors.shape, empty.members) == (0, (0,), (0, 512), ())


def test_many_templates_are_read_whole(store: Store, path: Path) -> None:
    """Reading in pieces loses, doubles and shifts nothing."""
    enroll(store, "Ada", 1)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executemany(
            "INSERT INTO faces (photo_id, box_left, box_top, box_right, box_bottom, landmarks, probability)"
            " VALUES (1, 0, 0, 1, 1, '[]', 1)",
            [()] * 9000,
        )
        raw.executemany(
            "INSERT INTO templates (face_id, member_id, model_id, vector, created_at)"
            " VALUES (?, 1, 1, ?, '2026-01-01')",
            [(key, np.full(512, key, "<f4").tobytes()) for key in range(2, 9002)],
        )
    rows = store.templates()
    assert rows.ids.tolist() == list(range(1, 9002))
    np.testing.assert_array_equal(rows.vectors[1:, 0], np.arange(2, 9002))
    some = store.templates_of(np.arange(9099, 0, -1))
    assert some.members == ("Ada",) * 9001
    np.testing.assert_array_equal(some.vectors[np.argsort(some.ids)], rows.vectors)
    batches = list(store.template_batches(5))
    assert [len(ids) for ids, _ in batches] == [4096, 4096, 9001 - 5 - 2 * 4096]
    np.testing.assert_array_equal(np.concatenate([ids for ids, _ in batches]), rows.ids[5:])
    np.testing.assert_array_equal(np.concatenate([vectors for _, vectors in batches]), rows.vectors[5:])
    assert store.template_ids(8000).tolist() == list(range(1, 8001))
    assert [store.count_up_to(last_id) for last_id in (1, 8000, 9001)] == [1, 8000, 9001]


def test_the_same_face_of_the_same_photo_is_kept_once(store: Store) -> None:
    """A second run, or a second process, adds nothing; another face in the photo and another member do."""
    first = store.enroll("Ada", photo("1", "/photos/a.jpg"), face=face(), model=MODEL)
    again = store.enroll("ada", photo("1", "/photos/copy.jpg"), face=face(), model=MODEL)
    assert again == first
    assert store.stamp().revision == 1
    store.enroll("Ada", photo("1"), face=face(1, left=100.0), model=MODEL)
    store.enroll("Bea", photo("1"), face=face(), model=MODEL)
    assert [each.member for each in store.faces_of_photo(photo("1").content_hash)] == ["Ada", "Ada", "Bea"]
    assert store.stamp().revision == 3


@pytest.mark.parametrize(
    "vector",
    [
        np.ones(512, np.float32),
        np.full(512, np.nan, np.float32),
        unit_vector(0).astype(np.float64),
        unit_vector(0)[:511],
        unit_vector(0)[np.newaxis],
    ],
    ids=["too long", "not a number", "float64", "511 numbers", "two axes"],
)
def test_a_vector_that_could_not_be_searched_is_refused(store: Store, vector: Vectors) -> None:
    """What is kept is 512 float32 numbers of unit length; a refusal leaves nothing behind."""
    with pytest.raises(ValueError, match="a template"):
        store.enroll("Ada", photo(), face=EmbeddedFace(face().face, vector), model=MODEL)
    assert store.members() == []


def test_a_failure_in_the_middle_leaves_nothing(store: Store) -> None:
    """Member, photo, face and template are one transaction: a box without area fails after the first two."""
    upside_down = EmbeddedFace(Face((10, 20, 5, 30), LANDMARKS, 0.5), unit_vector(0))
    with pytest.raises(IntegrityError, match="ck_faces_box_has_an_area"):
        store.enroll("Ada", photo(), face=upside_down, model=MODEL)
    assert store.members() == []
    assert store.stamp().revision == 0
    assert store.check() == []


def test_two_models_vectors_never_meet(store: Store, path: Path) -> None:
    """A gallery takes only its own model's vectors; the file decides which that is, not the name."""
    with pytest.raises(ModelMismatch, match="'vggface2'") as caught:
        store.enroll("Ada", photo(), face=face(), model=OTHER_MODEL)
    assert (caught.value.expected, caught.value.actual) == ("starter", "vggface2")
    with pytest.raises(ModelMismatch):
        Store.create(path, model=OTHER_MODEL, preparation=Preparation.BOX)
    store.enroll("Ada", photo(), face=face(), model=ModelIdentity("renamed", MODEL.fingerprint))


def test_unknown_templates_are_said_to_be_unknown(store: Store) -> None:
    """A template that another process has just removed is a KeyError, or is left out."""
    with pytest.raises(KeyError):
        store.enrolled_face(7)
    assert store.templates_of(np.array([-7, 0, 7])).members == ()
    assert store.faces_of_photo("f" * 64) == []


# --- names --------------------------------------------------------------------------------------------------------


@given(name=names)
def test_a_clean_name_stays_as_it_is(name: str) -> None:
    """Cleaning twice is cleaning once, keeps the key, and the key of a key is the key."""
    cleaned = clean_name(name)
    assert clean_name(cleaned) == cleaned
    assert name_key(cleaned) == name_key(name)
    assert name_key(name_key(name)) == name_key(name)


@pytest.mark.parametrize(
    "name",
    ["", " \n\t", "\0", "a\0b", "x" * (MAX_NAME_LENGTH + 1), os.fsdecode(b"caf\xe9")],
    ids=["empty", "spaces", "U+0000", "U+0000 inside", "too long", "not decodable"],
)
def test_names_that_cannot_be_kept_are_refused(store: Store, name: str) -> None:
    """Nothing, too much, U+0000 and undecodable file names are refused in one place, with the name in the error."""
    for act in (
        lambda: clean_name(name),
        lambda: store.enroll(name, photo(), face=face(), model=MODEL),
        lambda: store.member(name),
    ):
        with pytest.raises(BadName) as caught:
            act()
        assert caught.value.name == name
        str(caught.value).encode()  # the message itself can be printed


@pytest.mark.parametrize(
    "name",
    [
        "O'Brien; DROP TABLE members",
        "line\nbreak",
        "\u202egnp.exe",
        "../../etc/passwd",
        "\x1b[31mred",
        "x" * MAX_NAME_LENGTH,
        "李 小龙",
    ],
    ids=["quote", "line break", "right to left", "path", "escape", "long", "CJK"],
)
def test_odd_names_are_kept_as_they_are(store: Store, name: str) -> None:
    """A name is data: nothing in it is read as SQL, a path or a control."""
    enroll(store, name, 1)
    assert store.member(name).name == name


def test_spellings_of_one_name_are_one_member(store: Store) -> None:
    """Case, Unicode form and runs of spaces make no second member; the first spelling is shown."""
    for spelling in ("Zoë  Weiß", unicodedata.normalize("NFD", "zoë weiß"), " ZOË WEISS "):
        assert store.enroll(spelling, photo("1"), face=face(), model=MODEL).member == "Zoë  Weiß"
        assert store.member(spelling).n_templates == 1


def test_members_come_in_natural_order(store: Store) -> None:
    """Numbers count as numbers, and case does not."""
    for name in ("bea", "Ada 10", "ada 9", "Ada", "Zoë", "9", "10"):
        enroll(store, name, 1)
    assert [member.name for member in store.members()] == ["9", "10", "Ada", "ada 9", "Ada 10", "bea", "Zoë"]


def test_a_missing_member_is_named_with_its_neighbours(store: Store) -> None:
    """The error offers the enrolled names that look like the one asked for, best first."""
    for name in ("Mathilda", "Matilda", "Zoë"):
        enroll(store, name, 1)
    for ask in (
        store.member,
        store.enrolled_faces,
        store.templates,
        store.forget,
        lambda name: store.rename(name, "X"),
    ):
        with pytest.raises(MemberNotFound) as caught:
            ask("matilde")
        assert caught.value.nearest == ("Matilda", "Mathilda")
    assert [member.name for member in store.members()] == ["Mathilda", "Matilda", "Zoë"]


def test_rename_keeps_the_faces_and_refuses_a_taken_name(store: Store) -> None:
    """Another name, or another spelling of one's own; never somebody else's in any spelling."""
    enroll(store, "ada", 2)
    enroll(store, "Bea", 1)
    assert store.rename("ADA", "Ada") == Member("Ada", 2, NOON)
    assert store.rename("Ada", " Ada Lovelace ").name == "Ada Lovelace"
    assert store.stamp().revision == 5
    with pytest.raises(MemberExists, match="'Bea'"):
        store.rename("ada lovelace", "BEA")
    with pytest.raises(BadName):
        store.rename("Bea", " ")
    assert store.templates().members == ("Ada Lovelace", "Ada Lovelace", "Bea")


# --- forgetting ---------------------------------------------------------------------------------------------------


def test_a_forgotten_member_is_gone_from_every_file(store: Store, path: Path) -> None:
    """Neither name, photo path nor vector is left in the database or its log, also while the gallery is open."""
    enroll(store, "Bea", 2)
    kept = store.enroll("Ada Lovelace", photo("1", "/private/holiday.jpg"), face=face(77), model=MODEL)
    traces = [b"Ada Lovelace", b"ada lovelace", b"holiday.jpg", unit_vector(77).tobytes()[:64]]

    def found() -> list[bytes]:
        content = b"".join(file.read_bytes() for file in path.parent.iterdir())
        return [trace for trace in traces if trace in content]

    assert found() == traces
    assert store.forget("ada lovelace").template_ids == (kept.template_id,)
    assert store.erase()
    assert found() == []
    assert store.check() == []
    assert [member.name for member in store.members()] == ["Bea"]


def test_forgetting_leaves_the_others_in_a_shared_photo(store: Store) -> None:
    """A photo stays while somebody's face in it is enrolled, and goes with the last."""
    shared = photo("1", "/photos/both.jpg")
    ada = store.enroll("Ada", shared, face=face(1), model=MODEL)
    bea = store.enroll("Bea", shared, face=face(2, left=100.0), model=MODEL)
    revision = store.stamp().revision
    assert store.forget("Ada").template_ids == (ada.template_id,)
    assert store.stamp().revision == revision + 1
    assert store.faces_of_photo(shared.content_hash) == [bea]
    assert store.check() == []
    store.forget("Bea")
    assert store.faces_of_photo(shared.content_hash) == []
    assert store.templates().vectors.shape == (0, 512)
    assert store.check() == []


def test_a_template_id_is_never_used_again(store: Store, path: Path) -> None:
    """What an old index or a printed report calls template 2 can never be somebody else."""
    enroll(store, "Ada", 2)
    assert store.forget("Ada").template_ids == (1, 2)
    with Store.open(path) as again:
        assert [each.template_id for each in enroll(again, "Bea", 2)] == [3, 4]


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o377])
def test_only_this_person_may_read_the_files(path: Path, umask: int) -> None:
    """The folder is 0700 and every file in it 0600, whatever the umask, the log beside an open database too."""
    before = os.umask(umask)
    try:
        with Store.create(path, model=MODEL, preparation=Preparation.BOX) as store:
            enroll(store, "Ada", 1)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == dict.fromkeys(("gallery.sqlite3", "gallery.sqlite3-wal", "gallery.sqlite3-shm"), 0o600)


def test_a_folder_that_was_there_keeps_its_rights(path: Path) -> None:
    """Somebody else's folder is used as it is."""
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    Store.create(path, model=MODEL, preparation=Preparation.BOX).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


@pytest.mark.usefixtures("store")
def test_every_connection_is_set_up_for_years_of_work(path: Path) -> None:
    """Foreign keys enforced, full synchronization, secure deletion, write-ahead log, a long wait for other writers."""
    engine = open_engine(path)
    with engine.connect() as connection:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("foreign_keys", "synchronous", "secure_delete", "journal_mode", "busy_timeout", "page_size")
        }
    engine.dispose()
    assert found == {
        "foreign_keys": 1,
        "synchronous": 2,
        "secure_delete": 1,
        "journal_mode": "wal",
        "busy_timeout": 30_000,
        "page_size": 8192,
    }


@pytest.mark.parametrize("folder", ["with space", "q?m=1#f", "100%41", "ünï", os.fsdecode(b"caf\xe9")], ids=ascii)
def test_any_folder_will_do(tmp_path: Path, folder: str) -> None:
    """Characters that mean something in a URL, and bytes that mean nothing, are just a folder's name."""
    path = tmp_path / folder / "gallery.sqlite3"
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as store:
        enroll(store, "Ada", 1)
    assert path.is_file()
    with Store.open(path) as store:
        assert len(store.members()) == 1


def test_no_gallery_is_said_to_be_none(path: Path) -> None:
    """Looking for a gallery makes neither folder nor file."""
    with pytest.raises(GalleryNotFound) as caught:
        Store.open(path)
    assert caught.value.folder == path.parent
    assert not path.parent.exists()


@pytest.mark.parametrize("leftover", ["an empty file", "a database without tables"])
def test_a_creation_that_was_cut_short_is_finished_by_the_next(path: Path, leftover: str) -> None:
    """What a crash during creation leaves counts as no gallery, and creating it again succeeds."""
    path.parent.mkdir()
    path.touch()
    if leftover == "a database without tables":
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("PRAGMA journal_mode = WAL")
        assert path.stat().st_size > 0
    with pytest.raises(GalleryNotFound):
        Store.open(path)
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as store:
        enroll(store, "Ada", 1)
        assert store.check() == []


def test_creating_where_a_gallery_is_opens_it(store: Store, path: Path) -> None:
    """Of two processes that both found no gallery, the slower one joins the quicker one's."""
    enroll(store, "Ada", 1)
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as second:
        assert [member.name for member in second.members()] == ["Ada"]


def damage_not_a_database(path: Path) -> None:
    path.write_bytes(b"not a database " * 1000)


def damage_of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")


def damage_half_the_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * 8192 + content[16384:])


def damage_no_settings(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM gallery_settings")


def damage_a_table_is_missing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DROP TABLE gallery_settings")


def damage_no_revision(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM alembic_version")


@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        (damage_not_a_database, "not a database"),
        (damage_of_another_program, "another program"),
        (damage_half_the_pages, "malformed"),
        (damage_no_settings, "settings are missing"),
        (damage_a_table_is_missing, "no such table"),
        (damage_no_revision, "which schema"),
    ],
)
@pytest.mark.parametrize("how", ["open", "create"])
def test_a_damaged_file_is_refused_and_not_touched(
    path: Path, damage: Callable[[Path], None], detail: str, how: str
) -> None:
    """What is no gallery is named so, and stays byte for byte for whoever may mend it."""
    Store.create(path, model=MODEL, preparation=Preparation.BOX).close()
    damage(path)
    before = path.read_bytes()
    with pytest.raises(GalleryDamaged, match=detail) as caught:
        Store.open(path) if how == "open" else Store.create(path, model=MODEL, preparation=Preparation.BOX)
    assert caught.value.path == path
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    """A folder in the file's place, and a file in the folder's place, are told as what they are."""
    (tmp_path / "gallery.sqlite3").mkdir()
    with pytest.raises(GalleryUnavailable):
        Store.open(tmp_path / "gallery.sqlite3")
    (tmp_path / "file").touch()
    with pytest.raises(GalleryUnavailable):
        Store.create(tmp_path / "file" / "gallery.sqlite3", model=MODEL, preparation=Preparation.BOX)
    with pytest.raises(GalleryNotFound):
        Store.open(tmp_path / "file" / "gallery.sqlite3")


def test_sqlite_s_own_words_become_ours(path: Path) -> None:
    """Locked, full and read-only are each provoked for real, and told in words that say what to mend."""
    Store.create(path, model=MODEL, preparation=Preparation.BOX).close()
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as writer,
        closing(sqlite3.connect(path, timeout=0)) as late,
    ):
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryUnavailable, match="another program"), sqlite_errors(path):
            late.execute("BEGIN IMMEDIATE")
    reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with closing(reader), pytest.raises(GalleryUnavailable, match="not written"), sqlite_errors(path):
        reader.execute("DELETE FROM members")
    with closing(sqlite3.connect(path)) as full:
        full.execute("PRAGMA max_page_count = 1")
        with pytest.raises(GalleryUnavailable, match="disk is full"), sqlite_errors(path):
            full.execute("CREATE TABLE more AS SELECT randomblob(1000000)")


def test_check_finds_what_is_wrong(store: Store, path: Path) -> None:
    """A vector that is no longer of unit length, rows nothing stands on, and broken references are all told."""
    enroll(store, "Ada", 2)
    assert store.check() == []
    with closing(sqlite3.connect(path)) as raw, raw:  # this connection does not enforce foreign keys
        raw.execute("UPDATE templates SET vector = zeroblob(2048) WHERE id = 1")
        raw.execute("DELETE FROM templates WHERE id = 2")
        raw.execute("DELETE FROM photos WHERE id = 1")
    assert store.check() == [
        "row 1 of faces refers to a row of photos that is not there",
        "face 2 has no template",
        "the vector of template 1 is not of unit length",
    ]


def test_opening_imports_no_more_than_it_needs(path: Path) -> None:
    """An up-to-date gallery opens and is listed without Alembic, FAISS or torch."""
    Store.create(path, model=MODEL, preparation=Preparation.BOX).close()
    script = """
import sys
from pathlib import Path
from facegallery.store import Store
import facegallery.index.opening
with Store.open(Path(sys.argv[1])) as store:
    store.members()
print([name for name in ("alembic", "faiss", "torch") if name in sys.modules])
"""
    with start(script, path) as child:
        assert line_of(child) == "[]"


# --- several at once ----------------------------------------------------------------------------------------------

ENROLLING = """
import sys
from pathlib import Path
import numpy as np
from facegallery.domain import EmbeddedFace, Face, ModelIdentity, Photo, Preparation
from facegallery.store import Store

path, who, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
model = ModelIdentity("starter", "a" * 64)
vector = np.zeros(512, np.float32)
vector[0] = 1
print("ready", flush=True)
sys.stdin.readline()
with Store.create(path, model=model, preparation=Preparation.BOX) as store:
    for number in range(n):
        content_hash = f"{who}{number}".rjust(64, "0")
        photo = Photo(Path(f"/{who}/{number}.jpg"), content_hash, np.zeros((1, 1, 3), np.uint8), 1, 1)
        face = EmbeddedFace(Face((0, 0, 1, 1), ((0, 0),) * 5, 1), vector)
        print(store.enroll("Ada", photo, face=face, model=model).template_id, flush=True)
"""


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def lines_of(child: subprocess.Popen[str]) -> list[str]:
    assert child.stdout is not None
    return child.stdout.readlines()


def test_processes_that_create_and_write_at_once_lose_nothing_and_readers_see_one_moment(path: Path) -> None:
    """Three processes create one gallery and enroll into it; whoever reads meanwhile never sees half a change."""
    n = 40
    children = [start(ENROLLING, path, who, n) for who in "abc"]
    for child in children:
        assert line_of(child) == "ready"
    for child in children:
        go(child)
    for child in children:
        assert line_of(child).isdigit()  # the gallery is there
    with Store.open(path) as store:
        seen = set()
        while any(child.poll() is None for child in children):
            rows = store.templates()
            assert rows.revision == len(rows.ids) == len(rows.members)  # each enrollment is one revision
            seen.add(rows.revision)
        for child in children:
            with child:
                assert len(lines_of(child)) == n - 1
            assert child.returncode == 0
        assert len(seen) > 1
        assert store.stamp().revision == 3 * n
        assert [(member.name, member.n_templates) for member in store.members()] == [("Ada", 3 * n)]
        assert store.check() == []


@pytest.mark.parametrize("kind", ["EXCLUSIVE", "IMMEDIATE"])
def test_creating_waits_for_somebody_who_is_creating(path: Path, kind: str) -> None:
    """Another process holds the empty file for a moment: that is waited for, also where SQLite itself would not."""
    path.parent.mkdir(exist_ok=True)
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute(f"BEGIN {kind}")
    letting_go = Timer(0.3, other.rollback)
    letting_go.start()
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as store:
        assert store.members() == []
    letting_go.join()
    other.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process outright")
@pytest.mark.parametrize("after", [0, 1, 30])
def test_a_killed_enrollment_loses_nothing_that_was_acknowledged(path: Path, after: int) -> None:
    """SIGKILL at any moment leaves a gallery that opens, is whole, and goes on; half a photo is never there."""
    with start(ENROLLING, path, "a", 10**6) as child:
        assert line_of(child) == "ready"
        go(child)
        acknowledged = [int(line_of(child)) for _ in range(after)]
        child.kill()
        acknowledged += [int(line) for line in lines_of(child) if line.endswith("\n")]
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as store:
        assert store.check() == []
        rows = store.templates()
        assert rows.revision == len(rows.ids)
        assert len(acknowledged) <= len(rows.ids) <= len(acknowledged) + 1
        assert set(acknowledged) <= set(rows.ids.tolist())
        enroll(store, "Bea", 1)
        assert store.check() == []


def test_threads_share_one_store(store: Store) -> None:
    """A store may be used from several threads at once."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: enroll(store, name, 5), ["Ada", "Bea", "Cyrus", "Dan"]))
    assert [(member.name, member.n_templates) for member in store.members()] == [
        ("Ada", 5),
        ("Bea", 5),
        ("Cyrus", 5),
        ("Dan", 5),
    ]
    assert store.check() == []
