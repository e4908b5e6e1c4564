"""Tests of the scores, on maps whose scores are known."""

import itertools

import numpy as np
import pytest

from mha_utils.maps import AttentionMaps
from mha_utils.scores import (
    best_head,
    best_offset,
    damage,
    entropy,
    examples,
    gold_mass,
    hits,
    match_heads,
    read_labelled,
    split_half,
    where_rule_fails,
)
from mha_utils.sentences import attend


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


def test_examples_are_the_links_of_one_relation():
    a, b = maps(SHARP), maps(EVEN)
    links = [{"sv": {0: 1}, "det": {2: 0}}, {"det": {1: 2}}]
    assert examples([a, b], links, "sv") == [(a, {0: 1}), (b, {})]
    assert examples([a, b], iter(links), "det") == [(a, {2: 0}), (b, {1: 2})]
    assert examples([a, b], links, "det", backwards=True) == [(a, {0: 2}), (b, {2: 1})]
    with pytest.raises(ValueError, match="shorter|longer"):
        examples([a], links, "sv")


def test_links_that_a_rule_finds_are_left_out():
    a = maps(EVEN)
    assert where_rule_fails([(a, {2: 1, 1: 0, 0: 2}), (a, {})], 1) == [
        (a, {0: 2}),
        (a, {}),
    ]
    assert where_rule_fails([(a, {2: 1, 0: 2})], -2) == [(a, {2: 1})]


def test_best_head_is_the_place_of_the_largest_score():
    assert best_head(np.array([[0.1, 0.9, 0.2], [0.3, 0.0, 0.8]])) == (0, 1)
    assert best_head([[0], [5]]) == (1, 0)


def test_best_offset():
    some = [(maps(EVEN), {2: 1, 1: 0}), (maps(EVEN), {2: 0}), (maps(EVEN), {0: 2})]
    assert best_offset(some) == (1, 0.5)
    assert best_offset(some[2:]) == (-2, 1.0)


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
    assert match_heads([[0.9, 0.8], [1.0, 0.1]]) == [1, 0]
    with pytest.raises(ValueError, match="3 relations cannot have one of 2 heads"):
        match_heads(np.ones((3, 2)))


def test_damage_is_what_is_lost_without_a_head():
    def accuracy(heads):
        return np.array([0.5 + 0.5 * (0 in heads), 1.0, 1.0 * (2 in heads)])

    np.testing.assert_allclose(
        damage(accuracy, 3), [[0.5, 0, 0], [0, 0, 0], [0, 0, 1.0]]
    )


def test_labelled_sentences_are_read(tmp_path):
    path = tmp_path / "labelled.txt"
    path.write_text("The cat saw the dog . | sv cat>saw | det The>cat the>dog\nGo .\n")
    assert read_labelled(path) == [
        ("The cat saw the dog .", {"sv": {1: 2}, "det": {0: 1, 3: 4}}),
        ("Go .", {}),
    ]
    path.write_text("a cat or a dog | det a#1>cat a#2>dog")
    assert read_labelled(path)[0][1] == {"det": {0: 1, 3: 4}}


@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " \r\n\r\n"])
def test_labels_are_read_as_any_editor_saves_them(tmp_path, begin, end):
    path = tmp_path / "labelled.txt"
    lines = ["The cat sat | sv cat>sat", "Was the cat there ? | det the>cat"]
    path.write_bytes((begin + "".join(line + end for line in lines)).encode())
    assert read_labelled(path) == [
        ("The cat sat", {"sv": {1: 2}}),
        ("Was the cat there ?", {"det": {1: 2}}),
    ]


def test_labels_in_another_encoding_are_refused_by_name(tmp_path):
    for encoding in ("utf-16", "cp1252"):
        (tmp_path / "labels.txt").write_text("Le chat é | a Le>é", encoding)
        with pytest.raises(ValueError, match="labels.txt is not UTF-8. Save it"):
            read_labelled(tmp_path / "labels.txt")


@pytest.mark.parametrize("pair", ["a>dog", "a#3>dog", "b>dog", "b#1>dog"])
def test_a_wrong_label_is_refused(tmp_path, pair):
    path = tmp_path / "labelled.txt"
    path.write_text(f"a cat or a dog | det {pair}")
    with pytest.raises(ValueError, match="times in: a cat or a dog"):
        read_labelled(path)


@pytest.mark.parametrize(
    "relation", ["", "det a", "det a>", "det a>cat>dog", "det a#0>cat", "det a#x>cat"]
)
def test_what_is_no_relation_is_refused_with_its_line(tmp_path, relation):
    path = tmp_path / "labelled.txt"
    path.write_text(f"a cat or a dog | {relation}")
    with pytest.raises(ValueError, match="no relation.* in: a cat or a dog"):
        read_labelled(path)


@pytest.mark.parametrize("score", [gold_mass, hits, split_half, best_offset])
@pytest.mark.parametrize("some", [[], [(maps(EVEN), {})]])
def test_examples_without_a_link_are_refused(score, some):
    with pytest.raises(ValueError, match=f"{len(some)} examples without a link"):
        score(some)


def test_split_half_picks_the_better_head_and_counts_the_other_half():
    links = {1: 0, 2: 1}
    some = [(maps(EVEN, SHARP), links)] * 6
    assert split_half(some) == (1.0, {(0, 1): 200})
    worse = [(maps(SHARP, MOSTLY), links)] * 6
    assert split_half(some, worse) == (0.0, {(0, 1): 200})
    assert split_half(some, [(m, {2: 1, 0: 1}) for m, _ in some])[0] == 0.5


def test_split_half_picks_on_one_half():
    """Of two examples, each with a layer of its own that is right there alone."""
    layers = np.array([[SHARP], [EVEN]])  # (layers, h, n, n)
    some = [(AttentionMaps(["w"] * 3, w), {2: 1}) for w in (layers, layers[::-1])]
    share, chosen = split_half(some)
    assert share == 0 and set(chosen) == {(0, 0), (1, 0)}
    assert split_half(some, splits=200, seed=0) == (share, chosen)
    assert split_half(some, seed=1)[1] != chosen


def test_split_half_takes_away_the_luck_of_the_best():
    """Of 200 heads that point anywhere the best hits too often, but not again."""
    rng = np.random.default_rng(0)
    some = []
    for _ in range(30):
        heads = np.eye(4)[rng.integers(4, size=(200, 4))]  # (h, n, n)
        some.append((maps(*heads), {0: 1, 1: 2}))
    assert hits(some).max() > 0.38
    assert split_half(some)[0] == pytest.approx(0.25, abs=0.03)
    assert split_half(some, seed=1) != split_half(some, seed=2)
