"""Lesson 7: from a model's map of pieces to a map of words, and what words find."""

import numpy as np
from numpy.typing import NDArray

from mha_utils.exercises.kit import Exercise, sample_maps


def _word_map(weights: NDArray, members: NDArray) -> NDArray:
    """From a map of pieces (n, n) and members (words, n) to a map of words."""
    sizes = members.sum(axis=1, keepdims=True)  # (words, 1)
    return members @ weights @ members.T / sizes  # (words, words)


WORD_MAP = Exercise(
    right=_word_map,
    inputs=[
        (sample_maps(1, 3)[0], np.array([[1, 1, 0], [0, 0, 1]])),
        (sample_maps(1, 4)[0], np.array([[0, 1, 0, 0], [0, 0, 1, 1]])),
        (
            sample_maps(1, 5)[0],
            np.array([[1, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]]),
        ),
    ],
    mistakes={
        "rows are added up too. A word of two pieces looks with their mean.": (
            lambda w, m: m @ w @ m.T
        ),
        "columns are averaged too. A word of two pieces is looked at with their sum.": (
            lambda w, m: _word_map(w, m) / m.sum(axis=1)
        ),
        "mean and sum are swapped. Looked at: the sum. Looking: the mean.": (
            lambda w, m: m @ w @ m.T / m.sum(axis=1)
        ),
        "the map is transposed: rows look, columns are looked at.": (
            lambda w, m: _word_map(w, m).T
        ),
    },
)


def _targets(weights: NDArray) -> NDArray:
    """From a map (n, n) to the other word each word looks at most, (n - 2,).

    The special tokens are first and last; words are counted from 0.
    """
    return _most_looked_at(weights[1:-1, 1:-1])


def _most_looked_at(weights: NDArray, own: float = 0.0) -> NDArray:
    return np.where(np.eye(len(weights)), own * weights, weights).argmax(axis=1)


TARGETS = Exercise(
    right=_targets,
    inputs=[
        (np.array([[0, 10, 0, 0], [5, 3, 1, 1], [6, 1, 2, 1], [0, 0, 10, 0]]) / 10,),
        (sample_maps(1, 7)[0],),
        (sample_maps(1, 6)[0],),
    ],
    mistakes={
        "the special tokens are still there, first and last.": (
            lambda w: _most_looked_at(w)[1:-1],
            lambda w: w[1:-1].argmax(axis=1),
        ),
        "the places are counted from the [CLS]. Count among the words.": (
            lambda w: _targets(w) + 1
        ),
        "a word may find itself here. Only other words count.": (
            lambda w: _most_looked_at(w[1:-1, 1:-1], own=1.0)
        ),
        "this asks who looks at the word most. Take the largest of its row.": (
            lambda w: _targets(w.T)
        ),
    },
)

EXERCISES = {"word map": WORD_MAP, "targets": TARGETS}
