"""Ranked members for probes, under each score rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from facegallery.domain import Candidate, TemplateSet, VectorIndex, Vectors
from facegallery.matching.decisions import centroids, rank_members

FIRST_TEMPLATES_PER_MEMBER = 8
"""Templates asked for per wanted member in the first search; doubled until enough members are among the answers."""


class MemberSearch(Protocol):
    """Ranks members by their similarity to a probe."""

    def candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        """The ``n_members`` most similar members (all when there are fewer) for each probe of shape (m, 512)."""
        ...


class BestTemplateSearch:
    """A member is as similar as the best of the member's templates (``ScoreRule.BEST``)."""

    def __init__(self, index: VectorIndex, members_of: Callable[[Sequence[int]], Mapping[int, str]]) -> None:
        """Search an index.

        Args:
            index: All templates of the gallery.
            members_of: Whose templates these ids are; ids that are gone are left out.
        """
        self._index = index
        self._members_of = members_of

    def candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        """See :class:`MemberSearch`."""
        return [self._for_probe(probe[np.newaxis], n_members) for probe in probes]

    def _for_probe(self, probe: Vectors, n_members: int) -> list[Candidate]:
        k = n_members * FIRST_TEMPLATES_PER_MEMBER
        while self._index.count > 0:
            similarities, ids = self._index.search(probe, min(k, self._index.count))
            ranked = rank_members(similarities[0], ids[0], self._members_of(ids[0].tolist()))
            # One member with many templates can fill the whole answer: ask for more until enough members are in it.
            if len(ranked) >= n_members or k >= self._index.count:
                return ranked[:n_members]
            k *= 2
        return []


class CentroidSearch:
    """A member is as similar as the mean of the member's templates (``ScoreRule.CENTROID``)."""

    def __init__(self, templates: TemplateSet) -> None:
        self._names, self._means = centroids(templates)

    def candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        """See :class:`MemberSearch`."""
        similarities = probes @ self._means.T
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :n_members]
        return [
            [
                Candidate(member=self._names[column], similarity=float(row[column]), rank=rank, template_id=None)
                for rank, column in enumerate(best.tolist(), start=1)
            ]
            for row, best in zip(similarities, order, strict=True)
        ]
