"""An explanation in sentences, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from facegallery.domain import Verdict
from facegallery.gallery.words import decision_words, threshold_words

if TYPE_CHECKING:
    from facegallery.explanation.fills import Fill
    from facegallery.explanation.method import HeatMap
    from facegallery.gallery.explaining.values import (
        Contrast,
        Counterfactual,
        CoveredPlace,
        Explanation,
        MapCheck,
        Split,
    )

LEAST_TOLD = 0.02
"""Changes of the similarity that are smaller are not told: bf16 and the fill make as much."""

SAME = 0.005
"""Similarities that differ by no more are printed alike."""

MUST_CHANGE = 0.5
"""Rank correlation with the map under shuffled weights up to which a map counts as changed. Unrelated maps of 9 cells
come to 0.28 on average, of 64 to 0.10."""


def sentences(explanation: Explanation) -> Iterator[str]:
    """All that an explanation says."""
    compared, decision = explanation.comparison, explanation.decision
    name = compared.enrolled.member
    yield decision_words(decision)
    yield threshold_words(decision.limits)
    if decision.best is None or name != decision.best.member:
        yield f"Compared with {name}: similarity {compared.similarity:.2f}."
    yield f"It was compared with {compared.against}; {compared.enrolled.photo_path.name} is the nearest."
    if explanation.n_faces > 1:
        yield f"This is face {explanation.face_number} of {explanation.n_faces} in {explanation.path.name}."
    yield f"The similarity to {name}, {split_words(explanation.split)}."
    if explanation.contrast is not None:
        yield contrast_words(name, explanation.contrast)
    if len(explanation.shortfalls) > 1:
        yield (
            "Nearest members: "
            + ", ".join(
                f"{each.member} {each.similarity:.2f} ({each.short:.2f} short)" for each in explanation.shortfalls
            )
            + "."
        )
    yield from counterfactual_words(explanation)
    yield from covered_words(explanation)
    yield from map(check_words, explanation.checks)
    for heat in _all_maps(explanation):
        if heat.constant:
            yield f"{heat.method}: {constant_words(heat)}"
        if "score at 160 px" in heat.settings:
            yield (
                f"{heat.method} looks at the face enlarged, of which the {heat.target} is {heat.score:.2f}, and not "
                f"{heat.settings['score at 160 px']:.2f}: its map is not of the decision."
            )


def split_words(split: Split) -> str:
    """A score as a sum: "0.83, is the sum of ..."."""
    parts = [f"{region} {share:+.2f}" for region, share in split.regions.items()]
    return f"{split.score:.2f}, is the sum of {', '.join(parts)}, and {split.constant:+.2f} that lies in no region"


def contrast_words(name: str, contrast: Contrast) -> str:
    """Why one and not the other."""
    rival = contrast.rival.enrolled.member
    first, second = (name, rival) if contrast.difference >= 0 else (rival, name)
    sign = 1 if contrast.difference >= 0 else -1
    ordered = sorted(contrast.split.regions.items(), key=lambda each: -sign * each[1])
    return (
        f"Nearer to {first} than to {second}, by {abs(contrast.difference):.2f}: most for it speaks {ordered[0][0]} "
        f"({sign * ordered[0][1]:+.2f}), least {ordered[-1][0]} ({sign * ordered[-1][1]:+.2f})."
    )


def counterfactual_words(explanation: Explanation) -> Iterator[str]:
    """What covering a part would have changed; for an unknown face first the parts that pulled it away."""
    similarity = explanation.comparison.similarity
    before = (explanation.decision.verdict, explanation.decision.member)
    told = [
        each
        for each in explanation.counterfactuals
        if abs(each.similarity - similarity) >= LEAST_TOLD or (each.decision.verdict, each.decision.member) != before
    ]
    if explanation.shortfalls:
        told.sort(key=lambda each: -each.similarity)
        if not told or told[0].similarity < similarity + LEAST_TOLD:
            yield f"No single part pulled the face away: none, covered, raises the similarity by {LEAST_TOLD:.2f}."
    for each in told:
        change = _change(similarity, each.similarity)
        yield f"With {each.covered} covered {change}: {outcome(each, explanation)}."


def _change(before: float, after: float) -> str:
    return f"{before:.2f} {'falls' if after < before else 'rises'} to {after:.2f}"


def covered_words(explanation: Explanation) -> Iterator[str]:
    """What the sliding patch did."""
    covered = explanation.covered
    if covered is None:
        return
    yield (
        f"With a small patch in each of {len(covered.places)} places, the decision changes in {covered.n_changed}; "
        f"under the most damaging place {_change(explanation.comparison.similarity, covered.worst.similarity)}: "
        f"{outcome(covered.worst, explanation)}."
    )


def check_words(check: MapCheck) -> str:
    """How far to trust a map."""
    if check.stability is None or check.shuffled is None:
        return f"How far to trust {check.method}: not at all, its map is constant."
    beaten = [
        name
        for name, other in (("random", check.random), ("a centred Gaussian", check.gaussian))
        if check.own.mean_difference > other.mean_difference
    ]
    areas = [
        f"{kind} {_mean(own):.2f} ({_mean(random):.2f}, {_mean(gaussian):.2f}; {better} is better)"
        for kind, own, random, gaussian, better in (
            ("deletion", check.own.deletion, check.random.deletion, check.gaussian.deletion, "lower"),
            ("insertion", check.own.insertion, check.random.insertion, check.gaussian.insertion, "higher"),
        )
    ]
    changes = (
        "it changes with the weights, as it must"
        if check.shuffled <= MUST_CHANGE
        else "it hardly changes with the weights, so it shows the picture and not what was learned"
    )
    return (
        f"How far to trust {check.method} (random and a centred Gaussian in brackets): {areas[0]}, {areas[1]}: "
        f"{'better than ' + ' and '.join(beaten) if beaten else 'no better than either'}. With the face 1 px aside its "
        f"map correlates {check.stability:.2f}; with shuffled weights {check.shuffled:.2f}: {changes}."
    )


def _mean(areas: Mapping[Fill, float]) -> float:
    return sum(areas.values()) / len(areas)


def outcome(under: Counterfactual | CoveredPlace, explanation: Explanation) -> str:
    """Who would be named with something covered, beside who is.

    The similarity that is told is by what the uncovered face was compared with; where the name goes by other photos of
    the member, its similarity is told too.
    """
    name, best, runner_up = under.decision.member, under.decision.best, under.decision.runner_up
    before = explanation.decision
    still = "still " if (under.decision.verdict, name) == (before.verdict, before.member) else ""
    if under.decision.verdict is Verdict.AMBIGUOUS and best is not None and runner_up is not None:
        return f"{still}ambiguous, {best.member} or {runner_up.member}"
    if name is None or best is None:
        return f"{still}unknown"
    if best.similarity <= under.similarity + SAME:
        return f"{still}{name}"
    other = ", by another photo" if name == explanation.comparison.enrolled.member else ""
    return f"{still}{name}{other} ({best.similarity:.2f})"


def constant_words(heat: HeatMap) -> str:
    """What a constant map means."""
    layer = f" at {heat.settings['layer']}" if "layer" in heat.settings else ""
    return (
        f"the map of the {heat.target}{layer} is constant, so it points at no region and is not drawn. "
        "Try another method (--method) or layer (--layer), or another photo if this one is the enrolled photo itself."
    )


def _all_maps(explanation: Explanation) -> Iterator[HeatMap]:
    yield from explanation.maps
    yield from explanation.comparison.maps
    if explanation.contrast is not None:
        yield from explanation.contrast.maps
