"""The journal of what happened to members: what the store asks of one connection about it.

An entry is written in the transaction of the change that it is about. It names people only in rows of their own, which
go when the people are forgotten; what is left of the entry then is that something was done, to how many, and when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from facegallery.domain import Action
from facegallery.names import name_key
from facegallery.store.changes import Change, Move, Naming
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.rows import insert_row
from facegallery.store.sealed import kept_text, text_of
from facegallery.store.tables import (
    JournalMoveRow,
    JournalNameRow,
    JournalRow,
    MemberRow,
    RejectionRow,
    TemplateRow,
)

_NAMES = select(
    JournalNameRow.entry_id, JournalNameRow.member_id, JournalNameRow.name_before, JournalNameRow.name_after
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it is kept; see :class:`facegallery.domain.JournalEntry` for the fields."""

    entry_id: int
    at: datetime
    action: Action
    n_members: int
    n_templates: int
    undoes: int | None
    undone_by: int | None
    is_partial: bool
    change: Change


# --- writing ------------------------------------------------------------------------------------------------------


def append(
    connection: Connection,
    action: Action,
    change: Change,
    *,
    now: datetime,
    undoes: int | None = None,
    counts: tuple[int, int] | None = None,
) -> int:
    """Write down what was done; returns the entry's id.

    Args:
        connection: In the transaction of the change.
        action: What was done.
        change: To whom, exactly: what undoing it takes back.
        now: Moment to keep.
        undoes: The entry that is undone by it, which is not in effect from then on.
        counts: How many members and templates came by it or are gone for good, where nothing else of them is kept.
    """
    n_members, n_templates = counts or (len(change.namings), change.n_templates)
    entry_id = insert_row(
        connection,
        JournalRow,
        at=now,
        action=action.value,
        n_members=n_members,
        n_templates=n_templates,
        undoes=undoes,
        is_partial=False,
    )
    for row, values in (
        (JournalNameRow, [_name_values(connection, entry_id, each) for each in change.namings]),
        (JournalMoveRow, [_move_values(entry_id, each) for each in change.moves]),
    ):
        if values:
            connection.execute(insert(row), values)
    if undoes is not None:
        _take_out_of_effect(connection, undoes, by=entry_id)
    return entry_id


def _name_values(connection: Connection, entry_id: int, naming: Naming) -> dict[str, object]:
    before, after = (
        None if name is None else kept_text(connection, name, _name_context(which, entry_id, naming.member_id))
        for which, name in (("before", naming.before), ("after", naming.after))
    )
    return {
        "entry_id": entry_id,
        "member_id": naming.member_id,
        "name_before": before,
        "name_after": after,
        "created_at": naming.created_at,
    }


def names_in(connection: Connection, row: Any) -> tuple[str | None, str | None]:
    """The names before and after in a row of an entry, which has ``entry_id`` and ``member_id``.

    Raises:
        BrokenSeal: One is damaged, or was changed, or is of another entry or member, or the other of the two.
    """
    before, after = (
        None if kept is None else text_of(connection, kept, _name_context(which, row.entry_id, row.member_id))
        for which, kept in (("before", row.name_before), ("after", row.name_after))
    )
    return before, after


def _name_context(which: str, entry_id: int, member_id: int) -> str:
    return f"name of member {member_id} {which} entry {entry_id}"


def _move_values(entry_id: int, move: Move) -> dict[str, object]:
    return {
        "entry_id": entry_id,
        "template_id": move.template_id,
        "rejection_id": move.rejection_id,
        "from_member_id": move.from_id,
        "to_member_id": move.to_id,
    }


def _take_out_of_effect(connection: Connection, entry_id: int | None, *, by: int) -> None:
    """Say that an entry is undone. If it undid another one itself, that one is in effect again, and so on."""
    undone_by: int | None = by
    while entry_id is not None:
        connection.execute(update(JournalRow).where(JournalRow.id == entry_id).values(undone_by=undone_by))
        undone_by = entry_id if undone_by is None else None
        entry_id = connection.scalar(select(JournalRow.undoes).where(JournalRow.id == entry_id))


# --- reading ------------------------------------------------------------------------------------------------------


def load(connection: Connection, entry_ids: Collection[int]) -> list[Recorded]:
    """These entries, newest first; ids that are not there are left out."""
    ids = listed(entry_ids)
    namings: dict[int, list[Naming]] = {}
    names = select(JournalNameRow.__table__).where(JournalNameRow.entry_id.in_(IN_LIST))
    for row in connection.execute(names.order_by(JournalNameRow.id), ids):
        naming = Naming(row.member_id, *names_in(connection, row), row.created_at)
        namings.setdefault(row.entry_id, []).append(naming)
    moves: dict[int, list[Move]] = {}
    moved = select(JournalMoveRow.__table__).where(JournalMoveRow.entry_id.in_(IN_LIST))
    for row in connection.execute(moved.order_by(JournalMoveRow.id), ids):
        move = Move(row.template_id, row.rejection_id, row.from_member_id, row.to_member_id)
        moves.setdefault(row.entry_id, []).append(move)
    entries = select(JournalRow.__table__).where(JournalRow.id.in_(IN_LIST)).order_by(JournalRow.id.desc())
    return [
        Recorded(
            row.id,
            row.at,
            Action(row.action),
            row.n_members,
            row.n_templates,
            row.undoes,
            row.undone_by,
            row.is_partial,
            Change(tuple(namings.get(row.id, ())), tuple(moves.get(row.id, ()))),
        )
        for row in connection.execute(entries, ids)
    ]


def newest(connection: Connection, n: int | None, member_ids: Collection[int] | None = None) -> list[int]:
    """Ids of the newest entries, of these members or all; newest first.

    Args:
        connection: In a transaction.
        n: How many at most; None for all.
        member_ids: Those of whom an entry is to be about one.
    """
    query = select(JournalRow.id).order_by(JournalRow.id.desc()).limit(n)
    if member_ids is None:
        return list(connection.scalars(query))
    about = select(JournalNameRow.entry_id).where(JournalNameRow.member_id.in_(IN_LIST))
    return list(connection.scalars(query.where(JournalRow.id.in_(about)), listed(member_ids)))


def members_called(connection: Connection, name: str) -> set[int]:
    """Ids of those who have, or had, this name, in any spelling, as far as the journal tells."""
    key = name_key(name)
    return {
        row.member_id
        for row in connection.execute(_NAMES)
        if key in [name_key(each) for each in names_in(connection, row) if each is not None]
    }


def candidates(connection: Connection, *actions: Action) -> list[int]:
    """Ids of the entries of these kinds that are in effect, newest first."""
    query = select(JournalRow.id).where(JournalRow.undone_by.is_(None))
    return list(connection.scalars(query.where(JournalRow.action.in_(actions)).order_by(JournalRow.id.desc())))


def entry_of_rejection(connection: Connection, rejection_id: int) -> int | None:
    """The entry in effect by which somebody said that a face is not a member's, or None."""
    query = select(JournalRow.id).join(JournalMoveRow, JournalMoveRow.entry_id == JournalRow.id)
    said = query.where(JournalMoveRow.rejection_id == rejection_id, JournalRow.action == Action.REJECT.value)
    return connection.scalar(said)


def later_move(connection: Connection, move: Move, *, after: int) -> int | None:
    """The newest entry in force, of those after an entry, that moved the same thing."""
    if move.template_id is None:
        return _newest_in_force(connection, JournalMoveRow.rejection_id == move.rejection_id, after)
    return _newest_in_force(connection, JournalMoveRow.template_id == move.template_id, after)


def later_gift(connection: Connection, member_id: int, *, after: int) -> int | None:
    """The same that gave something to a member, or said something of the member."""
    return _newest_in_force(connection, JournalMoveRow.to_member_id == member_id, after)


def later_loss(connection: Connection, member_id: int, *, after: int) -> int | None:
    """The same that took a template from a member."""
    taken = (JournalMoveRow.from_member_id == member_id) & (JournalMoveRow.to_member_id != member_id)
    return _newest_in_force(connection, taken & JournalMoveRow.template_id.is_not(None), after)


def later_naming(connection: Connection, member_id: int, *, after: int) -> int | None:
    """The same by which a member came, went, or got another name."""
    query = _NAMES.join(JournalRow, JournalRow.id == JournalNameRow.entry_id).where(*_in_force(after))
    named = query.where(JournalNameRow.member_id == member_id).order_by(JournalNameRow.entry_id.desc())
    for row in connection.execute(named):
        name_before, name_after = names_in(connection, row)
        if name_before != name_after:
            return int(row.entry_id)
    return None


def _newest_in_force(connection: Connection, which: ColumnElement[bool], after: int) -> int | None:
    query = select(func.max(JournalMoveRow.entry_id)).join(JournalRow, JournalRow.id == JournalMoveRow.entry_id)
    return connection.scalar(query.where(which, *_in_force(after)))


def _in_force(after: int) -> tuple[ColumnElement[bool], ...]:
    """What holds of later entries that count: an undone one and its undo are as if they had never been."""
    cancels_later = (JournalRow.action == Action.UNDO.value) & (JournalRow.undoes > after)
    return JournalRow.id > after, JournalRow.undone_by.is_(None), ~cancels_later


def n_moved_since(connection: Connection, since: datetime) -> int:
    """How many templates are another member's now than they were at a moment, among those that are still there."""
    query = (
        select(TemplateRow.member_id, JournalMoveRow.template_id, JournalMoveRow.from_member_id)
        .join(JournalRow, JournalRow.id == JournalMoveRow.entry_id)
        .join(TemplateRow, TemplateRow.id == JournalMoveRow.template_id)
        .where(JournalRow.at > since)
        .order_by(JournalMoveRow.entry_id)
    )
    then: dict[int, int] = {}
    now: dict[int, int] = {}
    for row in connection.execute(query):
        then.setdefault(row.template_id, row.from_member_id)
        now[row.template_id] = row.member_id
    return sum(then[key] != now[key] for key in then)


# --- who became whom, and forgetting ------------------------------------------------------------------------------


def heirs(connection: Connection) -> dict[int, int]:
    """For members who are no more whom they became part of: who got most of the last photos, as far as is known."""
    return {
        member_id: max(got, key=lambda each: (got.count(each), -each))
        for member_id, got in _ends(connection).items()
        if got
    }


def known_names(connection: Connection, member_id: int) -> set[str]:
    """All names that the journal knows of a member and of those who became part of the member."""
    query = _NAMES.where(JournalNameRow.member_id.in_(IN_LIST))
    found = connection.execute(query, listed(_one_with(connection, {member_id}))).all()
    return {name for row in found for name in names_in(connection, row) if name is not None}


def forget(connection: Connection, member_id: int) -> set[int]:
    """Remove a member who is about to be forgotten from the journal: names, and what was moved from or to them.

    Entries that lose something of what they would need to be undone say so.

    Args:
        connection: In the transaction that forgets, before the member's rows are removed.
        member_id: The member's.

    Returns:
        Ids of all who were one with the member, the member's own among them: who became part of the member and is no
        member now.
    """
    one = _one_with(connection, {member_id})
    theirs = select(TemplateRow.id).where(TemplateRow.member_id == member_id)
    said_of_them = select(RejectionRow.id).where(RejectionRow.member_id == member_id)
    _lose_moves(connection, JournalMoveRow.template_id.in_(theirs) | JournalMoveRow.rejection_id.in_(said_of_them))
    _lose_members(connection, one)
    return one | _lose_who_cannot_return(connection)


def forget_rejections(connection: Connection, rejection_ids: Collection[int]) -> None:
    """Remove from the journal what was said of faces, before it is removed itself."""
    _lose_moves(connection, JournalMoveRow.rejection_id.in_(IN_LIST), ids=rejection_ids)


def forget_templates(connection: Connection, template_ids: Collection[int]) -> set[int]:
    """The same for templates that are about to be removed, with those who have no other.

    Args:
        connection: In the transaction that removes them, before it does.
        template_ids: Theirs.

    Returns:
        Ids of those who are gone for good with them.
    """
    these = TemplateRow.id.in_(IN_LIST)
    losing = set(connection.scalars(select(TemplateRow.member_id).where(these), listed(template_ids)))
    keeping = set(connection.scalars(select(TemplateRow.member_id).where(~these), listed(template_ids)))
    emptied = losing - keeping
    one = _one_with(connection, emptied) if emptied else set()
    _lose_moves(connection, JournalMoveRow.template_id.in_(IN_LIST), ids=template_ids)
    _lose_members(connection, one)
    return one | _lose_who_cannot_return(connection)


def _ends(connection: Connection) -> dict[int, list[int]]:
    """For each member who is no more: who got each of the last templates."""
    last = (
        select(JournalNameRow.member_id, func.max(JournalNameRow.entry_id).label("entry_id"))
        .where(JournalNameRow.name_after.is_(None), JournalNameRow.member_id.not_in(select(MemberRow.id)))
        .group_by(JournalNameRow.member_id)
        .subquery()
    )
    given = (JournalMoveRow.entry_id == last.c.entry_id) & (JournalMoveRow.from_member_id == last.c.member_id)
    query = select(last.c.member_id, JournalMoveRow.to_member_id).outerjoin(
        JournalMoveRow, given & JournalMoveRow.template_id.is_not(None)
    )
    ends: dict[int, list[int]] = {}
    for row in connection.execute(query):
        ends.setdefault(row.member_id, []).extend([] if row.to_member_id is None else [row.to_member_id])
    return ends


def _one_with(connection: Connection, member_ids: set[int]) -> set[int]:
    """These, and all who became part of one of them and are no more."""
    one, ends = set(member_ids), _ends(connection)
    while more := {member_id for member_id, got in ends.items() if one.intersection(got)} - one:
        one |= more
    return one


def _lose_who_cannot_return(connection: Connection) -> set[int]:
    """Remove the names of those who are no more and of whose last templates none is left: nothing brings them back."""
    lost: set[int] = set()
    while more := {member_id for member_id, got in _ends(connection).items() if not got}:
        _lose_members(connection, more)  # who became part of one of them cannot return now either
        lost |= more
    return lost


def _lose_members(connection: Connection, member_ids: Collection[int]) -> None:
    ids = listed(member_ids)
    moved = JournalMoveRow.from_member_id.in_(IN_LIST) | JournalMoveRow.to_member_id.in_(IN_LIST)
    _lose_moves(connection, moved, ids=member_ids)
    theirs = JournalNameRow.member_id.in_(IN_LIST)
    _say_partial(connection, connection.scalars(select(JournalNameRow.entry_id).where(theirs), ids))
    connection.execute(delete(JournalNameRow).where(theirs), ids)


def _lose_moves(connection: Connection, which: ColumnElement[bool], *, ids: Collection[int] = ()) -> None:
    entries = connection.scalars(select(JournalMoveRow.entry_id).where(which).distinct(), listed(ids))
    _say_partial(connection, entries)
    connection.execute(delete(JournalMoveRow).where(which), listed(ids))


def _say_partial(connection: Connection, entry_ids: Iterable[int]) -> None:
    partial = update(JournalRow).where(JournalRow.id.in_(IN_LIST)).values(is_partial=True)
    connection.execute(partial, listed(set(entry_ids)))
