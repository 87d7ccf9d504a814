"""What can be wrong with a gallery's rows, and how it is told; for ``Store.check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Select, Text, select, type_coerce

from facegallery.sealing import BrokenSeal
from facegallery.store import calibrations, crops, decision_log, journal, new_vectors, rejections, rows, vectors
from facegallery.store.sealed import FilePath, LookupHash, LookupText, name_of, open_bytes, photo_path_of
from facegallery.store.tables import (
    VECTOR_BYTES,
    BackupRow,
    Base,
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
        *_bad_calibration(connection),
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


def _bad_texts(connection: Connection) -> Iterator[str]:
    """What is kept beside vectors, and what is said of it. In a plain gallery most texts are as good as any."""
    for what, query, opening in _TEXTS:
        for batch in connection.execute(query.execution_options(yield_per=vectors.ROWS_AT_ONCE)).partitions():
            for row in batch:
                try:
                    opening(connection, row)
                except BrokenSeal as error:
                    yield f"the {what} {row.id} {'was changed' if error.tampered else 'is damaged'}"


def _open_name(connection: Connection, row: Any) -> None:
    name = name_of(connection, row.id, row.name)
    rows.require_key_of_name(connection, row.id, name, _opened(connection, MemberRow.name_key, row.name_key))


def _open_photo(connection: Connection, row: Any) -> None:
    photo_path_of(connection, row.path, _opened(connection, PhotoRow.content_hash, row.content_hash))


def _open_face(connection: Connection, row: Any) -> None:
    content_hash = _opened(connection, PhotoRow.content_hash, row.content_hash)
    rows.face_of(connection, {**row._mapping, "content_hash": content_hash})


def _open_rejection(connection: Connection, row: Any) -> None:
    _open_photo(connection, row)
    _open_face(connection, row)


def _open_answer(connection: Connection, row: Any) -> None:
    content_hash = _opened(connection, LoggedDecisionRow.content_hash, row.content_hash)
    decision_log.texts_in(connection, {**row._mapping, "content_hash": content_hash})


def _open_backup(connection: Connection, row: Any) -> None:
    _opened(connection, BackupRow.path, row.path)


def _unopened(table: type[Base]) -> list[Any]:
    """The columns of a table, those as kept that would be opened as they are fetched: one that fails ends a query."""
    return [
        type_coerce(column, Text).label(column.name) if isinstance(column.type, _OPENS_ITSELF) else column
        for column in table.__table__.columns
    ]


def _opened(connection: Connection, column: Any, kept: str) -> Any:
    return column.type.process_result_value(kept, connection.dialect)


_OPENS_ITSELF = (FilePath, LookupHash, LookupText)
_TEXTS: tuple[tuple[str, Select[Any], Callable[[Connection, Any], object]], ...] = (
    ("name of member", select(*_unopened(MemberRow)), _open_name),
    ("path or hash of photo", select(*_unopened(PhotoRow)), _open_photo),
    (
        "place or landmarks of face",
        select(FaceRow.__table__, type_coerce(PhotoRow.content_hash, Text).label("content_hash"))
        .select_from(FaceRow)
        .join(PhotoRow, PhotoRow.id == FaceRow.photo_id),
        _open_face,
    ),
    ("path, hash or landmarks of rejection", select(*_unopened(RejectionRow)), _open_rejection),
    ("name in the journal's row", select(JournalNameRow.__table__), journal.names_in),
    ("text of log entry", select(*_unopened(LoggedDecisionRow)), _open_answer),
    ("path of backup", select(*_unopened(BackupRow)), _open_backup),
)


def _bad_calibration(connection: Connection) -> Iterator[str]:
    try:
        calibrations.load(connection)
    except BrokenSeal as error:
        yield f"the calibration {'was changed' if error.tampered else 'is damaged'}"


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
