"""Score normalization: how far a similarity stands out from those of people who are certainly somebody else.

What a member or a probe scores against others tells how easily either is like anybody. The cohort is the gallery
itself: all other members. "Score normalization for text-independent speaker verification systems" (Auckenthaler et al.,
2000: z and t), "Bayesian speaker verification with heavy-tailed priors" (Kenny, 2010: s), "Analysis of score
normalization in multilingual speaker recognition" (Matejka et al., 2017: adaptive s). It is here as evidence and not in
the product: at an equal rate of strangers named it misses more members (docs/accuracy.md).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from facegallery.matching.scores import score_members, templates_by_member

if TYPE_CHECKING:
    from facegallery.domain import ScoreRule, TemplateSet, Vectors

N_ADAPTIVE = 10
"""The nearest of the cohort that adaptive normalization looks at; all of a smaller one."""


class Normalization(str, Enum):
    """Whose scores against the cohort a similarity is measured by."""

    Z = "z-norm"
    """The member's."""
    T = "t-norm"
    """The probe's."""
    S = "s-norm"
    """The mean of both."""
    ADAPTIVE_S = "as-norm"
    """The mean of both, each against the nearest of the cohort only."""


def normalized(scores: Vectors, templates: TemplateSet, rule: ScoreRule, kind: Normalization) -> Vectors:
    """Scores in standard deviations above the mean of the cohort's.

    Args:
        scores: shape (m, n), float32: similarity of n members, at least three, to m probes; -inf rows stay so.
        templates: The members', in the same order.
        rule: Made ``scores``, and makes the cohort's.
        kind: Of normalization.

    Returns:
        shape (m, n), float32.
    """
    n_nearest = N_ADAPTIVE if kind is Normalization.ADAPTIVE_S else scores.shape[1]
    answer = np.full_like(scores, -np.inf)
    there = np.isfinite(scores).all(axis=1)
    found = scores[there]
    sides = []
    if kind is not Normalization.T:
        sides.append(_against_members(found, templates, rule, n_nearest))
    if kind is not Normalization.Z:
        sides.append(_against_probes(found, n_nearest))
    answer[there] = np.mean(sides, axis=0)
    return answer


def _against_members(scores: Vectors, templates: TemplateSet, rule: ScoreRule, n_nearest: int) -> Vectors:
    """By what other members' templates score against each member."""
    members = templates_by_member(templates)
    among = score_members(templates.vectors, [own for _, own in members.values()], rule)
    owners = np.array(templates.members)
    levels = [_level(among[owners != member, column][None], n_nearest) for column, member in enumerate(members)]
    means, spreads = (np.concatenate(each, axis=1) for each in zip(*levels, strict=True))
    answer: Vectors = (scores - means) / spreads
    return answer


def _against_probes(scores: Vectors, n_nearest: int) -> Vectors:
    """By what each probe scores against all members but the one in question."""
    columns = [
        (scores[:, [column]] - mean) / spread
        for column in range(scores.shape[1])
        for mean, spread in [_level(np.delete(scores, column, axis=1), n_nearest)]
    ]
    return np.concatenate(columns, axis=1)


def _level(cohort: Vectors, n_nearest: int) -> tuple[Vectors, Vectors]:
    """Mean and standard deviation of the greatest of each row, shape (m, 1) each."""
    nearest = np.sort(cohort, axis=1)[:, -n_nearest:]
    return nearest.mean(axis=1, keepdims=True), np.maximum(nearest.std(axis=1, keepdims=True), np.float32(1e-6))
