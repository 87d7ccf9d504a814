"""All that a gallery holds, as values: what an archive keeps, and what a store can give and take as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facegallery.domain.members import Calibration
from facegallery.domain.models import ModelIdentity, Preparation
from facegallery.domain.photos import Face, Pixels, Vectors


@dataclass(frozen=True, slots=True)
class ArchivedMember:
    """A member.

    Attributes:
        name: In the form of :func:`facegallery.names.clean_name`; no two members have the same ``name_key``.
        created_at: When the member was first enrolled (UTC).
    """

    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedPhoto:
    """A file that at least one face was enrolled from; its pixels are not part of a gallery.

    Attributes:
        content_hash: SHA-256 of the file's bytes, lower-case hex; no two photos share it.
        path: Where the file was when it was enrolled.
        width_px: Width of the upright original.
        height_px: Height of the upright original.
        added_at: UTC.
    """

    content_hash: str
    path: Path
    width_px: int
    height_px: int
    added_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedFace:
    """A template without its vector: a face of a member in a photo.

    Attributes:
        member: Place of the member in ``GalleryContent.members``, from 0.
        photo: Place of the photo in ``GalleryContent.photos``, from 0.
        face: The detection, photo frame.
        quality: How good the face's picture is, in [0, 1]; None for a face that was enrolled before this was kept.
        enrolled_at: UTC.
    """

    member: int
    photo: int
    face: Face
    quality: float | None
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedRejection:
    """Somebody's word that a face is not a member's, without the face's vector.

    Attributes:
        member: Place of the member in ``GalleryContent.members``, from 0.
        content_hash: SHA-256 of the photo's bytes, lower-case hex; the photo need not be an enrolled one.
        path: Where the photo was then.
        face: The face, photo frame.
        rejected_at: UTC.
    """

    member: int
    content_hash: str
    path: Path
    face: Face
    rejected_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class GalleryContent:
    """Everything in a gallery at one moment. Nothing is in it that no face stands on.

    Attributes:
        gallery_id: 32 lower-case hex digits; the gallery's own, whatever it is called and wherever it lies.
        created_at: When this was taken from the gallery (UTC).
        model: The embedding model of all vectors.
        preparation: How the faces were prepared for it.
        members: Each has at least one face.
        photos: Each has at least one face.
        faces: In the order of their enrollment.
        vectors: shape (n, 512), float32, unit length: row *i* is the embedding of ``faces[i]``.
        rejections: Oldest first.
        rejection_vectors: shape (m, 512), float32, unit length: row *i* is the embedding of ``rejections[i]``.
        calibration: The limits chosen from the gallery's own similarities; None where that was never done.
        crops: For some faces, by their place in ``faces``, what the embedder saw: shape (160, 160, 3), uint8, RGB. May
            read each one only when it is asked for.
    """

    gallery_id: str
    created_at: datetime
    model: ModelIdentity
    preparation: Preparation
    members: tuple[ArchivedMember, ...]
    photos: tuple[ArchivedPhoto, ...]
    faces: tuple[ArchivedFace, ...]
    vectors: Vectors
    rejections: tuple[ArchivedRejection, ...]
    rejection_vectors: Vectors
    calibration: Calibration | None
    crops: Mapping[int, Pixels]


@dataclass(frozen=True, slots=True)
class Taken:
    """What comes, or came, of an archive into a gallery. Each face and rejection of the archive is counted once.

    Attributes:
        new_members: Names of those who were not there.
        grown_members: Names, as in the gallery, of those who were there and get faces.
        n_known_members: Members of the archive who were there.
        n_photos: Photos that were not there.
        n_faces: Faces that come.
        n_known_faces: Faces that were enrolled for that member already.
        n_others_faces: Faces that are enrolled for another member here, and stay that member's.
        n_refused_faces: Faces of which somebody said here that they are not that member's; they do not come.
        n_rejections: Rejections that come.
        n_known_rejections: Rejections that were there.
        n_refused_rejections: Rejections of faces that are enrolled as that member here, or of a member who does not
            come; they do not come either.
        n_crops: Crops that come, of faces that come or were there without one.
        calibration: Whether the archive's is taken; None where it has none, or the gallery has the very same.
    """

    new_members: tuple[str, ...]
    grown_members: tuple[str, ...]
    n_known_members: int
    n_photos: int
    n_faces: int
    n_known_faces: int
    n_others_faces: int
    n_refused_faces: int
    n_rejections: int
    n_known_rejections: int
    n_refused_rejections: int
    n_crops: int
    calibration: bool | None

    @property
    def changes_searches(self) -> bool:
        """Whether anything comes that is searched."""
        return self.n_faces > 0 or self.n_rejections > 0

    @property
    def is_nothing(self) -> bool:
        """Whether nothing comes at all."""
        return not self.changes_searches and self.n_crops == 0 and self.calibration is not True
