"""A decision in words, for a person."""

from __future__ import annotations

from facegallery.domain import Decision, Verdict


def decision_words(decision: Decision) -> str:
    """One or two sentences: who, how similar, against which threshold, and how close the next one is."""
    best, runner_up = decision.best, decision.runner_up
    if best is None:
        return "Unknown: there is no member to compare with."
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
        words += f" {_listed(decision.taken)} fits another face of this photo better."
    return words


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}, each,"
