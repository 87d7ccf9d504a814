"""The first schema: members, photos, faces, models, templates and the gallery's settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "members",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("name_key", name=op.f("uq_members_name_key")),
    )
    op.create_table(
        "photos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("length(content_hash) = 64", name=op.f("ck_photos_content_hash_is_sha256")),
        sa.CheckConstraint("width_px > 0 AND height_px > 0", name=op.f("ck_photos_size_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_photos_content_hash")),
    )
    op.create_table(
        "faces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("box_left", sa.Float(), nullable=False),
        sa.Column("box_top", sa.Float(), nullable=False),
        sa.Column("box_right", sa.Float(), nullable=False),
        sa.Column("box_bottom", sa.Float(), nullable=False),
        sa.Column("landmarks", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.CheckConstraint("box_left < box_right AND box_top < box_bottom", name=op.f("ck_faces_box_has_an_area")),
        sa.CheckConstraint("probability BETWEEN 0 AND 1", name=op.f("ck_faces_probability_is_in_range")),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_faces_photo_id_photos"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faces")),
    )
    op.create_index(op.f("ix_faces_photo_id"), "faces", ["photo_id"])
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("embedding_size", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(fingerprint) = 64", name=op.f("ck_models_fingerprint_is_sha256")),
        sa.CheckConstraint("embedding_size > 0", name=op.f("ck_models_embedding_size_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_models_fingerprint")),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("face_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint(
            "typeof(vector) = 'blob' AND length(vector) = 2048", name=op.f("ck_templates_vector_is_512_float32")
        ),
        sa.ForeignKeyConstraint(["face_id"], ["faces.id"], name=op.f("fk_templates_face_id_faces"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_templates_member_id_members"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_templates_model_id_models"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
        sa.UniqueConstraint("face_id", "model_id", name=op.f("uq_templates_face_id_model_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_templates_member_id"), "templates", ["member_id"])
    op.create_table(
        "gallery_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_gallery_settings_one_row")),
        sa.CheckConstraint("revision >= 0", name=op.f("ck_gallery_settings_revision_is_not_negative")),
        sa.CheckConstraint("length(state) = 32", name=op.f("ck_gallery_settings_state_is_128_bits")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_gallery_settings_model_id_models"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gallery_settings")),
    )


def downgrade() -> None:
    for table in ("gallery_settings", "templates", "models", "faces", "photos", "members"):
        op.drop_table(table)
