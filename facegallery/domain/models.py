"""Embedding models, how faces are prepared for them, and what runs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which embedding model made a vector.

    Attributes:
        name: ``starter``, ``vggface2``, ``casia-webface`` or the name given at import.
        fingerprint: SHA-256 of the weight file, lower-case hex. Vectors of two fingerprints are never compared.
    """

    name: str
    fingerprint: str


class Runtime(str, Enum):
    """What runs the networks."""

    AUTO = "auto"
    """OpenVINO, and torch where that is missing or fails."""
    OPENVINO = "openvino"
    """Compiled for this processor."""
    TORCH = "torch"
    """The reference; on a GPU (CUDA, or MPS on a Mac) where there is one."""


class Precision(str, Enum):
    """What the embedder computes in. Detection is always in f32: in bf16 its boxes are others."""

    AUTO = "auto"
    """bf16 where the processor computes it natively, else f32."""
    F32 = "f32"
    BF16 = "bf16"


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """How networks are to be run.

    Attributes:
        runtime: What runs them.
        precision: What the embedder computes in.
    """

    runtime: Runtime = Runtime.AUTO
    precision: Precision = Precision.AUTO


AUTOMATIC = RuntimeChoice()
"""The fastest that there is."""


class Preparation(str, Enum):
    """How a face is cut out for the embedder, and whether its mirror image is looked at too.

    Vectors of two preparations are not compared: a gallery has one at a time.
    """

    BOX = "box"
    """The detector's box with a margin, stretched to a square: what the published weights were measured on."""
    BOX_MIRRORED = "box-mirrored"
    LANDMARKS = "landmarks"
    """Turned, moved and scaled until eyes, nose and mouth lie where they do in a usual face."""
    LANDMARKS_MIRRORED = "landmarks-mirrored"

    @property
    def aligned(self) -> bool:
        """Whether the crop follows the landmarks."""
        return self in (Preparation.LANDMARKS, Preparation.LANDMARKS_MIRRORED)

    @property
    def mirrored(self) -> bool:
        """Whether the embedding is of the crop and its mirror image together, which takes twice the time."""
        return self in (Preparation.BOX_MIRRORED, Preparation.LANDMARKS_MIRRORED)


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """What can be compared: vectors of one model, of faces that were prepared in one way.

    Attributes:
        fingerprint: The model's.
        preparation: How the faces were prepared.
    """

    fingerprint: str
    preparation: Preparation
