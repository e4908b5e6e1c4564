"""A small model that writes the next word: heads that build on other heads.

It learns from texts that repeat themselves. A text draws 3 to 11 words and says them
again and again: from the second time on, what follows a word is what followed it last
time. Its words have no meaning, only numbers, the slots; in each text they come in
another order. So any words of any language can be typed: each takes a free slot.

Each layer adds to what stands before it, the residual stream: a head of the second
layer reads what heads of the first wrote. See Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits", and Olsson et al. 2022, "In-context Learning and
Induction Heads".
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import (
    causal_mask,
    merge_heads,
    positions,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from mha_utils.guards import heads_of, need_equal_heads
from mha_utils.maps import AttentionMaps
from mha_utils.text import START, words
from mha_utils.training import D_MODEL, Trainer, attention_backward

SLOTS = 40
TEXT = 24  # words in a text of training
FARTHEST = 40  # place at which a text of training begins at most
NEW = "(a new word)"
"""Stands for all words that are not in the text."""


class Decoder:
    """Layers of attention heads on a residual stream, and a guess at the next word.

    Parameters
    ----------
    num_layers, num_heads : int
        Of each layer; d_k = d_v = 48 / num_heads.
    seed : int
        Of the random weights.

    Attributes
    ----------
    parameters : dict
        ``words`` (41, d), the start and 40 slots; ``w_q``, ``w_k``, ``w_v``, ``w_o``
        (num_layers, d, d), all heads of a layer side by side; and ``next`` (d, 40), all
        float32.

    Raises
    ------
    ValueError
        If there is no layer, or `num_heads` does not divide 48.
    """

    def __init__(self, num_layers: int, num_heads: int, seed: int) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; a model needs at least 1")
        need_equal_heads(D_MODEL, num_heads)
        rng, d = np.random.default_rng(seed), D_MODEL
        self.num_layers, self.num_heads = num_layers, num_heads
        square = (num_layers, d, d)
        self.parameters = {
            name: (rng.normal(size=shape) / np.sqrt(width)).astype(np.float32)
            for name, shape, width in (
                ("words", (1 + SLOTS, d), 1),
                ("w_q", square, d),
                ("w_k", square, d),
                ("w_v", square, d),
                ("w_o", square, d),
                ("next", (d, SLOTS), d),
            )
        }

    def forward(
        self, ids: NDArray, places: NDArray | None = None
    ) -> tuple[NDArray, NDArray]:
        """Score each slot as the next word.

        Parameters
        ----------
        ids : array (b, n) of int
            The words' numbers: 0 is the start, slot s has the number s + 1.
        places : array (b, n) of int, optional
            Where in a text each word stands; 0, 1, 2, ... if not given.

        Returns
        -------
        scores : array (b, n, 40)
            The softmax makes probabilities of them.
        weights : array (b, num_layers, h, n, n)
        """
        x, layers = self._run(ids, places)
        self._kept = ids, x, layers  # for `backward`
        weights = np.stack([layer[-2] for layer in layers], axis=1)
        return x @ self.parameters["next"], weights

    def _run(
        self,
        ids: NDArray,
        places: NDArray | None = None,
        off: Iterable[tuple[int, int]] = (),
        ablation: str = "zero",
    ) -> tuple[NDArray, list[tuple[NDArray, ...]]]:
        """Compute the residual stream, and what each layer needs to run backwards.

        `off` and `ablation` are those of `attend`.
        """
        off = heads_of(off, self.num_layers, self.num_heads)
        instead = self._instead(ablation)  # (num_layers, h, d_v)
        p, h = self.parameters, self.num_heads
        n, dtype = ids.shape[1], p["words"].dtype
        places = np.arange(n) if places is None else places
        x = p["words"][ids]  # (b, n, d)
        x += _places(places.max() + 1).astype(dtype)[places]
        mask, layers = causal_mask(n), list[tuple[NDArray, ...]]()
        for layer in range(self.num_layers):
            q, k, v = (split_heads(x @ p[w][layer], h) for w in ("w_q", "w_k", "w_v"))
            z, weights = scaled_dot_product_attention(q, k, v, mask)  # (b, h, n, d_v)
            for head in (head for where, head in off if where == layer):
                z[:, head] = instead[layer, head]
            z = merge_heads(z)  # (b, n, h*d_v)
            layers.append((x, q, k, v, weights, z))
            x = x + z @ p["w_o"][layer]  # (b, n, d), the residual stream
        return x, layers

    def backward(self, grad_scores: NDArray) -> dict[str, NDArray]:
        """Return the gradient of each parameter, the last `forward` backwards.

        Parameters
        ----------
        grad_scores : array (b, n, 40)
            The derivative of the loss by each score that `forward` gave.
        """
        p, h = self.parameters, self.num_heads
        ids, last, layers = self._kept
        gradient = {name: np.zeros_like(array) for name, array in p.items()}
        # Where it does not matter which text a word is in, all are one long row of
        # words, (b*n, ...): one large matrix product is faster than b small ones.
        grad_scores = _flat(grad_scores)  # (b*n, 40)
        gradient["next"] = _flat(last).T @ grad_scores  # (d, 40)
        grad_x = grad_scores @ p["next"].T  # (b*n, d)
        for layer in reversed(range(self.num_layers)):
            x, q, k, v, weights, z = layers[layer]
            gradient["w_o"][layer] = _flat(z).T @ grad_x  # (h*d_v, d)
            grad_z = (grad_x @ p["w_o"][layer].T).reshape(z.shape)  # (b, n, h*d_v)
            grad_heads = attention_backward(split_heads(grad_z, h), q, k, v, weights)
            for name, grad_head in zip(("w_q", "w_k", "w_v"), grad_heads):
                grad_flat = _flat(merge_heads(grad_head))  # (b*n, h*d_k)
                gradient[name][layer] = _flat(x).T @ grad_flat  # (d, h*d_k)
                # Beside what went past the layer, what went through its heads.
                grad_x += grad_flat @ p[name][layer].T  # (b*n, d)
        is_word = np.eye(len(p["words"]), dtype=grad_x.dtype)[ids.ravel()]  # (b*n, 41)
        gradient["words"] = is_word.T @ grad_x  # (41, d)
        return gradient

    def attend(
        self, text: str, *, off: Iterable[tuple[int, int]] = (), ablation: str = "zero"
    ) -> AttentionMaps:
        """Run the heads of all layers on a text.

        Parameters
        ----------
        text : str
            Words of any language, at most 40 different ones. Large and small letters
            count the same.
        off : pairs (layer, head), counted from 0, optional
            Heads that are switched off; those behind them read what is left.
        ablation : str
            What these bring: nothing, "zero", or what they bring on average to a word
            in texts like those of training, "mean".

        Raises
        ------
        ValueError
            If the text has no word, too many, or more different ones than there are
            slots; if a head is not there, or `ablation` is neither.
        """
        tokens, ids, _ = _read(text)
        _, layers = self._run(ids, off=off, ablation=ablation)
        weights = np.concatenate([layer[-2] for layer in layers])  # (layers, h, n, n)
        return AttentionMaps([START, *tokens], weights, note=_note(ids[0, 1:]))

    def next_words(
        self, text: str, *, off: Iterable[tuple[int, int]] = (), ablation: str = "zero"
    ) -> list[tuple[str, float]]:
        """Return the five likeliest next words of a text, with their probabilities.

        The slots that the text leaves free are one of them, `NEW`. Arguments and
        refusals are those of `attend`.
        """
        _, ids, different = _read(text)
        x, _ = self._run(ids, off=off, ablation=ablation)
        shares = softmax(x[0, -1] @ self.parameters["next"])  # (40,)
        taken = len(different)
        found = [*zip(different, shares.tolist()), (NEW, float(shares[taken:].sum()))]
        return sorted(found, key=lambda pair: -pair[1])[:5]

    def right(
        self,
        texts: "Texts",
        *,
        off: Iterable[tuple[int, int]] = (),
        ablation: str = "zero",
    ) -> float:
        """Return how often the likeliest word is the next, where it can be known.

        `off` and `ablation` are those of `attend`.
        """
        x, _ = self._run(texts.ids[:, :-1], off=off, ablation=ablation)
        likeliest = (x @ self.parameters["next"]).argmax(axis=-1) + 1  # (b, n)
        return float((likeliest == texts.ids[:, 1:])[texts.known].mean())

    def jobs(self, texts: "Texts | None" = None) -> dict[str, NDArray]:
        """Return how much attention each head gives to what each job asks for.

        Parameters
        ----------
        texts : Texts, optional
            If not given, 20 texts like those of training.

        Returns
        -------
        jobs : dict
            The mean share, (num_layers, h), that goes from a word to the word before
            it; from a word that was there before to the words that followed it then;
            and from a word that is new to the start.
        """
        ids = (texts or draw(20, np.random.default_rng(9))).ids[:, :-1]
        _, layers = self._run(ids)
        weights = np.stack([layer[-2] for layer in layers], axis=1)
        before, followed, rest = np.zeros((3, *ids.shape, ids.shape[1]), bool)
        for k, tokens in enumerate(ids.tolist()):
            after = followers(tokens)
            for i in range(1, len(tokens)):
                before[k, i, i - 1] = i > 1
                followed[k, i, after[i]] = True
                rest[k, i, 0] = not after[i]
        wanted = {
            "the word before": before,
            "what followed before": followed,
            "rest at the start": rest,
        }
        return {
            job: (weights * places[:, None, None]).sum(axis=(0, 3, 4))
            / places.any(axis=-1).sum()
            for job, places in wanted.items()
        }

    def _instead(self, ablation: str) -> NDArray:
        """Return what heads that are off bring, (num_layers, h, d_v)."""
        if ablation not in ("zero", "mean"):
            raise ValueError(f'ablation is {ablation!r}; it must be "zero" or "mean"')
        shape = self.num_layers, self.num_heads, D_MODEL // self.num_heads
        if ablation == "zero":
            return np.zeros(shape)
        _, layers = self._run(draw(50, np.random.default_rng(9)).ids[:, :-1])
        mean = [layer[-1].mean(axis=(0, 1)) for layer in layers]  # each (h*d_v,)
        return np.reshape(mean, shape)


@lru_cache(maxsize=8)
def _places(n: int) -> NDArray:
    """Return the vectors of n places, (n, d), twice as large as those of words.

    So a head of the first layer finds the word before by its place, whatever it is.
    """
    return 2 * positions(n, D_MODEL)


def _flat(array: NDArray) -> NDArray:
    """Put the words of all texts into one row: (b, n, ...) -> (b*n, ...)."""
    return array.reshape(-1, array.shape[-1])


def _read(text: str) -> tuple[list[str], NDArray, list[str]]:
    """Give each different word a slot: words, their numbers (1, n), different words."""
    tokens = words(text)
    if not tokens:
        raise ValueError("There is no word in this text. Type at least one.")
    different: dict[str, str] = {}
    for token in tokens:
        different.setdefault(token.casefold(), token)
    if len(different) > SLOTS:
        raise ValueError(
            f"This text has {len(different)} different words, and the model has "
            f"{SLOTS} slots for words. Take a shorter text, or one that repeats itself."
        )
    numbers = {word: number for number, word in enumerate(different, start=1)}
    ids = np.array([[0, *(numbers[token.casefold()] for token in tokens)]])
    return tokens, ids, list(different.values())


def _note(numbers: NDArray) -> str:
    """Say what a reader must know who looks at a text unlike those of training."""
    n = len(numbers)
    if len(set(numbers.tolist())) == n:
        return "No word is there twice, so nothing tells which word comes next."
    if n > TEXT + FARTHEST:
        return f"These are {n} words; the model was trained on texts of {TEXT}."
    return ""


class Texts(NamedTuple):
    """Texts that repeat themselves."""

    ids: NDArray
    """(b, 1 + n + 1) numbers: the start, the words, and the word that comes next"""
    known: NDArray
    """(b, 1 + n) True where the next word can be known: the word was there before"""


def draw(
    b: int,
    rng: np.random.Generator,
    *,
    n: int = TEXT,
    shortest: int = 3,
    longest: int = 11,
) -> Texts:
    """Draw `b` texts of `n` words that repeat themselves.

    Parameters
    ----------
    b : int
    rng : numpy.random.Generator
    n : int
    shortest, longest : int
        After how many words a text repeats itself, from 1 to 40.

    Raises
    ------
    ValueError
        If there are not so many slots, or `longest` is less than `shortest`.
    """
    if not 1 <= shortest <= longest <= SLOTS:
        raise ValueError(
            f"shortest is {shortest} and longest is {longest}; a text repeats itself "
            f"after 1 to {SLOTS} words"
        )
    period = rng.integers(shortest, longest + 1, (b, 1))
    slots = rng.random((b, SLOTS)).argsort(axis=1)  # each text's own order
    said = np.take_along_axis(slots, np.arange(n + 1) % period, axis=1)  # (b, n + 1)
    ids = np.concatenate([np.zeros((b, 1), int), said + 1], axis=1)
    return Texts(ids, np.arange(n + 1) > period)


def followers(tokens: Sequence[object]) -> list[list[int]]:
    """Say for each word where the words stand that followed it before.

    Returns
    -------
    places : list of lists
        For each word the places behind its earlier occurrences; none if it is new.

    Examples
    --------
    >>> followers("cat mat dog cat mat".split())
    [[], [], [], [1], [2]]
    """
    behind: dict[object, list[int]] = {}
    places = []
    for i, token in enumerate(tokens):
        places.append(list(behind.setdefault(token, [])))
        behind[token].append(i + 1)
    return places


class DecoderTraining(Trainer):
    """A decoder that learns to write the next word: 32 new texts a step.

    Each text begins at another place, 0 to 40, so that no head can learn where a word
    stands, only how far from another.

    Parameters
    ----------
    num_heads, seed : int
        The seed is that of weights and texts.
    num_layers : int
    steps : int
    learning_rate : float

    Attributes
    ----------
    model : Decoder
        What is trained. The loss is the mean surprise at the next word, in nats: minus
        the logarithm of its probability.

    Raises
    ------
    ValueError
        If `num_heads` does not divide 48, or there is nothing to do.
    """

    def __init__(
        self,
        num_heads: int = 1,
        seed: int = 0,
        *,
        num_layers: int = 2,
        steps: int = 400,
        learning_rate: float = 0.01,
    ) -> None:
        super().__init__(Decoder(num_layers, num_heads, seed), steps, learning_rate)
        self._rng = np.random.default_rng([seed, 1])

    def _loss_and_gradient(self) -> tuple[float, dict[str, NDArray]]:
        ids = draw(32, self._rng).ids
        places = self._rng.integers(0, FARTHEST + 1, (32, 1)) + np.arange(TEXT + 1)
        scores, _ = self.model.forward(ids[:, :-1], places)  # (b, n, 40)
        scores -= scores.max(axis=-1, keepdims=True)
        shares = np.exp(scores)  # (b, n, 40)
        total = shares.sum(axis=-1, keepdims=True)  # (b, n, 1)
        wanted = ids[:, 1:, None] - 1  # (b, n, 1)
        surprise = np.log(total) - np.take_along_axis(scores, wanted, axis=-1)
        shares /= total  # the softmax
        np.put_along_axis(shares, wanted, np.expm1(-surprise), axis=-1)  # less 1
        shares /= surprise.size
        gradient = self.model.backward(shares)
        return float(surprise.mean()), gradient
