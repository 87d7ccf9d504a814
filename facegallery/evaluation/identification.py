"""Open-set identification: members are to be named, strangers are not.

Members are enrolled, and faces searched for, by the product's own code, in a gallery that is removed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import SkippedPhoto, Verdict
from facegallery.errors import EvaluationError
from facegallery.evaluation.acquisition import left_out, subject_embeddings
from facegallery.evaluation.intervals import Rate
from facegallery.evaluation.rates import ErrorRates, OperatingPoint, PointAtRate, Trials
from facegallery.evaluation.subjects import largest_face
from facegallery.gallery.enrollment import EnrollOutcome, EnrollStatus, enroll_photos
from facegallery.gallery.gallery import Gallery
from facegallery.gallery.identification import identify_faces
from facegallery.gallery.pipeline import Analysis
from facegallery.gallery.searches import Searches
from facegallery.matching.quality_policy import DEFAULT_POLICY
from facegallery.matching.scores import score_members, templates_by_member
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.weights.files import ModelFiles

if TYPE_CHECKING:
    from facegallery.domain import Limits, ModelIdentity, Preparation, ScoreRule, TemplateSet, Vectors
    from facegallery.evaluation.experiment import Attempt, Experiment
    from facegallery.gallery.analysis import AnalyzedPhoto, FaceAnalyzer
    from facegallery.gallery.search import MemberSearch
    from facegallery.weights.files import InstalledModel

WANTED_FPIRS = (0.001, 0.01, 0.02, 0.05, 0.1)

RIGHT = "right"
WRONG = "wrong"
NO_FACE = "no face"
ANSWERS = (RIGHT, WRONG, Verdict.AMBIGUOUS.value, Verdict.UNKNOWN.value, NO_FACE)
"""What can come of a search: named as who they are, named as somebody else, nobody named, no face found."""

Found = Mapping[Path, "AnalyzedPhoto | SkippedPhoto"]


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledMembers:
    """A gallery for the time of an experiment.

    Attributes:
        outcomes: What became of each photo that was offered.
        templates: What is enrolled.
        searches: Ranks the members.
        gallery: Says what a match needs.
    """

    outcomes: tuple[EnrollOutcome, ...]
    templates: TemplateSet
    searches: Searches
    gallery: Gallery


@dataclass(frozen=True, slots=True)
class Searched:
    """One photo's search.

    Attributes:
        attempt: The photo.
        own: Similarity to the person's own member; None for a stranger, without a face, or where nothing is enrolled.
        nearest: The most similar member; None without a face.
        similarity: To that member; None without a face.
        answer: One of ``ANSWERS``: the decision at the gallery's limits.
    """

    attempt: Attempt
    own: float | None
    nearest: str | None
    similarity: float | None
    answer: str


@dataclass(frozen=True, slots=True, eq=False)
class IdentificationReport:
    """How well members are named and strangers are not.

    Attributes:
        experiment: Who took part.
        model: Whose embeddings were compared.
        preparation: How faces were prepared.
        score: How a member's similarity was made.
        limits: What a decision asked for.
        n_templates: Photos that were enrolled.
        members_lost: Members without any template (failure to enroll), of all members.
        photos_lost: Photos that were not enrolled, of all that were offered.
        probes_without_face: Failure to acquire, of the probes; each is a false negative too.
        strangers_without_face: Failure to acquire, of the strangers' photos; none of them is a false positive.
        rank_1: Probes whose own member is more similar than any other, of all probes.
        errors: FPIR, of the strangers' photos, and FNIR, of the probes: own member not the nearest, or below the
            threshold, or not enrolled, or no face.
        by_threshold: Both at thresholds over the range of the similarities.
        at_rates: For each wanted FPIR.
        at_limits: Both at the threshold of the limits.
        member_answers: By each of ``ANSWERS``, how often it was given to a probe.
        stranger_answers: The same for strangers, to whom every name is wrong.
        searched: Each search.
        left_out: Photos that gave nothing, and why.
    """

    experiment: Experiment
    model: ModelIdentity
    preparation: Preparation
    score: ScoreRule
    limits: Limits
    n_templates: int
    members_lost: Rate
    photos_lost: Rate
    probes_without_face: Rate
    strangers_without_face: Rate
    rank_1: Rate
    errors: ErrorRates
    by_threshold: tuple[OperatingPoint, ...]
    at_rates: tuple[PointAtRate, ...]
    at_limits: OperatingPoint
    member_answers: Mapping[str, Rate]
    stranger_answers: Mapping[str, Rate]
    searched: tuple[Searched, ...]
    left_out: tuple[SkippedPhoto, ...]


@contextmanager
def enrolled(
    experiment: Experiment, found: Found, *, model: InstalledModel, preparation: Preparation
) -> Iterator[EnrolledMembers]:
    """Enroll the members into a gallery of their own, by the product's rules; it is removed at the end.

    Args:
        experiment: Says who is to be enrolled.
        found: What was found in each of the photos.
        model: Made the embeddings.
        preparation: How.

    Raises:
        EvaluationError: Not one photo could be enrolled.
    """
    known = Analysis(lambda paths: [found[path] for path in paths], 1)
    with (
        TemporaryDirectory(prefix="facegallery-", ignore_cleanup_errors=True) as folder,
        Store.create(Path(folder) / DATABASE_NAME, model=model.identity, preparation=preparation) as store,
    ):
        outcomes = tuple(
            enroll_photos(store, model, known, experiment.plan, policy=DEFAULT_POLICY, preparation=preparation)
        )
        if not any(outcome.status is EnrollStatus.ENROLLED for outcome in outcomes):
            raise EvaluationError(
                f"Not one photo of {experiment.folders[0]} could be enrolled. 'facegallery enroll' says why of each."
            )
        gallery = Gallery(Path(folder), store=store, models=ModelFiles.default(), load_analyzer=_no_more_photos)
        yield EnrolledMembers(outcomes, store.templates(), Searches(Path(folder) / INDEX_NAME, store), gallery)


def _no_more_photos(model: InstalledModel) -> FaceAnalyzer:
    raise AssertionError(f"all photos were looked at before model '{model.spec.name}' was asked for again")


def scores_of(embeddings: Sequence[Vectors | None], templates: TemplateSet, rule: ScoreRule) -> Vectors:
    """Every member's similarity to each photo's subject.

    Returns:
        shape (m, n), float32, members in the order of ``templates_by_member``; -inf in the row of a photo that gave no
        face (None).
    """
    members = [member for _, member in templates_by_member(templates).values()]
    scores = np.full((len(embeddings), len(members)), -np.inf, np.float32)
    there = [place for place, embedding in enumerate(embeddings) if embedding is not None]
    probes = [embedding for embedding in embeddings if embedding is not None]
    if probes:
        scores[there] = score_members(np.stack(probes), members, rule)
    return scores


def own_scores(scores: Vectors, members: Sequence[str], people: Sequence[str]) -> Vectors:
    """What each member's photo must have reach the threshold: the similarity to that member.

    Args:
        scores: shape (m, n), float32.
        members: The n members.
        people: Whose each of the m photos is.

    Returns:
        shape (m,), float32: -inf where another member is as similar or more, and where the person is not enrolled.
    """
    column = {member: place for place, member in enumerate(members)}
    own = np.full(len(scores), -np.inf, np.float32)
    for row, person in enumerate(people):
        place = column.get(person)
        if place is not None and scores[row, place] > np.delete(scores[row], place).max(initial=-np.inf):
            own[row] = scores[row, place]
    return own


def error_rates(
    member_scores: Vectors, stranger_scores: Vectors, members: Sequence[str], experiment: Experiment
) -> ErrorRates:
    """FPIR and FNIR from every member's score, shape (m, n), for each probe and each stranger's photo."""
    people = [attempt.person for attempt in experiment.probes]
    return ErrorRates(
        Trials(own_scores(member_scores, members, people), [(person,) for person in people]),
        Trials(stranger_scores.max(axis=1), [(attempt.person,) for attempt in experiment.strangers]),
    )


def rank_1(errors: ErrorRates) -> Rate:
    """Probes whose own member is the nearest, of all probes."""
    nearest = np.isfinite(errors.mated.scores).tolist()
    return Rate.over_people(nearest, [person for (person,) in errors.mated.people])


def identification_report(
    experiment: Experiment,
    found: Found,
    *,
    model: InstalledModel,
    preparation: Preparation,
    score: ScoreRule,
) -> IdentificationReport:
    """Enroll, search and decide.

    Args:
        experiment: Who takes part.
        found: What was found in each of its photos.
        model: Made the embeddings.
        preparation: How.
        score: How a member's similarity is made.

    Raises:
        EvaluationError: Not one photo could be enrolled.
    """
    attempts = (*experiment.probes, *experiment.strangers)
    embeddings = subject_embeddings(found, largest_face)
    with enrolled(experiment, found, model=model, preparation=preparation) as gallery:
        members = list(templates_by_member(gallery.templates))
        scores = scores_of([embeddings.get(attempt.path) for attempt in attempts], gallery.templates, score)
        search = gallery.searches.by(score, gallery.gallery.space)
        limits = gallery.gallery.limits(score=score)
        searched = tuple(
            _searched(attempt, row, members, _answer(attempt, found[attempt.path], search, limits))
            for attempt, row in zip(attempts, scores, strict=True)
        )
    n_probes = len(experiment.probes)
    errors = error_rates(scores[:n_probes], scores[n_probes:], members, experiment)
    offered = [outcome for outcome in gallery.outcomes if outcome.status is not EnrollStatus.ALREADY]
    return IdentificationReport(
        experiment=experiment,
        model=model.identity,
        preparation=preparation,
        score=score,
        limits=limits,
        n_templates=len(gallery.templates.ids),
        members_lost=Rate.of([entry.member not in members for entry in experiment.plan]),
        photos_lost=Rate.over_people(
            [outcome.status is EnrollStatus.SKIPPED for outcome in offered], [outcome.member for outcome in offered]
        ),
        probes_without_face=_answers(searched[:n_probes])[NO_FACE],
        strangers_without_face=_answers(searched[n_probes:])[NO_FACE],
        rank_1=rank_1(errors),
        errors=errors,
        by_threshold=tuple(errors.over_range()),
        at_rates=tuple(errors.at_rates(WANTED_FPIRS)),
        at_limits=errors.at([limits.threshold])[0],
        member_answers=_answers(searched[:n_probes]),
        stranger_answers=_answers(searched[n_probes:]),
        searched=searched,
        left_out=_left_out(gallery, experiment, found),
    )


def _searched(attempt: Attempt, scores: Vectors, members: Sequence[str], answer: str) -> Searched:
    if answer == NO_FACE:
        return Searched(attempt, None, None, None, answer)
    nearest = int(scores.argmax())
    own = float(scores[members.index(attempt.person)]) if attempt.person in members else None
    return Searched(attempt, own, members[nearest], float(scores[nearest]), answer)


def _answer(attempt: Attempt, found: AnalyzedPhoto | SkippedPhoto, search: MemberSearch, limits: Limits) -> str:
    """What is said of the photo's subject, when all faces of the photo are decided together."""
    if isinstance(found, SkippedPhoto):
        return NO_FACE
    subject = largest_face(found.photo, found.faces)
    if subject is None:
        return NO_FACE
    decision = identify_faces(found.photo, found.faces, search=search, limits=limits).faces[subject].decision
    if decision.member is None:
        return decision.verdict.value
    return RIGHT if decision.member == attempt.person else WRONG


def _answers(searched: Sequence[Searched]) -> dict[str, Rate]:
    people = [each.attempt.person for each in searched]
    return {answer: Rate.over_people([each.answer == answer for each in searched], people) for answer in ANSWERS}


def _left_out(gallery: EnrolledMembers, experiment: Experiment, found: Found) -> tuple[SkippedPhoto, ...]:
    not_enrolled = [outcome.skipped for outcome in gallery.outcomes if outcome.skipped is not None]
    searched = {attempt.path: found[attempt.path] for attempt in (*experiment.probes, *experiment.strangers)}
    return (*not_enrolled, *experiment.skipped, *left_out(searched))
