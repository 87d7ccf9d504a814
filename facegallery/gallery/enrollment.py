"""Enrollment: from folders of photos to templates, one transaction a photo.

Photos with a single face are stored as they come. Photos with several wait until the member's others are known, and the
face that fits those is taken (see :mod:`facegallery.matching.choice`). A face whose picture is poor is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

import numpy as np

from facegallery.crops import crop_face, packed
from facegallery.domain import (
    EMBEDDING_SIZE,
    SAME_FACE_OVERLAP,
    BoxXyxy,
    EmbeddedFace,
    EnrolledFace,
    Photo,
    Preparation,
    Rejection,
    SkippedPhoto,
    Vectors,
    VectorSpace,
    overlap,
    same_face,
)
from facegallery.errors import BadName, FaceChoiceNeeded, MemberNotFound, PhotoError
from facegallery.gallery.analysis import AnalyzedPhoto, pick_face, skipped_photo
from facegallery.gallery.pipeline import Analysis, analyzed
from facegallery.gallery.searches import comparable
from facegallery.images import load_file, read_photo
from facegallery.matching.choice import choose_faces
from facegallery.matching.quality_policy import QualityPolicy
from facegallery.names import clean_name, name_key
from facegallery.store import Store
from facegallery.walk import find_photos, loose_photos, member_folders
from facegallery.weights.files import InstalledModel

NO_FACE = "no_face"
SEVERAL_FACES = "several_faces"
OTHER_MEMBER = "other_member"
NO_MEMBER = "no_member"
BAD_NAME = "bad_name"
OTHER_FACE = "other_face"
REJECTED = "rejected"
CHANGED = "changed"
FACE_GONE = "face_gone"


class EnrollStatus(str, Enum):
    """What became of one photo."""

    ENROLLED = "enrolled"
    ALREADY = "already"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class EnrollOutcome:
    """What became of one photo.

    Attributes:
        member: The member it was offered for; empty for a file that belongs to no member.
        path: The file.
        status: Enrolled now, there already (the same bytes), or skipped.
        skipped: Code and reason when skipped, else None.
        n_faces: Faces found; None where the photo was not searched.
        notice: Something to know though the photo could be read, or None.
    """

    member: str
    path: Path
    status: EnrollStatus
    skipped: SkippedPhoto | None = None
    n_faces: int | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class FaceAt:
    """A face that was found before, and is to be found again.

    Attributes:
        content_hash: SHA-256 of the bytes it was found in.
        box_xyxy: Where; photo frame.
    """

    content_hash: str
    box_xyxy: BoxXyxy


@dataclass(frozen=True, slots=True)
class MemberPhotos:
    """Photos offered for one member.

    Attributes:
        member: The name.
        photos: Files, or what is wrong with an input.
        face_number: Which face of the (only) photo is the member's, from 1; None leaves the choice to the rules.
        faces: Which face of a photo is the member's, where that is known.
    """

    member: str
    photos: tuple[Path | SkippedPhoto, ...]
    face_number: int | None = None
    faces: Mapping[Path, FaceAt] = field(default_factory=dict)


def plan_folder(root: Path) -> list[MemberPhotos]:
    """One entry a member: the folders in ``root`` whose names are the same but for case, spaces and Unicode form.

    Photos that lie beside the folders are reported as skipped.

    Raises:
        PhotoError: ``root`` is not a folder that can be read.
    """
    folders: dict[str, list[Path]] = {}
    names: dict[str, str] = {}
    for name, folder in member_folders(root):
        folders.setdefault(name_key(name), []).append(folder)
        names.setdefault(name_key(name), name)
    plan = [MemberPhotos(names[key], tuple(find_photos(found))) for key, found in folders.items()]
    loose = tuple(
        SkippedPhoto(path, NO_MEMBER, "lies beside the members' folders; put it into the folder of its member")
        for path in loose_photos(root)
    )
    return [*plan, MemberPhotos(member="", photos=loose)] if loose else plan


def enroll_photos(
    store: Store,
    model: InstalledModel,
    analysis: Analysis[AnalyzedPhoto | SkippedPhoto],
    plan: Iterable[MemberPhotos],
    *,
    policy: QualityPolicy | None,
    preparation: Preparation,
    keep_crops: bool = False,
) -> Iterator[EnrollOutcome]:
    """Enroll photos and say of each what became of it, as soon as that is known.

    Each photo is stored in a transaction of its own: the run may be stopped at any moment, and the same call goes on
    where it stopped.

    Args:
        store: Where templates are kept.
        model: The gallery's, which ``analysis`` embeds with.
        analysis: Finds and embeds faces. Not called, and so no network loaded, when all photos are there already.
        plan: Members and their photos.
        policy: What the picture of a face must be like; None takes any. Of several faces the member's is chosen first
            and judged then: another's better picture is no substitute.
        preparation: How faces are prepared in ``analysis``.
        keep_crops: Keep the faces' pixels too, which ``analysis`` then has to give; and those of faces that these bytes
            enrolled before, cut out again.

    Yields:
        One outcome a photo; those of a photo with several faces come last within their member.

    Raises:
        ModelMismatch: The gallery was taken to another model meanwhile.
    """
    rules = _Rules(model, policy, preparation, keep_crops)
    offers = (
        _Offer(enrollment, enrollment.look(photo))
        for enrollment in (_MemberEnrollment(store, entry, rules) for entry in plan)
        for photo in enrollment.photos
    )
    current: _MemberEnrollment | None = None
    for offer, found in analyzed(offers, _path_of, analysis):
        if current is not None and current is not offer.enrollment:
            yield from current.settle()
        current = offer.enrollment
        outcome = found if isinstance(found, EnrollOutcome) else current.take(found)
        if outcome is not None:
            yield outcome
    if current is not None:
        yield from current.settle()


@dataclass(frozen=True, slots=True)
class _Offer:
    """A file offered for a member: to be analyzed, or what became of it already."""

    enrollment: _MemberEnrollment
    found: Path | EnrollOutcome


def _path_of(offer: _Offer) -> Path | EnrollOutcome:
    return offer.found


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for all members of a run; see ``enroll_photos``."""

    model: InstalledModel
    policy: QualityPolicy | None
    preparation: Preparation
    keep_crops: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A photo with several faces, waiting for the member's other photos. Its pixels are let go."""

    photo: Photo
    n_faces: int
    faces: list[EmbeddedFace]
    copies: list[Path] = field(default_factory=list)  # files with the same bytes: they share its fate


class _MemberEnrollment:
    """Enrolls the photos of one member."""

    def __init__(self, store: Store, offered: MemberPhotos, rules: _Rules) -> None:
        self._store = store
        self._rules = rules
        self._member = offered.member
        self._face_number = offered.face_number
        self._faces = offered.faces
        self._waiting: dict[str, _Waiting] = {}  # by content hash: a copy must not vouch for its original
        self.photos = offered.photos
        try:
            clean_name(self._member)
        except BadName as error:  # known before any work is done; one bad folder name does not stop the others
            self.photos = tuple(
                entry if isinstance(entry, SkippedPhoto) else SkippedPhoto(entry, BAD_NAME, str(error))
                for entry in offered.photos
            )

    def look(self, entry: Path | SkippedPhoto) -> Path | EnrollOutcome:
        """The file, unless it cannot be read or its bytes are enrolled already."""
        if isinstance(entry, SkippedPhoto):
            return self._skip(entry)
        try:
            content_hash = load_file(entry).content_hash
        except PhotoError as error:
            return self._skip(skipped_photo(error))
        is_chosen = self._face_number is not None or entry in self._faces
        already = None if is_chosen else self._already(entry, content_hash)
        return already or entry

    def take(self, answer: AnalyzedPhoto | SkippedPhoto) -> EnrollOutcome | None:
        """Enroll an analyzed photo, or put it aside (None) when it has several faces."""
        if isinstance(answer, SkippedPhoto):
            return self._skip(answer)
        photo, faces = answer.photo, answer.faces
        if self._face_number is not None:
            return self._take_number(photo, faces, self._face_number)
        if photo.path in self._faces:
            return self._take_found(photo, faces, self._faces[photo.path])
        if already := self._already(photo.path, photo.content_hash):  # since it was looked at: a copy of it came before
            return already
        if photo.content_hash in self._waiting:
            self._waiting[photo.content_hash].copies.append(photo.path)
            return None
        free = self._not_of_others(photo, faces)
        if faces and not free:
            return self._skip(SkippedPhoto(photo.path, OTHER_MEMBER, self._enrolled_for(photo)), n_faces=len(faces))
        if not free:
            return self._skip(SkippedPhoto(photo.path, NO_FACE, "no face was found in it"), n_faces=0)
        free = self._not_rejected(photo, free)
        if not free:
            return self._skip(SkippedPhoto(photo.path, REJECTED, self._rejected_words(photo)), n_faces=len(faces))
        if len(faces) == 1:
            return self._keep(photo, faces[0], n_faces=1)
        self._waiting[photo.content_hash] = _Waiting(photo, len(faces), free)
        return None

    def _take_found(self, photo: Photo, faces: list[EmbeddedFace], found: FaceAt) -> EnrollOutcome:
        """The face that was found before, if it still is."""
        if photo.content_hash != found.content_hash:
            reason = "the file has changed since its faces were grouped"
            return self._skip(SkippedPhoto(photo.path, CHANGED, reason), n_faces=len(faces))
        overlaps = [overlap(face.face.box_xyxy, found.box_xyxy) for face in faces]
        best = max(range(len(faces)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < SAME_FACE_OVERLAP:
            reason = "no face is found any more where one was"
            return self._skip(SkippedPhoto(photo.path, FACE_GONE, reason), n_faces=len(faces))
        return self._take_number(photo, faces, best + 1)

    def _take_number(self, photo: Photo, faces: list[EmbeddedFace], number: int) -> EnrollOutcome:
        try:
            chosen = faces[pick_face(photo.path, faces, number, option="--face")]
        except FaceChoiceNeeded as error:
            code = SEVERAL_FACES if faces else NO_FACE
            return self._skip(
                SkippedPhoto(photo.path, code, f"{error.n_faces} faces found, none of them is number {number}")
            )
        if not self._not_of_others(photo, [chosen]):
            return self._skip(SkippedPhoto(photo.path, OTHER_MEMBER, self._enrolled_for(photo)), n_faces=len(faces))
        if not self._not_rejected(photo, [chosen]):
            return self._skip(SkippedPhoto(photo.path, REJECTED, self._rejected_words(photo)), n_faces=len(faces))
        for mine in self._enrolled(photo.content_hash)[0]:
            if same_face(chosen.face.box_xyxy, mine.face.box_xyxy):
                self._keep_crop_of(mine, photo.path)
                return EnrollOutcome(self._member, photo.path, EnrollStatus.ALREADY, n_faces=len(faces))
            reason = f"another face of it is enrolled for {mine.member} already"
            return self._skip(SkippedPhoto(photo.path, OTHER_FACE, reason), n_faces=len(faces))
        return self._keep(photo, chosen, n_faces=len(faces))

    def settle(self) -> Iterator[EnrollOutcome]:
        """Choose the member's face in the photos that waited; called once, after the last photo."""
        if not self._waiting:
            return
        choices = choose_faces(
            [np.stack([face.embedding for face in waiting.faces]) for waiting in self._waiting.values()],
            self._anchors(),
            threshold=self._rules.model.spec.threshold,
        )
        for waiting, choice in zip(self._waiting.values(), choices, strict=True):
            if choice is not None:
                outcome = self._keep(waiting.photo, waiting.faces[choice], n_faces=waiting.n_faces)
                yield outcome
                yield from (self._of_copy(path, outcome) for path in waiting.copies)
                continue
            code, reason = SEVERAL_FACES, f"{waiting.n_faces} faces, and nothing tells which is {self._member}'s"
            if self._rejected_in(waiting.photo):
                code, reason = REJECTED, self._rejected_words(waiting.photo)
            for path in (waiting.photo.path, *waiting.copies):
                yield self._skip(SkippedPhoto(path, code, reason), n_faces=waiting.n_faces)

    def _anchors(self) -> Vectors:
        """The member's templates, those of this run among them; shape (0, 512) before the first."""
        try:
            templates = self._store.templates(self._member)
        except MemberNotFound:
            return np.empty((0, EMBEDDING_SIZE), dtype=np.float32)
        return comparable(templates, VectorSpace(self._rules.model.fingerprint, self._rules.preparation)).vectors

    def _already(self, path: Path, content_hash: str) -> EnrollOutcome | None:
        for enrolled in self._enrolled(content_hash)[0]:
            if not enrolled.photo_path.exists():  # the folder was moved: explanations read the photo from where it is
                self._store.move_photo(content_hash, path)
            self._keep_crop_of(enrolled, path)
            return EnrollOutcome(self._member, path, EnrollStatus.ALREADY)
        return None

    def _keep_crop_of(self, enrolled: EnrolledFace, path: Path) -> None:
        """Keep the crop of a face that was enrolled without, or before the gallery's faces were prepared otherwise."""
        if not self._rules.keep_crops:
            return
        kept = self._store.crops_of([enrolled.template_id]).get(enrolled.template_id)
        if kept is not None and kept.preparation is self._rules.preparation:
            return
        with suppress(PhotoError):  # gone since its bytes were looked at: a later run keeps it
            photo = read_photo(path)
            if photo.content_hash == enrolled.content_hash:
                crop = crop_face(photo, enrolled.face, self._rules.preparation)
                self._store.keep_crops({enrolled.template_id: packed(crop, self._rules.preparation)})

    def _enrolled(self, content_hash: str) -> tuple[list[EnrolledFace], list[EnrolledFace]]:
        """The faces that these bytes enrolled for this member, and those for others."""
        mine: list[EnrolledFace] = []
        others: list[EnrolledFace] = []
        for face in self._store.faces_of_photo(content_hash):
            (mine if name_key(face.member) == name_key(self._member) else others).append(face)
        return mine, others

    def _not_of_others(self, photo: Photo, faces: list[EmbeddedFace]) -> list[EmbeddedFace]:
        """Faces that these bytes did not enroll for another member: a photo of two may lie in both folders."""
        _, others = self._enrolled(photo.content_hash)
        return [
            face for face in faces if not any(same_face(face.face.box_xyxy, other.face.box_xyxy) for other in others)
        ]

    def _not_rejected(self, photo: Photo, faces: list[EmbeddedFace]) -> list[EmbeddedFace]:
        """Faces of which nobody said that they are not the member's."""
        rejected = self._rejected_in(photo)
        return [
            face for face in faces if not any(same_face(face.face.box_xyxy, each.face.box_xyxy) for each in rejected)
        ]

    def _rejected_in(self, photo: Photo) -> list[Rejection]:
        return [each for each in self._rejections if each.content_hash == photo.content_hash]

    @cached_property
    def _rejections(self) -> list[Rejection]:
        try:
            return self._store.rejections(self._member)
        except MemberNotFound:
            return []

    def _rejected_words(self, photo: Photo) -> str:
        undo = f"facegallery rejections --undo {self._rejected_in(photo)[0].rejection_id}"
        return f"somebody said that its face is not {self._member}; to take that back: {undo}"

    def _enrolled_for(self, photo: Photo) -> str:
        _, others = self._enrolled(photo.content_hash)
        names = sorted({each.member for each in others})
        return f"its face is already enrolled as {', '.join(names)}"

    def _of_copy(self, path: Path, original: EnrollOutcome) -> EnrollOutcome:
        """What becomes of a file with the same bytes."""
        if original.skipped is not None:
            return replace(original, path=path, skipped=replace(original.skipped, path=path))
        return EnrollOutcome(self._member, path, EnrollStatus.ALREADY)

    def _keep(self, photo: Photo, face: EmbeddedFace, *, n_faces: int) -> EnrollOutcome:
        rules = self._rules
        faults = rules.policy.faults(face.face, face.quality) if rules.policy is not None else ()
        if faults:
            reason = "; ".join(fault.words for fault in faults)
            return self._skip(SkippedPhoto(photo.path, faults[0].code.value, reason), n_faces=n_faces)
        crop = None if face.crop is None or not rules.keep_crops else packed(face.crop, rules.preparation)
        self._store.enroll(
            self._member, photo, face=face, model=rules.model.identity, preparation=rules.preparation, crop=crop
        )
        return EnrollOutcome(self._member, photo.path, EnrollStatus.ENROLLED, n_faces=n_faces, notice=photo.notice)

    def _skip(self, skipped: SkippedPhoto, *, n_faces: int | None = None) -> EnrollOutcome:
        return EnrollOutcome(self._member, skipped.path, EnrollStatus.SKIPPED, skipped=skipped, n_faces=n_faces)
