"""Command ``evaluate clusters``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import DONE, ERROR, INTERRUPTED, SOME_SKIPPED, advance, note, progress, stoppable
from facegallery.cli.evaluating.output import MarkdownOption, OutOption, tell
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import (
    GalleryOption,
    JoinOption,
    JsonOption,
    PrecisionOption,
    RuntimeOption,
    ScoreOption,
)
from facegallery.domain import DEFAULT_SCORE, Precision, Runtime, RuntimeChoice, Verdict

if TYPE_CHECKING:
    from facegallery.cli.evaluating.report import Report
    from facegallery.evaluation.clusters import ClusterReport, ClusterScores
    from facegallery.evaluation.intervals import Mean, Rate


def clusters(
    folder: Annotated[Path, typer.Argument(metavar="DIR", readable=False, help="A folder with one folder a person.")],
    join: JoinOption = None,
    score: ScoreOption = DEFAULT_SCORE,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutOption = None,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Measure how well 'cluster' groups faces by person: B-cubed and pairwise, with counts and intervals.

    All faces are grouped, whoever 'identify' says they are; those that are alone in their photo are scored.
    """
    from facegallery.evaluation.clusters import report_on
    from facegallery.walk import find_photos, member_folders

    of_person = [(person, list(find_photos([path]))) for person, path in member_folders(folder)]
    found = [entry for _, entries in of_person for entry in entries]
    person_of = {
        entry.absolute(): person for person, entries in of_person for entry in entries if isinstance(entry, Path)
    }
    with (
        open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened,
        progress("Looking at photos", len(found)) as bar,
        stoppable() as stop,
    ):
        clustering = opened.cluster(
            found,
            join=join,
            score=score,
            min_size=1,
            verdicts=tuple(Verdict),
            accept_poor=True,
            told=lambda: advance(bar),
        )
    if stop.asked:
        note("Stopped: nothing was measured.")
        raise typer.Exit(INTERRUPTED)
    report = report_on(folder, clustering, person_of)
    if report.scores is None:
        note(f"No face in {folder} can be scored: it should hold one folder a person, with photos of one face each.")
        raise typer.Exit(ERROR)
    tell(_report(report, report.scores), json=json, markdown=markdown, out=out)
    raise typer.Exit(SOME_SKIPPED if report.n_skipped else DONE)


def _report(report: ClusterReport, scores: ClusterScores) -> Report:
    from dataclasses import asdict

    from facegallery.cli.evaluating.report import Report
    from facegallery.pictures.page import Table

    rows: list[tuple[str, ...]] = [
        ("B-cubed precision", *_mean(scores.precision)),
        ("B-cubed recall", *_mean(scores.recall)),
        ("clusters of one person", *_rate(scores.pure)),
    ]
    for name, n, of in (
        ("pairs joined that are right", scores.n_pairs_right, scores.n_pairs_joined),
        ("pairs of a person joined", scores.n_pairs_right, scores.n_pairs_of_person),
    ):
        rows.append((name, f"{n / of:.3f}" if of else "", "", f"{n} of {of} pairs"))
    return Report(
        command="evaluate clusters",
        title="Are faces grouped by person?",
        lead=(),
        tables=[Table("", ("measure", "value", "95 %", "counts"), rows, right_aligned=(1,))],
        remarks=_remarks(report, scores),
        document={**asdict(report), "folder": str(report.folder)},
        settings={"folder": str(report.folder), "model": report.model, "threshold": f"{report.threshold:.3f}"},
    )


def _remarks(report: ClusterReport, scores: ClusterScores) -> list[str]:
    remarks = [
        f"{scores.n_faces} faces of {scores.n_people} people in {scores.n_clusters} clusters of two and more (model "
        f"'{report.model}', threshold {report.threshold:.3f}, joined at a mean similarity of {report.limit:.3f})."
    ]
    if report.n_not_scored:
        remarks.append(f"{report.n_not_scored} more faces were grouped and not scored: they are in photos of several.")
    if report.n_skipped:
        remarks.append(f"{report.n_skipped} files could not be looked at; 'facegallery detect DIR' says why.")
    return remarks


def _mean(mean: Mean) -> tuple[str, str, str]:
    return f"{mean.value:.3f}", f"{mean.low:.3f} to {mean.high:.3f}", f"{mean.n} people"


def _rate(rate: Rate) -> tuple[str, str, str]:
    value = f"{rate.n_held / rate.n:.3f}" if rate.n else ""
    return value, f"{rate.low:.3f} to {rate.high:.3f}", f"{rate.n_held} of {rate.n} clusters"
