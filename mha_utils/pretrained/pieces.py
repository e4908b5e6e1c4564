"""A sentence cut into the pieces that a model reads, and joined to words again."""

from bisect import bisect
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mha_utils.maps import AttentionMaps
from mha_utils.pretrained.wordpiece import Piece
from mha_utils.text import spans, well_formed, words


class Tokenizer(Protocol):
    """Cuts a text into the pieces of a vocabulary."""

    def cut(self, text: str) -> list[Piece]:
        """Cut it, and put special tokens before and behind."""


class Pieces(NamedTuple):
    """A sentence as a model reads it: n pieces, of fewer words or as many."""

    ids: list[int]
    """The number of each piece in the model's vocabulary."""
    tokens: list[str]
    """The words, with the special tokens."""
    members: NDArray[np.float32]
    """(words, n): 1 where the piece belongs to the word."""
    notes: list[str]
    """What the reader should know: unknown words, special tokens that were typed."""


def cut(tokenizer: Tokenizer, sentence: str, max_pieces: int) -> Pieces:
    """Cut a sentence into the tokenizer's pieces, and say which piece is whose.

    A word that the model ignores, such as an invisible character, is left out. Words
    that share a piece become one.

    Raises
    ------
    ValueError
        If the sentence has no words or more than `max_pieces`.
    """
    text = well_formed(sentence)
    pieces = tokenizer.cut(text)
    _need_few(len(pieces), max_pieces)
    cuts = [piece.span for piece in pieces if piece.span]
    _need_words(cuts)
    starts = [start for start, _ in _joined(spans(text), cuts)]
    # A special token that the tokenizer puts in is a word of its own.
    owners = [
        bisect(starts, piece.span[0]) - 1 if piece.span else -1 - i
        for i, piece in enumerate(pieces)
    ]
    order = list(dict.fromkeys(owners))
    members = np.array(order)[:, None] == owners  # (words, n)
    ends = [*starts[1:], len(text)]
    tokens = [
        "".join(words(text[starts[owner] : ends[owner]]))
        if owner >= 0
        else pieces[owners.index(owner)].token
        for owner in order
    ]
    return Pieces(
        [piece.id for piece in pieces],
        tokens,
        members.astype(np.float32),
        _notes(pieces, dict(zip(order, tokens)), owners),
    )


def _joined(
    words: list[tuple[int, int]], pieces: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Join neighbouring words of which a piece has a part of each."""
    joined: list[tuple[int, int]] = []
    pieces_left = iter(sorted(pieces))
    reach = 0  # where the pieces end that begin before this word does
    piece = next(pieces_left, None)
    for start, stop in words:
        while piece and piece[0] < start:
            reach, piece = max(reach, piece[1]), next(pieces_left, None)
        if joined and reach > start:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return joined


def _notes(pieces: list[Piece], names: dict[int, str], owners: list[int]) -> list[str]:
    unknown, special = dict[str, None](), dict[str, None]()
    for owner, (_, piece, _) in zip(owners, pieces):
        if owner >= 0 and piece == names[owner] and piece[0] + piece[-1] == "[]":
            special[piece] = None
        elif owner >= 0 and piece == "[UNK]":
            unknown[names[owner]] = None
    notes = [f"The model does not know {', '.join(unknown)}."] if unknown else []
    if special:
        notes.append(f"The model reads {', '.join(special)} as a token of its own.")
    return notes


def join(pieces: Pieces, weights: NDArray) -> AttentionMaps:
    """Turn weights (layers, h, n, n) between pieces into maps between words.

    A word is attended to with the sum of its pieces' weights and attends with their
    mean.
    """
    members = pieces.members  # (words, n)
    sizes = members.sum(1, keepdims=True)  # pieces of each word
    weights = members / sizes @ weights @ members.T  # n pieces -> n words
    return AttentionMaps(pieces.tokens, weights, note=" ".join(pieces.notes))


def without_special(maps: AttentionMaps) -> AttentionMaps:
    """Hide the first and the last token, and say what share of attention they get."""
    weights = maps.weights[..., 1:-1, 1:-1]
    share = 1 - weights.sum(-1).mean()
    note = (
        f"Not shown: [CLS] and [SEP], {share:.0%} on average over all heads and words."
    )
    note = f"{note} {maps.note}"
    return AttentionMaps(maps.tokens[1:-1], weights, note=note.strip())


def _need_few(n: int, max_pieces: int) -> None:
    if n > max_pieces:
        raise ValueError(
            f"This sentence has {n} word pieces; the model reads at most "
            f"{max_pieces}. Use a shorter one."
        )


def _need_words(cuts: list[tuple[int, int]]) -> None:
    if not cuts:
        raise ValueError("There are no words in this sentence.")
