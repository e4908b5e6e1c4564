"""Checks for the exercises: they say "Right", or name the mistake.

A check runs the learner's function on small arrays, beside the right function and
beside well-known wrong ones. Who answers as a wrong one does has made its mistake.
"""

import traceback
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import causal_mask, scaled_dot_product_attention, softmax


class Exercise(NamedTuple):
    """What a check needs to know of an exercise."""

    right: Callable[..., NDArray]
    inputs: list[tuple[NDArray, ...]]
    """The function is tried on each of these, the smallest first."""
    mistakes: dict[str, Callable[..., NDArray]]
    """What to tell the learner, and a function that makes this mistake."""


def check(exercise: str, answer: Callable[..., NDArray]) -> None:
    """Print whether `answer` solves the exercise, or what is wrong with it.

    Parameters
    ----------
    exercise : str
        Its name in `EXERCISES`.
    answer : callable
        The learner's function. It gets copies of all arrays.

    Raises
    ------
    ValueError
        If there is no exercise of this name.
    """
    if exercise not in EXERCISES:
        raise ValueError(f"no exercise {exercise!r}; there is {', '.join(EXERCISES)}")
    print(_verdict(EXERCISES[exercise], answer))


def _verdict(exercise: Exercise, answer: Callable[..., NDArray]) -> str:
    if not callable(answer):
        return "Give the check the function itself: its name, without ( )."
    given = []
    for arrays in exercise.inputs:
        copies = [array.copy() for array in arrays]
        try:
            value = answer(*copies)
        except Exception as error:  # the learner's own, whatever it is
            return _raised(error, arrays)
        if value is None:
            return "Your turn: the function returns nothing yet."
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
            kind = getattr(value, "dtype", type(value).__name__)
            return f"Not yet: return one NumPy array of real numbers, not {kind}."
        for number, (copy, array) in enumerate(zip(copies, arrays), start=1):
            if not np.array_equal(copy, array):
                return (
                    f"Your function changes its argument number {number} in place. "
                    f"Whoever called it still needs that array: make a new one."
                )
        given.append(value)
    if _agrees(given, exercise.right, exercise.inputs):
        return "Right."
    for message, wrong in exercise.mistakes.items():
        if _agrees(given, wrong, exercise.inputs, nan=0.0):
            return f"Not yet: {message}"
    return _first_difference(exercise, given)


def _raised(error: Exception, arrays: tuple[NDArray, ...]) -> str:
    """Name the exception and the last line of the learner's that raised it."""
    steps = [
        step
        for step in traceback.extract_tb(error.__traceback__)
        if step.filename != __file__ and "site-packages" not in step.filename
    ]
    line = f", in the line\n\n    {steps[-1].line}\n\n" if steps else ". "
    shapes = ", ".join(str(array.shape) for array in arrays)
    return (
        f"Not yet: {type(error).__name__}: {error}{line}"
        f"The function was given arrays of the shapes {shapes}."
    )


def _agrees(
    given: list[NDArray],
    function: Callable[..., NDArray],
    inputs: list[tuple[NDArray, ...]],
    nan: float = np.nan,
) -> bool:
    """Whether `function` gives the same; NaN equals nothing, or what `nan` says."""
    with np.errstate(all="ignore"):  # a mistake may divide by zero
        wanted = [function(*arrays) for arrays in inputs]
    return all(
        a.shape == b.shape
        and np.allclose(
            np.nan_to_num(a, nan=nan), np.nan_to_num(b, nan=nan), 1e-4, 1e-6
        )
        for a, b in zip(given, wanted)
    )


def _first_difference(exercise: Exercise, given: list[NDArray]) -> str:
    for arrays, value in zip(exercise.inputs, given):
        expected = exercise.right(*arrays)
        shapes = ", ".join(str(array.shape) for array in arrays)
        start = f"Not yet: given arrays of the shapes {shapes}, "
        if value.shape != expected.shape:
            return f"{start}the result has shape {value.shape}, not {expected.shape}."
        if np.isnan(value).any():
            return f"{start}there is NaN in the result: from 0/0, or from inf - inf."
        if not np.allclose(value, expected, 1e-4, 1e-6):
            at = np.unravel_index(np.abs(value - expected).argmax(), value.shape)
            place = ", ".join(str(int(i)) for i in at)
            return (
                f"{start}entry [{place}] should be {expected[at]:.3f} "
                f"and is {value[at]:.3f}."
            )
    raise AssertionError("all results are right")


def _sample(*shapes: tuple[int, ...]) -> tuple[NDArray, ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape) for shape in shapes)


def _scores(query: NDArray, key: NDArray) -> NDArray:
    return query @ key.T / np.sqrt(key.shape[-1])  # (n_q, n_k)


def _softmax_mistakes(prepare: Callable[[NDArray], NDArray]) -> dict[str, Callable]:
    """Return what goes wrong on the way from scores to weights.

    `prepare` is what the exercise does to the scores before the softmax.
    """
    return {
        "the scores are not divided by √d_k.": lambda q, k: softmax(prepare(q @ k.T)),
        "the scores are divided by d_k. It is √d_k.": lambda q, k: softmax(
            prepare(q @ k.T / k.shape[-1])
        ),
        "these are the scores. The softmax is still to come.": lambda q, k: prepare(
            _scores(q, k)
        ),
        "this is e to the score, not yet divided by the sum of its row.": (
            lambda q, k: np.exp(prepare(_scores(q, k)))
        ),
        "each column adds up to 1. It must be each row: the sum runs over the keys.": (
            lambda q, k: softmax(prepare(_scores(q, k)), axis=0)
        ),
        "all numbers together add up to 1. It must be each row by itself.": (
            lambda q, k: softmax(prepare(_scores(q, k)).ravel()).reshape(len(q), len(k))
        ),
        "query and key are swapped: rows belong to queries, columns to keys.": (
            lambda q, k: softmax(prepare(_scores(k, q)))
        ),
    }


def _look_back(scores: NDArray) -> NDArray:
    return np.where(causal_mask(*scores.shape), scores, -np.inf)


def _look_ahead(scores: NDArray) -> NDArray:
    return np.where(causal_mask(*scores.shape), -np.inf, scores)


def _heads(x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray, **options) -> NDArray:
    """Return the heads' outputs (h, n, d_v)."""
    return scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v, **options)[0]


EXERCISES = {
    "weights": Exercise(
        right=lambda q, k: softmax(_scores(q, k)),
        inputs=[_sample((2, 2), (2, 2)), _sample((3, 4), (3, 4))],
        mistakes=_softmax_mistakes(lambda scores: scores),
    ),
    "causal weights": Exercise(
        right=lambda q, k: softmax(_look_back(_scores(q, k))),
        inputs=[_sample((2, 2), (2, 2)), _sample((3, 4), (3, 4))],
        mistakes={
            "the mask is missing: words still look ahead.": lambda q, k: softmax(
                _scores(q, k)
            ),
            "the mask comes after the softmax, so rows no longer add up to 1.": (
                lambda q, k: np.tril(softmax(_scores(q, k)))
            ),
            "the mask is turned round: words see only what comes after them.": (
                lambda q, k: softmax(_look_ahead(_scores(q, k)))
            ),
            "forbidden scores are set to 0, and e^0 is 1. It takes -inf.": (
                lambda q, k: softmax(np.tril(_scores(q, k)))
            ),
            "a word may see itself too: the diagonal is allowed.": lambda q, k: softmax(
                np.where(np.tri(len(q), len(k), -1), _scores(q, k), -np.inf)
            ),
            **_softmax_mistakes(_look_back),
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
}
