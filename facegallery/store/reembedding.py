"""The way to another model: new vectors lie beside the old ones until all are there, then take their place at once.

Until then nothing that is searched changes, and so neither revision nor state do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from facegallery.domain import EnrolledFace, ModelIdentity, Preparation, Reembedding, Rejection
from facegallery.errors import NoReembedding, OtherReembedding
from facegallery.store import calibrations, erasure, journal, new_vectors, rejections, rows
from facegallery.store.members import MembersStore
from facegallery.store.tables import TemplateRow
from facegallery.store.vectors import to_blob

if TYPE_CHECKING:
    from facegallery.domain import Vectors


class ReembeddingStore(MembersStore):
    """What the store knows of the gallery's way to another model."""

    def reembedding(self) -> Reembedding | None:
        """Where the gallery is going; None where it stays as it is."""
        with self._read() as connection:
            return new_vectors.under_way(connection)

    def templates_to_reembed(self, after: int, n: int) -> list[EnrolledFace]:
        """The first n faces, by template id, after this one whose new vector is not there yet."""
        with self._read() as connection:
            left = new_vectors.templates_left(connection, after=after, n=n)
            return rows.enrolled_faces(connection, TemplateRow.id.in_(left))

    def rejections_to_reembed(self, after: int, n: int) -> list[Rejection]:
        """The same for faces that were said not to be a member's."""
        with self._read() as connection:
            left = new_vectors.rejections_left(connection, after=after, n=n)
            return [rejections.one(connection, rejection_id) for rejection_id in left]

    def begin_reembedding(self, model: ModelIdentity, preparation: Preparation) -> None:
        """Set out for another model, or go on to the one that the gallery is on its way to.

        Args:
            model: Where to.
            preparation: How faces are prepared for it.

        Raises:
            OtherReembedding: The gallery is on its way to another one.
        """
        with self._write() as connection:
            begun = new_vectors.under_way(connection)
            if begun is None:
                new_vectors.begin(connection, model, preparation, now=self._clock())
            elif not _is_to(begun, model, preparation):
                raise OtherReembedding(begun.model.name, begun.preparation.value)

    def keep_new_vectors(
        self,
        model: ModelIdentity,
        preparation: Preparation,
        *,
        templates: Mapping[int, Vectors],
        rejected: Mapping[int, Vectors],
    ) -> None:
        """Keep vectors of the model that the gallery is on its way to.

        What was removed meanwhile, or has its new vector by another program, is passed over; so is everything where
        another program has arrived there already.

        Args:
            model: The model that made them.
            preparation: How the faces were prepared.
            templates: By template id, shape (512,), float32, unit length.
            rejected: By rejection id, the same.

        Raises:
            NoReembedding: Another program has abandoned it, or the gallery is on its way to another one.
            ValueError: A vector is not 512 float32 numbers of unit length.
        """
        blobs, rejected_blobs = (
            {key: to_blob(vector) for key, vector in made.items()} for made in (templates, rejected)
        )
        with self._write() as connection:
            if self._is_under_way(connection, model, preparation):
                new_vectors.add(connection, blobs)
                new_vectors.add_rejected(connection, rejected_blobs)

    def complete_reembedding(
        self,
        model: ModelIdentity,
        preparation: Preparation,
        *,
        drop_templates: Collection[int] = (),
        drop_rejections: Collection[int] = (),
    ) -> bool:
        """Have the new vectors take the place of the old ones, in one transaction, if all are there.

        Names, ids and times stay. The calibration goes: its numbers are of the old model. Old vectors are overwritten
        as ``forget`` does it.

        Args:
            model: Where the gallery is on its way to.
            preparation: How faces are prepared for it.
            drop_templates: Ids of templates that are removed if they still have no new vector, with their faces; a
                member left without one is gone.
            drop_rejections: The same of rejections.

        Returns:
            Whether the gallery is there; False where something without a new vector is left, and nothing was changed.

        Raises:
            NoReembedding: Another program has abandoned it, or the gallery is on its way to another one.
            StillInTheLog: All is done, but the log could not be emptied.
        """
        with self._write() as connection:
            if not self._is_under_way(connection, model, preparation):
                return True
            if new_vectors.n_left(connection, drop_templates, drop_rejections):
                return False
            templates_left, rejections_left = new_vectors.all_left(connection)
            if rejections_left:
                journal.forget_rejections(connection, rejections_left)
                rejections.remove_all(connection, rejections_left)
            if templates_left:
                self._remove(connection, templates_left)
            new_vectors.swap(connection)
            new_vectors.clear(connection)
            calibrations.clear(connection)
            erasure.begin(connection, keep_backups=True)
            rows.grow_revision(connection)
        self._empty_log()
        return True

    def abandon_reembedding(self) -> bool:
        """Drop the new vectors, and stay on the model; returns whether the gallery was on its way to another.

        Raises:
            StillInTheLog: All is done, but the log could not be emptied.
        """
        with self._write() as connection:
            begun = new_vectors.under_way(connection)
            new_vectors.clear(connection)
        self._empty_log()  # also where there was none: an earlier attempt may have left its bytes there
        return begun is not None

    def _is_under_way(self, connection: Connection, model: ModelIdentity, preparation: Preparation) -> bool:
        """Whether the gallery is on its way there; False where it has arrived.

        Raises:
            NoReembedding: Neither.
        """
        begun = new_vectors.target(connection)
        if begun == (model.fingerprint, preparation):
            return True
        space = rows.space(connection, self._path)
        if begun is None and (space.fingerprint, space.preparation) == (model.fingerprint, preparation):
            return False
        raise NoReembedding(self._path.parent)


def _is_to(begun: Reembedding, model: ModelIdentity, preparation: Preparation) -> bool:
    return (begun.model.fingerprint, begun.preparation) == (model.fingerprint, preparation)
