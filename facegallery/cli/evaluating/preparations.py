"""Command ``evaluate preparations``."""

from __future__ import annotations

import typer

from facegallery.cli.console import DONE, INTERRUPTED, note, progress, stoppable
from facegallery.cli.evaluating.looking import chosen_model, look_or_exit
from facegallery.cli.evaluating.options import EnrollArgument, HalfOption, ProbeArgument, StrangersArgument
from facegallery.cli.evaluating.output import MarkdownOption, OutOption, tell
from facegallery.cli.options import JsonOption, NewModelOption, PrecisionOption, RuntimeOption
from facegallery.domain import Precision, Runtime, RuntimeChoice
from facegallery.evaluation.half import Half


def preparations(
    enroll: EnrollArgument,
    probe: ProbeArgument,
    strangers: StrangersArgument,
    half: HalfOption = Half.ALL,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Hold the ways to prepare a face, the score rules and score normalization against each other.

    The experiment is that of 'evaluate identification', with every preparation and every rule. Faces are found once.
    """
    from facegallery.cli.evaluating.preparations_report import as_report
    from facegallery.evaluation.acquisition import ComparingJob
    from facegallery.evaluation.experiment import find_experiment
    from facegallery.evaluation.preparations import N_SETTINGS, PreparationsReport, compare_settings, usual_setting

    experiment = find_experiment(enroll, probe, strangers, half=half)
    installed = chosen_model(model)
    found = look_or_exit(experiment.photos, ComparingJob(installed, RuntimeChoice(runtime, precision)))
    settings = []
    with progress("Comparing", N_SETTINGS) as bar, stoppable() as stop:
        for setting in compare_settings(experiment, found, model=installed):
            settings.append(setting)
            bar.advance(bar.task_ids[0])
    report = PreparationsReport(experiment, installed.identity, usual_setting(installed), tuple(settings))
    tell(as_report(report), json=json, markdown=markdown, out=out)
    if stop.asked:
        note(f"Stopped after {len(settings)} settings.")
    raise typer.Exit(INTERRUPTED if stop.asked else DONE)
