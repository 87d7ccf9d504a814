"""The faces' pixels: kept only where that was asked for, each as it was, and gone when told."""

from __future__ import annotations

import io
import pickle
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegallery import Gallery
from facegallery.crops import packed, unpacked
from facegallery.domain import Crop, Precision, Preparation, RuntimeChoice, Secret, SecretKind
from facegallery.errors import GalleryTampered, MemberNotFound
from facegallery.gallery.analysis import AnalyzedPhoto, FaceAnalyzer
from facegallery.gallery.enrollment import MemberPhotos
from facegallery.gallery.jobs import AnalysisJob
from facegallery.images import read_photo
from facegallery.settings import DATABASE_NAME
from facegallery.store import Store
from facegallery.weights.files import ModelFiles
from tests.conftest import RunCli, open_with

PNG_START = b"\x89PNG\r\n\x1a\n"
KEY = Secret(SecretKind.KEY_FILE, b"what a key file holds, random elsewhere")


def photos_of(sample_group: Path, *names: str) -> list[MemberPhotos]:
    """Two photos of each of these members."""
    return [
        MemberPhotos(name, tuple(sample_group / "enroll" / name / f"{n}.jpg" for n in (1, 2)))
        for name in names
    ]  # fmt: skip


@pytest.fixture(scope="module")
def with_crops_once(tmp_path_factory: pytest.TempPathFactory, analyzer: FaceAnalyzer, sample_group: Path) -> Path:
    folder = tmp_path_factory.mktemp("crops") / "gallery"
    with open_with(folder, analyzer) as gallery:
        list(gallery.enroll(photos_of(sample_group, "Ada", "Bea"), keep_crops=True))
    return folder


@pytest.fixture
def with_crops(with_crops_once: Path, tmp_path: Path) -> Path:
    """A gallery with two crops each of Ada and Bea."""
    return Path(shutil.copytree(with_crops_once, tmp_path / "with crops"))


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def kept_in(folder: Path) -> list[bytes]:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        return [row[0] for row in database.execute("SELECT png FROM crops ORDER BY face_id")]


def test_no_pixel_is_kept_unless_asked(gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """Neither in the gallery, nor in what analysis hands on."""
    assert gallery.count_crops() == gallery.count_crops("Ada") == 0
    assert PNG_START not in bytes_of(gallery.folder)
    (answer,) = analyzer.analyze_files([sample_group / "enroll" / "Ada" / "1.jpg"])
    assert isinstance(answer, AnalyzedPhoto)
    assert [face.crop for face in answer.faces] == [None]
    with pytest.raises(MemberNotFound):
        gallery.count_crops("Nobody")


def test_a_kept_crop_is_what_was_embedded(with_crops: Path, analyzer: FaceAnalyzer) -> None:
    """To the pixel, with how it was cut out; and its embedding is the template."""
    with open_with(with_crops, analyzer) as gallery:
        faces = {face.template_id: face for face in gallery._store.enrolled_faces()}
        kept = gallery._store.crops_of(faces)
        assert kept.keys() == faces.keys()
        for template_id, crop in kept.items():
            assert crop.preparation is analyzer.preparation
            expected = analyzer.crop(read_photo(faces[template_id].photo_path), faces[template_id].face)
            np.testing.assert_array_equal(unpacked(crop), expected)
        templates = gallery.templates()
        embedded = analyzer.embedder.embed(np.stack([unpacked(kept[key]) for key in templates.ids.tolist()]))
        np.testing.assert_allclose(embedded, templates.vectors, atol=1e-5)
        assert gallery.health().faults == ()


def test_crops_of_faces_that_are_there_already_are_kept_too(
    gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path, run_cli: RunCli
) -> None:
    """A person who decides for it later enrolls the same folder again; no network is needed for that."""
    state = gallery._store.state()
    assert run_cli("enroll", sample_group / "enroll", "--keep-crops", "-g", gallery.folder).code == 0
    assert gallery.count_crops() == 24
    assert gallery._store.state() == state, "nothing that is searched has changed"
    (first, *_) = gallery.enrolled_faces("Ada")
    expected = analyzer.crop(read_photo(first.photo_path), first.face)
    np.testing.assert_array_equal(unpacked(gallery._store.crops_of([first.template_id])[first.template_id]), expected)


def test_crops_come_from_workers_whole(analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """What another process would do and send: the same crop as here."""
    path = sample_group / "enroll" / "Ada" / "1.jpg"
    job = AnalysisJob(analyzer.model, RuntimeChoice(precision=Precision.F32), analyzer.preparation, keeps_crops=True)
    (answer,) = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(job)).load()([path])))  # noqa: S301 - our own
    (face,) = answer.faces
    np.testing.assert_array_equal(face.crop, analyzer.crop(read_photo(path), face.face))


def test_they_go_with_their_member(with_crops: Path, analyzer: FaceAnalyzer) -> None:
    """Forgotten is forgotten: not a byte of Ada's crops is left in the folder, and Bea's are all there."""
    ada, bea = kept_in(with_crops)[:2], kept_in(with_crops)[2:]
    with open_with(with_crops, analyzer) as gallery:
        gallery.forget("Ada")
        assert gallery.count_crops() == 2
    left = bytes_of(with_crops)
    assert not [png for png in ada if any(png[at : at + 64] in left for at in range(64, len(png) - 64, 64))]
    assert kept_in(with_crops) == bea


def test_show_counts_them_and_crops_removes_them(with_crops: Path, run_cli: RunCli) -> None:
    """Of one member, or of all; asked first; the bytes are gone, the templates stay."""
    assert "2 enrolled" in run_cli("show", "Ada", "-g", with_crops).out
    assert "; 2 crops kept" in run_cli("show", "Ada", "-g", with_crops).out
    assert '"crops": 2' in run_cli("show", "Ada", "--json", "-g", with_crops).out
    assert run_cli("crops", "-g", with_crops).out == "4 crops kept.\n"
    assert run_cli("crops", "ada", "-g", with_crops).out == "2 crops of Ada kept.\n"
    ada = kept_in(with_crops)[:2]
    with Store.open(with_crops / DATABASE_NAME) as other:  # keeps the log from going by itself
        assert other.count_crops("Ada") == 2
        assert run_cli("crops", "Ada", "--drop", "--yes", "-g", with_crops).out == "2 crops of Ada removed.\n"
        left = bytes_of(with_crops)
    assert not [png for png in ada if any(png[at : at + 64] in left for at in range(64, len(png) - 64, 64))]
    assert run_cli("crops", "-g", with_crops).out == "2 crops kept.\n"
    assert run_cli("crops", "--drop", "--yes", "-g", with_crops).out == "2 crops removed.\n"
    assert PNG_START not in bytes_of(with_crops)
    assert "crop" not in run_cli("show", "Ada", "-g", with_crops).out
    assert run_cli("crops", "Eve", "-g", with_crops).code == 1


def test_nothing_is_removed_where_nobody_says_yes(
    with_crops: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal the question is a no, and what to type is said."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    result = run_cli("crops", "--drop", "-g", with_crops)
    assert (result.code, "--yes" in result.err) == (1, True)
    assert len(kept_in(with_crops)) == 4


@pytest.mark.parametrize("damage", ["cut", "size", "other"])
def test_a_damaged_crop_is_not_taken_for_a_face(damage: str) -> None:
    """Cut short, of another size, or no PNG at all: an error, and never other pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, (160, 160, 3), np.uint8)
    crop = packed(pixels, Preparation.BOX)
    np.testing.assert_array_equal(unpacked(crop), pixels)
    file = io.BytesIO()
    Image.new("RGB", (100, 160)).save(file, format="PNG")
    png = {"cut": crop.png[:5000], "size": file.getvalue(), "other": b"GIF89a" + crop.png[6:]}[damage]
    with pytest.raises(ValueError, match="crop"):
        unpacked(replace(crop, png=png))


@pytest.fixture
def sealed(tmp_path: Path, analyzer: FaceAnalyzer, sample_group: Path) -> Iterator[Gallery]:
    folder = tmp_path / "sealed"
    identity, preparation = analyzer.model.identity, analyzer.preparation
    store = Store.create(folder / DATABASE_NAME, model=identity, preparation=preparation, secret=KEY)
    with Gallery(folder, store=store, models=ModelFiles.default(), load_analyzer=lambda _: analyzer) as gallery:
        list(gallery.enroll(photos_of(sample_group, "Ada"), keep_crops=True))
        yield gallery


def test_an_encrypted_gallery_seals_them_for_their_face(sealed: Gallery) -> None:
    """No pixel is readable without the key, and one face's crop does not pass for another's, nor for another way's."""
    assert PNG_START not in bytes_of(sealed.folder)
    assert sealed._store.check() == []
    with closing(sqlite3.connect(sealed.folder / DATABASE_NAME)) as database, database:
        database.execute("UPDATE crops SET png = (SELECT png FROM crops WHERE face_id = 1) WHERE face_id = 2")
    assert sealed._store.check() == ["the crop of face 2 was changed"]
    with pytest.raises(GalleryTampered):
        sealed._store.crops_of([2])
    sealed._store.keep_crops({2: Crop(Preparation.BOX, b"anything"), 99: Crop(Preparation.BOX, b"anything")})
    assert sealed._store.check() == ["the crop of face 2 is no picture"]
    with closing(sqlite3.connect(sealed.folder / DATABASE_NAME)) as database, database:
        database.execute("UPDATE crops SET preparation = 'landmarks' WHERE face_id = 2")
    assert sealed._store.check() == ["the crop of face 2 was changed"]
