"""The gallery's own comparisons: each enrolled photo as a probe against every member, its own member without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegallery.domain import Ids, ScoreRule, TemplateSet, Vectors
from facegallery.matching.decisions import reaches
from facegallery.matching.scores import MemberTemplates, direction_of, score_members

COPY_SIMILARITY = 0.98
"""Two photos of a member that are at least so similar are one picture twice: saved again, cut otherwise, or the next
shot of a burst. A copy would vouch for its original, and the member seem easier to recognize than in a new photo."""

MOST_COMPARISONS = 20_000_000
"""A gallery with more has as many photos drawn as make about this many: 80 MB of similarities."""

_PROBES_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Similarities of a gallery's photos to its members.

    Attributes:
        members: The m members' names.
        scores: shape (n, m), float32, in [-1, 1]: each photo's similarity to each member by the score rule; to its own
            member without this photo, and -inf where the member has no other.
        own: shape (n,), int64: the column of each photo's own member.
        n_photos: Photos that n were drawn from, copies not counted.
        n_copies: Photos left out as copies of another one of the same member.
    """

    members: tuple[str, ...]
    scores: Vectors
    own: Ids
    n_photos: int
    n_copies: int

    @property
    def mated(self) -> Vectors:
        """Similarities of photos to their own members: one for each photo whose member has another one."""
        own = self.scores[np.arange(len(self.own)), self.own]
        return np.asarray(own[np.isfinite(own)])

    @property
    def n_non_mated(self) -> int:
        """Comparisons of a photo with another member."""
        return len(self.own) * max(len(self.members) - 1, 0)

    def fmr(self, threshold: float) -> float:
        """False match rate: the share of the comparisons with another member that reach the threshold."""
        return int(reaches(self.without_own(), threshold).sum()) / self.n_non_mated

    def fnmr(self, threshold: float) -> float:
        """False non-match rate: the share of the comparisons with the photo's own member that do not reach it."""
        return float(np.mean(~reaches(self.mated, threshold)))

    def without_own(self) -> Vectors:
        """The scores with -inf at each photo's own member: what the photo is as a stranger."""
        strange: Vectors = self.scores.copy()
        strange[np.arange(len(self.own)), self.own] = -np.inf
        return strange


def compare(
    templates: TemplateSet, *, score: ScoreRule, rng: np.random.Generator, most: int = MOST_COMPARISONS
) -> Comparisons:
    """Compare a gallery's photos with its members.

    Args:
        templates: All of the gallery.
        score: How a member's similarity is made.
        rng: Draws the photos of a gallery with too many.
        most: Comparisons up to which all photos are compared.
    """
    members = tuple(dict.fromkeys(templates.members))
    column = {member: place for place, member in enumerate(members)}
    rows = _without_copies(templates)
    own = np.array([column[templates.members[row]] for row in rows.tolist()], np.int64)
    probes = np.arange(len(rows))
    if len(rows) * len(members) > most:
        probes = np.sort(rng.choice(len(rows), max(most // len(members), 1), replace=False))
    return Comparisons(
        members=members,
        scores=_scores(templates.vectors[rows], templates.qualities[rows], own, probes, score),
        own=own[probes],
        n_photos=len(rows),
        n_copies=len(templates.members) - len(rows),
    )


def _without_copies(templates: TemplateSet) -> Ids:
    """Rows of the photos that are not copies of an earlier one of the same member, ascending."""
    kept: dict[str, list[int]] = {}
    for row, member in enumerate(templates.members):
        theirs = kept.setdefault(member, [])
        similarities = templates.vectors[theirs] @ templates.vectors[row]
        if not reaches(similarities, COPY_SIMILARITY).any():
            theirs.append(row)
    return np.sort(np.array([row for theirs in kept.values() for row in theirs], np.int64))


def _scores(vectors: Vectors, qualities: Vectors, own: Ids, probes: Ids, score: ScoreRule) -> Vectors:
    """Similarity of each of these photos to each member, to its own without itself: shape (n probes, n members)."""
    by_member = np.split(np.argsort(own, kind="stable"), np.cumsum(np.bincount(own))[:-1])
    members = [MemberTemplates(vectors[theirs], qualities[theirs]) for theirs in by_member]
    scores = np.empty((len(probes), len(members)), np.float32)
    for start in range(0, len(probes), _PROBES_AT_ONCE):
        block = slice(start, start + _PROBES_AT_ONCE)
        scores[block] = score_members(vectors[probes[block]], members, score)
    for row, probe in enumerate(probes.tolist()):
        theirs = by_member[own[probe]]
        rest = theirs[theirs != probe]
        scores[row, own[probe]] = _similarity(MemberTemplates(vectors[rest], qualities[rest]), vectors[probe], score)
    return scores


def _similarity(others: MemberTemplates, probe: Vectors, score: ScoreRule) -> float:
    """Similarity of a photo to the member's others; -inf where there is none."""
    return float(direction_of(others, probe, score) @ probe) if len(others.vectors) else -np.inf
