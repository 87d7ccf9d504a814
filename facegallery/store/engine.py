"""The connection: how SQLite is opened, how a transaction begins, and what SQLite's errors mean to a person.

Python's sqlite3 would begin transactions late and only before some statements. It is told not to
(``isolation_level=None``), and SQLAlchemy's ``begin`` event says ``BEGIN`` instead, as its documentation advises for
all versions of Python: so a read sees one snapshot, and changes to the schema roll back like any other.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from facegallery.errors import GalleryDamaged, GalleryError, GalleryTampered, GalleryUnavailable
from facegallery.sealing import BrokenSeal

BUSY_TIMEOUT_S = 30.0
"""How long one writer waits for another before it gives up."""

RETRY_PAUSE_S = 0.01
"""Longest pause between two attempts where SQLite does not wait by itself, or does not wait fairly."""

LOCK_HELD_S = 0.25
"""How long at a time emptying the log may keep writers out while it waits for readers."""

PAGE_SIZE_BYTES = 8192
"""SQLite's page, chosen when the file is made: three templates of 2 KiB fit, where the usual 4096 holds one."""

_WRITES = "facegallery_writes"
"""Execution option that says that this connection's transactions begin as a writer's, and how long they wait."""


def open_engine(path: Path) -> Engine:
    """An engine on an existing database file; it connects when first used, and never creates the file."""
    engine = create_engine("sqlite://", creator=lambda: _connect(path), poolclass=QueuePool)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def reading(engine: Engine, path: Path) -> Iterator[Connection]:
    """One read transaction: everything in it is seen as of one moment."""
    with sqlite_errors(path), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, path: Path, *, wait_s: float | None = None) -> Iterator[Connection]:
    """One write transaction: begins as a writer, so that what it reads is still true when it writes.

    Args:
        engine: On the database.
        path: The database file.
        wait_s: How long to wait for other writers; None for ``BUSY_TIMEOUT_S``.
    """
    with sqlite_errors(path), engine.connect() as connection:
        connection.execution_options(**{_WRITES: BUSY_TIMEOUT_S if wait_s is None else wait_s})
        with connection.begin():
            yield connection


@contextmanager
def rewriting(engine: Engine, path: Path) -> Iterator[Connection]:
    """One write transaction in which tables may be rebuilt: foreign keys are checked at its end, not on the way.

    SQLite changes a table by copying it and dropping the old one, and with foreign keys enforced that drop deletes
    every row that refers to it. The switch has no effect inside a transaction, so it is thrown before.
    """
    with sqlite_errors(path), engine.connect() as connection:
        connection.execution_options(**{_WRITES: BUSY_TIMEOUT_S})
        _pragma(connection.connection, "foreign_keys = OFF")
        try:
            with connection.begin():
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                if broken:
                    raise GalleryDamaged(path, f"{len(broken)} rows refer to rows that are not there")
        finally:
            _pragma(connection.connection, "foreign_keys = ON")


def prefer_wal(engine: Engine, path: Path) -> None:
    """Let readers and one writer work side by side. The file remembers it; where it cannot be, SQLite works without.

    The page size comes first because it can only be chosen while the file is empty.
    """
    with sqlite_errors(path), closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
        cursor.execute(f"PRAGMA page_size = {PAGE_SIZE_BYTES}")
        # SQLite does not wait by itself here, and others may be making the same gallery at this very moment.
        _patiently(cursor, "PRAGMA journal_mode = WAL", BUSY_TIMEOUT_S)


def checkpoint(engine: Engine, path: Path, *, wait_s: float | None = None) -> bool:
    """Carry the write-ahead log into the database and empty it, so that nothing removed lingers in it.

    SQLite would not wait at all for another's checkpoint, and would keep every writer out for as long as it waits for
    readers. So it is asked for a moment, again and again.

    Args:
        engine: On the database.
        path: The database file.
        wait_s: How long to try; None for ``BUSY_TIMEOUT_S``.

    Returns:
        Whether it was emptied: not while somebody else reads the gallery for longer than that.
    """
    deadline = time.monotonic() + (BUSY_TIMEOUT_S if wait_s is None else wait_s)
    with sqlite_errors(path), closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
        while True:
            with _waiting(cursor, min(LOCK_HELD_S, max(deadline - time.monotonic(), 0))):
                (is_busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy or time.monotonic() >= deadline:
                return not is_busy
            _pause()


def vacuum(engine: Engine, path: Path, *, wait_s: float | None = None) -> bool:
    """Write the database anew, so that no page holds anything but present rows; takes as much room again.

    Args:
        engine: On the database.
        path: The database file.
        wait_s: How long to try; None for ``BUSY_TIMEOUT_S``.

    Returns:
        Whether it was: not while somebody else writes the gallery for longer than that.
    """
    deadline = time.monotonic() + (BUSY_TIMEOUT_S if wait_s is None else wait_s)
    raw = engine.raw_connection()
    with sqlite_errors(path), closing(raw), closing(raw.cursor()) as cursor, _waiting(cursor, 0):
        while True:
            try:
                cursor.execute("VACUUM")
                return True
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                if time.monotonic() >= deadline:
                    return False
                _pause()


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Translate what SQLite and the file system raise; a broken constraint is a fault of ours and stays as it is.

    Raises:
        GalleryUnavailable: Locked for too long, full, not writable, cannot be opened.
        GalleryDamaged: Not a database, or one that is broken or lacks tables; a sealed value that is broken.
        GalleryTampered: A sealed value was changed by somebody.
    """
    try:
        yield
    except (DBAPIError, sqlite3.DatabaseError) as error:
        meant = _translated(error.orig if isinstance(error, DBAPIError) else error, path)
        if meant is None:
            raise
        raise meant from error
    except BrokenSeal as error:
        raise (GalleryTampered if error.tampered else GalleryDamaged)(path, str(error)) from error
    except OSError as error:
        raise GalleryUnavailable(path, error.strerror or str(error)) from error


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A plain connection that cannot change the file."""
    return sqlite3.connect(database_uri(path, "ro"), uri=True, timeout=BUSY_TIMEOUT_S)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database_uri(path, "rw"),
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )
    try:
        for pragma in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()  # nobody else has it yet
        raise
    return connection


def database_uri(path: Path, mode: str) -> str:
    """How SQLite is told of a file, whose name may be any bytes, and of what may be done with it (``ro``, ``rw``)."""
    return f"file:{quote(bytes(path.absolute()))}?mode={mode}"  # bytes: a folder's name need not be valid text


def _begin(connection: Connection) -> None:
    wait_s = connection.get_execution_options().get(_WRITES)
    if wait_s is None:
        connection.exec_driver_sql("BEGIN")
        return
    with closing(connection.connection.cursor()) as cursor, _waiting(cursor, 0):
        _patiently(cursor, "BEGIN IMMEDIATE", wait_s)


def _patiently(cursor: DBAPICursor, statement: str, wait_s: float) -> None:
    """Run a statement that needs a lock as soon as it can be had.

    SQLite looks whether a lock is free every 100 ms once it has waited for some time, so that among several busy
    writers the one who waits longest is the one most easily passed over. Here all look equally often.

    Raises:
        sqlite3.OperationalError: It cannot be had for so long.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        _pause()


def _pause() -> None:
    time.sleep(RETRY_PAUSE_S * random.random())  # noqa: S311 - so that those who wait do not look at the same moments


@contextmanager
def _waiting(cursor: DBAPICursor, wait_s: float) -> Iterator[None]:
    """Have SQLite itself wait so long for a lock, and no longer."""
    cursor.execute(f"PRAGMA busy_timeout = {1000 * wait_s:.0f}")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {1000 * BUSY_TIMEOUT_S:.0f}")


def _pragma(raw: PoolProxiedConnection, pragma: str) -> None:
    """Run a PRAGMA outside of a transaction, which SQLAlchemy would begin by itself."""
    with closing(raw.cursor()) as cursor:
        cursor.execute(f"PRAGMA {pragma}")


def _translated(error: BaseException | None, path: Path) -> GalleryError | None:
    said = str(error)
    if isinstance(error, sqlite3.IntegrityError) or not isinstance(error, sqlite3.DatabaseError):
        return None
    if not isinstance(error, sqlite3.OperationalError) or said.startswith("no such "):
        return GalleryDamaged(path, said)
    return GalleryUnavailable(path, _in_words(said))


def _in_words(said: str) -> str:
    if "locked" in said:
        return f"another program has been writing to it for more than {BUSY_TIMEOUT_S:.0f} seconds"
    if "readonly" in said:
        return "it may be read but not written"
    if "unable to open" in said:
        return "it cannot be opened; this person must be able to read and write both the file and its folder"
    return said
