"""Ways to prepare a face and rules to score a member, held against each other in one open-set experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import DEFAULT_SCORE, ModelIdentity, Preparation, ScoreRule
from facegallery.evaluation.acquisition import Looked, prepared, subject_embeddings
from facegallery.evaluation.identification import enrolled, error_rates, rank_1, scores_of
from facegallery.evaluation.intervals import Rate
from facegallery.evaluation.normalization import Normalization, normalized
from facegallery.evaluation.rates import PointAtRate
from facegallery.evaluation.subjects import largest_face
from facegallery.matching.scores import templates_by_member

if TYPE_CHECKING:
    from facegallery.evaluation.experiment import Experiment
    from facegallery.weights.files import InstalledModel

WANTED_FPIRS = (0.02, 0.05)

N_SETTINGS = len(Preparation) * len(ScoreRule) + len(Normalization)
"""How many are compared, unless there are too few members to normalize by."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to do it, and how well it does.

    Attributes:
        preparation: How faces are prepared.
        score: How a member's similarity is made.
        normalization: What is done to the similarities; None for what the product does.
        n_templates: Photos that were enrolled: which are, depends on the preparation.
        rank_1: Probes whose own member is the nearest, of all probes.
        at_rates: For each wanted FPIR.
    """

    preparation: Preparation
    score: ScoreRule
    normalization: Normalization | None
    n_templates: int
    rank_1: Rate
    at_rates: tuple[PointAtRate, ...]


@dataclass(frozen=True, slots=True)
class PreparationsReport:
    """Settings side by side.

    Attributes:
        experiment: Who took part.
        model: Whose embeddings were compared.
        usual: The setting of a new gallery on this model.
        settings: All of them.
    """

    experiment: Experiment
    model: ModelIdentity
    usual: tuple[Preparation, ScoreRule]
    settings: tuple[Setting, ...]


def compare_settings(
    experiment: Experiment, found: Mapping[Path, Looked], *, model: InstalledModel
) -> Iterator[Setting]:
    """Every preparation with every score rule; and the usual pair with every normalization.

    Args:
        experiment: Who takes part.
        found: What was found in each of its photos, in every preparation.
        model: Made the embeddings.

    Raises:
        EvaluationError: Not one photo could be enrolled.
    """
    attempts = (*experiment.probes, *experiment.strangers)
    n_probes = len(experiment.probes)
    for preparation in Preparation:
        answers = prepared(found, preparation)
        embeddings = subject_embeddings(answers, largest_face)
        subjects = [embeddings.get(attempt.path) for attempt in attempts]
        with enrolled(experiment, answers, model=model, preparation=preparation) as gallery:
            templates = gallery.templates
        members = list(templates_by_member(templates))
        for rule in ScoreRule:
            raw = scores_of(subjects, templates, rule)
            kinds: list[Normalization | None] = [None]
            if (preparation, rule) == usual_setting(model) and len(members) > 2:
                kinds += Normalization
            for kind in kinds:
                scores = raw if kind is None else normalized(raw, templates, rule, kind)
                errors = error_rates(scores[:n_probes], scores[n_probes:], members, experiment)
                at_rates = tuple(errors.at_rates(WANTED_FPIRS))
                yield Setting(preparation, rule, kind, len(templates.ids), rank_1(errors), at_rates)


def usual_setting(model: InstalledModel) -> tuple[Preparation, ScoreRule]:
    """What a new gallery on a model does."""
    return model.spec.preparation, DEFAULT_SCORE
