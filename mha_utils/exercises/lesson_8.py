"""Lesson 8: what an induction head looks for, what it learns from, what it is worth."""

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import softmax
from mha_utils.exercises.kit import Exercise, Mistakes, Way, sample


def _followers(ids: NDArray) -> NDArray:
    """From words (n,) to where each should look: behind its last occurrence, or 0."""
    return _place(ids)


def _place(ids: NDArray, shift: int = 1, first: bool = False) -> NDArray:
    n = len(ids)
    before = (ids == ids[:, None]) & np.tri(n, k=-1, dtype=bool)  # (n, n)
    last = n - 1 - before[:, ::-1].argmax(axis=1)  # the nearest one, (n,)
    place = before.argmax(axis=1) if first else last
    return np.where(before.any(axis=1), place + shift, 0)


def _looking_at_itself(ids: NDArray) -> NDArray:
    """Take the word itself for its last occurrence. A mistake."""
    return np.arange(len(ids)) + 1


FOLLOWERS = Exercise(
    right=_followers,
    inputs=[
        (np.array([0, 3, 5, 2, 3, 5, 2, 3]),),
        (np.array([0, 4, 1, 4, 6, 4, 1, 7, 6, 4]),),
        (np.array([0, 2, 2, 9, 8, 2, 9, 9, 1, 8, 2, 1]),),
    ],
    mistakes={
        "this is where the word itself stood last time. Go one place further.": (
            lambda ids: _place(ids, shift=0)
        ),
        "this is the place before its last occurrence. The one behind it is wanted.": (
            lambda ids: _place(ids, shift=-1)
        ),
        "this is the first occurrence. It must be the last one before the word.": (
            lambda ids: _place(ids, first=True)
        ),
        "the word before gets the look, whatever the word is.": (
            lambda ids: np.maximum(np.arange(len(ids)) - 1, 0)
        ),
        "a word is found at its own place. Only what stands before it counts.": (
            _looking_at_itself
        ),
        "these are the words there. Their places are wanted.": (
            lambda ids: ids[_followers(ids)]
        ),
        "a new word has nothing to find and looks at the start, place 0, not at -1.": (
            lambda ids: np.where(_followers(ids) == 0, -1, _followers(ids))
        ),
        "a new word looks at itself. It has nothing to find: place 0.": (
            lambda ids: np.where(_followers(ids), _followers(ids), np.arange(len(ids)))
        ),
        "these are distances. The places are wanted, counted from 0.": (
            lambda ids: np.where(
                _followers(ids), np.arange(len(ids)) - _followers(ids), 0
            )
        ),
    },
)


def _surprise(shares: NDArray, ids: NDArray) -> NDArray:
    """From shares (n, v) and words (n,) to the mean surprise at the next word, ()."""
    return -np.log(_given_to_next(shares, ids)).mean()


def _given_to_next(shares: NDArray, ids: NDArray) -> NDArray:
    return shares[np.arange(len(ids) - 1), ids[1:]]  # (n - 1,)


def _texts() -> list[tuple[NDArray, NDArray]]:
    rng = np.random.default_rng(0)
    return [
        (softmax(2 * rng.normal(size=(n, v))), rng.integers(0, v, n))
        for n, v in ((4, 5), (7, 4), (9, 12))
    ]


SURPRISE = Exercise(
    right=_surprise,
    inputs=_texts(),
    mistakes={
        "row i is asked for word i, which it has read. It must guess word i + 1.": (
            lambda p, ids: np.asarray(-np.log(p[np.arange(len(ids)), ids]).mean())
        ),
        "row i is asked for word i - 1. The next word is i + 1.": (
            lambda p, ids: -np.log(p[np.arange(1, len(ids)), ids[:-1]]).mean()
        ),
        "the last row guesses a word that is not there: leave it out.": (
            lambda p, ids: -np.log(p[np.arange(len(ids)), np.roll(ids, -1)]).mean()
        ),
        "the minus is missing: a likely word must surprise little.": (
            lambda p, ids: -_surprise(p, ids)
        ),
        "this is the sum over the words. Their mean is wanted.": (
            lambda p, ids: _surprise(p, ids) * (len(ids) - 1)
        ),
        "the mean is taken before the logarithm. Each word has its own surprise.": (
            lambda p, ids: -np.log(_given_to_next(p, ids).mean())
        ),
        "this is log2, in bits. Take np.log.": (
            lambda p, ids: _surprise(p, ids) / np.log(2)
        ),
        "this is log10. Take np.log.": lambda p, ids: _surprise(p, ids) / np.log(10),
        "the sum is divided by n. Only n - 1 words come next.": (
            lambda p, ids: _surprise(p, ids) * (len(ids) - 1) / len(ids)
        ),
        "each row is asked for every word. A row and its word are a pair: "
        "shares[np.arange(n - 1), ids[1:]], or a loop.": (
            lambda p, ids: -np.log(p[:-1, ids[1:]]).mean()
        ),
        "this is the mean probability. Its logarithm is missing.": (
            lambda p, ids: _given_to_next(p, ids).mean()
        ),
        "these are the surprises one by one. Their mean is wanted.": (
            lambda p, ids: -np.log(_given_to_next(p, ids))
        ),
    },
)


def _right_without(
    x: NDArray, brought: NDArray, out: int, w_next: NDArray, wanted: NDArray
) -> NDArray:
    """From words x (n, d) and what heads bring (h, n, d) to the share of right words.

    Head `out` brings nothing. The likeliest word has the largest score,
    (x + what the others bring) @ w_next (n, v); it should be `wanted` (n,).
    """
    return _share(x + np.delete(brought, out, axis=0).sum(axis=0), w_next, wanted)


def _share(stream: NDArray, w_next: NDArray, wanted: NDArray) -> NDArray:
    return ((stream @ w_next).argmax(axis=-1) == wanted).mean()


def _models() -> list[tuple]:
    cases = []
    for n, d, h, v, out in ((40, 3, 3, 4, 1), (60, 4, 4, 5, 2), (50, 6, 5, 7, 0)):
        x, brought, w_next = sample((n, d), (h, n, d), (d, v))
        w_next = w_next + n / 10 * (np.arange(d)[:, None] == np.arange(v))
        mixed = x + 2 * brought[out] + brought.sum(axis=0)
        cases.append((x, brought, out, w_next, (mixed @ w_next).argmax(axis=-1)))
    return cases


def _with(stream: Way) -> Way:
    """Ask for the share with another stream of (x, brought, out)."""
    return lambda x, brought, out, w_next, wanted: _share(
        stream(x, brought, out), w_next, wanted
    )


_WITHOUT: Mistakes = {
    "all heads are still there: leave out what head `out` brings.": _with(
        lambda x, z, out: x + z.sum(axis=0)
    ),
    "only head `out` is there. It is the one to leave out.": _with(
        lambda x, z, out: x + z[out]
    ),
    "the words x are missing: heads add to them.": _with(
        lambda x, z, out: np.delete(z, out, axis=0).sum(axis=0)
    ),
    "what the heads bring is averaged. It adds up.": _with(
        lambda x, z, out: x + np.delete(z, out, axis=0).mean(axis=0)
    ),
    "all heads from `out` on are missing. Only that one goes.": _with(
        lambda x, z, out: x + z[:out].sum(axis=0)
    ),
    "the least likely word is taken. The largest score wins.": (
        lambda x, z, out, w, wanted: _share(
            -x - np.delete(z, out, axis=0).sum(axis=0), w, wanted
        )
    ),
    "this is how many are right. Divide it by the number of words.": (
        lambda x, z, out, w, wanted: _right_without(x, z, out, w, wanted) * len(wanted)
    ),
    "this is the share of wrong words.": (
        lambda x, z, out, w, wanted: 1 - _right_without(x, z, out, w, wanted)
    ),
    "this is what gets lost. What is still right is wanted.": (
        lambda x, z, out, w, wanted: (
            _share(x + z.sum(axis=0), w, wanted) - _right_without(x, z, out, w, wanted)
        )
    ),
}

WITHOUT = Exercise(right=_right_without, inputs=_models(), mistakes=_WITHOUT)

EXERCISES = {"followers": FOLLOWERS, "surprise": SURPRISE, "without": WITHOUT}
