"""The lives of members in the store: merged and taken apart again, photos moved, the history of it all, and undone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Select, select

from facegallery.domain import Action, EnrolledFace, JournalEntry, MovedFace, NameChange
from facegallery.errors import (
    CannotUndo,
    EntryNotFound,
    InOnePhoto,
    MemberExists,
    MemberNotFound,
    NothingToUndo,
    NotMerged,
    SameMember,
)
from facegallery.names import clean_name, name_key
from facegallery.store import changes, journal, moves, rejections, rows
from facegallery.store.changes import Change, Move, Naming
from facegallery.store.journal import Recorded
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.members import MembersStore
from facegallery.store.tables import PHOTO_PATH, REJECTION_PATH, FaceRow, PhotoRow, RejectionRow, TemplateRow
from facegallery.store.undoing import UNDOABLE, Present, obstacle


class LivesStore(MembersStore):
    """What happens to several members at once, and what was done to them before."""

    # --- merged and moved -----------------------------------------------------------------------------------------

    def merge(self, source: str, into: str, *, in_one_photo: bool = False) -> JournalEntry:
        """Make one member of two: all that is ``source``'s is ``into``'s from then on, and ``source`` is no more.

        Args:
            source: The member whose name goes.
            into: The member who stays.
            in_one_photo: Also where both have a face in one photo.

        Raises:
            MemberNotFound: There is no such member.
            SameMember: Both names are of one member.
            SaidNotToBe: Somebody said that a face of one of them is not the other.
            InOnePhoto: Both have a face in one photo, and ``in_one_photo`` does not allow it.
            BadName: No member can have one of the names.
        """
        with self._write() as connection:
            member_id, into_id = (rows.member_id_of(connection, name) for name in (source, into))
            if member_id == into_id:
                raise SameMember(rows.member_of(connection, into_id).name)
            theirs = connection.scalars(select(TemplateRow.id).where(TemplateRow.member_id == member_id)).all()
            change = changes.moving(connection, dict.fromkeys(theirs, into_id))
            if not in_one_photo:
                _refuse_two_in_one_photo(connection, change)
            return self._carried_out(connection, Action.MERGE, change)

    def move_faces(
        self, template_ids: Collection[int], to: str, *, may_be_new: bool = False, in_one_photo: bool = False
    ) -> JournalEntry | None:
        """Give enrolled faces to a member; whoever is left without any is no more.

        Args:
            template_ids: The faces' templates; those that are not there are passed over.
            to: The member.
            may_be_new: Make the member where there is none.
            in_one_photo: Also where the member has another face in the photo.

        Returns:
            What was done; None where all are that member's already.

        Raises:
            MemberNotFound: There is no such member, and ``may_be_new`` does not allow a new one.
            SaidNotToBe: Somebody said that such a face is not that member's.
            InOnePhoto: The member has another face in the photo, and ``in_one_photo`` does not allow it.
            BadName: No member can have this name.
        """
        name = clean_name(to)
        with self._write() as connection:
            member_id, newcomer = rows.find_member(connection, name), None
            if member_id is None:
                if not may_be_new:
                    _refuse_unknown(connection, name)
                member_id = rows.new_member_id(connection)
                newcomer = Naming(member_id, None, name, self._clock())
            change = changes.moving(connection, dict.fromkeys(template_ids, member_id), newcomer)
            if not in_one_photo:
                _refuse_two_in_one_photo(connection, change)
            return self._carried_out(connection, Action.MOVE, change) if change.moves else None

    def unmerge(self, name: str, *, as_name: str | None = None) -> JournalEntry:
        """Take the newest merge of a name apart: what is still together goes back to the member it was of.

        What was enrolled, moved or said since then stays where it is. Where the other member was merged on since, or
        got another name, the photos are looked for there.

        Args:
            name: The name that went, or the present one of the member who stayed; in any spelling.
            as_name: What the member who comes back is called; None takes the name that went.

        Raises:
            NotMerged: No merge in effect is known of this name.
            MemberExists: Somebody else has the name of the member who would come back.
            CannotUndo: Nothing of what was merged is there any more, or nothing else is.
            BadName: No member can have one of the names.
        """
        wanted, given = clean_name(name), None if as_name is None else clean_name(as_name)
        with self._write() as connection:
            merge = _newest_merge(connection, wanted)
            change = _taken_apart(connection, merge, given)
            return self._carried_out(connection, Action.UNMERGE, change, undoes=merge.entry_id)

    # --- the journal ----------------------------------------------------------------------------------------------

    def history(self, n: int | None = None, member: str | None = None) -> list[JournalEntry]:
        """What was done to members, newest first.

        Args:
            n: How many entries at most; None for all.
            member: Of this member only, or of those who had this name.

        Raises:
            MemberNotFound: Nobody has this name, or had it as far as the journal tells.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            about = None if member is None else _known_as(connection, clean_name(member))
            return _told(connection, journal.load(connection, journal.newest(connection, n, about)))

    def to_undo(self, entry_id: int | None = None) -> JournalEntry:
        """What ``undo`` would undo; raises what it raises, and changes nothing."""
        with self._read() as connection:
            return _told(connection, [_undoable(connection, entry_id)])[0]

    def undo(self, entry_id: int | None = None) -> JournalEntry:
        """Take an entry back, all of it or nothing; an undo that is named is done again.

        Args:
            entry_id: The entry; None takes the newest that can be undone and is no undo itself.

        Returns:
            The entry about this.

        Raises:
            EntryNotFound: There is no such entry.
            CannotUndo: Not all is as the entry left it, or it removed something for good.
            NothingToUndo: No entry was named, and none can be undone.
            StillInTheLog: It is undone, but the log could not be emptied of a face's vector.
        """
        with self._write() as connection:
            entry = _undoable(connection, entry_id)
            back = changes.with_present_names(connection, entry.change.inverse())
            if entry.action is not Action.REJECT:
                return self._carried_out(connection, Action.UNDO, back, undoes=entry.entry_id)
            for move in back.moves:
                if move.rejection_id is not None:
                    rejections.remove(connection, move.rejection_id)
            left = Change(back.namings)
            number = journal.append(connection, Action.UNDO, left, now=self._clock(), undoes=entry.entry_id)
            rows.grow_revision(connection)
            told = _told(connection, journal.load(connection, [number]))[0]
        self._empty_log()
        return told

    def faces_at(self, path: Path) -> list[EnrolledFace]:
        """The faces that are enrolled from photos that were last at this place; oldest first."""
        with self._read() as connection:  # paths are sealed anew each time they are kept: no query finds one
            photos = [row.id for row in connection.execute(select(PhotoRow.id, PHOTO_PATH)) if row.path == path]
            return rows.enrolled_faces(connection, PhotoRow.id.in_(photos)) if photos else []

    def _carried_out(
        self, connection: Connection, action: Action, change: Change, *, undoes: int | None = None
    ) -> JournalEntry:
        number = self._do(connection, action, change, undoes=undoes)
        return _told(connection, journal.load(connection, [number]))[0]


def _refuse_unknown(connection: Connection, name: str) -> None:
    try:
        rows.member_id_of(connection, name)
    except MemberNotFound as error:
        raise MemberNotFound(name, error.nearest, advice=" For a new member: --new.") from None


def _refuse_two_in_one_photo(connection: Connection, change: Change) -> None:
    for each in change.namings:
        given = [template_id for template_id, to_id in change.owners.items() if to_id == each.member_id]
        paths = moves.met_in_photos(connection, given, each.member_id)
        if paths:
            raise InOnePhoto(each.after or "", paths)


# --- taking a merge apart -----------------------------------------------------------------------------------------


def _newest_merge(connection: Connection, name: str) -> Recorded:
    """The newest merge in effect whose source had this name, or whose photos are now this member's."""
    member_id, heirs = rows.find_member(connection, name), journal.heirs(connection)
    for entry_id in journal.candidates(connection, Action.MERGE):
        for merge in journal.load(connection, [entry_id]):
            for source in _sources(merge):
                is_named = name_key(source.before or "") == name_key(name)
                if is_named or member_id == _present_heir(heirs, source.member_id):
                    return merge
    raise NotMerged(name)


def _sources(merge: Recorded) -> list[Naming]:
    """The member who went with a merge; nobody where that one was forgotten."""
    return [each for each in merge.change.namings if each.after is None]


def _present_heir(heirs: Mapping[int, int], member_id: int) -> int:
    """The member of today whom one who is no more is part of, as far as is known."""
    seen = {member_id}
    while (heir := heirs.get(member_id, member_id)) not in seen:
        seen.add(heir)
        member_id = heir
    return member_id


def _taken_apart(connection: Connection, merge: Recorded, as_name: str | None) -> Change:
    """The change that gives back what is still together."""
    (source,) = _sources(merge)
    name = as_name or source.before or ""
    holder = rows.find_member(connection, name)
    if holder is not None:
        taken = rows.member_of(connection, holder).name
        raise MemberExists(taken, advice="To bring the member back by another name: '--as NEW'.")
    target, present = _present_heir(journal.heirs(connection), source.member_id), Present.of(connection, [merge])
    back = tuple(
        Move(move.template_id, move.rejection_id, target, source.member_id)
        for move in merge.change.moves
        if present.owner(move) == target
    )
    n_back = sum(move.template_id is not None for move in back)
    if n_back == 0:
        raise CannotUndo(merge.entry_id, f"no photo of {source.before} is where it was put any more")
    there = changes.namings_of(connection, [target])
    if changes.n_of(connection, TemplateRow, [target])[target] == n_back:
        raise CannotUndo(merge.entry_id, f"{there[0].before} would be left without a photo; 'facegallery rename' it")
    return Change((Naming(source.member_id, None, name, source.created_at), *there), back)


# --- telling ------------------------------------------------------------------------------------------------------


def _known_as(connection: Connection, name: str) -> set[int]:
    """Ids of who has this name, or had it."""
    found = journal.members_called(connection, name)
    present = rows.find_member(connection, name) if found else rows.member_id_of(connection, name)
    return found if present is None else found | {present}


def _undoable(connection: Connection, entry_id: int | None) -> Recorded:
    """The entry that is to be undone.

    Raises:
        EntryNotFound: There is none of this number.
        CannotUndo: It cannot be undone.
        NothingToUndo: No number was given, and none can be undone.
    """
    wanted = journal.candidates(connection, *UNDOABLE) if entry_id is None else [entry_id]
    for each in wanted:
        for entry in journal.load(connection, [each]):
            found = obstacle(connection, entry, Present.of(connection, [entry]))
            if found is None:
                return entry
            if entry_id is not None:
                raise CannotUndo(entry_id, found.reason, found.first)
    if entry_id is not None:
        raise EntryNotFound(entry_id)
    raise NothingToUndo


def _told(connection: Connection, entries: Sequence[Recorded]) -> list[JournalEntry]:
    present = Present.of(connection, entries)
    moved = [move for entry in entries for move in entry.change.moves]
    of_templates = (
        select(TemplateRow.id, PHOTO_PATH)
        .join(FaceRow, FaceRow.id == TemplateRow.face_id)
        .join(PhotoRow, PhotoRow.id == FaceRow.photo_id)
        .where(TemplateRow.id.in_(IN_LIST))
    )
    of_rejections = select(RejectionRow.id, REJECTION_PATH).where(RejectionRow.id.in_(IN_LIST))
    photos = _paths(connection, of_templates, [move.template_id for move in moved])
    rejected = _paths(connection, of_rejections, [move.rejection_id for move in moved])
    return [_entry(connection, entry, present, photos, rejected) for entry in entries]


def _paths(connection: Connection, query: Select[int, Path], ids: Sequence[int | None]) -> dict[int, Path]:
    found = connection.execute(query, listed({each for each in ids if each is not None}))
    return {row[0]: row[1] for row in found}


def _entry(
    connection: Connection, entry: Recorded, present: Present, photos: dict[int, Path], rejected: dict[int, Path]
) -> JournalEntry:
    found = obstacle(connection, entry, present)
    before = {each.member_id: each.before for each in entry.change.namings}
    after = {each.member_id: each.after for each in entry.change.namings}
    faces = [
        MovedFace(path, before.get(move.from_id), after.get(move.to_id), move.template_id is None)
        for move in entry.change.moves
        for path in (photos.get(move.template_id or 0), rejected.get(move.rejection_id or 0))
        if path is not None
    ]
    return JournalEntry(
        entry_id=entry.entry_id,
        at=entry.at,
        action=entry.action,
        members=tuple(NameChange(each.before, each.after) for each in entry.change.namings),
        faces=tuple(faces),
        n_members=entry.n_members,
        n_templates=entry.n_templates,
        undoes=entry.undoes,
        undone_by=entry.undone_by,
        is_partial=entry.is_partial,
        obstacle=None if found is None else found.reason,
        undo_first=None if found is None else found.first,
    )
