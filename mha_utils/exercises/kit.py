"""What an exercise is, and what exercises of several lessons share.

There are two kinds: an `Exercise` has one right answer, a `Judged` has many. Each gives
its `verdict` on a learner's function, which it calls through `run`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import (
    MultiHeadAttention,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)

Way = Callable[..., NDArray]
Mistakes = dict[str, Way | tuple[Way, ...]]
_HUGE = 1e100  # products of a few of these are still numbers
PACKAGE: tuple[Callable, ...] = (
    softmax,
    scaled_dot_product_attention,
    split_heads,
    merge_heads,
    MultiHeadAttention.__init__,
)
"""What a learner builds who may use nothing of the package."""


class NotYetError(Exception):
    """The learner's function has no result to judge; the message says why."""


@dataclass(frozen=True)
class Exercise:
    """An exercise with one right answer: a function of arrays."""

    right: Way
    """Its docstring is the task; its parameters are those of the lesson's stub."""
    inputs: list[tuple]
    """The function is tried on each of these, the smallest first.

    No two sizes are the same, or a wrong one would pass. The first input may be more
    regular, so that more wrong answers run on it and can be named.
    """
    mistakes: Mistakes
    """What to tell the learner, and functions that make this mistake."""
    closed: tuple[Callable, ...] = ()
    """Functions of the package that may not be called: the learner writes them."""

    def verdict(self, run: Callable[[dict[str, Any]], Any]) -> str:
        """Say "Right", or which mistake gives the same results.

        Parameters
        ----------
        run : callable
            ``run(given)`` returns what the learner's function does with the arguments,
            which have names here, or raises `NotYetError`.
        """
        results: list[NDArray] = []
        try:
            for arguments in self.inputs:
                given = self._by_name(arguments)
                results.append(_real_array(run(given), self.right(*arguments)))
        except NotYetError:
            named = (
                results and not self._is(results, self.right) and self._name(results)
            )
            if not named:
                raise
            return f"Not yet: {named}"
        if self._is(results, self.right):
            return "Right."
        return f"Not yet: {self._name(results) or self._first_difference(results)}"

    def _by_name(self, arguments: tuple) -> dict[str, Any]:
        return dict(zip(signature(self.right).parameters, arguments, strict=True))

    def _is(self, results: list[NDArray], way: Way, nan: float = np.nan) -> bool:
        """Whether `way` gives these; NaN equals nothing, or what `nan` says."""
        try:
            with np.errstate(all="ignore"):  # a mistake may divide by zero
                wanted = [way(*given) for given, _ in zip(self.inputs, results)]
        except ValueError:  # its shapes do not fit all inputs
            return False
        return all(
            _equal(np.nan_to_num(a, nan=nan), np.nan_to_num(b, nan=nan))
            for a, b in zip(results, wanted)
        )

    def _name(self, results: list[NDArray]) -> str:
        """Return the message of the mistake that gives these results, or ""."""
        for message, ways in self.mistakes.items():
            for way in ways if isinstance(ways, tuple) else (ways,):
                # A row with nothing to look at is 0 in the package, NaN to most.
                if self._is(results, way, nan=0.0):
                    return message
        return ""

    def _first_difference(self, results: list[NDArray]) -> str:
        for arguments, value in zip(self.inputs, results):
            expected = self.right(*arguments)
            start = f"given {describe(self._by_name(arguments))}, "
            if value.shape != expected.shape:
                return f"{start}{_other_shape(value.shape, expected.shape)}"
            if np.isnan(value).any():
                return (
                    f"{start}there is NaN in the result: from 0/0, or from inf - inf."
                )
            if not _equal(value, expected):
                return f"{start}{_other_numbers(value, expected)}"
        raise AssertionError("all results are right")


@dataclass(frozen=True)
class Judged:
    """An exercise with many right answers, judged by what the answer does."""

    judge: Callable[[Any], str]
    """Turns what the learner returns into a verdict. Its docstring is the task."""
    closed: tuple[Callable, ...] = ()

    def verdict(self, run: Callable[[dict[str, Any]], Any]) -> str:
        """Say "Right", or what the answer does instead; `run` as in `Exercise`."""
        return self.judge(_without_torch(run({})))


def as_matrix(value: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Take a matrix of this shape from the learner, or say what is wrong with it."""
    try:
        matrix = np.asarray(value).astype(float, casting="same_kind")
    except (TypeError, ValueError):
        raise NotYetError(
            f"Not yet: this is no matrix of numbers. Its shape must be {shape}."
        ) from None
    if matrix.shape != shape:
        raise NotYetError(f"Not yet: the shape is {matrix.shape}; it must be {shape}.")
    if not (np.abs(matrix) < _HUGE).all():
        raise NotYetError(
            "Not yet: there is NaN, an infinity or a number too large to compute with. "
            "Numbers up to some hundreds are enough."
        )
    return matrix


def describe(given: dict[str, Any]) -> str:
    """Say what a function was given: "x (5, 8), num_heads 3"."""
    return ", ".join(
        f"{name} {a.shape if isinstance(a, np.ndarray) else a}"
        for name, a in given.items()
    )


def _equal(a: NDArray, b: NDArray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, 1e-4, 1e-6)


def _without_torch(value: Any) -> Any:
    """Turn a tensor of PyTorch, which need not be installed, into an array."""
    if not hasattr(value, "detach"):
        return value
    try:
        return value.detach().cpu().numpy()
    except TypeError:  # a dtype that NumPy does not have
        raise NotYetError(
            f"Not yet: the tensor is {value.dtype}. Return it as .double()."
        ) from None


PAIRS = (
    "Attention returns two things, output and weights: take the one that is asked for."
)


def holds_pairs(value: Any) -> bool:
    """Whether a function's several results were put into a list as they came."""
    return isinstance(value, list) and any(isinstance(part, tuple) for part in value)


def _real_array(value: Any, expected: NDArray) -> NDArray:
    """Take what the learner's function returned as an array."""
    value = _without_torch(value)
    if isinstance(value, (int, float)):
        value = np.asarray(value)
    if holds_pairs(value):
        raise NotYetError(f"Not yet: your list holds tuples. {PAIRS}")
    wanted = "one NumPy array of real numbers" if expected.ndim else "one real number"
    if isinstance(value, list) and expected.ndim:
        raise NotYetError(
            "Not yet: your list is not yet an array. np.stack(your_list) joins its "
            "parts into one."
        )
    if isinstance(value, (list, tuple)):
        many = "It holds several: return the one that is asked for."
        raise NotYetError(
            f"Not yet: return {wanted}, not {type(value).__name__}. "
            f"{many if isinstance(value, tuple) else 'One number.'}"
        )
    if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "fiu":
        kind = getattr(value, "dtype", type(value).__name__)
        said = f"Not yet: return {wanted}, not {kind}."
        if getattr(kind, "kind", "") == "b":
            said += " True and False say yes or no: .mean() is the share of True."
        raise NotYetError(said)
    return np.asarray(value)


def _other_shape(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    said = f"the result has shape {shape}, not {expected}"
    if not shape:
        return f"{said}: it is one number, and an array is wanted."
    if not expected:
        return f"{said}: it is an array, and one number is wanted."
    return f"{said}."


def _other_numbers(value: NDArray, expected: NDArray) -> str:
    """Say where two arrays of one shape differ most, in as many digits as it takes."""
    if value.dtype == np.float16:
        return "the numbers are float16, which holds three digits. Keep float64."
    # Whole numbers are no rounded ones: they are places, counts or zeros.
    for digits in range(1, 7):
        rounded = expected.round(digits)
        if np.array_equal(value, rounded) and (rounded % 1).any():
            return (
                f"the numbers are rounded to {digits} digits. Return them as they are."
            )
    at = np.unravel_index(np.abs(value - expected).argmax(), value.shape)
    place = f"entry [{', '.join(str(int(i)) for i in at)}]" if at else "it"
    digits = 0 if value[at] % 1 == expected[at] % 1 == 0 else 3
    while f"{value[at]:.{digits}f}" == f"{expected[at]:.{digits}f}":
        digits += 1
    return f"{place} should be {expected[at]:.{digits}f} and is {value[at]:.{digits}f}."


def sample(*shapes: tuple[int, ...]) -> tuple[NDArray, ...]:
    """Return one array of normal numbers for each shape."""
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape) for shape in shapes)


def sample_mask(n_q: int, n_k: int) -> NDArray[np.bool_]:
    """Return a mask that is not causal, with True and False in each row."""
    rank = np.random.default_rng(n_q).normal(size=(n_q, n_k)).argsort(axis=1)
    return rank.argsort(axis=1) <= np.arange(n_q)[:, None] % (n_k - 1)


def sample_maps(h: int, n: int) -> NDArray:
    """Return maps (h, n, n) whose rows sum to 1."""
    return softmax(3 * np.random.default_rng(n).normal(size=(h, n, n)))


def scores(query: NDArray, key: NDArray) -> NDArray:
    """Compare each query with each key: (..., n, d_k) twice -> (..., n_q, n_k)."""
    return query @ key.swapaxes(-1, -2) / np.sqrt(key.shape[-1])


def masked(scores: NDArray, mask: NDArray) -> NDArray:
    """Set scores to -inf where the mask is False."""
    return np.where(mask, scores, -np.inf)


def softmax_of_all(scores: NDArray) -> NDArray:
    """Let all numbers add up to 1 together, where each row should. A mistake."""
    return softmax(scores.ravel()).reshape(scores.shape)


def plain_softmax(scores: NDArray, axis: int | None = -1, e: float = np.e) -> NDArray:
    """Return the powers over their sum, as it is written. It overflows: a mistake."""
    return e**scores / (e**scores).sum(axis=axis, keepdims=True)


NEARLY_E = (2.7, 2.71, 2.72, 2.718, 3.0)
FINITE = (-1.0, -2.0, -5.0, -9.0, -10.0)
COARSE_E = "e is more than its first digits. Take np.exp."
FINITE_MASK = (
    "forbidden words still get a little weight: such a number is not low enough. "
    "It takes -inf."
)


def softmax_mistakes(prepare: Callable[..., NDArray]) -> Mistakes:
    """Return what goes wrong on the way from query and key to weights.

    ``prepare(scores, *mask)`` is what the exercise does before the softmax.
    """

    def scaled_by(scale: Callable[..., float]) -> Way:
        return lambda q, k, *m: softmax(
            prepare(q @ k.swapaxes(-1, -2) / scale(q, k), *m)
        )

    return {
        "the scores are not divided by √d_k.": scaled_by(lambda q, k: 1.0),
        "the scores are divided by d_k. It is √d_k.": (
            scaled_by(lambda q, k: k.shape[-1])
        ),
        "the scores are divided by √n. It is √d_k, of the numbers in a row.": (
            scaled_by(lambda q, k: k.shape[-2] ** 0.5),
            scaled_by(lambda q, k: q.shape[-2] ** 0.5),
        ),
        "these are the scores. The softmax is still to come.": (
            lambda q, k, *m: prepare(scores(q, k), *m)
        ),
        "this is e to the score, not yet divided by the sum of its row.": (
            lambda q, k, *m: np.exp(prepare(scores(q, k), *m)),
            lambda q, k, *m: _largest_is_one(prepare(scores(q, k), *m)),
        ),
        "each column adds up to 1. It must be each row: the sum runs over the keys.": (
            lambda q, k, *m: softmax(prepare(scores(q, k), *m), axis=-2),
            lambda q, k, *m: softmax(prepare(scores(q, k), *m), axis=0),
            lambda q, k, *m: plain_softmax(prepare(scores(q, k), *m), axis=-2),
            lambda q, k, *m: plain_softmax(prepare(scores(q, k), *m), axis=0),
        ),
        "all numbers together add up to 1. It must be each row by itself.": (
            lambda q, k, *m: softmax_of_all(prepare(scores(q, k), *m)),
            lambda q, k, *m: plain_softmax(prepare(scores(q, k), *m), axis=None),
        ),
        "query and key are swapped: rows belong to queries, columns to keys.": (
            lambda q, k, *m: softmax(prepare(scores(k, q), *m))
        ),
        COARSE_E: tuple(
            lambda q, k, *m, e=e: plain_softmax(prepare(scores(q, k), *m), e=e)
            for e in NEARLY_E
        ),
    }


def _largest_is_one(scores: NDArray) -> NDArray:
    return np.exp(scores - scores.max(axis=-1, keepdims=True))


def weigh(scores: NDArray, mask: NDArray) -> NDArray:
    """Turn scores and a mask into weights."""
    return softmax(masked(scores, mask))


def mask_mistakes(
    by: Way,
    allow: Callable[..., NDArray] = lambda scores, mask: mask,
    low: tuple[float, ...] = FINITE,
) -> Mistakes:
    """Return what goes wrong with a mask.

    ``by(*arguments, weigh=...)`` does the exercise with other weights from scores and
    mask, and ``allow(scores, *mask)`` is where the mask is True. In place of -inf a
    learner may put a number that is not `low` enough. A row with nothing to attend to
    comes out as zeros here.
    """

    def weighed(way: Way) -> Way:
        return lambda *a: by(*a, weigh=lambda s, *m: way(s, allow(s, *m)))

    def filled(fill: float) -> Way:
        return weighed(lambda s, m: softmax(np.where(m, s, fill)))

    def added(fill: float) -> Way:
        return weighed(lambda s, m: softmax(s + fill * ~m))

    return {
        "the mask is missing: forbidden words still get weight.": (
            weighed(lambda s, m: softmax(s))
        ),
        "the mask comes after the softmax, so rows no longer add up to 1.": (
            weighed(lambda s, m: softmax(s) * m)
        ),
        "the mask is turned round: True means may attend.": (
            weighed(lambda s, m: weigh(s, ~m)),
            weighed(lambda s, m: softmax(np.where(m, -1e9, s))),
            weighed(lambda s, m: softmax(s - 1e9 * m)),
        ),
        "forbidden scores are set to 0, and e^0 is 1. It takes -inf.": (
            weighed(lambda s, m: softmax(s * m))
        ),
        "the mask is added as 0 and 1, which forbids nothing. Forbidden scores take "
        "-inf.": weighed(lambda s, m: softmax(s + m)),
        FINITE_MASK: (
            *(filled(fill) for fill in low),
            *(added(fill) for fill in FINITE if fill < -1),  # -1 is the mask itself
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
    """Make heads of whole words' rows: (..., n, h*d) -> (..., h, n, d). A mistake."""
    *front, n, width = x.shape
    return x.reshape(*front, num_heads, n, width // num_heads)


def glue_rows(z: NDArray) -> NDArray:
    """Do that on the way back: (..., h, n, d_v) -> (..., n, h*d_v). A mistake."""
    *front, h, n, d_v = z.shape
    return z.reshape(*front, n, h * d_v)


def every_hth(x: NDArray, num_heads: int) -> NDArray:
    """Deal columns out in turn: (..., n, h*d) -> (..., h, n, d). A mistake."""
    dealt = x.reshape(*x.shape[:-1], -1, num_heads)  # (..., n, d_k, h)
    return np.moveaxis(dealt, -1, -3)


def scale_mistakes(attend: Way, sizes: dict[str, Callable[..., float]]) -> Mistakes:
    """Return wrong scales: what the scores are divided by, and how large it is.

    ``attend(*arguments, scale=...)`` does the exercise with another scale.
    """

    def divided_by(size: Callable[..., float]) -> Way:
        return lambda *a: attend(*a, scale=1 / size(*a))

    return {
        "the scores are not divided by √d_k.": divided_by(lambda *a: 1.0),
        **{
            f"the scores are divided by {name}. A head has d_k numbers: √d_k.": (
                divided_by(size)
            )
            for name, size in sizes.items()
        },
    }
