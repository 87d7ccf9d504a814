"""Embedding and detection against facenet-pytorch, both sides loaded and warm, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.extent import Extent
from benchmarks.photos import at_size
from benchmarks.rows import AnyRow, Check, NotMeasured, Row
from benchmarks.timing import Target, joined, pairs_in_turns
from benchmarks.waiting import faster_policy
from benchmarks.workers import SideFailed, Worker
from facegallery.domain import Pixels

LEAST_COSINE = 0.9999
"""How alike the two runtimes' embeddings of one crop must be; from issue 3."""

EMBED_TARGETS = {1: Target.at_least(4.5), 16: Target.at_least(3.2)}
"""By the number of crops in a batch."""

DETECT_TARGETS = {(1200, 630): Target.at_least(4.0), (2048, 2048): Target.at_least(4.0)}
"""By width and height of the photo."""

N_CALLS = {1: 10, 16: 3}
"""Calls in a row that one time of a batch is the mean of: what one short call takes varies with the moment."""

_N_TRIALS = 3
_EMBEDDER = "InceptionResnetV1 of facenet-pytorch, eager"
_DETECTOR = "MTCNN(keep_all=True).detect of facenet-pytorch"


def embed_rows(ours: Worker, peers: Mapping[str, Worker], crops: Pixels, extent: Extent) -> list[AnyRow]:
    """One row a batch size.

    Args:
        ours: An ``OurSide``.
        peers: A ``FacenetPeer`` for each wait policy.
        crops: shape (n, 160, 160, 3), uint8, RGB; repeated where a batch needs more.
        extent: How much to do.
    """
    cosine = _lowest_cosine(ours, next(iter(peers.values())), crops)
    check = Check(f"lowest cosine of the two embeddings of one crop, {len(crops)} crops", cosine, LEAST_COSINE)
    return [_embed_row(ours, peers, crops, n_crops, check, extent) for n_crops in EMBED_TARGETS]


def detect_rows(ours: Worker, peers: Mapping[str, Worker], extent: Extent) -> list[AnyRow]:
    """One row a photo size, the sides as for ``embed_rows``; each time is that of a single call for one photo."""
    return [_detect_row(ours, peers, size, target, extent) for size, target in DETECT_TARGETS.items()]


def _embed_row(
    ours: Worker, peers: Mapping[str, Worker], crops: Pixels, n_crops: int, check: Check, extent: Extent
) -> Row:
    batch = np.resize(crops, (n_crops, *crops.shape[1:]))

    def embedding(side: Worker) -> Callable[[], float]:
        return lambda: side.run("embed", batch, n_calls=N_CALLS[n_crops]).seconds

    choice = faster_policy({name: embedding(peer) for name, peer in peers.items()}, n_rounds=_N_TRIALS)
    pairs = pairs_in_turns(embedding(ours), embedding(peers[choice.name]), n_rounds=extent.repeat)
    remarks = (f"each time the mean of {N_CALLS[n_crops]} calls", choice.remark)
    return Row(
        f"embed a batch of {n_crops}", _EMBEDDER, EMBED_TARGETS[n_crops], pairs, checks=(check,), remarks=remarks
    )


def _lowest_cosine(ours: Worker, peer: Worker, crops: Pixels) -> float:
    one, other = (np.asarray(side.run("embed", crops).answer, np.float64) for side in (ours, peer))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def _detect_row(
    ours: Worker, peers: Mapping[str, Worker], size: tuple[int, int], target: Target, extent: Extent
) -> AnyRow:
    what = f"detect in a photo of {size[0]}x{size[1]}"
    photos = [at_size(path, size) for path in extent.photos.crowd]
    n_expected = [_n_faces(peers["default"], pixels) for pixels in photos]
    answered = [pixels for pixels, n_faces in zip(photos, n_expected, strict=True) if n_faces is not None]
    if not answered:
        return NotMeasured(what, _DETECTOR, target, "facenet-pytorch raised on every photo")

    def detection(side: Worker, pixels: Pixels) -> Callable[[], float]:
        return lambda: side.run("detect", pixels).seconds

    choice = faster_policy({name: detection(peer, answered[0]) for name, peer in peers.items()}, n_rounds=_N_TRIALS)
    taken = [
        pairs_in_turns(detection(ours, pixels), detection(peers[choice.name], pixels), n_rounds=extent.repeat)
        for pixels in answered
    ]
    n_found = sum(len(ours.run("detect", pixels).answer) for pixels in answered)
    found = f"photos: {len(answered)}; faces found: {n_found}, peer {sum(filter(None, n_expected))}"
    left_out = f"left out, since facenet-pytorch raised: {len(photos) - len(answered)}"
    remarks = (found, *([left_out] if len(answered) < len(photos) else []), choice.remark)
    return Row(what, _DETECTOR, target, joined(taken), remarks=remarks)


def _n_faces(peer: Worker, pixels: Pixels) -> int | None:
    """How many faces the peer finds; None where it raises, as it does on some photos."""
    try:
        boxes = peer.run("detect", pixels).answer
    except SideFailed:
        return None
    return 0 if boxes is None else len(boxes)
