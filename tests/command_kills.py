"""Commands that are killed at random moments: what is done to a gallery, and what must hold of it afterwards.

``python -m tests.command_kills`` kills them and prints each kill, and what was found, as a table. The commands run in
processes of their own (:class:`tests.kills.Nursery`), the real ``Gallery`` on real files; enrolling loads the real
networks there, and works on the bundled portraits.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import facegallery
from facegallery import Gallery
from facegallery.archive import write_archive
from facegallery.domain import (
    ArchivedFace,
    ArchivedMember,
    ArchivedPhoto,
    GalleryContent,
    ModelIdentity,
    Precision,
    Preparation,
    RuntimeChoice,
    Secret,
    SecretKind,
    Vectors,
)
from facegallery.gallery.analysis import FaceAnalyzer, load_analyzer
from facegallery.gallery.enrollment import MemberPhotos
from facegallery.gallery.erasing import backups_in
from facegallery.index.opening import describe, open_index
from facegallery.settings import DATABASE_NAME, INDEX_NAME, bundled
from facegallery.store import Store
from facegallery.weights.files import ModelFiles
from tests.archives import NOW, unit_vectors
from tests.kills import Kill, Nursery, kill_program, moments, table
from tests.made_up import face, photo

SAME_NUMBERS = RuntimeChoice(precision=Precision.F32)
"""Embeddings of two runs are compared."""

NAME, PATH = "Ada Lovelace-Byron", "/private/holiday in somerset/1.jpg"
N_OTHERS, N_THEIRS, N_ARCHIVED = 40, 12, 200
"""Members beside the one who is forgotten or merged, photos of that one, and faces in the archive."""

ENROLLED = {name: tuple(f"{number}.jpg" for number in (1, 2, 3)) for name in ("Ada", "Bea")}

SCRIPT = f"""
import os
os.environ.update(FACEGALLERY_WORKERS="1")
import facegallery.archive, facegallery.gallery.archiving, facegallery.gallery.networks
from facegallery.gallery import pipeline
pipeline.GROUP_PHOTOS = 1
from facegallery.index.engine import load_faiss
load_faiss()
from {__name__ if __name__ != "__main__" else "tests.command_kills"} import COMMANDS
"""
"""What the process of the commands begins with. A photo is written as soon as it is embedded, so that kills fall
between photos, too: a setting, not a part.
"""

N_KILLS = {"enroll": 12, "forget": 22, "merge": 22, "import": 22}
"""Of each command, in a plain and in an encrypted gallery each: 156 in all."""

PROGRAMS = {"forget": ("forget", NAME, "--yes"), "import": ("import", "{archive}", "--yes")}
N_PROGRAM_KILLS = 4
"""Of each program, as a person starts it."""

LATE = 0.6
"""Share of a program's time that it takes to start, and more."""

N_MEASURED = 3
"""Undisturbed runs, of which the quickest tells how long a command takes: a busy machine has it last longer."""


def secret_of(key: str) -> Secret | None:
    """The secret of a gallery; none of an empty word."""
    return Secret(SecretKind.KEY_FILE, key.encode()) if key else None


# --- the commands -------------------------------------------------------------------------------------------------


def photos() -> list[MemberPhotos]:
    """What is enrolled."""
    folder = bundled("sample_group") / "enroll"
    return [MemberPhotos(name, tuple(folder / name / file for file in files)) for name, files in ENROLLED.items()]


def enroll(gallery: Gallery) -> None:
    for _ in gallery.enroll(photos()):
        pass
    gallery.refresh_index()


def forget(gallery: Gallery) -> None:
    if any(member.name == NAME for member in gallery.members()):  # else opening it has done the rest
        gallery.forget(NAME)


def merge(gallery: Gallery) -> None:
    if any(member.name == NAME for member in gallery.members()):
        gallery.merge(NAME, "Person 7")


def import_(gallery: Gallery) -> None:
    gallery.import_archive(archive_beside(gallery.folder))
    gallery.refresh_index()


STEPS: dict[str, Callable[[Gallery], None]] = {"enroll": enroll, "forget": forget, "merge": merge, "import": import_}


def command(step: str) -> Callable[[str, str], Generator[None, None, None]]:
    """A command for ``tests.kills.Nursery``."""

    def work(folder: str, key: str) -> Generator[None, None, None]:
        with Gallery.open(folder, runtime=SAME_NUMBERS, secret=secret_of(key)) as gallery:
            if step == "enroll":  # networks are loaded, and have seen a photo of another size, before the clock runs
                gallery.analyzer.analyze_files([bundled("sample_group") / "group.jpg"])
            yield
            STEPS[step](gallery)

    return work


COMMANDS = {step: command(step) for step in STEPS}


# --- galleries before ---------------------------------------------------------------------------------------------


def archive_beside(folder: Path) -> Path:
    """Where the archive for a gallery is."""
    return folder.with_name(f"{folder.name}.zip")


def make(step: str, folder: Path, key: str, model: ModelIdentity, preparation: Preparation) -> None:
    """A gallery that the command can be given, with a current index and a backup."""
    path = folder / DATABASE_NAME
    with Store.create(path, model=model, preparation=preparation, secret=secret_of(key)) as store:
        for seed in range(3 if step == "enroll" else N_OTHERS):
            store.enroll(f"Person {seed}", photo(f"{seed}"), face=face(seed), model=model)
        if step in ("forget", "merge"):
            for seed in range(100, 100 + N_THEIRS):
                theirs = photo(f"ada {seed}", PATH.replace("1.", f"{seed}."))
                store.enroll(NAME, theirs, face=face(seed), model=model)
            store.reject(NAME, photo("other"), face=face(108), model=model)
    if step == "import":
        write_archive(archive_beside(folder), archived(model, preparation), replace=True)
    with Gallery.open(folder, secret=secret_of(key)) as gallery:
        gallery.refresh_index()
        gallery.back_up()


def archived(model: ModelIdentity, preparation: Preparation) -> GalleryContent:
    """Faces of a hundred members, of whom ten are there already."""
    n_members = N_ARCHIVED // 2
    taken = [photo(f"archived {place}") for place in range(N_ARCHIVED)]
    return GalleryContent(
        gallery_id="0" * 32,
        created_at=NOW,
        model=model,
        preparation=preparation,
        members=tuple(ArchivedMember(f"Person {number + N_OTHERS - 10}", NOW) for number in range(n_members)),
        photos=tuple(ArchivedPhoto(each.content_hash, each.path, 3, 2, NOW) for each in taken),
        faces=tuple(ArchivedFace(place % n_members, place, face(0).face, 0.5, NOW) for place in range(N_ARCHIVED)),
        vectors=unit_vectors(N_ARCHIVED, seed=77),
        rejections=(),
        rejection_vectors=unit_vectors(0),
        calibration=None,
        crops={},
    )


# --- what must hold afterwards ------------------------------------------------------------------------------------

State = tuple[list[tuple[str, str]], Vectors, list[tuple[str, int]]]
"""Member and photo of each face, in order; their vectors; and the history."""


def state_of(gallery: Gallery) -> State:
    """What two runs of a command are held equal by: whatever is kept but ids and times."""
    templates = gallery.templates()
    vectors = dict(zip(templates.ids.tolist(), templates.vectors, strict=True))
    faces = [each for member in gallery.members() for each in gallery.enrolled_faces(member.name)]
    faces.sort(key=lambda each: (each.member, each.content_hash, each.face.box_xyxy))
    told = [(entry.action.value, entry.n_templates) for entry in gallery.history()]
    there = [(each.member, each.content_hash) for each in faces]
    return there, np.stack([vectors[each.template_id] for each in faces]), told


def require_same(found: State, expected: State) -> None:
    """Hold two equal; embeddings of one photo differ a little by how many are made at once."""
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4)
    assert found[2] == expected[2]


def require_index(gallery: Gallery, store: Store) -> None:
    """The index, once opened, finds each vector that has a row, and has no other."""
    templates = store.templates()
    index = open_index(gallery.folder / INDEX_NAME, store, cipher=store.cipher)
    assert set(index.base.ids[index.base.ids > 0].tolist()) <= set(templates.ids.tolist())
    assert index.search(templates.vectors, 1)[1][:, 0].tolist() == templates.ids.tolist()


def words_of(step: str, folder: Path, gallery: Gallery, store: Store, erasure: str | None) -> str:
    """What the kill left, in words; fails where that is half of something that is to be whole.

    Args:
        step: The command.
        folder: The gallery's.
        gallery: The gallery.
        store: The gallery's store.
        erasure: What the database said is left to be removed, before anybody opened it.
    """
    n = store.stamp().count
    if step == "enroll":
        hashes = [enrolled_hash(path) for entry in photos() for path in entry.photos if isinstance(path, Path)]
        there = [len(store.faces_of_photo(content_hash)) for content_hash in hashes]
        assert set(there) <= {0, 1}
        assert n == 3 + sum(there)
        index = describe(folder / INDEX_NAME, store, cipher=store.cipher)
        return f"{sum(there)} of {len(there)} photos enrolled, index {index}"
    if step == "import":
        assert n in (N_OTHERS, N_OTHERS + N_ARCHIVED)
        return "nothing imported" if n == N_OTHERS else "all imported"
    names = {member.name: member.n_templates for member in gallery.members()}
    theirs = names.get(NAME, 0)
    assert theirs in (0, N_THEIRS)
    if step == "merge":
        assert names["Person 7"] == 1 + N_THEIRS - theirs
        return "as before" if theirs else "merged"
    return "as before" if theirs else "gone, " + ("rest done by opening it" if erasure else "and all is done")


def enrolled_hash(path: Path) -> str:
    from facegallery.images import load_file

    return load_file(path).content_hash


def erasure_of(folder: Path) -> str | None:
    """What the database says is left to be removed, by SQLite alone: opening the gallery would go on with it."""
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        said: str | None = database.execute("SELECT erasure FROM gallery_settings").fetchone()[0]
    return said


def traces_of(folder: Path, key: str) -> list[bytes]:
    """What must be nowhere once they are forgotten: as one could read it, and as the database keeps it."""
    with Store.open(folder / DATABASE_NAME, secret=secret_of(key)) as store:
        vectors = [*store.templates(NAME).vectors, *store.rejection_vectors()[NAME]]
    pieces = [vector.tobytes()[at : at + 64] for vector in vectors for at in (0, 1000, 1984)]
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        member = "(SELECT max(id) FROM members)"
        query = f"SELECT vector FROM templates WHERE member_id = {member}"
        query += f" UNION ALL SELECT name FROM members WHERE id = {member}"
        kept = [value if isinstance(value, bytes) else value.encode() for (value,) in database.execute(query)]
    return [*pieces, *kept, NAME.encode(), NAME.casefold().encode(), b"holiday in somerset"]


# --- killing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way to run a command on a gallery.

    Attributes:
        name: In the table.
        run: Lets it end; returns how many seconds it took.
        kill: Kills it after so many seconds; returns whether it was done before.
    """

    name: str
    run: Callable[[Path], float]
    kill: Callable[[Path, float], bool]


def in_nursery(nursery: Nursery, step: str, key: str) -> Way:
    """The library's call; the clock runs from when the gallery is open."""
    return Way(
        f"{step}, {'encrypted' if key else 'plain'}",
        lambda folder: nursery.run(step, folder, key),
        lambda folder, after_s: nursery.kill(step, folder, key, after_s=after_s),
    )


def as_program(*arguments: str) -> Way:
    """The program as a person starts it; the clock runs from its start. ``{archive}`` stands for the archive."""

    def kill(folder: Path, after_s: float) -> bool:
        given = [each.format(archive=archive_beside(folder)) for each in arguments]
        program = [sys.executable, "-m", "facegallery", *given, "-g", str(folder)]
        source = str(Path(facegallery.__file__).parents[1])
        return kill_program(program, after_s=after_s, environment={"PYTHONPATH": source})

    def run(folder: Path) -> float:
        started = time.monotonic()
        assert kill(folder, 60)
        return time.monotonic() - started

    return Way(f"facegallery {arguments[0]}", run, kill)


@dataclass(frozen=True)
class Killing:
    """Kills one command again and again, each time on a fresh copy of a gallery.

    Attributes:
        way: How it is run.
        analyzer: For who finishes it.
        step: The command.
        key: The gallery's secret; empty for a plain one.
        into: A folder for galleries.
    """

    way: Way
    analyzer: FaceAnalyzer
    step: str
    key: str
    into: Path

    def kills(self, n: int, rng: np.random.Generator, *, from_share: float = 0.0) -> Iterator[Kill]:
        """Kill it at so many moments, spread over what it takes; checks what is left, and then finishes it.

        Args:
            n: How many.
            rng: Draws the moments.
            from_share: Share of its time before the first: while a program starts there is nothing to be found.
        """
        base = self.into / "base"
        make(self.step, base, self.key, self.analyzer.model.identity, self.analyzer.preparation)
        traces = traces_of(base, self.key) if self.step == "forget" else []
        lasts_s = min(self.way.run(self._copy_of(base, f"undisturbed {number}")) for number in range(N_MEASURED))
        with self._open(self.into / "undisturbed 0") as (gallery, _):
            expected = state_of(gallery)
        first_s = from_share * lasts_s
        for number, later_s in enumerate(moments(rng, n, longest_s=lasts_s - first_s)):
            folder, after_s = self._copy_of(base, f"{number}"), first_s + later_s
            ended = self.way.kill(folder, after_s)
            words = self._found(folder, expected, mends_first=bool(number % 2))
            if self.step == "forget":
                assert backups_in(folder) == []
                assert holders(folder, traces) == []
            shutil.rmtree(folder)
            yield Kill(self.way.name, after_s, ended, words)

    def _found(self, folder: Path, expected: State, *, mends_first: bool) -> str:
        """What was left, in words; it is checked, and then finished, which is checked too.

        Args:
            folder: The gallery's.
            expected: What an undisturbed run comes to.
            mends_first: Have the index opened before the rerun; else the rerun finds it as the kill left it.
        """
        erasure = erasure_of(folder)
        with self._open(folder) as (gallery, store):
            words = words_of(self.step, folder, gallery, store, erasure)
            assert gallery.check().faults == ()
            if mends_first:
                require_index(gallery, store)
            STEPS[self.step](gallery)
        with self._open(folder) as (gallery, store):
            require_same(state_of(gallery), expected)
            assert gallery.check().faults == ()
            require_index(gallery, store)
        return words

    def _copy_of(self, base: Path, name: str) -> Path:
        folder = Path(shutil.copytree(base, self.into / name))
        if archive_beside(base).exists():
            shutil.copy(archive_beside(base), archive_beside(folder))
        return folder

    @contextmanager
    def _open(self, folder: Path) -> Iterator[tuple[Gallery, Store]]:
        """The gallery as any program opens it, around networks that are loaded already."""
        with Gallery.open(folder, secret=secret_of(self.key)) as opened:
            store = opened._store
            models = ModelFiles.default()
            yield Gallery(folder, store=store, models=models, load_analyzer=lambda _: self.analyzer), store


def holders(folder: Path, traces: Sequence[bytes]) -> list[Path]:
    """Files in which one of these is found."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(trace in path.read_bytes() for trace in traces)]


def summary(kills: Sequence[Kill]) -> str:
    """One line a command: how often it was killed before its end, and what was found."""
    lines = []
    for name in dict.fromkeys(kill.command for kill in kills):
        of_command = [kill for kill in kills if kill.command == name]
        n_early = sum(not kill.ended for kill in of_command)
        found = Counter(kill.outcome for kill in of_command)
        outcomes = "; ".join(f"{outcome}: {count}" for outcome, count in found.most_common())
        lines.append(f"{name:20} {len(of_command):3} kills, {n_early:3} before its end. {outcomes}")
    return "\n".join(
        [*lines, f"{'all':20} {len(kills):3} kills, {sum(not kill.ended for kill in kills):3} before the end"]
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    """Kill all of them, and print what was found."""
    kills: list[Kill] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(FACEGALLERY_MODELS=f"{folder}/models", FACEGALLERY_CACHE=f"{folder}/cache")
        analyzer = load_analyzer(ModelFiles.default().find("starter"), SAME_NUMBERS)
        with Nursery(SCRIPT) as nursery:
            wanted = [(step, key, in_nursery(nursery, step, key)) for step in N_KILLS for key in ("", "any key")]
            for number, (step, key, way) in enumerate(wanted):
                killing = Killing(way, analyzer, step, key, _made(Path(folder) / f"{number}"))
                kills += killing.kills(N_KILLS[step], np.random.default_rng(number))
        for step, arguments in PROGRAMS.items():
            killing = Killing(as_program(*arguments), analyzer, step, "", _made(Path(folder) / step))
            kills += killing.kills(N_PROGRAM_KILLS, np.random.default_rng(), from_share=LATE)
    print(f"{table(kills)}\n\n{summary(kills)}")


if __name__ == "__main__":
    main()
