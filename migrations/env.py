"""Runs the migrations: inside the transaction that ``facegallery.store.migrate`` hands over, or for Alembic's commands.

The commands work on the gallery named by ``-x db=FILE``, else on a scratch database in memory that is already at the
head, so that ``alembic check`` and ``alembic revision --autogenerate`` need no gallery.
"""

from __future__ import annotations

from pathlib import Path

from alembic import context
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from facegallery.store.engine import open_engine, rewriting
from facegallery.store.tables import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


def run_as_script() -> None:
    context.configure(
        dialect_name="sqlite", target_metadata=Base.metadata, render_as_batch=True, literal_binds=True, as_sql=True
    )
    with context.begin_transaction():
        context.run_migrations()


def run_on_scratch() -> None:
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            scripts = ScriptDirectory.from_config(context.config)
            scratch = MigrationContext.configure(connection)
            with Operations.context(scratch):
                for script in reversed(list(scripts.walk_revisions())):
                    script.module.upgrade()
            scratch.stamp(scripts, "head")
            run(connection)
    finally:
        engine.dispose()


def run_on_file(path: Path) -> None:
    path.touch(mode=0o600)
    engine = open_engine(path)
    try:
        with rewriting(engine, path) as connection:
            run(connection)
    finally:
        engine.dispose()


if context.is_offline_mode():
    run_as_script()
elif "connection" in context.config.attributes:
    run(context.config.attributes["connection"])
elif "db" in context.get_x_argument(as_dictionary=True):
    run_on_file(Path(context.get_x_argument(as_dictionary=True)["db"]))
else:
    run_on_scratch()
