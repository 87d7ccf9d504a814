"""Faces that somebody said are not a member's: what the store asks of one connection about them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, select, update

from facegallery.domain import Face, Photo, Rejection
from facegallery.errors import RejectionNotFound
from facegallery.names import is_in_path
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.rows import box_columns, face_columns, face_of, insert_row
from facegallery.store.sealed import kept_photo_path, open_bytes, seal_bytes
from facegallery.store.tables import (
    MEMBER_NAME,
    REJECTION_PATH,
    FaceRow,
    MemberRow,
    NewVectorRow,
    PhotoRow,
    RejectionRow,
    TemplateRow,
)
from facegallery.store.vectors import from_blobs

if TYPE_CHECKING:
    from facegallery.domain import Vectors


def vectors(connection: Connection) -> dict[str, Vectors]:
    """For each member with such faces their embeddings: shape (n, 512), float32."""
    query = select(MEMBER_NAME, RejectionRow.vector, RejectionRow.member_id, RejectionRow.content_hash)
    blobs: dict[str, list[bytes]] = {}
    for row in connection.execute(query.join(MemberRow, MemberRow.id == RejectionRow.member_id)):
        blobs.setdefault(row.name, []).append(open_bytes(connection, row.vector, context(row)))
    return {name: from_blobs(of_member) for name, of_member in blobs.items()}


def all_of(connection: Connection, member_id: int | None = None) -> list[Rejection]:
    """The rejections of one member, or all of them; oldest first."""
    query = _REJECTIONS if member_id is None else _REJECTIONS.where(RejectionRow.member_id == member_id)
    return [_rejection(connection, row) for row in connection.execute(query).mappings()]


def one(connection: Connection, rejection_id: int) -> Rejection:
    """One of them.

    Raises:
        RejectionNotFound: There is none of this number.
    """
    row = connection.execute(_REJECTIONS.where(RejectionRow.id == rejection_id)).mappings().one_or_none()
    if row is None:
        raise RejectionNotFound(rejection_id)
    return _rejection(connection, row)


def find(connection: Connection, face: Face, *, content_hash: str, member_id: int) -> int | None:
    """The id of the rejection of this very box of these bytes for the member, or None."""
    query = select(RejectionRow.id).where(
        RejectionRow.member_id == member_id, RejectionRow.content_hash == content_hash
    )
    return connection.scalar(query.filter_by(**box_columns(face)))


def add(connection: Connection, face: Face, *, photo: Photo, member_id: int, vector: bytes, now: datetime) -> int:
    """Add one; returns its id."""
    return insert_row(
        connection,
        RejectionRow,
        member_id=member_id,
        content_hash=photo.content_hash,
        path=kept_photo_path(connection, photo.path.absolute(), photo.content_hash),
        **face_columns(connection, face, content_hash=photo.content_hash),
        vector=seal(connection, vector, member_id=member_id, content_hash=photo.content_hash),
        created_at=now,
    )


def seal(connection: Connection, vector: bytes, *, member_id: int, content_hash: str) -> bytes:
    """A rejection's vector as the database keeps it: in an encrypted gallery sealed for this member and photo."""
    return seal_bytes(connection, vector, _context(member_id, content_hash))


def give(connection: Connection, rejection_id: int, member_id: int) -> None:
    """Make it said of another member: its vector is sealed for whom it was said of. A new one is made anew."""
    row = connection.execute(select(RejectionRow).where(RejectionRow.id == rejection_id)).one()
    plain = open_bytes(connection, row.vector, context(row))
    vector = seal(connection, plain, member_id=member_id, content_hash=row.content_hash)
    changed = update(RejectionRow).where(RejectionRow.id == rejection_id).values(member_id=member_id, vector=vector)
    connection.execute(changed)
    connection.execute(delete(NewVectorRow).where(NewVectorRow.rejection_id == rejection_id))


def context(row: Any) -> str:
    """What the vector of a rejection is sealed for, from a row with ``member_id`` and ``content_hash``."""
    return _context(row.member_id, row.content_hash)


def _context(member_id: int, content_hash: str) -> str:
    return f"vector of a face in {content_hash} that is not member {member_id}"


def remove_all(connection: Connection, rejection_ids: Collection[int]) -> None:
    """Remove these."""
    these = RejectionRow.id.in_(IN_LIST)
    connection.execute(delete(RejectionRow).where(these), listed(rejection_ids))


def remove(connection: Connection, rejection_id: int) -> None:
    """Remove one, which the caller knows to be there."""
    connection.execute(delete(RejectionRow).where(RejectionRow.id == rejection_id))


_OF_ENROLLED = (
    select(RejectionRow.id, RejectionRow.member_id, TemplateRow.id.label("template_id"))
    .join(PhotoRow, PhotoRow.content_hash == RejectionRow.content_hash)
    .join(FaceRow, FaceRow.photo_id == PhotoRow.id)
    .join(TemplateRow, TemplateRow.face_id == FaceRow.id)
    .where(
        ((RejectionRow.box_left + RejectionRow.box_right) / 2).between(FaceRow.box_left, FaceRow.box_right),
        ((RejectionRow.box_top + RejectionRow.box_bottom) / 2).between(FaceRow.box_top, FaceRow.box_bottom),
    )
)
"""Those that are of enrolled faces: the same bytes, and a box whose middle is in the face's."""


def of_faces(connection: Connection, template_ids: Collection[int]) -> set[int]:
    """Ids of those that are of the faces of these templates, whoever it was said that they are not."""
    these = TemplateRow.id.in_(IN_LIST)
    return {row.id for row in connection.execute(_OF_ENROLLED.where(these), listed(template_ids))}


def called(connection: Connection, names: Collection[str]) -> set[int]:
    """Ids of those in photos whose path tells one of these names."""
    return {each.rejection_id for each in all_of(connection) if is_in_path(names, each.photo_path)}


def of_photos(connection: Connection, template_ids: Collection[int]) -> set[int]:
    """Ids of those that are of any face in photos that go with these templates: they hold the photo's path."""
    in_photo = select(FaceRow.id).join(TemplateRow).where(FaceRow.photo_id == PhotoRow.id)
    query = (
        select(RejectionRow.id)
        .join(PhotoRow, PhotoRow.content_hash == RejectionRow.content_hash)
        .where(
            in_photo.where(TemplateRow.id.in_(IN_LIST)).exists(),
            ~in_photo.where(TemplateRow.id.not_in(IN_LIST)).exists(),
        )
    )
    return set(connection.scalars(query, listed(template_ids)))


def contradicted(connection: Connection, owners: Mapping[int, int], given: Mapping[int, int]) -> int | None:
    """A rejection whose own face would become the member's of whom it is said, or None.

    Args:
        connection: In a transaction.
        owners: By template id the member who would get it.
        given: By rejection id the member of whom it would be said.
    """
    of_templates, of_rejections = (
        select(func.json_each(bindparam(which)).table_valued("value").c.value) for which in ("templates", "rejections")
    )
    query = _OF_ENROLLED.add_columns(TemplateRow.member_id.label("owner_id"))
    query = query.where(TemplateRow.id.in_(of_templates) | RejectionRow.id.in_(of_rejections))
    ids = {"templates": json.dumps(list(owners)), "rejections": json.dumps(list(given))}
    for row in connection.execute(query.order_by(RejectionRow.id), ids):
        if row.owner_id != row.member_id and owners.get(row.template_id, row.owner_id) == given.get(
            row.id, row.member_id
        ):
            return int(row.id)
    return None


def of_templates(connection: Connection) -> set[tuple[int, str]]:
    """Each template whose face somebody said is not a member's, with that member's name."""
    query = _OF_ENROLLED.join(MemberRow, MemberRow.id == RejectionRow.member_id).add_columns(MEMBER_NAME)
    return {(row.template_id, row.name) for row in connection.execute(query)}


_REJECTIONS = (
    select(
        RejectionRow.id,
        MEMBER_NAME,
        REJECTION_PATH,
        RejectionRow.content_hash,
        RejectionRow.box_left,
        RejectionRow.box_top,
        RejectionRow.box_right,
        RejectionRow.box_bottom,
        RejectionRow.landmarks,
        RejectionRow.probability,
        RejectionRow.created_at,
    )
    .join(MemberRow, MemberRow.id == RejectionRow.member_id)
    .order_by(RejectionRow.id)
)


def _rejection(connection: Connection, row: RowMapping) -> Rejection:
    return Rejection(
        rejection_id=row["id"],
        member=row["name"],
        photo_path=row["path"],
        content_hash=row["content_hash"],
        face=face_of(connection, row),
        rejected_at=row["created_at"],
    )
