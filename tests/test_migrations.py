"""Old galleries are brought up to date without losing a row; newer ones and failures leave everything as it was."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from facegallery.domain import EmbeddedFace, Face, ModelIdentity, Photo, Preparation
from facegallery.errors import GalleryDamaged, GalleryTooNew, GalleryUnavailable
from facegallery.settings import migrations_folder
from facegallery.store import Store
from facegallery.store.engine import open_engine, reading
from facegallery.store.migrate import SCHEMA_REVISION, ensure_current, found_revision, script_config, upgrade
from facegallery.store.tables import Base

MODEL = ModelIdentity("starter", "a" * 64)
VECTOR = np.eye(1, 512, dtype=np.float32)[0]
ROOT = Path(__file__).parents[1]
REVISIONS = [each.revision for each in ScriptDirectory.from_config(script_config(migrations_folder())).walk_revisions()]

ROWS = {
    "0001": """
        INSERT INTO members VALUES (1, 'Ada', 'ada', '2026-01-02 03:04:05.000000');
        INSERT INTO photos VALUES (1, '{hash}', '/photos/1.jpg', 40, 30, '2026-01-02 03:04:05.000000');
        INSERT INTO faces VALUES (1, 1, 1.5, 2.5, 11.5, 12.5, '[[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]', 0.75);
        INSERT INTO models VALUES (1, 'starter', '{fingerprint}', 512);
        INSERT INTO templates VALUES (1, 1, 1, 1, x'{vector}', '2026-01-02 03:04:05.000000');
        INSERT INTO gallery_settings VALUES (1, 1, 7, '0123456789abcdef0123456789abcdef', '2026-01-02 03:04:05.000000');
    """,
}
ROWS["0002"] = (
    ROWS["0001"]
    .replace("0.75);", "0.75, 0.5);")
    .replace(
        "'0123456789abcdef0123456789abcdef', '2026-01-02 03:04:05.000000'",
        "'0123456789abcdef0123456789abcdef', '2026-01-02 03:04:05.000000', 'landmarks'",
    )
)
ROWS["0003"] = ROWS["0002"].replace(
    "'2026-01-02 03:04:05.000000', 'landmarks'",
    "'landmarks', '2026-01-02 03:04:05.000000', 'fedcba9876543210fedcba9876543210', NULL, NULL",
)
"""A gallery of one member with one face, as each schema revision kept it. A new revision needs an entry here."""

FUTURE = '''
"""A later schema: another column with a rule, which SQLite can only add by making the table again."""
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("members") as members:
        members.add_column(sa.Column("note", sa.Text(), nullable=False, server_default="none"))
        members.create_check_constraint("ck_members_note_is_short", "length(note) < 100")
    op.execute("UPDATE members SET note = 'was ' || name")
    {fault}


def downgrade():
    with op.batch_alter_table("members") as members:
        members.drop_column("note")
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A gallery of this version with one member."""
    path = tmp_path / "gallery" / "gallery.sqlite3"
    photo = Photo(Path("/1.jpg"), "1" * 64, np.zeros((1, 1, 3), np.uint8), 1, 1)
    face = EmbeddedFace(Face((0, 0, 1, 1), ((0, 0),) * 5, 1), VECTOR)
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as store:
        store.enroll("Ada", photo, face=face, model=MODEL)
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = open_engine(path)
    yield engine
    engine.dispose()


def future_scripts(folder: Path, fault: str = "") -> Path:
    """The scripts with one more revision, which ends with this fault."""
    scripts = folder / "100% later" / "migrations"
    shutil.copytree(migrations_folder(), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "0004_later.py").write_text(FUTURE.replace("{fault}", fault))
    return scripts


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


# --- the scripts and the tables agree -----------------------------------------------------------------------------


def test_the_program_knows_the_newest_revision() -> None:
    """The constant that spares an up-to-date gallery from importing Alembic is the scripts' one head."""
    assert ScriptDirectory.from_config(script_config(migrations_folder())).get_heads() == [SCHEMA_REVISION]


@contextmanager
def scratch() -> Iterator[Connection]:
    """An empty database in memory."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def parts_of(sql: str) -> list[str]:
    """A statement's head, columns and constraints, whatever lines they are on."""
    head, _, body = sql.partition("(")
    body, _, _ = body.rpartition(")")
    parts, depth = [""], 0
    for character in body:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [" ".join(part.split()) for part in (head.replace('"', ""), *parts)]  # a renamed table is quoted


def test_the_migrations_make_exactly_the_tables_of_the_program() -> None:
    """Every table, constraint with its name, and index is the same by either way, and all have names."""

    def schema(make: Callable[[Connection], object]) -> list[list[str]]:
        with scratch() as connection:
            make(connection)
            made = connection.execute(
                text("SELECT sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'")
            ).scalars()
            # SQLite keeps the statement; the order of columns and constraints is the library's affair
            return sorted(sorted(parts_of(sql)) for sql in made if sql)

    by_tables = schema(Base.metadata.create_all)
    assert schema(upgrade) == by_tables
    assert len(by_tables) == 17 + 13 + 1  # tables, indexes, and SQLite's own table for AUTOINCREMENT
    named = "\n".join(line for lines in by_tables for line in lines)
    for kind in ("CHECK", "UNIQUE (", "FOREIGN KEY", "PRIMARY KEY ("):
        assert (
            len(re.findall(re.escape(kind), named)) == len(re.findall(rf"CONSTRAINT \w+ {re.escape(kind)}", named)) > 0
        )


def test_alembic_finds_no_difference(engine: Engine, path: Path) -> None:
    """``alembic check`` has nothing to add to a new gallery."""
    config = script_config(migrations_folder())
    with reading(engine, path) as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_down_and_up_again() -> None:
    """Downgrading to nothing leaves no table of ours, and upgrading again works."""
    config = script_config(migrations_folder())
    with scratch() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.downgrade(config, "base")
        left = connection.execute(text("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")).scalars().all()
        assert left == ["alembic_version"]
        command.upgrade(config, "head")
        assert found_revision(connection, Path("x")) == SCHEMA_REVISION


def alembic(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "alembic", "-c", str(ROOT / "alembic.ini"), *arguments],
        capture_output=True,
        text=True,
        cwd=Path("/"),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_alembic_s_commands_need_no_gallery_and_take_one(tmp_path: Path) -> None:
    """From any folder: ``check`` compares on a scratch database; ``-x db=FILE`` names a real one."""
    assert "No new upgrade operations" in alembic("check")
    target = tmp_path / "made by hand.sqlite3"
    alembic("-x", f"db={target}", "upgrade", "head")
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA_REVISION,)]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "CREATE TABLE templates" in alembic("upgrade", "head", "--sql")


# --- every old gallery --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_gallery_of_every_revision_opens_with_its_rows(tmp_path: Path, revision: str) -> None:
    """Whoever enrolled with an older version finds every member, face and vector again."""
    path = tmp_path / "gallery.sqlite3"
    sqlite3.connect(path).close()
    path.touch()
    engine = open_engine(path)
    with engine.connect() as connection, connection.begin():
        upgrade(connection, target=revision)
    engine.dispose()
    rows = ROWS[revision].format(hash="1" * 64, fingerprint=MODEL.fingerprint, vector=VECTOR.tobytes().hex())
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(rows)
    with Store.open(path) as store:
        assert store.model() == MODEL
        assert store.stamp().revision == 7
        (face,) = store.enrolled_faces("Ada")
        assert face.face == Face((1.5, 2.5, 11.5, 12.5), ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10)), 0.75)
        np.testing.assert_array_equal(store.templates().vectors, [VECTOR])
        assert store.check() == []
        assert store.preparation() is (Preparation.BOX if revision == "0001" else Preparation.LANDMARKS)
        assert store.templates().qualities.tolist() == [1.0 if revision == "0001" else 0.5]


def test_an_up_to_date_gallery_is_left_alone(engine: Engine, path: Path) -> None:
    """Opening writes nothing and backs nothing up."""
    before = path.read_bytes()
    assert ensure_current(engine, path) is None
    engine.dispose()
    assert path.read_bytes() == before
    assert files(path) == [path.name]


def test_an_older_gallery_is_backed_up_and_upgraded(engine: Engine, path: Path, tmp_path: Path) -> None:
    """A table that others refer to is made again and no row is lost; the backup is the old gallery, private."""
    old = dump(path)
    backup = ensure_current(engine, path, scripts=future_scripts(tmp_path), target="0004")
    assert backup is not None
    assert re.fullmatch(r"gallery\.sqlite3\.backup-0003-\d{8}T\d{6}\.\d{6}Z", backup.name)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert dump(backup) == old
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT name, note FROM members").fetchall() == [("Ada", "was Ada")]
        assert raw.execute("SELECT count(*) FROM templates JOIN faces ON faces.id = face_id").fetchone() == (1,)
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0004",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    with Store.open(backup) as restored:
        assert [member.name for member in restored.members()] == ["Ada"]


def test_rows_that_are_only_in_the_log_are_in_the_backup(path: Path, tmp_path: Path) -> None:
    """A gallery that was not closed cleanly has its newest rows in the log beside it; they are backed up too."""
    crashed = tmp_path / "crashed" / path.name
    crashed.parent.mkdir()
    with Store.open(path) as store:
        store.rename("Ada", "Only In The Log")
        assert b"Only In The Log" not in path.read_bytes()
        for file in path.parent.iterdir():
            shutil.copy(file, crashed.parent)
    engine = open_engine(crashed)
    backup = ensure_current(engine, crashed, scripts=future_scripts(tmp_path), target="0004")
    engine.dispose()
    assert backup is not None
    with Store.open(backup) as restored:
        assert [member.name for member in restored.members()] == ["Only In The Log"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("raise RuntimeError('a fault in the script')", RuntimeError),
        ("op.execute('INSERT INTO nowhere VALUES (1)')", GalleryDamaged),
        ("op.execute('INSERT INTO members SELECT * FROM members')", GalleryDamaged),
        ("op.execute('DELETE FROM photos')", GalleryDamaged),
        (
            "op.execute('PRAGMA max_page_count = 1'); op.execute('CREATE TABLE t AS SELECT zeroblob(9999999)')",
            GalleryUnavailable,
        ),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
    ],
    ids=["program", "SQL", "constraint", "foreign key", "disk full", "Ctrl-C"],
)
def test_a_failing_upgrade_leaves_the_gallery_as_it_was(
    engine: Engine, path: Path, tmp_path: Path, fault: str, error: type[BaseException]
) -> None:
    """Whatever stops an upgrade, every row and the schema are as before, no backup is left, and it opens again."""
    old = dump(path)
    with pytest.raises(error):
        ensure_current(engine, path, scripts=future_scripts(tmp_path, fault), target="0004")
    engine.dispose()
    assert dump(path) == old
    assert files(path) == [path.name]
    with Store.open(path) as store:
        assert store.check() == []


def test_a_newer_gallery_is_refused_and_not_touched(path: Path) -> None:
    """A gallery that a later version wrote stays byte for byte, and the error says what to do."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(GalleryTooNew, match="9999") as caught:
        Store.open(path)
    assert caught.value.folder == path.parent
    with pytest.raises(GalleryTooNew, match="9999"):
        Store.create(path, model=MODEL, preparation=Preparation.BOX)
    assert path.read_bytes() == before
    assert files(path) == [path.name]


def test_two_that_upgrade_at_once_do_it_once(path: Path, tmp_path: Path) -> None:
    """The second waits, sees that it is done, and makes no second backup."""
    scripts = future_scripts(tmp_path)
    engines = [open_engine(path) for _ in range(4)]
    with ThreadPoolExecutor(len(engines)) as pool:
        backups = list(pool.map(lambda engine: ensure_current(engine, path, scripts=scripts, target="0004"), engines))
    for engine in engines:
        engine.dispose()
    assert len([backup for backup in backups if backup is not None]) == 1
    assert len(files(path)) == 2


def test_nobody_s_logging_is_touched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Creating a gallery runs Alembic; loggers, levels and handlers stay as the program that called us set them."""

    def state() -> object:
        root = logging.getLogger()
        mine = logging.getLogger("somebody.else")
        return root.level, list(root.handlers), mine.disabled, logging.root.manager.disable

    caplog.set_level(logging.ERROR)
    before = state()
    Store.create(tmp_path / "gallery.sqlite3", model=MODEL, preparation=Preparation.BOX).close()
    assert state() == before
    assert [file.name for file in tmp_path.iterdir()] == ["gallery.sqlite3"]
