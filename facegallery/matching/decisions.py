"""Similarities in, decisions out. The only place where a similarity is compared with a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, overload

from facegallery.domain import Candidate, Decision, Ids, TemplateSet, Vectors, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@overload
def reaches(similarity: float, threshold: float) -> bool: ...
@overload
def reaches(similarity: Vectors, threshold: float) -> NDArray[np.bool_]: ...
def reaches(similarity: float | Vectors, threshold: float) -> bool | NDArray[np.bool_]:
    """Whether a similarity is enough; an array is answered element by element. One equal to the threshold is enough."""
    return similarity >= threshold


def checked_threshold(threshold: float) -> float:
    """A threshold that can be reached and missed, as it is.

    Raises:
        ValueError: It is not a number in [-1, 1]. Nothing compares with NaN: every face would be unknown.
    """
    if not -1 <= threshold <= 1:
        raise ValueError(f"a threshold is a similarity in [-1, 1], not {threshold}")
    return threshold


def verdict_for(similarity: float, threshold: float) -> Verdict:
    """The verdict on one comparison."""
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


def centroids(templates: TemplateSet) -> tuple[tuple[str, ...], Vectors]:
    """Each member's mean vector.

    Returns:
        n names in order of first appearance, and shape (n, 512), float32: the mean of the member's templates scaled
        to unit length. A mean of zero length (opposite templates) stays zero and is similar to nobody.
    """
    import numpy as np

    names = tuple(dict.fromkeys(templates.members))
    position = {name: row for row, name in enumerate(names)}
    rows = np.array([position[name] for name in templates.members], dtype=np.int64)
    sums = np.zeros((len(names), templates.vectors.shape[1]), dtype=np.float64)
    np.add.at(sums, rows, templates.vectors.astype(np.float64))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
    return names, means.astype(np.float32)


def decide(candidates: Sequence[Candidate], *, threshold: float, taken: frozenset[str] = frozenset()) -> Decision:
    """Decide about one face.

    Args:
        candidates: Ranked, most similar first.
        threshold: The similarity that a match needs.
        taken: Members that are already named at another face of the same photo. One that would be a match here too is
            passed over; one that would not be named anyway stays, as nearest member or runner-up.

    Returns:
        The decision about the most similar member that is left.
    """
    passed_over = [each for each in candidates if each.member in taken and reaches(each.similarity, threshold)]
    left = [each for each in candidates if each not in passed_over]
    best = left[0] if left else None
    return Decision(
        verdict=Verdict.UNKNOWN if best is None else verdict_for(best.similarity, threshold),
        best=best,
        runner_up=left[1] if len(left) > 1 else None,
        threshold=threshold,
        candidates=tuple(candidates),
        taken=tuple(each.member for each in passed_over if best is None or each.rank < best.rank),
    )


def decide_photo(faces: Sequence[Sequence[Candidate]], *, threshold: float) -> list[Decision]:
    """Decide about all faces of one photo together: one person is in a photo once, so a member is named at most once.

    The most similar pair of face and member is fixed first, then the next among what is left, down to the threshold.
    A face that loses its best member to a better fitting face is decided by its next one.

    Args:
        faces: For each face its ranked candidates. To be sure of the answer a face needs one candidate more than the
            photo has faces.
        threshold: The similarity that a match needs.

    Returns:
        One decision a face, in the order given.
    """
    pairs = sorted(
        (
            (candidate.similarity, face, candidate.member)
            for face, candidates in enumerate(faces)
            for candidate in candidates
            if reaches(candidate.similarity, threshold)
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    named: dict[int, str] = {}
    for _, face, member in pairs:
        if face not in named and member not in named.values():
            named[face] = member
    return [
        decide(
            candidates,
            threshold=threshold,
            taken=frozenset(member for other, member in named.items() if other != face),
        )
        for face, candidates in enumerate(faces)
    ]
