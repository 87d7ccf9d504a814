"""``evaluate explanations``: which faces are taken, what is measured, what the rows and the command say."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from facegallery.cli.evaluating.explanations_report import as_report
from facegallery.cli.report import as_json
from facegallery.domain import ModelIdentity, Pixels
from facegallery.errors import ExplanationError, PhotoError
from facegallery.evaluation.comparison import ExplanationReport, summarized
from facegallery.evaluation.explanations import (
    Checks,
    MethodOnFace,
    evaluate_explanations,
    with_baselines,
)
from facegallery.evaluation.intervals import Mean, Rate
from facegallery.evaluation.probes import Probe, SkippedPerson, find_probes
from facegallery.explanation.baselines import CentredGaussian
from facegallery.explanation.faithfulness import STAGES, Faithfulness, randomization
from facegallery.explanation.fills import Fill
from facegallery.explanation.gradcam import GradCamMatch
from facegallery.explanation.method import ExplainedModel, ExplanationMethod, HeatMap, Target
from facegallery.explanation.rise import CorrRise
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.explaining.checks import shuffled_networks
from tests.conftest import RunCli
from tests.tiny_network import GREEN, RED, TEMPLATE, TinyModel, quarters

CROP = quarters(RED, GREEN)
GREY = quarters(np.full((2, 2), 120, np.uint8), np.full((2, 2), 160, np.uint8))
OTHER = quarters(np.full((2, 2), 255, np.uint8), np.full((2, 2), 100, np.uint8))
QUICK = Checks(n_steps=2, n_thorough=0)


@pytest.fixture
def people(sample_group: Path, tmp_path: Path) -> Path:
    """Two people with two good photos each and one that is none; one with a single photo; one with nobody in it."""
    folder = tmp_path / "people"
    for name in ("Ada", "Bea"):
        (folder / name).mkdir(parents=True)
        for number in (1, 2):
            shutil.copy(sample_group / "enroll" / name / f"{number}.jpg", folder / name)
    (folder / "Ada" / "0.jpg").write_text("no photo")
    (folder / "Cyrus").mkdir()
    shutil.copy(sample_group / "enroll" / "Cyrus" / "1.jpg", folder / "Cyrus")
    shutil.copy(sample_group / "group.jpg", folder / "Cyrus")
    return folder


def probe_of(person: str, crop: Pixels) -> Probe:
    model = TinyModel()
    return Probe(
        person, Path(f"{person}.jpg"), crop, model.embedder.embed(crop[None])[0], TEMPLATE, Path("n.jpg"), 0.5, 0
    )


# --- which faces ----------------------------------------------------------------------------------------------------


def test_one_probe_a_person(people: Path, analyzer: FaceAnalyzer) -> None:
    """The first usable photo by name against the nearest of the others; who has fewer than two is named with why."""
    shutil.copy(people / "Bea" / "1.jpg", people / "Ada" / "3.jpg")  # somebody else's: not the nearest
    ada, bea, cyrus = find_probes(people, analyzer=analyzer)
    assert isinstance(ada, Probe)
    assert isinstance(bea, Probe)
    assert (ada.person, ada.path.name, ada.nearest_path.name, ada.n_left_out) == ("Ada", "1.jpg", "2.jpg", 1)
    assert ada.similarity == pytest.approx(float(ada.embedding @ ada.nearest), abs=1e-6)
    assert ada.crop.shape == (160, 160, 3)
    np.testing.assert_allclose(analyzer.embedder.embed(ada.crop[None])[0], ada.embedding, atol=1e-4)
    assert (bea.person, bea.n_left_out) == ("Bea", 0)
    assert isinstance(cyrus, SkippedPerson)
    assert cyrus.reason.startswith("1 of 2 photos")

    assert [found.person for found in find_probes(people, analyzer=analyzer, n_faces=1)] == ["Ada"]


def test_a_folder_that_is_not_there(tmp_path: Path, analyzer: FaceAnalyzer) -> None:
    """It is said at once."""
    with pytest.raises(PhotoError):
        list(find_probes(tmp_path / "nowhere", analyzer=analyzer))


def test_nothing_to_explain_says_what_is_wanted() -> None:
    """A folder without a probe is an error that says how a folder should be."""
    with pytest.raises(ExplanationError, match="two photos or more"):
        list(evaluate_explanations([], {}, model=TinyModel()))


# --- what is measured -----------------------------------------------------------------------------------------------


@dataclass
class Adding:
    """A method whose values come to the score but for an error."""

    error: float
    n_calls: int = 0
    name: str = "adding"

    def explain(
        self,
        model: ExplainedModel,  # noqa: ARG002 - the signature is the Protocol's
        crop: Pixels,  # noqa: ARG002 - the signature is the Protocol's
        targets: Sequence[Target],
    ) -> tuple[HeatMap, ...]:
        """Answer for each target."""
        self.n_calls += 1
        values = np.array([[0.1, 0.2], [-0.05, 0.3]], np.float32)
        score = 0.25 + float(values.sum(dtype=np.float64)) + self.error
        return tuple(HeatMap(self.name, values, target.words, score, False, True, base=0.25) for target in targets)


def test_every_method_is_measured_on_every_probe() -> None:
    """In order, with what only some methods have: sums that add up within 1e-5, and no more."""
    right = Adding(5e-6)
    methods: dict[str, ExplanationMethod] = {"right": right, "wrong": Adding(-2e-5), "gaussian": CentredGaussian()}
    probes = [probe_of("Ada", CROP), probe_of("Bea", OTHER)]
    measured = list(evaluate_explanations(probes, methods, model=TinyModel(), checks=QUICK))
    assert [(one.person, one.method) for one in measured] == [
        (person, method) for person in ("Ada", "Bea") for method in methods
    ]
    assert [one.adds_up for one in measured[:3]] == [True, False, None]
    assert all(one.seconds >= 0 and one.stability is None and one.randomization is None for one in measured)
    # once to warm up; each face: the map, and the game where it is played
    n_played = sum(one.hit is not None for one in measured if one.method == "right")
    assert right.n_calls == 1 + 2 + n_played


def test_the_game_is_played_with_the_next_face_or_not_at_all() -> None:
    """Two people play; one alone has nobody to take a patch from."""
    methods = {"gaussian": CentredGaussian()}
    both = list(
        evaluate_explanations([probe_of("Ada", GREY), probe_of("Bea", OTHER)], methods, model=TinyModel(), checks=QUICK)
    )
    assert both[0].hit is not None
    (alone,) = evaluate_explanations([probe_of("Ada", CROP)], methods, model=TinyModel(), checks=QUICK)
    assert alone.hit is None


def test_the_slow_checks_are_made_on_the_first_faces_only() -> None:
    """Shuffled weights and stability: on as many as the checks say, and not at all where they say none."""
    probes = [probe_of("Ada", CROP), probe_of("Bea", OTHER)]
    shuffled = [("top", TinyModel())]

    def measure(n_thorough: int) -> list[tuple[float | None, Mapping[str, float] | None]]:
        checks = Checks(n_steps=1, n_thorough=n_thorough)
        found = evaluate_explanations(
            probes, {"gaussian": CentredGaussian()}, model=TinyModel(), shuffled=shuffled, checks=checks
        )
        return [(one.stability, one.randomization) for one in found]

    (stable, left), second = measure(1)
    assert stable == pytest.approx(1, abs=0.01)
    assert left is not None
    assert dict(left) == pytest.approx({"top": 1})
    assert second == (None, None)
    assert measure(0) == [(None, None)] * 2


def test_a_run_that_is_stopped_keeps_what_is_done() -> None:
    """Values come one by one, and rows are made of as many as there are."""
    probes = [probe_of("Ada", CROP), probe_of("Bea", OTHER)]
    running = evaluate_explanations(probes, with_baselines({"adding": Adding(0)}), model=TinyModel(), checks=QUICK)
    rows = summarized(list(islice(running, 7)))  # all five of Ada and two of Bea
    assert [(row.method, row.n_faces) for row in rows] == [
        ("adding", 2),
        ("random", 2),
        ("random-pixels", 1),
        ("gaussian", 1),
        ("edges", 1),
    ]
    assert rows[0].beats["random"].n == 2
    assert rows[0].beats["gaussian"].n == 1


def test_the_bundled_network_shuffled(people: Path, analyzer: FaceAnalyzer) -> None:
    """The analyzer's network with its last layers shuffled still embeds, and not as before. Maps of a method that
    looks into it and of one that only asks the embedder change, a Gaussian does not; the analyzer's own answers stay.
    """
    (probe,) = islice(find_probes(people, analyzer=analyzer), 1)
    assert isinstance(probe, Probe)
    ((stage, model),) = stages = list(islice(shuffled_networks(analyzer), 1))
    assert stage == STAGES[0][0]
    shuffled = model.embedder.embed(probe.crop[None])[0]
    assert np.linalg.norm(shuffled) == pytest.approx(1, abs=1e-3)
    assert shuffled @ probe.embedding < 0.5

    target = Target(probe.nearest, "similarity")
    changed: dict[str, list[float]] = {}
    methods: tuple[ExplanationMethod, ...] = (GradCamMatch(), CorrRise(n_masks=30), CentredGaussian())
    for method in methods:
        (heat,) = method.explain(analyzer, probe.crop, [target])
        assert heat.score == pytest.approx(probe.similarity, abs=1e-4)
        left = randomization(method, probe.crop, target, heat, stages)
        assert left is not None
        changed[method.name] = list(left.values())
    assert max(changed["gradcam-match"]) < 0.8
    assert max(changed["corrrise"]) < 0.8
    assert changed["gaussian"] == [pytest.approx(1)]


# --- the rows -------------------------------------------------------------------------------------------------------


def on_face(method: str, face: int, difference: float, **more: object) -> MethodOnFace:
    area = Faithfulness(dict.fromkeys(Fill, 0.25), dict.fromkeys(Fill, 0.25 + difference), bool(more.get("constant")))
    return MethodOnFace(
        method=method,
        person=f"person {face}",
        path=Path(f"{face}.jpg"),
        faithfulness=area,
        adds_up=more.get("adds_up"),  # type: ignore[arg-type]  # as the test gives it
        hit=more.get("hit"),  # type: ignore[arg-type]  # as the test gives it
        stability=more.get("stability"),  # type: ignore[arg-type]  # as the test gives it
        randomization=more.get("randomization"),  # type: ignore[arg-type]  # as the test gives it
        seconds=float(face),
    )


def test_rows_by_hand() -> None:
    """Means, counts with their own denominators, wins without ties, and the median time."""
    measured = [
        on_face("own", 1, 0.3, hit=True, stability=0.8, randomization={"a": 0.2, "b": 0.1}, adds_up=True),
        on_face("gaussian", 1, 0.3),
        on_face("own", 2, 0.4, hit=False, stability=0.6, randomization={"a": 0.4, "b": 0.3}, adds_up=False),
        on_face("gaussian", 2, 0.1),
        on_face("own", 9, 0.5, hit=None, constant=True, adds_up=True),
        on_face("gaussian", 9, 0.6),
    ]
    own, gaussian = summarized(measured)
    assert (own.method, own.is_baseline, own.n_faces) == ("own", False, 3)
    assert (gaussian.is_baseline, gaussian.beats) == (True, {})
    assert (own.constant.n_held, own.constant.n) == (1, 3)
    assert own.deletion == pytest.approx(dict.fromkeys(Fill, 0.25))
    assert own.insertion == pytest.approx(dict.fromkeys(Fill, 0.65))
    assert own.difference.value == pytest.approx(0.4)
    assert (own.beats["gaussian"].n_held, own.beats["gaussian"].n) == (1, 3)
    assert (own.hits.n_held, own.hits.n) == (1, 2)
    assert own.adds_up is not None
    assert (own.adds_up.n_held, own.adds_up.n) == (2, 3)
    assert gaussian.adds_up is None
    assert own.stability == pytest.approx(0.7)
    assert own.randomization == pytest.approx({"a": 0.3, "b": 0.2})
    assert (own.n_randomized, gaussian.n_randomized, gaussian.stability) == (2, 0, None)
    assert own.seconds == 2


def test_intervals_by_hand() -> None:
    """Wilson's interval as its paper's formula gives it, with a width at both ends; the bootstrap's is that of a normal
    mean for many values, and the same each time.
    """
    eight = Rate.of([True] * 8 + [False] * 2)
    assert (eight.n_held, eight.n) == (8, 10)
    assert (eight.low, eight.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Rate.of([True] * 10).low == pytest.approx(0.7225, abs=1e-4)
    assert Rate.of([True] * 10).high == pytest.approx(1)
    assert Rate.of([]) == Rate(0, 0, 0.0, 1.0)

    values = np.random.default_rng(0).normal(3, 1, 400).tolist()
    mean = Mean.of(values)
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * np.std(values) / 20, rel=0.05)
    assert mean.low < mean.value < mean.high
    assert mean == Mean.of(values)
    assert Mean.of([0.5]) == Mean(0.5, 1, 0.5, 0.5)


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def report() -> ExplanationReport:
    """Two people explained by hand-made methods, one who could not be, stopped one value before the end."""
    probes = (probe_of("Ada", GREY), probe_of("Be|a", OTHER))
    methods = with_baselines({"adding": Adding(0)})
    measured = list(evaluate_explanations(probes, methods, model=TinyModel(), checks=QUICK))[:-1]
    skipped = (SkippedPerson("Cyrus", "1 of 2 photos"),)
    return ExplanationReport(
        Path("people"), ModelIdentity("tiny", "0" * 64), tuple(methods), probes, QUICK, skipped, tuple(measured)
    )


def test_json_holds_rows_faces_and_settings(report: ExplanationReport) -> None:
    """Every number that a row is made of, what it was made with, and that something is missing."""
    document = json.loads(as_json(as_report(report).document))
    assert (document["model"], document["complete"]) == ("tiny", False)
    assert document["settings"]["n_steps"] == 2
    assert document["settings"]["chance"] == pytest.approx(0.16)
    assert [row["method"] for row in document["methods"]] == ["adding", "random", "random-pixels", "gaussian", "edges"]
    assert document["methods"][0]["adds_up"]["n_held"] == 2
    assert set(document["methods"][0]["deletion"]) == {"mean", "blur", "noise"}
    assert len(document["faces"]) == 9
    assert [probe["person"] for probe in document["probes"]] == ["Ada", "Be|a"]
    assert document["skipped"] == [{"person": "Cyrus", "reason": "1 of 2 photos"}]


def test_markdown_holds_the_rows_and_what_to_say_beside_them(report: ExplanationReport) -> None:
    """As many cells in each row; below, on how many faces, that the run was stopped, chance, and who was skipped."""
    text = as_report(report).markdown
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 5
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| adding | 2 | 0 (0%) |")
    assert "Stopped: 2 of 2 faces were begun." in text
    assert "chance is 16%" in text
    assert "Skipped 1 person: Cyrus (1 of 2 photos)." in text


def test_the_command_prints_a_row_for_each_method_and_baseline(people: Path, run_cli: RunCli, tmp_path: Path) -> None:
    """A table on standard output, beside it what was left out, and all of it in the file that was asked for."""
    file = tmp_path / "report.json"
    options = ["--methods", "gradcam-match", "--faces", 1, "--steps", 1, "--thorough", 0, "--out", file]
    done = run_cli("evaluate", "explanations", people, *options)
    assert done.code == 0
    for name in ("gradcam-match", "random", "random-pixels", "gaussian", "edges"):
        assert re.search(rf"^{name}\s+1\s", done.out, re.MULTILINE)
    assert "1 face of" in done.err
    assert "Left out: 1 photo" in done.err
    assert run_cli("evaluate", "explanations", people, *options).code == 0  # a report is replaced by a report
    document = json.loads(file.read_text(encoding="utf-8"))
    assert (document["model"], document["complete"], len(document["faces"])) == ("starter", True, 5)


def test_the_command_refuses_what_it_does_not_know(people: Path, run_cli: RunCli, tmp_path: Path) -> None:
    """An unknown method lists the known ones, a file that is no report's is refused before any work, and a folder
    without people is an error.
    """
    for file in (tmp_path / "photo.jpg", tmp_path / "no" / "report.md"):
        assert run_cli("evaluate", "explanations", people, "--out", file).code == 2
    own = tmp_path / "README.md"
    own.write_text("mine", encoding="utf-8")
    refused = run_cli("evaluate", "explanations", people, "--out", own)
    assert (refused.code, own.read_text(encoding="utf-8")) == (2, "mine")
    unknown = run_cli("evaluate", "explanations", people, "--methods", "gradcam,palm")
    assert unknown.code == 2
    assert "palm" in unknown.err
    assert "corrrise" in unknown.err
    empty = run_cli("evaluate", "explanations", tmp_path / "people" / "Cyrus")
    assert empty.code == 1
    assert "nothing to explain" in empty.err
