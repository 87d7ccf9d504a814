"""Who is enrolled, from which photos, and the store's own words about its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facegallery.domain.decisions import ScoreRule
from facegallery.domain.models import ModelIdentity, Preparation, VectorSpace
from facegallery.domain.photos import Face, Ids, Vectors


@dataclass(frozen=True, slots=True)
class Member:
    """An enrolled person.

    Attributes:
        name: As shown; unique without regard to case and Unicode form.
        n_templates: Stored embeddings of this member.
        created_at: When the member was first enrolled (UTC).
    """

    name: str
    n_templates: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EnrolledFace:
    """One template's origin: the face of a member in an enrolled photo. The vector itself stays in the store.

    Attributes:
        template_id: Stable key of the template; never used again after it is removed.
        member: Whose face it is.
        photo_path: Where the photo was when it was enrolled (absolute).
        content_hash: SHA-256 of the photo's bytes.
        face: The detection that was enrolled.
        enrolled_at: UTC.
        quality: How good the face's picture is, in [0, 1]; None for a face that was enrolled before this was kept.
    """

    template_id: int
    member: str
    photo_path: Path
    content_hash: str
    face: Face
    enrolled_at: datetime
    quality: float | None


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSet:
    """Templates taken from the store at one revision.

    Attributes:
        revision: The store's revision that these rows belong to.
        state: The store's state that these rows belong to.
        ids: shape (n,), int64, ascending: template ids.
        vectors: shape (n, 512), float32, unit length.
        members: n names, in the order of ``ids``.
        qualities: shape (n,), float32, in [0, 1]: how good the face's picture is; 1 where nobody looked.
        space: What the vectors can be compared with; None for ones that are not of a store.
    """

    revision: int
    state: str
    ids: Ids
    vectors: Vectors
    members: tuple[str, ...]
    qualities: Vectors
    space: VectorSpace | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TemplateOwners:
    """Whose templates there were at one moment.

    Attributes:
        ids: shape (n,), int64, ascending: template ids.
        members: shape (n,), int64: the id of each one's member.
        names: By member id the name.
    """

    ids: Ids
    members: Ids
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class StoreStamp:
    """What the store holds now.

    Attributes:
        revision: Counts the store's changes.
        state: Random and new with every change, so that no two histories of changes share one.
        fingerprint: The embedding model's.
        count: Number of templates.
    """

    revision: int
    state: str
    fingerprint: str
    count: int


@dataclass(frozen=True, slots=True)
class TemplateTail:
    """What an index of the store's templates up to one of them needs to know of the store.

    Attributes:
        fingerprint: The embedding model's and, as text, how faces were prepared for it.
        count: Number of templates that are newer than that one.
        last_added: When that one was kept, to the microsecond; None when it is not there. Ids are never used again, so
            an id with its time names one act of enrollment: two stores that share it have the same history up to
            there, which a restored backup that has gone on since does not.
    """

    fingerprint: str
    count: int
    last_added: datetime | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Somebody's word that a face is not a member's.

    Attributes:
        rejection_id: Stable key, for taking it back.
        member: Who it is not.
        photo_path: Where the photo was then (absolute).
        content_hash: SHA-256 of the photo's bytes.
        face: The face, photo frame.
        rejected_at: UTC.
    """

    rejection_id: int
    member: str
    photo_path: Path
    content_hash: str
    face: Face
    rejected_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A threshold and a margin chosen from the gallery's own similarities, and how far they can be trusted.

    Attributes:
        created_at: UTC.
        score: The score rule it holds for.
        wanted_fmr: The false match rate that was asked for.
        threshold: The similarity chosen.
        min_margin: The margin chosen, or the usual one where the gallery cannot tell.
        fmr: False match rate at the threshold, in the data it was chosen from.
        fmr_low: Lower end of the 95 % interval of the rate among as many other people.
        fmr_high: Upper end.
        fnmr: False non-match rate at the threshold, of the mated comparisons.
        n_mated: Comparisons of a photo with its own member's other photos.
        n_non_mated: Comparisons of a photo with another member.
        n_members: Members who were compared.
        n_templates: Their photos that were compared.
        n_enrolled: Templates in the gallery then, copies and those not drawn among them.
        n_named: Photos that reach the threshold at some member when identified against all others.
        n_misnamed: Those of them that are nearest to another member than their own.
        margin_chosen: Whether the margin was chosen from those; else it is the usual one.
        stranger_scores: shape (n,), float32, ascending: for each photo the similarity to the nearest other member.
            Empty since a member was forgotten: they are of single photos.
    """

    created_at: datetime
    score: ScoreRule
    wanted_fmr: float
    threshold: float
    min_margin: float
    fmr: float
    fmr_low: float
    fmr_high: float
    fnmr: float
    n_mated: int
    n_non_mated: int
    n_members: int
    n_templates: int
    n_enrolled: int
    n_named: int
    n_misnamed: int
    margin_chosen: bool
    stranger_scores: Vectors


@dataclass(frozen=True, slots=True)
class Reembedding:
    """A gallery's way to another model.

    Attributes:
        model: Where it is going.
        preparation: How faces are prepared for that model.
        started_at: UTC.
        n_done: Templates and rejections whose new vectors are there.
        n_left: Those whose are not yet.
    """

    model: ModelIdentity
    preparation: Preparation
    started_at: datetime
    n_done: int
    n_left: int

    @property
    def space(self) -> VectorSpace:
        """What the new vectors can be compared with."""
        return VectorSpace(self.model.fingerprint, self.preparation)
