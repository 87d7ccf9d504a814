"""Similarities in, decisions out. The only place where a similarity is compared with a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, overload

from facegallery.domain import Candidate, Decision, Ids, Limits, Vectors, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@overload
def reaches(similarity: float, threshold: float) -> bool: ...
@overload
def reaches(similarity: Vectors | NDArray[np.float64], threshold: float | NDArray[np.float64]) -> NDArray[np.bool_]: ...
def reaches(
    similarity: float | Vectors | NDArray[np.float64], threshold: float | NDArray[np.float64]
) -> bool | NDArray[np.bool_]:
    """Whether a similarity is enough; arrays are answered element by element. One equal to the threshold is enough."""
    return similarity >= threshold


def checked_threshold(threshold: float) -> float:
    """A threshold that can be reached and missed, as it is.

    Raises:
        ValueError: It is not a number in [-1, 1]. Nothing compares with NaN: every face would be unknown.
    """
    if not -1 <= threshold <= 1:
        raise ValueError(f"a threshold is a similarity in [-1, 1], not {threshold}")
    return threshold


DEFAULT_FMR = 1e-3
"""False match rate that a gallery is calibrated for unless a call says otherwise: 1 in 1,000 comparisons."""

MOST_FMR = 0.1
"""Highest false match rate to calibrate for: where 1 comparison in 10 matches, most strangers to a dozen members are
named."""

DEFAULT_MIN_MARGIN = 0.03
"""Best minus runner-up that a match needs unless the gallery is calibrated or a call says otherwise: more than the 0.01
by which runtimes differ. Of 84 probes that are named rightly without it it holds back one (docs/accuracy.md)."""


def checked_fmr(fmr: float) -> float:
    """A false match rate that a gallery may be calibrated for, as it is.

    Raises:
        ValueError: It is not above 0, or above ``MOST_FMR``.
    """
    if not 0 < fmr <= MOST_FMR:
        raise ValueError(
            f"a false match rate is above 0 and at most {MOST_FMR:g}, not {fmr:g}: 0.001 is 1 in 1,000, and from "
            f"{MOST_FMR:g} on most strangers would be named"
        )
    return fmr


def verify(similarity: float, threshold: float) -> Verdict:
    """The verdict on one comparison of two faces."""
    return Verdict.MATCH if reaches(similarity, threshold) else Verdict.UNKNOWN


def rank_members(similarities: Vectors, ids: Ids, member_of: Mapping[int, str]) -> list[Candidate]:
    """Rank members by their best template.

    Args:
        similarities: shape (k,), descending.
        ids: shape (k,), the template ids beside them.
        member_of: Whose each template is. An id that is not in it (removed meanwhile) is passed over.

    Returns:
        One candidate a member, ranks from 1. Between equal similarities the order of ``ids`` stands.
    """
    best: dict[str, tuple[float, int]] = {}
    for similarity, template_id in zip(similarities.tolist(), ids.tolist(), strict=True):
        member = member_of.get(template_id)
        if member is not None and member not in best:
            best[member] = (similarity, template_id)
    return [
        Candidate(member=member, similarity=similarity, rank=rank, template_id=template_id)
        for rank, (member, (similarity, template_id)) in enumerate(best.items(), start=1)
    ]


def decide(
    candidates: Sequence[Candidate],
    *,
    limits: Limits,
    given: str | None = None,
    taken: frozenset[str] = frozenset(),
    margin: float | None = None,
) -> Decision:
    """Decide about one face.

    Args:
        candidates: Ranked, most similar first.
        limits: What a match needs.
        given: The member that this face was given when all faces of the photo were looked at together, or None.
        taken: Members that are already named at another face of the same photo. One that would be a match here too is
            passed over; one that would not be named anyway stays, as nearest member or runner-up.
        margin: How much better this face is read so than otherwise, where the photo's other faces have a say in it;
            None takes how much more similar the best member is than the runner-up.

    Returns:
        The decision about the member that was given, else about the most similar one that is left.
    """
    named = [each for each in candidates if reaches(each.similarity, limits.threshold)]
    rejected = [each for each in named if each.rejected]
    passed_over = [each for each in named if each.member in taken and not each.rejected]
    left = [each for each in candidates if each not in passed_over and not each.rejected]
    left.sort(key=lambda each: each.member != given)
    best = left[0] if left else None
    runner_up = left[1] if len(left) > 1 else None
    if margin is None and best is not None and runner_up is not None:
        margin = best.similarity - runner_up.similarity

    def better_than_best(others: Sequence[Candidate]) -> tuple[str, ...]:
        return tuple(each.member for each in others if best is None or each.rank < best.rank)

    return Decision(
        verdict=_verdict(best, margin, limits),
        best=best,
        runner_up=runner_up,
        limits=limits,
        candidates=tuple(candidates),
        margin=margin,
        taken=better_than_best(passed_over),
        rejected=better_than_best(rejected),
    )


def _verdict(best: Candidate | None, margin: float | None, limits: Limits) -> Verdict:
    if best is None or not reaches(best.similarity, limits.threshold):
        return Verdict.UNKNOWN
    return Verdict.MATCH if margin is None or margin >= limits.min_margin else Verdict.AMBIGUOUS
