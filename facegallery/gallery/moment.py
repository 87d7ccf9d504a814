"""The templates of one moment, for a run of questions: what happens to the gallery meanwhile changes no answer.

No transaction stays open for it, since ``forget`` could not empty the database's log then, and says so after half a
minute; see docs/decisions/0005-one-gallery-a-run.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from facegallery.domain import Ids, TemplateOwners, TemplateSet, VectorIndex
from facegallery.gallery.searches import comparable
from facegallery.index.exact import ExactRows
from facegallery.store.reading import ReadableStore

MOST_IN_MEMORY = 20_000
"""Up to so many templates the vectors are read at the start: 40 MB and a seventh of a second, in an encrypted gallery
a sixth."""


class Templates(Protocol):
    """What a search is made of."""

    @property
    def index(self) -> VectorIndex:
        """Proposes templates."""
        ...

    def of(self, template_ids: Ids) -> TemplateSet:
        """Those of these templates that are there, in no order."""
        ...

    def of_members(self, names: Sequence[str]) -> TemplateSet:
        """All templates of these members, oldest first; members that are not there are left out."""
        ...


def templates_of_moment(
    moment: ReadableStore, now: ReadableStore, index: VectorIndex, *, most_in_memory: int = MOST_IN_MEMORY
) -> Templates:
    """All templates as of one moment.

    Args:
        moment: The moment; it need not last.
        now: The store itself.
        index: The templates that are there now or were at the moment, but for those that were forgotten since.
        most_in_memory: Up to so many vectors are read now.
    """
    if moment.stamp().count <= most_in_memory:
        return ReadTemplates(moment.templates())
    return OwnedTemplates(moment.owners(), index, _read_later(now, moment))


class ReadTemplates:
    """Templates that were read with their vectors: nothing that happens to the gallery changes them."""

    def __init__(self, templates: TemplateSet) -> None:
        """Hold them.

        Args:
            templates: All of a store's, ids ascending.
        """
        self._all = templates
        self.index: VectorIndex = ExactRows(templates.ids, templates.vectors)
        self._places: dict[str, list[int]] = {}
        for place, member in enumerate(templates.members):
            self._places.setdefault(member, []).append(place)

    def of(self, template_ids: Ids) -> TemplateSet:
        """See ``Templates``."""
        return self._at(_places_of(template_ids, self._all.ids))

    def of_members(self, names: Sequence[str]) -> TemplateSet:
        """See ``Templates``."""
        places = [place for name in names for place in self._places.get(name, ())]
        return self._at(np.sort(np.array(places, np.int64)))

    def _at(self, places: Ids) -> TemplateSet:
        return replace(
            self._all,
            ids=self._all.ids[places],
            vectors=self._all.vectors[places],
            members=tuple(self._all.members[place] for place in places.tolist()),
            qualities=self._all.qualities[places],
        )


class OwnedTemplates:
    """Templates of which is known whose they were, and whose vectors are read when they are needed.

    A template's vector never changes, so it may be read later. Somebody who is forgotten meanwhile is gone from the
    answers from then on; all else stays as it was.
    """

    def __init__(self, owners: TemplateOwners, index: VectorIndex, read: Callable[[Ids], TemplateSet]) -> None:
        """Know whose they are.

        Args:
            owners: Of all templates.
            index: Proposes them; more that it proposes are passed over.
            read: Those of some templates that are still there, whoever's they are now.
        """
        self._owners = owners
        self.index = index
        self._read = read
        self._member_ids = {name: key for key, name in owners.names.items()}
        self._by_member = np.argsort(owners.members, kind="stable")
        self._members = owners.members[self._by_member]

    def of(self, template_ids: Ids) -> TemplateSet:
        """See ``Templates``."""
        found = self._read(self._owners.ids[_places_of(template_ids, self._owners.ids)])
        owners = self._owners.members[np.searchsorted(self._owners.ids, found.ids)]
        return replace(found, members=tuple(self._owners.names[key] for key in owners.tolist()))

    def of_members(self, names: Sequence[str]) -> TemplateSet:
        """See ``Templates``."""
        wanted = np.array([self._member_ids[name] for name in names if name in self._member_ids], np.int64)
        starts, ends = (np.searchsorted(self._members, wanted, side) for side in ("left", "right"))
        places = [self._by_member[start:end] for start, end in zip(starts, ends, strict=True)]
        found = self.of(self._owners.ids[np.concatenate(places)] if places else self._owners.ids[:0])
        order = np.argsort(found.ids)
        members = tuple(found.members[place] for place in order.tolist())
        vectors, qualities = found.vectors[order], found.qualities[order]
        return replace(found, ids=found.ids[order], vectors=vectors, members=members, qualities=qualities)


def _places_of(template_ids: Ids, known: Ids) -> Ids:
    """Where those of these ids are that are known (ascending), each once."""
    places = np.searchsorted(known, template_ids)
    there = places < len(known)
    there[there] = known[places[there]] == template_ids[there]
    return np.unique(places[there])


def _read_later(now: ReadableStore, moment: ReadableStore) -> Callable[[Ids], TemplateSet]:
    space = moment.space()

    def read(template_ids: Ids) -> TemplateSet:
        return comparable(now.templates_of(template_ids), space)

    return read
