"""``evaluate identification``, ``preparations`` and ``verification``: by hand, and end to end on the sample group."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegallery.cli.evaluating.curves import plots_of
from facegallery.cli.evaluating.identification_report import as_report
from facegallery.cli.evaluating.output import tell
from facegallery.cli.evaluating.report import rate_text
from facegallery.cli.report import as_json
from facegallery.domain import (
    Precision,
    Preparation,
    RuntimeChoice,
    ScoreRule,
    SkippedPhoto,
    TemplateSet,
)
from facegallery.errors import EvaluationError, PhotoError
from facegallery.evaluation.acquisition import ComparingJob, Looked, look_at, prepared
from facegallery.evaluation.experiment import Experiment, find_experiment
from facegallery.evaluation.half import Half
from facegallery.evaluation.identification import IdentificationReport, identification_report, own_scores
from facegallery.evaluation.intervals import Rate
from facegallery.evaluation.normalization import Normalization, normalized
from facegallery.evaluation.preparations import N_SETTINGS, compare_settings
from facegallery.evaluation.rates import ErrorRates, Trials
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.pictures.plots import DetCurve, Distributions, Plot, figure_of
from tests.conftest import RunCli

WAYS = (Preparation.BOX, Preparation.LANDMARKS_MIRRORED)


@pytest.fixture(scope="module")
def folders(sample_group: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Three members with two photos each, one photo that is none; two probes each, one of them with no face in it; two
    strangers.
    """
    root = tmp_path_factory.mktemp("people")
    for name in ("Ada", "Bea", "Cyrus"):
        (root / "enroll" / name).mkdir(parents=True)
        (root / "probe" / name.lower()).mkdir(parents=True)
        for number in (1, 2):
            shutil.copy(sample_group / "enroll" / name / f"{number}.jpg", root / "enroll" / name)
            shutil.copy(sample_group / "probe" / f"{name.lower()}-{number}.jpg", root / "probe" / name.lower())
    (root / "enroll" / "Bea" / "3.jpg").write_text("no photo")
    Image.new("RGB", (200, 200), "grey").save(root / "probe" / "cyrus" / "wall.png")
    for person in ("stranger-1", "stranger-2"):
        (root / "strangers" / person).mkdir(parents=True)
        shutil.copy(sample_group / "probe" / f"{person}a.jpg", root / "strangers" / person)
    return root / "enroll", root / "probe", root / "strangers"


@pytest.fixture(scope="module")
def experiment(folders: tuple[Path, Path, Path]) -> Experiment:
    return find_experiment(*folders)


@pytest.fixture(scope="module")
def found(experiment: Experiment, analyzer: FaceAnalyzer) -> dict[Path, Looked]:
    """Its photos, looked at once for all tests."""
    job = ComparingJob(analyzer.model, RuntimeChoice(precision=Precision.F32), preparations=WAYS)
    return dict(look_at(experiment.photos, job))


@pytest.fixture(scope="module")
def report(experiment: Experiment, found: dict[Path, Looked], analyzer: FaceAnalyzer) -> IdentificationReport:
    way = Preparation.LANDMARKS_MIRRORED
    return identification_report(
        experiment, prepared(found, way), model=analyzer.model, preparation=way, score=ScoreRule.CENTROID
    )


# --- who takes part -------------------------------------------------------------------------------------------------


def test_members_and_probes_meet_by_name(experiment: Experiment) -> None:
    """In any spelling of the folder's name; each photo is looked at once."""
    assert [offered.member for offered in experiment.plan] == ["Ada", "Bea", "Cyrus"]
    assert [attempt.person for attempt in experiment.probes] == ["Ada"] * 2 + ["Bea"] * 2 + ["Cyrus"] * 3
    assert [attempt.person for attempt in experiment.strangers] == ["stranger-1", "stranger-2"]
    assert len(experiment.photos) == 7 + 7 + 2


def test_halves_share_nobody(folders: tuple[Path, Path, Path]) -> None:
    """Two of three members tune, the third reports; of the strangers one each. Probes go with their members."""
    tune, rest = (find_experiment(*folders, half=half) for half in (Half.TUNE, Half.REPORT))
    assert [offered.member for offered in tune.plan] == ["Ada", "Bea"]
    assert {attempt.person for attempt in tune.probes} == {"Ada", "Bea"}
    assert {attempt.person for attempt in tune.strangers} == {"stranger-1"}
    assert {attempt.person for attempt in rest.probes} == {"Cyrus"}
    assert {attempt.person for attempt in rest.strangers} == {"stranger-2"}


def test_folders_that_are_no_experiment(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Each says which folder and what is wanted."""
    enroll, probe, strangers = folders
    with pytest.raises(EvaluationError, match="Ada, Bea, Cyrus is in "):
        find_experiment(enroll, probe, enroll)
    with pytest.raises(EvaluationError, match="no photo of a member"):
        find_experiment(enroll, strangers, strangers)
    with pytest.raises(EvaluationError, match="nobody in"):
        find_experiment(tmp_path, probe, strangers)
    with pytest.raises(PhotoError):
        find_experiment(tmp_path / "none", probe, strangers)
    (tmp_path / "others" / "Eve").mkdir(parents=True)
    with pytest.raises(EvaluationError, match="no stranger to look for"):
        find_experiment(enroll, probe, tmp_path / "others")
    shutil.copytree(probe, tmp_path / "probe")
    shutil.copytree(strangers / "stranger-1", tmp_path / "probe" / "Zoe")
    assert find_experiment(enroll, tmp_path / "probe", strangers).not_members == ("Zoe",)


# --- scores ---------------------------------------------------------------------------------------------------------


def test_a_member_must_be_the_nearest() -> None:
    """A nearer other member, an equal one, no face and no enrollment are all misses at any threshold."""
    scores = np.array([[0.9, 0.2], [0.6, 0.7], [0.5, 0.5], [-np.inf, -np.inf], [0.9, 0.1]], np.float32)
    own = own_scores(scores, ["Ada", "Bea"], ["Ada", "Ada", "Bea", "Bea", "Eve"])
    np.testing.assert_array_equal(own, np.array([0.9, -np.inf, -np.inf, -np.inf, -np.inf], np.float32))


def templates_of(vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> TemplateSet:
    n = len(vectors)
    return TemplateSet(1, "s", np.arange(n), vectors, tuple("abc")[:n], np.ones(n, np.float32))


def test_normalized_scores_by_hand() -> None:
    """Three members at right angles but for one pair; each side against the two others."""
    vectors = np.zeros((3, 512), np.float32)
    vectors[0, 0] = vectors[1, 1] = 1
    vectors[2, :2] = (0.6, 0.8)
    scores = np.array([[0.9, 0.3, 0.5], [-np.inf] * 3], np.float32)
    # a against b and c: 0 and 0.6; b: 0 and 0.8; c: 0.6 and 0.8
    z = np.array([(0.9 - 0.3) / 0.3, (0.3 - 0.4) / 0.4, (0.5 - 0.7) / 0.1])
    t = np.array([(0.9 - 0.4) / 0.1, (0.3 - 0.7) / 0.2, (0.5 - 0.6) / 0.3])
    for kind, wanted in ((Normalization.Z, z), (Normalization.T, t), (Normalization.S, (z + t) / 2)):
        answer = normalized(scores, templates_of(vectors), ScoreRule.BEST, kind)
        np.testing.assert_allclose(answer[0], wanted, rtol=1e-5)
        assert np.isneginf(answer[1]).all()
    adaptive = normalized(scores, templates_of(vectors), ScoreRule.BEST, Normalization.ADAPTIVE_S)
    np.testing.assert_allclose(adaptive[0], (z + t) / 2, rtol=1e-5)  # two are fewer than the nearest ten


# --- the report -----------------------------------------------------------------------------------------------------


def test_everything_is_counted(report: IdentificationReport) -> None:
    """One photo of seven is not enrolled, one probe of seven has no face; all others are named right, strangers are
    not named.
    """
    assert (report.n_templates, report.photos_lost.n_held, report.photos_lost.n) == (6, 1, 7)
    assert (report.members_lost.n_held, report.members_lost.n) == (0, 3)
    assert (report.probes_without_face.n_held, report.strangers_without_face.n_held) == (1, 0)
    assert (report.rank_1.n_held, report.rank_1.n) == (6, 7)
    assert {answer: rate.n_held for answer, rate in report.member_answers.items() if rate.n_held} == {
        "right": 6,
        "no face": 1,
    }
    assert report.stranger_answers["unknown"].n_held == 2
    assert report.at_limits.false_negatives.n_held == 1  # the probe without a face
    assert {entry.path.name for entry in report.left_out} == {"3.jpg", "wall.png"}


def test_a_member_who_cannot_be_enrolled_is_missed(
    experiment: Experiment, found: dict[Path, Looked], analyzer: FaceAnalyzer
) -> None:
    """Failure to enroll counts in FNIR: the probes of that member name nobody, or somebody else."""
    way = Preparation.BOX
    answers = prepared(found, way)
    for offered in experiment.plan[:1]:
        answers |= {path: SkippedPhoto(path, "damaged", "gone") for path in offered.photos if isinstance(path, Path)}
    made = identification_report(experiment, answers, model=analyzer.model, preparation=way, score=ScoreRule.BEST)
    assert (made.members_lost.n_held, made.members_lost.n) == (1, 3)
    assert made.at_limits.false_negatives.n_held == 2 + 1
    assert made.rank_1.n_held == 4


def test_nobody_can_be_enrolled(experiment: Experiment, found: dict[Path, Looked], analyzer: FaceAnalyzer) -> None:
    """An experiment without members is an error, not a rate."""
    answers: dict[Path, Looked] = {path: SkippedPhoto(path, "damaged", "gone") for path in found}
    with pytest.raises(EvaluationError, match="Not one photo"):
        list(compare_settings(experiment, answers, model=analyzer.model))


def test_every_form_of_the_report(report: IdentificationReport, tmp_path: Path) -> None:
    """JSON holds every search; Markdown has whole rows; the page and the picture hold both plots."""
    made = as_report(report)
    document = json.loads(as_json(made.document))
    assert document["rank_1"]["n_held"] == 6
    assert len(document["searched"]) == 9
    assert document["at_rates"][0] == {"wanted_fpir": 0.001, "supported": False, "n": 2}
    assert len({line.count("|") for line in made.markdown.splitlines() if line.startswith("| named")}) == 1
    assert "not supported by 2 comparisons" in made.markdown
    for name in ("r.json", "r.md", "r.html", "r.png"):
        tell(made, json=False, markdown=True, out=[tmp_path / name])
        tell(made, json=True, markdown=False, out=[tmp_path / name])  # replaces it: it is ours
    tell(made, json=True, markdown=False, out=[tmp_path / "a.md", tmp_path / "b.json"])
    assert (tmp_path / "a.md").exists()
    assert (tmp_path / "b.json").exists()
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == len(made.plots)
    assert "http:" not in page
    assert "https:" not in page
    with Image.open(tmp_path / "r.png") as picture:
        assert picture.size[0] == len(made.plots) * picture.size[1]


def test_plots_of_what_can_be_told() -> None:
    """A curve needs strangers enough, bars need scores of both kinds; nothing is drawn of nothing."""
    enough = ErrorRates(
        Trials(np.array([0.9, -np.inf], np.float32), [("a",), ("b",)]),
        Trials(np.linspace(0, 0.8, 10, dtype=np.float32), [(str(place),) for place in range(10)]),
    )
    kinds = {"members": enough.mated.scores, "strangers": enough.non_mated.scores}
    curve, bars = plots_of(enough, ("FPIR", "FNIR"), kinds, 0.7)
    assert (curve.title, bars.title) == ("FNIR against FPIR", "Similarities")
    few = ErrorRates(enough.mated, Trials(np.array([0.1], np.float32), [("c",)]))
    assert [plot.title for plot in plots_of(few, ("FPIR", "FNIR"), kinds, 0.7)] == ["Similarities"]
    assert plots_of(few, ("FPIR", "FNIR"), {**kinds, "members": enough.mated.scores[1:]}, 0.7) == ()


def test_a_plot_by_itself_says_what_is_drawn() -> None:
    """Title, legend for curve, band and threshold; that 0 is drawn as something else is said where 0 is drawn."""
    some = np.array([0.01, 0.1, 0.5])
    curve = DetCurve("FNIR against FPIR", ("FPIR", "FNIR"), some, some[::-1], some[::-1] / 2, some[::-1] * 1.5)
    scores = {"members": np.array([0.6, 0.9], np.float32), "strangers": np.array([0.1, 0.3], np.float32)}

    def words(plot: Plot) -> tuple[str, list[str], str]:
        (axes,) = figure_of([plot]).axes
        legend = axes.get_legend()
        assert legend is not None
        return axes.get_title(), [each.get_text() for each in legend.get_texts()], legend.get_title().get_text()

    assert words(curve) == ("FNIR against FPIR", ["95 % interval", "FNIR"], "")
    assert words(replace(curve, false_negatives=np.array([0.5, 0.1, 0.0])))[2] == "0 is drawn as 0.1 %"
    assert words(Distributions("Similarities", scores, 0.5)) == (
        "Similarities",
        ["members (2)", "strangers (2)", "threshold 0.500"],
        "",
    )


def test_a_rate_in_words() -> None:
    """Share, interval and counts; more places only where counts give them."""
    assert rate_text(Rate(1, 4, 0.01, 0.5)) == "25.0% (1.0 to 50.0), 1 of 4"
    assert rate_text(Rate(3, 3000, 0.0002, 0.003)) == "0.10% (0.02 to 0.30), 3 of 3000"
    assert rate_text(Rate(0, 0, 0, 1)) == "none to count"


# --- the commands ---------------------------------------------------------------------------------------------------


def test_the_command_identifies(folders: tuple[Path, Path, Path], run_cli: RunCli, tmp_path: Path) -> None:
    """Figures on standard output, what gave nothing beside them, and exit code 3 because something did."""
    done = run_cli("evaluate", "identification", *folders, "--out", tmp_path / "report.md")
    assert done.code == 3
    assert "85.7%" in done.out
    assert "6 of 7" in done.out
    assert "Gave nothing: 2 photos" in done.err
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("<!-- facegallery evaluate identification")
    assert not (tmp_path / "default-gallery").exists()


def test_the_command_verifies(sample_group: Path, run_cli: RunCli, tmp_path: Path) -> None:
    """Two folds of one pair each, in LFW's layout: all right, and no FMR claimed from two comparisons."""
    for name in ("Ada", "Bea"):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            shutil.copy(sample_group / "enroll" / name / f"{number}.jpg", tmp_path / name / f"{name}_{number:04d}.jpg")
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("2\t1\nAda\t1\t2\nAda\t1\tBea\t1\nBea\t1\t2\nAda\t2\tBea\t2\n", encoding="utf-8")
    done = run_cli("evaluate", "verification", pairs, tmp_path, "--json")
    assert done.code == 0
    document = json.loads(done.out)
    assert (document["folds"]["mean"], document["n_pairs_lost"]) == (1, 0)
    assert document["at_threshold"]["fnmr"]["n"] == 2
    assert not any(at["supported"] for at in document["at_rates"])
    assert len(document["mated"]) == 2
    bad = run_cli("evaluate", "verification", tmp_path / "none.txt", tmp_path)
    assert bad.code == 1
    assert "none.txt" in bad.err


def test_the_command_compares_preparations(folders: tuple[Path, Path, Path], run_cli: RunCli, tmp_path: Path) -> None:
    """A row for each preparation and rule, and for each normalization of the usual ones."""
    file = tmp_path / "table.json"
    done = run_cli("evaluate", "preparations", *folders, "--out", file)
    assert done.code == 0
    document = json.loads(file.read_text(encoding="utf-8"))
    assert len(document["settings"]) == N_SETTINGS
    assert document["usual"] == {"preparation": "landmarks-mirrored", "score": "centroid"}
    assert sum(setting["normalization"] is not None for setting in document["settings"]) == len(Normalization)
    assert run_cli("evaluate", "preparations", *folders, "--out", tmp_path / "table.png").code == 2  # it has no plots


def test_wrong_photos_are_audited(
    run_cli: RunCli, folders: tuple[Path, Path, Path], sample_group: Path, tmp_path: Path
) -> None:
    """``evaluate audit`` tells counts and identification before and after; too few members are a fault of usage."""
    told = json.loads(
        run_cli(
            "evaluate",
            "audit",
            sample_group / "enroll",
            folders[1],
            folders[2],
            "--seeds",
            2,
            "--noise",
            0.05,
            "--json",
        ).out
    )
    assert told["rates"]["recall"]["n"] == sum(run["n_wrong"] for run in told["runs"]) > 0
    assert told["as_enrolled"][0] == pytest.approx(6 / 7)
    left_out = sample_group / "enroll" / "Ada" / "1.jpg"
    arguments = ("evaluate", "audit", sample_group / "enroll", folders[1], folders[2], "--seeds", 2, "--without")
    assert json.loads(run_cli(*arguments, left_out, "--json").out)["n_templates"] == told["n_templates"] - 1
    assert run_cli(*arguments, tmp_path / "another.jpg").code == 2
    few = tmp_path / "few"
    shutil.copytree(folders[0] / "Ada", few / "Ada")
    assert run_cli("evaluate", "audit", few, folders[1], folders[2]).code == 2
