"""Commands ``identify``, ``verify`` and ``detect``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import (
    INTERRUPTED,
    SOME_SKIPPED,
    advance,
    note,
    progress,
    say,
    short_names,
    stdout,
    stoppable,
    table,
)
from facegallery.cli.options import (
    DrawOption,
    GalleryOption,
    Inputs,
    JsonOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ThresholdOption,
)
from facegallery.domain import Decision, Precision, Runtime, RuntimeChoice, ScoreRule, SkippedPhoto
from facegallery.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facegallery.gallery.analysis import FaceAnalyzer
    from facegallery.gallery.detecting import DetectedPhoto
    from facegallery.gallery.identification import IdentifiedPhoto
    from facegallery.gallery.verification import Verification


def identify(
    inputs: Inputs,
    threshold: ThresholdOption = None,
    score: Annotated[
        ScoreRule, typer.Option("--score", help="A member's best template, or the mean of the member's templates.")
    ] = ScoreRule.BEST,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Candidates to report for each face.")] = 2,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a face.")] = False,
    draw: DrawOption = None,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Say who is in each photo: a member's name, or unknown.

    Exit code 3 says that some inputs were skipped.
    """
    from facegallery import Gallery
    from facegallery.cli.report import as_json as json_text
    from facegallery.cli.report import identification_csv, identification_document
    from facegallery.gallery.drawing import Drawings, draw_identified, drawn_or_why

    if as_json and as_csv:
        raise typer.BadParameter("Choose one of --json and --csv.")
    results: list[IdentifiedPhoto | SkippedPhoto] = []
    drawings = Drawings(draw) if draw is not None else None
    undrawn: list[SkippedPhoto] = []
    with Gallery.open(gallery, runtime=RuntimeChoice(runtime, precision)) as opened:
        found = photos_in(inputs)
        model, limit = opened.model.name, opened.default_threshold if threshold is None else threshold
        with progress("Identifying", len(found)) as bar, stoppable() as stop:
            for result in opened.identify(found, threshold=limit, score=score, top=top):
                results.append(result)
                if drawings is not None and not isinstance(result, SkippedPhoto):
                    undrawn += drawn_or_why(draw_identified, result, drawings)
                advance(bar)
    skipped = [entry for entry in results if isinstance(entry, SkippedPhoto)]
    if as_json:
        document = identification_document(results, model=model, threshold=limit, score=score, top=top)
        sys.stdout.write(json_text(document) + "\n")
    elif as_csv:
        sys.stdout.write(identification_csv(results))
    else:
        print_identified([entry for entry in results if not isinstance(entry, SkippedPhoto)], top=top)
    _finish([*skipped, *undrawn], drawings, n_left=len(found) - len(results) if stop.asked else 0)


def print_identified(photos: Sequence[IdentifiedPhoto], *, top: int = 2) -> None:
    """The table of decisions, one row a face."""
    if not photos:
        return
    rows = table("photo", "face", "decision", "similarity", "threshold", "near", "margin", right=_NUMBERS)
    for photo, name in zip(photos, short_names([photo.path for photo in photos]), strict=True):
        for face in photo.faces:
            decision = face.decision
            rows.add_row(
                printable(name),
                f"{face.number}",
                printable(decision.member or "unknown"),
                _number(decision.best.similarity if decision.best else None),
                _number(decision.threshold),
                printable(_others(decision, top)),
                _number(decision.margin),
            )
        if not photo.faces:
            rows.add_row(printable(name), "", "no face", "", "", "", "")
        if photo.notice:
            note(f"{photo.path}: {photo.notice}")
    stdout().print(rows)


def _others(decision: Decision, top: int) -> str:
    """Who else was near, from the nearest of an unknown or the runner-up of a match, and whose name was taken."""
    left = [each for each in decision.candidates if each.member not in decision.taken]
    shown = left[1:top] if decision.member else left[: top - 1]
    words = [f"{each.member} {each.similarity:.2f}" for each in shown]
    return "; ".join([", ".join(words), *(f"{name}: another face" for name in decision.taken)]).removeprefix("; ")


_NUMBERS = ("face", "similarity", "threshold", "margin")


def verify(
    photo_a: Annotated[Path, typer.Argument(metavar="A", readable=False, help="A photo.")],
    photo_b: Annotated[Path, typer.Argument(metavar="B", readable=False, help="Another photo.")],
    face_a: Annotated[int | None, typer.Option("--face-a", min=1, metavar="N", help="Which face of A.")] = None,
    face_b: Annotated[int | None, typer.Option("--face-b", min=1, metavar="N", help="Which face of B.")] = None,
    threshold: ThresholdOption = None,
    as_json: JsonOption = False,
    gallery: GalleryOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Say whether two photos show the same person. Needs no gallery."""
    from facegallery.gallery.verification import verify_photos

    answer = verify_photos(
        analyzer_for(gallery, model, RuntimeChoice(runtime, precision)),
        (photo_a, photo_b),
        face_numbers=(face_a, face_b),
        threshold=threshold,
    )
    _print_verification(answer, as_json=as_json)


def _print_verification(answer: Verification, *, as_json: bool) -> None:
    from facegallery.cli.report import as_json as json_text
    from facegallery.cli.report import verification_fields

    if as_json:
        sys.stdout.write(json_text(verification_fields(answer)) + "\n")
        return
    verdict = "Same person" if answer.verdict.value == "match" else "Not shown to be the same person"
    say(f"{verdict}: similarity {answer.similarity:.2f}, threshold {answer.threshold:.2f} (model '{answer.model}').")


def detect(
    inputs: Inputs,
    as_json: JsonOption = False,
    draw: DrawOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
) -> None:
    """Find the faces in photos: boxes, landmarks, probability. Needs no gallery."""
    from facegallery.cli.report import as_json as json_text
    from facegallery.cli.report import detection_document
    from facegallery.gallery.detecting import detect_photos
    from facegallery.gallery.drawing import Drawings, draw_detected, drawn_or_why

    results: list[DetectedPhoto | SkippedPhoto] = []
    drawings = Drawings(draw) if draw is not None else None
    undrawn: list[SkippedPhoto] = []
    found = photos_in(inputs)
    with progress("Detecting", len(found)) as bar, stoppable() as stop:
        for result in detect_photos(found, runtime=RuntimeChoice(runtime)):
            results.append(result)
            if drawings is not None and not isinstance(result, SkippedPhoto):
                undrawn += drawn_or_why(draw_detected, result, drawings)
            advance(bar)
    if as_json:
        sys.stdout.write(json_text(detection_document(results)) + "\n")
    else:
        _print_detected([entry for entry in results if not isinstance(entry, SkippedPhoto)])
    skipped = [entry for entry in results if isinstance(entry, SkippedPhoto)]
    _finish([*skipped, *undrawn], drawings, n_left=len(found) - len(results) if stop.asked else 0)


def _print_detected(photos: Sequence[DetectedPhoto]) -> None:
    if not photos:
        return
    rows = table("photo", "face", "probability", "left", "top", "right", "bottom", right=_DETECTION_NUMBERS)
    for photo, name in zip(photos, short_names([photo.path for photo in photos]), strict=True):
        for number, face in enumerate(photo.faces, start=1):
            sides = (f"{side:.0f}" for side in face.box_xyxy)
            rows.add_row(printable(name), f"{number}", f"{face.probability:.3f}", *sides)
        if not photo.faces:
            rows.add_row(printable(name), "", "no face", "", "", "", "")
        if photo.notice:
            note(f"{photo.path}: {photo.notice}")
    stdout().print(rows)


_DETECTION_NUMBERS = ("face", "probability", "left", "top", "right", "bottom")


def photos_in(inputs: list[Path]) -> list[Path | SkippedPhoto]:
    """All photos in files and folders; a person who named an empty folder is told."""
    from facegallery.gallery.analysis import expand

    found = expand(inputs)
    if not found:
        note(f"There is no photo in {', '.join(map(str, inputs))}.")
    return found


def _finish(skipped: list[SkippedPhoto], drawings: object, *, n_left: int) -> None:
    """Say what was skipped, where pictures are, and what Ctrl-C left undone; give the exit code that says so too."""
    from facegallery.gallery.drawing import Drawings

    if isinstance(drawings, Drawings) and drawings.written:
        note(f"Drew {len(drawings.written)} picture{'s' * (len(drawings.written) != 1)} into {drawings.folder}")
    for entry in skipped:
        note(f"Skipped {entry.path}: {entry.reason}")
    if n_left:
        note(f"Stopped: {n_left} photo{'s' * (n_left != 1)} not looked at.")
        raise typer.Exit(INTERRUPTED)
    if skipped:
        raise typer.Exit(SOME_SKIPPED)


def analyzer_for(gallery: Path | None, model: str | None, runtime: RuntimeChoice) -> FaceAnalyzer:
    """On the named model; else on the gallery's, where there is a gallery; else on the best model here."""
    from facegallery import Gallery
    from facegallery.gallery.analysis import default_analyzer

    # A gallery that is named must be there; the default one is taken if it is.
    if model is None and (gallery is not None or Gallery.exists()):
        with Gallery.open(gallery, runtime=runtime) as opened:
            return opened.analyzer
    return default_analyzer(model, runtime)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
