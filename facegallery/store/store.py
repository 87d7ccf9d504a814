"""The store: the one holder of the database. Frozen values go in and come out; each method is one transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine, func, select, update

from facegallery.domain import (
    EMBEDDING_SIZE,
    EmbeddedFace,
    EnrolledFace,
    Ids,
    Member,
    ModelIdentity,
    Photo,
    StoreStamp,
    TemplateSet,
    TemplateTail,
    Vectors,
)
from facegallery.errors import GalleryNotFound, MemberExists, StillInTheLog
from facegallery.store import checks, rows
from facegallery.store.engine import checkpoint, open_engine, prefer_wal, reading, sqlite_errors, writing
from facegallery.store.migrate import ensure_current, found_revision, upgrade
from facegallery.store.names import clean_name, name_key
from facegallery.store.tables import MemberRow, PhotoRow, TemplateRow
from facegallery.store.vectors import ROWS_AT_ONCE, from_blobs, to_blob
from facegallery.text import natural_key

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that is used unless another is passed in."""
    return datetime.now(timezone.utc)


class Store:
    """An open gallery's rows. Make one with ``Store.create`` or ``Store.open``; close it, or use it in ``with``.

    Several threads may share one, and several processes may open the same file: readers see one moment's rows while
    one writer at a time changes them. All methods raise ``GalleryUnavailable`` (locked for too long, disk full, not
    writable) and ``GalleryDamaged``.
    """

    def __init__(self, engine: Engine, path: Path, *, clock: Clock) -> None:
        self._engine = engine
        self._path = path
        self._clock = clock

    @classmethod
    def create(cls, path: Path, *, model: ModelIdentity, clock: Clock = utc_now) -> Store:
        """Make a gallery for one model's vectors, and the folder it is in; only this person may read them.

        What an earlier attempt left unfinished is finished. Where a gallery on the same model already is (another
        process was quicker), it is opened.

        Args:
            path: The database file to make.
            model: The one model whose vectors this gallery will hold.
            clock: Says what time it is, with its zone.

        Raises:
            ModelMismatch: There is a gallery already, on another model.
            GalleryDamaged: The file is there, and is something else.
        """
        with sqlite_errors(path):
            _make_private_file(path)
        engine = open_engine(path)
        try:
            _lay_out(engine, path, model, clock())
        finally:
            engine.dispose()
        store = cls.open(path, clock=clock)
        try:
            rows.require_model(store.model(), model)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: Path, *, clock: Clock = utc_now) -> Store:
        """Open a gallery; an older one is backed up and brought up to date first.

        Args:
            path: The database file.
            clock: Says what time it is, with its zone.

        Raises:
            GalleryNotFound: There is no file, or one whose creation did not finish.
            GalleryTooNew: A later version of the program wrote it.
        """
        with sqlite_errors(path):
            try:
                path.stat()
            except (FileNotFoundError, NotADirectoryError) as error:
                raise GalleryNotFound(path.parent) from error
        engine = open_engine(path)
        try:
            ensure_current(engine, path)
            prefer_wal(engine, path)
            with reading(engine, path) as connection:
                rows.gallery_model(connection, path)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, path, clock=clock)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        self._engine.dispose()

    # --- reading --------------------------------------------------------------------------------------------------

    def model(self) -> ModelIdentity:
        """The model that all vectors in this gallery come from."""
        with self._read() as connection:
            return rows.gallery_model(connection, self._path)[1]

    def state(self) -> str:
        """Changes with every change of the rows; what was read at one state holds until it is another."""
        with self._read() as connection:
            return rows.revision_and_state(connection)[1]

    def stamp(self) -> StoreStamp:
        """What the store holds now."""
        with self._read() as connection:
            model = rows.gallery_model(connection, self._path)[1]
            count = rows.count_templates(connection)
            return StoreStamp(*rows.revision_and_state(connection), model.fingerprint, count)

    def tail(self, last_id: int) -> TemplateTail:
        """What is there beside an index that ends with template ``last_id``; costs what is newer than that."""
        with self._read() as connection:
            return TemplateTail(
                rows.gallery_model(connection, self._path)[1].fingerprint,
                rows.count_templates(connection, after=last_id),
                connection.scalar(select(TemplateRow.created_at).where(TemplateRow.id == last_id)),
            )

    def members(self) -> list[Member]:
        """All members, in natural order of their names."""
        with self._read() as connection:
            return sorted(rows.members(connection), key=lambda member: natural_key(member.name))

    def member(self, name: str) -> Member:
        """One member, by any spelling of the name that differs only in case, Unicode form or spaces.

        Raises:
            MemberNotFound: Carries the enrolled names that look like it.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            return rows.member_of(connection, rows.member_id_of(connection, name))

    def enrolled_faces(self, name: str | None = None) -> list[EnrolledFace]:
        """The faces enrolled for one member, or all of them; oldest first.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            if name is None:
                return rows.enrolled_faces(connection)
            return rows.enrolled_faces(connection, TemplateRow.member_id == rows.member_id_of(connection, name))

    def faces_of_photo(self, content_hash: str) -> list[EnrolledFace]:
        """The faces that were enrolled from the photo with these bytes; empty when none was."""
        with self._read() as connection:
            return rows.enrolled_faces(connection, PhotoRow.content_hash == content_hash)

    def enrolled_face(self, template_id: int) -> EnrolledFace:
        """The origin of one template.

        Raises:
            KeyError: There is no such template (any more).
        """
        with self._read() as connection:
            return rows.enrolled_face_of(connection, template_id)

    def templates_of(self, template_ids: Ids) -> TemplateSet:
        """These templates, as of one revision, in no order. Ids that are not there (any more) are left out."""
        import numpy as np  # here and below: members are listed without it

        with self._read() as connection:
            found = rows.templates_of(connection, template_ids)
            return TemplateSet(
                *rows.revision_and_state(connection),
                np.array([row[0] for row in found], np.int64),
                from_blobs([row[2] for row in found]),
                tuple(row[1] for row in found),
            )

    def count_up_to(self, last_id: int) -> int:
        """Number of templates up to this one, as of one moment; takes a few milliseconds at a million templates."""
        with self._read() as connection:
            return rows.count_templates(connection) - rows.count_templates(connection, after=last_id)

    def template_ids(self, up_to: int) -> Ids:
        """Ids of the templates that are there, up to this one: shape (n,), int64, ascending."""
        import numpy as np

        with self._read() as connection:
            return np.sort(np.fromiter(rows.template_ids(connection, up_to), np.int64))

    def template_batches(self, after: int) -> Generator[tuple[Ids, Vectors], None, None]:
        """The templates with greater ids, as of one revision, a few thousand at a time; close it if left half-way.

        Yields:
            Ids, shape (n,), int64, ascending, and vectors, shape (n, 512), float32.
        """
        import numpy as np

        query = select(TemplateRow.id, TemplateRow.vector).where(TemplateRow.id > after).order_by(TemplateRow.id)
        with self._read() as connection:
            for batch in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
                yield np.array([row[0] for row in batch], np.int64), from_blobs([row[1] for row in batch])

    def templates(self, name: str | None = None) -> TemplateSet:
        """The templates of one member, or all of them, as of one revision.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        import numpy as np

        query = select(TemplateRow.id, TemplateRow.member_id, TemplateRow.vector).order_by(TemplateRow.id)
        counting = select(func.count()).select_from(TemplateRow)
        with self._read() as connection:
            if name is not None:
                of_member = TemplateRow.member_id == rows.member_id_of(connection, name)
                query, counting = query.where(of_member), counting.where(of_member)
            revision, state = rows.revision_and_state(connection)
            names = {row.id: row.name for row in connection.execute(select(MemberRow.id, MemberRow.name))}
            n = connection.scalar(counting) or 0
            ids, vectors = np.empty(n, np.int64), np.empty((n, EMBEDDING_SIZE), np.float32)
            members: list[str] = []
            for batch in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
                there = slice(len(members), len(members) + len(batch))
                ids[there] = [row[0] for row in batch]
                members += [names[row[1]] for row in batch]
                vectors[there] = from_blobs([row[2] for row in batch])
        return TemplateSet(revision, state, ids, vectors, tuple(members))

    def check(self) -> list[str]:
        """What is wrong with the rows, in words; an empty list when nothing is. Reads everything once."""
        with self._read() as connection:
            return checks.faults(connection)

    # --- changing -------------------------------------------------------------------------------------------------

    def enroll(self, member_name: str, photo: Photo, *, face: EmbeddedFace, model: ModelIdentity) -> EnrolledFace:
        """Keep one face of a photo as a template of a member; the member is made if need be.

        The same face of the same bytes for the same member is kept once: the earlier one is returned, and nothing
        changes. Of several files with the same bytes the first one's path is kept.

        Args:
            member_name: Any spelling of an enrolled name, or a new one.
            photo: Where the face was found. The pixels are not kept.
            face: The detection in the photo's frame, and its embedding.
            model: The model that made the embedding.

        Raises:
            ModelMismatch: The gallery holds another model's vectors.
            BadName: No member can have this name.
            ValueError: The embedding is not 512 float32 numbers of unit length.
        """
        name, blob, now = clean_name(member_name), to_blob(face.embedding), self._clock()
        with self._write() as connection:
            model_id, kept = rows.gallery_model(connection, self._path)
            rows.require_model(kept, model)
            member_id = rows.find_member(connection, name)
            if member_id is None:
                member_id = rows.insert_row(connection, MemberRow, name=name, name_key=name_key(name), created_at=now)
            photo_id = rows.photo_id_of(connection, photo, now=now)
            template_id = rows.find_template(connection, face.face, photo_id=photo_id, member_id=member_id)
            if template_id is None:
                template_id = rows.insert_row(
                    connection,
                    TemplateRow,
                    face_id=rows.insert_face(connection, face.face, photo_id=photo_id),
                    member_id=member_id,
                    model_id=model_id,
                    vector=blob,
                    created_at=now,
                )
                rows.grow_revision(connection)
            return rows.enrolled_face_of(connection, template_id)

    def rename(self, old: str, new: str) -> Member:
        """Give a member another name; also another spelling of the same one.

        Raises:
            MemberNotFound: There is no member ``old``.
            MemberExists: Another member has the new name.
            BadName: No member can have one of the names.
        """
        name = clean_name(new)
        with self._write() as connection:
            member_id = rows.member_id_of(connection, old)
            holder = rows.find_member(connection, name)
            if holder is not None and holder != member_id:
                raise MemberExists(rows.member_of(connection, holder).name)
            renamed = update(MemberRow).where(MemberRow.id == member_id).values(name=name, name_key=name_key(name))
            connection.execute(renamed)
            rows.grow_revision(connection)
            return rows.member_of(connection, member_id)

    def forget(self, name: str) -> tuple[int, ...]:
        """Remove a member with all templates and faces, and the photos in which no other member's face is enrolled.

        Removed bytes are overwritten in the database (``secure_delete``), and the write-ahead log is emptied, for which
        this waits until other processes have ended the reading they are at.

        Returns:
            The ids of the templates that were removed, ascending.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
            StillInTheLog: The rows are removed, but the log could not be emptied.
        """
        with self._write() as connection:
            removed = rows.delete_member(connection, rows.member_id_of(connection, name))
            rows.grow_revision(connection)
        if not checkpoint(self._engine, self._path):
            raise StillInTheLog(self._path)
        return removed

    def move_photo(self, content_hash: str, path: Path) -> None:
        """Remember that the photo with these bytes is now elsewhere; nothing happens where there is no such photo."""
        with self._write() as connection:
            moved = update(PhotoRow).where(PhotoRow.content_hash == content_hash).values(path=path.absolute())
            connection.execute(moved)

    def _read(self) -> AbstractContextManager[Connection]:
        return reading(self._engine, self._path)

    def _write(self) -> AbstractContextManager[Connection]:
        return writing(self._engine, self._path)


def _make_private_file(path: Path) -> None:
    """Make the folder and an empty file, readable by this person alone whatever the umask; keep what is there."""
    try:
        path.parent.mkdir(parents=True, mode=0o700)
        path.parent.chmod(0o700)
    except FileExistsError:
        pass
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    path.chmod(0o600)


def _lay_out(engine: Engine, path: Path, model: ModelIdentity, now: datetime) -> None:
    """Fill an empty database in one transaction: a crash leaves it empty, and the next attempt begins again."""
    with reading(engine, path) as connection:
        if found_revision(connection, path) is not None:
            return
    prefer_wal(engine, path)
    with writing(engine, path) as connection:
        if found_revision(connection, path) is None:  # again: another process may have been quicker
            upgrade(connection)
            rows.set_up(connection, model, now=now)
