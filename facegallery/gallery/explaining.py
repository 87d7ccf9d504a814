"""Why a face was decided as it was: maps over the probe, and the enrolled photo it was compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from facegallery.crops import crop_face
from facegallery.domain import Decision, EmbeddedFace, EnrolledFace, Pixels, TemplateSet, Vectors
from facegallery.errors import ExplanationError, PhotoError
from facegallery.explanation.gradcam import GradCamMatch, GradCamTopChannel
from facegallery.explanation.method import ExplanationMethod, HeatMap
from facegallery.gallery.analysis import FaceAnalyzer, pick_face, read_and_analyze
from facegallery.gallery.identification import identify_faces
from facegallery.gallery.search import MemberSearch
from facegallery.gallery.words import decision_words
from facegallery.images import read_photo
from facegallery.pictures.heat import overlay
from facegallery.pictures.panel import Tile, draw_panel
from facegallery.store import Store

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULT_LAYER = "repeat_2"
"""Layer of the maps unless another is asked for: 8x8 tells regions apart, and at 3x3 more maps come out constant."""

METHODS: tuple[ExplanationMethod, ...] = (GradCamTopChannel(), GradCamMatch())


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The template that a probe was compared with.

    Attributes:
        enrolled: Where the template comes from.
        similarity: Cosine of the probe and this template.
        crop: The enrolled face as the embedder saw it, shape (160, 160, 3), uint8, RGB; None when the photo is gone.
        missing: Why there is no crop, in words, or None.
    """

    enrolled: EnrolledFace
    similarity: float
    crop: Pixels | None
    missing: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Everything an explanation shows.

    Attributes:
        path: The probe's photo.
        face_number: Which of its faces, from 1.
        n_faces: How many faces it has.
        decision: The decision about this face, as ``identify`` makes it.
        crop: The probe as the embedder sees it, shape (160, 160, 3), uint8, RGB.
        comparison: The template it was compared with.
        maps: One for each method.
    """

    path: Path
    face_number: int
    n_faces: int
    decision: Decision
    crop: Pixels
    comparison: Comparison
    maps: tuple[HeatMap, ...]

    def words(self) -> tuple[str, ...]:
        """The decision and what was compared, in sentences."""
        compared, decision = self.comparison, self.decision
        name = compared.enrolled.member
        lines = [decision_words(decision)]
        if decision.best is None or name != decision.best.member:
            lines.append(f"Compared with {name}: similarity {compared.similarity:.2f}.")
        lines.append(f"The template of {name} it was compared with is from {compared.enrolled.photo_path.name}.")
        if self.n_faces > 1:
            lines.append(f"This is face {self.face_number} of {self.n_faces} in {self.path.name}.")
        lines += [f"{heat.method}: {constant_words(heat)}" for heat in self.maps if heat.constant]
        return tuple(lines)


def constant_words(heat: HeatMap) -> str:
    """What a constant map means."""
    return (
        f"the map at {heat.layer} is constant, so it points at no region and is not drawn. "
        "Try another layer (--layer), or another photo if this one is the enrolled photo itself."
    )


def explain_photo(
    path: Path,
    *,
    store: Store,
    analyzer: FaceAnalyzer,
    search: MemberSearch,
    threshold: float,
    member: str | None = None,
    face_number: int | None = None,
    layer: str | None = None,
) -> Explanation:
    """Explain one face of a photo.

    Args:
        path: The photo.
        store: Where the templates are.
        analyzer: Detector and embedder.
        search: Ranks the members by their best template.
        threshold: The similarity that a match needs.
        member: Compare with this member's nearest template; None takes the member that was named, or the nearest.
        face_number: Which face, from 1; None takes the one most similar to the member.
        layer: One of ``facegallery.network.LAYERS``; None takes ``DEFAULT_LAYER``.

    Raises:
        PhotoError: The file cannot be used as a photo.
        FaceChoiceNeeded: It has no face, or none of that number.
        MemberNotFound: No such member.
        ExplanationError: The gallery is empty, or there is no such layer.
    """
    of_member = None if member is None else store.templates(member)
    photo, faces = read_and_analyze(analyzer, path)
    if not faces or face_number is not None:
        pick_face(photo.path, faces, face_number, option="--face")
    identified = identify_faces(photo, faces, search=search, threshold=threshold).faces
    decisions = [face.decision for face in identified]
    nearest = [_nearest(face, face_of.decision, of_member) for face, face_of in zip(faces, identified, strict=True)]
    position = face_number - 1 if face_number else max(range(len(faces)), key=lambda face: nearest[face][0])
    enrolled = store.enrolled_face(nearest[position][1])
    vector = _vector(store, enrolled)
    crop = crop_face(photo, faces[position].face)
    crop_of_match, missing = enrolled_crop(enrolled)
    network = analyzer.network
    return Explanation(
        path=photo.path,
        face_number=position + 1,
        n_faces=len(faces),
        decision=decisions[position],
        crop=crop,
        comparison=Comparison(
            enrolled=enrolled,
            similarity=float(np.dot(faces[position].embedding, vector)),
            crop=crop_of_match,
            missing=missing,
        ),
        maps=tuple(method.explain(network, crop, template=vector, layer=layer or DEFAULT_LAYER) for method in METHODS),
    )


def _nearest(face: EmbeddedFace, decision: Decision, of_member: TemplateSet | None) -> tuple[float, int]:
    """The template to compare a face with: its similarity and its id."""
    if of_member is not None:
        similarities = of_member.vectors @ face.embedding
        row = int(similarities.argmax())
        return float(similarities[row]), int(of_member.ids[row])
    candidate = decision.best or next(iter(decision.candidates), None)
    if candidate is None or candidate.template_id is None:
        raise ExplanationError("The gallery has no member to compare with. Next: facegallery enroll DIR")
    return candidate.similarity, candidate.template_id


def _vector(store: Store, enrolled: EnrolledFace) -> Vectors:
    templates = store.templates(enrolled.member)
    return cast("Vectors", templates.vectors[int(np.flatnonzero(templates.ids == enrolled.template_id)[0])])


def enrolled_crop(enrolled: EnrolledFace) -> tuple[Pixels | None, str | None]:
    """The enrolled face, cut from the photo's file again since crops are not kept, or why it cannot be shown."""
    try:
        photo = read_photo(enrolled.photo_path)
    except PhotoError as error:
        return None, f"the enrolled photo cannot be shown: {error.reason}"
    if photo.content_hash != enrolled.content_hash:
        return None, "the enrolled photo's file has changed since"
    return crop_face(photo, enrolled.face), None


def draw_explanation(explanation: Explanation) -> Image:
    """The picture: probe, one tile a map, and the enrolled face, with the decision in words above."""
    compared = explanation.comparison
    tiles = [Tile("probe", explanation.crop, [explanation.path.name])]
    for heat in explanation.maps:
        if heat.constant:
            tiles.append(
                Tile(heat.method, None, [heat.target, _shape_words(heat)], "constant map:\nit points at no region")
            )
        else:
            picture = overlay(explanation.crop, heat.values)
            tiles.append(Tile(heat.method, picture, [heat.target, _shape_words(heat)], legend=("none", "most")))
    tiles.append(
        Tile(
            f"enrolled: {compared.enrolled.member}",
            compared.crop,
            [compared.enrolled.photo_path.name, f"similarity {compared.similarity:.2f}"],
            compared.missing or "",
        )
    )
    return draw_panel(explanation.words(), tiles)


def _shape_words(heat: HeatMap) -> str:
    rows, columns = heat.values.shape
    return f"layer {heat.layer}, {rows}x{columns}"
