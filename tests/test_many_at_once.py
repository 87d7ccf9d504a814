"""Many programs in one gallery at once lose nothing, wait for each other, and each run is answered by one gallery."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegallery import Gallery
from facegallery.domain import EmbeddedFace, Precision, Preparation, RuntimeChoice, ScoreRule
from facegallery.errors import GalleryUnavailable, ModelMismatch
from facegallery.gallery import moment as moments
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.gallery.networks import are_prepared
from facegallery.gallery.searches import Searches
from facegallery.index.opening import describe, forgetting, open_index
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.store.engine import checkpoint
from facegallery.weights.files import InstalledModel, ModelFiles
from tests.children import line_of, start
from tests.conftest import open_with
from tests.many_at_once import run
from tests.test_gallery import MEMBERS, identified
from tests.test_store import MODEL, enroll, face, photo, unit_vector

# --- processes ----------------------------------------------------------------------------------------------------


def test_eight_processes_lose_nothing(tmp_path: Path) -> None:
    """Enrolling, renaming, moving, forgetting, asking and writing the index, all at once: every row is there, every
    question is answered by what was done just before, nobody is told that the database is locked.
    """
    outcome = run(tmp_path / "gallery", n_rounds=12)
    assert outcome.errors == []
    assert outcome.found == outcome.expected
    assert sum(outcome.n_operations.values()) > 600
    assert outcome.index_state.split()[0] in ("current", "behind")
    assert max(outcome.longest_s.values()) < 20


ENROLLING = """
import sys
from pathlib import Path
from facegallery import Gallery
from facegallery.domain import Precision, RuntimeChoice
from facegallery.gallery.enrollment import plan_folder
f32 = RuntimeChoice(precision=Precision.F32)
with Gallery.create(Path(sys.argv[1]), model="starter", runtime=f32) as gallery:
    for outcome in gallery.enroll(plan_folder(Path(sys.argv[2])), accept_poor=True):
        print(outcome.member, outcome.status.value, flush=True)
    gallery.refresh_index()
"""

IDENTIFYING = """
import sys, time
from pathlib import Path
from facegallery import Gallery
from facegallery.domain import Precision, RuntimeChoice
f32 = RuntimeChoice(precision=Precision.F32)
probes = [Path(text) for text in sys.argv[3:]]
with Gallery.create(Path(sys.argv[1]), model="starter", runtime=f32) as gallery:
    def names():
        return [photo.faces[0].decision.member for photo in gallery.identify(probes)]
    deadline = time.monotonic() + float(sys.argv[2])
    while None in names() and time.monotonic() < deadline:
        time.sleep(0.3)
    print(*names(), flush=True)
    while sys.stdin.readline():
        print(*names(), flush=True)
"""


def varied(photos: Path, into: Path, n: int) -> list[Path]:
    """The sample group's first photo of each member n times over, each time other bytes, a folder each time."""
    folders = []
    for number in range(n):
        for member in MEMBERS:
            folder = into / f"{number}" / member
            folder.mkdir(parents=True)
            with Image.open(photos / member / f"{number % 4 + 1}.jpg") as image:
                image.save(folder / "photo.jpg", quality=95 - number)
        folders.append(into / f"{number}")
    return folders


def test_programs_that_stay_open_name_whom_others_enroll_and_forget(
    sample_group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, analyzer: FaceAnalyzer
) -> None:
    """Four programs enroll the same members from other photos while four identify, all having made the gallery at once:
    each photo is a row, everybody is named in the end, and nobody is any more who was forgotten by another.
    """
    monkeypatch.setenv("FACEGALLERY_WORKERS", "1")
    monkeypatch.setenv("FACEGALLERY_THREADS", "1")
    assert are_prepared(analyzer.model, RuntimeChoice(precision=Precision.F32))  # once, and not by eight programs
    folder = tmp_path / "gallery"
    probes = [sample_group / "probe" / name for name in ("ada-2.jpg", "bea-1.jpg")]
    enrollers = [
        start(ENROLLING, folder, photos, stderr=subprocess.PIPE)
        for photos in varied(sample_group / "enroll", tmp_path / "photos", 4)
    ]
    identifiers = [start(IDENTIFYING, folder, 120, *probes, stderr=subprocess.PIPE) for _ in range(4)]
    for child in enrollers:
        out, err = child.communicate()
        assert (child.returncode, err) == (0, "")
        assert sorted(out.split("\n")) == sorted(["", *(f"{member} enrolled" for member in MEMBERS)])
    assert [line_of(child) for child in identifiers] == ["Ada Bea"] * 4
    with open_with(folder, analyzer) as gallery:
        assert [(member.name, member.n_templates) for member in gallery.members()] == [(name, 4) for name in MEMBERS]
        assert len(gallery.forget("Ada").template_ids) == 4
        for child in identifiers:
            assert child.stdin is not None
            child.stdin.write("again\n")
            child.stdin.flush()
        assert [line_of(child) for child in identifiers] == ["None Bea"] * 4
        assert gallery.health().faults == ()
        assert gallery.health().index_state == "current"
    for child in identifiers:
        _, err = child.communicate()
        assert (child.returncode, err) == (0, "")


# --- waiting ------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery" / DATABASE_NAME


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.create(path, model=MODEL, preparation=Preparation.BOX) as opened:
        for place, name in enumerate(("Ada", "Bea", "Cyrus")):
            enroll(opened, name, 3, first=10 * place)
        yield opened


EMPTYING = """
import sys
from pathlib import Path
from facegallery.store import Store
from facegallery.store.engine import checkpoint
with Store.open(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        store.move_photo("0" * 64, Path("/nowhere"))
        store._empty_log()
    print("emptied", flush=True)
"""


def test_programs_that_forget_at_once_wait_for_each_other(store: Store, path: Path) -> None:
    """Of several that empty the write-ahead log at once none is told that somebody reads it."""
    children = [start(EMPTYING, path, 150, stderr=subprocess.PIPE) for _ in range(4)]
    assert [line_of(child) for child in children] == ["ready"] * 4
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.communicate() for child in children]
    assert said == [("emptied\n", "")] * 4


def test_writers_are_let_in_while_somebody_waits_for_a_reader(store: Store, path: Path) -> None:
    """Emptying the log may wait long for a reader; whoever writes meanwhile does not wait as long."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        store.rename("Ada", "Ada L.")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM members").fetchone()
        store.rename("Ada L.", "Ada")
        waiting = threading.Thread(target=lambda: checkpoint(store._engine, path, wait_s=4))
        waiting.start()
        time.sleep(0.3)
        began = time.monotonic()
        store.rename("Bea", "Bea B.")
        assert waiting.is_alive()
        assert time.monotonic() - began < 2
        waiting.join()


def test_a_writer_waits_no_longer_than_was_said(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer who cannot have its turn is told so in the end, and can go on when the other is done."""
    monkeypatch.setattr("facegallery.store.engine.BUSY_TIMEOUT_S", 0.3)  # a setting, not a part
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(GalleryUnavailable, match="another program has been writing"):
            store.rename("Ada", "Eve")
        assert 0.3 <= time.monotonic() - began < 3
    assert store.rename("Ada", "Eve").name == "Eve"


def test_the_networks_are_loaded_once_by_all_threads(gallery_folder: Path, analyzer: FaceAnalyzer) -> None:
    """Groups of photos are looked at by several threads: the first to come loads, the others wait."""
    loaded: list[InstalledModel] = []

    def load(model: InstalledModel) -> FaceAnalyzer:
        loaded.append(model)
        time.sleep(0.2)
        return analyzer

    store = Store.open(gallery_folder / DATABASE_NAME)
    with (
        Gallery(gallery_folder, store=store, models=ModelFiles.default(), load_analyzer=load) as gallery,
        ThreadPoolExecutor(4) as pool,
    ):
        assert list(pool.map(lambda _: gallery.analyzer, range(4))) == [analyzer] * 4
    assert len(loaded) == 1


# --- one moment ---------------------------------------------------------------------------------------------------


def test_a_snapshot_is_one_moment(store: Store, path: Path) -> None:
    """Whatever others change, it answers as at its beginning; left early, it holds nothing."""
    before = (store.stamp(), store.members(), store.rejections(), store.template_ids(1000).tolist())
    with store.snapshot() as moment:
        with Store.open(path) as other:
            enroll(other, "Eve", 1)
            other.rename("Ada", "Zoe")
            other.reject("Bea", photo("x"), face=face(7), model=MODEL)
        assert (moment.stamp(), moment.members(), moment.rejections(), moment.template_ids(1000).tolist()) == before
    assert [member.name for member in store.members()] == ["Bea", "Cyrus", "Eve", "Zoe"]
    with pytest.raises(ZeroDivisionError), store.snapshot():
        raise ZeroDivisionError
    assert checkpoint(store._engine, path, wait_s=0)


def test_owners_are_those_of_the_templates(store: Store) -> None:
    """Ids ascend, and each has the member that the templates say."""
    moved = store.enrolled_faces("Ada")[0].template_id
    store.move_templates({moved: "Cyrus"})
    owners, templates = store.owners(), store.templates()
    assert owners.ids.tolist() == templates.ids.tolist()
    assert tuple(owners.names[key] for key in owners.members.tolist()) == templates.members
    assert {name: key for key, name in owners.names.items()} == store.member_ids()


BOTH = pytest.mark.parametrize("most_in_memory", [moments.MOST_IN_MEMORY, 0], ids=["read at the start", "read later"])


@BOTH
def test_templates_of_a_moment_are_those_of_the_store(store: Store, path: Path, most_in_memory: int) -> None:
    """By ids and by members, in both ways, with ids and names among them that are not there."""
    index = open_index(path.parent / INDEX_NAME, store)
    with store.snapshot() as moment:
        templates = moments.templates_of_moment(moment, store, index, most_in_memory=most_in_memory)
    ids = np.array([5, 2, 77, 0, -1, 9])
    names = ["Cyrus", "Nobody", "Ada"]
    for found, wanted in (
        (templates.of(ids), store.templates_of(ids)),
        (templates.of_members(names), store.templates_of_members(names)),
        (templates.of_members([]), store.templates_of_members([])),
    ):
        order = np.argsort(found.ids)
        assert found.ids[order].tolist() == wanted.ids.tolist()
        assert [found.members[place] for place in order.tolist()] == list(wanted.members)
        assert found.vectors[order].tobytes() == wanted.vectors.tobytes()
        assert found.qualities[order].tolist() == wanted.qualities.tolist()
    assert templates.of_members(names).ids.tolist() == store.templates_of_members(names).ids.tolist()


def change(folder: Path, analyzer: FaceAnalyzer) -> None:
    """What others may do to the enrolled sample group meanwhile: all that changes answers."""
    with open_with(folder, analyzer) as other:
        for enrolled in other.enrolled_faces("Ada"):
            other.move_templates({enrolled.template_id: "Hana"})
        other.rename("Bea", "Beatrice")
        other.forget("Cyrus")
        other._store.enroll("Eve", photo("eve"), face=EmbeddedFace(face().face, unit_vector(3)), model=other.model)
        other.reject(other.enrolled_faces("Dan")[0].photo_path, "Ivan")
        other.refresh_index()


@BOTH
def test_a_long_run_is_answered_by_one_gallery(
    gallery: Gallery,
    analyzer: FaceAnalyzer,
    sample_group: Path,
    monkeypatch: pytest.MonkeyPatch,
    most_in_memory: int,
) -> None:
    """Members are merged, renamed, forgotten and enrolled while photos are looked at: the answers are those of before.

    Of more vectors than are read at the start somebody who is forgotten is named no more, and nobody else instead. The
    others need not wait for the run's end to do so.
    """
    monkeypatch.setattr(moments.templates_of_moment, "__kwdefaults__", {"most_in_memory": most_in_memory})
    probes = sorted((sample_group / "probe").glob("*.jpg"))
    before = identified(gallery, *probes)
    answers = gallery.identify(probes)
    during = [next(answers)]
    began = time.monotonic()
    change(gallery.folder, analyzer)
    assert time.monotonic() - began < 15  # it would be half a minute if the run kept the log from being emptied
    during += list(answers)
    named_before = [[face.decision.member for face in result.faces] for result in before]
    named = [
        [face.decision.member for face in result.faces] for result in during if isinstance(result, IdentifiedPhoto)
    ]
    assert {"Ada", "Bea", "Cyrus"} <= {name for names in named_before for name in names}
    if most_in_memory:
        assert during == before
    else:
        assert named == [[None if name == "Cyrus" else name for name in names] for names in named_before]
    after = {face.decision.member for result in identified(gallery, *probes) for face in result.faces}
    assert "Beatrice" in after
    assert not {"Ada", "Bea", "Cyrus"} & after


def test_a_run_that_is_left_holds_nothing(gallery: Gallery, sample_group: Path) -> None:
    """Between two answers, and after the run was left, the write-ahead log can be emptied at once."""
    store, path = gallery._store, gallery.folder / DATABASE_NAME
    answers = gallery.identify(sorted((sample_group / "probe").glob("*.jpg")))
    next(answers)
    gallery.rename("Ada", "Zoe")
    assert checkpoint(store._engine, path, wait_s=0)
    answers.close()  # type: ignore[attr-defined]  # it is a generator
    gallery.rename("Zoe", "Ada")
    assert checkpoint(store._engine, path, wait_s=0)


def test_a_clustering_is_of_one_gallery(gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """The same for the groups of unknown faces: what others do after the first photo changes none."""
    probes = [sample_group / "probe"]
    before = gallery.cluster(probes)
    told: list[Callable[[], None]] = [lambda: change(gallery.folder, analyzer)]
    assert gallery.cluster(probes, told=lambda: told.pop()() if told else None) == before
    assert not told


@BOTH
def test_a_moment_that_is_past_does_not_bring_anybody_back_into_the_files(
    store: Store, path: Path, most_in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is forgotten between the beginning of a run and the opening of its index: the files do not hold them."""
    monkeypatch.setattr(moments.templates_of_moment, "__kwdefaults__", {"most_in_memory": most_in_memory})
    folder = path.parent / INDEX_NAME
    gone = [vector.tobytes() for vector in store.templates("Ada").vectors]
    open_index(folder, store)
    with store.snapshot() as moment:
        with Store.open(path) as other, forgetting(folder, other) as bury, other._write() as connection:
            connection.exec_driver_sql("DELETE FROM faces WHERE id <= 3")  # as forgetting does, without waiting for us
            connection.exec_driver_sql("DELETE FROM members WHERE id = 1")
            connection.exec_driver_sql("UPDATE gallery_settings SET revision = revision + 1")
            connection.commit()
            bury([1, 2, 3])
        search = Searches(folder, store).at(moment, ScoreRule.BEST, moment.space())
    best = search.candidates(unit_vector(0)[np.newaxis], 1)[0][0]
    assert best.member == "Ada" if most_in_memory else best.member != "Ada"
    contents = b"".join(file.read_bytes() for file in folder.iterdir())
    assert not [vector for vector in gone if vector in contents]
    assert describe(folder, store) == "current"


def test_vectors_of_another_model_are_not_read_later(store: Store, path: Path) -> None:
    """Where the gallery goes to another model while a run reads vectors as it needs them, the run ends and says so."""
    index = open_index(path.parent / INDEX_NAME, store)
    with store.snapshot() as moment:
        templates = moments.templates_of_moment(moment, store, index, most_in_memory=0)
    assert len(templates.of(np.array([1])).ids) == 1
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE models SET name = 'vggface2', fingerprint = ?", ("b" * 64,))
        raw.commit()
    with pytest.raises(ModelMismatch, match="while this one was at work"):
        templates.of(np.array([1]))
