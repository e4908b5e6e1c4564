"""The core, held against the paper's equations, PyTorch and its own docstrings."""

import copy
import math
import os
import re
import sys

import numpy as np
import pytest
import torch_reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mha_utils import (
    KeyValueCache,
    MultiHeadAttention,
    causal_mask,
    guards,
    merge_heads,
    padding_mask,
    rotate,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from mha_utils.attention import positions

pytestmark = pytest.mark.filterwarnings("error")

TORCH = torch_reference.read()
DTYPES = (np.float16, np.float32, np.float64)
TOLERANCE = {np.float16: 4e-3, np.float32: 1e-5, np.float64: 1e-12}
few = st.integers(1, 4)
grouped = st.sampled_from([(2, 1), (4, 1), (4, 2), (6, 2), (6, 3)])  # h, g
seeds = st.integers(0, 2**32 - 1)
no_numbers = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def close(actual, desired, tolerance=1e-12):
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=tolerance)


def frozen(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def weights_of_a_layer(
    h=3, d=6, d_k=2, d_v=4, *, g=None, biased=True, seed=0, dtype=float
):
    """d_k, d_v and d/h all differ, so that none can stand for another."""
    rng, g = np.random.default_rng(seed), g or h
    shapes = {"w_q": (h, d, d_k), "w_k": (g, d, d_k), "w_v": (g, d, d_v)}
    shapes |= {"w_o": (h * d_v, d)}
    if biased:
        shapes |= {"b_q": (h, d_k), "b_k": (g, d_k), "b_v": (g, d_v), "b_o": (d,)}
    return {
        name: rng.normal(0, 0.7, shape).astype(dtype) for name, shape in shapes.items()
    }


def a_layer(*shape, **options):
    return MultiHeadAttention(**weights_of_a_layer(*shape, **options))


def raises(*pieces):
    """Expect a ValueError whose message holds all pieces, in this order."""
    return pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, pieces)))


def attention_in_loops(query, key, value, mask=None):
    """Equation (1) for one head, one number at a time."""
    output, weights = [], []
    for i in range(len(query)):
        scores = []
        for j in range(len(key)):
            score = 0.0
            for c in range(len(key[j])):
                score += query[i][c] * key[j][c]
            score /= math.sqrt(len(key[j]))
            if mask is not None and mask.dtype != bool:
                score += mask[i][j]
            elif mask is not None and not mask[i][j]:
                score = -math.inf
            scores.append(score)
        total = sum(math.exp(score) for score in scores)
        weights.append([math.exp(score) / (total or 1.0) for score in scores])
        output.append(
            [
                sum(weights[i][j] * value[j][c] for j in range(len(value)))
                for c in range(len(value[0]))
            ]
        )
    return output, weights


def project_in_loops(words, matrix, bias):
    return [
        [
            sum(word[r] * matrix[r][c] for r in range(len(word)))
            + (0.0 if bias is None else bias[c])
            for c in range(len(matrix[0]))
        ]
        for word in words
    ]


def layer_in_loops(x, context, masks, w_q, w_k, w_v, w_o, **biases):
    """Section 3.2.2: project, attend by equation (1), concatenate, project."""
    heads, maps = [], []
    for i in range(len(w_q)):
        query, key, value = (
            project_in_loops(
                words,
                matrices[i // (len(w_q) // len(matrices))],
                biases[name][i // (len(w_q) // len(matrices))]
                if name in biases
                else None,
            )
            for words, matrices, name in (
                (x, w_q, "b_q"),
                (context, w_k, "b_k"),
                (context, w_v, "b_v"),
            )
        )
        z, weights = attention_in_loops(query, key, value, masks[i])
        heads.append(z)
        maps.append(weights)
    concatenated = [sum((z[n] for z in heads), []) for n in range(len(x))]
    return project_in_loops(concatenated, w_o, biases.get("b_o")), maps, heads


def a_mask(kind, shape, seed):
    rng = np.random.default_rng(seed)
    allowed = rng.random(shape) < 0.6
    forbidding = np.where(allowed, rng.normal(size=shape), -np.inf)
    return {"none": None, "boolean": allowed, "float": forbidding}[kind]


mask_kinds = st.sampled_from(["none", "boolean", "float"])


@given(few, few, few, few, mask_kinds, seeds)
def test_attention_is_equation_1(n_q, n_k, d_k, d_v, kind, seed):
    query, key = normal(n_q, d_k, seed=seed), normal(n_k, d_k, seed=seed + 1)
    value, mask = normal(n_k, d_v, seed=seed + 2), a_mask(kind, (n_q, n_k), seed)
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    loop_output, loop_weights = attention_in_loops(query, key, value, mask)
    close(output, loop_output)
    close(weights, loop_weights)


@given(
    grouped | few.map(lambda h: (h, h)),
    *[few] * 5,
    st.booleans(),
    st.booleans(),
    mask_kinds,
    seeds,
)
def test_layer_is_the_loop_over_heads(
    heads, d, d_k, d_v, n_q, n_k, biased, crossed, kind, seed
):
    h, g = heads
    arrays = weights_of_a_layer(h, d, d_k, d_v, g=g, biased=biased, seed=seed)
    x, context = normal(n_q, d, seed=seed + 1), normal(n_k, d, seed=seed + 2)
    asked = context if crossed else x
    mask = a_mask(kind, (h, n_q, len(asked)), seed)
    masks = [None] * h if mask is None else mask
    mha = MultiHeadAttention(**arrays)
    given_words = (x, context if crossed else None, mask)
    output, weights = mha(*given_words)
    loop_output, loop_weights, loop_z = layer_in_loops(x, asked, masks, **arrays)
    close(output, loop_output)
    close(weights, loop_weights)
    close(mha.head_outputs(*given_words), loop_z)
    parts = mha.contributions(*given_words)
    for i in range(h):
        own_rows = arrays["w_o"][i * d_v : (i + 1) * d_v]
        close(parts[i], project_in_loops(loop_z[i], own_rows, None))


def compare_with_torch(case, answers):
    """Compare output, and weights where torch gives them."""
    if "query" in case:
        output, weights = scaled_dot_product_attention(**case)
    else:
        rest = dict(case)
        x, *more = (rest.pop(name, None) for name in ("x", "context", "mask"))
        output, weights = MultiHeadAttention(**rest)(x, *more)
    tolerance = 2e-6 if output.dtype == np.float32 else 1e-12
    assert output.dtype == answers["output"].dtype
    close(output, answers["output"], tolerance)
    close(weights, answers.get("weights", weights), tolerance)


@pytest.mark.parametrize("case", TORCH)
def test_agrees_with_stored_answers_of_torch(case):
    compare_with_torch(*TORCH[case])


@pytest.fixture(scope="module")
def torch():
    try:
        import torch
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("torch is not installed, but CI must compare with it")
        pytest.skip("torch is not installed; its stored answers were compared")
    return torch


@pytest.mark.filterwarnings("default")
@given(
    grouped,
    st.sampled_from([(), (2,)]),
    few,
    few,
    mask_kinds,
    st.sampled_from([np.float32, np.float64]),
    seeds,
)
def test_live_torch_shares_keys_and_values_between_the_same_heads(
    torch, heads, batch, n_q, n_k, kind, dtype, seed
):
    (h, g), d = heads, 6
    mha = a_layer(h, d, g=g, seed=seed)
    x = normal(*batch, n_q, d, seed=seed, dtype=dtype)
    context = normal(*batch, n_k, d, seed=seed + 1, dtype=dtype)
    allowed = a_mask(kind, (h, n_q, n_k), seed)
    if allowed is not None:
        allowed[..., 0] = allowed.dtype == bool  # a row of nothing is NaN in some torch
        allowed = allowed.astype(dtype if kind == "float" else bool)
    mask = allowed if allowed is None else allowed[None]
    query, key, value = (
        torch.from_numpy(
            (words[..., None, :, :] @ matrix + bias[:, None]).astype(dtype)
        )
        for words, matrix, bias in (
            (x, mha.w_q, mha.b_q),
            (context, mha.w_k, mha.b_k),
            (context, mha.w_v, mha.b_v),
        )
    )
    theirs = torch.nn.functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if allowed is None else torch.from_numpy(allowed),
        enable_gqa=True,
    )
    tolerance = 20 * TOLERANCE[dtype]
    close(mha.head_outputs(x, context, mask if batch else allowed), theirs, tolerance)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("seed", range(5))
def test_live_torch_agrees(torch, seed):
    for case in torch_reference.inputs(seed).values():
        compare_with_torch(case, torch_reference.answers(case))


@pytest.mark.filterwarnings("default")
def test_live_torch_still_gives_the_stored_answers(torch):
    for case, stored in TORCH.values():
        for name, answer in torch_reference.answers(case).items():
            close(answer, stored[name], 2e-6)


def test_agrees_with_the_answer_published_in_udl_notebook_12_2():
    """Prince, Understanding Deep Learning: words and convention are columns there."""
    draw = np.random.RandomState(3).normal
    x = draw(size=(8, 6))
    draw = np.random.RandomState(0).normal
    heads = [
        [draw(size=shape) for shape in [(4, 8)] * 3 + [(4, 1)] * 3] for _ in range(2)
    ]
    w_q, w_k, w_v, b_q, b_k, b_v = (np.stack(arrays) for arrays in zip(*heads))
    w_q, w_k, w_v = (w.swapaxes(1, 2) for w in (w_q, w_k, w_v))
    b_q, b_k, b_v = (b[..., 0] for b in (b_q, b_k, b_v))
    mha = MultiHeadAttention(w_q, w_k, w_v, draw(size=(8, 8)).T, b_q, b_k, b_v)
    published = [
        [-21.207, -5.373, -20.933, -9.179, -11.319, -17.812],
        [-1.995, 7.906, -10.516, 3.452, 9.863, -7.24],
        [5.479, 1.115, 9.244, 0.453, 5.656, 7.089],
        [-7.413, -7.416, 0.363, -5.573, -6.736, -0.848],
        [-11.261, -9.937, -4.848, -8.915, -13.378, -5.761],
        [3.548, 10.036, -2.244, 1.604, 12.113, -2.557],
        [4.888, -5.814, 2.407, 3.228, -4.232, 3.71],
        [1.248, 18.894, -6.409, 3.224, 19.717, -5.629],
    ]
    np.testing.assert_allclose(mha(x.T)[0].T, published, atol=6e-4)


def some_scores(dtype):
    width = 8 * np.dtype(dtype).itemsize
    elements = st.floats(-100, 100, width=width) | st.just(-math.inf)
    return arrays(dtype, array_shapes(max_dims=3, max_side=4), elements=elements)


@given(st.data(), st.sampled_from(DTYPES))
def test_softmax_gives_weights_that_sum_to_1(data, dtype):
    scores = data.draw(some_scores(dtype))
    axis = data.draw(st.integers(-scores.ndim, scores.ndim - 1))
    weights = softmax(scores, axis)
    assert weights.dtype == dtype and weights.shape == scores.shape
    assert (weights >= 0).all() and (weights[scores == -np.inf] == 0).all()
    somewhere_to_look = (scores > -np.inf).any(axis)
    close(weights.sum(axis, dtype=float), somewhere_to_look, TOLERANCE[dtype])


@given(few, seeds, st.floats(-1e3, 1e3))
def test_softmax_ignores_a_constant_added_to_all_scores(n, seed, constant):
    scores = normal(2, n, seed=seed)
    close(softmax(scores + constant), softmax(scores))


def test_softmax_works_along_the_last_axis_unless_told_otherwise():
    scores = np.log([[1.0, 3.0], [1.0, 1.0]])
    close(softmax(scores), [[0.25, 0.75], [0.5, 0.5]])
    close(softmax(scores, axis=0), [[0.5, 0.75], [0.5, 0.25]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_is_stable_for_the_largest_scores(dtype):
    huge = np.finfo(dtype).max
    assert softmax(np.array([huge, 0, -huge, huge], dtype)).tolist() == [0.5, 0, 0, 0.5]
    assert softmax(np.array([-huge, -huge], dtype)).tolist() == [0.5, 0.5]


def test_softmax_of_float16_is_exact_to_its_last_digit():
    scores = normal(5, 300, dtype=np.float16)
    exact = softmax(scores.astype(np.float64)).astype(np.float16)
    np.testing.assert_array_max_ulp(softmax(scores), exact)


@pytest.mark.parametrize("no_number", [np.nan, np.inf])
def test_softmax_refuses_nan_and_infinity(no_number):
    with raises("scores", "NaN or +inf"):
        softmax([0.0, no_number])


@pytest.mark.parametrize(
    ("scores", "pieces"),
    [
        (3.0, ["scores is a single number", "at least one axis"]),
        (["a"], ["scores has dtype <U1", "real numbers"]),
        ([1j], ["scores has dtype complex128", "real numbers"]),
        ([None], ["scores has dtype object", "real numbers"]),
        (None, ["scores is a NoneType", "real numbers"]),
        ([[1.0], [1.0, 2.0]], ["scores", "rows differ in length"]),
        (KeyValueCache(), ["scores is a KeyValueCache", "real numbers"]),
    ],
)
def test_softmax_refuses_what_is_no_array_of_numbers(scores, pieces):
    with raises(*pieces):
        softmax(scores)


def test_softmax_takes_integers_lists_and_empty_arrays():
    assert softmax([0, 0]).tolist() == [0.5, 0.5]
    assert softmax(np.ones((2, 0))).shape == (2, 0)
    assert softmax(np.ones((0, 2))).shape == (0, 2)


def test_softmax_writes_to_no_array_of_the_caller():
    for dtype in DTYPES:
        scores = frozen(normal(3, 4, dtype=dtype))
        assert not np.shares_memory(softmax(scores), scores)


def test_attention_on_numbers_one_can_check():
    query, key = [[2.0, 0.0, 0.0, 0.0]], np.eye(4)[:2] * math.log(3)
    output, weights = scaled_dot_product_attention(query, key, [[8.0], [4.0]])
    close(weights, [[0.75, 0.25]])
    close(output, [[7.0]])


def test_scale_replaces_one_over_the_root_of_d_k():
    query, key, value = normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2)
    weights = scaled_dot_product_attention(query, key, value, scale=0.3)[1]
    close(weights, softmax(0.3 * query @ key.T))
    for not_finite in (np.nan, np.inf):
        with raises("scale is", "must be a finite number"):
            scaled_dot_product_attention(query, key, value, scale=not_finite)


@given(few, few, few, seeds)
def test_output_lies_between_the_values(n_q, n_k, d, seed):
    value = normal(n_k, d, seed=seed)
    output, _ = scaled_dot_product_attention(
        5 * normal(n_q, d, seed=seed + 1), 5 * normal(n_k, d, seed=seed + 2), value
    )
    assert (output <= value.max(0) + 1e-12).all()
    assert (output >= value.min(0) - 1e-12).all()


def test_axes_in_front_broadcast():
    query, key, value = normal(2, 1, 4, 3), normal(5, 6, 3), normal(6, 2)
    output, weights = scaled_dot_product_attention(query, key, value)
    assert output.shape == (2, 5, 4, 2) and weights.shape == (2, 5, 4, 6)
    for b, c in np.ndindex(2, 5):
        alone = scaled_dot_product_attention(query[b, 0], key[c], value)
        close(output[b, c], alone[0])
        close(weights[b, c], alone[1])


def test_a_mask_has_the_axes_in_front_of_the_keys():
    query, key, value = normal(4, 3), normal(2, 5, 3), normal(5, 2)
    mask = normal(2, 4, 5)
    _, weights = scaled_dot_product_attention(query, key, value, mask)
    for b in range(2):
        alone = scaled_dot_product_attention(query, key[b], value, mask[b])
        close(weights[b], alone[1])


def test_attention_is_stable_for_huge_scores():
    query, key = np.array([[1e150]]), np.array([[1e150], [-1e150], [0.5e150]])
    output, weights = scaled_dot_product_attention(query, key, np.eye(3))
    assert weights.tolist() == output.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("keys", [[1e200, 0], [-1e200, 0], [-1e200, -1e200]])
@pytest.mark.parametrize("mask", [None, [True, False], [-np.inf, 0.0]])
@pytest.mark.parametrize("rows", [1, 4])  # and more scores than words have numbers
def test_scores_that_overflow_are_refused(keys, mask, rows):
    query, keys = np.full((rows, 1), 1e200), np.array(keys)[:, None]
    with raises("query @ key^T", "overflow"):
        scaled_dot_product_attention(
            query, keys, np.ones((2, 1)), None if mask is None else np.array([mask])
        )


def test_huge_float32_is_refused_without_a_warning():
    huge = np.full((1, 4), 3e38, np.float32)
    with raises("query @ key^T", "overflows float32"):
        scaled_dot_product_attention(huge, huge, huge)


def test_scores_that_do_not_overflow_are_never_refused():
    query, key = [[1e200, 0.0]], [[0.0, 1e200], [1e-200, 0.0]]
    _, weights = scaled_dot_product_attention(query, key, np.eye(2))
    close(weights, softmax([[0, 2**-0.5]]))


def test_layer_that_overflows_is_refused():
    mha = a_layer()
    with raises("output overflows float16"):
        mha(np.full((2, 6), 6e4, np.float16))
    with raises("contributions overflows float16"):
        mha.contributions(np.full((2, 6), 6e4, np.float16))
    for x in (np.full((2, 6), 1e308), np.full((2, 6), 3e38, np.float32)):
        for method in (mha, mha.head_outputs, mha.contributions):
            with raises("overflows"):
                method(x)


def test_true_means_may_attend():
    words = normal(2, 3)
    _, weights = scaled_dot_product_attention(words, words, words, [[False, True]] * 2)
    assert weights.tolist() == [[0, 1], [0, 1]]


@given(few, few, seeds)
def test_boolean_mask_equals_float_mask_of_minus_infinity(n_q, n_k, seed):
    query, key, value = (normal(n, 3, seed=seed) for n in (n_q, n_k, n_k))
    allowed = a_mask("boolean", (n_q, n_k), seed)
    by_bool = scaled_dot_product_attention(query, key, value, allowed)
    added = np.where(allowed, 0, -np.inf)
    by_float = scaled_dot_product_attention(query, key, value, added)
    for one, other in zip(by_bool, by_float):
        close(one, other)
    assert (by_bool[1][~allowed] == 0).all()


@given(few, few, st.floats(-100, 100), seeds)
def test_constant_float_mask_changes_nothing(n_q, n_k, constant, seed):
    query, key, value = (normal(n, 3, seed=seed) for n in (n_q, n_k, n_k))
    plain = scaled_dot_product_attention(query, key, value)
    masked = scaled_dot_product_attention(
        query, key, value, np.full((n_q, n_k), constant)
    )
    close(masked[1], plain[1])
    close(masked[0], plain[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("nothing", [False, -np.inf])
def test_row_that_may_attend_to_nothing_is_exactly_zero(dtype, nothing):
    mha, x = a_layer(biased=False), normal(4, 6, dtype=dtype)
    mask = np.zeros((4, 4)) if nothing else np.ones((4, 4), bool)
    mask[1] = nothing
    output, weights = mha(x, mask=mask)
    assert (output[1] == 0).all() and (weights[:, 1] == 0).all()
    others = [0, 2, 3]
    close(output[others], mha(x)[0][others], TOLERANCE[dtype])


def test_row_that_may_attend_to_nothing_still_gets_the_output_bias():
    mha = a_layer()
    output, _ = mha(normal(2, 6), mask=np.zeros((2, 2), bool))
    close(output, np.tile(mha.b_o, (2, 1)))


@pytest.mark.parametrize(
    "shape", [(), (5,), (4, 1), (4, 5), (6, 4, 5), (2, 1, 4, 5), (2, 6, 4, 5)]
)
@pytest.mark.parametrize("kind", ["boolean", "float"])
@pytest.mark.parametrize("g", [6, 3, 1])
def test_mask_broadcasts_to_heads_and_sentences(shape, kind, g):
    mha, x, context = a_layer(6, g=g), normal(2, 4, 6), normal(2, 5, 6, seed=1)
    mask = a_mask(kind, shape, seed=3)
    full = np.broadcast_to(mask, (2, 6, 4, 5))
    output, weights = mha(x, context, mask)
    for b in range(2):
        alone = mha(x[b], context[b], full[b])
        close(output[b], alone[0])
        close(weights[b], alone[1])
    assert (weights[full == (-np.inf if kind == "float" else False)] == 0).all()


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 5), (1, 2, 3, 4, 5), (5, 4)])
@pytest.mark.parametrize("g", [3, 1])
def test_mask_that_does_not_fit_is_refused(shape, g):
    x, context = normal(4, 6), normal(5, 6)
    with raises("mask has shape", str(shape), "(3, 4, 5) = (..., n_q, n_k)"):
        a_layer(g=g)(x, context, np.ones(shape, bool))
    one_head = (x, context, context, np.ones((2, *shape), bool))
    with raises("mask has shape", str((2, *shape)), "(4, 5) = (..., n_q, n_k)"):
        scaled_dot_product_attention(*one_head)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, complex, object, str])
def test_mask_of_another_dtype_is_refused(dtype):
    with raises(
        "mask has dtype", str(np.ones(1, dtype).dtype), "boolean", "float", "-inf"
    ):
        a_layer()(normal(2, 6), mask=np.ones((2, 2), dtype))


def test_a_mask_or_words_in_rows_of_different_length_are_refused():
    rows, x = [[True], [True, True]], normal(2, 6)
    with raises("mask is a list whose rows differ in length"):
        a_layer()(x, mask=rows)
    with raises("mask is a list whose rows differ in length"):
        scaled_dot_product_attention(x, x, x, rows)
    for function in (lambda rows: split_heads(rows, 1), merge_heads):
        with raises("x is a list whose rows differ in length"):
            function(rows)
    with raises("lengths is a list whose rows differ in length"):
        padding_mask(rows, 2)


@pytest.mark.parametrize("no_number", [np.nan, np.inf])
def test_mask_with_nan_or_infinity_is_refused(no_number):
    with raises("mask holds NaN or +inf", "use -inf"):
        a_layer()(normal(2, 6), mask=np.array([[0, 0], [no_number, 0]]))


def test_float_mask_below_the_range_of_float32_forbids():
    x = normal(2, 6, dtype=np.float32)
    _, weights = scaled_dot_product_attention(x, x, x, np.array([[0, -1e300], [0, 0]]))
    assert weights[0].tolist() == [1, 0]


def test_padding_changes_nothing():
    """A sentence that was filled up attends as it does alone."""
    mha, lengths = a_layer(), [4, 2, 3]
    x = normal(3, 4, 6)
    for causal in (np.True_, causal_mask(4)):
        output, weights = mha(x, mask=padding_mask(lengths, 4) & causal)
        for i, n in enumerate(lengths):
            alone = mha(x[i, :n], mask=causal[:n, :n] if causal.ndim else None)
            close(output[i, :n], alone[0])
            close(weights[i, :, :n, :n], alone[1])
            assert (weights[i, :, :, n:] == 0).all()


@pytest.mark.parametrize(
    ("lengths", "pieces"),
    [
        ([5, 4], ["lengths holds [5, 4]", "0 to 4"]),
        ([-1], ["lengths holds [-1]"]),
        ([[1]], ["shape (1, 1)", "one whole number for each sentence"]),
        ([1.5], ["float64"]),
    ],
)
def test_lengths_that_cannot_be_are_refused(lengths, pieces):
    with raises(*pieces):
        padding_mask(lengths, 4)


def test_sentences_are_padded_to_a_whole_number_of_words():
    with pytest.raises(TypeError, match="'float' object cannot be interpreted"):
        padding_mask([2, 3], 3.5)


@pytest.mark.parametrize("b", [2, 3, 5])  # 3 heads, 5 words
@pytest.mark.parametrize("n_q", [1, 5])
def test_a_mask_that_could_be_of_sentences_or_heads_is_refused(b, n_q):
    mha, x, mask = a_layer(), normal(b, 5, 6), np.ones((b, n_q, 5), bool)
    for method in (mha, mha.head_outputs, mha.contributions):
        with raises(f"mask has shape {mask.shape}", "mask[:, None]", "mask[None]"):
            method(x, mask=mask)
    mha(x, mask=mask[:, None])
    mha(x, mask=np.ones((1, 3, 5, 5), bool))
    mha(x[0], mask=np.ones((3, 5, 5), bool))  # one sentence: its heads


def test_a_mask_of_two_axes_is_of_queries_and_keys():
    """Also where there are as many sentences as words, as its docstring says."""
    layer, x = MultiHeadAttention.random(8, 4, seed=0), np.ones((3, 3, 8))
    lengths = np.array([3, 2, 1])
    sentences = np.arange(3) < lengths[:, None]  # (b, n_k)
    assert (
        layer(x, mask=sentences)[1] == layer(x, mask=sentences[None, None])[1]
    ).all()
    padded = layer(x, mask=sentences[:, None, None])[1]
    assert (padded == layer(x, mask=padding_mask(lengths, 3))[1]).all()
    assert not np.allclose(padded, layer(x, mask=sentences)[1])
    assert "``mask[:, None, None]``" in MultiHeadAttention.__call__.__doc__
    with pytest.raises(ValueError, match="does not broadcast"):
        layer(x, mask=sentences[:2])


def test_causal_mask():
    assert causal_mask(3).tolist() == np.tril(np.ones((3, 3), bool)).tolist()
    assert causal_mask(2, 4).tolist() == [
        [True, False, False, False],
        [True] * 2 + [False] * 2,
    ]
    assert causal_mask(3, 1).tolist() == [[True]] * 3
    with pytest.raises(TypeError, match="integer"):
        causal_mask(3, np.float16(4))
    assert causal_mask(0).shape == (0, 0) and causal_mask(2).dtype == bool


@given(st.integers(1, 6), st.integers(0, 5), seeds)
def test_later_words_do_not_change_earlier_outputs(n, cut, seed):
    mha, x = a_layer(seed=seed), normal(n, 6, seed=seed)
    changed = np.concatenate([x[:cut], 9 * normal(n, 6, seed=seed + 1)[cut:]])
    before, after = mha(x, mask=causal_mask(n)), mha(changed, mask=causal_mask(n))
    close(after[0][:cut], before[0][:cut])
    assert (np.triu(after[1], 1) == 0).all()


def test_positions_are_the_papers_formula():
    table = positions(7, 10)
    for pos in range(7):
        for i in range(5):
            angle = pos / 10000 ** (2 * i / 10)
            np.testing.assert_allclose(table[pos, 2 * i], np.sin(angle), atol=1e-14)
            np.testing.assert_allclose(table[pos, 2 * i + 1], np.cos(angle), atol=1e-14)
    assert positions(0, 4).shape == (0, 4) and positions(3, 2).shape == (3, 2)


@pytest.mark.parametrize("d", [7, 0, -2])
def test_positions_need_pairs(d):
    with pytest.raises(ValueError, match=f"d is {d}.*pairs"):
        positions(5, d)


@given(few, few, st.floats(2, 1e6), seeds)
def test_rotation_is_the_papers_formula(n, pairs, base, seed):
    """Su et al. 2021, equation (34), one pair at a time."""
    x, places = normal(n, 2 * pairs, seed=seed), 50 * normal(n, seed=seed + 1)
    rotated = rotate(x, places, base=base)
    for p, i in np.ndindex(n, pairs):
        angle = places[p] * base ** (-2 * i / (2 * pairs))
        turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        close(rotated[p, 2 * i : 2 * i + 2], turn @ x[p, 2 * i : 2 * i + 2])


@given(few, st.integers(-3000, 3000), few, seeds)
def test_scores_of_rotated_words_depend_on_their_distance_alone(n, moved, pairs, seed):
    query, key = (normal(n, 2 * pairs, seed=seed + i) for i in range(2))
    here, there = np.arange(n), np.arange(n) + moved
    scores = rotate(query, here) @ rotate(key, here).T
    close(rotate(query, there) @ rotate(key, there).T, scores, 1e-10)
    close(np.diag(scores), (query * key).sum(-1))


def test_rotation_counts_places_from_zero_with_base_10000_and_along_the_words():
    x = normal(2, 3, 5, 6)
    close(rotate(x), rotate(x, range(5), base=10_000))
    close(rotate(x)[1, 2], rotate(x[1, 2], [0, 1, 2, 3, 4]))
    assert (rotate(x)[..., 0, :] == x[..., 0, :]).all()
    assert rotate(np.ones((0, 4))).shape == (0, 4)
    assert rotate([[1, 0]], [0]).tolist() == [[1, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rotation_keeps_dtype_and_lengths(dtype):
    x = frozen(normal(5, 6, dtype=dtype))
    assert rotate(x).dtype == dtype
    close(rotate(x), rotate(x.astype(float)), TOLERANCE[dtype])
    close(
        np.linalg.norm(rotate(x).astype(float), axis=-1),
        np.linalg.norm(x.astype(float), axis=-1),
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize(
    ("x", "options", "pieces"),
    [
        (np.ones((5, 3)), {}, ["x has shape (5, 3)", "even d_k"]),
        (np.ones((5, 0)), {}, ["x has shape (5, 0)", "at least 2"]),
        (np.ones(4), {}, ["x has shape (4,)", "(..., words, d_k)"]),
        (np.full((1, 2), np.nan), {}, ["x of shape (1, 2)", "NaN"]),
        (
            np.ones((5, 4)),
            {"places": range(4)},
            ["places has shape (4,)", "(n,)", "(5,)"],
        ),
        (np.ones((5, 4)), {"places": 3}, ["places has shape ()", "(5,)"]),
        (np.ones((1, 4)), {"places": [np.inf]}, ["places", "infinity"]),
        (np.ones((5, 4)), {"base": 0}, ["base is 0", "positive"]),
        (np.ones((5, 4)), {"base": np.inf}, ["base is inf", "positive"]),
        (np.full((2, 2), 6.5e4, np.float16), {}, ["rotated overflows float16"]),
    ],
)
def test_rotation_refuses(x, options, pieces):
    with raises(*pieces):
        rotate(x, **options)


@given(array_shapes(max_dims=2, max_side=3), st.integers(0, 4), few, st.integers(0, 3))
def test_merge_is_the_inverse_of_split(front, n, h, d):
    x = np.arange(math.prod(front) * n * h * d).reshape(*front, n, h * d)
    split = split_heads(x, h)
    assert split.shape == (*front, h, n, d)
    np.testing.assert_array_equal(merge_heads(split), x)


def test_head_i_gets_piece_i_of_every_word():
    x = [[0, 1, 2, 3], [10, 11, 12, 13]]
    heads = [[[0, 1], [10, 11]], [[2, 3], [12, 13]]]
    assert split_heads(x, 2).tolist() == heads
    assert merge_heads(heads).tolist() == x


@pytest.mark.parametrize("num_heads", [0, -2, 4])
def test_split_needs_equal_heads(num_heads):
    with raises("x has shape (5, 6)", f"{num_heads} equal heads"):
        split_heads(np.ones((5, 6)), num_heads)


def test_split_and_merge_need_enough_axes():
    with raises("x has shape (6,)", "(..., n, h*d)"):
        split_heads(np.ones(6), 2)
    with raises("x has shape (5, 6)", "(..., h, n, d)"):
        merge_heads(np.ones((5, 6)))


@given(grouped | few.map(lambda h: (h, h)), seeds, st.booleans())
def test_contributions_sum_to_the_output_less_its_bias(heads, seed, biased):
    h, g = heads
    mha, x = a_layer(h, g=g, biased=biased, seed=seed), normal(2, 5, 6, seed=seed)
    context, mask = normal(2, 3, 6, seed=seed + 1), a_mask("boolean", (5, 3), seed)
    output, _ = mha(x, context, mask)
    parts = mha.contributions(x, context, mask)
    assert parts.shape == (2, h, 5, 6)
    close(parts.sum(-3), output - (mha.b_o if biased else 0))


def test_head_outputs_have_one_row_for_each_head_and_word():
    assert a_layer().head_outputs(normal(2, 5, 6)).shape == (2, 3, 5, 4)


def test_removing_a_head_removes_its_contribution():
    mha, x = a_layer(), normal(5, 6)
    expected = mha(x)[0] - mha.contributions(x)[1]
    mha.w_o[4:8] = 0
    close(mha(x)[0], expected)


@given(seeds)
def test_shuffling_the_words_shuffles_the_outputs(seed):
    mha, x = a_layer(seed=seed), normal(5, 6, seed=seed)
    order = np.random.default_rng(seed).permutation(5)
    output, weights = mha(x)
    shuffled_output, shuffled_weights = mha(x[order])
    close(shuffled_output, output[order])
    close(shuffled_weights, weights[:, order][:, :, order])


@given(seeds)
def test_shuffling_the_context_changes_no_output(seed):
    mha, x, context = a_layer(seed=seed), normal(2, 6), normal(5, 6, seed=seed)
    order = np.random.default_rng(seed).permutation(5)
    close(mha(x, context[order])[0], mha(x, context)[0])


def test_shuffling_the_heads_changes_no_output():
    arrays, order, x = weights_of_a_layer(), [2, 0, 1], normal(5, 6)
    shuffled = {name: array[order] for name, array in arrays.items() if name[2] != "o"}
    shuffled["w_o"] = arrays["w_o"].reshape(3, 4, 6)[order].reshape(12, 6)
    output, weights = MultiHeadAttention(**arrays)(x)
    other_output, other_weights = MultiHeadAttention(**shuffled, b_o=arrays["b_o"])(x)
    close(other_output, output)
    close(other_weights, weights[order])


def test_context_of_the_words_themselves_is_self_attention():
    mha, x = a_layer(), normal(2, 5, 6)
    for one, other in zip(mha(x, x), mha(x)):
        close(one, other)


def test_one_context_serves_a_batch():
    mha, x, context = a_layer(), normal(2, 5, 6), normal(3, 6, seed=1)
    output, weights = mha(x, context)
    for b in range(2):
        close(output[b], mha(x[b], context)[0])
        close(weights[b], mha(x[b], context)[1])


@given(grouped, seeds)
def test_shared_keys_and_values_are_equal_ones_of_all_heads_in_a_group(heads, seed):
    h, g = heads
    arrays = weights_of_a_layer(h, g=g, seed=seed)
    repeated = {
        name: np.repeat(array, h // g, axis=0) if name[2] in "kv" else array
        for name, array in arrays.items()
    }
    shared, whole = MultiHeadAttention(**arrays), MultiHeadAttention(**repeated)
    x, context = normal(2, 5, 6, seed=seed), normal(3, 6, seed=seed + 1)
    for one, other in zip(shared(x, context), whole(x, context)):
        close(one, other)


def test_shared_keys_and_values_are_not_copied(monkeypatch):
    seen = []

    def attend(query, key, value, mask):
        seen[:] = query, key, value
        return right(query, key, value, mask)

    right = sys.modules["mha_utils.attention"]._attend
    monkeypatch.setattr("mha_utils.attention._attend", attend)
    a_layer(6, g=2)(normal(2, 5, 6))
    query, key, value = seen
    assert np.broadcast_shapes(query.shape, key.shape) == (2, 2, 3, 5, 2)
    assert key.size == 2 * 2 * 5 * 2 and value.size == 2 * 2 * 5 * 4
    assert all(array.base is not None for array in seen)


@pytest.mark.parametrize(("n_q", "n_k"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("g", [3, 1])
def test_no_words_is_no_error(n_q, n_k, g):
    mha = a_layer(g=g)
    output, weights = mha(np.ones((n_q, 6)), np.ones((n_k, 6)))
    assert output.shape == (n_q, 6) and weights.shape == (3, n_q, n_k)
    assert n_k or (output == mha.b_o).all()
    assert mha(np.ones((0, 4, 6)))[1].shape == (0, 3, 4, 4)
    one_head = scaled_dot_product_attention(*(np.ones((n, 2)) for n in (n_q, n_k, n_k)))
    assert one_head[0].shape == (n_q, 2) and not one_head[0].any()


def pieces_of(x, cuts):
    """Cut the words (..., n, d) before each word in `cuts`."""
    return np.split(x, sorted(cuts), axis=-2)


@given(
    grouped | few.map(lambda h: (h, h)),
    st.sampled_from([(), (2,), (2, 3)]),
    st.integers(0, 12),
    st.lists(st.integers(0, 12), max_size=6),
    st.sampled_from(DTYPES),
    seeds,
)
def test_cache_gives_what_one_causal_call_gives(heads, batch, n, cuts, dtype, seed):
    h, g = heads
    mha, cache = a_layer(h, g=g, seed=seed), KeyValueCache()
    x = normal(*batch, n, 6, seed=seed, dtype=dtype)
    output, weights = mha(x, mask=causal_mask(n))
    done = 0
    for piece in pieces_of(x, [min(cut, n) for cut in cuts]):
        new_output, new_weights = mha(piece, cache=cache)
        rows = slice(done, done := done + piece.shape[-2])
        assert new_output.dtype == new_weights.dtype == dtype
        close(new_output, output[..., rows, :], 10 * TOLERANCE[dtype])
        close(new_weights, weights[..., rows, :done], TOLERANCE[dtype])
        assert cache.num_words == done
        numbers = math.prod(batch) * g * done * (mha.d_k + mha.d_v)
        assert cache.nbytes == numbers * max(4, np.dtype(dtype).itemsize)


@given(st.integers(1, 8), st.lists(st.integers(0, 8), max_size=3), mask_kinds, seeds)
def test_a_mask_forbids_beside_what_the_cache_forbids(n, cuts, kind, seed):
    mha, cache, x = a_layer(4, g=2, seed=seed), KeyValueCache(), normal(2, n, 6)
    mask = a_mask(kind, (2, 4, n, n), seed)
    causal = np.where(causal_mask(n), 0 if mask is None else mask, -np.inf)
    if kind == "boolean":
        causal = causal_mask(n) & mask
    output, weights = mha(x, mask=causal)
    done = 0
    for piece in pieces_of(x, [min(cut, n) for cut in cuts]):
        rows = slice(done, done := done + piece.shape[-2])
        more = mask if mask is None else mask[..., rows, :done]
        new_output, new_weights = mha(piece, mask=more, cache=cache)
        close(new_output, output[:, rows])
        close(new_weights, weights[..., rows, :done])


def test_a_copied_cache_goes_on_by_itself():
    mha, cache, x = a_layer(), KeyValueCache(), normal(5, 6)
    mha(x[:3], cache=cache)
    other = copy.deepcopy(cache)
    mha(-x[3:], cache=other)
    close(mha(x[3:], cache=cache)[0], mha(x, mask=causal_mask(5))[0][3:])
    assert (cache.num_words, other.num_words) == (5, 5)


def test_a_cache_that_took_words_one_by_one_was_moved_a_few_times():
    mha, cache, moved = a_layer(), KeyValueCache(), set()
    for word in normal(500, 1, 6):
        mha(word, cache=cache)
        moved.add(cache._keys.__array_interface__["data"])
    assert len(moved) < 12


REFUSED_WITH_A_CACHE = {
    "another layer": (
        lambda: a_layer(),
        {},
        ["cache holds keys of shape (2, 3, 4, 2)", "another layer", "(2, 3, words, 2)"],
    ),
    "a layer of another size": (
        lambda: a_layer(6, g=2, d_k=5),
        {},
        ["cache holds keys of shape (2, 3, 4, 2)", "another layer", "(2, 2, words, 5)"],
    ),
    "another number of sentences": (
        None,
        {"x": normal(3, 1, 6)},
        ["x has shape (3, 1, 6)", "(2, 3, 4, 2)", "x of shape (2, words, 6)"],
    ),
    "a batch no more": (
        None,
        {"x": normal(1, 6)},
        ["x has shape (1, 6)", "(2, 3, 4, 2)", "x of shape (2, words, 6)"],
    ),
    "another dtype": (
        None,
        {"x": normal(2, 1, 6, dtype=np.float32)},
        ["x of shape (2, 1, 6)", "float32", "(2, 3, 4, 2)", "float64", "one dtype"],
    ),
    "a context": (
        None,
        {"context": normal(2, 5, 6)},
        ["context has shape (2, 5, 6)", "cache"],
    ),
    "a mask of the new words alone": (
        None,
        {"mask": np.ones((2, 2), bool)},
        ["mask has shape (2, 2)", "(2, 3, 2, 6) = (..., n_q, n_k)"],
    ),
    "words of another width": (None, {"x": normal(2, 1, 5)}, ["x has shape (2, 1, 5)"]),
    "no number": (None, {"x": np.full((2, 1, 6), np.nan)}, ["x", "NaN"]),
    "scores that overflow": (None, {"x": np.full((2, 1, 6), 1e200)}, ["overflows"]),
    "an output that overflows": (None, {"b_o": 1e308}, ["output overflows float64"]),
}


@pytest.mark.parametrize(
    ("layer", "more", "pieces"), REFUSED_WITH_A_CACHE.values(), ids=REFUSED_WITH_A_CACHE
)
def test_a_refused_call_leaves_the_cache_as_it_was(layer, more, pieces):
    mha, cache, x = a_layer(), KeyValueCache(), normal(2, 6, 6)
    whole, _ = mha(x, mask=causal_mask(6))
    mha(x[:, :4], cache=cache)
    nbytes, b_o = cache.nbytes, mha.b_o.copy()
    given = {"x": x[:, 4:]} | more
    if given.pop("b_o", None):
        mha.b_o[:] = np.inf
    with raises(*pieces):
        (layer() if layer else mha)(**given, cache=cache)
    mha.b_o[:] = b_o
    assert (cache.num_words, cache.nbytes) == (4, nbytes)
    close(mha(x[:, 4:], cache=cache)[0], whole[:, 4:])


def test_a_cache_whose_first_call_was_refused_is_as_new():
    cache, x = KeyValueCache(), normal(5, 6)
    with raises("NaN"):
        a_layer()(np.full((2, 4, 6), np.nan), cache=cache)
    with raises("mask has shape"):
        a_layer(6, g=2)(normal(2, 4, 6), mask=np.ones((9, 9), bool), cache=cache)
    assert (cache.num_words, cache.nbytes) == (0, 0)
    close(a_layer()(x, cache=cache)[0], a_layer()(x, mask=causal_mask(5))[0])


def test_sizes_are_known():
    mha = a_layer()
    assert (mha.num_heads, mha.d_model, mha.d_k, mha.d_v) == (3, 6, 2, 4)
    assert (mha.num_kv_heads, a_layer(6, g=2).num_kv_heads) == (3, 2)


@pytest.mark.parametrize("g", [3, 1])
def test_num_parameters_counts_all_weights_and_biases(g):
    for biased in (True, False):
        arrays = weights_of_a_layer(g=g, biased=biased)
        count = sum(array.size for array in arrays.values())
        assert MultiHeadAttention(**arrays).num_parameters == count


@pytest.mark.parametrize("g", [3, 1])
def test_weights_read_back_as_they_were_given(g):
    arrays = weights_of_a_layer(g=g)
    mha = MultiHeadAttention(**arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(mha, name), array)


@pytest.mark.parametrize(
    "name", ["w_q", "w_k", "w_v", "w_o", "b_q", "b_k", "b_v", "b_o"]
)
@pytest.mark.parametrize("g", [3, 1])
def test_weights_changed_in_place_take_effect(name, g):
    arrays, x = weights_of_a_layer(g=g), normal(5, 6)
    mha = MultiHeadAttention(**arrays)
    before = mha(x)
    getattr(mha, name)[0] *= -2
    arrays[name][0] *= -2
    after, fresh = mha(x), MultiHeadAttention(**arrays)(x)
    close(after[0], fresh[0])
    close(after[1], fresh[1])
    assert np.abs(after[0] - before[0]).max() > (1e-3 if name != "b_k" else -1)


def test_layer_keeps_its_own_copy_of_the_weights():
    arrays, x = weights_of_a_layer(), normal(5, 6)
    mha = MultiHeadAttention(**arrays)
    before, _ = mha(x)
    for array in arrays.values():
        array[...] = 9
    close(mha(x)[0], before)


@pytest.mark.parametrize("num_heads", [1, 2, 8, 64])
def test_random_layer(num_heads):
    mha, again = (MultiHeadAttention.random(64, num_heads, seed=5) for _ in range(2))
    assert mha.d_k == mha.d_v == 64 // num_heads
    assert mha.num_parameters == 4 * 64 * 64
    for name in ("w_q", "w_k", "w_v", "w_o"):
        assert getattr(mha, name).dtype == np.float64
        assert abs(getattr(mha, name).mean() * 8) < 0.1
        assert abs(getattr(mha, name).var() * 64 - 1) < 0.1
        np.testing.assert_array_equal(getattr(mha, name), getattr(again, name))
    assert (mha.w_q != MultiHeadAttention.random(64, num_heads, seed=6).w_q).all()
    assert mha.b_q is mha.b_k is mha.b_v is mha.b_o is None
    assert MultiHeadAttention.random(1, 1, seed=None).num_parameters == 4


@pytest.mark.parametrize("g", [8, 4, 2, 1])
def test_random_layer_with_shared_keys(g):
    mha = MultiHeadAttention.random(64, 8, num_kv_heads=g, seed=5)
    assert (mha.num_heads, mha.num_kv_heads) == (8, g)
    assert mha.num_parameters == 2 * 64 * 64 + 2 * 64 * 8 * g
    assert mha.w_k.shape == mha.w_v.shape == (g, 64, 8)
    assert abs(mha.w_k.var() * 64 - 1) < 0.15 and (mha.w_k != mha.w_v).all()
    if g == 8:
        whole = MultiHeadAttention.random(64, 8, seed=5)
        for name in ("w_q", "w_k", "w_v", "w_o"):
            assert (getattr(mha, name) == getattr(whole, name)).all()


@pytest.mark.parametrize("g", [0, -1, 3, 5, 16])
def test_random_layer_needs_equal_groups(g):
    with raises("8 heads", f"{g} key/value heads", "1, 2, 4 or 8"):
        MultiHeadAttention.random(64, 8, num_kv_heads=g, seed=0)


@pytest.mark.parametrize(("d_model", "num_heads"), [(8, 3), (8, 0), (8, 16)])
def test_random_layer_needs_equal_heads(d_model, num_heads):
    with raises(f"d_model {d_model}", f"{num_heads} heads", "of 1, 2, 4 or 8"):
        MultiHeadAttention.random(d_model, num_heads, seed=0)


def test_heads_are_those_that_a_model_has():
    assert guards.heads_of(iter([(1, 0), [1, 0]]), 2, 3) == {(1, 0)}
    for head in ((2, 0), (-1, 0), (0, 3), (0, -1)):
        with raises(f"no head {head}", "layers go from 0 to 1, heads from 0 to 2"):
            guards.heads_of([head], 2, 3)


def test_random_layer_needs_a_width():
    with raises("d_model is 0; a word needs at least 1 number"):
        MultiHeadAttention.random(0, 1, seed=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights_dtype", DTYPES)
def test_results_keep_the_dtype_of_the_words(dtype, weights_dtype):
    mha, x = a_layer(dtype=weights_dtype), normal(2, 5, 6, dtype=dtype)
    mask = a_mask("float", (5, 5), seed=1)
    exact = mha(x.astype(float), mask=mask)
    tolerance = TOLERANCE[dtype]
    for result, wanted in zip(mha(x, mask=mask), exact):
        assert result.dtype == dtype
        close(result, wanted, tolerance)
    for method in (mha.head_outputs, mha.contributions):
        assert method(x, mask=mask).dtype == dtype
        close(method(x, mask=mask), method(x.astype(float), mask=mask), tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_attention_keeps_the_dtype(dtype):
    query, key, value = (normal(5, 3, seed=seed, dtype=dtype) for seed in range(3))
    exact = scaled_dot_product_attention(
        *(a.astype(float) for a in (query, key, value))
    )
    for result, wanted in zip(scaled_dot_product_attention(query, key, value), exact):
        assert result.dtype == dtype
        close(result, wanted, TOLERANCE[dtype])


def test_float16_scores_may_exceed_the_range_of_float16():
    query = np.full((1, 4), 300, np.float16)
    key = np.array([[300] * 4, [200] * 4], np.float16)
    weights = scaled_dot_product_attention(query, key, np.eye(2, dtype=np.float16))[1]
    assert weights.tolist() == [[1, 0]]


LAYOUTS = {
    "list": lambda array: array.tolist(),
    "read-only": frozen,
    "Fortran order": np.asfortranarray,
    "every second": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array: array[::-1].copy()[::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_in_memory_does_not_matter(layout):
    arrays, x, context = weights_of_a_layer(), normal(2, 5, 6), normal(2, 4, 6, seed=1)
    mask, mha = a_mask("boolean", (5, 4), seed=2), MultiHeadAttention(**arrays)
    other = MultiHeadAttention(**{name: layout(arrays[name]) for name in arrays})
    for one, wanted in zip(
        other(layout(x), layout(context), layout(mask)), mha(x, context, mask)
    ):
        close(one, wanted)
    close(
        scaled_dot_product_attention(*map(layout, (x, x, x)))[0],
        scaled_dot_product_attention(x, x, x)[0],
    )
    close(merge_heads(split_heads(layout(x), 2)), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_array_of_the_caller_is_written_to(dtype):
    mha, x = a_layer(), frozen(normal(2, 4, 6, dtype=dtype))
    for mask in (frozen(causal_mask(4)), frozen(normal(4, 4, dtype=dtype))):
        for result in (*mha(x, x, mask), mha.contributions(x, mask=mask)):
            result += 1
        for result in scaled_dot_product_attention(x, x, x, mask):
            result += 1


@pytest.mark.parametrize("no_number", no_numbers.values(), ids=no_numbers)
@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_attention_refuses_what_is_not_finite(name, no_number):
    three = {"query": normal(4, 3), "key": normal(5, 3), "value": normal(5, 2)}
    three[name][1, 1] = no_number
    with raises(name, str(three[name].shape), "NaN or infinity"):
        scaled_dot_product_attention(**three)


@pytest.mark.parametrize("no_number", no_numbers.values(), ids=no_numbers)
@pytest.mark.parametrize("name", ["x", "context", *weights_of_a_layer()])
def test_layer_refuses_what_is_not_finite(name, no_number):
    arrays = weights_of_a_layer() | {"x": normal(4, 6), "context": normal(5, 6)}
    arrays[name].flat[3] = no_number
    with raises(name, str(arrays[name].shape), "NaN or infinity"):
        x, context = arrays.pop("x"), arrays.pop("context")
        MultiHeadAttention(**arrays)(x, context)


@pytest.mark.parametrize(
    ("shapes", "pieces"),
    [
        ([(4,), (5, 3), (5, 2)], ["query has shape (4,)", "two axes"]),
        ([(4, 3), (3,), (5, 2)], ["key has shape (3,)", "two axes"]),
        ([(4, 3), (5, 3), (5,)], ["value has shape (5,)", "two axes"]),
        ([(4, 3), (5, 2), (5, 2)], ["query", "(4, 3)", "key", "(5, 2)", "d_k"]),
        ([(4, 3), (5, 3), (4, 2)], ["key", "(5, 3)", "value", "(4, 2)", "n_k"]),
        (
            [(2, 4, 0), (5, 0), (5, 2)],
            ["query has shape (2, 4, 0)", "d_k", "at least 1"],
        ),
        (
            [(4, 3), (2, 5, 3), (3, 5, 2)],
            ["query (4, 3)", "key (2, 5, 3)", "value (3, 5, 2)", "in front"],
        ),
        (
            [(2, 4, 3), (3, 5, 3), (5, 2)],
            ["query (2, 4, 3)", "key (3, 5, 3)", "value (5, 2)", "in front"],
        ),
    ],
)
def test_attention_refuses_shapes_that_do_not_fit(shapes, pieces):
    with raises(*pieces):
        scaled_dot_product_attention(*map(np.ones, shapes))


@pytest.mark.parametrize(
    ("name", "shape", "pieces"),
    [
        ("w_q", (6, 2), ["(h, d_model, d_k)"]),
        ("w_q", (3, 6, 0), ["(h, d_model, d_k)", "no empty axis"]),
        ("w_k", (3, 6, 4), ["(g, d_model, d_k)", "(g, 6, 2)", "1 or 3"]),
        ("w_k", (2, 6, 2), ["(g, d_model, d_k)", "(g, 6, 2)", "1 or 3"]),
        ("w_k", (0, 6, 2), ["(g, d_model, d_k)", "(g, 6, 2)", "1 or 3"]),
        ("w_k", (6, 6, 2), ["(g, d_model, d_k)", "(g, 6, 2)", "1 or 3"]),
        ("w_k", (6, 2), ["(g, d_model, d_k)", "(g, 6, 2)", "1 or 3"]),
        ("w_v", (1, 6, 4), ["(g, d_model, d_v)", "(3, 6, d_v)"]),
        ("w_v", (3, 5, 4), ["(g, d_model, d_v)", "(3, 6, d_v)"]),
        ("w_v", (6, 4), ["(g, d_model, d_v)", "(3, 6, d_v)"]),
        ("w_v", (3, 6, 0), ["(g, d_model, d_v)", "(3, 6, d_v)"]),
        ("w_o", (6, 12), ["(h*d_v, d_model)", "(12, 6)"]),
        ("b_q", (2,), ["(h, d_k)", "(3, 2)"]),
        ("b_k", (6,), ["(g, d_k)", "(3, 2)"]),
        ("b_v", (3, 2), ["(g, d_v)", "(3, 4)"]),
        ("b_o", (12,), ["(d_model,)", "(6,)"]),
    ],
)
def test_layer_refuses_weights_that_do_not_fit(name, shape, pieces):
    with raises(f"{name} has shape {shape}", "needs", *pieces):
        MultiHeadAttention(**weights_of_a_layer() | {name: np.ones(shape)})


@pytest.mark.parametrize("method", ["__call__", "head_outputs", "contributions"])
@pytest.mark.parametrize(
    ("x", "context", "pieces"),
    [
        ((6,), None, ["x has shape (6,)", "(..., words, d_model)"]),
        ((5, 7), None, ["x has shape (5, 7)", "d_model 7", "d_model 6"]),
        ((5, 6), (6,), ["context has shape (6,)", "(..., words, d_model)"]),
        ((5, 6), (5, 7), ["context has shape (5, 7)", "d_model 7", "d_model 6"]),
        ((2, 5, 6), (3, 5, 6), ["x", "(2, 5, 6)", "context", "(3, 5, 6)"]),
    ],
)
def test_layer_refuses_words_that_do_not_fit(method, x, context, pieces):
    with raises(*pieces):
        getattr(a_layer(), method)(
            np.ones(x), None if context is None else np.ones(context)
        )
