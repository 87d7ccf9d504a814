"""Command ``evaluate calibration``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facegallery.cli.console import advance, note, progress
from facegallery.cli.evaluating.output import MarkdownOption, OutOption, tell
from facegallery.cli.options import (
    JsonOption,
    NewModelOption,
    PrecisionOption,
    RuntimeOption,
    ScoreOption,
    checked_rate,
)
from facegallery.domain import DEFAULT_SCORE, Precision, Runtime, RuntimeChoice, ScoreRule
from facegallery.errors import CalibrationRefused, EvaluationError
from facegallery.matching.decisions import MOST_FMR
from facegallery.settings import DATABASE_NAME

if TYPE_CHECKING:
    from facegallery.cli.evaluating.report import Report
    from facegallery.domain import Limits, SkippedPhoto, TemplateSet
    from facegallery.evaluation.calibration import RateRow

DEFAULT_RATES = (0.001, 0.003, 0.01)
N_SPLITS = 20
SEED = 0

COLUMNS = (
    "wanted FMR",
    "threshold",
    "interval (95 %)",
    "on the other half",
    "within the interval",
    "wrong names",
    "with the margin",
)


def _rates(values: list[float] | None) -> list[float] | None:
    """Refuse what is no rate, or too high a one, as a fault of usage."""
    return None if values is None else [checked_rate(value) for value in values]


def calibration(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", readable=False, help="Folders with one folder a person.")
    ],
    fmr: Annotated[
        list[float] | None,
        typer.Option("--fmr", metavar="RATE", callback=_rates, help="A wanted rate; repeatable."),
    ] = None,
    n_splits: Annotated[int, typer.Option("--splits", min=1, metavar="N", help="Random halves.")] = N_SPLITS,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the halves.")] = SEED,
    score: ScoreOption = DEFAULT_SCORE,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Calibrate on half of the people and measure on the other half, in random halves: does the rate hold?

    All people are enrolled into a gallery that is thrown away.
    """
    import numpy as np

    from facegallery.evaluation.calibration import RateRow, split_halves

    rates = fmr or DEFAULT_RATES
    templates, before, left_out = _enrolled(folders, model, RuntimeChoice(runtime, precision), score)
    require_enough(folders, templates, min(rates))
    rows = []
    with progress("Calibrating", len(rates) * n_splits) as bar:
        for rate in rates:
            halves = []
            rng = np.random.default_rng(seed)  # the same halves for each rate
            try:
                for half in split_halves(templates, score=score, fmr=rate, n_splits=n_splits, before=before, rng=rng):
                    halves.append(half)
                    bar.advance(bar.task_ids[0])
            except CalibrationRefused as refused:
                raise EvaluationError(f"Half of the people in {_named(folders)}: {refused.reason}.") from refused
            rows.append(RateRow(rate, tuple(halves)))
    tell(_report(rows, templates, left_out, score, seed, folders), json=json, markdown=markdown, out=out)


def _enrolled(
    folders: list[Path], model: str | None, runtime: RuntimeChoice, score: ScoreRule
) -> tuple[TemplateSet, Limits, list[SkippedPhoto]]:
    """Everybody as a member, the limits without calibration, and what could not be enrolled.

    People of several folders are different people.
    """
    from dataclasses import replace

    from facegallery import Gallery
    from facegallery.cli.evaluating.report import left_out_remark
    from facegallery.gallery.enrollment import plan_folder
    from facegallery.store import Store

    plan = [
        replace(entry, member=f"{number}: {entry.member}")
        for number, folder in enumerate(folders, start=1)
        for entry in plan_folder(folder)
        if entry.member
    ]
    skipped: list[SkippedPhoto] = []
    with TemporaryDirectory(prefix="facegallery-") as folder:
        with (
            Gallery.create(folder, model=model, runtime=runtime) as gallery,
            progress("Enrolling", sum(len(entry.photos) for entry in plan)) as bar,
        ):
            before = gallery.limits(score=score)
            for outcome in gallery.enroll(plan):
                skipped += [outcome.skipped] if outcome.skipped else []
                advance(bar)
        with Store.open(Path(folder) / DATABASE_NAME) as store:
            templates = store.templates()
    for remark in left_out_remark(skipped):
        note(remark)
    return templates, before, skipped


def _named(folders: list[Path]) -> str:
    return ", ".join(map(str, folders))


def require_enough(folders: list[Path], templates: TemplateSet, rate: float) -> None:
    """Say before the work what the halves cannot support.

    Raises:
        EvaluationError: There are too few people; it says about how many it takes.
    """
    from facegallery.cli.evaluating.report import count
    from facegallery.matching.calibration import LEAST_FALSE_MATCHES, LEAST_MEMBERS, members_for, smallest_fmr

    n_photos = sorted(Counter(templates.members).values())
    half = len(n_photos) // 2
    n_fewest = sum(n_photos[:half]) * (half - 1)  # comparisons in the half that is drawn worst
    if half >= LEAST_MEMBERS and rate * n_fewest >= LEAST_FALSE_MATCHES:
        return
    n_needed = LEAST_MEMBERS
    if n_photos:
        n_needed = max(n_needed, members_for(rate, sum(n_photos) / len(n_photos)))
    smaller = ""
    if half >= LEAST_MEMBERS and smallest_fmr(n_fewest) <= MOST_FMR:
        command = f"facegallery evaluate calibration {' '.join(map(str, folders))} --fmr {smallest_fmr(n_fewest):g}"
        smaller = f" Or ask for the smallest rate that these support: '{command}'."
    raise EvaluationError(
        f"{_named(folders)}: {count(len(n_photos), 'member')} could be enrolled, so each half has "
        f"{count(half, 'member')}, too few to calibrate for a false match rate of {100 * rate:.3g} %. That takes about "
        f"{2 * n_needed} people with as many photos each; name more folders.{smaller}"
    )


def _report(
    rows: list[RateRow],
    templates: TemplateSet,
    left_out: list[SkippedPhoto],
    score: ScoreRule,
    seed: int,
    folders: list[Path],
) -> Report:
    from facegallery.cli.evaluating.report import Report
    from facegallery.cli.report import skipped_fields
    from facegallery.pictures.page import Table

    return Report(
        command="evaluate calibration",
        title="Does a calibrated rate hold on other people?",
        lead=(),
        tables=[Table("", COLUMNS, [_cells(row) for row in rows], right_aligned=tuple(range(len(COLUMNS))))],
        remarks=_remarks(rows, templates, score),
        document={
            **_fields(rows, templates, score, seed),
            "left_out": [skipped_fields(entry) for entry in left_out],
        },
        settings={"folders": ", ".join(map(str, folders)), "seed": str(seed), "score": score.value},
    )


def _cells(row: RateRow) -> tuple[str, ...]:
    least, median, greatest = row.quantiles("threshold")
    lowest, middle, highest = (_percent(rate) for rate in row.quantiles("fmr_on_others"))
    return (
        _percent(row.wanted_fmr),
        f"{median:.3f} ({least:.3f} to {greatest:.3f})",
        f"{_percent(row.quantiles('fmr_low')[1])} to {_percent(row.quantiles('fmr_high')[1])}",
        f"{middle} ({lowest} to {highest})",
        f"{row.n_inside} of {len(row.halves)}",
        _share(row.total("n_misnamed"), row.total("n_named")),
        _share(row.total("n_misnamed_clearly"), row.total("n_named_clearly")),
    )


def _remarks(rows: list[RateRow], templates: TemplateSet, score: ScoreRule) -> list[str]:
    n_people, half = len(set(templates.members)), rows[0].halves[0]
    return [
        f"{n_people} people with {len(templates.members)} photos, scored by {score.value}; calibrated on "
        f"{half.calibration.n_members} of them, measured on the others ({half.n_non_mated:,} comparisons of different "
        f"people), in {len(rows[0].halves)} random halves: medians, and the least and greatest.",
        "The halves are of the same people and so not independent. wrong names: of the other half's photos that reach "
        "the threshold, those nearest to another member; with the margin: of those that have the margin too.",
    ]


def _fields(rows: list[RateRow], templates: TemplateSet, score: ScoreRule, seed: int) -> dict[str, Any]:
    return {
        "n_people": len(set(templates.members)),
        "n_photos": len(templates.members),
        "score": score.value,
        "seed": seed,
        "rates": [
            {
                "wanted_fmr": row.wanted_fmr,
                "n_inside": row.n_inside,
                "splits": [
                    {
                        "threshold": half.calibration.threshold,
                        "min_margin": half.calibration.min_margin,
                        "margin_chosen": half.calibration.margin_chosen,
                        "fmr": half.calibration.fmr,
                        "fmr_interval": [half.calibration.fmr_low, half.calibration.fmr_high],
                        "fmr_on_others": half.fmr_on_others,
                        "n_non_mated": half.n_non_mated,
                        "inside": half.inside,
                        "n_named": half.n_named,
                        "n_misnamed": half.n_misnamed,
                        "n_named_clearly": half.n_named_clearly,
                        "n_misnamed_clearly": half.n_misnamed_clearly,
                    }
                    for half in row.halves
                ],
            }
            for row in rows
        ],
    }


def _share(n: int, of: int) -> str:
    return f"{n} of {of} ({_percent(n / of if of else 0.0)})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
