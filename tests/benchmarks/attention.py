"""Time MultiHeadAttention beside torch.nn.MultiheadAttention, alternating, in one run.

Run with `python tests/benchmarks/attention.py`; needs torch. Prints for each size the
median milliseconds of both and the median of the ratios of neighbouring runs, and then
for 512 words what of it are matrix products, and what is softmax. Then come time and
memory of one head with its map, and in blocks as lesson 4 teaches it. Last: eight heads
that share two key/value heads beside eight of their own, and the last of 2,048 words
with a cache beside all of them again.
"""

import copy
import statistics
from functools import partial
from pathlib import Path

import nbformat
import numpy as np
import torch
from beside import alternate

from mha_utils import (
    KeyValueCache,
    MultiHeadAttention,
    causal_mask,
    scaled_dot_product_attention,
    softmax,
)

LESSON = Path(__file__).parents[2] / "notebooks" / "04_concatenate_and_project.ipynb"

SIZES = [
    (6, 64),
    (20, 512),
    (128, 512),
    (512, 512),
    (2048, 512),
    (4096, 512),
]  # (words, d_model)
NUM_HEADS = 8
SECONDS = 4  # spent on each size


def pair(n: int, d_model: int):
    """Return the two layers with the same weights, as calls on the same words."""
    mha = MultiHeadAttention.random(d_model, NUM_HEADS, seed=0)
    w_q, w_k, w_v, w_o = (
        w.astype(np.float32) for w in (mha.w_q, mha.w_k, mha.w_v, mha.w_o)
    )
    zeros = np.zeros((3, NUM_HEADS, d_model // NUM_HEADS), np.float32)
    mha = MultiHeadAttention(w_q, w_k, w_v, w_o, *zeros, np.zeros(d_model, np.float32))
    layer = torch.nn.MultiheadAttention(d_model, NUM_HEADS).eval()
    rows = [w.transpose(1, 0, 2).reshape(d_model, d_model).T for w in (w_q, w_k, w_v)]
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.from_numpy(np.concatenate(rows)))
        layer.out_proj.weight.copy_(torch.from_numpy(w_o.T.copy()))
    x = np.random.default_rng(1).normal(size=(n, d_model)).astype(np.float32)
    words = torch.from_numpy(x)

    def theirs():
        with torch.inference_mode():
            return layer(words, words, words, average_attn_weights=False)

    return lambda: mha(x), theirs


def parts(n: int, d_model: int):
    """Yield the work inside a layer by its name, as calls of NumPy and of PyTorch."""
    rng = np.random.default_rng(2)
    heads = (NUM_HEADS, n, d_model // NUM_HEADS)
    shapes = [(n, d_model), (d_model, 3 * d_model), (d_model, d_model)]
    arrays = [
        rng.normal(size=shape).astype(np.float32)
        for shape in (*shapes, heads, (NUM_HEADS, n, n))
    ]

    def products(x, w_qkv, w_o, q, weights):
        return x @ w_qkv, q @ q.swapaxes(1, 2), weights @ q, x @ w_o

    tensors = [torch.from_numpy(array) for array in arrays]
    yield "products", lambda: products(*arrays), lambda: products(*tensors)
    yield "softmax", lambda: softmax(arrays[4]), lambda: tensors[4].softmax(-1)


def taught():
    """Return lesson 4's attention that keeps no map, and its measure of memory."""
    names = {"np": np}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.id in ("cost-measure", "blocks-code"):
            exec(cell.source, names)
    return names["in_blocks"], names["memory"]


def sharing(n: int, d_model: int, num_kv_heads: int):
    """Return a layer with so many key/value heads, and words for it, in float32."""
    mha = MultiHeadAttention.random(
        d_model, NUM_HEADS, num_kv_heads=num_kv_heads, seed=0
    )
    matrices = (w.astype(np.float32) for w in (mha.w_q, mha.w_k, mha.w_v, mha.w_o))
    words = np.random.default_rng(1).normal(size=(n, d_model)).astype(np.float32)
    return MultiHeadAttention(*matrices), words


def last_word(mha, words):
    """Return the layer's work on the last word alone, and on all words again."""
    kept, mask = KeyValueCache(), causal_mask(len(words))
    mha(words[:-2], cache=kept)
    mha(words[-2:-1], cache=kept)  # the room for further words is made here

    def step():
        return mha(words[-1:], cache=copy.copy(kept))  # one word behind the same others

    return step, lambda: mha(words, mask=mask)


def main():
    """Print the tables."""
    torch.set_num_threads(2)
    print(f"numpy {np.__version__}, torch {torch.__version__}, float32, 8 heads")
    print(f"{'words':>6} {'d_model':>8} {'ours ms':>9} {'torch ms':>9} {'ratio':>6}")
    for n, d_model in SIZES:
        ours, theirs = pair(n, d_model)
        (output, weights), (their_output, their_weights) = ours(), theirs()
        assert np.allclose(output, their_output.numpy(), atol=1e-5)
        assert np.allclose(weights, their_weights.numpy(), atol=1e-5)
        rounds, ratio = alternate(ours, theirs, SECONDS)
        mine, peer = (statistics.median(column) * 1e3 for column in zip(*rounds))
        print(f"{n:>6} {d_model:>8} {mine:>9.3f} {peer:>9.3f} {ratio:>6.2f}")
    for name, ours, theirs in parts(512, 512):
        rounds, ratio = alternate(ours, theirs, SECONDS)
        mine, peer = (statistics.median(column) * 1e3 for column in zip(*rounds))
        print(f"512 words: {name:>8} {mine:>5.1f} {peer:>9.1f} {ratio:>8.2f}")
    in_blocks, memory = taught()
    for n in (512, 4096):
        qkv = np.random.default_rng(3).normal(size=(3, n, 64)).astype(np.float32)
        blocks = partial(in_blocks, *qkv)
        whole = partial(scaled_dot_product_attention, *qkv)
        rounds, ratio = alternate(blocks, whole, SECONDS)
        mine, peer = (statistics.median(column) * 1e3 for column in zip(*rounds))
        small, large = memory(blocks) / 1e6, memory(whole) / 1e6
        print(f"{n} words, one head: in blocks {mine:.1f} ms, {small:.1f} MB")
        print(f"  with its map {peer:.1f} ms, {large:.1f} MB; ", end="")
        print(f"ratios {ratio:.2f}, {small / large:.3f}")
    for n, d_model in SIZES[:-1]:
        shared, whole = (partial(*sharing(n, d_model, g)) for g in (2, NUM_HEADS))
        rounds, ratio = alternate(shared, whole, SECONDS)
        mine, peer = (statistics.median(column) * 1e3 for column in zip(*rounds))
        print(f"{n} words: 2 key/value heads {mine:.3f} ms, ", end="")
        print(f"{NUM_HEADS} {peer:.3f} ms, ratio {ratio:.2f}")
    for g in (NUM_HEADS, 2):
        step, again = last_word(*sharing(2048, 512, g))
        assert np.allclose(step()[0], again()[0][-1:], atol=1e-5)
        rounds, ratio = alternate(step, again, SECONDS)
        mine, peer = (statistics.median(column) * 1e3 for column in zip(*rounds))
        print(
            f"word 2048, {g} key/value heads: with a cache {mine:.2f} ms, all ", end=""
        )
        print(f"again {peer:.0f} ms, {1 / ratio:.0f} times faster")


if __name__ == "__main__":
    main()
