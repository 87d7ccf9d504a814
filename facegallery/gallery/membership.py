"""The members of a gallery: who is there, and what happens to them after they are enrolled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from facegallery.domain import EnrolledFace, Member, ModelIdentity, Preparation, Reembedding, TemplateSet
from facegallery.errors import NoReembedding, StillInTheLog
from facegallery.gallery.opened import OpenedGallery
from facegallery.settings import INDEX_NAME
from facegallery.weights.files import InstalledModel


@dataclass(frozen=True, slots=True)
class GalleryHealth:
    """What ``doctor`` reports about a gallery.

    Attributes:
        n_members: Enrolled members.
        n_templates: Stored embeddings.
        schema_revision: Revision of the database's schema.
        store_revision: Counts the changes of the stored rows.
        faults: What the store's own checks found; empty when all is well.
        index_state: Whether the index belongs to the store's present state and holds its vectors, in words.
    """

    n_members: int
    n_templates: int
    schema_revision: str
    store_revision: int
    faults: tuple[str, ...]
    index_state: str


class MembersGallery(OpenedGallery):
    """The part of :class:`facegallery.gallery.gallery.Gallery` that needs no networks."""

    def members(self) -> list[Member]:
        """All members in natural order of their names."""
        return self._store.members()

    def member(self, name: str) -> Member:
        """One member; the name is compared without regard to case and Unicode form. Raises MemberNotFound."""
        return self._store.member(name)

    def enrolled_faces(self, name: str) -> list[EnrolledFace]:
        """A member's enrolled faces and the photos they are from. Raises MemberNotFound."""
        return self._store.enrolled_faces(name)

    def templates(self) -> TemplateSet:
        """All templates, as of one moment."""
        return self._store.templates()

    def health(self) -> GalleryHealth:
        """What ``doctor`` reports about the gallery; reads everything once and changes nothing."""
        from facegallery.index.opening import describe
        from facegallery.store.migrate import SCHEMA_REVISION

        stamp = self._store.stamp()
        return GalleryHealth(
            n_members=len(self._store.members()),
            n_templates=stamp.count,
            schema_revision=SCHEMA_REVISION,
            store_revision=stamp.revision,
            faults=tuple(self._store.check()),
            index_state=describe(self.folder / INDEX_NAME, self._store),
        )

    # --- kept crops ------------------------------------------------------------------------------------------------

    def count_crops(self, name: str | None = None) -> int:
        """How many faces' pixels are kept, of one member or all. Raises MemberNotFound."""
        return self._store.count_crops(name)

    def drop_crops(self, name: str | None = None) -> int:
        """Remove the kept pixels of one member's faces, or all; vectors stay. Returns how many they were.

        Raises:
            MemberNotFound: No such member.
            StillInTheLog: All is done, but the database's log cannot be emptied yet.
        """
        return self._store.drop_crops(name)

    # --- the way to another model ----------------------------------------------------------------------------------

    def reembedding(self) -> Reembedding | None:
        """Where the gallery is on its way to; None where it stays on its model."""
        return self._store.reembedding()

    def reembedding_target(
        self, model: str | None = None, *, preparation: Preparation | None = None
    ) -> tuple[InstalledModel, Preparation]:
        """What :meth:`facegallery.gallery.gallery.Gallery.reembed` would take the gallery to.

        Raises:
            NoReembedding: Nothing is asked for, and nothing is under way.
            ModelNotFound: The model is unknown or its file is not here.
        """
        begun, own = self.reembedding(), self.model
        if model is None and preparation is None and begun is None:
            raise NoReembedding(self.folder)
        going_on = begun is not None and model is None and preparation is None
        installed = self._models.find(begun.model.name if begun and going_on else model or own.name)
        if preparation is not None:
            return installed, preparation
        if begun is not None and begun.model.fingerprint == installed.fingerprint:
            return installed, begun.preparation
        return installed, self.preparation if own == installed.identity else installed.spec.preparation

    def abandon_reembedding(self) -> bool:
        """Stay on the model, and drop the vectors made for another; returns whether there was a way to abandon.

        Raises:
            StillInTheLog: All is done, but the database's log cannot be emptied yet.
        """
        return self._store.abandon_reembedding()

    def _complete_reembedding(
        self, model: ModelIdentity, preparation: Preparation, templates: Iterable[int], rejections: Iterable[int]
    ) -> bool:
        """Switch to the new vectors, if they are complete but for these ids; the index of the old ones goes."""
        from facegallery.index.opening import forgetting

        with forgetting(self.folder / INDEX_NAME, self._store) as bury:
            try:
                done = self._store.complete_reembedding(
                    model, preparation, drop_templates=list(templates), drop_rejections=list(rejections)
                )
            except StillInTheLog:
                bury(())  # the vectors are others all the same
                raise
            if done:
                bury(())  # none in particular: files of another model are removed altogether
        return done

    # --- what happens to members -----------------------------------------------------------------------------------

    def rename(self, old: str, new: str) -> Member:
        """Give a member another name. Raises MemberNotFound, MemberExists or BadName."""
        return self._store.rename(old, new)

    def forget(self, name: str) -> int:
        """Remove a member with all vectors, faces and photo records, from the index too.

        A calibrated threshold stays; what it says of strangers goes, until the gallery is calibrated again.

        Returns:
            How many templates were removed.

        Raises:
            MemberNotFound: No such member.
            StillInTheLog: All is done, but the database's log cannot be emptied yet.
            GalleryUnavailable: The gallery cannot be written.
        """
        return self._buried(self._store.templates(name).ids.tolist(), lambda: self._store.forget(name))

    def _buried(self, ids: Sequence[int], remove: Callable[[], tuple[int, ...]]) -> int:
        """Remove templates from the store and from the index; returns how many they were."""
        from facegallery.index.opening import forgetting

        with forgetting(self.folder / INDEX_NAME, self._store) as bury:
            try:
                removed = remove()
            except StillInTheLog:
                bury(ids)  # the rows are gone all the same
                raise
            bury(removed)
        return len(removed)

    def move_templates(self, moves_to: Mapping[int, str]) -> int:
        """Give templates to other members, all or none; a member left without any is gone. The index holds as it is.

        Args:
            moves_to: By template id the member's name.

        Returns:
            How many were another's until now.

        Raises:
            MemberNotFound: No such member.
            SaidNotToBe: Somebody said that such a face is not that member's.
        """
        return len(self._store.move_templates(moves_to))

    def remove_templates(self, template_ids: Sequence[int]) -> int:
        """Remove templates with their faces, from the index too; a member left without any is gone.

        Returns:
            How many were there.

        Raises:
            StillInTheLog: All is done, but the database's log cannot be emptied yet.
            GalleryUnavailable: The gallery cannot be written.
        """
        return self._buried(template_ids, lambda: self._store.remove_templates(template_ids))
