"""Methods of explanation measured on many faces: who is faithful, who only looks so, and at what price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.errors import ExplanationError
from facegallery.evaluation.intervals import N_RESAMPLES
from facegallery.explanation.baselines import BASELINES
from facegallery.explanation.faithfulness import (
    N_STEPS,
    SHUFFLE_SEED,
    STAGES,
    Faithfulness,
    faithfulness,
    randomization,
    stability,
)
from facegallery.explanation.fills import Fill
from facegallery.explanation.game import (
    LEAST_FALL,
    N_PLACES,
    PATCH_PX,
    SOFT_EDGE_PX,
    chance_of,
    paste_patch,
    points_at_patch,
)
from facegallery.explanation.method import HeatMap, Target

if TYPE_CHECKING:
    from facegallery.evaluation.probes import Probe
    from facegallery.explanation.game import Pasted
    from facegallery.explanation.method import ExplainedModel, ExplanationMethod

ADDS_UP_WITHIN = 1e-5


@dataclass(frozen=True, slots=True)
class Checks:
    """How thoroughly methods are measured.

    Attributes:
        n_steps: Of deletion and insertion.
        n_thorough: On how many faces, from the first, stability is measured and the weights are shuffled: four and
            five more explanations of each, the latter without a compiled network.
        seed: Draws the places of the known-region game.
    """

    n_steps: int = N_STEPS
    n_thorough: int = 5
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """Everything that is measured with, by name: lists, text and numbers only."""
        return {
            **asdict(self),
            "fills": [fill.value for fill in Fill],
            "patch_px": PATCH_PX,
            "soft_edge_px": SOFT_EDGE_PX,
            "least_fall": LEAST_FALL,
            "n_places": N_PLACES,
            "chance": chance_of(PATCH_PX),
            "stages": [list(stage) for stage in STAGES],
            "shuffle_seed": SHUFFLE_SEED,
            "n_resamples": N_RESAMPLES,
        }


@dataclass(frozen=True, slots=True)
class MethodOnFace:
    """What was measured of one method on one person's probe.

    Attributes:
        method: The row's name.
        person: Whose probe.
        path: The probe's photo.
        faithfulness: Deletion and insertion, and whether the map is constant.
        adds_up: Whether base and map come to the score within 1e-5; None for a method whose values need not.
        hit: Whether the method pointed at the patch in the known-region game; None where it could not be played.
        stability: As ``faithfulness.stability`` returns it; None also on faces beyond those it is measured on.
        randomization: As ``faithfulness.randomization`` returns it; None likewise.
        seconds: Time of the map alone, networks warm.
    """

    method: str
    person: str
    path: Path
    faithfulness: Faithfulness
    adds_up: bool | None
    hit: bool | None
    stability: float | None
    randomization: Mapping[str, float] | None
    seconds: float


def with_baselines(methods: Mapping[str, ExplanationMethod]) -> dict[str, ExplanationMethod]:
    """The methods, and after them the maps that know nothing of the network."""
    return {**methods, **{baseline.name: baseline for baseline in BASELINES}}


def evaluate_explanations(
    probes: Sequence[Probe],
    methods: Mapping[str, ExplanationMethod],
    *,
    model: ExplainedModel,
    shuffled: Iterable[tuple[str, ExplainedModel]] = (),
    checks: Checks = Checks(),
) -> Iterator[MethodOnFace]:
    """Measure methods on each probe against its nearest photo.

    It may be stopped after any value: a report is made of what was measured by then.

    Args:
        probes: What to explain. The known-region game takes its patch from the next probe's crop.
        methods: By the name of their row; ``with_baselines`` adds what they have to beat.
        model: Made the probes' embeddings, and is explained.
        shuffled: The same with its weights shuffled; not made use of where ``checks`` randomizes on no face.
        checks: How thoroughly to measure.

    Yields:
        For each probe every method, in order. The first also takes the time to load, warm up and shuffle networks.

    Raises:
        ExplanationError: There is no probe, or a method cannot explain one.
    """
    if not probes:
        raise ExplanationError(
            "There is nothing to explain. Give a folder that holds one folder a person, each with two photos or more "
            "in which that person is alone."
        )
    stages = list(shuffled) if checks.n_thorough else []
    for method in methods.values():
        method.explain(model, probes[0].crop, [_target(probes[0])])  # the first call of each is not timed
    for number, probe in enumerate(probes):
        rng = np.random.default_rng([checks.seed, number])
        other = probes[(number + 1) % len(probes)]  # of a single probe itself, which lowers no score: no game
        pasted = paste_patch(model.embedder, probe.crop, other.crop, _target(probe), rng=rng)
        for name, method in methods.items():
            yield _measured(
                name,
                method,
                model,
                probe,
                pasted=pasted,
                shuffled=stages,
                is_thorough=number < checks.n_thorough,
                n_steps=checks.n_steps,
            )


def _measured(
    name: str,
    method: ExplanationMethod,
    model: ExplainedModel,
    probe: Probe,
    *,
    pasted: Pasted | None,
    shuffled: Sequence[tuple[str, ExplainedModel]],
    is_thorough: bool,
    n_steps: int,
) -> MethodOnFace:
    target = _target(probe)
    start = perf_counter()
    (heat,) = method.explain(model, probe.crop, [target])
    seconds = perf_counter() - start
    return MethodOnFace(
        method=name,
        person=probe.person,
        path=probe.path,
        faithfulness=faithfulness(model.embedder, probe.crop, target, heat, n_steps=n_steps),
        adds_up=_adds_up(heat),
        hit=None if pasted is None else points_at_patch(method, model, pasted, target),
        stability=stability(method, model, probe.crop, target, heat) if is_thorough else None,
        randomization=randomization(method, probe.crop, target, heat, shuffled) if is_thorough and shuffled else None,
        seconds=seconds,
    )


def _target(probe: Probe) -> Target:
    return Target(probe.nearest, f"similarity to {probe.nearest_path.name} of {probe.person}")


def _adds_up(heat: HeatMap) -> bool | None:
    if heat.base is None:
        return None
    return abs(heat.base + float(heat.values.sum(dtype=np.float64)) - heat.score) <= ADDS_UP_WITHIN
