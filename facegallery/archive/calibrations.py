"""The calibration of a gallery as one JSON object, ``calibration.json``."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.archive.fields import MAX_INT, Fault, Fields, finite, from_json, time_text, to_json
from facegallery.archive.manifest import CALIBRATION, MAX_FACES
from facegallery.domain import UNIT_LENGTH_TOLERANCE, Calibration, ScoreRule

if TYPE_CHECKING:
    from facegallery.domain import Vectors

MAX_BYTES = 64 * 1024 + 32 * MAX_FACES
"""A similarity takes up to 24 characters."""

_KEYS = tuple(each.name for each in fields(Calibration))
_COUNTS = ("n_mated", "n_non_mated", "n_members", "n_templates", "n_enrolled", "n_named", "n_misnamed")
_RATES = ("wanted_fmr", "fmr", "fmr_low", "fmr_high", "fnmr")
_MOST_SIMILAR = 1 + UNIT_LENGTH_TOLERANCE


def to_bytes(calibration: Calibration) -> bytes:
    """A calibration as JSON that is read as this very calibration again.

    Raises:
        Fault: It cannot be kept in an archive.
    """
    document: dict[str, Any] = {key: getattr(calibration, key) for key in _KEYS}
    document["created_at"] = time_text(calibration.created_at)
    document["score"] = calibration.score.value
    document["stranger_scores"] = calibration.stranger_scores.astype(np.float64).tolist()
    content = to_json(document)
    from_bytes(content)
    return content


def from_bytes(content: bytes) -> Calibration:
    """The calibration that some bytes are.

    Raises:
        Fault: They are none.
    """
    of_calibration = Fields(from_json(content, CALIBRATION), CALIBRATION, _KEYS)
    values: dict[str, Any] = {key: of_calibration.whole(key, 0, MAX_INT) for key in _COUNTS}
    values |= {key: of_calibration.number(key, 0, 1) for key in _RATES}
    return Calibration(
        created_at=of_calibration.time("created_at"),
        score=of_calibration.choice("score", ScoreRule),
        threshold=of_calibration.number("threshold", -_MOST_SIMILAR, _MOST_SIMILAR),
        min_margin=of_calibration.number("min_margin", 0, 2 * _MOST_SIMILAR),
        margin_chosen=of_calibration.truth("margin_chosen"),
        stranger_scores=_scores(of_calibration.raw("stranger_scores")),
        **values,
    )


def _scores(value: object) -> Vectors:
    """Similarities, ascending: shape (n,), float32."""
    fault = Fault(f"{CALIBRATION}: 'stranger_scores' are not similarities in ascending order")
    if not isinstance(value, list) or len(value) > MAX_FACES:
        raise fault
    found = [number for number in map(finite, value) if number is not None and abs(number) <= _MOST_SIMILAR]
    if len(found) < len(value):
        raise fault
    scores = np.array(found, np.float32)
    if (scores[1:] < scores[:-1]).any():
        raise fault
    return scores
