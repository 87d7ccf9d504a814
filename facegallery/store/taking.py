"""Taking in another gallery's content: what of it comes, and how it is written.

What is there stays as it is. A member is known by the name, a photo by its bytes, a face by its place in the photo:

- who is called the same is the same member, and keeps the name and the day as they are here;
- a face that is enrolled here stays whose it is: members who were renamed, merged or given other photos since the
  archive was made do not come back under a second name;
- a face of which somebody said here that it is not that member's does not come, and neither does such a word about a
  face that is enrolled here as that member;
- a calibration is of the group that it was made of: only an empty gallery takes it.

Content is held to what was there before, never to itself: what a gallery held comes back as it was.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from facegallery.domain import ArchivedFace, ArchivedRejection, BoxXyxy, Calibration, GalleryContent, Taken, same_face
from facegallery.errors import ModelMismatch
from facegallery.names import clean_name, name_key
from facegallery.store import calibrations, crops, rejections, rows
from facegallery.store.changes import namings_of
from facegallery.store.listed import IN_LIST, listed
from facegallery.store.sealed import kept_name, kept_photo_path
from facegallery.store.tables import Base, CropRow, FaceRow, MemberRow, PhotoRow, RejectionRow, TemplateRow
from facegallery.store.vectors import seal_vector, to_blob

_AT_ONCE = 500
"""Rows that are looked for, or written, in one statement."""

_GAP = 1 << 24
"""Ids of templates that come begin at a place drawn from so many.

An index knows its store by the id and the time of one template. Times come again when an archive is taken in again,
after a backup was restored, say: the ids must not.
"""

_T = TypeVar("_T")


class _Fate(Enum):
    NEW = auto()
    KNOWN = auto()
    OTHERS = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes of some content.

    Attributes:
        content: All of it.
        member_ids: Of its members, those who are there, by their places in it.
        photo_ids: The same of its photos.
        faces: Places of the faces that come.
        rejections: Places of the rejections that come.
        crops: Places of the crops that come, with the id of the face where that was there already.
        taken: The same in numbers.
    """

    content: GalleryContent
    member_ids: Mapping[int, int]
    photo_ids: Mapping[int, int]
    faces: tuple[int, ...]
    rejections: tuple[int, ...]
    crops: Mapping[int, int | None]
    taken: Taken


# --- what comes ---------------------------------------------------------------------------------------------------


def plan(connection: Connection, path: Path, content: GalleryContent) -> Plan:
    """Hold content to what is there.

    Raises:
        ModelMismatch: It is of another model, or of faces prepared otherwise.
    """
    _require_space(connection, path, content)
    there = _There.of(connection, content)
    fates = [there.fate_of_face(face) for face in content.faces]
    faces = tuple(place for place, fate in enumerate(fates) if fate is _Fate.NEW)
    coming = {content.faces[place].member for place in faces}
    said = [there.fate_of_rejection(each, coming) for each in content.rejections]
    with_crop = _crops(connection, content, fates, there)
    names = [content.members[place].name for place in sorted(coming - there.member_ids.keys())]
    n_faces, n_said = Counter(fates), Counter(said)
    taken = Taken(
        new_members=tuple(names),
        grown_members=tuple(there.names[place] for place in sorted(coming & there.member_ids.keys())),
        n_known_members=len(there.member_ids),
        n_photos=len({content.faces[place].photo for place in faces} - there.photo_ids.keys()),
        n_faces=n_faces[_Fate.NEW],
        n_known_faces=n_faces[_Fate.KNOWN],
        n_others_faces=n_faces[_Fate.OTHERS],
        n_refused_faces=n_faces[_Fate.REFUSED],
        n_rejections=n_said[_Fate.NEW],
        n_known_rejections=n_said[_Fate.KNOWN],
        n_refused_rejections=n_said[_Fate.REFUSED],
        n_crops=len(with_crop),
        calibration=_takes_calibration(connection, content.calibration),
    )
    rejected = tuple(place for place, fate in enumerate(said) if fate is _Fate.NEW)
    return Plan(content, there.member_ids, there.photo_ids, faces, rejected, with_crop, taken)


def _require_space(connection: Connection, path: Path, content: GalleryContent) -> None:
    model, preparation = rows.gallery_model(connection, path)[1], rows.preparation(connection)
    if model.fingerprint != content.model.fingerprint:
        raise ModelMismatch(
            model.name,
            content.model.name,
            f"The archive holds vectors of model '{content.model.name}' ({content.model.fingerprint[:12]}), and those "
            f"in {path.parent} are of '{model.name}' ({model.fingerprint[:12]}): they cannot be compared. Import it "
            f"into another folder: '--gallery FOLDER'. To have both on one model, take that gallery there "
            f"('facegallery reembed --model {model.name}'), and export it again.",
        )
    if preparation is not content.preparation:
        raise ModelMismatch(
            preparation.value,
            content.preparation.value,
            f"Faces in the archive are prepared by '{content.preparation.value}', and those in {path.parent} by "
            f"'{preparation.value}': their vectors cannot be compared. Import it into another folder: '--gallery "
            f"FOLDER'. To have both prepared alike: 'facegallery reembed --preparation {preparation.value}' there, and "
            "export it again.",
        )


def _takes_calibration(connection: Connection, given: Calibration | None) -> bool | None:
    if given is None:
        return None
    kept = calibrations.load(connection)
    if kept is None:
        return rows.count_members(connection) == 0
    is_the_same = (kept.created_at, kept.score, kept.threshold) == (given.created_at, given.score, given.threshold)
    return None if is_the_same else False


@dataclass(frozen=True, slots=True)
class _Enrolled:
    """An enrolled face."""

    face_id: int
    member_id: int
    box_xyxy: BoxXyxy


@dataclass(frozen=True, slots=True)
class _There:
    """What is there of what some content is about.

    Attributes:
        content: That.
        member_ids: Ids of its members, by their places in it.
        names: What they are called here.
        photo_ids: Ids of its photos, by their places in it.
        enrolled: The faces in its photos, and in those of its rejections, by the photos' hashes.
        said: Boxes of faces that are not a member's, by the member's id and the photo's hash.
    """

    content: GalleryContent
    member_ids: dict[int, int]
    names: dict[int, str]
    photo_ids: dict[int, int]
    enrolled: dict[str, list[_Enrolled]]
    said: dict[tuple[int, str], list[BoxXyxy]]

    @classmethod
    def of(cls, connection: Connection, content: GalleryContent) -> _There:
        """Look for it."""
        keys = [name_key(member.name) for member in content.members]
        hashes = [photo.content_hash for photo in content.photos]
        members = _ids(connection, MemberRow.id, MemberRow.name_key, keys)
        photos = _ids(
            connection,
            PhotoRow.id,
            PhotoRow.content_hash,
            {*hashes, *(each.content_hash for each in content.rejections)},
        )
        member_ids = {place: members[key] for place, key in enumerate(keys) if key in members}
        names = {each.member_id: each.before or "" for each in namings_of(connection, member_ids.values())}
        for place, member_id in member_ids.items():
            rows.require_key_of_name(connection, member_id, names[member_id], keys[place])
        return cls(
            content,
            member_ids,
            {place: names[member_id] for place, member_id in member_ids.items()},
            {place: photos[key] for place, key in enumerate(hashes) if key in photos},
            _enrolled(connection, photos),
            _said(connection, member_ids.values()),
        )

    def fate_of_face(self, face: ArchivedFace) -> _Fate:
        """What becomes of a face."""
        content_hash, box_xyxy = self.content.photos[face.photo].content_hash, face.face.box_xyxy
        member_id = self.member_ids.get(face.member)
        same = [each for each in self.enrolled.get(content_hash, ()) if same_face(each.box_xyxy, box_xyxy)]
        if same:
            return _Fate.KNOWN if any(each.member_id == member_id for each in same) else _Fate.OTHERS
        said = () if member_id is None else self.said.get((member_id, content_hash), ())
        return _Fate.REFUSED if any(_has_middle_of(box_xyxy, other) for other in said) else _Fate.NEW

    def fate_of_rejection(self, rejection: ArchivedRejection, coming: Iterable[int]) -> _Fate:
        """What becomes of a rejection, where these members get faces."""
        content_hash, box_xyxy = rejection.content_hash, rejection.face.box_xyxy
        member_id = self.member_ids.get(rejection.member)
        if member_id is None:
            return _Fate.NEW if rejection.member in coming else _Fate.REFUSED
        if box_xyxy in self.said.get((member_id, content_hash), ()):
            return _Fate.KNOWN
        theirs = (each for each in self.enrolled.get(content_hash, ()) if each.member_id == member_id)
        return _Fate.REFUSED if any(_has_middle_of(each.box_xyxy, box_xyxy) for each in theirs) else _Fate.NEW

    def face_id(self, face: ArchivedFace) -> int | None:
        """The id of the very same face of the same member, or None."""
        enrolled = self.enrolled.get(self.content.photos[face.photo].content_hash, ())
        wanted = (self.member_ids.get(face.member), face.face.box_xyxy)
        return next((each.face_id for each in enrolled if (each.member_id, each.box_xyxy) == wanted), None)


def _ids(
    connection: Connection, of: InstrumentedAttribute[int], key: InstrumentedAttribute[str], wanted: Iterable[str]
) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _batches(wanted):
        found.update({row[1]: row[0] for row in connection.execute(select(of, key).where(key.in_(some)))})
    return found


def _enrolled(connection: Connection, photos: Mapping[str, int]) -> dict[str, list[_Enrolled]]:
    hashes = {photo_id: content_hash for content_hash, photo_id in photos.items()}
    query = select(FaceRow.__table__, TemplateRow.member_id).join(TemplateRow, TemplateRow.face_id == FaceRow.id)
    found: dict[str, list[_Enrolled]] = {}
    for row in connection.execute(query.where(FaceRow.photo_id.in_(IN_LIST)), listed(photos.values())):
        enrolled = _Enrolled(row.id, row.member_id, rows.box_of(row._mapping))
        found.setdefault(hashes[row.photo_id], []).append(enrolled)
    return found


def _said(connection: Connection, member_ids: Iterable[int]) -> dict[tuple[int, str], list[BoxXyxy]]:
    query = select(RejectionRow.__table__).where(RejectionRow.member_id.in_(IN_LIST))
    found: dict[tuple[int, str], list[BoxXyxy]] = {}
    for row in connection.execute(query, listed(list(member_ids))):
        found.setdefault((row.member_id, row.content_hash), []).append(rows.box_of(row._mapping))
    return found


def _crops(
    connection: Connection, content: GalleryContent, fates: Sequence[_Fate], there: _There
) -> dict[int, int | None]:
    """The crops of faces that come, and of those that are there without one."""
    coming: dict[int, int | None] = {place: None for place in content.crops if fates[place] is _Fate.NEW}
    known = {place: there.face_id(content.faces[place]) for place in content.crops if fates[place] is _Fate.KNOWN}
    face_ids = [face_id for face_id in known.values() if face_id is not None]
    query = select(CropRow.face_id).where(CropRow.face_id.in_(IN_LIST))
    taken = {None, *connection.scalars(query, listed(face_ids))}
    for place, face_id in known.items():
        if face_id not in taken:
            coming[place] = face_id
            taken.add(face_id)
    return coming


def _has_middle_of(box_xyxy: BoxXyxy, other_xyxy: BoxXyxy) -> bool:
    """As :mod:`facegallery.store.rejections` tells which enrolled face a rejection is of."""
    x, y = (other_xyxy[0] + other_xyxy[2]) / 2, (other_xyxy[1] + other_xyxy[3]) / 2
    return box_xyxy[0] <= x <= box_xyxy[2] and box_xyxy[1] <= y <= box_xyxy[3]


# --- writing it ---------------------------------------------------------------------------------------------------


def carry_out(connection: Connection, path: Path, coming: Plan) -> None:
    """Write what comes, in the transaction that it was planned in; times are kept, ids are new.

    Raises:
        ValueError: A vector is not of unit length.
    """
    writer = _Writer(connection, rows.gallery_model(connection, path)[0], coming)
    writer.write_faces()
    writer.write_rejections()
    writer.write_crops()
    if coming.taken.calibration and coming.content.calibration is not None:
        calibrations.save(connection, coming.content.calibration)


class _Writer:
    """Writes rows whose ids are known before: names and vectors are sealed for them."""

    def __init__(self, connection: Connection, model_id: int, coming: Plan) -> None:
        self._connection = connection
        self._content = coming.content
        self._coming = coming
        self._model_id = model_id
        faces = [self._content.faces[place] for place in coming.faces]
        self._member_ids = self._with_members(dict.fromkeys(face.member for face in faces))
        self._photo_ids = self._with_photos(dict.fromkeys(face.photo for face in faces))
        first = _greatest_id(connection, FaceRow) + 1
        self._face_ids = {place: face_id for face_id, place in enumerate(coming.faces, first)}

    def _with_members(self, wanted: Iterable[int]) -> dict[int, int]:
        new = sorted(wanted - self._coming.member_ids.keys())
        ids = {place: member_id for member_id, place in enumerate(new, rows.new_member_id(self._connection))}
        self._insert(MemberRow, (self._member_row(ids[place], place) for place in new))
        return {**self._coming.member_ids, **ids}

    def _member_row(self, member_id: int, place: int) -> dict[str, object]:
        member = self._content.members[place]
        name = clean_name(member.name)
        return {
            "id": member_id,
            "name": kept_name(self._connection, member_id, name),
            "name_key": name_key(name),
            "created_at": member.created_at,
        }

    def _with_photos(self, wanted: Iterable[int]) -> dict[int, int]:
        new = sorted(wanted - self._coming.photo_ids.keys())
        first = _greatest_id(self._connection, PhotoRow) + 1
        ids = {place: photo_id for photo_id, place in enumerate(new, first)}
        photos = ((ids[place], self._content.photos[place]) for place in new)
        self._insert(
            PhotoRow,
            (
                {
                    "id": photo_id,
                    "content_hash": photo.content_hash,
                    "path": kept_photo_path(self._connection, photo.path, photo.content_hash),
                    "width_px": photo.width_px,
                    "height_px": photo.height_px,
                    "added_at": photo.added_at,
                }
                for photo_id, photo in photos
            ),
        )
        return {**self._coming.photo_ids, **ids}

    def write_faces(self) -> None:
        """The faces, then the templates that stand on them, in the order of the content."""
        self._insert(FaceRow, (self._face_row(place) for place in self._coming.faces))
        first = rows.last_id_ever(self._connection, TemplateRow) + 1 + secrets.randbelow(_GAP)
        templates = (self._template_row(key, place) for key, place in enumerate(self._coming.faces, first))
        self._insert(TemplateRow, templates)

    def _face_row(self, place: int) -> dict[str, object]:
        archived = self._content.faces[place]
        content_hash = self._content.photos[archived.photo].content_hash
        return {
            "id": self._face_ids[place],
            "photo_id": self._photo_ids[archived.photo],
            **rows.face_columns(self._connection, archived.face, content_hash=content_hash, quality=archived.quality),
            "quality": archived.quality,
        }

    def _template_row(self, template_id: int, place: int) -> dict[str, object]:
        archived, blob = self._content.faces[place], to_blob(self._content.vectors[place])
        face_id, member_id = self._face_ids[place], self._member_ids[archived.member]
        return {
            "id": template_id,
            "face_id": face_id,
            "member_id": member_id,
            "model_id": self._model_id,
            "vector": seal_vector(self._connection, blob, face_id=face_id, member_id=member_id),
            "created_at": archived.enrolled_at,
        }

    def write_rejections(self) -> None:
        """The rejections, in the order of the content."""
        self._insert(RejectionRow, (self._rejection_row(place) for place in self._coming.rejections))

    def _rejection_row(self, place: int) -> dict[str, object]:
        archived = self._content.rejections[place]
        blob = to_blob(self._content.rejection_vectors[place])
        member_id = self._member_ids[archived.member]
        sealed = rejections.seal(self._connection, blob, member_id=member_id, content_hash=archived.content_hash)
        return {
            "member_id": member_id,
            "content_hash": archived.content_hash,
            "path": kept_photo_path(self._connection, archived.path, archived.content_hash),
            **rows.face_columns(self._connection, archived.face, content_hash=archived.content_hash),
            "vector": sealed,
            "created_at": archived.rejected_at,
        }

    def write_crops(self) -> None:
        """The crops, each read when it is written."""
        from facegallery.crops import packed

        for place, face_id in self._coming.crops.items():
            crop = packed(self._content.crops[place], self._content.preparation)
            crops.add(self._connection, self._face_ids[place] if face_id is None else face_id, crop)

    def _insert(self, table: type[Base], values: Iterable[dict[str, object]]) -> None:
        for some in _batches(values):
            self._connection.execute(insert(table), some)


def _greatest_id(connection: Connection, table: type[FaceRow | PhotoRow]) -> int:
    return connection.scalar(select(func.max(table.id))) or 0


def _batches(values: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(values)
    while some := list(islice(left, _AT_ONCE)):
        yield some
