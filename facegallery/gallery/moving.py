"""Which enrolled face of a photo is meant, when it is to become another member's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import EnrolledFace, same_face
from facegallery.errors import FaceChoiceNeeded, PhotoError, PhotoNotEnrolled
from facegallery.images import load_file

if TYPE_CHECKING:
    from facegallery.gallery.opened import OpenedGallery
    from facegallery.store import Store


def enrolled_face_meant(
    gallery: OpenedGallery, store: Store, path: Path, *, of: str | None, face_number: int | None
) -> EnrolledFace:
    """The one enrolled face that is meant.

    Args:
        gallery: For its networks, which number the faces where a number is given.
        store: The gallery's.
        path: The photo.
        of: Whose face it is; None for whoever's.
        face_number: Which face of the photo it is, from 1; None where that need not be said.

    Raises:
        PhotoNotEnrolled: There is none.
        FaceChoiceNeeded: There are several.
        PhotoError: A number is given, and the file cannot be read.
        MemberNotFound: No such member.
    """
    faces = _enrolled(store, path)
    if of is not None:
        name = store.member(of).name
        others = [face.member for face in faces]
        faces = [face for face in faces if face.member == name]
        if others and not faces:
            raise PhotoNotEnrolled(path, f"no face of it is enrolled as {name}, but as {' and '.join(others)}")
    if face_number is not None:
        faces = _of_number(gallery, path, faces, face_number)
    if not faces:
        raise PhotoNotEnrolled(path)
    if len(faces) > 1:
        whose = " and ".join(dict.fromkeys(face.member for face in faces))
        advice = (
            f"They are enrolled for {whose}: say whose with --from NAME, or which with --face N; "
            "'facegallery detect PHOTO --draw DIR' shows the numbers."
        )
        raise FaceChoiceNeeded(path, len(faces), advice)
    return faces[0]


def _enrolled(store: Store, path: Path) -> list[EnrolledFace]:
    """The faces enrolled from these bytes; where they are not to be had, or not known, from a photo at this place."""
    try:
        by_content = store.faces_of_photo(load_file(path).content_hash)
    except PhotoError:
        by_content = []
    return by_content or store.faces_at(path.absolute())


def _of_number(gallery: OpenedGallery, path: Path, faces: list[EnrolledFace], number: int) -> list[EnrolledFace]:
    from facegallery.gallery.analysis import pick_face, read_and_analyze

    _, found = read_and_analyze(gallery.analyzer, path)
    meant = found[pick_face(path, found, number, option="--face")]
    return [face for face in faces if same_face(face.face.box_xyxy, meant.face.box_xyxy)]
