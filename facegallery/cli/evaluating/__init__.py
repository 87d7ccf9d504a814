"""Commands ``evaluate ...``: each has a module for what it measures with, and one for the report of it."""

from __future__ import annotations

import typer

from facegallery.cli.evaluating.audit import audit
from facegallery.cli.evaluating.calibration import calibration
from facegallery.cli.evaluating.clusters import clusters
from facegallery.cli.evaluating.explanations import explanations
from facegallery.cli.evaluating.identification import identification
from facegallery.cli.evaluating.preparations import preparations
from facegallery.cli.evaluating.verification import verification

app = typer.Typer(help="Measure on folders of photos how far the answers can be trusted.", no_args_is_help=True)

for _command in (verification, identification, preparations, calibration, audit, clusters, explanations):
    app.command()(_command)
