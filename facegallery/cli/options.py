"""Arguments and options that several commands take, so that they are the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegallery.domain import Precision, Runtime
from facegallery.matching.decisions import checked_threshold
from facegallery.settings import PRECISION_VARIABLE, RUNTIME_VARIABLE


def _threshold(value: float | None) -> float | None:
    """Refuse what is no similarity, as a fault of usage."""
    try:
        return None if value is None else checked_threshold(value)
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
        help="Similarity that a match needs, in [-1, 1]. Default: the model's.",
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
