"""What an explanation method is: a model, a crop and targets in, a map for each target out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from facegallery.domain import CROP_SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.nn import Module

    from facegallery.domain import Embedder, Pixels, Vectors

    Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Target:
    """A number that is linear in the embedding: what is explained.

    The similarity to a template is one (its direction is the template), and so is the difference of two similarities
    (the difference of the templates).

    Attributes:
        direction: shape (512,), float32; the target's value for an embedding is their scalar product.
        words: What the number is, for a person.
    """

    direction: Vectors
    words: str

    def of(self, embeddings: Vectors) -> Vectors:
        """The number for embeddings of shape (n, 512): shape (n,), float32."""
        values: Vectors = embeddings @ self.direction
        return values


@dataclass(frozen=True, eq=False)
class HeatMap:
    """What one method says about one crop and one target.

    Attributes:
        method: The method's name.
        values: shape (h, w), float32, crop frame (row 0 is the top), spread evenly over the crop. Positive where the
            place raises the target, negative where it lowers it. All 0 when ``constant``.
        target: What was explained, in words.
        score: The target's value for this crop.
        constant: The map points at no region: it is the same everywhere but for rounding, and must not be drawn.
        signed: Whether the method can say "lowers" at all; a map of one that cannot is never negative.
        base: What is left of the score when no place counts, for a method whose values add up to the rest: exactly, or
            but for a gap that ``settings`` state. None for one whose values do not.
        settings: What the map was made with, by name: text and numbers only.
    """

    method: str
    values: Floats
    target: str
    score: float
    constant: bool
    signed: bool
    base: float | None = None
    settings: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def made_with(self) -> str:
        """The settings in words."""
        told = ((name, f"{value:.3g}" if isinstance(value, float) else value) for name, value in self.settings.items())
        return ", ".join(f"{name} {value}" for name, value in told)

    def at_crop_size(self) -> Floats:
        """The values at each pixel of the crop: shape (160, 160), float32, smoothed between the cells' centres."""
        if self.values.shape == (CROP_SIZE_PX, CROP_SIZE_PX):
            return self.values
        square = (CROP_SIZE_PX, CROP_SIZE_PX)
        return np.asarray(Image.fromarray(self.values).resize(square, Image.Resampling.BILINEAR))


class ExplainedModel(Protocol):
    """What is explained: the embedder that decided, and the same network in PyTorch for methods that look inside."""

    @property
    def embedder(self) -> Embedder:
        """Made the embeddings that the decision rests on."""
        ...

    @property
    def network(self) -> Module:
        """As ``network.load_network`` returns it; loaded at first use, which imports torch."""
        ...


class ExplanationMethod(Protocol):
    """One way to make maps."""

    @property
    def name(self) -> str:
        """The method's name, as it is chosen and shown."""
        ...

    def explain(self, model: ExplainedModel, crop: Pixels, targets: Sequence[Target]) -> tuple[HeatMap, ...]:
        """Explain one crop.

        The model is left as it was found: no hook stays, no gradient is stored, and the caller's gradient mode holds
        afterwards whatever it was. One explanation at a time for each network.

        Args:
            model: What is explained.
            crop: shape (160, 160, 3), uint8, RGB.
            targets: What to explain; what a method can share between them it computes once.

        Returns:
            One map for each target.

        Raises:
            ExplanationError: It cannot be made.
        """
        ...


STATIONARY = 0.02
"""Sine of the angle between an embedding and a target's direction up to which they are taken for one. bf16 turns an
embedding by up to 0.014 (a cosine of 0.9999); two photos of one person are 0.3 and more apart."""


def is_stationary(target: Target, embedding: Vectors) -> bool:
    """Whether a target neither rises nor falls about a crop, as the similarity to the crop's own template.

    All derivatives are zero there. Where template and embedding come from two runtimes, rounding leaves some that are
    far above float32's.

    Args:
        target: What would be explained.
        embedding: The crop's, shape (512,), float32, unit length.
    """
    along = float(target.direction @ embedding)
    across = float(np.linalg.norm(target.direction - along * embedding))
    return across <= STATIONARY * float(np.linalg.norm(target.direction))


def is_constant(values: Floats, noise: float) -> bool:
    """Whether a map says nothing: its spread is not above the noise of its method, or it has numbers that are none."""
    return not np.isfinite(values).all() or float(values.max() - values.min()) <= noise
