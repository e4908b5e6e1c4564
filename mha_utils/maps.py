"""The one thing that all sources of attention give, and all pictures take."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """The words of a sentence and who attends to whom in every head.

    Parameters
    ----------
    tokens : list of n strings
    weights : array (num_layers, num_heads, n, n)
        Row i of a map is the attention of word i: what share it gives to each word.
        One layer may be given as (num_heads, n, n), one head as (n, n).
    head_names : sequence of num_heads strings
        Names to show beside the heads' numbers; none if empty.
    note : str
        Something the reader should know about these maps, shown beside them.

    Raises
    ------
    ValueError
        If `weights` does not have a map of n x n finite numbers for each head.
    """

    tokens: list[str]
    weights: NDArray
    head_names: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights)
        if weights.ndim in (2, 3):
            weights = weights.reshape((1,) * (4 - weights.ndim) + weights.shape)
        n = len(self.tokens)
        if weights.ndim != 4 or weights.shape[2:] != (n, n) or 0 in weights.shape:
            raise ValueError(
                f"weights has shape {weights.shape}; for {n} tokens it needs "
                f"(num_layers, num_heads, {n}, {n})"
            )
        if weights.dtype.kind != "f" or not np.isfinite(weights).all():
            raise ValueError("weights holds NaN, infinity or no real numbers")
        if len(self.head_names) not in (0, weights.shape[1]):
            raise ValueError(
                f"{len(self.head_names)} head_names for {weights.shape[1]} heads"
            )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "tokens", [str(token) for token in self.tokens])
