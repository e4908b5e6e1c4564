"""Which head does which relation: scores of attention maps against known answers.

An *example* is a pair of `AttentionMaps` and links {from: to}: the places of words that
have something to find, and where it stands. Scores take a list of examples, whatever
model the maps come from; examples without a single link are refused as ValueError.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mha_utils.maps import AttentionMaps

Example = tuple[AttentionMaps, dict[int, int]]

# A name and pairs of words, each with its number behind # where it is there again.
_RELATION = re.compile(r"\s*\S+(\s+[^\s>#]+(#[1-9]\d*)?>[^\s>#]+(#[1-9]\d*)?)*\s*")


def read_labelled(path: str | Path) -> list[tuple[str, dict[str, dict[int, int]]]]:
    """Read sentences in which somebody has marked who relates to whom.

    A line is ``The cat sat . | sv cat>sat | det The>cat``: the words with spaces
    between them, then a name for each relation and its pairs. ``the#2`` is the second
    "the" of the sentence.

    Returns
    -------
    sentences : list of pairs
        The text, and for each relation its links {from: to}, places of words.

    Raises
    ------
    ValueError
        If a relation is not written so, if a pair names a word that is not there, or
        not which of several, or if the file is not UTF-8.
    """
    sentences = []
    for line in filter(str.strip, _lines(Path(path))):
        text, *relations = line.split(" | ")
        tokens = text.split()
        links: dict[str, dict[int, int]] = {}
        for relation in relations:
            if not _RELATION.fullmatch(relation):
                raise ValueError(
                    f"{relation!r} is no relation, such as 'sv cat>sat', in: {line}"
                )
            name, *pairs = relation.split()
            ends = (pair.split(">") for pair in pairs)
            links[name] = {_place(tokens, i): _place(tokens, j) for i, j in ends}
        sentences.append((text, links))
    return sentences


def _lines(path: Path) -> list[str]:
    """Read lines, as any system and editor ends them, and as any editor begins them."""
    try:
        return path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(
            f"{path.name} is not UTF-8. Save it with the encoding UTF-8; editors offer "
            f"that under Save As."
        ) from None


def _place(tokens: list[str], name: str) -> int:
    word, _, count = name.partition("#")
    places = [i for i, token in enumerate(tokens) if token == word]
    if len(places) < int(count or 1) or not (count or len(places) == 1):
        raise ValueError(f"{name} is {len(places)} times in: {' '.join(tokens)}")
    return places[int(count or 1) - 1]


def examples(
    maps: Iterable[AttentionMaps],
    links: Iterable[dict[str, dict[int, int]]],
    relation: str,
    *,
    backwards: bool = False,
) -> list[Example]:
    """Pair the maps of some sentences with the links of one relation.

    Parameters
    ----------
    maps, links : one of each for every sentence
        The links of all relations, such as ``{"subject": {2: 1}}``.
    relation : str
        A sentence without it has nothing to find.
    backwards : bool
        Whether to ask the other way: what was to be found looks for what found it.
    """
    found = (every.get(relation, {}) for every in links)
    if backwards:
        found = ({j: i for i, j in some.items()} for some in found)
    return list(zip(maps, found, strict=True))


def where_rule_fails(examples: Sequence[Example], offset: int) -> list[Example]:
    """Keep the links that the rule "look `offset` words back" does not find."""
    return [
        (maps, {i: j for i, j in links.items() if i - j != offset})
        for maps, links in examples
    ]


def best_head(scores: NDArray) -> tuple[int, int]:
    """Return layer and head of the largest of scores (num_layers, num_heads)."""
    layer, head = np.unravel_index(np.argmax(scores), np.shape(scores))
    return int(layer), int(head)


def gold_mass(examples: Sequence[Example]) -> NDArray:
    """Return how much attention goes to the right word, (num_layers, num_heads).

    The mean over all links of the weight that the word gives to what it should find.
    """
    _need_links(examples)
    return np.mean(
        [maps.weights[..., i, j] for maps, links in examples for i, j in links.items()],
        axis=0,
    )


def hits(examples: Sequence[Example]) -> NDArray:
    """Return how often the right word gets the most, (num_layers, num_heads).

    Clark et al. 2019, section 4.2, call this the accuracy of a head.
    """
    found, asked = _counts(examples)
    return found.sum(axis=0) / asked.sum()


def split_half(
    examples: Sequence[Example],
    test: Sequence[Example] | None = None,
    *,
    splits: int = 200,
    seed: int = 0,
) -> tuple[float, Counter[tuple[int, int]]]:
    """Pick the head with most hits on one half, and count its hits on the other half.

    The best of many heads is in part the luckiest. On examples that had no say in the
    choice its luck is gone.

    Parameters
    ----------
    examples : sequence of examples
    test : sequence of as many examples, optional
        What is asked of the other half, if it is not the same.
    splits : int
        How often the examples are halved, by chance each time.
    seed : int

    Returns
    -------
    hits : float
        The share of right answers over all splits.
    chosen : Counter
        How often each (layer, head) was picked.
    """
    (found, _), (right, asked) = _counts(examples), _counts(test or examples)
    rng, counts = np.random.default_rng(seed), np.zeros(2)
    chosen: Counter[tuple[int, int]] = Counter()
    for _ in range(splits):
        picking = rng.permutation(len(examples)) < len(examples) // 2  # (examples,)
        total = found[picking].sum(axis=0)  # (num_layers, num_heads)
        layer, head = best_head(total)
        chosen[layer, head] += 1
        counts += right[~picking, layer, head].sum(), asked[~picking].sum()
    return float(counts[0] / counts[1]), chosen


def _counts(examples: Sequence[Example]) -> tuple[NDArray, NDArray]:
    """Count hits (examples, num_layers, num_heads), and links (examples,)."""
    _need_links(examples)
    found = [
        sum(
            (maps.weights[..., i, :].argmax(axis=-1) == j for i, j in links.items()),
            np.zeros(maps.weights.shape[:2], int),
        )
        for maps, links in examples
    ]
    return np.array(found), np.array([len(links) for _, links in examples])


def _need_links(examples: Sequence[Example]) -> None:
    if not any(links for _, links in examples):
        raise ValueError(
            f"{len(examples)} examples without a link: is the relation's name right?"
        )


def best_offset(examples: Sequence[Example]) -> tuple[int, float]:
    """Return the fixed distance that is right most often, and how often that is.

    The rule "look k words back" needs no attention; a head should beat it. A negative k
    looks ahead.
    """
    _need_links(examples)
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
