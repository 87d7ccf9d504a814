"""Backups: copies of the database without anything that was removed, and the way back from one."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, inspect, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from facegallery.disk import create_private, flush, make_private_file
from facegallery.domain import Secret
from facegallery.errors import BackupRefused, GalleryDamaged
from facegallery.settings import migrations_folder
from facegallery.store import erasure, keys, rows
from facegallery.store.engine import (
    BUSY_TIMEOUT_S,
    database_uri,
    open_engine,
    prefer_wal,
    reading,
    sqlite_errors,
    writing,
)
from facegallery.store.migrate import ensure_current, found_revision, known_revisions
from facegallery.store.tables import BackupRow, EncryptionRow, SettingsRow
from facegallery.store.writing import WritableStore

_PAGES_AT_ONCE = 10_000

UNFINISHED = ".unfinished-"
"""Between the name of a backup and what tells a half one of it from others."""


class BackupStore(WritableStore):
    """Copies of an open gallery's database."""

    def back_up(self, path: Path) -> None:
        """Write a copy of the database as it is at this moment, which only this person may read; others go on working.

        An encrypted gallery's copy is encrypted, and opens with the secret of today.

        Raises:
            BackupRefused: There is a file already.
            GalleryUnavailable: It cannot be written; nothing is left of it.
        """
        copy_database(self._engine, self._path, path)

    def remember_backup(self, path: Path) -> None:
        """Keep where a backup, or an archive, outside of the gallery's folder is, so that ``forget`` can name it."""
        path = path.absolute()
        with self._write() as connection:  # paths are sealed anew each time they are kept: no query finds one
            if path not in connection.scalars(select(BackupRow.path)).all():
                rows.insert_row(connection, BackupRow, path=path, made_at=self._clock())

    def remembered_backups(self) -> list[Path]:
        """Where backups and archives outside of the gallery's folder were written, each once, oldest first."""
        with self._read() as connection:
            return list(connection.scalars(select(BackupRow.path).order_by(BackupRow.id)))


def copy_database(engine: Engine, path: Path, copy: Path) -> None:
    """Write a whole copy of a database to a place where there is none, in one step that survives a loss of power.

    Until it is whole its name goes on after that of the copy, so that who looks for copies finds a half one too.

    Raises:
        BackupRefused: There is a file already.
        GalleryUnavailable: It cannot be written; nothing is left of it.
    """
    unfinished = copy.with_name(f"{copy.name}{UNFINISHED}{secrets.token_hex(8)}")
    with sqlite_errors(path), sqlite_errors(copy):
        _require_free(copy)
        os.close(create_private(unfinished, os.O_EXCL))
        try:
            with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
                # Unlike a copy of the pages this leaves free space, and what was removed from it, behind.
                cursor.execute("VACUUM INTO ?", (database_uri(unfinished, "rw"),))
            flush(unfinished)
            _require_free(copy)
            unfinished.rename(copy)
            flush(copy.parent)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise


def _require_free(copy: Path) -> None:
    if os.path.lexists(copy):
        raise BackupRefused(copy, "there is such a file already, and it is not overwritten")


def restore(backup: Path, path: Path, *, secret: Secret | None, aside: Path) -> None:
    """Put a backup in the place of a gallery's database, in one transaction: others that have it open see the change.

    What was there is kept beside it first, so that nothing is lost by restoring the wrong file; a database too damaged
    for that is moved there.

    Args:
        backup: The file. It is not changed.
        path: The gallery's database; there may be none.
        secret: What the backup is opened with, where it is encrypted.
        aside: Where what was there is kept.

    Raises:
        BackupRefused: It is no backup of a gallery, or a broken one, or of a later version.
        KeyNeeded: It is encrypted, and there is no secret.
        WrongKey: It is encrypted with another secret.
        GalleryUnavailable: The gallery's folder cannot be written.
    """
    revision = _checked(backup, secret)
    with sqlite_errors(path):
        make_private_file(path)
        before = _kept_aside(path, aside)
        with closing(_immutable(backup)) as source, closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as live:
            source.backup(live, pages=_PAGES_AT_ONCE, progress=_Patience())
    engine = open_engine(path)
    try:
        prefer_wal(engine, path)
        ensure_current(engine, path)
        with writing(engine, path) as connection:
            # What was left to be erased is still left: who was forgotten may be in the backups beside the gallery.
            erasure.go_on(connection, before.erasure, connection.scalar(select(SettingsRow.erasure)))
            connection.execute(update(SettingsRow).values(revision=max(revision, before.revision)))
            rows.grow_revision(connection)
    finally:
        engine.dispose()


class _Patience:
    """Ends a copy that waits for another program for too long."""

    def __init__(self) -> None:
        self._left, self._since = -1, time.monotonic()

    def __call__(self, status: int, remaining: int, total: int) -> None:  # noqa: ARG002 - sqlite3's signature
        if remaining != self._left:
            self._left, self._since = remaining, time.monotonic()
        elif time.monotonic() - self._since > BUSY_TIMEOUT_S:
            raise sqlite3.OperationalError("database is locked")


def _checked(backup: Path, secret: Secret | None) -> int:
    """The revision of the rows in a backup that is whole and opens."""
    try:
        with closing(_immutable(backup)) as raw:
            faults = [row[0] for row in raw.execute("PRAGMA integrity_check") if row[0] != "ok"]
            faults += [
                f"a row of {row[0]} refers to one that is not there" for row in raw.execute("PRAGMA foreign_key_check")
            ]
            if faults:
                raise BackupRefused(backup, f"it is damaged ({faults[0]})")
        engine = create_engine("sqlite://", creator=lambda: _immutable(backup), poolclass=NullPool)
        with engine.connect() as connection:
            found = found_revision(connection, backup)
            if found not in known_revisions(migrations_folder()):
                raise BackupRefused(backup, "a later version of facegallery wrote it" if found else "it is empty")
            if inspect(connection).has_table(EncryptionRow.__tablename__):
                keys.data_key_of(connection, backup, secret)
            return rows.revision_and_state(connection)[0]
    except (sqlite3.DatabaseError, DBAPIError, GalleryDamaged) as error:
        raise BackupRefused(backup, "it is not a whole backup of a gallery") from error
    except OSError as error:
        raise BackupRefused(backup, error.strerror or str(error)) from error


@dataclass(frozen=True, slots=True)
class _Before:
    """What a database that is replaced had got to."""

    revision: int = 0
    erasure: str | None = None


def _kept_aside(path: Path, aside: Path) -> _Before:
    """Keep what is there beside it, and say what it had got to."""
    engine = open_engine(path)
    try:
        with reading(engine, path) as connection:
            if found_revision(connection, path) is None:
                return _Before()
            columns = {column["name"] for column in inspect(connection).get_columns(SettingsRow.__tablename__)}
            erased = connection.scalar(select(SettingsRow.erasure)) if "erasure" in columns else None
            before = _Before(rows.revision_and_state(connection)[0], erased)
        copy_database(engine, path, aside)
        return before
    except (GalleryDamaged, SQLAlchemyError):  # too damaged to be copied, or to say anything
        engine.dispose()
        for ending in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
        make_private_file(path)
        return _Before()
    finally:
        engine.dispose()


def _immutable(backup: Path) -> sqlite3.Connection:
    """A connection that neither writes nor locks, and makes no file beside the backup."""
    if not backup.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file")
    log = backup.with_name(f"{backup.name}-wal")
    if log.exists() and log.stat().st_size:
        raise BackupRefused(
            backup,
            f"changes that are not in it lie beside it, in {log.name}: a backup is one file that is whole by itself",
        )
    return sqlite3.connect(f"{database_uri(backup, 'ro')}&immutable=1", uri=True, check_same_thread=False)
