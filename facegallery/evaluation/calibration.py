"""Does a calibrated rate hold for other people? Calibrated on half of the people, measured on the other half."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from facegallery.gallery.calibrating import calibrate_templates
from facegallery.matching.calibration import Names
from facegallery.matching.comparisons import compare

if TYPE_CHECKING:
    from facegallery.domain import Calibration, Limits, ScoreRule, TemplateSet


@dataclass(frozen=True, slots=True)
class OtherHalf:
    """One split: what was calibrated on one half, and what it came to on the other.

    Attributes:
        calibration: Of the first half's members as a gallery.
        fmr_on_others: False match rate at its threshold among the other half's members as a gallery.
        n_non_mated: Comparisons of different people there.
        n_named: Photos there that reach the threshold when identified against all others, with no margin asked for.
        n_misnamed: Those of them that are nearest to another member than their own.
        n_named_clearly: Photos that have the calibrated margin too.
        n_misnamed_clearly: Those of them that are nearest to another member than their own.
    """

    calibration: Calibration
    fmr_on_others: float
    n_non_mated: int
    n_named: int
    n_misnamed: int
    n_named_clearly: int
    n_misnamed_clearly: int

    @property
    def inside(self) -> bool:
        """Whether the rate is within the calibration's own interval."""
        return self.calibration.fmr_low <= self.fmr_on_others <= self.calibration.fmr_high


@dataclass(frozen=True, slots=True)
class RateRow:
    """All splits for one wanted rate.

    Attributes:
        wanted_fmr: The rate.
        halves: One a split.
    """

    wanted_fmr: float
    halves: tuple[OtherHalf, ...]

    @property
    def n_inside(self) -> int:
        """Splits whose other half came to a rate within the interval."""
        return sum(half.inside for half in self.halves)

    def quantiles(self, what: str) -> tuple[float, float, float]:
        """Least, median and greatest over the splits of a field of ``OtherHalf`` or of its calibration."""
        values = [getattr(half if hasattr(half, what) else half.calibration, what) for half in self.halves]
        return min(values), float(np.median(values)), max(values)

    def total(self, what: str) -> int:
        """Sum over the splits of a count of ``OtherHalf``."""
        return sum(getattr(half, what) for half in self.halves)


def split_halves(
    templates: TemplateSet, *, score: ScoreRule, fmr: float, n_splits: int, before: Limits, rng: np.random.Generator
) -> Iterator[OtherHalf]:
    """Split the members at random in halves, again and again.

    Args:
        templates: All people's, each as a member.
        score: The score rule.
        fmr: The wanted rate.
        n_splits: How often; splits of the same people are not independent of each other.
        before: The limits without calibration.
        rng: Draws the halves.

    Raises:
        CalibrationRefused: Half of the people cannot support the rate.
    """
    members = sorted(set(templates.members))
    for _ in range(n_splits):
        drawn = [members[place] for place in rng.permutation(len(members))]
        half = len(members) // 2
        ours, others = _of(templates, set(drawn[:half])), _of(templates, set(drawn[half:]))
        made = calibrate_templates(ours, score=score, fmr=fmr, before=before).calibration
        yield _measured(made, others, rng)


def _measured(made: Calibration, others: TemplateSet, rng: np.random.Generator) -> OtherHalf:
    comparisons = compare(others, score=made.score, rng=rng)
    names = Names.of(comparisons, made.threshold)
    clear = names.with_margin(made.min_margin)
    return OtherHalf(
        made,
        comparisons.fmr(made.threshold),
        comparisons.n_non_mated,
        len(names.right),
        int((~names.right).sum()),
        len(clear.right),
        int((~clear.right).sum()),
    )


def _of(templates: TemplateSet, members: set[str]) -> TemplateSet:
    rows = np.array([row for row, member in enumerate(templates.members) if member in members], np.int64)
    return replace(
        templates,
        ids=templates.ids[rows],
        vectors=templates.vectors[rows],
        members=tuple(templates.members[row] for row in rows),
        qualities=templates.qualities[rows],
    )
