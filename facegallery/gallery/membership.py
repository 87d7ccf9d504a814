"""The members of a gallery: who is there, and what happens to them after they are enrolled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import (
    EnrolledFace,
    GalleryContent,
    JournalEntry,
    Member,
    ModelIdentity,
    Preparation,
    Reembedding,
    Removal,
    Taken,
    TemplateSet,
)
from facegallery.errors import NoReembedding, StillInTheLog
from facegallery.gallery.erasing import Search, certificate, finish, remove, search
from facegallery.gallery.opened import OpenedGallery
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.weights.files import InstalledModel

if TYPE_CHECKING:
    from facegallery.gallery.archiving import Exported


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


def _nothing() -> None:
    """What is called on the way unless something else is."""


class MembersGallery(OpenedGallery):
    """The part of :class:`facegallery.gallery.gallery.Gallery` that needs no networks, but for a face's number."""

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
            index_state=describe(self.folder / INDEX_NAME, self._store, cipher=self._store.cipher),
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

    # --- archives --------------------------------------------------------------------------------------------------

    def export(
        self, path: Path | str, *, with_crops: bool = False, replace: bool = False, told: Callable[[], None] = _nothing
    ) -> Exported:
        """Write everything in the gallery into one file that can be read without this program, and is not encrypted.

        Members, photos' places and hashes, faces with their vectors, what was said not to be a member's, and the
        calibration, as of one moment; not the history, nor the log. See ``docs/archive.md``.

        Args:
            path: The file; not in the gallery's own folder.
            with_crops: Whether the faces' pixels are in it, where they are kept.
            replace: Whether a file that is there may be replaced.
            told: Called for each crop that is written, for a progress bar.

        Raises:
            ArchiveNotWritten: A file is there, or it cannot be written; what was there before is as it was.
        """
        from facegallery.gallery.archiving import export

        return export(self.folder, self._store, Path(path), with_crops=with_crops, replace_file=replace, told=told)

    def import_archive(self, path: Path | str) -> Taken:
        """Take in an archive: what is not there yet, all of it or nothing. See ``docs/archive.md`` for what that is.

        Raises:
            ArchiveRefused: The file is no archive, or a damaged or hostile one.
            ModelMismatch: It is of another model, or of faces prepared otherwise.
        """
        from facegallery.archive import read_archive

        return self.take(read_archive(Path(path)))

    def would_take(self, content: GalleryContent) -> Taken:
        """What :meth:`take` would do now; raises what it raises, and changes nothing."""
        return self._store.would_take(content)

    def take(self, content: GalleryContent, *, told: Callable[[], None] = _nothing) -> Taken:
        """Take in the content of an archive that was read; see :meth:`import_archive`.

        Args:
            content: From :func:`facegallery.archive.read_archive`.
            told: Called for each crop that comes, for a progress bar.

        Raises:
            ModelMismatch: It is of another model, or of faces prepared otherwise.
            ArchiveRefused: A crop was changed in the file since it was read.
        """
        from facegallery.gallery.archiving import take

        return take(self._store, content, told=told)

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

        with forgetting(self.folder / INDEX_NAME, self._store, cipher=self._store.cipher) as bury:
            try:
                done = self._store.complete_reembedding(
                    model, preparation, drop_templates=list(templates), drop_rejections=list(rejections)
                )
            except StillInTheLog:
                bury(())  # the vectors are others all the same
                raise
            if done:
                bury(())  # none in particular: files of another model are removed altogether
        if done and not finish(self.folder, self._store):
            raise StillInTheLog(self.folder / DATABASE_NAME)
        return done

    # --- what happens to members -----------------------------------------------------------------------------------

    def rename(self, old: str, new: str) -> Member:
        """Give a member another name. Raises MemberNotFound, MemberExists or BadName."""
        return self._store.rename(old, new)

    def merge(self, source: str, into: str, *, in_one_photo: bool = False) -> JournalEntry:
        """Make one member of two; see :meth:`facegallery.store.lives.LivesStore.merge`. The index holds as it is."""
        return self._store.merge(source, into, in_one_photo=in_one_photo)

    def unmerge(self, name: str, *, as_name: str | None = None) -> JournalEntry:
        """Take the newest merge of a name apart; see :meth:`facegallery.store.lives.LivesStore.unmerge`."""
        return self._store.unmerge(name, as_name=as_name)

    def move(
        self,
        photo: Path | str,
        to: str,
        *,
        of: str | None = None,
        face_number: int | None = None,
        may_be_new: bool = False,
        in_one_photo: bool = False,
    ) -> JournalEntry | None:
        """Give the enrolled face of a photo to another member; one who is left without any is gone.

        Args:
            photo: The photo, by what is in it, else by the place where it was when it was enrolled.
            to: The member.
            of: Whose face is meant, where members share the photo.
            face_number: Which face is meant, from 1, as ``detect`` numbers them; for this the file is read.
            may_be_new: Make the member where there is none.
            in_one_photo: Also where the member has another face in the photo.

        Returns:
            What was done; None where the face is that member's already.

        Raises:
            PhotoNotEnrolled: No face is enrolled from this photo, or not the one that is meant.
            FaceChoiceNeeded: Several are, and neither ``of`` nor ``face_number`` says which.
            MemberNotFound: No such member.
            SaidNotToBe: Somebody said that the face is not that member's.
            InOnePhoto: The member has another face in the photo.
        """
        from facegallery.gallery.moving import enrolled_face_meant

        face = enrolled_face_meant(self, self._store, Path(photo), of=of, face_number=face_number)
        return self._store.move_faces([face.template_id], to, may_be_new=may_be_new, in_one_photo=in_one_photo)

    def history(self, n: int | None = None, member: str | None = None) -> list[JournalEntry]:
        """What was done to members, newest first; see :meth:`facegallery.store.lives.LivesStore.history`."""
        return self._store.history(n, member)

    def to_undo(self, entry_id: int | None = None) -> JournalEntry:
        """The entry that :meth:`undo` would undo. Raises what that raises."""
        return self._store.to_undo(entry_id)

    def undo(self, entry_id: int | None = None) -> JournalEntry:
        """Take back what was done; see :meth:`facegallery.store.lives.LivesStore.undo`."""
        return self._store.undo(entry_id)

    def forget(self, name: str, *, keep_backups: bool = False) -> Removal:
        """Remove a member for good: name, vectors, faces and photo records, from every file of the gallery.

        A calibrated threshold stays; what it says of strangers goes, until the gallery is calibrated again. Backups in
        the gallery's folder hold who was enrolled then, and are removed.

        Args:
            name: Any spelling of the member's name.
            keep_backups: Leave the backups.

        Raises:
            MemberNotFound: No such member.
            StillInTheLog: The rows are removed, but another program keeps their bytes from being removed everywhere.
            GalleryUnavailable: The gallery cannot be written.
        """
        ids = self._store.templates(name).ids.tolist()
        return remove(self.folder, self._store, ids, lambda: self._store.forget(name, keep_backups=keep_backups))

    def finish_erasure(self) -> None:
        """Do what was left to be done for somebody who was forgotten, and write the database anew.

        Raises:
            StillInTheLog: Another program is in the way.
        """
        is_left = self._store.erasure() is not None  # else finishing would do nothing
        if not (finish(self.folder, self._store) if is_left else self._store.erase()):
            raise StillInTheLog(self.folder / DATABASE_NAME)

    def search(self, removed: Removal) -> Search:
        """Look for what was removed in every file of the gallery's folder.

        Args:
            removed: From :meth:`forget`.
        """
        remaining = [member.name for member in self._store.members()]
        remaining += [str(face.photo_path) for face in self._store.enrolled_faces()]
        return search(self.folder, removed, (os.fsencode(text) for text in remaining))

    def certificate(self, removed: Removal, searched: Search | None = None) -> str:
        """What was removed, as JSON, without saying who it was: counts, hashes, time, and what a search for it finds.

        Args:
            removed: From :meth:`forget`.
            searched: From :meth:`search`; None searches.
        """
        searched = self.search(removed) if searched is None else searched
        at = datetime.now(timezone.utc)
        return certificate(self._store.gallery_id(), removed, searched, backups=self.backups(), at=at)

    # --- wrong photos ----------------------------------------------------------------------------------------------

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
            StillInTheLog: The rows are removed, but another program keeps their bytes from being removed everywhere.
            GalleryUnavailable: The gallery cannot be written.
        """
        removing = partial(self._store.remove_templates, template_ids)
        return len(remove(self.folder, self._store, template_ids, removing).template_ids)
