"""Command ``evaluate explanations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import DONE, INTERRUPTED, progress, stoppable
from facegallery.cli.evaluating.output import MarkdownOption, OutOption, tell
from facegallery.cli.options import JsonOption, NewModelOption, PrecisionOption, PreparationOption, RuntimeOption
from facegallery.domain import Precision, Runtime, RuntimeChoice

if TYPE_CHECKING:
    from facegallery.evaluation.comparison import ExplanationReport
    from facegallery.evaluation.explanations import Checks, MethodOnFace
    from facegallery.evaluation.probes import Probe, SkippedPerson
    from facegallery.explanation.method import ExplanationMethod
    from facegallery.gallery.analysis import FaceAnalyzer


def explanations(
    folder: Annotated[Path, typer.Argument(metavar="DIR", readable=False, help="A folder with one folder a person.")],
    methods: Annotated[
        str | None, typer.Option("--methods", metavar="A,B,...", help="Methods to measure. Default: all.")
    ] = None,
    n_faces: Annotated[
        int | None, typer.Option("--faces", min=1, metavar="N", help="Explain the first N people only.")
    ] = None,
    n_steps: Annotated[
        int, typer.Option("--steps", min=1, metavar="N", help="Steps of deletion and insertion; fewer take less time.")
    ] = 20,
    n_thorough: Annotated[
        int, typer.Option("--thorough", min=0, metavar="N", help="Stability and shuffled weights on N faces; slow.")
    ] = 5,
    preparation: PreparationOption = None,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Hold the methods of explanation against each other: faithfulness, the known-region game, stability, time.

    Of each person the first photo is explained against the nearest of the others. Maps that know nothing of the
    network stand beside the methods: what does not beat them explains nothing. Ctrl-C reports what is done by then.
    """
    from facegallery.cli.evaluating.explanations_report import as_report
    from facegallery.evaluation.explanations import Checks
    from facegallery.gallery.analysis import default_analyzer

    chosen, checks = _chosen(methods), Checks(n_steps=n_steps, n_thorough=n_thorough)
    analyzer = default_analyzer(model, RuntimeChoice(runtime, precision), preparation)
    report, stopped = _measure(folder, analyzer, chosen, checks, n_faces)
    tell(as_report(report), json=json, markdown=markdown, out=out)
    raise typer.Exit(INTERRUPTED if stopped else DONE)


def _chosen(names: str | None) -> dict[str, ExplanationMethod]:
    """The methods asked for and the baselines.

    Raises:
        BadParameter: There is no method of a name.
    """
    from facegallery.evaluation.explanations import with_baselines
    from facegallery.explanation.catalogue import METHODS
    from facegallery.explanation.gradcam import DEFAULT_LAYER

    known = {name: (make, DEFAULT_LAYER) for name, make in METHODS.items()}
    # Grad-CAM as it is usually made: on the network's last layer, of 3x3 cells here.
    known |= {f"{name}-3x3": (METHODS[name], "block8") for name in ("gradcam", "gradcam-match")}
    wanted = list(known) if names is None else [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            raise typer.BadParameter(f"There is no method {name!r}. Choose from: {', '.join(known)}.")
    return with_baselines({name: known[name][0](known[name][1]) for name in wanted})


def _measure(
    folder: Path,
    analyzer: FaceAnalyzer,
    methods: dict[str, ExplanationMethod],
    checks: Checks,
    n_faces: int | None,
) -> tuple[ExplanationReport, bool]:
    """Measure with progress bars, and whether Ctrl-C ended it."""
    from facegallery.evaluation.comparison import ExplanationReport
    from facegallery.evaluation.explanations import evaluate_explanations
    from facegallery.evaluation.probes import SkippedPerson, find_probes
    from facegallery.gallery.explaining.checks import shuffled_networks

    probes: list[Probe] = []
    skipped: list[SkippedPerson] = []
    measured: list[MethodOnFace] = []
    with stoppable() as stop:
        with progress("Finding faces", n_faces) as bar:
            for found in find_probes(folder, analyzer=analyzer, n_faces=n_faces):
                if isinstance(found, SkippedPerson):
                    skipped.append(found)
                else:
                    probes.append(found)
                    bar.advance(bar.task_ids[0])
        with progress("Explaining", len(probes) * len(methods)) as bar:
            shuffled = shuffled_networks(analyzer)
            for one in evaluate_explanations(probes, methods, model=analyzer, shuffled=shuffled, checks=checks):
                measured.append(one)
                bar.advance(bar.task_ids[0])
    report = ExplanationReport(
        folder, analyzer.model.identity, tuple(methods), tuple(probes), checks, tuple(skipped), tuple(measured)
    )
    return report, stop.asked
