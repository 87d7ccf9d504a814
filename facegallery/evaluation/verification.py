"""Verification: are two photos of one person? On a list of pairs, as LFW defines it, and by threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import SkippedPhoto
from facegallery.errors import EvaluationError
from facegallery.evaluation.acquisition import left_out, subject_embeddings
from facegallery.evaluation.intervals import Rate
from facegallery.evaluation.pairs import Pair
from facegallery.evaluation.rates import ErrorRates, OperatingPoint, PointAtRate, Trials
from facegallery.evaluation.subjects import central_face
from facegallery.matching.decisions import reaches

if TYPE_CHECKING:
    from facegallery.domain import ModelIdentity, Preparation, Vectors
    from facegallery.evaluation.intervals import Floats
    from facegallery.gallery.analysis import AnalyzedPhoto
    from facegallery.weights.files import InstalledModel

WANTED_FMRS = (0.0001, 0.001, 0.01, 0.1)


@dataclass(frozen=True, slots=True)
class Folds:
    """LFW's figure: pairs decided right, by a threshold that was chosen without them.

    Attributes:
        right: For each fold the share of its pairs decided right; a pair that cannot be compared is not.
        thresholds: The similarity each was decided by.
        mean: Of ``right``.
        standard_error: Of the mean: the standard deviation over folds (n - 1) over the root of their number.
    """

    right: tuple[float, ...]
    thresholds: tuple[float, ...]
    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True, eq=False)
class VerificationReport:
    """How well two photos are told to be of one person or of two.

    Attributes:
        pairs_file: The list.
        folder: Held the photos.
        model: Whose embeddings were compared.
        preparation: How faces were prepared.
        threshold: The similarity that ``facegallery verify`` asks for.
        n_photos: Photos in the list, each once.
        no_face: Photos that gave no face (failure to acquire), of those.
        left_out: They and why.
        n_pairs: Pairs in the list.
        n_lost: Pairs that cannot be compared, since a photo of them gave no face.
        errors: FMR and FNMR, of the pairs that can be.
        at_threshold: Both at that threshold.
        by_threshold: Both at thresholds over the range of the similarities.
        at_rates: For each wanted FMR.
        folds: None for a list of a single fold.
    """

    pairs_file: Path
    folder: Path
    model: ModelIdentity
    preparation: Preparation
    threshold: float
    n_photos: int
    no_face: Rate
    left_out: tuple[SkippedPhoto, ...]
    n_pairs: int
    n_lost: int
    errors: ErrorRates
    at_threshold: OperatingPoint
    by_threshold: tuple[OperatingPoint, ...]
    at_rates: tuple[PointAtRate, ...]
    folds: Folds | None


def photos_of(pairs: Sequence[Pair]) -> list[Path]:
    """The photos of a list, each once, in the order in which they first come."""
    return list(dict.fromkeys(photo for pair in pairs for photo in pair.photos))


def compare(pairs: Sequence[Pair], embeddings: Mapping[Path, Vectors]) -> Vectors:
    """The similarity of each pair: shape (n,), float32; NaN where a photo of it gave no face."""
    similarities = np.full(len(pairs), np.nan, np.float32)
    for place, pair in enumerate(pairs):
        if pair.photos[0] in embeddings and pair.photos[1] in embeddings:
            similarities[place] = embeddings[pair.photos[0]] @ embeddings[pair.photos[1]]
    return similarities


def error_rates(pairs: Sequence[Pair], similarities: Vectors) -> ErrorRates:
    """FMR and FNMR of the pairs that could be compared.

    Raises:
        EvaluationError: None of one kind could.
    """
    kinds = []
    for is_mated in (True, False):
        places = [
            place for place, pair in enumerate(pairs) if pair.is_mated == is_mated and not np.isnan(similarities[place])
        ]
        if not places:
            raise EvaluationError(
                f"No {'mated' if is_mated else 'non-mated'} pair can be compared: no face was found in their photos. "
                "'facegallery detect DIR' says what is found."
            )
        kinds.append(Trials(similarities[places], [tuple(dict.fromkeys(pairs[place].people)) for place in places]))
    return ErrorRates(*kinds)


def in_folds(pairs: Sequence[Pair], similarities: Vectors) -> Folds | None:
    """LFW's figure: for each fold the threshold that decides most pairs of the others right, the lowest of equals.

    A threshold lies midway between two similarities, or beyond them all. A pair that cannot be compared is never right.

    Args:
        pairs: The list.
        similarities: shape (n,), float32, beside it; NaN where a pair cannot be compared.

    Returns:
        The figure; None where there is a single fold, and so nothing to choose by.
    """
    fold = np.array([pair.fold for pair in pairs])
    mated = np.array([pair.is_mated for pair in pairs])
    n_folds = int(fold.max()) + 1
    if n_folds == 1:
        return None
    values = similarities.astype(np.float64)
    right, thresholds = [], []
    for held_out in range(n_folds):
        threshold = _best_threshold(values[fold != held_out], mated[fold != held_out])
        own = fold == held_out
        decided = (reaches(values[own], threshold) == mated[own]) & ~np.isnan(values[own])
        thresholds.append(threshold)
        right.append(float(decided.mean()))
    spread = float(np.std(right, ddof=1)) / float(np.sqrt(n_folds))
    return Folds(tuple(right), tuple(thresholds), float(np.mean(right)), spread)


def _best_threshold(values: Floats, mated: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """The lowest threshold that decides most pairs right."""
    compared = ~np.isnan(values)
    levels = np.unique(values[compared])
    candidates = np.concatenate([[-1.0], (levels[:-1] + levels[1:]) / 2, [2.0]])  # all are one person, none is
    of_mated = np.sort(values[compared & mated])
    of_non_mated = np.sort(values[compared & ~mated])
    n_right = (
        len(of_mated) - np.searchsorted(of_mated, candidates, side="left")  # those that reach it: equal is enough
    ) + np.searchsorted(of_non_mated, candidates, side="left")
    return float(candidates[int(n_right.argmax())])


def verification_report(
    pairs_file: Path,
    folder: Path,
    pairs: Sequence[Pair],
    found: Mapping[Path, AnalyzedPhoto | SkippedPhoto],
    *,
    model: InstalledModel,
    preparation: Preparation,
) -> VerificationReport:
    """Put the report together from what was found in the photos.

    Raises:
        EvaluationError: No mated or no non-mated pair can be compared.
    """
    embeddings = subject_embeddings(found, central_face)
    similarities = compare(pairs, embeddings)
    errors = error_rates(pairs, similarities)
    return VerificationReport(
        pairs_file=pairs_file,
        folder=folder,
        model=model.identity,
        preparation=preparation,
        threshold=model.spec.threshold,
        n_photos=len(found),
        no_face=Rate.of([path not in embeddings for path in found]),
        left_out=left_out(found),
        n_pairs=len(pairs),
        n_lost=int(np.isnan(similarities).sum()),
        errors=errors,
        at_threshold=errors.at([model.spec.threshold])[0],
        by_threshold=tuple(errors.over_range()),
        at_rates=tuple(errors.at_rates(WANTED_FMRS)),
        folds=in_folds(pairs, similarities),
    )
