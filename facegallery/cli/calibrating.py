"""Command ``calibrate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facegallery.cli.console import note, say, stdout, table
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import FmrOption, GalleryOption, JsonOption, ScoreOption
from facegallery.domain import DEFAULT_SCORE
from facegallery.matching.decisions import DEFAULT_FMR

if TYPE_CHECKING:
    from facegallery.gallery.calibrating import Calibrated


def calibrate(
    fmr: FmrOption = DEFAULT_FMR,
    score: ScoreOption = DEFAULT_SCORE,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the model's threshold instead.")] = False,
    as_json: JsonOption = False,
    gallery: GalleryOption = None,
) -> None:
    """Choose the threshold, for a wanted false match rate, from the gallery's own photos; kept with the gallery.

    It is refused, with what to add, where the photos cannot support the rate.
    """
    from facegallery.cli.report import as_json as json_text

    if reset and as_json:
        raise typer.BadParameter("Choose one of --reset and --json.")
    with open_gallery(gallery) as opened:
        if reset:
            opened.reset_calibration()
            limits = opened.limits()
            say(f"Threshold {limits.threshold:.4f}, margin {limits.min_margin:.4f}: {limits.source}.")
            return
        done = opened.calibrate(fmr=fmr, score=score)
        limits = opened.limits(score=score)
    if as_json:
        sys.stdout.write(json_text(_fields(done)) + "\n")
    else:
        _print(done)
        say(f"Every decision by {score.value} now says: {limits.source}.")
    for line in _remarks(done):
        note(line)


def _print(done: Calibrated) -> None:
    from facegallery.matching.strangers import stranger_words, strangers_of

    made, before = done.calibration, done.before
    n_false, n_missed = round(made.fmr * made.n_non_mated), round(made.fnmr * made.n_mated)
    rows = table("", "before", "now", "", right=("before", "now"))
    rows.add_row("threshold", f"{before.threshold:.4f}", f"{made.threshold:.4f}", f"before: {before.source}")
    rows.add_row("margin", f"{before.min_margin:.4f}", f"{made.min_margin:.4f}", _margin_words(done))
    others = f"among as many others {_percent(made.fmr_low)} to {_percent(made.fmr_high)} (95 %)"
    counted = f"{n_false:,} of {made.n_non_mated:,} comparisons; {others}"
    rows.add_row("false matches (FMR)", _percent(done.fmr_before), _percent(made.fmr), counted)
    missed = f"{n_missed:,} of {made.n_mated:,} photos against their member's others"
    rows.add_row("missed (FNMR)", _percent(done.fnmr_before), _percent(made.fnmr), missed)
    rate = strangers_of(made, made.threshold)
    if rate is not None:
        words = stranger_words(rate).removesuffix(" strangers")
        reached = f"{rate.n_reached:,} of {rate.n_strangers:,} photos reach it at another member"
        rows.add_row("strangers at the threshold", "", words, reached)
    stdout().print(rows)


def _margin_words(done: Calibrated) -> str:
    made = done.calibration
    wrong = f"{made.n_misnamed:,} of {made.n_named:,} names were wrong without"
    return wrong if made.margin_chosen else f"the usual one: {wrong}, which tells no other"


def _remarks(done: Calibrated) -> list[str]:
    """What has to be said beside the table."""
    made, lines = done.calibration, []
    if made.n_templates < done.n_photos:
        lines.append(f"{made.n_templates:,} of {done.n_photos:,} photos were drawn and compared with all members.")
    if done.n_copies:
        lines.append(f"Left out as copies of another photo of the same member: {done.n_copies}.")
    if done.like_pair is not None:
        one, other = done.like_pair.members
        lines.append(
            f"{done.like_pair.n_matches} of the {done.like_pair.n_false_matches} false matches are between {one} and "
            f"{other}. If they are one person, or a photo lies in the wrong folder, the threshold is too high: look "
            "with 'facegallery audit', and calibrate again."
        )
    return lines


def _fields(done: Calibrated) -> dict[str, Any]:
    """Every number."""
    made, pair = done.calibration, done.like_pair
    return {
        "created_at": made.created_at.isoformat(),
        "score": made.score.value,
        "wanted_fmr": made.wanted_fmr,
        "threshold": made.threshold,
        "min_margin": made.min_margin,
        "margin_chosen": made.margin_chosen,
        "fmr": made.fmr,
        "fmr_interval": [made.fmr_low, made.fmr_high],
        "fnmr": made.fnmr,
        "n_non_mated": made.n_non_mated,
        "n_mated": made.n_mated,
        "n_members": made.n_members,
        "n_photos": made.n_templates,
        "n_photos_in_gallery": done.n_photos,
        "n_copies": done.n_copies,
        "n_named": made.n_named,
        "n_misnamed": made.n_misnamed,
        "before": {
            "threshold": done.before.threshold,
            "min_margin": done.before.min_margin,
            "threshold_source": done.before.source,
            "fmr": done.fmr_before,
            "fnmr": done.fnmr_before,
        },
        "like_pair": None
        if pair is None
        else {"members": list(pair.members), "matches": pair.n_matches, "of": pair.n_false_matches},
    }


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
