"""Tests of the exercise checks: each mistake is called by its own name."""

import ast
import copy
import inspect
import linecache
import random
import re
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import chain, count, islice
from time import perf_counter
from typing import NamedTuple

import nbformat
import numpy as np
import pytest
from hypothesis import settings
from refresh import NOTEBOOKS

from mha_utils import (
    MultiHeadAttention,
    attention,
    causal_mask,
    merge_heads,
    rotate,
    scaled_dot_product_attention,
    sentences,
    softmax,
    split_heads,
)
from mha_utils.checks import _hints, _is_one_axis_short, _run, check, yours_or_ours
from mha_utils.exercises import EXERCISES
from mha_utils.exercises.kit import Exercise, NotYetError


class Answers(NamedTuple):
    """Answers to one exercise, as learners would write them."""

    right: Callable
    wrong: list[tuple[str, Callable]]  # what the check must say, and the answer


def right(exercise, *given):
    return ANSWERS[exercise].right(*given)


def exp_rows(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def masked(scores, allowed):
    return np.where(allowed, scores, -np.inf)


def each_head(x, w_q, w_k, w_v):
    return [
        scaled_dot_product_attention(x @ w_q[i], x @ w_k[i], x @ w_v[i])[0]
        for i in range(len(w_q))
    ]


def root(k):
    return np.sqrt(k.shape[-1])


def columns(matrix, num_heads):
    """Cut a flat matrix into one for each head, written as a loop."""
    return np.split(matrix, num_heads, axis=1)


def cut(matrix, num_heads):
    return np.stack(columns(matrix, num_heads))


def spread(matrix, num_heads, num_kv_heads):
    """Repeat the columns of each key head for the query heads that share it."""
    return np.hstack(
        [
            head
            for head in columns(matrix, num_kv_heads)
            for _ in range(num_heads // num_kv_heads)
        ]
    )


def dealt(matrix, num_heads):
    """Reorder columns so that a cut side by side deals them out in turn."""
    return np.hstack([matrix[:, i::num_heads] for i in range(num_heads)])


def shifted(offset, e=np.e):
    """Write a softmax that subtracts something from the scores."""

    def answer(scores):
        powers = e ** (scores - offset(scores))
        return powers / powers.sum(axis=-1, keepdims=True)

    return answer


def overwritten(x, w_q, w_k, w_v):
    z = []
    for i in range(len(w_q)):
        x = scaled_dot_product_attention(x @ w_q[i], x @ w_k[i], x @ w_v[i])[0]
        z.append(x)
    return np.stack(z)


def pairs_of_heads(x, w_q, w_k, w_v):
    return [scaled_dot_product_attention(x @ w_q[0], x @ w_k[0], x @ w_v[0])]


def stacked_pairs(x, w_q, w_k, w_v):
    z = pairs_of_heads(x, w_q, w_k, w_v)
    return np.stack(z)


def transposed(x, w_q, w_k, num_heads, mask):
    query, key = (np.stack(columns(x @ w, num_heads)) for w in (w_q, w_k))
    return exp_rows(masked(query @ key.T / root(key), mask))


def without_keepdims(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1)


def keys_not_turned(query, key):
    return query @ key


def unknown_d_k(query, key):
    return query @ key.T / np.sqrt(d_k)  # noqa: F821


def maximum_without_axis(scores):
    return np.exp(scores - scores.max(axis=-1))


def viewed(x, num_heads):
    return x.view(len(x), num_heads, -1)


def permuted(z):
    return z.permute(1, 0, 2).reshape(z.shape[1], -1)


def two_axes_transposed(z):
    return z.transpose(0, 1).reshape(z.shape[1], -1)


def compared_in_pairs(scores):
    return 1 / np.exp(scores[..., None, :] - scores[..., None]).sum(axis=-1)


def dim_in_place_of_axis(scores):
    return np.exp(scores) / np.exp(scores).sum(dim=-1)


FORBIDDEN = {  # what a learner does with scores and a mask
    "a mask of your own": lambda s, m: masked(s, causal_mask(*m.shape)),
    "e^0 is 1": lambda s, m: s * m,
    "is not low enough": lambda s, m: np.where(m, s, -10),
    "such a number is not low enough": lambda s, m: s - 10 * ~m,
    "turned round": lambda s, m: np.where(m, -1e9, s),
    "is added as 0 and 1": lambda s, m: s + m,
}


def weigh(scores, mask):
    return exp_rows(masked(scores, mask))


WEIGHED = {  # and how a learner makes weights of them
    **{
        says: lambda s, m, forbid=forbid: exp_rows(forbid(s, m))
        for says, forbid in FORBIDDEN.items()
    },
    "comes after the softmax": lambda s, m: exp_rows(s) * m,
}


def maps(x, w_q, w_k, num_heads, mask, weigh=weigh):
    return np.stack(
        [
            weigh(x @ q @ (x @ k).T / root(q), mask)
            for q, k in zip(columns(w_q, num_heads), columns(w_k, num_heads))
        ]
    )


def layer(x, w_q, w_k, w_v, w_o, num_heads, mask, weigh=weigh):
    values = [x @ v for v in columns(w_v, num_heads)]
    weights = maps(x, w_q, w_k, num_heads, mask, weigh)
    return np.hstack([a @ v for a, v in zip(weights, values)]) @ w_o


def reshaped(x, w_q, w_k, num_heads, mask, w_v=None):
    """Maps, and what they find, of heads that were cut by a reshape alone."""
    q, k, v = (
        (x @ (w_q if w is None else w)).reshape(num_heads, len(x), -1)
        for w in (w_q, w_k, w_v)
    )
    weights = exp_rows(masked(q @ k.swapaxes(1, 2) / root(q), mask))
    return weights, weights @ v


def grouped(x, w_q, w_k, w_v, w_o, h, g, mask, shared=None, weigh=weigh):
    """A loop over the query heads; `shared(i)` says whose key and value each reads."""
    shared = shared or (lambda i: i // (h // g))
    of_key, of_value = shared if isinstance(shared, tuple) else (shared, shared)
    keys, values = columns(w_k, g), columns(w_v, g)
    weights = [
        weigh(x @ q @ (x @ keys[of_key(i)]).T / root(q), mask)
        for i, q in enumerate(columns(w_q, h))
    ]
    found = [a @ x @ values[of_value(i)] for i, a in enumerate(weights)]
    return np.hstack(found) @ w_o


def grouped_rows(x, w_q, w_k, w_v, w_o, h, g, mask):
    """The reshape alone, on the way in."""
    q, k, v = (
        (x @ w).reshape(many, len(x), -1) for w, many in ((w_q, h), (w_k, g), (w_v, g))
    )
    k, v = (np.repeat(a, h // g, axis=0) for a in (k, v))
    weights = exp_rows(masked(q @ k.swapaxes(1, 2) / root(q), mask))
    return np.hstack(list(weights @ v)) @ w_o


def column_softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=0, keepdims=True)


def split_of_lesson_4(x, num_heads):
    n, width = x.shape
    return x.reshape(n, num_heads, width // num_heads).swapaxes(0, 1)


def merge_of_lesson_4(z):
    h, n, d_v = z.shape
    return z.swapaxes(0, 1).reshape(n, h * d_v)


def determiners(scale=8.0):
    w_q = np.zeros((4, 4))
    w_q[1, 0] = scale
    return w_q


def turned(steps, scale=1.0):
    """Write a W_Q that looks so many words back, by the angles themselves."""
    w_q = np.zeros((24, 8))
    for pair, step in enumerate((1.0, 0.1, 0.01, 0.001)):
        c, s = np.cos(steps * step), np.sin(steps * step)
        i = 2 * pair
        w_q[16 + i : 18 + i, i : i + 2] = 80 * scale * np.array([[c, s], [-s, c]])
    return w_q


def wrong_with_a_mask(mask):
    """Write the ways to miss the weights that have nothing to do with the mask."""
    ways = {
        "divided by d_k. It is": lambda q, k, m: exp_rows(
            masked(q @ k.T / k.shape[-1], m)
        ),
        "these are the scores": lambda q, k, m: masked(q @ k.T / root(k), m),
        "not yet divided by the sum": lambda q, k, m: np.exp(
            masked(q @ k.T / root(k), m)
        ),
        "each column adds up": lambda q, k, m: (
            np.exp(masked(q @ k.T / root(k), m))
            / np.exp(masked(q @ k.T / root(k), m)).sum(axis=0)
        ),
        "all numbers together": lambda q, k, m: (
            np.exp(masked(q @ k.T / root(k), m))
            / np.exp(masked(q @ k.T / root(k), m)).sum()
        ),
        "query and key are swapped": lambda q, k, m: exp_rows(
            masked(k @ q.T / root(k), m)
        ),
        "divided by √n": lambda q, k, m: exp_rows(masked(q @ k.T / len(k) ** 0.5, m)),
        "Take np.exp": lambda q, k, m: (
            2.718 ** masked(q @ k.T / root(k), m)
            / (2.718 ** masked(q @ k.T / root(k), m)).sum(axis=1, keepdims=True)
        ),
        "turned round": lambda q, k, m: exp_rows(np.where(m, -1e9, q @ k.T / root(k))),
        "such a number is not low enough": lambda q, k, m: exp_rows(
            np.where(m, q @ k.T / root(k), -10)
        ),
        "is not low enough": lambda q, k, m: exp_rows(q @ k.T / root(k) - 10 * ~m),
        "is added as 0 and 1": lambda q, k, m: exp_rows(q @ k.T / root(k) + m),
    }
    return [
        (says, lambda q, k, *m, way=way: way(q, k, mask(q, *m)))
        for says, way in ways.items()
    ]


WRONG_SCALES = {  # by how much more than √d_k
    "by √(h·d_k)": lambda x, q, h: h**0.5,
    "by d_k": lambda x, q, h: (q.shape[1] / h) ** 0.5,
    "by √num_heads": lambda x, q, h: h / q.shape[1] ** 0.5,
    "by num_heads": lambda x, q, h: h / (q.shape[1] / h) ** 0.5,
    "by √n.": lambda x, q, h: (len(x) * h / q.shape[1]) ** 0.5,
}


def one_step(q, keys, values, scale=None):
    """Attend with one query a head, in a loop over the heads."""
    scale = root(keys) if scale is None else scale
    return np.stack([exp_rows(k @ a / scale) @ v for a, k, v in zip(q, keys, values)])


def behind(kept, new):
    return np.stack([np.vstack([rows, row]) for rows, row in zip(kept, new)])


def in_front(kept, new):
    return np.stack([np.vstack([row, rows]) for rows, row in zip(kept, new)])


def step_scaled(scale):
    return lambda q, k, v, ks, vs: one_step(
        q, behind(ks, k), behind(vs, v), scale(q, v, ks)
    )


def read_by(keys, values=None, scale=None):
    """Loop over query heads; `keys(i, r, g)` and `values(i, r, g)` choose a head."""

    def answer(x, w_q, w_k, w_v):
        h, g = len(w_q), len(w_k)
        z = []
        for i in range(h):
            q = x @ w_q[i]
            k = x @ w_k[keys(i, h // g, g)]
            v = x @ w_v[(values or keys)(i, h // g, g)]
            factor = 1 if scale is None else root(q) / scale(x, q, v)
            z.append(scaled_dot_product_attention(q * factor, k, v)[0])
        return np.stack(z)

    return answer


by_groups = read_by(lambda i, r, g: i // r)
in_turn = read_by(lambda i, r, g: i % g)


def repeated(x, w_q, w_k, w_v):
    """Write shared heads as PyTorch's users do, by copies."""
    r = len(w_q) // len(w_k)
    k, v = np.repeat(x @ w_k, r, axis=0), np.repeat(x @ w_v, r, axis=0)
    return exp_rows(x @ w_q @ k.swapaxes(1, 2) / root(k)) @ v


def turned_by(angle):
    """Write rotary positions with complex numbers; `angle(place, i, d)`."""

    def answer(x, places):
        d = x.shape[1]
        pairs = x[:, ::2] + 1j * x[:, 1::2]
        phase = [[angle(p, i, d) for i in range(d // 2)] for p in places]
        pairs = pairs * np.exp(1j * np.array(phase))
        return np.dstack([pairs.real, pairs.imag]).reshape(x.shape)

    return answer


by_place = turned_by(lambda p, i, d: p * 10000 ** (-2 * i / d))


def turned_in_halves(x, places):
    d = x.shape[1] // 2
    pairs = np.dstack([x[:, :d], x[:, d:]]).reshape(x.shape)
    pairs = by_place(pairs, places).reshape(len(x), d, 2)
    return np.hstack([pairs[..., 0], pairs[..., 1]])


def turned_in_place(x, places):
    x, d = x.copy(), x.shape[1]
    angle = np.outer(places, 10000 ** (-np.arange(0, d, 2) / d))
    x[:, ::2] = x[:, ::2] * np.cos(angle) - x[:, 1::2] * np.sin(angle)
    x[:, 1::2] = x[:, ::2] * np.sin(angle) + x[:, 1::2] * np.cos(angle)
    return x


def waves_added(x, places):
    d = x.shape[1]
    angle = np.outer(places, 10000 ** (-np.arange(0, d, 2) / d))
    return x + np.dstack([np.sin(angle), np.cos(angle)]).reshape(x.shape)


ANSWERS = {
    "cached step": Answers(
        right=lambda q, k, v, ks, vs: one_step(q, behind(ks, k), behind(vs, v)),
        wrong=[
            (
                "weights of all heads together",
                lambda q, k, v, ks, vs: np.einsum(
                    "hn,hnd->hd",
                    exp_rows(
                        np.einsum("hd,hnd->hn", q, behind(ks, k) / root(k)).reshape(-1)
                    ).reshape(len(q), -1),
                    behind(vs, v),
                ),
            ),
            ("does not see itself", lambda q, k, v, ks, vs: one_step(q, ks, vs)),
            ("sees itself alone", lambda q, k, v, ks, vs: v.copy()),
            (
                "place of the last one",
                lambda q, k, v, ks, vs: one_step(
                    q, behind(ks[:, :-1], k), behind(vs[:, :-1], v)
                ),
            ),
            (
                "the key stands at one end",
                lambda q, k, v, ks, vs: one_step(q, behind(ks, k), in_front(vs, v)),
            ),
            (
                "the key stands at one end",
                lambda q, k, v, ks, vs: one_step(q, in_front(ks, k), behind(vs, v)),
            ),
            (
                "the new key asks",
                lambda q, k, v, ks, vs: one_step(k, behind(ks, k), behind(vs, v)),
            ),
            (
                "the query is put behind the keys",
                lambda q, k, v, ks, vs: one_step(q, behind(ks, q), behind(vs, v)),
            ),
            (
                "these are the weights",
                lambda q, k, v, ks, vs: np.stack(
                    [
                        exp_rows(rows @ a / root(rows))
                        for a, rows in zip(q, behind(ks, k))
                    ]
                ),
            ),
            (
                "the keys are weighed in place",
                lambda q, k, v, ks, vs: one_step(q, behind(ks, k), behind(ks, k)),
            ),
            ("side by side", lambda *a: right("cached step", *a).reshape(-1)),
            ("one axis too many", lambda *a: right("cached step", *a)[:, None, :]),
            ("averaged", lambda *a: right("cached step", *a).mean(0)),
            ("added up", lambda *a: right("cached step", *a).sum(0)),
            ("not divided by √d_k", step_scaled(lambda q, v, ks: 1.0)),
            ("by √d_v", step_scaled(lambda q, v, ks: root(v))),
            ("by √n.", step_scaled(lambda q, v, ks: ks.shape[1] ** 0.5)),
            ("by √(n + 1)", step_scaled(lambda q, v, ks: (ks.shape[1] + 1) ** 0.5)),
            ("by √h", step_scaled(lambda q, v, ks: len(q) ** 0.5)),
            ("by d_k", step_scaled(lambda q, v, ks: q.shape[1])),
            ("Your turn", lambda *a: None),
        ],
    ),
    "shared heads": Answers(
        right=repeated,
        wrong=[
            ("dealt out in turn, i % g", in_turn),
            (
                "the values are dealt out in turn",
                read_by(lambda i, r, g: i // r, lambda i, r, g: i % g),
            ),
            (
                "the keys are dealt out in turn",
                read_by(lambda i, r, g: i % g, lambda i, r, g: i // r),
            ),
            ("read the first key/value head", read_by(lambda i, r, g: 0)),
            (
                "use the first keys",
                read_by(lambda i, r, g: 0, lambda i, r, g: i // r),
            ),
            (
                "use the first values",
                read_by(lambda i, r, g: i // r, lambda i, r, g: 0),
            ),
            (
                "one head for each key/value head",
                lambda x, q, k, v: np.stack(each_head(x, q[: len(k)], k, v)),
            ),
            (
                "one head for each key/value head",
                lambda x, q, k, v: np.stack(each_head(x, q[:: len(q) // len(k)], k, v)),
            ),
            (
                "of a group are the same",
                lambda x, q, k, v: by_groups(
                    x, np.repeat(q[:: len(q) // len(k)], len(q) // len(k), axis=0), k, v
                ),
            ),
            (
                "still an axis of their own",
                lambda x, q, k, v: (
                    exp_rows(
                        (x @ q).reshape(len(k), -1, len(x), k.shape[2])
                        @ (x @ k)[:, None].swapaxes(2, 3)
                        / root(k)
                    )
                    @ (x @ v)[:, None]
                ),
            ),
            ("side by side", lambda *a: np.hstack(list(by_groups(*a)))),
            ("the second axis", lambda *a: np.stack(list(by_groups(*a)), axis=1)),
            ("averaged", lambda *a: by_groups(*a).mean(axis=0)),
            ("added up", lambda *a: sum(by_groups(*a))),
            (
                "not divided by √d_k",
                read_by(lambda i, r, g: i // r, scale=lambda x, q, v: 1.0),
            ),
            (
                "by √d_model",
                read_by(lambda i, r, g: i // r, scale=lambda x, q, v: root(x)),
            ),
            (
                "by √d_v",
                read_by(lambda i, r, g: i // r, scale=lambda x, q, v: root(v)),
            ),
            (
                "by d_k",
                read_by(lambda i, r, g: i // r, scale=lambda x, q, v: q.shape[1]),
            ),
            (
                "about what MultiHeadAttention does",
                lambda x, q, k, v: MultiHeadAttention(
                    q, k, v, np.ones((len(q) * v.shape[2], x.shape[1]))
                ).head_outputs(x),
            ),
            ("Your turn", lambda *a: None),
        ],
    ),
    "turn": Answers(
        right=by_place,
        wrong=[
            (
                "the other way",
                turned_by(lambda p, i, d: -p * 10000 ** (-2 * i / d)),
            ),
            ("at one speed", turned_by(lambda p, i, d: p)),
            ("too little", turned_by(lambda p, i, d: p * 10000 ** (-i / d))),
            ("too fast", turned_by(lambda p, i, d: p * 10000 ** (-2 * i / (d / 2)))),
            ("too fast", turned_by(lambda p, i, d: p / 10000**i)),
            ("speed up", turned_by(lambda p, i, d: p * 10000 ** (2 * i / d))),
            (
                "counted from 1. The first",
                turned_by(lambda p, i, d: p * 10000 ** (-2 * (i + 1) / d)),
            ),
            (
                "the places are not used",
                lambda x, places: by_place(x, np.arange(len(x))),
            ),
            (
                "from 1 more than they say",
                lambda x, places: by_place(x, places + 1),
            ),
            (
                "the base is not 10000",
                turned_by(lambda p, i, d: p * 1000 ** (-2 * i / d)),
            ),
            ("Yours are i and i + d/2", turned_in_halves),
            (
                "sine and cosine are swapped",
                lambda x, places: turned_by(
                    lambda p, i, d: np.pi / 2 - p * 10000 ** (-2 * i / d)
                )(x, places),
            ),
            ("before the second one needs it", turned_in_place),
            (
                "sorted by halves",
                lambda x, places: np.hstack(
                    [by_place(x, places)[:, ::2], by_place(x, places)[:, 1::2]]
                ),
            ),
            ("adds the positions of lesson 3", waves_added),
            ("about what rotate does", lambda x, places: rotate(x, places)),
            ("Your turn", lambda x, places: None),
        ],
    ),
    "weights": Answers(
        right=lambda q, k: exp_rows(q @ k.T / root(k)),
        wrong=[
            (
                "divided by their sum",
                lambda q, k: (q @ k.T) / (q @ k.T).sum(1)[:, None],
            ),
            ("list holds tuples", lambda q, k: [(q, k)]),
            ("not bool. True and False", lambda q, k: q @ k.T > 0),
            ("PyTorch was not imported", lambda q, k: torch.softmax(q @ k.T, -1)),  # noqa: F821
            ("not divided by √d_k", lambda q, k: exp_rows(q @ k.T)),
            ("divided by d_k", lambda q, k: exp_rows(q @ k.T / k.shape[-1])),
            ("softmax is still to come", lambda q, k: q @ k.T / root(k)),
            ("sum of its row", lambda q, k: np.exp(q @ k.T / root(k))),
            (
                "each column adds up to 1",
                lambda q, k: exp_rows((q @ k.T / root(k)).T).T,
            ),
            (
                "all numbers together",
                lambda q, k: (
                    np.exp(q @ k.T / root(k)) / np.exp(q @ k.T / root(k)).sum()
                ),
            ),
            ("query and key are swapped", lambda q, k: exp_rows(k @ q.T / root(k))),
            ("divided by √n", lambda q, k: exp_rows(q @ k.T / len(k) ** 0.5)),
            ("divided by √n", lambda q, k: exp_rows(q @ k.T / len(q) ** 0.5)),
            (
                "not yet divided",
                lambda q, k: (
                    exp_rows(q @ k.T / root(k)) * 0
                    + np.exp(
                        q @ k.T / root(k)
                        - (q @ k.T / root(k)).max(axis=1, keepdims=True)
                    )
                ),
            ),
            (
                "Take np.exp",
                lambda q, k: (
                    2.718 ** (q @ k.T / root(k))
                    / (2.718 ** (q @ k.T / root(k))).sum(axis=1, keepdims=True)
                ),
            ),
            ("float16", lambda q, k: right("weights", q, k).astype(np.float16)),
            ("rounded to 4 digits", lambda q, k: right("weights", q, k).round(4)),
            ("should be 0.31", lambda q, k: right("weights", q, k) * 1.0002),
            (
                "write it yourself: this exercise is about what softmax does",
                (lambda q, k: softmax(q @ k.T / root(k))),
            ),
            (
                "about what scaled_dot_product_attention does",
                (lambda q, k: scaled_dot_product_attention(q, k, k)[1]),
            ),
            ("np.stack(your_list) joins", lambda q, k: [*right("weights", q, k)]),
            ("return the one that is asked", lambda q, k: (q, k)),
            ("it is one number", lambda q, k: right("weights", q, k).sum()),
            ("Your turn", lambda q, k: None),
            ("list is not yet an array", lambda q, k: [[1.0]]),
            ("real numbers", lambda q, k: np.array("x")),
            ("not complex128", lambda q, k: (q @ k.T).astype(complex)),
            ("shape (5, 5), not (2, 4)", lambda q, k: np.ones((5, 5))),
            ("NaN", lambda q, k: np.full((len(q), len(k)), np.nan)),
            ("entry [0, 0] should be", lambda q, k: right("weights", q, k) + 0.01),
            ("in the line", lambda q, k: q @ k.missing),
            ("turn the keys first", keys_not_turned),
            ("d_k is how many numbers a key has", unknown_d_k),
        ],
    ),
    "causal weights": Answers(
        right=lambda q, k: exp_rows(masked(q @ k.T / root(k), causal_mask(len(q)))),
        wrong=[
            ("mask is missing", lambda q, k: right("weights", q, k)),
            (
                "after the softmax",
                lambda q, k: right("weights", q, k) * causal_mask(len(q)),
            ),
            (
                "turned round",
                lambda q, k: np.nan_to_num(
                    exp_rows(masked(q @ k.T / root(k), ~causal_mask(len(q))))
                ),
            ),
            (
                "e^0 is 1",
                lambda q, k: exp_rows(q @ k.T / root(k) * causal_mask(len(q))),
            ),
            (
                "diagonal is allowed",
                lambda q, k: np.nan_to_num(
                    exp_rows(masked(q @ k.T / root(k), np.tri(len(q), k=-1) > 0))
                ),
            ),
            (
                "not divided by √d_k",
                lambda q, k: exp_rows(masked(q @ k.T, causal_mask(len(q)))),
            ),
            *wrong_with_a_mask(lambda q: causal_mask(len(q))),
        ],
    ),
    "determiners": Answers(
        right=determiners,
        wrong=[
            ("no matrix of numbers", lambda: [[1, 2], [3]]),
            ("no matrix of numbers", lambda: "W_Q"),
            ("NaN, an infinity", lambda: np.full((4, 4), np.nan)),
            ("number too large", lambda: determiners(1e308)),
            ("rows and columns are swapped", lambda: determiners().T),
            ("not strongly enough", lambda: determiners(3)),
            ("another kind of word as strongly", lambda: np.full((4, 4), 8.0)),
            (
                "kind of word as strongly, or more",
                lambda: np.eye(4)[:, [1]] * [8, 9, 0, 0],
            ),
            ("row of nouns is empty", lambda: np.zeros((4, 4))),
            ("Not yet: cat gives them 0.0", lambda: np.eye(4) * 9),
            ("shape is (4, 2)", lambda: np.ones((4, 2))),
            ("Your turn", lambda: None),
            ("NameError", lambda: undefined),  # noqa: F821
        ],
    ),
    "shares": Answers(
        right=lambda t, v: (
            np.linalg.inv(np.column_stack([v, np.ones(3)]).T) @ [*t, 1.0]
        ),
        wrong=[
            ("do not add up to 1", lambda t, v: np.linalg.pinv(v.T) @ t),
            (
                "no longer mix to the target",
                lambda t, v: np.linalg.pinv(v.T) @ t / (np.linalg.pinv(v.T) @ t).sum(),
            ),
            ("not the shares", lambda t, v: exp_rows(v @ t)),
            ("that is the middle", lambda t, v: np.ones(3) / 3),
            (
                "how near a corner is",
                lambda t, v: (
                    1 / np.hypot(*(v - t).T) / (1 / np.hypot(*(v - t).T)).sum()
                ),
            ),
        ],
    ),
    "loss": Answers(
        right=lambda a, b: 1 - a**2 / (a**2 + b**2),
        wrong=[
            ("the other value", lambda a, b: 1 - b**2 / (a**2 + b**2)),
            ("variances are squares", lambda a, b: 1 - a / (a + b)),
            ("reads the mix as it is", lambda a, b: (a - 1) ** 2 + b**2),
            ("best factor for the mix", lambda a, b: a / (a**2 + b**2)),
            ("both together", lambda a, b: np.ones(a.shape)),
            ("result has shape (), not (1,)", lambda a, b: 0.5),
            ("lack brackets", lambda a, b: 1 - a**2 / a**2 + b**2),
        ],
    ),
    "unmix": Answers(
        right=lambda mix, z: np.linalg.solve(mix, z.reshape(2, -1)).reshape(z.shape),
        wrong=[
            ("mixes once more", lambda mix, z: np.tensordot(mix, z, 1)),
            (
                "rows and columns of the inverse",
                lambda mix, z: np.tensordot(np.linalg.inv(mix).T, z, 1),
            ),
            ("number by number", lambda mix, z: np.tensordot(1 / mix, z, 1)),
            ("wrong order", lambda mix, z: right("unmix", mix, z)[::-1]),
            (
                "only scaled",
                lambda mix, z: np.stack([z[0] / mix[0, 0], z[1] / mix[1, 1]]),
            ),
        ],
    ),
    "new word": Answers(
        right=lambda: {"wug": "noun subject singular animate it"},
        wrong=[
            ("return a dictionary", lambda: "noun"),
            ("noon", lambda: {"wug": "noon"}),
            ("which kind of word", lambda: {"wug": "adjective"}),
            ("slept gives wug only", lambda: {"wug": "noun it"}),
            ("it gives wug only", lambda: {"wug": "noun subject singular animate he"}),
            ("animate is missing", lambda: {"wug": "noun subject singular it"}),
            ("noun is missing", lambda: {"wug": "subject singular animate it"}),
            (
                "too much: they, plural.",
                lambda: {"wug": sentences.LEXICON["sheep"] + " noun"},
            ),
            (
                "this is too much: start, verb",
                lambda: {"wug": " ".join(sentences.FEATURES)},
            ),
            (
                "too much: verb, plural, action",
                lambda: {"wug": sentences.LEXICON["crow"]},
            ),
            ("of wug only", lambda: {"wug": sentences.LEXICON["cat"], "mat": "noun"}),
        ],
    ),
    "heads": Answers(
        right=lambda *a: np.stack(each_head(*a)),
        wrong=[
            ("swapped", lambda x, q, k, v: np.stack(each_head(x, k, q, v))),
            ("keys are handed", lambda x, q, k, v: np.stack(each_head(x, q, k, k))),
            ("averaged", lambda *a: np.mean(each_head(*a), axis=0)),
            ("added up", lambda *a: np.sum(each_head(*a), axis=0)),
            ("side by side", lambda *a: np.concatenate(each_head(*a), axis=1)),
            ("below each other", lambda *a: np.concatenate(each_head(*a))),
            ("second axis", lambda *a: np.stack(each_head(*a), axis=1)),
            ("its own matrices", lambda *a: np.stack([each_head(*a)[0]] * len(a[1]))),
            (
                "these are the weights",
                lambda x, q, k, v: np.stack(
                    [
                        scaled_dot_product_attention(x @ q[i], x @ k[i], x @ v[i])[1]
                        for i in range(len(q))
                    ]
                ),
            ),
            (
                "not divided by √d_k",
                lambda x, q, k, v: np.stack(each_head(x, q * root(q), k, v)),
            ),
            (
                "√d_model",
                lambda x, q, k, v: np.stack(each_head(x, q * root(q) / root(x), k, v)),
            ),
            (
                "√d_v",
                lambda x, q, k, v: np.stack(each_head(x, q * root(q) / root(v), k, v)),
            ),
            ("first two heads", lambda *a: np.stack(each_head(*a)[:2])),
            ("does a loop overwrite it", overwritten),
            ("holds tuples. Attention returns two", pairs_of_heads),
            ("Attention returns two", stacked_pairs),
            (
                "about what MultiHeadAttention does",
                lambda x, q, k, v: MultiHeadAttention(
                    q, k, v, np.ones((v.shape[0] * v.shape[2], x.shape[1]))
                ).head_outputs(x),
            ),
        ],
    ),
    "two back": Answers(
        right=lambda: turned(2),
        wrong=[
            ("no matrix of numbers", lambda: {"w_q": 1}),
            ("NaN, an infinity", lambda: np.full((24, 8), np.inf)),
            ("look 1 back", lambda: turned(1)),
            ("look 2 ahead", lambda: turned(-2)),
            ("look 3 back", lambda: turned(3)),
            ("look at themselves", lambda: turned(0)),
            ("scores are too small", lambda: turned(2, scale=0.1)),
            ("no fixed place", lambda: np.zeros((24, 8))),
            ("shape is (8, 24)", lambda: np.zeros((8, 24))),
        ],
    ),
    "concatenate": Answers(
        right=lambda z: np.hstack(list(z)),
        wrong=[
            ("reshaped without a transpose", lambda z: z.reshape(z.shape[1], -1)),
            ("below each other", lambda z: np.concatenate(list(z))),
            ("averaged", lambda z: np.mean(z, axis=0)),
            ("added up", lambda z: sum(z)),
            (
                "first two heads",
                lambda z: np.concatenate((z[0], z[1]), axis=1),
            ),
            ("about what merge_heads does", lambda z: merge_heads(z)),
            ("NumPy's is .transpose", permuted),
            ("To swap two of them: .swapaxes(0, 1)", two_axes_transposed),
            ("alternate", lambda z: np.dstack(list(z)).reshape(z.shape[1], -1)),
        ],
    ),
    "contributions": Answers(
        right=lambda z, w_o: np.stack(
            [z_i @ w for z_i, w in zip(z, np.split(w_o, len(z)))]
        ),
        wrong=[
            (
                "begins at row i of W_O",
                lambda z, w: np.stack(
                    [a @ w[i : i + a.shape[1]] for i, a in enumerate(z)]
                ),
            ),
            ("this is the output", lambda z, w: np.hstack(list(z)) @ w),
            (
                "all of yours use the first",
                lambda z, w: np.stack([a @ w[: a.shape[1]] for a in z]),
            ),
            (
                "every h-th row",
                lambda z, w: np.stack([a @ w[i :: len(z)] for i, a in enumerate(z)]),
            ),
            (
                "divided by the number of heads",
                lambda z, w: right("contributions", z, w) / len(z),
            ),
            (
                "wrong order",
                lambda z, w: np.stack(
                    [a @ b for a, b in zip(z, np.split(w, len(z))[::-1])]
                ),
            ),
            (
                "W_O is transposed",
                lambda z, w: z @ w.T.reshape(len(z), z.shape[-1], -1),
            ),
        ],
    ),
    "split": Answers(
        right=lambda x, h: np.stack(columns(x, h)),
        wrong=[
            ("cuts rows, not columns", lambda x, h: x.reshape(h, x.shape[0], -1)),
            ("the second axis", lambda x, h: x.reshape(x.shape[0], h, -1)),
            (
                "every h-th number",
                lambda x, h: np.stack([x[:, i::h] for i in range(h)]),
            ),
            ("written as 2", lambda x, h: np.stack(columns(x, 2))),
            ("written as 2", lambda x, h: np.stack(columns(x, h)[:2])),
            ("about what split_heads does", lambda x, h: split_heads(x, h)),
            ("NumPy's is .reshape", viewed),
        ],
    ),
    "mass": Answers(
        right=lambda w, links: np.mean([w[:, i, j] for i, j in links], axis=0),
        wrong=[
            ("first two links", lambda w, links: w[:, links[0], links[1]].mean(axis=1)),
            (
                "swapped",
                lambda w, links: np.mean([w[:, j, i] for i, j in links], axis=0),
            ),
            ("not their mean", lambda w, links: sum(w[:, i, j] for i, j in links)),
            ("not how much it gets", lambda w, links: right("hits", w, links)),
            ("result has shape ()", lambda w, links: np.mean(w)),
            (
                "links one by one",
                lambda w, links: np.array([[a[i, j] for i, j in links] for a in w]),
            ),
            (
                "the mean runs over the heads",
                lambda w, links: np.array([w[:, i, j].mean() for i, j in links]),
            ),
        ],
    ),
    "hits": Answers(
        right=lambda w, links: np.mean(
            [w[:, i].argmax(axis=1) == j for i, j in links], axis=0
        ),
        wrong=[
            (
                "first two links",
                lambda w, links: np.mean(w[:, links[0]].argmax(2) == links[1], axis=1),
            ),
            (
                "entry [0] should be 0 and is 2.",
                lambda w, links: np.array([2.0, 0.5, 1, 1, 1])[: len(w)],
            ),
            ("not how often it is first", lambda w, links: right("mass", w, links)),
            (
                "looked for in columns",
                lambda w, links: right("hits", w.swapaxes(1, 2), links),
            ),
            ("is a count", lambda w, links: right("hits", w, links) * len(links)),
            ("all heads together", lambda w, links: right("hits", w, links).mean()),
            (
                "to and from are swapped",
                lambda w, links: right("hits", w, [(j, i) for i, j in links]),
            ),
        ],
    ),
    "ablation": Answers(
        right=lambda parts, keep: sum(
            part if stays else np.tile(part.mean(axis=0), (len(part), 1))
            for part, stays in zip(parts, keep)
        ),
        wrong=[
            (
                "over a word's numbers",
                lambda parts, keep: sum(
                    p if stays else p.mean(axis=1)[:, None] + 0 * p
                    for p, stays in zip(parts, keep)
                ),
            ),
            ("must add its mean", lambda parts, keep: parts[keep].sum(axis=0)),
            ("turned round", lambda parts, keep: right("ablation", parts, ~keep)),
            ("add up", lambda parts, keep: right("ablation", parts, keep) / len(keep)),
            (
                "mean runs over the heads",
                lambda parts, keep: sum(
                    p if stays else sum(parts) / len(parts)
                    for p, stays in zip(parts, keep)
                ),
            ),
            (
                "one number as the mean",
                lambda parts, keep: sum(
                    p if stays else p.mean() + 0 * p for p, stays in zip(parts, keep)
                ),
            ),
            (
                "still apart",
                lambda parts, keep: np.stack(
                    [
                        p if stays else p.mean(axis=0) + 0 * p
                        for p, stays in zip(parts, keep)
                    ]
                ),
            ),
        ],
    ),
    "parameters": Answers(
        right=lambda d, h: h * (3 * d * (d // h) + (d // h) * d),
        wrong=[
            ("not d_model", lambda d, h: h * 4 * d * d),
            ("W_O joins all heads", lambda d, h: 3 * d * d + d // h * d),
            ("biases are counted", lambda d, h: 4 * d * (d + 1)),
            ("one real number, not str", lambda d, h: "256"),
            ("should be 256 and is 7.", lambda d, h: 7),
            ("W_O is missing", lambda d, h: 3 * d**2),
            ("one head only", lambda d, h: 4 * d * (d // h)),
            ("not d_model", lambda d, h: h * 3 * d * d + d * d),
            ("given d_model 8, num_heads 2, it should be 256", lambda d, h: 7),
            ("not (d_k, d_k)", lambda d, h: h * 3 * (d // h) ** 2 + d * d),
            ("one W_O for all", lambda d, h: h * (3 * d * (d // h) + d * d)),
        ],
    ),
    "likeness": Answers(
        right=lambda w: np.array(
            [[np.minimum(a, b).sum() / len(a) for b in w] for a in w]
        ),
        wrong=[
            ("Take it from 1", lambda w: 1 - right("likeness", w)),
            ("must be halved", lambda w: 2 * right("likeness", w) - 1),
            (
                "sum over the rows",
                lambda w: 1 - abs(w[:, None] - w).sum(axis=(2, 3)) / 2,
            ),
            (
                "runs over rows and columns",
                lambda w: 1 - abs(w[:, None] - w).mean(axis=(2, 3)) / 2,
            ),
            (
                "without the absolute value",
                lambda w: 1 - (w[:, None] - w).sum(axis=-1).mean(axis=-1) / 2,
            ),
        ],
    ),
    "word map": Answers(
        right=lambda w, m: np.array(
            [[w[a > 0][:, b > 0].sum(axis=1).mean() for b in m] for a in m]
        ),
        wrong=[
            ("looks with their mean", lambda w, m: m @ w @ m.T),
            ("are swapped", lambda w, m: m @ w @ m.T / m.sum(axis=1)),
            ("transposed", lambda w, m: right("word map", w, m).T),
            (
                "columns are averaged too",
                lambda w, m: right("word map", w, m) / m.sum(axis=1),
            ),
        ],
    ),
    "targets": Answers(
        right=lambda w: np.array(
            [
                max((j for j in range(1, len(w) - 1) if j != i), key=lambda j: w[i, j])
                - 1
                for i in range(1, len(w) - 1)
            ]
        ),
        wrong=[
            ("Count among the words", lambda w: right("targets", w) + 1),
            ("find itself", lambda w: w[1:-1, 1:-1].argmax(axis=1)),
            ("special tokens are still there", lambda w: w[1:-1].argmax(axis=1)),
            (
                "special tokens are still there",
                lambda w: np.where(np.eye(len(w)) > 0, 0, w).argmax(axis=1)[1:-1],
            ),
            ("who looks at the word", lambda w: right("targets", w.T)),
        ],
    ),
    "followers": Answers(
        right=lambda ids: np.array(
            [
                max((j + 1 for j in range(i) if ids[j] == ids[i]), default=0)
                for i in range(len(ids))
            ]
        ),
        wrong=[
            (
                "a new word looks at itself",
                lambda ids: np.array(
                    [j or i for i, j in enumerate(right("followers", ids))]
                ),
            ),
            (
                "stood last time",
                lambda ids: np.array(
                    [
                        max((j for j in range(i) if ids[j] == ids[i]), default=0)
                        for i in range(len(ids))
                    ]
                ),
            ),
            (
                "the first occurrence",
                lambda ids: np.array(
                    [
                        min((j + 1 for j in range(i) if ids[j] == ids[i]), default=0)
                        for i in range(len(ids))
                    ]
                ),
            ),
            (
                "the place before its last",
                lambda ids: np.array(
                    [
                        max((j - 1 for j in range(i) if ids[j] == ids[i]), default=0)
                        for i in range(len(ids))
                    ]
                ),
            ),
            (
                "found at its own place",
                lambda ids: np.array(
                    [
                        max(j + 1 for j in range(i + 1) if ids[j] == ids[i])
                        for i in range(len(ids))
                    ]
                ),
            ),
            ("whatever the word is", lambda ids: np.array([0, *range(len(ids) - 1)])),
            (
                "not at -1",
                lambda ids: np.array([j or -1 for j in right("followers", ids)]),
            ),
            ("Their places", lambda ids: ids[right("followers", ids)]),
            (
                "these are distances",
                lambda ids: np.array(
                    [i - j if j else 0 for i, j in enumerate(right("followers", ids))]
                ),
            ),
        ],
    ),
    "surprise": Answers(
        right=lambda p, ids: np.mean(
            [-np.log(row[word]) for row, word in zip(p, ids[1:])]
        ),
        wrong=[
            (
                "this is log10",
                lambda p, ids: -np.mean([np.log10(r[w]) for r, w in zip(p, ids[1:])]),
            ),
            (
                "divided by n.",
                lambda p, ids: (
                    -sum(np.log(r[w]) for r, w in zip(p, ids[1:])) / len(ids)
                ),
            ),
            (
                "a pair",
                lambda p, ids: -np.mean(np.log([row[ids[1:]] for row in p[:-1]])),
            ),
            (
                "which it has read",
                lambda p, ids: -np.mean([np.log(row[w]) for row, w in zip(p, ids)]),
            ),
            (
                "word i - 1",
                lambda p, ids: (
                    -np.mean([np.log(row[w]) for row, w in zip(p[1:], ids[:-1])])
                ),
            ),
            (
                "leave it out",
                lambda p, ids: (
                    -np.mean([np.log(row[w]) for row, w in zip(p, [*ids[1:], ids[0]])])
                ),
            ),
            ("minus is missing", lambda p, ids: -right("surprise", p, ids)),
            (
                "this is the sum",
                lambda p, ids: -sum(np.log(row[w]) for row, w in zip(p, ids[1:])),
            ),
            (
                "before the logarithm",
                lambda p, ids: -np.log(np.mean([r[w] for r, w in zip(p, ids[1:])])),
            ),
            (
                "in bits",
                lambda p, ids: -np.mean([np.log2(r[w]) for r, w in zip(p, ids[1:])]),
            ),
            (
                "the mean probability",
                lambda p, ids: np.mean([row[w] for row, w in zip(p, ids[1:])]),
            ),
            (
                "one by one",
                lambda p, ids: np.array([-np.log(r[w]) for r, w in zip(p, ids[1:])]),
            ),
            (
                "asked for every word",
                lambda p, ids: -np.mean([np.log(row[ids[1:]]) for row in p[:-1]]),
            ),
        ],
    ),
    "without": Answers(
        right=lambda x, z, out, w, wanted: np.mean(
            np.argmax((x + sum(z) - z[out]) @ w, axis=1) == wanted
        ),
        wrong=[
            (
                "all heads are still there",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmax((x + sum(z)) @ w, axis=1) == wanted
                ),
            ),
            (
                "only head `out`",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmax((x + z[out]) @ w, axis=1) == wanted
                ),
            ),
            (
                "the words x are missing",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmax((sum(z) - z[out]) @ w, axis=1) == wanted
                ),
            ),
            (
                "is averaged",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmax((x + (sum(z) - z[out]) / (len(z) - 1)) @ w, axis=1)
                    == wanted
                ),
            ),
            (
                "from `out` on",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmax((x + z[:out].sum(axis=0)) @ w, axis=1) == wanted
                ),
            ),
            (
                "least likely",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmin((x + sum(z) - z[out]) @ w, axis=1) == wanted
                ),
            ),
            (
                "number of words",
                lambda x, z, out, w, wanted: np.sum(
                    np.argmax((x + sum(z) - z[out]) @ w, axis=1) == wanted
                ),
            ),
            (
                "share of wrong",
                lambda x, z, out, w, wanted: np.mean(
                    np.argmax((x + sum(z) - z[out]) @ w, axis=1) != wanted
                ),
            ),
            (
                "what gets lost",
                lambda x, z, out, w, wanted: (
                    np.mean(np.argmax((x + sum(z)) @ w, axis=1) == wanted)
                    - right("without", x, z, out, w, wanted)
                ),
            ),
        ],
    ),
    "softmax": Answers(
        right=exp_rows,
        wrong=[
            ("each column", lambda s: exp_rows(s.swapaxes(-1, -2)).swapaxes(-1, -2)),
            (
                "all numbers together",
                lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum(),
            ),
            (
                "e^1000 is too large",
                lambda s: np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True),
            ),
            ("divided by their sum", lambda s: s / s.sum(axis=-1, keepdims=True)),
            (
                "ValueError: operands could not be broadcast",
                lambda s: np.exp(s) / np.exp(s).sum(axis=-1),
            ),
            ("not yet divided by the sum", np.exp),
            (
                "not yet divided by the sum",
                lambda s: np.exp(s - s.max(axis=-1, keepdims=True)),
            ),
            ("each column", lambda s: np.exp(s) / np.exp(s).sum(axis=0)),
            (
                "largest score of all rows",
                lambda s: (
                    np.exp(s - s.max())
                    / np.exp(s - s.max()).sum(axis=-1, keepdims=True)
                ),
            ),
            ("the row's mean", shifted(lambda s: s.mean(axis=-1, keepdims=True))),
            ("smallest score", shifted(lambda s: s.min(axis=-1, keepdims=True))),
            ("keepdims=True keeps it", without_keepdims),
            ("keepdims=True keeps it", maximum_without_axis),
            ("NumPy's is axis", dim_in_place_of_axis),
            ("a score of -inf gives NaN", compared_in_pairs),
            ("float16", lambda s: exp_rows(s).astype(np.float16)),
            ("rounded to 4 digits", lambda s: exp_rows(s).round(4)),
            ("Take np.exp", shifted(lambda s: s.max(axis=-1, keepdims=True), 2.718)),
            ("about what softmax does", lambda s: softmax(s)),
            ("about what softmax does", lambda s: attention.softmax(s)),
            (
                "axis=1 is the last axis of a matrix only",
                lambda s: (
                    np.exp(s - s.max()) / np.exp(s - s.max()).sum(axis=1, keepdims=True)
                ),
            ),
        ],
    ),
    "masked weights": Answers(
        right=lambda q, k, m: exp_rows(masked(q @ k.swapaxes(-1, -2) / root(k), m)),
        wrong=[
            (
                ".T turns all axes round",
                lambda q, k, m: exp_rows(masked(q @ k.T / root(k), m)),
            ),
            (
                "each column adds up",
                lambda q, k, m: column_softmax(
                    masked(q @ k.swapaxes(-1, -2) / root(k), m)
                ),
            ),
            ("mask is missing", lambda q, k, m: right("weights", q, k)),
            ("after the softmax", lambda q, k, m: right("weights", q, k) * m),
            (
                "turned round",
                lambda q, k, m: np.nan_to_num(exp_rows(masked(q @ k.T / root(k), ~m))),
            ),
            ("not divided by √d_k", lambda q, k, m: exp_rows(masked(q @ k.T, m))),
            (
                "forbidden scores are set to 0",
                lambda q, k, m: exp_rows(q @ k.T / root(k) * m),
            ),
            ("turned round", lambda q, k, m: exp_rows(masked(q @ k.T / root(k), ~m))),
            *wrong_with_a_mask(lambda q, m: m),
            (
                "a mask of your own",
                lambda q, k, m: right("masked weights", q, k, causal_mask(*m.shape)),
            ),
            *[
                (
                    says,
                    lambda q, k, m, weigh=weigh: weigh(
                        q @ k.swapaxes(-1, -2) / root(k), m
                    ),
                )
                for says, weigh in WEIGHED.items()
            ],
            (
                "e^1000 is too large",
                lambda q, k, m: (
                    np.exp(masked(q @ k.T / root(k), m))
                    / np.exp(masked(q @ k.T / root(k), m)).sum(axis=1, keepdims=True)
                ),
            ),
            (
                "is not low enough",
                lambda q, k, m: exp_rows(np.where(m, q @ k.T / root(k), -100)),
            ),
            (
                "turned round",
                lambda q, k, m: exp_rows(q @ k.T / root(k) - 1e9 * m),
            ),
        ],
    ),
    "self-attention": Answers(
        right=lambda x, q, k, v, m: (
            exp_rows(masked(x @ q @ (x @ k).T / root(q), m)) @ (x @ v)
        ),
        wrong=[
            (
                "the map is turned round",
                lambda x, q, k, v, m: (
                    exp_rows(masked(x @ q @ (x @ k).T / root(q), m)).T @ (x @ v)
                ),
            ),
            (
                "mask is missing",
                lambda x, q, k, v, m: exp_rows(x @ q @ (x @ k).T / root(q)) @ (x @ v),
            ),
            (
                "√d_model",
                lambda x, q, k, v, m: (
                    exp_rows(masked(x @ q @ (x @ k).T / root(x), m)) @ (x @ v)
                ),
            ),
            (
                "words themselves",
                lambda x, q, k, v, m: (
                    exp_rows(masked(x @ q @ (x @ k).T / root(q), m)) @ x
                ),
            ),
            (
                "these are the weights",
                lambda x, q, k, v, m: exp_rows(masked(x @ q @ (x @ k).T / root(q), m)),
            ),
            (
                "in place of the values",
                lambda x, q, k, v, m: right("self-attention", x, q, k, k, m),
            ),
            ("swapped", lambda x, q, k, v, m: right("self-attention", x, k, q, v, m)),
            (
                "turned round",
                lambda x, q, k, v, m: right("self-attention", x, q, k, v, ~m),
            ),
            (
                "not divided by √d_k",
                lambda x, q, k, v, m: right("self-attention", x, q * root(q), k, v, m),
            ),
            *[
                (
                    says,
                    lambda x, q, k, v, m, by=by: right(
                        "self-attention", x, q * root(q) / by(x, q, v), k, v, m
                    ),
                )
                for says, by in {
                    "divided by d_k": lambda x, q, v: q.shape[1],
                    "√d_v": lambda x, q, v: root(v),
                    "√n": lambda x, q, v: len(x) ** 0.5,
                }.items()
            ],
            *[
                (
                    says,
                    lambda x, q, k, v, m, weigh=weigh: (
                        weigh(x @ q @ (x @ k).T / root(q), m) @ (x @ v)
                    ),
                )
                for says, weigh in WEIGHED.items()
            ],
        ],
    ),
    "maps": Answers(
        right=maps,
        wrong=[
            (
                "begins at column i",
                lambda x, q, k, h, m: np.stack(
                    [
                        exp_rows(masked(x @ a @ (x @ b).T / root(a), m))
                        for a, b in [
                            [w[:, i : i + w.shape[1] // h] for w in (q, k)]
                            for i in range(h)
                        ]
                    ]
                ),
            ),
            ("averaged", lambda *a: maps(*a).mean(axis=0)),
            ("is missing", lambda x, q, k, h, m: maps(x, q, k, h, np.ones_like(m))),
            ("swapped", lambda x, q, k, h, m: maps(x, k, q, h, m)),
            (
                "√d_model",
                lambda x, q, k, h, m: maps(
                    x, q * (q.shape[1] / h / x.shape[1]) ** 0.5, k, h, m
                ),
            ),
            *[
                (
                    says,
                    lambda x, q, k, h, m, by=by: maps(x, q / by(x, q, h), k, h, m),
                )
                for says, by in WRONG_SCALES.items()
            ],
            ("turned round", lambda x, q, k, h, m: maps(x, q, k, h, ~m)),
            (
                "not divided by √d_k",
                lambda x, q, k, h, m: maps(x, q * (q.shape[1] / h) ** 0.5, k, h, m),
            ),
            ("reshape without transpose", lambda *a: reshaped(*a)[0]),
            (
                "every h-th column",
                lambda x, q, k, h, m: maps(x, dealt(q, h), dealt(k, h), h, m),
            ),
            ("written as 2", lambda x, q, k, h, m: maps(x, q, k, 2, m)),
            ("written as 2", lambda *a: maps(*a)[:2]),
            ("maps are divided", lambda x, q, k, h, m: maps(x, q, k, h, m) / h),
            (".T turns all axes round", transposed),
            *[
                (says, lambda *a, weigh=weigh: maps(*a, weigh=weigh))
                for says, weigh in WEIGHED.items()
            ],
        ],
    ),
    "batch split": Answers(
        right=lambda x, h: np.stack(np.split(x, h, axis=-1), axis=-3),
        wrong=[
            ("cuts rows", lambda x, h: x.reshape(h, len(x), -1)),
            ("come behind the words", lambda x, h: x.reshape(*x.shape[:-1], h, -1)),
            (
                "every h-th number",
                lambda x, h: np.stack([x[..., i::h] for i in range(h)], axis=-3),
            ),
            (
                "written as 2",
                lambda x, h: np.stack(np.split(x, h, axis=-1)[:2], axis=-3),
            ),
            (
                "right for one sentence",
                lambda x, h: x.reshape(*x.shape[:-1], h, -1).swapaxes(0, 1),
            ),
            ("*front, n, width = x.shape takes any", split_of_lesson_4),
            ("about what split_heads does", lambda x, h: split_heads(x, h)),
        ],
    ),
    "batch merge": Answers(
        right=lambda z: np.concatenate(np.moveaxis(z, -3, 0), axis=-1),
        wrong=[
            ("without a transpose", lambda z: z.reshape(z.shape[1], -1)),
            (
                "below each other",
                lambda z: np.concatenate(np.moveaxis(z, -3, 0), axis=-2),
            ),
            ("averaged", lambda z: z.mean(axis=-3)),
            ("added up", lambda z: z.sum(axis=-3)),
            (
                "alternate",
                lambda z: np.moveaxis(z, -3, -1).reshape(
                    *z.shape[:-3], z.shape[-2], -1
                ),
            ),
            (
                "only the first two",
                lambda z: np.concatenate(np.moveaxis(z, -3, 0)[:2], axis=-1),
            ),
            ("right for one sentence", lambda z: np.hstack(list(z))),
            ("*front, n, width = x.shape takes any", merge_of_lesson_4),
        ],
    ),
    "grouped layer": Answers(
        right=grouped,
        wrong=[
            ("the words x are added", lambda x, *a: grouped(x, *a) + x),
            (
                "dealt out in turn",
                lambda *a: grouped(*a, shared=lambda i: i % a[6]),
            ),
            (
                "keys are shared in turn",
                lambda *a: grouped(
                    *a, shared=(lambda i: i % a[6], lambda i: i // (a[5] // a[6]))
                ),
            ),
            (
                "values are shared in turn",
                lambda *a: grouped(
                    *a, shared=(lambda i: i // (a[5] // a[6]), lambda i: i % a[6])
                ),
            ),
            ("read the first", lambda *a: grouped(*a, shared=lambda i: 0)),
            (
                "in the wrong order",
                lambda *a: grouped(*a, shared=lambda i: a[6] - 1 - i // (a[5] // a[6])),
            ),
            ("rows are cut", grouped_rows),
            (
                "every h-th column",
                lambda x, q, k, v, w, h, g, m: grouped(
                    x, dealt(q, h), dealt(k, g), dealt(v, g), w, h, g, m
                ),
            ),
            ("left out", lambda *a: grouped(*a[:4], np.eye(len(a[4])), *a[5:])),
            ("output is divided", lambda *a: grouped(*a) / a[5]),
            (
                "maps are averaged",
                lambda x, q, k, v, w, h, g, m: (
                    np.hstack(
                        list(
                            maps(x, q, spread(k, h, g), h, m).mean(0)
                            @ cut(x @ spread(v, h, g), h)
                        )
                    )
                    @ w
                ),
            ),
            *[
                (
                    says,
                    lambda x, q, k, v, w, h, g, m, by=by: grouped(
                        x,
                        q * (q.shape[1] / h) ** 0.5 / by(x, q, k, h),
                        *(k, v, w, h, g, m),
                    ),
                )
                for says, by in {
                    "not divided by √d_k": lambda *a: 1,
                    "√d_model": lambda x, *a: root(x),
                    "W_K's width over num_heads": (
                        lambda x, q, k, h: (k.shape[1] / h) ** 0.5
                    ),
                    "divided by d_k": lambda x, q, k, h: q.shape[1] / h,
                    "√(h·d_k)": lambda x, q, *a: root(q),
                }.items()
            ],
            ("mask is missing", lambda *a: grouped(*a[:7], a[7] | True)),
            *[
                (says, lambda *a, weigh=weigh: grouped(*a, weigh=weigh))
                for says, weigh in WEIGHED.items()
            ],
        ],
    ),
    "layer": Answers(
        right=layer,
        wrong=[
            ("the words x are added", lambda x, *a: layer(x, *a) + x),
            ("left out", lambda *a: layer(*a[:4], np.eye(len(a[4])), *a[5:])),
            ("W_O is transposed", lambda *a: layer(*a[:4], a[4].T, *a[5:])),
            ("one head with all columns", lambda *a: layer(*a[:5], 1, a[6])),
            ("in place of the values", lambda x, q, k, v, *a: layer(x, q, k, k, *a)),
            ("swapped", lambda x, q, k, v, *a: layer(x, k, q, v, *a)),
            (
                "not divided by √d_k",
                lambda x, q, k, v, w, h, m: layer(
                    x, q * root(q) / h**0.5, k, v, w, h, m
                ),
            ),
            (
                "√d_model",
                lambda x, q, k, v, w, h, m: layer(
                    x, q * (q.shape[1] / h / x.shape[1]) ** 0.5, k, v, w, h, m
                ),
            ),
            *[
                (
                    says,
                    lambda x, q, k, v, w, h, m, by=by: layer(
                        x, q / by(x, q, h), k, v, w, h, m
                    ),
                )
                for says, by in WRONG_SCALES.items()
            ],
            (
                "on the way out",
                lambda x, q, k, v, w, h, m: (
                    (maps(x, q, k, h, m) @ np.stack(columns(x @ v, h))).reshape(
                        len(x), -1
                    )
                    @ w
                ),
            ),
            ("turned round", lambda *a: layer(*a[:6], ~a[6])),
            (
                "every h-th column",
                lambda x, q, k, v, w, h, m: layer(
                    x, dealt(q, h), dealt(k, h), dealt(v, h), w, h, m
                ),
            ),
            (
                "alternate before W_O",
                lambda x, q, k, v, w, h, m: layer(x, q, k, v, dealt(w.T, h).T, h, m),
            ),
            ("written as 2", lambda *a: layer(*a[:5], 2, a[6])),
            ("output is divided", lambda *a: layer(*a) / a[5]),
            (
                "maps are averaged",
                lambda x, q, k, v, w, h, m: (
                    np.hstack(list(maps(x, q, k, h, m).mean(0) @ cut(x @ v, h))) @ w
                ),
            ),
            (
                "√d_v",
                lambda x, q, k, v, w, h, m: layer(
                    x, q * root(q) / root(v), k, v, w, h, m
                ),
            ),
            (
                "W_O is transposed",
                lambda x, q, k, v, w_o, h, m: (
                    layer(x, q, k, v, np.eye(len(w_o)), h, m) @ w_o.T
                ),
            ),
            *[
                (says, lambda *a, weigh=weigh: layer(*a, weigh=weigh))
                for says, weigh in WEIGHED.items()
            ],
            ("mask is missing", lambda *a: layer(*a[:6], a[6] | True)),
            (
                "on the way in",
                lambda x, q, k, v, w, h, m: (
                    np.hstack(list(reshaped(x, q, k, h, m, v)[1])) @ w
                ),
            ),
            (
                "both reshapes",
                lambda x, q, k, v, w, h, m: (
                    reshaped(x, q, k, h, m, v)[1].reshape(len(x), -1) @ w
                ),
            ),
        ],
    ),
}


WITH_ONE_ANSWER = [n for n, it in EXERCISES.items() if isinstance(it, Exercise)]
WITH_MISTAKES = pytest.mark.parametrize("exercise", WITH_ONE_ANSWER)
careless = pytest.mark.filterwarnings(  # a learner's 0/0 and e^1000
    "ignore::RuntimeWarning"
)


def test_every_exercise_has_answers_here():
    assert set(ANSWERS) == set(EXERCISES)
    assert all(answers.wrong for answers in ANSWERS.values())


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_right_answer_is_right(exercise, capsys):
    check(exercise, ANSWERS[exercise].right)
    assert capsys.readouterr().out.startswith("Right")


@careless
@pytest.mark.parametrize(
    ("exercise", "says", "answer"),
    [(name, *wrong) for name, answers in ANSWERS.items() for wrong in answers.wrong],
)
def test_each_mistake_is_called_by_its_name(exercise, says, answer, capsys):
    check(exercise, answer)
    said = capsys.readouterr().out
    assert says in said
    assert not said.startswith("Right")


@careless
@WITH_MISTAKES
def test_every_mistake_has_a_wrong_answer_here(exercise, capsys):
    for _, answer in ANSWERS[exercise].wrong:
        check(exercise, answer)
    said = capsys.readouterr().out
    assert not [it for it in EXERCISES[exercise].mistakes if it not in said]


@careless
@WITH_MISTAKES
def test_no_mistake_is_taken_for_another(exercise, capsys):
    task = EXERCISES[exercise]
    for message, ways in task.mistakes.items():
        for way in ways if isinstance(ways, tuple) else (ways,):
            assert task.verdict(partial(_run, way, closed={})) == (
                f"Not yet: {message}"
            )


@WITH_MISTAKES
def test_inputs_are_several_and_begin_with_the_smallest(exercise):
    inputs = EXERCISES[exercise].inputs
    sizes = [[np.shape(given) or given for given in arguments] for arguments in inputs]
    assert len({repr(arguments) for arguments in inputs}) == len(inputs) > 1
    assert sizes[0] <= sizes[1]


def test_what_lesson_2_mixes_is_shared_out_as_attention_is():
    shares, unmix = EXERCISES["shares"], EXERCISES["unmix"]
    found = [shares.right(*given) for given in shares.inputs]
    for rows in (*found, *(mix for mix, _ in unmix.inputs)):
        assert (rows > 0).all()
        np.testing.assert_allclose(rows.sum(axis=-1), 1)


def test_in_lesson_7_rows_add_up_to_1_and_no_piece_is_of_two_words():
    inputs = EXERCISES["word map"].inputs + EXERCISES["targets"].inputs
    for weights, *members in inputs:
        np.testing.assert_allclose(weights.sum(axis=-1), 1)
        assert all((of_a_word.sum(axis=0) <= 1).all() for of_a_word in members)


@pytest.mark.parametrize("exercise", ["softmax", "masked weights"])
def test_mistakes_are_tried_without_a_warning(exercise, capsys):
    check(exercise, lambda *given: right(exercise, *given) + 1)
    assert "should be" in capsys.readouterr().out


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_a_lesson_checks_its_exercises_in_their_order(path):
    lesson = import_module(f"mha_utils.exercises.lesson_{int(path.stem[:2])}").EXERCISES
    cells = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
    checked = [
        re.fullmatch(r'check\("(.*)", (.*)\)', source).groups()
        for name, source in cells.items()
        if re.fullmatch(r"exercise-\d+-check", name)
    ]
    assert [name for name, _ in checked] == list(lesson)
    for number, (name, stub) in enumerate(checked, start=1):
        assert lesson[name] is EXERCISES[name]
        (given,) = re.findall(
            rf"^def {stub}\((.*)\):", cells[f"exercise-{number}"], re.MULTILINE
        )
        if isinstance(lesson[name], Exercise):  # named as in its stub
            assert ", ".join(inspect.signature(lesson[name].right).parameters) == given


def test_another_word_with_the_same_features_is_right(capsys):
    check("new word", lambda: {"wug": sentences.LEXICON["dog"]})
    assert capsys.readouterr().out.startswith("Right")


def test_a_changed_argument_is_noticed(capsys):
    def answer(q, k):
        q /= root(k)
        return exp_rows(q @ k.T)

    check("weights", answer)
    assert "changes its argument query in place" in capsys.readouterr().out


def test_the_line_that_raised_is_shown(capsys):
    def answer(q, k):
        return q @ k  # the transpose is missing

    check("causal weights", lambda q, k: answer(q, np.ones((5, 3))))
    said = capsys.readouterr().out
    assert "ValueError" in said
    assert "return q @ k  # the transpose is missing" in said
    assert "query (2, 3), key (2, 3)." in said


def test_an_argument_that_became_a_ragged_list_is_told(capsys):
    def answer(query, key):
        query = [query, [1.0]]
        return query.T @ key

    check("weights", answer)
    said = capsys.readouterr().out
    assert "By then query is a list whose parts differ in length" in said


def test_an_interrupted_loop_says_where_it_was(capsys):
    def answer(q, k):
        raise KeyboardInterrupt  # as Interrupt Kernel does in an endless loop

    check("weights", answer)
    said = capsys.readouterr().out
    assert said.startswith("Stopped: your function was still running")
    assert "raise KeyboardInterrupt  # as" in said


def my_weights_to_come(query, key, mask):
    return None


def test_an_own_function_that_returned_nothing_is_named(capsys):
    def answer(x, w_q, w_k, w_v, mask):
        return my_weights_to_come(x @ w_q, x @ w_k, mask) @ (x @ w_v)

    check("self-attention", answer)
    said = capsys.readouterr().out
    assert "Your my_weights_to_come returned nothing: is it still to be wri" in said
    check("masked weights", lambda *given: my_weights_to_come(*given))
    said = capsys.readouterr().out
    assert said.startswith("Your turn: the function returns nothing yet. Your my_weig")


def test_only_own_functions_that_returned_nothing_are_named(capsys):
    def fails(query):
        raise ValueError("no")

    check("weights", lambda q, k: fails(q))
    check("weights", lambda q, k: sum(row for row in q) @ k)
    check("weights", lambda q, k: None)
    assert "returned nothing" not in capsys.readouterr().out


def test_a_result_instead_of_a_function(capsys):
    check("weights", np.ones(2))
    assert "the function itself" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "is_short"),
    [
        ("s / s.sum(axis=1)", True),
        ("s - s.max(-1)", True),
        ("(s.argmax(axis=1) == s[0, :3]).mean()", False),  # (4,) and (3,)
        ("np.where(s[0], s[:, :3], s[:2]).sum(axis=0)", False),  # three arrays
        ("s * s[:, :3].sum(axis=0)", False),  # (4, 5) and (3,)
    ],
)
def test_keepdims_is_named_only_where_it_helps(line, is_short, capsys):
    namespace = {"np": np}
    exec(f"def answer(query, key, s=np.ones((4, 5))): return {line}", namespace)
    linecache.cache["<string>"] = (len(line), None, [line], "<string>")
    check("weights", namespace["answer"])
    said = capsys.readouterr().out
    assert "broadcast" in said
    assert ("keepdims" in said) == is_short


NO_MATMUL = "matmul: Input operand 1 has a mismatch in its core dimension 0"
ONE_SHORT = "operands could not be broadcast together with shapes (4,5) (4,)"


@pytest.mark.parametrize(
    ("message", "line", "axes"),
    [
        (ONE_SHORT, "a - b", 2),
        (NO_MATMUL, "a @ b", 3),
        (NO_MATMUL, "a.T @ b", 2),
        ("could not convert", "a.T + b", 3),
        (NO_MATMUL, "query @ key.T", 2),
        ("could not convert", "query * key", 2),
        (NO_MATMUL, "z @ w_o", 2),
        ("could not convert", "z * w_o.T", 2),
        ("too many values to unpack (expected 2)", "n, d = a", 2),
        ("could not convert", "n, d = a.shape", 2),
        ("setting an array element: inhomogeneous shape", "np.array(rows)", 2),
        ("could not convert", "attention(query, key)", 2),
    ],
)
def test_no_hint_is_given_where_half_of_it_fits(message, line, axes):
    assert _hints(message, line, {"a": np.ones((2,) * axes)}) == []


def test_whole_numbers_are_no_rounded_ones(capsys):
    check("without", lambda *_: 0.0)
    said = capsys.readouterr().out
    assert "should be 0.425 and is 0.000" in said


def test_an_unknown_exercise():
    with pytest.raises(ValueError, match="there is weights, causal weights, determ"):
        check("wieghts", print)


def test_nan_where_a_zero_belongs_is_no_right_answer(capsys):
    """A forbidden word has the weight 0; a NaN there is a mistake, if a small one."""

    def answer(q, k):
        weights = exp_rows(masked(q @ k.T / root(k), causal_mask(len(q))))
        return np.where(weights == 0, np.nan, weights)

    check("causal weights", answer)
    assert "there is NaN in the result" in capsys.readouterr().out


def solutions():
    """Yield each exercise with its folded solution, and the names it may use."""
    for path in NOTEBOOKS[1:]:
        cells = {c.id: c.source for c in nbformat.read(path, as_version=4).cells}
        known = {"np": np, "causal_mask": causal_mask}
        known["scaled_dot_product_attention"] = scaled_dot_product_attention
        for number in count(1):
            if f"exercise-{number}" not in cells:
                break
            (name,) = re.findall(r'check\("(.*?)"', cells[f"exercise-{number}-check"])
            text = cells[f"exercise-{number}-solution"]
            source = re.search(r"```python\n(.*?)```", text, re.S)[1]
            if isinstance(EXERCISES[name], Exercise):
                exec(source, known)  # the notebook's own
                yield pytest.param(
                    name, source, dict(known), id=f"{path.stem[:2]}-{name}"
                )


class Mutants(ast.NodeTransformer):
    """Count the places of a function where a fault fits, or put one fault in."""

    def __init__(self, arguments, sizes, chosen=None):
        self.arguments, self.sizes, self.chosen = arguments, sizes, chosen
        self.count = 0

    def offer(self, node, sources):
        """Put in place of `node` what was chosen, if it is among these."""
        for source in sources:
            if self.count == self.chosen:
                node = ast.parse(source, mode="eval").body
            self.count += 1
        return node

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            return node
        name = node.id
        if name in self.sizes:
            others = [size for size in self.sizes if size != name]
            return self.offer(node, [*others, f"_first({name!r}, {name})", "1"])
        if name in self.arguments:
            others = [it for it in self.arguments if it != name]
            ways = [f"np.ones_like({name})", f"-1 * {name}", f"{name}[::-1]"]
            return self.offer(node, [*others, *ways])
        return node

    def visit_Constant(self, node):
        if type(node.value) not in (int, float):
            return node
        large = abs(node.value) > 100  # one more of 10,000 would be right to 4 digits
        one_off = [node.value + 1, node.value - 1]
        return self.offer(node, map(repr, [2 * node.value] if large else one_off))

    def visit_Subscript(self, node):
        node = self.generic_visit(node)
        text = ast.unparse(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        if ".shape[" not in text:
            return self.offer(node, [ast.unparse(node.value)])
        array = text.split(".shape")[0]
        ways = [f"{a}.shape[{i}]" for a in {array, *self.arguments} for i in (0, -1)]
        constant = f"_first({text!r}, {text})"
        return self.offer(node, [*sorted(set(ways) - {text}), constant, "1"])

    def visit_BinOp(self, node):
        node = self.generic_visit(node)
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        other = [sign for sign in "+-*/" if not isinstance(node.op, SIGNS[sign])]
        ways = [f"({left}) {sign} ({right})" for sign in other]
        return self.offer(node, [*ways, left, right, f"({right}) @ ({left})"])

    def visit_UnaryOp(self, node):
        node = self.generic_visit(node)
        return self.offer(node, [ast.unparse(node.operand)])

    def visit_Compare(self, node):
        node = self.generic_visit(node)
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        ways = [f"({left}) {sign} ({right})" for sign in ("<", "<=", "==", "!=", ">")]
        return self.offer(node, [way for way in ways if way != ast.unparse(node)])

    def visit_IfExp(self, node):
        node = self.generic_visit(node)
        return self.offer(node, [ast.unparse(node.body), ast.unparse(node.orelse)])

    def visit_Call(self, node):
        node = self.generic_visit(node)
        text = ast.unparse(node)
        ways = [
            text[: found.start(1)] + str(axis) + text[found.end(1) :]
            for found in re.finditer(r"axis=(-?\d)", text)
            for axis in (0, 1, 2, -1, -2)
        ]
        ways += [
            re.sub(r"swapaxes\(.*?\)", f"swapaxes{pair}", text)
            for pair in ((0, 1), (0, -1), (1, 2), (-1, -2), (0, 0))
            if "swapaxes" in text
        ]
        ways += [text.replace(", keepdims=True", "")] if "keepdims" in text else []
        name = ast.unparse(node.func)
        for *front, last in [name.split(".")]:
            ways += [
                ".".join([*front, other]) + text[len(name) :]
                for alike in ALIKE
                for other in alike
                if last in alike
            ]
        if isinstance(node.func, ast.Attribute):
            ways.append(ast.unparse(node.func.value))  # the step is left out
        ways += [ast.unparse(it) for it in node.args if not isinstance(it, ast.Starred)]
        return self.offer(node, [way for way in ways if way != text])


ALIKE = [  # what may be taken for each other
    {"max", "min", "sum", "mean", "argmax", "cumsum"},
    {"exp", "log", "log2", "sqrt", "abs", "square"},
    {"sin", "cos"},
    {"stack", "hstack", "vstack", "concatenate", "dstack", "sum"},
    {"zeros", "ones"},
    {"argmax", "argmin"},
    {"repeat", "tile"},
]
ALIKE = [sorted(alike) for alike in ALIKE]  # in one order every time
SIGNS = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div}


def mutants(name, source, pairs):
    """Yield functions with one fault each, then so many with two, and their text."""
    function = ast.parse(source).body[0]
    arguments = [argument.arg for argument in function.args.args]
    sizes = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and ".shape" in ast.unparse(node.value)
        for target in ast.walk(node.targets[0])
        if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
    }
    numbers = {"num_heads", "num_kv_heads", "d_model"}
    sizes = sorted(sizes | (numbers & set(arguments)))

    def put(function, choose):
        total = Mutants(arguments, sizes)
        total.visit(copy.deepcopy(function))
        for chosen in choose(range(total.count)):
            yield Mutants(arguments, sizes, chosen).visit(copy.deepcopy(function))

    rng, seen = random.Random(0), set()
    single = list(put(function, iter))
    some = rng.choices(single, k=pairs)
    double = (it for one in some for it in put(one, lambda all_: [rng.choice(all_)]))
    for mutant in chain(single, double):
        module = ast.fix_missing_locations(ast.Module([mutant], []))
        if (text := ast.unparse(module)) not in seen:
            seen.add(text)
            with warnings.catch_warnings(action="ignore"):  # that 2[0] cannot be
                yield text, compile(text, f"<{name}>", "exec")


def made(code, known):
    """Return the function; what it hard-codes is the size it saw first."""
    first = {}
    known = {**known, "_first": lambda what, size: first.setdefault(what, size)}
    exec(code, known)
    return known[code.co_consts[0].co_name]


def fresh(name, seed):
    """Return other inputs of an exercise, in its shapes but of other sizes."""
    rng = np.random.default_rng(seed)
    n, d, d_k, d_v, h = (int(i) for i in rng.permutation([3, 4, 5, 6, 8]))

    def normal(*shape):
        return rng.normal(size=shape)

    def maps(*shape):
        return exp_rows(3 * rng.normal(size=shape))

    def mask(n_q, n_k):
        allowed = rng.random((n_q, n_k)) < 0.5
        allowed[np.arange(n_q), rng.integers(n_k, size=n_q)] = True
        return allowed

    flat = [normal(d, h * d_k), normal(d, h * d_k), normal(d, h * d_v)]
    front = [(), (2,), (3, 2)][seed % 3]
    g, group = (int(i) for i in rng.permutation([2, 3]))
    links = rng.integers(n, size=(d, 2))
    pieces = np.eye(n, dtype=int)[rng.integers(n, size=2 * n)].T
    return {
        "weights": lambda: (normal(n, d_k), normal(d, d_k)),
        "causal weights": lambda: (normal(n, d_k), normal(n, d_k)),
        "masked weights": lambda: (
            normal(*front, n, d_k), normal(*front, d, d_k), mask(n, d)
        ),
        "shares": lambda: (maps(3) @ (corners := normal(3, 2)), corners),
        "loss": lambda: (rng.random((n, d)) + 0.1, rng.random((n, d)) + 0.1),
        "unmix": lambda: (exp_rows(3 * normal(2, 2)), normal(2, n, d_v)),
        "heads": lambda: (
            normal(n, d), normal(h, d, d_k), normal(h, d, d_k), normal(h, d, d_v)
        ),
        "cached step": lambda: (
            normal(h, d_k), normal(h, d_k), normal(h, d_v), normal(h, n, d_k),
            normal(h, n, d_v),
        ),
        "shared heads": lambda: (
            normal(n, d), normal(2 * h, d, d_k), normal(h, d, d_k), normal(h, d, d_v)
        ),
        "turn": lambda: (normal(n, 2 * d), rng.integers(20, size=n)),
        "concatenate": lambda: (normal(h, n, d_v),),
        "contributions": lambda: (normal(h, n, d_v), normal(h * d_v, d)),
        "split": lambda: (normal(n, h * d_k), h),
        "mass": lambda: (maps(h, n, n), links),
        "hits": lambda: (maps(h, n, n), links),
        "ablation": lambda: (normal(h, n, d), rng.random(h) < 0.5),
        "parameters": lambda: (h * d_k, h),
        "likeness": lambda: (maps(h, n, n),),
        "word map": lambda: (maps(2 * n, 2 * n), pieces[pieces.sum(axis=1) > 0]),
        "targets": lambda: (maps(n + 2, n + 2),),
        "followers": lambda: (np.array([0, *rng.integers(1, 5, n + 4)]),),
        "surprise": lambda: (maps(n, d), rng.integers(0, d, n)),
        "without": lambda: (
            normal(9 * n, d), normal(h, 9 * n, d), h - 2, normal(d, d_k),
            rng.integers(0, d_k, 9 * n),
        ),
        "softmax": lambda: (
            [normal(n, d), normal(h, n, d) * 500, normal(n, d) * 3000][seed % 3],
        ),
        "self-attention": lambda: (
            normal(n, d), normal(d, d_k), normal(d, d_k), normal(d, d_v), mask(n, n)
        ),
        "batch split": lambda: (normal(*front, n, h * d_k), h),
        "batch merge": lambda: (normal(*front, h, n, d_v),),
        "maps": lambda: (normal(n, d), flat[0] / 2, flat[1] / 2, h, mask(n, n)),
        "grouped layer": lambda: (
            normal(n, d), normal(d, g * group * d_k) / 2, normal(d, g * d_k) / 2,
            normal(d, g * d_v), normal(g * group * d_v, d), g * group, g, mask(n, n),
        ),
        "layer": lambda: (
            normal(n, d), flat[0] / 2, flat[1] / 2, flat[2], normal(h * d_v, d), h,
            mask(n, n),
        ),
    }[name]()  # fmt: skip


def is_right(name, function):
    """Whether a function does the exercise on other inputs than the check's."""
    smallest = EXERCISES[name].inputs[0]
    for arguments in [smallest, *(fresh(name, seed) for seed in range(6))]:
        arguments = copy.deepcopy(arguments)
        expected = EXERCISES[name].right(*arguments)
        try:
            value = np.asarray(function(*arguments))
        except Exception:  # whatever a mutant raises
            return False
        if value.shape != expected.shape or value.dtype.kind not in "fiu":
            return False
        if not np.allclose(value, expected, 1e-4, 1e-6):
            return False
    return True


@careless
@pytest.mark.parametrize(("name", "source", "known"), solutions())
def test_no_mutant_of_a_solution_is_right(name, source, known, capsys):
    tried, passed = 0, []
    for text, code in mutants(name, source, settings.default.max_examples // 4):
        if is_right(name, made(code, known)):
            continue
        tried += 1
        check(name, made(code, known))
        if capsys.readouterr().out.startswith("Right"):
            passed.append(text)
    print(f"{tried} wrong answers to {name}")  # shown by -rP, for the larger profile
    assert tried
    assert not passed, "\n\n".join(passed)


def random_entries(rng):
    """Yield features of wug, and whether they are those of one small living thing."""
    all_ = list(sentences.FEATURES)
    wanted = {"noun", "subject", "singular", "animate", "it"}
    while True:
        said = wanted ^ set(rng.choice(all_, rng.integers(4), replace=False).tolist())
        yield {"wug": " ".join(rng.permutation(sorted(said)))}, said == wanted


def random_determiners(rng):
    """Yield a W_Q, and whether nouns give more than 0.9 to determiners by it."""
    while True:
        w_q = rng.normal(size=(4, 4)) * rng.choice([1, 5, 20])
        to_kinds = np.exp(w_q[1] / 2) * [2, 2, 1, 1]  # two words are determiners
        yield w_q, to_kinds[0] / to_kinds.sum() > 0.9


def random_steps(rng):
    """Yield a W_Q that looks some way back or ahead, and whether it is two back."""
    while True:
        back, scale = rng.choice([2, rng.integers(-9, 10)]), rng.choice([0.02, 1, 3])
        w_q, sign = turned(back, scale), rng.choice([-1, 1, 1])  # -: from there away
        w_q[:16] = rng.normal(size=(16, 8)) * rng.choice([0, 1e-3])
        yield sign * w_q, back == 2 and scale >= 1 and sign == 1


@pytest.mark.parametrize(
    ("exercise", "answers"),
    [
        ("new word", random_entries),
        ("determiners", random_determiners),
        ("two back", random_steps),
    ],
)
def test_what_is_judged_is_right_only_if_it_is(exercise, answers, capsys):
    n, found = settings.default.max_examples // 4, set()
    for answer, is_right in islice(answers(np.random.default_rng(0)), n):
        check(exercise, lambda answer=answer: answer)
        said = capsys.readouterr().out
        assert said.startswith("Right") == is_right, (answer, said)
        found.add(is_right)
    assert found == {True, False}


@pytest.mark.parametrize("exercise", ["new word", "determiners", "two back"])
def test_whatever_is_returned_is_judged_in_words(exercise, capsys):
    odd = ["word", 3, object(), [[1, 2], [3]], {"wug": 3}, {"wug": "\ud800"}, {3: 4}]
    for shape in ((4, 4), (24, 8)):
        odd += [np.full(shape, it) for it in (np.nan, np.inf, "a", 1j, None, 1e308)]
    for answer in odd:
        check(exercise, lambda answer=answer: answer)
        assert capsys.readouterr().out.startswith("Not yet: "), answer


@careless
@WITH_MISTAKES
def test_no_neighbours_mistake_is_right(exercise):
    task = EXERCISES[exercise]
    parameters = len(inspect.signature(task.right).parameters)
    for name, neighbour in EXERCISES.items():
        if (
            not isinstance(neighbour, Exercise)
            or len(neighbour.inputs[0]) != parameters
        ):
            continue
        for ways in [neighbour.right, *neighbour.mistakes.values()]:
            for way in ways if isinstance(ways, tuple) else (ways,):
                if name == exercise and way is task.right or is_right(exercise, way):
                    continue
                try:
                    said = task.verdict(partial(_run, way, closed={}))
                except NotYetError:
                    continue
                assert said.startswith("Not yet")


@pytest.mark.parametrize("exercise", ["masked weights", "self-attention", "layer"])
def test_masks_are_of_no_kind_and_leave_each_row_a_word(exercise):
    for *_, mask in EXERCISES[exercise].inputs:
        assert mask.any(axis=1).all()
        assert (mask != causal_mask(*mask.shape)).any()
        assert mask.shape[0] != mask.shape[1] or (mask != mask.T).any()


def test_later_inputs_of_a_layer_have_no_two_sizes_alike():
    for x, w_q, _, w_v, _, h, _ in EXERCISES["layer"].inputs[1:]:
        sizes = {h, *x.shape, w_q.shape[1] // h, w_v.shape[1] // h}
        assert len(sizes) == 5
        assert h > 2


def test_the_grouped_layer_is_the_package_s():
    for x, w_q, w_k, w_v, w_o, h, g, mask in EXERCISES["grouped layer"].inputs:
        matrices = (split_heads(w, many) for w, many in ((w_q, h), (w_k, g), (w_v, g)))
        package = MultiHeadAttention(*matrices, w_o)
        expected = EXERCISES["grouped layer"].right(x, w_q, w_k, w_v, w_o, h, g, mask)
        np.testing.assert_allclose(package(x, mask=mask)[0], expected)


def test_a_layer_of_pytorch_is_checked(capsys):
    torch = pytest.importorskip("torch")

    def answer(x, w_q, w_k, w_v, w_o, num_heads, mask):
        x, w_q, w_k, w_v, w_o = (
            torch.tensor(a, requires_grad=True) for a in (x, w_q, w_k, w_v, w_o)
        )
        query, key, value = (
            (x @ w).view(len(x), num_heads, -1).transpose(0, 1) for w in (w_q, w_k, w_v)
        )
        z = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, torch.tensor(mask)
        )
        return z.transpose(0, 1).flatten(1) @ w_o

    check("layer", answer)
    check("layer", lambda *given: answer(*given).float())
    check("layer", lambda *given: answer(*given).half())
    check("layer", lambda *given: answer(*given).bfloat16())
    check("layer", lambda *given: answer(*given[:6], ~given[6]))
    check("determiners", lambda: torch.tensor(determiners(), requires_grad=True))
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["Right.", "Right."]
    assert "float16" in said[2]
    assert "Return it as .double()" in said[3]
    assert "turned round" in said[4]
    assert said[5].startswith("Right")


def test_yours_is_used_if_it_is_right(capsys):
    def my_split(x, num_heads):
        return x.reshape(*x.shape[:-1], num_heads, -1).swapaxes(-3, -2)

    assert yours_or_ours("batch split", my_split) is my_split
    assert capsys.readouterr().out == "my_split is right, so it is used here.\n"


@careless
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x, h: None, "Your turn: the function returns nothing yet."),
        (split_of_lesson_4, "too many values to unpack"),
        (lambda x, h: x, "has shape (2, 12), not (3, 2, 4)"),
        (lambda x, h: x.reshape(*x.shape[:-1], h, -1), "come behind the words"),
        (lambda x, h: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_ours_stands_in_if_yours_is_not(answer, says, capsys):
    answer.__name__ = "my_split"
    used = yours_or_ours("batch split", answer)
    assert (used(np.ones((2, 6)), 3) == np.ones((3, 2, 2))).all()
    said = capsys.readouterr().out
    assert says in said
    assert said.endswith("\nThe package's function stands in for my_split.\n")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "Give the check the function itself"),
        (partial(split_of_lesson_4), "too many values to unpack"),
    ],
)
def test_an_answer_without_a_name_is_replaced_by_the_package(answer, says, capsys):
    assert yours_or_ours("batch split", answer) is EXERCISES["batch split"].right
    said = capsys.readouterr().out
    assert says in said
    assert said.endswith("\nThe package's function stands in for your answer.\n")


def test_a_function_for_no_exercise_is_refused():
    with pytest.raises(ValueError, match="no exercise 'splits'; there is weights"):
        yours_or_ours("splits", split_of_lesson_4)


def test_the_package_is_open_again_after_a_check(capsys):
    check("split", split_heads)
    assert "write it yourself" in capsys.readouterr().out
    assert split_heads(np.ones((2, 6)), 3).shape == (3, 2, 2)


@careless
@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_answer_comes_within_half_a_second(exercise, capsys):
    start = perf_counter()
    check(exercise, ANSWERS[exercise].right)
    check(exercise, lambda *given: right(exercise, *given) * 1.001)
    assert perf_counter() - start < 1  # both


@pytest.mark.parametrize(
    "short, gone", [((2, 4), True), ((2, 3), True), ((5, 4), False), ((2,), False)]
)
def test_an_axis_that_is_gone_is_told_by_the_shapes(short, gone):
    with pytest.raises(ValueError) as error:
        np.ones((2, 3, 4)) + np.ones(short)
    assert _is_one_axis_short(str(error.value)) == gone
