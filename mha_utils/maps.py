"""The one thing that all sources of attention give, and all pictures take."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.guards import need_equal_groups

# A row may add up to a little more: float16, or stored answers that were rounded.
ROUNDING = 0.03


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Words, and who attends to whom in every head.

    Parameters
    ----------
    tokens : list of n_q strings
        The words that look, a row each.
    weights : array (num_layers, num_heads, n_q, n_k)
        Row i of a map is the attention of word i: what share it gives to each word. A
        row may add up to less than 1, where words are hidden. One layer may be given as
        (num_heads, n_q, n_k), one head as (n_q, n_k). A list of layers is taken as a
        model returns it, each with the heads, or with one sentence and the heads, in
        front. PyTorch tensors are taken, too.
    head_names : sequence of num_heads strings
        Names to show beside the heads' numbers; none if empty.
    note : str
        Something the reader should know about these maps, shown beside them.
    keys : list of n_k strings, optional
        The words that are looked at, a column each; if not given, those that look. They
        are others where a sentence looks into another one, or a new word into those
        that a cache keeps.
    why : (queries, keys, names), optional
        What makes the scores, so that the explorer can say why a word looks at another:
        the queries (num_layers, num_heads, n_q, d_k), the keys (num_layers, num_heads,
        n_k, d_k), and names of their d_k columns, the same for all heads or a list for
        each head. Columns of the same name are added up. One layer needs no axis.
    num_kv_heads : int, optional
        How many key/value heads the heads share, as in `MultiHeadAttention`; if not
        given, each has its own. Those that share are shown together.

    Raises
    ------
    ValueError
        If `weights` does not have a map of n_q x n_k shares for each head, or `why`
        does not give these weights. The message names the row and the likely cause:
        scores in place of weights, dropout left on, several sentences at once, a model
        that was not asked for its maps.
    """

    tokens: list[str]
    weights: NDArray
    head_names: tuple[str, ...] = ()
    note: str = ""
    _: KW_ONLY
    keys: list[str] = None  # type: ignore[assignment]  # then the tokens, below
    num_kv_heads: int = None  # type: ignore[assignment]  # then the number of heads
    why: tuple[NDArray, NDArray, Sequence[Any]] | None = None

    def __post_init__(self) -> None:
        weights = _layers(self.weights)  # (num_layers, num_heads, n_q, n_k)
        tokens = [str(token) for token in self.tokens]
        keys = tokens if self.keys is None else [str(token) for token in self.keys]
        _need_maps(weights, len(tokens), len(keys))
        _need_shares(weights)
        num_heads = weights.shape[1]
        head_names = tuple(str(name) for name in self.head_names)
        if len(head_names) not in (0, num_heads):
            raise ValueError(f"{len(head_names)} head_names for {num_heads} heads")
        num_kv_heads = num_heads if self.num_kv_heads is None else self.num_kv_heads
        need_equal_groups(num_heads, num_kv_heads)
        made = {
            "tokens": tokens,
            "weights": weights,
            "head_names": head_names,
            "keys": keys,
            "num_kv_heads": num_kv_heads,
            "why": None if self.why is None else _reasons(self.why, weights),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)


def _layers(weights: Any) -> NDArray:
    """Join a list of layers, and add the axes that one layer or one head lacks."""
    if isinstance(weights, (list, tuple)):
        weights = weights or [None]  # sdpa gives as many layers as it has maps: none
        weights = [_array(layer) for layer in weights]
        if len({layer.shape for layer in weights}) > 1:
            shapes = ", ".join(str(layer.shape) for layer in weights)
            raise ValueError(f"weights is a list of layers that differ: {shapes}")
    weights = _array(weights)
    if weights.ndim == 5 and weights.shape[1] == 1:
        weights = weights[:, 0]  # (layers, 1, h, n_q, n_k) -> (layers, h, n_q, n_k)
    if weights.ndim in (2, 3):
        weights = weights.reshape((1,) * (4 - weights.ndim) + weights.shape)
    return weights


def _array(weights: Any) -> NDArray:
    """Return real numbers as floating point, also those of a PyTorch tensor."""
    if weights is None:
        raise ValueError(
            "weights is None: the model returned no maps. Ask for "
            "output_attentions=True, and load it with attn_implementation='eager'"
        )
    if hasattr(weights, "detach"):  # NumPy knows no bfloat16, and no other processor
        weights = weights.detach().cpu()
        weights = weights.float() if "bfloat16" in str(weights.dtype) else weights
    weights = np.asarray(weights)
    return weights.astype(float) if weights.dtype.kind in "biu" else weights


def _need_maps(weights: NDArray, n_q: int, n_k: int) -> None:
    if weights.ndim == 5:
        raise ValueError(
            f"weights has shape {weights.shape}, the maps of {weights.shape[1]} "
            f"sentences; take one sentence at a time: [layer[0] for layer in weights]"
        )
    if not n_q:  # a reader's own function leaves an empty box to this
        raise ValueError("There is no word in this sentence. Type at least one.")
    if weights.ndim != 4 or weights.shape[2:] != (n_q, n_k) or 0 in weights.shape:
        whose = f"{n_q} tokens" if n_q == n_k else f"{n_q} tokens and {n_k} keys"
        raise ValueError(
            f"weights has shape {weights.shape}; for {whose} it needs "
            f"(num_layers, num_heads, {n_q}, {n_k})"
        )
    if weights.dtype.kind != "f" or not np.isfinite(weights).all():
        raise ValueError("weights holds NaN, infinity or no real numbers")


@np.errstate(over="ignore")  # a sum that overflows is above 1, too
def _need_shares(weights: NDArray) -> None:
    """Refuse what is no share of attention, and say where and probably why."""
    low = weights.min(axis=-1)  # (layers, h, n_q)
    if (low < 0).any():
        place, number = _worst(-low)
        raise ValueError(
            f"weights holds {-number:.2f} {place}, and a share cannot be negative. If "
            f"these are scores, the softmax is still to come"
        )
    total = weights.sum(axis=-1, dtype=float)  # (layers, h, n_q)
    if (total > 1 + ROUNDING).any():
        place, number = _worst(total)
        raise ValueError(
            f"weights add up to {number:.2f} {place}; a row adds up to 1 at most. If "
            f"a model gave them, dropout may be left on: call model.eval(). If these "
            f"are scores, the softmax is still to come"
        )


def _reasons(
    why: Any, weights: NDArray
) -> tuple[NDArray, NDArray, tuple[tuple[str, ...], ...]]:
    """Return queries and keys with all axes, and the names of each head's columns."""
    if not isinstance(why, (tuple, list)) or len(why) != 3:
        raise ValueError(
            "why needs three things: queries, keys, names of their columns"
        )
    queries, keys, names = _layers(why[0]), _layers(why[1]), list(why[2])
    num_layers, h, n_q, n_k = weights.shape
    d_k = queries.shape[-1] if queries.ndim == 4 else "d_k"
    for what, array, n in (("queries", queries, n_q), ("keys", keys, n_k)):
        if array.shape != (num_layers, h, n, d_k):
            raise ValueError(
                f"why: the {what} have shape {array.shape}; these maps need "
                f"({num_layers}, {h}, {n}, {d_k})"
            )
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"why: the {what} hold NaN, infinity or no real numbers")
    if all(isinstance(name, str) for name in names):
        names = [names] * h
    if len(names) != h or any(len(own) != d_k for own in names):
        raise ValueError(f"why: {d_k} columns need {d_k} names, alike or for each head")
    _need_the_weights(queries, keys, weights)
    return queries, keys, tuple(tuple(map(str, own)) for own in names)


@np.errstate(over="ignore", invalid="ignore")  # an overflow is refused in words
def _need_the_weights(queries: NDArray, keys: NDArray, weights: NDArray) -> None:
    queries, keys = queries.astype(float), keys.astype(float)
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(keys.shape[-1])
    if not np.isfinite(scores).all():
        raise ValueError("why: the product of queries and keys overflows")
    scores = np.where(weights > 0, scores, -np.inf)  # (num_layers, h, n_q, n_k)
    most = scores.max(axis=-1, keepdims=True)
    given = np.exp(scores - np.where(np.isfinite(most), most, 0))
    given /= np.maximum(given.sum(axis=-1, keepdims=True), 1e-300)
    off = np.abs(given - weights)
    if (off > ROUNDING).any():
        at = np.unravel_index(off.argmax(), off.shape)
        place = ", ".join(map(str, at))
        raise ValueError(
            f"why: the queries and keys give {given[at]:.2f}, but weights[{place}] is "
            f"{weights[at]:.2f}. The weights must be the softmax of queries @ keys / "
            f"sqrt(d_k), of all keys that a word sees"
        )


def _worst(numbers: NDArray) -> tuple[str, float]:
    """Name the row with the largest number, and the number."""
    layer, head, row = map(int, np.unravel_index(numbers.argmax(), numbers.shape))
    place = f"in weights[{layer}, {head}, {row}]"
    return place, float(numbers[layer, head, row])
