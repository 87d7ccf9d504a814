"""Kept crops, the pixels of enrolled faces as the embedder saw them: what the store asks of one connection about them.

A crop belongs to a face and goes with it. It is spoken of by the face's template, as faces are everywhere. Nothing that
is searched depends on it, so the store's state stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from facegallery.domain import Crop, Preparation
from facegallery.store.listed import LISTED, listed
from facegallery.store.sealed import open_bytes, seal_bytes
from facegallery.store.tables import CropRow, TemplateRow


def count(connection: Connection, member_id: int | None = None) -> int:
    """How many are kept, of one member or all."""
    query = select(func.count()).select_from(CropRow)
    return connection.scalar(query if member_id is None else query.where(_is_of(member_id))) or 0


def of_templates(connection: Connection, template_ids: Iterable[int]) -> dict[int, Crop]:
    """Those of these templates that are kept, by template id.

    Raises:
        BrokenSeal: One is damaged, or was changed, or is another face's.
    """
    query = select(TemplateRow.id, CropRow.face_id, CropRow.preparation, CropRow.png).select_from(LISTED)
    query = query.join(TemplateRow, TemplateRow.id == LISTED.c.value)
    query = query.join(CropRow, CropRow.face_id == TemplateRow.face_id)
    found = connection.execute(query, listed(template_ids))
    return {row.id: Crop(Preparation(row.preparation), open_bytes(connection, row.png, context(row))) for row in found}


def of_face(connection: Connection, face_id: int) -> Crop:
    """The crop of a face, which the caller knows to be there.

    Raises:
        BrokenSeal: It is damaged, or was changed, or is another face's.
    """
    row = connection.execute(select(CropRow.__table__).where(CropRow.face_id == face_id)).one()
    return Crop(Preparation(row.preparation), open_bytes(connection, row.png, context(row)))


def keep(connection: Connection, template_id: int, crop: Crop) -> None:
    """Keep the crop of a template's face in the place of the one before; nothing happens where there is no template."""
    face_id = connection.scalar(select(TemplateRow.face_id).where(TemplateRow.id == template_id))
    if face_id is not None:
        connection.execute(delete(CropRow).where(CropRow.face_id == face_id))
        add(connection, face_id, crop)


def add(connection: Connection, face_id: int, crop: Crop) -> None:
    """Keep the crop of a face that has none."""
    sealed = seal_bytes(connection, crop.png, _context(face_id, crop.preparation.value))
    connection.execute(insert(CropRow).values(face_id=face_id, preparation=crop.preparation.value, png=sealed))


def remove(connection: Connection, member_id: int | None = None) -> int:
    """Remove the crops of one member, or all; returns how many they were."""
    removing = delete(CropRow)
    return int(connection.execute(removing if member_id is None else removing.where(_is_of(member_id))).rowcount)


def context(row: Any) -> str:
    """What a crop is sealed for, from a row with ``face_id`` and ``preparation``."""
    return _context(row.face_id, row.preparation)


def _context(face_id: int, preparation: str) -> str:
    return f"crop of face {face_id} by {preparation}"


def _is_of(member_id: int) -> Any:
    return CropRow.face_id.in_(select(TemplateRow.face_id).where(TemplateRow.member_id == member_id))
