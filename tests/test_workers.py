"""Processes that analyze photos: the answers of one process, and nothing left behind however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from facegallery import Gallery
from facegallery.domain import Precision, Runtime, RuntimeChoice, SkippedPhoto
from facegallery.errors import FacegalleryError, RuntimeUnavailable
from facegallery.gallery.analysis import AnalyzedPhoto, FaceAnalyzer
from facegallery.gallery.detecting import DetectedPhoto, detect_photos
from facegallery.gallery.enrollment import EnrollStatus, plan_folder
from facegallery.gallery.jobs import MANY_PHOTOS, AnalysisJob, analysis_of
from facegallery.gallery.workers import Workers

F32 = RuntimeChoice(precision=Precision.F32)


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with two processors, whatever this one has."""
    monkeypatch.setenv("FACEGALLERY_WORKERS", "2")


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    """Every test must leave as many child processes as it found."""
    before = children()
    yield
    assert children() <= before


def children() -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(status.parent.name))
    return found


@pytest.fixture(scope="module")
def many_photos(sample_group: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More photos than one process would do alone, each with other bytes; one of them no photo."""
    folder = tmp_path_factory.mktemp("many")
    n = 0
    for member in sorted((sample_group / "enroll").iterdir()):
        (folder / member.name).mkdir()
        for path in sorted(member.glob("*.jpg")):
            with Image.open(path) as picture:
                for quality in (95, 94, 93, 92):
                    picture.save(folder / member.name / f"{path.stem}-{quality}.jpg", quality=quality)
                    n += 1
    (folder / member.name / "zz.jpg").write_bytes(b"no photo")
    assert n >= MANY_PHOTOS
    return folder


# --- the answers --------------------------------------------------------------------------------------------------


def test_workers_enroll_as_one_process_does(
    many_photos: Path, analyzer: FaceAnalyzer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of many photos gives the same outcomes in the same order, and the same templates."""
    with Gallery.create(tmp_path / "several", runtime=F32) as gallery:
        several = list(gallery.enroll(plan_folder(many_photos)))
        assert gallery._analyzer is None  # no network was loaded in this process
        theirs = gallery._store.templates()
    monkeypatch.setenv("FACEGALLERY_WORKERS", "1")
    with Gallery.create(tmp_path / "one", runtime=F32) as gallery:
        one = list(gallery.enroll(plan_folder(many_photos)))
        ours = gallery._store.templates()
    assert several == one
    assert [outcome.status for outcome in one].count(EnrollStatus.SKIPPED) == 1
    assert theirs.members == ours.members
    assert (theirs.vectors * ours.vectors).sum(axis=1).min() > 0.99999


def test_workers_detect_as_one_process_does(many_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``detect`` on a folder gives the same faces and reasons in the same order."""
    several = list(detect_photos([many_photos]))
    monkeypatch.setenv("FACEGALLERY_WORKERS", "1")
    one = list(detect_photos([many_photos]))
    assert [photo.path for photo in several] == [photo.path for photo in one]
    for theirs, ours in zip(several, one, strict=True):
        if isinstance(ours, SkippedPhoto):
            assert theirs == ours
        else:
            assert isinstance(theirs, DetectedPhoto)
            assert [round(face.probability, 4) for face in theirs.faces] == [
                round(face.probability, 4) for face in ours.faces
            ]


@pytest.mark.parametrize(
    ("n_photos", "choice", "n_workers", "expected"),
    [
        (MANY_PHOTOS, F32, "2", "workers"),
        (MANY_PHOTOS - 1, F32, "2", "here"),
        (MANY_PHOTOS, F32, "1", "here"),
        (MANY_PHOTOS, RuntimeChoice(Runtime.TORCH), "2", "here"),
    ],
)
def test_processes_are_for_many_photos_and_compiled_networks(
    n_photos: int, choice: RuntimeChoice, n_workers: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few photos, one worker or torch (which may be on a GPU) stay in this process."""
    monkeypatch.setenv("FACEGALLERY_WORKERS", n_workers)
    job = AnalysisJob(None, choice, None)
    missing = Path("there is no such file.jpg")
    with analysis_of(n_photos, job, lambda _: ["here"]) as analysis:
        (answer,) = analysis.analyze([missing])
    assert ("here" if answer == "here" else "workers") == expected
    assert answer == "here" or answer.path == missing


# --- how they end -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Odd:
    """A job that does what a test needs."""

    what: str

    def load(self) -> Callable[[Sequence[Path]], Sequence[object]]:
        """See ``workers.Job``."""
        if self.what == "fails to load":
            raise RuntimeUnavailable("nothing to run on")
        return self.answer

    def answer(self, paths: Sequence[Path]) -> Sequence[object]:
        """The files' names, after what the test needs."""
        if self.what == "ends":
            os._exit(7)
        if self.what == "raises ours":
            raise FacegalleryError("the model's file is damaged")
        if self.what == "prints":
            print("a library says hello")  # noqa: T201 - into the pipe, if it were not kept out
            os.write(1, b"more\n")
        return [str(path) for path in paths]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("fails to load", "nothing to run on"),
        ("raises ours", "the model's file is damaged"),
        ("ends", r"ended by itself \(exit status 7\).*FACEGALLERY_WORKERS=1"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_said(what: str, message: str) -> None:
    """An error of ours comes through in its words; a process that ends is an error with a next step."""
    with Workers(Odd(what), 1) as workers, pytest.raises(RuntimeUnavailable, match=message):
        workers.analyze([Path("a.jpg")])


def test_what_a_library_prints_does_not_come_between(capfd: pytest.CaptureFixture[str]) -> None:
    """Standard output carries answers only; what is printed there goes to standard error."""
    with Workers(Odd("prints"), 1) as workers:
        assert workers.analyze([Path("a.jpg")]) == ["a.jpg"]
        assert workers.analyze([Path("b.jpg")]) == ["b.jpg"]
    assert "a library says hello" in capfd.readouterr().err


def test_a_worker_starts_when_it_is_needed() -> None:
    """Without work no process is started, and one that is free is used again."""
    before = children()
    with Workers(Odd("works"), 2) as workers:
        assert children() == before
        for _ in range(3):
            workers.analyze([Path("a.jpg")])
        assert len(children() - before) <= 2


PARENT = """
import os, sys
from pathlib import Path
from tests.test_workers import Odd
from facegallery.gallery.workers import Workers
workers = Workers(Odd("works"), 1)
workers.analyze([Path("a.jpg")])
print(workers._started[0]._popen.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_worker_ends_with_its_parent() -> None:
    """When the program is killed, its processes end by themselves."""
    killed = subprocess.run(
        [sys.executable, "-c", PARENT],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    pid = int(killed.stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    raise AssertionError("it lives on")


@pytest.mark.usefixtures("analyzer")  # the cache is warm
def test_ctrl_c_ends_all_and_keeps_what_was_said(many_photos: Path, tmp_path: Path) -> None:
    """Ctrl-C goes to the program and its workers alike: what was enrolled is kept, and no traceback is shown."""
    folder = tmp_path / "gallery"
    program = subprocess.Popen(
        [sys.executable, "-m", "facegallery", "enroll", str(many_photos), "-g", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _n_enrolled(folder) == 0:
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    if program.returncode == 0:
        pytest.fail("it was done before it could be stopped")
    assert program.returncode == 130, err
    assert "Traceback" not in err
    assert "Stopped after" in err
    told = int(out.split("Enrolled ")[1].split()[0])
    assert 0 < told <= _n_enrolled(folder)
    with pytest.raises(ProcessLookupError):
        os.killpg(program.pid, 0)  # nobody of its group is left


def _n_enrolled(folder: Path) -> int:
    try:
        with Gallery.open(folder) as gallery:
            return sum(member.n_templates for member in gallery.members())
    except FacegalleryError:
        return 0


def test_an_answer_travels_whole(many_photos: Path, analyzer: FaceAnalyzer) -> None:
    """What a worker sends is what its parent would have computed: photo, faces, embeddings."""
    path = next(many_photos.rglob("*.jpg"))
    with Workers(AnalysisJob(analyzer.model, F32, analyzer.preparation), 1) as workers:
        (theirs,) = workers.analyze([path])
    (ours,) = analyzer.analyze_files([path])
    assert isinstance(theirs, AnalyzedPhoto)
    assert isinstance(ours, AnalyzedPhoto)
    assert (theirs.photo.path, theirs.photo.content_hash) == (path, ours.photo.content_hash)
    assert theirs.photo.pixels.size == 0
    assert len(theirs.faces) == len(ours.faces) > 0
    for face, own in zip(theirs.faces, ours.faces, strict=True):
        assert float(face.embedding @ own.embedding) > 0.99999
