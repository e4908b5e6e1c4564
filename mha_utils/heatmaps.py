"""Static figures of attention: heat maps, lines and labelled matrices.

Rows are queries and columns are keys, which run leftward where the words do; weights
are drawn on one fixed scale, 0 to 1, so that any two figures can be compared; a head
has the same colour everywhere. Each figure is a `Picture`, which says in words what it
shows. Words, heads and layers are counted from 0 in Python and from 1 in figures. What
cannot be drawn raises ValueError.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import ArrayLike, NDArray

from mha_utils.lettering import FONT, FONTS, clean, drawable, leftward, plain, widest
from mha_utils.maps import AttentionMaps
from mha_utils.picture import DIFFERENCE_MAP, HEAD_COLORS, STYLE, WEIGHT_MAP, Picture

MAX_WORDS = 60

# Inches, except for the font's points. An inch is shown as 96 pixels, as CSS has it.
_LINE = 0.2  # what a line of text needs
_BAR = 1.15  # what a colour bar needs with its numbers and its label
_WIDTH = 7.5  # what a small screen has room for beside JupyterLab's side bar

# A word is drawn as it is written, also one that looks like a formula.
_STYLE = STYLE | {"font.family": FONTS, "font.size": FONT, "text.parse_math": False}


@rc_context(_STYLE)
def show_head(
    maps: AttentionMaps, head: int = 0, layer: int = 0, *, numbers: bool | None = None
) -> Picture:
    """Draw one head as a large heat map.

    Parameters
    ----------
    maps : AttentionMaps
        Of at most `MAX_WORDS` words.
    head, layer : int
    numbers : bool, optional
        Whether the weights are written into the cells; if not given, up to 12 words. A
        weight that rounds to 0.00 is left out.
    """
    _check(maps, [head], layer)
    rows, columns, missing = _both(maps)
    n_q, n_k, left = len(rows), len(columns), 0.45 + widest(rows)
    cell = float(np.clip((_WIDTH - left - _BAR) / n_k, _LINE, max(0.75, 2.6 / n_k)))
    top, width = 0.65 + _tilt(columns, cell)[1], n_k * cell
    height = n_q * max(cell, 1.1 / n_q)  # below that the bar's numbers touch
    size = (left + width + _BAR, top + height + 0.15)
    where = _in_python(maps, head, layer)
    alt = f"{describe(maps, head, layer)}\n{where}".strip()
    name = _name(maps, head, layer)
    figure = _figure(name, alt, size, (maps.note, where, *missing))
    ax = _axes(figure, left, top, width, height)
    weights = maps.weights[layer, head]  # (n_q, n_k)
    written = max(n_q, n_k) <= 12 if numbers is None else numbers
    texts = [[_share(w) for w in row] for row in weights] if written else None
    image = _draw_map(ax, weights, (0, 1), WEIGHT_MAP, texts)
    _label(ax, rows, columns, cell)
    ax.xaxis.set_inverted(leftward(maps.keys))
    _frame(ax, head)
    ax.set_ylabel("query: the word that looks" if height > 2.4 else "query")
    ax.set_xlabel("key: the word that is looked at")
    place = (left + width + 0.15, top, 0.2, height)
    _color_bar(figure, image, place, "attention weight")
    return figure


@rc_context(_STYLE)
def show_heads(
    maps: AttentionMaps, layer: int = 0, *, heads: Sequence[int] | None = None
) -> Picture:
    """Draw the heads of a layer side by side.

    Where the words do not fit, their places in the sentence stand for them.

    Parameters
    ----------
    maps : AttentionMaps
        Of at most `MAX_WORDS` words.
    layer : int
    heads : sequence of int, optional
        All heads if not given.
    """
    heads = list(range(maps.weights.shape[1]) if heads is None else heads)
    _check(maps, heads, layer)
    rows, columns, missing = _both(maps)
    n_q, n_k = len(rows), len(columns)
    most, left = min(len(heads), 4), 0.2 + widest(rows)
    row_ticks: Sequence[int] = range(n_q)
    column_ticks: Sequence[int] = range(n_k)
    note = ""

    def room(wide: int) -> float:  # for a map's width, if so many are in a row
        return min((_WIDTH - left) / wide - 0.2, 0.4 * n_k, 4)

    def height(wide: int) -> float:  # of all maps, whose cells are squares
        return np.ceil(len(heads) / wide) * room(wide) * n_q / n_k

    fitting = [
        wide
        for wide in range(1, most + 1)
        if room(wide) / n_k >= 0.165 and height(wide) <= 8
    ]
    if not fitting:
        left, missing, note = 0.4, [], "\nnumbers: the words' places in the sentence"
        (row_ticks, rows), (column_ticks, columns) = _numbered(n_q), _numbered(n_k)
    wide = max(fitting, default=most)
    width, title = room(wide), 0.35
    side = width * n_q / n_k  # from top to bottom
    tall = -(-len(heads) // wide)
    wide = -(-len(heads) // tall)  # rows alike: four maps are two by two
    named = len(maps.weights) > 1  # the layer, above the maps
    top = 0.1 + title * (1 + named) + _tilt(columns, width / n_k)[1]
    bottom = top + tall * (side + title)
    alt = [describe(maps, h, layer, rows=max(3, 36 // len(heads))) for h in heads]
    figure = _figure(
        f"layer {layer + 1}" if named else "",
        "\n".join(alt),
        (max(left + wide * (width + 0.2), 6.6 if note else 6.3), bottom + 0.65),
        (maps.note, *missing),
    )
    for place, head in enumerate(heads):
        down, across = divmod(place, wide)
        x, y = left + across * (width + 0.2), top + down * (side + title)
        ax = _axes(figure, x, y, width, side)
        image = _draw_map(ax, maps.weights[layer, head], (0, 1), WEIGHT_MAP)
        names = [] if across else rows, [] if down else columns
        _label(ax, *names, width / n_k, row_ticks, column_ticks)
        ax.xaxis.set_inverted(leftward(maps.keys))
        _frame(ax, head)
        ax.set_title(plain(_name(maps, head), int(width / 0.095)), size=FONT)
    _color_bar(figure, image, (0.2, bottom - 0.1, 2.2, 0.2), "attention weight")
    caption = "rows: the word that looks (query)\ncolumns: the word looked at (key)"
    _write(figure, 2.8, bottom - 0.15, caption + note)
    return figure


@rc_context(_STYLE)
def show_film(
    film: Mapping[str, AttentionMaps], heads: Sequence[tuple[int, int]]
) -> Picture:
    """Draw some heads at several times: a row for each head, time runs rightward.

    Parameters
    ----------
    film : mapping
        {title: maps}, such as {"step 0": ...}, in the order of time; the maps of the
        same words, at most `MAX_WORDS`.
    heads : sequence of pairs (layer, head)
    """
    if not film or not heads:
        raise ValueError("there is nothing to draw; give some maps and some heads")
    first, *others = film.values()
    for maps in (first, *others):
        if (maps.tokens, maps.keys) != (first.tokens, first.keys):
            raise ValueError("the maps are of different words; take one sentence")
        for layer, head in heads:
            _check(maps, [head], layer)
    rows, columns, missing = _both(first)
    n_q, n_k, left = len(rows), len(columns), 0.2 + widest(rows)
    width = min((_WIDTH - left) / len(film) - 0.2, 0.3 * n_k)
    row_ticks: Sequence[int] = range(n_q)
    column_ticks: Sequence[int] = range(n_k)
    note = ""
    if width / n_k < 0.165:  # too small for words
        left, missing, note = 0.4, [], "\nnumbers: the words' places in the sentence"
        (row_ticks, rows), (column_ticks, columns) = _numbered(n_q), _numbered(n_k)
    side = width * n_q / n_k  # from top to bottom
    tilted = _tilt(columns, width / n_k)[1]
    top = 0.65 + tilted
    bottom = top + len(heads) * (side + 0.3)
    alt = [
        f"{clean(title, 40)}, {_favourites(maps, head, layer)}"
        for layer, head in heads
        for title, maps in film.items()
    ]
    wide = max(left + len(film) * (width + 0.2), 6.6 if note else 6.3)
    figure = _figure("", "\n".join(alt), (wide, bottom + 0.75), ("", *missing))
    for down, (layer, head) in enumerate(heads):
        y = top + down * (side + 0.3)
        above = 0.25 if down else 0.3 + tilted
        _write(figure, left, y - above, plain(_name(first, head, layer)))
        for across, (title, maps) in enumerate(film.items()):
            x = left + across * (width + 0.2)
            ax = _axes(figure, x, y, width, side)
            image = _draw_map(ax, maps.weights[layer, head], (0, 1), WEIGHT_MAP)
            names = [] if across else rows, [] if down else columns
            _label(ax, *names, width / n_k, row_ticks, column_ticks)
            ax.xaxis.set_inverted(leftward(maps.keys))
            _frame(ax, head)
            if not down:
                room = wide - x if across == len(film) - 1 else width
                _write(figure, x, 0.1, plain(title, int(room / 0.095)))
    _color_bar(figure, image, (0.2, bottom, 2.2, 0.2), "attention weight")
    caption = "rows: the word that looks (query)\ncolumns: the word looked at (key)"
    _write(figure, 2.8, bottom - 0.05, caption + note)
    return figure


@rc_context(_STYLE)
def show_lines(
    maps: AttentionMaps,
    word: int | str,
    head: int = 0,
    layer: int = 0,
    *,
    heads: Sequence[int] | None = None,
) -> Picture:
    """Draw what one word looks at, as lines from it to the words.

    The larger the weight, the thicker and darker is the line. A weight that rounds to
    0.00 is left out.

    Parameters
    ----------
    maps : AttentionMaps
        Of at most `MAX_WORDS` words.
    word : int or str
        Its place, or the word itself: then its first occurrence.
    head, layer : int
    heads : sequence of int, optional
        Several heads, each in its colour, in place of `head`.
    """
    heads = [head] if heads is None else list(heads)
    _check(maps, heads, layer)
    rows, columns, missing = _both(maps)
    chosen, several = _place(maps, word), len(heads) > 1
    n = max(len(rows), len(columns))
    left = 0.3 + widest(rows)  # where the lines begin
    right = left + 2.6  # and end
    sums = right + max(widest(columns), 0.4) + 0.75  # where the first numbers end
    top = 0.8 + 0.25 * several * len(heads)
    y = top + 0.27 * (np.arange(n) + 0.5)  # (n,)
    whose = f"{len(heads)} heads" if several else _name(maps, heads[0], layer)
    title = f"{whose}, what “{rows[chosen]}” looks at"
    where = "" if several else _in_python(maps, heads[0], layer)
    said = [describe(maps, h, layer, chosen) for h in heads]
    alt = "\n".join([*said, where]).strip()
    size = (sums + 0.75 * len(heads) - 0.6, top + 0.27 * n + 0.1)
    note = f"{maps.note} {_not_shown(maps.weights[layer, heads, chosen])}".strip()
    figure = _figure(title, alt, size, (note, where, *missing))
    width, height = figure.get_size_inches()
    ax = _axes(figure, 0, 0, width, height)
    ax.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])  # inches
    ax.axis("off")

    def write(
        x: float, y: float, text: str, side: str, pale: bool = False, **options: Any
    ) -> None:
        options |= {"ha": side, "va": "center_baseline"}
        ax.text(x, y, text, color="#6b6b6b" if pale else "black", **options)

    weights = maps.weights[layer, heads, chosen]  # (h, n_k)
    thick = (1 + 5 * weights) * (weights >= 0.005)  # points, (h, n_k)
    # Several heads' lines to one word lie beside each other: how far from its middle.
    beside = (thick.cumsum(axis=0) - (thick + thick.sum(axis=0)) / 2) / 72  # inches
    write(left - 0.1, top - 0.15, "query", "right", True)
    write(right + 0.1, top - 0.15, "key", "left", True)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "none", "edgecolor": "black"}
    for i, label in enumerate(rows):
        options = {"bbox": box} if i == chosen else {"pale": True}
        write(left - 0.1, y[i], label, "right", **options)
    for j, label in enumerate(columns):
        write(right + 0.1, y[j], label, "left", not any(map(_share, weights[:, j])))
    for k, h in enumerate(heads):
        color = HEAD_COLORS[h % len(HEAD_COLORS)]
        end = sums + 0.75 * k
        write(end, top - 0.15, f"head {h + 1}" if several else "weight", "right", True)
        if several:
            ax.plot([0.15, 0.6], [0.55 + 0.25 * k] * 2, color=color, linewidth=5)
            write(0.7, 0.55 + 0.25 * k, plain(_name(maps, h, layer)), "left")
        for j, weight in enumerate(weights[k]):
            if not _share(weight):
                continue
            apart = beside[k, j]
            (x1, y1), (x2, y2) = (left, y[chosen] + apart), (right, y[j] + apart)
            points = [(x1, y1), (x1 + 1.3, y1), (x2 - 1.3, y2), (x2, y2)]
            curve = Path(points, [Path.MOVETO] + [Path.CURVE4] * 3)
            look = {"linewidth": thick[k, j], "alpha": min(0.5 + weight / 2, 1)}
            ax.add_patch(PathPatch(curve, fill=False, edgecolor=color, **look))
            write(end, y[j], _share(weight), "right")
    return figure


@rc_context(_STYLE)
def show_matrix(
    matrix: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    low: float | None = None,
    high: float | None = None,
    numbers: bool | None = None,
) -> Picture:
    """Draw a small matrix with names for its rows and columns, on a scale of its own.

    Parameters
    ----------
    matrix : array (len(rows), len(columns))
        A score of -inf, which a mask makes, is drawn grey.
    rows, columns : sequence of str
        At most `MAX_WORDS` each.
    title : str
    low, high : float, optional
        The ends of the colours; if not given, 0 and the largest number. With negative
        numbers the colours reach as far below 0, which is white, as above.
    numbers : bool, optional
        Whether the numbers are written into the cells; if not given, where they fit. A
        0 is left out.
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.shape != (len(rows), len(columns)) or matrix.size == 0:
        raise ValueError(
            f"matrix has shape {matrix.shape}; for {len(rows)} rows and {len(columns)} "
            f"columns it needs ({len(rows)}, {len(columns)}), and none may be 0"
        )
    if not (matrix < np.inf).all():
        raise ValueError("matrix holds NaN or +inf, for which there is no colour")
    finite = np.where(matrix == -np.inf, 0.0, matrix)
    low = min(finite.min(), 0.0) if low is None else low
    high = max(finite.max(), 0.0) if high is None else high
    if low < 0:
        low, high = min(low, -high), max(-low, high)
    high = high if high > low else low + 1
    texts = [[_number(x) if x else "" for x in row] for row in matrix]
    alt = _say_matrix(matrix, *(list(map(clean, names)) for names in (rows, columns)))
    (rows, missing), (columns, missing_too) = _drawn(rows), _drawn(columns)
    left = 0.2 + widest(rows)
    room = (_WIDTH - left - _BAR) / len(columns)  # for a column
    need = max(map(widest, texts)) + 0.14
    written = need <= room if numbers is None else numbers
    cell = max(need, 0.35) if written else float(np.clip(room, _LINE, 0.35))
    top = 0.45 + _tilt(columns, cell)[1]
    width, height = cell * len(columns), 0.27 * len(rows)
    bar = max(height, 1.1)  # below that its numbers touch each other
    size = (left + width + _BAR, top + bar + 0.15)
    notes = ("", *dict.fromkeys((missing, missing_too)))
    figure = _figure(title, f"{clean(title, 60)}: {alt}", size, notes)
    ax = _axes(figure, left, top, width, height)
    colors = DIFFERENCE_MAP if low < 0 else WEIGHT_MAP
    image = _draw_map(ax, matrix, (low, high), colors, texts if written else None)
    _label(ax, rows, columns, cell)
    _color_bar(figure, image, (left + width + 0.15, top, 0.2, bar))
    return figure


def describe(
    maps: AttentionMaps,
    head: int = 0,
    layer: int = 0,
    word: int | str | None = None,
    *,
    rows: int = 12,
) -> str:
    """Say in words what a head looks at.

    Shares are rounded to two decimals before they are compared, so that the last digits
    of a computation do not change the text.

    Parameters
    ----------
    maps : AttentionMaps
    head, layer : int
    word : int or str, optional
        One word, whose five largest shares are told. If not given, the largest share of
        every word is.
    rows : int
        How many words are told of at most.

    Examples
    --------
    >>> from mha_utils.sentences import attend
    >>> print(describe(attend("The cat sat"), word="sat"))
    Head 1 (subject): "sat" gives 1.00 of its attention to "cat".
    """
    _check(maps, [head], layer)
    shares = maps.weights[layer, head].astype(float).round(2)  # (n_q, n_k)
    words, keys = ([f'"{clean(t)}"' for t in ts] for ts in (maps.tokens, maps.keys))
    n = len(words)

    def tell(i: int, most: int, of: str = " of its attention") -> str:
        told: list[str] = []
        for share in sorted(set(shares[i][shares[i] > 0]), reverse=True)[:most]:
            equal = [keys[j] for j in np.flatnonzero(shares[i] == share)]
            whom = _listed(equal) if len(equal) < 5 else f"{len(equal)} words"
            each = "each of " if len(equal) > 1 else ""
            told.append(f"{share:.2f}{'' if told else of} to {each}{whom}")
        return f"{words[i]} gives {_listed(told or ['nothing to any word'])}"

    name = _name(maps, head, layer)
    name = name[0].upper() + name[1:]
    if maps.head_names:
        name = name.replace(": ", " (", 1) + ")"
    if word is not None:
        return f"{name}: {tell(_place(maps, word), 5)}."
    told = [tell(i, 1, *([""] if i else [])) for i in range(min(rows, n))]
    told += [f"and {n - rows} more"] if n > rows else []
    count = _count(n, "word")
    if maps.keys != maps.tokens:
        count += f" look{'s' * (n == 1)} at {len(keys)}"
    return f"{name}, {count}. {'; '.join(told)}."


def _favourites(maps: AttentionMaps, head: int, layer: int) -> str:
    """Say for up to 12 words which word gets most of their attention."""
    shares = maps.weights[layer, head].round(2)  # (n_q, n_k)
    rows, columns = (list(map(clean, words)) for words in (maps.tokens, maps.keys))
    told = [
        f"{row} \u2192 {columns[own.argmax()] if own.any() else 'nothing'}"
        for row, own in zip(rows[:12], shares)
    ]
    more = f", and {len(rows) - 12} more" if len(rows) > 12 else ""
    return f"{_name(maps, head, layer)}: {', '.join(told)}{more}."


def _say_matrix(matrix: NDArray, rows: Sequence, columns: Sequence) -> str:
    text = f"{_count(len(rows), 'row')}, {_count(len(columns), 'column')}."
    if matrix.size <= 64:
        lines = (", ".join(map(_number, row)) for row in matrix.round(2))
        return text + "".join(f' "{r}": {line}.' for r, line in zip(rows, lines))
    for which, extreme in (("largest", matrix.max()), ("smallest", matrix.min())):
        # With few digits others may look equal; beyond six it may be rounding.
        for digits in range(2, 7):
            places = np.flatnonzero(matrix.round(digits) == extreme.round(digits))
            if len(places) == 1:
                break
        number = _number(extreme, 2 if len(places) > 1 else digits)
        i, j = divmod(int(places[0]), len(columns))
        others = f" and {len(places) - 1} more" if len(places) > 1 else ""
        text += f' The {which} number, {number}, is at "{rows[i]}", "{columns[j]}"'
        text += f"{others}."
    return text


def _check(maps: AttentionMaps, heads: Sequence[int], layer: int) -> None:
    num_layers, num_heads = maps.weights.shape[:2]
    wanted = [("layer", layer, num_layers)] + [("head", h, num_heads) for h in heads]
    for name, given, count in wanted:
        if not 0 <= given < count:
            raise ValueError(f"{name} is {given}; it must be from 0 to {count - 1}")
    if not heads:
        raise ValueError("heads is empty; name at least one")


def _place(maps: AttentionMaps, word: int | str) -> int:
    n = len(maps.tokens)
    if isinstance(word, str):
        if word in maps.tokens:
            return maps.tokens.index(word)
        words = ", ".join(clean(token) for token in maps.tokens)
        raise ValueError(f"there is no word {clean(word)!r}; the words are {words}")
    if not 0 <= word < n:
        raise ValueError(f"word is {word}; it must be from 0 to {n - 1}")
    return int(word)


def _name(maps: AttentionMaps, head: int, layer: int | None = None) -> str:
    """Name a head, and its layer if there are several."""
    name = f"head {head + 1}"
    if layer is not None and len(maps.weights) > 1:
        name = f"layer {layer + 1}, {name}"
    return name + (f": {clean(maps.head_names[head], 24)}" if maps.head_names else "")


def _in_python(maps: AttentionMaps, head: int, layer: int) -> str:
    """Say how Python counts a head, where a reader may look for it in many layers."""
    return f"In Python: layer={layer}, head={head}." if len(maps.weights) > 1 else ""


def _not_shown(rows: NDArray) -> str:
    """Say what share of some rows (h, n) goes to tokens that are hidden."""
    shares = [f"{share:.0%}" for share in 1 - rows.sum(axis=-1, dtype=float)]
    if all(share in ("0%", "-0%") for share in shares):
        return ""
    each = ", head by head" if len(shares) > 1 else ""
    return f"Of this row {_listed(shares)} is not shown{each}."


def _share(weight: float) -> str:
    return f"{weight:.2f}" if weight >= 0.005 else ""


def _number(x: float, digits: int = 2) -> str:
    """Write a number short enough for a cell."""
    if 1e6 <= abs(x) < np.inf:
        return f"{x:.0e}".replace("-", "\u2212")  # a mask of -1e9, for instance
    digits = 0 if abs(x) >= 100 else 1 if abs(x) >= 10 else digits
    text = f"{round(x, digits) + 0.0:.{digits}f}"
    text = text.removesuffix(".0").removesuffix(".00")
    return text.replace("-", "\u2212").replace("inf", "\u221e")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def _drawn(words: Sequence[str]) -> tuple[list[str], str]:
    """Return words as they are drawn, and a note on those that cannot be."""
    if len(words) > MAX_WORDS:
        raise ValueError(
            f"there are {len(words)} words, and a figure holds at most {MAX_WORDS}; "
            f"take fewer, or the explorer"
        )
    labels = [clean(word) for word in words]
    lost = [i for i, label in enumerate(labels) if not drawable(label)]
    for i in lost:
        labels[i] = f"#{i + 1}"
    some = _listed([labels[i] for i in lost[:8]] + ["more"] * (len(lost) > 8))
    note = f"{some}: not in this figure's fonts; the explorer draws all words."
    return labels, note if lost else ""


def _both(maps: AttentionMaps) -> tuple[list[str], list[str], list[str]]:
    """Return the words of rows and columns as they are drawn, and what is missing."""
    (rows, missing), (columns, missing_too) = _drawn(maps.tokens), _drawn(maps.keys)
    return rows, columns, list(dict.fromkeys((missing, missing_too)))


def _numbered(n: int) -> tuple[list[int], list[str]]:
    """Return some places of n words, and how they are numbered."""
    ticks = [0, *(range(4, n, 5) if n < 30 else range(9, n, 10))]
    return ticks, [str(i + 1) for i in ticks]


def _figure(
    title: str, alt: str, size: tuple[float, float], notes: Sequence[str]
) -> Picture:
    """Make a figure with a title, and more room below for notes; the first is told."""
    title = plain(title)
    width = max(size[0], widest([title], 14) + 0.3)
    lines = [
        line
        for note in notes
        for line in textwrap.wrap(plain(note, 1000), int(width / 0.1))
    ]
    alt = f"{alt}\n{clean(notes[0], 1000)}".strip()
    height = size[1] + _LINE * len(lines)
    figure = Picture(alt=alt, figsize=(width, height), layout="none")
    x, y = 0.1 / width, 1 - 0.1 / height
    figure.suptitle(title, x=x, y=y, ha="left", va="top", size=14)
    for i, line in enumerate(lines):
        _write(figure, 0.1, size[1] + i * _LINE, line)
    return figure


def _write(figure: Figure, x: float, y: float, text: str) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, 1 - y / height, text, va="top")


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Place axes by inches from the top left."""
    w, h = figure.get_size_inches()
    return figure.add_axes((x / w, 1 - (y + height) / h, width / w, height / h))


def _draw_map(
    ax: Axes,
    values: NDArray,
    scale: tuple[float, float],
    colors: str,
    texts: Sequence[Sequence[str]] | None = None,
) -> AxesImage:
    """Draw values as colours, and texts over them in black or white."""
    colormap = colormaps[colors].with_extremes(bad="#c8c8c8")
    values = np.ma.masked_invalid(values, copy=True)
    options: dict[str, Any] = {
        "aspect": "auto",
        "interpolation": "nearest",
        "origin": "upper",
    }
    image = ax.imshow(values, colormap, vmin=scale[0], vmax=scale[1], **options)
    rows, columns = values.shape
    ax.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, "white", linewidth=0.8)
    ax.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, "white", linewidth=0.8)
    light = image.to_rgba(values)[..., :3] ** 2.2 @ [0.2126, 0.7152, 0.0722]
    for i, row in enumerate(texts or []):
        for j, text in enumerate(row):
            # At 0.18 both have the same contrast, by the formula of WCAG.
            color = "white" if light[i, j] < 0.18 else "black"
            if text:
                ax.text(j, i, text, ha="center", va="center_baseline", color=color)
    return image


def _tilt(labels: Sequence[str], cell: float) -> tuple[int, float]:
    """Choose the angle of column labels; say also how high they are then."""
    longest = widest(labels)
    if longest <= cell - 0.06:
        return 0, 0.25
    return (45, 0.72 * longest + 0.15) if cell >= 0.27 else (90, longest + 0.1)


def _label(
    ax: Axes,
    rows: Sequence[str],
    columns: Sequence[str],
    cell: float,
    row_ticks: Sequence[int] | None = None,
    column_ticks: Sequence[int] | None = None,
) -> None:
    ax.set_yticks((row_ticks or range(len(rows))) if rows else [], rows)
    ax.set_xticks((column_ticks or range(len(columns))) if columns else [], columns)
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.xaxis.set_label_position("top")
    angle = _tilt(columns, cell)[0]
    ha, va = "left" if angle else "center", "center" if angle == 90 else "baseline"
    for label in ax.get_xticklabels():
        label.set(rotation=angle, rotation_mode="anchor", ha=ha, va=va)


def _frame(ax: Axes, head: int) -> None:
    ax.spines[:].set(color=HEAD_COLORS[head % len(HEAD_COLORS)], linewidth=3)


def _color_bar(
    figure: Figure,
    image: AxesImage,
    box: tuple[float, float, float, float],
    label: str = "",
) -> None:
    along = "vertical" if box[3] > box[2] else "horizontal"
    bar = figure.colorbar(image, _axes(figure, *box), orientation=along, label=label)
    low, high = image.get_clim()
    ticks = np.linspace(low, high, 5).tolist()
    bar.set_ticks(ticks, labels=[_number(tick) for tick in ticks])
    bar.outline.set_visible(False)
