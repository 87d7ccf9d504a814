"""A gallery goes to another model and back: every name stays, nothing is lost on the way, and nothing is mixed."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from facegallery import Gallery
from facegallery.domain import (
    Calibration,
    EnrolledFace,
    Precision,
    Preparation,
    Rejection,
    RuntimeChoice,
    ScoreRule,
    Secret,
    SecretKind,
    SkippedPhoto,
    Vectors,
    VectorSpace,
)
from facegallery.errors import (
    FacesMissing,
    GalleryTampered,
    ModelChanged,
    ModelMismatch,
    ModelNotFound,
    NoReembedding,
    OtherReembedding,
)
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.enrollment import MemberPhotos, plan_folder
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.gallery.reembedding import BATCH
from facegallery.images import read_photo
from facegallery.settings import DATABASE_NAME, INDEX_NAME, bundled
from facegallery.store import Store
from facegallery.weights.files import ModelFiles
from tests.children import line_of, start
from tests.conftest import RunCli, open_with
from tests.weight_files import rotated, small_weights, write

ROOT = Path(__file__).parents[1]
F32 = RuntimeChoice(precision=Precision.F32)
OTHER = "mine"
SAME_WAY = Preparation.LANDMARKS_MIRRORED
KEY = Secret(SecretKind.KEY_FILE, b"what a key file holds, random elsewhere")
MEMBERS = ("Ada", "Bea", "Dan")
N_FACES = 13
"""Four of each member, and one that is said not to be Ada's."""


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model, one that is as good and shares no vector with it, and one that is of no use."""
    folder = tmp_path_factory.mktemp("models")
    files = ModelFiles(folder / "models")
    files.import_file(OTHER, write(folder / "rotated.safetensors", rotated(bundled("starter.safetensors"))))
    files.import_file("third", write(folder / "third.pt", small_weights()))
    return files.folder


@pytest.fixture(autouse=True)
def more_models(models_folder: Path, own_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGALLERY_MODELS", str(models_folder))


@pytest.fixture(scope="module")
def enrolled_home(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, analyzer: FaceAnalyzer, sample_group: Path
) -> Path:
    """The sample group with its gallery beside it, the index written; to be copied."""
    home = tmp_path_factory.mktemp("home")
    for name in MEMBERS:
        shutil.copytree(sample_group / "enroll" / name, home / "photos" / "enroll" / name)
    for probe in ("ada-1", "ada-2", "bea-1", "dan-1", "stranger-1a"):
        shutil.copy(sample_group / "probe" / f"{probe}.jpg", home / "photos" / f"{probe}.jpg")
    with open_with(home / "gallery", analyzer) as gallery:
        list(gallery.enroll(plan_folder(home / "photos" / "enroll")))
        gallery.reject(home / "photos" / "bea-1.jpg", "Ada")
        gallery.refresh_index()
    return home


@pytest.fixture
def home(enrolled_home: Path, tmp_path: Path) -> Path:
    """A copy of both that a test may change; the gallery knows the photos where they are now."""
    copied = Path(shutil.copytree(enrolled_home, tmp_path / "home"))
    with closing(sqlite3.connect(copied / "gallery" / DATABASE_NAME)) as database, database:
        for table in ("photos", "rejections"):
            database.execute(f"UPDATE {table} SET path = replace(path, ?, ?)", (str(enrolled_home), str(copied)))
    return copied


@pytest.fixture
def gallery(home: Path) -> Iterator[Gallery]:
    with Gallery.open(home / "gallery", runtime=F32) as opened:
        yield opened


@pytest.fixture
def probes(home: Path) -> list[Path]:
    return sorted((home / "photos").glob("*.jpg"))


Answer = tuple[str, str | None, str | None]


def answers(gallery: Gallery, probes: list[Path]) -> list[Answer]:
    """Who each probe is said to be, and who is nearest."""
    return [answer for photo in gallery.identify(probes) for answer in answers_of(photo)]


def answers_of(photo: IdentifiedPhoto | SkippedPhoto) -> list[Answer]:
    assert isinstance(photo, IdentifiedPhoto)
    decisions = [face.decision for face in photo.faces]
    return [(photo.path.name, each.member, each.best.member if each.best else None) for each in decisions]


def rows_of(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        return database.execute(query).fetchall()


def who_is_there(folder: Path) -> list[tuple[object, ...]]:
    """All that is not to change: names, ids, times, boxes, places."""
    query = """SELECT members.id, members.name, members.created_at, templates.id, templates.face_id,
        templates.created_at, faces.box_left, faces.quality, photos.path, photos.content_hash FROM templates
        JOIN members ON members.id = member_id JOIN faces ON faces.id = face_id JOIN photos ON photos.id = photo_id
        ORDER BY templates.id"""
    rejected = "SELECT id, member_id, content_hash, path, box_left, created_at FROM rejections ORDER BY id"
    return rows_of(folder, query) + rows_of(folder, rejected)


def vectors_of(folder: Path, table: str = "templates") -> Vectors:
    """What a plain gallery's table holds: shape (n, 512), float32."""
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        found = database.execute(f"SELECT vector FROM {table} ORDER BY id").fetchall()
    return np.frombuffer(b"".join(row[0] for row in found), "<f4").reshape(-1, 512)


def bytes_of(folder: Path) -> bytes:
    """Everything that lies in a gallery's folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- there and back -----------------------------------------------------------------------------------------------


def test_there_and_back(gallery: Gallery, probes: list[Path]) -> None:
    """Names, ids, times and places stay; the answers are the other model's (here as good), then again as before."""
    before, there = answers(gallery, probes), who_is_there(gallery.folder)
    old, old_rejected = vectors_of(gallery.folder), vectors_of(gallery.folder, "rejections")
    state, revision = gallery._store.state(), gallery._store.stamp().revision
    done = list(gallery.reembed(OTHER, preparation=SAME_WAY))
    assert len(done) == N_FACES
    assert {type(each.face) for each in done} == {EnrolledFace, Rejection}
    assert not any(each.missing for each in done)
    assert (gallery.model.name, gallery.preparation) == (OTHER, SAME_WAY)
    new, new_rejected = vectors_of(gallery.folder), vectors_of(gallery.folder, "rejections")
    assert np.abs((old * new).sum(axis=1)).max() < 0.3, "the other model's vectors are not these"
    np.testing.assert_allclose(new @ new.T, old @ old.T, atol=1e-4, err_msg="and say the same of two faces")
    np.testing.assert_allclose(new @ new_rejected.T, old @ old_rejected.T, atol=1e-4)
    assert who_is_there(gallery.folder) == there
    assert gallery._store.state() != state
    assert gallery._store.stamp().revision == revision + 1
    assert rows_of(gallery.folder, "SELECT name FROM models") == [(OTHER,)]
    assert rows_of(gallery.folder, "SELECT count(*) FROM new_vectors UNION SELECT count(*) FROM reembedding") == [(0,)]
    assert gallery.health().index_state == "missing", "the files held the old vectors"
    assert answers(gallery, probes) == before
    assert gallery.health().index_state == "current"
    assert gallery.health().faults == ()
    list(gallery.reembed("starter"))
    assert (gallery.model.name, gallery.preparation) == ("starter", SAME_WAY), "the model's usual way"
    assert who_is_there(gallery.folder) == there
    np.testing.assert_allclose(vectors_of(gallery.folder), old, atol=1e-5)
    assert answers(gallery, probes) == before


def test_only_the_preparation_changes(gallery: Gallery, home: Path, probes: list[Path], analyzer: FaceAnalyzer) -> None:
    """The same model and other vectors: neither index files nor an index in memory pass for the new ones."""
    assert answers(gallery, probes)
    stale = shutil.copytree(gallery.folder / INDEX_NAME, home / "stale index")
    with Gallery.open(gallery.folder, runtime=F32) as other:
        list(other.reembed(preparation=Preparation.BOX))
    assert (gallery.model.name, gallery.preparation) == ("starter", Preparation.BOX)
    shutil.rmtree(gallery.folder / INDEX_NAME)
    stale.rename(gallery.folder / INDEX_NAME)  # as after a kill between the switch and the removal of the files
    assert gallery.health().index_state == "stale: made with another model"
    self_similarities = []
    for photo in gallery.identify([face.photo_path for face in gallery.enrolled_faces("Ada")], score=ScoreRule.BEST):
        assert isinstance(photo, IdentifiedPhoto)
        best = photo.faces[0].decision.best
        assert best is not None
        self_similarities.append((best.member, round(best.similarity, 3)))
    assert self_similarities == [("Ada", 1.0)] * 4
    assert gallery.health().index_state == "current"


def test_a_calibration_goes_with_its_model(home: Path, run_cli: RunCli) -> None:
    """Its numbers are the old model's; that it is gone is said, with what to do next."""
    folder = home / "gallery"
    made = Calibration(
        created_at=datetime(2026, 11, 3, tzinfo=timezone.utc),
        score=ScoreRule.CENTROID,
        wanted_fmr=0.001,
        threshold=0.9,
        min_margin=0.05,
        fmr=0.001,
        fmr_low=0.0,
        fmr_high=0.01,
        fnmr=0.1,
        n_mated=9,
        n_non_mated=9,
        n_members=3,
        n_templates=12,
        n_enrolled=12,
        n_named=9,
        n_misnamed=0,
        margin_chosen=False,
        stranger_scores=np.array([0.5], np.float32),
    )
    with Store.open(folder / DATABASE_NAME) as store:
        assert store.keep_calibration(made, state=store.state())
    result = run_cli("reembed", "--model", OTHER, "-g", folder)
    assert result.code == 0
    assert f"on model '{OTHER}' now" in result.out
    assert "facegallery calibrate" in result.err
    with Gallery.open(folder) as gallery:
        assert gallery.calibration is None


def test_where_the_gallery_is_already_nothing_is_done(
    gallery: Gallery, home: Path, probes: list[Path], run_cli: RunCli
) -> None:
    """Said, exit 0, and not a row has changed. Without a word where to go it is an error that says how."""
    state = gallery._store.state()
    assert list(gallery.reembed("starter")) == []
    result = run_cli("reembed", "--model", "starter", "-g", gallery.folder)
    assert (result.code, "already: nothing to do" in result.out) == (0, True)
    assert gallery._store.state() == state
    assert run_cli("reembed", "-g", gallery.folder).code == 1
    with pytest.raises(NoReembedding, match="reembed --model NAME"):
        list(gallery.reembed())
    with pytest.raises(ModelNotFound):
        list(gallery.reembed("vggface2"))
    assert run_cli("reembed", "--status", "--abandon", "-g", gallery.folder).code == 2


# --- stopped on the way -------------------------------------------------------------------------------------------


def test_it_goes_on_where_it_was_stopped(home: Path, probes: list[Path], run_cli: RunCli) -> None:
    """Until the last face is done the gallery answers as before, whoever opens it; what was done is not done again."""
    folder = home / "gallery"
    with Gallery.open(folder, runtime=F32) as gallery:
        before, old, state = answers(gallery, probes), vectors_of(folder), gallery._store.state()
        running = gallery.reembed(OTHER)
        next(running)
        running.close()  # type: ignore[attr-defined]  # a generator: what Ctrl-C between two faces does
    with Gallery.open(folder, runtime=F32) as gallery:
        assert answers(gallery, probes) == before
        assert (gallery._store.state(), gallery.model.name) == (state, "starter")
        np.testing.assert_array_equal(vectors_of(folder), old)
        begun = gallery.reembedding()
        assert begun is not None
        assert (begun.model.name, begun.preparation) == (OTHER, Preparation.BOX)
        assert (begun.n_done, begun.n_left) == (BATCH, N_FACES - BATCH)
    assert f"On the way to '{OTHER}', 'box', since" in run_cli("reembed", "--status", "-g", folder).out
    assert f"{BATCH} of {N_FACES} faces done" in run_cli("reembed", "--status", "-g", folder).out
    findings = json.loads(run_cli("doctor", "--json", "-g", folder).out)["findings"]
    assert [each["state"] for each in findings if each["what"] == "reembedding"] == [
        f"to '{OTHER}', 'box': {BATCH} of {N_FACES} faces done; 'facegallery reembed' goes on, '--abandon' drops it"
    ]
    with Gallery.open(folder, runtime=F32) as gallery:
        assert len(list(gallery.reembed())) == N_FACES - BATCH
        assert gallery.space == begun.space
        assert gallery.health().faults == ()


CHILD = """
import sys
from facegallery import Gallery
from facegallery.domain import Precision, RuntimeChoice
with Gallery.open(sys.argv[1], runtime=RuntimeChoice(precision=Precision.F32)) as gallery:
    for n, _ in enumerate(gallery.reembed("mine"), start=1):
        print(n, flush=True)
"""


def test_killed_at_any_moment_it_is_finished_by_a_rerun(home: Path, analyzer: FaceAnalyzer) -> None:
    """SIGKILL while batches are written, and while the vectors are swapped: all old or all new, and never less done."""
    folder, rng = home / "gallery", np.random.default_rng(20261127)
    old, there = vectors_of(folder), who_is_there(folder)
    n_done = 0
    for n_lines in (1, int(rng.integers(2, N_FACES - BATCH)), 1):
        child = start(CHILD, folder)
        for _ in range(n_lines):
            line_of(child)
        if n_lines > 1:
            child.kill()
        else:
            os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert who_is_there(folder) == there
        with Store.open(folder / DATABASE_NAME) as store:
            assert store.check() == []
            begun = store.reembedding()
            if begun is None:  # it was quicker than the signal
                assert store.model().name == OTHER
                break
            assert store.model().name == "starter"
            np.testing.assert_array_equal(vectors_of(folder), old)
            assert begun.n_done >= n_done, "what was written is kept"
            n_done = begun.n_done
    assert n_done > 0
    with Gallery.open(folder, runtime=F32) as gallery:
        assert len(list(gallery.reembed(OTHER))) <= N_FACES - n_done
        assert gallery.model.name == OTHER
        assert gallery.reembedding() is None
        assert gallery.health().faults == ()
    assert who_is_there(folder) == there
    assert np.abs((old * vectors_of(folder)).sum(axis=1)).max() < 0.5


STOPPED = """
import os, signal, sys
from rich.progress import Progress
from facegallery.cli.app import main
n_done, advance = 0, Progress.advance
def press_ctrl_c(*arguments):
    global n_done
    n_done += 1
    advance(*arguments)
    if n_done == 10:
        os.kill(os.getpid(), signal.SIGINT)
Progress.advance = press_ctrl_c
main(sys.argv[1:])
"""


def test_ctrl_c_ends_in_order(home: Path) -> None:
    """Exit code 130, how far it came, and what to do; the same command finishes it."""
    arguments = ["reembed", "--model", OTHER, "-g", str(home / "gallery")]
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert stopped.returncode == 130, stopped.stderr
    assert f"Stopped after 10 of {N_FACES} faces; the gallery answers as before" in stopped.stderr
    assert "The same command goes on." in stopped.stderr
    assert "Traceback" not in stopped.stderr
    command = [sys.executable, "-m", "facegallery", *arguments]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, f"on model '{OTHER}' now" in again.stdout) == (0, True), again.stderr
    with Gallery.open(home / "gallery") as gallery:
        assert gallery.health().index_state == "current"


def test_who_is_enrolled_moved_or_forgotten_meanwhile_is_seen_to(
    gallery: Gallery, home: Path, probes: list[Path]
) -> None:
    """A face that comes on the way gets a new vector too; one that goes takes its own with it."""
    running = gallery.reembed(OTHER)
    next(running)
    with Gallery.open(gallery.folder, runtime=F32) as other:
        new = [path for path in probes if path.name == "ada-2.jpg"]
        assert [outcome.status.value for outcome in other.enroll([MemberPhotos("Ada", tuple(new))])] == ["enrolled"]
        other.forget("Bea")
        first = other.enrolled_faces("Ada")[0].template_id
        other.move_templates({first: "Dan"})
    done = [each.face for each in running]
    assert new[0] in [face.photo_path for face in done]
    assert first in [face.template_id for face in done if isinstance(face, EnrolledFace)], "sealed for whose it is now"
    assert gallery.model.name == OTHER
    assert {member.name: member.n_templates for member in gallery.members()} == {
        "Ada": 4,
        "Dan": 5,
    }
    assert rows_of(gallery.folder, "SELECT count(DISTINCT model_id), count(*) FROM templates") == [(1, 9)]
    assert gallery.health().faults == ()


# --- other ways ---------------------------------------------------------------------------------------------------


def test_another_target_is_refused_while_one_is_under_way(gallery: Gallery, run_cli: RunCli) -> None:
    """The error says how to go on, to begin again and to stay; ``--restart`` begins again."""
    running = gallery.reembed(OTHER)
    next(running)
    running.close()  # type: ignore[attr-defined]  # a generator
    for wanted in ({"model": "third"}, {"model": OTHER, "preparation": SAME_WAY}, {"model": "starter"}):
        with pytest.raises(OtherReembedding, match=f"on its way to model '{OTHER}'.*--restart.*--abandon"):
            list(gallery.reembed(**wanted))  # type: ignore[arg-type]  # options are passed through
    assert run_cli("reembed", "--model", "third", "-g", gallery.folder).code == 1
    result = run_cli("reembed", "--model", OTHER, "--preparation", SAME_WAY.value, "--restart", "-g", gallery.folder)
    assert result.code == 0
    assert (gallery.model.name, gallery.preparation) == (OTHER, SAME_WAY)
    assert [row[0] for row in rows_of(gallery.folder, "SELECT name FROM models")] == [OTHER]


def test_an_abandoned_way_leaves_no_trace(gallery: Gallery, probes: list[Path], run_cli: RunCli) -> None:
    """Not a vector of the other model is left in any file, and a run that was at it ends with an error."""
    before, there = answers(gallery, probes), vectors_of(gallery.folder)
    running = gallery.reembed(OTHER)
    next(running)
    made = [bytes(vector) for vector in vectors_of(gallery.folder, "new_vectors")]
    assert len(made) == BATCH
    kept = bytes_of(gallery.folder)
    assert all(vector in kept for vector in made)
    assert "the gallery stays on 'starter'" in run_cli("reembed", "--abandon", "-g", gallery.folder).out
    kept = bytes_of(gallery.folder)
    assert not [vector for vector in made if vector[:64] in kept or vector[-64:] in kept]
    assert rows_of(gallery.folder, "SELECT name FROM models") == [("starter",)]
    with pytest.raises(NoReembedding):
        list(running)
    np.testing.assert_array_equal(vectors_of(gallery.folder), there)
    assert answers(gallery, probes) == before
    assert "Nothing was under way" in run_cli("reembed", "--abandon", "-g", gallery.folder).out


def test_the_old_vectors_are_gone_after_the_switch(gallery: Gallery) -> None:
    """Neither database, log nor index hold one: they are overwritten as those of the forgotten are."""
    old = [bytes(vector) for table in ("templates", "rejections") for vector in vectors_of(gallery.folder, table)]
    list(gallery.reembed(OTHER))
    kept = bytes_of(gallery.folder)
    assert not [vector for vector in old if vector[:64] in kept or vector[-64:] in kept]


def test_a_program_that_has_the_gallery_open_never_mixes(home: Path, probes: list[Path]) -> None:
    """What looks at photos while another program switches ends with 'run again'; the next call is on the new model."""
    folder = home / "gallery"
    with Gallery.open(folder, runtime=F32) as gallery:
        before = answers(gallery, probes)
        identifying = gallery.identify(probes)
        next(identifying)
        enrolling = gallery.enroll([MemberPhotos("Eve", tuple(probes))])
        next(enrolling)
        analyzer = gallery.analyzer
        with Gallery.open(folder, runtime=F32) as other:
            list(other.reembed(OTHER, preparation=SAME_WAY))
        # Photos that were looked at by then are answered as before, and none is looked at by the other model.
        with suppress(ModelChanged):
            for photo_after in identifying:
                assert set(answers_of(photo_after)) <= set(before)
        with pytest.raises(ModelMismatch, match="run the same command again"):
            list(enrolling)
        with pytest.raises(ModelChanged, match="Run the same command again"):
            gallery._searches.by(ScoreRule.BEST, analyzer.space)
        with pytest.raises(ModelChanged):
            gallery._analysis(1, space=analyzer.space).__enter__()
        gallery.forget("Eve")
        assert answers(gallery, probes) == before
        assert gallery.analyzer.space == gallery.space != analyzer.space
        with Gallery.open(folder, runtime=F32) as other:
            list(other.reembed(preparation=Preparation.BOX))
        with pytest.raises(ModelChanged, match=r"'landmarks-mirrored'.*'box'"):
            gallery._store.enroll(
                "Eve",
                (photo := read_photo(probes[0])),
                face=analyzer.analyze(photo)[0],
                model=gallery.model,
                preparation=SAME_WAY,
            )


# --- photos that are gone -----------------------------------------------------------------------------------------


def test_missing_photos_keep_the_gallery_on_its_model(
    home: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, changed, and a missing rejection: listed by member, place and reason; exit 3, nothing switched."""
    folder, photos = home / "gallery", home / "photos"
    (photos / "enroll" / "Ada" / "1.jpg").unlink()
    shutil.copy(photos / "dan-1.jpg", photos / "enroll" / "Ada" / "2.jpg")
    (photos / "bea-1.jpg").unlink()
    there, old = who_is_there(folder), vectors_of(folder)
    result = run_cli("reembed", "--model", OTHER, "-g", folder)
    assert result.code == 3
    listed = [line.split() for line in result.err.splitlines() if ".jpg" in line and "Nothing" not in line]
    assert [(line[0], " ".join(line[-4:])) for line in listed] == [
        ("Ada", "is no such file"),
        ("Ada", "was taken from it"),
        ("not", "is no such file"),
    ]
    assert "Nothing was switched" in result.err
    assert "--drop-missing" in result.err
    assert who_is_there(folder) == there
    np.testing.assert_array_equal(vectors_of(folder), old)
    with Gallery.open(folder, runtime=F32) as gallery:
        with pytest.raises(FacesMissing) as caught:
            list(gallery.reembed())
        assert {path.name for path in caught.value.paths} == {"1.jpg", "2.jpg", "bea-1.jpg"}
        shutil.copy(bundled("sample_group") / "enroll" / "Ada" / "1.jpg", photos / "back.jpg")
        list(gallery.enroll([MemberPhotos("Ada", (photos / "back.jpg",))]))  # remembers where it is now
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    asked = run_cli("reembed", "--model", OTHER, "--drop-missing", "-g", folder)
    assert asked.code == 3
    assert "Nobody answers here; to give them up without being asked: --drop-missing --yes" in asked.err
    assert who_is_there(folder)[1:] == there[1:]
    assert run_cli("reembed", "--model", OTHER, "--drop-missing", "--yes", "-g", folder).code == 0
    with Gallery.open(folder) as gallery:
        assert gallery.model.name == OTHER
        assert [face.photo_path.name for face in gallery.enrolled_faces("Ada")] == ["back.jpg", "3.jpg", "4.jpg"]
        assert gallery.rejections() == []
        assert gallery.health().faults == ()


def test_a_whole_member_is_asked_about_twice(home: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> None:
    """Yes to the faces is not yet yes to the last of a member: named, and asked again."""
    folder = home / "gallery"
    shutil.rmtree(home / "photos" / "enroll" / "Ada")
    questions: list[str] = []

    def answer(said: list[bool]):  # type: ignore[no-untyped-def]
        def ask(question: str, *, err: bool) -> bool:
            questions.append(question)
            return said.pop(0)

        return ask

    monkeypatch.setattr("typer.confirm", answer([True, False]))
    assert run_cli("reembed", "--model", OTHER, "--drop-missing", "-g", folder).code == 3
    assert "Give up 4 enrolled faces?" in questions[0]
    assert "nothing is left of Ada" in questions[1]
    with Gallery.open(folder) as gallery:
        assert (gallery.model.name, gallery.member("Ada").n_templates) == ("starter", 4)
    monkeypatch.setattr("typer.confirm", answer([True, True]))
    assert run_cli("reembed", "--model", OTHER, "--drop-missing", "-g", folder).code == 0
    with Gallery.open(folder) as gallery:
        assert gallery.model.name == OTHER
        assert [member.name for member in gallery.members()] == ["Bea", "Dan"]


def test_kept_crops_stand_in_for_photos(home: Path, run_cli: RunCli) -> None:
    """With crops no photo is needed, for a way that cuts faces out alike; for another it is, and that is said."""
    folder, photos = home / "gallery", home / "photos" / "enroll"
    assert run_cli("enroll", photos, "--keep-crops", "-g", folder).code == 0
    with Gallery.open(folder, runtime=F32) as gallery:
        assert gallery.count_crops() == 12
        old = vectors_of(folder)
        shutil.rmtree(photos)
        with pytest.raises(FacesMissing):
            list(gallery.reembed(OTHER))
        list(gallery.reembed(OTHER, preparation=Preparation.LANDMARKS, restart=True))
        assert (gallery.model.name, gallery.preparation) == (OTHER, Preparation.LANDMARKS)
        list(gallery.reembed("starter"))
        np.testing.assert_allclose(vectors_of(folder), old, atol=1e-5)


# --- encrypted ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path, analyzer: FaceAnalyzer, sample_group: Path) -> Iterator[Gallery]:
    """An encrypted gallery of two members with crops, and a rejection."""
    folder = tmp_path / "sealed"
    identity, preparation = analyzer.model.identity, analyzer.preparation
    store = Store.create(folder / DATABASE_NAME, model=identity, preparation=preparation, secret=KEY)

    def load(_: object) -> FaceAnalyzer:
        return analyzer

    with Gallery(folder, store=store, models=ModelFiles.default(), load_analyzer=load, runtime=F32) as gallery:
        plan = [entry for entry in plan_folder(sample_group / "enroll") if entry.member in ("Ada", "Bea")]
        list(gallery.enroll(plan, keep_crops=True))
        gallery.reject(sample_group / "probe" / "dan-1.jpg", "Ada")
        yield gallery


def test_an_encrypted_gallery_goes_too(sealed: Gallery) -> None:
    """Vectors on the way, in their place and crops are all sealed; what opens is what a plain gallery would hold."""
    old = sealed.templates()
    running = sealed.reembed(OTHER, preparation=SAME_WAY)
    next(running)
    assert rows_of(sealed.folder, "SELECT min(length(vector)), max(length(vector)) FROM new_vectors") == [(2080, 2080)]
    assert sealed.health().faults == ()
    list(running)
    new = sealed.templates()
    assert (new.ids.tolist(), new.members) == (old.ids.tolist(), old.members)
    np.testing.assert_allclose(new.vectors @ new.vectors.T, old.vectors @ old.vectors.T, atol=1e-4)
    rejected = sealed._store.rejection_vectors()["Ada"]
    assert rejected.shape == (1, 512)
    kept = bytes_of(sealed.folder)
    assert b"\x89PNG" not in kept
    assert not [vector for vector in [*new.vectors, *rejected] if vector.tobytes()[:64] in kept]
    assert rows_of(sealed.folder, "SELECT min(length(vector)), max(length(vector)) FROM templates") == [(2080, 2080)]
    assert sealed.health().faults == ()
    assert sealed.count_crops() == 8


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE new_vectors SET vector = (SELECT vector FROM new_vectors WHERE template_id = 2) WHERE template_id = 1",
        "UPDATE new_vectors SET vector = (SELECT vector FROM templates WHERE id = 1) WHERE template_id = 1",
        "UPDATE templates SET member_id = 2 WHERE id = 1",
        "UPDATE reembedding SET preparation = 'box'",
    ],
    ids=["another face's", "the old one", "another member's", "other preparation"],
)
def test_a_changed_vector_on_the_way_is_noticed(sealed: Gallery, change: str) -> None:
    """Each is sealed for its face, its member and the model it is of: none can be put into another's place."""
    running = sealed.reembed(OTHER, preparation=SAME_WAY)
    next(running)
    with closing(sqlite3.connect(sealed.folder / DATABASE_NAME)) as database, database:
        database.execute(change)
    assert any("new template 1 was changed" in fault for fault in sealed._store.check())
    with pytest.raises((GalleryTampered, NoReembedding)):
        list(running)
    assert sealed.model.name == "starter"


def test_the_space_of_vectors_is_model_and_preparation(gallery: Gallery, analyzer: FaceAnalyzer) -> None:
    """What can be compared is told by both, in the store, in what it reads, and in what analyzes."""
    space = VectorSpace(analyzer.model.fingerprint, SAME_WAY)
    assert gallery.space == gallery.templates().space == analyzer.space == space
