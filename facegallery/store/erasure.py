"""Removing for good: rows are taken out in one transaction that also says so, and their bytes in the steps after it.

``secure_delete`` overwrites removed rows with zeros, but the write-ahead log keeps pages as they were, and a page that
SQLite has rewritten may keep what lay between its rows. So the database is written anew (VACUUM) and the log emptied.
Until that is done ``gallery_settings.erasure`` says so: whoever opens the gallery next goes on with it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Text, func, select, type_coerce, update

from facegallery.domain import Removal, Traces
from facegallery.store.engine import checkpoint, vacuum
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.tables import (
    MEMBER_NAME,
    PHOTO_PATH,
    Base,
    FaceRow,
    MemberRow,
    PhotoRow,
    SettingsRow,
    TemplateRow,
)
from facegallery.store.vectors import open_vector
from facegallery.store.writing import WritableStore

ALL, ALL_BUT_BACKUPS = "all", "all but backups"


class ErasingStore(WritableStore):
    """What is left to do after rows were removed for good."""

    def erasure(self) -> str | None:
        """What was begun and is not done yet, or None; no two are the same."""
        with self._read() as connection:
            return connection.scalar(select(SettingsRow.erasure))

    def erase(self, begun: str | None = None, *, wait_s: float | None = None) -> bool:
        """Write the database anew without what was removed, empty the log, and say that it is done.

        Args:
            begun: What is finished by it, from :meth:`erasure`; who was forgotten since is for others to finish. None
                takes what there is now.
            wait_s: How long to wait for other programs that are in the way; None for as long as every writer waits.

        Returns:
            Whether all is done: not while somebody else reads or writes the gallery for too long.

        Raises:
            GalleryUnavailable: The disk has no room for a second copy of the database; what was removed is overwritten
                in it all the same, and the log still holds it.
        """
        begun = self.erasure() if begun is None else begun
        if wait_s == 0 and not checkpoint(self._engine, self._path, wait_s=0):
            return False  # a reader is in the way: writing everything anew would only make the log longer
        done = vacuum(self._engine, self._path, wait_s=wait_s) and checkpoint(self._engine, self._path, wait_s=wait_s)
        if not done or begun is None:
            return done
        with self._write() as connection:
            connection.execute(update(SettingsRow).where(SettingsRow.erasure == begun).values(erasure=None))
        return checkpoint(self._engine, self._path, wait_s=wait_s)


def begin(connection: Connection, *, keep_backups: bool) -> None:
    """Say, in the transaction that removes, that bytes are left to be removed."""
    before = connection.scalar(select(SettingsRow.erasure))
    go_on(connection, before, _begun(ALL_BUT_BACKUPS if keep_backups else ALL))


def go_on(connection: Connection, *begun: str | None) -> None:
    """Have all of these still to be done: backups go if one of them takes them."""
    left = [each for each in begun if each is not None]
    if left:
        what = ALL if any(map(takes_backups, left)) else ALL_BUT_BACKUPS
        connection.execute(update(SettingsRow).values(erasure=_begun(what)))


def takes_backups(begun: str) -> bool:
    """Whether backups are to be removed, too."""
    return begun.partition(":")[0] == ALL


def _begun(what: str) -> str:
    return f"{what}:{secrets.token_hex(8)}"


class Watch:
    """Looks at what is about to be removed, and then at what went."""

    def __init__(
        self,
        connection: Connection,
        template_ids: Sequence[int],
        member_id: int | None = None,
        names: Collection[str] = (),
    ) -> None:
        """Look before anything is removed.

        Args:
            connection: In the transaction that removes.
            template_ids: The templates that will go.
            member_id: The member who will go, if one does.
            names: Other names of the member, which will go too.
        """
        self._connection = connection
        self._before = _counts(connection)
        self._texts = [] if member_id is None else _names(connection, member_id)
        self._texts += [name.encode() for name in names]
        wanted = listed(template_ids)
        self._template_ids: list[int] = []
        self._vectors: list[bytes] = []
        for row in connection.execute(_VECTORS, wanted):
            self._template_ids.append(row.id)
            self._texts.append(row.vector)
            self._vectors.append(open_vector(connection, row.vector, face_id=row.face_id, member_id=row.member_id))
        self._photos = {row.id: row for row in connection.execute(_PHOTOS, wanted)}

    def removal(self) -> Removal:
        """Look again: what went."""
        left_of_them = select(PhotoRow.id).where(PhotoRow.id.in_(IN_LIST))
        there = set(self._connection.scalars(left_of_them, listed(self._photos)))
        gone = [photo for key, photo in self._photos.items() if key not in there]
        hashes = tuple(photo.content_hash for photo in gone)
        texts = [*self._texts]
        for photo in gone:
            texts += [
                os.fsencode(photo.path),
                photo.content_hash.encode(),
                _raw(photo.kept_path),
                _raw(photo.kept_hash),
            ]
        left = _counts(self._connection)
        counts = {table: n - left[table] for table, n in self._before.items() if n != left[table]}
        traces = Traces(tuple(self._vectors), hashes, tuple(dict.fromkeys(texts)))
        return Removal(tuple(sorted(self._template_ids)), counts, traces)


_KEEPS_NOBODY = {"journal", "gallery_settings", "models", "calibration", "encryption"}
_THESE = TemplateRow.id.in_(IN_LIST)
_VECTORS = select(TemplateRow.id, TemplateRow.vector, TemplateRow.face_id, TemplateRow.member_id).where(_THESE)
_PHOTOS = (
    select(
        PhotoRow.id,
        PHOTO_PATH,
        PhotoRow.content_hash,
        type_coerce(PhotoRow.path, Text).label("kept_path"),
        type_coerce(PhotoRow.content_hash, Text).label("kept_hash"),
    )
    .join(FaceRow, FaceRow.photo_id == PhotoRow.id)
    .join(TemplateRow, TemplateRow.face_id == FaceRow.id)
    .where(_THESE)
)


def _counts(connection: Connection) -> dict[str, int]:
    tables = {name: table for name, table in Base.metadata.tables.items() if name not in _KEEPS_NOBODY}
    return {name: connection.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()}


def _names(connection: Connection, member_id: int) -> list[bytes]:
    """The member's name as somebody could read it, and as it is kept."""
    kept = (MemberRow.name.label("kept"), type_coerce(MemberRow.name_key, Text).label("kept_key"))
    row = connection.execute(select(MEMBER_NAME, MemberRow.name_key, *kept).where(MemberRow.id == member_id)).one()
    return [_raw(text) for text in (row.name, row.name_key, row.kept, row.kept_key)]


def _raw(kept: str | bytes) -> bytes:
    return kept.encode() if isinstance(kept, str) else kept
