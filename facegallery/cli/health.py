"""Command ``doctor``."""

from __future__ import annotations

import sys

import typer

from facegallery.cli.console import ERROR, GalleryOption, safe, stdout, table
from facegallery.cli.identifying import JsonOption


def doctor(as_json: JsonOption = False, gallery: GalleryOption = None) -> None:
    """Check this installation and the gallery: versions, models, schema, index, threads. Changes nothing."""
    from facegallery.gallery.health import examine

    findings = examine(gallery)
    if as_json:
        from facegallery.cli.report import as_json as json_text

        sys.stdout.write(json_text({"findings": [finding.fields() for finding in findings]}) + "\n")
    else:
        rows = table("", "what", "state")
        for finding in findings:
            rows.add_row("ok" if finding.ok else "!!", safe(finding.what), safe(finding.state))
        stdout().print(rows)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(ERROR)
