"""The store: the one holder of the database. Frozen values go in and come out; each method is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import Engine, update

from facegallery.disk import make_private_file
from facegallery.domain import (
    Action,
    Calibration,
    Crop,
    EmbeddedFace,
    EnrolledFace,
    ModelIdentity,
    Photo,
    Preparation,
    Rejection,
    Secret,
)
from facegallery.errors import GalleryNotFound, WrongKey
from facegallery.names import clean_name
from facegallery.sealing import USUAL_COST, GalleryCipher, ScryptCost
from facegallery.store import calibrations, changes, crops, journal, keys, rejections, rows
from facegallery.store.backups import BackupStore
from facegallery.store.changes import Change, Move
from facegallery.store.contents import ContentStore
from facegallery.store.engine import open_engine, prefer_wal, reading, sqlite_errors, writing
from facegallery.store.erasure import ErasingStore
from facegallery.store.lives import LivesStore
from facegallery.store.logged import LogStore
from facegallery.store.migrate import ensure_current, found_revision, upgrade
from facegallery.store.reembedding import ReembeddingStore
from facegallery.store.sealed import give_cipher, kept_photo_path
from facegallery.store.tables import PhotoRow
from facegallery.store.vectors import to_blob
from facegallery.store.writing import Clock, utc_now


class Store(LivesStore, ReembeddingStore, LogStore, ErasingStore, BackupStore, ContentStore):
    """An open gallery's rows. Make one with ``Store.create`` or ``Store.open``; close it, or use it in ``with``.

    Several threads may share one, and several processes may open the same file: readers see one moment's rows while
    one writer at a time changes them. All methods raise ``GalleryUnavailable`` (locked for too long, disk full, not
    writable) and ``GalleryDamaged``.
    """

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        model: ModelIdentity,
        preparation: Preparation,
        secret: Secret | None = None,
        cost: ScryptCost = USUAL_COST,
        clock: Clock = utc_now,
    ) -> Store:
        """Make a gallery for one model's vectors, and the folder it is in; only this person may read them.

        What an earlier attempt left unfinished is finished. Where a gallery on the same model already is (another
        process was quicker), it is opened.

        Args:
            path: The database file to make.
            model: The one model whose vectors this gallery will hold.
            preparation: How a new gallery's faces are prepared for the embedder; one that is there keeps its own.
            secret: What a new gallery is encrypted with; None for a plain one.
            cost: What turning a passphrase into a key is to cost.
            clock: Says what time it is, with its zone.

        Raises:
            ModelMismatch: There is a gallery already, on another model.
            GalleryDamaged: The file is there, and is something else.
            WrongKey: There is a gallery already, which is not encrypted with this secret.
        """
        with sqlite_errors(path):
            make_private_file(path)
        engine = open_engine(path)
        try:
            _lay_out(engine, path, _New(model, preparation, secret, cost, clock()))
        finally:
            engine.dispose()
        store = cls.open(path, secret=secret, clock=clock)
        try:
            if secret is not None and store.encryption() is None:
                raise WrongKey(path, "the gallery is there already, and is not encrypted; name another folder")
            rows.require_model(store.model(), model)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: Path, *, secret: Secret | None = None, clock: Clock = utc_now) -> Store:
        """Open a gallery; an older one is backed up and brought up to date first.

        Args:
            path: The database file.
            secret: What an encrypted gallery is opened with; a plain one needs none and ignores it, since the
                environment may name one for other galleries.
            clock: Says what time it is, with its zone.

        Raises:
            GalleryNotFound: There is no file, or one whose creation did not finish.
            GalleryTooNew: A later version of the program wrote it.
            KeyNeeded: It is encrypted, and there is no secret.
            WrongKey: It is encrypted with another secret.
            GalleryTampered: It was encrypted, and what leads to its key was removed.
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
                data_key = keys.data_key_of(connection, path, secret)
            if data_key is not None:
                give_cipher(engine, GalleryCipher(data_key))
            store = cls(engine, path, clock=clock)
            store.expire_log()
        except BaseException:
            engine.dispose()
            raise
        return store

    def change_secret(self, old: Secret, new: Secret, *, cost: ScryptCost = USUAL_COST) -> None:
        """Have another secret open the gallery from now on; what is sealed stays as it is.

        Raises:
            WrongKey: The old secret is not the gallery's, or the gallery is not encrypted.
            StillInTheLog: It is changed, but the old way to the key could not be overwritten yet.
        """
        with self._write() as connection:
            data_key = keys.data_key_of(connection, self._path, old)
            if data_key is None:
                raise WrongKey(self._path, "the gallery is not encrypted")
            keys.keep_key(connection, data_key, new, cost=cost, now=self._clock())
        self._empty_log()

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

    def enroll(
        self,
        member_name: str,
        photo: Photo,
        *,
        face: EmbeddedFace,
        model: ModelIdentity,
        preparation: Preparation | None = None,
        crop: Crop | None = None,
    ) -> EnrolledFace:
        """Keep one face of a photo as a template of a member; the member is made if need be.

        The same face of the same bytes for the same member is kept once: the earlier one is returned, and nothing
        changes. Of several files with the same bytes the first one's path is kept.

        Args:
            member_name: Any spelling of an enrolled name, or a new one.
            photo: Where the face was found. The pixels are not kept.
            face: The detection in the photo's frame, and its embedding.
            model: The model that made the embedding.
            preparation: How the face was prepared; None where nobody can say, and nothing is checked.
            crop: What was embedded, to be kept too; in the place of one that was kept before.

        Raises:
            ModelMismatch: The gallery holds another model's vectors, or ones of faces prepared otherwise.
            BadName: No member can have this name.
            ValueError: The embedding is not 512 float32 numbers of unit length.
        """
        name, blob, now = clean_name(member_name), to_blob(face.embedding), self._clock()
        with self._write() as connection:
            model_id, kept = rows.gallery_model(connection, self._path)
            rows.require_model(kept, model)
            if preparation is not None:
                rows.require_preparation(rows.preparation(connection), preparation)
            member_id = rows.find_member(connection, name)
            if member_id is None:
                member_id = rows.insert_member(connection, name, now=now)
            photo_id = rows.photo_id_of(connection, photo, now=now)
            template_id = rows.find_template(connection, face.face, photo_id=photo_id, member_id=member_id)
            if template_id is None:
                face_id = rows.insert_face(connection, face, photo_id=photo_id, content_hash=photo.content_hash)
                template_id = rows.insert_template(
                    connection, blob, face_id=face_id, member_id=member_id, model_id=model_id, now=now
                )
                rows.grow_revision(connection)
            if crop is not None:
                crops.keep(connection, template_id, crop)
            return rows.enrolled_face_of(connection, template_id)

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

    def reject(
        self,
        member_name: str,
        photo: Photo,
        *,
        face: EmbeddedFace,
        model: ModelIdentity,
        preparation: Preparation | None = None,
    ) -> Rejection:
        """Keep somebody's word that a face is not a member's; said twice of the same box and bytes, it is kept once.

        Args:
            member_name: Any spelling of an enrolled name.
            photo: Where the face was found. The pixels are not kept.
            face: The detection in the photo's frame, and its embedding.
            model: The model that made the embedding.
            preparation: As in :meth:`enroll`.

        Raises:
            MemberNotFound: There is no such member.
            ModelMismatch: The gallery holds another model's vectors, or ones of faces prepared otherwise.
            ValueError: The embedding is not 512 float32 numbers of unit length.
        """
        blob, now = to_blob(face.embedding), self._clock()
        with self._write() as connection:
            rows.require_model(rows.gallery_model(connection, self._path)[1], model)
            if preparation is not None:
                rows.require_preparation(rows.preparation(connection), preparation)
            member_id = rows.member_id_of(connection, member_name)
            kept = rejections.find(connection, face.face, content_hash=photo.content_hash, member_id=member_id)
            if kept is None:
                kept = rejections.add(connection, face.face, photo=photo, member_id=member_id, vector=blob, now=now)
                said = Change(changes.namings_of(connection, [member_id]), (Move(None, kept, member_id, member_id),))
                journal.append(connection, Action.REJECT, said, now=now)
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
            whose = changes.namings_of(connection, [rows.member_id_of(connection, removed.member)])
            said = journal.entry_of_rejection(connection, rejection_id)
            journal.append(connection, Action.TAKE_BACK, Change(whose), now=self._clock(), undoes=said)
            rejections.remove(connection, rejection_id)
            rows.grow_revision(connection)
        self._empty_log()
        return removed

    def keep_crops(self, kept: Mapping[int, Crop]) -> None:
        """Keep the crops of templates' faces, by template id, in the place of those before.

        Templates that are not there (any more) are passed over.
        """
        with self._write() as connection:
            for template_id, crop in kept.items():
                crops.keep(connection, template_id, crop)

    def drop_crops(self, name: str | None = None) -> int:
        """Remove the crops of one member, or all; their bytes are overwritten as ``forget`` does it.

        Returns:
            How many they were.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
            StillInTheLog: The rows are removed, but the log could not be emptied.
        """
        with self._write() as connection:
            removed = crops.remove(connection, None if name is None else rows.member_id_of(connection, name))
        self._empty_log()  # also where there was none: an earlier attempt may have left its bytes there
        return removed

    def move_photo(self, content_hash: str, path: Path) -> None:
        """Remember that the photo with these bytes is now elsewhere; nothing happens where there is no such photo."""
        with self._write() as connection:
            kept = kept_photo_path(connection, path.absolute(), content_hash)
            connection.execute(update(PhotoRow).where(PhotoRow.content_hash == content_hash).values(path=kept))


@dataclass(frozen=True, slots=True)
class _New:
    """What a new gallery is to be."""

    model: ModelIdentity
    preparation: Preparation
    secret: Secret | None
    cost: ScryptCost
    now: datetime


def _lay_out(engine: Engine, path: Path, new: _New) -> None:
    """Fill an empty database in one transaction: a crash leaves it empty, and the next attempt begins again."""
    with reading(engine, path) as connection:
        if found_revision(connection, path) is not None:
            return
    prefer_wal(engine, path)
    with writing(engine, path) as connection:
        if found_revision(connection, path) is None:  # again: another process may have been quicker
            upgrade(connection)
            rows.set_up(connection, new.model, new.preparation, now=new.now)
            if new.secret is not None:
                keys.keep_key(connection, keys.new_data_key(), new.secret, cost=new.cost, now=new.now)
