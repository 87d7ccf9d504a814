"""All that a gallery holds as one value: given out as of one moment, and taken in, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from facegallery.domain import (
    EMBEDDING_SIZE,
    Action,
    ArchivedFace,
    ArchivedMember,
    ArchivedPhoto,
    ArchivedRejection,
    GalleryContent,
    Preparation,
    Taken,
)
from facegallery.errors import GalleryDamaged
from facegallery.store import calibrations, crops, journal, rejections, rows, taking
from facegallery.store.changes import Change
from facegallery.store.sealed import open_bytes, photo_path_of
from facegallery.store.tables import MEMBER_NAME, CropRow, FaceRow, MemberRow, PhotoRow, RejectionRow, TemplateRow
from facegallery.store.vectors import ROWS_AT_ONCE, from_blobs, open_vectors
from facegallery.store.writing import WritableStore

if TYPE_CHECKING:
    from facegallery.domain import Pixels, Vectors


@dataclass(frozen=True, slots=True)
class Held:
    """What a gallery holds at one moment.

    Attributes:
        content: All of it, with no crops unless they were asked for.
        n_other_crops: Crops that are kept and not in it: cut out otherwise than the gallery's faces are now.
    """

    content: GalleryContent
    n_other_crops: int


class ContentStore(WritableStore):
    """A gallery's content as a whole."""

    @contextmanager
    def content(self, *, with_crops: bool = False) -> Iterator[Held]:
        """Everything in the gallery, as of one moment; crops are read one by one, while this is entered.

        Args:
            with_crops: Whether kept crops are in it. Those that were cut out otherwise than the gallery's faces are now
                are not: its embedder has never seen them.
        """
        with self._read() as connection:
            yield _held(connection, self._path, with_crops=with_crops, now=self._clock())

    def would_take(self, content: GalleryContent) -> Taken:
        """What :meth:`take` would do and raise now; changes nothing."""
        with self._read() as connection:
            return taking.plan(connection, self._path, content).taken

    def take(self, content: GalleryContent) -> Taken:
        """Take in what is not there yet, all of it or nothing; see :mod:`facegallery.store.taking` for what that is.

        Raises:
            ModelMismatch: It is of another model, or of faces prepared otherwise.
            ValueError: A vector in it is not of unit length.
        """
        with self._write() as connection:
            coming = taking.plan(connection, self._path, content)
            taking.carry_out(connection, self._path, coming)
            taken = coming.taken
            if taken.changes_searches:
                counts = (len(taken.new_members), taken.n_faces)
                journal.append(connection, Action.IMPORT, Change(), now=self._clock(), counts=counts)
                rows.grow_revision(connection)
            return taken


def _held(connection: Connection, path: Path, *, with_crops: bool, now: datetime) -> Held:
    members = connection.execute(select(MemberRow.id, MEMBER_NAME, MemberRow.created_at).order_by(MemberRow.id)).all()
    photos = connection.execute(select(PhotoRow.__table__).order_by(PhotoRow.id)).all()
    place_of_member = {row.id: place for place, row in enumerate(members)}
    faces, face_ids, vectors = _faces(connection, place_of_member, {row.id: place for place, row in enumerate(photos)})
    rejected, rejection_vectors = _rejections(connection, place_of_member)
    preparation = rows.preparation(connection)
    kept = _KeptCrops(connection, path, face_ids if with_crops else [], preparation)
    content = GalleryContent(
        gallery_id=rows.gallery_id(connection),
        created_at=now,
        model=rows.gallery_model(connection, path)[1],
        preparation=preparation,
        members=tuple(ArchivedMember(row.name, row.created_at) for row in members),
        photos=tuple(
            ArchivedPhoto(
                row.content_hash,
                photo_path_of(connection, row.path, row.content_hash),
                row.width_px,
                row.height_px,
                row.added_at,
            )
            for row in photos
        ),
        faces=faces,
        vectors=vectors,
        rejections=rejected,
        rejection_vectors=rejection_vectors,
        calibration=calibrations.load(connection),
        crops=kept,
    )
    return Held(content, crops.count(connection) - len(kept) if with_crops else 0)


def _faces(
    connection: Connection, member_places: Mapping[int, int], photo_places: Mapping[int, int]
) -> tuple[tuple[ArchivedFace, ...], list[int], Vectors]:
    """The faces in the order of their templates, the ids of their rows, and their vectors."""
    import numpy as np

    query = (
        select(FaceRow.__table__, TemplateRow.face_id, TemplateRow.member_id, TemplateRow.vector)
        .add_columns(TemplateRow.created_at.label("enrolled_at"), PhotoRow.content_hash)
        .join(TemplateRow, TemplateRow.face_id == FaceRow.id)
        .join(PhotoRow, PhotoRow.id == FaceRow.photo_id)
        .order_by(TemplateRow.id)
    )
    n = connection.scalar(select(func.count()).select_from(TemplateRow).join(FaceRow)) or 0
    vectors = np.empty((n, EMBEDDING_SIZE), np.float32)
    faces: list[ArchivedFace] = []
    face_ids: list[int] = []
    for batch in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
        vectors[len(faces) : len(faces) + len(batch)] = open_vectors(connection, batch)
        for row in batch:
            member, photo = member_places[row.member_id], photo_places[row.photo_id]
            face = rows.face_of(connection, row._mapping)
            faces.append(ArchivedFace(member, photo, face, row.quality, row.enrolled_at))
            face_ids.append(row.face_id)
    return tuple(faces), face_ids, vectors


def _rejections(
    connection: Connection, member_places: Mapping[int, int]
) -> tuple[tuple[ArchivedRejection, ...], Vectors]:
    found = connection.execute(select(RejectionRow.__table__).order_by(RejectionRow.id)).all()
    rejected = tuple(
        ArchivedRejection(
            member_places[row.member_id],
            row.content_hash,
            photo_path_of(connection, row.path, row.content_hash),
            rows.face_of(connection, row._mapping),
            row.created_at,
        )
        for row in found
    )
    return rejected, from_blobs([open_bytes(connection, row.vector, rejections.context(row)) for row in found])


class _KeptCrops(Mapping[int, "Pixels"]):
    """Kept crops by the place of their face, each read when it is asked for: shape (160, 160, 3), uint8, RGB."""

    def __init__(self, connection: Connection, path: Path, face_ids: list[int], preparation: Preparation) -> None:
        # Whether mirror images are looked at too makes no difference to the crop.
        alike = [each.value for each in Preparation if each.aligned is preparation.aligned]
        kept = connection.scalars(select(CropRow.face_id).where(CropRow.preparation.in_(alike))) if face_ids else ()
        there = set(kept)
        self._connection = connection
        self._path = path
        self._face_ids = {place: face_id for place, face_id in enumerate(face_ids) if face_id in there}

    def __getitem__(self, place: int) -> Pixels:
        from facegallery.crops import unpacked

        crop = crops.of_face(self._connection, self._face_ids[place])
        try:
            return unpacked(crop)
        except ValueError as error:
            raise GalleryDamaged(self._path, str(error)) from error

    def __iter__(self) -> Iterator[int]:
        return iter(self._face_ids)

    def __len__(self) -> int:
        return len(self._face_ids)
