"""Backups are whole and private; restoring brings back what was, loses nothing, and refuses what is no backup."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from facegallery import Gallery
from facegallery.domain import Preparation, Secret
from facegallery.errors import BackupRefused, GalleryUnavailable, KeyNeeded, WrongKey
from facegallery.gallery import erasing
from facegallery.gallery.backing_up import restore_gallery
from facegallery.index.opening import open_index, refresh
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.store import engine as store_engine
from tests.conftest import RunCli
from tests.made_up import KEY, MODEL, bytes_of, enroll, vector


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def secret(request: pytest.FixtureRequest) -> Secret | None:
    found: Secret | None = request.param
    return found


@pytest.fixture
def store(secret: Secret | None, tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "gallery" / DATABASE_NAME
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=secret) as made:
        enroll(made, "Ada", 1, 2)
        enroll(made, "Bea", 3)
        yield made


def names(store: Store) -> list[str]:
    return [member.name for member in store.members()]


def test_a_backup_is_the_gallery_of_its_moment(store: Store, secret: Secret | None, tmp_path: Path) -> None:
    """Rows that are only in the log are in it, what was removed is not, and only this person may read it."""
    backup = tmp_path / "backup.sqlite3"
    store.forget("Bea")
    store.back_up(backup)
    enroll(store, "Later", 4)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []
    assert vector(3).tobytes()[:64] not in backup.read_bytes()
    with Store.open(backup, secret=secret) as opened:
        assert names(opened) == ["Ada"]
        assert opened.check() == []
        assert opened.gallery_id() == store.gallery_id()


def test_a_backup_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    """A file that is there stays, also one that is only a link."""
    taken, link = tmp_path / "taken", tmp_path / "link"
    taken.write_bytes(b"mine")
    link.symlink_to(tmp_path / "nowhere")
    for path in (taken, link):
        with pytest.raises(BackupRefused, match="not overwritten"):
            store.back_up(path)
    assert taken.read_bytes() == b"mine"
    with pytest.raises(GalleryUnavailable):
        store.back_up(tmp_path / "no folder" / "backup")


def test_restoring_brings_back_what_was_and_keeps_what_is(store: Store, secret: Secret | None, tmp_path: Path) -> None:
    """Members, vectors and index answers of the backup; what was there lies beside it, and can be restored too."""
    folder, backup = tmp_path / "gallery", tmp_path / "backup.sqlite3"
    store.back_up(backup)
    store.rename("Ada", "Somebody")
    enroll(store, "Later", 4)
    revision = store.stamp().revision
    open_index(folder / INDEX_NAME, store, cipher=store.cipher)
    restored = restore_gallery(folder, backup, secret=secret)
    assert names(store) == ["Ada", "Bea"]  # also for who has it open
    assert store.stamp().revision == revision + 1
    assert store.check() == []
    index = open_index(folder / INDEX_NAME, store, cipher=store.cipher)
    assert index.search(vector(3)[None], 9)[1][0].tolist()[0] == store.templates("Bea").ids[0]
    assert index.count == 3
    assert restored.kept is not None
    restore_gallery(folder, restored.kept, secret=secret)
    assert names(store) == ["Bea", "Later", "Somebody"]


def test_restoring_where_there_is_no_gallery(store: Store, secret: Secret | None, tmp_path: Path) -> None:
    """On another machine a backup alone is enough, and what is made of it is private."""
    backup, elsewhere = tmp_path / "backup.sqlite3", tmp_path / "elsewhere"
    store.back_up(backup)
    assert restore_gallery(elsewhere, backup, secret=secret).kept is None
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
    assert stat.S_IMODE((elsewhere / DATABASE_NAME).stat().st_mode) == 0o600
    with Store.open(elsewhere / DATABASE_NAME, secret=secret) as opened:
        assert names(opened) == ["Ada", "Bea"]


def test_restoring_over_a_damaged_gallery_keeps_the_damaged_file(
    store: Store, secret: Secret | None, tmp_path: Path
) -> None:
    """Somebody may still get something out of it."""
    folder, backup = tmp_path / "gallery", tmp_path / "backup.sqlite3"
    store.back_up(backup)
    store.close()
    (folder / DATABASE_NAME).write_bytes(b"not a database" * 1000)
    restored = restore_gallery(folder, backup, secret=secret)
    assert restored.kept is not None
    assert restored.kept.read_bytes() == b"not a database" * 1000
    with Store.open(folder / DATABASE_NAME, secret=secret) as opened:
        assert names(opened) == ["Ada", "Bea"]


def test_what_is_no_backup_is_refused_and_nothing_changes(store: Store, secret: Secret | None, tmp_path: Path) -> None:
    """Text, an empty file, half a file, another program's database, one of a later version, and nothing at all."""
    folder, backup = tmp_path / "gallery", tmp_path / "backup.sqlite3"
    store.back_up(backup)
    whole = backup.read_bytes()
    damaged = whole[: 8192 * 3] + b"\xff" * (8192 * 3) + whole[8192 * 6 :]
    bad = {"text": b"hello", "empty": b"", "half": whole[: len(whole) // 2 // 8192 * 8192], "damaged": damaged}
    for name, contents in bad.items():
        (tmp_path / name).write_bytes(contents)
    with closing(sqlite3.connect(tmp_path / "other")) as raw, raw:
        raw.execute("CREATE TABLE cats (id INTEGER)")
    shutil.copy(backup, tmp_path / "later")
    with closing(sqlite3.connect(tmp_path / "later")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    before = bytes_of(folder)
    shutil.copy(backup, tmp_path / "inconsistent")
    with closing(sqlite3.connect(tmp_path / "inconsistent")) as raw, raw:
        raw.execute("DELETE FROM photos")
    for name in (*bad, "other", "later", "inconsistent", "nothing"):
        with pytest.raises(BackupRefused):
            restore_gallery(folder, tmp_path / name, secret=secret)
        assert bytes_of(folder) == before, name
    with pytest.raises(BackupRefused, match="own database"):
        restore_gallery(folder, folder / DATABASE_NAME, secret=secret)


def test_a_copy_without_its_log_is_not_taken_for_a_backup(store: Store, secret: Secret | None, tmp_path: Path) -> None:
    """A folder that was copied while it was in use: what is only in the log would be lost without a word."""
    copied = tmp_path / "copied"
    shutil.copytree(tmp_path / "gallery", copied)
    with pytest.raises(BackupRefused, match="lie beside it"):
        restore_gallery(tmp_path / "new", copied / DATABASE_NAME, secret=secret)


def test_a_database_that_says_nothing_of_itself_can_be_replaced(
    store: Store, secret: Secret | None, tmp_path: Path
) -> None:
    """Just then it is needed."""
    backup = tmp_path / "backup.sqlite3"
    store.back_up(backup)
    with closing(sqlite3.connect(store._path)) as raw, raw:
        raw.execute("DELETE FROM gallery_settings")
    store.close()
    restored = restore_gallery(tmp_path / "gallery", backup, secret=secret)
    assert restored.kept is not None
    with Store.open(store._path, secret=secret) as again:
        assert names(again) == ["Ada", "Bea"]


def test_restoring_does_not_end_an_erasure(store: Store, secret: Secret | None, tmp_path: Path) -> None:
    """Who was forgotten before it is in the backups beside the gallery, and they are still to go."""
    outside, inside = tmp_path / "backup.sqlite3", tmp_path / "gallery" / f"{DATABASE_NAME}.backup-1"
    store.back_up(outside)
    store.back_up(inside)
    store.forget("Ada")
    restore_gallery(tmp_path / "gallery", outside, secret=secret)
    assert store.erasure() is not None
    assert erasing.finish(tmp_path / "gallery", store)
    assert not inside.exists()


def test_an_index_of_another_history_is_not_searched_after_restoring(
    store: Store, secret: Secret | None, tmp_path: Path
) -> None:
    """Its files go, however well they would fit by their numbers."""
    backup = tmp_path / "backup.sqlite3"
    store.back_up(backup)
    refresh(tmp_path / "gallery" / INDEX_NAME, store, cipher=store.cipher)
    restore_gallery(tmp_path / "gallery", backup, secret=secret)
    assert [path.name for path in (tmp_path / "gallery" / INDEX_NAME).iterdir()] == ["lock"]


def test_an_encrypted_backup_needs_its_secret(tmp_path: Path) -> None:
    """It is checked before anything is replaced."""
    folder, backup = tmp_path / "gallery", tmp_path / "backup.sqlite3"
    with Store.create(folder / DATABASE_NAME, model=MODEL, preparation=Preparation.BOX, secret=KEY) as store:
        enroll(store, "Ada", 1)
        store.back_up(backup)
    before = bytes_of(folder)
    with pytest.raises(KeyNeeded):
        restore_gallery(folder, backup)
    with pytest.raises(WrongKey):
        restore_gallery(folder, backup, secret=Secret(KEY.kind, b"x" * 32))
    assert bytes_of(folder) == before


def test_an_older_backup_is_brought_up_to_date(tmp_path: Path) -> None:
    """One from before encryption existed is restored and upgraded."""
    from tests.test_migrations import ROWS, VECTOR

    old = tmp_path / "old.sqlite3"
    old.touch()
    engine = store_engine.open_engine(old)
    from facegallery.store.migrate import upgrade

    with engine.connect() as connection, connection.begin():
        upgrade(connection, target="0001")
        rows = ROWS["0001"].format(hash="1" * 64, fingerprint="a" * 64, vector=VECTOR.tobytes().hex())
        for statement in rows.split(";\n"):
            if statement.strip():
                connection.execute(text(statement.replace(":", r"\:")))
    engine.dispose()
    restore_gallery(tmp_path / "gallery", old)
    with Store.open(tmp_path / "gallery" / DATABASE_NAME) as store:
        assert names(store) == ["Ada"]
        assert store.check() == []


def test_a_copy_that_waits_for_a_writer_gives_up(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restoring while somebody writes for too long ends in an error, and the gallery is as it was."""
    from facegallery.store import backups

    backup = tmp_path / "backup.sqlite3"
    store.back_up(backup)
    enroll(store, "Later", 4)
    monkeypatch.setattr(backups, "BUSY_TIMEOUT_S", 0.3)
    with store_engine.writing(store._engine, store._path) as connection:
        connection.exec_driver_sql("UPDATE members SET name = name")
        with pytest.raises(GalleryUnavailable, match="writing to it"):
            restore_gallery(tmp_path / "gallery", backup, secret=KEY)
    assert names(store) == ["Ada", "Bea", "Later"]


def test_backup_and_restore_on_the_command_line(run_cli: RunCli, gallery_folder: Path, tmp_path: Path) -> None:
    """The printed path restores; a plain backup is said to be readable."""
    done = run_cli("backup", "-g", gallery_folder)
    assert done.code == 0
    assert "not encrypted" in done.err
    path = Path(done.out.removeprefix("Backup: ").strip())
    assert path.parent == gallery_folder
    assert run_cli("forget", "Ada", "--yes", "--keep-backups", "-g", gallery_folder).code == 0
    restored = run_cli("restore", path, "--yes", "-g", gallery_folder)
    assert restored.code == 0, restored.err
    with Gallery.open(gallery_folder) as gallery:
        assert gallery.member("Ada").n_templates == 4
    refused = run_cli("restore", tmp_path / "nothing", "--yes", "-g", gallery_folder)
    assert refused.code == 1
    assert str(tmp_path / "nothing") in refused.err
