"""Entries of the log of decisions: who asked, when, and what was answered. Never a photo, a crop or a vector."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facegallery.domain.decisions import ScoreRule, Verdict
from facegallery.domain.models import ModelIdentity


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a photo; the answer is a decision for each of its faces.

    Attributes:
        by: The account of the operating system that asked.
        command: ``identify`` or ``explain``.
        path: The photo.
        content_hash: SHA-256 of its bytes.
        score: How a member's similarity was made.
        model: What made the embeddings.
    """

    by: str
    command: str
    path: Path
    content_hash: str
    score: ScoreRule
    model: ModelIdentity


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """What was answered about one face.

    Attributes:
        at: When (UTC).
        asked: Who asked what; the path is absolute.
        face_number: Which face of the photo, from 1.
        verdict: ``match``, ``ambiguous`` or ``unknown``.
        member: The name then of the member that was named, or of the nearest one where nobody was; None where there
            was none.
        similarity: To that member.
        runner_up: The name then of the next one; None where there was none, or it was forgotten since.
        margin: How far the runner-up was behind; None where there is none.
        threshold: The similarity that a match needed.
        min_margin: The margin that it needed.
    """

    at: datetime
    asked: Asked
    face_number: int
    verdict: Verdict
    member: str | None
    similarity: float | None
    runner_up: str | None
    margin: float | None
    threshold: float
    min_margin: float
