"""The embedding models that the program knows by name, and what each one means for accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from facegallery.domain import Preparation

STARTER = "starter"
"""The model that travels inside the package."""

PREFERRED = "vggface2"
"""The model that a new gallery takes where its file is on the machine."""

UNMEASURED_THRESHOLD = 0.70
"""Threshold for weights of one's own: as strict as ``starter``'s, because nothing is known about them."""

_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
_PUBLISHED_THRESHOLD = 0.60
_PUBLISHED_THRESHOLD_SOURCE = (
    "not measured here; 1 - 0.40, deepface's tuned cosine distance for FaceNet, a close relative of this model"
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What is known about a model before its file is looked at.

    Attributes:
        name: What it is called in commands.
        file_name: Name of its file, as published and in the models folder.
        url: Where the file is published, or None.
        sha256: What the file hashes to, lower-case hex, or None where it is not known to us.
        n_bytes: The file's size, or None where it is not known to us.
        threshold: The similarity that a match needs by default, in [-1, 1].
        threshold_source: Where that number comes from.
        summary: What choosing this model means for accuracy, in a sentence or two.
        preparation: How a new gallery's faces are prepared for it: what it was measured to do best with.
    """

    name: str
    file_name: str
    url: str | None
    sha256: str | None
    n_bytes: int | None
    threshold: float
    threshold_source: str
    summary: str
    preparation: Preparation = Preparation.BOX


def own_weights(name: str) -> ModelSpec:
    """The spec of weights that somebody imported under a name that is not in the catalogue."""
    return ModelSpec(
        name=name,
        file_name=f"{name}.weights",
        url=None,
        sha256=None,
        n_bytes=None,
        threshold=UNMEASURED_THRESHOLD,
        threshold_source="not measured: a cautious starting value for weights that nothing is known about",
        summary="Your own weights: nothing is known about their accuracy. Try them on photos whose answers you know.",
    )


CATALOGUE: Mapping[str, ModelSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModelSpec(
                name=STARTER,
                file_name="starter.safetensors",
                url=None,
                sha256="ee42a0f8b842feb027c13b27528dc038c7a767a2ffb0803f3d844f226acf8cb2",
                n_bytes=47_254_384,
                threshold=0.72,
                threshold_source=(
                    "measured 2026-11-21 on 805 everyday photographs of 128 people, one face each, prepared by "
                    "landmarks-mirrored: 35 of 321,383 comparisons of two photos of different people reach it (FMR "
                    "0.011 %), and 12 of 12,152 of a photo with the mean of another member's five (0.1 %)"
                ),
                summary="LFW 0.919 as measured for this project. It confuses strangers far more often than vggface2: "
                "for demonstration, tests, and small groups photographed alike; research use only.",
                preparation=Preparation.LANDMARKS_MIRRORED,
            ),
            ModelSpec(
                name=PREFERRED,
                file_name="20180402-114759-vggface2.pt",
                url=_RELEASE + "20180402-114759-vggface2.pt",
                sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
                n_bytes=111_898_327,
                threshold=_PUBLISHED_THRESHOLD,
                threshold_source=_PUBLISHED_THRESHOLD_SOURCE,
                summary="LFW 0.9965 as published, 0.9937 with this very crop in facenet-pytorch's notebook. The model "
                "for real work.",
            ),
            ModelSpec(
                name="casia-webface",
                file_name="20180408-102900-casia-webface.pt",
                url=_RELEASE + "20180408-102900-casia-webface.pt",
                sha256=None,
                n_bytes=None,
                threshold=_PUBLISHED_THRESHOLD,
                threshold_source=_PUBLISHED_THRESHOLD_SOURCE,
                summary="LFW 0.9905 as published: between starter and vggface2. Its file's hash is not known to us.",
            ),
        )
    }
)
"""The models known by name: one is bundled, the others are fetched on request."""
