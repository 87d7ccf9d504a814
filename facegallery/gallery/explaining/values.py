"""What an explanation says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import BoxXyxy, Decision, EnrolledFace, Pixels, Vectors
from facegallery.explanation.faithfulness import Faithfulness
from facegallery.explanation.method import ExplanationMethod, HeatMap
from facegallery.explanation.regions import by_region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A member that a probe was compared with.

    Attributes:
        enrolled: The member's enrolled face that is nearest to the probe.
        against: What the probe was compared with, by the score rule: "the mean of Ada's 5 photos".
        direction: shape (512,), float32: its scalar product with the probe's embedding is the similarity.
        similarity: Of the probe to the member.
        crop: The enrolled face as the embedder saw it, shape (160, 160, 3), uint8, RGB; None when the photo is gone.
        missing: Why there is no crop, in words, or None.
        maps: Over the enrolled face, of its similarity to the probe: one a method. Empty where there is no crop.
    """

    enrolled: EnrolledFace
    against: str
    direction: Vectors
    similarity: float
    crop: Pixels | None
    missing: str | None
    maps: tuple[HeatMap, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A score as an exact sum over the cells of the network's last map, told by region.

    A cell's share is spread evenly over the cell's pixels: the sum is exact, the regions are as coarse as the cells.

    Attributes:
        regions: The share of each of ``explanation.regions.REGIONS``.
        constant: What lies in no region: the network's own constants, over the length of this face's features.
        score: The sum of all of them.
    """

    regions: Mapping[str, float]
    constant: float
    score: float

    @classmethod
    def of(cls, heat: HeatMap, regions: NDArray[np.int8]) -> Split:
        """From the map of ``shares``, and ``explanation.regions.region_of_pixels``."""
        shares = by_region(heat.values, regions)
        return cls(shares, heat.score - sum(shares.values()), heat.score)


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """Why this member and not that one: the difference of two similarities.

    Attributes:
        rival: The other member.
        difference: Similarity to the compared member minus that to the rival.
        maps: Over the probe, of the difference: positive where it speaks for the compared member. One a method.
        split: The difference as a sum.
    """

    rival: Comparison
    difference: float
    maps: tuple[HeatMap, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How far a member is from being named.

    Attributes:
        member: The member.
        similarity: Of the probe to the member.
        short: Threshold minus similarity.
    """

    member: str
    similarity: float
    short: float


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What would have been with a part of the face covered.

    Attributes:
        covered: The part, in words: "the eyes".
        similarity: To the compared member, with the part covered.
        decision: About the face with the part covered.
    """

    covered: str
    similarity: float
    decision: Decision


@dataclass(frozen=True, slots=True)
class CoveredPlace:
    """One place of the sliding patch.

    Attributes:
        box_xyxy: The patch; crop frame.
        similarity: To the compared member, under the patch.
        decision: About the face under the patch.
    """

    box_xyxy: BoxXyxy
    similarity: float
    decision: Decision


@dataclass(frozen=True, slots=True, eq=False)
class CoveredPlaces:
    """The decision under a sliding patch.

    Attributes:
        places: All places, in rows from the top.
        worst: The place that lowers the similarity most.
        crop: The probe covered there: shape (160, 160, 3), uint8, RGB.
        n_changed: In how many places another member, or none, would have been named.
    """

    places: tuple[CoveredPlace, ...]
    worst: CoveredPlace
    crop: Pixels
    n_changed: int


@dataclass(frozen=True, slots=True)
class MapCheck:
    """How far to trust one map of the probe.

    Attributes:
        method: The method's name.
        own: Deletion and insertion of the map.
        random: The same of random numbers on the same face, the mean over several maps of them.
        gaussian: The same of a centred Gaussian.
        stability: Mean correlation with the map of the crop shifted by 1 px; None for a constant map.
        shuffled: What is left of the map when the network's weights are shuffled: mean absolute rank correlation over
            five stages from the top; None for a constant map.
    """

    method: str
    own: Faithfulness
    random: Faithfulness
    gaussian: Faithfulness
    stability: float | None
    shuffled: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Everything an explanation shows.

    Attributes:
        path: The probe's photo.
        content_hash: SHA-256 of its bytes.
        face_number: Which of its faces, from 1.
        n_faces: How many faces it has.
        made_with: Model and how it was computed, by name.
        decision: The decision about this face, as ``identify`` makes it.
        embedding: The probe's, shape (512,), float32, unit length.
        crop: The probe as the embedder sees it, shape (160, 160, 3), uint8, RGB.
        comparison: The member it was compared with.
        maps: Over the probe, of the similarity: one a method.
        split: The similarity as a sum.
        contrast: Against the runner-up, or the member that was asked for; None where there is no other.
        shortfalls: For a face that stayed unknown, the nearest members.
        counterfactuals: With parts of the face covered.
        covered: Under a sliding patch, where occlusion is among the methods.
        methods: What made the maps, in their order.
        checks: How far to trust each map of the probe, where that was asked for.
    """

    path: Path
    content_hash: str
    face_number: int
    n_faces: int
    made_with: Mapping[str, str]
    decision: Decision
    embedding: Vectors
    crop: Pixels
    comparison: Comparison
    maps: tuple[HeatMap, ...]
    split: Split
    contrast: Contrast | None
    shortfalls: tuple[Shortfall, ...]
    counterfactuals: tuple[Counterfactual, ...]
    covered: CoveredPlaces | None
    methods: tuple[ExplanationMethod, ...]
    checks: tuple[MapCheck, ...] = ()

    def words(self) -> tuple[str, ...]:
        """All of it in sentences."""
        from facegallery.gallery.explaining.words import sentences

        return tuple(sentences(self))
