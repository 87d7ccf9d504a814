"""The tables. Their history is in ``migrations/``; a test holds the two equal."""

from __future__ import annotations

import json
import os
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
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from facegallery.domain import EMBEDDING_SIZE, PointXy

VECTOR_BYTES = 4 * EMBEDDING_SIZE

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


class FilePath(TypeDecorator[Path]):
    """A path as readable text; as the file system's own bytes where those are not valid text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Path | None, dialect: Dialect) -> str | bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Choose the form; SQLite remembers which it was."""
        if value is None:
            return None
        try:
            str(value).encode()
        except UnicodeEncodeError:
            return os.fsencode(value)
        return str(value)

    def process_result_value(self, value: str | bytes | None, dialect: Dialect) -> Path | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Undo what ``process_bind_param`` did."""
        return None if value is None else Path(os.fsdecode(value))


class Points(TypeDecorator[tuple[PointXy, ...]]):
    """Points (x, y) as JSON, exact to the last digit."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[PointXy, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Write them; NaN is refused, since no other reader of JSON would take it."""
        return None if value is None else json.dumps([[float(x), float(y)] for x, y in value], allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[PointXy, ...] | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Read them."""
        return None if value is None else tuple((float(x), float(y)) for x, y in json.loads(value))


class Base(DeclarativeBase):
    """Holds the tables together."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class MemberRow(Base):
    """A person; ``name_key`` is what makes two spellings of a name the same."""

    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_key: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class PhotoRow(Base):
    """A file that at least one face was enrolled from; the file itself is not kept."""

    __tablename__ = "photos"
    __table_args__ = (
        CheckConstraint("length(content_hash) = 64", name="content_hash_is_sha256"),
        CheckConstraint("width_px > 0 AND height_px > 0", name="size_is_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    content_hash: Mapped[str] = mapped_column(Text, unique=True)
    path: Mapped[Path] = mapped_column(FilePath)
    width_px: Mapped[int]
    height_px: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(UtcTime)


class FaceRow(Base):
    """A detection in a photo, in pixels of the upright original; kept only while a template stands on it."""

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
    landmarks: Mapped[tuple[PointXy, ...]] = mapped_column(Points)
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
    """A member's stored embedding: float32, little-endian. An id is never used again after its row is removed."""

    __tablename__ = "templates"
    __table_args__ = (
        UniqueConstraint("face_id", "model_id"),
        CheckConstraint(f"typeof(vector) = 'blob' AND length(vector) = {VECTOR_BYTES}", name="vector_is_512_float32"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    face_id: Mapped[int] = mapped_column(ForeignKey("faces.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="RESTRICT"))
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class SettingsRow(Base):
    """The gallery's one row about itself; with every change ``revision`` grows by one and ``state`` is drawn anew."""

    __tablename__ = "gallery_settings"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("revision >= 0", name="revision_is_not_negative"),
        CheckConstraint("length(state) = 32", name="state_is_128_bits"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="RESTRICT"))
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    preparation: Mapped[str] = mapped_column(Text, server_default="box")
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
        CheckConstraint(f"typeof(vector) = 'blob' AND length(vector) = {VECTOR_BYTES}", name="vector_is_512_float32"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), index=True)
    content_hash: Mapped[str] = mapped_column(Text)
    path: Mapped[Path] = mapped_column(FilePath)
    box_left: Mapped[float] = mapped_column(Float)
    box_top: Mapped[float] = mapped_column(Float)
    box_right: Mapped[float] = mapped_column(Float)
    box_bottom: Mapped[float] = mapped_column(Float)
    landmarks: Mapped[tuple[PointXy, ...]] = mapped_column(Points)
    probability: Mapped[float] = mapped_column(Float)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
