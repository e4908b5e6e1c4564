"""Tests of the scores, on maps whose scores are known."""

import itertools

import numpy as np
import pytest

from mha_utils.scores import (
    best_offset,
    damage,
    entropy,
    gold_mass,
    hits,
    match_heads,
)
from mha_utils.sentences import AttentionMaps, attend


def maps(*heads):
    """Make maps of one layer, a matrix for each head."""
    weights = np.array(heads, float)
    return AttentionMaps(["w"] * weights.shape[-1], weights)


SHARP = [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
EVEN = [[1 / 3] * 3] * 3
MOSTLY = [[1, 0, 0], [0.4, 0.6, 0], [0.2, 0.1, 0.7]]


def test_mass_and_hits():
    one = (maps(SHARP, EVEN, MOSTLY), {1: 0, 2: 1})
    two = (maps(EVEN, SHARP, MOSTLY), {2: 2})
    np.testing.assert_allclose(
        gold_mass([one, two]), [[(1 + 1 + 1 / 3) / 3, 2 / 9, (0.4 + 0.1 + 0.7) / 3]]
    )
    np.testing.assert_allclose(hits([one, two]), [[2 / 3, 1 / 3, 1 / 3]])


def test_hand_built_heads_score_what_they_were_built_for():
    some = attend("The dogs that the girl follows sleep because they waited")
    assert gold_mass([(some, {7: 2})])[0].argmax() == 0  # sleep, dogs
    assert gold_mass([(some, {9: 2})])[0].argmax() == 1  # they, dogs
    assert hits([(some, {i: i - 1 for i in range(1, 11)})])[0].argmax() == 2


def test_layers_are_kept_apart():
    weights = np.stack([[SHARP, EVEN], [EVEN, MOSTLY]])  # (layers, h, n, n)
    two_layers = AttentionMaps(["a", "b", "c"], weights)
    assert gold_mass([(two_layers, {2: 1})]).shape == (2, 2)
    np.testing.assert_allclose(
        gold_mass([(two_layers, {2: 1})]), [[1, 1 / 3], [1 / 3, 0.1]]
    )


def test_best_offset():
    examples = [(maps(EVEN), {2: 1, 1: 0}), (maps(EVEN), {2: 0}), (maps(EVEN), {0: 2})]
    assert best_offset(examples) == (1, 0.5)
    assert best_offset(examples[2:]) == (-2, 1.0)


def test_entropy():
    np.testing.assert_allclose(entropy(maps(SHARP, EVEN)), [[0, np.log2(3)]])
    assert 0 < entropy(maps(MOSTLY))[0, 0] < np.log2(3)


@pytest.mark.parametrize("seed", range(20))
def test_matching_is_the_best_of_all(seed):
    scores = np.random.default_rng(seed).random((3, 6))
    best = max(
        itertools.permutations(range(6), 3),
        key=lambda own: sum(scores[r, h] for r, h in enumerate(own)),
    )
    assert match_heads(scores) == list(best)


def test_matching_gives_no_head_twice():
    assert match_heads([[0.9, 0.8, 0], [1.0, 0.1, 0]]) == [1, 0]
    with pytest.raises(ValueError, match="3 relations cannot have one of 2 heads"):
        match_heads(np.ones((3, 2)))


def test_damage_is_what_is_lost_without_a_head():
    def accuracy(heads):
        return np.array([0.5 + 0.5 * (0 in heads), 1.0, 1.0 * (2 in heads)])

    np.testing.assert_allclose(
        damage(accuracy, 3), [[0.5, 0, 0], [0, 0, 0], [0, 0, 1.0]]
    )
