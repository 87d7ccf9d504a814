"""Commands ``reject`` and ``rejections``: "this is not X"."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import note, say, stdout, table
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption, PrecisionOption, RuntimeOption
from facegallery.domain import Precision, Runtime, RuntimeChoice
from facegallery.text import printable


def reject(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", readable=False, help="The photo.")],
    member: Annotated[str, typer.Argument(metavar="NAME", help="The member that it is not.")],
    face: Annotated[
        int | None,
        typer.Option(
            "--face",
            min=1,
            metavar="N",
            help="Which face. Default: the one named NAME now, else the one most like NAME.",
        ),
    ] = None,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Say that a face is not a member: it, and faces more like it than like the member, are not named so again.

    The face's vector is kept for that, in the gallery, until 'facegallery rejections --undo N' or 'forget'.
    """
    from facegallery.gallery.words import decision_words

    with open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened:
        kept = opened.reject(photo, member, face_number=face)
    which = f"Face {kept.number} of {photo}" if kept.n_faces > 1 else f"The face in {photo}"
    number = kept.rejection.rejection_id
    say(f"{which} is not {kept.rejection.member}. It is now: {decision_words(kept.decision)}")
    note(f"To take that back: facegallery rejections --undo {number}")


def rejections(
    member: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of this member only.")] = None,
    undo: Annotated[
        int | None, typer.Option("--undo", metavar="N", help="Take number N back, and remove its vector.")
    ] = None,
    as_json: JsonOption = False,
    gallery: GalleryOption = None,
) -> None:
    """List the faces that were said not to be a member, or take one back."""
    if undo is not None and (member is not None or as_json):
        raise typer.BadParameter("--undo goes alone.")
    with open_gallery(gallery) as opened:
        if undo is not None:
            back = opened.undo_rejection(undo)
            say(f"Taken back: the face in {back.photo_path} may be {back.member} again.")
            return
        found = opened.rejections(member)
    if as_json:
        from facegallery.cli.report import as_json as json_text
        from facegallery.cli.report import rejection_fields

        sys.stdout.write(json_text({"rejections": [rejection_fields(each) for each in found]}) + "\n")
        return
    if not found:
        note("Nobody has been said not to be a member. To do so: facegallery reject PHOTO NAME")
        return
    rows = table("number", "not", "photo", "face (left, top, right, bottom)", "said", right=("number",))
    for each in found:
        rows.add_row(
            f"{each.rejection_id}",
            printable(each.member),
            printable(each.photo_path),
            ", ".join(f"{side:.0f}" for side in each.face.box_xyxy),
            f"{each.rejected_at:%Y-%m-%d %H:%M}",
        )
    stdout().print(rows)
