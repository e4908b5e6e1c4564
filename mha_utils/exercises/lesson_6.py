"""Lesson 6: how large a layer is, and whether two of its heads are alike."""

import numpy as np
from numpy.typing import NDArray

from mha_utils.exercises.kit import Exercise, sample_maps


def _parameters(d_model: int, num_heads: int) -> NDArray:
    """Return how many numbers W_Q, W_K, W_V and W_O have together."""
    return np.asarray(4 * d_model * d_model)


PARAMETERS = Exercise(
    right=_parameters,
    inputs=[(8, 2), (30, 3), (20, 5), (48, 6)],
    mistakes={
        "W_O is missing.": lambda d, h: np.asarray(3 * d * d),
        "this is one head only.": lambda d, h: np.asarray(4 * d * d // h),
        "each head has d_k columns, not d_model.": (
            lambda d, h: np.asarray(3 * h * d * d + d * d),
            lambda d, h: np.asarray(4 * h * d * d),
        ),
        "W_O joins all heads: it has h·d_k rows, and d_k are one head's.": (
            lambda d, h: np.asarray(3 * d * d + d * d // h)
        ),
        "biases are counted, too. This layer has none.": (
            lambda d, h: np.asarray(4 * (d * d + d))
        ),
        "each head reads the whole word: W_Q is (d_model, d_k), not (d_k, d_k).": (
            lambda d, h: np.asarray(3 * d * d // h + d * d)
        ),
        "there is one W_O for all heads together, not one for each.": (
            lambda d, h: np.asarray(3 * d * d + h * d * d)
        ),
    },
)


def _likeness(weights: NDArray) -> NDArray:
    """From maps (h, n, n) to (h, h): 1 for equal heads, 0 if they share nothing."""
    difference = np.abs(weights[:, None] - weights[None])  # (h, h, n, n)
    return 1 - difference.sum(axis=-1).mean(axis=-1) / 2  # (h, h)


LIKENESS = Exercise(
    right=_likeness,
    inputs=[(sample_maps(3, 4),), (sample_maps(4, 6),), (sample_maps(6, 5),)],
    mistakes={
        "this is how different they are. Take it from 1.": lambda w: 1 - _likeness(w),
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
)

EXERCISES = {"parameters": PARAMETERS, "likeness": LIKENESS}
