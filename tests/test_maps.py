"""Maps: of which shapes and numbers they are, and which are refused."""

import numpy as np
import pytest

from mha_utils.heatmaps import show_heads
from mha_utils.maps import AttentionMaps
from mha_utils.sentences import attend


@pytest.mark.parametrize("front", [(), (2,), (4, 2)])
def test_maps_of_one_head_or_one_layer_get_the_missing_axes(front):
    weights = np.full((*front, 3, 3), 1 / 3, np.float32)
    maps = AttentionMaps(["a", "b", "c"], weights)
    assert maps.weights.shape == (*(1, 1, *front)[-2:], 3, 3)
    assert maps.weights.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "pieces"),
    [
        ((3,), r"\(3,\).*3 tokens.*\(num_layers, num_heads, 3, 3\)"),
        ((4, 4), r"\(1, 1, 4, 4\).*3 tokens"),
        ((2, 3, 4), r"\(1, 2, 3, 4\).*3 tokens"),
        ((0, 3, 3), r"\(1, 0, 3, 3\)"),
        ((1, 1, 1, 1, 3, 3), r"\(1, 1, 1, 1, 3, 3\)"),
        ((2, 3, 1, 3, 3), "3 sentences"),
    ],
)
def test_maps_of_the_wrong_shape_are_refused(shape, pieces):
    with pytest.raises(ValueError, match=pieces):
        AttentionMaps(["a", "b", "c"], np.zeros(shape))


@pytest.mark.parametrize("weights", [[[np.nan]], [[np.inf]], [["a"]], [[1j]]])
def test_maps_that_hold_no_finite_numbers_are_refused(weights):
    with pytest.raises(ValueError, match="weights holds NaN, infinity or no real"):
        AttentionMaps(["a"], np.array(weights))


@pytest.mark.parametrize("dtype", [int, bool, np.uint8])
def test_whole_numbers_are_shares_too(dtype):
    maps = AttentionMaps(["a", "b"], np.eye(2, dtype=dtype))
    assert maps.weights.dtype == float
    np.testing.assert_array_equal(maps.weights[0, 0], np.eye(2))


@pytest.mark.parametrize("join", [list, tuple, np.array])
@pytest.mark.parametrize("one", [(), (1,)])
def test_layers_are_taken_as_a_model_returns_them(join, one):
    rows = np.random.default_rng(0).dirichlet(np.ones(3), (4, *one, 2, 3))
    maps = AttentionMaps(list("abc"), join(list(rows)))
    np.testing.assert_array_equal(maps.weights, rows.reshape(4, 2, 3, 3))


def test_words_may_look_at_other_words():
    rows = np.random.default_rng(0).dirichlet(np.ones(2), (4, 3))
    maps = AttentionMaps(list("abc"), rows, keys=["x", 7], num_kv_heads=2)
    assert maps.weights.shape == (1, 4, 3, 2)
    assert (maps.tokens, maps.keys) == (["a", "b", "c"], ["x", "7"])
    assert maps.num_kv_heads == 2
    same = AttentionMaps(list("abc"), np.eye(3))
    assert (same.keys, same.num_kv_heads) == (["a", "b", "c"], 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keys": list("xyz")}, r"\(1, 4, 3, 2\); for 3 tokens it needs .*4?3, 3\)"),
        ({"keys": []}, r"3 tokens and 0 keys it needs \(num_layers, num_heads, 3, 0\)"),
        ({"keys": None}, r"for 3 tokens it needs"),
        ({"tokens": list("ab")}, r"for 2 tokens it needs"),
        ({"num_kv_heads": 3}, "4 heads cannot share 3 key/value heads"),
        ({"num_kv_heads": 0}, "4 heads cannot share 0 key/value heads"),
    ],
)
def test_other_words_must_fit(changes, said):
    given = {"tokens": list("abc"), "keys": list("xy")} | changes
    with pytest.raises(ValueError, match=said):
        AttentionMaps(weights=np.full((4, 3, 2), 0.5), **given)


def test_no_keys_for_no_columns():
    with pytest.raises(ValueError, match="0 keys"):
        AttentionMaps(["a"], np.zeros((1, 1, 0)), keys=[])


def test_tensors_are_taken(dtypes=("float32", "float64", "float16", "bfloat16")):
    torch = pytest.importorskip("torch")
    for name in dtypes:
        dtype = getattr(torch, name)
        layer = torch.rand(1, 2, 3, 3, requires_grad=True).softmax(-1).to(dtype)
        maps = AttentionMaps(list("abc"), (layer, layer))
        assert maps.weights.shape == (2, 2, 3, 3)
        np.testing.assert_array_equal(maps.weights[1], layer[0].detach().float())


def test_dropout_left_on_is_named():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    weights = torch.nn.functional.dropout(torch.full((1, 12, 9, 9), 1 / 9), 0.1)
    with pytest.raises(ValueError, match=r"add up to 1\.1\d.*dropout.*model.eval"):
        AttentionMaps(list("abcdefghi"), weights)


@pytest.mark.parametrize(
    ("weights", "pieces"),
    [
        (None, "returned no maps.*output_attentions=True.*eager"),
        ([None, None], "returned no maps"),
        ((), "weights is None.*returned no maps.*attn_implementation='eager'"),
        (np.full((6, 16, 4, 3, 3), 1 / 3), "16 sentences.*one sentence at a time"),
        ([np.eye(3), np.full((2, 3, 3), 1 / 3)], r"differ: \(3, 3\), \(2, 3, 3\)"),
    ],
)
def test_what_is_not_the_maps_of_one_sentence_is_named(weights, pieces):
    with pytest.raises(ValueError, match=pieces):
        AttentionMaps(list("abc"), weights)


def test_what_is_no_share_is_named_with_its_row():
    rows = np.full((2, 3, 4, 4), 0.25)
    rows[1, 2, 3] = [0, 0, 2.5, -1.5]
    with pytest.raises(ValueError, match=r"-1\.50 in weights\[1, 2, 3\].*scores"):
        AttentionMaps(list("abcd"), rows)
    rows[1, 2, 3] = 0.5
    with pytest.raises(ValueError, match=r"to 2\.00 in weights\[1, 2, 3\]; a row"):
        AttentionMaps(list("abcd"), rows)
    rows[1, 2, 3] = 1e308
    with pytest.raises(ValueError, match=r"add up to inf in weights\[1, 2, 3\]"):
        AttentionMaps(list("abcd"), rows)
    rows[1, 2, 3] = [0, 0.2, 0, 0]  # where words are hidden
    AttentionMaps(list("abcd"), rows)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("n", [1, 12, 500])
def test_rounded_rows_are_not_refused(dtype, n):
    rows = np.random.default_rng(n).dirichlet(np.full(n, 0.1), (2, n)).astype(dtype)
    AttentionMaps([""] * n, rows)


def test_maps_need_a_name_for_each_head_or_none():
    with pytest.raises(ValueError, match="2 head_names for 3 heads"):
        AttentionMaps(["a"], np.ones((3, 1, 1)), head_names=("x", "y"))
    with pytest.raises(ValueError, match="There is no word in this sentence"):
        AttentionMaps([], np.ones((1, 0, 0)))


@pytest.mark.parametrize("names", [["x", "y"], np.array(["x", "y"])])
def test_names_of_heads_may_come_in_any_sequence(names):
    maps = AttentionMaps(["a"], np.ones((2, 1, 1)), names)
    assert maps.head_names == ("x", "y")
    assert show_heads(maps).alt.startswith("Head 1 (x), ")


def test_maps_are_frozen_and_equal_to_themselves_only():
    maps = attend("The cat")
    with pytest.raises(AttributeError):
        maps.note = "changed"
    assert maps == maps and maps != attend("The cat")


def test_tokens_of_maps_become_strings():
    assert AttentionMaps([1, "a"], np.eye(2)).tokens == ["1", "a"]


# ---- why
def reasons(**changes):
    """Return maps of 2 heads, 3 words and 2 others, and what makes them."""
    rng = np.random.default_rng(1)
    queries, keys = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 4))
    powers = np.exp(queries @ keys.swapaxes(-1, -2) / 2)
    powers[:, 0, 1] = 0  # a mask
    powers[:, 1] = 0  # which hides all
    weights = powers / np.maximum(powers.sum(-1, keepdims=True), 1e-9)
    made = {"queries": queries, "keys": keys, "names": list("abcd")} | changes
    words = {"tokens": list("xyz"), "keys": list("uv")}
    return AttentionMaps(weights=weights, why=tuple(made.values()), **words)


def test_what_makes_the_scores_is_kept():
    maps = reasons()
    queries, keys, names = maps.why
    assert (queries.shape, keys.shape) == ((1, 2, 3, 4), (1, 2, 2, 4))
    assert names == (tuple("abcd"), tuple("abcd"))
    own = [list("abcd"), list("efgh")]
    assert reasons(names=own).why[2] == (tuple("abcd"), tuple("efgh"))
    assert AttentionMaps(["a"], [[1]]).why is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"queries": np.zeros((2, 2, 4))},
            r"why: the queries have shape \(1, 2, 2, 4\)",
        ),
        ({"keys": np.zeros((2, 2, 3))}, r"the keys .*these maps need \(1, 2, 2, 4\)"),
        (
            {"queries": 1.0},
            r"queries have shape \(\); these maps need \(1, 2, 3, d_k\)",
        ),
        ({"keys": np.zeros((1, 2, 4))}, r"the keys have shape \(1, 1, 2, 4\)"),
        ({"queries": np.full((2, 3, 4), np.nan)}, "why: the queries hold NaN"),
        ({"queries": np.full((2, 3, 4), 1.7e308)}, "why: the product .* overflows"),
        ({"names": list("abc")}, "why: 4 columns need 4 names"),
        ({"names": [list("abcd")]}, "why: 4 columns need 4 names"),
        ({"names": [list("abcd"), list("abc")]}, "why: 4 columns need 4 names"),
        (
            {"keys": np.ones((2, 2, 4))},
            r"give 0\.50, but weights\[0, \d, \d, \d\] is 0",
        ),
        ({"more": 1}, "why needs three things"),
    ],
)
def test_what_does_not_make_these_weights_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        reasons(**changes)
