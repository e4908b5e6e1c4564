"""A sentence cut into the pieces that a model reads, and joined to words again."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mha_utils.maps import AttentionMaps
from mha_utils.text import words

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer


class Pieces(NamedTuple):
    """A sentence as a model reads it: n pieces, of fewer words or as many."""

    ids: list[int]
    """The number of each piece in the model's vocabulary."""
    tokens: list[str]
    """The words, with the special tokens."""
    members: NDArray[np.float32]
    """(words, n): 1 where the piece belongs to the word."""
    unknown: list[str]
    """Words for which the model has no piece."""


def cut(tokenizer: "Tokenizer", sentence: str, max_pieces: int) -> Pieces:
    """Cut a sentence into pieces, and say which piece is whose.

    A word that the model ignores, such as an invisible character, is left out.

    Raises
    ------
    ValueError
        If the sentence has no words or more than `max_pieces`.
    """
    typed = words(sentence)
    encoding = _encode(tokenizer, typed)
    _need_few(len(encoding.ids), max_pieces)
    _need_words(encoding.special_tokens_mask)
    # A special token belongs to no word: it is a word of its own.
    owners = [-1 - i if w is None else w for i, w in enumerate(encoding.word_ids)]
    order = list(dict.fromkeys(owners))
    members = np.array(order)[:, None] == owners  # (words, n)
    tokens = [
        typed[owner] if owner >= 0 else encoding.tokens[owners.index(owner)]
        for owner in order
    ]
    unknown = [
        typed[owner]
        for owner, piece in zip(owners, encoding.tokens)
        if piece == "[UNK]" and owner >= 0
    ]
    return Pieces(
        encoding.ids,
        tokens,
        members.astype(np.float32),
        list(dict.fromkeys(unknown)),
    )


def join(pieces: Pieces, weights: NDArray) -> AttentionMaps:
    """Turn weights (layers, h, n, n) between pieces into maps between words.

    A word is attended to with the sum of its pieces' weights and attends with their
    mean.
    """
    members = pieces.members  # (words, n)
    sizes = members.sum(1, keepdims=True)  # pieces of each word
    weights = members / sizes @ weights @ members.T  # n pieces -> n words
    names = ", ".join(pieces.unknown)
    note = f"The model does not know {names}." if names else ""
    return AttentionMaps(pieces.tokens, weights, note=note)


def without_special(maps: AttentionMaps) -> AttentionMaps:
    """Hide the first and the last token, and say what share of attention they get."""
    weights = maps.weights[..., 1:-1, 1:-1]
    share = 1 - weights.sum(-1).mean()
    note = f"Not shown: the {share:.0%} that go to [CLS] and [SEP]. {maps.note}"
    return AttentionMaps(maps.tokens[1:-1], weights, note=note.strip())


def _encode(tokenizer: "Tokenizer", typed: list[str]) -> "Encoding":
    try:
        return tokenizer.encode(typed, is_pretokenized=True)
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"tokenizer.json cannot cut this: {error}") from None


def _need_few(n: int, max_pieces: int) -> None:
    if n > max_pieces:
        raise ValueError(
            f"This sentence has {n} word pieces; the model reads at most "
            f"{max_pieces}. Use a shorter one."
        )


def _need_words(special: list[int]) -> None:
    if all(special):
        raise ValueError("There are no words in this sentence.")
