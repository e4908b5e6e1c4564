"""Attention and multi-head attention in NumPy: the core of the course.

The equations are those of Vaswani et al. 2017, "Attention Is All You Need". Letters in
the comments beside the code are the same everywhere: ``n`` words (``n_q`` that ask,
``n_k`` that are asked), ``h`` heads, ``d`` = d_model numbers per word, and ``d_k``,
``d_v`` numbers per word inside one head. ``...`` stands for any axes in front, such as
a batch of sentences.
"""

from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray


def softmax(scores: ArrayLike, axis: int = -1) -> NDArray:
    """Turn scores into weights that are positive and sum to 1 along `axis`.

    Parameters
    ----------
    scores : array of any shape
        A score of -inf gets the weight 0. Where all scores are -inf there is nothing
        to share out, and all weights are 0.
    axis : int
        The axis that sums to 1.

    Returns
    -------
    weights : array of the shape and dtype of `scores`

    Raises
    ------
    ValueError
        If `scores` holds NaN or +inf, or is not an array of real numbers.

    Notes
    -----
    exp(s_j) / sum_k exp(s_k), computed after the largest score was subtracted from all,
    which changes nothing in the quotient and keeps exp from overflowing.

    Examples
    --------
    >>> print(softmax([0.0, 0.0, np.log(2.0)]))
    [0.25 0.25 0.5 ]
    """
    scores = _real_array("scores", scores)
    if scores.ndim == 0:
        raise ValueError("scores is a single number; softmax needs at least one axis")
    weights = scores.astype(_working_dtype(scores.dtype), copy=True)
    _softmax_in_place(weights, axis, "scores")
    return weights.astype(scores.dtype, copy=False)


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

    Raises
    ------
    ValueError
        If shapes do not fit, the mask is neither boolean nor float, an input holds NaN
        or infinity, or the scores overflow. The message names the array.
    """
    query, key, value = (
        _finite_array(name, array)
        for name, array in (("query", query), ("key", key), ("value", value))
    )
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
    try:
        np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except ValueError:
        raise ValueError(
            f"query {query.shape}, key {key.shape} and value {value.shape} differ in "
            f"the axes in front of (words, numbers)"
        ) from None
    dtype = np.result_type(query, key, value)
    working = _working_dtype(dtype)
    query, key, value = (a.astype(working, copy=False) for a in (query, key, value))
    output, weights = _attend(query, key, value, mask, scale)
    return _cast("output", output, dtype), weights.astype(dtype, copy=False)


def causal_mask(n_q: int, n_k: int | None = None) -> NDArray[np.bool_]:
    """Allow each word to attend to itself and to the words before it.

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


def positions(n: int, d: int) -> NDArray:
    """Return the sinusoidal position vectors of `n` words, (n, d).

    PE(pos, 2i) = sin(pos / 10000^(2i/d)) and PE(pos, 2i+1) = cos(pos / 10000^(2i/d)),
    section 3.5 of Vaswani et al. 2017.

    Raises
    ------
    ValueError
        If `d` is not a positive even number.
    """
    if d < 2 or d % 2:
        raise ValueError(f"d is {d}; positions come in pairs of sine and cosine")
    frequency = 10000.0 ** (-np.arange(0, d, 2) / d)  # (d/2,)
    angle = np.arange(n)[:, None] * frequency  # (n, d/2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(n, d)


def split_heads(x: ArrayLike, num_heads: int) -> NDArray:
    """Cut the last axis into heads: (..., n, h*d) -> (..., h, n, d).

    Each word's numbers are cut into `num_heads` pieces, and head i gets piece i of
    every word. The result may be a view of `x`.

    Raises
    ------
    ValueError
        If `x` has fewer than two axes or the last one is not a multiple of `num_heads`.
    """
    x = np.asarray(x)
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; it needs (..., n, h*d)")
    if num_heads < 1 or x.shape[-1] % num_heads:
        raise ValueError(
            f"x has shape {x.shape}; its last axis cannot be cut into "
            f"{num_heads} equal heads"
        )
    d = x.shape[-1] // num_heads
    x = x.reshape(*x.shape[:-1], num_heads, d)  # (..., n, h*d) -> (..., n, h, d)
    return x.swapaxes(-3, -2)  # (..., n, h, d) -> (..., h, n, d)


def merge_heads(x: ArrayLike) -> NDArray:
    """Put the heads side by side: (..., h, n, d) -> (..., n, h*d).

    The inverse of `split_heads`: the concatenation of equation "MultiHead" in section
    3.2.2 of Vaswani et al.

    Raises
    ------
    ValueError
        If `x` has fewer than three axes.
    """
    x = np.asarray(x)
    if x.ndim < 3:
        raise ValueError(f"x has shape {x.shape}; it needs (..., h, n, d)")
    *front, h, n, d = x.shape
    return x.swapaxes(-3, -2).reshape(
        *front, n, h * d
    )  # (..., n, h, d) -> (..., n, h*d)


class MultiHeadAttention:
    """Several attention heads side by side, and one matrix that joins what they found.

    MultiHead(X) = Concat(z_1, ..., z_h) W_O with z_i = Attention(X W_Q_i, X W_K_i,
    X W_V_i), section 3.2.2 of Vaswani et al. Row vectors throughout: a word is a row of
    `x` and is multiplied by a matrix from the right.

    Parameters
    ----------
    w_q, w_k : array (h, d_model, d_k)
        One query and one key matrix for each head.
    w_v : array (h, d_model, d_v)
    w_o : array (h*d_v, d_model)
        Rows i*d_v to (i+1)*d_v belong to head i.
    b_q, b_k : array (h, d_k), optional
    b_v : array (h, d_v), optional
    b_o : array (d_model,), optional
        Biases, added after their matrices; none in the paper, usual in libraries.

    Raises
    ------
    ValueError
        If shapes do not fit each other or a weight is NaN or infinite.

    Notes
    -----
    The layer keeps its own copy of the weights. `w_q`, `w_k` and `w_v` are views of one
    array that holds all of them side by side, because one large matrix product is
    faster than 3*h small ones. Changing them in place, ``mha.w_q[0] *= 2``, works.
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
        w_q, w_k, w_v, w_o = (
            _finite_array(name, array)
            for name, array in (
                ("w_q", w_q),
                ("w_k", w_k),
                ("w_v", w_v),
                ("w_o", w_o),
            )
        )
        if w_q.ndim != 3 or 0 in w_q.shape:
            raise ValueError(
                f"w_q has shape {w_q.shape}; it needs (h, d_model, d_k), one matrix "
                f"for each head and no empty axis"
            )
        h, d_model, d_k = w_q.shape
        d_v = w_v.shape[-1] if w_v.ndim == 3 else 0
        _need_shape("w_k", w_k, "(h, d_model, d_k), as w_q has", (h, d_model, d_k))
        if w_v.ndim != 3 or w_v.shape[:2] != (h, d_model) or d_v == 0:
            raise ValueError(
                f"w_v has shape {w_v.shape}; with w_q of shape {w_q.shape} it needs "
                f"(h, d_model, d_v) = ({h}, {d_model}, d_v)"
            )
        _need_shape("w_o", w_o, "(h*d_v, d_model)", (h * d_v, d_model))
        dtype = np.result_type(w_q, w_k, w_v, w_o)
        self.num_heads, self.d_model, self.d_k, self.d_v = h, d_model, d_k, d_v
        self._w_qkv = np.concatenate(  # (d, h*d_k + h*d_k + h*d_v)
            [w.transpose(1, 0, 2).reshape(d_model, -1) for w in (w_q, w_k, w_v)], axis=1
        ).astype(dtype, order="C", copy=False)
        self._w_o = w_o.astype(dtype, order="C")
        b_q, b_k, b_v, b_o = (
            None if bias is None else _finite_array(name, bias).astype(dtype)
            for name, bias in (("b_q", b_q), ("b_k", b_k), ("b_v", b_v), ("b_o", b_o))
        )
        for name, bias, letters, shape in (
            ("b_q", b_q, "(h, d_k)", (h, d_k)),
            ("b_k", b_k, "(h, d_k)", (h, d_k)),
            ("b_v", b_v, "(h, d_v)", (h, d_v)),
            ("b_o", b_o, "(d_model,)", (d_model,)),
        ):
            if bias is not None:
                _need_shape(name, bias, letters, shape)
        self.b_q, self.b_k, self.b_v, self.b_o = b_q, b_k, b_v, b_o

    @classmethod
    def random(
        cls, d_model: int, num_heads: int, *, seed: int | None
    ) -> "MultiHeadAttention":
        """Make an untrained layer with d_k = d_v = d_model / num_heads and no biases.

        Weights are normal with variance 1/d_model, so that a projection of words with
        unit variance has unit variance again. They are float64.

        Raises
        ------
        ValueError
            If `d_model` is not a multiple of `num_heads`.
        """
        if num_heads < 1 or d_model < 1 or d_model % num_heads:
            raise ValueError(
                f"d_model {d_model} cannot be shared equally by {num_heads} heads; "
                f"choose a num_heads that divides it"
            )
        rng = np.random.default_rng(seed)
        shape = (num_heads, d_model, d_model // num_heads)
        w_q, w_k, w_v = rng.normal(0, d_model**-0.5, (3, *shape))
        w_o = rng.normal(0, d_model**-0.5, (d_model, d_model))
        return cls(w_q, w_k, w_v, w_o)

    @property
    def w_q(self) -> NDArray:
        """Query matrices (h, d_model, d_k), a view that may be changed in place."""
        return split_heads(self._w_qkv[:, : self.num_heads * self.d_k], self.num_heads)

    @property
    def w_k(self) -> NDArray:
        """Key matrices (h, d_model, d_k), a view that may be changed in place."""
        start, stop = self.num_heads * self.d_k, 2 * self.num_heads * self.d_k
        return split_heads(self._w_qkv[:, start:stop], self.num_heads)

    @property
    def w_v(self) -> NDArray:
        """Value matrices (h, d_model, d_v), a view that may be changed in place."""
        return split_heads(
            self._w_qkv[:, 2 * self.num_heads * self.d_k :], self.num_heads
        )

    @property
    def w_o(self) -> NDArray:
        """The joining matrix (h*d_v, d_model), which may be changed in place."""
        return self._w_o

    @property
    def num_parameters(self) -> int:
        """How many numbers training would adjust: all weights and biases."""
        biases = (self.b_q, self.b_k, self.b_v, self.b_o)
        return (
            self._w_qkv.size
            + self._w_o.size
            + sum(bias.size for bias in biases if bias is not None)
        )

    def __call__(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> tuple[NDArray, NDArray]:
        """Attend with all heads, concatenate, project.

        Parameters
        ----------
        x : array (..., n_q, d_model)
            The words that ask.
        context : array (..., n_k, d_model), optional
            The words that are asked; `x` itself if not given (self-attention).
        mask : array that broadcasts to (..., h, n_q, n_k), optional
            As in `scaled_dot_product_attention`. A mask of its own for each sentence of
            a batch needs an axis for the heads: ``mask[:, None]``.

        Returns
        -------
        output : array (..., n_q, d_model)
        weights : array (..., h, n_q, n_k)
            One map for each head; both have the dtype of `x`.

        Raises
        ------
        ValueError
            If a shape does not fit the weights, `x` or `context` holds NaN or infinity,
            or the numbers overflow. The message names the array.
        """
        z, weights, dtype = self._heads(x, context, mask)
        output = merge_heads(z) @ self._w_o.astype(z.dtype, copy=False)  # (..., n_q, d)
        if self.b_o is not None:
            output += self.b_o
        return _cast("output", output, dtype), weights.astype(dtype, copy=False)

    def head_outputs(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> NDArray:
        """Return what each head found, z (..., h, n_q, d_v), before it is joined."""
        z, _, dtype = self._heads(x, context, mask)
        return _cast("z", z, dtype)

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
        return _cast("contributions", parts, dtype)

    @np.errstate(over="ignore", invalid="ignore")  # `_attend` and `_cast` report it
    def _heads(
        self, x: ArrayLike, context: ArrayLike | None, mask: ArrayLike | None
    ) -> tuple[NDArray, NDArray, np.dtype]:
        """Project and attend: z (..., h, n_q, d_v), weights, and the caller's dtype."""
        x = self._words("x", x)
        dtype = x.dtype
        x = x.astype(_working_dtype(dtype), copy=False)
        w_qkv = self._w_qkv.astype(x.dtype, copy=False)
        columns = self.num_heads * self.d_k  # of all queries, and of all keys
        if context is None:
            qkv = x @ w_qkv  # (..., n, h*(2*d_k + d_v))
            query, key_value = qkv[..., :columns], qkv[..., columns:]
        else:
            context = self._words("context", context).astype(x.dtype, copy=False)
            try:
                np.broadcast_shapes(x.shape[:-2], context.shape[:-2])
            except ValueError:
                raise ValueError(
                    f"x {x.shape} and context {context.shape} differ in the axes in "
                    f"front of (words, d_model)"
                ) from None
            query = x @ w_qkv[:, :columns]  # (..., n_q, h*d_k)
            key_value = context @ w_qkv[:, columns:]  # (..., n_k, h*(d_k + d_v))
        key, value = key_value[..., :columns], key_value[..., columns:]
        for array, bias in ((query, self.b_q), (key, self.b_k), (value, self.b_v)):
            if bias is not None:
                array += bias.reshape(
                    -1
                )  # (h, d_k) -> (h*d_k,), the same for each word
        query, key, value = (
            split_heads(array, self.num_heads)  # (..., n, h*d_k) -> (..., h, n, d_k)
            for array in (query, key, value)
        )
        return *_attend(query, key, value, mask, None), dtype

    def _words(self, name: str, array: ArrayLike) -> NDArray:
        array = _finite_array(name, array)
        if array.ndim < 2:
            raise ValueError(
                f"{name} has shape {array.shape}; it needs (..., words, d_model)"
            )
        if array.shape[-1] != self.d_model:
            raise ValueError(
                f"{name} has shape {array.shape}: d_model {array.shape[-1]}, but the "
                f"layer's weights were made for d_model {self.d_model}"
            )
        return array


def _attend(
    query: NDArray,
    key: NDArray,
    value: NDArray,
    mask: ArrayLike | None,
    scale: float | None,
) -> tuple[NDArray, NDArray]:
    """Equation (1) on arrays that were checked: float32 or float64, shapes that fit."""
    if scale is None:
        scale = query.shape[-1] ** -0.5
    elif not np.isfinite(scale):
        raise ValueError(f"scale is {scale}; it must be a finite number")
    # Scaling the query costs n_q*d_k products, scaling the scores would cost n_q*n_k.
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        scores = (query * query.dtype.type(scale)) @ key.swapaxes(-1, -2)
    # A bound on all scores costs less than a look at every score.
    reach = query.shape[-1] * abs(scale)
    for array in (query, key):
        reach *= float(np.abs(array).max(initial=0))
    if not reach < float(np.finfo(scores.dtype).max) and not np.isfinite(scores).all():
        raise ValueError(f"query @ key^T holds NaN or overflows {scores.dtype}")
    if mask is not None:
        _apply_mask(scores, mask)
    weights = scores  # (..., n_q, n_k), turned from scores into weights in place
    _softmax_in_place(weights, -1, "query @ key^T")
    return weights @ value, weights


def _apply_mask(scores: NDArray, mask: ArrayLike) -> None:
    mask = np.asarray(mask)
    if mask.dtype != bool and not np.issubdtype(mask.dtype, np.floating):
        raise ValueError(
            f"mask has dtype {mask.dtype}; use boolean (True = may attend) or float "
            f"(added to the scores, -inf = may not attend)"
        )
    try:
        fits = np.broadcast_shapes(mask.shape, scores.shape) == scores.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask has shape {mask.shape}, which does not broadcast to the scores' "
            f"shape {scores.shape} = (..., n_q, n_k)"
        )
    if mask.dtype == bool:
        np.copyto(scores, -np.inf, where=~mask)
    elif np.isnan(mask).any() or (mask == np.inf).any():
        raise ValueError("mask holds NaN or +inf; to forbid a key use -inf")
    else:
        with np.errstate(over="ignore"):  # a float64 mask of -1e300 is -inf in float32
            scores += mask.astype(scores.dtype, copy=False)


def _softmax_in_place(scores: NDArray, axis: int, name: str) -> None:
    peak = scores.max(axis, keepdims=True, initial=-np.inf)
    if not (peak < np.inf).all():  # NaN fails this comparison too
        raise ValueError(f"{name} holds NaN or +inf, or overflows {scores.dtype}")
    peak[peak == -np.inf] = 0  # nothing to attend to: exp(-inf) gives zeros below
    with np.errstate(over="ignore"):  # a score too far below the peak: exp(-inf) is 0
        scores -= peak
    np.exp(scores, out=scores)
    total = scores.sum(axis, keepdims=True)
    total[total == 0] = 1
    scores /= total


def _real_array(name: str, array: ArrayLike) -> NDArray:
    """`array` as floating point; integers and booleans become float64."""
    try:
        array = np.asarray(array)
    except ValueError:
        raise ValueError(f"{name} is a list whose rows differ in length") from None
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}; it needs real numbers")
    return array


def _finite_array(name: str, array: ArrayLike) -> NDArray:
    array = _real_array(name, array)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} of shape {array.shape} holds NaN or infinity")
    return array


def _need_shape(name: str, array: NDArray, letters: str, shape: tuple) -> None:
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}; it needs {letters} = {shape}"
        )


def _working_dtype(dtype: np.dtype) -> np.dtype:
    """Float16 is computed in float32: 16 bits hold too little for a softmax."""
    return np.promote_types(dtype, np.float32)


def _cast(name: str, array: NDArray, dtype: np.dtype) -> NDArray:
    with np.errstate(over="ignore"):
        result = array.astype(dtype, copy=False)
    if not np.isfinite(result).all():
        raise ValueError(f"{name} overflows {np.dtype(dtype)}")
    return result
