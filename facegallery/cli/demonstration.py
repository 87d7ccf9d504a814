"""Command ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import advance, progress, say
from facegallery.cli.identifying import print_identified


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the demo's gallery and pictures go.")
    ] = Path("facegallery-demo"),
) -> None:
    """Enroll the bundled sample group, identify its probes, explain one match and one unknown. Needs no network."""
    from facegallery.gallery.demo import Demo

    with Demo.prepare(output) as run:
        with progress("Enrolling the sample group", len(run.enroll_files)) as bar:
            for _ in run.enroll():
                advance(bar)
        say(f"Gallery: {run.gallery.folder} ({len(run.gallery.members())} members, model '{run.gallery.model.name}')")
        with progress("Identifying the probes", len(run.probe_files)) as bar:
            photos = []
            for photo in run.identify():
                photos.append(photo)
                advance(bar)
        print_identified(photos)
        for title, explanation in run.explain(photos):
            say("")
            say(title)
            for line in explanation.words():
                say(f"  {line}")
    say("")
    say("Pictures:")
    for picture in run.pictures:
        say(f"  {picture}")
    say("The people do not exist. Next, with your own photos: facegallery enroll DIR (one folder a member)")
