"""The life of members in the store: renamed, given templates, forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facegallery.domain import Member
from facegallery.errors import MemberExists, SaidNotToBe
from facegallery.store import calibrations, decision_log, moves, rejections, rows
from facegallery.store.names import clean_name
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
            rows.rename_member(connection, member_id, name)
            rows.grow_revision(connection)
            return rows.member_of(connection, member_id)

    def forget(self, name: str) -> tuple[int, ...]:
        """Remove a member with all templates and faces, and the photos in which no other member's face is enrolled.

        Of a calibration the numbers that are of single photos go too; its threshold, which is of the group, stays. So
        do rejections that are of the member's own faces, whoever it was said that they are not.

        Removed bytes are overwritten in the database (``secure_delete``), and the write-ahead log is emptied, for which
        this waits until other processes have ended the reading they are at.

        Returns:
            The ids of the templates that were removed, ascending.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
            StillInTheLog: The rows are removed, but the log could not be emptied.
        """
        with self._write() as connection:
            member_id = rows.member_id_of(connection, name)
            rejections.forget_faces(connection, member_id)
            decision_log.forget_member(connection, member_id)
            removed = rows.delete_member(connection, member_id)
            calibrations.forget_photos(connection)
            rows.grow_revision(connection)
        self._empty_log()
        return removed

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
            member_of = {key: rows.member_id_of(connection, name) for key, name in moves_to.items()}
            for key, name in moves_to.items():
                said = rejections.of_template(connection, key, member_of[key])
                if said is not None:
                    raise SaidNotToBe(said.photo_path, name, said.rejection_id)
            moved = moves.move(connection, member_of)
            if moved:
                rows.grow_revision(connection)
            return moved

    def remove_templates(self, template_ids: Sequence[int]) -> tuple[int, ...]:
        """Remove templates as ``forget`` removes a member's; a member left without a template is gone.

        Returns:
            The ids of those that were there, ascending.

        Raises:
            StillInTheLog: The rows are removed, but the log could not be emptied.
        """
        with self._write() as connection:
            decision_log.forget_templates(connection, template_ids)
            removed = moves.remove(connection, template_ids)
            if removed:
                calibrations.forget_photos(connection)
                rows.grow_revision(connection)
        if removed:
            self._empty_log()
        return removed
