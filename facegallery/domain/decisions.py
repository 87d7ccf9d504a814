"""Decisions: who a face is said to be, and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ScoreRule(str, Enum):
    """How a member's similarity to a probe is made from the member's templates."""

    CENTROID = "centroid"
    """Cosine with the mean of the member's templates."""
    WEIGHTED = "weighted"
    """Cosine with their mean, each counted by the quality of its face."""
    BEST = "best"
    """Cosine with the most similar template."""
    MEAN_OF_BEST = "mean-of-best"
    """Mean of the cosines with the ``N_OF_BEST`` most similar templates."""


DEFAULT_SCORE = ScoreRule.CENTROID
"""The rule that finds most members at an equal rate of strangers named: docs/accuracy.md."""

N_OF_BEST = 3
"""Templates that ``ScoreRule.MEAN_OF_BEST`` looks at; all, of a member with fewer."""


class Verdict(str, Enum):
    """What a decision says."""

    MATCH = "match"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    """Similar enough for a name, and nearly as similar to another member: nobody is named."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a face must reach for a name.

    Attributes:
        threshold: The similarity that a match needs.
        min_margin: The margin (best minus runner-up) that a match needs; less is ambiguous. 0 asks for none.
        source: Where the numbers are from, in words: calibrated on this gallery, the model's default, asked for.
    """

    threshold: float
    min_margin: float
    source: str


@dataclass(frozen=True, slots=True)
class StrangerRate:
    """How many strangers would score as high as a face did, by the gallery's own photos.

    Each enrolled photo was once a stranger to all members but its own.

    Attributes:
        n_reached: How many of those strangers score at least as high as the face.
        n_strangers: Of how many.
        n_members: Photos of one member are not independent: whose photos they are.
    """

    n_reached: int
    n_strangers: int
    n_members: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member as an answer to a probe.

    Attributes:
        member: The member's name.
        similarity: Cosine between the probe and the member (by the score rule in force), in [-1, 1].
        rank: 1 for the most similar member.
        template_id: The member's template that is most similar to the probe.
        rejected: Somebody said that a face which is more like the probe than this member is, is not this member.
    """

    member: str
    similarity: float
    rank: int
    template_id: int
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one face.

    Attributes:
        verdict: ``match``, ``ambiguous`` or ``unknown``.
        best: The candidate the verdict is about: the member that is named, or the nearest one where nobody is; None
            when no candidate was left: the gallery is empty, or all candidates are in ``taken`` or ``rejected``.
        runner_up: The next candidate after ``best``, or None.
        limits: What a match needs.
        candidates: All candidates looked at, by rank, including those in ``taken`` and ``rejected``.
        margin: How much more similar ``best`` is than the runner-up. In a photo of several faces, how much better the
            whole photo fits so than if it were read otherwise here. None where it cannot be.
        taken: Members that this face would have matched better than ``best``, had another face in the same photo not
            fitted them better still.
        rejected: Members that this face would have matched better than ``best``, had somebody not said that it is not
            them.
        strangers: How many strangers would score as high as ``best``; None where the gallery is not calibrated.
    """

    verdict: Verdict
    best: Candidate | None
    runner_up: Candidate | None
    limits: Limits
    candidates: tuple[Candidate, ...]
    margin: float | None = None
    taken: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    strangers: StrangerRate | None = None

    @property
    def threshold(self) -> float:
        """The similarity that a match needs."""
        return self.limits.threshold

    @property
    def member(self) -> str | None:
        """The name when the verdict is a match, else None."""
        return self.best.member if self.best is not None and self.verdict is Verdict.MATCH else None
