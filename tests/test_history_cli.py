"""Merging, moving, telling and undoing from the shell and by the API: asked where it matters, and obeyed at once."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from facegallery import Gallery
from facegallery.domain import Photo
from facegallery.errors import FaceChoiceNeeded, PhotoNotEnrolled
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.enrollment import MemberPhotos
from facegallery.settings import DATABASE_NAME
from facegallery.store import Store
from tests.conftest import CliResult, RunCli, open_with
from tests.test_calibrating import MADE
from tests.test_store import face


@pytest.fixture
def here(gallery_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The enrolled gallery as this person's default."""
    monkeypatch.setenv("FACEGALLERY_GALLERY", str(gallery_folder))
    return gallery_folder


def members(run_cli: RunCli) -> dict[str, int]:
    return {row["name"]: row["n_templates"] for row in json.loads(run_cli("members", "--json").out)["members"]}


def undo_as_told(run_cli: RunCli, result: CliResult) -> CliResult:
    """Type the command that a result shows for undoing it."""
    (told,) = result.err.split("To undo it: ")[1:]
    return run_cli(*shlex.split(told.splitlines()[0])[1:], "--yes")


def enroll_pair(folder: Path, analyzer: FaceAnalyzer, *names: str) -> Path:
    """Enroll a photo of two people, made up, for two members."""
    path = Path("/photos/pair.jpg")
    pair = Photo(path, "c" * 64, np.zeros((2, 3, 3), np.uint8), width_px=3, height_px=2)
    with Store.open(folder / DATABASE_NAME) as store:
        for number, name in enumerate(names):
            store.enroll(name, pair, face=face(number, left=10.0 + 200 * number), model=analyzer.model.identity)
    return path


def reject_stranger(folder: Path, analyzer: FaceAnalyzer, name: str) -> None:
    """Say that a face, made up, is not a member."""
    stranger = Photo(Path("/photos/stranger.jpg"), "d" * 64, np.zeros((2, 3, 3), np.uint8), width_px=3, height_px=2)
    with Store.open(folder / DATABASE_NAME) as store:
        store.reject(name, stranger, face=face(99), model=analyzer.model.identity)


# --- merge and unmerge ------------------------------------------------------------------------------------------------


def test_two_members_are_merged_and_taken_apart(run_cli: RunCli, here: Path) -> None:
    """Each command says what it did and how it is undone; what it says works."""
    before = members(run_cli)
    merged = run_cli("merge", "ada", "bea")
    assert (merged.code, merged.out) == (0, "Merged Ada into Bea (4 photos).\n")
    assert merged.err == "To undo it: facegallery undo 1\n"
    assert members(run_cli) == {name: 4 + 4 * (name == "Bea") for name in before if name != "Ada"}
    apart = run_cli("unmerge", "Bea", "--as", "Adele")
    assert apart.out == "Took Adele out of Bea again (4 photos).\n"
    assert undo_as_told(run_cli, apart).out == "Undone: took Adele out of Bea again (4 photos).\n"
    assert undo_as_told(run_cli, merged).code == 0
    assert members(run_cli) == before
    assert run_cli("doctor").code == 0


def test_a_merge_is_asked_for_where_both_are_in_one_photo(
    run_cli: RunCli, here: Path, analyzer: FaceAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two faces of one photo are not one person: no is the answer where nobody answers, and --yes is not asked."""
    path = enroll_pair(here, analyzer, "Ada", "Bea")
    before = members(run_cli)
    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        refused = run_cli("merge", "Ada", "Bea")
        assert (refused.code, members(run_cli)) == (1, before)
        assert f"{path}: Bea has another face in it." in refused.err
        assert ("--yes" in refused.err) == (answer == "")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert undo_as_told(run_cli, run_cli("merge", "Ada", "Bea")).code == 0
    assert run_cli("merge", "Ada", "Bea", "--yes").code == 0
    assert members(run_cli)["Bea"] == 10


# --- move -------------------------------------------------------------------------------------------------------------


def test_a_photo_is_moved_wherever_it_is_now(
    run_cli: RunCli, here: Path, analyzer: FaceAnalyzer, sample_group: Path, tmp_path: Path
) -> None:
    """By its bytes under any name; where the file is gone by its old place; one that is not enrolled is said."""
    enrolled = sample_group / "enroll" / "Ada" / "1.jpg"
    copy = tmp_path / "elsewhere.jpg"
    shutil.copy(enrolled, copy)
    moved = run_cli("move", copy, "bea")
    assert moved.out == f"Moved {enrolled} from Ada to Bea.\n"
    assert run_cli("move", copy, "BEA").out == f"{copy} is Bea's already.\n"
    assert undo_as_told(run_cli, moved).code == 0
    gone = enroll_pair(here, analyzer, "Dan")
    assert run_cli("move", gone, "Cyrus").out == f"Moved {gone} from Dan to Cyrus.\n"
    for path in (tmp_path / "never.jpg", sample_group / "probe" / "ada-2.jpg"):
        refused = run_cli("move", path, "Cyrus")
        assert (refused.code, "no face is enrolled" in refused.err) == (1, True)


def test_a_slip_of_the_pen_makes_no_new_member(run_cli: RunCli, here: Path, sample_group: Path) -> None:
    """--new does; who has no other photo is said to be gone, and is back when it is undone."""
    photo = sample_group / "enroll" / "Ada" / "1.jpg"
    refused = run_cli("move", photo, "Beaa")
    assert (refused.code, "'Bea'" in refused.err, "--new" in refused.err) == (1, True, True)
    assert run_cli("move", photo, "Zoe", "--new").out == f"Moved {photo} from Ada to Zoe.\n"
    back = run_cli("move", photo, "Bea")
    assert back.out.splitlines()[1:] == ["Zoe had no other photo and is gone."]
    undo_as_told(run_cli, back)
    assert members(run_cli)["Zoe"] == 1


def test_of_several_faces_the_one_that_is_meant_is_named(
    run_cli: RunCli, here: Path, analyzer: FaceAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is taken by chance; --from says whose, and another face of the receiver in the photo is asked about."""
    path = enroll_pair(here, analyzer, "Ada", "Bea")
    refused = run_cli("move", path, "Cyrus")
    assert (refused.code, "Ada and Bea" in refused.err, "--from NAME" in refused.err) == (1, True, True)
    assert run_cli("move", path, "Cyrus", "--from", "bea").out == f"Moved {path} from Bea to Cyrus.\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert run_cli("move", path, "Cyrus", "--from", "Ada").code == 1
    assert run_cli("move", path, "Cyrus", "--from", "Ada", "--yes").code == 0
    assert run_cli("move", path, "Cyrus", "--from", "Hana").code == 1


def test_a_face_is_named_by_its_number(gallery: Gallery, sample_group: Path) -> None:
    """As detect numbers the faces of the photo, the enrolled ones and the others."""
    group = sample_group / "group.jpg"
    outcomes = list(gallery.enroll([MemberPhotos("Dan", (group,), face_number=2)], accept_poor=True))
    assert len(outcomes) == 1
    with pytest.raises(PhotoNotEnrolled):
        gallery.move(group, "Cyrus", face_number=1)
    with pytest.raises(FaceChoiceNeeded, match="--face 99"):
        gallery.move(group, "Cyrus", face_number=99)
    moved = gallery.move(group, "Cyrus", face_number=2)
    assert moved is not None
    assert [(each.photo_path, each.from_member, each.to_member) for each in moved.faces] == [(group, "Dan", "Cyrus")]


# --- history and undo -------------------------------------------------------------------------------------------------


def test_the_history_tells_what_was_done_and_what_can_be_undone(
    run_cli: RunCli, here: Path, analyzer: FaceAnalyzer
) -> None:
    """Newest first, of all or of one, as a table and as a document with stable keys."""
    empty = run_cli("history")
    assert (empty.code, empty.out, "Nothing was done" in empty.err) == (0, "", True)
    run_cli("rename", "Ada", "Ada\u202e\nL.")
    run_cli("merge", "ada\u202e l.", "Bea")
    reject_stranger(here, analyzer, "Cyrus")
    run_cli("forget", "Dan", "--yes")
    lines = run_cli("history").out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["4", "3", "2", "1"]
    assert "forgot 1 member (4 photos)" in lines[2]
    assert "said that the face in /photos/stranger.jpg is not Cyrus" in lines[3]
    assert r"merged Ada\u202e\nL. into Bea (4 photos)" in lines[4]
    assert lines[5].rstrip().endswith("undo 2 first")
    assert len(run_cli("history", "-n", "1").out.splitlines()) == 3
    (said, *_) = json.loads(run_cli("history", "cyrus", "--json").out)["entries"]
    assert {key: value for key, value in said.items() if key not in ("at", "photos")} == {
        "entry": 3,
        "action": "reject",
        "members": [{"before": "Cyrus", "after": "Cyrus"}],
        "n_members": 1,
        "n_templates": 0,
        "undoes": None,
        "undone_by": None,
        "is_partial": False,
        "can_undo": True,
        "why_not": None,
        "undo_first": None,
    }
    assert [(photo["from"], photo["to"], photo["rejected"]) for photo in said["photos"]] == [("Cyrus", "Cyrus", True)]
    assert run_cli("history", "Nobody").code == 1


def test_undo_asks_what_it_undoes_and_takes_the_newest(
    run_cli: RunCli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer nothing is done; what is undone can be done again; what cannot be is an error."""
    run_cli("rename", "Ada", "Adele")
    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        refused = run_cli("undo")
        assert (refused.code, "Undo 1: renamed Ada to Adele?" in refused.err) == (1, True)
        assert "Nothing was undone." in refused.err
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    done = run_cli("undo")
    assert (done.code, done.out.strip()) == (0, "Undone: renamed Ada to Adele.")
    assert "To do it again: facegallery undo 2" in done.err
    assert "Ada" in members(run_cli)
    assert run_cli("undo", "2", "--yes").code == 0
    assert "Adele" in members(run_cli)
    refused = run_cli("undo", "77", "--yes")
    assert (refused.code, "'facegallery history'" in refused.err) == (1, True)
    run_cli("forget", "Adele", "--yes")
    assert "nothing that can be undone" in run_cli("undo", "--yes").err


def test_a_rejection_is_undone_like_the_rest(run_cli: RunCli, here: Path, analyzer: FaceAnalyzer) -> None:
    """And is not offered to be done again, since its vector is gone."""
    reject_stranger(here, analyzer, "Cyrus")
    done = run_cli("undo", "--yes")
    assert (done.code, done.err) == (0, "")
    assert json.loads(run_cli("rejections", "--json").out)["rejections"] == []


def test_what_an_audit_moved_is_undone_in_any_gallery(
    run_cli: RunCli, gallery_folder: Path, sample_group: Path
) -> None:
    """The command that is shown names the gallery; a photo that was taken out for good is not offered."""
    audit = ("audit", "--apply", "--yes", "-g", gallery_folder, "--photo")
    photos = sorted((sample_group / "enroll" / "Ada").iterdir())
    done = run_cli(*audit, photos[0], "--to", "Bea")
    assert f"undo 1 --gallery {shlex.quote(str(gallery_folder))}" in done.err
    assert undo_as_told(run_cli, done).out == f"Undone: moved {photos[0]} from Ada to Bea.\n"
    assert "To undo it" not in run_cli(*audit, photos[1]).err


# --- by the API -------------------------------------------------------------------------------------------------------


def test_searches_follow_at_once_and_in_other_programs(
    gallery: Gallery, gallery_folder: Path, analyzer: FaceAnalyzer, sample_group: Path
) -> None:
    """The next answer names the merged member; an undo elsewhere is obeyed too, and the index holds throughout."""

    def named() -> str | None:
        (photo,) = gallery.identify([sample_group / "probe" / "ada-2.jpg"], threshold=0.0, min_margin=0.0)
        assert not hasattr(photo, "reason")
        return photo.faces[0].decision.member

    assert named() == "Ada"
    merged = gallery.merge("Ada", "Bea")
    assert named() == "Bea"
    with open_with(gallery_folder, analyzer) as other:
        assert other.to_undo() == merged
        other.undo()
    assert named() == "Ada"
    health = gallery.health()
    assert (health.faults, health.index_state) == ((), "current")


def test_a_calibration_says_that_photos_are_other_members_now(gallery: Gallery) -> None:
    """One merge is told, though the gallery has hardly changed in size; undone, all is as it was."""
    store = gallery._store
    n_members, n_templates = store.n_members(), store.stamp().count
    made = replace(
        MADE,
        created_at=datetime.now(timezone.utc),
        n_members=n_members,
        n_enrolled=n_templates,
        stranger_scores=np.linspace(0.1, 0.2, 9, dtype=np.float32),
    )
    assert store.keep_calibration(made, state=store.state())
    assert gallery.stale_calibration() is None
    gallery.merge("Ada", "Bea")
    assert gallery.stale_calibration() == "4 photos are other members' now than then: calibrate again"
    assert "4 photos are other members'" in gallery.limits(score=made.score).source
    gallery.undo()
    assert gallery.stale_calibration() is None
