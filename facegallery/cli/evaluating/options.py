"""Arguments that several evaluations take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegallery.evaluation.half import Half

EnrollArgument = Annotated[
    Path, typer.Argument(metavar="ENROLL", readable=False, help="A folder with one folder a member: is enrolled.")
]
ProbeArgument = Annotated[
    Path, typer.Argument(metavar="PROBE", readable=False, help="Other photos of them, in folders of the same names.")
]
StrangersArgument = Annotated[
    Path, typer.Argument(metavar="STRANGERS", readable=False, help="Photos of other people, one folder a person.")
]
HalfOption = Annotated[
    Half, typer.Option("--half", help="Half of the people, by name: try things on one, report on the other.")
]
