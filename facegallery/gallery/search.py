"""Ranked members for probes, under each score rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from facegallery.domain import Candidate, Ids, TemplateSet, VectorIndex, Vectors
from facegallery.matching.decisions import centroids, rank_members

FIRST_TEMPLATES_PER_MEMBER = 8
"""Templates asked for per wanted member in the first search; doubled until enough members are among the answers."""


class MemberSearch(Protocol):
    """Ranks members by their similarity to a probe."""

    def candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        """The ``n_members`` most similar members (all when there are fewer) for each probe of shape (m, 512)."""
        ...


class BestTemplateSearch:
    """A member is as similar as the best of the member's templates (``ScoreRule.BEST``).

    The index proposes templates; what they are and how similar, the store says. So an index that is behind or damaged
    can hide a member, and never names a wrong one.
    """

    def __init__(self, index: VectorIndex, templates_of: Callable[[Ids], TemplateSet]) -> None:
        """Search an index.

        Args:
            index: All templates of the gallery.
            templates_of: The store's templates with these ids; ids that are gone are left out.
        """
        self._index = index
        self._templates_of = templates_of

    def candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        """See :class:`MemberSearch`."""
        found: list[list[Candidate]] = [[] for _ in probes]
        waiting = list(range(len(probes)))
        k = max(n_members * FIRST_TEMPLATES_PER_MEMBER, self._index.n_first)
        while waiting and self._index.count > 0:
            proposed = zip(waiting, *self._index.search(probes[waiting], k), strict=True)
            waiting = []
            for row, similarities, ids in proposed:
                ranked = self._ranked(probes[row], ids)
                found[row] = ranked[:n_members]
                # One member with many templates can fill the whole answer, and an index of codes is not exact: ask for
                # more until enough members are in it and the rest cannot be expected to hold a better one.
                if len(ranked) < n_members or self._index.least_said(ranked[0].similarity) < similarities[-1]:
                    waiting.append(row)
            if k >= self._index.count:
                break
            k *= 2
        return found

    def _ranked(self, probe: Vectors, ids: Ids) -> list[Candidate]:
        """Members by the store's own vectors of these templates."""
        templates = self._templates_of(ids)
        similarities = templates.vectors @ probe
        order = np.lexsort((templates.ids, -similarities))
        return rank_members(
            similarities[order], templates.ids[order], dict(zip(templates.ids.tolist(), templates.members, strict=True))
        )


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
