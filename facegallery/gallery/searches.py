"""A gallery's index and the searches over it, kept for as long as the store does not change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import ScoreRule
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
        self._by_rule: dict[ScoreRule, MemberSearch] = {}

    def by(self, rule: ScoreRule) -> MemberSearch:
        """The search for a score rule, made again when the store has changed (also by another process)."""
        state = self._store.state()
        if state != self._state:
            self._by_rule, self._state = {}, state
        if rule not in self._by_rule:
            self._by_rule[rule] = self._made(rule)
        return self._by_rule[rule]

    def _made(self, rule: ScoreRule) -> MemberSearch:
        from facegallery.gallery.search import MemberSearch
        from facegallery.index.opening import open_index

        self._index = open_index(self._index_folder, self._store, cipher=self._store.cipher, known=self._index)
        return MemberSearch(
            self._index,
            rule,
            templates_of=self._store.templates_of,
            templates_of_members=self._store.templates_of_members,
            rejections=self._store.rejection_vectors(),
        )

    def refresh_index(self) -> None:
        """Append what was enrolled to the index files, so that the next command need not read it from the database."""
        from facegallery.index.opening import refresh

        refresh(self._index_folder, self._store, cipher=self._store.cipher)
