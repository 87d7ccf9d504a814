"""What stands in the way of undoing an entry of the journal: all that is not as the entry left it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from facegallery.domain import Action
from facegallery.names import name_key
from facegallery.store import changes, journal, rows
from facegallery.store.changes import Change, Move, Naming
from facegallery.store.journal import Recorded
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.tables import RejectionRow, TemplateRow

UNDOABLE = (Action.RENAME, Action.MERGE, Action.UNMERGE, Action.MOVE, Action.REJECT)
"""What 'undo' looks for when no entry is named; an undo can be undone too, when it is named."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an entry cannot be undone.

    Attributes:
        reason: In words.
        first: The later entry that has to be undone before it, or None.
    """

    reason: str
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """The rows that some entries are about, as they are now.

    Attributes:
        names: By member id the name; those who are no more are left out.
        owners: By template id the member's.
        said_of: By rejection id the member's.
        n_templates: By member id how many templates the member has.
        n_rejections: By member id how many rejections are of the member.
    """

    names: dict[int, str]
    owners: dict[int, int]
    said_of: dict[int, int]
    n_templates: dict[int, int] = field(default_factory=dict)
    n_rejections: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection, entries: Sequence[Recorded]) -> Present:
        """Read it, for some entries at once."""
        moves = [move for entry in entries for move in entry.change.moves]
        members = {each.member_id for entry in entries for each in entry.change.namings} | changes.members_in(moves)
        return cls(
            {each.member_id: each.before for each in changes.namings_of(connection, members) if each.before},
            _owners(connection, TemplateRow, [move.template_id for move in moves]),
            _owners(connection, RejectionRow, [move.rejection_id for move in moves]),
            changes.n_of(connection, TemplateRow, members),
            changes.n_of(connection, RejectionRow, members),
        )

    def owner(self, move: Move) -> int | None:
        """Whose a moved thing is now."""
        if move.template_id is not None:
            return self.owners.get(move.template_id)
        return None if move.rejection_id is None else self.said_of.get(move.rejection_id)


def obstacle(connection: Connection, entry: Recorded, present: Present) -> Obstacle | None:
    """What stands in the way of undoing an entry, or None."""
    if entry.undone_by is not None:
        again = f"to do it again: 'facegallery undo {entry.undone_by}'"
        return Obstacle(f"it was undone by entry {entry.undone_by}; {again}")
    if entry.action in (Action.FORGET, Action.REMOVE):
        return Obstacle("what it removed is gone for good")
    if entry.action is Action.IMPORT:
        return Obstacle("it only added; to remove who came with it: 'facegallery forget NAME'")
    if entry.action is Action.TAKE_BACK or _is_undo_of_rejection(connection, entry):
        return Obstacle("the face's vector is gone; to say it again: 'facegallery reject PHOTO NAME'")
    if entry.is_partial:
        left = "; 'facegallery unmerge NAME' takes apart what is left" if entry.action is Action.MERGE else ""
        return Obstacle(f"something of it was forgotten since{left}")
    return _Check(connection, present, entry.change.inverse(), entry.entry_id).found()


def _is_undo_of_rejection(connection: Connection, entry: Recorded) -> bool:
    undone = [] if entry.undoes is None else journal.load(connection, [entry.undoes])
    return entry.action is Action.UNDO and any(each.action is Action.REJECT for each in undone)


@dataclass(frozen=True, slots=True)
class _Check:
    """Whether the rows are as an entry left them.

    Attributes:
        connection: In a transaction.
        present: The rows.
        back: What would undo the entry.
        entry_id: The entry's.
    """

    connection: Connection
    present: Present
    back: Change
    entry_id: int

    def found(self) -> Obstacle | None:
        """The first thing that is not, or None."""
        for move in self.back.moves:
            if self.present.owner(move) != move.from_id:
                first = journal.later_move(self.connection, move, after=self.entry_id)
                return Obstacle("not all of its photos are where it put them", first)
        named = (self._named_otherwise(naming) for naming in self.back.namings)
        return next(filter(None, named), None) or self._photos_in_the_way() or self._said_since()

    def _named_otherwise(self, naming: Naming) -> Obstacle | None:
        now, before, after = self.present.names.get(naming.member_id), naming.before, naming.after
        if now != before and (now is None or before != after):
            what = f"{before or after} is {'no member' if now is None else f'called {now}'} now"
            return Obstacle(what, journal.later_naming(self.connection, naming.member_id, after=self.entry_id))
        if after is None or name_key(after) == name_key(before or ""):
            return None
        if rows.find_member(self.connection, after) is None:
            return None
        return Obstacle(f"another member is called {after} now; rename that one: 'facegallery rename {after!r} NEW'")

    def _photos_in_the_way(self) -> Obstacle | None:
        """Nobody is to go with photos that came later, and nobody to stay without any."""
        left, said = Counter(self.present.n_templates), Counter(self.present.n_rejections)
        for move in self.back.moves:
            count = said if move.template_id is None else left
            count.update({move.from_id: -1, move.to_id: 1})
        going = {each.member_id: each.before for each in self.back.namings if each.after is None}
        for member_id, name in going.items():
            if left[member_id] or said[member_id]:
                what = f"{name} has got other photos since" if left[member_id] else f"faces are said not to be {name}"
                return Obstacle(what, journal.later_gift(self.connection, member_id, after=self.entry_id))
        for member_id in {move.from_id for move in self.back.moves} - going.keys():
            if left[member_id] <= 0:
                first = journal.later_loss(self.connection, member_id, after=self.entry_id)
                return Obstacle(f"{self.present.names.get(member_id)} would be left without a photo", first)
        return None

    def _said_since(self) -> Obstacle | None:
        rejection_id = changes.said_otherwise(self.connection, self.back)
        if rejection_id is None:
            return None
        first = journal.later_move(self.connection, Move(None, rejection_id, 0, 0), after=self.entry_id)
        return Obstacle("somebody said that one of the faces is not that member's", first)


def _owners(
    connection: Connection, table: type[TemplateRow | RejectionRow], ids: Sequence[int | None]
) -> dict[int, int]:
    query = select(table.id, table.member_id).where(table.id.in_(IN_LIST))
    found = connection.execute(query, listed({each for each in ids if each is not None}))
    return {row.id: row.member_id for row in found}
