"""Ranked members for probes, by one score rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facegallery.domain import Candidate, Ids, ScoreRule, TemplateSet, VectorIndex, Vectors
from facegallery.matching.decisions import rank_members
from facegallery.matching.scores import MemberTemplates, direction_of, rule_words, templates_by_member

FIRST_TEMPLATES_PER_MEMBER = 8
"""Templates asked for per wanted member in the first search; doubled until enough members are among the answers."""

LEAST_PROPOSED = 64
PROPOSED_PER_WANTED = 4
"""Members whose best template is nearest are the ones that other rules than the best template choose from: so many of
them for each that is wanted, and at least so many. In a smaller gallery the answer is exact. In a made-up one of 20,000
members with five photos each, as unlike each other as the starter's, they hold the best by the mean for all of 250
probes of members and for 249 of 250 of strangers."""


@dataclass(frozen=True, slots=True, eq=False)
class MemberScore:
    """A member's similarity to a probe and what it is made of.

    Attributes:
        candidate: The member as a candidate; its rank is 1.
        words: What the probe was compared with, for a person.
        direction: shape (512,), float32: its scalar product with the probe is the similarity.
    """

    candidate: Candidate
    words: str
    direction: Vectors


class MemberSearch:
    """Ranks members by their similarity to a probe.

    The index proposes templates; what they are, whose, and how similar, the store says. So an index that is behind or
    damaged can hide a member, and never names a wrong one.
    """

    def __init__(
        self,
        index: VectorIndex,
        rule: ScoreRule,
        *,
        templates_of: Callable[[Ids], TemplateSet],
        templates_of_members: Callable[[Sequence[str]], TemplateSet],
        rejections: Mapping[str, Vectors] | None = None,
    ) -> None:
        """Search an index.

        Args:
            index: All templates of the gallery.
            rule: How a member's similarity is made from the member's templates.
            templates_of: The store's templates with these ids; ids that are gone are left out.
            templates_of_members: All templates of these members; members that are gone are left out.
            rejections: For each member the embeddings, shape (n, 512), of faces that somebody said are not theirs.
        """
        self._index = index
        self._rule = rule
        self._templates_of = templates_of
        self._templates_of_members = templates_of_members
        self._rejections = rejections or {}
        self._known: dict[str, tuple[Ids, MemberTemplates]] = {}

    def candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        """The most similar members for each probe of shape (m, 512).

        Args:
            probes: shape (m, 512), float32, unit length.
            n_members: How many that are not ``rejected`` are wanted; the rejected ones among them come on top. All
                members where there are fewer.
        """
        n_asked = n_members
        found = self._candidates(probes, n_asked)
        while any(len(of_probe) == n_asked and _n_left(of_probe) < n_members for of_probe in found):
            n_asked *= 2
            found = self._candidates(probes, n_asked)
        return [_first_left(of_probe, n_members) for of_probe in found]

    def _candidates(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
        n_wanted = n_members
        if self._rule is not ScoreRule.BEST:
            n_wanted = max(PROPOSED_PER_WANTED * n_members, LEAST_PROPOSED)
        found = self._by_best_template(probes, n_wanted)
        if self._rule is not ScoreRule.BEST:
            found = self._by_rule(probes, found)
        return [
            [self._judged(candidate, probe) for candidate in of_probe[:n_members]]
            for probe, of_probe in zip(probes, found, strict=True)
        ]

    def score(self, member: str, probe: Vectors) -> MemberScore:
        """One member's similarity to a probe of shape (512,).

        Raises:
            LookupError: There is no such member (any more).
        """
        self._learn([member])
        ids, templates = self._known[member]
        direction = direction_of(templates, probe, self._rule)
        nearest = int((templates.vectors @ probe).argmax())
        candidate = Candidate(member, float(direction @ probe), 1, int(ids[nearest]))
        return MemberScore(
            self._judged(candidate, probe), rule_words(self._rule, member, len(templates.vectors)), direction
        )

    def _judged(self, candidate: Candidate, probe: Vectors) -> Candidate:
        """The candidate, rejected where the probe is at least as much like a face that is not the member's."""
        others = self._rejections.get(candidate.member)
        if others is None or float((others @ probe).max()) < candidate.similarity:
            return candidate
        return Candidate(candidate.member, candidate.similarity, candidate.rank, candidate.template_id, rejected=True)

    def _by_rule(self, probes: Vectors, proposed: Sequence[Sequence[Candidate]]) -> list[list[Candidate]]:
        self._learn(list(dict.fromkeys(each.member for of_probe in proposed for each in of_probe)))
        ranked = []
        for probe, of_probe in zip(probes, proposed, strict=True):
            there = [each for each in of_probe if each.member in self._known]
            scores = [float(direction_of(self._known[each.member][1], probe, self._rule) @ probe) for each in there]
            order = np.argsort(-np.array(scores), kind="stable").tolist()
            ranked.append(
                [
                    Candidate(there[place].member, scores[place], rank, there[place].template_id)
                    for rank, place in enumerate(order, start=1)
                ]
            )
        return ranked

    def _learn(self, members: Sequence[str]) -> None:
        """Read the templates of members that were not near before."""
        new = [member for member in members if member not in self._known]
        if new:
            self._known |= templates_by_member(self._templates_of_members(new))

    def _by_best_template(self, probes: Vectors, n_members: int) -> list[list[Candidate]]:
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


def _n_left(candidates: Sequence[Candidate]) -> int:
    return sum(not candidate.rejected for candidate in candidates)


def _first_left(candidates: list[Candidate], n: int) -> list[Candidate]:
    """Up to the n-th that is not rejected."""
    left = 0
    for place, candidate in enumerate(candidates):
        left += not candidate.rejected
        if left == n:
            return candidates[: place + 1]
    return candidates
