"""Lesson 4: put heads side by side, see what each adds, and cut them apart again."""

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import merge_heads, split_heads
from mha_utils.exercises.kit import Exercise, cut_rows, every_hth, glue_rows, sample


def _concatenate(z: NDArray) -> NDArray:
    """From z (h, n, d_v) to (n, h*d_v), head 1 first."""
    return merge_heads(z)


CONCATENATE = Exercise(
    right=_concatenate,
    inputs=[sample((3, 2, 4)), sample((4, 5, 3)), sample((5, 3, 2))],
    mistakes={
        "the numbers are reshaped without a transpose: words and heads are mixed up.": (
            glue_rows
        ),
        "the heads are put below each other. Put them side by side: (n, h*d_v).": (
            lambda z: z.reshape(-1, z.shape[2])
        ),
        "the heads are averaged. Keep all their numbers, side by side.": (
            lambda z: z.mean(axis=0)
        ),
        "the heads are added up. Keep all their numbers, side by side.": (
            lambda z: z.sum(axis=0)
        ),
        "the heads' numbers alternate. All of head 1 first, then all of head 2.": (
            lambda z: z.transpose(1, 2, 0).reshape(z.shape[1], -1)
        ),
        "only the first two heads are there. Take all h of them.": (
            lambda z: merge_heads(z[:2])
        ),
    },
    closed=(merge_heads,),
)


def _contributions(z: NDArray, w_o: NDArray) -> NDArray:
    """From z (h, n, d_v) and W_O (h*d_v, d) to each head's part of the output."""
    return z @ w_o.reshape(len(z), -1, w_o.shape[1])  # (h, n, d)


CONTRIBUTIONS = Exercise(
    right=_contributions,
    inputs=[
        sample((3, 2, 4), (12, 5)),
        sample((4, 5, 2), (8, 3)),
        sample((5, 4, 3), (15, 7)),
    ],
    mistakes={
        "this is the output: the contributions added up. Keep the heads apart.": (
            lambda z, w: _contributions(z, w).sum(axis=0)
        ),
        "each head has its own rows of W_O, and all of yours use the first.": (
            lambda z, w: z @ w[: z.shape[2]]
        ),
        "each head takes every h-th row of W_O. Its rows are side by side.": (
            lambda z, w: np.stack([z_i @ w[i :: len(z)] for i, z_i in enumerate(z)])
        ),
        "head i begins at row i of W_O. It must be row i * d_v, or heads overlap.": (
            lambda z, w: np.stack(
                [z_i @ w[i : i + z.shape[2]] for i, z_i in enumerate(z)]
            )
        ),
        "the rows of W_O come in the wrong order: head 1 has the first ones.": (
            lambda z, w: _contributions(z[::-1], w)[::-1]
        ),
        "this is divided by the number of heads. Their parts add up.": (
            lambda z, w: _contributions(z, w) / len(z)
        ),
        "W_O is transposed.": lambda z, w: z @ w.T.reshape(len(z), z.shape[2], -1),
    },
)


def _split(x: NDArray, num_heads: int) -> NDArray:
    """From flat queries (n, h*d_k) to (h, n, d_k)."""
    return split_heads(x, num_heads)


SPLIT = Exercise(
    right=_split,
    inputs=[(*sample((2, 12)), 3), (*sample((5, 8)), 4), (*sample((4, 15)), 5)],
    mistakes={
        "this cuts rows, not columns: each head gets whole words, some of them only. "
        "Reshape to (n, h, d), then swap the first two axes.": cut_rows,
        "the heads are the second axis: (n, h, d). They come first: (h, n, d).": (
            lambda x, h: x.reshape(len(x), h, -1)
        ),
        "each head takes every h-th number. It must take numbers side by side.": (
            every_hth
        ),
        "the number of heads is written as 2. It is num_heads.": (
            lambda x, h: split_heads(x, 2),
            lambda x, h: split_heads(x, h)[:2],
        ),
    },
    closed=(split_heads,),
)

EXERCISES = {
    "concatenate": CONCATENATE,
    "contributions": CONTRIBUTIONS,
    "split": SPLIT,
}
