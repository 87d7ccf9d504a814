"""Command ``evaluate verification``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import DONE, SOME_SKIPPED
from facegallery.cli.evaluating.looking import chosen_model, look_or_exit
from facegallery.cli.evaluating.output import MarkdownOption, OutWithPlotsOption, tell
from facegallery.cli.options import JsonOption, NewModelOption, PrecisionOption, PreparationOption, RuntimeOption
from facegallery.domain import Precision, Runtime, RuntimeChoice


def verification(
    pairs_file: Annotated[
        Path, typer.Argument(metavar="PAIRS", readable=False, help="A list of pairs in the format of LFW's pairs.txt.")
    ],
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", readable=False, help="Its photos: name/name_0001.jpg, as LFW lays them out."),
    ],
    preparation: PreparationOption = None,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    out: OutWithPlotsOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Two photos, one person or two? FMR and FNMR on a list of pairs, and LFW's figure over its folds.

    Of a photo with several faces the one that is large and near the middle is taken, as in facenet-pytorch's notebook.
    """
    from facegallery.cli.evaluating.verification_report import as_report
    from facegallery.evaluation.acquisition import ComparingJob, prepared
    from facegallery.evaluation.pairs import read_pairs
    from facegallery.evaluation.verification import photos_of, verification_report

    pairs = read_pairs(pairs_file, folder)
    installed = chosen_model(model)
    way = preparation or installed.spec.preparation
    job = ComparingJob(installed, RuntimeChoice(runtime, precision), preparations=(way,))
    found = prepared(look_or_exit(photos_of(pairs), job), way)
    report = verification_report(pairs_file, folder, pairs, found, model=installed, preparation=way)
    tell(as_report(report), json=json, markdown=markdown, out=out)
    raise typer.Exit(SOME_SKIPPED if report.left_out else DONE)
