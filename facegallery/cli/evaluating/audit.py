"""Command ``evaluate audit``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facegallery.cli.console import DONE, SOME_SKIPPED, progress
from facegallery.cli.evaluating.looking import chosen_model, look_or_exit
from facegallery.cli.evaluating.options import EnrollArgument, ProbeArgument, StrangersArgument
from facegallery.cli.evaluating.output import MarkdownOption, OutOption, tell
from facegallery.cli.options import JsonOption, NewModelOption, PrecisionOption, PreparationOption, RuntimeOption
from facegallery.domain import DEFAULT_SCORE, Precision, Runtime, RuntimeChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facegallery.cli.evaluating.report import Report
    from facegallery.domain import TemplateSet
    from facegallery.evaluation.experiment import Experiment
    from facegallery.evaluation.intervals import Mean
    from facegallery.evaluation.label_noise import Identification, NoiseRun


def audit(
    enroll: EnrollArgument,
    probe: ProbeArgument,
    strangers: StrangersArgument,
    noise: Annotated[
        float, typer.Option("--noise", min=0.001, max=0.5, metavar="SHARE", help="Share of photos put wrongly.")
    ] = 0.04,
    n_seeds: Annotated[int, typer.Option("--seeds", min=2, metavar="N", help="How often they are drawn.")] = 10,
    without: Annotated[
        list[Path] | None,
        typer.Option(
            "--without", metavar="PHOTO", help="Leave out a photo of ENROLL that is known to be wrong; repeat."
        ),
    ] = None,
    preparation: PreparationOption = None,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """How many of the photos put into a wrong folder does 'audit' find, and what does that do to identification?

    ENROLL is taken for right: a wrong photo that it holds already counts as a false alarm, unless --without names it.
    """
    from facegallery.evaluation.acquisition import ComparingJob, prepared, subject_embeddings
    from facegallery.evaluation.experiment import find_experiment
    from facegallery.evaluation.identification import enrolled
    from facegallery.evaluation.label_noise import identification, run_noise
    from facegallery.evaluation.subjects import largest_face
    from facegallery.matching.audit import LEAST_MEMBERS

    experiment = _without(find_experiment(enroll, probe, strangers), set(without or ()))
    installed = chosen_model(model)
    way = preparation or installed.spec.preparation
    job = ComparingJob(installed, RuntimeChoice(runtime, precision), preparations=(way,))
    found = prepared(look_or_exit(experiment.photos, job), way)
    embeddings = subject_embeddings(found, largest_face)
    subjects = [embeddings.get(attempt.path) for attempt in (*experiment.probes, *experiment.strangers)]
    with enrolled(experiment, found, model=installed, preparation=way) as gallery:
        templates = gallery.templates
        is_complete = not any(outcome.skipped for outcome in gallery.outcomes)
    if len(set(templates.members)) < LEAST_MEMBERS:
        raise typer.BadParameter(f"{enroll} must hold the photos of {LEAST_MEMBERS} members at least.")
    identify = partial(identification, experiment=experiment, subjects=subjects, rule=DEFAULT_SCORE)
    runs = []
    with progress("Auditing", n_seeds) as bar:
        for run in run_noise(templates, share=noise, seeds=range(n_seeds), identify=identify):
            runs.append(run)
            bar.advance(bar.task_ids[0])
    settings = {"model": installed.spec.name, "preparation": way.value, "noise": f"{noise:g}"}
    tell(_report(templates, runs, identify(templates), settings), json=json, markdown=markdown, out=out)
    raise typer.Exit(DONE if is_complete else SOME_SKIPPED)


def _without(experiment: Experiment, photos: set[Path]) -> Experiment:
    """The experiment without some of the photos to enroll."""
    offered = {entry for of_member in experiment.plan for entry in of_member.photos}
    if missing := sorted(photos - offered):
        raise typer.BadParameter(f"{missing[0]} is not among the photos to enroll.")
    plan = tuple(
        replace(entry, photos=tuple(photo for photo in entry.photos if photo not in photos))
        for entry in experiment.plan
    )
    return replace(experiment, plan=plan)


def _report(
    templates: TemplateSet, runs: Sequence[NoiseRun], clean: Identification, settings: dict[str, str]
) -> Report:
    from facegallery.cli.evaluating.report import Report
    from facegallery.evaluation.label_noise import FPIRS
    from facegallery.pictures.page import Table

    found = [
        (name, f"{held} of {n}", f"{mean.value:.3f} [{mean.low:.2f}, {mean.high:.2f}]")
        for name, (held, n, mean) in _rates(runs).items()
    ]
    identified = {
        "as enrolled": [clean],
        "with wrong photos": [run.noisy for run in runs],
        "findings followed": [run.mended for run in runs],
    }
    columns = ("", "rank-1", *(f"FNIR at FPIR {fpir:.0%}" for fpir in FPIRS))
    return Report(
        command="evaluate audit",
        title="Are photos in the wrong folder found?",
        lead=[
            f"{len(templates.ids)} photos of {len(set(templates.members))} members; {runs[0].n_wrong} of them given to "
            f"a random other member, {len(runs)} times."
        ],
        tables=[
            Table("What the audit found", ("", "counts", "mean over the runs [95 %]"), found, right_aligned=(1, 2)),
            Table(
                "Identification, means over the runs",
                columns,
                [(name, *_figures(each)) for name, each in identified.items()],
                right_aligned=(1, 2, 3),
            ),
        ],
        remarks=[
            "recall: wrong photos that were named, of all. precision: wrong photos, of all that were named. The runs "
            "are of the same photos and so not independent: the interval says how much the drawing matters.",
            "The folder is taken for right: a photo that lies in the wrong folder anyway counts as a false alarm.",
        ],
        document=_document(templates, runs, clean),
        settings=settings,
    )


def _rates(runs: Sequence[NoiseRun]) -> dict[str, tuple[int, int, Mean]]:
    """Recall, precision and right suggestions: counts over all runs, and the mean over the runs."""
    from facegallery.evaluation.intervals import Mean

    def rate(pairs: list[tuple[int, int]]) -> tuple[int, int, Mean]:
        shares = [held / n if n else 0.0 for held, n in pairs]
        return sum(held for held, _ in pairs), sum(n for _, n in pairs), Mean.of(shares)

    return {
        "recall": rate([(run.n_found, run.n_wrong) for run in runs]),
        "precision": rate([(run.n_found, run.n_named) for run in runs]),
        "right member suggested": rate([(run.n_suggested, run.n_found) for run in runs]),
    }


def _figures(identified: Sequence[Identification]) -> tuple[str, ...]:
    """Means of rank-1 and of FNIR at each FPIR."""
    shares = [_shares(each) for each in identified]
    means = [
        None if any(share is None for share in of_rate) else sum(share or 0.0 for share in of_rate) / len(of_rate)
        for of_rate in zip(*shares, strict=True)
    ]
    return tuple("not supported" if mean is None else f"{mean:.3f}" for mean in means)


def _shares(identified: Identification) -> tuple[float | None, ...]:
    points = (at.point for at in identified.at_rates)
    return (identified.rank_1.share, *(None if point is None else point.false_negatives.share for point in points))


def _document(templates: TemplateSet, runs: Sequence[NoiseRun], clean: Identification) -> dict[str, Any]:
    return {
        "n_templates": len(templates.ids),
        "n_members": len(set(templates.members)),
        "rates": {
            name.replace(" ", "_"): {
                "n_held": held,
                "n": n,
                "mean": mean.value,
                "low_95": mean.low,
                "high_95": mean.high,
            }
            for name, (held, n, mean) in _rates(runs).items()
        },
        "as_enrolled": _shares(clean),
        "runs": [
            {
                "seed": run.seed,
                "n_wrong": run.n_wrong,
                "n_found": run.n_found,
                "n_suggested": run.n_suggested,
                "n_named": run.n_named,
                "noisy": _shares(run.noisy),
                "mended": _shares(run.mended),
            }
            for run in runs
        ],
    }
