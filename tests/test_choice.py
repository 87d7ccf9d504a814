"""Which face of a photo with several is the member's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facegallery.domain import EMBEDDING_SIZE, Vectors
from facegallery.matching.choice import MIN_FIT, MIN_LEAD, choose_faces

NOBODY = np.empty((0, EMBEDDING_SIZE), dtype=np.float32)
THRESHOLD = 0.7


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def unit(vector: NDArray[np.float64]) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def person(rng: np.random.Generator) -> Vectors:
    """A random unit vector; two of them are nearly orthogonal in 512 dimensions."""
    return unit(rng.standard_normal(EMBEDDING_SIZE))


def look(rng: np.random.Generator, who: Vectors, similarity: float = 0.9) -> Vectors:
    """A vector with exactly this cosine to the person."""
    other = rng.standard_normal(EMBEDDING_SIZE)
    across = unit(other - (other @ who) * who)
    return unit(similarity * who + np.sqrt(1 - similarity**2) * across)


def test_the_face_like_the_anchors_is_chosen_wherever_it_stands(rng: np.random.Generator) -> None:
    """Not the first, not the biggest: the one that fits the member's other photos."""
    ada, bystander = person(rng), person(rng)
    photos = [
        np.stack([look(rng, bystander), look(rng, ada)]),
        np.stack([look(rng, ada), look(rng, bystander), person(rng)]),
    ]
    assert choose_faces(photos, np.stack([look(rng, ada), look(rng, ada)]), threshold=THRESHOLD) == [1, 0]


def test_a_photo_of_strangers_only_gives_no_face(rng: np.random.Generator) -> None:
    """Best of a bad lot is not good enough."""
    ada = person(rng)
    photos = [np.stack([person(rng), person(rng)]), look(rng, ada, MIN_FIT * THRESHOLD - 0.05)[np.newaxis]]
    assert choose_faces(photos, ada[np.newaxis], threshold=THRESHOLD) == [None, None]


def test_two_faces_that_fit_alike_are_not_told_apart(rng: np.random.Generator) -> None:
    """A lead under MIN_LEAD decides nothing, one above it does."""
    ada = person(rng)
    close = np.stack([look(rng, ada, 0.80), look(rng, ada, 0.80 - MIN_LEAD + 0.02)])
    clear = np.stack([look(rng, ada, 0.80), look(rng, ada, 0.80 - MIN_LEAD - 0.02)])
    assert choose_faces([close, clear], ada[np.newaxis], threshold=THRESHOLD) == [None, 0]


def test_one_photo_with_several_faces_and_nothing_else_is_skipped(rng: np.random.Generator) -> None:
    """Nothing says which of two strangers the folder is about."""
    assert choose_faces([np.stack([person(rng), person(rng)])], NOBODY, threshold=THRESHOLD) == [None]


def test_the_person_who_is_in_most_photos_is_the_member(rng: np.random.Generator) -> None:
    """Without a photo of the member alone, recurrence decides, and then serves the photos that were not linked."""
    ada, friend = person(rng), person(rng)
    photos = [
        np.stack([look(rng, friend, 0.95), look(rng, ada, 0.95)]),
        np.stack([look(rng, ada, 0.95), look(rng, friend, 0.95)]),
        np.stack([person(rng), look(rng, ada, 0.95)]),
        np.stack([look(rng, ada, 0.6), person(rng)]),
    ]
    assert choose_faces(photos, NOBODY, threshold=THRESHOLD) == [1, 0, 1, 0]


def test_two_people_who_are_always_together_are_not_told_apart(rng: np.random.Generator) -> None:
    """A couple in every photo: the folder could be about either."""
    ada, friend = person(rng), person(rng)
    photos = [np.stack([look(rng, ada, 0.95), look(rng, friend, 0.95)]) for _ in range(3)]
    assert choose_faces(photos, NOBODY, threshold=THRESHOLD) == [None, None, None]
