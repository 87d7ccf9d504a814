"""Command ``evaluate explanations``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import DONE, INTERRUPTED, note, progress, stdout, stoppable
from facegallery.cli.evaluation_report import as_document, as_markdown, as_table, remarks
from facegallery.cli.options import JsonOption, PrecisionOption, RuntimeOption
from facegallery.cli.report import as_json
from facegallery.domain import Precision, Runtime, RuntimeChoice
from facegallery.version import __version__

if TYPE_CHECKING:
    from facegallery.evaluation.comparison import ExplanationReport
    from facegallery.evaluation.explanations import Checks, MethodOnFace
    from facegallery.evaluation.probes import Probe, SkippedPerson
    from facegallery.explanation.method import ExplanationMethod
    from facegallery.gallery.analysis import FaceAnalyzer
    from facegallery.pictures.output import Format

app = typer.Typer(help="Measure on a folder of photos how far the answers can be trusted.", no_args_is_help=True)

JSON_SUFFIX = ".json"
MARKDOWN_SUFFIX = ".md"
MARKDOWN_MARK = "<!-- facegallery evaluate explanations -->"
REPORT_SUFFIXES = (JSON_SUFFIX, MARKDOWN_SUFFIX)


@app.callback()
def _evaluate() -> None:
    """Measure on a folder of photos how far the answers can be trusted."""


def _report_file(path: Path | None) -> Path | None:
    """Refuse, before hours of work, a place that no report is written to; a slip never replaces a photo."""
    if path is not None and path.suffix not in REPORT_SUFFIXES:
        raise typer.BadParameter(f"Give a name that ends in {' or '.join(REPORT_SUFFIXES)}.")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"There is no folder {path.parent}.")
    if path is not None and path.exists() and not _is_report(path):
        raise typer.BadParameter(f"{path} exists and is no report of this program. Give another name.")
    return path


@app.command()
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
    json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", callback=_report_file, help="Also write FILE.json or, in Markdown, FILE.md."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Default: vggface2 if here, else starter.")
    ] = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Hold the methods of explanation against each other: faithfulness, the known-region game, stability, time.

    Of each person the first photo is explained against the nearest of the others. Maps that know nothing of the
    network stand beside the methods: what does not beat them explains nothing. Ctrl-C reports what is done by then.
    """
    from facegallery.evaluation.explanations import Checks
    from facegallery.gallery.analysis import default_analyzer

    chosen, checks = _chosen(methods), Checks(n_steps=n_steps, n_thorough=n_thorough)
    analyzer = default_analyzer(model, RuntimeChoice(runtime, precision))
    report, stopped = _measure(folder, analyzer, chosen, checks, n_faces)
    if json or markdown:
        sys.stdout.write((as_json(as_document(report)) if json else as_markdown(report)) + "\n")
    else:
        stdout().print(as_table(report))
    if out is not None:
        _write(report, out)
    for line in remarks(report):
        note(line)
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


def _is_report(path: Path) -> bool:
    from facegallery.pictures.output import is_ours

    return path.is_file() and is_ours(path, _form(path))


def _form(path: Path) -> Format:
    from facegallery.pictures.output import Format

    if path.suffix == JSON_SUFFIX:
        return Format("report", "JSON", (JSON_SUFFIX,), b'"program": "facegallery')
    return Format("report", "Markdown", (MARKDOWN_SUFFIX,), MARKDOWN_MARK.encode())


def _write(report: ExplanationReport, path: Path) -> None:
    """As JSON or Markdown, whole or not at all; a file of the person's own is not replaced."""
    from facegallery.pictures.output import write_output

    if path.suffix == JSON_SUFFIX:
        text = as_json({"program": f"facegallery {__version__}", **as_document(report)})
    else:
        text = f"{MARKDOWN_MARK}\n\n{as_markdown(report)}"
    write_output(path, _form(path), lambda file: file.write(f"{text}\n".encode()))
