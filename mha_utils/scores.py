"""Which head does which relation: scores of attention maps against known answers.

An *example* is a pair of `AttentionMaps` and links {from: to}: the places of words that
have something to find, and where it stands. Everything here takes a list of examples,
whatever model the maps come from.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mha_utils.sentences import AttentionMaps

Example = tuple[AttentionMaps, dict[int, int]]


def gold_mass(examples: Sequence[Example]) -> NDArray:
    """Return how much attention goes to the right word, (num_layers, num_heads).

    The mean over all links of the weight that the word gives to what it should find.
    """
    return np.mean(
        [maps.weights[..., i, j] for maps, links in examples for i, j in links.items()],
        axis=0,
    )


def hits(examples: Sequence[Example]) -> NDArray:
    """Return how often the right word gets the most, (num_layers, num_heads).

    Clark et al. 2019, section 4.2, call this the accuracy of a head.
    """
    return np.mean(
        [
            maps.weights[..., i, :].argmax(axis=-1) == j
            for maps, links in examples
            for i, j in links.items()
        ],
        axis=0,
    )


def best_offset(examples: Sequence[Example]) -> tuple[int, float]:
    """Return the fixed distance that is right most often, and how often that is.

    The rule "look k words back" needs no attention; a head should beat it. A negative k
    looks ahead.
    """
    counts = Counter(i - j for _, links in examples for i, j in links.items())
    [(offset, count)] = counts.most_common(1)
    return offset, count / counts.total()


def entropy(maps: AttentionMaps) -> NDArray:
    """Return the mean entropy of a head's rows in bits, (num_layers, num_heads).

    0 where every word looks at one word only, log2(n) where all look evenly.
    """
    weights = maps.weights.astype(float)
    logs = np.log2(weights, where=weights > 0, out=np.zeros_like(weights))
    return -(weights * logs).sum(axis=-1).mean(axis=-1)


def match_heads(scores: ArrayLike) -> list[int]:
    """Give each relation a head of its own so that the sum of their scores is largest.

    Parameters
    ----------
    scores : array (num_relations, num_heads)
        Such as the mass of each relation, one layer, or all layers in a row.

    Returns
    -------
    heads : list of num_relations int

    Raises
    ------
    ValueError
        If there are more relations than heads.
    """
    scores = np.asarray(scores)
    relations, heads = scores.shape
    if relations > heads:
        raise ValueError(f"{relations} relations cannot have one of {heads} heads each")
    # The best matching uses none but the best few heads of each relation.
    few = sorted({int(h) for row in scores for h in row.argsort()[-relations:]})
    rows = range(relations)
    best = max(permutations(few, relations), key=lambda own: scores[rows, own].sum())
    return list(best)


def damage(accuracy: Callable[[list[int]], NDArray], num_heads: int) -> NDArray:
    """Return what each relation loses without each head, (num_heads, num_relations).

    Parameters
    ----------
    accuracy : callable
        ``accuracy(heads)`` returns the accuracies of the relations with these heads.
    num_heads : int
    """
    every = list(range(num_heads))
    whole = accuracy(every)
    return np.array([whole - accuracy([h for h in every if h != out]) for out in every])
