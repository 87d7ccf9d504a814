"""Enrolling a folder, from the start of the program to stored embeddings: each time a new process and a new folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import dlib_faces, facenet, ours
from benchmarks.extent import Extent
from benchmarks.photos import PhotoSet
from benchmarks.rows import AnyRow, NotMeasured, Row
from benchmarks.task import Enrolled
from benchmarks.timing import Pairs, Target, in_turns
from benchmarks.waiting import POLICIES, faster_policy
from benchmarks.workers import OUR_ENVIRONMENT, from_nothing, peer_environment

FACENET_TARGET, DLIB_TARGET = Target.at_least(4.0), Target.at_least(3.0)

_WHAT = "enroll a folder, from nothing to stored"
_FACENET = "a loop over Pillow, MTCNN, InceptionResnetV1, np.save (facenet-pytorch's README)"
_DLIB = "dlib as face_recognition calls it: HOG, upsample 1, 5 landmarks, ResNet, one process"
_N_TRIAL_PHOTOS = 10


class _Side:
    """One way to enroll. Each run is a process of its own and leaves its answer here.

    Attributes:
        found: What the last run made of the photos.
    """

    def __init__(self, run: Callable[[PhotoSet, Path], tuple[float, Enrolled]]) -> None:
        self._run = run
        self.found = Enrolled(0, 0)

    def seconds(self, photos: PhotoSet) -> float:
        """Enroll into a folder that goes away again. Returns the time of the whole process."""
        with tempfile.TemporaryDirectory() as folder:
            seconds, self.found = self._run(photos, Path(folder))
        return seconds


def enroll_rows(extent: Extent) -> list[AnyRow]:
    """facegallery, facenet-pytorch and dlib in turns; dlib is left out, and said so, where it is not installed."""
    photos = extent.photos
    few = photos.first(_N_TRIAL_PHOTOS)
    by_policy = {name: _Side(partial(_facenet, wait_policy=value)) for name, value in POLICIES.items()}
    choice = faster_policy({name: partial(side.seconds, few) for name, side in by_policy.items()}, n_rounds=1)
    sides = {"ours": _Side(_ours), "facenet": by_policy[choice.name]}
    lacking = dlib_faces.missing()
    if lacking is None:
        sides["dlib"] = _Side(_dlib)
    for name in sides.keys() - {"facenet"}:  # warms the disk's cache, and what a runtime keeps between its starts
        sides[name].seconds(few)
    turns = [partial(side.seconds, photos) for side in sides.values()]
    times = dict(zip(sides, in_turns(turns, n_rounds=extent.repeat, n_warm_up=0), strict=True))

    def row(peer: str, words: str, target: Target, *remarks: str) -> Row:
        found, expected = sides["ours"].found, sides[peer].found
        counts = f"photos: {found.n_photos}; stored: {found.n_stored}, peer {expected.n_stored}"
        pairs = Pairs(times["ours"], times[peer])
        return Row(_WHAT, words, target, pairs, n_photos=found.n_photos, remarks=(counts, *remarks))

    return [
        row("facenet", _FACENET, FACENET_TARGET, choice.remark),
        row("dlib", _DLIB, DLIB_TARGET) if lacking is None else NotMeasured(_WHAT, _DLIB, DLIB_TARGET, lacking),
    ]


def _ours(photos: PhotoSet, folder: Path) -> tuple[float, Enrolled]:
    timed = from_nothing(ours.enroll, photos.enroll, photos.n_enroll, folder / "gallery", environment=OUR_ENVIRONMENT)
    return timed.seconds, timed.answer


def _facenet(photos: PhotoSet, folder: Path, wait_policy: str | None) -> tuple[float, Enrolled]:
    timed = from_nothing(
        facenet.enroll, photos.paths, folder / "embeddings.npy", environment=peer_environment(wait_policy)
    )
    return timed.seconds, timed.answer


def _dlib(photos: PhotoSet, folder: Path) -> tuple[float, Enrolled]:
    timed = from_nothing(dlib_faces.enroll, photos.paths, folder / "encodings.npy", environment=peer_environment())
    return timed.seconds, timed.answer
