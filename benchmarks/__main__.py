"""Measure facegallery against its named peers and write the table: ``python -m benchmarks``, or ``make bench``.

python -m benchmarks --quick                       # a few photos, two pairs: prints, writes nothing
python -m benchmarks --photos ../shared/photos     # DIR/wild/enroll/<member>/*.jpg and DIR/crowd/*.jpg
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.commands import command_rows
from benchmarks.enrolling import enroll_rows
from benchmarks.extent import Extent
from benchmarks.facenet import FacenetPeer
from benchmarks.machine import conditions
from benchmarks.networks import detect_rows, embed_rows
from benchmarks.ours import OurSide
from benchmarks.photos import PhotoSet
from benchmarks.report import document, replaced, table
from benchmarks.rows import AnyRow
from benchmarks.searching import search_rows
from benchmarks.timing import MIN_PAIRS
from benchmarks.waiting import POLICIES
from benchmarks.workers import OUR_ENVIRONMENT, Worker, peer_environment
from facegallery.errors import FacegalleryError
from facegallery.settings import GALLERY_VARIABLE, MODELS_VARIABLE, n_threads

FOLDER = Path(__file__).parent
README, RESULTS = FOLDER / "README.md", FOLDER / "results.json"

PARTS = ("embed", "detect", "enroll", "commands", "search")


def main() -> int:
    """Measure, print and, where the run was a full one, write. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="photos to work on; default: the sample group")
    parser.add_argument("--repeat", type=int, default=MIN_PAIRS, metavar="N", help="pairs of each comparison")
    parser.add_argument("--quick", action="store_true", help="few photos and pairs; nothing is written")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}; not written")
    options = parser.parse_args()
    if options.repeat < MIN_PAIRS and not options.quick:
        parser.error(f"--repeat takes at least {MIN_PAIRS}; --quick tries with fewer")
    try:
        photos = PhotoSet.of(options.photos)
    except (FacegalleryError, ValueError) as error:
        parser.error(str(error))
    extent = Extent.quick(photos) if options.quick else Extent.full(photos, options.repeat)
    known = conditions()
    with tempfile.TemporaryDirectory() as folder:
        # Neither the gallery nor the models of the person who runs this are looked at.
        os.environ |= {GALLERY_VARIABLE: f"{folder}/gallery", MODELS_VARIABLE: f"{folder}/models"}
        rows = _measure(extent, tuple(options.only or PARTS), known)
    results = table(known, rows)
    print(results)
    if options.quick or options.only:
        print("\nA run with --quick or --only is for trying: nothing was written.", file=sys.stderr)
        return 0
    README.write_text(replaced(README.read_text(encoding="utf-8"), results), encoding="utf-8", newline="\n")
    RESULTS.write_text(document(known, rows), encoding="utf-8", newline="\n")
    return 0


def _measure(extent: Extent, parts: tuple[str, ...], known: dict[str, str]) -> list[AnyRow]:
    """The rows of the parts, in the table's order; what is learnt on the way of the conditions is added to them."""
    rows: list[AnyRow] = []
    photos = extent.photos
    known["photos"] = f"{photos.kind}: {photos.n_enroll} to enroll, {len(photos.crowd)} to detect in"
    known["OMP_WAIT_POLICY"] = "facegallery as it sets it (PASSIVE); for each peer's see its row"
    with ExitStack() as running:
        ours = running.enter_context(Worker(OurSide, environment=OUR_ENVIRONMENT))
        peers = {
            name: running.enter_context(Worker(FacenetPeer, environment=peer_environment(policy)))
            for name, policy in POLICIES.items()
        }
        known["runtime"] = ours.run("runtime").answer
        n_peer = peers["default"].run("n_threads").answer
        known["threads"] = f"facegallery {n_threads()}, facenet-pytorch {n_peer}, dlib 1"
        if "embed" in parts:
            _say("embed")
            rows += embed_rows(ours, peers, ours.run("crops", photos.paths, extent.n_crops).answer, extent)
        if "detect" in parts:
            _say("detect")
            rows += detect_rows(ours, peers, extent)
    if "enroll" in parts:
        _say("enroll")
        rows += enroll_rows(extent)
    if "commands" in parts:
        _say("commands")
        rows += command_rows(extent)
    if "search" in parts:
        _say("search")
        rows += search_rows(extent)
    return rows


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
