"""What a gallery's database says: each method reads one moment's rows, and only frozen values go out."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from facegallery.domain import (
    EMBEDDING_SIZE,
    Calibration,
    Cipher,
    Crop,
    EnrolledFace,
    Ids,
    Member,
    ModelIdentity,
    Preparation,
    Rejection,
    SecretKind,
    StoreStamp,
    TemplateOwners,
    TemplateSet,
    TemplateTail,
    Vectors,
    VectorSpace,
)
from facegallery.store import calibrations, checks, crops, decision_log, journal, keys, rejections, rows
from facegallery.store.engine import reading, sqlite_errors
from facegallery.store.sealed import cipher_of
from facegallery.store.tables import MEMBER_NAME, FaceRow, MemberRow, PhotoRow, TemplateRow
from facegallery.store.vectors import ROWS_AT_ONCE, open_vectors, qualities_of
from facegallery.text import natural_key


class ReadableStore:
    """An open gallery's rows, to be read. All methods raise ``GalleryUnavailable`` and ``GalleryDamaged``."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path

    @contextmanager
    def snapshot(self) -> Iterator[ReadableStore]:
        """One moment of the store: everything that is asked of it has one answer, whatever others change meanwhile.

        It is a read transaction, for one thread. It is to be short: while it is open ``forget`` cannot empty the
        write-ahead log, and that log grows with every change.
        """
        with self._read() as connection:
            rows.revision_and_state(connection)  # with the first look the moment begins
            yield _Snapshot(connection, self._engine, self._path)

    def model(self) -> ModelIdentity:
        """The model that all vectors in this gallery come from."""
        with self._read() as connection:
            return rows.gallery_model(connection, self._path)[1]

    def gallery_id(self) -> str:
        """What the gallery is known by, whatever folder it is in: 32 hexadecimal digits."""
        with self._read() as connection:
            return rows.gallery_id(connection)

    def encryption(self) -> SecretKind | None:
        """What the gallery is encrypted with; None when it is not."""
        with self._read() as connection:
            return keys.kind_of(connection)

    @property
    def cipher(self) -> Cipher | None:
        """What seals and opens what is kept beside the store, as the store does itself; None in a plain gallery."""
        return cipher_of(self._engine.dialect)

    def preparation(self) -> Preparation:
        """How faces are prepared for the embedder here; vectors of two preparations are not compared."""
        with self._read() as connection:
            return rows.preparation(connection)

    def space(self) -> VectorSpace:
        """What the gallery's vectors can be compared with now."""
        with self._read() as connection:
            return rows.space(connection, self._path)

    def state(self) -> str:
        """Changes with every change of the rows; what was read at one state holds until it is another."""
        with self._read() as connection:
            return rows.revision_and_state(connection)[1]

    def stamp(self) -> StoreStamp:
        """What the store holds now."""
        with self._read() as connection:
            model = rows.gallery_model(connection, self._path)[1]
            count = rows.count_templates(connection)
            return StoreStamp(*rows.revision_and_state(connection), model.fingerprint, count)

    def tail(self, last_id: int) -> TemplateTail:
        """What is there beside an index that ends with template ``last_id``; costs what is newer than that."""
        with self._read() as connection:
            space = rows.space(connection, self._path)
            return TemplateTail(
                f"{space.fingerprint} {space.preparation.value}",
                rows.count_templates(connection, after=last_id),
                connection.scalar(select(TemplateRow.created_at).where(TemplateRow.id == last_id)),
            )

    def members(self) -> list[Member]:
        """All members, in natural order of their names."""
        with self._read() as connection:
            return sorted(rows.members(connection), key=lambda member: natural_key(member.name))

    def member(self, name: str) -> Member:
        """One member, by any spelling of the name that differs only in case, Unicode form or spaces.

        Raises:
            MemberNotFound: Carries the enrolled names that look like it.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            return rows.member_of(connection, rows.member_id_of(connection, name))

    def enrolled_faces(self, name: str | None = None) -> list[EnrolledFace]:
        """The faces enrolled for one member, or all of them; oldest first.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            if name is None:
                return rows.enrolled_faces(connection)
            return rows.enrolled_faces(connection, TemplateRow.member_id == rows.member_id_of(connection, name))

    def faces_of_photo(self, content_hash: str) -> list[EnrolledFace]:
        """The faces that were enrolled from the photo with these bytes; empty when none was."""
        with self._read() as connection:
            return rows.enrolled_faces(connection, PhotoRow.content_hash == content_hash)

    def enrolled_face(self, template_id: int) -> EnrolledFace:
        """The origin of one template.

        Raises:
            KeyError: There is no such template (any more).
        """
        with self._read() as connection:
            return rows.enrolled_face_of(connection, template_id)

    def templates_of(self, template_ids: Ids) -> TemplateSet:
        """These templates, as of one revision, in no order. Ids that are not there (any more) are left out."""
        with self._read() as connection:
            return self._template_set(connection, rows.templates_of(connection, template_ids))

    def templates_of_members(self, names: Sequence[str]) -> TemplateSet:
        """All templates of these members, oldest first; members that are not there (any more) are left out."""
        with self._read() as connection:
            return self._template_set(connection, rows.templates_of_members(connection, names))

    def owners(self) -> TemplateOwners:
        """Whose templates there are, as of one moment; takes a tenth of a second for each 100,000."""
        with self._read() as connection:
            return rows.owners(connection)

    def member_ids(self) -> dict[str, int]:
        """By name the ids of all members."""
        with self._read() as connection:
            return {row.name: row.id for row in connection.execute(select(MemberRow.id, MEMBER_NAME))}

    def count_up_to(self, last_id: int) -> int:
        """Number of templates up to this one, as of one moment; takes a few milliseconds at a million templates."""
        with self._read() as connection:
            return rows.count_templates(connection) - rows.count_templates(connection, after=last_id)

    def template_ids(self, up_to: int) -> Ids:
        """Ids of the templates that are there, up to this one: shape (n,), int64, ascending."""
        import numpy as np

        with self._read() as connection:
            return np.sort(np.fromiter(rows.template_ids(connection, up_to), np.int64))

    def template_batches(self, after: int) -> Generator[tuple[Ids, Vectors], None, None]:
        """The templates with greater ids, as of one revision, a few thousand at a time; close it if left half-way.

        Yields:
            Ids, shape (n,), int64, ascending, and vectors, shape (n, 512), float32.
        """
        import numpy as np

        query = select(TemplateRow.id, TemplateRow.vector, TemplateRow.face_id, TemplateRow.member_id)
        query = query.where(TemplateRow.id > after).order_by(TemplateRow.id)
        with self._read() as connection:
            for batch in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
                yield np.array([row.id for row in batch], np.int64), open_vectors(connection, batch)

    def templates(self, name: str | None = None) -> TemplateSet:
        """The templates of one member, or all of them, as of one revision.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        import numpy as np

        query = (
            select(TemplateRow.id, TemplateRow.member_id, TemplateRow.vector, TemplateRow.face_id, FaceRow.quality)
            .join(FaceRow, FaceRow.id == TemplateRow.face_id)
            .order_by(TemplateRow.id)
        )
        counting = select(func.count()).select_from(TemplateRow)
        with self._read() as connection:
            if name is not None:
                of_member = TemplateRow.member_id == rows.member_id_of(connection, name)
                query, counting = query.where(of_member), counting.where(of_member)
            revision, state = rows.revision_and_state(connection)
            space = rows.space(connection, self._path)
            names = {row.id: row.name for row in connection.execute(select(MemberRow.id, MEMBER_NAME))}
            n = connection.scalar(counting) or 0
            ids, vectors, qualities = (
                np.empty(n, np.int64),
                np.empty((n, EMBEDDING_SIZE), np.float32),
                np.ones(n, np.float32),
            )
            members: list[str] = []
            for batch in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
                there = slice(len(members), len(members) + len(batch))
                ids[there] = [row.id for row in batch]
                members += [names[row.member_id] for row in batch]
                vectors[there] = open_vectors(connection, batch)
                qualities[there] = qualities_of(row.quality for row in batch)
        n = len(members)  # fewer than were counted where a damaged gallery has templates without a face
        return TemplateSet(revision, state, ids[:n], vectors[:n], tuple(members), qualities[:n], space)

    def rejection_vectors(self) -> dict[str, Vectors]:
        """For each member whom a face was said not to be, the embeddings of such faces: shape (n, 512), float32."""
        with self._read() as connection:
            return rejections.vectors(connection)

    def calibration(self) -> Calibration | None:
        """The limits chosen from the gallery's own similarities; None where that was never done."""
        with self._read() as connection:
            return calibrations.load(connection)

    def log_days(self) -> int | None:
        """For how many days answers are kept in the log of decisions; None while it is off."""
        with self._read() as connection:
            return decision_log.days(connection)

    def n_members(self) -> int:
        """How many members are enrolled."""
        with self._read() as connection:
            return rows.count_members(connection)

    def n_moved_since(self, since: datetime) -> int:
        """How many templates are another member's now than they were at a moment, among those still there."""
        with self._read() as connection:
            return journal.n_moved_since(connection, since)

    def rejections(self, name: str | None = None) -> list[Rejection]:
        """The faces that were said not to be one member's, or all of them; oldest first.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            return rejections.all_of(connection, None if name is None else rows.member_id_of(connection, name))

    def count_crops(self, name: str | None = None) -> int:
        """How many faces' pixels are kept, of one member or all.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        with self._read() as connection:
            return crops.count(connection, None if name is None else rows.member_id_of(connection, name))

    def crops_of(self, template_ids: Iterable[int]) -> dict[int, Crop]:
        """The kept crops of these templates' faces, by template id; those without one are left out."""
        with self._read() as connection:
            return crops.of_templates(connection, template_ids)

    def rejected_templates(self) -> set[tuple[int, str]]:
        """Each template whose face somebody said is not a member's, with that member's name."""
        with self._read() as connection:
            return rejections.of_templates(connection)

    def check(self) -> list[str]:
        """What is wrong with the rows, in words; an empty list when nothing is. Reads everything once."""
        with self._read() as connection:
            return checks.faults(connection)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with reading(self._engine, self._path) as connection:
            keys.require_key_of_opening(connection, self._path)
            yield connection

    def _template_set(self, connection: Connection, read: rows.Read) -> TemplateSet:
        import numpy as np  # members are listed without it

        revision, state = rows.revision_and_state(connection)
        ids, space = np.array(read.ids, np.int64), rows.space(connection, self._path)
        return TemplateSet(revision, state, ids, read.vectors, tuple(read.members), qualities_of(read.qualities), space)


class _Snapshot(ReadableStore):
    """A store's rows as one transaction sees them."""

    def __init__(self, connection: Connection, engine: Engine, path: Path) -> None:
        super().__init__(engine, path)
        self._connection = connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with sqlite_errors(self._path):
            yield self._connection
