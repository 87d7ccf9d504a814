"""The log of decisions, from the side of those who answer."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facegallery.domain import Asked, Decision, ModelIdentity, ScoreRule
from facegallery.store import Store
from facegallery.store.reading import ReadableStore


@dataclass(frozen=True, slots=True, eq=False)
class AnswerLog:
    """Keeps the answers of one run of questions; none where no log was asked for when it began.

    Attributes:
        store: Where they are kept.
        command: What is asked.
        score: How members' similarities are made.
        model: What makes the embeddings.
        member_ids: By name the ids of the members as of the run's start; None where no log is kept.
    """

    store: Store
    command: str
    score: ScoreRule
    model: ModelIdentity
    member_ids: Mapping[str, int] | None

    @classmethod
    def at(cls, moment: ReadableStore, store: Store, *, command: str, score: ScoreRule) -> AnswerLog:
        """The log for answers as of a moment of a store."""
        ids = None if moment.log_days() is None else moment.member_ids()
        return cls(store, command, score, moment.model(), ids)

    def keep(self, path: Path, content_hash: str, decisions: Mapping[int, Decision]) -> None:
        """Keep what is answered about a photo, before it is answered.

        Args:
            path: The photo.
            content_hash: SHA-256 of its bytes.
            decisions: By the number of the face.

        Raises:
            GalleryUnavailable: It cannot be kept: then nothing is to be answered.
        """
        if self.member_ids is not None and decisions:
            asked = Asked(account(), self.command, path.absolute(), content_hash, self.score, self.model)
            self.store.log(asked, decisions, self.member_ids)


def account() -> str:
    """The account of the operating system that this program runs under: its name, or its number where it has none."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name  # not getpass.getuser(), which believes the environment
    except KeyError:
        return f"uid {os.getuid()}"
    except ImportError:  # Windows
        try:
            return getpass.getuser()
        except (ImportError, KeyError, OSError):
            return "unknown"
