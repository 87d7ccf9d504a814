"""What does not fit in a gallery: photos in the wrong folder, one picture or one person under two names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.matching.doubles import same_persons, same_pictures
from facegallery.matching.misplaced import NOBODYS, OTHERS, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import TemplateSet
    from facegallery.matching.misplaced import Floats, Places

WORTH_A_LOOK = 0.5
"""From which probability on a photo is named: it is more probably wrong than right, and nothing is changed by that."""

LEAST_MEMBERS = 3
"""Members with two photos or more that are needed to learn from."""

_SEED = 0


@dataclass(frozen=True, slots=True)
class WrongTemplate:
    """A template that does not fit its member.

    Attributes:
        template_id: The template.
        member: Whom it is kept for.
        similarity: Cosine with the mean of the member's other templates.
        nearest: The most similar other member.
        nearest_similarity: Cosine with the mean of that member's templates.
        probability: That it is not the member's, in [0, 1].
        nearest_probability: That it is ``nearest``'s, in [0, 1]; the rest of ``probability`` is nobody's here.
        of_nobody: Whether it is more probably nobody's here than ``nearest``'s.
    """

    template_id: int
    member: str
    similarity: float
    nearest: str
    nearest_similarity: float
    probability: float
    nearest_probability: float
    of_nobody: bool


@dataclass(frozen=True, slots=True)
class DoubleTemplate:
    """Two templates under two names that are nearly the same picture.

    Attributes:
        template_ids: The two, ascending.
        members: Whose they are, in that order.
        similarity: Their cosine.
    """

    template_ids: tuple[int, int]
    members: tuple[str, str]
    similarity: float


@dataclass(frozen=True, slots=True)
class DoubleMember:
    """Two members who may be one person.

    Attributes:
        members: The two names.
        similarity: Cosine of the means of their templates.
        probability: That they are one person, in [0, 1].
    """

    members: tuple[str, str]
    similarity: float
    probability: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What does not fit, surest first.

    Attributes:
        wrong: Templates that do not fit their member.
        double_templates: One picture under two names.
        double_members: One person under two names.
        n_judged: Templates that could be compared with another of their member, in a gallery large enough to learn
            from; 0 where it is too small to say anything.
    """

    wrong: tuple[WrongTemplate, ...]
    double_templates: tuple[DoubleTemplate, ...]
    double_members: tuple[DoubleMember, ...]
    n_judged: int


def audit_templates(templates: TemplateSet) -> Findings:
    """Find what does not fit in a gallery.

    A member's only template is not judged: there is nothing of the member's to compare it with. Of two that disagree
    both may be named. Takes time with the square of the number of templates (of 5 photos a member, on two
    cores: 9 s at 5,000, 78 s at 20,000) and little memory.

    Args:
        templates: All templates of the gallery.
    """
    vectors = templates.vectors.astype(np.float64)
    names, owners = np.unique(np.array(templates.members, dtype=object), return_inverse=True)
    owners = owners.reshape(-1).astype(np.int64)
    double_templates = _double_templates(templates, vectors, owners)
    if _n_comparable(owners) < LEAST_MEMBERS:
        return Findings((), double_templates, (), 0)
    rng = np.random.default_rng(_SEED)
    double_members = _double_members(names, vectors, owners, rng)
    judged = judge(vectors, owners, rng)
    wrong = [
        WrongTemplate(
            template_id=int(templates.ids[row]),
            member=templates.members[row],
            similarity=float(judged.evidence[row, 0]),
            nearest=str(names[judged.nearest[row]]),
            nearest_similarity=float(judged.evidence[row, 1]),
            probability=float(judged.wrong[row]),
            nearest_probability=float(judged.posterior[row, OTHERS]),
            of_nobody=bool(judged.posterior[row, NOBODYS] > judged.posterior[row, OTHERS]),
        )
        for row in np.flatnonzero(judged.wrong >= WORTH_A_LOOK)
    ]
    return Findings(
        tuple(sorted(wrong, key=lambda each: (-each.probability, each.template_id))),
        double_templates,
        double_members,
        int(np.isfinite(judged.evidence[:, 0]).sum()),
    )


def _double_templates(templates: TemplateSet, vectors: Floats, owners: Places) -> tuple[DoubleTemplate, ...]:
    ids, members = templates.ids.tolist(), templates.members
    found = [
        DoubleTemplate((ids[a], ids[b]), (members[a], members[b]), similarity)
        for a, b, similarity in same_pictures(vectors, owners)
    ]
    return tuple(sorted(found, key=lambda each: (-each.similarity, each.template_ids)))


def _double_members(
    names: NDArray[np.object_], vectors: Floats, owners: Places, rng: np.random.Generator
) -> tuple[DoubleMember, ...]:
    found = [
        DoubleMember((str(names[a]), str(names[b])), similarity, probability)
        for a, b, similarity, probability in same_persons(vectors, owners, least=WORTH_A_LOOK, rng=rng)
    ]
    return tuple(sorted(found, key=lambda each: (-each.probability, each.members)))


def _n_comparable(owners: Places) -> int:
    """How many members have two templates that can be compared with each other."""
    return int((np.bincount(owners) >= 2).sum()) if len(owners) else 0
