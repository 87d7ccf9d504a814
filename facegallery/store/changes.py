"""A change of the gallery's members as one value: who is renamed, who comes and who goes, and whose face is whose.

Every change is made from one and done by one function, and the journal keeps it, so that what is undone is exactly
what was done. A moved template keeps its id and its vector, so an index of templates holds as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from facegallery.store import rejections
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.rows import give_template, rename_member, restore_member
from facegallery.store.tables import MEMBER_NAME, MemberRow, RejectionRow, TemplateRow


@dataclass(frozen=True, slots=True)
class Naming:
    """What happens to one member.

    Attributes:
        member_id: The member's; never used for another.
        before: The name before; None for one who is not there yet.
        after: The name after, the same where only faces go from or to the member; None for one who is no more.
        created_at: When the member was first enrolled.
    """

    member_id: int
    before: str | None
    after: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A template, or a rejection, that goes from one member to another; one of the two ids is None."""

    template_id: int | None
    rejection_id: int | None
    from_id: int
    to_id: int


@dataclass(frozen=True, slots=True)
class Change:
    """All that happens at once."""

    namings: tuple[Naming, ...] = ()
    moves: tuple[Move, ...] = ()

    @property
    def n_templates(self) -> int:
        """How many templates are moved."""
        return sum(move.template_id is not None for move in self.moves)

    @property
    def owners(self) -> dict[int, int]:
        """By template the member who gets it."""
        return {move.template_id: move.to_id for move in self.moves if move.template_id is not None}

    def inverse(self) -> Change:
        """What undoes it."""
        return Change(
            tuple(Naming(each.member_id, each.after, each.before, each.created_at) for each in self.namings),
            tuple(Move(each.template_id, each.rejection_id, each.to_id, each.from_id) for each in self.moves),
        )


def do(connection: Connection, change: Change) -> None:
    """Do it. The caller knows that the rows are as it says they are before, and that names are free."""
    for each in change.namings:
        if each.before is None and each.after is not None:
            restore_member(connection, each.member_id, each.after, created_at=each.created_at)
        elif each.after is not None and each.after != each.before:
            rename_member(connection, each.member_id, each.after)
    for move in change.moves:
        if move.template_id is not None:
            give_template(connection, move.template_id, move.to_id)
        elif move.rejection_id is not None and move.from_id != move.to_id:
            rejections.give(connection, move.rejection_id, move.to_id)
    gone = [each.member_id for each in change.namings if each.after is None]
    connection.execute(delete(MemberRow).where(MemberRow.id.in_(IN_LIST)), listed(gone))


def namings_of(connection: Connection, member_ids: Collection[int]) -> tuple[Naming, ...]:
    """These members as they are, to whom nothing happens but that faces go from or to them."""
    query = select(MemberRow.id, MEMBER_NAME, MemberRow.created_at).where(MemberRow.id.in_(IN_LIST))
    found = connection.execute(query.order_by(MemberRow.id), listed(member_ids))
    return tuple(Naming(row.id, row.name, row.name, row.created_at) for row in found)


def with_present_names(connection: Connection, change: Change) -> Change:
    """The change with the names of today for those who are only given or lose faces by it."""
    there = {each.member_id: each for each in namings_of(connection, [each.member_id for each in change.namings])}
    return replace(
        change,
        namings=tuple(
            there.get(each.member_id, each) if each.before == each.after else each for each in change.namings
        ),
    )


def moving(connection: Connection, owners: Mapping[int, int], newcomer: Naming | None = None) -> Change:
    """The change that gives templates to members; it is empty where they are theirs already.

    A member is somebody with photos: one who is left without any is no more. What was said not to be such a member goes
    to whoever got most of their last photos, since it was said of the person in them.

    Args:
        connection: In a transaction.
        owners: By template id the member's; ids that are not there are passed over.
        newcomer: A member who comes with this change.
    """
    query = select(TemplateRow.id, TemplateRow.member_id).where(TemplateRow.id.in_(IN_LIST))
    found = connection.execute(query.order_by(TemplateRow.id), listed(owners.keys())).all()
    moves = [Move(row.id, None, row.member_id, owners[row.id]) for row in found if row.member_id != owners[row.id]]
    left = Counter(n_of(connection, TemplateRow, {move.from_id for move in moves}))
    left.subtract(move.from_id for move in moves)
    left.update(move.to_id for move in moves)
    emptied = {move.from_id for move in moves if left[move.from_id] == 0}
    for member_id in sorted(emptied):
        heirs = Counter(move.to_id for move in moves if move.from_id == member_id)
        heir = min(heirs, key=lambda each: (-heirs[each], each))
        of_member = select(RejectionRow.id).where(RejectionRow.member_id == member_id).order_by(RejectionRow.id)
        moves += [Move(None, key, member_id, heir) for key in connection.scalars(of_member)]
    there = namings_of(connection, members_in(moves))
    namings = [
        Naming(each.member_id, each.before, None if each.member_id in emptied else each.after, each.created_at)
        for each in there
    ]
    return Change((*namings, *([newcomer] if newcomer and moves else [])), tuple(moves))


def n_of(
    connection: Connection, table: type[TemplateRow | RejectionRow], member_ids: Collection[int]
) -> dict[int, int]:
    """How many rows of a table each of these members has; members without any are left out."""
    query = select(table.member_id, func.count()).where(table.member_id.in_(IN_LIST))
    return {row[0]: row[1] for row in connection.execute(query.group_by(table.member_id), listed(member_ids))}


def said_otherwise(connection: Connection, change: Change) -> int | None:
    """A rejection that says that a face is not the member's whose it would become; None where nobody said so."""
    given = {move.rejection_id: move.to_id for move in change.moves if move.rejection_id is not None}
    return rejections.contradicted(connection, change.owners, given)


def members_in(moves: Sequence[Move]) -> set[int]:
    """The members whom moves take from and give to."""
    return {member_id for move in moves for member_id in (move.from_id, move.to_id)}
