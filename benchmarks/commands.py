"""Commands of facegallery as whole processes, against what it takes to import the libraries they could be made of."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import ours
from benchmarks.extent import Extent
from benchmarks.photos import PhotoSet
from benchmarks.rows import AnyRow, Row
from benchmarks.timing import Target, pairs_in_turns
from benchmarks.workers import OUR_ENVIRONMENT, from_nothing

IDENTIFY_TARGET, LIGHT_TARGET = Target.at_most(0.5), Target.at_most(3.0)

_TIMES_REPEAT = 2
"""Starts of a process vary more than long runs, and cost less: so many times ``repeat`` pairs are taken."""

_N_ENROLLED = 20
_FACENET = "from facenet_pytorch import MTCNN, InceptionResnetV1"
_TYPER = "import typer"


def command_rows(extent: Extent) -> list[AnyRow]:
    """``identify`` of one photo, ``members`` and ``--help``, in a gallery of a few photos."""
    with tempfile.TemporaryDirectory() as folder:
        gallery = Path(folder) / "gallery"
        photos = extent.photos.first(_N_ENROLLED)
        from_nothing(ours.enroll, photos.enroll, photos.n_enroll, gallery, environment=OUR_ENVIRONMENT)
        in_gallery = ["--gallery", str(gallery)]
        return [
            _row("identify one photo", ["identify", _probe(photos), *in_gallery], _FACENET, IDENTIFY_TARGET, extent),
            _row("facegallery --help", ["--help"], _TYPER, LIGHT_TARGET, extent),
            _row("facegallery members", ["members", *in_gallery], _TYPER, LIGHT_TARGET, extent),
        ]


def _probe(photos: PhotoSet) -> str:
    return str(photos.paths[0])


def _row(what: str, arguments: Sequence[str], statement: str, target: Target, extent: Extent) -> Row:
    pairs = pairs_in_turns(
        lambda: _seconds(["-m", "facegallery", *arguments]),
        lambda: _seconds(["-c", statement]),
        n_rounds=extent.repeat * _TIMES_REPEAT,
        n_warm_up=2,
    )
    return Row(what, f'python -c "{statement}"', target, pairs, remarks=("whole processes",))


def _seconds(arguments: Sequence[str]) -> float:
    """Time of a whole Python process, from its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    return time.perf_counter() - start
