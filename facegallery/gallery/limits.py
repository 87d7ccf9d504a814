"""Which limits are in force: those asked for, else those calibrated on the gallery, else the model's defaults."""

from __future__ import annotations

from facegallery.domain import Calibration, Limits, ScoreRule
from facegallery.matching.decisions import DEFAULT_MIN_MARGIN, checked_threshold
from facegallery.store.reading import ReadableStore
from facegallery.weights.catalogue import ModelSpec

ASKED_FOR = "asked for"

MUCH = 0.2
"""Share of the members, or of the photos, by which a gallery may have grown or shrunk since it was calibrated."""


def limits_at(
    moment: ReadableStore,
    spec: ModelSpec,
    *,
    score: ScoreRule,
    threshold: float | None = None,
    min_margin: float | None = None,
) -> Limits:
    """What a match needs in a gallery as of one moment; see :func:`limits_in_force`."""
    calibration = moment.calibration()
    return limits_in_force(
        spec,
        calibration,
        score=score,
        n_members=moment.n_members(),
        n_templates=moment.stamp().count,
        n_moved=0 if calibration is None else moment.n_moved_since(calibration.created_at),
        threshold=threshold,
        min_margin=min_margin,
    )


def limits_in_force(
    spec: ModelSpec,
    calibration: Calibration | None,
    *,
    score: ScoreRule,
    n_members: int,
    n_templates: int,
    n_moved: int = 0,
    threshold: float | None = None,
    min_margin: float | None = None,
) -> Limits:
    """What a match needs, and where the threshold is from.

    Args:
        spec: The gallery's model.
        calibration: The gallery's, or None.
        score: The rule whose similarities are to be judged; a calibration holds for one of them.
        n_members: Members enrolled now.
        n_templates: Their templates.
        n_moved: How many of those are another member's than when the calibration was made.
        threshold: What a call asks for.
        min_margin: What a call asks for.

    Raises:
        ValueError: The threshold is not in [-1, 1].
    """
    fitting = calibration_for(score, calibration)
    usual = Limits(spec.threshold, DEFAULT_MIN_MARGIN, f"default of model '{spec.name}'")
    if fitting is not None:
        stale = stale_words(fitting, n_members, n_templates, n_moved=n_moved)
        source = "; ".join(filter(None, (calibration_words(fitting), stale)))
        usual = Limits(fitting.threshold, fitting.min_margin, source)
    elif calibration is not None:
        usual = Limits(
            usual.threshold, usual.min_margin, f"{usual.source}; calibrated for {calibration.score.value} only"
        )
    asked = [name for name, value in (("threshold", threshold), ("margin", min_margin)) if value is not None]
    source = usual.source if not asked else f"{' and '.join(asked)} {ASKED_FOR}"
    return Limits(
        threshold=usual.threshold if threshold is None else checked_threshold(threshold),
        min_margin=usual.min_margin if min_margin is None else min_margin,
        source=source if len(asked) != 1 else f"{source}; else {usual.source}",
    )


def calibration_for(score: ScoreRule, calibration: Calibration | None) -> Calibration | None:
    """The calibration where it is for this score rule, else None."""
    return calibration if calibration is not None and calibration.score is score else None


def calibration_words(calibration: Calibration) -> str:
    """Where a calibrated threshold is from: "calibrated 2026-11-21 on 48 members for FMR 0.1 %"."""
    return (
        f"calibrated {calibration.created_at:%Y-%m-%d} on {calibration.n_members} members "
        f"for FMR {100 * calibration.wanted_fmr:.3g} %"
    )


def stale_words(calibration: Calibration, n_members: int, n_templates: int, *, n_moved: int = 0) -> str | None:
    """What to do where the gallery is no longer the one that was calibrated; None where it is."""
    if _differ_much(n_members, calibration.n_members):
        return f"{n_members} members now: calibrate again"
    if _differ_much(n_templates, calibration.n_enrolled):
        return f"{n_templates} photos now, {calibration.n_enrolled} then: calibrate again"
    if n_moved:
        # Few are enough: what was two people's and is one person's now was at the very end that the limits are set by.
        whose = "1 photo is another member's" if n_moved == 1 else f"{n_moved} photos are other members'"
        return f"{whose} now than then: calibrate again"
    if not len(calibration.stranger_scores):
        return "a member was forgotten since: calibrate again to be told of strangers"
    return None


def _differ_much(now: int, then: int) -> bool:
    return abs(now - then) > MUCH * then
