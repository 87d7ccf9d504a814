"""A decision in words, for a person."""

from __future__ import annotations

from facegallery.domain import Decision, Verdict


def decision_words(decision: Decision) -> str:
    """One or two sentences: who, how similar, against which threshold, and how close the next one is."""
    best, runner_up = decision.best, decision.runner_up
    if best is None and not decision.taken:
        return "Unknown: there is no member to compare with."
    if best is None:
        return f"Unknown: {_fits_another_face(decision.taken)}"
    if decision.verdict is Verdict.MATCH:
        words = f"{best.member}: similarity {best.similarity:.2f}, threshold {decision.threshold:.2f}."
    else:
        short = decision.threshold - best.similarity
        words = (
            f"Unknown: the nearest member, {best.member}, has similarity {best.similarity:.2f}, "
            f"{short:.2f} short of the threshold {decision.threshold:.2f}."
        )
    if runner_up is not None and decision.margin is not None:
        words += f" Next is {runner_up.member} at {runner_up.similarity:.2f} (margin {decision.margin:.2f})."
    if decision.taken:
        words += f" {_fits_another_face(decision.taken)}"
    return words


def _fits_another_face(taken: tuple[str, ...]) -> str:
    if len(taken) == 1:
        return f"{taken[0]} fits another face of this photo better."
    return f"{', '.join(taken[:-1])} and {taken[-1]} fit other faces of this photo better."
