"""Explaining one face of a photo: the match, the runner-up, or why it stayed unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import (
    Calibration,
    Candidate,
    Decision,
    EmbeddedFace,
    EnrolledFace,
    Limits,
    Photo,
    Pixels,
    Vectors,
    Verdict,
)
from facegallery.errors import ExplanationError, PhotoError
from facegallery.explanation.catalogue import methods_named
from facegallery.explanation.covering import FILL, PARTS, with_parts_covered
from facegallery.explanation.method import ExplanationMethod, HeatMap, Target
from facegallery.explanation.occlusion import Covered, Occlusion
from facegallery.explanation.regions import region_of_pixels
from facegallery.explanation.shares import Shares
from facegallery.gallery.analysis import FaceAnalyzer, pick_face, read_and_analyze
from facegallery.gallery.explaining.values import (
    Comparison,
    Contrast,
    Counterfactual,
    CoveredPlace,
    CoveredPlaces,
    Explanation,
    Shortfall,
    Split,
)
from facegallery.gallery.identification import N_CANDIDATES, identify_faces
from facegallery.gallery.search import MemberSearch
from facegallery.images import read_photo
from facegallery.matching.assignment import decide_photo
from facegallery.matching.decisions import reaches
from facegallery.store import Store
from facegallery.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_NEAREST = 3
"""Members that are told of a face that stayed unknown."""


@dataclass(frozen=True)
class Question:
    """What is asked about a photo.

    Attributes:
        member: Compare with this member; None takes the member that was named, or the nearest.
        rival: Why not this member; None takes the runner-up of a match, and of a member that was asked for the one
            that was named.
        face_number: Which face, from 1; None takes the one most similar to the member.
        methods: How to look; None takes ``explanation.catalogue.DEFAULT_METHODS``.
        told: Called after each method on each of the two faces, for a progress bar.
    """

    member: str | None = None
    rival: str | None = None
    face_number: int | None = None
    methods: Sequence[ExplanationMethod] | None = None
    told: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class _Others:
    """The faces that a photo's decisions are made beside.

    Attributes:
        place: Position of the face that is explained.
        candidates: Of each face of the photo.
    """

    place: int
    candidates: tuple[tuple[Candidate, ...], ...]

    def beside(self, candidates: Sequence[Candidate]) -> list[Sequence[Candidate]]:
        """The photo's candidates with others for the face that is explained."""
        return [*self.candidates[: self.place], candidates, *self.candidates[self.place + 1 :]]


@dataclass(frozen=True)
class Explainer:
    """Explains faces against one gallery.

    Attributes:
        store: Where the templates are.
        analyzer: Detector and embedder.
        search: Ranks the members.
        limits: What a match needs.
        calibration: The gallery's for this score rule, or None.
    """

    store: Store
    analyzer: FaceAnalyzer
    search: MemberSearch
    limits: Limits
    calibration: Calibration | None = None

    def explain(self, path: Path, question: Question) -> Explanation:
        """Explain one face of a photo.

        Raises:
            PhotoError: The file cannot be used as a photo.
            FaceChoiceNeeded: It has no face, or none of that number.
            MemberNotFound: No such member.
            ExplanationError: The gallery is empty, or a map cannot be made.
        """
        asked = [None if name is None else self.store.member(name).name for name in (question.member, question.rival)]
        photo, faces = read_and_analyze(self.analyzer, path)
        if len(faces) > 1:
            faces = self._embedded_alone(photo, faces)
        if not faces or question.face_number is not None:
            pick_face(photo.path, faces, question.face_number, option="--face")
        identified = identify_faces(photo, faces, search=self.search, limits=self.limits, calibration=self.calibration)
        decisions = [each.decision for each in identified.faces]
        nearest = [self._nearest(face, decision, asked[0]) for face, decision in zip(faces, decisions, strict=True)]
        number = question.face_number or 1 + max(range(len(faces)), key=lambda face: nearest[face].similarity)
        face, decision, chosen = faces[number - 1], decisions[number - 1], nearest[number - 1]
        crop = self.analyzer.crop(photo, face.face)
        regions = region_of_pixels(self.analyzer.landmarks_in_crop(photo, face.face))
        comparison = self._comparison(face, chosen.member)
        rival = self._rival(face, decision, comparison.enrolled.member, asked[1])
        targets = [_similarity_to(comparison)] + ([_difference(comparison, rival)] if rival else [])
        methods = list(question.methods or methods_named())
        by_target, covered = _maps(methods, self.analyzer, crop, targets, question.told)
        place = next((place for place, method in enumerate(methods) if isinstance(method, Shares)), None)
        shares = (
            Shares().explain(self.analyzer, crop, targets) if place is None else [maps[place] for maps in by_target]
        )
        splits = [Split.of(heat, regions) for heat in shares]
        comparison = self._with_maps(comparison, methods, face.embedding, question.told)
        others = _Others(number - 1, tuple(each.candidates for each in decisions))
        return Explanation(
            path=photo.path,
            content_hash=photo.content_hash,
            face_number=number,
            n_faces=len(faces),
            made_with=made_with(self.analyzer),
            decision=decision,
            embedding=face.embedding,
            crop=crop,
            comparison=comparison,
            maps=by_target[0],
            split=splits[0],
            contrast=None
            if rival is None
            else Contrast(rival, comparison.similarity - rival.similarity, by_target[1], splits[1]),
            shortfalls=self._shortfalls(face, len(faces)) if decision.verdict is Verdict.UNKNOWN else (),
            counterfactuals=self._counterfactuals(crop, regions, targets[0], others),
            covered=None if covered is None else self._places(covered, crop, targets[0], decision, others),
            methods=tuple(methods),
        )

    def _embedded_alone(self, photo: Photo, faces: Sequence[EmbeddedFace]) -> list[EmbeddedFace]:
        """Each face embedded by itself, as the maps do: in bf16 a batch of several rounds otherwise."""
        crops = (self.analyzer.crop(photo, face.face)[np.newaxis] for face in faces)
        return [
            replace(face, embedding=self.analyzer.embedder.embed(crop)[0])
            for face, crop in zip(faces, crops, strict=True)
        ]

    # --- who is compared -------------------------------------------------------------------------------------------

    def _rival(self, face: EmbeddedFace, decision: Decision, member: str, asked: str | None) -> Comparison | None:
        """The member that the compared one is set against."""
        if asked is not None:
            if asked != member:
                return self._comparison(face, asked)
            if decision.verdict is Verdict.MATCH:
                raise ExplanationError(
                    f"{member} is the member that this face is compared with. Next: name another one with --not, or "
                    "compare with another by --member."
                )
            return None  # why not the nearest member: that is what the explanation of an unknown says anyway
        if decision.verdict is Verdict.UNKNOWN or decision.best is None:
            return None
        other = decision.runner_up if member == decision.best.member else decision.best
        return None if other is None else self._comparison(face, other.member)

    def _nearest(self, face: EmbeddedFace, decision: Decision, asked: str | None) -> Candidate:
        """The member to compare a face with."""
        if asked is not None:
            return self.search.score(asked, face.embedding).candidate
        candidate = decision.best or next(iter(decision.candidates), None)
        if candidate is None:
            raise ExplanationError("The gallery has no member to compare with. Next: facegallery enroll DIR")
        return candidate

    def _comparison(self, face: EmbeddedFace, member: str) -> Comparison:
        try:
            score = self.search.score(member, face.embedding)
            enrolled = self.store.enrolled_face(score.candidate.template_id)
        except LookupError as error:
            raise ExplanationError(
                "The member was forgotten while the face was looked at. Next: run the same command again."
            ) from error
        crop, missing = enrolled_crop(enrolled, self.analyzer)
        return Comparison(enrolled, score.words, score.direction, score.candidate.similarity, crop, missing)

    def _with_maps(
        self,
        comparison: Comparison,
        methods: Sequence[ExplanationMethod],
        probe: Vectors,
        told: Callable[[], None],
    ) -> Comparison:
        if comparison.crop is None:
            return comparison
        target = Target(probe, "similarity to the probe")
        (maps,), _ = _maps(methods, self.analyzer, comparison.crop, [target], told)
        return replace(comparison, maps=maps)

    def _shortfalls(self, face: EmbeddedFace, n_faces: int) -> tuple[Shortfall, ...]:
        """The nearest members that fell short; of those that did not, each is named at another face."""
        (candidates,) = self.search.candidates(face.embedding[np.newaxis], N_NEAREST + n_faces)
        return tuple(
            Shortfall(each.member, each.similarity, self.limits.threshold - each.similarity)
            for each in candidates
            if not reaches(each.similarity, self.limits.threshold)
        )[:N_NEAREST]

    # --- what would have been --------------------------------------------------------------------------------------

    def _counterfactuals(
        self, crop: Pixels, regions: NDArray[np.int8], target: Target, others: _Others
    ) -> tuple[Counterfactual, ...]:
        embeddings = self.analyzer.embedder.embed(with_parts_covered(crop, regions))
        return tuple(
            Counterfactual(covered, similarity, decision)
            for covered, similarity, decision in zip(
                PARTS, target.of(embeddings).tolist(), self._decisions(embeddings, others), strict=True
            )
        )

    def _places(
        self, covered: Covered, crop: Pixels, target: Target, decision: Decision, others: _Others
    ) -> CoveredPlaces:
        similarities = target.of(covered.embeddings).tolist()
        places = tuple(
            CoveredPlace(tuple(box), similarity, under)
            for box, similarity, under in zip(
                covered.boxes_xyxy.tolist(), similarities, self._decisions(covered.embeddings, others), strict=True
            )
        )
        worst = min(places, key=lambda place: place.similarity)
        left, top, right, bottom = (int(side) for side in worst.box_xyxy)
        masked = crop.copy()
        masked[top:bottom, left:right] = covered.fill[top:bottom, left:right]
        n_changed = sum(
            (place.decision.verdict, place.decision.member) != (decision.verdict, decision.member) for place in places
        )
        return CoveredPlaces(places, worst, masked, n_changed)

    def _decisions(self, embeddings: Vectors, others: _Others) -> list[Decision]:
        """About faces that are the same but for what was covered, beside the photo's other faces as they are."""
        candidates = self.search.candidates(embeddings, max(N_CANDIDATES, len(others.candidates) + 1))
        return [decide_photo(others.beside(each), limits=self.limits)[others.place] for each in candidates]


def _similarity_to(comparison: Comparison) -> Target:
    return Target(comparison.direction, f"similarity to {comparison.enrolled.member}")


def _difference(comparison: Comparison, rival: Comparison) -> Target:
    return Target(
        comparison.direction - rival.direction,
        f"similarity to {comparison.enrolled.member} minus that to {rival.enrolled.member}",
    )


def _maps(
    methods: Sequence[ExplanationMethod],
    analyzer: FaceAnalyzer,
    crop: Pixels,
    targets: Sequence[Target],
    told: Callable[[], None],
) -> tuple[list[tuple[HeatMap, ...]], Covered | None]:
    """For each target one map a method; and the crops that the first occlusion covered."""
    of_method, covered = [], None
    for method in methods:
        if isinstance(method, Occlusion):
            under = method.cover(analyzer, crop)
            covered = covered or under
            of_method.append(method.heats(under, targets))
        else:
            of_method.append(method.explain(analyzer, crop, targets))
        told()
    return [tuple(heats) for heats in zip(*of_method, strict=True)], covered


def made_with(analyzer: FaceAnalyzer) -> dict[str, str]:
    """The model and how it was computed."""
    precision = getattr(analyzer.embedder, "precision", None)
    return {
        "model": analyzer.model.spec.name,
        "model's SHA-256": analyzer.model.fingerprint,
        "computed in": "torch, f32" if precision is None else f"OpenVINO, {precision.value}",
        "parts covered with": f"the crop's {FILL.value}",
        "program": f"facegallery {__version__}",
    }


def enrolled_crop(enrolled: EnrolledFace, analyzer: FaceAnalyzer) -> tuple[Pixels | None, str | None]:
    """The enrolled face, cut from the photo's file again, or why it cannot be shown."""
    photo, missing = enrolled_photo(enrolled)
    return (None if photo is None else analyzer.crop(photo, enrolled.face)), missing


def enrolled_photo(enrolled: EnrolledFace) -> tuple[Photo | None, str | None]:
    """The photo that a face was enrolled from, or why it cannot be shown."""
    try:
        photo = read_photo(enrolled.photo_path)
    except PhotoError as error:
        return None, f"the enrolled photo cannot be shown: {error.reason}"
    if photo.content_hash != enrolled.content_hash:
        return None, "the enrolled photo's file has changed since"
    return photo, None
