"""How well faces are grouped by person, on a folder where it is known who is who.

B-cubed ("Entity-based cross-document coreferencing using the vector space model", Bagga and Baldwin, 1998): for each
face the share of its cluster that is of its person (precision), and the share of its person's faces that are in its
cluster (recall). A face alone in its cluster counts too: precision 1, and recall 1 of so many faces as its person has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.evaluation.intervals import Mean, Rate

if TYPE_CHECKING:
    from facegallery.gallery.clustering import Clustering


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """How well a grouping fits the people.

    Attributes:
        n_people: People with at least one face.
        n_faces: Faces scored.
        n_clusters: Groups of two faces and more.
        precision: B-cubed, the mean over people of the mean over each one's faces; the interval is over people.
        recall: Likewise.
        pure: Of the groups of two faces and more, those of one person only.
        n_pairs_joined: Pairs of faces in one group.
        n_pairs_right: Those of them that are of one person.
        n_pairs_of_person: Pairs of faces of one person.
    """

    n_people: int
    n_faces: int
    n_clusters: int
    precision: Mean
    recall: Mean
    pure: Rate
    n_pairs_joined: int
    n_pairs_right: int
    n_pairs_of_person: int


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """An evaluation of clustering.

    Attributes:
        folder: One folder a person.
        model: Name of the embedding model.
        threshold: The similarity that a match needs.
        limit: The mean similarity from which faces were grouped.
        scores: How well they were; None where no face could be scored.
        n_photos: Photos looked at.
        n_not_scored: Faces that were grouped too, but are in photos of several: nothing says whose they are.
        n_skipped: Files that could not be looked at.
    """

    folder: Path
    model: str
    threshold: float
    limit: float
    scores: ClusterScores | None
    n_photos: int
    n_not_scored: int
    n_skipped: int


def cluster_scores(groups: Sequence[Sequence[str]]) -> ClusterScores:
    """Score a grouping.

    Args:
        groups: For each group the person of each of its faces; at least one face in all.
    """
    of_person = Counter(person for group in groups for person in group)
    found: dict[str, list[tuple[float, float]]] = {person: [] for person in of_person}
    n_right = 0
    for group in groups:
        for person, n in Counter(group).items():
            found[person] += [(n / len(group), n / of_person[person])] * n
            n_right += _pairs(n)
    several = [group for group in groups if len(group) > 1]
    return ClusterScores(
        n_people=len(of_person),
        n_faces=sum(of_person.values()),
        n_clusters=len(several),
        precision=Mean.of([sum(face[0] for face in faces) / len(faces) for faces in found.values()]),
        recall=Mean.of([sum(face[1] for face in faces) / len(faces) for faces in found.values()]),
        pure=Rate.of([len(set(group)) == 1 for group in several]),
        n_pairs_joined=sum(_pairs(len(group)) for group in groups),
        n_pairs_right=n_right,
        n_pairs_of_person=sum(map(_pairs, of_person.values())),
    )


def report_on(folder: Path, clustering: Clustering, person_of: Mapping[Path, str]) -> ClusterReport:
    """Score a clustering of all faces of a folder, whatever their number in a group and whoever they are said to be.

    Args:
        folder: What was looked at.
        clustering: Made with a least size of 1.
        person_of: Whose each photo (absolute path) is. A face counts where it is the only one in its photo.
    """
    n_in_photo = Counter(face.path for cluster in clustering.clusters for face in cluster.faces)
    groups = [
        [person_of[face.path] for face in cluster.faces if n_in_photo[face.path] == 1]
        for cluster in clustering.clusters
    ]
    scored = [group for group in groups if group]
    return ClusterReport(
        folder=folder,
        model=clustering.model,
        threshold=clustering.threshold,
        limit=clustering.limit,
        scores=cluster_scores(scored) if scored else None,
        n_photos=clustering.n_photos,
        n_not_scored=clustering.n_grouped - sum(map(len, scored)),
        n_skipped=len(clustering.skipped),
    )


def _pairs(n: int) -> int:
    return n * (n - 1) // 2
