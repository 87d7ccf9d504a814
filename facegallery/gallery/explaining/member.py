"""Which regions a member is recognized by, over all photos the member was enrolled from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.domain import CROP_SIZE_PX, EnrolledFace, Pixels, SkippedPhoto, TemplateSet, Vectors
from facegallery.errors import ExplanationError
from facegallery.explanation.covering import PARTS, with_parts_covered
from facegallery.explanation.method import HeatMap, Target
from facegallery.explanation.occlusion import Occlusion
from facegallery.explanation.regions import REGIONS, region_of_pixels
from facegallery.explanation.shares import Shares
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.explaining.photo import enrolled_photo, made_with
from facegallery.gallery.explaining.values import Split
from facegallery.gallery.searches import comparable
from facegallery.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facegallery.explanation.method import Floats

RANKED = ("the eyes", "the nose", "the mouth", "all but eyes, nose and mouth")
"""Parts that have no pixel in common."""

N_REASONS = 3
"""Photos that cannot be used are named up to here."""

CANNOT_BE_SHOWN = "enrolled_photo_unavailable"


@dataclass(frozen=True, slots=True, eq=False)
class MemberPhoto:
    """One enrolled photo, compared with the member's others.

    Attributes:
        enrolled: The face.
        nearest: The member's other photo that it is most like.
        similarity: To that one.
        mean_similarity: To all the others.
        crop: The face as the embedder sees it, shape (160, 160, 3), uint8, RGB.
        landmarks_xy: shape (5, 2), float32, crop frame.
        heat: Where covering lowers the similarity.
        split: The similarity as an exact sum.
        falls: By how much the similarity falls with each of ``covering.PARTS`` covered.
    """

    enrolled: EnrolledFace
    nearest: EnrolledFace
    similarity: float
    mean_similarity: float
    crop: Pixels
    landmarks_xy: Floats
    heat: HeatMap
    split: Split
    falls: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A number over several photos.

    Attributes:
        mean: Its mean.
        deviation: Its standard deviation.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(float(np.mean(values)), float(np.std(values)))


@dataclass(frozen=True, slots=True, eq=False)
class MemberExplanation:
    """What a member is recognized by.

    Attributes:
        member: The member's name.
        made_with: Model and how it was computed, by name.
        photos: The enrolled photos that could be looked at.
        skipped: Those that could not.
        shares: For each of ``explanation.regions.REGIONS`` its exact share of the similarity, over the photos.
        constant: What is left of the similarity without any region.
        falls: For each of ``covering.PARTS`` by how much the similarity falls when it is covered.
        typical: The photo that is most like the others: the mean map is drawn over its face.
        heat: shape (160, 160), float32: the mean of the photos' maps, each moved onto the typical face by the
            landmarks; in similarity.
    """

    member: str
    made_with: Mapping[str, str]
    photos: tuple[MemberPhoto, ...]
    skipped: tuple[SkippedPhoto, ...]
    shares: Mapping[str, Spread]
    constant: Spread
    falls: Mapping[str, Spread]
    typical: MemberPhoto
    heat: Floats

    def words(self) -> tuple[str, ...]:
        """All of it in sentences."""
        n, similarities = len(self.photos), [photo.similarity for photo in self.photos]
        ranked = sorted(((part, self.falls[part].mean) for part in RANKED), key=lambda each: -each[1])
        shares = ", ".join(f"{region} {spread.mean:+.2f}" for region, spread in self.shares.items())
        lines = [
            f"{self.member} over {n} photos, each compared with the one it is most like of the others: "
            f"similarity {min(similarities):.2f} to {max(similarities):.2f}.",
            f"{self.member} is recognized most by {ranked[0][0]}. Mean fall of the similarity when it is covered: "
            + ", ".join(f"{part} {fall:+.2f}" for part, fall in ranked)
            + ".",
            f"Mean shares of the similarity: {shares}, and {self.constant.mean:+.2f} that lies in no region.",
        ]
        least = min(self.photos, key=lambda photo: photo.mean_similarity)
        lines.append(
            f"Least like the others is {least.enrolled.photo_path.name} (mean similarity {least.mean_similarity:.2f})."
        )
        return tuple(lines)


def explain_member(
    name: str, *, store: Store, analyzer: FaceAnalyzer, told: Callable[[], None] = lambda: None
) -> MemberExplanation:
    """Explain a member.

    Args:
        name: The member.
        store: Where the templates are.
        analyzer: Detector and embedder.
        told: Called after each photo, for a progress bar.

    Raises:
        MemberNotFound: No such member.
        ExplanationError: Fewer than two of the member's photos, or of their files, are there.
    """
    templates = comparable(store.templates(name), analyzer.space)
    by_id = {face.template_id: face for face in store.enrolled_faces(name)}
    enrolled = [by_id[template_id] for template_id in templates.ids.tolist() if template_id in by_id]
    if len(enrolled) < len(templates.ids):
        raise ExplanationError(f"{name} was changed while being looked at. Next: run the same command again.")
    photos: list[MemberPhoto] = []
    skipped: list[SkippedPhoto] = []
    for row in range(len(templates.ids)):
        looked = _look(row, templates, enrolled, analyzer)
        photos += [looked] if isinstance(looked, MemberPhoto) else []
        skipped += [looked] if isinstance(looked, SkippedPhoto) else []
        told()
    if len(photos) < 2:
        member = store.member(name).name
        lost = "".join(f" {entry.path}: {entry.reason}." for entry in skipped[:N_REASONS])
        raise ExplanationError(
            f"What {member} is recognized by shows only over several photos, and of {len(templates.ids)} enrolled "
            f"{len(photos)} can be compared.{lost} Next: facegallery enroll --member {member!r} PHOTO..."
        )
    typical = max(photos, key=lambda photo: photo.mean_similarity)
    return MemberExplanation(
        member=store.member(name).name,
        made_with=made_with(analyzer),
        photos=tuple(photos),
        skipped=tuple(skipped),
        shares={region: Spread.of([photo.split.regions[region] for photo in photos]) for region in REGIONS},
        constant=Spread.of([photo.split.constant for photo in photos]),
        falls={part: Spread.of([photo.falls[part] for photo in photos]) for part in PARTS},
        typical=typical,
        heat=np.mean([moved(photo, typical) for photo in photos], axis=0, dtype=np.float32),
    )


def _look(
    row: int, templates: TemplateSet, faces: Sequence[EnrolledFace], analyzer: FaceAnalyzer
) -> MemberPhoto | SkippedPhoto | None:
    """One photo against the member's others; None where there is no other."""
    face = faces[row]
    others = np.flatnonzero([other.content_hash != face.content_hash for other in faces])
    if not len(others):
        return None
    photo, missing = enrolled_photo(face)
    if photo is None:
        return SkippedPhoto(face.photo_path, CANNOT_BE_SHOWN, str(missing))
    crop, landmarks = analyzer.crop(photo, face.face), analyzer.landmarks_in_crop(photo, face.face)
    embedding = analyzer.embedder.embed(crop[np.newaxis])[0]
    similarities = templates.vectors[others] @ embedding
    nearest = int(others[similarities.argmax()])
    target = Target(templates.vectors[nearest], "similarity to the member's nearest other photo")
    (heat,) = Occlusion().explain(analyzer, crop, [target])
    (shares,) = Shares().explain(analyzer, crop, [target])
    regions = region_of_pixels(landmarks)
    return MemberPhoto(
        enrolled=face,
        nearest=faces[nearest],
        similarity=shares.score,
        mean_similarity=float(similarities.mean()),
        crop=crop,
        landmarks_xy=landmarks,
        heat=heat,
        split=Split.of(shares, regions),
        falls=_falls(analyzer, crop, regions, target, shares.score),
    )


def _falls(
    analyzer: FaceAnalyzer, crop: Pixels, regions: NDArray[np.int8], target: Target, score: float
) -> dict[str, float]:
    covered: Vectors = analyzer.embedder.embed(with_parts_covered(crop, regions))
    return dict(zip(PARTS, (score - target.of(covered)).tolist(), strict=True))


def moved(photo: MemberPhoto, onto: MemberPhoto) -> Floats:
    """A photo's map moved so that its landmarks lie on those of another, by the best affine map."""
    ones = np.ones((len(onto.landmarks_xy), 1))
    # Pillow asks, for each pixel of the answer, where it comes from: so from "onto" back to the photo.
    back, *_ = np.linalg.lstsq(np.hstack([onto.landmarks_xy, ones]), photo.landmarks_xy.astype(np.float64), rcond=None)
    image = Image.fromarray(photo.heat.at_crop_size())
    size = (CROP_SIZE_PX, CROP_SIZE_PX)
    moved = image.transform(size, Image.Transform.AFFINE, tuple(back.T.ravel()), Image.Resampling.BILINEAR)
    return np.asarray(moved)
