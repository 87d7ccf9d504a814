"""Arguments and options that several commands take, so that they are the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

GalleryOption = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        "-g",
        envvar="FACEGALLERY_GALLERY",
        metavar="FOLDER",
        help="The gallery's folder. Default: one in your own data folder.",
        show_default=False,
    ),
]
Inputs = Annotated[list[Path], typer.Argument(metavar="PHOTO | DIR...", help="Photos, or folders of photos.")]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold", "-t", min=-1.0, max=1.0, help="Similarity that a match needs.", show_default="the model's"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DrawOption = Annotated[
    Path | None, typer.Option("--draw", metavar="DIR", help="Draw boxes, names and landmarks; one PNG a photo.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Model to compare with. Default: the gallery's.")
]
NewModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Model of a new gallery. Default: vggface2 if here, else starter."),
]
