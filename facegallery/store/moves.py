"""Templates given to another member or taken out: what the store asks of one connection about that.

A moved template keeps its id and its vector, so an index of templates holds as it is. A member is somebody with
photos: one whose last template goes is gone too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, select

from facegallery.store.rows import give_template
from facegallery.store.tables import FaceRow, MemberRow, PhotoRow, TemplateRow

_WANTED = func.json_each(bindparam("ids")).table_valued("value")
_THESE = TemplateRow.id.in_(select(_WANTED.c.value))


def move(connection: Connection, member_of: Mapping[int, int]) -> tuple[int, ...]:
    """Give each of these templates to a member; returns the ids of those that were another's until now, ascending."""
    wanted = {"ids": json.dumps(list(member_of))}
    found = connection.execute(select(TemplateRow.id, TemplateRow.member_id).where(_THESE), wanted).all()
    moved = [row for row in found if row.member_id != member_of[row.id]]
    for row in moved:
        give_template(connection, row.id, member_of[row.id])
    _remove_empty(connection, {row.member_id for row in moved})
    return tuple(sorted(row.id for row in moved))


def remove(connection: Connection, template_ids: Sequence[int]) -> tuple[int, ...]:
    """Remove these templates with their faces, and photos left without a face; returns the ids removed, ascending."""
    wanted = {"ids": json.dumps(list(template_ids))}
    query = select(TemplateRow.id, TemplateRow.member_id, TemplateRow.face_id, FaceRow.photo_id)
    query = query.join(FaceRow, FaceRow.id == TemplateRow.face_id).where(_THESE).order_by(TemplateRow.id)
    found = connection.execute(query, wanted).all()
    faces, photos = ({"ids": json.dumps([row[place] for row in found])} for place in (2, 3))
    connection.execute(delete(FaceRow).where(FaceRow.id.in_(select(_WANTED.c.value))), faces)  # templates go with them
    in_use = select(FaceRow.id).where(FaceRow.photo_id == PhotoRow.id).exists()
    connection.execute(delete(PhotoRow).where(PhotoRow.id.in_(select(_WANTED.c.value)), ~in_use), photos)
    _remove_empty(connection, {row.member_id for row in found})
    return tuple(row.id for row in found)


def _remove_empty(connection: Connection, member_ids: set[int]) -> None:
    """Remove those of these members who have no template left."""
    has_one = select(TemplateRow.id).where(TemplateRow.member_id == MemberRow.id).exists()
    empty = delete(MemberRow).where(MemberRow.id.in_(select(_WANTED.c.value)), ~has_one)
    connection.execute(empty, {"ids": json.dumps(sorted(member_ids))})
