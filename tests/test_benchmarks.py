"""The benchmarks' arithmetic and table, on times that are given; nothing is timed here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import README, main
from benchmarks.photos import PhotoSet, first_photos, photo_paths
from benchmarks.report import BEGIN, END, document, replaced, table
from benchmarks.rows import Ceiling, Check, NotMeasured, Row
from benchmarks.search import Measured
from benchmarks.searching import N_TEMPLATES, rows_of
from benchmarks.timing import Pairs, Quotient, Target, in_turns
from benchmarks.waiting import faster_policy
from benchmarks.workers import SideFailed, Worker, from_nothing, peer_environment
from facegallery.gallery.enrollment import plan_folder

FAST, SHORT = Target.at_least(4.0), Target.at_most(0.5)
PAIRS = Pairs((1.0, 2.0, 1.0), (4.0, 10.0, 3.0))


def test_ratio_is_the_median_of_the_pairs_ratios() -> None:
    """Not the ratio of the medians; and the other way round for a share of the peer's time."""
    spread = PAIRS.spread(FAST)
    assert (spread.median, spread.least, spread.greatest) == (4.0, 3.0, 5.0)
    assert Pairs((1.0, 1.0, 9.0), (3.0, 2.0, 9.0)).spread(FAST).median == 2.0  # of the medians: 3
    assert PAIRS.spread(SHORT).median == 0.25


@pytest.mark.parametrize(
    ("target", "ratio", "is_met"),
    [(FAST, 4.0, True), (FAST, 3.99, False), (SHORT, 0.5, True), (SHORT, 0.51, False), (FAST, float("nan"), False)],
)
def test_the_limit_itself_is_met(target: Target, ratio: float, is_met: bool) -> None:
    """More is better for a speed, less for a share, and no number is never enough."""
    assert target.is_met(ratio) is is_met


def test_pairs_need_as_many_times_of_both() -> None:
    """Times of one side alone are no comparison."""
    for ours_s, peer_s in (((), ()), ((1.0,), ()), ((1.0,), (1.0, 2.0))):
        with pytest.raises(ValueError, match="make no pairs"):
            Pairs(ours_s, peer_s)


def test_sides_take_turns_and_the_warm_up_does_not_count() -> None:
    """A B A B ..., and the first rounds are thrown away."""
    asked: list[str] = []

    def side(name: str) -> Callable[[], float]:
        def seconds() -> float:
            asked.append(name)
            return float(len(asked))

        return seconds

    assert in_turns([side("a"), side("b")], n_rounds=2, n_warm_up=1, rest_s=0.0) == [(3.0, 5.0), (4.0, 6.0)]
    assert asked == ["a", "b"] * 3


def test_peer_keeps_the_faster_of_its_wait_policies() -> None:
    """By the median after a round that does not count; the table tells both times."""
    slow, fast = iter((0.1, 2.0, 2.0, 2.0)), iter((9.0, 1.0, 1.0, 9.0))
    choice = faster_policy({"default": lambda: next(slow), "PASSIVE": lambda: next(fast)}, n_rounds=3)
    assert (choice.name, choice.value) == ("PASSIVE", "PASSIVE")
    assert "default 2000 ms, PASSIVE 1000 ms" in choice.remark


def test_a_failed_check_is_not_met_however_fast() -> None:
    """Speed at the price of other embeddings is no gain."""
    good, bad = Check("cosine", 0.99995, 0.9999), Check("cosine", 0.99, 0.9999)
    assert Row("w", "p", FAST, PAIRS, checks=(good,)).is_met
    assert not Row("w", "p", FAST, PAIRS, checks=(good, bad)).is_met
    assert not Row("w", "p", FAST, PAIRS, checks=(Check("cosine", float("nan"), 0.9999),)).is_met


@pytest.mark.parametrize(("value", "is_met"), [(0.1, True), (0.55, True), (0.56, False), (float("nan"), False)])
def test_what_must_not_grow_too_large_is_a_check_too(value: float, is_met: bool) -> None:
    """The most itself is met; the table and the JSON say that less is wanted."""
    row = Row("w", "p", FAST, PAIRS, checks=(Ceiling("memory", value, 0.55),))
    assert row.is_met is is_met
    assert f"memory: {value:.6f} (wanted ≤ 0.55)" in table({}, [row])
    assert "'most': 0.55" in str(row.fields()["checks"])


def searched(n_templates: int = N_TEMPLATES, n_threads: int = 2, recall: float = 1.0, memory: float = 0.07) -> Measured:
    return Measured(
        {
            "gallery": {"n_templates": n_templates},
            "memory": {"share_of_flat_at_most": memory},
            "opening": {"open_s": 0.3, "process_s": 0.8},
            "one_probe": {
                "n_threads": n_threads, "n_probes_each": 500, "recall_members": 1.0, "recall_strangers": recall,
            },
        },
        {"search_ms": (10.0, 8.0), "flat_ms": (160.0, 160.0), "flat_one_thread_ms": (70.0, 72.0)},
    )  # fmt: skip


def test_search_is_told_beside_as_many_threads_and_beside_one() -> None:
    """Two rows of the same times of ours; with one thread there is nothing else to compare with."""
    same, single = rows_of(searched())
    assert (same.peer, single.peer) == ("FAISS flat (IndexFlatIP), 2 threads", "FAISS flat (IndexFlatIP), 1 thread")
    assert (same.spread.median, single.spread.median) == (18.0, 8.0)
    assert (same.is_met, single.is_met) == (True, False)
    assert same.pairs.ours_s == single.pairs.ours_s == (0.01, 0.008)
    assert len(rows_of(searched(n_threads=1))) == 1


def test_fast_search_is_not_met_without_recall_and_little_memory() -> None:
    """A stranger's nearest that is missed, or an index as large as the flat one, is no gain."""
    assert [rows_of(each)[0].is_met for each in (searched(recall=0.994), searched(memory=0.6))] == [False, False]


def test_search_among_fewer_templates_says_so() -> None:
    """A trial's row cannot be taken for the one that is wanted."""
    assert rows_of(searched())[0].what == "search one probe among 1,000,000 templates"
    assert rows_of(searched(20_000))[0].what.startswith("search one probe among 20,000 templates (a trial")


def test_table_has_every_row_also_those_not_measured() -> None:
    """Wanted and reached ratio, both medians, the rate; and a missing peer by its name with the reason."""
    lines = table(
        {"machine": "a machine"},
        [
            Row("enroll", "a | b", FAST, PAIRS, n_photos=10, remarks=("photos: 10",)),
            NotMeasured("search", "FAISS", SHORT, "not installed"),
        ],
    ).splitlines()
    assert lines[0] == "- machine: a machine"
    assert lines[-2] == (
        "| enroll | a \\| b | ≥ 4.00x as fast | 4.00x as fast | 3.00 to 5.00 | yes "
        "| 1.00 s (10.0 photos/s) | 4.00 s (2.5 photos/s) | 3 | photos: 10 |"
    )
    assert lines[-1] == "| search | FAISS | ≤ 0.50x the time | not measured |  |  |  |  |  | not installed |"


def test_json_keeps_every_time() -> None:
    """What the table sums up can be recomputed."""
    read = json.loads(document({"machine": "m"}, [Row("w", "p", FAST, PAIRS), NotMeasured("w", "p", None, "why")]))
    measured, missing = read["rows"]
    assert (measured["ours_s"], measured["peer_s"]) == ([1.0, 2.0, 1.0], [4.0, 10.0, 3.0])
    assert measured["wanted"] == {"ratio": Quotient.SPEED.value, "limit": 4.0}
    assert (missing["measured"], missing["reason"]) == (False, "why")


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    """The README keeps its own words, run after run."""
    text = README.read_text(encoding="utf-8")
    once = replaced(text, "first")
    assert replaced(once, "second") == once.replace("first", "second", 1) != once
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    assert once.startswith(head)
    assert once.endswith(tail)
    for damaged in ("", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{END}", f"{BEGIN}{BEGIN}{END}"):
        with pytest.raises(ValueError, match="must hold each"):
            replaced(damaged, "results")


def test_a_plan_is_cut_off_after_so_many_photos(sample_group: Path) -> None:
    """Across members: the peers get the very photos that are enrolled here."""
    plan = plan_folder(sample_group / "enroll")
    for n_photos in (0, 1, 4, 6, 1000):
        assert photo_paths(first_photos(plan, n_photos)) == photo_paths(plan)[:n_photos]
    photos = PhotoSet.of(None)
    assert photos.n_enroll == len(photo_paths(plan)) == len(photos.paths)
    assert photos.first(5).paths == photos.paths[:5]


def test_a_side_has_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer's process starts without the wait policy of this one, which stays as it is."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    default, active = (
        from_nothing(os.getenv, "OMP_WAIT_POLICY", environment=peer_environment(policy)).answer
        for policy in (None, "ACTIVE")
    )
    assert (default, active, os.environ["OMP_WAIT_POLICY"]) == (None, "ACTIVE", "PASSIVE")


def test_a_side_that_raises_or_ends_says_so() -> None:
    """With its traceback, or its status; the caller does not wait for ever."""
    with Worker(dict, environment={}) as side, pytest.raises(SideFailed, match="'dict' object has no attribute"):
        side.run("embed")
    with pytest.raises(SideFailed, match="status 7"):
        from_nothing(os._exit, 7, environment={})


@pytest.mark.parametrize("arguments", [["--repeat", "4"], ["--photos", "nowhere"]], ids=" ".join)
def test_what_cannot_be_measured_is_a_usage_error(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too few pairs to be written down, and a folder without photos, are said before anything runs."""
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "error: " in capsys.readouterr().err
