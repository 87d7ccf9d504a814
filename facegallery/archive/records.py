"""The lines of an archive: each record as one JSON object, and back with every field checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from facegallery.archive.fields import PATH_KEYS, Fault, Fields, from_json, path_fields, time_text, to_json
from facegallery.archive.manifest import FACES, MEMBERS, PHOTOS, REJECTIONS, Counts
from facegallery.domain import (
    LANDMARK_NAMES,
    ArchivedFace,
    ArchivedMember,
    ArchivedPhoto,
    ArchivedRejection,
    Face,
    GalleryContent,
)
from facegallery.errors import BadName
from facegallery.names import clean_name, name_key

MAX_LINE_BYTES = 256 * 1024
"""A path of the longest kind, each byte of it a control character, with room."""

MAX_SIDE_PX = 2**31 - 1

_FACE_KEYS = ("box_xyxy", "landmarks_xy", "probability")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Form(Generic[_R]):
    """One kind of record.

    Attributes:
        entry: The file of its lines.
        what: What it is called in messages.
        keys: Of its objects.
        put: Its fields, from the record and its number.
        take: The record, from its fields, its number and what there is to refer to.
    """

    entry: str
    what: str
    keys: tuple[str, ...]
    put: Callable[[_R, int], dict[str, object]]
    take: Callable[[Fields, int, Counts], _R]

    def line(self, record: _R, number: int, counts: Counts) -> bytes:
        """A record as a line that is read as this very record again.

        Raises:
            Fault: It cannot be kept in an archive.
        """
        line = to_json(self.put(record, number))
        if len(line) > MAX_LINE_BYTES or self.record(line, number, counts) != record:
            raise Fault(f"{self.what} {number} cannot be kept in an archive")
        return line

    def record(self, line: bytes, number: int, counts: Counts) -> _R:
        """The record that a line of a file is.

        Args:
            line: With or without its end; not longer than ``MAX_LINE_BYTES``.
            number: Of the line, from 0.
            counts: How many there are to refer to.

        Raises:
            Fault: It is not as ``line`` makes it.
        """
        where = f"{self.what} {number}"
        return self.take(Fields(from_json(line, where), where, self.keys), number, counts)


# --- members and photos -----------------------------------------------------------------------------------------------


def _put_member(member: ArchivedMember, _number: int) -> dict[str, object]:
    return {"name": member.name, "created_at": time_text(member.created_at)}


def _take_member(fields: Fields, _number: int, _counts: Counts) -> ArchivedMember:
    name = fields.text("name")
    try:
        kept = clean_name(name)
    except BadName as error:
        raise fields.fault("name", "one that a member can have") from error
    if kept != name:
        raise fields.fault("name", "in the form in which names are kept (NFC, no spaces at its ends)")
    return ArchivedMember(name, fields.time("created_at"))


def _put_photo(photo: ArchivedPhoto, _number: int) -> dict[str, object]:
    return {
        "content_hash": photo.content_hash,
        **path_fields(photo.path),
        "width_px": int(photo.width_px),
        "height_px": int(photo.height_px),
        "added_at": time_text(photo.added_at),
    }


def _take_photo(fields: Fields, _number: int, _counts: Counts) -> ArchivedPhoto:
    return ArchivedPhoto(
        content_hash=fields.sha256("content_hash"),
        path=fields.path(),
        width_px=fields.whole("width_px", 1, MAX_SIDE_PX),
        height_px=fields.whole("height_px", 1, MAX_SIDE_PX),
        added_at=fields.time("added_at"),
    )


# --- faces and rejections ---------------------------------------------------------------------------------------------


def _put_detection(face: Face) -> dict[str, object]:
    return {
        "box_xyxy": [float(side) for side in face.box_xyxy],
        "landmarks_xy": [[float(x), float(y)] for x, y in face.landmarks_xy],
        "probability": float(face.probability),
    }


def _take_detection(fields: Fields) -> Face:
    left, top, right, bottom = fields.numbers("box_xyxy", 4)
    if left >= right or top >= bottom:
        raise fields.fault("box_xyxy", "a box with an area: left, top, right, bottom")
    landmarks_xy = fields.points("landmarks_xy", len(LANDMARK_NAMES))
    return Face((left, top, right, bottom), landmarks_xy, fields.number("probability", 0, 1))


def _put_face(face: ArchivedFace, number: int) -> dict[str, object]:
    return {
        "member": face.member,
        "photo": face.photo,
        "vector": number,
        **_put_detection(face.face),
        "quality": None if face.quality is None else float(face.quality),
        "enrolled_at": time_text(face.enrolled_at),
    }


def _take_face(fields: Fields, number: int, counts: Counts) -> ArchivedFace:
    fields.whole("vector", number, number)
    return ArchivedFace(
        member=fields.whole("member", 0, counts.members - 1),
        photo=fields.whole("photo", 0, counts.photos - 1),
        face=_take_detection(fields),
        quality=None if fields.raw("quality") is None else fields.number("quality", 0, 1),
        enrolled_at=fields.time("enrolled_at"),
    )


def _put_rejection(rejection: ArchivedRejection, number: int) -> dict[str, object]:
    return {
        "member": rejection.member,
        "vector": number,
        "content_hash": rejection.content_hash,
        **path_fields(rejection.path),
        **_put_detection(rejection.face),
        "rejected_at": time_text(rejection.rejected_at),
    }


def _take_rejection(fields: Fields, number: int, counts: Counts) -> ArchivedRejection:
    fields.whole("vector", number, number)
    return ArchivedRejection(
        member=fields.whole("member", 0, counts.members - 1),
        content_hash=fields.sha256("content_hash"),
        path=fields.path(),
        face=_take_detection(fields),
        rejected_at=fields.time("rejected_at"),
    )


MEMBER = Form(MEMBERS, "member", ("name", "created_at"), _put_member, _take_member)
PHOTO = Form(
    PHOTOS, "photo", ("content_hash", *PATH_KEYS, "width_px", "height_px", "added_at"), _put_photo, _take_photo
)
FACE = Form(FACES, "face", ("member", "photo", "vector", *_FACE_KEYS, "quality", "enrolled_at"), _put_face, _take_face)
REJECTION = Form(
    REJECTIONS,
    "rejection",
    ("member", "vector", "content_hash", *PATH_KEYS, *_FACE_KEYS, "rejected_at"),
    _put_rejection,
    _take_rejection,
)


# --- between records --------------------------------------------------------------------------------------------------


def require_relations(content: GalleryContent) -> None:
    """Hold records to each other, each being right by itself.

    Raises:
        Fault: Two members have one name, two photos one hash, or a member or a photo has no face.
    """
    if (twice := _repeated([name_key(member.name) for member in content.members])) is not None:
        raise Fault(f"member {twice} has the name of an earlier one")
    if (twice := _repeated([photo.content_hash for photo in content.photos])) is not None:
        raise Fault(f"photo {twice} has the hash of an earlier one")
    if (alone := _unused(len(content.members), {face.member for face in content.faces})) is not None:
        raise Fault(f"member {alone} has no face")
    if (alone := _unused(len(content.photos), {face.photo for face in content.faces})) is not None:
        raise Fault(f"photo {alone} has no face")


def _repeated(keys: list[str]) -> int | None:
    seen = set()
    for number, key in enumerate(keys):
        if key in seen:
            return number
        seen.add(key)
    return None


def _unused(count: int, used: set[int]) -> int | None:
    return next((number for number in range(count) if number not in used), None)
