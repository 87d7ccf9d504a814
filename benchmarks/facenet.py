"""The peer facenet-pytorch, used as its README shows, on the same weights.

Where the README leaves something open or slow, it is done in the peer's favour: embeddings are made in inference mode,
which the README's lines are not, from tensors that are ready before the clock runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.task import MODEL, Enrolled

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels, Vectors

MARGIN_PX = 14
"""The margin of facenet-pytorch's own LFW notebook, and ours."""


class FacenetPeer:
    """MTCNN and InceptionResnetV1, loaded; a side of :class:`benchmarks.workers.Worker`."""

    def __init__(self) -> None:
        self._network = load_resnet()
        from facenet_pytorch import MTCNN

        self._mtcnn: Any = MTCNN(keep_all=True)

    def embed(self, crops: Pixels) -> Callable[[], Vectors]:
        """Embed crops of shape (n, 160, 160, 3), uint8, RGB; they become tensors before the clock runs."""
        import torch

        from facegallery.network import to_input

        batch = to_input(crops)

        def call() -> Vectors:
            with torch.inference_mode():
                embeddings: Vectors = self._network(batch).numpy()
            return embeddings

        return call

    def detect(self, pixels: Pixels) -> Callable[[], Any]:
        """Find the faces in an image of shape (h, w, 3), uint8, RGB, given to it as a Pillow image: (n, 4) or None."""
        from PIL import Image

        picture = Image.fromarray(pixels)
        return lambda: self._mtcnn.detect(picture)[0]

    def n_threads(self) -> Callable[[], int]:
        """Threads that torch uses."""
        import torch

        return torch.get_num_threads


def load_resnet() -> torch.nn.Module:
    """InceptionResnetV1 with the bundled weights, eager, in eval mode; torch keeps the threads of its own choice."""
    import torch  # first: OpenMP reads the wait policy when torch is loaded, and facegallery's loader would set its own

    from facegallery.network import load_network
    from facegallery.weights.files import ModelFiles

    n_threads = torch.get_num_threads()
    network = load_network(ModelFiles.default().find(MODEL).path, name=MODEL)
    torch.set_num_threads(n_threads)
    return network


def enroll(paths: list[Path], file: Path) -> Enrolled:
    """Embed the largest face of each photo, and save all embeddings: the script that the README leads to."""
    import numpy as np
    import torch
    from facenet_pytorch import MTCNN
    from PIL import Image

    mtcnn: Any = MTCNN(image_size=160, margin=MARGIN_PX)
    resnet = load_resnet()
    embeddings = []
    with torch.inference_mode():
        for path in paths:
            with Image.open(path) as picture:
                image = picture.convert("RGB")
            try:
                crop = mtcnn(image)
            except (IndexError, RuntimeError, ValueError):
                continue  # there it raises on a photo now and then; here it may go on
            if crop is not None:
                embeddings.append(resnet(crop.unsqueeze(0))[0].numpy())
    np.save(file, np.array(embeddings))
    return Enrolled(len(paths), len(embeddings))
