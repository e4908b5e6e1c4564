"""Lesson 1: weights, with and without a mask, and a W_Q written by hand."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import causal_mask, softmax
from mha_utils.exercises.kit import (
    PACKAGE,
    Exercise,
    Judged,
    as_matrix,
    mask_mistakes,
    masked,
    sample,
    scores,
    softmax_mistakes,
)


def _weights(query: NDArray, key: NDArray) -> NDArray:
    """From query (n_q, d_k) and key (n_k, d_k) to the weights (n_q, n_k)."""
    return softmax(scores(query, key))


WEIGHTS = Exercise(
    right=_weights,
    inputs=[sample((2, 3), (4, 3)), sample((5, 2), (3, 2)), sample((3, 7), (6, 7))],
    mistakes={
        **softmax_mistakes(lambda scores: scores),
        "the scores are divided by their sum. First e to the power of each.": (
            lambda q, k: scores(q, k) / scores(q, k).sum(axis=-1, keepdims=True)
        ),
    },
    closed=PACKAGE,
)


def _look_back(scores: NDArray) -> NDArray:
    return masked(scores, causal_mask(*scores.shape))


def _causal_weights(query: NDArray, key: NDArray) -> NDArray:
    """From query and key to the weights with which no word looks ahead."""
    return softmax(_look_back(scores(query, key)))


CAUSAL_WEIGHTS = Exercise(
    right=_causal_weights,
    inputs=[sample((n, d), (n, d)) for n, d in ((2, 3), (5, 4), (4, 7))],
    mistakes={
        **mask_mistakes(
            lambda q, k, *, weigh: weigh(scores(q, k)),
            allow=lambda scores: causal_mask(*scores.shape),
        ),
        "a word may see itself too: the diagonal is allowed.": (
            lambda q, k: softmax(masked(scores(q, k), np.tri(len(q), len(k), -1) > 0))
        ),
        **softmax_mistakes(_look_back),
    },
    closed=PACKAGE,
)


def _judge_determiners(w_q: Any) -> str:
    """Write a W_Q with which cat gives more than 0.9 to *The* and *the*."""
    w_q = as_matrix(w_q, (4, 4))
    x = np.eye(4)[[0, 1, 2, 3, 0, 1]]  # The cat sat on the mat; (n, d)

    def share(matrix: NDArray) -> float:
        row = softmax(x[1] @ matrix @ x.T / 2)  # (n,)
        return row[0] + row[4]

    if share(w_q) > 0.9:
        return f"Right: cat gives them {share(w_q):.2f}."
    if share(w_q.T) > 0.9:
        return "Not yet: rows and columns are swapped. A row is the word that asks."
    if not w_q[1].any():
        return "Not yet: the row of nouns is empty, and cat is a noun."
    why = (
        "It asks for the right kind of word, but not strongly enough."
        if w_q[1, 0] > w_q[1, 1:].max()
        else "It asks for another kind of word as strongly, or more."
    )
    return f"Not yet: cat gives them {share(w_q):.2f}. {why}"


DETERMINERS = Judged(_judge_determiners)

EXERCISES: dict[str, Exercise | Judged] = {
    "weights": WEIGHTS,
    "causal weights": CAUSAL_WEIGHTS,
    "determiners": DETERMINERS,
}
