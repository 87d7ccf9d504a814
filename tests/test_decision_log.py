"""The log of decisions keeps what was answered, where that was asked for, no longer than was said, and forgets."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest

from facegallery import Gallery
from facegallery.cli import logged as command
from facegallery.domain import (
    Asked,
    Candidate,
    Decision,
    Limits,
    LoggedDecision,
    ModelIdentity,
    Preparation,
    ScoreRule,
    Secret,
    SecretKind,
    Verdict,
)
from facegallery.errors import GalleryUnavailable, MemberNotFound, StillInTheLog
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.answer_log import account
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.store.engine import writing
from facegallery.store.logged import MOST_LOG_DAYS
from tests.conftest import RunCli, open_with
from tests.test_gallery import identified
from tests.test_store import MODEL, NOON, enroll, face, photo

KEY = Secret(SecretKind.KEY_FILE, b"0123456789abcdef0123456789abcdef")
LIMITS = Limits(0.625, 0.0625, "asked for")


@dataclass
class Clock:
    """What time it is, as the test says."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """As a store asks."""
        return self.now

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def secret(request: pytest.FixtureRequest) -> Secret | None:
    given: Secret | None = request.param
    return given


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery" / DATABASE_NAME


@pytest.fixture
def store(path: Path, secret: Secret | None, clock: Clock) -> Iterator[Store]:
    """Three members, Ada, Bea and Cyrus, of two photos each."""
    made = Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=secret, clock=clock)
    with made as opened:
        for name in ("Ada", "Bea", "Cyrus"):
            enroll(opened, name, 2)
        yield opened


def decision(verdict: Verdict, *similar: tuple[str, float]) -> Decision:
    """A decision whose candidates are these."""
    ranked = tuple(Candidate(name, value, rank, rank) for rank, (name, value) in enumerate(similar, start=1))
    best, runner_up = (*ranked, None, None)[:2]
    margin = None if best is None or runner_up is None else best.similarity - runner_up.similarity
    return Decision(verdict, best, runner_up, LIMITS, ranked, margin=margin)


ADA = decision(Verdict.MATCH, ("Ada", 0.75), ("Bea", 0.5))
BEA = decision(Verdict.MATCH, ("Bea", 0.875), ("Ada", 0.25))
NOBODY = decision(Verdict.UNKNOWN, ("Cyrus", 0.375), ("Bea", 0.25))


def asked(content: str = "party", **other: object) -> Asked:
    fields = {
        "by": "grace",
        "command": "identify",
        "path": Path(f"/photos/{content}.jpg"),
        "content_hash": sha256(content.encode()).hexdigest(),
        "score": ScoreRule.CENTROID,
        "model": MODEL,
    }
    return Asked(**{**fields, **other})  # type: ignore[arg-type]  # fields of one call


def log(store: Store, *decisions: Decision, content: str = "party") -> None:
    store.log(asked(content), dict(enumerate(decisions, start=1)), store.member_ids())


def said(store: Store) -> list[tuple[str | None, str | None]]:
    """Of each entry, oldest first, the member and the runner-up."""
    return [(entry.member, entry.runner_up) for entry in reversed(store.logged())]


# --- what is kept -------------------------------------------------------------------------------------------------


def test_nothing_is_kept_unless_somebody_said_so(store: Store, path: Path) -> None:
    """A new gallery keeps no answers, and an answer changes not a byte of it."""
    assert store.log_days() is None
    before = [file.read_bytes() for file in sorted(path.parent.iterdir()) if not file.name.endswith("-shm")]
    log(store, ADA, NOBODY)
    after = [file.read_bytes() for file in sorted(path.parent.iterdir()) if not file.name.endswith("-shm")]
    assert after == before
    assert store.logged() == []


def test_an_entry_says_who_asked_what_and_the_answer(store: Store) -> None:
    """Every field comes back as it went in, of each face of the photo, the newest photo first."""
    store.keep_log(30)
    log(store, ADA, NOBODY, decision(Verdict.UNKNOWN))
    log(store, BEA, content="later")
    later, *party = store.logged()
    assert (later.member, later.asked) == ("Bea", asked("later"))
    third, second, first = party
    assert first == LoggedDecision(NOON, asked(), 1, Verdict.MATCH, "Ada", 0.75, "Bea", 0.25, 0.625, 0.0625)
    assert (second.face_number, second.verdict, second.member) == (2, Verdict.UNKNOWN, "Cyrus")
    assert (third.verdict, third.member, third.similarity, third.runner_up, third.margin) == (
        Verdict.UNKNOWN,
        *[None] * 4,
    )


def test_a_path_need_not_be_text(store: Store) -> None:
    """A file's name of any bytes is kept as it is."""
    store.keep_log(1)
    odd = Path(os.fsdecode(b"/photos/\xff\xfe.jpg"))
    store.log(asked(path=odd), {1: ADA}, store.member_ids())
    assert store.logged()[0].asked.path == odd


def test_the_log_is_no_part_of_the_state(store: Store) -> None:
    """Searches and index hold as they are while answers are logged and removed."""
    before = store.stamp()
    store.keep_log(30)
    log(store, ADA)
    store.clear_log()
    store.stop_log()
    assert store.stamp() == before


def test_an_encrypted_gallery_keeps_no_text_of_it_readable(path: Path, clock: Clock) -> None:
    """Account, path, hash and names are sealed; a changed one is found."""
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=KEY, clock=clock) as store:
        enroll(store, "Ada", 1)
        enroll(store, "Bea", 1)
        store.keep_log(30)
        log(store, ADA)
        contents = b"".join(file.read_bytes() for file in path.parent.iterdir())
        for text in ("grace", "party", asked().content_hash, "Ada", "Bea"):
            assert text.encode() not in contents
        assert store.check() == []
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("UPDATE logged_decisions SET member = runner_up || 'x'")
            raw.commit()
        assert store.check() == ["the text of log entry 1 is damaged"]


def test_entries_can_be_narrowed(store: Store, clock: Clock) -> None:
    """By member, whether named, nearest or runner-up; by age; by number. A member who is not there is said."""
    store.keep_log(30)
    log(store, ADA)
    clock.later(days=3)
    log(store, NOBODY, content="later")
    assert [entry.member for entry in store.logged()] == ["Cyrus", "Ada"]
    assert [entry.member for entry in store.logged("ada")] == ["Ada"]
    assert [entry.member for entry in store.logged("Bea")] == ["Cyrus", "Ada"]
    assert [entry.member for entry in store.logged(since_days=2)] == ["Cyrus"]
    assert [entry.member for entry in store.logged(most=1)] == ["Cyrus"]
    with pytest.raises(MemberNotFound):
        store.logged("Eve")


def test_a_renamed_member_is_found_and_the_answer_stays_as_it_was(store: Store) -> None:
    """The log says what was answered then; it is found by who it was about."""
    store.keep_log(30)
    log(store, ADA)
    store.rename("Ada", "Ada L.")
    assert [entry.member for entry in store.logged("Ada L.")] == ["Ada"]


def test_an_answer_by_a_model_that_the_gallery_has_left_is_kept(store: Store) -> None:
    """The gallery was taken to another model between the answer and its entry: the log says which model it was."""
    store.keep_log(30)
    left = replace(asked(), model=ModelIdentity("left", "c" * 64))
    store.log(left, {1: ADA}, store.member_ids())
    (entry,) = store.logged()
    assert entry.asked.model == left.model
    assert store.check() == []


def test_nobody_who_opens_waits_for_a_writer_to_remove_old_entries(
    path: Path, clock: Clock, store: Store, secret: Secret | None
) -> None:
    """What has expired is shown to nobody, and goes with the next who finds the gallery free."""
    store.keep_log(1)
    log(store, ADA)
    clock.later(days=2)
    with writing(store._engine, path) as connection:
        connection.exec_driver_sql("UPDATE members SET name = name")
        began = time.monotonic()
        Store.open(path, secret=secret, clock=clock).close()
        assert time.monotonic() - began < 5
    with Store.open(path, secret=secret, clock=clock), closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM logged_decisions").fetchone() == (0,)


# --- how long -----------------------------------------------------------------------------------------------------


def traces(path: Path, *texts: str) -> list[str]:
    """Which of these are in the gallery's files."""
    contents = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    return [text for text in texts if text.encode() in contents]


@pytest.fixture
def plain(path: Path, clock: Clock) -> Iterator[Store]:
    """A plain gallery with one entry of Ada, kept for ten days: what is left of it can be looked for in the files."""
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, clock=clock) as opened:
        for name in ("Ada", "Bea", "Cyrus"):
            enroll(opened, name, 1)
        opened.keep_log(10)
        log(opened, ADA, content="ascot")
        yield opened


@pytest.mark.parametrize("by", ["writing", "reading", "opening"])
def test_an_entry_goes_after_its_days(plain: Store, path: Path, clock: Clock, by: str) -> None:
    """Writing the log, reading it and opening the gallery remove what is too old, bytes and all; not a day before."""
    clock.later(days=10)
    assert len(plain.logged()) == 1
    clock.later(seconds=1)
    if by == "writing":
        log(plain, NOBODY, content="later")
    elif by == "reading":
        assert plain.logged() == []
    else:
        Store.open(path, clock=clock).close()
    with closing(sqlite3.connect(path)) as raw:
        kept = raw.execute("SELECT path FROM logged_decisions").fetchall()
    assert kept == ([("/photos/later.jpg",)] if by == "writing" else [])
    assert traces(path, "ascot") == []


def test_old_entries_are_not_shown_where_they_cannot_be_removed(plain: Store, path: Path, clock: Clock) -> None:
    """While another program writes for long, nothing fails and nobody is shown what is too old."""
    clock.later(days=11)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, pytest.MonkeyPatch.context() as patch:
        other.execute("BEGIN IMMEDIATE")
        patch.setattr("facegallery.store.engine.BUSY_TIMEOUT_S", 0.1)  # a setting, not a part
        with Store.open(path, clock=clock) as impatient:
            assert impatient.logged() == []


def test_a_shorter_time_holds_at_once(plain: Store, path: Path, clock: Clock) -> None:
    """Entries that are older than the new time go when it is said."""
    clock.later(days=5)
    plain.keep_log(4)
    assert plain.log_days() == 4
    assert traces(path, "ascot") == []
    assert plain.logged() == []


def test_off_keeps_nothing_and_clear_goes_on(plain: Store, path: Path) -> None:
    """Both overwrite what was there; after --clear the next answer is kept again."""
    assert plain.clear_log() == 1
    assert (traces(path, "ascot", "grace"), plain.log_days()) == ([], 10)
    log(plain, ADA, content="epsom")
    assert traces(path, "epsom") == ["epsom"]
    assert plain.stop_log() == 1
    assert (traces(path, "epsom", "grace"), plain.log_days(), plain.logged()) == ([], None, [])


def test_removal_beside_a_reader_is_said_to_be_unfinished(
    plain: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another program keeps the write-ahead log from being emptied, that is said."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM members").fetchone()
        monkeypatch.setattr("facegallery.store.engine.BUSY_TIMEOUT_S", 0.2)  # a setting, not a part
        with pytest.raises(StillInTheLog):
            plain.clear_log()
    assert plain.logged() == []


@pytest.mark.parametrize("n_days", [0, -1, MOST_LOG_DAYS + 1])
def test_impossible_days_are_refused(store: Store, n_days: int) -> None:
    """There is no log for ever."""
    with pytest.raises(ValueError, match="days"):
        store.keep_log(n_days)


def test_a_log_that_is_switched_off_meanwhile_is_obeyed(store: Store) -> None:
    """A run that began while it was on writes no more."""
    store.keep_log(30)
    ids = store.member_ids()
    store.stop_log()
    store.log(asked(), {1: ADA}, ids)
    store.keep_log(30)
    assert store.logged() == []


# --- forgetting ---------------------------------------------------------------------------------------------------


def test_forgetting_takes_the_member_out_of_the_log(store: Store) -> None:
    """Entries about the member and about photos that go with the member are removed; as runner-up it is blanked."""
    store.keep_log(30)
    log(store, ADA)
    log(store, BEA, content="later")
    log(store, NOBODY, content="ada1")  # one of Ada's enrolled photos
    log(store, NOBODY, content="bea1")
    store.forget("Ada")
    assert said(store) == [("Bea", None), ("Cyrus", "Bea")]
    assert store.logged()[-1].margin is None
    assert store.logged()[-1].similarity == 0.875


def test_photos_of_others_stay_in_the_log(store: Store) -> None:
    """A photo in which another member's face is enrolled stays, and so does what was answered about others in it."""
    shared = photo("shared", "/photos/shared.jpg")
    for seed, name in enumerate(("Ada", "Bea")):
        store.enroll(name, shared, face=face(seed, left=10.0 + 50 * seed), model=MODEL)
    store.keep_log(30)
    log(store, BEA, ADA, content="shared")
    store.forget("Ada")
    assert said(store) == [("Bea", None)]


def test_removed_templates_take_their_photos_out_of_the_log(store: Store) -> None:
    """A photo that is taken out goes from the log; a member who has others stays in it, one who has none does not."""
    store.keep_log(30)
    log(store, ADA)
    log(store, NOBODY, content="ada0")
    log(store, NOBODY, content="ada1")
    first, second = (each.template_id for each in store.enrolled_faces("Ada"))
    store.remove_templates([first])
    assert [entry.asked.path.stem for entry in store.logged()] == ["ada1", "party"]
    store.remove_templates([second])
    assert store.logged() == []


def test_who_was_forgotten_while_a_photo_was_looked_at_does_not_come_back(store: Store) -> None:
    """An answer that was made before and is given after is not kept of the forgotten; others' is, without the name."""
    store.keep_log(30)
    ids = store.member_ids()
    store.forget("Ada")
    store.log(asked(), {1: ADA, 2: BEA, 3: NOBODY}, ids)
    assert said(store) == [("Bea", None), ("Cyrus", "Bea")]


def test_forgetting_is_quick_in_a_long_log(plain: Store) -> None:
    """Entries are found by index: no query of forgetting walks through the templates or the log."""
    with closing(sqlite3.connect(plain._path)) as raw:
        plans = [
            raw.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            for query in (
                "DELETE FROM logged_decisions WHERE member_id IN (SELECT value FROM json_each('[1]'))",
                "UPDATE logged_decisions SET margin = NULL WHERE runner_up_id IN (SELECT value FROM json_each('[1]'))",
                "DELETE FROM logged_decisions WHERE content_hash IN ('a', 'b')",
                "DELETE FROM logged_decisions WHERE at < '2026'",
            )
        ]
    assert not [step for plan in plans for *_, step in plan if step.startswith("SCAN logged_decisions")]


# --- a gallery's answers ------------------------------------------------------------------------------------------


def test_identify_and_explain_keep_their_answers(gallery: Gallery, sample_group: Path) -> None:
    """What is logged is what was answered, of each face; other questions keep nothing."""
    gallery.keep_log(7)
    (result,) = identified(gallery, sample_group / "group.jpg")
    probe = sample_group / "probe" / "ada-2.jpg"
    explanation = gallery.explain(os.path.relpath(probe), methods=["shares"], threshold=0.5)
    gallery.cluster([sample_group / "probe"])
    explained, *of_group = gallery.logged()
    faces = result.faces
    assert [entry.face_number for entry in reversed(of_group)] == [each.number for each in faces]
    for entry, each in zip(reversed(of_group), faces, strict=True):
        decided = each.decision
        assert (entry.verdict, entry.margin, entry.threshold) == (decided.verdict, decided.margin, decided.threshold)
        assert entry.member == (decided.best and decided.best.member)
        assert (entry.asked.command, entry.asked.by) == ("identify", account())
        assert entry.asked.content_hash == sha256((sample_group / "group.jpg").read_bytes()).hexdigest()
        assert entry.asked.model == gallery.model
        assert abs(entry.at - datetime.now(timezone.utc)) < timedelta(minutes=5)
    assert (explained.asked.command, explained.member, explained.threshold) == ("explain", "Ada", 0.5)
    assert explained.face_number == explanation.face_number
    assert explained.asked.path.is_absolute()
    assert explained.asked.path.samefile(probe)


def test_a_gallery_without_a_log_is_not_written_by_questions(gallery: Gallery, sample_group: Path) -> None:
    """While it is off identify and explain change neither rows nor revision, and write nothing into the database."""
    database = gallery.folder / DATABASE_NAME
    before, state = database.read_bytes(), gallery.health().store_revision
    list(gallery.identify([sample_group / "probe" / "ada-2.jpg"]))
    gallery.explain(sample_group / "probe" / "ada-2.jpg", methods=["shares"])
    log_file = database.with_name(f"{DATABASE_NAME}-wal")
    assert database.read_bytes() == before
    assert not log_file.exists() or log_file.stat().st_size == 0
    assert gallery.health().store_revision == state


def test_without_an_entry_there_is_no_answer(
    gallery: Gallery, sample_group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the entry cannot be written the answer is not given."""
    gallery.keep_log(7)
    with closing(sqlite3.connect(gallery.folder / DATABASE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("facegallery.store.engine.BUSY_TIMEOUT_S", 0.1)  # a setting, not a part
        with open_with(gallery.folder, gallery.analyzer) as impatient, pytest.raises(GalleryUnavailable):
            next(impatient.identify([sample_group / "probe" / "ada-2.jpg"]))
    assert gallery.logged() == []


def test_the_account_is_the_system_s_and_not_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is somebody else by setting a variable; an account without a name has its number."""
    pwd = pytest.importorskip("pwd")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    assert account() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert account() == f"uid {2**31 - 7}"


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def here(gallery_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The enrolled gallery is this person's; an answer about Ada was asked for."""
    monkeypatch.setenv("FACEGALLERY_GALLERY", str(gallery_folder))
    return gallery_folder


def answer(folder: Path, analyzer: FaceAnalyzer, probe: Path) -> None:
    with open_with(folder, analyzer) as opened:
        list(opened.identify([probe]))


def test_the_command_switches_on_shows_and_switches_off(
    run_cli: RunCli, here: Path, analyzer: FaceAnalyzer, sample_group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From off to on, through an answer, to clear and off; each step says where things stand."""
    off = run_cli("log")
    assert (off.code, off.out) == (0, "")
    assert "The log is off" in off.err
    assert "facegallery log --on" in off.err
    assert "each for 5 days" in run_cli("log", "--on", "--days", 5).out
    assert "No such answer" in run_cli("log").err
    answer(here, analyzer, sample_group / "probe" / "ada-2.jpg")
    shown = run_cli("log")
    assert (shown.code, shown.err) == (0, "")
    for text in (account(), "identify", "ada-2.jpg", "Ada", "starter"):
        assert text in shown.out
    document = json.loads(run_cli("log", "ada", "--json", "-n", 1).out)
    assert document["log_days"] == 5
    (entry,) = document["decisions"]
    assert (entry["decision"], entry["member"], entry["nearest"]) == ("match", "Ada", "Ada")
    (row,) = csv.DictReader(io.StringIO(run_cli("log", "--csv", "--since", 1).out))
    assert set(row) == set(entry)
    assert float(row["similarity"]) == entry["similarity"]
    assert run_cli("log", "Eve").code == 1
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    refused = run_cli("log", "--clear")
    assert (refused.code, "Nothing was removed" in refused.err) == (1, True)
    assert "1 removed" in run_cli("log", "--clear", "--yes").out
    assert "0 removed" in run_cli("log", "--off").out
    assert "The log is off" in run_cli("log").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--on", "--off"),
        ("--off", "--clear"),
        ("--on", "Ada"),
        ("--clear", "--json"),
        ("--days", "3"),
        ("--json", "--csv"),
        ("--on", "--days", "0"),
    ],
)
def test_what_contradicts_itself_is_a_fault_of_usage(run_cli: RunCli, here: Path, arguments: tuple[str, ...]) -> None:
    """Nothing is switched by a command that says two things."""
    assert run_cli("log", *arguments).code == 2
    with Store.open(here / DATABASE_NAME) as store:
        assert store.log_days() is None


def test_the_command_knows_the_most_days() -> None:
    """The command's bound is the store's."""
    assert command.MOST_DAYS == MOST_LOG_DAYS


def test_the_log_holds_no_vector(gallery: Gallery, sample_group: Path) -> None:
    """Neither the probe's pixels nor its embedding are anywhere in the gallery after it was asked about."""
    gallery.keep_log(7)
    probe = sample_group / "probe" / "stranger-1a.jpg"
    (found,) = gallery.analyzer.analyze_files([probe])
    list(gallery.identify([probe]))
    assert gallery.logged()
    embedding = found.faces[0].embedding.tobytes()  # type: ignore[union-attr]  # it could be read
    files = [file for file in gallery.folder.rglob("*") if file.is_file() and file.parent.name != INDEX_NAME]
    assert not [file for file in files if embedding[:16] in file.read_bytes()]


def test_another_model_s_answers_keep_their_model(store: Store) -> None:
    """An entry names the model that its answer was made with."""
    store.keep_log(30)
    log(store, ADA)
    assert store.logged()[0].asked.model == ModelIdentity(MODEL.name, MODEL.fingerprint)
