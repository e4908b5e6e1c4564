"""BERT in NumPy: from a sentence to its vectors, and who attends to whom on the way.

The encoder of Devlin et al. 2019, from the top down. Its attention is the course's own
`MultiHeadAttention`. Comments use the letters of `attention.py`; ``n`` counts word
pieces here.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import MultiHeadAttention, split_heads
from mha_utils.guards import heads_of
from mha_utils.maps import AttentionMaps
from mha_utils.pretrained.checkpoint import Checkpoint
from mha_utils.pretrained.own import OwnAttention
from mha_utils.pretrained.pieces import Pieces, cut, join, without_special


class PretrainedModel:
    """A BERT encoder that shows its attention; made by `load`.

    Parameters
    ----------
    checkpoint : Checkpoint
    attend : callable, optional
        A reader's function that attends in place of the course's; see `with_attention`.

    Attributes
    ----------
    num_layers, num_heads, d_model, max_pieces : int
    blocks : tuple of Block
        The layers: attention and what stands around it.
    layers : tuple of MultiHeadAttention
        The attention of each layer, with the model's weights.

    Raises
    ------
    ValueError
        If the checkpoint lacks a tensor, or has one of another shape or with NaN.
    """

    def __init__(
        self, checkpoint: Checkpoint, attend: Callable[..., Any] | None = None
    ) -> None:
        self._checkpoint, self._attend = checkpoint, attend
        self.num_layers, self.num_heads = checkpoint.num_layers, checkpoint.num_heads
        self.d_model, self.max_pieces = checkpoint.d_model, checkpoint.max_pieces
        self._embeddings = Embeddings(checkpoint)
        self.blocks = tuple(
            Block(checkpoint, i, attend) for i in range(self.num_layers)
        )
        self.layers = tuple(block.attention for block in self.blocks)

    def with_random_weights(self, *, seed: int) -> "PretrainedModel":
        """Return the same model, its weights drawn anew: a control, untrained.

        Each matrix and bias is normal with the standard deviation 0.02 with which BERT
        starts its training; the layer norms stay as they are.
        """
        drawn = self._checkpoint.with_random_weights(seed=seed)
        return PretrainedModel(drawn, self._attend)

    def with_attention(self, attend: Callable[..., Any]) -> "PretrainedModel":
        """Return the same model, in which a function of yours attends in all layers.

        Parameters
        ----------
        attend : callable
            ``attend(x, w_q, w_k, w_v, w_o, num_heads, mask)`` returns the output (n, d)
            and the maps (h, n, n). The heads' matrices stand side by side. There are no
            biases: each word has one more number, which is always 1, so x is (n, d+1),
            and the biases are the last rows of w_q, w_k (d+1, h*d_k) and w_v (d+1,
            h*d_v). The bias behind w_o (h*d_v, d) is added to your output. The mask (n,
            n) allows all.

        Raises
        ------
        TypeError
            If `attend` cannot be called. What is wrong with its answers is said, as
            ValueError, when the model is asked: in words that name layer and shapes.
        """
        if not callable(attend):
            raise TypeError(
                f"with_attention takes the function itself, by its name and without "
                f"( ), not {type(attend).__name__}"
            )
        return PretrainedModel(self._checkpoint, attend)

    def attend(self, sentence: str, special: bool = True) -> AttentionMaps:
        """Show who attends to whom, word by word, in all layers and heads.

        A word of several pieces is attended to with the sum of its pieces' weights and
        attends with their mean, as in Clark et al. 2019, "What Does BERT Look At?".

        Parameters
        ----------
        sentence : str
        special : bool
            Whether [CLS] and [SEP] are shown. If not, a row sums to what the word
            leaves to the other words, and the note says how much that is.

        Returns
        -------
        maps : AttentionMaps
            weights (num_layers, num_heads, n, n) for n words, float32.

        Raises
        ------
        ValueError
            If the sentence has no words or more pieces than the model can read.
        """
        pieces = self._cut(sentence)
        _, weights = self._forward(pieces.ids)  # (layers, h, n, n)
        maps = join(pieces, np.stack(weights))  # n pieces -> n words
        return maps if special else without_special(maps)

    def hidden(
        self,
        sentence: str,
        off: Iterable[tuple[int, int]] = (),
        *,
        blocks: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the last layer's output (n, d_model), a row for each word piece.

        Parameters
        ----------
        sentence : str
        off : pairs (layer, head), counted from 0
            Heads whose contribution is left out.
        blocks : int, optional
            How many blocks the words go through, all if not given; 0: what goes into
            the first one.

        Raises
        ------
        ValueError
            If the model cannot read the sentence, or has no such head or so many
            blocks.
        """
        if blocks is not None and not 0 <= blocks <= self.num_layers:
            raise ValueError(
                f"blocks is {blocks}; it must be from 0 to {self.num_layers}"
            )
        x, _ = self._forward(self._cut(sentence).ids, off, blocks)
        return x

    def embedding(
        self, sentence: str, off: Iterable[tuple[int, int]] = ()
    ) -> NDArray[np.float32]:
        """Return the sentence's vector (d_model,): the mean of `hidden`, of length 1.

        It is the output all-MiniLM-L6-v2 was trained for. The dot product of two is
        their similarity: of the same sentence with and without a head it tells what the
        head does to the model.
        """
        mean = self.hidden(sentence, off).mean(0)  # (n, d) -> (d,)
        return mean / np.linalg.norm(mean)

    def _cut(self, sentence: str) -> Pieces:
        pieces = cut(self._checkpoint.tokenizer, sentence, self.max_pieces)
        return pieces._replace(notes=[*self._checkpoint.notes, *pieces.notes])

    @np.errstate(over="ignore", invalid="ignore")  # `LayerNorm` refuses what overflows
    def _forward(
        self,
        ids: Sequence[int],
        off: Iterable[tuple[int, int]] = (),
        blocks: int | None = None,
    ) -> tuple[NDArray, list[NDArray]]:
        """Run the encoder: last hidden state (n, d) and each layer's weights."""
        off = heads_of(off, self.num_layers, self.num_heads)
        x = self._embeddings(ids)  # (n, d)
        maps = []
        for i, block in enumerate(self.blocks[:blocks]):
            removed = sorted(head for layer, head in off if layer == i)
            x, weights = block(x, removed)  # (n, d), (h, n, n)
            maps.append(weights)
        return x, maps


class Embeddings:
    """What a piece means, plus where it stands, plus that this is the first text."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        d, max_pieces, name = checkpoint.d_model, checkpoint.max_pieces, "embeddings"
        self.words = checkpoint.tensor(f"{name}.word_embeddings.weight", None, d)
        self.places = checkpoint.tensor(
            f"{name}.position_embeddings.weight", max_pieces, d
        )
        texts = checkpoint.tensor(f"{name}.token_type_embeddings.weight", None, d)
        self.first_text = texts[0]  # (d,)
        self.norm = LayerNorm(checkpoint, f"{name}.LayerNorm")

    def __call__(self, ids: Sequence[int]) -> NDArray:
        """Turn n pieces, by their numbers in the vocabulary, into x (n, d)."""
        _need_known(ids, len(self.words))
        x = self.words[ids] + (self.places[: len(ids)] + self.first_text)  # (n, d)
        return self.norm(x)


class Block:
    """Words look at each other, then each is worked on alone; both are added to it."""

    def __init__(
        self, checkpoint: Checkpoint, i: int, attend: Callable[..., Any] | None
    ) -> None:
        name = f"encoder.layer.{i}"
        self.attention = _attention(checkpoint, f"{name}.attention")
        self.attend = (
            OwnAttention(attend, self.attention, i + 1) if attend else self.attention
        )
        self.first_norm = LayerNorm(checkpoint, f"{name}.attention.output.LayerNorm")
        self.feed_forward = FeedForward(checkpoint, name)
        self.second_norm = LayerNorm(checkpoint, f"{name}.output.LayerNorm")

    def __call__(self, x: NDArray, removed: list[int]) -> tuple[NDArray, NDArray]:
        """Return the next x (n, d) and the weights (h, n, n), without some heads."""
        output, weights = self.attend(x)  # (n, d), (h, n, n)
        if removed:
            output -= self.attend.contributions(x)[removed].sum(0)
        x = self.first_norm(x + output)
        return self.second_norm(x + self.feed_forward(x)), weights


def _attention(checkpoint: Checkpoint, name: str) -> MultiHeadAttention:
    """Build the course's layer: head by head, with x to the left of its matrices."""
    h, d = checkpoint.num_heads, checkpoint.d_model
    weights, biases = [], []
    for kind in ("query", "key", "value"):
        w, b = _dense(checkpoint, f"{name}.self.{kind}", d, d)
        weights.append(split_heads(w.T, h))  # (d, h*d_k) -> (h, d, d_k)
        biases.append(b.reshape(h, -1))  # (h*d_k,) -> (h, d_k)
    (w_q, w_k, w_v), (b_q, b_k, b_v) = weights, biases
    w_o, b_o = _dense(checkpoint, f"{name}.output.dense", d, d)
    return MultiHeadAttention(w_q, w_k, w_v, w_o.T, b_q, b_k, b_v, b_o)


class FeedForward:
    """The small network that each word passes through alone: wide, GELU, back to d."""

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        d = checkpoint.d_model
        self.w_in, self.b_in = _dense(checkpoint, f"{name}.intermediate.dense", None, d)
        wide = len(self.w_in)
        self.w_out, self.b_out = _dense(checkpoint, f"{name}.output.dense", d, wide)

    def __call__(self, x: NDArray) -> NDArray:
        """Work on each row of x (n, d) alone."""
        # A word is a column here: with the matrices as the checkpoint has them the
        # products are faster for few words, and nothing needs to be copied.
        wide = gelu(self.w_in @ x.T + self.b_in[:, None])  # (n, d) -> (wide, n)
        return (self.w_out @ wide + self.b_out[:, None]).T  # (wide, n) -> (n, d)


class LayerNorm:
    """Bring each word's numbers to mean 0 and variance 1, then scale and shift them."""

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self.weight = checkpoint.tensor(f"{name}.weight", checkpoint.d_model)  # (d,)
        self.bias = checkpoint.tensor(f"{name}.bias", checkpoint.d_model)  # (d,)
        self.epsilon = checkpoint.epsilon

    def __call__(self, x: NDArray) -> NDArray:
        """Normalise each row of x (n, d); refuse numbers that overflowed."""
        x = x - x.mean(-1, keepdims=True)
        variance = np.square(x).mean(-1, keepdims=True)
        x = x / np.sqrt(variance + self.epsilon) * self.weight + self.bias
        return _finite(x)


def gelu(x: NDArray) -> NDArray:
    """Multiply x by the normal distribution function of x, to 1e-7.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: NumPy has no erf.
    """
    size = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    tail = np.full_like(x, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= t
        tail += np.float32(factor)
    tail *= t
    tail *= np.exp(-np.square(size)) * np.float32(0.5)  # the share beyond |x|
    return np.maximum(x, 0) - np.abs(x) * tail


def _dense(
    checkpoint: Checkpoint, name: str, n_out: int | None, n_in: int
) -> tuple[NDArray, NDArray]:
    """Return a matrix (n_out, n_in), which stands to the left of x, and its bias."""
    w = checkpoint.tensor(f"{name}.weight", n_out, n_in)
    return w, checkpoint.tensor(f"{name}.bias", len(w))  # (n_out, n_in), (n_out,)


def _need_known(ids: Sequence[int], num_known: int) -> None:
    if max(ids) >= num_known:
        raise ValueError(
            f"tokenizer.json gives the id {max(ids)}, but the model knows "
            f"{num_known} word pieces; the files do not belong together"
        )


def _finite(x: NDArray) -> NDArray:
    if not np.isfinite(x).all():
        raise ValueError("The model's numbers overflow; are these weights a BERT's?")
    return x
