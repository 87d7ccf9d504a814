"""Command ``doctor``."""

from __future__ import annotations

import sys

import typer

from facegallery.cli.console import ERROR, stdout, table
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import GalleryOption, JsonOption
from facegallery.text import printable


def doctor(as_json: JsonOption = False, gallery: GalleryOption = None) -> None:
    """Check this installation and the gallery: versions, models, schema, index, threads.

    Changes nothing, but that a gallery of an earlier version is upgraded, as by every command that opens it.
    """
    from facegallery.gallery.health import examine

    findings = examine(gallery, opening=open_gallery)
    if as_json:
        from facegallery.cli.report import as_json as json_text

        sys.stdout.write(json_text({"findings": [finding.fields() for finding in findings]}) + "\n")
    else:
        rows = table("", "what", "state")
        for finding in findings:
            rows.add_row("ok" if finding.ok else "!!", printable(finding.what), printable(finding.state))
        stdout().print(rows)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(ERROR)
