"""Lesson 8: multi-head attention from nothing, in seven steps."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import (
    causal_mask,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from mha_utils.exercises.kit import (
    Exercise,
    attend_in_heads,
    cut_rows,
    glue_rows,
    mask_mistakes,
    masked,
    root_of_model,
    sample,
    scores,
    softmax_mistakes,
    softmax_of_all,
)
from mha_utils.exercises.lesson_4 import CONCATENATE, SPLIT


def _softmax(scores: NDArray) -> NDArray:
    """From scores of any shape to weights that add up to 1 along the last axis."""
    return softmax(scores)


SOFTMAX = Exercise(
    right=_softmax,
    inputs=[sample((2, 3)), sample((3, 2, 4)), (np.array([[1000.0, 999.0]]),)],
    mistakes={
        "each column adds up to 1. It must be each row: the last axis.": (
            lambda s: softmax(s, axis=-2)
        ),
        "all numbers together add up to 1. It must be each row by itself.": (
            softmax_of_all
        ),
        "right for small scores, but e^1000 is too large for a number. Subtract "
        "the largest score of each row first: that changes no weight.": (
            lambda s: np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)
        ),
        "this is e to the score, not yet divided by the sum of its row.": np.exp,
        "the scores are divided by their sum. First e to the power of each.": (
            lambda s: s / s.sum(axis=-1, keepdims=True)
        ),
    },
)


def _masked_weights(query: NDArray, key: NDArray, mask: NDArray) -> NDArray:
    """From query, key and a mask (n_q, n_k), True where allowed, to the weights."""
    return softmax(masked(scores(query, key), mask))


MASKED_WEIGHTS = Exercise(
    right=_masked_weights,
    inputs=[
        (*sample((2, 2), (2, 2)), causal_mask(2)),
        (*sample((3, 4), (3, 4)), np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]]) > 0),
    ],
    mistakes={
        **mask_mistakes(lambda scores, mask: mask),
        **softmax_mistakes(masked),
    },
)


def _self_attention(
    x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray, mask: NDArray
) -> NDArray:
    """From words x (n, d), matrices (d, d_k) and a mask (n, n) to z (n, d_v)."""
    return attend_in_heads(x, w_q, w_k, w_v, mask)


SELF_ATTENTION = Exercise(
    right=_self_attention,
    inputs=[
        (*sample((2, 2), (2, 1), (2, 1), (2, 1)), causal_mask(2)),
        (*sample((4, 6), (6, 2), (6, 2), (6, 2)), causal_mask(4)),
    ],
    mistakes={
        "the mask is missing.": lambda x, q, k, v, mask: attend_in_heads(x, q, k, v),
        "the mask is turned round: True means may attend.": (
            lambda x, q, k, v, mask: _self_attention(x, q, k, v, ~mask)
        ),
        "the scores are not divided by √d_k.": (
            lambda *a: attend_in_heads(*a, scale=1.0)
        ),
        "the scores are divided by √d_model. A head has d_k numbers: √d_k.": (
            lambda *a: attend_in_heads(*a, scale=root_of_model(a[0]))
        ),
        "query and key are swapped.": (
            lambda x, q, k, v, mask: _self_attention(x, k, q, v, mask)
        ),
        "the keys are handed over in place of the values.": (
            lambda x, q, k, v, mask: _self_attention(x, q, k, k, mask)
        ),
        "the words themselves are handed over. Their values are x W_V.": (
            lambda x, q, k, v, mask: scaled_dot_product_attention(
                x @ q, x @ k, x, mask
            )[0]
        ),
        "these are the weights. They still have to mix the values.": (
            lambda x, q, k, v, mask: _masked_weights(x @ q, x @ k, mask)
        ),
    },
)


def _maps(
    x: NDArray, w_q: NDArray, w_k: NDArray, num_heads: int, mask: NDArray
) -> NDArray:
    """From x (n, d), flat matrices (d, h*d_k) and a mask to the weights (h, n, n)."""
    return _maps_by(x, w_q, w_k, num_heads, mask)


def _maps_by(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    num_heads: int,
    mask: NDArray | None,
    *,
    split: Callable = split_heads,
    scale: float | None = None,
) -> NDArray:
    """Return the maps, with room for a mistake in each step."""
    query, key = split(x @ w_q, num_heads), split(x @ w_k, num_heads)  # (h, n, d_k)
    return scaled_dot_product_attention(query, key, key, mask, scale=scale)[1]


_LAYER_INPUTS = [
    (*sample((n, d), (d, d), (d, d), (d, d), (d, d)), num_heads, causal_mask(n))
    for n, d, num_heads in ((2, 2, 2), (4, 6, 2))
]

MAPS = Exercise(
    right=_maps,
    inputs=[(x, w_q, w_k, h, mask) for x, w_q, w_k, _, _, h, mask in _LAYER_INPUTS],
    mistakes={
        "rows are cut in place of columns: reshape without transpose.": (
            lambda *a: _maps_by(*a, split=cut_rows)
        ),
        "the scores are divided by √d_model. A head has d_k numbers: √d_k.": (
            lambda *a: _maps_by(*a, scale=root_of_model(a[0]))
        ),
        "the scores are not divided by √d_k.": lambda *a: _maps_by(*a, scale=1.0),
        "the mask is missing.": lambda x, q, k, h, mask: _maps_by(x, q, k, h, None),
        "the mask is turned round: True means may attend.": (
            lambda x, q, k, h, mask: _maps(x, q, k, h, ~mask)
        ),
        "query and key are swapped.": lambda x, q, k, h, mask: _maps(x, k, q, h, mask),
        "the maps are averaged over the heads: a map of nobody.": (
            lambda *a: _maps(*a).mean(axis=0)
        ),
    },
)


def _layer(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    w_o: NDArray,
    num_heads: int,
    mask: NDArray,
) -> NDArray:
    """From x (n, d), flat matrices, w_o (h*d_v, d) and a mask to the output (n, d)."""
    return _layer_by(x, w_q, w_k, w_v, w_o, num_heads, mask)


def _layer_by(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    w_o: NDArray,
    num_heads: int,
    mask: NDArray | None,
    *,
    split: Callable = split_heads,
    merge: Callable = merge_heads,
    scale: float | None = None,
) -> NDArray:
    """Return the output, with room for a mistake in each step."""
    weights = _maps_by(x, w_q, w_k, num_heads, mask, split=split, scale=scale)
    z = weights @ split(x @ w_v, num_heads)  # (h, n, d_v)
    return merge(z) @ w_o


LAYER = Exercise(
    right=_layer,
    inputs=_LAYER_INPUTS,
    mistakes={
        "W_O is left out: this is the concatenation.": (
            lambda x, q, k, v, o, h, mask: _layer(x, q, k, v, np.eye(len(o)), h, mask)
        ),
        "W_O is transposed. Here words are rows: z @ w_o.": (
            lambda x, q, k, v, o, h, mask: _layer(x, q, k, v, o.T, h, mask)
        ),
        "on the way in, rows are cut in place of columns: reshape without transpose.": (
            lambda *a: _layer_by(*a, split=cut_rows)
        ),
        "on the way out, words and heads are mixed up: reshape without transpose.": (
            lambda *a: _layer_by(*a, merge=glue_rows)
        ),
        "both reshapes lack their transpose.": (
            lambda *a: _layer_by(*a, split=cut_rows, merge=glue_rows)
        ),
        "the scores are not divided by √d_k.": lambda *a: _layer_by(*a, scale=1.0),
        "the scores are divided by √d_model. A head has d_k numbers: √d_k.": (
            lambda *a: _layer_by(*a, scale=root_of_model(a[0]))
        ),
        "the mask is missing.": (
            lambda x, q, k, v, o, h, mask: _layer_by(x, q, k, v, o, h, None)
        ),
        "the mask is turned round: True means may attend.": (
            lambda x, q, k, v, o, h, mask: _layer(x, q, k, v, o, h, ~mask)
        ),
        "query and key are swapped.": (
            lambda x, q, k, v, o, h, mask: _layer(x, k, q, v, o, h, mask)
        ),
        "the keys are handed over in place of the values.": (
            lambda x, q, k, v, o, h, mask: _layer(x, q, k, k, o, h, mask)
        ),
        "this is one head with all columns. Split them into heads first.": (
            lambda x, q, k, v, o, h, mask: _layer(x, q, k, v, o, 1, mask)
        ),
    },
)

EXERCISES = {
    "softmax": SOFTMAX,
    "masked weights": MASKED_WEIGHTS,
    "self-attention": SELF_ATTENTION,
    "split": SPLIT,
    "maps": MAPS,
    "concatenate": CONCATENATE,
    "layer": LAYER,
}
