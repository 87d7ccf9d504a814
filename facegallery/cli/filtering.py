"""Command ``filters``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import note, progress
from facegallery.cli.identifying import analyzer_for
from facegallery.cli.options import GalleryOption, ModelOption, PrecisionOption, RuntimeOption
from facegallery.domain import Precision, Runtime, RuntimeChoice

if TYPE_CHECKING:
    from facegallery.explanation.visualization import Visualization
    from facegallery.gallery.analysis import FaceAnalyzer

SEED = 0


def filters(
    layer: Annotated[
        str,
        typer.Option(
            "--layer", metavar="NAME", help="conv2d_1a ... conv2d_4b, repeat_1, repeat_2, repeat_3, block8, embedding."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.png", help="Where the picture goes.")],
    photo: Annotated[
        Path | None, typer.Argument(metavar="[PHOTO]", readable=False, help="What the filters answer to.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--filter", min=0, metavar="N", help="One filter, and the picture that drives it.")
    ] = None,
    face: Annotated[int | None, typer.Option("--face", min=1, metavar="N", help="Which face of the photo.")] = None,
    gallery: GalleryOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Show what a layer's filters answer to a face, and what drives one of them. Needs no gallery."""
    from facegallery.gallery.filters import draw_filters, face_filters
    from facegallery.pictures.output import save_png

    if photo is None and (number is None or face is not None):
        raise typer.BadParameter("Name a PHOTO, or without one a filter with --filter N.")
    analyzer = analyzer_for(gallery, model, RuntimeChoice(runtime, precision))
    seen = None if photo is None else face_filters(photo, analyzer=analyzer, layer=layer, face_number=face)
    driven = None if number is None else _driven(analyzer, layer, number)
    save_png(draw_filters(seen, driven), output)
    note(f"Written: {output}")


def _driven(analyzer: FaceAnalyzer, layer: str, number: int) -> Visualization:
    """Climb, which takes seconds, beside a progress bar."""
    import numpy as np

    from facegallery.explanation.visualization import N_STEPS, ascend

    with progress("Drawing", N_STEPS) as bar:
        (task,) = bar.task_ids
        return ascend(
            analyzer.network, layer, number, rng=np.random.default_rng(SEED), on_step=lambda: bar.advance(task)
        )
