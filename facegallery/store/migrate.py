"""The schema's revision: read when a gallery is opened, and brought up to date where it is older.

Alembic is imported only where there is something to do: an up-to-date gallery opens without it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from facegallery.errors import GalleryDamaged, GalleryNotFound, GalleryTooNew
from facegallery.settings import migrations_folder
from facegallery.store.engine import connect_readonly, reading, rewriting

if TYPE_CHECKING:
    from alembic.config import Config

SCHEMA_REVISION = "0003"
"""The head of the scripts in ``migrations/``; a test holds the two equal."""


def found_revision(connection: Connection, path: Path) -> str | None:
    """The schema revision of a database, or None for one that holds nothing at all (its creation did not finish).

    Raises:
        GalleryDamaged: It holds tables, but not a gallery's.
    """
    tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise GalleryDamaged(path, "it is a database of another program")
    revisions = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    if len(revisions) != 1:
        raise GalleryDamaged(path, "it does not say which schema it has")
    return str(revisions[0])


def ensure_current(
    engine: Engine, path: Path, *, scripts: Path | None = None, target: str = SCHEMA_REVISION
) -> Path | None:
    """Bring a gallery's schema to ``target``, after a backup, in one transaction.

    Whatever fails on the way, the gallery is left as it was, and the backup is taken away again.

    Args:
        engine: On the database.
        path: The database file.
        scripts: Folder of the Alembic scripts; the ones that travel with the program when None.
        target: The revision to reach.

    Returns:
        The backup that was made, or None when nothing had to be done.

    Raises:
        GalleryNotFound: The database is empty.
        GalleryTooNew: No script knows the revision found; nothing is touched.
        GalleryDamaged: It holds no gallery, or its rows break the new schema's rules.
        GalleryUnavailable: Locked for too long, full, or not writable.
    """
    with reading(engine, path) as connection:
        found = found_revision(connection, path)
    if found == target:
        return None
    if found is None:
        raise GalleryNotFound(path.parent)
    scripts = scripts or migrations_folder()
    if found not in known_revisions(scripts):
        raise GalleryTooNew(path.parent, found)
    backup = None
    try:
        with rewriting(engine, path) as connection:
            found = found_revision(connection, path)  # again: another process may have done it while this one waited
            if found == target:
                return None
            backup = _back_up(path, f"{path.name}.backup-{found}-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}")
            upgrade(connection, scripts=scripts, target=target)
    except BaseException as error:
        if backup is not None:
            backup.unlink()
        if isinstance(error, IntegrityError):
            raise GalleryDamaged(path, f"its rows do not fit schema {target} ({error.orig})") from error
        raise
    return backup


def upgrade(connection: Connection, *, scripts: Path | None = None, target: str = SCHEMA_REVISION) -> None:
    """Run the scripts up to ``target`` in the connection's transaction, which the caller commits."""
    from alembic import command

    config = script_config(scripts or migrations_folder())
    config.attributes["connection"] = connection
    command.upgrade(config, target)


def known_revisions(scripts: Path) -> frozenset[str]:
    """Every revision that the scripts in this folder know."""
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory.from_config(script_config(scripts)).walk_revisions())


def script_config(scripts: Path) -> Config:
    """Alembic's configuration for use from Python: no file is read, and nobody's logging is touched."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))  # % would be read as a placeholder
    return config


def _back_up(path: Path, name: str) -> Path:
    """Copy the database, the write-ahead log included, while it is in use. Only its owner may read the copy."""
    backup = path.with_name(name)
    os.close(os.open(backup, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(connect_readonly(path)) as source, closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
    except BaseException:
        backup.unlink()
        raise
    return backup
