"""How much of what is wrong an audit finds: photos are given to random other members, audited, and put right again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from facegallery.evaluation.identification import error_rates, rank_1, scores_of
from facegallery.matching.audit import Findings, audit_templates
from facegallery.matching.scores import templates_by_member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.domain import ScoreRule, TemplateSet, Vectors
    from facegallery.evaluation.experiment import Experiment
    from facegallery.evaluation.intervals import Rate
    from facegallery.evaluation.rates import PointAtRate

FPIRS = (0.02, 0.05)
"""False positive identification rates at which the misses are told."""


@dataclass(frozen=True, slots=True)
class Identification:
    """How well members are identified in a gallery.

    Attributes:
        rank_1: Probes whose own member is the nearest, of all probes.
        at_rates: FNIR at each of ``FPIRS``.
    """

    rank_1: Rate
    at_rates: tuple[PointAtRate, ...]


@dataclass(frozen=True, slots=True)
class NoiseRun:
    """One drawing of wrong photos, and what the audit said.

    Attributes:
        seed: What they were drawn with.
        n_wrong: Photos given to another member.
        n_found: Of those, how many were found.
        n_suggested: Of those found, for how many the right member was suggested.
        n_named: Photos that were named, rightly or not.
        noisy: Identification with the wrong photos.
        mended: The same after all findings were followed.
    """

    seed: int
    n_wrong: int
    n_found: int
    n_suggested: int
    n_named: int
    noisy: Identification
    mended: Identification


def run_noise(
    templates: TemplateSet, *, share: float, seeds: Sequence[int], identify: Callable[[TemplateSet], Identification]
) -> Iterator[NoiseRun]:
    """Give a share of the photos to random other members and audit, once for each seed.

    Args:
        templates: A gallery, taken for right: a wrong photo in it that is found counts as a false alarm.
        share: Of the photos, in (0, 1]; at least one is given away.
        seeds: What is drawn with.
        identify: Identifies probes in a gallery; see :func:`identification`.
    """
    for seed in seeds:
        wrong, noisy = with_wrong_photos(templates, share, np.random.default_rng(seed))
        findings = audit_templates(noisy)
        named = {each.template_id: each for each in findings.wrong}
        true_member = dict(zip(templates.ids.tolist(), templates.members, strict=True))
        hits = [named[each] for each in templates.ids[wrong].tolist() if each in named]
        yield NoiseRun(
            seed=seed,
            n_wrong=int(wrong.sum()),
            n_found=len(hits),
            n_suggested=sum(not each.of_nobody and each.nearest == true_member[each.template_id] for each in hits),
            n_named=len(named),
            noisy=identify(noisy),
            mended=identify(mended(noisy, findings)),
        )


def with_wrong_photos(
    templates: TemplateSet, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], TemplateSet]:
    """Which templates were given to another member, shape (n,), and the templates so."""
    n = len(templates.ids)
    names = sorted(set(templates.members))
    members = list(templates.members)
    wrong = np.zeros(n, np.bool_)
    for row in rng.choice(n, max(round(share * n), 1), replace=False).tolist():
        wrong[row] = True
        members[row] = str(rng.choice([name for name in names if name != members[row]]))
    return wrong, replace(templates, members=tuple(members))


def mended(templates: TemplateSet, findings: Findings) -> TemplateSet:
    """The templates after each finding is followed: moved to whom it looks like, or taken out."""
    named = {each.template_id: each for each in findings.wrong}
    ids = templates.ids.tolist()
    kept = np.array([each not in named or not named[each].of_nobody for each in ids], np.bool_)
    members = [
        named[each].nearest if each in named else member for each, member in zip(ids, templates.members, strict=True)
    ]
    return replace(
        templates,
        ids=templates.ids[kept],
        vectors=templates.vectors[kept],
        members=tuple(member for member, stays in zip(members, kept, strict=True) if stays),
        qualities=templates.qualities[kept],
    )


def identification(
    templates: TemplateSet, experiment: Experiment, subjects: Sequence[Vectors | None], rule: ScoreRule
) -> Identification:
    """Identify an experiment's probes and strangers in a gallery of these templates.

    Args:
        templates: The gallery.
        experiment: Whose photos they are.
        subjects: For each probe, then for each stranger's photo, the face's embedding; None where there is no face.
        rule: How a member's similarity is made.
    """
    scores = scores_of(subjects, templates, rule)
    n_probes = len(experiment.probes)
    errors = error_rates(scores[:n_probes], scores[n_probes:], list(templates_by_member(templates)), experiment)
    return Identification(rank_1(errors), tuple(errors.at_rates(FPIRS)))
