"""A gallery's index and the searches over it, kept for as long as the store does not change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import ScoreRule, TemplateSet, VectorSpace
from facegallery.errors import ModelChanged
from facegallery.store import Store

if TYPE_CHECKING:  # FAISS and numpy are imported with the first question
    from facegallery.gallery.search import MemberSearch
    from facegallery.index.opening import TemplateIndex


class Searches:
    """The searches of one open gallery, by score rule. Nothing is loaded before the first is asked for."""

    def __init__(self, index_folder: Path, store: Store) -> None:
        self._index_folder = index_folder
        self._store = store
        self._index: TemplateIndex | None = None
        self._state = ""
        self._kept: dict[tuple[ScoreRule, VectorSpace], MemberSearch] = {}

    def by(self, rule: ScoreRule, space: VectorSpace) -> MemberSearch:
        """The search for a score rule, made again when the store has changed (also by another process).

        Args:
            rule: How a member's similarity is made.
            space: What the probes can be compared with. Where the gallery has been taken to another model since they
                were made, the search raises ModelChanged when it is asked, whenever that happens.
        """
        state = self._store.state()
        if state != self._state:
            self._kept, self._state = {}, state
        if (rule, space) not in self._kept:
            self._kept[rule, space] = self._made(rule, space)
        return self._kept[rule, space]

    def _made(self, rule: ScoreRule, space: VectorSpace) -> MemberSearch:
        from facegallery.gallery.search import MemberSearch
        from facegallery.index.opening import open_index

        self._index = open_index(self._index_folder, self._store, cipher=self._store.cipher, known=self._index)
        return MemberSearch(
            self._index,
            rule,
            templates_of=lambda ids: comparable(self._store.templates_of(ids), space),
            templates_of_members=lambda names: comparable(self._store.templates_of_members(names), space),
            rejections=self._store.rejection_vectors(),
        )

    def refresh_index(self) -> None:
        """Append what was enrolled to the index files, so that the next command need not read it from the database."""
        from facegallery.index.opening import refresh

        refresh(self._index_folder, self._store, cipher=self._store.cipher)


def comparable(templates: TemplateSet, space: VectorSpace) -> TemplateSet:
    """The same templates, known to be comparable with embeddings of this space: both were read at one moment.

    Raises:
        ModelChanged: They are of another: the gallery has been taken there since the embeddings were made.
    """
    if templates.space is not None and templates.space != space:
        raise ModelChanged(space_words(space), space_words(templates.space))
    return templates


def space_words(space: VectorSpace) -> str:
    """A space for a person."""
    return f"model {space.fingerprint[:12]} (faces prepared by '{space.preparation.value}')"
