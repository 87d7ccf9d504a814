"""What a run of questions is answered by: members, limits and the log of one moment, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from facegallery.domain import Calibration, Limits, ModelIdentity
from facegallery.gallery.answer_log import AnswerLog
from facegallery.gallery.search import MemberSearch


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """What a run of questions is answered by, all of it as of the run's start.

    Attributes:
        model: What made the gallery's vectors.
        search: Ranks the members.
        limits: What a match needs.
        calibration: The gallery's for the search's score rule, or None.
        log: Keeps the answers, where that was asked for.
    """

    model: ModelIdentity
    search: MemberSearch
    limits: Limits
    calibration: Calibration | None
    log: AnswerLog
