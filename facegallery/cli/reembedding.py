"""Command ``reembed``: the gallery goes to another model, and every name stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import (
    DONE,
    INTERRUPTED,
    SOME_SKIPPED,
    advance,
    confirmed,
    note,
    progress,
    say,
    stderr,
    stoppable,
    table,
)
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, PrecisionOption, PreparationOption, RuntimeOption
from facegallery.domain import EnrolledFace, Precision, Runtime, RuntimeChoice, VectorSpace
from facegallery.errors import FacesMissing
from facegallery.text import printable

if TYPE_CHECKING:
    from facegallery import Gallery
    from facegallery.domain import Preparation
    from facegallery.gallery.reembedding import ReembeddedFace


def reembed(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The model to go to. Default: the one the gallery is going to."),
    ] = None,
    preparation: PreparationOption = None,
    restart: Annotated[bool, typer.Option("--restart", help="Drop what was done, and begin again.")] = False,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Give up faces of which neither photo nor crop is there; asks.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say how far it is.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Stay on the model, and drop the new vectors.")] = False,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Take the gallery to another model: every enrolled face is embedded anew, and names stay.

    The photos are read from where they were. Until all is done the gallery answers as before; stop it at any time, and
    the same command goes on.
    """
    if (status or abandon) and (model or preparation or restart or drop_missing or status == abandon):
        raise typer.BadParameter("--status and --abandon go alone.")
    with open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened:
        if status:
            _say_status(opened)
        elif abandon:
            gone = opened.abandon_reembedding()
            say(f"{'Abandoned' if gone else 'Nothing was under way'}: the gallery stays on '{opened.model.name}'.")
        else:
            raise typer.Exit(_take(opened, model, preparation, restart=restart, drop_missing=drop_missing, yes=yes))


def _say_status(gallery: Gallery) -> None:
    say(f"The gallery is on model '{gallery.model.name}', faces prepared by '{gallery.preparation.value}'.")
    begun = gallery.reembedding()
    if begun is None:
        say("Nothing is under way.")
        return
    done = f"{begun.n_done} of {begun.n_done + begun.n_left} faces done"
    say(f"On the way to '{begun.model.name}', '{begun.preparation.value}', since {begun.started_at:%Y-%m-%d}: {done}.")


def _take(
    gallery: Gallery,
    model: str | None,
    preparation: Preparation | None,
    *,
    restart: bool,
    drop_missing: bool,
    yes: bool,
) -> int:
    """Embed, ask about what is missing if that is wanted, switch. Returns the exit code."""
    to, prepared = gallery.reembedding_target(model, preparation=preparation)
    if restart:
        gallery.abandon_reembedding()
    if VectorSpace(to.fingerprint, prepared) == gallery.space and gallery.reembedding() is None:
        say(f"The gallery is on '{to.spec.name}' with faces prepared by '{prepared.value}' already: nothing to do.")
        return DONE
    was_calibrated = gallery.calibration is not None
    code, missing = _run(gallery, to.spec.name, prepared)
    if missing:
        _list(missing)
        if not drop_missing or not (yes or _may_drop(gallery, missing)):
            note(f"Nothing was switched: {FacesMissing(tuple(each.face.photo_path for each in missing))}")
            return SOME_SKIPPED
        code, left = _run(gallery, to.spec.name, prepared, drop=missing)
        if left:
            _list(left)
            note("Nothing was switched: other faces are missing by now. Run the same command again.")
            return SOME_SKIPPED
    if code == DONE:
        given_up = f" {len(missing)} face{'s' * (len(missing) != 1)} given up." if missing else " Names are as before."
        say(f"The gallery is on model '{to.spec.name}' now, faces prepared by '{prepared.value}'.{given_up}")
        if was_calibrated:
            note("Its calibration is gone: the numbers were the old model's. Next: facegallery calibrate")
    return code


def _run(
    gallery: Gallery, model: str, preparation: Preparation, *, drop: Sequence[ReembeddedFace] = ()
) -> tuple[int, list[ReembeddedFace]]:
    """Embed with a progress bar. Returns the exit code, and what keeps the gallery from being switched."""
    begun = gallery.reembedding()
    n_templates = sum(member.n_templates for member in gallery.members())
    total = begun.n_left if begun else n_templates + len(gallery.rejections())
    n_done, missing = 0, []
    with progress("Embedding", total) as bar, stoppable() as stop:
        try:
            for outcome in gallery.reembed(model, preparation=preparation, drop=[each.face for each in drop]):
                missing += [outcome] if outcome.missing else []
                n_done += not outcome.missing
                advance(bar)
            missing = []
            gallery.refresh_index()
        except FacesMissing as error:
            missing = [each for each in missing if each.face.photo_path in error.paths]
    if stop.asked:
        note(f"Stopped after {n_done} of {total} faces; the gallery answers as before. The same command goes on.")
        return INTERRUPTED, []
    return DONE, missing


def _list(missing: Sequence[ReembeddedFace]) -> None:
    rows = table("member", "photo", "why it cannot be embedded anew")
    for each in missing:
        who = each.face.member if isinstance(each.face, EnrolledFace) else f"not {each.face.member}"
        rows.add_row(printable(who), printable(each.face.photo_path), printable(each.missing or ""))
    stderr().print(rows)


def _may_drop(gallery: Gallery, missing: Sequence[ReembeddedFace]) -> bool:
    """Ask; and once more where somebody would be gone altogether."""
    lost = Counter(each.face.member for each in missing if isinstance(each.face, EnrolledFace))
    said = len(missing) - lost.total()
    what = f"{lost.total()} enrolled face{'s' * (lost.total() != 1)}" + (f" and {said} rejections" if said else "")
    otherwise = "to give them up without being asked: --drop-missing --yes"
    if not confirmed(f"Give up {what}? This cannot be undone.", otherwise=otherwise):
        return False
    gone = [member.name for member in gallery.members() if lost[member.name] == member.n_templates]
    if not gone:
        return True
    names = ", ".join(printable(name) for name in gone)
    return confirmed(f"Then nothing is left of {names}: gone from the gallery. Really?", otherwise=otherwise)
