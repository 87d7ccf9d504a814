"""Templates taken out, and those that would meet in one photo: what the store asks of one connection about that.

A member is somebody with photos: one whose last template goes is gone too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, select
from sqlalchemy.orm import aliased

from facegallery.store.listed import IN_LIST, listed
from facegallery.store.tables import PHOTO_PATH, FaceRow, MemberRow, PhotoRow, TemplateRow

_THESE = TemplateRow.id.in_(IN_LIST)


def remove(connection: Connection, template_ids: Sequence[int]) -> tuple[int, ...]:
    """Remove these templates with their faces, and photos left without a face; returns the ids removed, ascending."""
    wanted = listed(template_ids)
    query = select(TemplateRow.id, TemplateRow.member_id, TemplateRow.face_id, FaceRow.photo_id)
    query = query.join(FaceRow, FaceRow.id == TemplateRow.face_id).where(_THESE).order_by(TemplateRow.id)
    found = connection.execute(query, wanted).all()
    faces, photos = (listed([row[place] for row in found]) for place in (2, 3))
    connection.execute(delete(FaceRow).where(FaceRow.id.in_(IN_LIST)), faces)  # templates go with them
    in_use = select(FaceRow.id).where(FaceRow.photo_id == PhotoRow.id).exists()
    connection.execute(delete(PhotoRow).where(PhotoRow.id.in_(IN_LIST), ~in_use), photos)
    _remove_empty(connection, {row.member_id for row in found})
    return tuple(row.id for row in found)


def met_in_photos(connection: Connection, template_ids: Collection[int], member_id: int) -> tuple[Path, ...]:
    """The photos in which both one of these templates' faces and another face of the member are enrolled.

    Two boxes are one face where the middle of either is in the other: a face that is enrolled for two members.
    """
    face, other, of_other = aliased(FaceRow), aliased(FaceRow), aliased(TemplateRow)
    query = (
        select(PhotoRow.id, PHOTO_PATH)
        .join(face, face.photo_id == PhotoRow.id)
        .join(TemplateRow, TemplateRow.face_id == face.id)
        .join(other, other.photo_id == PhotoRow.id)
        .join(of_other, of_other.face_id == other.id)
        .where(_THESE, of_other.member_id == member_id, TemplateRow.member_id != member_id)
        .where(~_has_middle_in(face, other), ~_has_middle_in(other, face))
        .distinct()
    )
    found = connection.execute(query.order_by(PhotoRow.id), listed(template_ids))
    return tuple(row.path for row in found)


def _has_middle_in(face: type[FaceRow], other: type[FaceRow]) -> ColumnElement[bool]:
    across = ((face.box_left + face.box_right) / 2).between(other.box_left, other.box_right)
    return across & ((face.box_top + face.box_bottom) / 2).between(other.box_top, other.box_bottom)


def _remove_empty(connection: Connection, member_ids: set[int]) -> None:
    """Remove those of these members who have no template left."""
    has_one = select(TemplateRow.id).where(TemplateRow.member_id == MemberRow.id).exists()
    empty = delete(MemberRow).where(MemberRow.id.in_(IN_LIST), ~has_one)
    connection.execute(empty, listed(member_ids))
