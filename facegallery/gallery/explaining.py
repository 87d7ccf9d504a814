"""Why a face was decided as it was: maps over the probe, and the enrolled photo it was compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.crops import crop_face
from facegallery.domain import Decision, EmbeddedFace, EnrolledFace, Photo, Pixels, Vectors
from facegallery.errors import ExplanationError, PhotoError
from facegallery.explanation.gradcam import GradCamMatch, GradCamTopChannel
from facegallery.explanation.method import ExplanationMethod, HeatMap
from facegallery.gallery.words import decision_words
from facegallery.images import read_photo
from facegallery.pictures.heat import overlay
from facegallery.pictures.panel import Tile, draw_panel

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch.nn import Module

DEFAULT_LAYER = "repeat_2"
"""Layer of the maps unless another is asked for. See docs in the README: 8x8 tells more than 3x3."""

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


def explain_face(
    photo: Photo,
    faces: list[EmbeddedFace],
    position: int,
    *,
    decision: Decision,
    template: tuple[EnrolledFace, Vectors],
    network: Module,
    layer: str = DEFAULT_LAYER,
) -> Explanation:
    """Make the maps for one face.

    Args:
        photo: The probe's photo with its pixels.
        faces: All its faces.
        position: Which one, from 0.
        decision: What was decided about it.
        template: The template to compare with and its vector, shape (512,).
        network: The embedder's network.
        layer: One of ``facegallery.network.LAYERS``.

    Raises:
        ExplanationError: There is no such layer.
    """
    enrolled, vector = template
    crop = crop_face(photo, faces[position].face)
    crop_of_match, missing = enrolled_crop(enrolled)
    return Explanation(
        path=photo.path,
        face_number=position + 1,
        n_faces=len(faces),
        decision=decision,
        crop=crop,
        comparison=Comparison(
            enrolled=enrolled,
            similarity=float(np.dot(faces[position].embedding, vector)),
            crop=crop_of_match,
            missing=missing,
        ),
        maps=tuple(method.explain(network, crop, template=vector, layer=layer) for method in METHODS),
    )


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


def no_template(name: str) -> ExplanationError:
    """The error where there is nothing to compare with."""
    return ExplanationError(
        f"{name} has no template to compare with. Enroll a photo: facegallery enroll --member NAME PHOTO"
    )
