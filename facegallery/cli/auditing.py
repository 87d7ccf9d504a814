"""Command ``audit``, and the same warning at the end of ``enroll``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facegallery.cli.console import ERROR, confirmed, note, of_gallery, say, short_names, stdout, table
from facegallery.cli.history import note_undo
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.errors import PhotoNotEnrolled
from facegallery.text import printable, shell_word

if TYPE_CHECKING:
    from facegallery import Gallery
    from facegallery.domain import EnrolledFace
    from facegallery.gallery.auditing import Audit, Change, Finding

KINDS = ("other_member", "nobody_here", "same_picture", "same_person")
"""Values of ``gallery.auditing.FindingKind``, known without importing it."""

LARGEST_AT_ENROLL = 5_000
"""Templates up to which ``enroll`` audits what it enrolled: nine seconds on two cores. In larger galleries 'audit' is
asked."""

_TAKE_OUT = {
    "other_member": "Or, as it is not sure whose it is, to take it out:",
    "nobody_here": "To take out a photo of nobody here:",
    "same_picture": "To take out one of the two that are one picture:",
}


def _kind(value: str | None) -> str | None:
    if value is not None and value not in KINDS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(KINDS)}.")
    return value


def _page(value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"{value}: give a name that ends in .html.")
    return value


def audit(
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Move photos that are surely another member's; take out those that are surely nobody's."
        ),
    ] = False,
    only: Annotated[
        str | None, typer.Option("--only", metavar="CODE", callback=_kind, help=f"One of {', '.join(KINDS)}.")
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option("--photo", metavar="PHOTO", help="This enrolled photo only; with --apply, however sure."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="With --apply --photo: move it to this member.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT.html", callback=_page, help="Show the faces side by side."),
    ] = None,
    as_json: JsonOption = False,
    gallery: GalleryOption = None,
) -> None:
    """Find wrong photos in the members' folders, and one picture or person under two names.

    Changes nothing without --apply, which acts where it is at least 90 % sure what to do. With --photo it acts on that
    photo whatever was found: it is moved to the member of --to, or where it is sure whose it is, and else taken out.
    Findings do not change the exit code.
    """
    if yes and not apply:
        raise typer.BadParameter("--yes goes with --apply.")
    if only is not None and photo is not None:
        raise typer.BadParameter("--only chooses among all photos: leave it out with --photo.")
    if to is not None and not (apply and photo):
        raise typer.BadParameter("--to goes with --apply --photo PHOTO.")
    with open_gallery(gallery) as opened:
        found = _asked(opened, only, photo)
        if not as_json:
            _show(found)
        if output is not None:
            _write_page(opened, found.findings, output)
        wanted = _wanted(found, None if to is None else opened.member(to).name) if apply else ()
        agreed = (
            not wanted
            or yes
            or confirmed(_question(opened, found, wanted), otherwise="to change without asking: --yes")
        )
        done = wanted if agreed else ()
        _carry_out(opened, done, tell=note if as_json else say)  # a JSON answer stays one document
        if as_json:
            from facegallery.cli.report import as_json as json_text

            sys.stdout.write(json_text(_document(found, done)) + "\n")
        else:
            _show_next(opened, found, done)
        if not agreed:
            raise typer.Exit(ERROR)


def _asked(gallery: Gallery, only: str | None, photo: Path | None) -> Audit:
    if photo is None:
        found = gallery.audit()
        return replace(found, findings=tuple(each for each in found.findings if only in (None, each.kind.value)))
    found = gallery.audit([photo])
    if not found.asked:
        raise PhotoNotEnrolled(photo)
    return found


def warn_of_wrong_photos(gallery: Gallery, enrolled: Sequence[Path]) -> None:
    """Name those of the photos just enrolled that do not fit their member. Nothing is refused for it."""
    if not enrolled or sum(member.n_templates for member in gallery.members()) > LARGEST_AT_ENROLL:
        return
    findings = gallery.audit(enrolled).findings
    for finding in findings:
        note(f"Look again: {_sentence(finding)}")
    if findings:
        note(f"'facegallery audit{of_gallery(gallery)}' shows what to do about it.")


def _sentence(finding: Finding) -> str:
    from facegallery.gallery.auditing import how_sure, percent

    member, other = printable(finding.member), printable(finding.other)
    if finding.probability is not None and finding.kind.value == "same_person":
        return f"{member} and {other} may be one person ({percent(finding.probability)})."
    paths = [printable(face.photo_path) for face in finding.faces]
    if finding.kind.value == "same_picture":
        return f"{paths[0]} ({member}) and {paths[1]} ({other}) are nearly the same picture."
    likeness = "nobody enrolled here" if finding.kind.value == "nobody_here" else other
    return f"{paths[0]}, enrolled for {member}, looks like {likeness}: {printable(how_sure(finding))}."


def _show(found: Audit) -> None:
    if found.n_judged == 0:
        note(
            "Too few photos to say whose face is in a wrong folder: at least 3 members with 2 photos each are needed. "
            "More: facegallery enroll DIR"
        )
    if found.findings:
        _show_findings(found.findings)
    n_photos = len({face.template_id for each in found.findings for face in each.faces})
    everywhere = f"{found.n_templates} photos of {found.n_members} members"
    if found.asked and not n_photos:
        say(f"{_names(found.asked)}: the audit does not suspect it.")
    elif not found.asked:
        say(f"{n_photos} of {everywhere} to look at." if found.findings else f"Nothing found in {everywhere}.")
    n_alone = found.n_templates - found.n_judged if found.n_judged else 0
    if n_alone:
        counted = (
            "1 photo is a member's only one and was"
            if n_alone == 1
            else f"{n_alone} photos are members' only ones and were"
        )
        say(f"{counted} not judged.")


def _show_findings(findings: Sequence[Finding]) -> None:
    paths = [face.photo_path for each in findings for face in each.faces]
    names = iter(short_names(paths) if paths else [])
    numbers = ("to it", "to that", "sure", "sure whose")
    rows = table("what", "photo", "enrolled as", "looks like", *numbers, right=numbers)
    for each in findings:
        photos = "\n".join(printable(next(names)) for _ in each.faces)
        rows.add_row(
            each.kind.value,
            photos or "-",
            printable(each.member),
            f"nobody (nearest {printable(each.other)})" if each.kind.value == "nobody_here" else printable(each.other),
            f"{each.similarity:.2f}",
            "-" if each.other_similarity is None else f"{each.other_similarity:.2f}",
            _cell(each.probability),
            _cell(each.other_probability),
        )
    stdout().print(rows)


def _cell(probability: float | None) -> str:
    from facegallery.gallery.auditing import percent

    return "-" if probability is None else percent(probability).replace("more than ", ">").replace("less than ", "<")


def _names(faces: Iterable[EnrolledFace]) -> str:
    faces = list(faces)
    return f"{faces[0].photo_path} (enrolled for {' and '.join(dict.fromkeys(face.member for face in faces))})"


def _show_next(gallery: Gallery, found: Audit, done: Collection[Change]) -> None:
    """What can be typed about what is left, a command a line that can be copied."""
    changed = {change.face.template_id for change in done}
    for heading, commands in _next_steps(found, changed).items():
        say(heading)
        for command in dict.fromkeys(commands):
            say(f"  {command}{of_gallery(gallery)}")
    if not done:
        say("Nothing was changed.")


def _next_steps(found: Audit, changed: set[int]) -> dict[str, list[str]]:
    steps: dict[str, list[str]] = {}

    def add(heading: str, *command: object) -> None:
        steps.setdefault(heading, []).append(" ".join(["facegallery", *map(shell_word, command)]))

    for each in found.findings:
        if changed.intersection(face.template_id for face in each.faces):
            continue
        if each.kind.value == "other_member":
            moved = ("--photo", each.faces[0].photo_path, "--to", each.other)
            add("To move a photo to the member it looks like:", "audit", "--apply", *moved)
        for face in each.faces:
            if each.kind.value != "other_member" or not each.is_sure:
                add(_TAKE_OUT[each.kind.value], "audit", "--apply", "--photo", face.photo_path)
        if not each.faces:
            for name in (each.member, each.other):
                add("To look at two members' photos:", "show", name)
    if not changed and not any(each.faces for each in found.findings):
        for face in found.asked:
            add("To take it out all the same:", "audit", "--apply", "--photo", face.photo_path)
    return steps


def _document(found: Audit, done: Iterable[Change]) -> dict[str, Any]:
    return {
        "n_members": found.n_members,
        "n_templates": found.n_templates,
        "n_judged": found.n_judged,
        "findings": [
            {
                "code": each.kind.value,
                "member": each.member,
                "other": each.other,
                "photos": [str(face.photo_path) for face in each.faces],
                "template_ids": [face.template_id for face in each.faces],
                "similarity": round(each.similarity, 6),
                "other_similarity": None if each.other_similarity is None else round(each.other_similarity, 6),
                "probability": None if each.probability is None else round(each.probability, 6),
                "other_probability": None if each.other_probability is None else round(each.other_probability, 6),
            }
            for each in found.findings
        ],
        "changes": [
            {
                "template_id": each.face.template_id,
                "photo": str(each.face.photo_path),
                "from": each.face.member,
                "to": each.to,
            }
            for each in done
        ],
    }


def _wanted(found: Audit, to: str | None) -> tuple[Change, ...]:
    from facegallery.gallery.auditing import changes_of_named, sure_changes

    return changes_of_named(found, to) if found.asked else sure_changes(found.findings)


def _question(gallery: Gallery, found: Audit, changes: Sequence[Change]) -> str:
    gone = "".join(f" {name} has no other photo and will be gone." for name in _gone(gallery, changes))
    if found.asked:
        does = [
            f"Take {_names([each.face])} out of the gallery?"
            if each.to is None
            else f"Move {_names([each.face])} to {each.to}?"
            for each in changes
        ]
        return printable(f"{' '.join(does)} The file is not touched.{gone}")
    n_moved = sum(each.to is not None for each in changes)
    n_removed = len(changes) - n_moved
    return printable(
        f"Move {n_moved} and take out {n_removed} of the gallery's photos? What is moved can be undone, what is taken "
        f"out not. The files are not touched.{gone}"
    )


def _carry_out(gallery: Gallery, changes: Sequence[Change], *, tell: Callable[[str], None]) -> None:
    """Move and take out, and say so."""
    gone = _gone(gallery, changes)
    n_moved = gallery.move_templates({each.face.template_id: each.to for each in changes if each.to is not None})
    for each in changes:
        if each.to is not None:
            tell(f"Moved {each.face.photo_path} from {each.face.member} to {each.to}.")
    moved = {entry.entry_id for entry in gallery.history(1)} if n_moved else set()
    removed = [each.face for each in changes if each.to is None]
    if removed:
        gallery.remove_templates([face.template_id for face in removed])
    for face in removed:
        tell(f"Took out {face.photo_path} of {face.member}.")
    for name in gone:
        tell(f"{name} had no other photo and is gone.")
    for entry in gallery.history(2):  # anew: what was taken out may keep the moves from being undone
        if entry.entry_id in moved and entry.can_undo:
            note_undo(gallery, entry)
    if removed:
        note("Put the files out of the members' folders too, or the next 'facegallery enroll' takes them in again.")


def _gone(gallery: Gallery, changes: Iterable[Change]) -> list[str]:
    """Members who will have no photo left."""
    changes = list(changes)
    lost = Counter(each.face.member for each in changes if each.to != each.face.member)
    given = {each.to for each in changes}
    return [
        member.name
        for member in gallery.members()
        if lost[member.name] >= member.n_templates > 0 and member.name not in given
    ]


def _write_page(gallery: Gallery, findings: Sequence[Finding], path: Path) -> None:
    from facegallery.gallery.audit_page import page_of_audit
    from facegallery.pictures.page import save_page

    save_page(page_of_audit(gallery, findings), path)
    note(f"Written: {path}")
