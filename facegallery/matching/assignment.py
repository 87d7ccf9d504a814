"""Decisions about all faces of one photo together: one person is in a photo once, so a member is named at most once.

Of all ways to give members to faces the one with the best total is taken: each named face counts by what its similarity
exceeds the threshold. A face is ambiguous when the photo could nearly as well be read with another member at that face,
whatever that means for the other faces: where two faces of twins fit both ways, neither is named. That another face
wants the same member makes none ambiguous: the one that fits better is named, and the other says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facegallery.domain import Candidate, Decision, Limits
from facegallery.matching.decisions import decide

_NAMED = 1e-9
"""What being named counts by itself: a similarity equal to the threshold is enough."""

Gains = Mapping[str, float]
"""For each member that a face may be given: the similarity minus the threshold."""


def decide_photo(faces: Sequence[Sequence[Candidate]], *, limits: Limits) -> list[Decision]:
    """Decide about all faces of one photo.

    Args:
        faces: For each face its ranked candidates. To be sure of the answer a face needs one candidate more than the
            photo has faces.
        limits: What a match needs.

    Returns:
        One decision a face, in the order given.
    """
    gains = [
        {each.member: each.similarity - limits.threshold for each in candidates if not each.rejected}
        for candidates in faces
    ]
    named = _assigned(gains)
    if len(faces) == 1:
        return [decide(faces[0], limits=limits)]
    decisions = []
    for face, candidates in enumerate(faces):
        taken = frozenset(member for other, member in named.items() if other != face)
        margin, rival = _margin(face, gains, named)
        if margin is not None and margin < limits.min_margin:
            taken -= {rival}  # nearly as good at this face as at the other: it is who this one is ambiguous with
        decisions.append(decide(candidates, limits=limits, given=named.get(face), taken=taken, margin=margin))
    return decisions


def _assigned(gains: Sequence[Gains]) -> dict[int, str]:
    """Who is named at which face; only gains of at least 0 count."""
    best = {face: max(of_face, key=of_face.__getitem__) for face, of_face in enumerate(gains) if of_face}
    best = {face: member for face, member in best.items() if gains[face][member] >= 0}
    if len(set(best.values())) == len(best):  # nobody wants the same member: nothing can be better
        return best
    return _solved(gains)


def _solved(gains: Sequence[Gains]) -> dict[int, str]:
    """The assignment of the greatest total, by "The Hungarian method for the assignment problem" (Kuhn, 1955)."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment  # a quarter of a second, for few photos

    members = list(dict.fromkeys(member for of_face in gains for member in of_face))
    column = {member: place for place, member in enumerate(members)}
    totals = np.zeros((len(gains), len(members)))  # a pair that does not reach the threshold adds nothing
    for face, of_face in enumerate(gains):
        for member, gain in of_face.items():
            if gain >= 0:
                totals[face, column[member]] = gain + _NAMED
    chosen = zip(*linear_sum_assignment(totals, maximize=True), strict=True)
    return {int(face): members[place] for face, place in chosen if totals[face, place] > 0}


def _margin(face: int, gains: Sequence[Gains], named: Mapping[int, str]) -> tuple[float | None, str | None]:
    """How much greater the total is than with the best other member at a named face, and who that is.

    None for a face without a name, whose candidates tell all, and where there is no other member.
    """
    if face not in named:
        return None, None
    mine = named[face]
    total = sum(gains[each][member] for each, member in named.items())
    # A member adds no more to a total than where it fits best: that is what others can gain by its leaving this face.
    freed = max((max(of.get(mine, 0.0), 0.0) for other, of in enumerate(gains) if other != face), default=0.0)
    best: float | None = None
    rival = None
    others = sorted(
        (gains[face][mine] - gain - freed, member) for member, gain in gains[face].items() if member != mine
    )
    for least, member in others:
        if best is not None and least >= best:
            break
        less = max(0.0, total - _total_with(face, member, gains))
        if best is None or less < best:
            best, rival = less, member
    return best, rival


def _total_with(face: int, member: str, gains: Sequence[Gains]) -> float:
    """The best total when this face is given this member."""
    rest = [
        {} if place == face else {name: gain for name, gain in of_face.items() if name != member}
        for place, of_face in enumerate(gains)
    ]
    return gains[face][member] + sum(rest[place][name] for place, name in _assigned(rest).items())
