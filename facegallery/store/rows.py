"""What the store asks of one connection: rows are read and written here, and only ids and frozen values go back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Text,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from facegallery.domain import (
    EMBEDDING_SIZE,
    BoxXyxy,
    EmbeddedFace,
    EnrolledFace,
    Face,
    Ids,
    Member,
    ModelIdentity,
    Photo,
    Preparation,
    TemplateOwners,
    VectorSpace,
)
from facegallery.errors import GalleryDamaged, MemberNotFound, ModelChanged, ModelMismatch
from facegallery.names import clean_name, name_key, nearest_names
from facegallery.sealing import BrokenSeal
from facegallery.store.listed import IN_LIST, LISTED, listed
from facegallery.store.sealed import cipher_of, exactly, kept_name, kept_photo_path, kept_points, lookup_text, points_of
from facegallery.store.tables import (
    MEMBER_NAME,
    PHOTO_PATH,
    Base,
    FaceRow,
    MemberRow,
    ModelRow,
    NewVectorRow,
    PhotoRow,
    SettingsRow,
    TemplateRow,
)
from facegallery.store.vectors import open_vector, open_vectors, seal_vector

if TYPE_CHECKING:
    from facegallery.domain import Vectors

# --- the gallery itself -------------------------------------------------------------------------------------------


def set_up(connection: Connection, model: ModelIdentity, preparation: Preparation, *, now: datetime) -> None:
    """Write a new gallery's one row about itself."""
    insert_row(
        connection,
        SettingsRow,
        id=1,
        model_id=insert_model(connection, model),
        revision=0,
        state=_new_state(),
        preparation=preparation.value,
        gallery_id=secrets.token_hex(16),
        created_at=now,
    )


def insert_model(connection: Connection, model: ModelIdentity) -> int:
    """Add a model that is not there yet; returns its id."""
    values = {"name": model.name, "fingerprint": model.fingerprint, "embedding_size": EMBEDDING_SIZE}
    return insert_row(connection, ModelRow, **values)


def gallery_model(connection: Connection, path: Path) -> tuple[int, ModelIdentity]:
    """The id and the identity of the gallery's model.

    Raises:
        GalleryDamaged: The gallery's settings are missing.
    """
    query = select(ModelRow.id, ModelRow.name, ModelRow.fingerprint)
    row = connection.execute(query.join(SettingsRow, SettingsRow.model_id == ModelRow.id)).one_or_none()
    if row is None:
        raise GalleryDamaged(path, "its settings are missing")
    return row.id, ModelIdentity(row.name, row.fingerprint)


def gallery_id(connection: Connection) -> str:
    """What the gallery is known by, whatever folder it is in."""
    return connection.execute(select(SettingsRow.gallery_id)).scalar_one()


def preparation(connection: Connection) -> Preparation:
    """How the gallery's faces are prepared for the embedder."""
    return Preparation(connection.scalar(select(SettingsRow.preparation)))


def space(connection: Connection, path: Path) -> VectorSpace:
    """What the gallery's vectors can be compared with.

    Raises:
        GalleryDamaged: The gallery's settings are missing.
    """
    query = select(ModelRow.fingerprint, SettingsRow.preparation)
    row = connection.execute(query.join(SettingsRow, SettingsRow.model_id == ModelRow.id)).one_or_none()
    if row is None:
        raise GalleryDamaged(path, "its settings are missing")
    return VectorSpace(row.fingerprint, Preparation(row.preparation))


def require_preparation(kept: Preparation, given: Preparation) -> None:
    """Pass when faces were prepared in the same way.

    Raises:
        ModelChanged: They were not: who asks has the gallery's own way, from before it was taken to another.
    """
    if kept is not given:
        raise ModelChanged(f"faces prepared by '{given.value}'", f"'{kept.value}'")


def require_model(kept: ModelIdentity, given: ModelIdentity) -> None:
    """Pass when two models are the same, whatever they are called.

    Raises:
        ModelMismatch: They are not.
    """
    if kept.fingerprint != given.fingerprint:
        raise ModelMismatch(
            kept.name,
            given.name,
            f"The gallery holds vectors of model '{kept.name}' ({kept.fingerprint[:12]}), and vectors of "
            f"'{given.name}' ({given.fingerprint[:12]}) cannot be compared with them. "
            f"Where the gallery was just taken to '{kept.name}' ('facegallery reembed'), run the same command again. "
            f"Else use '{kept.name}', or another gallery folder.",
        )


def revision_and_state(connection: Connection) -> tuple[int, str]:
    """What the gallery's rows are known by: how often they changed, and what no other history of changes shares."""
    row = connection.execute(select(SettingsRow.revision, SettingsRow.state)).one()
    return row.revision, row.state


def grow_revision(connection: Connection) -> None:
    """Say that something changed."""
    connection.execute(update(SettingsRow).values(revision=SettingsRow.revision + 1, state=_new_state()))


def _new_state() -> str:
    return secrets.token_hex(16)


# --- members ------------------------------------------------------------------------------------------------------


def members(connection: Connection) -> list[Member]:
    """All members, in no order."""
    return [_member(row) for row in connection.execute(_MEMBERS).mappings()]


def count_members(connection: Connection) -> int:
    """How many members there are."""
    return connection.scalar(select(func.count()).select_from(MemberRow)) or 0


def member_of(connection: Connection, member_id: int) -> Member:
    """The member with this id, which the caller knows to be there."""
    return _member(connection.execute(_MEMBERS.where(MemberRow.id == member_id)).mappings().one())


def member_id_of(connection: Connection, name: str) -> int:
    """The id of the member with this name.

    Raises:
        MemberNotFound: There is none.
        BadName: No member can have this name.
    """
    found = find_member(connection, clean_name(name))
    if found is None:
        enrolled = sorted(connection.scalars(select(MEMBER_NAME)), key=name_key)
        raise MemberNotFound(name, nearest_names(name, enrolled))
    return found


def insert_member(connection: Connection, name: str, *, now: datetime) -> int:
    """Add a member with a clean name that nobody has; returns the id."""
    return restore_member(connection, new_member_id(connection), name, created_at=now)


def new_member_id(connection: Connection) -> int:
    """An id that was never used before; chosen here and not by SQLite, since the name is sealed for it."""
    return last_id_ever(connection, MemberRow) + 1


def last_id_ever(connection: Connection, table: type[Base]) -> int:
    """The greatest id that a row of a table with AUTOINCREMENT has, or ever had; 0 before the first."""
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return int(connection.scalar(query, {"name": table.__tablename__}) or 0)


def restore_member(connection: Connection, member_id: int, name: str, *, created_at: datetime) -> int:
    """Add a member who has this id already, with a clean name that nobody has; returns the id."""
    return insert_row(
        connection,
        MemberRow,
        id=member_id,
        name=kept_name(connection, member_id, name),
        name_key=name_key(name),
        created_at=created_at,
    )


def rename_member(connection: Connection, member_id: int, name: str) -> None:
    """Give a member another clean name, which the caller knows to be nobody else's."""
    kept = kept_name(connection, member_id, name)
    connection.execute(update(MemberRow).where(MemberRow.id == member_id).values(name=kept, name_key=name_key(name)))


def find_member(connection: Connection, name: str) -> int | None:
    """The id of the member with this name, or None.

    Raises:
        BrokenSeal: The member that is found by the name has another: keys of names were exchanged.
    """
    query = select(MemberRow.id, MEMBER_NAME).where(MemberRow.name_key == name_key(name))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    require_key_of_name(connection, row.id, row.name, name_key(name))
    return int(row.id)


def require_key_of_name(connection: Connection, member_id: int, name: str, key: str) -> None:
    """Pass when a member is found by the key of the own name: only the name is bound to the member.

    Raises:
        BrokenSeal: By another.
    """
    if name_key(name) != key:
        context = f"key of the name of member {member_id}"
        raise BrokenSeal(context.encode(), tampered=cipher_of(connection) is not None)


_MEMBERS = (
    select(MEMBER_NAME, MemberRow.created_at, func.count(TemplateRow.id).label("n_templates"))
    .outerjoin(TemplateRow, TemplateRow.member_id == MemberRow.id)
    .group_by(MemberRow.id)
)


def _member(row: RowMapping) -> Member:
    return Member(row["name"], row["n_templates"], row["created_at"])


# --- photos, faces, templates -------------------------------------------------------------------------------------


def enrolled_faces(connection: Connection, *narrowed: ColumnElement[bool]) -> list[EnrolledFace]:
    """The enrolled faces for which all of this holds, oldest first."""
    return [_enrolled_face(connection, row) for row in connection.execute(_ENROLLED_FACES.where(*narrowed)).mappings()]


def enrolled_face_of(connection: Connection, template_id: int) -> EnrolledFace:
    """The origin of one template.

    Raises:
        KeyError: There is no such template.
    """
    found = enrolled_faces(connection, TemplateRow.id == template_id)
    if not found:
        raise KeyError(template_id)
    return found[0]


def photo_id_of(connection: Connection, photo: Photo, *, now: datetime) -> int:
    """The id of the photo with these bytes, which is added if need be."""
    found = connection.scalar(select(PhotoRow.id).where(PhotoRow.content_hash == photo.content_hash))
    if found is not None:
        return found
    return insert_row(
        connection,
        PhotoRow,
        content_hash=photo.content_hash,
        path=kept_photo_path(connection, photo.path.absolute(), photo.content_hash),
        width_px=photo.width_px,
        height_px=photo.height_px,
        added_at=now,
    )


def insert_template(
    connection: Connection, vector: bytes, *, face_id: int, member_id: int, model_id: int, now: datetime
) -> int:
    """Add a template; returns its id.

    Args:
        connection: In a transaction.
        vector: As ``vectors.to_blob`` makes it.
        face_id: The face's.
        member_id: The member's.
        model_id: The gallery's model's.
        now: Moment to keep.
    """
    return insert_row(
        connection,
        TemplateRow,
        face_id=face_id,
        member_id=member_id,
        model_id=model_id,
        vector=seal_vector(connection, vector, face_id=face_id, member_id=member_id),
        created_at=now,
    )


def give_template(connection: Connection, template_id: int, member_id: int) -> None:
    """Make a template another member's: its vector is sealed for whose it is. A new one is made anew."""
    query = select(TemplateRow.face_id, TemplateRow.member_id, TemplateRow.vector)
    row = connection.execute(query.where(TemplateRow.id == template_id)).one()
    plain = open_vector(connection, row.vector, face_id=row.face_id, member_id=row.member_id)
    vector = seal_vector(connection, plain, face_id=row.face_id, member_id=member_id)
    changed = update(TemplateRow).where(TemplateRow.id == template_id).values(member_id=member_id, vector=vector)
    connection.execute(changed)
    connection.execute(delete(NewVectorRow).where(NewVectorRow.template_id == template_id))


def insert_face(connection: Connection, embedded: EmbeddedFace, *, photo_id: int, content_hash: str) -> int:
    """Add a face of the photo that has this id and these bytes; returns its id."""
    quality = None if embedded.quality is None else float(embedded.quality.overall)
    columns = face_columns(connection, embedded.face, content_hash=content_hash, quality=quality)
    return insert_row(connection, FaceRow, photo_id=photo_id, quality=quality, **columns)


def find_template(connection: Connection, face: Face, *, photo_id: int, member_id: int) -> int | None:
    """The member's template that stands on this very box of this photo, or None."""
    query = select(TemplateRow.id).join(FaceRow, FaceRow.id == TemplateRow.face_id)
    query = query.where(TemplateRow.member_id == member_id, FaceRow.photo_id == photo_id)
    return connection.scalar(query.filter_by(**box_columns(face)))


def count_templates(connection: Connection, *, after: int = 0) -> int:
    """Number of templates with greater ids than this.

    For all of them SQLite walks through its smallest index; for the later ones, which are expected to be few, through
    the rows themselves.
    """
    query = select(func.count()).select_from(TemplateRow)
    return connection.scalar(query if after == 0 else query.where(TemplateRow.id > after)) or 0


def template_ids(connection: Connection, up_to: int) -> Iterator[int]:
    """Ids up to this one, in no order."""
    # The plus sign keeps SQLite from walking through the table, vectors and all: it reads a small index instead.
    return iter(connection.scalars(select(TemplateRow.id).where(text("+templates.id <= :up_to")), {"up_to": up_to}))


def owners(connection: Connection) -> TemplateOwners:
    """Whose templates there are."""
    import numpy as np  # members are listed without it

    # One row a member, from the index by members alone: at a million templates a second instead of fifteen.
    query = select(TemplateRow.member_id, func.json_group_array(TemplateRow.id), func.count())
    found = connection.execute(query.group_by(TemplateRow.member_id)).all()
    ids = np.fromiter((key for row in found for key in json.loads(row[1])), np.int64)
    order = np.argsort(ids)
    members = np.repeat(np.array([row[0] for row in found], np.int64), [row[2] for row in found])
    names = {row.id: row.name for row in connection.execute(select(MemberRow.id, MEMBER_NAME))}
    return TemplateOwners(ids[order], members[order], names)


@dataclass(frozen=True, slots=True)
class Read:
    """Templates as they were read: n of each.

    Attributes:
        ids: Template ids.
        members: Names.
        vectors: shape (n, 512), float32.
        qualities: None for a face that was enrolled before they were kept.
    """

    ids: list[int]
    members: list[str]
    vectors: Vectors
    qualities: list[float | None]


def templates_of(connection: Connection, template_ids: Ids) -> Read:
    """Those of these templates that are there."""
    return _read(connection, connection.execute(_TEMPLATES_OF, listed(template_ids.tolist())).all())


_TEMPLATE_COLUMNS = (
    TemplateRow.id,
    MEMBER_NAME,
    TemplateRow.vector,
    TemplateRow.face_id,
    TemplateRow.member_id,
    FaceRow.quality,
)

_TEMPLATES_OF = (
    select(*_TEMPLATE_COLUMNS)
    .select_from(LISTED)
    .join(TemplateRow, TemplateRow.id == LISTED.c.value)
    .join(MemberRow, MemberRow.id == TemplateRow.member_id)
    .join(FaceRow, FaceRow.id == TemplateRow.face_id)
)


def templates_of_members(connection: Connection, names: Sequence[str]) -> Read:
    """The same for all templates of these members, oldest first."""
    wanted = listed(lookup_text(cipher_of(connection), name_key(name), "name") for name in names)
    return _read(connection, connection.execute(_TEMPLATES_OF_MEMBERS, wanted).all())


_TEMPLATES_OF_MEMBERS = (
    select(*_TEMPLATE_COLUMNS)
    .select_from(LISTED)
    .join(MemberRow, cast(MemberRow.name_key, Text) == LISTED.c.value)
    .join(TemplateRow, TemplateRow.member_id == MemberRow.id)
    .join(FaceRow, FaceRow.id == TemplateRow.face_id)
    .order_by(TemplateRow.id)
)


def _read(connection: Connection, found: Sequence[Row[int, str, bytes, int, int, float | None]]) -> Read:
    return Read(
        [row.id for row in found],
        [row.name for row in found],
        open_vectors(connection, found),
        [row.quality for row in found],
    )


def template_ids_of(connection: Connection, member_id: int) -> Sequence[int]:
    """The ids of a member's templates, ascending."""
    theirs = select(TemplateRow.id).where(TemplateRow.member_id == member_id)
    return connection.scalars(theirs.order_by(TemplateRow.id)).all()


def delete_member(connection: Connection, member_id: int) -> None:
    """Remove a member, the faces and templates, and photos left without a face."""
    faces = select(TemplateRow.face_id).where(TemplateRow.member_id == member_id)
    photos = connection.scalars(select(FaceRow.photo_id).where(FaceRow.id.in_(faces)).distinct()).all()
    connection.execute(delete(FaceRow).where(FaceRow.id.in_(faces)))  # the templates go with their faces
    connection.execute(delete(MemberRow).where(MemberRow.id == member_id))
    in_use = select(FaceRow.id).where(FaceRow.photo_id == PhotoRow.id).exists()
    theirs_only = delete(PhotoRow).where(PhotoRow.id.in_(IN_LIST), ~in_use)
    connection.execute(theirs_only, listed(photos))


def insert_row(connection: Connection, table: type[Base], **values: object) -> int:
    """Add one row; returns its id."""
    return int(connection.execute(insert(table).values(**values)).lastrowid)


_ENROLLED_FACES = (
    select(
        TemplateRow.id,
        TemplateRow.created_at,
        MEMBER_NAME,
        PHOTO_PATH,
        PhotoRow.content_hash,
        FaceRow.box_left,
        FaceRow.box_top,
        FaceRow.box_right,
        FaceRow.box_bottom,
        FaceRow.landmarks,
        FaceRow.probability,
        FaceRow.quality,
    )
    .join(MemberRow, MemberRow.id == TemplateRow.member_id)
    .join(FaceRow, FaceRow.id == TemplateRow.face_id)
    .join(PhotoRow, PhotoRow.id == FaceRow.photo_id)
    .order_by(TemplateRow.id)
)


def _enrolled_face(connection: Connection, row: RowMapping) -> EnrolledFace:
    return EnrolledFace(
        template_id=row["id"],
        member=row["name"],
        photo_path=row["path"],
        content_hash=row["content_hash"],
        face=face_of(connection, row),
        enrolled_at=row["created_at"],
        quality=row["quality"],
    )


def face_of(connection: Connection, row: Mapping[Any, Any]) -> Face:
    """The detection that a row's columns keep, of an enrolled face or of a rejected one; with ``content_hash``.

    Raises:
        BrokenSeal: The landmarks are damaged, or something of the face, or the photo that it is in, was changed.
    """
    points = points_of(connection, row["landmarks"], _face_context(row, row["content_hash"]))
    return Face(box_of(row), points, row["probability"])


def face_columns(
    connection: Connection, face: Face, *, content_hash: str, quality: float | None = None
) -> dict[str, object]:
    """A detection as columns; the landmarks are sealed for the photo and for all else that is kept of the face."""
    columns = {**box_columns(face), "probability": float(face.probability)}
    context = _face_context({**columns, "quality": quality}, content_hash)
    return {**columns, "landmarks": kept_points(connection, face.landmarks_xy, context)}


def _face_context(row: Mapping[Any, Any], content_hash: str) -> str:
    box = " ".join(exactly(edge) for edge in box_of(row))
    seen = f"probability {exactly(row['probability'])}, quality {exactly(row.get('quality'))}"
    return f"face in photo {content_hash} at {box}, {seen}"


def box_of(row: Mapping[Any, Any]) -> BoxXyxy:
    """The box that a row's columns keep."""
    return row["box_left"], row["box_top"], row["box_right"], row["box_bottom"]


def box_columns(face: Face) -> dict[str, float]:
    """A face's box as columns."""
    left, top, right, bottom = (float(edge) for edge in face.box_xyxy)
    return {"box_left": left, "box_top": top, "box_right": right, "box_bottom": bottom}
