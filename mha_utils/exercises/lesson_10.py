"""Lesson 10: multi-head attention from nothing, in eight steps."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import causal_mask, merge_heads, softmax, split_heads
from mha_utils.exercises.kit import (
    COARSE_E,
    FINITE,
    NEARLY_E,
    PACKAGE,
    Exercise,
    Mistakes,
    Way,
    attend_in_heads,
    cut_rows,
    every_hth,
    glue_rows,
    mask_mistakes,
    masked,
    plain_softmax,
    sample,
    sample_mask,
    scale_mistakes,
    scores,
    softmax_mistakes,
    softmax_of_all,
    weigh,
)

_OWN_MASK = "this is a mask of your own, a causal one. Take the mask that is given."


def _softmax(scores: NDArray) -> NDArray:
    """From scores of any shape to weights that add up to 1 along the last axis."""
    return softmax(scores)


_FAR_APART = np.array(
    [
        [0.0, -3.0, 1.0, 0.0],
        [1000.0, 999.0, 1001.0, 1000.0],
        [0.0, 3000.0, 0.0, 0.0],  # far above its mean
        [0.0, 900.0, 1000.0, 950.0],  # far above its smallest, not its mean
    ]
)
_WITH_FORBIDDEN = np.array([[0.5, -np.inf, 1.5], [-np.inf, -np.inf, 2.0]])


def _nan_for_forbidden(scores: NDArray) -> NDArray:
    """Return NaN in place of the weight of -inf. A mistake."""
    forbidden = scores == -np.inf
    return np.where(forbidden, np.nan, softmax(scores))


def _less(offset: Callable[..., NDArray]) -> Way:
    def way(scores: NDArray) -> NDArray:
        return plain_softmax(scores - offset(scores))

    return way


SOFTMAX = Exercise(
    right=_softmax,
    inputs=[
        *[sample((2, 3)), sample((3, 2, 4)), (3 * sample((5, 4))[0],)],
        *[(_FAR_APART[:, :3],), sample((5,)), (_WITH_FORBIDDEN,)],
    ],
    mistakes={
        "each column adds up to 1. It must be each row: the last axis.": tuple(
            partial(way, axis=axis)
            for way in (softmax, plain_softmax)
            for axis in (-2, 0)
        ),
        "axis=1 is the last axis of a matrix only. The last one is axis=-1.": (
            partial(softmax, axis=1),
            partial(plain_softmax, axis=1),
            lambda s: plain_softmax(s - s.max(), axis=1),
        ),
        "all numbers together add up to 1. It must be each row by itself.": (
            softmax_of_all,
            partial(plain_softmax, axis=None),
        ),
        "right for small scores, but e^1000 is too large for a number. Subtract "
        "the largest score of each row first: that changes no weight.": plain_softmax,
        "right for numbers, but a score of -inf gives NaN. Its weight must be 0: in "
        "step 2 it stands for a forbidden word.": (
            _nan_for_forbidden,
            lambda s: np.where(s.min(axis=-1, keepdims=True) > -np.inf, softmax(s), 0),
        ),
        "you subtract the largest score of all rows. A row far below it becomes 0/0. "
        "Subtract each row's own largest score.": _less(np.max),
        "you subtract the row's mean. A score far above it is still too large for e. "
        "Subtract the row's largest score.": (
            _less(lambda s: s.mean(axis=-1, keepdims=True)),
            _less(np.mean),
        ),
        "you subtract the row's smallest score. What is left can be too large for e. "
        "Subtract the row's largest score.": (
            _less(lambda s: s.min(axis=-1, keepdims=True)),
        ),
        "this is e to the score, not yet divided by the sum of its row.": (
            np.exp,
            lambda s: np.exp(s - s.max(axis=-1, keepdims=True)),
            lambda s: np.exp(s - s.max()),
        ),
        "the scores are divided by their sum. First e to the power of each.": (
            lambda s: s / s.sum(axis=-1, keepdims=True)
        ),
        COARSE_E: (
            *(partial(plain_softmax, e=e) for e in NEARLY_E),
            *(
                lambda s, e=e: plain_softmax(s - s.max(axis=-1, keepdims=True), e=e)
                for e in NEARLY_E
            ),
        ),
    },
    closed=PACKAGE,
)


def _masked_weights(query: NDArray, key: NDArray, mask: NDArray) -> NDArray:
    """From query (..., n_q, d_k), key and a mask to the weights (..., n_q, n_k)."""
    return weigh(scores(query, key), mask)


def _far_apart(n_q: int, n_k: int) -> tuple[NDArray, ...]:
    """Return queries and keys whose scores lie around 0, 1000 and -1000, by rows."""
    query, key = sample((n_q, 4), (n_k, 4))
    query[:, 0] = np.resize([0, 2000, -2000], n_q)
    key[:, 0] = 1
    return query, key


MASKED_WEIGHTS = Exercise(
    right=_masked_weights,
    inputs=[
        (*sample((3, 2), (3, 2)), sample_mask(3, 3)),
        (*sample((4, 3), (5, 3)), sample_mask(4, 5)),
        (*sample((7, 2), (3, 2)), sample_mask(7, 3)),
        (*_far_apart(3, 5), sample_mask(3, 5)),
        (*sample((2, 4, 3), (2, 5, 3)), sample_mask(4, 5)),  # two heads, one mask
    ],
    mistakes={
        **mask_mistakes(
            lambda q, k, mask, *, weigh: weigh(scores(q, k), mask),
            low=(*FINITE, -20.0, -50.0, -99.0, -100.0, -999.0, -1000.0),
        ),
        _OWN_MASK: lambda q, k, mask: _masked_weights(q, k, causal_mask(*mask.shape)),
        **softmax_mistakes(masked),
        "right for small scores, but e^1000 is too large for a number. Use a softmax "
        "that subtracts each row's largest score first.": tuple(
            lambda q, k, mask, of=of: plain_softmax(
                masked(scores(q, k), mask) - of(scores(q, k))
            )
            for of in (np.zeros_like, np.max)
        ),
    },
    closed=PACKAGE,
)


def _self_attention(
    x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray, mask: NDArray
) -> NDArray:
    """From words x (n, d), matrices (d, d_k) and a mask (n, n) to z (n, d_v)."""
    return attend_in_heads(x, w_q, w_k, w_v, mask)


def _self_attention_by(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    mask: NDArray,
    *,
    scale: float | None = None,
    weigh: Callable = weigh,
) -> NDArray:
    """Return z, with room for a mistake in scale and mask."""
    query, key, value = x @ w_q, x @ w_k, x @ w_v
    scale = key.shape[-1] ** -0.5 if scale is None else scale
    return weigh(query @ key.T * scale, mask) @ value


def _mask_mistakes(by: Way) -> Mistakes:
    """Return wrong masks, by a function that takes ``weigh(scores, mask)``."""
    return {
        **mask_mistakes(by),
        _OWN_MASK: lambda *a: by(
            *a, weigh=lambda scores, mask: weigh(scores, causal_mask(*mask.shape))
        ),
    }


def _regular_input(n: int, d: int, d_k: int, d_v: int, h: int) -> tuple[NDArray, ...]:
    """Return words x and the flat matrices of h heads, at the size of real ones."""
    x, w_q, w_k, w_v, w_o = sample(
        (n, d), (d, h * d_k), (d, h * d_k), (d, h * d_v), (h * d_v, d)
    )
    return x, *(w * 1.5 / d**0.5 for w in (w_q, w_k, w_v)), w_o


SELF_ATTENTION = Exercise(
    right=_self_attention,
    inputs=[
        (*_regular_input(n, d, d_k, d_v, 1)[:4], sample_mask(n, n))
        for n, d, d_k, d_v in ((3, 5, 4, 2), (4, 7, 3, 6), (5, 3, 2, 4))
    ],
    mistakes={
        **_mask_mistakes(_self_attention_by),
        **scale_mistakes(
            _self_attention_by,
            {
                "√d_model": lambda x, *_: x.shape[-1] ** 0.5,
                "d_k": lambda x, q, *_: q.shape[-1],
                "√d_v": lambda x, q, k, v, mask: v.shape[-1] ** 0.5,
                "√n": lambda x, *_: len(x) ** 0.5,
            },
        ),
        "query and key are swapped.": (
            lambda x, q, k, v, mask: _self_attention(x, k, q, v, mask)
        ),
        "the keys are handed over in place of the values.": (
            lambda x, q, k, v, mask: _self_attention(x, q, k, k, mask)
        ),
        "the map is turned round: row i of the weights mixes the values for word i.": (
            lambda x, q, k, v, mask: _masked_weights(x @ q, x @ k, mask).T @ (x @ v)
        ),
        "the words themselves are handed over. Their values are x W_V.": (
            lambda x, q, k, v, mask: _masked_weights(x @ q, x @ k, mask) @ x
        ),
        "these are the weights. They still have to mix the values.": (
            lambda x, q, k, v, mask: _masked_weights(x @ q, x @ k, mask)
        ),
    },
    closed=PACKAGE,
)


def _batch_split(x: NDArray, num_heads: int) -> NDArray:
    """From (..., n, h*d_k), with any axes in front, to (..., h, n, d_k)."""
    return split_heads(x, num_heads)


BATCH_SPLIT = Exercise(
    right=_batch_split,
    inputs=[
        (*sample((2, 12)), 3),
        (*sample((5, 8)), 4),
        (*sample((2, 4, 15)), 5),
        (*sample((3, 2, 5, 8)), 4),
    ],
    mistakes={
        "this cuts rows, not columns: each head gets whole words, some of them only. "
        "Reshape to (..., n, h, d_k), then swap n and h.": (
            cut_rows,
            lambda x, h: x.reshape(h, len(x), -1),
        ),
        "the heads come behind the words: (..., n, h, d_k). It takes (..., h, n, d_k)"
        ".": lambda x, h: x.reshape(*x.shape[:-1], h, -1),
        "each head takes every h-th number. It must take numbers side by side.": (
            every_hth
        ),
        "the number of heads is written as 2. It is num_heads.": (
            lambda x, h: split_heads(x, 2),
            lambda x, h: split_heads(x, h)[..., :2, :, :],
        ),
        "right for one sentence. In a batch the first two axes are not n and h. Count "
        "from the end: swapaxes(-3, -2).": (
            lambda x, h: x.reshape(*x.shape[:-1], h, -1).swapaxes(0, 1),
            lambda x, h: x.reshape(*x.shape[:-1], h, -1).swapaxes(1, 0),
        ),
    },
    closed=PACKAGE,
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
    mask: NDArray,
    *,
    split: Callable = split_heads,
    scale: float | None = None,
    weigh: Callable = weigh,
) -> NDArray:
    """Return the maps, with room for a mistake in each step."""
    query, key = split(x @ w_q, num_heads), split(x @ w_k, num_heads)  # (h, n, d_k)
    scale = key.shape[-1] ** -0.5 if scale is None else scale
    return weigh(query @ key.swapaxes(1, 2) * scale, mask)


_SIZES: dict[str, Callable[..., float]] = {
    "√d_model": lambda x, w_q, *_: x.shape[-1] ** 0.5,
    "√(h·d_k), of all heads together": lambda x, w_q, *_: w_q.shape[-1] ** 0.5,
    "d_k": lambda x, w_q, *a: w_q.shape[-1] / _num_heads(a),
    "√num_heads": lambda x, w_q, *a: _num_heads(a) ** 0.5,
    "num_heads": lambda x, w_q, *a: _num_heads(a),
    "√n": lambda x, w_q, *_: len(x) ** 0.5,
}
_AVERAGED = "the maps are averaged over the heads: no head has this map."


def _averaged(scores: NDArray, mask: NDArray) -> NDArray:
    return weigh(scores, mask).mean(axis=0)


def _overlapping(x: NDArray, num_heads: int) -> NDArray:
    """Let head i begin at column i. A mistake."""
    d_k = x.shape[-1] // num_heads
    return np.stack([x[:, i : i + d_k] for i in range(num_heads)])


_ADDED = (
    "the words x are added: the residual connection, which stands around this layer "
    "and not in it."
)
_LAYER_INPUTS = [  # the first as in a library: d_k = d_v = d / h
    (*_regular_input(n, d, d_k, d_v, h), h, sample_mask(n, n))
    for n, d, d_k, d_v, h in ((4, 6, 2, 2, 3), (5, 7, 3, 2, 4), (7, 5, 2, 4, 3))
]


def _num_heads(arguments: tuple) -> int:
    return arguments[-2]  # before the mask


MAPS = Exercise(
    right=_maps,
    inputs=[(x, w_q, w_k, h, mask) for x, w_q, w_k, _, _, h, mask in _LAYER_INPUTS],
    mistakes={
        "rows are cut in place of columns: reshape without transpose.": (
            lambda *a: _maps_by(*a, split=cut_rows)
        ),
        "each head takes every h-th column. It must take columns side by side.": (
            lambda *a: _maps_by(*a, split=every_hth)
        ),
        "head i begins at column i. It must be column i * d_k, or heads overlap.": (
            lambda *a: _maps_by(*a, split=_overlapping)
        ),
        "the number of heads is written as 2. It is num_heads.": (
            lambda x, q, k, h, mask: _maps(x, q, k, 2, mask),
            lambda *a: _maps(*a)[:2],
        ),
        **scale_mistakes(_maps_by, _SIZES),
        **_mask_mistakes(_maps_by),
        "query and key are swapped.": lambda x, q, k, h, mask: _maps(x, k, q, h, mask),
        _AVERAGED: lambda *a: _maps_by(*a, weigh=_averaged),
        "the maps are divided by the number of heads. Each row adds up to 1.": (
            lambda *a: _maps(*a) / _num_heads(a)
        ),
    },
    closed=PACKAGE,
)


def _alternate(z: NDArray) -> NDArray:
    """Give each word the first number of all heads, then the second. A mistake."""
    *front, h, n, d_v = z.shape
    return np.moveaxis(z, -3, -1).reshape(*front, n, h * d_v)


def _batch_merge(z: NDArray) -> NDArray:
    """From z (..., h, n, d_v), with any axes in front, to (..., n, h*d_v)."""
    return merge_heads(z)


BATCH_MERGE = Exercise(
    right=_batch_merge,
    inputs=[
        sample((3, 2, 4)),
        sample((4, 5, 3)),
        sample((2, 3, 5, 4)),
        sample((3, 2, 4, 3, 5)),
    ],
    mistakes={
        "the numbers are reshaped without a transpose: words and heads are mixed up.": (
            glue_rows,
            lambda z: z.reshape(z.shape[1], -1),
        ),
        "the heads are put below each other. Put them side by side: (..., n, h*d_v).": (
            lambda z: z.reshape(*z.shape[:-3], -1, z.shape[-1])
        ),
        "the heads are averaged. Keep all their numbers, side by side.": (
            lambda z: z.mean(axis=-3)
        ),
        "the heads are added up. Keep all their numbers, side by side.": (
            lambda z: z.sum(axis=-3)
        ),
        "the heads' numbers alternate. All of head 1 first, then all of head 2.": (
            _alternate
        ),
        "only the first two heads are there. Take all h of them.": (
            lambda z: merge_heads(z[..., :2, :, :])
        ),
        "right for one sentence. In a batch the first two axes are not h and n. Count "
        "from the end: swapaxes(-3, -2).": (
            lambda z: z.swapaxes(0, 1).reshape(*z.shape[:-3], z.shape[-2], -1),
            lambda z: z.swapaxes(0, 1).reshape(z.shape[1], -1),
            lambda z: np.hstack(list(z)),
            lambda z: np.concatenate(list(z), axis=-1),
        ),
    },
    closed=PACKAGE,
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
    mask: NDArray,
    *,
    split: Callable = split_heads,
    merge: Callable = merge_heads,
    scale: float | None = None,
    weigh: Callable = weigh,
) -> NDArray:
    """Return the output, with room for a mistake in each step."""
    weights = _maps_by(
        x, w_q, w_k, num_heads, mask, split=split, scale=scale, weigh=weigh
    )
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
        "each head takes every h-th column. It must take columns side by side.": (
            lambda *a: _layer_by(*a, split=every_hth)
        ),
        "the heads' numbers alternate before W_O. All of head 1 come first.": (
            lambda *a: _layer_by(*a, merge=_alternate)
        ),
        "the number of heads is written as 2. It is num_heads.": (
            lambda x, q, k, v, o, h, mask: _layer(x, q, k, v, o, 2, mask)
        ),
        **scale_mistakes(
            _layer_by,
            {
                **_SIZES,
                "√d_v": lambda x, q, k, v, o, h, mask: (v.shape[-1] / h) ** 0.5,
            },
        ),
        "the output is divided by the number of heads. Their parts add up.": (
            lambda *a: _layer(*a) / _num_heads(a)
        ),
        _ADDED: lambda *a: a[0] + _layer(*a),
        _AVERAGED: lambda *a: _layer_by(*a, weigh=_averaged),
        **_mask_mistakes(_layer_by),
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
    closed=PACKAGE,
)


def _grouped_layer(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    w_o: NDArray,
    num_heads: int,
    num_kv_heads: int,
    mask: NDArray,
) -> NDArray:
    """From x and matrices, w_k (d, g*d_k), w_v (d, g*d_v), to the output (n, d).

    Query head i reads key and value head i // (h // g).
    """
    return _grouped_by(x, w_q, w_k, w_v, w_o, num_heads, num_kv_heads, mask)


def _in_rows(heads: NDArray, num_heads: int) -> NDArray:
    """Give each key or value head to its group: (g, n, d_k) -> (h, n, d_k)."""
    return np.repeat(heads, num_heads // len(heads), axis=0)


def _in_turn(heads: NDArray, num_heads: int) -> NDArray:
    """Give query head i the key head i % g. A mistake."""
    return np.tile(heads, (num_heads // len(heads), 1, 1))


def _grouped_by(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    w_o: NDArray,
    num_heads: int,
    num_kv_heads: int,
    mask: NDArray,
    *,
    share_keys: Callable = _in_rows,
    share_values: Callable = _in_rows,
    split: Callable = split_heads,
    scale: float | None = None,
    weigh: Callable = weigh,
) -> NDArray:
    """Return the output, with room for a mistake in each step."""
    query = split(x @ w_q, num_heads)  # (h, n, d_k)
    key = share_keys(split(x @ w_k, num_kv_heads), num_heads)  # (h, n, d_k)
    value = share_values(split(x @ w_v, num_kv_heads), num_heads)  # (h, n, d_v)
    scale = key.shape[-1] ** -0.5 if scale is None else scale
    weights = weigh(query @ key.swapaxes(1, 2) * scale, mask)
    return merge_heads(weights @ value) @ w_o


def _grouped_input(
    n: int, d: int, d_k: int, d_v: int, h: int, g: int
) -> tuple[NDArray | int, ...]:
    """Return the arguments of a grouped layer, at the size of real ones."""
    x, w_q, w_k, w_v, w_o = sample(
        (n, d), (d, h * d_k), (d, g * d_k), (d, g * d_v), (h * d_v, d)
    )
    w_q, w_k, w_v = (w * 1.5 / d**0.5 for w in (w_q, w_k, w_v))
    return x, w_q, w_k, w_v, w_o, h, g, sample_mask(n, n)


def _first(heads: NDArray, num_heads: int) -> NDArray:
    return np.repeat(heads[:1], num_heads, axis=0)


def _backwards(heads: NDArray, num_heads: int) -> NDArray:
    return _in_rows(heads[::-1], num_heads)


GROUPED_LAYER = Exercise(
    right=_grouped_layer,
    inputs=[  # the first as in a library: d_k = d_v = d / h
        _grouped_input(4, 8, 2, 2, 4, 2),
        _grouped_input(5, 7, 4, 3, 6, 2),
        _grouped_input(7, 5, 3, 4, 6, 3),
    ],
    mistakes={
        "the groups are dealt out in turn: head i reads i % g. It must be neighbours "
        "that share, i // (h // g): np.repeat, not np.tile.": (
            lambda *a: _grouped_by(*a, share_keys=_in_turn, share_values=_in_turn)
        ),
        "the keys are shared in turn, i % g. Neighbours share: i // (h // g).": (
            lambda *a: _grouped_by(*a, share_keys=_in_turn)
        ),
        "the values are shared in turn, i % g. Neighbours share: i // (h // g).": (
            lambda *a: _grouped_by(*a, share_values=_in_turn)
        ),
        "all query heads read the first key and value head. There are g of them.": (
            lambda *a: _grouped_by(*a, share_keys=_first, share_values=_first)
        ),
        "the groups come in the wrong order: the first ones share head 1.": (
            lambda *a: _grouped_by(*a, share_keys=_backwards, share_values=_backwards)
        ),
        "rows are cut in place of columns: reshape without transpose.": (
            lambda *a: _grouped_by(*a, split=cut_rows)
        ),
        "each head takes every h-th column. It must take columns side by side.": (
            lambda *a: _grouped_by(*a, split=every_hth)
        ),
        "W_O is left out: this is the concatenation.": (
            lambda x, q, k, v, o, *a: _grouped_layer(x, q, k, v, np.eye(len(o)), *a)
        ),
        "the output is divided by the number of heads. Their parts add up.": (
            lambda *a: _grouped_layer(*a) / a[5]
        ),
        _ADDED: lambda *a: a[0] + _grouped_layer(*a),
        _AVERAGED: lambda *a: _grouped_by(*a, weigh=_averaged),
        **scale_mistakes(
            _grouped_by,
            {
                "√d_model": lambda x, *_: x.shape[-1] ** 0.5,
                "the root of W_K's width over num_heads": (
                    lambda x, q, k, v, o, h, *_: (k.shape[-1] / h) ** 0.5
                ),
                "d_k": lambda x, q, k, v, o, h, *_: q.shape[-1] / h,
                "√(h·d_k), of all heads together": lambda x, q, *_: q.shape[-1] ** 0.5,
            },
        ),
        **_mask_mistakes(_grouped_by),
    },
    closed=PACKAGE,
)

EXERCISES = {
    "softmax": SOFTMAX,
    "masked weights": MASKED_WEIGHTS,
    "self-attention": SELF_ATTENTION,
    "batch split": BATCH_SPLIT,
    "maps": MAPS,
    "batch merge": BATCH_MERGE,
    "layer": LAYER,
    "grouped layer": GROUPED_LAYER,
}
