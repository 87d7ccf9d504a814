"""A calibrated gallery: what is kept, which limits are in force, and how they are told in the shell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from facegallery import Gallery
from facegallery.cli.evaluating.calibration import require_enough
from facegallery.domain import (
    Calibration,
    Candidate,
    Decision,
    EmbeddedFace,
    Face,
    Limits,
    ModelIdentity,
    Photo,
    ScoreRule,
    StrangerRate,
    TemplateSet,
    Verdict,
)
from facegallery.errors import CalibrationRefused, EvaluationError
from facegallery.evaluation.calibration import RateRow, split_halves
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.limits import limits_in_force
from facegallery.gallery.words import decision_words, threshold_words
from facegallery.matching.decisions import DEFAULT_MIN_MARGIN
from facegallery.settings import DATABASE_NAME
from facegallery.store import Store
from facegallery.weights.catalogue import CATALOGUE
from tests.conftest import RunCli, open_with
from tests.test_calibration import people, rng

MADE = Calibration(
    created_at=datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=timezone.utc),
    score=ScoreRule.CENTROID,
    wanted_fmr=0.001,
    threshold=0.6543,
    min_margin=0.0421,
    fmr=0.00098,
    fmr_low=0.0002,
    fmr_high=0.004,
    fnmr=0.25,
    n_mated=192,
    n_non_mated=9024,
    n_members=48,
    n_templates=192,
    n_enrolled=200,
    n_named=150,
    n_misnamed=9,
    margin_chosen=True,
    stranger_scores=np.array([-0.25, 0.5, 0.625], np.float32),
)
SPEC = CATALOGUE["starter"]


def kept(calibration: Calibration | None) -> dict[str, object]:
    assert calibration is not None
    fields = {name: getattr(calibration, name) for name in Calibration.__dataclass_fields__}
    return {**fields, "stranger_scores": calibration.stranger_scores.tolist()}


def fill(store: Store, templates: TemplateSet, model: ModelIdentity) -> None:
    """Enroll vectors as if they came from photos."""
    face = Face((0, 0, 1, 1), ((0, 0),) * 5, 1)
    for number, (vector, member) in enumerate(zip(templates.vectors, templates.members, strict=True)):
        photo = Photo(Path(f"/{number}.jpg"), f"{number:064d}", np.zeros((1, 1, 3), np.uint8), 1, 1)
        store.enroll(f"Member {member}", photo, face=EmbeddedFace(face, vector), model=model)


@pytest.fixture
def large_folder(tmp_path: Path, analyzer: FaceAnalyzer) -> Path:
    """A gallery of 30 members with 4 photos each, whose vectors were drawn."""
    folder = tmp_path / "large"
    with open_with(folder, analyzer):
        pass
    with Store.open(folder / DATABASE_NAME) as store:
        fill(store, people(30, 4, rng()), analyzer.model.identity)
    return folder


@pytest.fixture
def large(large_folder: Path, analyzer: FaceAnalyzer) -> Iterator[Gallery]:
    with open_with(large_folder, analyzer) as gallery:
        yield gallery


# --- the store ----------------------------------------------------------------------------------------------------


def test_a_calibration_comes_back_as_it_was_kept(gallery_folder: Path) -> None:
    """Every field, to the last bit, also in another process; a later one takes its place, and it can be dropped."""
    path = gallery_folder / DATABASE_NAME
    with Store.open(path) as store, Store.open(path) as another:
        assert store.calibration() is None
        assert store.keep_calibration(MADE, state=store.state())
        assert kept(another.calibration()) == kept(MADE)
        assert store.keep_calibration(replace(MADE, threshold=0.5, score=ScoreRule.BEST), state=store.state())
        again = another.calibration()
        assert again is not None
        assert (again.threshold, again.score) == (0.5, ScoreRule.BEST)
        store.drop_calibration()
        assert another.calibration() is None


def test_keeping_a_calibration_makes_no_work_for_the_index(gallery_folder: Path) -> None:
    """The templates are the same, so the state is."""
    with Store.open(gallery_folder / DATABASE_NAME) as store:
        state = store.state()
        store.keep_calibration(MADE, state=state)
        assert store.state() == state


def test_forgetting_a_member_forgets_the_scores_of_single_photos(gallery_folder: Path) -> None:
    """Their bytes are gone from the file; the threshold, a number about the group, stays in force."""
    path = gallery_folder / DATABASE_NAME
    scores = np.linspace(0.111, 0.222, 50, dtype=np.float32)
    with Store.open(path) as store:
        store.keep_calibration(replace(MADE, stranger_scores=scores), state=store.state())
        assert store.calibration() is not None
        store.forget("Ada")
        left = store.calibration()
    assert left is not None
    assert (left.threshold, len(left.stranger_scores)) == (MADE.threshold, 0)
    assert not any(scores.tobytes() in file.read_bytes() for file in gallery_folder.glob(f"{DATABASE_NAME}*"))


@pytest.mark.parametrize("how", ["forget", "remove_templates"])
def test_a_calibration_of_what_was_forgotten_meanwhile_is_not_kept(gallery_folder: Path, how: str) -> None:
    """What was read before somebody was forgotten does not come back as numbers; nor do scores outlive their photos."""
    with Store.open(gallery_folder / DATABASE_NAME) as store:
        before = store.state()
        assert store.keep_calibration(MADE, state=before)
        ids = store.templates("Ada").ids.tolist()
        store.forget("Ada") if how == "forget" else store.remove_templates(ids)
        left = store.calibration()
        assert left is not None
        assert len(left.stranger_scores) == 0
        assert not store.keep_calibration(MADE, state=before)
        again = store.calibration()
        assert again is not None
        assert len(again.stranger_scores) == 0


# --- the limits in force ------------------------------------------------------------------------------------------


def limits(
    calibration: Calibration | None = MADE,
    *,
    n_members: int = 48,
    n_templates: int = 200,
    threshold: float | None = None,
    min_margin: float | None = None,
) -> Limits:
    return limits_in_force(
        SPEC,
        calibration,
        score=ScoreRule.CENTROID,
        n_members=n_members,
        n_templates=n_templates,
        threshold=threshold,
        min_margin=min_margin,
    )


def test_what_is_asked_for_goes_before_the_calibration_and_that_before_the_model() -> None:
    """Threshold and margin each by themselves, and the source says which; 0.0 is asked for like any other."""
    assert limits(None) == Limits(SPEC.threshold, DEFAULT_MIN_MARGIN, "default of model 'starter'")
    assert limits() == Limits(0.6543, 0.0421, "calibrated 2026-11-21 on 48 members for FMR 0.1 %")
    calibrated = "calibrated 2026-11-21 on 48 members for FMR 0.1 %"
    assert limits(threshold=0.0) == Limits(0.0, 0.0421, f"threshold asked for; else {calibrated}")
    assert limits(min_margin=0.0) == Limits(0.6543, 0.0, f"margin asked for; else {calibrated}")
    assert limits(threshold=0.5, min_margin=0.1) == Limits(0.5, 0.1, "threshold and margin asked for")
    with pytest.raises(ValueError, match="a threshold is a similarity"):
        limits(threshold=float("nan"))


def test_a_calibration_is_not_used_for_another_score_rule() -> None:
    """Similarities by another rule are other numbers; that there is a calibration is said."""
    found = limits(replace(MADE, score=ScoreRule.BEST))
    assert found == Limits(SPEC.threshold, DEFAULT_MIN_MARGIN, "default of model 'starter'; calibrated for best only")


@pytest.mark.parametrize(("n_members", "says"), [(48, False), (39, False), (57, False), (38, True), (58, True)])
def test_a_gallery_that_changed_much_says_calibrate_again(n_members: int, says: bool) -> None:
    """By more than a fifth of the members, up or down; the calibration stays in force."""
    found = limits(n_members=n_members)
    assert found.threshold == 0.6543
    assert found.source.endswith(f"{n_members} members now: calibrate again") is says


@pytest.mark.parametrize(("n_templates", "says"), [(200, False), (160, False), (240, False), (159, True), (241, True)])
def test_so_does_one_with_many_more_or_fewer_photos(n_templates: int, says: bool) -> None:
    """The same members with a fifth more photos or fewer than were enrolled then, copies among them."""
    source = limits(n_templates=n_templates).source
    assert source.endswith(f"{n_templates} photos now, 200 then: calibrate again") is says


def test_a_forgotten_member_is_a_reason_to_calibrate_again() -> None:
    """What strangers score is not told any more, and why is."""
    assert "a member was forgotten since" in limits(replace(MADE, stranger_scores=np.empty(0, np.float32))).source


# --- the gallery --------------------------------------------------------------------------------------------------


def test_a_calibrated_gallery_decides_by_its_calibration(large: Gallery, sample_group: Path) -> None:
    """Limits and strangers come with each decision; by another rule, or after a reset, they do not."""
    done = large.calibrate(fmr=0.01)
    assert large.limits().threshold == done.calibration.threshold != SPEC.threshold
    assert done.before == Limits(SPEC.threshold, DEFAULT_MIN_MARGIN, "default of model 'starter'")
    (photo,) = large.identify([sample_group / "group.jpg"])
    decision = photo.faces[0].decision  # type: ignore[union-attr]  # a skipped photo would fail here, rightly
    assert decision.limits == large.limits()
    assert decision.best is not None
    n_reached = int((done.calibration.stranger_scores >= decision.best.similarity).sum())
    assert decision.strangers == StrangerRate(n_reached, 120, 30)
    (photo,) = large.identify([sample_group / "group.jpg"], score=ScoreRule.BEST)
    assert photo.faces[0].decision.strangers is None  # type: ignore[union-attr]  # as above
    large.reset_calibration()
    assert large.limits().threshold == SPEC.threshold


def test_a_refusal_keeps_the_calibration_before(large: Gallery) -> None:
    """What was good stays."""
    before = large.calibrate(fmr=0.01).calibration
    with pytest.raises(CalibrationRefused):
        large.calibrate(fmr=1e-6)
    assert kept(large.calibration) == kept(before)


@pytest.mark.parametrize("fmr", [0.0, 0.11, 0.9, float("nan")])
def test_a_rate_at_which_most_strangers_are_named_is_refused(large: Gallery, fmr: float) -> None:
    """Above 0.1 nothing is calibrated; 0.1 itself is the most."""
    with pytest.raises(ValueError, match=r"above 0 and at most 0\.1"):
        large.calibrate(fmr=fmr)
    assert large.calibration is None
    assert large.calibrate(fmr=0.1).calibration.wanted_fmr == 0.1


def test_the_same_gallery_is_calibrated_alike(large: Gallery) -> None:
    """Nothing is drawn anew: the second answer is the first, but for the time."""
    first, second = (kept(large.calibrate(fmr=0.01).calibration) for _ in range(2))
    assert {**first, "created_at": None} == {**second, "created_at": None}


def test_a_decision_says_how_many_strangers_score_as_high() -> None:
    """One sentence more where it is known, and where the threshold is from."""
    candidate = Candidate("Ada", 0.8, 1, 1)
    decision = Decision(
        Verdict.MATCH, candidate, None, Limits(0.7, 0.03, "asked for"), (candidate,), strangers=StrangerRate(4, 120, 60)
    )
    assert decision_words(decision) == (
        "Ada: similarity 0.80, threshold 0.70. About 1 in 20 strangers would score this high."
    )
    assert threshold_words(decision.limits) == "Threshold 0.70, margin 0.03: asked for."


# --- the shell ----------------------------------------------------------------------------------------------------


def test_calibrate_by_the_shell(run_cli: RunCli, large_folder: Path, sample_group: Path) -> None:
    """A table with counts and interval; doctor and identify then say where the threshold is from; --reset undoes it."""
    done = run_cli("calibrate", "--fmr", "0.01", "--gallery", large_folder)
    assert done.code == 0
    assert "of 3,480 comparisons; among as many others" in done.out
    assert "of 120 photos against their member's others" in done.out
    source = "on 30 members for FMR 1 %"
    assert source in done.out
    assert source in run_cli("doctor", "--gallery", large_folder).out
    identified = run_cli("identify", sample_group / "group.jpg", "--gallery", large_folder)
    assert "strangers" in identified.out.splitlines()[1]
    document = json.loads(run_cli("identify", sample_group / "group.jpg", "--gallery", large_folder, "--json").out)
    face = document["photos"][0]["faces"][0]
    assert source in face["threshold_source"] == document["threshold_source"]
    assert face["strangers"].keys() == {"reached", "of", "words"}
    row = run_cli("identify", sample_group / "group.jpg", "--gallery", large_folder, "--csv").out.splitlines()[1]
    assert face["strangers"]["words"] in row
    assert "default of model 'starter'" in run_cli("calibrate", "--reset", "--gallery", large_folder).out
    identified = run_cli("identify", sample_group / "group.jpg", "--gallery", large_folder)
    assert "strangers" not in identified.out


def test_calibrate_as_json(run_cli: RunCli, large_folder: Path) -> None:
    """All numbers, those before among them."""
    fields = json.loads(run_cli("calibrate", "--fmr", "0.01", "--json", "--gallery", large_folder).out)
    assert fields["fmr"] <= fields["wanted_fmr"] == 0.01
    assert fields["fmr_interval"][0] <= fields["fmr"] <= fields["fmr_interval"][1]
    assert (fields["n_members"], fields["n_photos"], fields["n_non_mated"]) == (30, 120, 3480)
    assert fields["before"]["threshold"] == SPEC.threshold


def test_the_sample_group_is_too_small_to_calibrate(run_cli: RunCli, gallery_folder: Path) -> None:
    """Six people are refused in one sentence with what to add, and nothing is kept."""
    done = run_cli("calibrate", "--gallery", gallery_folder)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "Error: The gallery cannot be calibrated: it has 6 members, and fewer than 10 say too little about strangers. "
        "Enroll 4 or more others, with two photos each or more: 'facegallery enroll DIR'.\n"
    )
    assert "default of model 'starter'" in run_cli("doctor", "--gallery", gallery_folder).out


@pytest.mark.parametrize("rate", ["0", "1", "-0.1", "nan", "2", "0.11", "0.9"])
def test_what_is_no_rate_is_a_fault_of_usage(run_cli: RunCli, gallery_folder: Path, rate: str) -> None:
    """A rate is above 0 and at most 0.1."""
    assert run_cli("calibrate", "--fmr", rate, "--gallery", gallery_folder).code == 2
    assert run_cli("evaluate", "calibration", gallery_folder, "--fmr", rate).code == 2


def test_a_stale_calibration_is_told_once_with_the_command(
    run_cli: RunCli, gallery_folder: Path, sample_group: Path
) -> None:
    """By ``identify`` and ``enroll``, beside the answer; nothing is said of one that fits."""
    probe, more = sample_group / "group.jpg", sample_group / "probe" / "ada-1.jpg"
    with Store.open(gallery_folder / DATABASE_NAME) as store:
        store.keep_calibration(replace(MADE, n_members=6, n_enrolled=24), state=store.state())
        assert "calibrate" not in run_cli("identify", probe, "--gallery", gallery_folder).err
        assert "calibrate" not in run_cli("enroll", "--member", "Ada", more, "--gallery", gallery_folder).err
        store.keep_calibration(
            replace(MADE, n_members=6, n_enrolled=20, wanted_fmr=0.003, score=ScoreRule.BEST), state=store.state()
        )
    told = "25 photos now, 20 then: calibrate again: facegallery calibrate --fmr 0.003 --score best"
    for arguments in (("identify", probe), ("enroll", "--member", "Ada", more)):
        assert run_cli(*arguments, "--gallery", gallery_folder).err.count(told) == 1


# --- evaluation ---------------------------------------------------------------------------------------------------


def test_halves_are_calibrated_on_one_side_and_measured_on_the_other() -> None:
    """Each split has all people once; the same seed makes the same splits; few rates fall outside their interval."""
    templates = people(80, 4, rng())
    runs = [
        list(split_halves(templates, score=ScoreRule.CENTROID, fmr=0.005, n_splits=10, before=limits(None), rng=rng()))
        for _ in range(2)
    ]
    row = RateRow(0.005, tuple(runs[0]))
    assert [half.fmr_on_others for half in runs[0]] == [half.fmr_on_others for half in runs[1]]
    assert {(half.calibration.n_members, half.n_non_mated) for half in row.halves} == {(40, 160 * 39)}
    assert len({half.calibration.threshold for half in row.halves}) > 5
    assert row.n_inside >= 9
    least, median, greatest = row.quantiles("fmr_on_others")
    assert least < median < greatest
    assert row.total("n_named_clearly") <= row.total("n_named")


def test_evaluate_calibration_by_the_shell(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """Half of six people cannot be calibrated: the folders are named, and how many people they need; a photo that
    gives nothing is named too.
    """
    people_folder = tmp_path / "people"
    shutil.copytree(sample_group / "enroll", people_folder)
    (people_folder / "Ada" / "1.jpg").write_bytes(b"no photo")
    done = run_cli("evaluate", "calibration", people_folder)
    assert done.code == 1
    assert f"Error: {people_folder}: 6 members could be enrolled, so each half has 3 members" in done.err
    assert "for a false match rate of 0.1 %. That takes about 104 people with as many photos each" in done.err
    assert "Gave nothing: 1 photo: " in done.err
    assert "facegallery calibrate" not in done.err


def test_too_few_people_are_told_a_rate_that_every_half_supports() -> None:
    """Of 40 people with 4 photos each half has 20 members and 20 * 4 * 19 comparisons of different people."""
    templates = people(40, 4, rng())
    with pytest.raises(EvaluationError, match=r"'facegallery evaluate calibration a b --fmr 0\.0066'") as refused:
        require_enough([Path("a"), Path("b")], templates, 0.001)
    assert "each half has 20 members" in str(refused.value)
    require_enough([Path("a")], templates, 0.0066)
