"""How similar a member is to a probe: the score rules, each of them a direction in the space of embeddings.

Every rule is a scalar product: there is a vector, made of the member's templates, whose product with the probe is the
member's similarity. So a score can be split and explained as a cosine with one template can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from facegallery.domain import N_OF_BEST, ScoreRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import Ids, TemplateSet, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class MemberTemplates:
    """One member's templates.

    Attributes:
        vectors: shape (n, 512), float32, unit length; n is at least 1.
        qualities: shape (n,), float32, in [0, 1].
    """

    vectors: Vectors
    qualities: Vectors


class _Rule(Protocol):
    def __call__(self, templates: MemberTemplates, probe: Vectors) -> NDArray[np.float64]: ...


def direction_of(templates: MemberTemplates, probe: Vectors, rule: ScoreRule) -> Vectors:
    """The vector whose scalar product with the probe is the member's similarity.

    Args:
        templates: The member's.
        probe: shape (512,), float32, unit length; the rules that choose among templates choose by it.
        rule: How the similarity is made.

    Returns:
        shape (512,), float32. A cosine's is of unit length; a mean of cosines' is shorter. Where templates cancel each
        other out (opposite vectors) it is zero: similar to nobody.
    """
    return _RULES[rule](templates, probe).astype(np.float32)


def _best(templates: MemberTemplates, probe: Vectors) -> NDArray[np.float64]:
    return np.asarray(templates.vectors[int((templates.vectors @ probe).argmax())], np.float64)


def _mean_of_best(templates: MemberTemplates, probe: Vectors) -> NDArray[np.float64]:
    best = np.argsort(-(templates.vectors @ probe), kind="stable")[:N_OF_BEST]
    return np.asarray(templates.vectors[best].astype(np.float64).mean(axis=0))


def _centroid(templates: MemberTemplates, probe: Vectors) -> NDArray[np.float64]:  # noqa: ARG001 - all rules are asked alike
    return _unit(templates.vectors.astype(np.float64).mean(axis=0))


def _weighted(templates: MemberTemplates, probe: Vectors) -> NDArray[np.float64]:
    weights = templates.qualities.astype(np.float64)
    if not weights.sum() > 0:  # all of them poor: none can be preferred
        return _centroid(templates, probe)
    return _unit(weights @ templates.vectors.astype(np.float64))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector


_RULES: Mapping[ScoreRule, _Rule] = MappingProxyType(
    {
        ScoreRule.CENTROID: _centroid,
        ScoreRule.WEIGHTED: _weighted,
        ScoreRule.BEST: _best,
        ScoreRule.MEAN_OF_BEST: _mean_of_best,
    }
)


def templates_by_member(templates: TemplateSet) -> dict[str, tuple[Ids, MemberTemplates]]:
    """Each member's templates and their ids, in order of first appearance."""
    rows: dict[str, list[int]] = {}
    for row, member in enumerate(templates.members):
        rows.setdefault(member, []).append(row)
    return {
        member: (templates.ids[own], MemberTemplates(templates.vectors[own], templates.qualities[own]))
        for member, own in rows.items()
    }


def score_members(probes: Vectors, members: Sequence[MemberTemplates], rule: ScoreRule) -> Vectors:
    """Every member's similarity to every probe.

    Args:
        probes: shape (m, 512), float32, unit length.
        members: n of them.
        rule: How the similarities are made.

    Returns:
        shape (m, n), float32.
    """
    if rule in (ScoreRule.CENTROID, ScoreRule.WEIGHTED):  # one direction for all probes
        nobody = np.zeros(probes.shape[1:], np.float32)
        directions = [direction_of(templates, nobody, rule) for templates in members]
        return np.asarray(probes @ np.stack(directions).T) if members else probes[:, :0]
    scores = np.empty((len(probes), len(members)), np.float32)
    for column, templates in enumerate(members):
        similarities = templates.vectors @ probes.T  # (n templates, m)
        n = 1 if rule is ScoreRule.BEST else N_OF_BEST
        scores[:, column] = np.mean(_greatest(similarities, n), axis=0)
    return scores


def _greatest(rows: Vectors, n: int) -> list[Vectors]:
    """The n greatest of each column, descending; all, where there are fewer rows. Quicker than many short sorts."""
    greatest: list[Vectors] = []
    for row in rows:
        falling = row
        for place, kept in enumerate(greatest):
            greatest[place], falling = np.maximum(kept, falling), np.minimum(kept, falling)
        if len(greatest) < n:
            greatest.append(falling)
    return greatest


def rule_words(rule: ScoreRule, member: str, n_templates: int) -> str:
    """What a probe is compared with, for a person: "the mean of Ada's 5 photos"."""
    if n_templates == 1:
        return f"{member}'s only photo"
    if rule is ScoreRule.BEST:
        return f"the nearest of {member}'s {n_templates} photos"
    if rule is ScoreRule.MEAN_OF_BEST:
        return f"the {min(N_OF_BEST, n_templates)} nearest of {member}'s {n_templates} photos"
    weighted = ", each counted by its quality" if rule is ScoreRule.WEIGHTED else ""
    return f"the mean of {member}'s {n_templates} photos{weighted}"
