"""Commands ``members``, ``show``, ``rename`` and ``forget``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import ERROR, confirmed, note, say, stdout, table
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.disk import write_private
from facegallery.domain import Member
from facegallery.text import printable

Name = Annotated[str, typer.Argument(metavar="NAME", help="A member's name; upper and lower case are the same.")]


def members(as_json: JsonOption = False, gallery: GalleryOption = None) -> None:
    """List the members."""
    with open_gallery(gallery) as opened:
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
    with open_gallery(gallery) as opened:
        member, faces = opened.member(name), opened.enrolled_faces(name)
    if as_json:
        from facegallery.cli.report import as_json as json_text
        from facegallery.cli.report import enrolled_fields, member_fields

        sys.stdout.write(
            json_text({**member_fields(member), "enrolled": [enrolled_fields(face) for face in faces]}) + "\n"
        )
        return
    say(f"{member.name}: {member.n_templates} enrolled, since {member.created_at:%Y-%m-%d}")
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
    with open_gallery(gallery) as opened:
        old = opened.member(name).name
        renamed = opened.rename(name, new)
    say(f"{old} is now {renamed.name}.")


def forget(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    keep_backups: Annotated[
        bool, typer.Option("--keep-backups", help="Leave the backups in the gallery's folder, which hold the member.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="Write what was removed, without saying who it was."),
    ] = None,
    gallery: GalleryOption = None,
) -> None:
    """Remove a member for good, from every file of the gallery. The photos themselves are not touched."""
    if certificate is not None and certificate.exists():
        raise typer.BadParameter(f"There is a {certificate} already.", param_hint="--certificate")
    with open_gallery(gallery) as opened:
        member, backups = opened.member(name), [] if keep_backups else opened.backups()
        if not yes and not _confirmed(member, len(backups)):
            note("Nothing was forgotten.")
            raise typer.Exit(ERROR)
        removed = opened.forget(name, keep_backups=keep_backups)
        if certificate is not None:
            write_private(certificate, opened.certificate(removed))
        kept, others = opened.backups(), opened.other_backups()
    n = len(removed.template_ids)
    gone = f", and {len(backups)} backup{'s' * (len(backups) != 1)}" if backups else ""
    say(f"Forgot {member.name}: {n} template{'s' * (n != 1)} removed{gone}.")
    for backup in (*kept, *others):
        note(f"A backup still holds who was enrolled then; remove it if you need it no more: {backup}")
    if certificate is not None:
        say(f"Certificate: {certificate}")


def _confirmed(member: Member, n_backups: int) -> bool:
    backups = f" with {n_backups} backup{'s' * (n_backups != 1)} of the gallery" if n_backups else ""
    question = (
        f"Forget {printable(member.name)} and all {member.n_templates} templates{backups}? This cannot be undone."
    )
    return confirmed(question, otherwise="to forget without being asked: --yes")
