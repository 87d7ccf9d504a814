"""Poor faces in galleries: left out by enrollment with the reason, decided about by identification, always shown."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facegallery import Gallery
from facegallery.gallery.enrollment import EnrollStatus, MemberPhotos
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.matching.quality_policy import DEFAULT_POLICY, Poor
from facegallery.store import Store
from facegallery.store.engine import open_engine
from facegallery.store.migrate import upgrade
from tests.conftest import RunCli
from tests.test_migrations import ROWS

BLUR_PX = 7
"""Of a face about 200 px wide: beyond the limit, and still found."""


@pytest.fixture
def blurred(sample_group: Path, tmp_path: Path) -> Path:
    """A photograph of Ada that is out of focus, in a folder of hers."""
    path = tmp_path / "photos" / "Ada" / "blurred.png"
    path.parent.mkdir(parents=True)
    with Image.open(sample_group / "enroll" / "Ada" / "1.jpg") as image:
        image.filter(ImageFilter.GaussianBlur(BLUR_PX)).save(path)
    return path


def test_a_poor_face_is_left_out_and_the_reason_is_said(
    run_cli: RunCli, sample_group: Path, blurred: Path, tmp_path: Path
) -> None:
    """The good photo is enrolled, the blurred one is not, with number, limit and both ways out; and so every time."""
    (blurred.parent / "1.jpg").write_bytes((sample_group / "enroll" / "Ada" / "1.jpg").read_bytes())
    for enrolled in ("Enrolled 1 photo of 1 member.", "Already there: 1 photo."):
        done = run_cli("enroll", blurred.parent.parent)
        assert done.code == 3
        assert enrolled in done.out
        assert f"  {blurred}: the face is blurred (sharpness 0." in done.out
        assert "at least 0.15): take a sharper photo" in done.out
        assert "1 photo left out as poor: blurred 1; --accept-poor enrolls them all the same." in done.err


def test_a_poor_face_is_enrolled_when_told_to(run_cli: RunCli, blurred: Path) -> None:
    """``--accept-poor`` takes it, with the quality that weights it; ``show`` tells that."""
    done = run_cli("enroll", blurred.parent.parent, "--accept-poor")
    assert (done.code, done.out) == (0, "Enrolled 1 photo of 1 member.\n")
    assert "left out" not in done.err
    (face,) = json.loads(run_cli("show", "Ada", "--json").out)["enrolled"]
    assert 0 < face["quality"] < 0.35
    assert f"{face['quality']:.2f}" in run_cli("show", "Ada").out.splitlines()[-1]


def test_a_face_that_is_named_by_number_is_judged_too(run_cli: RunCli, blurred: Path) -> None:
    """``--face N`` says whose face it is, not that its picture is good."""
    refused = run_cli("enroll", "--member", "Ada", blurred, "--face", "1")
    assert refused.code == 3
    assert "left out as poor: blurred 1" in refused.err
    assert run_cli("enroll", "--member", "Ada", blurred, "--face", "1", "--accept-poor").code == 0


def test_of_several_faces_the_member_s_is_chosen_and_then_judged(
    gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """A bystander in good light is no substitute for a member in haze, and a copy of the photo shares its fate."""
    both = tmp_path / "both.png"
    ada, stranger = sample_group / "enroll" / "Ada" / "1.jpg", sample_group / "probe" / "stranger-1a.jpg"
    with Image.open(ada) as left, Image.open(stranger) as right:
        picture = Image.new("RGB", (768, 384))
        picture.paste(left.point(lambda value: round(128 + 0.15 * (value - 128))), (0, 0))
        picture.paste(right, (384, 0))
        picture.save(both)
    copy = tmp_path / "copy.png"
    copy.write_bytes(both.read_bytes())
    outcomes = list(gallery.enroll([MemberPhotos("Ada", (both, copy))]))
    assert [outcome.path for outcome in outcomes] == [both, copy]
    for outcome in outcomes:
        assert outcome.skipped is not None
        assert (outcome.skipped.path, outcome.skipped.code, outcome.n_faces) == (outcome.path, "low_contrast", 2)
    accepted = list(gallery.enroll([MemberPhotos("Ada", (both, copy))], accept_poor=True))
    assert [outcome.status for outcome in accepted] == [EnrollStatus.ENROLLED, EnrollStatus.ALREADY]


def test_a_poor_face_is_decided_about_and_marked(run_cli: RunCli, gallery: Gallery, blurred: Path) -> None:
    """Table, JSON and CSV of ``identify`` have the decision and the reason; the person does not vanish."""
    where = ("--gallery", gallery.folder)
    row = run_cli("identify", blurred, *where, "--threshold", "-1", "--min-margin", "0").out.splitlines()[-1]
    assert " (blurred) " in row
    assert "unknown" not in row
    (photo,) = json.loads(run_cli("identify", blurred, "--json", *where).out)["photos"]
    (face,) = photo["faces"]
    assert face["decision"] in ("match", "unknown", "ambiguous")
    assert face["quality"]["reasons"] == ["blurred"]
    assert face["quality"]["sharpness"] < 0.15
    (line,) = csv.DictReader(io.StringIO(run_cli("identify", blurred, "--csv", *where).out))
    assert line["poor"] == "blurred"
    assert float(line["quality"]) == face["quality"]["overall"]


def test_identified_faces_carry_their_quality(gallery: Gallery, sample_group: Path, blurred: Path) -> None:
    """From Python: the measures of a good face and of a blurred one."""
    good, poor = gallery.identify([sample_group / "probe" / "bea-2.jpg", blurred])
    assert isinstance(good, IdentifiedPhoto)
    assert isinstance(poor, IdentifiedPhoto)
    assert [fault.code for fault in DEFAULT_POLICY.faults(good.faces[0].face, good.faces[0].quality)] == []
    assert [fault.code for fault in DEFAULT_POLICY.faults(poor.faces[0].face, poor.faces[0].quality)] == [Poor.BLURRED]


def test_detect_shows_quality_without_a_gallery(run_cli: RunCli, sample_group: Path, blurred: Path) -> None:
    """What enrollment would say can be asked beforehand."""
    assert " (blurred) " in run_cli("detect", blurred).out
    (photo,) = json.loads(run_cli("detect", sample_group / "probe" / "bea-2.jpg", "--json").out)["photos"]
    quality = photo["faces"][0]["quality"]
    assert quality["reasons"] == []
    assert quality["size_px"] == pytest.approx(200, abs=30)
    assert set(quality) == {
        *("size_px", "sharpness", "brightness", "contrast", "yaw", "visible", "overall"),
        "reasons",
    }


def test_enrolled_faces_keep_their_quality(gallery: Gallery) -> None:
    """What weights a template is what was measured when it was enrolled."""
    qualities = [face.quality for face in gallery.enrolled_faces("Ada")]
    assert all(quality is not None and 0.8 < quality <= 1 for quality in qualities)
    assert len(set(qualities)) == 4


def test_faces_of_an_old_gallery_have_no_quality_and_count_in_full(run_cli: RunCli, tmp_path: Path) -> None:
    """Before quality was kept nobody looked: shown as nothing, weighted as 1."""
    path = tmp_path / "old" / "gallery.sqlite3"
    path.parent.mkdir()
    path.touch()
    engine = open_engine(path)
    with engine.connect() as connection, connection.begin():
        upgrade(connection, target="0001")
    engine.dispose()
    vector = np.eye(1, 512, dtype="<f4").tobytes().hex()
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(ROWS["0001"].format(hash="1" * 64, fingerprint="a" * 64, vector=vector))
    with Store.open(path) as store:
        assert [face.quality for face in store.enrolled_faces("Ada")] == [None]
        assert store.templates().qualities.tolist() == [1.0]
    assert json.loads(run_cli("show", "Ada", "--json", "--gallery", path.parent).out)["enrolled"][0]["quality"] is None
    assert run_cli("show", "Ada", "--gallery", path.parent).code == 0


def test_poor_faces_are_grouped_only_when_told_to(gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """What could not be enrolled makes no cluster: an unknown, blurred face is counted as poor and left out."""
    for name in ("stranger-1a", "stranger-1b"):
        with Image.open(sample_group / "probe" / f"{name}.jpg") as image:
            image.filter(ImageFilter.GaussianBlur(BLUR_PX)).save(tmp_path / f"{name}.png")
    left_out = gallery.cluster([tmp_path])
    assert (left_out.n_poor, left_out.n_grouped) == (2, 0)
    told = gallery.cluster([tmp_path], accept_poor=True)
    assert (told.n_poor, told.n_grouped) == (0, 2)
