"""The unknown faces of many photos, grouped by person. Nothing of it is kept in the gallery."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegallery.domain import EMBEDDING_SIZE, Candidate, SkippedPhoto, Vectors, Verdict
from facegallery.gallery.analysis import AnalyzedPhoto
from facegallery.gallery.asking import Asking
from facegallery.gallery.enrollment import FaceAt, MemberPhotos
from facegallery.gallery.identification import identify_faces
from facegallery.gallery.pipeline import Analysis, analyzed
from facegallery.matching.clusters import group_faces, mean_limit
from facegallery.matching.quality_policy import DEFAULT_POLICY, QualityPolicy
from facegallery.matching.scores import templates_by_member
from facegallery.store.reading import ReadableStore

MIN_SIZE = 2
"""Faces that make a cluster unless a call says otherwise."""

MEMBERS_ASKED = 200
"""Members whose photos say how much the photos of one person differ here: more would not move the median."""


@dataclass(frozen=True, slots=True)
class ClusteredFace:
    """A face of a cluster.

    Attributes:
        path: The photo (absolute).
        number: From 1, as ``detect`` and ``identify`` number the photo's faces.
        at: Where it was found, in which bytes.
    """

    path: Path
    number: int
    at: FaceAt


@dataclass(frozen=True, slots=True)
class Cluster:
    """Faces that are of one person, as far as they look alike.

    Attributes:
        number: From 1, the largest cluster first.
        faces: In the order of the photos; no two of one photo.
        nearest: The member that the faces' mean is most like; None in an empty gallery.
    """

    number: int
    faces: tuple[ClusteredFace, ...]
    nearest: Candidate | None


@dataclass(frozen=True, slots=True)
class Clustering:
    """What was grouped, and how.

    Attributes:
        clusters: Those of at least the size asked for.
        threshold: The similarity that a match needs.
        limit: The mean similarity from which faces were grouped.
        model: Name of the embedding model.
        n_photos: Photos looked at, each bytes once.
        n_faces: Faces in them.
        n_grouped: Faces that were to be grouped: the unknown ones.
        n_poor: Unknown faces that were left out, since they are too poor to be enrolled.
        skipped: What could not be looked at.
    """

    clusters: tuple[Cluster, ...]
    threshold: float
    limit: float
    model: str
    n_photos: int
    n_faces: int
    n_grouped: int
    n_poor: int
    skipped: tuple[SkippedPhoto, ...]

    @property
    def n_alone(self) -> int:
        """Faces in groups that are smaller than was asked for."""
        return self.n_grouped - sum(len(cluster.faces) for cluster in self.clusters)


def faces_for(member: str, faces: Iterable[ClusteredFace]) -> MemberPhotos:
    """Faces that were found before, to be enrolled for a member."""
    at = {face.path: face.at for face in faces}
    return MemberPhotos(member, tuple(at), faces=at)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Faces to be grouped, and what was seen on the way."""

    faces: list[ClusteredFace]
    embeddings: list[Vectors]
    skipped: list[SkippedPhoto]
    n_photos: int
    n_faces: int
    n_poor: int


def cluster_faces(
    photos: Iterable[Path | SkippedPhoto],
    analysis: Analysis[AnalyzedPhoto | SkippedPhoto],
    *,
    asking: Asking,
    limit: float,
    min_size: int = MIN_SIZE,
    verdicts: Collection[Verdict] = (Verdict.UNKNOWN,),
    policy: QualityPolicy | None = DEFAULT_POLICY,
    told: Callable[[], None] = lambda: None,
) -> Clustering:
    """Group faces by person; see :meth:`facegallery.gallery.gallery.Gallery.cluster`.

    Args:
        photos: The files. Of several with the same bytes the first counts.
        analysis: Finds and embeds faces.
        asking: What says which faces are unknown.
        limit: The mean similarity from which faces are grouped.
        min_size: Faces that make a cluster.
        verdicts: Faces of which ``identify`` says this are grouped.
        policy: What the picture of a face must be like; None takes any.
        told: Called after each photo.

    Raises:
        TooManyFaces: More hang together than fit into memory.
    """
    found = _faces_to_group(photos, analysis, asking, verdicts, policy, told)
    embeddings = np.stack(found.embeddings) if found.embeddings else np.empty((0, EMBEDDING_SIZE), np.float32)
    groups = group_faces(embeddings, [face.at.content_hash for face in found.faces], limit=limit)
    kept = [group for group in groups if len(group) >= min_size]
    nearest = asking.search.candidates(_means(embeddings, kept), 1) if kept else []
    return Clustering(
        clusters=tuple(
            Cluster(number, tuple(found.faces[place] for place in group), _first_left(candidates))
            for number, (group, candidates) in enumerate(zip(kept, nearest, strict=True), start=1)
        ),
        threshold=asking.limits.threshold,
        limit=limit,
        model=asking.model.name,
        n_photos=found.n_photos,
        n_faces=found.n_faces,
        n_grouped=len(found.faces),
        n_poor=found.n_poor,
        skipped=tuple(found.skipped),
    )


def _faces_to_group(
    photos: Iterable[Path | SkippedPhoto],
    analysis: Analysis[AnalyzedPhoto | SkippedPhoto],
    asking: Asking,
    verdicts: Collection[Verdict],
    policy: QualityPolicy | None,
    told: Callable[[], None],
) -> _Found:
    faces: list[ClusteredFace] = []
    embeddings: list[Vectors] = []
    skipped: list[SkippedPhoto] = []
    seen: set[str] = set()
    n_faces = n_poor = 0
    for _, answer in analyzed(photos, lambda entry: entry, analysis):
        told()
        if isinstance(answer, SkippedPhoto):
            skipped.append(answer)
        elif answer.photo.content_hash not in seen:
            seen.add(answer.photo.content_hash)
            n_faces += len(answer.faces)
            identified = identify_faces(answer.photo, answer.faces, search=asking.search, limits=asking.limits).faces
            for face, embedded in zip(identified, answer.faces, strict=True):
                if face.decision.verdict not in verdicts:
                    continue
                if policy is not None and policy.faults(face.face, face.quality):
                    n_poor += 1
                else:
                    at = FaceAt(answer.photo.content_hash, face.face.box_xyxy)
                    faces.append(ClusteredFace(answer.photo.path.absolute(), face.number, at))
                    embeddings.append(embedded.embedding)
    return _Found(faces, embeddings, skipped, len(seen), n_faces, n_poor)


def joining_limit(threshold: float, store: ReadableStore) -> float:
    """The mean similarity at which a face is just named, by some of the gallery's members."""
    names = [member.name for member in store.members() if member.n_templates > 1]
    some = names[:: max(1, len(names) // MEMBERS_ASKED)]
    by_member = templates_by_member(store.templates_of_members(some))
    return mean_limit(threshold, [templates for _, templates in by_member.values()])


def _means(embeddings: Vectors, groups: Sequence[Sequence[int]]) -> Vectors:
    """The direction of each group's mean: shape (n, 512), float32, unit length."""
    means = np.stack([embeddings[list(group)].astype(np.float64).mean(axis=0) for group in groups])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(lengths, np.finfo(np.float64).tiny), np.float32)


def _first_left(candidates: Iterable[Candidate]) -> Candidate | None:
    left: Iterator[Candidate] = (candidate for candidate in candidates if not candidate.rejected)
    return next(left, None)
