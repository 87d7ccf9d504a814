"""Detect, cover what was found, detect again, until nothing is found: what else there is, and what covers look like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.crops import to_photo_frame
from facegallery.domain import BoxXyxy, Detector, Face, Photo, Pixels
from facegallery.explanation.fills import Fill, filled

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROUNDS = 6
"""Each round but the last finds a face in a new place, so the rounds end by themselves; this bounds the time."""

COVER_MARGIN = 0.1
"""How far a cover reaches beyond the face's box, in its sides: chin and hairline alone can still be found."""

ON_COVER_SHARE = 0.5
"""A detection is of a cover, not of a face, when covers hide more than this share of its box."""

PICTURE_SIDE_PX = 640


class RoundsEnd(str, Enum):
    """Why there is no further round."""

    NOTHING_FOUND = "nothing_found"
    """The usual end."""
    ONLY_COVERS = "only_covers"
    """All that is found lies on covers: a cover was taken for a face, and to cover it again would change nothing."""
    MOST_ROUNDS = "most_rounds"
    """There may be more: after ``MAX_ROUNDS`` it is not looked again."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One look at the photo.

    Attributes:
        number: From 1; the first sees the photo itself.
        faces: Found in this round, photo frame, most probable first.
        on_cover: For each face whether it lies on a cover of an earlier round, so that it is no face.
        picture: What was searched, with the covers of earlier rounds: shape (h, w, 3), uint8, RGB; reduced where its
            long side would be over ``PICTURE_SIDE_PX``.
    """

    number: int
    faces: tuple[Face, ...]
    on_cover: tuple[bool, ...]
    picture: Pixels


@dataclass(frozen=True, slots=True)
class Rounds:
    """All looks at a photo, and why they ended."""

    rounds: tuple[Round, ...]
    end: RoundsEnd

    def words(self) -> tuple[str, ...]:
        """What the rounds after the first found, in sentences."""
        lines = [_round_words(later) for later in self.rounds[1:]]
        if self.end is RoundsEnd.ONLY_COVERS:
            lines.append("No further round: to cover a cover again would change nothing.")
        if self.end is RoundsEnd.MOST_ROUNDS:
            lines.append(f"It ends after {MAX_ROUNDS} rounds, and there may be more.")
        return tuple(lines)


def cover_and_detect(photo: Photo, detector: Detector) -> Rounds:
    """Search a photo again and again, what was found covered with its mean colour.

    The mean leaves nothing of a face, which a blur's light and dark do, and few edges, of which noise has many. In 66
    photos with 93 faces no mean and no blur was taken for a face, and noise was once with margins of 0 and 0.25.

    Args:
        photo: The photo; its pixels stay as they are.
        detector: Finds the faces.
    """
    pixels, is_covered = photo.pixels, np.zeros(photo.pixels.shape[:2], bool)
    rounds: list[Round] = []
    for number in range(1, MAX_ROUNDS + 1):
        found = detector.detect(pixels)
        on_cover = tuple(_share_covered(face, is_covered) > ON_COVER_SHARE for face in found)
        rounds.append(Round(number, tuple(to_photo_frame(found, photo)), on_cover, _reduced(pixels)))
        if not found:
            return Rounds(tuple(rounds), RoundsEnd.NOTHING_FOUND)
        if all(on_cover):
            return Rounds(tuple(rounds), RoundsEnd.ONLY_COVERS)
        pixels = pixels.copy()
        for face in found:
            place = _place(face.box_xyxy, pixels.shape, COVER_MARGIN)
            pixels[place], is_covered[place] = filled(pixels[place], Fill.MEAN), True
    return Rounds(tuple(rounds), RoundsEnd.MOST_ROUNDS)


def _share_covered(face: Face, is_covered: NDArray[np.bool_]) -> float:
    return float(is_covered[_place(face.box_xyxy, is_covered.shape, 0)].mean())


def _place(box: BoxXyxy, shape: tuple[int, ...], margin: float) -> tuple[slice, slice]:
    """The rows and columns of the pixels that a box touches, made wider on each side by a share of its sides."""
    left, top, right, bottom = box
    across, down = margin * (right - left), margin * (bottom - top)
    return (
        slice(max(0, math.floor(top - down)), max(0, min(shape[0], math.ceil(bottom + down)))),
        slice(max(0, math.floor(left - across)), max(0, min(shape[1], math.ceil(right + across)))),
    )


def _reduced(pixels: Pixels) -> Pixels:
    picture = Image.fromarray(pixels)
    picture.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX))
    return np.array(picture)


def _round_words(later: Round) -> str:
    start = f"Round {later.number}, with what was found before covered:"
    n_faces, n_on_cover = len(later.faces), sum(later.on_cover)
    if not n_faces:
        return f"{start} nothing is found."
    found = f"{start} {n_faces} more {'is' if n_faces == 1 else 'are'} found."
    if n_on_cover:
        found += f" {n_on_cover} of them {'lies' if n_on_cover == 1 else 'lie'} on a cover: it was taken for a face."
    return found
