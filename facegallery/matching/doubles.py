"""One picture and one person under two names.

What two names of one person look like is learned from the gallery itself: its members are cut in two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from facegallery.matching.misplaced import fitted, in_parts, with_prior

if TYPE_CHECKING:
    from facegallery.matching.misplaced import Floats, Places

EXPECTED_DOUBLE = 0.02
"""Share of members who are expected to be enrolled under another name too."""

DUPLICATE_SPREADS = 3.0
"""How many spreads above the middle of one person's photos the similarity of two pictures must lie, to be one picture
twice; counted in arctanh, which makes cosines nearly normal (Fisher, 1915). One pair of photos in 700 lies there."""

LEAST_DUPLICATE = 0.9
"""A cosine under this is never taken for one picture twice, however wide one person's photos spread."""

_INVERSE_PENALTY = 1000.0  # what is asked for lies far out: few pairs of names are one person
_LEARNED_FROM = 5_000  # pairs of members
_N_CUTS = 200


def same_pictures(vectors: Floats, owners: Places) -> list[tuple[int, int, float]]:
    """Pairs of templates of two members that are nearly one picture: their places, ascending, and their cosine."""
    limit = max(LEAST_DUPLICATE, _far_above_one_person(vectors, owners))
    found = []
    for rows in in_parts(len(vectors)):
        similarities = vectors[rows] @ vectors[rows[0] :].T  # each pair once: with itself and what comes later
        for one, later in zip(*np.nonzero(similarities >= limit), strict=True):
            a, b = int(rows[one]), int(rows[0] + later)
            if a < b and owners[a] != owners[b]:
                found.append((a, b, min(float(similarities[one, later]), 1.0)))
    return found


def _far_above_one_person(vectors: Floats, owners: Places) -> float:
    """The similarity that two photos of one person all but never have; -1 where nobody has two."""
    pairs = []
    for member in np.flatnonzero(np.bincount(owners) > 1) if len(owners) else ():
        own = vectors[owners == member]
        pairs.append((own @ own.T)[np.triu_indices(len(own), 1)])
    if not pairs:
        return -1.0
    mated = np.arctanh(np.clip(np.concatenate(pairs), -1 + 1e-6, 1 - 1e-6))
    middle = np.median(mated)
    spread = 1.4826 * np.median(np.abs(mated - middle))  # the standard deviation, when it is normal
    return float(np.tanh(middle + DUPLICATE_SPREADS * spread))


def same_persons(
    vectors: Floats, owners: Places, *, least: float, rng: np.random.Generator
) -> list[tuple[int, int, float, float]]:
    """Pairs of members who may be one person.

    Args:
        vectors: shape (n, 512), unit length.
        owners: shape (n,): whose each is, numbers from 0 without a gap; of three at least, one of them with two.
        least: The least probability to tell of.
        rng: Cuts members in two.

    Returns:
        The two numbers, ascending, the cosine of the means of their templates, and how probable it is that they are one
        person.
    """
    members = _Members(vectors, owners)
    n = len(members.counts)
    first, second = np.triu_indices(n, 1) if n * (n - 1) / 2 <= _LEARNED_FROM else _random_pairs(n, rng)
    cut, n_cut = _cut_in_two(members, vectors, owners, rng), int((members.counts > 1).sum())
    apart = members.evidence(first, second)
    learned = _learned(apart, cut, n_cut)
    # One person among the examples of two would make all like it look like two: as many as are expected are left out.
    n_left_out = int(np.ceil(EXPECTED_DOUBLE * n))
    together = learned(apart)[:, 1] if len(apart) > n_left_out else np.zeros(0)
    learned = _learned(apart[np.argsort(together)[:-n_left_out]], cut, n_cut) if len(together) else learned
    share = EXPECTED_DOUBLE / (n - 1)  # of the pairs: a member has n - 1 others
    found = []
    for one in range(n - 1):
        others = np.arange(one + 1, n)
        ones = np.full(len(others), one)
        evidence = members.evidence(ones, others)
        probabilities = with_prior(learned(evidence), np.array([1 - share, share]))[:, 1]
        cosines = members.cosines(ones, others)
        found += [
            (one, int(others[at]), float(cosines[at]), float(probabilities[at]))
            for at in np.flatnonzero(probabilities >= least)
        ]
    return found


def _learned(apart: Floats, cut: Floats, n: int) -> Callable[[Floats], Floats]:
    """Learn what two members, and one under two names, look like, each from evidence of shape (k, 3)."""
    kinds = np.repeat([0, 1], [len(apart), len(cut)])
    return fitted(np.concatenate([apart, cut]), kinds, n=n, inverse_penalty=_INVERSE_PENALTY)


class _Members:
    """Sums of members' templates, from which all mean similarities follow."""

    def __init__(self, vectors: Floats, owners: Places) -> None:
        self.counts = np.bincount(owners).astype(np.float64)
        self._sums = np.zeros((len(self.counts), vectors.shape[1]))
        np.add.at(self._sums, owners, vectors)
        self._lengths = np.maximum(np.linalg.norm(self._sums, axis=1), 1e-9)
        within = _within(self._lengths, self.counts)
        self._usual_within = float(np.nanmean(within))
        self._within = np.where(np.isnan(within), self._usual_within, within)
        self._nearest = np.empty((len(self.counts), 2))  # cosines to the two most similar others
        self._nearest_is = np.empty(len(self.counts), np.int64)
        for rows in in_parts(len(self.counts)):
            cosines = (self._sums[rows] @ self._sums.T) / np.outer(self._lengths[rows], self._lengths)
            cosines[np.arange(len(rows)), rows] = -np.inf
            self._nearest_is[rows] = cosines.argmax(axis=1)
            self._nearest[rows] = -np.sort(-cosines, axis=1)[:, :2]

    def cosines(self, first: Places, second: Places) -> Floats:
        """Of the means of two members' templates: shape (k,)."""
        found: Floats = self._products(first, second) / (self._lengths[first] * self._lengths[second])
        return found

    def evidence(self, first: Places, second: Places) -> Floats:
        """How alike the two members' photos are, how alike each one's own, and how alike the nearest third member is.

        Returns:
            shape (k, 3): the mean cosine of a photo of one with a photo of the other, that of two photos of one (the
            mean of both), and the cosine of means with the nearest other member (the greater of both).
        """
        between = self._products(first, second) / (self.counts[first] * self.counts[second])
        within = (self._within[first] + self._within[second]) / 2
        return np.stack([between, within, np.maximum(self._third(first, second), self._third(second, first))], axis=1)

    def evidence_of_halves(self, member: int, one: Floats, other: Floats) -> Floats:
        """The same of two parts of one member's templates, each of shape (k, 512): shape (3,)."""
        sums = np.stack([one.sum(axis=0), other.sum(axis=0)])
        counts = np.array([len(one), len(other)], np.float64)
        lengths = np.maximum(np.linalg.norm(sums, axis=1), 1e-9)
        within = _within(lengths, counts)
        cosines = (sums @ self._sums.T) / np.outer(lengths, self._lengths)
        cosines[:, member] = -np.inf
        between = sums[0] @ sums[1] / counts.prod()
        return np.array([between, np.where(np.isnan(within), self._usual_within, within).mean(), cosines.max()])

    def _third(self, one: Places, other: Places) -> Floats:
        """The cosine of one's mean with the nearest member's that is not the other."""
        second: Floats = np.where(self._nearest_is[one] == other, self._nearest[one, 1], self._nearest[one, 0])
        return second

    def _products(self, first: Places, second: Places) -> Floats:
        if len(first) and (first == first[0]).all():
            products: Floats = self._sums[second] @ self._sums[first[0]]
        else:
            products = np.einsum("kd,kd->k", self._sums[first], self._sums[second])
        return products


def _within(lengths: Floats, counts: Floats) -> Floats:
    """The mean cosine of two different templates of one member, from the length of their sum; NaN for an only one."""
    n_pairs = np.where(counts > 1, counts * (counts - 1), np.nan)
    within: Floats = (lengths**2 - counts) / n_pairs
    return within


def _cut_in_two(members: _Members, vectors: Floats, owners: Places, rng: np.random.Generator) -> Floats:
    """Evidence about members who are two by our own doing: shape (k, 3), one row a cut."""
    several = np.flatnonzero(np.bincount(owners) > 1)
    rows = []
    for member in np.resize(rng.permutation(several), _N_CUTS).tolist():  # in a small gallery in several ways each
        own = rng.permutation(vectors[owners == member])
        rows.append(members.evidence_of_halves(member, own[::2], own[1::2]))
    return np.stack(rows)


def _random_pairs(n: int, rng: np.random.Generator) -> tuple[Places, Places]:
    first = rng.integers(0, n, _LEARNED_FROM)
    return first, (first + rng.integers(1, n, _LEARNED_FROM)) % n
