"""Attention and multi-head attention in NumPy: the core of the course.

The equations are those of Vaswani et al. 2017, "Attention Is All You Need". Letters in
the comments beside the code are the same everywhere: ``n`` words (``n_q`` that ask,
``n_k`` that are asked), ``h`` heads, ``g`` key/value heads where several query heads
share one, ``d`` = d_model numbers per word, and ``d_k``, ``d_v`` numbers per word
inside one head. ``...`` stands for any axes in front, such as a batch of ``b``
sentences. `guards.py` decides what is refused and holds the messages.

Float16 is computed in float32, because 16 bits hold too little for a softmax. Results
are cast back: to the common dtype of query, key and value, or in a layer to that of x.
"""

import weakref
from collections.abc import Callable
from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mha_utils import guards


def softmax(scores: ArrayLike, axis: int = -1) -> NDArray:
    """Turn scores into weights that are at least 0 and sum to 1 along `axis`.

    Parameters
    ----------
    scores : array of any shape
        A score of -inf gets the weight 0. Where all scores are -inf there is nothing
        to share out, and all weights are 0.
    axis : int
        The axis that sums to 1.

    Returns
    -------
    weights : array of the shape of `scores`
        Of their dtype if that is a float, else float64.

    Raises
    ------
    ValueError
        If `scores` holds NaN or +inf, or is not an array of real numbers.

    Notes
    -----
    Computes exp(s_j) / sum_k exp(s_k). The largest score is subtracted first, which
    leaves the quotient unchanged and keeps exp from overflowing.

    Examples
    --------
    >>> print(softmax([0.0, 0.0, np.log(2.0)]))
    [0.25 0.25 0.5 ]
    """
    scores = guards.softmax_scores(scores)
    working = scores.astype(guards.working_dtype(scores.dtype), copy=True)
    weights = _softmax_in_place(working, axis, "scores")
    return weights.astype(scores.dtype, copy=False)


def _softmax_in_place(scores: NDArray, axis: int, name: str) -> NDArray:
    """Softmax that overwrites `scores`; errors call them `name`."""
    peak = scores.max(axis, keepdims=True, initial=-np.inf)
    guards.need_numbers_below_infinity(name, peak)
    peak[peak == -np.inf] = 0  # nothing to attend to: -inf - (-inf) would be NaN
    with np.errstate(over="ignore"):  # a score too far below the peak: exp(-inf) is 0
        scores -= peak
    powers = np.exp(scores, out=scores)
    total = powers.sum(axis, keepdims=True)
    total[total == 0] = 1  # such a row stays 0
    powers /= total
    return powers


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    scale: float | None = None,
) -> tuple[NDArray, NDArray]:
    """Let every query look at all keys and take a weighted mean of their values.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V, equation (1) of Vaswani et al.

    Parameters
    ----------
    query : array (..., n_q, d_k)
    key : array (..., n_k, d_k)
    value : array (..., n_k, d_v)
    mask : array that broadcasts to (..., n_q, n_k), optional
        Boolean: True where the query may attend to the key. Float: added to the scaled
        scores, so that -inf forbids and a negative number discourages.
    scale : float, optional
        What the scores are multiplied by; 1 / sqrt(d_k) if not given.

    Returns
    -------
    output : array (..., n_q, d_v)
    weights : array (..., n_q, n_k)
        Each row sums to 1. A row that may attend to nothing is 0, and so is its output.
        Both have the common dtype of the three inputs.

    Raises
    ------
    ValueError
        If shapes do not fit, the mask is neither boolean nor float, an input or the
        scale is NaN or infinite, or the scores overflow. The message names the array.
    """
    query, key, value, dtype = guards.query_key_value(query, key, value)
    mask = guards.mask_for(mask, query, key)
    output, weights = _attend(query, key, value, mask, scale)
    # Weights are at most 1, so only the output can overflow.
    return guards.cast("output", output, dtype), weights.astype(dtype, copy=False)


@np.errstate(over="ignore", invalid="ignore")  # the guards report an overflow
def _attend(
    query: NDArray,
    key: NDArray,
    value: NDArray,
    mask: NDArray | None = None,
    scale: float | None = None,
) -> tuple[NDArray, NDArray]:
    """Equation (1) on arrays already checked: softmax(Q K^T / sqrt(d_k)) V."""
    d_k = query.shape[-1]
    scale = d_k**-0.5 if scale is None else guards.finite_scale(scale)
    # Scaling the query takes n_q*d_k multiplications; scaling the scores takes n_q*n_k,
    # which is more for long sentences.
    query = query * query.dtype.type(scale)  # (..., n_q, d_k)
    scores = query @ key.swapaxes(-1, -2)  # (..., n_q, n_k)
    guards.need_finite_scores(scores, query, key)
    if mask is not None:
        _apply_mask(scores, mask)
    weights = _softmax_in_place(scores, -1, "query @ key^T")  # (..., n_q, n_k)
    return weights @ value, weights  # (..., n_q, d_v), (..., n_q, n_k)


def _apply_mask(scores: NDArray, mask: NDArray) -> None:
    if mask.dtype == bool:
        np.copyto(scores, -np.inf, where=~mask)
    else:
        scores += mask.astype(scores.dtype, copy=False)


def causal_mask(n_q: int, n_k: int | None = None) -> NDArray[np.bool_]:
    """Allow each word to attend to itself and to the words before it.

    Queries and keys are both counted from the first word.

    Parameters
    ----------
    n_q, n_k : int
        Number of queries and of keys; as many keys as queries if `n_k` is not given.

    Returns
    -------
    mask : boolean array (n_q, n_k)
        True where key j is allowed for query i, which is where j <= i.

    Raises
    ------
    TypeError
        If a number of words is not an integer.

    Examples
    --------
    >>> print(causal_mask(3).astype(int))
    [[1 0 0]
     [1 1 0]
     [1 1 1]]
    """
    n_k = n_q if n_k is None else n_k
    return np.tri(index(n_q), index(n_k), dtype=bool)


def padding_mask(lengths: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Hide the padding of the shorter sentences in a batch, for `MultiHeadAttention`.

    Parameters
    ----------
    lengths : array (b,) of int
        How many words each sentence has.
    n : int
        How many words each sentence is padded to.

    Returns
    -------
    mask : boolean array (b, 1, 1, n)
        True where key j is a word: the same for all heads and all queries. Combine it
        with another boolean mask by ``&``.

    Raises
    ------
    ValueError
        If a length is no whole number, negative or above n.
    TypeError
        If n is not an integer.

    Examples
    --------
    >>> print(padding_mask([3, 2], 3).astype(int)[:, 0, 0])
    [[1 1 1]
     [1 1 0]]
    """
    lengths = guards.sentence_lengths(lengths, n)
    return np.arange(index(n)) < lengths[:, None, None, None]  # (b, 1, 1, n)


def positions(n: int, d: int) -> NDArray:
    """Return the sinusoidal position vectors of `n` words, (n, d).

    PE(pos, 2i) = sin(pos / 10000^(2i/d)) and PE(pos, 2i+1) = cos(pos / 10000^(2i/d)),
    section 3.5 of Vaswani et al. 2017.

    Raises
    ------
    ValueError
        If `d` is not a positive even number.
    """
    guards.need_pairs(d)
    frequency = 10000.0 ** (-np.arange(0, d, 2) / d)  # (d/2,)
    angle = np.arange(n)[:, None] * frequency  # (n, d/2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(n, d)


def rotate(
    x: ArrayLike, places: ArrayLike | None = None, *, base: float = 10000.0
) -> NDArray:
    """Turn the pairs of numbers of each word by angles that grow with its place.

    Numbers 2i and 2i+1 of the word at place p are turned by p * base^(-2i/d_k). If the
    queries and the keys are rotated, a score depends on how far the words are apart and
    not on where they stand. Equation (34) of Su et al. 2021, "RoFormer". The library
    transformers pairs the numbers i and i + d_k/2 and orders the matrices accordingly.

    Parameters
    ----------
    x : array (..., n, d_k)
        Queries or keys; d_k is even.
    places : array (n,), optional
        Where each word stands; 0, 1, 2, ... if not given.
    base : float
        The larger, the slower the last pairs turn.

    Returns
    -------
    rotated : array of the shape and dtype of `x`

    Raises
    ------
    ValueError
        If `d_k` is odd, there is not one place for each word, or a number is NaN or
        infinite.

    Examples
    --------
    >>> print(rotate([[1.0, 0.0], [1.0, 0.0]], [0, np.pi / 2]).round(2))
    [[1. 0.]
     [0. 1.]]
    """
    x = guards.words_to_rotate(x)
    places, base = guards.places_of(x, places), guards.finite_base(base)
    d_k = x.shape[-1]
    angle = places[:, None] * base ** (-np.arange(0, d_k, 2) / d_k)  # (n, d_k/2)
    working = guards.working_dtype(x.dtype)
    cosine, sine = np.cos(angle).astype(working), np.sin(angle).astype(working)
    even, odd = x[..., ::2], x[..., 1::2]  # (..., n, d_k/2)
    rotated = np.empty(x.shape, working)
    with np.errstate(over="ignore"):  # `cast` reports it
        rotated[..., ::2] = even * cosine - odd * sine
        rotated[..., 1::2] = even * sine + odd * cosine
    return guards.cast("rotated", rotated, x.dtype)


def split_heads(x: ArrayLike, num_heads: int) -> NDArray:
    """Cut the last axis into heads: (..., n, h*d_k) -> (..., h, n, d_k).

    Each word's numbers are cut into `num_heads` pieces, and head i gets piece i of
    every word. The result is a view of `x` where its order in memory allows it.

    Raises
    ------
    ValueError
        If `x` has fewer than two axes or the last one is not a multiple of `num_heads`.
    """
    return _split(guards.words_to_split(x, num_heads), num_heads)


def _split(x: NDArray, h: int) -> NDArray:
    x = x.reshape(x.shape[:-1] + (h, x.shape[-1] // h))  # -> (..., n, h, d_k)
    return x.swapaxes(-3, -2)  # (..., n, h, d_k) -> (..., h, n, d_k)


def merge_heads(x: ArrayLike) -> NDArray:
    """Put the heads side by side: (..., h, n, d_v) -> (..., n, h*d_v).

    The inverse of `split_heads`: the concatenation of equation "MultiHead" in section
    3.2.2 of Vaswani et al.

    Raises
    ------
    ValueError
        If `x` has fewer than three axes.
    """
    x = guards.heads_to_merge(x).swapaxes(-3, -2)  # -> (..., n, h, d_v)
    *front, h, d_v = x.shape
    return x.reshape(*front, h * d_v)  # (..., n, h, d_v) -> (..., n, h*d_v)


def _attend_in_groups(
    query: NDArray, key: NDArray, value: NDArray, mask: NDArray | None
) -> tuple[NDArray, NDArray]:
    """Attend with h query heads, of which h/g in turn share a key/value head.

    No key and no value is copied: the query heads that share one get an axis of their
    own, along which NumPy's product reads that one again.
    """
    h, g = query.shape[-3], key.shape[-3]
    query = _in_groups(query, g)  # (..., h, n_q, d_k) -> (..., g, h/g, n_q, d_k)
    key, value = key[..., None, :, :], value[..., None, :, :]  # (..., g, 1, n_k, d_k)
    if mask is not None and mask.ndim > 2:
        mask = np.broadcast_to(mask, (*mask.shape[:-3], h, *mask.shape[-2:]))
        mask = _in_groups(mask, g)
    z, weights = _attend(query, key, value, mask)
    return _side_by_side(z, h), _side_by_side(weights, h)


def _in_groups(heads: NDArray, g: int) -> NDArray:
    """Cut the heads into `g` groups: (..., h, n, m) -> (..., g, h/g, n, m), a view."""
    shape = heads.shape
    return heads.reshape(shape[:-3] + (g, shape[-3] // g) + shape[-2:])


def _side_by_side(groups: NDArray, h: int) -> NDArray:
    """Undo `_in_groups`: (..., g, h/g, n, m) -> (..., h, n, m), a view."""
    return groups.reshape(groups.shape[:-4] + (h,) + groups.shape[-2:])


def _only_before(mask: NDArray | None, n_q: int, n_k: int) -> NDArray:
    """Forbid the last `n_q` of `n_k` words to see what comes after them."""
    before = np.tri(n_q, n_k, n_k - n_q, dtype=bool)
    if mask is None:
        return before
    return before & mask if mask.dtype == bool else np.where(before, mask, -np.inf)


class MultiHeadAttention:
    """Several attention heads side by side, and one matrix that joins what they found.

    MultiHead(X) = Concat(z_1, ..., z_h) W_O with z_i = Attention(X W_Q_i, X W_K_i,
    X W_V_i), section 3.2.2 of Vaswani et al. Row vectors throughout: a word is a row of
    `x` and is multiplied by a matrix from the right.

    Parameters
    ----------
    w_q : array (h, d_model, d_k)
        One query matrix for each head.
    w_k : array (g, d_model, d_k)
        One key matrix for each key/value head; g divides h. Query head i reads
        key/value head i // (h // g). Most often g is h and each head has its own; with
        1 < g < h this is grouped-query attention (Ainslie et al. 2023), with g = 1
        multi-query attention (Shazeer 2019).
    w_v : array (g, d_model, d_v)
    w_o : array (h*d_v, d_model)
        Rows i*d_v to (i+1)*d_v belong to head i.
    b_q : array (h, d_k), optional
    b_k : array (g, d_k), optional
    b_v : array (g, d_v), optional
    b_o : array (d_model,), optional
        Biases, added after their matrices; none in the paper, usual in libraries.

    Attributes
    ----------
    num_heads, num_kv_heads, d_model, d_k, d_v : int
        h, g and the sizes, as the shapes of the matrices give them.
    b_q, b_k, b_v, b_o : array, or None
        The biases, in the dtype of the matrices.

    Raises
    ------
    ValueError
        If shapes do not fit each other or a weight is NaN or infinite.

    Notes
    -----
    The layer keeps its own copy of the weights. `w_q`, `w_k` and `w_v` are views of one
    array that holds all of them side by side, because one large matrix product is
    faster than 3*h small ones. To change weights write into a view, as in
    ``mha.w_q[...] *= 2``; the names themselves cannot be assigned.
    """

    def __init__(
        self,
        w_q: ArrayLike,
        w_k: ArrayLike,
        w_v: ArrayLike,
        w_o: ArrayLike,
        b_q: ArrayLike | None = None,
        b_k: ArrayLike | None = None,
        b_v: ArrayLike | None = None,
        b_o: ArrayLike | None = None,
    ) -> None:
        w_q, w_k, w_v, w_o = guards.layer_matrices(w_q, w_k, w_v, w_o)
        dtype = np.result_type(w_q, w_k, w_v, w_o)
        h, d_model, d_k = w_q.shape
        g, _, d_v = w_v.shape
        self.b_q = guards.layer_bias("b_q", b_q, "(h, d_k)", (h, d_k), dtype)
        self.b_k = guards.layer_bias("b_k", b_k, "(g, d_k)", (g, d_k), dtype)
        self.b_v = guards.layer_bias("b_v", b_v, "(g, d_v)", (g, d_v), dtype)
        self.b_o = guards.layer_bias("b_o", b_o, "(d_model,)", (d_model,), dtype)
        self.num_heads, self.num_kv_heads = h, g
        self.d_model, self.d_k, self.d_v = d_model, d_k, d_v
        # The heads' matrices side by side: (h, d, d_k) -> (d, h*d_k), w_v with d_v.
        flat = [merge_heads(w) for w in (w_q, w_k, w_v)]
        w_qkv = np.concatenate(flat, axis=1)  # (d, h*d_k + g*d_k + g*d_v)
        self._ends = h * d_k, (h + g) * d_k  # of the queries' columns, of the keys'
        # In C order, so that `split_heads` gives w_q, w_k and w_v back as views.
        self._w_qkv = w_qkv.astype(dtype, order="C", copy=False)
        self._w_o = w_o.astype(dtype, order="C")

    @np.errstate(over="ignore", invalid="ignore")  # the guards report an overflow
    def __call__(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        *,
        cache: "KeyValueCache | None" = None,
    ) -> tuple[NDArray, NDArray]:
        """Attend with all heads, concatenate, project.

        Parameters
        ----------
        x : array (..., n_q, d_model)
            The words that ask.
        context : array (..., n_k, d_model), optional
            The words that are asked; `x` itself if not given (self-attention).
        mask : array that broadcasts to (..., h, n_q, n_k), optional
            As in `scaled_dot_product_attention`. In a batch, write ``mask[:, None]`` if
            each sentence has its own mask (b, n_q, n_k), and ``mask[None]`` if each
            head has its own (h, n_q, n_k). A mask that could be either is refused. Two
            axes are always (n_q, n_k), the same for all sentences: a mask (b, n_k) with
            b = n_q cannot be told from that. For padded sentences there is
            `padding_mask`, or ``mask[:, None, None]``.
        cache : KeyValueCache, optional
            Keys and values of the words before `x`. Those of `x` are put behind them,
            and each word sees all words before it and itself: n_k counts them all.

        Returns
        -------
        output : array (..., n_q, d_model)
        weights : array (..., h, n_q, n_k)
            One map for each head; both have the dtype of `x`.

        Raises
        ------
        ValueError
            If a shape does not fit the weights, `x` or `context` holds NaN or infinity,
            the cache is that of another layer or text, or the numbers overflow. The
            message names the array. The cache is then as it was before.
        """
        z, weights, dtype = self._heads(x, context, mask, cache)  # (..., h, n_q, d_v)
        output = merge_heads(z) @ self._w_o.astype(z.dtype, copy=False)  # (..., n_q, d)
        if self.b_o is not None:
            output += self.b_o
        output = guards.cast("output", output, dtype)
        if cache is not None:
            cache.num_words = weights.shape[-1]
        return output, weights.astype(dtype, copy=False)

    def _heads(
        self,
        x: ArrayLike,
        context: ArrayLike | None,
        mask: ArrayLike | None,
        cache: "KeyValueCache | None" = None,
    ) -> tuple[NDArray, NDArray, np.dtype]:
        """Project and attend: z (..., h, n_q, d_v), weights, and the caller's dtype."""
        x, context, dtype = guards.layer_words(x, context, self.d_model)
        guards.need_no_context(context, cache)
        query, key, value = self._project(x, context)
        if cache is not None:
            key, value = cache._behind(self, x, key, value)  # (..., g, n_k, d_k)
        mask = guards.layer_mask(mask, query, key)
        if cache is not None:
            mask = _only_before(mask, query.shape[-2], key.shape[-2])
        z, weights = _attend_in_groups(query, key, value, mask)
        return z, weights, dtype

    def _project(
        self, x: NDArray, context: NDArray | None
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Return queries (..., h, n_q, d_k), keys (..., g, n_k, d_k) and values."""
        w_qkv = self._w_qkv.astype(x.dtype, copy=False)
        q_end, k_end = self._ends
        if context is None:
            qkv = x @ w_qkv  # (..., n, h*d_k + g*d_k + g*d_v)
            query, key_value = qkv[..., :q_end], qkv[..., q_end:]
        else:
            query = x @ w_qkv[:, :q_end]  # (..., n_q, h*d_k)
            key_value = context @ w_qkv[:, q_end:]  # (..., n_k, g*(d_k + d_v))
        key, value = key_value[..., : k_end - q_end], key_value[..., k_end - q_end :]
        for array, bias in ((query, self.b_q), (key, self.b_k), (value, self.b_v)):
            if bias is not None:
                array += bias.ravel()  # in place, (h*d_k,): the same for each word
        return (
            _split(query, self.num_heads),  # (..., h, n_q, d_k)
            _split(key, self.num_kv_heads),  # (..., g, n_k, d_k)
            _split(value, self.num_kv_heads),  # (..., g, n_k, d_v)
        )

    @np.errstate(over="ignore", invalid="ignore")  # the guards report an overflow
    def head_outputs(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> NDArray:
        """Return what each head found, z (..., h, n_q, d_v), before it is joined."""
        z, _, dtype = self._heads(x, context, mask)
        return guards.cast("z", z, dtype)

    @np.errstate(over="ignore", invalid="ignore")  # the guards report an overflow
    def contributions(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> NDArray:
        """Return what each head adds to the output, (..., h, n_q, d_model).

        Head i's part is z_i times its own rows of `w_o`. The parts sum over the heads
        to the output less `b_o`: to concatenate and project is to project and add.
        """
        z, _, dtype = self._heads(x, context, mask)
        w_o = self._w_o.reshape(self.num_heads, self.d_v, self.d_model)  # (h, d_v, d)
        parts = z @ w_o.astype(z.dtype, copy=False)  # (..., h, n_q, d)
        return guards.cast("contributions", parts, dtype)

    @classmethod
    def random(
        cls,
        d_model: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        seed: int | None,
    ) -> "MultiHeadAttention":
        """Make an untrained layer with d_k = d_v = d_model / num_heads and no biases.

        There are as many key/value heads as heads if `num_kv_heads` is not given.
        Weights are normal with variance 1/d_model, so that a projection of words with
        unit variance has unit variance again. They are float64. With None for `seed`
        they are others each time.

        Raises
        ------
        ValueError
            If `d_model` is not a multiple of `num_heads`, or that not of
            `num_kv_heads`.
        """
        guards.need_equal_heads(d_model, num_heads)
        h, g = num_heads, num_heads if num_kv_heads is None else num_kv_heads
        guards.need_equal_groups(h, g)
        rng = np.random.default_rng(seed)
        scale, shape = d_model**-0.5, (d_model, d_model // h)
        w_q = rng.normal(0, scale, (h, *shape))
        w_k, w_v = rng.normal(0, scale, (2, g, *shape))
        w_o = rng.normal(0, scale, (d_model, d_model))
        return cls(w_q, w_k, w_v, w_o)

    @property
    def w_q(self) -> NDArray:
        """Query matrices (h, d_model, d_k), a view that may be changed in place."""
        return split_heads(self._w_qkv[:, : self._ends[0]], self.num_heads)

    @property
    def w_k(self) -> NDArray:
        """Key matrices (g, d_model, d_k), a view that may be changed in place."""
        q_end, k_end = self._ends
        return split_heads(self._w_qkv[:, q_end:k_end], self.num_kv_heads)

    @property
    def w_v(self) -> NDArray:
        """Value matrices (g, d_model, d_v), a view that may be changed in place."""
        return split_heads(self._w_qkv[:, self._ends[1] :], self.num_kv_heads)

    @property
    def w_o(self) -> NDArray:
        """The joining matrix (h*d_v, d_model), which may be changed in place."""
        return self._w_o

    @property
    def num_parameters(self) -> int:
        """How many numbers training would adjust: all weights and biases."""
        arrays = (self._w_qkv, self._w_o, self.b_q, self.b_k, self.b_v, self.b_o)
        return sum(array.size for array in arrays if array is not None)


class KeyValueCache:
    """Keys and values of the words that a layer has seen, to write on word by word.

    One cache serves one layer and one text, or a batch of texts: ``mha(x_new,
    cache=cache)`` reads the new words alone, and gives for them what one causal call on
    all words would give. Keys and values stay as the weights made them at the time. To
    go on in two ways, copy the cache by `copy.deepcopy`.

    Attributes
    ----------
    num_words : int
        How many words are kept.

    Examples
    --------
    >>> mha, cache = MultiHeadAttention.random(8, 2, seed=0), KeyValueCache()
    >>> for word in np.eye(3, 8):
    ...     output, weights = mha(word[None], cache=cache)
    >>> cache.num_words, weights.shape
    (3, (2, 1, 3))
    """

    def __init__(self) -> None:
        self.num_words = 0
        self._layer: Callable[[], MultiHeadAttention | None] = lambda: None
        self._keys = self._values = np.empty((0, 0, 0))  # (..., g, room, d_k), d_v

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values kept, without the room for further words."""
        n = self.num_words
        return self._keys[..., :n, :].nbytes + self._values[..., :n, :].nbytes

    def _behind(
        self, layer: MultiHeadAttention, x: NDArray, key: NDArray, value: NDArray
    ) -> tuple[NDArray, NDArray]:
        """Return kept and new keys and values; new ones count once `num_words` does."""
        n = self.num_words
        if n == 0:
            # Weak, so that a copy of the cache still belongs to this very layer.
            self._layer = weakref.ref(layer)
            self._keys, self._values = key[..., :0, :], value[..., :0, :]
        kept = self._keys[..., :n, :]
        guards.need_same_text(self._layer(), layer, kept, key, x)
        self._keys = _append(self._keys, n, key)
        self._values = _append(self._values, n, value)
        n += key.shape[-2]
        return self._keys[..., :n, :], self._values[..., :n, :]


def _append(rows: NDArray, n: int, new: NDArray) -> NDArray:
    """Write `new` (..., g, m, d) behind the first `n` of the rows, moved if too few."""
    end = n + new.shape[-2]
    if end > rows.shape[-2]:
        # Room for as many again: words added one by one are moved a few times only.
        roomy = np.empty((*new.shape[:-2], 2 * end, new.shape[-1]), new.dtype)
        roomy[..., :n, :] = rows[..., :n, :]
        rows = roomy
    rows[..., n:end, :] = new
    return rows
