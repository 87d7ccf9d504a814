"""Command ``explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import say
from facegallery.cli.options import GalleryOption, PrecisionOption, RuntimeOption, ThresholdOption
from facegallery.domain import Precision, Runtime, RuntimeChoice


def explain(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", readable=False, help="The photo to explain.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.png", help="Where the picture goes.")],
    member: Annotated[
        str | None,
        typer.Option(
            "--member", "-m", metavar="NAME", help="Compare with this member. Default: the named or nearest one."
        ),
    ] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=1, metavar="N", help="Which face. Default: the one most similar to the member."),
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", help="block8 (3x3 map), repeat_2 (8x8, the default) or repeat_1 (17x17).")
    ] = None,
    threshold: ThresholdOption = None,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Show in one picture why a face was named or stayed unknown: maps, the enrolled photo, the decision in words."""
    from facegallery import Gallery
    from facegallery.gallery.explaining import draw_explanation
    from facegallery.pictures.panel import save_png

    with Gallery.open(gallery, runtime=RuntimeChoice(runtime, precision)) as opened:
        explanation = opened.explain(photo, member=member, face_number=face, layer=layer, threshold=threshold)
    save_png(draw_explanation(explanation), output)
    for line in explanation.words():
        say(line)
    say(f"Picture: {output}")
