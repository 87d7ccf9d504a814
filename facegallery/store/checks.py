"""What can be wrong with a gallery's rows, and how it is told; for ``Store.check``."""

from __future__ import annotations

from sqlalchemy import Connection, select

from facegallery.store.tables import FaceRow, MemberRow, PhotoRow, RejectionRow, TemplateRow
from facegallery.store.vectors import ROWS_AT_ONCE, from_blobs, is_unit


def faults(connection: Connection) -> list[str]:
    """Everything found, one line each; an empty list when all is well."""
    return [
        *_broken_file(connection),
        *_broken_references(connection),
        *_orphans(connection),
        *_bad_vectors(connection),
    ]


def _broken_file(connection: Connection) -> list[str]:
    return [line for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars() if line != "ok"]


def _broken_references(connection: Connection) -> list[str]:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return [f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there" for row in rows]


def _orphans(connection: Connection) -> list[str]:
    """Nothing is kept that no template stands on."""
    alone = (
        ("face", select(FaceRow.id).where(FaceRow.id.not_in(select(TemplateRow.face_id)))),
        ("photo", select(PhotoRow.id).where(PhotoRow.id.not_in(select(FaceRow.photo_id)))),
        ("member", select(MemberRow.id).where(MemberRow.id.not_in(select(TemplateRow.member_id)))),
    )
    return [f"{what} {key} has no template" for what, query in alone for key in connection.scalars(query)]


def _bad_vectors(connection: Connection) -> list[str]:
    found = []
    for what, table in (("template", TemplateRow), ("rejection", RejectionRow)):
        query = select(table.id, table.vector).order_by(table.id)
        for rows in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
            unit = is_unit(from_blobs([row.vector for row in rows]))
            found += [
                f"the vector of {what} {row.id} is not of unit length"
                for row, ok in zip(rows, unit, strict=True)
                if not ok
            ]
    return found
