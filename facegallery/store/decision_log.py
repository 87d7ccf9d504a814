"""The log of decisions: what the store asks of one connection about it.

It is off unless the gallery's settings say for how many days entries are kept; none outlives them, and while it is off
there are none. It is no part of what the store's state tells: searches and index stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update
from sqlalchemy.orm import aliased

from facegallery.domain import Asked, Decision, LoggedDecision, ModelIdentity, ScoreRule, Verdict
from facegallery.names import is_in_path
from facegallery.sealing import BrokenSeal
from facegallery.store import rows
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.sealed import exactly, kept_path, kept_text, path_of, text_of
from facegallery.store.tables import FaceRow, LoggedDecisionRow, MemberRow, ModelRow, PhotoRow, SettingsRow, TemplateRow

_HASHES_AT_ONCE = 500
"""Hashes in one statement: each is a value of its own, since it may have to be sealed."""

# --- on and off ---------------------------------------------------------------------------------------------------


def days(connection: Connection) -> int | None:
    """For how many days entries are kept; None while the log is off."""
    return connection.scalar(select(SettingsRow.log_days))


def set_days(connection: Connection, n_days: int | None) -> None:
    """Have the log on for as many days, or off."""
    connection.execute(update(SettingsRow).values(log_days=n_days))


# --- what goes in -------------------------------------------------------------------------------------------------


def add(
    connection: Connection,
    asked: Asked,
    decisions: Mapping[int, Decision],
    member_ids: Mapping[str, int],
    *,
    now: datetime,
) -> None:
    """Keep the answers about a photo. Nothing of somebody who was forgotten since they were made is kept.

    Args:
        connection: In a transaction that writes.
        asked: The question.
        decisions: By the number of the face.
        member_ids: By name, as of when the answers were made.
        now: When they are given.
    """
    model_id = connection.scalar(select(ModelRow.id).where(ModelRow.fingerprint == asked.model.fingerprint))
    if model_id is None:  # the gallery was taken to another one meanwhile; what was answered was answered by this one
        model_id = rows.insert_model(connection, asked.model)
    there = _still_there(connection, decisions.values(), member_ids)
    for number, decision in decisions.items():
        best, runner_up = decision.best, decision.runner_up
        if best is not None and best.member not in there:
            continue
        values: dict[str, Any] = {
            "at": now,
            "asked_by": asked.by,
            "command": asked.command,
            "path": asked.path,
            "content_hash": asked.content_hash,
            "face_number": number,
            "verdict": decision.verdict.value,
            "threshold": decision.limits.threshold,
            "min_margin": decision.limits.min_margin,
            "score": asked.score.value,
            "model_id": model_id,
        }
        if best is not None:
            values |= {"member_id": there[best.member], "member": best.member, "similarity": best.similarity}
        if runner_up is not None and runner_up.member in there:
            values |= {"runner_up_id": there[runner_up.member], "runner_up": runner_up.member}
            values |= {"margin": decision.margin}
        connection.execute(insert(LoggedDecisionRow).values(**_kept(connection, values)))


def _kept(connection: Connection, values: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(values)
    for column in _NAMED & values.keys():
        kept[column] = kept_text(connection, values[column], _context(column, values))
    return kept | {"path": kept_path(connection, values["path"], _context("path", values))}


def texts_in(connection: Connection, row: Mapping[Any, Any]) -> dict[str, Any]:
    """What is sealed in an entry: path, who asked, and the members who are named in it.

    Raises:
        BrokenSeal: Something is damaged, or was changed, or is of another entry, or the answer beside it is not as it
            was given.
    """
    opened = {name: text_of(connection, row[name], _context(name, row)) for name in _NAMED if row[name] is not None}
    return {**dict.fromkeys(_NAMED), **opened, "path": path_of(connection, row["path"], _context("path", row))}


_NAMED = {"asked_by", "member", "runner_up"}


def _context(column: str, row: Mapping[Any, Any]) -> str:
    """What a text is sealed for: the whole answer, but for the runner-up, who may be blanked."""
    numbers = [row.get(name) for name in ("similarity", "threshold", "min_margin")]
    if column == "runner_up":
        column, numbers = f"runner-up {row['runner_up_id']}", [*numbers, row["margin"]]
    at = row["at"].astimezone(timezone.utc).isoformat()
    face = f"face {row['face_number']} of photo {row['content_hash']}"
    said = f"{row['verdict']} {row.get('member_id')} {' '.join(exactly(number) for number in numbers)} {row['score']}"
    return f"{column} of the answer to {row['command']} at {at} about {face}: {said}"


def _still_there(
    connection: Connection, decisions: Iterable[Decision], member_ids: Mapping[str, int]
) -> dict[str, int]:
    """Of the members who are named in these decisions those who are still enrolled, with their ids."""
    named = {each.member for decision in decisions for each in (decision.best, decision.runner_up) if each is not None}
    wanted = listed([member_ids[name] for name in named])
    found = set(connection.scalars(select(MemberRow.id).where(MemberRow.id.in_(IN_LIST)), wanted))
    return {name: member_ids[name] for name in named if member_ids[name] in found}


# --- what comes out -----------------------------------------------------------------------------------------------


def entries(
    connection: Connection,
    *,
    now: datetime,
    member_id: int | None = None,
    since: datetime | None = None,
    most: int | None = None,
) -> list[LoggedDecision]:
    """Entries that are not too old to be kept, the newest first.

    Args:
        connection: In a transaction.
        now: The present.
        member_id: Only those in which this member was named, nearest or runner-up; None for all.
        since: Only those not older.
        most: So many of the newest; None for all.
    """
    query = _ENTRIES.where(LoggedDecisionRow.at >= _oldest(connection, now)).limit(most)
    if member_id is not None:
        query = query.where(or_(LoggedDecisionRow.member_id == member_id, LoggedDecisionRow.runner_up_id == member_id))
    if since is not None:
        query = query.where(LoggedDecisionRow.at >= since)
    return [_entry(connection, row) for row in connection.execute(query).mappings()]


_ENTRIES = (
    select(LoggedDecisionRow.__table__, ModelRow.name.label("model_name"), ModelRow.fingerprint)
    .join(ModelRow, ModelRow.id == LoggedDecisionRow.model_id)
    .order_by(LoggedDecisionRow.at.desc(), LoggedDecisionRow.id.desc())
)


def _entry(connection: Connection, row: RowMapping) -> LoggedDecision:
    texts = texts_in(connection, row)
    return LoggedDecision(
        at=row["at"],
        asked=Asked(
            texts["asked_by"],
            row["command"],
            texts["path"],
            row["content_hash"],
            ScoreRule(row["score"]),
            ModelIdentity(row["model_name"], row["fingerprint"]),
        ),
        face_number=row["face_number"],
        verdict=Verdict(row["verdict"]),
        member=texts["member"],
        similarity=row["similarity"],
        runner_up=texts["runner_up"],
        margin=row["margin"],
        threshold=row["threshold"],
        min_margin=row["min_margin"],
    )


# --- what goes ----------------------------------------------------------------------------------------------------


def has_expired(connection: Connection, now: datetime) -> bool:
    """Whether there are entries that are too old to be kept."""
    old = select(LoggedDecisionRow.id).where(LoggedDecisionRow.at < _oldest(connection, now)).limit(1)
    return connection.scalar(old) is not None


def expire(connection: Connection, now: datetime) -> int:
    """Remove entries that are too old to be kept; returns how many they were."""
    return connection.execute(delete(LoggedDecisionRow).where(LoggedDecisionRow.at < _oldest(connection, now))).rowcount


def clear(connection: Connection) -> int:
    """Remove all entries; returns how many they were."""
    return connection.execute(delete(LoggedDecisionRow)).rowcount


def forget(connection: Connection, member_ids: Collection[int], content_hashes: Collection[str]) -> None:
    """Remove what the log says of members and of photos.

    Entries of which one of the members is the answer (or the nearest) go, and entries about one of the photos. Where
    one of the members was the runner-up, that is blanked and the rest stays.
    """
    wanted = listed(member_ids)
    connection.execute(delete(LoggedDecisionRow).where(LoggedDecisionRow.member_id.in_(IN_LIST)), wanted)
    hashes = list(content_hashes)
    for start in range(0, len(hashes), _HASHES_AT_ONCE):
        some = LoggedDecisionRow.content_hash.in_(hashes[start : start + _HASHES_AT_ONCE])
        connection.execute(delete(LoggedDecisionRow).where(some))
    blanked = update(LoggedDecisionRow).where(LoggedDecisionRow.runner_up_id.in_(IN_LIST))
    connection.execute(blanked.values(runner_up_id=None, runner_up=None, margin=None), wanted)


def forget_called(connection: Connection, names: Collection[str]) -> None:
    """Remove entries about photos whose path tells one of these names, and those that cannot be opened any more."""
    ids = []
    for row in connection.execute(select(LoggedDecisionRow.__table__)).mappings():
        try:
            told = is_in_path(names, texts_in(connection, row)["path"])
        except BrokenSeal:
            told = True
        if told:
            ids.append(row["id"])
    these = LoggedDecisionRow.id.in_(IN_LIST)
    connection.execute(delete(LoggedDecisionRow).where(these), listed(ids))


def forget_templates(connection: Connection, template_ids: Sequence[int]) -> None:
    """Remove what the log says of whom and what goes with these templates; before they are removed.

    That is members all of whose templates they are, and photos in which nobody else's face is enrolled.
    """
    if connection.scalar(select(LoggedDecisionRow.id).limit(1)) is None:
        return
    wanted = listed(template_ids)
    members = select(TemplateRow.member_id).where(_THESE, ~_OTHERS_OF_MEMBER).distinct()
    photos = (
        select(PhotoRow.content_hash)
        .join(FaceRow, FaceRow.photo_id == PhotoRow.id)
        .join(TemplateRow, TemplateRow.face_id == FaceRow.id)
        .where(_THESE, ~_OTHERS_OF_PHOTO)
        .distinct()
    )
    forget(connection, connection.scalars(members, wanted).all(), connection.scalars(photos, wanted).all())


def forget_member(connection: Connection, member_id: int) -> None:
    """Remove what the log says of a member, and of photos that go with the member; before that is removed."""
    forget_templates(
        connection, connection.scalars(select(TemplateRow.id).where(TemplateRow.member_id == member_id)).all()
    )


_THESE = TemplateRow.id.in_(IN_LIST)
_OTHER, _OTHER_FACE = aliased(TemplateRow), aliased(FaceRow)
_OTHERS_OF_MEMBER = (
    select(_OTHER.id)
    .where(_OTHER.member_id == TemplateRow.member_id, _OTHER.id.not_in(IN_LIST))
    .correlate(TemplateRow)
    .exists()
)
_OTHERS_OF_PHOTO = (
    select(_OTHER.id)
    .join(_OTHER_FACE, _OTHER_FACE.id == _OTHER.face_id)
    .where(_OTHER_FACE.photo_id == PhotoRow.id, _OTHER.id.not_in(IN_LIST))
    .correlate(PhotoRow)
    .exists()
)


def _oldest(connection: Connection, now: datetime) -> datetime:
    """The earliest moment of which an entry is kept."""
    n_days = days(connection)
    return now if n_days is None else now - timedelta(days=n_days)
