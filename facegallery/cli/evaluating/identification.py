"""Command ``evaluate identification``."""

from __future__ import annotations

import typer

from facegallery.cli.console import DONE, SOME_SKIPPED
from facegallery.cli.evaluating.looking import chosen_model, look_or_exit
from facegallery.cli.evaluating.options import (
    EnrollArgument,
    HalfOption,
    ProbeArgument,
    StrangersArgument,
)
from facegallery.cli.evaluating.output import MarkdownOption, OutWithPlotsOption, tell
from facegallery.cli.options import (
    JsonOption,
    NewModelOption,
    PrecisionOption,
    PreparationOption,
    RuntimeOption,
    ScoreOption,
)
from facegallery.domain import DEFAULT_SCORE, Precision, Runtime, RuntimeChoice
from facegallery.evaluation.half import Half


def identification(
    enroll: EnrollArgument,
    probe: ProbeArgument,
    strangers: StrangersArgument,
    preparation: PreparationOption = None,
    score: ScoreOption = DEFAULT_SCORE,
    half: HalfOption = Half.ALL,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutWithPlotsOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Are members named, and strangers not? FPIR and FNIR by threshold, rank 1, failures to enroll and to acquire.

    Members are enrolled, and probes and strangers decided about, exactly as 'enroll' and 'identify' do it, in a gallery
    that is removed afterwards. Your own gallery is not touched. Of a probe with several faces the largest is meant.
    """
    from facegallery.cli.evaluating.identification_report import as_report
    from facegallery.evaluation.acquisition import ComparingJob, prepared
    from facegallery.evaluation.experiment import find_experiment
    from facegallery.evaluation.identification import identification_report

    experiment = find_experiment(enroll, probe, strangers, half=half)
    installed = chosen_model(model)
    way = preparation or installed.spec.preparation
    job = ComparingJob(installed, RuntimeChoice(runtime, precision), preparations=(way,))
    found = prepared(look_or_exit(experiment.photos, job), way)
    report = identification_report(experiment, found, model=installed, preparation=way, score=score)
    tell(as_report(report), json=json, markdown=markdown, out=out)
    raise typer.Exit(SOME_SKIPPED if report.left_out else DONE)
