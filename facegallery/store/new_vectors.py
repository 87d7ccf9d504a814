"""Vectors of the model that the gallery is on its way to: what the store asks of one connection about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from facegallery.domain import ModelIdentity, Preparation, Reembedding
from facegallery.store import rejections, rows, vectors
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.sealed import open_bytes, seal_bytes
from facegallery.store.tables import (
    LoggedDecisionRow,
    ModelRow,
    NewVectorRow,
    ReembeddingRow,
    RejectionRow,
    SettingsRow,
    TemplateRow,
)

ROWS_AT_ONCE = 1024
"""New vectors that are read, sealed for their new place and written in one go, 2 KiB each."""

_TEMPLATE_IS_DONE = exists().where(NewVectorRow.template_id == TemplateRow.id)
_REJECTION_IS_DONE = exists().where(NewVectorRow.rejection_id == RejectionRow.id)

_TARGET = (ModelRow.fingerprint, ReembeddingRow.preparation)
_TEMPLATES = (
    select(TemplateRow.id, TemplateRow.face_id, TemplateRow.member_id, *_TARGET)
    .select_from(TemplateRow)
    .join(ReembeddingRow, ReembeddingRow.id == 1)
    .join(ModelRow, ModelRow.id == ReembeddingRow.model_id)
)
_REJECTIONS = (
    select(RejectionRow.id, RejectionRow.content_hash, RejectionRow.member_id, *_TARGET)
    .select_from(RejectionRow)
    .join(ReembeddingRow, ReembeddingRow.id == 1)
    .join(ModelRow, ModelRow.id == ReembeddingRow.model_id)
)


# --- the way ------------------------------------------------------------------------------------------------------


def target(connection: Connection) -> tuple[str, Preparation] | None:
    """The fingerprint of the model that the gallery is going to, and how faces are prepared for it; or None."""
    query = select(*_TARGET).select_from(ReembeddingRow).join(ModelRow, ModelRow.id == ReembeddingRow.model_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.fingerprint, Preparation(row.preparation))


def under_way(connection: Connection) -> Reembedding | None:
    """Where the gallery is going, and how far it is; or None. Counts all that is left."""
    query = select(ModelRow.name, ModelRow.fingerprint, ReembeddingRow.preparation, ReembeddingRow.started_at)
    row = connection.execute(query.join(ReembeddingRow, ReembeddingRow.model_id == ModelRow.id)).one_or_none()
    if row is None:
        return None
    n_done = connection.scalar(select(func.count()).select_from(NewVectorRow)) or 0
    model = ModelIdentity(row.name, row.fingerprint)
    return Reembedding(model, Preparation(row.preparation), row.started_at, n_done, n_left(connection))


def begin(connection: Connection, model: ModelIdentity, preparation: Preparation, *, now: datetime) -> None:
    """Set out, from where nothing is under way."""
    model_id = connection.scalar(select(ModelRow.id).where(ModelRow.fingerprint == model.fingerprint))
    if model_id is None:
        model_id = rows.insert_model(connection, model)
    else:  # under the name by which its file is found now
        connection.execute(update(ModelRow).where(ModelRow.id == model_id).values(name=model.name))
    values = {"model_id": model_id, "preparation": preparation.value, "started_at": now}
    rows.insert_row(connection, ReembeddingRow, id=1, **values)


def clear(connection: Connection) -> None:
    """Be on the way to nowhere: no new vectors, and no model that nothing is of."""
    connection.execute(delete(NewVectorRow))
    connection.execute(delete(ReembeddingRow))
    used = (SettingsRow.model_id, TemplateRow.model_id, LoggedDecisionRow.model_id)
    connection.execute(delete(ModelRow).where(*(~exists().where(of == ModelRow.id) for of in used)))


def swap(connection: Connection) -> None:
    """Put each new vector into the place of the old one, sealed for there, and the gallery onto its new model."""
    to = connection.execute(select(ReembeddingRow.model_id, ReembeddingRow.preparation)).one()
    # Page by page: a query that is still open would go on reading in the table that is written to.
    last = 0
    while found := connection.execute(templates_query().where(TemplateRow.id > last).limit(ROWS_AT_ONCE)).all():
        for row in found:
            vector = open_bytes(connection, row.vector, context(row))
            values = {"vector": seal_bytes(connection, vector, vectors.context(row)), "model_id": to.model_id}
            connection.execute(update(TemplateRow).where(TemplateRow.id == row.id).values(**values))
        last = found[-1].id
    for row in connection.execute(rejections_query()).all():
        vector = open_bytes(connection, row.vector, rejection_context(row))
        kept = seal_bytes(connection, vector, rejections.context(row))
        connection.execute(update(RejectionRow).where(RejectionRow.id == row.id).values(vector=kept))
    connection.execute(update(SettingsRow).values(model_id=to.model_id, preparation=to.preparation))


# --- what is left -------------------------------------------------------------------------------------------------


def templates_left(connection: Connection, *, after: int, n: int) -> list[int]:
    """The first n ids after this one of templates without a new vector, ascending."""
    query = select(TemplateRow.id).where(TemplateRow.id > after, ~_TEMPLATE_IS_DONE)
    return list(connection.scalars(query.order_by(TemplateRow.id).limit(n)))


def rejections_left(connection: Connection, *, after: int, n: int) -> list[int]:
    """The same of rejections."""
    query = select(RejectionRow.id).where(RejectionRow.id > after, ~_REJECTION_IS_DONE)
    return list(connection.scalars(query.order_by(RejectionRow.id).limit(n)))


def n_left(
    connection: Connection, without_templates: Collection[int] = (), without_rejections: Collection[int] = ()
) -> int:
    """Templates and rejections without a new vector, but for these."""
    left = 0
    for table, is_done, without in (
        (TemplateRow, _TEMPLATE_IS_DONE, without_templates),
        (RejectionRow, _REJECTION_IS_DONE, without_rejections),
    ):
        query = select(func.count()).select_from(table).where(~is_done, table.id.not_in(IN_LIST))
        left += connection.scalar(query, listed(without)) or 0
    return left


def all_left(connection: Connection) -> tuple[Sequence[int], Sequence[int]]:
    """Ids of all templates, and of all rejections, without a new vector."""
    templates = select(TemplateRow.id).where(~_TEMPLATE_IS_DONE)
    rejected = select(RejectionRow.id).where(~_REJECTION_IS_DONE)
    return connection.scalars(templates).all(), connection.scalars(rejected).all()


# --- the vectors --------------------------------------------------------------------------------------------------


def add(connection: Connection, made: Mapping[int, bytes]) -> None:
    """Keep the vectors of templates, by id; of those that are there, and have none yet."""
    for row in _these(connection, _TEMPLATES.where(~_TEMPLATE_IS_DONE), TemplateRow.id, made):
        sealed = seal_bytes(connection, made[row.id], context(row))
        connection.execute(insert(NewVectorRow).values(template_id=row.id, vector=sealed))


def add_rejected(connection: Connection, made: Mapping[int, bytes]) -> None:
    """The same of rejections."""
    for row in _these(connection, _REJECTIONS.where(~_REJECTION_IS_DONE), RejectionRow.id, made):
        sealed = seal_bytes(connection, made[row.id], rejection_context(row))
        connection.execute(insert(NewVectorRow).values(rejection_id=row.id, vector=sealed))


def templates_query() -> Select[Any]:
    """The new vectors of templates, with what ``context`` needs; by template id."""
    query = _TEMPLATES.add_columns(NewVectorRow.vector)
    return query.join(NewVectorRow, NewVectorRow.template_id == TemplateRow.id).order_by(TemplateRow.id)


def rejections_query() -> Select[Any]:
    """The same of rejections."""
    query = _REJECTIONS.add_columns(NewVectorRow.vector)
    return query.join(NewVectorRow, NewVectorRow.rejection_id == RejectionRow.id).order_by(RejectionRow.id)


def context(row: Any) -> str:
    """What a template's new vector is sealed for, from a row of ``templates_query``.

    The model is in it: neither can the vector be put in the old one's place, nor one of an abandoned way in its own.
    """
    return f"vector of template {row.id}, face {row.face_id} of member {row.member_id}, {_by(row)}"


def rejection_context(row: Any) -> str:
    """The same for a rejection's, from a row of ``rejections_query``."""
    return f"vector of rejection {row.id}, a face in {row.content_hash} that is not member {row.member_id}, {_by(row)}"


def _by(row: Any) -> str:
    return f"by {row.fingerprint} of faces by {row.preparation}"


def _these(connection: Connection, query: Any, key: InstrumentedAttribute[int], ids: Iterable[int]) -> list[Row[Any]]:
    """The rows of a query that are of these ids."""
    wanted = query.where(key.in_(IN_LIST))
    return list(connection.execute(wanted, listed(ids)).all())
