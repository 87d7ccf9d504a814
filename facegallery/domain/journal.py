"""What happened to a gallery's members, as the journal tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path


class Action(str, Enum):
    """What was done; the values are stable and appear in JSON."""

    RENAME = "rename"
    MERGE = "merge"
    UNMERGE = "unmerge"
    MOVE = "move"
    REMOVE = "remove"
    FORGET = "forget"
    REJECT = "reject"
    TAKE_BACK = "take_back"
    IMPORT = "import"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class NameChange:
    """What an entry did to one member.

    Attributes:
        before: The name before; None for one who was not there.
        after: The name after it, the same where only photos went from or to the member; None for one who is no more.
    """

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class MovedFace:
    """A face that an entry took from one member and gave to another.

    Attributes:
        photo_path: The photo, where it was last known to be.
        from_member: Whose it was, by the name of that time; None where that is forgotten.
        to_member: Whose it is after it, likewise.
        is_rejection: It is one that somebody said is not theirs; the two members are the same where it was said now.
    """

    photo_path: Path
    from_member: str | None
    to_member: str | None
    is_rejection: bool


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change of a gallery's members.

    Attributes:
        entry_id: Stable key, for undoing it; grows with time.
        at: UTC.
        action: What was done.
        members: Whom it was done to; without those who were forgotten since.
        faces: What went from one to another; without what was removed since.
        n_members: How many members it was done to; of an import how many came.
        n_templates: How many templates were moved, removed or, by an import, added.
        undoes: The entry that it undid, or None.
        undone_by: The entry that undid it, or None.
        is_partial: Something of it was forgotten since.
        obstacle: Why it cannot be undone now, in words; None where it can.
        undo_first: The later entry that has to be undone before it, where that is why.
    """

    entry_id: int
    at: datetime
    action: Action
    members: tuple[NameChange, ...]
    faces: tuple[MovedFace, ...]
    n_members: int
    n_templates: int
    undoes: int | None
    undone_by: int | None
    is_partial: bool
    obstacle: str | None
    undo_first: int | None

    @property
    def can_undo(self) -> bool:
        """Whether it can be undone now."""
        return self.obstacle is None
