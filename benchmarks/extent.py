"""How much one run does."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.photos import PhotoSet
from benchmarks.timing import MIN_PAIRS

N_CROPS = 64
"""Crops whose embeddings are compared between the two runtimes."""

QUICK_REPEAT, QUICK_PHOTOS, QUICK_CROPS = 2, 10, 16

TEMPLATES_PER_MEMBER = 5
N_MEMBERS, QUICK_MEMBERS = 200_000, 4_000
"""Members of the gallery that is searched: 1,000,000 templates, or 20,000."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much one run does.

    Attributes:
        photos: What it works on.
        repeat: Pairs of each comparison; a photo, where it detects.
        n_crops: Crops whose embeddings are compared.
        n_members: Members of the gallery that is searched, each with ``TEMPLATES_PER_MEMBER`` templates.
    """

    photos: PhotoSet
    repeat: int
    n_crops: int
    n_members: int

    @classmethod
    def full(cls, photos: PhotoSet, repeat: int = MIN_PAIRS) -> Extent:
        """What is written down."""
        return cls(photos, repeat, N_CROPS, N_MEMBERS)

    @classmethod
    def quick(cls, photos: PhotoSet) -> Extent:
        """Enough to see that everything runs."""
        return cls(photos.first(QUICK_PHOTOS), QUICK_REPEAT, QUICK_CROPS, QUICK_MEMBERS)
