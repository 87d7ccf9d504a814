"""A journal, a log, kept crops, backups, encryption, another model on the way; members' ids are never used again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PLAIN_RULE = "typeof(vector) = 'blob' AND length(vector) = 2048"
SEALED_RULE = "typeof(vector) = 'blob' AND length(vector) IN (2048, 2080)"
COLUMNS = {
    "members": "id, name, name_key, created_at",
    "templates": "id, face_id, member_id, model_id, vector, created_at",
    "rejections": "id, member_id, content_hash, path, box_left, box_top, box_right, box_bottom, landmarks, "
    "probability, vector, created_at",
    "gallery_settings": "id, model_id, revision, state, preparation, created_at",
}


def upgrade() -> None:
    # Ids of members that are removed from now on are not used again: the journal speaks of members by them.
    make_members(autoincrement=True)
    make_templates(SEALED_RULE)
    make_rejections(SEALED_RULE)
    make_settings(
        sa.Column("gallery_id", sa.Text(), nullable=False),
        sa.Column("erasure", sa.Text(), nullable=True),
        sa.Column("log_days", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(gallery_id) = 32", name=op.f("ck_gallery_settings_gallery_id_is_128_bits")),
        sa.CheckConstraint(
            "erasure LIKE 'all:%' OR erasure LIKE 'all but backups:%'",
            name=op.f("ck_gallery_settings_erasure_is_known"),
        ),
        sa.CheckConstraint("log_days > 0", name=op.f("ck_gallery_settings_log_days_is_positive")),
        gallery_id="lower(hex(randomblob(16)))",
    )
    op.create_table(
        "crops",
        sa.Column("face_id", sa.Integer(), nullable=False),
        sa.Column("preparation", sa.Text(), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["face_id"], ["faces.id"], name=op.f("fk_crops_face_id_faces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("face_id", name=op.f("pk_crops")),
    )
    op.create_table(
        "encryption",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("scrypt_n", sa.Integer(), nullable=False),
        sa.Column("scrypt_r", sa.Integer(), nullable=False),
        sa.Column("scrypt_p", sa.Integer(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_encryption_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encryption")),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("n_members", sa.Integer(), nullable=False),
        sa.Column("n_templates", sa.Integer(), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.Column("is_partial", sa.Boolean(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(
            ["undoes"], ["journal.id"], name=op.f("fk_journal_undoes_journal"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "journal_names",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("name_before", sa.Text(), nullable=True),
        sa.Column("name_after", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal.id"], name=op.f("fk_journal_names_entry_id_journal"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_names")),
        sa.UniqueConstraint("entry_id", "member_id", name=op.f("uq_journal_names_entry_id_member_id")),
    )
    op.create_index(op.f("ix_journal_names_member_id"), "journal_names", ["member_id"])
    op.create_table(
        "journal_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("template_id", sa.Integer(), nullable=True),
        sa.Column("rejection_id", sa.Integer(), nullable=True),
        sa.Column("from_member_id", sa.Integer(), nullable=False),
        sa.Column("to_member_id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(template_id IS NULL) != (rejection_id IS NULL)", name=op.f("ck_journal_moves_moves_one_thing")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal.id"], name=op.f("fk_journal_moves_entry_id_journal"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_journal_moves_template_id_templates"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rejection_id"],
            ["rejections.id"],
            name=op.f("fk_journal_moves_rejection_id_rejections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_moves")),
    )
    for column in ("entry_id", "template_id", "rejection_id", "from_member_id", "to_member_id"):
        op.create_index(op.f(f"ix_journal_moves_{column}"), "journal_moves", [column])
    op.create_table(
        "backups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
    )
    op.create_table(
        "reembedding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("preparation", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_reembedding_one_row")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_reembedding_model_id_models"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reembedding")),
    )
    op.create_table(
        "new_vectors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("template_id", sa.Integer(), nullable=True),
        sa.Column("rejection_id", sa.Integer(), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(template_id IS NULL) != (rejection_id IS NULL)", name=op.f("ck_new_vectors_is_of_one_thing")
        ),
        sa.CheckConstraint(SEALED_RULE, name=op.f("ck_new_vectors_vector_is_512_float32")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_new_vectors_template_id_templates"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rejection_id"], ["rejections.id"], name=op.f("fk_new_vectors_rejection_id_rejections"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_new_vectors")),
        sa.UniqueConstraint("template_id", name=op.f("uq_new_vectors_template_id")),
        sa.UniqueConstraint("rejection_id", name=op.f("uq_new_vectors_rejection_id")),
    )
    op.create_table(
        "logged_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("face_number", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("member", sa.Text(), nullable=True),
        sa.Column("similarity", sa.Float(), nullable=True),
        sa.Column("runner_up_id", sa.Integer(), nullable=True),
        sa.Column("runner_up", sa.Text(), nullable=True),
        sa.Column("margin", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("min_margin", sa.Float(), nullable=False),
        sa.Column("score", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(content_hash) = 64", name=op.f("ck_logged_decisions_content_hash_is_sha256")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_logged_decisions_model_id_models"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_decisions")),
    )
    for column in ("at", "content_hash", "member_id", "runner_up_id"):
        op.create_index(op.f(f"ix_logged_decisions_{column}"), "logged_decisions", [column])


def downgrade() -> None:
    for table in (
        "logged_decisions",
        "new_vectors",
        "reembedding",
        "backups",
        "journal_moves",
        "journal_names",
        "journal",
        "encryption",
        "crops",
    ):
        op.drop_table(table)
    make_settings()
    make_rejections(PLAIN_RULE)
    make_templates(PLAIN_RULE)
    make_members(autoincrement=False)


def make_members(*, autoincrement: bool) -> None:
    remake(
        "members",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("name_key", name=op.f("uq_members_name_key")),
        sqlite_autoincrement=autoincrement,
    )


def make_templates(rule: str) -> None:
    remake(
        "templates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("face_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint(rule, name=op.f("ck_templates_vector_is_512_float32")),
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


def make_rejections(rule: str) -> None:
    remake(
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
        sa.CheckConstraint(rule, name=op.f("ck_rejections_vector_is_512_float32")),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_rejections_member_id_members"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejections")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rejections_member_id"), "rejections", ["member_id"])


def make_settings(*more: sa.schema.SchemaItem, **filled: str) -> None:
    remake(
        "gallery_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("preparation", sa.Text(), nullable=False, server_default="box"),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_gallery_settings_one_row")),
        sa.CheckConstraint("revision >= 0", name=op.f("ck_gallery_settings_revision_is_not_negative")),
        sa.CheckConstraint("length(state) = 32", name=op.f("ck_gallery_settings_state_is_128_bits")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_gallery_settings_model_id_models"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gallery_settings")),
        *more,
        filled=filled,
    )


def remake(
    table: str, *parts: sa.schema.SchemaItem, sqlite_autoincrement: bool = False, filled: dict[str, str] | None = None
) -> None:
    """Make a table anew with its rows, as SQLite's documentation says: rules of a table cannot be changed in place.

    What refers to it by name refers to the new one. Ids that were used stay used.
    """
    columns, filled = COLUMNS[table], filled or {}
    op.create_table(f"new_{table}", *parts, sqlite_autoincrement=sqlite_autoincrement)
    into, values = ", ".join((columns, *filled)), ", ".join((columns, *filled.values()))
    op.execute(f"INSERT INTO new_{table} ({into}) SELECT {values} FROM {table}")  # noqa: S608 - names of our own
    if sqlite_autoincrement:
        # Without a row for it the new table would go on from its newest id, and removed ids would be used again.
        op.execute(f"DELETE FROM sqlite_sequence WHERE name = 'new_{table}'")  # noqa: S608
        op.execute(
            f"INSERT INTO sqlite_sequence (name, seq) SELECT 'new_{table}', max(seq) FROM ("  # noqa: S608
            f"SELECT seq FROM sqlite_sequence WHERE name = '{table}' "
            f"UNION ALL SELECT coalesce(max(id), 0) FROM {table})"
        )
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)
