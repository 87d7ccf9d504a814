"""Which templates are in the wrong folder: a judgement learned from the gallery's own photos.

Nobody has to say what a wrong photo looks like: each photo is shown what it would look like in a wrong folder. It is
right where it is, and wrong when it is said to be a random other member's, once with its own member among the others
and once without (somebody who is not in the gallery). A logistic regression over two similarities, to the member and
to the nearest other one, tells the three apart, and Bayes' rule adds how many wrong photos are to be expected at all.
The gallery it learns from has wrong photos itself, so all is done again without the photos that look wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Places: TypeAlias = NDArray[np.int64]

EXPECTED_WRONG = 0.05
"""Share of photos that are expected in a wrong folder before any is looked at; "Confident Learning" (Northcutt et al.,
2021) found 3.3 % wrong labels in ten much used test sets, and a folder sorted by hand once is no better."""

TEACHES_NOTHING = 0.3
"""From which probability of being wrong on a photo is no example of a right one: where many are wrong, what is learned
from them as well would make them look right."""

_ROUNDS = 10
_PRETENCES = 5  # how often each photo is shown a wrong folder
_LEARNED_FROM = 5_000  # photos: more teach a line in two dimensions nothing
_LEAST_WEIGHT = 0.01  # a doubted template still counts for a hundredth: its companion is compared with something
_AT_ONCE = 1024
_INVERSE_PENALTY = 10.0  # weak: two slopes of a line need little holding

RIGHT, OTHERS, NOBODYS = 0, 1, 2
"""What a template can be: its member's, another member's, nobody's here."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """For each of n templates what speaks for and against its member.

    Attributes:
        evidence: shape (n, 2): similarity to its member, NaN for an only template, and to the nearest other.
        nearest: shape (n,): place of that other member.
        posterior: shape (n, 3): that it is its member's, another member's, nobody's here; the first is 1 where it
            cannot be judged.
    """

    evidence: Floats
    nearest: Places
    posterior: Floats

    @property
    def wrong(self) -> Floats:
        """Shape (n,): the probability that each is not its member's."""
        return 1.0 - self.posterior[:, RIGHT]


def judge(vectors: Floats, owners: Places, rng: np.random.Generator) -> Judged:
    """Judge all templates of a gallery.

    Args:
        vectors: shape (n, 512), unit length.
        owners: shape (n,): whose each is, as a number; of three people at least, one of them with two templates.
        rng: Draws the members that templates are said to be of.
    """
    # At first what is nearer to another member is taken for wrong: with many wrong photos among the examples of right
    # ones, these would look right.
    at_first, _ = _Comparison(vectors, owners, np.ones(len(vectors))).as_enrolled()
    judged = _judge_once(vectors, owners, (at_first[:, 0] < at_first[:, 1]).astype(np.float64), rng)
    for _ in range(_ROUNDS):
        before = judged.wrong
        judged = _judge_once(vectors, owners, before, rng)
        if np.array_equal(judged.wrong < TEACHES_NOTHING, before < TEACHES_NOTHING):
            break
    return judged


def _judge_once(vectors: Floats, owners: Places, wrong: Floats, rng: np.random.Generator) -> Judged:
    """Judge all templates, with what was thought of them before: shape (n,), the probability that each is wrong."""
    comparison = _Comparison(vectors, owners, np.maximum(1 - wrong, _LEAST_WEIGHT))
    evidence, nearest = comparison.as_enrolled()
    comparable = np.isfinite(evidence[:, 0])
    examples = np.flatnonzero(comparable & (wrong < TEACHES_NOTHING))
    learned = _learned(comparison, examples if len(examples) else np.flatnonzero(comparable), rng)
    posterior = np.tile([1.0, 0.0, 0.0], (len(vectors), 1))
    prior = np.array([1 - EXPECTED_WRONG, EXPECTED_WRONG / 2, EXPECTED_WRONG / 2])
    posterior[comparable] = with_prior(learned(evidence[comparable]), prior)
    return Judged(evidence, nearest, posterior)


class _Comparison:
    """Similarities of templates to members, each template left out of its own member's mean."""

    def __init__(self, vectors: Floats, owners: Places, weights: Floats) -> None:
        self.vectors, self.owners, self._weights = vectors, owners, weights
        self._counts = np.bincount(owners)
        self._sums = np.zeros((len(self._counts), vectors.shape[1]))
        np.add.at(self._sums, owners, vectors * weights[:, None])
        self._squares = (self._sums**2).sum(axis=1)

    def similarities(self, rows: Places) -> Floats:
        """Of these templates to every member: shape (k, n_members); NaN to the own member of an only template, and to
        a place that is nobody's.
        """
        own, weight, place = self.owners[rows], self._weights[rows], np.arange(len(rows))
        products = self.vectors[rows] @ self._sums.T  # (k, n_members)
        squares = np.tile(self._squares, (len(rows), 1))
        mine = products[place, own]
        products[place, own] = mine - weight
        squares[place, own] += weight**2 - 2 * weight * mine
        found: Floats = products / np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))
        found[:, self._counts == 0] = np.nan
        found[place, own] = np.where(self._counts[own] > 1, found[place, own], np.nan)
        return found

    def as_enrolled(self) -> tuple[Floats, Places]:
        """Evidence, shape (n, 2), about each template as it is enrolled, and the nearest other members' places."""
        parts = [_evidence(self.similarities(rows), self.owners[rows]) for rows in in_parts(len(self.vectors))]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _evidence(similarities: Floats, claimed: Places, hidden: Places | None = None) -> tuple[Floats, Places]:
    """What a claim rests on: the similarity to the claimed member and to the nearest other one, and who that is.

    Args:
        similarities: shape (k, n_members).
        claimed: shape (k,): whom each template is said to be of.
        hidden: shape (k,): a member who is taken for not enrolled, for each.
    """
    place = np.arange(len(similarities))
    others = np.where(np.isnan(similarities), -np.inf, similarities)
    others[place, claimed] = -np.inf
    if hidden is not None:
        others[place, hidden] = -np.inf
    nearest = others.argmax(axis=1)
    return np.stack([similarities[place, claimed], others[place, nearest]], axis=1), nearest


def _learned(comparison: _Comparison, examples: Places, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """Learn from the gallery itself what right, another's and nobody's templates look like.

    Args:
        comparison: The gallery.
        examples: Places of templates that are taken for right; none is its member's only one.
        rng: Draws the members that they are said to be of.

    Returns:
        From evidence, shape (k, 2), to three logarithms of likelihoods, shape (k, 3), known but for a term that the
        three share.
    """
    people = np.unique(comparison.owners)
    examples = np.sort(rng.permutation(examples)[:_LEARNED_FROM])
    shown: list[tuple[int, Floats]] = []
    for part in in_parts(len(examples)):
        own = comparison.owners[examples[part]]
        similarities = comparison.similarities(examples[part])
        shown.append((RIGHT, _evidence(similarities, own)[0]))
        for _ in range(_PRETENCES):
            steps = rng.integers(1, len(people), len(own))
            pretended = people[(np.searchsorted(people, own) + steps) % len(people)]
            shown.append((OTHERS, _evidence(similarities, pretended)[0]))
            shown.append((NOBODYS, _evidence(similarities, pretended, own)[0]))
    return fitted(
        np.concatenate([evidence for _, evidence in shown]),
        np.concatenate([np.full(len(evidence), kind) for kind, evidence in shown]),
        n=len(examples),
    )


def fitted(
    evidence: Floats, kinds: Places, *, n: int, inverse_penalty: float = _INVERSE_PENALTY
) -> Callable[[Floats], Floats]:
    """A logistic regression that takes all kinds for equally frequent and counts as ``n`` examples.

    What few examples do not show, it does not believe: in a small gallery the answer stays near the prior.
    """
    from sklearn.linear_model import LogisticRegression

    centre, spread = evidence.mean(axis=0), np.maximum(evidence.std(axis=0), 1e-9)
    found, places = np.unique(kinds, return_inverse=True)
    balanced = n / len(found) / np.bincount(places)[places]
    regression = LogisticRegression(C=inverse_penalty, max_iter=1000)
    regression.fit((evidence - centre) / spread, kinds, sample_weight=balanced)

    def log_likelihoods(asked: Floats) -> Floats:
        logits: Floats = regression.decision_function((asked - centre) / spread)
        return logits if logits.ndim == 2 else np.stack([np.zeros_like(logits), logits], axis=1)

    return log_likelihoods


def with_prior(log_likelihoods: Floats, prior: Floats) -> Floats:
    """Bayes' rule: shape (k, kinds), each row adds up to 1."""
    logits = log_likelihoods + np.log(prior)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    posterior: Floats = shares / shares.sum(axis=1, keepdims=True)
    return posterior


def in_parts(n: int) -> Iterator[Places]:
    """Places 0 to n - 1, so many at once as are compared with all members in little memory."""
    for start in range(0, n, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, n))
