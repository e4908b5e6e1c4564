"""Lesson 3: a word, a loop over heads, and a matrix for the heads built by hand."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import MultiHeadAttention, softmax
from mha_utils.exercises.kit import (
    Exercise,
    Judged,
    as_matrix,
    attend_in_heads,
    sample,
    scale_mistakes,
)
from mha_utils.sentences import FEATURES, LEXICON, attend, hand_built_heads

_WUG = {
    "noun": "it says which kind of word it is",
    "subject": "a wug can do something",
    "singular": "it is one wug",
    "animate": "a wug is alive",
    "it": "that is its pronoun",
}
"""What is to be said of a small living thing, and why."""


def _judge_new_word(entry: Any) -> str:
    """Write an entry of the lexicon with which the heads find *wug*."""
    if not isinstance(entry, dict) or not isinstance(entry.get("wug"), str):
        return "Not yet: return a dictionary, {'wug': '...'}, as in LEXICON."
    try:
        maps = attend("The wug slept because it was tired", lexicon=LEXICON | entry)
    except ValueError as error:
        return f"Not yet: {error}"
    said = set(entry["wug"].split())
    for head, word, needed in ((0, "slept", "subject"), (1, "it", "referent")):
        share = maps.weights[0, head, maps.tokens.index(word), 2]  # token 2 is wug
        if share <= 0.9:
            if not said & {"noun", "subject"}:
                return "Not yet: which kind of word is it? Look at the entry of cat."
            return (
                f"Not yet: {word} gives wug only {share:.2f}. Which features does a "
                f"{needed} need? Compare yours with the entry of cat."
            )
    for feature, why in _WUG.items():
        if feature not in said:
            return f"Not yet: the heads find wug, but {feature} is missing: {why}."
    if extra := [feature for feature in FEATURES if feature in said - set(_WUG)]:
        return (
            f"Not yet: the heads find wug, but this is too much: {', '.join(extra)}. "
            f"A wug is one small living thing."
        )
    if len(entry) > 1:
        return "Not yet: leave the other words alone, and return the entry of wug only."
    return "Right: slept finds wug in head 1, and it finds wug in head 2."


NEW_WORD = Judged(_judge_new_word)


def _heads(x: NDArray, w_q: NDArray, w_k: NDArray, w_v: NDArray) -> NDArray:
    """From x (n, d) and stacks (h, d, d_k) to all heads' outputs (h, n, d_v)."""
    return attend_in_heads(x, w_q, w_k, w_v)


HEADS = Exercise(
    right=_heads,
    inputs=[
        sample((2, 5), (3, 5, 4), (3, 5, 4), (3, 5, 6)),
        sample((6, 3), (4, 3, 2), (4, 3, 2), (4, 3, 5)),
        sample((4, 6), (5, 6, 3), (5, 6, 3), (5, 6, 2)),
    ],
    mistakes={
        **scale_mistakes(
            attend_in_heads,
            {
                "√d_model": lambda x, *w: x.shape[-1] ** 0.5,
                "√d_v": lambda x, q, k, v: v.shape[-1] ** 0.5,
            },
        ),
        "query and key are swapped.": lambda x, q, k, v: _heads(x, k, q, v),
        "these are the weights. What a head found is the other result.": (
            lambda x, q, k, v: softmax(
                (x @ q) @ (x @ k).swapaxes(1, 2) / np.sqrt(q.shape[-1])
            )
        ),
        "the keys are handed over in place of the values.": (
            lambda x, q, k, v: _heads(x, q, k, k)
        ),
        "each head must use its own matrices, and all of yours use the first.": (
            lambda *a: np.stack([_heads(*a)[0]] * len(a[1]))
        ),
        "the heads are averaged. Keep them apart: (h, n, d_v).": (
            lambda *a: _heads(*a).mean(axis=0)
        ),
        "the heads are added up. Keep them apart: (h, n, d_v).": (
            lambda *a: _heads(*a).sum(axis=0)
        ),
        "the heads are the second axis. They come first: (h, n, d_v).": (
            lambda *a: _heads(*a).swapaxes(0, 1)
        ),
        "the heads are put side by side already. Keep them apart: (h, n, d_v).": (
            lambda *a: np.concatenate(list(_heads(*a)), axis=-1)
        ),
        "the heads are put below each other. Keep them apart: (h, n, d_v).": (
            lambda *a: np.concatenate(list(_heads(*a)), axis=0)
        ),
        "only the first two heads are there. Take all h of them.": (
            lambda *a: _heads(*a)[:2]
        ),
    },
    closed=(MultiHeadAttention.__init__,),
)


def _judge_two_back(w_q: Any) -> str:
    """Write a W_Q with which each word finds the word two places before."""
    layer = hand_built_heads()
    layer.w_q[2] = as_matrix(w_q, (24, 8))
    sentence = "The cat sat on the mat because it was tired"
    free = attend(sentence, layer=layer, causal=False).weights[0, 2]  # (n, n)
    shares = {back: np.diag(free, -back).mean() for back in range(-4, 5)}
    found = max(shares, key=lambda j: shares[j])
    share = np.diag(attend(sentence, layer=layer).weights[0, 2], -2).mean()
    if found == 2 and share > 0.9:
        return f"Right: {share:.2f} goes two words back."
    if shares[found] < 0.5 and found != 2:
        return "Not yet: the words find no fixed place. Are the numbers large enough?"
    if found == 2:
        return (
            f"Not yet: only {share:.2f} goes two words back. The direction is right, "
            f"the scores are too small."
        )
    where = (
        f"{abs(found)} {'back' if found > 0 else 'ahead'}" if found else "at themselves"
    )
    return f"Not yet: the words look {where}, not 2 back."


TWO_BACK = Judged(_judge_two_back)

EXERCISES: dict[str, Exercise | Judged] = {
    "new word": NEW_WORD,
    "heads": HEADS,
    "two back": TWO_BACK,
}
