"""A search by the best template alone: what the tests of the index ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from facegallery.domain import Ids, ScoreRule, TemplateSet, VectorIndex
from facegallery.gallery.search import MemberSearch


def by_best_template(index: VectorIndex, templates_of: Callable[[Ids], TemplateSet]) -> MemberSearch:
    """Ranks members by their best template; nothing else can be asked of it."""
    return MemberSearch(index, ScoreRule.BEST, templates_of=templates_of, templates_of_members=_nobody)


def _nobody(members: Sequence[str]) -> TemplateSet:
    raise AssertionError(f"the templates of {members} are not needed")
