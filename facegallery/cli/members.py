"""Commands ``members``, ``show``, ``rename`` and ``forget``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from facegallery.cli.console import ERROR, confirmed, note, say, stdout, table
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.text import printable

Name = Annotated[str, typer.Argument(metavar="NAME", help="A member's name; upper and lower case are the same.")]


def members(as_json: JsonOption = False, gallery: GalleryOption = None) -> None:
    """List the members."""
    from facegallery import Gallery

    with Gallery.open(gallery) as opened:
        found, model = opened.members(), opened.model.name
    if as_json:
        from facegallery.cli.report import as_json as json_text
        from facegallery.cli.report import member_fields

        sys.stdout.write(json_text({"model": model, "members": [member_fields(member) for member in found]}) + "\n")
        return
    if not found:
        note("The gallery is empty. Next: facegallery enroll DIR (one folder a member)")
        return
    rows = table("member", "photos", "since", right=("photos",))
    for member in found:
        rows.add_row(printable(member.name), f"{member.n_templates}", f"{member.created_at:%Y-%m-%d}")
    stdout().print(rows)


def show(name: Name, as_json: JsonOption = False, gallery: GalleryOption = None) -> None:
    """Show one member and the photos the member was enrolled from."""
    from facegallery import Gallery

    with Gallery.open(gallery) as opened:
        member, faces, n_crops = opened.member(name), opened.enrolled_faces(name), opened.count_crops(name)
    if as_json:
        from facegallery.cli.report import as_json as json_text
        from facegallery.cli.report import enrolled_fields, member_fields

        sys.stdout.write(
            json_text(
                {**member_fields(member), "crops": n_crops, "enrolled": [enrolled_fields(face) for face in faces]}
            )
            + "\n"
        )
        return
    crops = f"; {n_crops} crop{'s' * (n_crops != 1)} kept" if n_crops else ""
    say(f"{member.name}: {member.n_templates} enrolled, since {member.created_at:%Y-%m-%d}{crops}")
    numbers = ("probability", "quality")
    rows = table("photo", "face (left, top, right, bottom)", *numbers, "enrolled", right=numbers)
    for entry in faces:
        box = ", ".join(f"{side:.0f}" for side in entry.face.box_xyxy)
        rows.add_row(
            printable(entry.photo_path),
            box,
            f"{entry.face.probability:.3f}",
            "" if entry.quality is None else f"{entry.quality:.2f}",
            f"{entry.enrolled_at:%Y-%m-%d %H:%M}",
        )
    stdout().print(rows)


def rename(name: Name, new: Annotated[str, typer.Argument(metavar="NEW")], gallery: GalleryOption = None) -> None:
    """Give a member another name."""
    from facegallery import Gallery

    with Gallery.open(gallery) as opened:
        old = opened.member(name).name
        renamed = opened.rename(name, new)
    say(f"{old} is now {renamed.name}.")


def forget(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    gallery: GalleryOption = None,
) -> None:
    """Remove a member for good: name, vectors, photo records, index entries. The photos themselves are not touched."""
    from facegallery import Gallery

    with Gallery.open(gallery) as opened:
        member = opened.member(name)
        if not yes:
            question = f"Forget {printable(member.name)} and all {member.n_templates} templates? This cannot be undone."
            if not confirmed(question, otherwise="to forget without being asked: --yes"):
                note("Nothing was forgotten.")
                raise typer.Exit(ERROR)
        removed, backups = opened.forget(name), opened.backups()
    say(f"Forgot {member.name}: {removed} template{'s' * (removed != 1)} removed.")
    for backup in backups:
        note(f"A backup from an upgrade still holds who was enrolled then; remove it if you need it no more: {backup}")
