"""Export and import: everything comes back as it was, nothing twice, nothing half, nothing against what is there."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegallery import Gallery
from facegallery.archive import read_archive, write_archive
from facegallery.crops import packed
from facegallery.domain import (
    Action,
    ArchivedFace,
    ArchivedMember,
    ArchivedPhoto,
    ArchivedRejection,
    EmbeddedFace,
    Face,
    GalleryContent,
    ModelIdentity,
    Pixels,
    Preparation,
    Secret,
    Taken,
)
from facegallery.errors import (
    ArchiveNotWritten,
    ArchiveRefused,
    CannotUndo,
    GalleryDamaged,
    GalleryUnavailable,
    ModelMismatch,
    ModelNotFound,
)
from facegallery.gallery.archiving import export
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.index.opening import CURRENT, describe, open_index, refresh
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.weights.files import ModelFiles
from tests.archives import NOW, a_face, assert_same, contents, sample_calibration, sample_content, unit_vectors
from tests.conftest import RunCli
from tests.disks import room_for
from tests.made_up import KEY, MODEL, bytes_of, enroll, photo

SECRETS = [None, KEY]


def make(folder: Path, secret: Secret | None = None, content: GalleryContent | None = None) -> Store:
    """An empty gallery's store, on the content's model."""
    model, preparation = (MODEL, Preparation.BOX) if content is None else (content.model, content.preparation)
    return Store.create(folder / DATABASE_NAME, model=model, preparation=preparation, secret=secret)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with make(tmp_path / "gallery") as made:
        yield made


def held(store: Store) -> GalleryContent:
    """What is in it, crops read."""
    with store.content(with_crops=True) as now:
        return replace(now.content, crops={number: now.content.crops[number] for number in now.content.crops})


def same_but_id(found: GalleryContent, expected: GalleryContent) -> None:
    assert found.gallery_id != expected.gallery_id, "a copy is a gallery of its own"
    assert_same(replace(found, gallery_id=expected.gallery_id, created_at=expected.created_at), expected)


def a_group(*names: str, start: int = 0) -> GalleryContent:
    """One photo, face and vector for each name."""
    photos = [photo(f"{name} {start}") for name in names]
    return GalleryContent(
        gallery_id="0" * 32,
        created_at=NOW,
        model=MODEL,
        preparation=Preparation.BOX,
        members=tuple(ArchivedMember(name, NOW) for name in names),
        photos=tuple(ArchivedPhoto(each.content_hash, each.path, 3, 2, NOW) for each in photos),
        faces=tuple(ArchivedFace(place, place, a_face(), 0.5, NOW) for place in range(len(names))),
        vectors=unit_vectors(len(names), seed=start),
        rejections=(),
        rejection_vectors=unit_vectors(0),
        calibration=None,
        crops={},
    )


def hash_of(content: GalleryContent, place: int) -> str:
    return content.photos[content.faces[place].photo].content_hash


def enroll_face(store: Store, name: str, content: GalleryContent, place: int, face: Face | None = None) -> None:
    """Enroll a face of some content here, for this member."""
    archived = content.photos[content.faces[place].photo]
    taken = replace(photo("any"), content_hash=archived.content_hash, path=archived.path)
    embedded = EmbeddedFace(face or content.faces[place].face, content.vectors[place])
    store.enroll(name, taken, face=embedded, model=MODEL)


def said_of(store: Store, name: str, content: GalleryContent, place: int) -> None:
    """Say that a face of some content is not this member."""
    taken = replace(photo("any"), content_hash=hash_of(content, place))
    store.reject(name, taken, face=EmbeddedFace(content.faces[place].face, content.vectors[place]), model=MODEL)


def names(store: Store) -> list[str]:
    return [member.name for member in store.members()]


# --- what comes back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", SECRETS, ids=["from plain", "from encrypted"])
@pytest.mark.parametrize("second", SECRETS, ids=["to plain", "to encrypted"])
def test_a_gallery_goes_into_another_whole(tmp_path: Path, first: Secret | None, second: Secret | None) -> None:
    """Names of all kinds, paths that are no text, rejections, calibration and crops, through the file and back."""
    content, archive = sample_content(), tmp_path / "a.zip"
    with make(tmp_path / "1", first, content) as one, make(tmp_path / "2", second, content) as two:
        one.take(content)
        same_but_id(held(one), content)
        done = export(tmp_path / "1", one, archive, with_crops=True, replace_file=False)
        assert (done.n_members, done.n_photos, done.n_faces, done.n_rejections, done.n_crops) == (2, 2, 3, 1, 2)
        assert (done.n_other_crops, stat.S_IMODE(archive.stat().st_mode)) == (0, 0o600)
        taken = two.take(read_archive(archive))
        assert taken == Taken(("Ada", content.members[1].name), (), 0, 2, 3, 0, 0, 0, 1, 0, 0, 2, True)
        same_but_id(held(two), held(one))
        assert two.check() == []


@pytest.fixture(scope="module")
def empties(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Secret | None]]:
    """Empty galleries, plain and encrypted, to be copied: making one takes longer than filling it."""
    made = [(tmp_path_factory.mktemp("empty"), secret) for secret in SECRETS]
    for folder, secret in made:
        make(folder, secret).close()
    return made


@given(content=contents(), which=st.integers(0, 1))
@settings(max_examples=40, deadline=None)
def test_any_gallery_comes_back(empties: list[tuple[Path, Secret | None]], content: GalleryContent, which: int) -> None:
    """Whatever names, paths, places and times: taken in, written, read and taken in elsewhere, it is the same."""
    content = replace(content, model=MODEL, preparation=Preparation.BOX)
    with tempfile.TemporaryDirectory() as folder:
        for number, (empty, _) in enumerate([empties[which], empties[1 - which]]):
            shutil.copytree(empty, Path(folder) / str(number))
        (_, one_secret), (_, two_secret) = empties[which], empties[1 - which]
        with (
            Store.open(Path(folder) / "0" / DATABASE_NAME, secret=one_secret) as one,
            Store.open(Path(folder) / "1" / DATABASE_NAME, secret=two_secret) as two,
        ):
            one.take(content)
            write_archive(Path(folder) / "a", held(one))
            two.take(read_archive(Path(folder) / "a"))
            same_but_id(held(two), content)
            assert two.take(held(one)).is_nothing
            assert two.check() == []


def test_answers_are_the_same_and_an_open_process_follows(
    gallery: Gallery, empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """Who has the gallery open, index and all, sees who came; and every face is decided as in the first gallery."""
    probes = sorted((sample_group / "probe").glob("*.jpg"))[:4]

    def asked(of: Gallery) -> list[list[tuple[str | None, str, float]]]:
        photos = [each for each in of.identify(probes) if isinstance(each, IdentifiedPhoto)]
        decisions = [[face.decision for face in each.faces] for each in photos]
        return [
            [
                (each.member, each.verdict.value, round(each.best.similarity, 6) if each.best else 0.0)
                for each in of_photo
            ]
            for of_photo in decisions
        ]

    assert {member for faces in asked(empty_gallery) for member, *_ in faces} == {None}
    exported = gallery.export(tmp_path / "a.zip")
    assert exported.n_faces == 24
    with Gallery.open(empty_gallery.folder) as other:
        assert other.import_archive(tmp_path / "a.zip").n_faces == 24
    expected = asked(gallery)
    assert asked(empty_gallery) == expected
    assert any(member for faces in expected for member, *_ in faces)
    empty_gallery.refresh_index()
    assert asked(empty_gallery) == expected
    assert empty_gallery.check().faults == ()


# --- what is there already ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", SECRETS, ids=["plain", "encrypted"])
def test_twice_adds_nothing(tmp_path: Path, secret: Secret | None) -> None:
    """Neither rows, nor an entry in the history, nor a new state; and that is said before, too."""
    content = sample_content()
    with make(tmp_path / "g", secret, content) as store:
        assert store.would_take(content) == store.take(content)
        before, state = held(store), store.state()
        expected = Taken((), (), 2, 0, 0, 3, 0, 0, 0, 1, 0, 0, None)
        assert store.would_take(content) == expected
        assert store.take(content) == expected
        assert expected.is_nothing
        assert store.state() == state
        assert_same(replace(held(store), created_at=before.created_at), before)
        (entry,) = store.history()
        assert (entry.action, entry.n_members, entry.n_templates) == (Action.IMPORT, 2, 3)
        with pytest.raises(CannotUndo, match="facegallery forget"):
            store.undo(entry.entry_id)


def test_others_stay_and_who_comes_is_as_archived(store: Store) -> None:
    """Ids ascend in the order of the archive, times are older than what is there, and one revision is passed."""
    enroll(store, "Zoe", 1, 2)
    before, revision = store.enrolled_faces("Zoe"), store.stamp().revision
    content = a_group("Ada", "Bea", "Cid")
    store.take(content)
    assert store.enrolled_faces("Zoe") == before
    assert names(store) == ["Ada", "Bea", "Cid", "Zoe"]
    come = store.enrolled_faces()[2:]
    assert [(face.member, face.enrolled_at) for face in come] == [(name, NOW) for name in ("Ada", "Bea", "Cid")]
    assert [face.template_id for face in come] == sorted(face.template_id for face in come)
    assert come[0].template_id > before[-1].template_id
    assert store.stamp().revision == revision + 1
    assert store.member("Ada").created_at == NOW
    np.testing.assert_array_equal(store.templates().vectors[2:], content.vectors)
    enroll(store, "Ada", 9)
    assert store.enrolled_faces()[-1].member == "Ada"
    assert store.check() == []


def test_who_is_called_the_same_is_the_same(store: Store) -> None:
    """In any spelling; the name and the day stay as they are here, the photos are put together."""
    enroll(store, "Ada", 1)
    since = store.member("Ada").created_at
    taken = store.take(a_group("ADA", "Bea"))
    assert (taken.new_members, taken.grown_members, taken.n_known_members) == (("Bea",), ("Ada",), 1)
    assert (store.member("Ada").n_templates, store.member("Ada").created_at) == (2, since)
    assert names(store) == ["Ada", "Bea"]


def test_a_face_that_is_here_stays_whose_it_is(store: Store) -> None:
    """Who was renamed, merged or moved since the archive was made does not come back under a second name."""
    content = a_group("Ada", "Bea", "Cid", "Dee")
    store.take(content)
    store.rename("Ada", "Adele")
    store.merge("Bea", "Cid")
    store.move_faces([store.enrolled_faces("Dee")[0].template_id], "Eve", may_be_new=True)
    state = store.state()
    taken = store.take(content)
    assert (taken.n_others_faces, taken.n_known_faces, taken.n_faces, taken.n_known_members) == (3, 1, 0, 1)
    assert names(store) == ["Adele", "Cid", "Eve"]
    assert store.state() == state
    assert store.check() == []


def test_a_face_is_known_by_its_photo_and_place(store: Store) -> None:
    """A box that another machine found a little elsewhere is the same face; another face of the photo is not."""
    content = a_group("Ada", "Bea")
    left, top, right, bottom = content.faces[0].face.box_xyxy
    moved = replace(content.faces[0].face, box_xyxy=(left + 1, top - 2, right, bottom))
    enroll_face(store, "Ada", content, 0, moved)
    beside = replace(content.faces[0].face, box_xyxy=(left + 500, top, right + 500, bottom))
    more = replace(
        content,
        faces=(*content.faces, ArchivedFace(1, 0, beside, None, NOW)),
        vectors=unit_vectors(3),
    )
    taken = store.take(more)
    assert (taken.n_known_faces, taken.n_faces, taken.n_photos) == (1, 2, 1)
    assert store.enrolled_faces("Ada")[0].face == moved
    assert store.member("Bea").n_templates == 2


def test_a_face_that_is_in_an_archive_twice_comes_twice(store: Store) -> None:
    """A merge leaves a member with a face twice: such a gallery comes back as it was, and only once."""
    content = a_group("Ada")
    double = replace(content, faces=content.faces * 2, vectors=unit_vectors(2))
    assert store.take(double).n_faces == 2
    assert store.take(double).is_nothing
    assert store.member("Ada").n_templates == 2


def test_what_was_said_here_holds(store: Store) -> None:
    """A face that is said not to be the member's does not come, and its photo, if it has no other face, neither."""
    enroll(store, "Ada", 1)
    content = a_group("Ada", "Bea")
    said_of(store, "Ada", content, 0)
    taken = store.take(content)
    assert (taken.n_refused_faces, taken.n_faces, taken.n_photos) == (1, 1, 1)
    assert taken.grown_members == ()
    assert store.member("Ada").n_templates == 1
    assert store.check() == []
    assert store.take(content).n_refused_faces == 1


def test_what_is_said_against_what_is_here_does_not_come(store: Store) -> None:
    """A rejection of a face that is enrolled as that member here, or of a member who does not come."""
    content = a_group("Ada", "Bea")
    enroll_face(store, "Ada", content, 0)
    enroll_face(store, "Bertha", content, 1)
    words = (
        ArchivedRejection(0, hash_of(content, 0), Path("x.jpg"), content.faces[0].face, NOW),
        ArchivedRejection(1, "f" * 64, Path("y.jpg"), a_face(), NOW),
        ArchivedRejection(0, "e" * 64, Path("z.jpg"), a_face(), NOW),
    )
    taken = store.take(replace(content, rejections=words, rejection_vectors=unit_vectors(3)))
    assert (taken.n_refused_rejections, taken.n_rejections, taken.n_others_faces) == (2, 1, 1)
    (kept,) = store.rejections()
    assert (kept.member, kept.photo_path, kept.rejected_at) == ("Ada", Path("z.jpg"), NOW)
    np.testing.assert_array_equal(store.rejection_vectors()["Ada"], unit_vectors(3)[2:])


def test_a_calibration_is_of_its_group(store: Store) -> None:
    """An empty gallery takes it; one with members, or with a calibration of its own, does not, and says so."""
    content, own = (
        replace(a_group("Ada"), calibration=sample_calibration()),
        replace(sample_calibration(), threshold=0.5),
    )
    store.keep_calibration(own, state=store.state())
    assert store.would_take(content).calibration is False
    store.drop_calibration()
    assert store.take(content).calibration is True
    kept = store.calibration()
    assert kept is not None
    assert (kept.threshold, kept.created_at) == (0.625, NOW)
    assert store.take(content).calibration is None
    store.drop_calibration()
    assert store.take(content).calibration is False
    assert store.calibration() is None


# --- crops --------------------------------------------------------------------------------------------------------


def some_pixels(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (160, 160, 3), np.uint8)


def test_crops_come_for_faces_that_are_here_without(store: Store) -> None:
    """As 'enroll --keep-crops' keeps them later; what is kept stays, and no search is made anew for it."""
    content = replace(a_group("Ada", "Bea"), crops={0: some_pixels(0), 1: some_pixels(1)})
    store.take(replace(content, crops={0: some_pixels(9)}))
    state = store.state()
    taken = store.take(content)
    assert (taken.n_crops, taken.n_faces, taken.is_nothing) == (1, 0, False)
    assert store.state() == state
    found = held(store)
    np.testing.assert_array_equal(found.crops[0], some_pixels(9))
    np.testing.assert_array_equal(found.crops[1], some_pixels(1))


def test_crops_that_the_embedder_never_saw_are_left_out(tmp_path: Path, store: Store) -> None:
    """Those cut out otherwise, which is told; whether mirror images are looked at makes no other crop."""
    store.take(a_group("Ada", "Bea", "Cid"))
    keys = [face.template_id for face in store.enrolled_faces()]
    ways = (Preparation.BOX, Preparation.BOX_MIRRORED, Preparation.LANDMARKS)
    store.keep_crops({key: packed(some_pixels(key % 7), way) for key, way in zip(keys, ways, strict=True)})
    done = export(tmp_path / "gallery", store, tmp_path / "a", with_crops=True, replace_file=False)
    assert (done.n_crops, done.n_other_crops) == (2, 1)
    assert sorted(read_archive(tmp_path / "a").crops) == [0, 1]
    without = export(tmp_path / "gallery", store, tmp_path / "a", with_crops=False, replace_file=True)
    assert (without.n_crops, without.n_other_crops) == (0, 0)


def test_a_damaged_crop_is_no_archive(tmp_path: Path, store: Store) -> None:
    """The gallery is said to be damaged, and nothing is written."""
    store.take(replace(a_group("Ada"), crops={0: some_pixels(0)}))
    (key,) = (face.template_id for face in store.enrolled_faces())
    crop = packed(some_pixels(0), Preparation.BOX)
    store.keep_crops({key: replace(crop, png=crop.png[:5000])})
    with pytest.raises(GalleryDamaged, match="crop"):
        export(tmp_path / "gallery", store, tmp_path / "a", with_crops=True, replace_file=False)
    assert [path.name for path in tmp_path.iterdir()] == ["gallery"]


# --- one moment, all or nothing -----------------------------------------------------------------------------------


def test_an_export_is_of_one_moment(tmp_path: Path, store: Store) -> None:
    """Who is enrolled or removed by another program meanwhile makes no difference, to the crops neither."""
    store.take(replace(a_group("Ada", "Bea"), crops={1: some_pixels(1)}))
    with store.content(with_crops=True) as now, Store.open(tmp_path / "gallery" / DATABASE_NAME) as other:
        enroll(other, "Later", 3)
        other.rename("Bea", "Other")
        with other._write() as connection:
            connection.exec_driver_sql("DELETE FROM crops")
        write_archive(tmp_path / "a", now.content)
    found = read_archive(tmp_path / "a")
    assert [member.name for member in found.members] == ["Ada", "Bea"]
    np.testing.assert_array_equal(found.crops[1], some_pixels(1))


class _Stopping(Mapping[int, Pixels]):
    """Crops that end the program when the last one is asked for."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getitem__(self, number: int) -> Pixels:
        if number == 1:
            raise self._error
        return some_pixels(number)

    def __iter__(self) -> Iterator[int]:
        return iter((0, 1))

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ArchiveRefused(Path("a"), "changed")], ids=["Ctrl-C", "changed"]
)
def test_stopped_half_way_nothing_is_done(store: Store, error: BaseException) -> None:
    """Ctrl-C, or an archive that somebody changes while it is read: the gallery is as before, and a rerun does all."""
    enroll(store, "Zoe", 1)
    before = held(store)
    content = replace(a_group("Ada", "Bea"), calibration=sample_calibration(), crops=_Stopping(error))
    with pytest.raises(type(error)):
        store.take(content)
    assert_same(replace(held(store), created_at=before.created_at), before)
    assert store.history() == []
    assert store.take(replace(content, crops={})).n_faces == 2


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """Of an archive no file, of an import no row; what was there before is there."""
    with make(tmp_path / "gallery") as store:
        store.take(a_group(*(f"Person {number}" for number in range(200))))
    (tmp_path / "out").mkdir()
    with Store.open(tmp_path / "gallery" / DATABASE_NAME) as store:  # its log is empty
        before = held(store)
        with room_for(200_000), pytest.raises(ArchiveNotWritten, match=r"too large|No space"):
            export(tmp_path / "gallery", store, tmp_path / "out" / "a", with_crops=False, replace_file=False)
        assert list((tmp_path / "out").iterdir()) == []
        with room_for(300_000), pytest.raises(GalleryUnavailable):
            store.take(a_group(*(f"Other {number}" for number in range(200))))
        assert_same(replace(held(store), created_at=before.created_at), before)
        assert store.check() == []


@pytest.mark.parametrize("secret", SECRETS, ids=["plain", "encrypted"])
def test_an_archive_of_other_vectors_is_refused(tmp_path: Path, secret: Secret | None) -> None:
    """Another model, or another preparation: nothing is changed, and the next step is named."""
    with make(tmp_path / "g", secret) as store:
        enroll(store, "Ada", 1)
    before = bytes_of(tmp_path / "g")
    content = a_group("Bea")
    with Store.open(tmp_path / "g" / DATABASE_NAME, secret=secret) as store:
        with pytest.raises(ModelMismatch, match="reembed --model starter"):
            store.take(replace(content, model=ModelIdentity("starter", "b" * 64)))
        with pytest.raises(ModelMismatch, match="reembed --preparation box"):
            store.would_take(replace(content, preparation=Preparation.LANDMARKS))
        assert names(store) == ["Ada"]
    assert bytes_of(tmp_path / "g") == before


def test_an_index_of_another_history_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """Times come again with each import: an index that was made of other faces with the same times is known all the
    same, on the disk and in the memory of an open process.
    """
    folder, one, two = tmp_path / "g", a_group("Ada", "Bea"), a_group("Cid", "Dee", start=5)
    with make(folder) as store:
        store.take(one)
        known = open_index(folder / INDEX_NAME, store)
        refresh(folder / INDEX_NAME, store)
        assert describe(folder / INDEX_NAME, store) == CURRENT
    for file in folder.glob(f"{DATABASE_NAME}*"):
        file.unlink()
    with make(folder) as store:
        store.take(two)
        assert describe(folder / INDEX_NAME, store).startswith("stale")
        for index in (open_index(folder / INDEX_NAME, store, known=known), open_index(folder / INDEX_NAME, store)):
            found = index.search(two.vectors, 1)[1][:, 0].tolist()
            assert found == store.templates().ids.tolist()


# --- the command line ---------------------------------------------------------------------------------------------


def on_starter(content: GalleryContent) -> GalleryContent:
    return replace(content, model=ModelFiles.default().find("starter").identity)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of Ada and Bea, by the bundled model."""
    path = tmp_path / "a.zip"
    write_archive(path, on_starter(replace(a_group("Ada", "Bea"), calibration=sample_calibration())))
    return path


def test_import_makes_a_gallery_on_the_archive_s_model(run_cli: RunCli, tmp_path: Path, archive: Path) -> None:
    """Prepared as there, with an id of its own; a second import, and an export, say what they did."""
    folder = tmp_path / "new"
    done = run_cli("import", archive, "-g", folder)
    assert (done.code, done.out) == (0, "New: 2 faces, 2 photos, 2 new members.\nNew: the calibration.\n")
    assert "New gallery in" in done.err
    again = run_cli("import", archive, "-g", folder)
    assert (again.code, "is there already" in again.out) == (0, True)
    assert "imported 2 photos and 2 new members" in run_cli("history", "-g", folder).out
    out = tmp_path / "out.zip"
    written = run_cli("export", out, "-g", folder)
    assert (written.code, written.out) == (0, f"Archive: {out} (2 members, 2 faces)\n")
    assert "not encrypted" in written.err
    assert read_archive(out).gallery_id != read_archive(archive).gallery_id
    taken = run_cli("export", out, "-g", folder)
    assert (taken.code, "--replace" in taken.err) == (1, True)
    assert run_cli("export", out, "--replace", "-g", folder).code == 0
    inside = run_cli("export", folder / "b.zip", "-g", folder)
    assert (inside.code, "own folder" in inside.err, (folder / "b.zip").exists()) == (1, True, False)


def test_forget_names_archives_that_are_still_there(run_cli: RunCli, tmp_path: Path, archive: Path) -> None:
    """Each once, as backups."""
    folder, kept, gone = tmp_path / "new", tmp_path / "kept.zip", tmp_path / "gone.zip"
    assert run_cli("import", archive, "-g", folder).code == 0
    for path, options in ((kept, ()), (kept, ("--replace",)), (gone, ())):
        assert run_cli("export", path, *options, "-g", folder).code == 0
    gone.unlink()
    done = run_cli("forget", "Ada", "--yes", "-g", folder)
    assert done.err.count(str(kept)) == 1
    assert str(gone) not in done.err


def test_import_asks_before_members_grow(
    run_cli: RunCli, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people of one name would become one. Where nobody answers it is a no; --yes does not ask."""
    folder, more = tmp_path / "new", tmp_path / "more.zip"
    assert run_cli("import", archive, "-g", folder).code == 0
    write_archive(more, on_starter(a_group("ada", "Eve", start=7)))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    asked = run_cli("import", more, "-g", folder)
    assert (asked.code, asked.out.strip()) == (1, "")
    assert "Ada is a member already" in asked.err
    assert "for 1 known member" in asked.err
    done = run_cli("import", more, "--yes", "-g", folder)
    assert (done.code, done.out) == (0, "New: 2 faces, 2 photos, 1 new member, for 1 known member.\n")


def test_an_encrypted_gallery_is_exported_when_asked_twice(
    run_cli: RunCli, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is in the clear: that is asked before; and an archive goes into a new encrypted gallery."""
    folder, key, out = tmp_path / "sealed", tmp_path / "key", tmp_path / "out.zip"
    assert run_cli("--key-file", key, "import", archive, "--encrypt", "-g", folder).code == 0
    assert b"Ada" not in bytes_of(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    asked = run_cli("--key-file", key, "export", out, "-g", folder)
    assert (asked.code, out.exists(), "the archive will not be" in asked.err) == (1, False, True)
    assert run_cli("--key-file", key, "export", out, "--yes", "-g", folder).code == 0
    assert [member.name for member in read_archive(out).members] == ["Ada", "Bea"]
    assert run_cli("import", archive, "-g", tmp_path / "plain").code == 0
    refused = run_cli("--key-file", key, "import", archive, "--encrypt", "-g", tmp_path / "plain")
    assert (refused.code, "is not encrypted" in refused.err) == (1, True)


def test_what_is_no_archive_changes_nothing(run_cli: RunCli, tmp_path: Path, archive: Path) -> None:
    """Cut short, changed, empty, not there: one error, exit code 1, and no byte of the gallery is another."""
    folder, bad = tmp_path / "new", tmp_path / "bad.zip"
    assert run_cli("import", archive, "-g", folder).code == 0
    before, whole = bytes_of(folder), archive.read_bytes()
    at = whole.index(b'"Ada"')
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:at] + b'"Eve"' + whole[at + 5 :], b""):
        bad.write_bytes(content)
        done = run_cli("import", bad, "--yes", "-g", folder)
        assert (done.code, done.out, str(bad) in done.err) == (1, "", True)
        assert bytes_of(folder) == before
    assert run_cli("import", tmp_path / "nothing", "-g", folder).code == 1
    assert run_cli("import", bad, "-g", tmp_path / "none").code == 1
    assert not (tmp_path / "none").exists()


def test_a_new_gallery_needs_the_archive_s_model(run_cli: RunCli, tmp_path: Path) -> None:
    """It is found by its fingerprint, whatever it is called; else it is said how to get it, and nothing is made."""
    folder, path = tmp_path / "new", tmp_path / "a.zip"
    starter = ModelFiles.default().find("starter").identity
    for model, error, word in (
        (ModelIdentity("vggface2", "b" * 64), ModelNotFound, "facegallery model pull vggface2"),
        (ModelIdentity("starter", "b" * 64), ModelMismatch, "facegallery model import"),
    ):
        content = replace(a_group("Ada"), model=model)
        write_archive(path, content, replace=True)
        refused = run_cli("import", path, "-g", folder)
        assert (refused.code, word in refused.err) == (1, True)
        assert not folder.exists()
        with pytest.raises(error):
            Gallery.create_for(content, folder)
    write_archive(path, replace(a_group("Ada"), model=ModelIdentity("theirs", starter.fingerprint)), replace=True)
    assert run_cli("import", path, "-g", folder).code == 0
    with Gallery.open(folder) as made:
        assert (made.model, made.preparation) == (starter, Preparation.BOX)
    other = run_cli("import", path, "-g", tmp_path / "other")
    assert other.code == 0


def test_a_path_that_is_no_text_is_kept(tmp_path: Path, store: Store) -> None:
    """Byte for byte, from one gallery into an encrypted one."""
    strange = Path(os.fsdecode(b"/photos/caf\xe9/\xff\n.jpg"))
    content = a_group("Ada")
    content = replace(content, photos=(replace(content.photos[0], path=strange),))
    store.take(content)
    with make(tmp_path / "sealed", KEY) as sealed:
        sealed.take(held(store))
        assert [face.photo_path for face in sealed.enrolled_faces()] == [strange]
