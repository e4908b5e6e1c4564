"""What the core refuses, and in which words.

Each function of `attention.py` begins with one line from here: it hands its arguments
over and gets arrays back that the mathematics below that line can rely on. A refusal is
a ValueError that names the array, its shape and what was needed. Float16 is computed in
float32; `cast` takes a result back to the caller's dtype.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def real_array(name: str, array: ArrayLike) -> NDArray:
    """Return `array` as floating point; integers and booleans become float64."""
    given, array = array, _array(name, array)
    if array.dtype == object and array.ndim == 0:
        raise ValueError(f"{name} is a {type(given).__name__}; it needs real numbers")
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}; it needs real numbers")
    return array


def finite_array(name: str, array: ArrayLike) -> NDArray:
    """Return `array` as floating point without NaN and infinity."""
    array = real_array(name, array)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} of shape {array.shape} holds NaN or infinity")
    return array


def working_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype to compute in: 16 bits hold too little for a softmax."""
    return np.promote_types(dtype, np.float32)


def softmax_scores(scores: ArrayLike) -> NDArray:
    """Return scores that have an axis to sum along."""
    scores = real_array("scores", scores)
    if scores.ndim == 0:
        raise ValueError("scores is a single number; softmax needs at least one axis")
    return scores


def need_numbers_below_infinity(name: str, peak: NDArray) -> None:
    """Refuse scores whose largest ones, `peak`, are NaN or +inf."""
    if not (peak < np.inf).all():  # NaN fails this comparison too
        raise ValueError(f"{name} holds NaN or +inf, or overflows {peak.dtype}")


def query_key_value(
    query: ArrayLike, key: ArrayLike, value: ArrayLike
) -> tuple[NDArray, NDArray, NDArray, np.dtype]:
    """Return arrays whose shapes fit, in a dtype to compute in, and the caller's."""
    query = finite_array("query", query)
    key = finite_array("key", key)
    value = finite_array("value", value)
    for name, array in (("query", query), ("key", key), ("value", value)):
        if array.ndim < 2:
            raise ValueError(
                f"{name} has shape {array.shape}; it needs at least two axes, "
                f"(words, numbers per word)"
            )
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query has shape {query.shape} and key has shape {key.shape}; their last "
            f"axes, d_k, must be equal"
        )
    if query.shape[-1] == 0:
        raise ValueError(f"query has shape {query.shape}; d_k must be at least 1")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"key has shape {key.shape} and value has shape {value.shape}; both need "
            f"one row for each word, n_k"
        )
    if _broadcast(query.shape[:-2], key.shape[:-2], value.shape[:-2]) is None:
        raise ValueError(
            f"query {query.shape}, key {key.shape} and value {value.shape} differ in "
            f"the axes in front of (words, numbers)"
        )
    dtype = np.result_type(query, key, value)
    working = working_dtype(dtype)
    query, key, value = (a.astype(working, copy=False) for a in (query, key, value))
    return query, key, value, dtype


def finite_scale(scale: float) -> float:
    """Return a scale that is a number."""
    if not np.isfinite(scale):
        raise ValueError(f"scale is {scale}; it must be a finite number")
    return scale


def need_finite_scores(scores: NDArray, query: NDArray, key: NDArray) -> None:
    """Refuse scores that overflowed, also to -inf, which would look like a mask."""
    # A bound on all scores costs less than a look at every score, if there are many.
    if scores.size > query.size + key.size:
        reach = float(query.shape[-1])
        for array in (query, key):
            reach *= float(np.abs(array).max(initial=0))
        if reach < float(np.finfo(scores.dtype).max):
            return
    if not np.isfinite(scores).all():
        raise ValueError(f"query @ key^T holds NaN or overflows {scores.dtype}")


def mask_for(mask: ArrayLike | None, query: NDArray, key: NDArray) -> NDArray | None:
    """Return a boolean or float mask that broadcasts to scores (..., n_q, n_k)."""
    if mask is None:
        return None
    front = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    return _mask(mask, (*front, query.shape[-2], key.shape[-2]))


def layer_mask(mask: ArrayLike | None, query: NDArray, key: NDArray) -> NDArray | None:
    """Return a layer's mask, for scores (..., h, n_q, n_k).

    Of three axes it must be clear what the first one is.
    """
    if mask is None:
        return None
    mask = _array("mask", mask)
    *batch, h, n_q, _ = query.shape
    if mask.ndim == 3 and batch and mask.shape[0] == batch[-1] > 1:
        both = f", as there are {h} of both" if batch[-1] == h else ""
        raise ValueError(
            f"mask has shape {mask.shape}: is its first axis the sentences or the "
            f"heads{both}? Write mask[:, None] for a mask of each sentence, mask[None] "
            f"for a mask of each head"
        )
    front = np.broadcast_shapes(tuple(batch), key.shape[:-3])
    return _mask(mask, (*front, h, n_q, key.shape[-2]))


def words_to_split(x: ArrayLike, num_heads: int) -> NDArray:
    """Return words (..., n, h*d) whose numbers can be shared by the heads."""
    x = _array("x", x)
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; it needs (..., n, h*d)")
    if num_heads < 1 or x.shape[-1] % num_heads:
        raise ValueError(
            f"x has shape {x.shape}; its last axis cannot be cut into "
            f"{num_heads} equal heads"
        )
    return x


def heads_to_merge(x: ArrayLike) -> NDArray:
    """Return what heads found, (..., h, n, d)."""
    x = _array("x", x)
    if x.ndim < 3:
        raise ValueError(f"x has shape {x.shape}; it needs (..., h, n, d)")
    return x


def sentence_lengths(lengths: ArrayLike, n: int) -> NDArray:
    """Return whole numbers of words from 0 to n, one for each sentence: (b,)."""
    lengths = _array("lengths", lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"lengths has shape {lengths.shape} and dtype {lengths.dtype}; it needs "
            f"one whole number for each sentence"
        )
    if not ((lengths >= 0) & (lengths <= n)).all():
        raise ValueError(f"lengths holds {lengths.tolist()}; they go from 0 to {n}")
    return lengths


def need_pairs(d: int) -> None:
    """Refuse a number of columns that sine and cosine cannot share."""
    if d < 2 or d % 2:
        raise ValueError(f"d is {d}; positions come in pairs of sine and cosine")


def words_to_rotate(x: ArrayLike) -> NDArray:
    """Return words (..., n, d_k) whose numbers come in pairs."""
    x = finite_array("x", x)
    if x.ndim < 2 or x.shape[-1] < 2 or x.shape[-1] % 2:
        raise ValueError(
            f"x has shape {x.shape}; it needs (..., words, d_k) with an even d_k of at "
            f"least 2, because pairs of numbers are turned"
        )
    return x


def places_of(words: NDArray, places: ArrayLike | None) -> NDArray:
    """Return one place for each of the words (..., n, d_k)."""
    n = words.shape[-2]
    if places is None:
        return np.arange(n)
    places = finite_array("places", places)
    _need_shape("places", places, "(n,), one for each word of x,", (n,))
    return places


def finite_base(base: float) -> float:
    """Return the base of frequencies: a positive number."""
    if not 0 < base < np.inf:
        raise ValueError(f"base is {base}; it must be a positive number, such as 10000")
    return base


def need_equal_heads(d_model: int, num_heads: int) -> None:
    """Refuse sizes of a layer in which the heads would differ."""
    if d_model < 1:
        raise ValueError(f"d_model is {d_model}; a word needs at least 1 number")
    if not _divides(num_heads, d_model):
        raise ValueError(
            f"d_model {d_model} cannot be shared equally by {num_heads} heads; "
            f"choose a num_heads of {_divisors(d_model)}"
        )


def need_equal_groups(num_heads: int, num_kv_heads: int) -> None:
    """Refuse key/value heads that would serve unequal numbers of query heads."""
    if not _divides(num_kv_heads, num_heads):
        raise ValueError(
            f"{num_heads} heads cannot share {num_kv_heads} key/value heads equally; "
            f"choose a num_kv_heads of {_divisors(num_heads)}"
        )


def heads_of(
    heads: Iterable[tuple[int, int]], num_layers: int, num_heads: int
) -> set[tuple[int, int]]:
    """Return pairs (layer, head), each once, all of which a model has."""
    found = {(layer, head) for layer, head in heads}
    for layer, head in found:
        if not (0 <= layer < num_layers and 0 <= head < num_heads):
            raise ValueError(
                f"there is no head ({layer}, {head}); layers go from 0 to "
                f"{num_layers - 1}, heads from 0 to {num_heads - 1}"
            )
    return found


def layer_matrices(
    w_q: ArrayLike, w_k: ArrayLike, w_v: ArrayLike, w_o: ArrayLike
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return (h, d, d_k), (g, d, d_k), (g, d, d_v) and (h*d_v, d), which fit."""
    w_q, w_k = finite_array("w_q", w_q), finite_array("w_k", w_k)
    w_v, w_o = finite_array("w_v", w_v), finite_array("w_o", w_o)
    if w_q.ndim != 3 or 0 in w_q.shape:
        raise ValueError(
            f"w_q has shape {w_q.shape}; it needs (h, d_model, d_k), one matrix "
            f"for each head and no empty axis"
        )
    h, d_model, d_k = w_q.shape
    if w_k.ndim != 3 or w_k.shape[1:] != (d_model, d_k) or not _divides(len(w_k), h):
        raise ValueError(
            f"w_k has shape {w_k.shape}; with w_q of shape {w_q.shape} it needs "
            f"(g, d_model, d_k) = (g, {d_model}, {d_k}), where g, the number of "
            f"key/value heads, is {_divisors(h)}"
        )
    g = len(w_k)
    if w_v.ndim != 3 or w_v.shape[:2] != (g, d_model) or w_v.shape[2] == 0:
        raise ValueError(
            f"w_v has shape {w_v.shape}; with w_k of shape {w_k.shape} it needs "
            f"(g, d_model, d_v) = ({g}, {d_model}, d_v)"
        )
    _need_shape("w_o", w_o, "(h*d_v, d_model)", (h * w_v.shape[2], d_model))
    return w_q, w_k, w_v, w_o


def layer_bias(
    name: str, bias: ArrayLike | None, letters: str, shape: tuple, dtype: np.dtype
) -> NDArray | None:
    """Return a copy of a layer's bias, or None if it has none."""
    if bias is None:
        return None
    bias = finite_array(name, bias)
    _need_shape(name, bias, letters, shape)
    return bias.astype(dtype)


def layer_words(
    x: ArrayLike, context: ArrayLike | None, d_model: int
) -> tuple[NDArray, NDArray | None, np.dtype]:
    """Return words (..., n, d) in a dtype to compute in, and the caller's dtype."""
    x = _words("x", x, d_model)
    dtype = x.dtype
    x = x.astype(working_dtype(dtype), copy=False)
    if context is None:
        return x, None, dtype
    context = _words("context", context, d_model).astype(x.dtype, copy=False)
    if _broadcast(x.shape[:-2], context.shape[:-2]) is None:
        raise ValueError(
            f"x {x.shape} and context {context.shape} differ in the axes in "
            f"front of (words, d_model)"
        )
    return x, context, dtype


def need_same_text(
    cache_of: object, layer: object, kept: NDArray, new: NDArray, x: NDArray
) -> None:
    """Refuse x (..., n, d) that cannot stand behind what a cache has kept.

    Kept and new keys are (..., g, n, d_k).
    """
    front = kept.shape[:-3]
    if cache_of is not layer:
        needed = _shape_of(*new.shape[:-2], "words", new.shape[-1])
        raise ValueError(
            f"cache holds keys of shape {kept.shape} of another layer, and this layer "
            f"makes keys of shape {needed}; make a KeyValueCache() for each layer"
        )
    if new.shape[:-3] != front:
        raise ValueError(
            f"x has shape {x.shape}, but cache holds keys of shape {kept.shape}: it "
            f"needs x of shape {_shape_of(*front, 'words', x.shape[-1])}"
        )
    if new.dtype != kept.dtype:
        raise ValueError(
            f"x of shape {x.shape} is computed in {new.dtype}, but cache holds keys of "
            f"shape {kept.shape} in {kept.dtype}; use one dtype for the whole text"
        )


def need_no_context(context: NDArray | None, cache: object) -> None:
    """Refuse words of another text beside a cache, which keeps the words of x."""
    if context is not None and cache is not None:
        raise ValueError(
            f"context has shape {context.shape}, but with a cache the words of x look "
            f"at those before them: leave context out, or the cache"
        )


def cast(name: str, array: NDArray, dtype: np.dtype) -> NDArray:
    """Return a result in the caller's dtype, if that holds its numbers."""
    with np.errstate(over="ignore"):
        result = array.astype(dtype, copy=False)
    if not np.isfinite(result).all():
        raise ValueError(f"{name} overflows {np.dtype(dtype)}")
    return result


def _array(name: str, array: ArrayLike) -> NDArray:
    try:
        return np.asarray(array)
    except ValueError:
        raise ValueError(f"{name} is a list whose rows differ in length") from None


def _words(name: str, array: ArrayLike, d_model: int) -> NDArray:
    array = finite_array(name, array)
    if array.ndim < 2:
        raise ValueError(
            f"{name} has shape {array.shape}; it needs (..., words, d_model)"
        )
    if array.shape[-1] != d_model:
        raise ValueError(
            f"{name} has shape {array.shape}: d_model {array.shape[-1]}, but the "
            f"layer's weights were made for d_model {d_model}"
        )
    return array


def _mask(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray:
    mask = _array("mask", mask)
    if mask.dtype != bool and not np.issubdtype(mask.dtype, np.floating):
        raise ValueError(
            f"mask has dtype {mask.dtype}; use boolean (True = may attend) or float "
            f"(added to the scores, -inf = may not attend)"
        )
    if _broadcast(mask.shape, shape) != shape:
        raise ValueError(
            f"mask has shape {mask.shape}, which does not broadcast to the scores' "
            f"shape {shape} = (..., n_q, n_k)"
        )
    if mask.dtype != bool and (np.isnan(mask).any() or (mask == np.inf).any()):
        raise ValueError("mask holds NaN or +inf; to forbid a key use -inf")
    return mask


def _divides(g: int, h: int) -> bool:
    return g > 0 and h % g == 0


def _divisors(h: int) -> str:
    """Say which numbers divide `h`: "1, 2, 4 or 8"."""
    *most, last = (str(g) for g in range(1, h + 1) if h % g == 0)
    return f"{', '.join(most)} or {last}" if most else last


def _shape_of(*sizes: object) -> str:
    return f"({', '.join(map(str, sizes))})"


def _need_shape(name: str, array: NDArray, letters: str, shape: tuple) -> None:
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}; it needs {letters} = {shape}"
        )


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape that all broadcast to, or None if there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None
