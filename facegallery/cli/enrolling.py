"""Commands ``init`` and ``enroll``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.auditing import warn_of_wrong_photos
from facegallery.cli.console import (
    ERROR,
    INTERRUPTED,
    SOME_SKIPPED,
    advance,
    note,
    note_stale_calibration,
    progress,
    say,
    stoppable,
)
from facegallery.cli.opening import new_secret, open_or_create
from facegallery.cli.options import (
    AcceptPoorOption,
    GalleryOption,
    NewModelOption,
    PrecisionOption,
    PreparationOption,
    RuntimeOption,
)
from facegallery.domain import Precision, Runtime, RuntimeChoice
from facegallery.matching.quality_policy import Poor

if TYPE_CHECKING:
    from facegallery import Gallery
    from facegallery.gallery.enrollment import EnrollOutcome


def init(
    gallery: GalleryOption = None,
    model: NewModelOption = None,
    preparation: PreparationOption = None,
    encrypt: Annotated[
        bool,
        typer.Option(
            "--encrypt", help="Encrypt names, paths, vectors and crops: by a passphrase, or 'facegallery --key-file'."
        ),
    ] = False,
) -> None:
    """Make an empty gallery. 'enroll' does this by itself where there is none."""
    from facegallery import Gallery

    is_there = Gallery.exists(gallery)
    if is_there and encrypt:
        note(
            "There is a gallery already. To have it encrypted: 'facegallery export', then 'facegallery init "
            "--encrypt' with another '--gallery FOLDER', then 'facegallery import' into that one."
        )
        raise typer.Exit(ERROR)
    secret = new_secret() if encrypt else None
    with open_or_create(gallery, model, preparation=preparation, secret=secret) as opened:
        if is_there:
            say(f"There is a gallery in {opened.folder} already, on model '{opened.model.name}'. Nothing was changed.")
        else:
            say(f"Made a gallery in {opened.folder}. Next: facegallery enroll DIR (one folder a member)")


def enroll(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="DIR | PHOTO...", readable=False, help="A folder with one folder a member; or photos."),
    ],
    member: Annotated[
        str | None,
        typer.Option("--member", "-m", metavar="NAME", help="The photos (or folders) are all of this member."),
    ] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=1, metavar="N", help="Which face of the one photo, as 'detect' numbers them."),
    ] = None,
    accept_poor: AcceptPoorOption = False,
    keep_crops: Annotated[
        bool,
        typer.Option(
            "--keep-crops",
            help="Keep the faces' pixels too, cut out as now: 'reembed' takes them if a photo is gone.",
        ),
    ] = False,
    gallery: GalleryOption = None,
    model: NewModelOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Enroll members from photos: a folder with one folder a member, or --member NAME and photos.

    A photo with several faces gives the face that fits the member's other photos; where nothing tells them apart it
    is skipped. So is a face whose picture is too poor. Photos already enrolled (the same bytes under any name) take no
    work. Stop it at any time: the same command goes on.
    """
    from facegallery.gallery.enrollment import MemberPhotos, plan_folder
    from facegallery.walk import find_photos

    if member is None and len(inputs) == 1 and not inputs[0].exists():
        raise typer.BadParameter(f"There is no {inputs[0]}.")
    if member is None and (len(inputs) != 1 or not inputs[0].is_dir()):
        raise typer.BadParameter("Give one folder that holds one folder a member, or --member NAME and photos.")
    if member is not None and not member.strip():
        raise typer.BadParameter("--member needs a name.")
    if face is not None and (member is None or len(inputs) != 1 or inputs[0].is_dir()):
        raise typer.BadParameter("--face N goes with --member NAME and exactly one photo.")
    plan = plan_folder(inputs[0]) if member is None else [MemberPhotos(member, tuple(find_photos(inputs)), face)]
    if not any(entry.photos for entry in plan):
        wanted = "it should hold one folder a member" if member is None else "give photos, or folders of photos"
        raise typer.BadParameter(f"There is no photo to enroll in {inputs[0]}: {wanted}.")
    with open_or_create(gallery, model, RuntimeChoice(runtime, precision)) as opened:
        raise typer.Exit(
            run_enrollment(
                opened,
                opened.enroll(plan, accept_poor=accept_poor, keep_crops=keep_crops),
                sum(len(entry.photos) for entry in plan),
            )
        )


def run_enrollment(gallery: Gallery, running: Iterable[EnrollOutcome], total: int) -> int:
    """Enroll with a progress bar, then the summary. Returns the exit code.

    Args:
        gallery: What is enrolled into.
        running: The enrollment, which goes on as its outcomes are taken.
        total: Photos that are offered.
    """
    outcomes: list[EnrollOutcome] = []
    with progress("Enrolling", total) as bar, stoppable() as stop:
        for outcome in running:
            outcomes.append(outcome)
            advance(bar)
    _summary(outcomes)
    if stop.asked:
        done = f"Stopped after {len(outcomes)} of {total} photos."
        note(f"{done} All that is named above is kept; the same command goes on.")
        return INTERRUPTED
    gallery.refresh_index()
    note_stale_calibration(gallery)
    warn_of_wrong_photos(gallery, [outcome.path for outcome in outcomes if outcome.status.value == "enrolled"])
    return SOME_SKIPPED if any(outcome.skipped for outcome in outcomes) else 0


def _summary(outcomes: list[EnrollOutcome]) -> None:
    for outcome in outcomes:
        if outcome.notice:
            note(f"{outcome.path}: {outcome.notice}")
    counts = Counter(outcome.status.value for outcome in outcomes)
    members = {outcome.member for outcome in outcomes if outcome.status.value == "enrolled"}
    say(f"Enrolled {_photos(counts['enrolled'])} of {len(members)} member{'s' * (len(members) != 1)}.")
    if counts["already"]:
        say(f"Already there: {_photos(counts['already'])}.")
    skipped = [outcome.skipped for outcome in outcomes if outcome.skipped]
    if skipped:
        say(f"Skipped {_photos(len(skipped))}:")
        for entry in skipped:
            say(f"  {entry.path}: {entry.reason}")
    if any(entry.code == "several_faces" for entry in skipped):
        note(
            "For a photo with several faces: add photos in which the member is alone, or name the face: "
            "facegallery enroll --member NAME PHOTO --face N ('facegallery detect PHOTO --draw DIR' shows the numbers)."
        )
    poor = Counter(entry.code for entry in skipped if entry.code in _POOR)
    if poor:
        reasons = ", ".join(f"{code} {count}" for code, count in poor.most_common())
        note(f"{_photos(poor.total())} left out as poor: {reasons}; --accept-poor enrolls them all the same.")


_POOR = {reason.value for reason in Poor}


def _photos(count: int) -> str:
    return f"{count} photo{'s' * (count != 1)}"
