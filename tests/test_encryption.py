"""An encrypted gallery answers as a plain one, shows nothing without its secret, and tells change from damage."""

from __future__ import annotations

import base64
import os
import pty
import shutil
import sqlite3
import stat
import subprocess
import sys
import termios
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facegallery import Gallery
from facegallery.domain import EnrolledFace, Preparation, Secret, SecretKind, Verdict
from facegallery.errors import GalleryDamaged, GalleryTampered, GalleryUnavailable, KeyNeeded, WrongKey
from facegallery.gallery.secrets import make_key_file, passphrase_secret, secret_from_environment, secret_from_file
from facegallery.sealing import ScryptCost
from facegallery.settings import DATABASE_NAME, KEY_FILE_VARIABLE, PASSPHRASE_VARIABLE
from facegallery.store import Store
from facegallery.store.backups import restore
from tests.conftest import RunCli
from tests.made_up import KEY, MODEL, bytes_of, enroll, face, photo, vector
from tests.test_calibrating import MADE
from tests.test_decision_log import asked, decision

WORDS = passphrase_secret("four words of nonsense")
CHEAP = ScryptCost(n=2**4)
ADA = "Ada Lovelace-Byron"


def fill(store: Store) -> None:
    """Members, a shared photo, a rename, a rejection, a move."""
    enroll(store, ADA, 1, 2, 3)
    enroll(store, "Bea", 4, 5)
    store.enroll("Bea", photo(f"{ADA} 1"), face=face(6, left=300.0), model=MODEL)
    enroll(store, "Cyrus", 7)
    store.rename("cyrus", "Cyrus the Great")
    store.reject("Bea", photo("stranger", "/strange/place.jpg"), face=face(8), model=MODEL)
    store.move_templates({5: ADA})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery" / DATABASE_NAME


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=KEY) as made:
        fill(made)
        yield made


def origin(faces: list[EnrolledFace]) -> list[object]:
    return [(each.template_id, each.member, each.photo_path, each.content_hash, each.face) for each in faces]


# --- the same answers ---------------------------------------------------------------------------------------------


def test_a_plain_and_an_encrypted_store_say_the_same(store: Store, tmp_path: Path) -> None:
    """Names in any spelling, vectors to the last bit, origins, rejections, look-ups by bytes."""
    with Store.create(tmp_path / "plain" / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX) as plain:
        fill(plain)
        assert origin(store.enrolled_faces()) == origin(plain.enrolled_faces())
        assert origin(store.enrolled_faces(ADA.upper())) == origin(plain.enrolled_faces(ADA.upper()))
        hashed = photo(f"{ADA} 1").content_hash
        assert origin(store.faces_of_photo(hashed)) == origin(plain.faces_of_photo(hashed)) != []
        for mine, theirs in (
            (store.templates(), plain.templates()),
            (store.templates("bea"), plain.templates("bea")),
            (store.templates_of(np.array([1, 5, 99])), plain.templates_of(np.array([1, 5, 99]))),
            (store.templates_of_members([ADA, "nobody"]), plain.templates_of_members([ADA, "nobody"])),
        ):
            assert (mine.ids.tolist(), mine.members) == (theirs.ids.tolist(), theirs.members)
            np.testing.assert_array_equal(mine.vectors, theirs.vectors)
        ((name, vectors),) = store.rejection_vectors().items()
        assert name == "Bea"
        np.testing.assert_array_equal(vectors, plain.rejection_vectors()["Bea"])
        assert [each.photo_path for each in store.rejections()] == [each.photo_path for each in plain.rejections()]
        assert store.check() == plain.check() == []


def test_a_gallery_works_from_init_to_identify(
    run_cli: RunCli, sample_group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of every day, with a key file named once before the command; without it nothing is said."""
    folder, key = tmp_path / "gallery", tmp_path / "keys" / "gallery.key"
    monkeypatch.delenv(KEY_FILE_VARIABLE, raising=False)
    made = run_cli("--key-file", key, "init", "--encrypt", "-g", folder)
    assert made.code == 0, made.err
    assert "keep a copy" in made.err
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    people = tmp_path / "people"
    for name, full in (("Ada", "Ada Augusta"), ("Bea", "Beatrice")):  # no short name: chance would spell it
        shutil.copytree(sample_group / "enroll" / name, people / full)
    assert run_cli("--key-file", key, "enroll", people, "-g", folder).code == 0
    answer = run_cli("--key-file", key, "identify", sample_group / "probe" / "ada-1.jpg", "-g", folder)
    assert "Ada" in answer.out
    locked = run_cli("members", "-g", folder)
    assert locked.code == 1
    assert "--key-file" in locked.err
    assert "Ada" not in locked.err
    contents = bytes_of(folder)
    assert not [trace for trace in (b"Ada Augusta", b"Beatrice", os.fsencode(people)) if trace in contents]
    with Gallery.open(folder, secret=secret_from_file(key)) as gallery:
        pieces = [each.tobytes()[at : at + 32] for each in gallery.templates().vectors for at in range(0, 2048, 32)]
    assert not any(piece in contents for piece in pieces)


# --- nothing to be read -------------------------------------------------------------------------------------------


def test_nothing_sealed_can_be_read_in_any_file(store: Store, path: Path) -> None:
    """Neither names in either form, nor paths, hashes, landmarks or any piece of a vector; nor the key."""
    contents = bytes_of(path.parent)
    readable = [ADA, ADA.casefold(), "Cyrus", "/photos/of", "/strange", photo("stranger").content_hash, "[[20.0, 30.0]"]
    pieces = [vector(seed).tobytes()[at : at + 16] for seed in range(1, 9) for at in range(0, 2048, 16)]
    assert not [text for text in readable if text.encode() in contents]
    assert not any(piece in contents for piece in pieces)
    assert KEY.value not in contents


def test_equal_vectors_and_paths_do_not_look_equal(store: Store) -> None:
    """Nobody sees that two photos are of one face, or lie in one folder, by comparing what is kept."""
    first = store.enroll("Twin", photo("t1", "/same/path.jpg"), face=face(50), model=MODEL)
    second = store.enroll("Twin", photo("t2", "/same/path.jpg"), face=face(50), model=MODEL)
    with closing(sqlite3.connect(store._path)) as raw:
        ids = (first.template_id, second.template_id)
        vectors = raw.execute("SELECT vector FROM templates WHERE id IN (?, ?)", ids).fetchall()
        paths = raw.execute("SELECT path FROM photos ORDER BY id DESC LIMIT 2").fetchall()
    assert len(set(vectors)) == len(set(paths)) == 2


# --- secrets ------------------------------------------------------------------------------------------------------


def test_only_its_secret_opens_a_gallery(path: Path) -> None:
    """No secret, a wrong one and one of the other kind are told apart, and nothing is changed by trying."""
    Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=WORDS, cost=CHEAP).close()
    before = path.read_bytes()
    with pytest.raises(KeyNeeded) as needed:
        Store.open(path)
    assert needed.value.kind == "passphrase"
    for wrong in (passphrase_secret("four words of nonsens"), KEY):
        with pytest.raises(WrongKey, match="Nothing was changed"):
            Store.open(path, secret=wrong)
    assert path.read_bytes() == before
    with Store.open(path, secret=WORDS) as opened:
        assert opened.encryption() is SecretKind.PASSPHRASE


def test_a_secret_can_be_changed_and_the_old_one_opens_no_more(path: Path) -> None:
    """The vectors stay as they are sealed; the old way to the key is in no file any more."""
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=WORDS, cost=CHEAP) as store:
        fill(store)
        with closing(sqlite3.connect(path)) as raw:
            (old,) = raw.execute("SELECT sealed_key FROM encryption").fetchone()
        with pytest.raises(WrongKey):
            store.change_secret(KEY, KEY)
        store.change_secret(WORDS, KEY)
        assert old not in bytes_of(path.parent)
    with pytest.raises(WrongKey):
        Store.open(path, secret=WORDS)
    with Store.open(path, secret=KEY) as store:
        assert store.member(ADA).n_templates == 4


def test_a_passphrase_may_be_any_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment from another machine need not be UTF-8."""
    monkeypatch.setenv(PASSPHRASE_VARIABLE, os.fsdecode(b"m\xfcsli und br\xf6tchen"))
    secret = secret_from_environment()
    Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=secret, cost=CHEAP).close()
    Store.open(path, secret=secret).close()


def test_a_plain_gallery_is_not_taken_for_an_encrypted_one(path: Path) -> None:
    """Asking for encryption where a plain gallery is fails aloud; a plain one ignores a secret in the environment."""
    Store.create(path, model=MODEL, preparation=Preparation.BOX).close()
    with pytest.raises(WrongKey, match="not encrypted"):
        Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=KEY)
    with Store.open(path, secret=KEY) as opened:
        assert opened.cipher is None


def test_key_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are never the same, none is overwritten, and what is no key file is refused."""
    made = make_key_file(tmp_path / "a")
    assert secret_from_file(tmp_path / "a") == made != make_key_file(tmp_path / "b")
    with pytest.raises(WrongKey, match="File exists"):
        make_key_file(tmp_path / "a")
    for contents in (b"", b"a password", b"facegallery key file 1\nAAAA\n", b"facegallery key file 1\n!!\n"):
        (tmp_path / "c").write_bytes(contents)
        with pytest.raises(WrongKey, match="not a key file"):
            secret_from_file(tmp_path / "c")
    with pytest.raises(WrongKey, match="cannot be read"):
        secret_from_file(tmp_path / "nothing")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "some words")
    assert secret_from_environment() == passphrase_secret("some words")
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "a"))
    assert secret_from_environment() == made
    assert repr(made.value) not in repr(made)


def test_a_passphrase_is_asked_for_on_a_terminal_and_not_shown(path: Path, tmp_path: Path) -> None:
    """``rekey`` and ``members`` on a real terminal: asked for, never echoed, wrong ones refused."""
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=WORDS) as store:
        fill(store)
    wrong = on_a_terminal(["members", "-g", str(path.parent)], "not the words\n")
    assert "this is not its passphrase" in wrong
    right = on_a_terminal(["members", "-g", str(path.parent)], WORDS.value.decode() + "\n")
    assert ADA in right
    assert WORDS.value.decode() not in right


def on_a_terminal(arguments: list[str], typed: str) -> str:
    """What a person sees who types this at a terminal."""
    ours, theirs = pty.openpty()
    environment = {
        key: value for key, value in os.environ.items() if key not in (PASSPHRASE_VARIABLE, KEY_FILE_VARIABLE)
    }
    command = [sys.executable, "-m", "facegallery", *arguments]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    seen = b""
    while termios.tcgetattr(ours)[3] & termios.ECHO:  # what is typed before it asks would be thrown away
        time.sleep(0.01)
        assert child.poll() is None
    os.write(ours, typed.encode())
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # Linux: the other end was closed
        pass
    child.wait(timeout=60)
    os.close(ours)
    assert b"assphrase" in seen
    return seen.decode()


def test_a_key_that_finds_nothing_encrypted_is_said(
    run_cli: RunCli, tmp_path: Path, sample_group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain gallery in the place of one's own is not used without a word, and none is made with a key named."""
    monkeypatch.setenv(PASSPHRASE_VARIABLE, WORDS.value.decode())
    for command in (("enroll", sample_group / "enroll"), ("init",)):
        refused = run_cli(*command, "-g", tmp_path / "new")
        assert (refused.code, "init --encrypt" in refused.err) == (1, True)
    assert not (tmp_path / "new").exists()
    Gallery.create(tmp_path / "plain").close()
    done = run_cli("members", "-g", tmp_path / "plain")
    assert (done.code, "is not encrypted" in done.err) == (0, True)


# --- tampering and damage -----------------------------------------------------------------------------------------

Change = Callable[[sqlite3.Connection], object]


def swapped(table: str, column: str) -> Change:
    def change(raw: sqlite3.Connection) -> object:
        (a, first), (b, second) = raw.execute(f"SELECT id, {column} FROM {table} ORDER BY id LIMIT 2").fetchall()
        raw.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (second, a))
        return raw.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (first, b))

    return change


def flipped(table: str, column: str, *, mended: bool, text: bool = False) -> Change:
    def change(raw: sqlite3.Connection) -> object:
        key, kept = raw.execute(f"SELECT id, {column} FROM {table} ORDER BY id LIMIT 1").fetchone()
        sealed = bytearray(base64.b64decode(kept) if text else kept)
        sealed[20] ^= 1
        if mended:
            sealed[-4:] = zlib.crc32(bytes(sealed[:-4])).to_bytes(4, "little")
        value = base64.b64encode(sealed).decode() if text else bytes(sealed)
        return raw.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, key))

    return change


def changed(*statements: str) -> Change:
    def change(raw: sqlite3.Connection) -> object:
        raw.execute("CREATE TEMPORARY TABLE before AS SELECT id, name_key FROM members")
        return [raw.execute(statement) for statement in statements]

    return change


CHANGES = {
    "vectors of two exchanged": (swapped("templates", "vector"), True),
    "a template given to another": (lambda raw: raw.execute("UPDATE templates SET member_id = 2 WHERE id = 1"), True),
    "a template given another face": (
        lambda raw: raw.executescript(
            "DELETE FROM templates WHERE id = 2; UPDATE templates SET face_id = 2 WHERE id = 1"
        ),
        True,
    ),
    "names of two exchanged": (swapped("members", "name"), True),
    "a vector changed with its sum": (flipped("templates", "vector", mended=True), True),
    "a vector damaged": (flipped("templates", "vector", mended=False), False),
    "a name changed with its sum": (flipped("members", "name", mended=True, text=True), True),
    "a name damaged": (flipped("members", "name", mended=False, text=True), False),
    "a name that is no sealed text": (lambda raw: raw.execute("UPDATE members SET name = 'Eve' WHERE id = 1"), False),
    "a path changed with its sum": (flipped("photos", "path", mended=True, text=True), True),
    "a path damaged": (flipped("photos", "path", mended=False, text=True), False),
    "a rejection given to another": (changed("UPDATE rejections SET member_id = 1"), True),
    "a rejection given another photo": (
        changed("UPDATE rejections SET content_hash = (SELECT content_hash FROM photos WHERE id = 1)"),
        True,
    ),
    "a rejection moved in its photo": (changed("UPDATE rejections SET box_left = 0.0"), True),
    "paths of two exchanged": (swapped("photos", "path"), True),
    "photos of two faces exchanged": (swapped("faces", "photo_id"), True),
    "landmarks of two exchanged": (swapped("faces", "landmarks"), True),
    "a face moved in its photo": (changed("UPDATE faces SET box_left = 0.0 WHERE id = 1"), True),
    "a face said to be seen well": (changed("UPDATE faces SET quality = 1.0 WHERE id = 1"), True),
    "keys of two names exchanged": (
        changed(
            "UPDATE members SET name_key = 'aside' WHERE id = 1",
            "UPDATE members SET name_key = (SELECT name_key FROM before WHERE id = 1) WHERE id = 2",
            "UPDATE members SET name_key = (SELECT name_key FROM before WHERE id = 2) WHERE id = 1",
        ),
        True,
    ),
    "names of two in the journal exchanged": (swapped("journal_names", "name_after"), True),
    "names before and after exchanged": (
        changed("UPDATE journal_names SET name_before = name_after, name_after = name_before WHERE entry_id = 1"),
        True,
    ),
    "a name in the journal damaged": (flipped("journal_names", "name_after", mended=False, text=True), False),
    "answers of two exchanged": (swapped("logged_decisions", "member"), True),
    "best and second exchanged": (
        changed("UPDATE logged_decisions SET member = runner_up, runner_up = member WHERE id = 1"),
        True,
    ),
    "an answer made better": (changed("UPDATE logged_decisions SET similarity = 0.99 WHERE id = 1"), True),
    "a margin made wider": (changed("UPDATE logged_decisions SET margin = 0.99 WHERE id = 1"), True),
    "paths of two answers exchanged": (swapped("logged_decisions", "path"), True),
    "an answer damaged": (flipped("logged_decisions", "asked_by", mended=False, text=True), False),
    "the limits lowered": (changed("UPDATE calibration SET threshold = 0.1"), True),
    "the limits damaged": (flipped("calibration", "stranger_scores", mended=False), False),
    "the path of a backup changed": (flipped("backups", "path", mended=True, text=True), True),
}


@pytest.mark.parametrize(("change", "tampered"), CHANGES.values(), ids=CHANGES.keys())
def test_what_somebody_changed_is_told_from_what_is_damaged(store: Store, change: Change, tampered: bool) -> None:
    """No changed value is ever believed: reading it fails with who did it, and ``check`` tells which it is."""
    store.keep_log(7)
    for n, names in enumerate(((ADA, "Bea"), ("Bea", ADA))):
        answer = decision(Verdict.MATCH, (names[0], 0.75), (names[1], 0.5))
        question = asked("party", path=Path(f"/asked/{n}.jpg"), model=MODEL)
        store.log(question, {1: answer}, store.member_ids())
    assert store.keep_calibration(MADE, state=store.state())
    store.remember_backup(Path("/elsewhere/backup"))
    everything_read(store)
    assert store.check() == []
    with closing(sqlite3.connect(store._path)) as raw, raw:
        change(raw)
    with pytest.raises(GalleryTampered if tampered else GalleryDamaged):
        everything_read(store)
    assert any(("was changed" if tampered else "is damaged") in fault for fault in store.check())


def everything_read(store: Store) -> None:
    for name in store.member_ids():
        store.member(name)
    store.history()
    store.logged()
    store.calibration()
    store.remembered_backups()
    store.templates()
    store.enrolled_faces()
    store.rejection_vectors()
    store.rejections()


def test_exchanged_keys_of_names_remove_nobody_else(tmp_path: Path) -> None:
    """Whoever is asked for is who is found, in a plain gallery too; else ``forget`` would remove somebody else."""
    change, _ = CHANGES["keys of two names exchanged"]
    for secret, error in ((None, GalleryDamaged), (KEY, GalleryTampered)):
        path = tmp_path / str(secret is None) / DATABASE_NAME
        with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=secret) as store:
            fill(store)
            with closing(sqlite3.connect(path)) as raw, raw:
                change(raw)
            with pytest.raises(error, match="key of the name of member 2"):
                store.forget(ADA)
            said = "is damaged" if secret is None else "was changed"
            assert store.check() == [f"the name of member {n} {said}" for n in (1, 2)]


def test_landmarks_that_are_none_are_damage_in_a_plain_gallery(path: Path) -> None:
    """Not an error of the reader of JSON; ``check`` finds the face."""
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as plain:
        enroll(plain, ADA, 1, 2)
        for text in ("no JSON", "7", "[[1]]", '{"a": 1}'):
            with closing(sqlite3.connect(path)) as raw, raw:
                raw.execute("UPDATE faces SET landmarks = ? WHERE id = 2", (text,))
            with pytest.raises(GalleryDamaged, match="face in photo"):
                plain.enrolled_faces()
            assert plain.check() == ["the place or landmarks of face 2 is damaged"]


def test_limits_cannot_be_lowered_without_the_key(store: Store) -> None:
    """A calibrated threshold is bound to what is sealed beside it."""
    assert store.keep_calibration(MADE, state=store.state())
    with closing(sqlite3.connect(store._path)) as raw, raw:
        raw.execute("UPDATE calibration SET threshold = 0.1")
    with pytest.raises(GalleryTampered, match="calibration"):
        store.calibration()


def test_a_broken_way_to_the_key_is_damage_and_not_a_wrong_key(store: Store) -> None:
    """A person with the right secret is not told that it is wrong."""
    with closing(sqlite3.connect(store._path)) as raw, raw:
        (sealed,) = raw.execute("SELECT sealed_key FROM encryption").fetchone()
        raw.execute("UPDATE encryption SET sealed_key = ?", (sealed[:-5] + bytes([sealed[-5] ^ 1]) + sealed[-4:],))
    with pytest.raises(GalleryDamaged, match="sealed key is broken"):
        Store.open(store._path, secret=KEY)


def test_a_database_from_elsewhere_cannot_ask_for_all_memory(path: Path) -> None:
    """The cost of a passphrase is read from the file, and bounded."""
    Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=WORDS, cost=CHEAP).close()
    for n in (2**40, 3):
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE encryption SET scrypt_n = ?", (n,))
        with pytest.raises(GalleryDamaged, match="key"):
            Store.open(path, secret=WORDS)


def test_a_gallery_whose_key_was_removed_is_not_opened_as_a_plain_one(store: Store) -> None:
    """Nobody enrolls readable members into a gallery that was encrypted, nor is shown what is sealed."""
    with closing(sqlite3.connect(store._path)) as raw, raw:
        raw.execute("DELETE FROM encryption")
    for secret in (None, KEY):
        with pytest.raises(GalleryTampered, match="way to its key was removed"):
            Store.open(store._path, secret=secret)
    with closing(sqlite3.connect(store._path)) as raw, raw:
        raw.execute("DELETE FROM templates")
    with pytest.raises(GalleryTampered):
        Store.open(store._path)


def test_a_sealed_vector_among_plain_ones_is_damage(path: Path) -> None:
    """Every length that the table's rule allows is told in words."""
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as plain:
        enroll(plain, ADA, 1, 2, 3)
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE templates SET vector = zeroblob(2080) WHERE id = 2")
        with pytest.raises(GalleryDamaged, match="a vector"):
            plain.templates()
        assert plain.check() == ["the vector of template 2 is damaged"]


def test_a_secret_that_is_given_and_not_needed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says a secret believes the gallery to be encrypted; one in the environment may be for another one."""
    folder = tmp_path / "gallery"
    Gallery.create(folder).close()
    with pytest.raises(WrongKey, match="not encrypted"):
        Gallery.open(folder, secret=KEY)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "some words")
    Gallery.open(folder).close()


@pytest.mark.parametrize(("before", "after"), [(None, KEY), (KEY, None), (KEY, WORDS)], ids=str)
def test_a_gallery_that_was_replaced_is_not_gone_on_with(
    before: Secret | None, after: Secret | None, path: Path, tmp_path: Path
) -> None:
    """``restore`` puts another key under an open gallery: nothing is sealed by the old one, nor kept readable."""
    made = {
        secret: Store.create(
            tmp_path / str(n) / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX, secret=secret, cost=CHEAP
        )
        for n, secret in enumerate((before, after))
    }
    for each in made.values():
        enroll(each, ADA, 1)
    made[after].back_up(tmp_path / "backup")
    opened = made[before]
    restore(tmp_path / "backup", opened._path, secret=after, aside=tmp_path / "aside")
    with pytest.raises(GalleryUnavailable, match="replaced by another program"):
        enroll(opened, "Bea", 2)
    with pytest.raises(GalleryUnavailable, match="replaced by another program"):
        opened.members()
    for each in made.values():
        each.close()
    with Store.open(opened._path, secret=after) as again:
        assert [member.name for member in again.members()] == [ADA]
        assert again.check() == []


def test_a_changed_secret_disturbs_nobody(store: Store) -> None:
    """The data key stays, so programs that have the gallery open go on."""
    with Store.open(store._path, secret=KEY) as other:
        other.change_secret(KEY, WORDS, cost=CHEAP)
        enroll(store, "Dora", 20)
        assert store.check() == other.check() == []


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [None, KEY], ids=["plain", "encrypted"])
def test_files_are_this_person_s_alone_whatever_the_umask(
    secret: Secret | None,
    tmp_path: Path,
) -> None:
    """0600 in a 0700 folder: database, log, index, backup."""
    folder = tmp_path / "gallery"
    before = os.umask(0)
    try:
        with Gallery.create(folder, secret=secret) as gallery:
            for seed in range(3):
                gallery._store.enroll("Ada", photo(str(seed)), face=face(seed), model=gallery.model)
            gallery.refresh_index()
            gallery.back_up()
            files = [path for path in folder.rglob("*") if path.is_file()]
            assert {f"{DATABASE_NAME}-wal", "stamp.json"} <= {path.name for path in files}
            assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
            folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
            assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
            assert gallery.check().faults == ()
            folder.chmod(0o755)
            (folder / DATABASE_NAME).chmod(0o644)
            (fault,) = gallery.check().faults
            assert "chmod -R go-rwx" in fault
    finally:
        os.umask(before)
