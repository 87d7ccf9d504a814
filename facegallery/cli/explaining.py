"""Command ``explain``."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import advance, note, progress, say
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import (
    GalleryOption,
    JsonOption,
    MinMarginOption,
    PrecisionOption,
    RuntimeOption,
    ScoreOption,
    ThresholdOption,
)
from facegallery.domain import DEFAULT_SCORE, Precision, Runtime, RuntimeChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PIL.Image import Image

    from facegallery import Gallery
    from facegallery.gallery.explaining.values import Explanation
    from facegallery.pictures.page import Page


class Stage(str, Enum):
    """What is explained."""

    DECISION = "decision"
    DETECTION = "detection"


def explain(
    photo: Annotated[
        Path | None,
        typer.Argument(metavar="[PHOTO]", readable=False, help="The photo to explain. None: the member (--member)."),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", metavar="OUT", help="Where to: a name in .png, or .html for one page. Repeat."),
    ] = None,
    member: Annotated[
        str | None,
        typer.Option(
            "--member", "-m", metavar="NAME", help="Compare with this member. Default: the named or nearest one."
        ),
    ] = None,
    rival: Annotated[
        str | None,
        typer.Option("--not", metavar="NAME", help="Why not this member. Default: the runner-up of a match."),
    ] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=1, metavar="N", help="Which face. Default: the one most similar to the member."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="How to look; repeat for several. Default: shares and occlusion."),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option("--layer", help="For Grad-CAM: block8 (3x3), repeat_2 (8x8, default), repeat_1 (17x17)."),
    ] = None,
    stage: Annotated[Stage, typer.Option("--stage", help="Why this name, or why this is a face.")] = Stage.DECISION,
    check: Annotated[bool, typer.Option("--check", help="Print how far to trust each map.")] = False,
    as_json: JsonOption = False,
    threshold: ThresholdOption = None,
    min_margin: MinMarginOption = None,
    score: ScoreOption = DEFAULT_SCORE,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Show why a face was named, why not the runner-up, or why it stayed unknown: maps, pictures, sentences.

    Without PHOTO: which regions the member of --member is recognized by, over all enrolled photos.
    """
    from facegallery.explanation.catalogue import DEFAULT_METHODS, LAYERED

    _refuse_unused(
        stage,
        photo,
        everywhere={"--member": member},
        of_a_photo={
            "--not": rival,
            "--method": method,
            "--layer": layer,
            "--check": check,
            "--threshold": threshold,
            "--min-margin": min_margin,
            "--score": None if score is DEFAULT_SCORE else score,
        },
        face=face,
    )
    if layer is not None and not set(method or ()) & set(LAYERED):
        raise typer.BadParameter(f"--layer is for Grad-CAM: choose --method {' or --method '.join(LAYERED)} too.")
    outputs = _checked(output or [])
    if stage is Stage.DETECTION:
        _explain_detection(_needed(photo), outputs, face, RuntimeChoice(runtime), as_json=as_json)
        return
    with open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened:
        if photo is None:
            _explain_member(opened, member, outputs, as_json=as_json)
            return
        with progress("Explaining", 2 * len(method or DEFAULT_METHODS)) as bar:
            explanation = opened.explain(
                photo,
                member=member,
                rival=rival,
                face_number=face,
                methods=method,
                layer=layer,
                threshold=threshold,
                min_margin=min_margin,
                score=score,
                told=lambda: bar.advance(bar.task_ids[0]),
            )
        if check:
            with progress("Checking the maps", len(explanation.maps)) as bar:
                explanation = opened.check_explanation(explanation, told=lambda: bar.advance(bar.task_ids[0]))
        _show(explanation, outputs, as_json=as_json)


def _explain_detection(
    photo: Path, outputs: Sequence[Path], face: int | None, runtime: RuntimeChoice, *, as_json: bool
) -> None:
    """Why these are faces. Needs no gallery."""
    from facegallery.cli.explained import detection_explanation_document
    from facegallery.gallery.explaining.detection import explain_detection
    from facegallery.gallery.explaining.detection_output import draw_detection, page_of_detection

    explanation = explain_detection(photo, face_number=face, runtime=runtime)
    _answer(explanation.words(), lambda: detection_explanation_document(explanation), as_json=as_json)
    _write(outputs, lambda: draw_detection(explanation), lambda: page_of_detection(explanation))


def _show(explanation: Explanation, outputs: Sequence[Path], *, as_json: bool) -> None:
    from facegallery.cli.explained import explanation_document
    from facegallery.gallery.explaining.output import draw_explanation, page_of

    _answer(explanation.words(), lambda: explanation_document(explanation), as_json=as_json)
    _write(outputs, lambda: draw_explanation(explanation), lambda: page_of(explanation))


def _explain_member(opened: Gallery, name: str | None, outputs: Sequence[Path], *, as_json: bool) -> None:
    from facegallery.cli.explained import member_document
    from facegallery.gallery.explaining.output import draw_member, page_of_member

    if name is None:
        raise typer.BadParameter("Give a photo, or --member NAME for what a member is recognized by.")
    with progress("Looking at the member's photos", opened.member(name).n_templates) as bar:
        member = opened.explain_member(name, told=lambda: advance(bar))
    for entry in member.skipped:
        note(f"Left out {entry.path}: {entry.reason}")
    _answer(member.words(), lambda: member_document(member), as_json=as_json)
    _write(outputs, lambda: draw_member(member), lambda: page_of_member(member))


def _write(outputs: Sequence[Path], picture: Callable[[], Image], page: Callable[[], Page]) -> None:
    """Each output in the form that its name says; after the answer, which a full disk must not cost."""
    from facegallery.pictures.output import HTML, save_png
    from facegallery.pictures.page import save_page

    for path in outputs:
        if path.suffix.lower() in HTML.suffixes:
            save_page(page(), path)
        else:
            save_png(picture(), path)
        note(f"Written: {path}")


def _answer(words: Sequence[str], document: Callable[[], object], *, as_json: bool) -> None:
    """The answer to standard output: sentences, or one document."""
    from facegallery.cli.report import as_json as json_text

    if as_json:
        sys.stdout.write(json_text(document()) + "\n")
    else:
        for line in words:
            say(line)


def _checked(outputs: Sequence[Path]) -> Sequence[Path]:
    """Names that end in what can be written, before any work is done."""
    from facegallery.pictures.output import HTML, PNG

    for path in outputs:
        if path.suffix.lower() not in (*PNG.suffixes, *HTML.suffixes):
            raise typer.BadParameter(f"{path}: give a name that ends in .png, or in .html for a page.")
    return outputs


def _refuse_unused(
    stage: Stage,
    photo: Path | None,
    *,
    everywhere: Mapping[str, object],
    of_a_photo: Mapping[str, object],
    face: int | None,
) -> None:
    """Refuse options that would be passed over, so that nobody takes the answer for one to them."""
    if stage is Stage.DETECTION:
        unused, why = {**everywhere, **of_a_photo}, "--stage detection asks no gallery"
    elif photo is None:
        unused, why = {**of_a_photo, "--face": face}, "without a photo the member is explained"
    else:
        return
    for name, value in unused.items():
        if value is not None and value is not False:
            raise typer.BadParameter(f"{name} says nothing here: {why}.")


def _needed(photo: Path | None) -> Path:
    if photo is None:
        raise typer.BadParameter("Give the photo whose faces are to be explained.")
    return photo
