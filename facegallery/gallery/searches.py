"""A gallery's index and the searches over it, kept for as long as the store does not change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import ScoreRule, TemplateSet, VectorSpace
from facegallery.errors import ModelChanged
from facegallery.store import Store

if TYPE_CHECKING:  # FAISS and numpy are imported with the first question
    from facegallery.domain import Vectors
    from facegallery.gallery.moment import Templates
    from facegallery.gallery.search import MemberSearch
    from facegallery.index.opening import TemplateIndex
    from facegallery.store.reading import ReadableStore


class Searches:
    """The searches of one open gallery, by score rule. Nothing is loaded before the first is asked for."""

    def __init__(self, index_folder: Path, store: Store) -> None:
        self._index_folder = index_folder
        self._store = store
        self._index: TemplateIndex | None = None
        self._state = ""
        self._templates: Templates | None = None
        self._rejections: dict[str, Vectors] = {}
        self._by_rule: dict[ScoreRule, MemberSearch] = {}

    def by(self, rule: ScoreRule, space: VectorSpace) -> MemberSearch:
        """The search for a score rule as the store is now, also after another process changed it.

        Args:
            rule: How a member's similarity is made.
            space: What the probes can be compared with.

        Raises:
            ModelChanged: The gallery has been taken to another model since the probes were made.
        """
        with self._store.snapshot() as moment:
            return self.at(moment, rule, space)

    def at(self, moment: ReadableStore, rule: ScoreRule, space: VectorSpace) -> MemberSearch:
        """The search for a score rule as of a moment of the store; it answers so however the store changes then.

        Raises:
            ModelChanged: The moment's vectors cannot be compared with probes of this space.
        """
        from facegallery.gallery.search import MemberSearch

        require_space(space, moment.space())
        templates = self._templates_at(moment)
        if rule not in self._by_rule:
            self._by_rule[rule] = MemberSearch(
                templates.index,
                rule,
                templates_of=templates.of,
                templates_of_members=templates.of_members,
                rejections=self._rejections,
            )
        return self._by_rule[rule]

    def _templates_at(self, moment: ReadableStore) -> Templates:
        from facegallery.gallery.moment import templates_of_moment
        from facegallery.index.opening import open_index

        state = moment.state()
        if self._templates is None or state != self._state:
            # By the store as it is now: files brought up to date by a moment that is past would hold whom it forgot.
            self._index = open_index(self._index_folder, self._store, cipher=self._store.cipher, known=self._index)
            self._templates = templates_of_moment(moment, self._store, self._index)
            self._rejections, self._by_rule, self._state = moment.rejection_vectors(), {}, state
        return self._templates

    def refresh_index(self) -> None:
        """Append what was enrolled to the index files, so that the next command need not read it from the database."""
        from facegallery.index.opening import refresh

        refresh(self._index_folder, self._store, cipher=self._store.cipher)


def comparable(templates: TemplateSet, space: VectorSpace) -> TemplateSet:
    """The same templates, known to be comparable with embeddings of this space: both were read at one moment.

    Raises:
        ModelChanged: They are of another: the gallery has been taken there since the embeddings were made.
    """
    if templates.space is not None:
        require_space(space, templates.space)
    return templates


def require_space(wanted: VectorSpace, found: VectorSpace) -> None:
    """Pass when vectors of two spaces can be compared.

    Raises:
        ModelChanged: They cannot: the gallery has been taken to another model.
    """
    if wanted != found:
        raise ModelChanged(space_words(wanted), space_words(found))


def space_words(space: VectorSpace) -> str:
    """A space for a person."""
    return f"model {space.fingerprint[:12]} (faces prepared by '{space.preparation.value}')"
