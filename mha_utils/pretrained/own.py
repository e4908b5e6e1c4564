"""A reader's own attention in a model, in place of the course's, with its weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import MultiHeadAttention, merge_heads


class OwnAttention:
    """Calls a reader's function where a model's layer attends, and checks the answer.

    The function needs no biases. Each word gets one more number, which is always 1, and
    the bias of a matrix is that number's row in it. Only ``b_o`` is added here.

    Parameters
    ----------
    attend : callable
        ``attend(x, w_q, w_k, w_v, w_o, num_heads, mask)`` returns the output (n, d) and
        the weights (h, n, n), from x (n, d+1), the heads' matrices side by side, w_q,
        w_k (d+1, h*d_k) and w_v (d+1, h*d_v), w_o (h*d_v, d), and a mask (n, n) that
        allows all.
    layer : MultiHeadAttention
        Whose weights the function gets.
    place : int
        The layer's number in the model, from 1; messages name it.
    """

    def __init__(
        self, attend: Callable[..., Any], layer: MultiHeadAttention, place: int
    ) -> None:
        self._attend, self._layer = attend, layer
        name = getattr(attend, "__name__", type(attend).__name__)
        self._called = f"{name}, in layer {place} of the model,"
        self._matrices = {
            "w_q": _with_bias(layer.w_q, layer.b_q),
            "w_k": _with_bias(layer.w_k, layer.b_k),
            "w_v": _with_bias(layer.w_v, layer.b_v),
        }
        self._w_o = _read_only(layer.w_o.copy())

    def __call__(self, x: NDArray) -> tuple[NDArray, NDArray]:
        """Return the output (n, d) and the weights (h, n, n) of words x (n, d).

        Raises
        ------
        ValueError
            If the function raises, or returns something else or numbers that are not
            finite. The message says which layer it was and what the function was given.
        """
        output, weights = self._ask(x, self._w_o)
        return output if self._layer.b_o is None else output + self._layer.b_o, weights

    def contributions(self, x: NDArray) -> NDArray:
        """Return what each head adds to the output, (h, n, d): it is asked alone."""
        parts = []
        for rows in np.split(np.arange(len(self._w_o)), self._layer.num_heads):
            w_o = np.zeros_like(self._w_o)  # the other heads' numbers count for nothing
            w_o[rows] = self._w_o[rows]
            parts.append(self._ask(x, w_o)[0])
        return np.stack(parts)

    def _ask(self, x: NDArray, w_o: NDArray) -> tuple[NDArray, NDArray]:
        n, d, h = len(x), self._layer.d_model, self._layer.num_heads
        x = np.hstack([x, np.ones((n, 1), x.dtype)])  # (n, d) -> (n, d+1)
        mask = np.ones((n, n), bool)
        given = {"x": x, **self._matrices, "w_o": w_o, "num_heads": h, "mask": mask}
        was_given = f"It was given {_described(given)}."
        try:
            result = self._attend(*given.values())
        except Exception as error:  # the reader's own, whatever it is
            kind = type(error).__name__
            raise ValueError(
                f"{self._called} raised {kind}: {error}. {was_given}"
            ) from error
        try:
            output, weights = _pair(result)
            return (
                _real("output", output, "(n, d)", (n, d)),
                _real("maps", weights, "(h, n, n)", (h, n, n)),
            )
        except ValueError as error:
            raise ValueError(f"{self._called} {error}. {was_given}") from None


def _with_bias(w: NDArray, b: NDArray | None) -> NDArray:
    """Put the heads side by side and their bias below: (h, d, d_k) -> (d+1, h*d_k)."""
    flat = merge_heads(w)  # (d, h*d_k)
    row = np.zeros(flat.shape[1], w.dtype) if b is None else b.ravel()
    return _read_only(np.vstack([flat, row]))


def _read_only(array: NDArray) -> NDArray:
    array.flags.writeable = False  # a function that changes it would change the model
    return array


def _described(given: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {a.shape if isinstance(a, np.ndarray) else a}"
        for name, a in given.items()
    )


def _pair(result: Any) -> tuple[Any, Any]:
    if isinstance(result, (tuple, list)) and len(result) == 2:
        return result[0], result[1]
    if result is None:
        found = "nothing"
    elif isinstance(result, (tuple, list)):
        found = f"a {type(result).__name__} of {len(result)}"
    elif hasattr(result, "shape"):
        found = f"one array of shape {tuple(result.shape)}"
    else:
        found = f"one {type(result).__name__}"
    raise ValueError(
        f"returned {found}; it needs two arrays: the output (n, d) and the maps "
        f"(h, n, n)"
    )


def _real(name: str, value: Any, letters: str, shape: tuple[int, ...]) -> NDArray:
    """Return one of the two arrays as float32."""
    if hasattr(value, "detach"):  # a tensor of PyTorch
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except Exception as error:  # a list of unequal rows, a tensor on another processor
        raise ValueError(f"returned {name} that NumPy cannot read: {error}") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(
            f"returned {name} of dtype {array.dtype}; it needs real numbers"
        )
    if array.shape != shape:
        raise ValueError(
            f"returned {name} of shape {array.shape}; it needs {letters} = {shape}"
        )
    with np.errstate(over="ignore"):  # refused below
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"returned {name} {shape} with NaN or infinity in it")
    return array
