"""The tests are tested: each fault below, put into the package, must make one fail.

A fault is a wrong function in place of a right one, or a changed entry of a hand-built
head. Nothing here depends on how the package is written down, only on the names of its
functions. The refusals take care of themselves: every `raise` is left out once.
"""

import ast
import contextlib
import dataclasses
import functools
import importlib
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, settings

from mha_utils.text import START

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "mha_utils"


# ---- wrong ways to attend: they get the right function first, and keep its refusals
def scaled_by(factor):
    def attend(right, q, k, v, mask=None, scale=None):
        return right(q, k, v, mask, factor(q) if scale is None else scale)

    return attend


def mask_afterwards(right, q, k, v, mask=None, scale=None):
    weights = right(q, k, v, None, scale)[1]
    if mask is not None:
        weights = weights * (right(q, k, v, mask, scale)[1] > 0)
    return weights @ v, weights


def transposed_map(right, q, k, v, mask=None, scale=None):
    output, weights = right(q, k, v, mask, scale)
    square = weights.shape[-2] == weights.shape[-1]
    return weights.swapaxes(-1, -2) @ v if square else output, weights


def swapped(heads):
    def attend(right, q, k, v, mask=None, scale=None):
        if (q.ndim > 2) == heads and q.shape == k.shape:
            q, k = k, q
        return right(q, k, v, mask, scale)

    return attend


def powers_without_peak(right, scores, axis, name):
    right(scores.copy(), axis, name)
    with np.errstate(all="ignore"):
        powers = np.exp(scores)
        return np.nan_to_num(powers / powers.sum(axis, keepdims=True))


def empty_rows(value):
    def softmax(right, scores, axis, name):
        empty = np.isneginf(scores).all(axis, keepdims=True)
        return np.where(empty, scores.dtype.type(value), right(scores, axis, name))

    return softmax


def softmax_in_place(right, scores, axis=-1):
    result = right(scores, axis)
    if isinstance(scores, np.ndarray) and scores.dtype.kind == "f":
        scores[...] = result
    return result


def other_mask(of_booleans=None, of_numbers=None):
    def apply(right, scores, mask):
        other = of_booleans if mask.dtype == bool else of_numbers
        (other or right)(scores, mask)

    return apply


def other_diagonal(k):
    def causal_mask(right, n_q, n_k=None):
        return np.tri(*right(n_q, n_k).shape, k, dtype=bool)

    return causal_mask


def other_frequencies(right, n, d):
    right(n, d)
    angle = np.arange(n)[:, None] * 10000.0 ** -np.arange(d // 2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(n, d)


def other_gradient(change):
    def backward(right, model, grad_scores):
        return change(model, right(model, grad_scores))

    return backward


# ---- wrong layers
def with_biases(**others):
    """Compute with other biases, each made from the layer; they read back unchanged."""

    def method(right, layer, *arguments):
        kept = {name: getattr(layer, name) for name in others}
        made = {name: other(layer) for name, other in others.items()}
        try:
            vars(layer).update(made)
            return right(layer, *arguments)
        finally:
            vars(layer).update(kept)

    return method


def other_matrices(change):
    """Make the layer of other matrices where `change(w_q, w_k, w_v, w_o)` fits."""

    def init(right, layer, w_q, w_k, w_v, w_o, *biases, **more):
        right(layer, w_q, w_k, w_v, w_o, *biases, **more)
        with contextlib.suppress(ValueError):
            right(layer, *change(w_q, w_k, w_v, w_o), *biases, **more)

    return init


def matrix_not_copied(right, layer, w_q, w_k, w_v, w_o, **more):
    right(layer, w_q, w_k, w_v, w_o, **more)
    if isinstance(w_o, np.ndarray) and w_o.dtype == layer._w_o.dtype:
        layer._w_o = w_o


def other_output(change):
    """Change what the layer gives: `change(layer, z, output, weights)`."""

    def call(right, layer, *arguments, **more):
        output, weights = right(layer, *arguments, **more)
        z = layer.head_outputs(*arguments, **more)
        return change(layer, z, output, weights)

    return call


def joined(layer, z):
    """Concatenate and project: (..., h, n, d_v) -> (..., n, d)."""
    z = z.swapaxes(-3, -2)
    output = z.reshape(*z.shape[:-2], -1) @ layer.w_o
    return (output if layer.b_o is None else output + layer.b_o).astype(z.dtype)


def other_rows(change):
    """Give the heads other rows of W_O: `change(w_o)` of (h, d_v, d)."""

    def contributions(right, layer, *arguments, **more):
        right(layer, *arguments, **more)
        z = layer.head_outputs(*arguments, **more)
        w_o = change(layer.w_o.reshape(layer.num_heads, layer.d_v, -1))
        return (z @ w_o).astype(z.dtype)

    return contributions


def seen_copied(right, query, key, value, mask):
    """Give each query head its own copy: the same answer, and nothing is shared."""
    r = query.shape[-3] // key.shape[-3]
    return right(query, key.repeat(r, -3), value.repeat(r, -3), mask)


def served_in_turn(right, query, key, value, mask):
    """Let query head i read key/value head i % g."""
    g = key.shape[-3]
    turn = np.arange(query.shape[-3]) % g
    right(query, key, value, mask)
    return right(query, key[..., turn, :, :], value[..., turn, :, :], mask)


def other_cache(change):
    """Change keys and values that the cache gives: `change(cache, n, key, value)`."""

    def behind(right, cache, layer, x, key, value):
        n = cache.num_words
        return change(n, *right(cache, layer, x, key, value))

    return behind


def counted_too_early(right, cache, layer, x, key, value):
    both = right(cache, layer, x, key, value)
    cache.num_words += x.shape[-2]
    return both


def other_turn(change):
    """Rotate by `change(x, places, base)`: other arguments of the right function."""

    def rotate(right, x, places=None, *, base=10000.0):
        right(x, places, base=base)
        x = np.asarray(x)
        places = np.arange(x.shape[-2]) if places is None else np.asarray(places)
        return change(right, x, places, base)

    return rotate


def halves_for_pairs(right, x, places, base):
    """Turn number i with number i + d_k/2."""
    d = x.shape[-1]
    there = np.arange(d).reshape(2, -1).T.ravel()
    return right(x[..., there], places, base=base)[..., np.argsort(there)]


# ---- wrong words, heads and maps
def kind(**others):
    """Take characters of one kind for those of another."""
    return lambda right, char: others.get(right(char), right(char))


def change(module, edit):
    """Edit the data of a module; no function is replaced."""
    return lambda: edit(sys.modules[f"mha_utils.{module}"])


def of_sentences(edit):
    return change("sentences", edit)


def without(head, matrix, *entry):
    return of_sentences(lambda m: getattr(getattr(m, head), matrix).pop(entry))


def the_farther_the_better(sentences):
    for head in (sentences.SUBJECT, sentences.REFERENT):
        for entry in (("cos 100", "near sin"), ("sin 100", "near cos")):
            head.queries[entry] *= -1


def pronouns_as_referents(sentences):
    for pronoun in sentences.PRONOUNS:
        del sentences.REFERENT.keys["pronoun", pronoun]


def one_step_forward(sentences):
    for (asks, question), number in sentences.WORD_BEFORE.queries.items():
        if asks.split()[0] != question.split()[0]:  # sine of cosine, or the other way
            sentences.WORD_BEFORE.queries[asks, question] = -number


def other_layer(edit):
    """Change the hand-built layer: `edit(layer, temperature)`."""

    def hand_built_heads(right, temperature=1.0):
        layer = right(temperature)
        edit(layer, temperature)
        return layer

    return hand_built_heads


def times(array, factor):
    array *= factor


def other_maps(**edits):
    """Change what the source gives: each field by its function of the maps."""

    def attend(right, sentence, **options):
        maps = right(sentence, **options)
        made = {name: edit(maps) for name, edit in edits.items()}
        return dataclasses.replace(maps, **made)

    return attend


def whole_layers_only(right, maps):
    if np.ndim(maps.weights) < 4:
        raise ValueError("weights needs four axes")
    right(maps)


# ---- wrong ways to watch a training
def before(edit):
    """Edit the panel, and then do what is right."""

    def method(right, panel, *arguments):
        edit(panel)
        return right(panel, *arguments)

    return method


def afterwards(edit):
    """Do what is right, and then edit the panel."""

    def method(right, panel, *arguments):
        right(panel, *arguments)
        edit(panel)

    return method


def all_that_is_given(right, picture):
    weights = np.frombuffer(picture["weights"], "<f4").reshape(picture["shape"])
    return weights[..., [token != START for token in picture["tokens"]]].sum(axis=-1)


# the test file -> name of the fault -> what is replaced, and by what; or an edit
LAYER = "attention.MultiHeadAttention"
DECODER = "decoder.Decoder"
PANEL = "training_panel.TrainingPanel"
THEIRS = "them their theirs themselves"
FAULTS = {
    "attention": {
        "no scaling": ("attention._attend", scaled_by(lambda q: 1.0)),
        "scaled by d_k": ("attention._attend", scaled_by(lambda q: 1 / q.shape[-1])),
        "scaled by all heads' columns": (
            "attention._attend",
            scaled_by(lambda q: np.prod(q.shape[-3:][::2]) ** -0.5),
        ),
        "softmax over the queries": (
            "attention._softmax_in_place",
            lambda right, s, axis, name: right(s, -2 if "key" in name else axis, name),
        ),
        "softmax over the last axis only": (
            "attention._softmax_in_place",
            lambda right, s, axis, name: right(s, -1, name),
        ),
        "softmax without subtracting the peak": (
            "attention._softmax_in_place",
            powers_without_peak,
        ),
        "softmax of float16 in float16": (
            "guards.working_dtype",
            lambda right, dtype: np.dtype(dtype),
        ),
        "softmax written into the caller's array": (
            "attention.softmax",
            softmax_in_place,
        ),
        "softmax forgets the dtype": (
            "attention.softmax",
            lambda right, *arguments, **more: right(*arguments, **more).astype(float),
        ),
        "fully masked row NaN": (
            "attention._softmax_in_place",
            empty_rows(np.nan),
        ),
        "fully masked row even": ("attention._softmax_in_place", empty_rows(0.5)),
        "mask inverted": (
            "attention._apply_mask",
            other_mask(lambda s, mask: np.copyto(s, -np.inf, where=mask)),
        ),
        "mask ignored": ("attention._apply_mask", lambda right, s, mask: None),
        "mask after the softmax": ("attention._attend", mask_afterwards),
        "boolean mask of -1e9": (
            "attention._apply_mask",
            other_mask(lambda s, mask: np.copyto(s, -1e9, where=~mask)),
        ),
        "boolean mask added": (
            "attention._apply_mask",
            other_mask(lambda s, mask: s.__iadd__(mask)),
        ),
        "float mask multiplied": (
            "attention._apply_mask",
            other_mask(of_numbers=lambda s, mask: s.__imul__(mask.astype(s.dtype))),
        ),
        "float mask taken for a boolean one": (
            "attention._apply_mask",
            other_mask(
                of_numbers=lambda s, mask: np.copyto(s, -np.inf, where=mask == 0)
            ),
        ),
        "causal mask allows the next word": (
            "attention.causal_mask",
            other_diagonal(1),
        ),
        "causal mask forbids the word itself": (
            "attention.causal_mask",
            other_diagonal(-1),
        ),
        "causal mask turned by half": (
            "attention.causal_mask",
            lambda right, *n: right(*n)[::-1, ::-1],
        ),
        "sine and cosine swapped": (
            "attention.positions",
            lambda right, n, d: right(n, d).reshape(n, -1, 2)[..., ::-1].reshape(n, d),
        ),
        "positions of another frequency": ("attention.positions", other_frequencies),
        "split without transpose": (
            "attention.split_heads",
            lambda right, x, h: np.reshape(x, right(x, h).shape),
        ),
        "split strides instead of pieces": (
            "attention.split_heads",
            lambda right, x, h: np.stack(
                [np.asarray(x)[..., i::h] for i in range(right(x, h).shape[-3])], -3
            ),
        ),
        "merge without transpose": (
            "attention.merge_heads",
            lambda right, x: np.reshape(x, right(x).shape),
        ),
        "merge alternates": (
            "attention.merge_heads",
            lambda right, x: np.moveaxis(x, -3, -1).reshape(right(x).shape),
        ),
        "query and key swapped": ("attention._attend", swapped(heads=True)),
        "query and key swapped in one head": (
            "attention._attend",
            swapped(heads=False),
        ),
        "value weighted by the transposed map": ("attention._attend", transposed_map),
        "scale given but not used": (
            "attention._attend",
            lambda right, q, k, v, mask=None, scale=None: (
                right(q, k, v, mask, scale),
                right(q, k, v, mask),
            )[1],
        ),
        "value made by the key matrices": (
            f"{LAYER}.__init__",
            other_matrices(lambda q, k, v, o: (q, k, k, o)),
        ),
        "key made by the query matrices": (
            f"{LAYER}.__init__",
            other_matrices(lambda q, k, v, o: (q, q, v, o)),
        ),
        "W_O transposed where it is square": (
            f"{LAYER}.__init__",
            other_matrices(lambda q, k, v, o: (q, k, v, np.transpose(o))),
        ),
        "W_O not copied": (f"{LAYER}.__init__", matrix_not_copied),
        "W_O left out": (
            f"{LAYER}.__call__",
            other_output(
                lambda layer, z, output, weights: (
                    np.concatenate(list(np.moveaxis(z, -3, 0)), -1),
                    weights,
                )
            ),
        ),
        "heads averaged": (
            f"{LAYER}.__call__",
            other_output(
                lambda layer, z, output, weights: (
                    joined(layer, 0 * z + z.mean(-3, keepdims=True)),
                    weights,
                )
            ),
        ),
        "maps averaged over the heads": (
            f"{LAYER}.__call__",
            other_output(
                lambda layer, z, output, weights: (
                    output,
                    0 * weights + weights.mean(-3, keepdims=True),
                )
            ),
        ),
        "results of the layer forget the dtype": (
            f"{LAYER}.__call__",
            other_output(
                lambda layer, z, output, weights: (output.astype(float), weights)
            ),
        ),
        "b_q left out": (f"{LAYER}._heads", with_biases(b_q=lambda layer: None)),
        "b_v left out": (f"{LAYER}._heads", with_biases(b_v=lambda layer: None)),
        "b_k added to the query": (
            f"{LAYER}._heads",
            with_biases(b_q=lambda layer: layer.b_k, b_k=lambda layer: layer.b_q),
        ),
        "b_o left out": (f"{LAYER}.__call__", with_biases(b_o=lambda layer: None)),
        "b_o in the contributions": (
            f"{LAYER}.contributions",
            lambda right, layer, *arguments: (
                right(layer, *arguments) + (0 if layer.b_o is None else layer.b_o)
            ),
        ),
        "contributions with other heads' rows": (
            f"{LAYER}.contributions",
            other_rows(lambda w_o: w_o[::-1]),
        ),
        "contributions with interleaved rows": (
            f"{LAYER}.contributions",
            other_rows(lambda w_o: w_o.reshape(-1, *w_o.shape[::2]).swapaxes(0, 1)),
        ),
        "context ignored": (
            f"{LAYER}._heads",
            lambda right, layer, x, context, mask, cache=None: (
                right(layer, x, context, mask, cache),
                right(layer, x, None, mask, cache),
            )[1],
        ),
        "context asked by itself": (
            f"{LAYER}._heads",
            lambda right, layer, x, context, mask, cache=None: (
                right(layer, x, context, mask, cache),
                right(layer, x if context is None else context, context, mask, cache),
            )[1],
        ),
        "keys and values copied": ("attention._attend_in_groups", seen_copied),
        "heads share in turn": ("attention._attend_in_groups", served_in_turn),
        "masks of shared heads in another order": (
            "attention._in_groups",
            lambda right, heads, g: (
                right(heads, g)[..., ::-1, :, :]
                if heads.dtype == bool
                else right(heads, g)
            ),
        ),
        "new words see those after them": (
            "attention._only_before",
            lambda right, mask, n_q, n_k: (
                np.ones((n_q, n_k), bool) if mask is None else right(mask, n_q, n_k)
            ),
        ),
        "new words counted from the first": (
            "attention._only_before",
            lambda right, mask, n_q, n_k: (
                right(mask, n_q, n_k) & np.tri(n_q, n_k) > 0
                if mask is None
                else right(mask, n_q, n_k)
            ),
        ),
        "a mask instead of the cache's": (
            "attention._only_before",
            lambda right, mask, n_q, n_k: (
                right(mask, n_q, n_k) if mask is None else mask
            ),
        ),
        "the new before the kept": (
            "attention.KeyValueCache._behind",
            other_cache(
                lambda n, key, value: (
                    np.roll(key, -n, axis=-2),
                    np.roll(value, -n, axis=-2),
                )
            ),
        ),
        "kept values of the first word": (
            "attention.KeyValueCache._behind",
            other_cache(
                lambda n, key, value: (
                    key,
                    np.concatenate([value[..., :1, :]] * n + [value[..., n:, :]], -2)
                    if n
                    else value,
                )
            ),
        ),
        "kept although refused": (
            "attention.KeyValueCache._behind",
            counted_too_early,
        ),
        "cache without room": (
            "attention._append",
            lambda right, rows, n, new: np.concatenate([rows[..., :n, :], new], -2),
        ),
        "bytes with the room": (
            "attention.KeyValueCache.nbytes",
            lambda right, cache: cache._keys.nbytes + cache._values.nbytes,
        ),
        "turned backwards": (
            "attention.rotate",
            other_turn(lambda right, x, places, base: right(x, -places, base=base)),
        ),
        "turned by one place more": (
            "attention.rotate",
            other_turn(lambda right, x, places, base: right(x, places + 1, base=base)),
        ),
        "halves turned for pairs": ("attention.rotate", other_turn(halves_for_pairs)),
        "all pairs turned alike": (
            "attention.rotate",
            other_turn(lambda right, x, places, base: right(x, places, base=1.0)),
        ),
        "turned by the base of always": (
            "attention.rotate",
            other_turn(lambda right, x, places, base: right(x, places)),
        ),
        "rotated forgets the dtype": (
            "attention.rotate",
            other_turn(
                lambda right, x, places, base: right(x, places, base=base).astype(float)
            ),
        ),
        "w_k reads the query matrices": (
            f"{LAYER}.w_k",
            lambda right, layer: layer.w_q,
        ),
        "parameters counted without biases": (
            f"{LAYER}.num_parameters",
            lambda right, layer: layer._w_qkv.size + layer.w_o.size,
        ),
        "seed ignored": (
            f"{LAYER}.random",
            lambda right, *sizes, seed, **more: right(*sizes, seed=None, **more),
        ),
        "random weights too large": (
            f"{LAYER}.random",
            lambda right, d, *h, seed, **more: scaled_layer(
                right(d, *h, seed=seed, **more), d**0.5
            ),
        ),
    },
    "text": {
        "lone surrogates kept": ("text.well_formed", lambda right, text: text),
        "accents not composed": (
            "text.words",
            lambda right, text: [
                unicodedata.normalize("NFD", word) for word in right(text)
            ],
        ),
        "joiner splits": ("text._kind", kind(J="M")),
        "flags in halves": ("text._kind", kind(F="S")),
        "Chinese not cut": ("text._kind", kind(C="L")),
        "don't in three": ("text._kind", kind(A="S")),
        "skin tones apart": (
            "text._kind",
            lambda right, char: "S" if "🏻" <= char <= "🏿" else right(char),
        ),
    },
    "maps": {
        "maps of one head refused": (
            "maps.AttentionMaps.__post_init__",
            whole_layers_only,
        ),
    },
    "lexicon": {
        "tryed": (
            "lexicon._ed",
            lambda right, words: [word + "ed" for word in words],
        ),
        "goed": (
            "lexicon._forms",
            lambda right, reading, words: right(reading.partition(" (")[0], words),
        ),
        "a form counts more than a word": (
            "lexicon.load",
            lambda right: right() | {"saw": "verb action singular"},
        ),
    },
    "sentences": {
        "capitals not looked up": (
            "sentences._look_up",
            lambda right, token, lexicon: lexicon.get(token.replace("\u2019", "'")),
        ),
        "numbers in the note": (
            "sentences.unknown_words",
            lambda right, tokens, *lexicon: (
                right(tokens, *lexicon) + [t for t in tokens if t.isdigit()]
            ),
        ),
        "unknown words named twice": (
            "sentences.unknown_words",
            lambda right, tokens, *lexicon: [
                t for t in tokens if t in right(tokens, *lexicon)
            ],
        ),
        "lexicon ignored": (
            "sentences.embed",
            lambda right, tokens, *lexicon: right(tokens),
        ),
        "an article changes nothing": of_sentences(
            lambda m: setattr(m, "_ARTICLES", frozenset())
        ),
        "they book no room": of_sentences(
            lambda m: setattr(m, "_BEFORE_VERBS", frozenset())
        ),
        "their is nobody's": of_sentences(
            lambda m: m.LEXICON.update(dict.fromkeys(THEIRS.split(), "pronoun"))
        ),
        "the farther the better": of_sentences(the_farther_the_better),
        "no agreement in the singular": without(
            "SUBJECT", "queries", "singular", "singular"
        ),
        "no agreement in the plural": without("SUBJECT", "queries", "plural", "plural"),
        "dead subjects": without("SUBJECT", "queries", "action", "alive"),
        "verbs as subjects": without("SUBJECT", "keys", "verb", "subject"),
        "dead referents": without("REFERENT", "queries", "pronoun", "alive"),
        "pronouns as referents": of_sentences(pronouns_as_referents),
        "no way back to the start": of_sentences(
            lambda m: m.REFERENT.biases.pop("start")
        ),
        "one step forward": of_sentences(one_step_forward),
        "temperature for the biases only": (
            "sentences.hand_built_heads",
            other_layer(lambda layer, temperature: times(layer.w_q, temperature)),
        ),
        "temperature not for the biases": (
            "sentences.hand_built_heads",
            other_layer(lambda layer, temperature: times(layer.b_q, temperature)),
        ),
        "heads bring back nothing": (
            "sentences.hand_built_heads",
            other_layer(lambda layer, temperature: times(layer.w_v, 0)),
        ),
        "W_O writes elsewhere": (
            "sentences.hand_built_heads",
            other_layer(
                lambda layer, temperature: np.copyto(layer.w_o, layer.w_o[::-1].copy())
            ),
        ),
        "always causal": (
            "sentences.attend",
            lambda right, text, **options: right(text, **options | {"causal": True}),
        ),
        "never causal": (
            "sentences.attend",
            lambda right, text, **options: right(text, **options | {"causal": False}),
        ),
        "layer ignored": (
            "sentences.attend",
            lambda right, text, **options: (
                right(text, **options),
                right(text, **options | {"layer": None}),
            )[1],
        ),
        "no note": ("sentences.attend", other_maps(note=lambda maps: "")),
        "no names": ("sentences.attend", other_maps(head_names=lambda maps: ())),
        "no start": (
            "sentences.attend",
            other_maps(tokens=lambda maps: ["", *maps.tokens[1:]]),
        ),
    },
    "decoder": {
        "no residual stream backwards": (
            f"{DECODER}.backward",
            other_gradient(lambda model, g: g | {"words": g["words"] / 2}),
        ),
        "the last layer's gradient for all": (
            f"{DECODER}.backward",
            other_gradient(lambda model, g: g | {"w_k": 0 * g["w_k"] + g["w_k"][-1]}),
        ),
        "softmax forgotten backwards": (
            "training.attention_backward",
            lambda right, d_z, q, k, v, weights: (
                (d_z @ v.swapaxes(-1, -2) * weights) @ k / q.shape[-1] ** 0.5,
                *right(d_z, q, k, v, weights)[1:],
            ),
        ),
        "queries and keys swapped backwards": (
            "training.attention_backward",
            lambda right, *arrays: tuple(np.array(right(*arrays))[[1, 0, 2]]),
        ),
        "the places ignored": (
            f"{DECODER}._run",
            lambda right, model, ids, places=None, *off, **more: right(
                model, ids, None, *off, **more
            ),
        ),
        "a head that is off stays on": (
            f"{DECODER}._run",
            lambda right, model, ids, places=None, off=(), instead=None: right(
                model, ids, places
            ),
        ),
        "only heads of the first layer are off": (
            f"{DECODER}._run",
            lambda right, model, ids, places=None, off=(), instead=None: right(
                model, ids, places, [head for head in off if head[0] == 0], instead
            ),
        ),
        "zero in place of the mean": (
            f"{DECODER}._instead",
            lambda right, model, *asked: (right(model, *asked), None)[1],
        ),
        "small and large letters differ": (
            "decoder._read",
            lambda right, text: right(
                " ".join(w + "_" * (w != w.casefold()) for w in text.split(" "))
            ),
        ),
        "the next word of the first word": (
            f"{DECODER}.next_words",
            lambda right, model, text, **off: (
                right(model, text, **off),
                right(model, (text.split() or [""])[0], **off),
            )[1],
        ),
        "new words have no share": (
            f"{DECODER}.next_words",
            lambda right, model, text, **off: [
                (word, share if word[0] != "(" else 0.0)
                for word, share in right(model, text, **off)
            ],
        ),
        "right is also what cannot be known": (
            f"{DECODER}.right",
            lambda right, model, texts, **off: right(
                model, texts._replace(known=texts.known | True), **off
            ),
        ),
        "what followed once only": (
            "decoder.followers",
            lambda right, tokens: [places[-1:] for places in right(tokens)],
        ),
        "the word before, not the one after": (
            "decoder.followers",
            lambda right, tokens: [[j - 1 for j in some] for some in right(tokens)],
        ),
        "known a word too early": (
            "decoder.draw",
            lambda right, *b, **sizes: (
                lambda texts: texts._replace(known=np.roll(texts.known, -1, axis=1))
            )(right(*b, **sizes)),
        ),
        "no note on long texts": ("decoder._note", lambda right, numbers: ""),
    },
    "training_panel": {
        "the same seed again": (
            f"{PANEL}._another_seed",
            before(lambda panel: setattr(panel, "_seed", panel._seed - 1)),
        ),
        "the training of before goes on": (
            f"{PANEL}._another_seed",
            before(lambda panel: setattr(panel, "_running", None)),
        ),
        "a film of the last picture": (
            f"{PANEL}._show_film",
            lambda right, panel, change: panel._show(
                panel.training.model, list(panel.training.film)[int(change["new"])]
            ),
        ),
        "a film beside the training": (
            f"{PANEL}._show_film",
            lambda right, panel, change: panel._show(
                panel.training.at(
                    step := list(panel.training.film)[int(change["new"])]
                ),
                step,
            ),
        ),
        "the film begins anew after each pause": (
            f"{PANEL}._play_film",
            before(lambda panel: setattr(panel._film, "value", 0)),
        ),
        "the slider stays at the beginning": (
            f"{PANEL}._wind",
            afterwards(lambda panel: setattr(panel._film, "value", 0)),
        ),
        "trained to the end, and still to be trained": (
            f"{PANEL}._wind",
            afterwards(lambda panel: setattr(panel._go, "disabled", False)),
        ),
        "a word that was chosen gives way": (
            f"{PANEL}._look",
            before(lambda panel: setattr(panel, "_word", panel.explorer.word)),
        ),
        "what a row gives to itself counts": (
            "training_panel._given_to_others",
            all_that_is_given,
        ),
        "the jobs of now, whatever the film shows": (
            f"{PANEL}._say_jobs",
            lambda right, panel, step: right(panel, panel.training.step),
        ),
    },
}
REFUSE = {
    "attention": "guards",
    "maps": "maps",
    "sentences": "sentences",
    "decoder": "decoder",
}


def scaled_layer(layer, factor):
    for matrix in (layer.w_q, layer.w_k, layer.w_v, layer.w_o):
        matrix *= factor
    return layer


def refusals(module):
    """Return all `raise` of a module: the line, and the beginning of what is said."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            yield node.lineno, ast.unparse(node.exc.args[0])[:50].lstrip("f'\"")


for test, module in REFUSE.items():
    for line, said in refusals(module):
        FAULTS[test][f"never said: {said}"] = (module, line)


# ---- putting them in
def replace(old, new):
    """Put `new` wherever a module of the package has `old`."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "mha_utils":
            for key, value in list(vars(module).items()):
                if value is old:
                    setattr(module, key, new)


def put_function(path, wrong):
    module, *owner, name = path.split(".")
    owner = functools.reduce(getattr, owner, sys.modules[f"mha_utils.{module}"])
    right = getattr(owner, name)
    if isinstance(right, property):
        setattr(owner, name, property(functools.partial(wrong, right.fget)))
        return

    @functools.wraps(right)
    def function(*arguments, **options):
        return wrong(right, *arguments, **options)

    if isinstance(owner, type):
        of_class = isinstance(vars(owner)[name], classmethod)
        setattr(owner, name, staticmethod(function) if of_class else function)
    else:
        replace(right, function)


def leave_out_refusal(module, line):
    module = sys.modules[f"mha_utils.{module}"]
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))

    class LeaveOut(ast.NodeTransformer):
        def visit_Raise(self, node):  # noqa: N802
            return ast.copy_location(ast.Pass(), node) if node.lineno == line else node

    before = dict(vars(module))
    exec(compile(LeaveOut().visit(tree), module.__file__, "exec"), vars(module))
    for name, old in before.items():
        if getattr(old, "__module__", None) == module.__name__:
            replace(old, vars(module)[name])


def put(fault):
    if callable(fault):
        fault()
    elif callable(fault[1]):
        put_function(*fault)
    else:
        leave_out_refusal(*fault)


def run_all(test, folder):
    """Run a test file without a fault and with each; write down code and output."""
    profile = {"derandomize": True, "deadline": None, "database": None}
    settings.register_profile("few", max_examples=5, phases=[Phase.generate], **profile)
    settings.load_profile("few")
    options = ["-x", "-q", "--tb=short", "--noconftest", "-k", "not live"]
    options += ["-pno:cacheprovider", "-pno:unraisableexception"]
    options += [f"-c{folder / 'pytest.ini'}", f"--rootdir={folder}"]
    for number, fault in enumerate([None, *FAULTS[test].values()]):
        for name in list(sys.modules):
            if name.startswith(("mha_utils", "test_")):
                del sys.modules[name]
        for module in ("attention", "sentences", "decoder", test):
            importlib.import_module(f"mha_utils.{module}")
        if fault:
            put(fault)
        path = folder / f"{test}-{number}"
        with path.open("w") as file, contextlib.redirect_stdout(file):
            code = pytest.main([*options, str(HERE / f"test_{test}.py")])
        said = path.read_text("utf-8")
        path.write_text(json.dumps([int(code), said]), "utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run everything, in two processes; return what tells pytest's code for a case."""
    folder = tmp_path_factory.mktemp("faults").resolve()
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = os.environ | {
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
        "PYTHONUTF8": "1",
    }
    command = [sys.executable, __file__, folder]
    processes = [
        subprocess.Popen([*command, *tests], env=environment)
        for tests in (
            ["attention"],
            ["sentences", "lexicon", "text", "maps", "decoder", "training_panel"],
        )
    ]
    assert [process.wait() for process in processes] == [0, 0]

    def code_of(test, name):
        number = [None, *FAULTS[test]].index(name)
        code, said = json.loads((folder / f"{test}-{number}").read_text("utf-8"))
        print(said)
        return code

    return code_of


@pytest.mark.parametrize("test", FAULTS)
def test_package_without_a_fault_passes(run, test):
    assert run(test, None) == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("test", "name"), [(test, name) for test in FAULTS for name in FAULTS[test]]
)
def test_fault_is_noticed(run, test, name):
    assert run(test, name) == pytest.ExitCode.TESTS_FAILED


if __name__ == "__main__":
    for test in sys.argv[2:]:
        run_all(test, Path(sys.argv[1]))
