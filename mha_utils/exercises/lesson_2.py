"""Lesson 2: what a mix of values can reach, what it loses, how to take it apart."""

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import softmax
from mha_utils.exercises.kit import Exercise, sample


def _shares(target: NDArray, values: NDArray) -> NDArray:
    """Return the weights (3,) that sum to 1 and mix values (3, 2) to target (2,)."""
    system = np.vstack([values.T, np.ones(3)])  # (3, 3)
    return np.linalg.solve(system, np.append(target, 1.0))


def _shares_without_sum(target: NDArray, values: NDArray) -> NDArray:
    return np.linalg.lstsq(values.T, target)[0]


def _closeness(target: NDArray, values: NDArray) -> NDArray:
    near = 1 / np.linalg.norm(values - target, axis=1)
    return near / near.sum()


SHARES = Exercise(
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
)


def _loss(a: NDArray, b: NDArray) -> NDArray:
    """Return the least mean squared error with which a v1 + b v2 gives v1."""
    return b**2 / (a**2 + b**2)


LOSS = Exercise(
    right=_loss,
    inputs=[
        (np.array([0.5]), np.array([0.3])),
        (np.array([0.9, 0.2, 0.6]), np.array([0.1, 0.8, 0.3])),
        (np.array([[0.4], [2.0]]), np.array([[1.5], [0.7]])),
    ],
    mistakes={
        "this is the error of the other value, v2.": lambda a, b: _loss(b, a),
        "shares add up, but variances are squares: a², b².": lambda a, b: b / (a + b),
        "this reads the mix as it is. The best reading multiplies it first.": (
            lambda a, b: (1 - a) ** 2 + b**2
        ),
        "this is the best factor for the mix, not the error that remains.": (
            lambda a, b: a / (a**2 + b**2)
        ),
        "this is the error of both together.": lambda a, b: np.ones_like(a),
        "this is b², what v2 adds to the mix. Does step 2 of the law lack brackets?": (
            lambda a, b: b**2
        ),
    },
)


def _unmix(mix: NDArray, z: NDArray) -> NDArray:
    """From mix (2, 2) and both heads' outputs z (2, n, d_v) to both values."""
    return np.tensordot(np.linalg.inv(mix), z, 1)  # (2, n, d_v)


UNMIX = Exercise(
    right=_unmix,
    inputs=[
        (np.array([[0.9, 0.1], [0.3, 0.7]]), *sample((2, 1, 1))),
        (np.array([[0.6, 0.4], [0.2, 0.8]]), *sample((2, 3, 4))),
        (np.array([[0.35, 0.65], [0.8, 0.2]]), *sample((2, 5, 3))),
    ],
    mistakes={
        "this mixes once more. It takes the inverse of the mix.": (
            lambda mix, z: np.tensordot(mix, z, 1)
        ),
        "rows and columns of the inverse are swapped.": lambda mix, z: _unmix(mix.T, z),
        "the mix is inverted number by number. It is a matrix: see np.linalg.": (
            lambda mix, z: np.tensordot(1 / mix, z, 1)
        ),
        "the two values came out in the wrong order.": (
            lambda mix, z: _unmix(mix, z)[::-1]
        ),
        "each head is only scaled. The other head holds a part of it too.": (
            lambda mix, z: z / np.diag(mix)[:, None, None]
        ),
    },
)

EXERCISES = {"shares": SHARES, "loss": LOSS, "unmix": UNMIX}
