"""Lesson 9: one step with a cache, heads that share their keys, places as angles."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import MultiHeadAttention, positions, rotate, softmax
from mha_utils.exercises.kit import (
    Exercise,
    Way,
    attend_in_heads,
    sample,
    scale_mistakes,
    softmax_of_all,
)


def _step(
    query: NDArray, key: NDArray, value: NDArray, keys: NDArray, values: NDArray
) -> NDArray:
    """From one new word and what is kept of those before to its z, (h, d_v).

    The new word has a query and a key (h, d_k) and a value (h, d_v). Kept are keys (h,
    n, d_k) and values (h, n, d_v). The new word sees all of them and itself.
    """
    return _look(query, _behind(keys, key), _behind(values, value))


def _behind(kept: NDArray, new: NDArray) -> NDArray:
    return np.concatenate([kept, new[:, None]], axis=1)  # (h, n + 1, d)


def _weights(
    query: NDArray,
    keys: NDArray,
    *,
    scale: float | None = None,
    weigh: Callable = softmax,
) -> NDArray:
    scale = keys.shape[-1] ** -0.5 if scale is None else scale
    return weigh((keys @ query[..., None])[..., 0] * scale)  # (h, n)


def _look(query: NDArray, keys: NDArray, values: NDArray, **how: Any) -> NDArray:
    """Return z, with room for a mistake in scale and softmax."""
    return (_weights(query, keys, **how)[:, None] @ values)[:, 0]  # (h, d_v)


def _scaled_step(
    q: NDArray, k: NDArray, v: NDArray, ks: NDArray, vs: NDArray, *, scale: float
) -> NDArray:
    return _look(q, _behind(ks, k), _behind(vs, v), scale=scale)


def _in_place_of_the_last(kept: NDArray, new: NDArray) -> NDArray:
    return _behind(kept[:, :-1], new)


def _before(kept: NDArray, new: NDArray) -> NDArray:
    return np.concatenate([new[:, None], kept], axis=1)


STEP = Exercise(
    right=_step,
    inputs=[
        sample((2, 3), (2, 3), (2, 5), (2, 4, 3), (2, 4, 5)),
        sample((3, 4), (3, 4), (3, 2), (3, 6, 4), (3, 6, 2)),
        sample((4, 6), (4, 6), (4, 5), (4, 3, 6), (4, 3, 5)),
    ],
    mistakes={
        **scale_mistakes(
            _scaled_step,
            {
                "√d_v": lambda q, k, v, ks, vs: v.shape[-1] ** 0.5,
                "√n": lambda q, k, v, ks, vs: ks.shape[1] ** 0.5,
                "√(n + 1)": lambda q, k, v, ks, vs: (ks.shape[1] + 1) ** 0.5,
                "√h": lambda q, k, v, ks, vs: len(q) ** 0.5,
                "d_k": lambda q, k, v, ks, vs: k.shape[-1],
            },
        ),
        "the new word does not see itself. Put its key and value behind those kept.": (
            lambda q, k, v, ks, vs: _look(q, ks, vs)
        ),
        "the new word sees itself alone. Use what is kept, too.": (
            lambda q, k, v, ks, vs: v
        ),
        "the new word takes the place of the last one kept. It comes behind it.": (
            lambda q, k, v, ks, vs: _look(
                q, _in_place_of_the_last(ks, k), _in_place_of_the_last(vs, v)
            )
        ),
        "the key stands at one end and the value at the other. Both come last.": (
            lambda q, k, v, ks, vs: _look(q, _behind(ks, k), _before(vs, v)),
            lambda q, k, v, ks, vs: _look(q, _before(ks, k), _behind(vs, v)),
        ),
        "the new key asks. It is the query that asks, and keys are asked.": (
            lambda q, k, v, ks, vs: _step(k, k, v, ks, vs)
        ),
        "the query is put behind the keys. It is the new key that is kept.": (
            lambda q, k, v, ks, vs: _step(q, q, v, ks, vs)
        ),
        "these are the weights. They still have to weigh the values.": (
            lambda q, k, v, ks, vs: _weights(q, _behind(ks, k))
        ),
        "the weights of all heads together add up to 1. It must be those of each.": (
            lambda q, k, v, ks, vs: _look(
                q, _behind(ks, k), _behind(vs, v), weigh=softmax_of_all
            )
        ),
        "the keys are weighed in place of the values.": (
            lambda q, k, v, ks, vs: _look(q, _behind(ks, k), _behind(ks, k))
        ),
        "the heads are put side by side already. Keep them apart: (h, d_v).": (
            lambda *a: _step(*a).ravel()
        ),
        "there is one axis too many. One word is asked for: (h, d_v).": (
            lambda *a: _step(*a)[:, None]
        ),
        "the heads are averaged. Keep them apart: (h, d_v).": (
            lambda *a: _step(*a).mean(axis=0)
        ),
        "the heads are added up. Keep them apart: (h, d_v).": (
            lambda *a: _step(*a).sum(axis=0)
        ),
    },
    closed=(MultiHeadAttention.__init__,),
)


def _shared(x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray) -> NDArray:
    """From x (n, d), W_Q (h, d, d_k), W_K (g, d, d_k) and W_V (g, d, d_v) to z.

    Heads in turn share: of h query heads the first h // g read key/value head 0. The
    result is (h, n, d_v).
    """
    own = _own(w_q, w_k)
    return _shared_as(x, w_q, w_k, w_v, own, own)


def _own(w_q: NDArray, w_k: NDArray) -> NDArray:
    """Return for each query head its key/value head, (h,)."""
    return np.arange(len(w_q)) // (len(w_q) // len(w_k))


def _shared_as(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    keys: NDArray,
    values: NDArray,
    *,
    scale: float | None = None,
) -> NDArray:
    """Let query head i read key head keys[i] and value head values[i]."""
    return attend_in_heads(x, w_q, w_k[keys], w_v[values], scale=scale)


def _scaled_shared(
    x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray, *, scale: float
) -> NDArray:
    own = _own(w_q, w_k)
    return _shared_as(x, w_q, w_k, w_v, own, own, scale=scale)


def _read_as(choose: Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]) -> Way:
    """Share in another way: `choose(own, dealt)` gives key heads and value heads."""

    def way(x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray) -> NDArray:
        dealt = np.arange(len(w_q)) % len(w_k)
        return _shared_as(x, w_q, w_k, w_v, *choose(_own(w_q, w_k), dealt))

    return way


SHARED = Exercise(
    right=_shared,
    inputs=[
        sample((3, 5), (4, 5, 2), (2, 5, 2), (2, 5, 6)),
        sample((4, 7), (6, 7, 3), (2, 7, 3), (2, 7, 5)),
        sample((5, 3), (6, 3, 4), (3, 3, 4), (3, 3, 2)),
        sample((2, 6), (8, 6, 5), (4, 6, 5), (4, 6, 3)),
    ],
    mistakes={
        **scale_mistakes(
            _scaled_shared,
            {
                "√d_model": lambda x, q, k, v: x.shape[-1] ** 0.5,
                "√d_v": lambda x, q, k, v: v.shape[-1] ** 0.5,
                "d_k": lambda x, q, k, v: q.shape[-1],
            },
        ),
        "the heads are dealt out in turn, i % g. Neighbours share: i // (h // g).": (
            _read_as(lambda own, dealt: (dealt, dealt))
        ),
        "the keys are shared by neighbours, the values are dealt out in turn.": (
            _read_as(lambda own, dealt: (own, dealt))
        ),
        "the values are shared by neighbours, the keys are dealt out in turn.": (
            _read_as(lambda own, dealt: (dealt, own))
        ),
        "all heads read the first key/value head. There are g of them.": (
            _read_as(lambda own, dealt: (0 * own, 0 * own))
        ),
        "all heads use the first keys. Each group has its own.": (
            _read_as(lambda own, dealt: (0 * own, own))
        ),
        "all heads use the first values. Each group has its own.": (
            _read_as(lambda own, dealt: (own, 0 * own))
        ),
        "this is one head for each key/value head. All h query heads must answer.": (
            lambda x, q, k, v: attend_in_heads(x, q[: len(k)], k, v),
            lambda x, q, k, v: attend_in_heads(x, q[:: len(q) // len(k)], k, v),
        ),
        "the query heads of a group are the same. Each has its own W_Q.": (
            lambda x, q, k, v: _shared(x, q[_own(q, k) * (len(q) // len(k))], k, v)
        ),
        "the groups are still an axis of their own. Return (h, n, d_v).": (
            lambda x, q, k, v: _shared(x, q, k, v).reshape(
                len(k), -1, len(x), v.shape[-1]
            )
        ),
        "the heads are put side by side already. Keep them apart: (h, n, d_v).": (
            lambda *a: np.concatenate(list(_shared(*a)), axis=-1)
        ),
        "the heads are the second axis. They come first: (h, n, d_v).": (
            lambda *a: _shared(*a).swapaxes(0, 1)
        ),
        "the heads are averaged. Keep them apart: (h, n, d_v).": (
            lambda *a: _shared(*a).mean(axis=0)
        ),
        "the heads are added up. Keep them apart: (h, n, d_v).": (
            lambda *a: _shared(*a).sum(axis=0)
        ),
    },
    closed=(MultiHeadAttention.__init__,),
)


def _turn(x: NDArray, places: NDArray) -> NDArray:
    """From x (n, d) and a place for each word (n,) to x with its pairs turned, (n, d).

    Numbers 2i and 2i + 1 are turned by the place times 10000^(-2i/d).
    """
    return rotate(x, places)


def _turned_by(angle: Way) -> Way:
    """Turn pair i of a word at a place by `angle(place, i, d)`."""

    def way(x: NDArray, places: NDArray) -> NDArray:
        d = x.shape[-1]
        turn = angle(places[:, None], np.arange(d // 2), d) + np.zeros(d // 2)
        cosine, sine = np.cos(turn), np.sin(turn)
        even, odd = x[:, ::2], x[:, 1::2]
        pairs = [even * cosine - odd * sine, even * sine + odd * cosine]
        return np.stack(pairs, axis=-1).reshape(x.shape)

    return way


def _in_halves(x: NDArray, places: NDArray) -> NDArray:
    """Make a pair of numbers i and i + d/2. A mistake."""
    order = np.arange(x.shape[-1]).reshape(2, -1).T.ravel()
    return rotate(x[:, order], places)[:, order.argsort()]


def _overwritten(x: NDArray, places: NDArray) -> NDArray:
    """Compute odd numbers from even ones that are turned already. A mistake."""
    turned, d = rotate(x, places), x.shape[-1]
    angle = places[:, None] * 10000.0 ** (-np.arange(0, d, 2) / d)
    turned[:, 1::2] = turned[:, ::2] * np.sin(angle) + x[:, 1::2] * np.cos(angle)
    return turned


def _parts_apart(x: NDArray, places: NDArray) -> NDArray:
    turned = rotate(x, places)
    return np.concatenate([turned[:, ::2], turned[:, 1::2]], axis=1)


def _sinusoidal(x: NDArray, places: NDArray) -> NDArray:
    table = positions(1 + int(np.abs(places).max()), x.shape[-1])
    return x + table[np.abs(places).astype(int)]


TURN = Exercise(
    right=_turn,
    inputs=[
        (sample((3, 4))[0], np.array([1, 2, 5])),
        (sample((5, 6))[0], np.array([3, 0, 7, 20, 4])),
        (sample((4, 8))[0], np.array([9, 2, 6, 31])),
    ],
    mistakes={
        "the pairs are turned the other way: cos goes with −sin in the first number.": (
            _turned_by(lambda p, i, d: -p * 10000.0 ** (-2 * i / d))
        ),
        "all pairs turn at one speed. Pair i turns by 10000^(-2i/d) a place.": (
            _turned_by(lambda p, i, d: p)
        ),
        "the pairs slow down too little: the exponent is -2i/d, with the 2.": (
            _turned_by(lambda p, i, d: p * 10000.0 ** (-i / d))
        ),
        "the pairs slow down too fast: the exponent is -2i/d, with i from 0 to d/2.": (
            _turned_by(lambda p, i, d: p * 10000.0 ** (-4 * i / d)),
            _turned_by(lambda p, i, d: p * 10000.0 ** (-i)),
        ),
        "the pairs speed up: the exponent is -2i/d, with its minus.": (
            _turned_by(lambda p, i, d: p * 10000.0 ** (2 * i / d))
        ),
        "the pairs are counted from 1. The first turns by the place itself.": (
            _turned_by(lambda p, i, d: p * 10000.0 ** (-2 * (i + 1) / d))
        ),
        "the places are not used: the words are counted from 0.": (
            lambda x, places: rotate(x)
        ),
        "the places are counted from 1 more than they say.": (
            lambda x, places: rotate(x, places + 1)
        ),
        "the base is not 10000.": tuple(
            lambda x, places, base=base: rotate(x, places, base=base)
            for base in (1000.0, 100000.0)
        ),
        "a pair is numbers 2i and 2i + 1. Yours are i and i + d/2.": _in_halves,
        "sine and cosine are swapped.": (
            _turned_by(lambda p, i, d: np.pi / 2 - p * 10000.0 ** (-2 * i / d))
        ),
        "the first number of a pair is turned before the second one needs it.": (
            _overwritten
        ),
        "the turned numbers are sorted by halves. Put each back where it was.": (
            _parts_apart
        ),
        "this adds the positions of lesson 3. Here nothing is added, pairs turn.": (
            _sinusoidal
        ),
    },
    closed=(rotate,),
)

EXERCISES = {"cached step": STEP, "shared heads": SHARED, "turn": TURN}
