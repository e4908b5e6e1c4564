"""Multi-head attention to read, run and look at: the helper package of the course.

The core is imported from here, `from mha_utils import MultiHeadAttention`. Sentences,
figures and widgets are imported from their own modules, such as `mha_utils.sentences`,
`mha_utils.heatmaps` and `mha_utils.explorer`, so that this import needs NumPy alone.
"""

from mha_utils.attention import (
    KeyValueCache,
    MultiHeadAttention,
    causal_mask,
    merge_heads,
    padding_mask,
    rotate,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)

__all__ = [
    "KeyValueCache",
    "MultiHeadAttention",
    "causal_mask",
    "merge_heads",
    "padding_mask",
    "rotate",
    "scaled_dot_product_attention",
    "softmax",
    "split_heads",
]
