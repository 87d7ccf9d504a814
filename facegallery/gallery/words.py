"""A decision in words, for a person."""

from __future__ import annotations

from facegallery.domain import Candidate, Decision, Limits, StrangerRate, Verdict
from facegallery.matching.strangers import stranger_words
from facegallery.text import apart

NOBODY_THERE = "there is no member to compare with."


def decision_words(decision: Decision) -> str:
    """Who, how similar, against which threshold, how close the next one is, and how many strangers score as high."""
    words = _verdict_words(decision)
    return words if decision.strangers is None else f"{words} {_strangers_sentence(decision.strangers)}"


def _strangers_sentence(rate: StrangerRate) -> str:
    words = stranger_words(rate)
    return f"{words[0].upper()}{words[1:]} would score this high."


def threshold_words(limits: Limits) -> str:
    """Where the threshold is from."""
    return f"Threshold {limits.threshold:.2f}, margin {limits.min_margin:.2f}: {limits.source}."


def _verdict_words(decision: Decision) -> str:
    best, runner_up = decision.best, decision.runner_up
    if best is None:
        return f"Unknown. {_passed_over(decision)}" if _passed_over(decision) else f"Unknown: {NOBODY_THERE}"
    similarity, threshold = apart(best.similarity, decision.threshold)
    if decision.verdict is Verdict.AMBIGUOUS and decision.margin is not None:
        words = _ambiguous(best, runner_up, decision.margin, decision.limits)
    elif decision.verdict is Verdict.MATCH:
        words = f"{best.member}: similarity {similarity}, threshold {threshold}."
    else:
        short, _ = apart(decision.threshold - best.similarity, 0.0)
        words = (
            f"Unknown: the nearest member, {best.member}, has similarity {similarity}, {short} short of the threshold "
            f"{threshold}."
        )
    if decision.verdict is not Verdict.AMBIGUOUS and runner_up is not None and decision.margin is not None:
        words += f" Next is {runner_up.member} at {runner_up.similarity:.2f} (margin {decision.margin:.2f})."
    return f"{words} {_passed_over(decision)}".rstrip()


def _ambiguous(best: Candidate, runner_up: Candidate | None, margin: float, limits: Limits) -> str:
    told, needed = apart(margin, limits.min_margin)
    if runner_up is not None and best.similarity - runner_up.similarity < limits.min_margin:
        what = f"{best.member} (similarity {best.similarity:.2f}) or {runner_up.member} ({runner_up.similarity:.2f})."
    else:
        what = (
            f"{best.member} (similarity {best.similarity:.2f}), but the faces of this photo fit nearly as well in "
            "another way."
        )
    return (
        f"Ambiguous: {what} A name needs a similarity of {limits.threshold:.2f} and a margin of {needed}; the margin "
        f"is {told}."
    )


def _passed_over(decision: Decision) -> str:
    """Who would have been a better match, and why it is not; "" where there is nobody."""
    rejected = [
        f"{name} would be nearer, but somebody said that this face, or one that it is more like, is not {name}."
        for name in decision.rejected
    ]
    return " ".join([*rejected, _fits_another_face(decision.taken)]).rstrip()


def _fits_another_face(taken: tuple[str, ...]) -> str:
    if not taken:
        return ""
    if len(taken) == 1:
        return f"{taken[0]} fits another face of this photo better."
    return f"{', '.join(taken[:-1])} and {taken[-1]} fit other faces of this photo better."
