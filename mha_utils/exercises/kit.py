"""What an exercise is, and what exercises of several lessons share.

There are two kinds: an `Exercise` has one right answer, a `Judged` has many. Each gives
its `verdict` on a learner's function, which it calls through `run`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import scaled_dot_product_attention, softmax

Mistakes = dict[str, Callable[..., NDArray]]


class NotYetError(Exception):
    """The learner's function has no result to judge; the message says why."""


@dataclass(frozen=True)
class Exercise:
    """An exercise with one right answer: a function of arrays."""

    right: Callable[..., NDArray]
    """Its docstring is the task; its parameters are those of the lesson's stub."""
    inputs: list[tuple]
    """The function is tried on each of these, the smallest first."""
    mistakes: Mistakes
    """What to tell the learner, and a function that makes this mistake."""

    def verdict(self, run: Callable[..., Any]) -> str:
        """Say "Right", or which mistake gives the same results.

        Parameters
        ----------
        run : callable
            ``run(*arguments)`` returns what the learner's function does, or raises
            `NotYetError`.
        """
        given = [_real_array(run(*arguments)) for arguments in self.inputs]
        if _agrees(given, self.right, self.inputs):
            return "Right."
        for message, wrong in self.mistakes.items():
            # A row with nothing to look at is 0 in the package, NaN to most learners.
            if _agrees(given, wrong, self.inputs, nan=0.0):
                return f"Not yet: {message}"
        return f"Not yet: {_first_difference(given, self.right, self.inputs)}"


@dataclass(frozen=True)
class Judged:
    """An exercise with many right answers, judged by what the answer does."""

    judge: Callable[[Any], str]
    """Turns what the learner returns into a verdict. Its docstring is the task."""

    def verdict(self, run: Callable[..., Any]) -> str:
        """Say "Right", or what the answer does instead; `run` as in `Exercise`."""
        return self.judge(run())


def describe(arguments: tuple) -> str:
    """Say what a function was given: shapes of arrays, and the rest as it is."""
    said = [
        f"an array of the shape {a.shape}" if isinstance(a, np.ndarray) else str(a)
        for a in arguments
    ]
    return ", ".join(said)


def _real_array(value: Any) -> NDArray:
    if isinstance(value, (int, float)):
        value = np.asarray(value)
    if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "fiu":
        kind = getattr(value, "dtype", type(value).__name__)
        raise NotYetError(
            f"Not yet: return one NumPy array of real numbers, not {kind}."
        )
    return np.asarray(value)


def _agrees(
    given: list[NDArray],
    function: Callable[..., NDArray],
    inputs: list[tuple],
    nan: float = np.nan,
) -> bool:
    """Whether `function` gives the same; NaN equals nothing, or what `nan` says."""
    with np.errstate(all="ignore"):  # a mistake may divide by zero
        wanted = [function(*arguments) for arguments in inputs]
    return all(
        a.shape == b.shape
        and np.allclose(
            np.nan_to_num(a, nan=nan), np.nan_to_num(b, nan=nan), 1e-4, 1e-6
        )
        for a, b in zip(given, wanted)
    )


def _first_difference(
    given: list[NDArray], right: Callable[..., NDArray], inputs: list[tuple]
) -> str:
    for arguments, value in zip(inputs, given):
        expected = right(*arguments)
        start = f"given {describe(arguments)}, "
        if value.shape != expected.shape:
            return f"{start}the result has shape {value.shape}, not {expected.shape}."
        if np.isnan(value).any():
            return f"{start}there is NaN in the result: from 0/0, or from inf - inf."
        if not np.allclose(value, expected, 1e-4, 1e-6):
            at = np.unravel_index(np.abs(value - expected).argmax(), value.shape)
            place = f"entry [{', '.join(str(int(i)) for i in at)}]" if at else "it"
            return (
                f"{start}{place} should be {expected[at]:.3f} and is {value[at]:.3f}."
            )
    raise AssertionError("all results are right")


def sample(*shapes: tuple[int, ...]) -> tuple[NDArray, ...]:
    """Return one array of normal numbers for each shape."""
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape) for shape in shapes)


def sample_maps(h: int, n: int) -> NDArray:
    """Return maps (h, n, n) whose rows sum to 1."""
    return softmax(3 * np.random.default_rng(n).normal(size=(h, n, n)))


def scores(query: NDArray, key: NDArray) -> NDArray:
    """Compare each query with each key: (n_q, d_k), (n_k, d_k) -> (n_q, n_k)."""
    return query @ key.T / np.sqrt(key.shape[-1])


def masked(scores: NDArray, mask: NDArray) -> NDArray:
    """Set scores to -inf where the mask is False."""
    return np.where(mask, scores, -np.inf)


def softmax_of_all(scores: NDArray) -> NDArray:
    """Let all numbers add up to 1 together, where each row should. A mistake."""
    return softmax(scores.ravel()).reshape(scores.shape)


def softmax_mistakes(prepare: Callable[..., NDArray]) -> Mistakes:
    """Return what goes wrong on the way from query and key to weights.

    ``prepare(scores, *mask)`` is what the exercise does before the softmax.
    """
    return {
        "the scores are not divided by √d_k.": (
            lambda q, k, *m: softmax(prepare(q @ k.T, *m))
        ),
        "the scores are divided by d_k. It is √d_k.": (
            lambda q, k, *m: softmax(prepare(q @ k.T / k.shape[-1], *m))
        ),
        "these are the scores. The softmax is still to come.": (
            lambda q, k, *m: prepare(scores(q, k), *m)
        ),
        "this is e to the score, not yet divided by the sum of its row.": (
            lambda q, k, *m: np.exp(prepare(scores(q, k), *m))
        ),
        "each column adds up to 1. It must be each row: the sum runs over the keys.": (
            lambda q, k, *m: softmax(prepare(scores(q, k), *m), axis=0)
        ),
        "all numbers together add up to 1. It must be each row by itself.": (
            lambda q, k, *m: softmax_of_all(prepare(scores(q, k), *m))
        ),
        "query and key are swapped: rows belong to queries, columns to keys.": (
            lambda q, k, *m: softmax(prepare(scores(k, q), *m))
        ),
    }


def mask_mistakes(allow: Callable[..., NDArray]) -> Mistakes:
    """Return what goes wrong with a mask; ``allow(scores, *mask)`` is where it is True.

    A row with nothing to attend to comes out as zeros here.
    """
    return {
        "the mask is missing: forbidden words still get weight.": (
            lambda q, k, *m: softmax(scores(q, k))
        ),
        "the mask comes after the softmax, so rows no longer add up to 1.": (
            lambda q, k, *m: softmax(scores(q, k)) * allow(scores(q, k), *m)
        ),
        "the mask is turned round: True means may attend.": (
            lambda q, k, *m: softmax(masked(scores(q, k), ~allow(scores(q, k), *m)))
        ),
        "forbidden scores are set to 0, and e^0 is 1. It takes -inf.": (
            lambda q, k, *m: softmax(scores(q, k) * allow(scores(q, k), *m))
        ),
    }


def attend_in_heads(
    x: NDArray,
    w_q: NDArray,
    w_k: NDArray,
    w_v: NDArray,
    mask: NDArray | None = None,
    *,
    scale: float | None = None,
) -> NDArray:
    """Return the heads' outputs: (n, d), matrices (h, d, d_k) -> (h, n, d_v)."""
    query, key, value = x @ w_q, x @ w_k, x @ w_v
    return scaled_dot_product_attention(query, key, value, mask, scale=scale)[0]


def cut_rows(x: NDArray, num_heads: int) -> NDArray:
    """Reshape without transpose: heads are made of whole words' rows. A mistake."""
    return x.reshape(num_heads, len(x), -1)


def glue_rows(z: NDArray) -> NDArray:
    """Reshape without transpose, on the way back. A mistake."""
    return z.reshape(z.shape[1], -1)


def root_of_model(x: NDArray) -> float:
    """Return the scale 1/√d_model, where 1/√d_k is right. A mistake."""
    return x.shape[-1] ** -0.5
