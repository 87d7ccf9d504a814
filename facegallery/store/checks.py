"""What can be wrong with a gallery's rows, and how it is told; for ``Store.check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, select

from facegallery.sealing import BrokenSeal
from facegallery.store import crops, new_vectors, rejections, vectors
from facegallery.store.sealed import cipher_of, open_bytes
from facegallery.store.tables import (
    MEMBER_NAME,
    VECTOR_BYTES,
    CropRow,
    FaceRow,
    JournalNameRow,
    LoggedDecisionRow,
    MemberRow,
    PhotoRow,
    RejectionRow,
    TemplateRow,
)

_CROPS_AT_ONCE = 64
_PNG_START = b"\x89PNG\r\n\x1a\n"


def faults(connection: Connection) -> list[str]:
    """Everything found, one line each; an empty list when all is well."""
    return [
        *_broken_file(connection),
        *_broken_references(connection),
        *_orphans(connection),
        *_bad_vectors(connection),
        *_bad_texts(connection),
        *_bad_crops(connection),
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
    of_templates = select(TemplateRow.id, TemplateRow.vector, TemplateRow.face_id, TemplateRow.member_id)
    of_rejections = select(RejectionRow.id, RejectionRow.vector, RejectionRow.content_hash, RejectionRow.member_id)
    return [
        *_bad_vectors_in(connection, "template", of_templates.order_by(TemplateRow.id), vectors.context),
        *_bad_vectors_in(connection, "rejection", of_rejections.order_by(RejectionRow.id), rejections.context),
        *_bad_vectors_in(connection, "new template", new_vectors.templates_query(), new_vectors.context),
        *_bad_vectors_in(connection, "new rejection", new_vectors.rejections_query(), new_vectors.rejection_context),
    ]


def _bad_vectors_in(connection: Connection, what: str, query: Any, context: Callable[[Any], str]) -> Iterator[str]:
    for batch in connection.execute(query.execution_options(yield_per=vectors.ROWS_AT_ONCE)).partitions():
        opened: dict[int, bytes] = {}
        for row in batch:
            try:
                plain = open_bytes(connection, row.vector, context(row))
                if len(plain) != VECTOR_BYTES:
                    raise BrokenSeal(b"a vector", tampered=False)
                opened[row.id] = plain
            except BrokenSeal as error:
                yield f"the vector of {what} {row.id} {'was changed' if error.tampered else 'is damaged'}"
        unit = vectors.is_unit(vectors.from_blobs(list(opened.values())))
        for key, ok in zip(opened, unit, strict=True):
            if not ok:
                yield f"the vector of {what} {key} is not of unit length"


_LOG_TEXTS = (
    LoggedDecisionRow.asked_by,
    LoggedDecisionRow.path,
    LoggedDecisionRow.content_hash,
    LoggedDecisionRow.member,
    LoggedDecisionRow.runner_up,
)


def _bad_texts(connection: Connection) -> Iterator[str]:
    """What is sealed beside vectors; in a plain gallery any text is well."""
    for what, query in (
        ("name of member", select(MemberRow.id, MEMBER_NAME, MemberRow.name_key)),
        ("path or hash of photo", select(PhotoRow.id, PhotoRow.path, PhotoRow.content_hash)),
        ("landmarks of face", select(FaceRow.id, FaceRow.landmarks)),
        ("path, hash or landmarks of rejection", select(RejectionRow.id, RejectionRow.path, RejectionRow.landmarks)),
        ("name in the journal's row", select(JournalNameRow.id, JournalNameRow.name_before, JournalNameRow.name_after)),
        ("text of log entry", select(LoggedDecisionRow.id, *_LOG_TEXTS)),
    ):
        # One row at a time: the types open values as they are fetched, and one that does not open ends the query.
        for key in connection.scalars(select(query.selected_columns.id)).all() if cipher_of(connection) else ():
            try:
                connection.execute(query.where(query.selected_columns.id == key)).all()
            except BrokenSeal as error:
                yield f"the {what} {key} {'was changed' if error.tampered else 'is damaged'}"


def _bad_crops(connection: Connection) -> Iterator[str]:
    """Kept crops that do not open, or are no PNG; whether every pixel can be read shows when it is used."""
    query = select(CropRow.face_id, CropRow.preparation, CropRow.png).order_by(CropRow.face_id)
    for batch in connection.execute(query.execution_options(yield_per=_CROPS_AT_ONCE)).partitions():
        for row in batch:
            try:
                is_png = open_bytes(connection, row.png, crops.context(row)).startswith(_PNG_START)
            except BrokenSeal as error:
                yield f"the crop of face {row.face_id} {'was changed' if error.tampered else 'is damaged'}"
            else:
                if not is_png:
                    yield f"the crop of face {row.face_id} is no picture"
