"""The gallery end to end, on the bundled people and the bundled model: enroll, identify, verify, forget."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegallery import Gallery
from facegallery.domain import Face, ModelIdentity, Preparation, ScoreRule, SkippedPhoto, Verdict, overlap
from facegallery.errors import (
    FaceChoiceNeeded,
    GalleryNotFound,
    MemberNotFound,
    ModelMismatch,
    ModelNotFound,
    StillInTheLog,
)
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.drawing import Drawings, draw_identified
from facegallery.gallery.enrollment import EnrollOutcome, EnrollStatus, MemberPhotos, plan_folder
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.settings import DATABASE_NAME, INDEX_NAME
from facegallery.store import Store
from facegallery.weights.files import InstalledModel, ModelFiles
from tests.conftest import RunCli, open_with

MEMBERS = ["Ada", "Bea", "Cyrus", "Dan", "Hana", "Ivan"]


def statuses(outcomes: list[EnrollOutcome]) -> dict[str, str]:
    return {
        outcome.path.name: outcome.skipped.code if outcome.skipped else outcome.status.value for outcome in outcomes
    }


def identified(gallery: Gallery, *photos: Path, **options: object) -> list[IdentifiedPhoto]:
    results = list(gallery.identify(photos, **options))  # type: ignore[arg-type]  # options are passed through
    assert not [result for result in results if isinstance(result, SkippedPhoto)]
    return [result for result in results if isinstance(result, IdentifiedPhoto)]


def side_by_side(path: Path, *photos: Path) -> Path:
    """One photo of several people, made of portraits, without loss."""
    images = [Image.open(photo) for photo in photos]
    joined = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)))
    left = 0
    for image in images:
        joined.paste(image, (left, 0))
        left += image.width
    joined.save(path)
    return path


# --- enrollment ---------------------------------------------------------------------------------------------------


def test_every_folder_becomes_a_member(gallery: Gallery) -> None:
    """The sample group: six members with four templates each, and the photos they came from."""
    assert [(member.name, member.n_templates) for member in gallery.members()] == [(name, 4) for name in MEMBERS]
    assert [entry.photo_path.name for entry in gallery.enrolled_faces("ada")] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]


def test_a_second_run_does_no_work(gallery_folder: Path, sample_group: Path) -> None:
    """The same bytes are known by their hash: nothing is decoded, and no network is even loaded."""

    def refuse(_: object) -> FaceAnalyzer:
        raise AssertionError("networks were loaded for photos that are enrolled already")

    store = Store.open(gallery_folder / DATABASE_NAME)
    with Gallery(gallery_folder, store=store, models=ModelFiles.default(), load_analyzer=refuse) as gallery:
        outcomes = list(gallery.enroll(plan_folder(sample_group / "enroll")))
    assert len(outcomes) == 24
    assert {outcome.status for outcome in outcomes} == {EnrollStatus.ALREADY}


def test_the_same_bytes_under_another_name_are_known(gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """A copied and renamed photo is the same photo, also within one run; its neighbour is new."""
    new = sample_group / "probe" / "ada-2.jpg"
    for name in ("b.jpg", "c.jpg"):
        shutil.copy(new, tmp_path / name)
    shutil.copy(sample_group / "enroll" / "Ada" / "1.jpg", tmp_path / "a.jpg")
    outcomes = list(gallery.enroll([MemberPhotos("ada", tuple(tmp_path / f"{name}.jpg" for name in "abc"))]))
    assert statuses(outcomes) == {"a.jpg": "already", "b.jpg": "enrolled", "c.jpg": "already"}
    assert gallery.member("Ada").n_templates == 5


def test_the_face_that_fits_is_taken_not_the_biggest(
    gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path, tmp_path: Path
) -> None:
    """Bea stands in front, twice as big; Ada's folder gets Ada's face."""
    bystander = tmp_path / "big.png"
    Image.open(sample_group / "probe" / "bea-1.jpg").resize((768, 768)).save(bystander)
    both = side_by_side(tmp_path / "both.png", bystander, sample_group / "probe" / "ada-2.jpg")
    assert statuses(list(gallery.enroll([MemberPhotos("Ada", (both,))]))) == {"both.png": "enrolled"}
    (taken,) = (entry for entry in gallery.enrolled_faces("Ada") if entry.photo_path == both)
    assert taken.face.box_xyxy[0] > 768, "the face on the right is Ada's"


def test_a_photo_of_two_that_nothing_tells_apart_is_skipped(
    empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """A first and only photo with two faces enrolls nobody and keeps nothing; the number of the face settles it."""
    both = side_by_side(tmp_path / "both.png", *(sample_group / "probe" / f"{name}.jpg" for name in ("bea-1", "dan-1")))
    (outcome,) = empty_gallery.enroll([MemberPhotos("Bea", (both,))])
    assert outcome.skipped is not None
    assert outcome.skipped.code == "several_faces"
    assert outcome.n_faces == 2
    assert empty_gallery.members() == []
    (outcome,) = empty_gallery.enroll([MemberPhotos("Bea", (both,), face_number=2)])
    assert outcome.status is EnrollStatus.ENROLLED


def test_a_copy_does_not_vouch_for_its_original(empty_gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """Two files with the same bytes are one photo: together they prove no recurrence, and they share their fate."""
    both = side_by_side(tmp_path / "a.png", *(sample_group / "probe" / f"{name}.jpg" for name in ("bea-1", "dan-1")))
    shutil.copy(both, tmp_path / "b.png")
    photos = (both, tmp_path / "b.png")
    outcomes = list(empty_gallery.enroll([MemberPhotos("Bea", photos)]))
    assert statuses(outcomes) == {"a.png": "several_faces", "b.png": "several_faces"}
    alone = sample_group / "enroll" / "Bea" / "1.jpg"
    outcomes = list(empty_gallery.enroll([MemberPhotos("Bea", (*photos, alone))]))
    assert statuses(outcomes) == {"1.jpg": "enrolled", "a.png": "enrolled", "b.png": "already"}


def test_another_face_of_an_enrolled_photo_is_refused_aloud(
    empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """A number that means the enrolled face is 'already there'; one that means another face is not passed over."""
    both = side_by_side(tmp_path / "both.png", *(sample_group / "probe" / f"{name}.jpg" for name in ("bea-1", "dan-1")))
    codes = []
    for number in (1, 1, 2, 9):
        (outcome,) = empty_gallery.enroll([MemberPhotos("Bea", (both,), face_number=number)])
        codes.append(outcome.skipped.code if outcome.skipped else outcome.status.value)
    assert codes == ["enrolled", "already", "other_face", "several_faces"]
    (outcome,) = empty_gallery.enroll([MemberPhotos("Dan", (both,), face_number=1)])
    assert outcome.skipped is not None
    assert outcome.skipped.reason == "its face is already enrolled as Bea"


def test_folders_that_differ_in_case_only_are_one_member(sample_group: Path, tmp_path: Path) -> None:
    """Names are compared without regard to case; where the file system keeps both, their photos are one member's."""
    for name in ("Ada", "ada"):
        (tmp_path / "in" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name / f"{name}.jpg").touch()
    plan = plan_folder(tmp_path / "in")
    assert [entry.member for entry in plan] == ["Ada"]


def test_a_photo_that_was_moved_is_found_again(empty_gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """Enrolling the moved folder does no work but to remember where the photo is now; a mere copy changes nothing."""
    old, copy, new = tmp_path / "old.jpg", tmp_path / "copy.jpg", tmp_path / "new.jpg"
    for path in (old, copy):
        shutil.copy(sample_group / "enroll" / "Ada" / "1.jpg", path)
    list(empty_gallery.enroll([MemberPhotos("Ada", (old, copy))]))
    assert [entry.photo_path for entry in empty_gallery.enrolled_faces("Ada")] == [old]
    copy.unlink()
    old.rename(new)
    list(empty_gallery.enroll([MemberPhotos("Ada", (new,))]))
    assert [entry.photo_path for entry in empty_gallery.enrolled_faces("Ada")] == [new]


def test_a_later_photo_settles_an_earlier_one(empty_gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """What was skipped is tried again, and now there is something to compare with."""
    both = side_by_side(tmp_path / "both.png", *(sample_group / "probe" / f"{name}.jpg" for name in ("bea-1", "dan-1")))
    alone = sample_group / "enroll" / "Bea" / "1.jpg"
    assert statuses(list(empty_gallery.enroll([MemberPhotos("Bea", (both,))]))) == {"both.png": "several_faces"}
    outcomes = list(empty_gallery.enroll([MemberPhotos("Bea", (both, alone))]))
    assert statuses(outcomes) == {"1.jpg": "enrolled", "both.png": "enrolled"}


def test_one_photo_may_enroll_two_members_but_one_face_only_one(
    gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """A photo of Ada and Dan may lie in both folders; Ada's portrait in Dan's folder is refused by name."""
    both = side_by_side(tmp_path / "both.png", *(sample_group / "probe" / f"{name}.jpg" for name in ("ada-2", "dan-2")))
    assert statuses(list(gallery.enroll([MemberPhotos("Ada", (both,)), MemberPhotos("Dan", (both,))]))) == {
        "both.png": "enrolled"
    }
    boxes = [
        next(entry.face.box_xyxy for entry in gallery.enrolled_faces(name) if entry.photo_path == both)
        for name in ("Ada", "Dan")
    ]
    assert boxes[0][0] < 384 < boxes[1][0]
    (outcome,) = gallery.enroll([MemberPhotos("Dan", (sample_group / "enroll" / "Ada" / "1.jpg",))])
    assert outcome.skipped is not None
    assert (outcome.skipped.code, outcome.skipped.reason) == ("other_member", "its face is already enrolled as Ada")


def test_bad_files_are_reported_and_the_rest_goes_on(
    empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """Empty, text, cut off, without a face, missing: each has its reason; the good photo between them is enrolled."""
    good = (sample_group / "enroll" / "Ada" / "1.jpg").read_bytes()
    folder = tmp_path / "in" / "Ada"
    folder.mkdir(parents=True)
    (folder / "1-empty.jpg").touch()
    (folder / "2-text.jpg").write_text("not a photo")
    (folder / "3-good.jpg").write_bytes(good)
    (folder / "4-cut.jpg").write_bytes(good[: len(good) // 2])
    Image.new("RGB", (200, 200), "green").save(folder / "5-nobody.png")
    (tmp_path / "in" / "loose.jpg").write_bytes(good)
    plan = [*plan_folder(tmp_path / "in"), MemberPhotos("Bea", (tmp_path / "gone.jpg",))]
    assert statuses(list(empty_gallery.enroll(plan))) == {
        "1-empty.jpg": "empty",
        "2-text.jpg": "not_a_photo",
        "3-good.jpg": "enrolled",
        "4-cut.jpg": "truncated",
        "5-nobody.png": "no_face",
        "loose.jpg": "no_member",
        "gone.jpg": "missing",
    }
    assert [member.name for member in empty_gallery.members()] == ["Ada"]


def test_a_folder_with_an_impossible_name_is_skipped(empty_gallery: Gallery, sample_group: Path) -> None:
    """A name that cannot be kept costs that member only."""
    photo = sample_group / "enroll" / "Ada" / "1.jpg"
    outcomes = list(empty_gallery.enroll([MemberPhotos("x" * 400, (photo,)), MemberPhotos("Ada", (photo,))]))
    assert [outcome.skipped.code if outcome.skipped else "" for outcome in outcomes] == ["bad_name", ""]


def test_an_enrollment_that_is_stopped_goes_on(
    empty_gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path
) -> None:
    """Stopped after five photos: those five are kept, and the next run does the other nineteen only."""
    plan = plan_folder(sample_group / "enroll")
    running = empty_gallery.enroll(plan)
    for _ in range(5):
        next(running)
    running.close()  # type: ignore[attr-defined]  # a generator: what Ctrl-C between two photos does
    empty_gallery.close()
    with open_with(empty_gallery.folder, analyzer) as again:
        assert sum(member.n_templates for member in again.members()) == 5
        counts = [outcome.status.value for outcome in again.enroll(plan)]
    assert (counts.count("already"), counts.count("enrolled")) == (5, 19)


def test_overlap_of_boxes() -> None:
    """Intersection over union, by hand: half of each of two equal boxes is a third."""
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0


# --- identification -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", list(ScoreRule))
def test_members_are_named_and_strangers_are_not(gallery: Gallery, sample_group: Path, score: ScoreRule) -> None:
    """All twelve probes get their member's name, all eight strangers none, under both score rules."""
    results = identified(gallery, sample_group / "probe", score=score)
    assert len(results) == 20
    for result in results:
        expected = result.path.stem.split("-")[0].capitalize()
        names = {face.decision.member for face in result.faces} - {None}
        assert names == (set() if expected == "Stranger" else {expected}), result.path.name


def test_a_group_photo_names_each_member_once(gallery: Gallery, sample_group: Path) -> None:
    """Four members and a stranger: each face has its own answer, with a runner-up and a margin."""
    (result,) = identified(gallery, sample_group / "group.jpg")
    names = [face.decision.member for face in result.faces]
    assert sorted(name for name in names if name) == ["Ada", "Cyrus", "Dan", "Hana"]
    assert names.count(None) == 1
    for face in result.faces:
        decision = face.decision
        assert decision.best is not None
        assert decision.runner_up is not None
        assert decision.margin == pytest.approx(decision.best.similarity - decision.runner_up.similarity)
        assert decision.threshold == gallery.limits().threshold


def test_the_same_person_twice_in_a_photo_is_named_once(gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """Two portraits of Dan side by side: the better one is Dan, the other is not, and says whose name was taken."""
    twice = side_by_side(tmp_path / "twice.png", *(sample_group / "probe" / f"dan-{n}.jpg" for n in (1, 2)))
    (result,) = identified(gallery, twice)
    decisions = [face.decision for face in result.faces]
    assert sorted(decision.member or "" for decision in decisions) == ["", "Dan"]
    (other,) = (decision for decision in decisions if decision.member is None)
    assert other.taken == ("Dan",)
    assert other.verdict is Verdict.UNKNOWN


def test_threshold_and_top_are_obeyed(gallery: Gallery, sample_group: Path) -> None:
    """A threshold of 1 names nobody, one of -1 everybody; ``top`` gives as many candidates, ranked."""
    probe = sample_group / "probe" / "stranger-1a.jpg"
    (none,) = identified(gallery, probe, threshold=1.0)
    (anyone,) = identified(gallery, probe, threshold=-1.0, top=6)
    assert none.faces[0].decision.member is None
    assert anyone.faces[0].decision.member is not None
    candidates = anyone.faces[0].decision.candidates
    assert sorted(candidate.member for candidate in candidates) == MEMBERS
    assert [candidate.rank for candidate in candidates] == [1, 2, 3, 4, 5, 6]
    similarities = [candidate.similarity for candidate in candidates]
    assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize("rule", list(ScoreRule))
def test_similarities_are_those_of_all_templates(
    gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path, rule: ScoreRule
) -> None:
    """Under each rule what a candidate is said to have is computed here by hand, from all of the member's templates;
    the template it names is the nearest.
    """
    from facegallery.gallery.analysis import read_and_analyze

    probe = sample_group / "probe" / "stranger-2a.jpg"
    (result,) = identified(gallery, probe, top=6, score=rule)
    _, (face,) = read_and_analyze(analyzer, probe)
    candidates = result.faces[0].decision.candidates
    assert [each.similarity for each in candidates] == sorted((each.similarity for each in candidates), reverse=True)
    with Store.open(gallery.folder / DATABASE_NAME) as store:
        templates = store.templates()
    similarities = templates.vectors @ face.embedding
    for candidate in result.faces[0].decision.candidates:
        mine = [row for row, name in enumerate(templates.members) if name == candidate.member]
        mean = (templates.qualities[mine] if rule is ScoreRule.WEIGHTED else np.ones(len(mine))) @ templates.vectors[
            mine
        ]
        expected = {
            ScoreRule.BEST: similarities[mine].max(),
            ScoreRule.MEAN_OF_BEST: np.sort(similarities[mine])[-3:].mean(),
        }.get(rule, mean @ face.embedding / np.linalg.norm(mean))
        assert candidate.similarity == pytest.approx(float(expected), abs=1e-5)
        assert candidate.template_id == templates.ids[mine[int(np.argmax(similarities[mine]))]]


def test_a_member_with_very_many_templates_does_not_hide_the_others(
    gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path
) -> None:
    """Forty near-copies of one template fill the first answer of the index; the runner-up is found all the same."""
    from dataclasses import replace

    from facegallery.gallery.analysis import read_and_analyze

    photo, (face,) = read_and_analyze(analyzer, sample_group / "probe" / "ada-2.jpg")
    with Store.open(gallery.folder / DATABASE_NAME) as store:
        for number in range(40):
            copy = replace(photo.without_pixels(), content_hash=f"{number:064x}")
            store.enroll("Ada", copy, face=face, model=analyzer.model.identity)
    (result,) = identified(gallery, sample_group / "probe" / "ada-2.jpg", top=6)
    assert sorted(candidate.member for candidate in result.faces[0].decision.candidates) == MEMBERS


def test_an_empty_gallery_knows_nobody(empty_gallery: Gallery, sample_group: Path) -> None:
    """No member, no error: every face is unknown, under both rules."""
    for score in ScoreRule:
        (result,) = identified(empty_gallery, sample_group / "probe" / "ada-2.jpg", score=score)
        assert result.faces[0].decision.best is None


def test_a_photo_without_a_face_is_an_ordinary_answer(gallery: Gallery, tmp_path: Path) -> None:
    """No face, and a photo of one pixel: an answer without faces."""
    for size in ((300, 300), (1, 1)):
        path = tmp_path / f"{size[0]}.png"
        Image.new("RGB", size, "green").save(path)
        (result,) = identified(gallery, path)
        assert result.faces == ()


def test_pictures_drawn_into_the_folder_are_not_taken_for_photos(
    gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """All photos are found before the first is answered."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(sample_group / "probe" / "ada-2.jpg", folder / "a.jpg")
    n_results = 0
    for _ in gallery.identify([folder]):
        n_results += 1
        shutil.copy(folder / "a.jpg", folder / f"z{n_results}.jpg")
    assert n_results == 1


# --- the index is a cache -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["missing", "garbage", "truncated"])
def test_an_index_that_does_not_fit_is_rebuilt(
    gallery_folder: Path, analyzer: FaceAnalyzer, sample_group: Path, harm: str
) -> None:
    """Whatever happens to the index's files, answers are the same and the files are good again afterwards."""
    (rows,) = (gallery_folder / INDEX_NAME).glob("rows.*")
    if harm == "missing":
        shutil.rmtree(gallery_folder / INDEX_NAME)
    elif harm == "garbage":
        (gallery_folder / INDEX_NAME / "stamp.json").write_bytes(bytes(1000))
    elif harm == "truncated":
        rows.write_bytes(rows.read_bytes()[:-100])
    with open_with(gallery_folder, analyzer) as gallery:
        assert gallery.health().index_state != "current"
        (result,) = identified(gallery, sample_group / "probe" / "ada-2.jpg")
        assert result.faces[0].decision.member == "Ada"
        assert gallery.health().index_state == "current"


def test_a_new_name_and_a_new_photo_do_not_touch_the_index(gallery: Gallery, sample_group: Path) -> None:
    """Names are the store's, and what is new is read from it until the end of an enrollment."""
    before = {file.name: file.read_bytes() for file in (gallery.folder / INDEX_NAME).iterdir()}
    gallery.rename("Ada", "Adele")
    list(gallery.enroll([MemberPhotos("Zed", (sample_group / "probe" / "stranger-1a.jpg",))]))
    results = identified(gallery, *(sample_group / "probe" / name for name in ("ada-2.jpg", "stranger-1a.jpg")))
    assert [result.faces[0].decision.member for result in results] == ["Adele", "Zed"]
    assert gallery.health().index_state == "behind by 1"
    assert before == {file.name: file.read_bytes() for file in (gallery.folder / INDEX_NAME).iterdir()}
    gallery.refresh_index()
    assert gallery.health().index_state == "current"


def test_an_index_of_another_history_is_not_taken_for_this_one(
    gallery_folder: Path, analyzer: FaceAnalyzer, sample_group: Path, tmp_path: Path
) -> None:
    """A database brought back from a copy, changed as often since: its index is not the other history's."""
    database = gallery_folder / DATABASE_NAME
    shutil.copy(database, tmp_path / "copy")
    portrait = sample_group / "probe" / "stranger-1a.jpg"
    with open_with(gallery_folder, analyzer) as gallery:
        list(gallery.enroll([MemberPhotos("Zed", (portrait,))]))
        gallery.refresh_index()
    for file in gallery_folder.glob(f"{DATABASE_NAME}*"):
        file.unlink()
    shutil.copy(tmp_path / "copy", database)
    with open_with(gallery_folder, analyzer) as gallery:
        list(gallery.enroll([MemberPhotos("Zoe", (sample_group / "probe" / "stranger-2a.jpg",))]))
        assert gallery.health().index_state.startswith("stale: made of another gallery")
        (result,) = identified(gallery, portrait)
        assert result.faces[0].decision.member is None


def test_a_change_by_another_process_is_seen(gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """The search follows the store's revision: a member forgotten elsewhere is not named here any more."""
    probe = sample_group / "probe" / "ada-2.jpg"
    (before,) = identified(gallery, probe)
    with open_with(gallery.folder, analyzer) as other:
        other.forget("Ada")
    (after,) = identified(gallery, probe)
    assert (before.faces[0].decision.member, after.faces[0].decision.member) == ("Ada", None)


# --- members ------------------------------------------------------------------------------------------------------


def test_a_renamed_member_is_named_so(gallery: Gallery, sample_group: Path) -> None:
    """The new name is in the next answer."""
    gallery.rename("ada", "Ada Lovelace")
    (result,) = identified(gallery, sample_group / "probe" / "ada-2.jpg")
    assert result.faces[0].decision.member == "Ada Lovelace"


def test_a_forgotten_member_is_gone_from_rows_vectors_and_index(gallery: Gallery, sample_group: Path) -> None:
    """Nothing of Ada is named, counted, indexed or listed; the others are as they were."""
    assert len(gallery.forget("Ada").template_ids) == 4
    with pytest.raises(MemberNotFound):
        gallery.member("Ada")
    health = gallery.health()
    assert (health.n_members, health.n_templates, health.index_state, health.faults) == (5, 20, "current", ())
    (result,) = identified(gallery, sample_group / "probe" / "ada-2.jpg", top=10)
    assert sorted(candidate.member for candidate in result.faces[0].decision.candidates) == MEMBERS[1:]


def test_nothing_of_a_forgotten_member_is_left_in_any_file(gallery: Gallery) -> None:
    """Neither vector nor name: not in the database, its log, the index, nor in what a killed index writer left."""
    with Store.open(gallery.folder / DATABASE_NAME) as store:
        gone = [vector.tobytes() for vector in store.templates("Ada").vectors]
        kept = store.templates("Bea").vectors[0].tobytes()
    (gallery.folder / INDEX_NAME / "rows.killed").write_bytes(gone[0])
    assert all(gone[0] in file.read_bytes() for file in (gallery.folder / INDEX_NAME).glob("rows.*"))
    gallery.forget("Ada")
    contents = {file.name: file.read_bytes() for file in gallery.folder.rglob("*") if file.is_file()}
    assert not [name for name, content in contents.items() for vector in gone if vector in content]
    assert not [name for name, content in contents.items() if b"Ada" in content]
    assert [kept in content for name, content in contents.items() if name.startswith("rows.")] == [True]


def test_forgetting_beside_a_reader_says_what_is_not_done_yet(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program in the middle of a read keeps the log: the member is gone, the error says what is left to do."""
    import sqlite3

    reader = sqlite3.connect(gallery.folder / DATABASE_NAME)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM members").fetchone()
        monkeypatch.setattr("facegallery.store.engine.BUSY_TIMEOUT_S", 0.2)  # a setting, not a part
        with (
            open_with(gallery.folder, gallery.analyzer) as impatient,
            pytest.raises(StillInTheLog, match="is removed, but"),
        ):
            impatient.forget("Ada")
    finally:
        reader.close()
    with pytest.raises(MemberNotFound):
        gallery.member("Ada")
    assert gallery.health().index_state == "current"


@pytest.mark.parametrize("threshold", [float("nan"), 1.01, -1.01])
def test_a_threshold_that_is_no_similarity_is_refused(gallery: Gallery, sample_group: Path, threshold: float) -> None:
    """In every question that takes one."""
    probe = sample_group / "probe" / "dan-1.jpg"
    with pytest.raises(ValueError, match="threshold"):
        list(gallery.identify([probe], threshold=threshold))
    with pytest.raises(ValueError, match="threshold"):
        gallery.verify(probe, probe, threshold=threshold)
    with pytest.raises(ValueError, match="threshold"):
        gallery.explain(probe, threshold=threshold)


# --- one to one ---------------------------------------------------------------------------------------------------


def test_verify_tells_the_same_person_from_another(gallery: Gallery, sample_group: Path) -> None:
    """Two photos of one person match, two of different people do not, and the order does not matter."""
    dan, dan_again, ivan = (sample_group / "probe" / f"{name}.jpg" for name in ("dan-1", "dan-2", "ivan-1"))
    assert gallery.verify(dan, dan_again).verdict is Verdict.MATCH
    assert gallery.verify(dan, ivan).verdict is Verdict.UNKNOWN
    assert gallery.verify(dan, ivan).similarity == pytest.approx(gallery.verify(ivan, dan).similarity, abs=1e-6)


def test_a_bystander_does_not_verify(gallery: Gallery, sample_group: Path) -> None:
    """With several faces the best pair is not looked for: the person must say which face is meant."""
    group, dan = sample_group / "group.jpg", sample_group / "probe" / "dan-1.jpg"
    with pytest.raises(FaceChoiceNeeded) as error:
        gallery.verify(group, dan)
    assert error.value.n_faces == 5
    verdicts = [gallery.verify(group, dan, face_numbers=(number, None)).verdict for number in range(1, 6)]
    assert verdicts.count(Verdict.MATCH) == 1
    with pytest.raises(FaceChoiceNeeded):
        gallery.verify(group, dan, face_numbers=(6, None))
    with pytest.raises(FaceChoiceNeeded, match=r"only one face found\. --face-b 3 names"):
        gallery.verify(group, dan, face_numbers=(1, 3))


# --- opening ------------------------------------------------------------------------------------------------------


def test_there_is_no_gallery_in_an_empty_folder(tmp_path: Path) -> None:
    """Opening makes nothing, not even the folder."""
    with pytest.raises(GalleryNotFound):
        Gallery.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_new_gallery_takes_the_bundled_model_where_nothing_better_is_here(tmp_path: Path) -> None:
    """Without --model and without vggface2's file: starter; a model that is not here is an error with both ways out."""
    with Gallery.create(tmp_path / "new") as gallery:
        assert gallery.model.name == "starter"
    with pytest.raises(ModelNotFound, match=r"model pull vggface2[\s\S]*model import vggface2"):
        Gallery.create(tmp_path / "other", model="vggface2")
    assert not (tmp_path / "other").exists()


def test_a_gallery_never_changes_its_model(gallery: Gallery, tmp_path: Path, analyzer: FaceAnalyzer) -> None:
    """Another model's name is refused, and so is another file under the same name."""
    with pytest.raises(ModelMismatch):
        gallery.require_model("vggface2")
    other = tmp_path / "of-another-file"
    Store.create(other / DATABASE_NAME, model=ModelIdentity("starter", "0" * 64), preparation=Preparation.BOX).close()
    with Gallery.open(other) as opened, pytest.raises(ModelMismatch, match="another version of model 'starter'"):
        list(opened.identify([tmp_path / "x.jpg"]))
    assert analyzer.model.fingerprint != "0" * 64


def test_closing_twice_does_no_harm(gallery: Gallery) -> None:
    """Close is idempotent."""
    gallery.close()
    gallery.close()


def test_faces_are_in_the_frame_of_the_original(gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """A photo that is reduced while it is read, and one that is turned by EXIF, give boxes in the upright original."""
    portrait = Image.open(sample_group / "probe" / "ada-2.jpg")
    (plain,) = identified(gallery, sample_group / "probe" / "ada-2.jpg")
    huge, turned = tmp_path / "huge.jpg", tmp_path / "turned.png"
    factor = 5000 / portrait.width
    portrait.resize((5000, 5000), Image.Resampling.BICUBIC).save(huge, quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: shown a quarter turn clockwise
    portrait.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    (large,), (upright,) = identified(gallery, huge), identified(gallery, turned)
    expected: Face = plain.faces[0].face
    assert large.width_px == 5000
    left, top, right, bottom = (side / factor for side in large.faces[0].face.box_xyxy)
    assert overlap((left, top, right, bottom), expected.box_xyxy) > 0.8, (
        "the cascade sees another scale, not another face"
    )
    assert np.allclose(upright.faces[0].face.box_xyxy, expected.box_xyxy, atol=0.5)
    assert {photo.faces[0].decision.member for photo in (plain, large, upright)} == {"Ada"}


def test_an_ambiguous_face_is_drawn_and_explained_as_one(gallery: Gallery, sample_group: Path, tmp_path: Path) -> None:
    """Under a margin that nobody has: the picture is drawn, and the words name both."""
    (result,) = identified(gallery, sample_group / "probe" / "ada-2.jpg", min_margin=0.9)
    assert result.faces[0].decision.verdict is Verdict.AMBIGUOUS
    assert draw_identified(result, Drawings(tmp_path / "drawn")).exists()
    explanation = gallery.explain(result.path, min_margin=0.9)
    assert explanation.decision == result.faces[0].decision
    assert explanation.words()[0].startswith("Ambiguous: Ada (similarity 0.9")
    assert explanation.contrast is not None


def test_covered_faces_are_decided_beside_the_photo_s_other_faces(
    gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """Ada twice: with a part of the better face covered the other one is Ada, so the covered one is not."""
    portrait = sample_group / "probe" / "ada-2.jpg"
    photo = side_by_side(tmp_path / "twice.png", portrait, portrait)
    explanation = gallery.explain(photo, member="Ada")
    assert explanation.decision.member == "Ada"
    assert {each.decision.member for each in explanation.counterfactuals} == {None}


def test_a_gallery_keeps_the_way_its_faces_are_prepared(tmp_path: Path, run_cli: RunCli) -> None:
    """What it was created with holds after it is opened again; asking for another way later is refused with advice."""
    folder = tmp_path / "boxes"
    assert run_cli("init", "-g", folder, "--model", "starter", "--preparation", "box").code == 0
    with Gallery.open(folder) as opened:
        assert opened.preparation is Preparation.BOX
        assert opened.analyzer.preparation is Preparation.BOX
    other = run_cli("init", "-g", folder, "--preparation", "landmarks")
    assert other.code == 1
    assert "--preparation landmarks" in other.err
    with Gallery.create(tmp_path / "usual", model="starter") as made:
        assert made.preparation is Preparation.LANDMARKS_MIRRORED


# --- networks -----------------------------------------------------------------------------------------------------


def test_networks_are_loaded_once_by_however_many_threads(gallery_folder: Path, analyzer: FaceAnalyzer) -> None:
    """Threads that need them at once wait for the first: the libraries cannot be imported by several together."""
    n_loads = []

    def load(_: InstalledModel) -> FaceAnalyzer:
        n_loads.append(1)
        time.sleep(0.1)
        return analyzer

    store = Store.open(gallery_folder / DATABASE_NAME)
    with (
        Gallery(gallery_folder, store=store, models=ModelFiles.default(), load_analyzer=load) as opened,
        ThreadPoolExecutor(4) as pool,
    ):
        found = list(pool.map(lambda _: opened.analyzer, range(4)))
    assert len(n_loads) == 1
    assert all(each is analyzer for each in found)
