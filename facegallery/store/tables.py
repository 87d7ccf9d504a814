"""The tables. Their history is in ``migrations/``; a test holds the two equal."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    cast,
    func,
    type_coerce,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from facegallery.domain import EMBEDDING_SIZE
from facegallery.sealing import SEALED_EXTRA_BYTES
from facegallery.store.sealed import FilePath, LookupHash, LookupText, MemberName, PhotoPath

VECTOR_BYTES = 4 * EMBEDDING_SIZE
SEALED_VECTOR_BYTES = VECTOR_BYTES + SEALED_EXTRA_BYTES

VECTOR_RULE = f"typeof(vector) = 'blob' AND length(vector) IN ({VECTOR_BYTES}, {SEALED_VECTOR_BYTES})"
"""512 float32 numbers, as they are or sealed."""

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""A constraint without a name cannot be changed by a later migration."""


class UtcTime(TypeDecorator[datetime]):
    """A moment. SQLite keeps no time zones: kept in UTC, given back with it."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Refuse a time without a zone: nobody could say later which it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Say the zone that it was kept in."""
        return None if value is None else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    """Holds the tables together."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class MemberRow(Base):
    """A person; ``name_key`` is what makes two spellings of a name the same.

    ``name`` is as ``sealed.kept_name`` makes it; read it through ``MEMBER_NAME``. An id is never used again after its
    row is removed: the journal speaks of members by it.
    """

    __tablename__ = "members"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_key: Mapped[str] = mapped_column(LookupText("name"), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class PhotoRow(Base):
    """A file that at least one face was enrolled from; the file itself is not kept.

    ``path`` is as ``sealed.kept_photo_path`` makes it; read it through ``PHOTO_PATH``.
    """

    __tablename__ = "photos"
    __table_args__ = (
        CheckConstraint("length(content_hash) = 64", name="content_hash_is_sha256"),
        CheckConstraint("width_px > 0 AND height_px > 0", name="size_is_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    content_hash: Mapped[str] = mapped_column(LookupHash("content_hash"), unique=True)
    path: Mapped[str] = mapped_column(Text)
    width_px: Mapped[int]
    height_px: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(UtcTime)


class FaceRow(Base):
    """A detection in a photo, in pixels of the upright original; kept only while a template stands on it.

    ``landmarks`` are as ``rows.face_columns`` makes them: sealed for the photo and all else that is said of the face.
    """

    __tablename__ = "faces"
    __table_args__ = (
        CheckConstraint("box_left < box_right AND box_top < box_bottom", name="box_has_an_area"),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability_is_in_range"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), index=True)
    box_left: Mapped[float] = mapped_column(Float)
    box_top: Mapped[float] = mapped_column(Float)
    box_right: Mapped[float] = mapped_column(Float)
    box_bottom: Mapped[float] = mapped_column(Float)
    landmarks: Mapped[str] = mapped_column(Text)
    probability: Mapped[float] = mapped_column(Float)
    quality: Mapped[float | None] = mapped_column(Float)


class ModelRow(Base):
    """An embedding model; the fingerprint is what makes two the same."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("length(fingerprint) = 64", name="fingerprint_is_sha256"),
        CheckConstraint("embedding_size > 0", name="embedding_size_is_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text, unique=True)
    embedding_size: Mapped[int]


class TemplateRow(Base):
    """A member's stored embedding: float32, little-endian, sealed for its face and member in an encrypted gallery.

    An id is never used again after its row is removed.
    """

    __tablename__ = "templates"
    __table_args__ = (
        UniqueConstraint("face_id", "model_id"),
        CheckConstraint(VECTOR_RULE, name="vector_is_512_float32"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    face_id: Mapped[int] = mapped_column(ForeignKey("faces.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="RESTRICT"))
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class CropRow(Base):
    """The pixels of a face as the embedder saw them, a PNG; kept only where that was asked for."""

    __tablename__ = "crops"
    face_id: Mapped[int] = mapped_column(ForeignKey("faces.id", ondelete="CASCADE"), primary_key=True)
    preparation: Mapped[str] = mapped_column(Text)
    png: Mapped[bytes] = mapped_column(LargeBinary)


class SettingsRow(Base):
    """The gallery's one row about itself; with every change ``revision`` grows by one and ``state`` is drawn anew.

    ``erasure`` says that somebody was forgotten and what is left to be done about it; it is gone once all is done.
    ``log_days`` says for how many days decisions are kept in the log; without it none are.
    """

    __tablename__ = "gallery_settings"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("revision >= 0", name="revision_is_not_negative"),
        CheckConstraint("length(state) = 32", name="state_is_128_bits"),
        CheckConstraint("length(gallery_id) = 32", name="gallery_id_is_128_bits"),
        CheckConstraint("erasure LIKE 'all:%' OR erasure LIKE 'all but backups:%'", name="erasure_is_known"),
        CheckConstraint("log_days > 0", name="log_days_is_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="RESTRICT"))
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    preparation: Mapped[str] = mapped_column(Text, server_default="box")
    gallery_id: Mapped[str] = mapped_column(Text)
    erasure: Mapped[str | None] = mapped_column(Text)
    log_days: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class EncryptionRow(Base):
    """How the data key of an encrypted gallery is had from a secret; no row in a gallery that is not encrypted.

    ``key_id`` is made from the data key: who has the gallery open sees by it that another one was put in its place.
    """

    __tablename__ = "encryption"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    scrypt_n: Mapped[int]
    scrypt_r: Mapped[int]
    scrypt_p: Mapped[int]
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class CalibrationRow(Base):
    """The thresholds that were chosen from the gallery's own similarities; at most one row."""

    __tablename__ = "calibration"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    score: Mapped[str] = mapped_column(Text)
    wanted_fmr: Mapped[float] = mapped_column(Float)
    threshold: Mapped[float] = mapped_column(Float)
    min_margin: Mapped[float] = mapped_column(Float)
    fmr: Mapped[float] = mapped_column(Float)
    fmr_low: Mapped[float] = mapped_column(Float)
    fmr_high: Mapped[float] = mapped_column(Float)
    fnmr: Mapped[float] = mapped_column(Float)
    n_mated: Mapped[int]
    n_non_mated: Mapped[int]
    n_members: Mapped[int]
    n_templates: Mapped[int]
    n_enrolled: Mapped[int]
    n_named: Mapped[int]
    n_misnamed: Mapped[int]
    margin_chosen: Mapped[bool]
    stranger_scores: Mapped[bytes] = mapped_column(LargeBinary)


class RejectionRow(Base):
    """A face that somebody said is not a member's, with its embedding: the same face in another file is known by it."""

    __tablename__ = "rejections"
    __table_args__ = (
        CheckConstraint("length(content_hash) = 64", name="content_hash_is_sha256"),
        CheckConstraint("box_left < box_right AND box_top < box_bottom", name="box_has_an_area"),
        CheckConstraint(VECTOR_RULE, name="vector_is_512_float32"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), index=True)
    content_hash: Mapped[str] = mapped_column(LookupHash("content_hash"))
    path: Mapped[str] = mapped_column(Text)
    box_left: Mapped[float] = mapped_column(Float)
    box_top: Mapped[float] = mapped_column(Float)
    box_right: Mapped[float] = mapped_column(Float)
    box_bottom: Mapped[float] = mapped_column(Float)
    landmarks: Mapped[str] = mapped_column(Text)
    probability: Mapped[float] = mapped_column(Float)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class JournalRow(Base):
    """One change of the gallery's members. It names nobody itself: names and photos are in the rows that belong to it,
    which go with whom they are about.

    ``undone_by`` is the entry that undid this one; ``is_partial`` says that something of it was forgotten since.
    """

    __tablename__ = "journal"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    action: Mapped[str] = mapped_column(Text)
    n_members: Mapped[int]
    n_templates: Mapped[int]
    undoes: Mapped[int | None] = mapped_column(ForeignKey("journal.id", ondelete="SET NULL"))
    undone_by: Mapped[int | None]
    is_partial: Mapped[bool] = mapped_column(server_default="0")


class JournalNameRow(Base):
    """What an entry did to one member: the name before (None: was not there) and after (None: is no more)."""

    __tablename__ = "journal_names"
    __table_args__ = (UniqueConstraint("entry_id", "member_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("journal.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(index=True)
    name_before: Mapped[str | None] = mapped_column(Text)
    name_after: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class JournalMoveRow(Base):
    """A template, or a rejection, that an entry took from one member and gave to another."""

    __tablename__ = "journal_moves"
    __table_args__ = (CheckConstraint("(template_id IS NULL) != (rejection_id IS NULL)", name="moves_one_thing"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("journal.id", ondelete="CASCADE"), index=True)
    template_id: Mapped[int | None] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"), index=True)
    rejection_id: Mapped[int | None] = mapped_column(ForeignKey("rejections.id", ondelete="CASCADE"), index=True)
    from_member_id: Mapped[int] = mapped_column(index=True)
    to_member_id: Mapped[int] = mapped_column(index=True)


class BackupRow(Base):
    """A backup that was written outside of the gallery's folder: ``forget`` names those that are still there."""

    __tablename__ = "backups"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[Path] = mapped_column(FilePath("path"))
    made_at: Mapped[datetime] = mapped_column(UtcTime)


class ReembeddingRow(Base):
    """The model that the gallery is on its way to; at most one row."""

    __tablename__ = "reembedding"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="RESTRICT"))
    preparation: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcTime)


class NewVectorRow(Base):
    """The vector of a template, or of a rejection, by the model that the gallery is on its way to."""

    __tablename__ = "new_vectors"
    __table_args__ = (
        CheckConstraint("(template_id IS NULL) != (rejection_id IS NULL)", name="is_of_one_thing"),
        CheckConstraint(VECTOR_RULE, name="vector_is_512_float32"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    template_id: Mapped[int | None] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"), unique=True)
    rejection_id: Mapped[int | None] = mapped_column(ForeignKey("rejections.id", ondelete="CASCADE"), unique=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class LoggedDecisionRow(Base):
    """One answer that was given, kept for as many days as the gallery's settings say. The photo itself is not here."""

    __tablename__ = "logged_decisions"
    __table_args__ = (CheckConstraint("length(content_hash) = 64", name="content_hash_is_sha256"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    asked_by: Mapped[str] = mapped_column(Text)
    command: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(LookupHash("content_hash"), index=True)
    face_number: Mapped[int]
    verdict: Mapped[str] = mapped_column(Text)
    member_id: Mapped[int | None] = mapped_column(index=True)
    member: Mapped[str | None] = mapped_column(Text)
    similarity: Mapped[float | None] = mapped_column(Float)
    runner_up_id: Mapped[int | None] = mapped_column(index=True)
    runner_up: Mapped[str | None] = mapped_column(Text)
    margin: Mapped[float | None] = mapped_column(Float)
    threshold: Mapped[float] = mapped_column(Float)
    min_margin: Mapped[float] = mapped_column(Float)
    score: Mapped[str] = mapped_column(Text)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="RESTRICT"))


MEMBER_NAME = type_coerce(cast(MemberRow.id, Text) + ":" + MemberRow.name, MemberName()).label("name")
"""A member's name in a query: it opens only in the row that it was sealed for."""

PHOTO_PATH, REJECTION_PATH = (
    type_coerce(cast(row.content_hash, Text) + ":" + func.hex(row.path, type_=Text), PhotoPath()).label("path")
    for row in (PhotoRow, RejectionRow)
)
"""A photo's path in a query: it opens only beside the hash that it was sealed for."""
