"""Which unknown faces are of one person: groups of faces that are, on the mean, as alike as a name asks for.

The groups are those of average linkage (Sokal and Michener, 1958): the two groups with the greatest mean similarity are
joined until no mean reaches the limit. Two faces of one photo are two people, and so are groups that hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import Vectors
from facegallery.errors import TooManyFaces
from facegallery.matching.decisions import reaches
from facegallery.matching.scores import MemberTemplates

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS_AT_ONCE = 1024
"""Faces compared with all others in one go: of 10,000 faces 40 MB."""

MAX_LINKED = 10_000
"""Faces that may hang together before they are grouped: their similarities take 400 MB then, twice while at work."""


def group_faces(embeddings: Vectors, photos: Sequence[str], *, limit: float) -> list[list[int]]:
    """Group faces by person.

    Args:
        embeddings: shape (n, 512), float32, unit length; n may be 0.
        photos: What photo each is from; no group holds two faces of one.
        limit: The mean similarity from which two groups are one person; equal is enough. See :func:`mean_limit`.

    Returns:
        Places of the faces, each in exactly one group, ascending within it; groups by size, the largest first, and
        those of one size by their first face. The order of the faces changes the groups' order and nothing else.

    Raises:
        TooManyFaces: More than ``MAX_LINKED`` hang together.
    """
    if len(embeddings) == 0:
        return []
    # In an order of their own, so that equal similarities are joined alike however the faces came.
    order = sorted(range(len(photos)), key=lambda place: (photos[place], embeddings[place].tobytes()))
    vectors, owners = embeddings[order], np.unique([photos[place] for place in order], return_inverse=True)[1]
    groups = [
        sorted(order[place] for place in group)
        for linked in _hanging_together(vectors, owners, limit)
        for group in _groups_of(linked, vectors[linked], owners[linked], limit)
    ]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def mean_limit(threshold: float, members: Iterable[MemberTemplates]) -> float:
    """The mean similarity to a member's photos at which a face is just named, in this gallery.

    A face's cosine with the mean of a member's templates is its mean cosine with them, divided by the length of their
    mean: so one that just reaches the threshold has, on the mean, the threshold times that length. It is shorter than
    1 the more a person's photos differ, which is what the gallery knows of its model and its people. For the rules
    that choose among templates the same limit is taken; a face that just reaches their threshold is no more like the
    whole.

    Args:
        threshold: The similarity that a name needs.
        members: Those with a single template say nothing.

    Returns:
        The threshold times the median length; the threshold itself where no member has two templates, or where it is
        not positive.
    """
    lengths = [float(np.linalg.norm(each.vectors.mean(axis=0))) for each in members if len(each.vectors) > 1]
    return threshold * float(np.median(lengths)) if lengths and threshold > 0 else threshold


def _hanging_together(vectors: Vectors, owners: NDArray[np.intp], limit: float) -> Iterator[NDArray[np.intp]]:
    """Faces connected by similar pairs, each such set ascending. A group reaches the limit in at least one pair of any
    two parts of it, so none goes beyond a set: grouping each by itself is exact, and takes less memory.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(vectors)
    set_of: NDArray[np.intp] = np.arange(n)
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        similar = reaches(vectors[rows] @ vectors[start:].T, limit)
        similar &= owners[rows, None] != owners[None, start:]
        first, second = (places + start for places in np.nonzero(similar))
        # What hangs together so far needs one link a face: each with the number of its set, as with one face more.
        first, second = np.append(first, np.arange(n)), np.append(second, set_of + n)
        links = coo_array((np.ones(len(first), bool), (first, second)), shape=(2 * n, 2 * n))
        set_of = np.unique(connected_components(links, directed=False)[1][:n], return_inverse=True)[1]
    places = np.argsort(set_of, kind="stable")
    yield from np.split(places, np.flatnonzero(np.diff(set_of[places])) + 1)


def _groups_of(
    places: NDArray[np.intp], vectors: Vectors, owners: NDArray[np.intp], limit: float
) -> Iterator[list[int]]:
    """The groups within one connected set, as places."""
    from scipy.cluster.hierarchy import fcluster, linkage

    n = len(places)
    if n == 1:
        yield places.tolist()
        return
    if n > MAX_LINKED:
        raise TooManyFaces(n, MAX_LINKED, limit)
    apart = np.empty(n * (n - 1) // 2)  # 1 - similarity of each pair, as SciPy has them: row by row, the upper half
    end = 0
    for start in range(0, n, ROWS_AT_ONCE):
        block = 1 - vectors[start : start + ROWS_AT_ONCE] @ vectors.T
        # Further apart than any mean of others makes up for: a group has at most n / 2 times n / 2 pairs with another.
        block[owners[start : start + ROWS_AT_ONCE, None] == owners[None, :]] = n * n
        for row, of_row in enumerate(block, start=start):
            begin, end = end, end + n - 1 - row
            apart[begin:end] = of_row[row + 1 :]
    joined = fcluster(linkage(apart, "average"), 1 - limit, "distance")
    for group in np.unique(joined):
        yield places[joined == group].tolist()
