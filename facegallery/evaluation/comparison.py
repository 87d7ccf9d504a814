"""From what was measured of each method on each face to one row a method, and the report that they stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.evaluation.explanations import Checks, MethodOnFace
from facegallery.evaluation.intervals import Mean, Rate
from facegallery.evaluation.probes import Probe, SkippedPerson
from facegallery.explanation.baselines import BASELINES

if TYPE_CHECKING:
    from facegallery.domain import ModelIdentity
    from facegallery.explanation.fills import Fill

BASELINE_NAMES = tuple(baseline.name for baseline in BASELINES)


@dataclass(frozen=True, slots=True)
class ExplanationReport:
    """How methods of explanation compare over a folder.

    Attributes:
        folder: Held one folder a person.
        model: Whose decisions were explained.
        methods: Names of the rows that were asked for.
        probes: The faces that were to be explained.
        checks: How thoroughly they were measured.
        skipped: People without a probe.
        measured: What was measured; less than everything when the run was stopped.
    """

    folder: Path
    model: ModelIdentity
    methods: tuple[str, ...]
    probes: tuple[Probe, ...]
    checks: Checks
    skipped: tuple[SkippedPerson, ...]
    measured: tuple[MethodOnFace, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every method was measured on every probe."""
        return 0 < len(self.measured) == len(self.probes) * len(self.methods)

    @property
    def rows(self) -> tuple[MethodRow, ...]:
        """One row a method, in the order in which they first come."""
        return summarized(self.measured)


@dataclass(frozen=True, slots=True)
class MethodRow:
    """One method over all faces that it was measured on.

    Attributes:
        method: The row's name.
        is_baseline: It knows nothing of the network.
        constant: On how many faces its map was constant. Those faces are in all other figures too.
        deletion: By fill, the mean over faces.
        insertion: By fill, the mean over faces.
        difference: Insertion minus deletion, the mean over fills and faces.
        beats: By baseline, on how many faces the method's difference is greater; a tie is no win. Of the faces on
            which both were measured.
        hits: The known-region game, of the faces it could be played on.
        adds_up: On how many faces the map comes to the score; None for a method whose values need not.
        stability: The mean over the faces whose map is not constant; None where there is none.
        randomization: By stage, the mean over the faces it was done on whose map is not constant; empty where none.
        n_randomized: Number of those faces.
        seconds: The median over faces.
    """

    method: str
    is_baseline: bool
    constant: Rate
    deletion: Mapping[Fill, float]
    insertion: Mapping[Fill, float]
    difference: Mean
    beats: Mapping[str, Rate]
    hits: Rate
    adds_up: Rate | None
    stability: float | None
    randomization: Mapping[str, float]
    n_randomized: int
    seconds: float

    @property
    def n_faces(self) -> int:
        """Faces it was measured on."""
        return self.difference.n


def summarized(measured: Sequence[MethodOnFace]) -> tuple[MethodRow, ...]:
    """One row a method, in the order in which they first come."""
    by_method: dict[str, list[MethodOnFace]] = {}
    for one in measured:
        by_method.setdefault(one.method, []).append(one)
    differences = {
        method: {one.path: one.faithfulness.mean_difference for one in ones} for method, ones in by_method.items()
    }
    return tuple(_row(method, ones, differences) for method, ones in by_method.items())


def _row(method: str, ones: Sequence[MethodOnFace], differences: Mapping[str, Mapping[Path, float]]) -> MethodRow:
    fills = list(ones[0].faithfulness.deletion)
    own = differences[method]
    beats = {
        name: Rate.of([own[path] > theirs for path, theirs in differences[name].items() if path in own])
        for name in BASELINE_NAMES
        if name in differences and name != method
    }
    adding = [one.adds_up for one in ones if one.adds_up is not None]
    stable = [one.stability for one in ones if one.stability is not None]
    shuffled = [one.randomization for one in ones if one.randomization is not None]
    return MethodRow(
        method=method,
        is_baseline=method in BASELINE_NAMES,
        constant=Rate.of([one.faithfulness.constant for one in ones]),
        deletion={fill: _mean([one.faithfulness.deletion[fill] for one in ones]) for fill in fills},
        insertion={fill: _mean([one.faithfulness.insertion[fill] for one in ones]) for fill in fills},
        difference=Mean.of(list(own.values())),
        beats=beats,
        hits=Rate.of([one.hit for one in ones if one.hit is not None]),
        adds_up=Rate.of(adding) if adding else None,
        stability=_mean(stable) if stable else None,
        randomization={stage: _mean([left[stage] for left in shuffled]) for stage in (shuffled[0] if shuffled else ())},
        n_randomized=len(shuffled),
        seconds=float(np.median([one.seconds for one in ones])),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
