"""Commands ``members``, ``show``, ``rename``, ``merge``, ``unmerge``, ``move`` and ``forget``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import ERROR, confirmed, note, say, stdout, table
from facegallery.cli.history import counted, in_words, note_undo
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.disk import write_private
from facegallery.domain import Action, JournalEntry, Member, Removal
from facegallery.errors import InOnePhoto, StillInTheLog
from facegallery.text import printable

if TYPE_CHECKING:
    from facegallery import Gallery

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
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
    with open_gallery(gallery) as opened:
        old = opened.member(name).name
        renamed = opened.rename(name, new).name
        say(f"{old} is now {renamed}.")
        if renamed != old:
            note_undo(opened, opened.history(1, renamed)[0])


def merge(
    name: Annotated[str, typer.Argument(metavar="A", help="The member whose name goes.")],
    into: Annotated[str, typer.Argument(metavar="B", help="The member who gets A's photos.")],
    yes: YesOption = False,
    gallery: GalleryOption = None,
) -> None:
    """Make one member of two: A's photos, and what was said not to be A, become B's. Asks if both are in one photo."""
    with open_gallery(gallery) as opened:
        try:
            done = opened.merge(name, into, in_one_photo=yes)
        except InOnePhoto as error:
            _ask_of_one_photo(error)
            done = opened.merge(name, into, in_one_photo=True)
        _tell(opened, done)


def unmerge(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that went, or of the member who got them.")],
    new: Annotated[
        str | None, typer.Option("--as", metavar="NEW", help="Another name for the member who comes back.")
    ] = None,
    gallery: GalleryOption = None,
) -> None:
    """Take the newest merge of a member apart; photos that were enrolled or moved since stay where they are."""
    with open_gallery(gallery) as opened:
        _tell(opened, opened.unmerge(name, as_name=new))


def move(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", readable=False, help="An enrolled photo.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The member whose it is.")],
    of: Annotated[str | None, typer.Option("--from", metavar="NAME", help="The member whose face is meant.")] = None,
    face: Annotated[
        int | None, typer.Option("--face", min=1, metavar="N", help="Which face is meant, as 'detect' numbers them.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="NAME may be a new member.")] = False,
    yes: YesOption = False,
    gallery: GalleryOption = None,
) -> None:
    """Give an enrolled photo to another member. The file is not touched; who has no other photo is gone."""
    with open_gallery(gallery) as opened:
        wanted = partial(opened.move, photo, name, of=of, face_number=face, may_be_new=new)
        try:
            done = wanted(in_one_photo=yes)
        except InOnePhoto as error:
            _ask_of_one_photo(error)
            done = wanted(in_one_photo=True)
        if done is None:
            say(f"{photo} is {opened.member(name).name}'s already.")
        else:
            _tell(opened, done)


def _ask_of_one_photo(error: InOnePhoto) -> None:
    """Ask whether two faces of one photo are to be one person's; ends the command where they are not."""
    n_more = len(error.paths) - 1
    where = f"{error.paths[0]} and {counted(n_more, 'photo')} more" if n_more else f"{error.paths[0]}"
    question = f"{where}: {error.member} has another face in it. Go on all the same?"
    if not confirmed(printable(question), otherwise="to go on without being asked: --yes"):
        note("Nothing was changed.")
        raise typer.Exit(ERROR)


def _tell(gallery: Gallery, done: JournalEntry) -> None:
    """Say what was done, who is gone with it, and how it is undone."""
    words = in_words(done)
    say(f"{words[0].upper()}{words[1:]}.")
    if done.action is Action.MOVE:
        for each in done.members:
            if each.after is None:
                say(f"{each.before} had no other photo and is gone.")
    note_undo(gallery, done)


def forget(
    name: Name,
    yes: YesOption = False,
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
    with open_gallery(gallery) as opened:
        member, backups = opened.member(name), [] if keep_backups else opened.backups()
        if not yes and not _confirmed(member, len(backups)):
            note("Nothing was forgotten.")
            raise typer.Exit(ERROR)
        with _certificate_at(certificate, opened) as certify:
            removed = opened.forget(name, keep_backups=keep_backups)
            certify(removed)
        kept, others = opened.backups(), opened.other_backups()
    n = len(removed.template_ids)
    gone = f", and {len(backups)} backup{'s' * (len(backups) != 1)}" if backups else ""
    say(f"Forgot {member.name}: {n} template{'s' * (n != 1)} removed{gone}.")
    for backup in (*kept, *others):
        note(f"A backup or archive still holds who was enrolled then; remove it if you need it no more: {backup}")
    if certificate is not None:
        say(f"Certificate: {certificate}")


@contextmanager
def _certificate_at(path: Path | None, gallery: Gallery) -> Iterator[Callable[[Removal], None]]:
    """A file for a certificate, made before anything is removed, since what was removed cannot be told twice.

    Where another program keeps bytes from being removed the certificate is written all the same, and tells of it.
    """
    if path is None:
        yield lambda _: None
        return
    try:
        write_private(path, "")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--certificate") from error

    def certify(removed: Removal) -> None:
        path.write_text(gallery.certificate(removed), encoding="utf-8")

    try:
        yield certify
    except StillInTheLog as error:
        if isinstance(error.removed, Removal):
            certify(error.removed)
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _confirmed(member: Member, n_backups: int) -> bool:
    backups = f" with {n_backups} backup{'s' * (n_backups != 1)} of the gallery" if n_backups else ""
    question = (
        f"Forget {printable(member.name)} and all {member.n_templates} templates{backups}? This cannot be undone."
    )
    return confirmed(question, otherwise="to forget without being asked: --yes")
