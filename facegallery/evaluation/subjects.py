"""Which face of a photo is the person that the photo is of: one rule for each kind of photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegallery.domain import EmbeddedFace, Face, Photo

    SubjectRule = Callable[[Photo, Sequence[EmbeddedFace]], int | None]

CENTRE_WEIGHT = 2.0
"""Square pixels of face that a face loses for each square pixel of its distance from the middle; facenet-pytorch's."""


def central_face(photo: Photo, faces: Sequence[EmbeddedFace]) -> int | None:
    """Position of the face that is large and near the middle; the first of equals, None where there is no face.

    For photos that were cut out around their person, as LFW's were. The rule is that of facenet-pytorch's notebook on
    LFW (``center_weighted_size``): the largest face, less twice the square of its distance from the middle.
    """

    def prominence(face: Face) -> float:
        left, top, right, bottom = face.box_xyxy
        across, down = (left + right - photo.width_px) / 2, (top + bottom - photo.height_px) / 2
        return _area(face) - CENTRE_WEIGHT * (across**2 + down**2)

    return _greatest(faces, prominence)


def largest_face(photo: Photo, faces: Sequence[EmbeddedFace]) -> int | None:  # noqa: ARG001 - rules are asked alike
    """Position of the largest face; the first of equals, None where there is no face.

    For whole photographs, whose middle is often a belt. On the 15 of 865 CelebA originals on which the two rules
    differ, the face more like the person's other photos is the largest on 13.
    """
    return _greatest(faces, _area)


def _greatest(faces: Sequence[EmbeddedFace], measure: Callable[[Face], float]) -> int | None:
    return max(range(len(faces)), key=lambda place: measure(faces[place].face), default=None)


def _area(face: Face) -> float:
    left, top, right, bottom = face.box_xyxy
    return (right - left) * (bottom - top)
