"""What a similarity means: how many strangers would score as high."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facegallery.domain import StrangerRate

if TYPE_CHECKING:
    from facegallery.domain import Calibration

LEAST_PEOPLE = 3
"""Where none of n people did a thing, fewer than 3 in n are known to do it, at 95 % ("If nothing goes wrong, is
everything all right?", Hanley and Lippman-Hand, 1983). Nothing finer is told."""

NEARLY_EVERY = 0.9
"""Share of strangers from which "nearly every" is said."""

PLAIN_FRACTIONS = ((1, 2), (2, 3), (3, 4))
"""What a share between a half and that is told as."""


def strangers_of(calibration: Calibration, similarity: float) -> StrangerRate | None:
    """How many of the gallery's photos, as strangers to the other members, score at least as high.

    Args:
        calibration: The gallery's, for the score rule that the similarity is by.
        similarity: Of a face and the nearest member.

    Returns:
        The rate; None where the scores of single photos are no longer kept, since a member was forgotten.
    """
    import numpy as np

    scores = calibration.stranger_scores
    if not len(scores):
        return None
    n_below = int(np.searchsorted(scores, similarity, side="left"))
    return StrangerRate(len(scores) - n_below, len(scores), calibration.n_members)


def stranger_words(rate: StrangerRate) -> str:
    """The rate for a person: "about 1 in 40 strangers", "about 3 in 4 strangers", "fewer than 1 in 16 strangers".

    Photos of one person are not independent, so it is the number of people that says how fine a rate may be told:
    "fewer than" only where none reaches it, and else no rarer than that.
    """
    finest = LEAST_PEOPLE / rate.n_members
    if not rate.n_reached:
        return f"fewer than 1 in {1 / finest:.0f} strangers"
    share = max(rate.n_reached / rate.n_strangers, finest)
    if share >= NEARLY_EVERY:
        return "nearly every stranger"
    if share <= 1 / 2:
        return f"about 1 in {1 / share:.0f} strangers"
    n_of, n = min(PLAIN_FRACTIONS, key=lambda each: abs(each[0] / each[1] - share))
    return f"about {n_of} in {n} strangers"
