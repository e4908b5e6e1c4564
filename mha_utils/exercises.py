"""The exercises: right answers and well-known wrong ones.

Lesson 1 has *weights*, *causal weights* and *determiners*; lesson 2 *shares*, *loss*
and *unmix*; lesson 3 *heads*, *new word* and *two back*; lesson 4 *concatenate*,
*contributions* and *split*; lesson 5 *mass*, *hits* and *ablation*; lesson 6
*parameters* and *likeness*; lesson 7 *word map* and *targets*; lesson 8 *softmax*,
*masked weights*, *self-attention*, *split*, *maps*, *concatenate* and *layer*.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import (
    causal_mask,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from mha_utils.sentences import LEXICON, attend, hand_built_heads


class Exercise(NamedTuple):
    """An exercise with one right answer: a function of arrays."""

    right: Callable[..., NDArray]
    inputs: list[tuple]
    """The function is tried on each of these, the smallest first."""
    mistakes: dict[str, Callable[..., NDArray]]
    """What to tell the learner, and a function that makes this mistake."""


def _sample(*shapes: tuple[int, ...]) -> tuple[NDArray, ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape) for shape in shapes)


def _scores(query: NDArray, key: NDArray) -> NDArray:
    return query @ key.T / np.sqrt(key.shape[-1])  # (n_q, n_k)


def _softmax_mistakes(prepare: Callable[..., NDArray]) -> dict[str, Callable]:
    """Return what goes wrong on the way from query and key to weights.

    `prepare(scores, *mask)` is what the exercise does before the softmax.
    """
    return {
        "the scores are not divided by √d_k.": (
            lambda q, k, *m: softmax(prepare(q @ k.T, *m))
        ),
        "the scores are divided by d_k. It is √d_k.": (
            lambda q, k, *m: softmax(prepare(q @ k.T / k.shape[-1], *m))
        ),
        "these are the scores. The softmax is still to come.": (
            lambda q, k, *m: prepare(_scores(q, k), *m)
        ),
        "this is e to the score, not yet divided by the sum of its row.": (
            lambda q, k, *m: np.exp(prepare(_scores(q, k), *m))
        ),
        "each column adds up to 1. It must be each row: the sum runs over the keys.": (
            lambda q, k, *m: softmax(prepare(_scores(q, k), *m), axis=0)
        ),
        "all numbers together add up to 1. It must be each row by itself.": (
            lambda q, k, *m: softmax(prepare(_scores(q, k), *m), axis=None)
        ),
        "query and key are swapped: rows belong to queries, columns to keys.": (
            lambda q, k, *m: softmax(prepare(_scores(k, q), *m))
        ),
    }


def _mask_mistakes(allow: Callable[..., NDArray]) -> dict[str, Callable]:
    """Return what goes wrong with a mask; `allow(scores, *mask)` is where it is True.

    A row with nothing to attend to comes out as zeros here.
    """
    return {
        "the mask is missing: forbidden words still get weight.": (
            lambda q, k, *m: softmax(_scores(q, k))
        ),
        "the mask comes after the softmax, so rows no longer add up to 1.": (
            lambda q, k, *m: softmax(_scores(q, k)) * allow(_scores(q, k), *m)
        ),
        "the mask is turned round: True means may attend.": (
            lambda q, k, *m: softmax(
                np.where(allow(_scores(q, k), *m), -np.inf, _scores(q, k))
            )
        ),
        "forbidden scores are set to 0, and e^0 is 1. It takes -inf.": (
            lambda q, k, *m: softmax(_scores(q, k) * allow(_scores(q, k), *m))
        ),
    }


def _look_back(scores: NDArray) -> NDArray:
    return _masked(scores, causal_mask(*scores.shape))


def _masked(scores: NDArray, mask: NDArray) -> NDArray:
    return np.where(mask, scores, -np.inf)


def _judge_determiners(w_q: Any) -> str:
    """Lesson 1: cat gives more than 0.9 to *The* and *the*."""
    if np.shape(w_q) != (4, 4):
        return f"Not yet: the shape is {np.shape(w_q)}; it must be (4, 4)."
    w_q = np.asarray(w_q, dtype=float)
    x = np.eye(4)[[0, 1, 2, 3, 0, 1]]  # The cat sat on the mat; (n, d)

    def share(matrix: NDArray) -> float:
        row = softmax(x[1] @ matrix @ x.T / 2)  # (n,)
        return row[0] + row[4]

    if share(w_q) > 0.9:
        return f"Right: cat gives them {share(w_q):.2f}."
    if share(w_q.T) > 0.9:
        return "Not yet: rows and columns are swapped. A row is the word that asks."
    if w_q[1, 0] > 0 and w_q[1, 0] == w_q[1].max():
        return (
            f"Not yet: cat gives them {share(w_q):.2f}. It asks for the right kind of "
            f"word, but not strongly enough."
        )
    if not w_q[1].any():
        return "Not yet: the row of nouns is empty, and cat is a noun."
    return f"Not yet: cat gives them {share(w_q):.2f}."


def _shares(target: NDArray, values: NDArray) -> NDArray:
    """Return the weights that sum to 1 and mix the three values to the target."""
    system = np.vstack([values.T, np.ones(3)])  # (3, 3)
    return np.linalg.solve(system, np.append(target, 1.0))


def _shares_without_sum(target: NDArray, values: NDArray) -> NDArray:
    return np.linalg.lstsq(values.T, target)[0]


def _closeness(target: NDArray, values: NDArray) -> NDArray:
    near = 1 / np.linalg.norm(values - target, axis=1)
    return near / near.sum()


def _heads(
    x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray, **options: Any
) -> NDArray:
    """Return the heads' outputs (h, n, d_v)."""
    return scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v, **options)[0]


def _judge_new_word(entry: Any) -> str:
    """Lesson 3: the heads find *wug*."""
    if not isinstance(entry, dict) or not isinstance(entry.get("wug"), str):
        return "Not yet: return a dictionary, {'wug': '...'}, as in LEXICON."
    try:
        maps = attend("The wug slept because it was tired", lexicon=LEXICON | entry)
    except ValueError as error:
        return f"Not yet: {error}"
    said = set(entry["wug"].split())
    for head, word, needed in ((0, "slept", "subject"), (1, "it", "referent")):
        share = maps.weights[0, head, maps.tokens.index(word), 2]  # token 2 is wug
        if share <= 0.9:
            if not said & {"noun", "subject"}:
                return "Not yet: which kind of word is it? Look at the entry of cat."
            return (
                f"Not yet: {word} gives wug only {share:.2f}. Which features does a "
                f"{needed} need? Compare yours with the entry of cat."
            )
    return "Right: slept finds wug in head 1, and it finds wug in head 2."


def _judge_two_back(w_q: Any) -> str:
    """Lesson 3: each word finds the word two places before."""
    if np.shape(w_q) != (24, 8):
        return f"Not yet: the shape is {np.shape(w_q)}; it must be (24, 8)."
    layer = hand_built_heads()
    layer.w_q[2] = w_q
    sentence = "The cat sat on the mat because it was tired"
    free = attend(sentence, layer=layer, causal=False).weights[0, 2]  # (n, n)
    shares = {back: np.diag(free, -back).mean() for back in range(-4, 5)}
    found = max(shares, key=lambda j: shares[j])
    share = np.diag(attend(sentence, layer=layer).weights[0, 2], -2).mean()
    if found == 2 and share > 0.9:
        return f"Right: {share:.2f} goes two words back."
    if shares[found] < 0.5 and found != 2:
        return "Not yet: the words find no fixed place. Are the numbers large enough?"
    if found == 2:
        return (
            f"Not yet: only {share:.2f} goes two words back. The direction is right, "
            f"the scores are too small."
        )
    where = (
        f"{abs(found)} {'back' if found > 0 else 'ahead'}" if found else "at themselves"
    )
    return f"Not yet: the words look {where}, not 2 back."


def _contributions(z: NDArray, w_o: NDArray) -> NDArray:
    """Return each head's part: (h, n, d_v), (h*d_v, d) -> (h, n, d)."""
    return z @ w_o.reshape(len(z), -1, w_o.shape[1])


def _mass(weights: NDArray, links: NDArray) -> NDArray:
    return weights[:, links[:, 0], links[:, 1]].mean(axis=1)  # (h,)


def _hits(weights: NDArray, links: NDArray) -> NDArray:
    best = weights[:, links[:, 0]].argmax(axis=-1)  # (h, k)
    return (best == links[:, 1]).mean(axis=1)


def _ablation(contributions: NDArray, keep: NDArray) -> NDArray:
    mean = contributions.mean(axis=1, keepdims=True)  # (h, 1, d)
    return np.where(keep[:, None, None], contributions, mean).sum(axis=0)  # (n, d)


def _likeness(weights: NDArray) -> NDArray:
    difference = np.abs(weights[:, None] - weights[None])  # (h, h, n, n)
    return 1 - difference.sum(axis=-1).mean(axis=-1) / 2  # (h, h)


def _word_map(weights: NDArray, members: NDArray) -> NDArray:
    sizes = members.sum(axis=1, keepdims=True)  # (words, 1)
    return members @ weights @ members.T / sizes


def _targets(weights: NDArray, first: int = 1, own: float = 0.0) -> NDArray:
    words = weights[first : len(weights) - first, first : len(weights) - first]
    return np.where(np.eye(len(words)), own * words, words).argmax(axis=1)


def _random_maps(h: int, n: int) -> NDArray:
    return softmax(3 * np.random.default_rng(n).normal(size=(h, n, n)))


_LINKED = [
    (_random_maps(2, 2), np.array([[1, 0]])),
    (_random_maps(3, 5), np.array([[2, 0], [3, 1], [4, 1], [1, 1]])),
]


def _flat_heads(
    x: NDArray, *matrices_and_heads: Any, split: Callable = split_heads
) -> list[NDArray]:
    """Project with flat matrices and split: x (n, d), (d, h*d_k) ... -> (h, n, d_k)."""
    *matrices, num_heads = matrices_and_heads
    return [split(x @ matrix, num_heads) for matrix in matrices]


def _maps(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    num_heads: int,
    mask: NDArray | None,
    *,
    split: Callable = split_heads,
    scale: float | None = None,
) -> NDArray:
    query, key = _flat_heads(x, w_q, w_k, num_heads, split=split)
    return scaled_dot_product_attention(query, key, key, mask, scale=scale)[1]


def _layer(
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
    """Multi-head attention with flat matrices, and room for a mistake in each step."""
    query, key, value = _flat_heads(x, w_q, w_k, w_v, num_heads, split=split)
    z = scaled_dot_product_attention(query, key, value, mask, scale=scale)[0]
    return merge(z) @ w_o


def _cut_rows(x: NDArray, num_heads: int) -> NDArray:
    """Reshape without transpose: heads are made of whole words' rows. A mistake."""
    return x.reshape(num_heads, len(x), -1)


def _glue_rows(z: NDArray) -> NDArray:
    """Reshape without transpose, on the way back. A mistake."""
    return z.reshape(z.shape[1], -1)


def _root_of_model(x: NDArray) -> float:
    return x.shape[-1] ** -0.5


_LAYER_INPUTS = [
    (
        *_sample((n, d), (d, d), (d, d), (d, d), (d, d)),
        num_heads,
        causal_mask(n),
    )
    for n, d, num_heads in ((2, 2, 2), (4, 6, 2))
]
_SHAPES_OF_HEADS = [(*_sample((2, 2, 1)),), (*_sample((2, 3, 4)),)]

_SPLIT_MISTAKES = {
    "this cuts rows, not columns: each head gets whole words, some of them only. "
    "Reshape to (n, h, d), then swap the first two axes.": _cut_rows,
    "the heads are the second axis: (n, h, d). They come first: (h, n, d).": (
        lambda x, h: x.reshape(len(x), h, -1)
    ),
    "each head takes every h-th number. It must take numbers side by side.": (
        lambda x, h: x.reshape(len(x), -1, h).transpose(2, 0, 1)
    ),
}
_MERGE_MISTAKES = {
    "the numbers are reshaped without a transpose: words and heads are mixed up.": (
        _glue_rows
    ),
    "the heads are put below each other. Put them side by side: (n, h*d_v).": (
        lambda z: z.reshape(-1, z.shape[2])
    ),
    "the heads are averaged. Keep all their numbers, side by side.": (
        lambda z: z.mean(axis=0)
    ),
    "the heads are added up. Keep all their numbers, side by side.": (
        lambda z: z.sum(axis=0)
    ),
    "the heads' numbers alternate. All of head 1 first, then all of head 2.": (
        lambda z: z.transpose(1, 2, 0).reshape(z.shape[1], -1)
    ),
}

EXERCISES: dict[str, Exercise | Callable[[Any], str]] = {
    "weights": Exercise(
        right=lambda q, k: softmax(_scores(q, k)),
        inputs=[_sample((2, 2), (2, 2)), _sample((3, 4), (3, 4))],
        mistakes=_softmax_mistakes(lambda scores: scores),
    ),
    "causal weights": Exercise(
        right=lambda q, k: softmax(_look_back(_scores(q, k))),
        inputs=[_sample((2, 2), (2, 2)), _sample((3, 4), (3, 4))],
        mistakes={
            **_mask_mistakes(lambda scores: causal_mask(*scores.shape)),
            "a word may see itself too: the diagonal is allowed.": lambda q, k: softmax(
                np.where(np.tri(len(q), len(k), -1), _scores(q, k), -np.inf)
            ),
            **_softmax_mistakes(_look_back),
        },
    ),
    "determiners": _judge_determiners,
    "shares": Exercise(
        right=_shares,
        inputs=[
            (np.array([1.0, 1.0]), np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])),
            (np.array([1.5, 1.0]), np.array([[0.5, 0.0], [4.0, 0.5], [1.5, 3.0]])),
        ],
        mistakes={
            "they mix to the target, but do not add up to 1.": _shares_without_sum,
            "they add up to 1, but no longer mix to the target.": lambda t, v: (
                _shares_without_sum(t, v) / _shares_without_sum(t, v).sum()
            ),
            "how near a corner is does not say what share it needs.": _closeness,
            "these are scores of a look-up, not the shares that reach this target.": (
                lambda t, v: softmax(v @ t)
            ),
            "all have the same share: that is the middle, not the target.": (
                lambda t, v: np.full(3, 1 / 3)
            ),
        },
    ),
    "loss": Exercise(
        right=lambda a, b: b**2 / (a**2 + b**2),
        inputs=[
            (np.array([0.5]), np.array([0.3])),
            (np.array([0.9, 0.2, 0.6]), np.array([0.1, 0.8, 0.3])),
        ],
        mistakes={
            "this is the error of the other value, v2.": (
                lambda a, b: a**2 / (a**2 + b**2)
            ),
            "shares add up, but variances are squares: a², b².": lambda a, b: (
                b / (a + b)
            ),
            "this reads the mix as it is. The best reading multiplies it first.": (
                lambda a, b: (1 - a) ** 2 + b**2
            ),
            "this is the best factor for the mix, not the error that remains.": (
                lambda a, b: a / (a**2 + b**2)
            ),
            "this is the error of both together.": lambda a, b: np.ones_like(a),
            "this is what v2 adds to the mix; the best factor is missing.": (
                lambda a, b: b**2
            ),
        },
    ),
    "unmix": Exercise(
        right=lambda mix, z: np.einsum("ij,jnd->ind", np.linalg.inv(mix), z),
        inputs=[
            (np.array([[0.9, 0.1], [0.3, 0.7]]), *_sample((2, 1, 1))),
            (np.array([[0.6, 0.4], [0.2, 0.8]]), *_sample((2, 3, 4))),
        ],
        mistakes={
            "this mixes once more. It takes the inverse of the mix.": (
                lambda mix, z: np.einsum("ij,jnd->ind", mix, z)
            ),
            "rows and columns of the inverse are swapped.": (
                lambda mix, z: np.einsum("ji,jnd->ind", np.linalg.inv(mix), z)
            ),
            "the mix is inverted number by number. It is a matrix: see np.linalg.": (
                lambda mix, z: np.einsum("ij,jnd->ind", 1 / mix, z)
            ),
            "the two values came out in the wrong order.": (
                lambda mix, z: np.einsum("ij,jnd->ind", np.linalg.inv(mix), z)[::-1]
            ),
            "each head is only scaled. The other head holds a part of it too.": (
                lambda mix, z: z / np.diag(mix)[:, None, None]
            ),
        },
    ),
    "heads": Exercise(
        right=_heads,
        inputs=[
            _sample((2, 2), (2, 2, 1), (2, 2, 1), (2, 2, 1)),
            _sample((4, 6), (3, 6, 2), (3, 6, 2), (3, 6, 5)),
        ],
        mistakes={
            "the scores are not divided by √d_k.": lambda *a: _heads(*a, scale=1.0),
            "query and key are swapped.": lambda x, q, k, v: _heads(x, k, q, v),
            "these are the weights. What a head found is the other result.": (
                lambda x, q, k, v: softmax(
                    (x @ q) @ (x @ k).swapaxes(1, 2) / np.sqrt(q.shape[-1])
                )
            ),
            "the keys are handed over in place of the values.": (
                lambda x, q, k, v: _heads(x, q, k, k)
            ),
            "each head must use its own matrices, and all of yours use the first.": (
                lambda *a: np.stack([_heads(*a)[0]] * len(a[1]))
            ),
            "the heads are averaged. Keep them apart: (h, n, d_v).": (
                lambda *a: _heads(*a).mean(axis=0)
            ),
            "the heads are added up. Keep them apart: (h, n, d_v).": (
                lambda *a: _heads(*a).sum(axis=0)
            ),
            "the heads are the second axis. They come first: (h, n, d_v).": (
                lambda *a: _heads(*a).swapaxes(0, 1)
            ),
            "the heads are put side by side already. Keep them apart: (h, n, d_v).": (
                lambda *a: np.concatenate(list(_heads(*a)), axis=-1)
            ),
            "the heads are put below each other. Keep them apart: (h, n, d_v).": (
                lambda *a: np.concatenate(list(_heads(*a)), axis=0)
            ),
        },
    ),
    "new word": _judge_new_word,
    "two back": _judge_two_back,
    "concatenate": Exercise(
        right=merge_heads, inputs=_SHAPES_OF_HEADS, mistakes=_MERGE_MISTAKES
    ),
    "contributions": Exercise(
        right=_contributions,
        inputs=[_sample((2, 2, 1), (2, 3)), _sample((3, 4, 2), (6, 6))],
        mistakes={
            "this is the output: the contributions added up. Keep the heads apart.": (
                lambda z, w: _contributions(z, w).sum(axis=0)
            ),
            "each head has its own rows of W_O, and all of yours use the first.": (
                lambda z, w: z @ w[: z.shape[2]]
            ),
            "each head takes every h-th row of W_O. Its rows are side by side.": (
                lambda z, w: np.stack([z_i @ w[i :: len(z)] for i, z_i in enumerate(z)])
            ),
            "the rows of W_O come in the wrong order: head 1 has the first ones.": (
                lambda z, w: _contributions(z[::-1], w)[::-1]
            ),
            "this is divided by the number of heads. They add up, nobody averages.": (
                lambda z, w: _contributions(z, w) / len(z)
            ),
            "W_O is transposed.": (
                lambda z, w: z @ w.T.reshape(len(z), z.shape[2], -1)
            ),
        },
    ),
    "split": Exercise(
        right=split_heads,
        inputs=[(*_sample((3, 4)), 2), (*_sample((4, 6)), 3)],
        mistakes=_SPLIT_MISTAKES,
    ),
    "mass": Exercise(
        right=_mass,
        inputs=_LINKED,
        mistakes={
            "rows and columns are swapped: the row is the word that looks.": (
                lambda w, links: _mass(w.swapaxes(1, 2), links)
            ),
            "this is the sum over the links, not their mean.": (
                lambda w, links: _mass(w, links) * len(links)
            ),
            "these are the links one by one. Their mean is wanted, for each head.": (
                lambda w, links: w[:, links[:, 0], links[:, 1]]
            ),
            "the mean runs over the heads. It must run over the links.": (
                lambda w, links: w[:, links[:, 0], links[:, 1]].mean(axis=0)
            ),
            "this counts how often the right word is first, not how much it gets.": (
                _hits
            ),
        },
    ),
    "hits": Exercise(
        right=_hits,
        inputs=_LINKED,
        mistakes={
            "this is how much the right word gets, not how often it is first.": _mass,
            "the largest weight is looked for in columns. A row is one word's look.": (
                lambda w, links: _hits(w.swapaxes(1, 2), links)
            ),
            "this counts all heads together. It must be each head by itself.": (
                lambda w, links: np.asarray(_hits(w, links).mean())
            ),
            "this is a count. Divide it by the number of links.": (
                lambda w, links: _hits(w, links) * len(links)
            ),
            "to and from are swapped: the first column of links is who looks.": (
                lambda w, links: _hits(w, links[:, ::-1])
            ),
        },
    ),
    "ablation": Exercise(
        right=_ablation,
        inputs=[
            (*_sample((2, 2, 1)), np.array([True, False])),
            (*_sample((3, 4, 2)), np.array([False, True, False])),
        ],
        mistakes={
            "what is left out adds nothing here. It must add its mean.": (
                lambda parts, keep: parts[keep].sum(axis=0)
            ),
            "keep is turned round: True means the head stays.": (
                lambda parts, keep: _ablation(parts, ~keep)
            ),
            "the mean runs over the heads. It must run over the words.": (
                lambda parts, keep: np.where(
                    keep[:, None, None], parts, parts.mean(axis=0, keepdims=True)
                ).sum(axis=0)
            ),
            "this is one number as the mean. Each of the d numbers has its own.": (
                lambda parts, keep: np.where(
                    keep[:, None, None], parts, parts.mean(axis=(1, 2), keepdims=True)
                ).sum(axis=0)
            ),
            "the contributions are averaged. They add up.": (
                lambda parts, keep: _ablation(parts, keep) / len(parts)
            ),
            "the heads are still apart. The output is their sum.": (
                lambda parts, keep: np.where(
                    keep[:, None, None], parts, parts.mean(axis=1, keepdims=True)
                )
            ),
        },
    ),
    "parameters": Exercise(
        right=lambda d, h: np.asarray(4 * d * d),
        inputs=[(8, 2), (48, 6)],
        mistakes={
            "W_O is missing.": lambda d, h: np.asarray(3 * d * d),
            "this is one head only.": lambda d, h: np.asarray(4 * d * d // h),
            "each head has d_k columns, not d_model.": (
                lambda d, h: np.asarray(3 * h * d * d + d * d)
            ),
            "each head reads the whole word: W_Q is (d_model, d_k), not (d_k, d_k).": (
                lambda d, h: np.asarray(3 * d * d // h + d * d)
            ),
            "there is one W_O for all heads together, not one for each.": (
                lambda d, h: np.asarray(3 * d * d + h * d * d)
            ),
        },
    ),
    "likeness": Exercise(
        right=_likeness,
        inputs=[(_random_maps(2, 2),), (_random_maps(3, 5),)],
        mistakes={
            "this is how different they are. Take it from 1.": (
                lambda w: 1 - _likeness(w)
            ),
            "the difference of two rows is at most 2: it must be halved.": (
                lambda w: 2 * _likeness(w) - 1
            ),
            "this is the sum over the rows, not their mean.": (
                lambda w: 1 - (1 - _likeness(w)) * w.shape[-1]
            ),
            "the mean runs over rows and columns. Columns are added up.": (
                lambda w: 1 - (1 - _likeness(w)) / w.shape[-1]
            ),
            "without the absolute value, differences cancel.": (
                lambda w: np.ones((len(w), len(w)))
            ),
        },
    ),
    "word map": Exercise(
        right=_word_map,
        inputs=[
            (_random_maps(1, 3)[0], np.array([[1, 1, 0], [0, 0, 1]])),
            (
                _random_maps(1, 5)[0],
                np.array([[1, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]]),
            ),
        ],
        mistakes={
            "rows are added up too. A word of two pieces looks with their mean.": (
                lambda w, m: m @ w @ m.T
            ),
            "columns are averaged too. A word of two pieces is looked at with their "
            "sum.": lambda w, m: _word_map(w, m) / m.sum(axis=1),
            "mean and sum are swapped. Looked at: the sum. Looking: the mean.": (
                lambda w, m: m @ w @ m.T / m.sum(axis=1)
            ),
            "the map is transposed: rows look, columns are looked at.": (
                lambda w, m: _word_map(w, m).T
            ),
        },
    ),
    "targets": Exercise(
        right=_targets,
        inputs=[
            (np.array([[0, 1, 0, 0], [5, 3, 1, 1], [6, 1, 2, 1], [0, 0, 1, 0]]) / 10,),
            (_random_maps(1, 7)[0],),
        ],
        mistakes={
            "the special tokens are still there, first and last.": (
                lambda w: _targets(w, first=0)[1:-1]
            ),
            "the places are counted from the [CLS]. Count among the words.": (
                lambda w: _targets(w) + 1
            ),
            "a word may find itself here. Only other words count.": (
                lambda w: _targets(w, own=1.0)
            ),
            "this asks who looks at the word most. Take the largest of its row.": (
                lambda w: _targets(w.T)
            ),
        },
    ),
    "softmax": Exercise(
        right=softmax,
        inputs=[_sample((2, 3)), _sample((3, 2, 4)), (np.array([[1000.0, 999.0]]),)],
        mistakes={
            "each column adds up to 1. It must be each row: the last axis.": (
                lambda s: softmax(s, axis=-2)
            ),
            "all numbers together add up to 1. It must be each row by itself.": (
                lambda s: softmax(s.ravel()).reshape(s.shape)
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
    ),
    "masked weights": Exercise(
        right=lambda q, k, mask: softmax(_masked(_scores(q, k), mask)),
        inputs=[
            (*_sample((2, 2), (2, 2)), causal_mask(2)),
            (*_sample((3, 4), (3, 4)), np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]]) > 0),
        ],
        mistakes={
            **_mask_mistakes(lambda scores, mask: mask),
            **_softmax_mistakes(_masked),
        },
    ),
    "self-attention": Exercise(
        right=lambda x, q, k, v, mask: _heads(x, q, k, v, mask=mask),
        inputs=[
            (*_sample((2, 2), (2, 1), (2, 1), (2, 1)), causal_mask(2)),
            (*_sample((4, 6), (6, 2), (6, 2), (6, 2)), causal_mask(4)),
        ],
        mistakes={
            "the mask is missing.": lambda x, q, k, v, mask: _heads(x, q, k, v),
            "the mask is turned round: True means may attend.": (
                lambda x, q, k, v, mask: _heads(x, q, k, v, mask=~mask)
            ),
            "the scores are not divided by √d_k.": (
                lambda x, q, k, v, mask: _heads(x, q, k, v, mask=mask, scale=1.0)
            ),
            "the scores are divided by √d_model. A head has d_k numbers: √d_k.": (
                lambda x, q, k, v, mask: _heads(
                    x, q, k, v, mask=mask, scale=_root_of_model(x)
                )
            ),
            "query and key are swapped.": (
                lambda x, q, k, v, mask: _heads(x, k, q, v, mask=mask)
            ),
            "the keys are handed over in place of the values.": (
                lambda x, q, k, v, mask: _heads(x, q, k, k, mask=mask)
            ),
            "the words themselves are handed over. Their values are x W_V.": (
                lambda x, q, k, v, mask: scaled_dot_product_attention(
                    x @ q, x @ k, x, mask
                )[0]
            ),
            "these are the weights. They still have to mix the values.": (
                lambda x, q, k, v, mask: scaled_dot_product_attention(
                    x @ q, x @ k, x @ v, mask
                )[1]
            ),
        },
    ),
    "maps": Exercise(
        right=_maps,
        inputs=[(a[0], a[1], a[2], a[5], a[6]) for a in _LAYER_INPUTS],
        mistakes={
            "rows are cut in place of columns: reshape without transpose.": (
                lambda *a: _maps(*a, split=_cut_rows)
            ),
            "the scores are divided by √d_model. A head has d_k numbers: √d_k.": (
                lambda *a: _maps(*a, scale=_root_of_model(a[0]))
            ),
            "the scores are not divided by √d_k.": lambda *a: _maps(*a, scale=1.0),
            "the mask is missing.": lambda *a: _maps(*a[:4], None),
            "the mask is turned round: True means may attend.": (
                lambda *a: _maps(*a[:4], ~a[4])
            ),
            "query and key are swapped.": (
                lambda x, q, k, h, mask: _maps(x, k, q, h, mask)
            ),
            "the maps are averaged over the heads: a map of nobody.": (
                lambda *a: _maps(*a).mean(axis=0)
            ),
        },
    ),
    "layer": Exercise(
        right=_layer,
        inputs=_LAYER_INPUTS,
        mistakes={
            "W_O is left out: this is the concatenation.": (
                lambda *a: _layer(*a[:4], np.eye(len(a[4])), *a[5:])
            ),
            "W_O is transposed. Here words are rows: z @ w_o.": (
                lambda *a: _layer(*a[:4], a[4].T, *a[5:])
            ),
            "on the way in, rows are cut in place of columns: reshape without "
            "transpose.": lambda *a: _layer(*a, split=_cut_rows),
            "on the way out, words and heads are mixed up: reshape without "
            "transpose.": lambda *a: _layer(*a, merge=_glue_rows),
            "both reshapes lack their transpose.": (
                lambda *a: _layer(*a, split=_cut_rows, merge=_glue_rows)
            ),
            "the scores are not divided by √d_k.": lambda *a: _layer(*a, scale=1.0),
            "the scores are divided by √d_model. A head has d_k numbers: √d_k.": (
                lambda *a: _layer(*a, scale=_root_of_model(a[0]))
            ),
            "the mask is missing.": lambda *a: _layer(*a[:6], None),
            "the mask is turned round: True means may attend.": (
                lambda *a: _layer(*a[:6], ~a[6])
            ),
            "query and key are swapped.": (lambda x, q, k, *a: _layer(x, k, q, *a)),
            "the keys are handed over in place of the values.": (
                lambda x, q, k, v, *a: _layer(x, q, k, k, *a)
            ),
            "this is one head with all columns. Split them into heads first.": (
                lambda *a: _layer(*a[:5], 1, a[6])
            ),
        },
    ),
}
