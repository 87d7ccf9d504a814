"""Backups of a gallery, and the way back from one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from facegallery.domain import Secret
from facegallery.errors import BackupRefused
from facegallery.gallery.secrets import secret_from_environment
from facegallery.settings import BACKUP_PREFIX, DATABASE_NAME, INDEX_NAME, default_gallery_folder
from facegallery.store import Store
from facegallery.store.backups import restore


@dataclass(frozen=True, slots=True)
class Restored:
    """A gallery that was brought back.

    Attributes:
        folder: The gallery's.
        kept: Where the database that was there before is kept; None where there was none.
    """

    folder: Path
    kept: Path | None


def back_up(folder: Path, store: Store, path: Path | None) -> Path:
    """Write a backup, and remember one that is outside of the gallery's folder.

    Args:
        folder: The gallery's.
        store: The gallery's.
        path: The file to write; None takes one in the gallery's folder, where ``forget`` finds it.

    Returns:
        The file.

    Raises:
        BackupRefused: There is a file already.
        GalleryUnavailable: It cannot be written.
    """
    path = new_backup(folder) if path is None else path.expanduser().absolute()
    if path.parent.resolve() != folder.resolve() or not path.name.startswith(BACKUP_PREFIX):
        store.remember_backup(path)  # before it is written: whoever is forgotten meanwhile may be in it
    store.back_up(path)
    return path


def restore_gallery(folder: Path | None, backup: Path, *, secret: Secret | None = None) -> Restored:
    """Bring a gallery back from a backup; what was there is kept beside it as a backup of its own.

    Args:
        folder: The gallery's; None takes this person's default.
        backup: The file.
        secret: What an encrypted backup is opened with; None takes what the environment names.

    Raises:
        BackupRefused: It is no whole backup of a gallery, or of a later version.
        KeyNeeded: It is encrypted, and there is no secret.
        WrongKey: It is encrypted with another secret.
        GalleryUnavailable: The folder cannot be written.
    """
    from facegallery.index.folder import IndexFolder
    from facegallery.index.opening import FORGET_WAIT_S

    folder = default_gallery_folder() if folder is None else folder.expanduser()
    path, aside = folder / DATABASE_NAME, new_backup(folder)
    if path.exists() and backup.exists() and path.samefile(backup):
        raise BackupRefused(backup, "it is the gallery's own database")
    restore(backup, path, secret=secret or secret_from_environment(), aside=aside)
    with IndexFolder(folder / INDEX_NAME).writing(wait_s=FORGET_WAIT_S) as writer:
        writer.clear()  # of a history that is no more
    return Restored(folder, aside if aside.exists() else None)


def new_backup(folder: Path) -> Path:
    """A name for a backup in the gallery's folder; no two are the same."""
    return folder / f"{BACKUP_PREFIX}{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}"
