"""The store: the one holder of the database. Frozen values go in and come out; each method is one transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine, update

from facegallery.domain import (
    Calibration,
    EmbeddedFace,
    EnrolledFace,
    Member,
    ModelIdentity,
    Photo,
    Preparation,
    Rejection,
)
from facegallery.errors import GalleryNotFound, MemberExists, SaidNotToBe, StillInTheLog
from facegallery.store import calibrations, moves, rejections, rows
from facegallery.store.engine import checkpoint, open_engine, prefer_wal, reading, sqlite_errors, writing
from facegallery.store.migrate import ensure_current, found_revision, upgrade
from facegallery.store.names import clean_name, name_key
from facegallery.store.reading import ReadableStore
from facegallery.store.tables import MemberRow, PhotoRow, TemplateRow
from facegallery.store.vectors import to_blob

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that is used unless another is passed in."""
    return datetime.now(timezone.utc)


class Store(ReadableStore):
    """An open gallery's rows. Make one with ``Store.create`` or ``Store.open``; close it, or use it in ``with``.

    Several threads may share one, and several processes may open the same file: readers see one moment's rows while
    one writer at a time changes them. All methods raise ``GalleryUnavailable`` (locked for too long, disk full, not
    writable) and ``GalleryDamaged``.
    """

    def __init__(self, engine: Engine, path: Path, *, clock: Clock) -> None:
        super().__init__(engine, path)
        self._clock = clock

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        model: ModelIdentity,
        preparation: Preparation,
        clock: Clock = utc_now,
    ) -> Store:
        """Make a gallery for one model's vectors, and the folder it is in; only this person may read them.

        What an earlier attempt left unfinished is finished. Where a gallery on the same model already is (another
        process was quicker), it is opened.

        Args:
            path: The database file to make.
            model: The one model whose vectors this gallery will hold.
            preparation: How a new gallery's faces are prepared for the embedder; one that is there keeps its own.
            clock: Says what time it is, with its zone.

        Raises:
            ModelMismatch: There is a gallery already, on another model.
            GalleryDamaged: The file is there, and is something else.
        """
        with sqlite_errors(path):
            _make_private_file(path)
        engine = open_engine(path)
        try:
            _lay_out(engine, path, model, preparation, clock())
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
                    face_id=rows.insert_face(connection, face, photo_id=photo_id),
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

        Of a calibration the numbers that are of single photos go too; its threshold, which is of the group, stays. So
        do rejections that are of the member's own faces, whoever it was said that they are not.

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
            member_id = rows.member_id_of(connection, name)
            rejections.forget_faces(connection, member_id)
            removed = rows.delete_member(connection, member_id)
            calibrations.forget_photos(connection)
            rows.grow_revision(connection)
        if not checkpoint(self._engine, self._path):
            raise StillInTheLog(self._path)
        return removed

    def keep_calibration(self, calibration: Calibration, *, state: str) -> bool:
        """Keep limits in the place of those before, unless the rows have changed since they were chosen.

        Args:
            calibration: The limits.
            state: The store's when the templates were read: a member forgotten since must not come back in numbers.

        Returns:
            Whether they are kept.
        """
        with self._write() as connection:
            if rows.revision_and_state(connection)[1] != state:
                return False
            calibrations.save(connection, calibration)
            return True

    def drop_calibration(self) -> None:
        """Have no limits of the gallery's own."""
        with self._write() as connection:
            calibrations.clear(connection)

    def move_templates(self, moves_to: Mapping[int, str]) -> tuple[int, ...]:
        """Give templates to other members, who are there already; a member left without a template is gone.

        Args:
            moves_to: By template id the member's name; ids that are not there are passed over.

        Returns:
            The ids of those that were another's until now, ascending.

        Raises:
            MemberNotFound: There is no such member; nothing was moved.
            SaidNotToBe: Somebody said that such a face is not that member's; nothing was moved.
            BadName: No member can have this name.
        """
        with self._write() as connection:
            member_of = {key: rows.member_id_of(connection, name) for key, name in moves_to.items()}
            for key, name in moves_to.items():
                said = rejections.of_template(connection, key, member_of[key])
                if said is not None:
                    raise SaidNotToBe(said.photo_path, name, said.rejection_id)
            moved = moves.move(connection, member_of)
            if moved:
                rows.grow_revision(connection)
            return moved

    def remove_templates(self, template_ids: Sequence[int]) -> tuple[int, ...]:
        """Remove templates as ``forget`` removes a member's; a member left without a template is gone.

        Returns:
            The ids of those that were there, ascending.

        Raises:
            StillInTheLog: The rows are removed, but the log could not be emptied.
        """
        with self._write() as connection:
            removed = moves.remove(connection, template_ids)
            if removed:
                calibrations.forget_photos(connection)
                rows.grow_revision(connection)
        if removed and not checkpoint(self._engine, self._path):
            raise StillInTheLog(self._path)
        return removed

    def reject(self, member_name: str, photo: Photo, *, face: EmbeddedFace, model: ModelIdentity) -> Rejection:
        """Keep somebody's word that a face is not a member's; said twice of the same box and bytes, it is kept once.

        Args:
            member_name: Any spelling of an enrolled name.
            photo: Where the face was found. The pixels are not kept.
            face: The detection in the photo's frame, and its embedding.
            model: The model that made the embedding.

        Raises:
            MemberNotFound: There is no such member.
            ModelMismatch: The gallery holds another model's vectors.
            ValueError: The embedding is not 512 float32 numbers of unit length.
        """
        blob, now = to_blob(face.embedding), self._clock()
        with self._write() as connection:
            rows.require_model(rows.gallery_model(connection, self._path)[1], model)
            member_id = rows.member_id_of(connection, member_name)
            kept = rejections.find(connection, face.face, content_hash=photo.content_hash, member_id=member_id)
            if kept is None:
                kept = rejections.add(connection, face.face, photo=photo, member_id=member_id, vector=blob, now=now)
                rows.grow_revision(connection)
            return rejections.one(connection, kept)

    def take_back(self, rejection_id: int) -> Rejection:
        """Remove a rejection; its bytes are overwritten as ``forget`` does it.

        Raises:
            RejectionNotFound: There is none of this number (any more).
            StillInTheLog: The row is removed, but the log could not be emptied.
        """
        with self._write() as connection:
            removed = rejections.one(connection, rejection_id)
            rejections.remove(connection, rejection_id)
            rows.grow_revision(connection)
        if not checkpoint(self._engine, self._path):
            raise StillInTheLog(self._path)
        return removed

    def move_photo(self, content_hash: str, path: Path) -> None:
        """Remember that the photo with these bytes is now elsewhere; nothing happens where there is no such photo."""
        with self._write() as connection:
            moved = update(PhotoRow).where(PhotoRow.content_hash == content_hash).values(path=path.absolute())
            connection.execute(moved)

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


def _lay_out(engine: Engine, path: Path, model: ModelIdentity, preparation: Preparation, now: datetime) -> None:
    """Fill an empty database in one transaction: a crash leaves it empty, and the next attempt begins again."""
    with reading(engine, path) as connection:
        if found_revision(connection, path) is not None:
            return
    prefer_wal(engine, path)
    with writing(engine, path) as connection:
        if found_revision(connection, path) is None:  # again: another process may have been quicker
            upgrade(connection)
            rows.set_up(connection, model, preparation, now=now)
