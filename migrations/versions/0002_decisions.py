"""How faces are prepared, their quality, calibrated thresholds, and faces that are somebody else's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until now every gallery was made from boxes. Faces enrolled then were not looked at for quality.
    op.add_column("gallery_settings", sa.Column("preparation", sa.Text(), nullable=False, server_default="box"))
    op.add_column("faces", sa.Column("quality", sa.Float(), nullable=True))
    op.create_table(
        "calibration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("score", sa.Text(), nullable=False),
        sa.Column("wanted_fmr", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("min_margin", sa.Float(), nullable=False),
        sa.Column("fmr", sa.Float(), nullable=False),
        sa.Column("fmr_low", sa.Float(), nullable=False),
        sa.Column("fmr_high", sa.Float(), nullable=False),
        sa.Column("fnmr", sa.Float(), nullable=False),
        sa.Column("n_mated", sa.Integer(), nullable=False),
        sa.Column("n_non_mated", sa.Integer(), nullable=False),
        sa.Column("n_members", sa.Integer(), nullable=False),
        sa.Column("n_templates", sa.Integer(), nullable=False),
        sa.Column("n_enrolled", sa.Integer(), nullable=False),
        sa.Column("n_named", sa.Integer(), nullable=False),
        sa.Column("n_misnamed", sa.Integer(), nullable=False),
        sa.Column("margin_chosen", sa.Boolean(), nullable=False),
        sa.Column("stranger_scores", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_calibration_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration")),
    )
    op.create_table(
        "rejections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("box_left", sa.Float(), nullable=False),
        sa.Column("box_top", sa.Float(), nullable=False),
        sa.Column("box_right", sa.Float(), nullable=False),
        sa.Column("box_bottom", sa.Float(), nullable=False),
        sa.Column("landmarks", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("length(content_hash) = 64", name=op.f("ck_rejections_content_hash_is_sha256")),
        sa.CheckConstraint("box_left < box_right AND box_top < box_bottom", name=op.f("ck_rejections_box_has_an_area")),
        sa.CheckConstraint(
            "typeof(vector) = 'blob' AND length(vector) = 2048", name=op.f("ck_rejections_vector_is_512_float32")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_rejections_member_id_members"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejections")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rejections_member_id"), "rejections", ["member_id"])


def downgrade() -> None:
    op.drop_table("rejections")
    op.drop_table("calibration")
    op.drop_column("faces", "quality")
    op.drop_column("gallery_settings", "preparation")
