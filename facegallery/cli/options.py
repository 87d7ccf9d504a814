"""Arguments and options that several commands take, so that they are the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegallery.domain import Precision, Preparation, Runtime, ScoreRule
from facegallery.matching.decisions import checked_fmr, checked_threshold
from facegallery.settings import PRECISION_VARIABLE, RUNTIME_VARIABLE


def _threshold(value: float | None) -> float | None:
    """Refuse what is no similarity, as a fault of usage."""
    try:
        return None if value is None else checked_threshold(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def checked_rate(value: float) -> float:
    """Refuse what is no rate, or too high a one, as a fault of usage."""
    try:
        return checked_fmr(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


GalleryOption = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        "-g",
        metavar="FOLDER",
        help="The gallery's folder. Default: FACEGALLERY_GALLERY, else one in your own data folder.",
    ),
]
Inputs = Annotated[
    list[Path], typer.Argument(metavar="PHOTO | DIR...", readable=False, help="Photos, or folders of photos.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        "-t",
        callback=_threshold,
        metavar="T",
        help="Similarity that a match needs, in [-1, 1]. Default: the calibrated one, else the model's.",
    ),
]
JoinOption = Annotated[
    float | None,
    typer.Option(
        "--join",
        min=-1.0,
        max=1.0,
        metavar="S",
        help="Mean similarity from which faces are grouped; lower joins more. Default: from the gallery's threshold.",
    ),
]
MinMarginOption = Annotated[
    float | None,
    typer.Option(
        "--min-margin",
        min=0.0,
        max=2.0,
        metavar="M",
        help="How much more similar than the runner-up a match must be; less is ambiguous.",
    ),
]
ScoreOption = Annotated[
    ScoreRule,
    typer.Option("--score", help="What a face is compared with: the mean of a member's photos, or the nearest ones."),
]
FmrOption = Annotated[
    float,
    typer.Option(
        "--fmr",
        callback=checked_rate,
        metavar="RATE",
        help="False match rate wanted: the share of comparisons of different people that may reach the threshold.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DrawOption = Annotated[
    Path | None, typer.Option("--draw", metavar="DIR", help="Draw boxes, names and landmarks; one PNG a photo.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Model to compare with. Default: the gallery's.")
]
RuntimeOption = Annotated[
    Runtime,
    typer.Option(
        "--runtime", envvar=RUNTIME_VARIABLE, help="What runs the networks; torch takes a GPU where there is one."
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision", envvar=PRECISION_VARIABLE, help="What faces are embedded in; auto: bf16 where it is native."
    ),
]
NewModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Model of a new gallery. Default: vggface2 if here, else starter."),
]
PreparationOption = Annotated[
    Preparation | None,
    typer.Option(
        "--preparation",
        help="How faces are cut out, and whether their mirror images are looked at too. Default: the model's.",
    ),
]
AcceptPoorOption = Annotated[
    bool, typer.Option("--accept-poor", help="Take faces that are small, blurred, dark or turned away too.")
]
