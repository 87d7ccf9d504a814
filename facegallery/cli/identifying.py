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
    note_stale_calibration,
    progress,
    say,
    short_names,
    stdout,
    stoppable,
    table,
)
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import (
    DrawOption,
    GalleryOption,
    Inputs,
    JsonOption,
    MinMarginOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ScoreOption,
    ThresholdOption,
)
from facegallery.domain import (
    DEFAULT_SCORE,
    Decision,
    Face,
    FaceQuality,
    Precision,
    Runtime,
    RuntimeChoice,
    SkippedPhoto,
    StrangerRate,
    Verdict,
)
from facegallery.matching.quality_policy import DEFAULT_POLICY
from facegallery.matching.strangers import stranger_words
from facegallery.text import apart, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facegallery.gallery.analysis import FaceAnalyzer
    from facegallery.gallery.detecting import DetectedPhoto
    from facegallery.gallery.identification import IdentifiedPhoto
    from facegallery.gallery.verification import Verification


def identify(
    inputs: Inputs,
    threshold: ThresholdOption = None,
    min_margin: MinMarginOption = None,
    score: ScoreOption = DEFAULT_SCORE,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Candidates to report for each face.")] = 2,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a face.")] = False,
    draw: DrawOption = None,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Say who is in each photo: a member's name, ambiguous, or unknown.

    Exit code 3 says that some inputs were skipped.
    """
    from facegallery.cli.report import as_json as json_text
    from facegallery.cli.report import identification_csv, identification_document
    from facegallery.gallery.drawing import Drawings, draw_identified, drawn_or_why

    if as_json and as_csv:
        raise typer.BadParameter("Choose one of --json and --csv.")
    results: list[IdentifiedPhoto | SkippedPhoto] = []
    drawings = Drawings(draw) if draw is not None else None
    undrawn: list[SkippedPhoto] = []
    with open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened:
        found = photos_in(inputs)
        model, limits = opened.model.name, opened.limits(threshold=threshold, min_margin=min_margin, score=score)
        with progress("Identifying", len(found)) as bar, stoppable() as stop:
            for result in opened.identify(found, threshold=threshold, min_margin=min_margin, score=score, top=top):
                results.append(result)
                if drawings is not None and not isinstance(result, SkippedPhoto):
                    undrawn += drawn_or_why(draw_identified, result, drawings)
                advance(bar)
        note_stale_calibration(opened)
    skipped = [entry for entry in results if isinstance(entry, SkippedPhoto)]
    if as_json:
        document = identification_document(results, model=model, limits=limits, score=score, top=top)
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
    decisions = [face.decision for photo in photos for face in photo.faces]
    calibrated = ["strangers"] if any(decision.strangers is not None for decision in decisions) else []
    columns = ("photo", "face", "decision", "similarity", "threshold", "near", "margin")
    rows = table(*columns, *calibrated, right=_NUMBERS)
    for photo, name in zip(photos, short_names([photo.path for photo in photos]), strict=True):
        for face in photo.faces:
            decision, best = face.decision, face.decision.best
            similarity, threshold = ("", f"{decision.threshold:.2f}")
            if best is not None:
                similarity, threshold = apart(best.similarity, decision.threshold)
            rows.add_row(
                printable(name),
                f"{face.number}",
                printable(decision.member or decision.verdict.value) + _poor(face.face, face.quality),
                similarity,
                threshold,
                printable(_others(decision, top)),
                _number(decision.margin),
                *(_strangers(decision.strangers) for _ in calibrated),
            )
        if not photo.faces:
            rows.add_row(printable(name), "", "no face")
        if photo.notice:
            note(f"{photo.path}: {photo.notice}")
    stdout().print(rows)


def _strangers(rate: StrangerRate | None) -> str:
    return "" if rate is None else stranger_words(rate).removesuffix(" strangers")


def _others(decision: Decision, top: int) -> str:
    """Who else was near, from the nearest of an unknown or the runner-up of a match, and who it is for a reason not."""
    left = [each for each in decision.candidates if each.member not in decision.taken and not each.rejected]
    shown = left[: top - 1] if decision.verdict is Verdict.UNKNOWN else left[1:top]
    if decision.verdict is Verdict.AMBIGUOUS:
        shown = left[:top]
    words = [f"{each.member} {each.similarity:.2f}" for each in shown]
    passed_over = [f"{name}: another face" for name in decision.taken]
    passed_over += [f"not {name} (rejected)" for name in decision.rejected]
    return "; ".join([", ".join(words), *passed_over]).removeprefix("; ")


def _poor(face: Face, quality: FaceQuality | None) -> str:
    """The reasons why a face's picture is poor, in brackets; nothing where it is not."""
    codes = ", ".join(fault.code.value for fault in DEFAULT_POLICY.faults(face, quality))
    return f" ({codes})" if codes else ""


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
    similarity, threshold = apart(answer.similarity, answer.threshold)
    say(f"{verdict}: similarity {similarity}, threshold {threshold} (model '{answer.model}').")


def detect(
    inputs: Inputs,
    as_json: JsonOption = False,
    draw: DrawOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
) -> None:
    """Find the faces in photos: boxes, landmarks, probability, quality. Needs no gallery."""
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
    rows = table("photo", "face", "probability", "quality", "left", "top", "right", "bottom", right=_DETECTION_NUMBERS)
    for photo, name in zip(photos, short_names([photo.path for photo in photos]), strict=True):
        for number, (face, quality) in enumerate(zip(photo.faces, photo.qualities, strict=True), start=1):
            sides = (f"{side:.0f}" for side in face.box_xyxy)
            good = f"{quality.overall:.2f}{_poor(face, quality)}"
            rows.add_row(printable(name), f"{number}", f"{face.probability:.3f}", good, *sides)
        if not photo.faces:
            rows.add_row(printable(name), "", "no face", "", "", "", "", "")
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
        with open_gallery(gallery, runtime) as opened:
            return opened.analyzer
    return default_analyzer(model, runtime)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
