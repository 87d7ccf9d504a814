"""Score rules: a member's similarity is a scalar product with a vector made of the member's templates."""

from __future__ import annotations

import numpy as np
import pytest

from facegallery.domain import ScoreRule, TemplateSet, Vectors
from facegallery.matching.scores import (
    MemberTemplates,
    direction_of,
    rule_words,
    score_members,
    templates_by_member,
)

PROBE = np.array([1, 0, 0], np.float32)


def unit(*values: float) -> Vectors:
    vector = np.array(values, dtype=np.float64)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


FOUR = MemberTemplates(
    np.stack([unit(0.8, 0.6, 0), unit(0.6, 0.8, 0), unit(0, 0, 1), unit(0.28, 0.96, 0)]),
    np.array([1.0, 0.5, 0.0, 0.0], np.float32),
)


@pytest.mark.parametrize(
    ("rule", "similarity"),
    [
        (ScoreRule.BEST, 0.8),
        (ScoreRule.MEAN_OF_BEST, (0.8 + 0.6 + 0.28) / 3),
        (ScoreRule.CENTROID, 1.68 / np.linalg.norm([1.68, 2.36, 1.0])),
        (ScoreRule.WEIGHTED, 1.1 / np.linalg.norm([1.1, 1.0])),
    ],
)
def test_each_rule_is_what_it_says(rule: ScoreRule, similarity: float) -> None:
    """By hand, for one member; the matrix of all scores says the same."""
    assert direction_of(FOUR, PROBE, rule) @ PROBE == pytest.approx(similarity, abs=1e-6)
    both = score_members(np.stack([PROBE, PROBE[::-1]]), [FOUR, FOUR], rule)
    assert both[0] == pytest.approx([similarity] * 2, abs=1e-6)
    assert both.shape == (2, 2)


@pytest.mark.parametrize("rule", list(ScoreRule))
def test_with_one_template_all_rules_agree(rule: ScoreRule) -> None:
    """One photo: whatever the rule, the cosine with it; also where its quality is 0."""
    one = MemberTemplates(FOUR.vectors[:1], np.zeros(1, np.float32))
    assert direction_of(one, PROBE, rule) @ PROBE == pytest.approx(0.8, abs=1e-6)


def test_opposite_templates_are_like_nobody() -> None:
    """Templates that cancel out give zero, not NaN."""
    opposite = MemberTemplates(np.stack([unit(1, 0, 0), unit(-1, 0, 0)]), np.ones(2, np.float32))
    assert direction_of(opposite, PROBE, ScoreRule.CENTROID).tolist() == [0, 0, 0]


def test_templates_are_put_together_by_member() -> None:
    """In order of first appearance, with the ids that they have."""
    found = templates_by_member(
        TemplateSet(1, "1", np.array([3, 5, 8, 9]), FOUR.vectors, ("Bea", "Ada", "Bea", "Ada"), FOUR.qualities)
    )
    assert list(found) == ["Bea", "Ada"]
    ids, templates = found["Bea"]
    assert ids.tolist() == [3, 8]
    assert templates.qualities.tolist() == [1, 0]
    assert (templates.vectors == FOUR.vectors[[0, 2]]).all()


def test_what_was_compared_is_told() -> None:
    """Words for each rule; one photo is one photo under all of them."""
    said = [rule_words(rule, "Ada", 5) for rule in ScoreRule]
    assert said == [
        "the mean of Ada's 5 photos",
        "the mean of Ada's 5 photos, each counted by its quality",
        "the nearest of Ada's 5 photos",
        "the 3 nearest of Ada's 5 photos",
    ]
    assert rule_words(ScoreRule.MEAN_OF_BEST, "Ada", 2) == "the 2 nearest of Ada's 2 photos"
    assert {rule_words(rule, "Ada", 1) for rule in ScoreRule} == {"Ada's only photo"}
