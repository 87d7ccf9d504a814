"""The life of members in the store: renamed, given templates, forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from facegallery.domain import Action, Member, Removal
from facegallery.errors import MemberExists, SaidNotToBe
from facegallery.names import clean_name
from facegallery.store import calibrations, changes, decision_log, erasure, journal, moves, rejections, rows
from facegallery.store.changes import Change
from facegallery.store.writing import WritableStore


class MembersStore(WritableStore):
    """What happens to members after they are enrolled."""

    def rename(self, old: str, new: str) -> Member:
        """Give a member another name; also another spelling of the same one.

        Raises:
            MemberNotFound: There is no member ``old``.
            MemberExists: Another member has the new name.
            BadName: No member can have one of the names.
        """
        name = clean_name(new)
        with self._write() as connection:
            member_id = rows.member_id_of(connection, old)
            holder = rows.find_member(connection, name)
            if holder is not None and holder != member_id:
                raise MemberExists(rows.member_of(connection, holder).name)
            (as_is,) = changes.namings_of(connection, [member_id])
            if as_is.before != name:
                self._do(connection, Action.RENAME, Change((replace(as_is, after=name),)))
            return rows.member_of(connection, member_id)

    def forget(self, name: str, *, keep_backups: bool = False) -> Removal:
        """Remove a member with all templates and faces, and the photos in which no other member's face is enrolled.

        Of a calibration the numbers that are of single photos go too; its threshold, which is of the group, stays.
        Rejections go that are of the member's own faces, whoever it was said that they are not, and whatever was said
        or logged of photos whose path tells one of the member's names.

        Removed bytes are overwritten in the database; ``erase`` sees to copies of them, and the store remembers that it
        is to be called.

        Args:
            name: Any spelling of the member's name.
            keep_backups: Leave backups that hold the member.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        with self._write() as connection:
            member_id = rows.member_id_of(connection, name)
            template_ids = rows.template_ids_of(connection, member_id)
            names = {rows.member_of(connection, member_id).name} | journal.known_names(connection, member_id)
            watch = erasure.Watch(connection, template_ids, member_id, names)
            said = rejections.of_faces(connection, template_ids) | rejections.of_photos(connection, template_ids)
            said |= rejections.called(connection, names)
            decision_log.forget_member(connection, member_id)
            decision_log.forget_called(connection, names)
            journal.forget_rejections(connection, said)
            # Who became part of the member was answered by other names.
            decision_log.forget(connection, journal.forget(connection, member_id), ())
            rejections.remove_all(connection, said)
            rows.delete_member(connection, member_id)
            journal.append(connection, Action.FORGET, Change(), now=self._clock(), counts=(1, len(template_ids)))
            calibrations.forget_photos(connection)
            erasure.begin(connection, keep_backups=keep_backups)
            rows.grow_revision(connection)
            return watch.removal()

    def move_templates(self, moves_to: Mapping[int, str]) -> tuple[int, ...]:
        """Give templates to other members, who are there already; a member left without a template is gone.

        Args:
            moves_to: By template id the member's name; ids that are not there are passed over.

        Returns:
            The ids of those that were another's until now, ascending.

        Raises:
            MemberNotFound: There is no such member; nothing was moved.
            SaidNotToBe: Somebody said that such a face is not that member's; nothing was moved.
            BadName: No member can have this name.
        """
        with self._write() as connection:
            owners = {key: rows.member_id_of(connection, name) for key, name in moves_to.items()}
            change = changes.moving(connection, owners)
            if change.moves:
                self._do(connection, Action.MOVE, change)
            return tuple(sorted(change.owners))

    def remove_templates(self, template_ids: Sequence[int]) -> Removal:
        """Remove templates as ``forget`` removes a member's; a member left without a template is gone.

        Backups stay: wrong photos are no wish to be forgotten.
        """
        with self._write() as connection:
            return self._remove(connection, template_ids)

    def _remove(self, connection: Connection, template_ids: Sequence[int]) -> Removal:
        n_before = rows.count_members(connection)
        watch = erasure.Watch(connection, template_ids)
        said = rejections.of_photos(connection, template_ids)
        decision_log.forget_templates(connection, template_ids)
        journal.forget_rejections(connection, said)
        decision_log.forget(connection, journal.forget_templates(connection, template_ids), ())
        rejections.remove_all(connection, said)
        removed = moves.remove(connection, template_ids)
        if removed:
            counts = (n_before - rows.count_members(connection), len(removed))
            journal.append(connection, Action.REMOVE, Change(), now=self._clock(), counts=counts)
            calibrations.forget_photos(connection)
            erasure.begin(connection, keep_backups=True)
            rows.grow_revision(connection)
        return watch.removal()

    def _do(self, connection: Connection, action: Action, change: Change, *, undoes: int | None = None) -> int:
        """Do a change and write it down; returns the entry's id.

        Raises:
            SaidNotToBe: Somebody said that a face is not the member's whose it would become.
        """
        said = changes.said_otherwise(connection, change)
        if said is not None:
            rejection = rejections.one(connection, said)
            raise SaidNotToBe(rejection.photo_path, rejection.member, said)
        changes.do(connection, change)
        entry_id = journal.append(connection, action, change, now=self._clock(), undoes=undoes)
        rows.grow_revision(connection)
        return entry_id
