"""Lesson 5: measure what a head does, and take it out."""

import numpy as np
from numpy.typing import NDArray

from mha_utils.exercises.kit import Exercise, sample, sample_maps

_LINKED_MAPS = [
    (sample_maps(3, 4), np.array([[1, 0], [3, 2]])),
    (sample_maps(4, 6), np.array([[2, 0], [3, 1], [4, 1], [1, 1], [0, 5]])),
    (sample_maps(5, 7), np.array([[2, 4], [3, 6], [6, 1], [5, 0]])),
]
_FIRST_LINKS = (
    "links[0] and links[1] are the first two links. All places from are in column "
    "links[:, 0], all places to in links[:, 1]."
)


def _mass(weights: NDArray, links: NDArray) -> NDArray:
    """From weights (h, n, n) and links (k, 2) to the mean weight on them, (h,)."""
    return _linked(weights, links).mean(axis=1)


def _linked(weights: NDArray, links: NDArray) -> NDArray:
    return weights[:, links[:, 0], links[:, 1]]  # (h, k)


def _hits(weights: NDArray, links: NDArray) -> NDArray:
    """Return how often each head's largest weight is on the linked word, (h,)."""
    best = weights[:, links[:, 0]].argmax(axis=-1)  # (h, k)
    return (best == links[:, 1]).mean(axis=1)


MASS = Exercise(
    right=_mass,
    inputs=_LINKED_MAPS,
    mistakes={
        "rows and columns are swapped: the row is the word that looks.": (
            lambda w, links: _mass(w.swapaxes(1, 2), links)
        ),
        "this is the sum over the links, not their mean.": (
            lambda w, links: _mass(w, links) * len(links)
        ),
        "these are the links one by one. Their mean is wanted, for each head.": _linked,
        _FIRST_LINKS: lambda w, links: w[:, links[0], links[1]].mean(axis=1),
        "the mean runs over the heads. It must run over the links.": (
            lambda w, links: _linked(w, links).mean(axis=0)
        ),
        "this counts how often the right word is first, not how much it gets.": _hits,
    },
)

HITS = Exercise(
    right=_hits,
    inputs=_LINKED_MAPS,
    mistakes={
        "this is how much the right word gets, not how often it is first.": _mass,
        "the largest weight is looked for in columns. A row is one word's look.": (
            lambda w, links: _hits(w.swapaxes(1, 2), links)
        ),
        "this counts all heads together. It must be each head by itself.": (
            lambda w, links: np.asarray(_hits(w, links).mean())
        ),
        _FIRST_LINKS: (
            lambda w, links: (w[:, links[0]].argmax(axis=-1) == links[1]).mean(axis=1)
        ),
        "this is a count. Divide it by the number of links.": (
            lambda w, links: _hits(w, links) * len(links)
        ),
        "to and from are swapped: the first column of links is who looks.": (
            lambda w, links: _hits(w, links[:, ::-1])
        ),
    },
)


def _ablation(contributions: NDArray, keep: NDArray) -> NDArray:
    """From contributions (h, n, d) to the output (n, d) with the heads to keep (h,).

    Each of the others adds its mean over the words.
    """
    mean = contributions.mean(axis=1, keepdims=True)  # (h, 1, d)
    return _replaced(contributions, keep, mean).sum(axis=0)


def _replaced(contributions: NDArray, keep: NDArray, mean: NDArray) -> NDArray:
    return np.where(keep[:, None, None], contributions, mean)  # (h, n, d)


ABLATION = Exercise(
    right=_ablation,
    inputs=[
        (*sample((3, 2, 4)), np.array([True, False, True])),
        (*sample((4, 5, 3)), np.array([False, True, False, False])),
        (*sample((5, 3, 2)), np.array([False, True, True, False, True])),
    ],
    mistakes={
        "what is left out adds nothing here. It must add its mean.": (
            lambda parts, keep: parts[keep].sum(axis=0)
        ),
        "keep is turned round: True means the head stays.": (
            lambda parts, keep: _ablation(parts, ~keep)
        ),
        "the mean runs over the heads. It must run over the words.": (
            lambda parts, keep: _replaced(parts, keep, parts.mean(axis=0)).sum(axis=0)
        ),
        "the mean runs over a word's numbers. It must run over the words.": (
            lambda parts, keep: _replaced(
                parts, keep, parts.mean(axis=2, keepdims=True)
            ).sum(axis=0)
        ),
        "this is one number as the mean. Each of the d numbers has its own.": (
            lambda parts, keep: _replaced(
                parts, keep, parts.mean(axis=(1, 2), keepdims=True)
            ).sum(axis=0)
        ),
        "the contributions are averaged. They add up.": (
            lambda parts, keep: _ablation(parts, keep) / len(parts)
        ),
        "the heads are still apart. The output is their sum.": (
            lambda parts, keep: _replaced(
                parts, keep, parts.mean(axis=1, keepdims=True)
            )
        ),
    },
)

EXERCISES = {"mass": MASS, "hits": HITS, "ablation": ABLATION}
