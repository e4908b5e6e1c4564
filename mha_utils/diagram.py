"""One drawing of the layer, with the part in question marked."""

from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from mha_utils.guards import need_equal_groups
from mha_utils.lettering import FONT, FONTS, plain
from mha_utils.picture import HEAD_COLORS, STYLE, Picture

PARTS = {
    "words": "the words x, (n, d)",
    "project": "each head's own Q = x W_Q, K = x W_K and V = x W_V",
    "attend": "each head's attention, z = softmax(Q K^T / sqrt(d_k)) V",
    "concatenate": "the heads' z side by side, (n, h*d_v)",
    "w_o": "the product with W_O, which gives the output, (n, d)",
}
"""The parts that can be marked, in the order in which a layer does them."""

_LEFT = {"words": 0.1, "project": 1.2, "attend": 2.6, "concatenate": 5.0, "w_o": 6.6}
_WIDE = {"words": 0.8, "project": 1.1, "attend": 2.1, "concatenate": 1.3, "w_o": 0.8}
_WIDTH, _ROW, _TOP = 7.5, 1.25, 0.15  # inches
_MARK = "#FFE08A"


@rc_context(STYLE | {"font.family": FONTS, "font.size": FONT})
def show_layer(
    num_heads: int = 3,
    *,
    mark: str | None = None,
    head_names: Sequence[str] = (),
    num_kv_heads: int | None = None,
) -> Picture:
    """Draw a layer of multi-head attention, from the words to the output.

    Parameters
    ----------
    num_heads : int
        At most four are drawn; of more, the first two and the last.
    mark : str, optional
        The part to mark, one of `PARTS`.
    head_names : sequence of num_heads strings, optional
    num_kv_heads : int, optional
        How many key/value heads they share; each has its own if not given.

    Raises
    ------
    ValueError
        If there is no head or no such part, or the heads cannot share equally.
    """
    if num_heads < 1:
        raise ValueError(f"num_heads is {num_heads}; a layer needs at least 1")
    if len(head_names) not in (0, num_heads):
        raise ValueError(f"{len(head_names)} head_names for {num_heads} heads")
    if mark not in (None, *PARTS):
        raise ValueError(f"there is no part {mark!r}; mark one of {', '.join(PARTS)}")
    g = num_heads if num_kv_heads is None else num_kv_heads
    need_equal_groups(num_heads, g)
    drawn = range(num_heads) if num_heads <= 4 else (0, 1, num_heads - 1)
    height = 2 * _TOP + _ROW * len(drawn)
    parts = PARTS | ({"project": _shared(num_heads, g)} if g < num_heads else {})
    marked = f" Marked: {parts[mark]}." if mark else ""
    heads = f"{num_heads} head{'s' * (num_heads > 1)}"
    alt = f"A layer of {heads}: {'; '.join(parts.values())}.{marked}"
    figure = Picture(alt=alt, figsize=(_WIDTH, height), layout="none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(height, 0))
    ax.axis("off")

    middle = height / 2
    _box(ax, "words", middle, 0.75, "words\nx\n(n, d)", mark)
    tall = height - 2 * _TOP - 0.3
    side = "concatenate\n\nz\u2081 \u2026 z\u2095\nside by\nside\n\n(n, h·d_v)"
    _box(ax, "concatenate", middle, tall, side, mark)
    _box(ax, "w_o", middle, 0.95, "· W_O\n=\noutput\n(n, d)", mark)
    _arrow(ax, "concatenate", middle, "w_o", middle)
    for row, head in enumerate(drawn):
        y, color = _TOP + _ROW * (row + 0.6), HEAD_COLORS[head % len(HEAD_COLORS)]
        if row and head > drawn[row - 1] + 1:
            ax.text(
                _LEFT["attend"] - 0.15, y - 0.63, "\u22ee", ha="center", va="center"
            )
        name = f"head {head + 1}"
        name += f": {plain(head_names[head], 24)}" if len(head_names) else ""
        x = _LEFT["project"]
        ax.text(x, y - 0.5, name, color=color, va="center")
        first = head - head % (num_heads // g)  # of those that share
        own = f"K, V: those\nof head {first + 1}"
        own = own if first < head else "K = x W_K\nV = x W_V"
        _box(ax, "project", y, 0.75, f"Q = x W_Q\n{own}", mark, color)
        _box(
            ax, "attend", y, 0.75, "attention: z =\nsoftmax(Q Kᵀ / √d_k) V", mark, color
        )
        _arrow(ax, "words", middle, "project", y, color)
        _arrow(ax, "project", y, "attend", y, color)
        _arrow(ax, "attend", y, "concatenate", y, color)
    return figure


def _shared(num_heads: int, num_kv_heads: int) -> str:
    said = "each head's own Q = x W_Q, and {} of K = x W_K and V = x W_V, {}"
    if num_kv_heads == 1:
        return said.format("1 pair", "shared by all heads")
    together = f"each shared by {num_heads // num_kv_heads} neighbouring heads"
    return said.format(f"{num_kv_heads} pairs", together)


def _box(
    ax: Axes,
    part: str,
    y: float,
    height: float,
    text: str,
    mark: str | None,
    color: str = "black",
) -> None:
    """Draw a part in its column, its middle at the height y."""
    left, width = _LEFT[part], _WIDE[part]
    ax.add_patch(
        FancyBboxPatch(
            (left, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_MARK if part == mark else "white",
            edgecolor=color,
            linewidth=3 if part == mark else 1.5,
        )
    )
    ax.text(left + width / 2, y, text, ha="center", va="center", linespacing=1.15)


def _arrow(
    ax: Axes, start: str, y1: float, end: str, y2: float, color: str = "black"
) -> None:
    """Lead from the right side of one part to the left side of another."""
    tail, tip = (_LEFT[start] + _WIDE[start] + 0.03, y1), (_LEFT[end] - 0.03, y2)
    look = {"arrowstyle": "->", "color": color, "linewidth": 1.5}
    ax.annotate("", tip, tail, arrowprops=look)
