"""Embedding and detection against facenet-pytorch, both sides loaded and warm, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.extent import Extent
from benchmarks.facenet import FacenetPeer
from benchmarks.photos import at_size
from benchmarks.rows import AnyRow, Check, NotMeasured, Row
from benchmarks.timing import Pairs, Target, pairs_in_turns
from benchmarks.workers import SideFailed, Worker, peer_environment
from facegallery.domain import Pixels

LEAST_COSINE = 0.9999
"""How alike the two runtimes' embeddings of one crop must be; from issue 3."""

EMBED_TARGETS = {1: Target.at_least(4.5), 16: Target.at_least(3.2)}
"""By the number of crops in a batch."""

DETECT_TARGETS = {(1200, 630): Target.at_least(4.0), (2048, 2048): Target.at_least(4.0)}
"""By width and height of the photo."""

N_CALLS = {1: 10, 16: 3}
"""Calls in a row that one time of a batch is the mean of: what one short call takes varies with the moment."""

_N_WARM_UP = 2
_EMBEDDER = "InceptionResnetV1 of facenet-pytorch, eager"
_DETECTOR = "MTCNN(keep_all=True).detect of facenet-pytorch"


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """How the peer's threads wait for each other, chosen in the peer's favour.

    facegallery has them sleep (``PASSIVE``), which is right beside other work; on an idle machine torch alone is faster
    when they spin, as they do by default. So the peer runs with whatever is faster for it here and now.

    Attributes:
        chosen: Value of ``OMP_WAIT_POLICY`` for the peer; None leaves it to its library.
        default_s: Embedding one crop with the library's default.
        passive_s: The same with ``PASSIVE``.
    """

    chosen: str | None
    default_s: float
    passive_s: float

    @classmethod
    def measured(cls, crops: Pixels, n_rounds: int) -> WaitPolicy:
        """Let the peer embed one crop with both, in turns."""
        with (
            Worker(FacenetPeer, environment=peer_environment()) as default,
            Worker(FacenetPeer, environment=peer_environment("PASSIVE")) as passive,
        ):
            times = pairs_in_turns(
                _embedding(default, crops, 1), _embedding(passive, crops, 1), n_rounds=n_rounds, n_warm_up=_N_WARM_UP
            )
        chosen = None if times.ours_median_s <= times.peer_median_s else "PASSIVE"
        return cls(chosen, times.ours_median_s, times.peer_median_s)

    @property
    def words(self) -> str:
        """The choice and its reason."""
        name = "its library's default" if self.chosen is None else self.chosen
        return (
            f"facegallery as it sets it (PASSIVE); facenet-pytorch {name}, the faster for it here: one crop takes "
            f"{self.default_s * 1e3:.1f} ms with the default, {self.passive_s * 1e3:.1f} ms with PASSIVE"
        )


def embed_rows(ours: Worker, peer: Worker, crops: Pixels, extent: Extent) -> list[AnyRow]:
    """One row a batch size; ``crops`` of shape (n, 160, 160, 3), uint8, RGB, are repeated where a batch needs more."""
    cosine = _lowest_cosine(ours, peer, crops)
    check = Check(f"lowest cosine of the two embeddings of one crop, {len(crops)} crops", cosine, LEAST_COSINE)
    rows: list[AnyRow] = []
    for n_crops, target in EMBED_TARGETS.items():
        pairs = pairs_in_turns(
            _embedding(ours, crops, n_crops),
            _embedding(peer, crops, n_crops),
            n_rounds=extent.repeat,
            n_warm_up=_N_WARM_UP,
        )
        what = f"embed a batch of {n_crops}"
        rows.append(Row(what, _EMBEDDER, target, pairs, None, (check,), (f"each time the mean of {N_CALLS[n_crops]}",)))
    return rows


def detect_rows(ours: Worker, peer: Worker, extent: Extent) -> list[AnyRow]:
    """One row a photo size; each time is that of a single call for one photo."""
    return [_detect_row(ours, peer, size, target, extent) for size, target in DETECT_TARGETS.items()]


def _embedding(side: Worker, crops: Pixels, n_crops: int) -> Callable[[], float]:
    batch = np.resize(crops, (n_crops, *crops.shape[1:]))
    return lambda: side.run("embed", batch, n_calls=N_CALLS[n_crops]).seconds


def _lowest_cosine(ours: Worker, peer: Worker, crops: Pixels) -> float:
    one, other = (np.asarray(side.run("embed", crops).answer, np.float64) for side in (ours, peer))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def _detect_row(ours: Worker, peer: Worker, size: tuple[int, int], target: Target, extent: Extent) -> AnyRow:
    what = f"detect in a photo of {size[0]}x{size[1]}"
    taken: Pairs | None = None
    n_ours = n_peer = n_photos = n_raised = 0
    for path in extent.photos.crowd:
        pixels = at_size(path, size)
        try:
            expected = peer.run("detect", pixels).answer
        except SideFailed:
            n_raised += 1  # facenet-pytorch raises on some photos
            continue
        n_photos += 1
        n_ours += len(ours.run("detect", pixels).answer)
        n_peer += 0 if expected is None else len(expected)
        pairs = pairs_in_turns(
            _detection(ours, pixels), _detection(peer, pixels), n_rounds=extent.repeat, n_warm_up=_N_WARM_UP - 1
        )
        taken = pairs if taken is None else taken + pairs
    if taken is None:
        return NotMeasured(what, _DETECTOR, target, "facenet-pytorch raised on every photo")
    remarks = [f"photos: {n_photos}; faces found: {n_ours}, peer {n_peer}"]
    if n_raised:
        remarks.append(f"left out, since facenet-pytorch raised: {n_raised}")
    return Row(what, _DETECTOR, target, taken, remarks=tuple(remarks))


def _detection(side: Worker, pixels: Pixels) -> Callable[[], float]:
    return lambda: side.run("detect", pixels).seconds
