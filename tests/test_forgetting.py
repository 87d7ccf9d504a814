"""Forgotten means gone: from every file of the gallery, whatever happens on the way, and with a certificate of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from facegallery import Gallery
from facegallery.domain import (
    Asked,
    Candidate,
    Decision,
    EnrolledFace,
    Limits,
    Preparation,
    Removal,
    ScoreRule,
    Verdict,
)
from facegallery.errors import StillInTheLog
from facegallery.gallery import erasing
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.index.opening import forgetting, open_index
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.store import engine as store_engine
from facegallery.store.backups import UNFINISHED
from facegallery.store.erasure import takes_backups
from tests.conftest import RunCli, open_with
from tests.made_up import KEY, MODEL, bytes_of, enroll, face, photo, vector

NAME, PATH = "Ada Lovelace-Byron", "/private/holiday in somerset/1.jpg"


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A gallery's store with forty others in it, so that pages are shared, split and joined."""
    path = tmp_path / "gallery" / DATABASE_NAME
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=request.param) as made:
        for seed in range(40):
            enroll(made, f"Person {seed}", seed)
        yield made


def folder_of(store: Store) -> Path:
    return store._path.parent


def enroll_ada(store: Store) -> list[EnrolledFace]:
    kept = [
        store.enroll(NAME, photo(f"ada {seed}", PATH.replace("1.", f"{seed}.")), face=face(seed), model=MODEL)
        for seed in range(100, 106)
    ]
    store.reject("Person 3", photo("ada 100", PATH), face=face(107, left=200.0), model=MODEL)
    store.reject(NAME, photo("other"), face=face(108), model=MODEL)
    return kept


def traces_of_ada() -> list[bytes]:
    """Readable ones: three pieces of each vector, the name and its folded form, paths, hashes."""
    vectors = [vector(seed).tobytes() for seed in (*range(100, 106), 107, 108)]
    pieces = [each[at : at + 64] for each in vectors for at in (0, 1000, 1984)]
    hashes = [hashlib.sha256(f"ada {seed}".encode()).hexdigest().encode() for seed in range(100, 106)]
    return [*pieces, *hashes, NAME.encode(), NAME.casefold().encode(), b"holiday in somerset"]


def forget(store: Store) -> Removal:
    ids = store.templates(NAME).ids.tolist()
    return erasing.remove(folder_of(store), store, ids, lambda: store.forget(NAME))


def kept_values(store: Store) -> list[bytes]:
    """What the database itself holds for Ada, sealed or not."""
    with closing(store_engine.connect_readonly(store._path)) as raw:
        query = (
            "SELECT vector FROM templates WHERE member_id = (SELECT max(id) FROM members) UNION ALL "
            "SELECT name FROM members WHERE id = (SELECT max(id) FROM members) UNION ALL "
            "SELECT name_key FROM members WHERE id = (SELECT max(id) FROM members)"
        )
        return [value if isinstance(value, bytes) else value.encode() for (value,) in raw.execute(query)]


def test_a_forgotten_member_is_in_no_file(store: Store) -> None:
    """Neither vectors, paths, hashes and name, nor what the database kept of them sealed; also while others read."""
    enroll_ada(store)
    open_index(folder_of(store) / INDEX_NAME, store, cipher=store.cipher)
    kept = kept_values(store)
    before = bytes_of(folder_of(store))
    if store.cipher is None:
        assert all(trace in before for trace in traces_of_ada())
    assert all(value in before for value in kept)
    removed = forget(store)
    assert len(removed.template_ids) == 6
    after = bytes_of(folder_of(store))
    assert [trace for trace in (*traces_of_ada(), *kept) if trace in after] == []
    assert store.erasure() is None
    assert store.check() == []
    assert len(store.members()) == 40


def test_a_path_that_tells_the_name_goes_too(store: Store) -> None:
    """Photos that were only asked about, or said not to show somebody, lie in folders of names, old and new ones."""
    enroll_ada(store)
    store.rename(NAME, "A. Byron")
    store.keep_log(30)
    nearest = Candidate("Person 3", 0.4, 1, 4)
    decision = Decision(Verdict.UNKNOWN, nearest, None, Limits(0.5, 0.0, "asked for"), (nearest,), None)
    for path in ("/group/Ada Lovelace-Byron/9.jpg", "/group/a. byron.png", "/group/other.jpg"):
        name = Path(path)
        asked = Asked("somebody", "identify", name, photo(path).content_hash, ScoreRule.CENTROID, MODEL)
        store.log(asked, {1: decision}, store.member_ids())
        store.reject("Person 5", photo(path, path), face=face(200), model=MODEL)
    ids = store.templates("A. Byron").ids.tolist()
    erasing.remove(folder_of(store), store, ids, lambda: store.forget("A. Byron"))
    assert [entry.asked.path for entry in store.logged()] == [Path("/group/other.jpg")]
    assert [each.photo_path for each in store.rejections()] == [Path("/group/other.jpg")]
    after = bytes_of(folder_of(store)).lower()
    assert not [name for name in (b"ada lovelace", b"a. byron") if name in after]


def test_backups_in_the_gallery_go_too_unless_they_are_to_stay(store: Store, tmp_path: Path) -> None:
    """Those in its folder go with the first who does not say otherwise; those elsewhere are remembered."""
    enroll_ada(store)
    folder, elsewhere = folder_of(store), tmp_path / "elsewhere.sqlite3"
    inside = folder / f"{DATABASE_NAME}.backup-1"
    store.back_up(inside)
    store.back_up(elsewhere)
    store.remember_backup(elsewhere)
    ids = store.templates("Person 5").ids.tolist()
    erasing.remove(folder, store, ids, lambda: store.forget("Person 5", keep_backups=True))
    assert erasing.backups_in(folder) == [inside]
    forget(store)
    assert erasing.backups_in(folder) == []
    assert store.remembered_backups() == [elsewhere]
    after = bytes_of(folder)
    assert [trace for trace in traces_of_ada() if trace in after] == []


def test_a_promise_to_remove_backups_is_not_taken_back(store: Store) -> None:
    """Somebody else, forgotten with backups kept before the first erasure is done, does not save the backups."""
    enroll_ada(store)
    backup = folder_of(store) / f"{DATABASE_NAME}.backup-1"
    store.back_up(backup)
    store.forget(NAME)
    store.forget("Person 5", keep_backups=True)
    assert erasing.finish(folder_of(store), store)
    assert not backup.exists()


def test_who_is_killed_half_way_is_finished_by_who_opens_next(
    gallery_folder: Path, analyzer: FaceAnalyzer, run_cli: RunCli
) -> None:
    """Rows gone and nothing else done: any command that opens the gallery does the rest."""
    trace = vector_bytes(gallery_folder, "Ada")
    with open_with(gallery_folder, analyzer) as gallery:
        gallery.back_up()
        child = os.fork()
        if child == 0:
            gallery._store.forget("Ada")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
    assert trace in bytes_of(gallery_folder)
    assert run_cli("members", "-g", gallery_folder).code == 0
    assert trace not in bytes_of(gallery_folder)
    assert erasing.backups_in(gallery_folder) == []
    report = json.loads(run_cli("check", "--json", "-g", gallery_folder).out)
    assert (report["ok"], report["members"]) == (True, 5)


def vector_bytes(folder: Path, name: str) -> bytes:
    with Store.open(folder / DATABASE_NAME) as store:
        return bytes(store.templates(name).vectors[0].tobytes()[:64])


def test_another_reader_is_waited_for_and_the_rest_is_done_when_it_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so, nobody who opens meanwhile waits, and the bytes go with the next opening after the reader."""
    monkeypatch.setattr(store_engine, "BUSY_TIMEOUT_S", 0.2)
    enroll_ada(store)
    with store_engine.reading(store._engine, store._path) as connection:
        connection.exec_driver_sql("SELECT count(*) FROM members").one()
        with pytest.raises(StillInTheLog, match="facegallery compact"):
            forget(store)
        assert takes_backups(store.erasure() or "")
        assert not erasing.finish(folder_of(store), store, wait=False)
    assert erasing.finish(folder_of(store), store, wait=False)
    after = bytes_of(folder_of(store))
    assert [trace for trace in traces_of_ada() if trace in after] == []


def test_an_erasure_does_not_end_another_s(store: Store) -> None:
    """Who was forgotten after the database was written anew is still to be erased."""
    enroll_ada(store)
    store.forget("Person 5", keep_backups=True)
    begun = store.erasure()
    store.forget(NAME)
    assert store.erase(begun)
    left = store.erasure()
    assert left is not None
    assert takes_backups(left)


def test_who_waits_to_finish_finishes_what_there_is_then(store: Store) -> None:
    """Somebody forgotten by another program while this one waited for the index: the backups go too."""
    enroll_ada(store)
    folder = folder_of(store)
    backup = folder / f"{DATABASE_NAME}.backup-1"
    store.back_up(backup)
    store.forget("Person 5", keep_backups=True)
    with ThreadPoolExecutor(1) as pool:
        with forgetting(folder / INDEX_NAME, store, cipher=store.cipher):
            waiting = pool.submit(erasing.finish, folder, store)
            time.sleep(0.2)
            store.forget(NAME)
        assert waiting.result()
    assert not backup.exists()
    assert store.erasure() is None


def test_a_reader_in_the_way_does_not_have_everything_written_anew(store: Store) -> None:
    """Who cannot finish now leaves the log as long as it was."""
    store.forget("Person 5")
    log = store._path.with_name(f"{DATABASE_NAME}-wal")
    with store_engine.reading(store._engine, store._path) as connection:
        connection.exec_driver_sql("SELECT count(*) FROM members").one()
        enroll(store, "Later", 900)
        before = log.stat().st_size
        assert not erasing.finish(folder_of(store), store, wait=False)
        assert log.stat().st_size == before


@pytest.mark.parametrize("name", ["mine.sqlite3", f"{DATABASE_NAME}-copy"])
def test_a_backup_in_the_folder_by_any_name_is_known(
    gallery: Gallery, gallery_folder: Path, run_cli: RunCli, name: str
) -> None:
    """What ``forget`` does not remove it names."""
    gallery.back_up(gallery_folder / name)
    done = run_cli("forget", "Ada", "--yes", "-g", gallery_folder)
    assert done.code == 0
    assert str(gallery_folder / name) in done.err


def test_a_half_backup_is_found_by_who_looks_for_backups(
    gallery: Gallery, gallery_folder: Path, tmp_path: Path
) -> None:
    """What a killed program left: in the folder it goes with the first who is forgotten, elsewhere it is named."""
    outside = tmp_path / "elsewhere.sqlite3"
    for target in (None, outside):
        child = os.fork()
        if child == 0:
            sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == "os.rename" else None)
            gallery.back_up(target)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [UNFINISHED in path.name for path in gallery.backups()] == [True]
    assert [path.name.startswith(f"elsewhere.sqlite3{UNFINISHED}") for path in gallery.other_backups()] == [True]
    gallery.forget("Ada")
    assert gallery.backups() == []
    assert len(gallery.other_backups()) == 1


# --- the certificate ----------------------------------------------------------------------------------------------


def test_the_certificate_counts_and_hashes_and_names_nobody(gallery: Gallery, gallery_folder: Path) -> None:
    """Who has a vector or a photo can find it in the certificate; nobody reads a name, a path or an unsalted hash."""
    faces = gallery.enrolled_faces("Ada")
    vectors = gallery.templates().vectors[[name == "Ada" for name in gallery.templates().members]]
    text = gallery.certificate(gallery.forget("Ada"))
    document = json.loads(text)
    assert document["rows_removed"] == {"faces": 4, "members": 1, "photos": 4, "templates": 4}
    salt = bytes.fromhex(document["salt"])
    assert document["vectors_sha256"] == sorted(hashlib.sha256(salt + v.tobytes()).hexdigest() for v in vectors)
    hashes = [bytes.fromhex(each.content_hash) for each in faces]
    assert document["photos_sha256"] == sorted(hashlib.sha256(salt + each).hexdigest() for each in hashes)
    assert document["searched"]["files_with_traces"] == 0
    assert document["searched"]["files"] == len([path for path in gallery_folder.rglob("*") if path.is_file()])
    assert document["searched"]["traces"] >= 4 + 8
    assert "ada" not in text.casefold().replace("sha256", "")
    assert all(each.content_hash not in text and str(each.photo_path) not in text for each in faces)


def test_the_search_finds_what_is_left(gallery: Gallery, gallery_folder: Path) -> None:
    """A backup that is kept, and any other file with a piece of a vector in it, is told."""
    kept = gallery.back_up()
    piece = gallery.templates().vectors[0].tobytes()[1024:1088]
    removed = gallery.forget("Ada", keep_backups=True)
    assert erasing.search(gallery_folder, removed, ()).found_in == (kept,)
    (gallery_folder / "note").write_bytes(b"..." + piece)
    assert erasing.search(gallery_folder, removed, ()).found_in == (kept, gallery_folder / "note")
    assert json.loads(gallery.certificate(removed))["searched"]["files_with_traces"] == 2
    assert json.loads(gallery.certificate(removed))["backups_kept"] == 1


def test_looking_for_traces_leaves_the_locks_alone(gallery: Gallery, gallery_folder: Path) -> None:
    """Another program that comes and goes after a certificate does not take the log away from who is still there."""
    gallery.certificate(gallery.forget("Ada"))
    gallery.rename("Bea", "Beatrice")
    code = "import sys; from facegallery import Gallery; Gallery.open(sys.argv[1]).rename('Dan', 'Daniel')"
    subprocess.run([sys.executable, "-c", code, gallery_folder], check=True)
    gallery.rename("Hana", "Hannah")
    gallery.close()
    with Gallery.open(gallery_folder) as again:
        assert [member.name for member in again.members()] == ["Beatrice", "Cyrus", "Daniel", "Hannah", "Ivan"]


def test_a_certificate_that_cannot_be_written_is_said_before_anything_is_removed(
    run_cli: RunCli, gallery_folder: Path, tmp_path: Path
) -> None:
    """Nobody is forgotten without the certificate that was asked for; one that was not needed leaves no file."""
    refused = run_cli("forget", "Ada", "--yes", "--certificate", tmp_path / "no" / "c.json", "-g", gallery_folder)
    assert (refused.code, "such file" in refused.err) == (2, True), refused.err
    assert run_cli("show", "Ada", "-g", gallery_folder).code == 0


def test_forget_on_the_command_line(
    run_cli: RunCli, gallery_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names backups elsewhere, writes a private certificate, and does not write over a file."""
    elsewhere, certificate = tmp_path / "b.sqlite3", tmp_path / "certificate.json"
    assert run_cli("backup", "-g", gallery_folder).code == 0
    assert run_cli("backup", elsewhere, "-g", gallery_folder).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    asked = run_cli("forget", "Ada", "-g", gallery_folder)
    assert asked.code == 1
    assert "with 1 backup of the gallery?" in asked.err
    done = run_cli("forget", "Ada", "--yes", "--certificate", certificate, "-g", gallery_folder)
    assert (done.code, done.out) == (
        0,
        f"Forgot Ada: 4 templates removed, and 1 backup.\nCertificate: {certificate}\n",
    )
    assert str(elsewhere) in done.err
    assert stat.S_IMODE(certificate.stat().st_mode) == 0o600
    assert run_cli("forget", "Bea", "--yes", "--certificate", certificate, "-g", gallery_folder).code == 2
    assert run_cli("show", "Bea", "-g", gallery_folder).code == 0


def test_compact_gives_room_back(run_cli: RunCli, gallery_folder: Path) -> None:
    """Free pages go."""
    with Store.open(gallery_folder / DATABASE_NAME) as store:
        for seed in range(300):
            store.enroll("Many", photo(f"many {seed}"), face=face(seed), model=store.model())
        before = (gallery_folder / DATABASE_NAME).stat().st_size
        store.forget("Many")
    done = run_cli("compact", "-g", gallery_folder)
    assert done.code == 0, done.err
    assert (gallery_folder / DATABASE_NAME).stat().st_size < before / 2
    assert "MB before" in done.out
