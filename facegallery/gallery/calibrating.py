"""Calibrate a gallery: choose its limits from its own photos, and keep them with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facegallery.errors import CalibrationRefused
from facegallery.matching.calibration import LikePair, calibrate
from facegallery.matching.comparisons import compare
from facegallery.store.writing import utc_now

if TYPE_CHECKING:
    from facegallery.domain import Calibration, Limits, ScoreRule, TemplateSet
    from facegallery.store import Store

SEED = 0
"""Of the drawing of photos from a large gallery and of the resampling of people: the same gallery, the same answer."""

N_ATTEMPTS = 3
"""Another process may enroll or forget meanwhile: what was chosen is then chosen again, so often at most."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration and what was seen while it was made.

    Attributes:
        calibration: What is kept.
        before: The limits that were in force.
        fmr_before: False match rate of the same comparisons at the threshold before.
        fnmr_before: False non-match rate there.
        n_photos: Photos in the gallery, copies not counted; ``calibration.n_templates`` of them were compared.
        n_copies: Photos that were left out as copies of another one of the same member.
        like_pair: Two members who make most of the false matches and may be one person, or None.
    """

    calibration: Calibration
    before: Limits
    fmr_before: float
    fnmr_before: float
    n_photos: int
    n_copies: int
    like_pair: LikePair | None


def calibrate_gallery(store: Store, *, score: ScoreRule, fmr: float, before: Limits) -> Calibrated:
    """Choose limits for a wanted false match rate and keep them.

    Raises:
        CalibrationRefused: The gallery's photos cannot support the rate; what was kept before stays.
    """
    for _ in range(N_ATTEMPTS):
        templates = store.templates()
        calibrated = calibrate_templates(templates, score=score, fmr=fmr, before=before)
        if store.keep_calibration(calibrated.calibration, state=templates.state):
            return calibrated
    raise CalibrationRefused("its photos change while they are compared; calibrate again when nobody enrolls")


def calibrate_templates(templates: TemplateSet, *, score: ScoreRule, fmr: float, before: Limits) -> Calibrated:
    """Choose limits for these templates; nothing is kept. Raises CalibrationRefused."""
    rng = np.random.default_rng(SEED)
    comparisons = compare(templates, score=score, rng=rng)
    calibration, like_pair = calibrate(comparisons, score=score, fmr=fmr, now=utc_now(), rng=rng)
    return Calibrated(
        calibration,
        before,
        comparisons.fmr(before.threshold),
        comparisons.fnmr(before.threshold),
        comparisons.n_photos,
        comparisons.n_copies,
        like_pair,
    )
