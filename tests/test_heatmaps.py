"""What the figures show, read back from the drawn figures and from their pixels."""

import doctest
import gc
import io
import os
import subprocess
import sys
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from matplotlib import ft2font, style
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.text import Text
from PIL import Image

import mha_utils.heatmaps
from mha_utils.heatmaps import (
    DIFFERENCE_MAP,
    HEAD_COLORS,
    MAX_WORDS,
    WEIGHT_MAP,
    Picture,
    describe,
    show_film,
    show_head,
    show_heads,
    show_lines,
    show_matrix,
)
from mha_utils.lettering import clean, plain
from mha_utils.maps import AttentionMaps
from mha_utils.sentences import attend

SENTENCE = "The cat sat on the mat because it was tired"
HOSTILE = [
    r"$\frac{",
    "$x^2$",
    "<b>&amp;",
    "%s{0}",
    "👩‍👩‍👧",
    "🇫🇷",
    "القطة",
    "חתול",
    "猫",
    "한국어",
    "हिन्दी",
    "a\0b",
    "\n",
    "\u202e",
    "",
    "\ud800",
    "\U0010ffff",
    "x" * 300,
    "e" + "\u0301" * 300,
    "naïve",
]


def random_maps(words, heads=1, layers=1, names=(), note="", seed=0):
    n = len(words)
    scores = np.random.default_rng(seed).normal(0, 2, (layers, heads, n, n))
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    return AttentionMaps(words, weights, names, note)


def many_words(n):
    return [f"word{i}" for i in range(n)]


@pytest.fixture(scope="module")
def maps():
    return attend(SENTENCE)


def render(picture):
    """Return the pixels of the PNG as RGB, and what goes with it."""
    data, metadata = picture._repr_mimebundle_()
    pixels = np.asarray(Image.open(io.BytesIO(data["image/png"])).convert("RGB"))
    return pixels, data, metadata


def map_axes(picture):
    """Return the axes that hold a heat map, without colour bars."""
    return [ax for ax in picture.axes if ax.images]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def cell_texts(ax):
    """Return the texts in the cells as {(row, column): text}."""
    return {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in ax.texts}


def all_texts(picture):
    return [text for text in picture.findobj(Text) if text.get_text()]


def lines(picture):
    """Return the drawn lines as (colour, width, y of the end), from the first on."""
    return [
        (
            matplotlib.colors.to_hex(patch.get_edgecolor()).upper(),
            patch.get_linewidth(),
            patch.get_path().vertices[-1, 1],
        )
        for patch in picture.findobj(PathPatch)
    ]


def contrast(color, other):
    def luminance(color):
        c = np.array(matplotlib.colors.to_rgb(color))
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(color), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# ---- heat maps


def test_one_head_shows_its_weights_on_the_fixed_scale():
    maps = random_maps(many_words(5), 2)  # no weight of 0 or 1
    (ax,) = map_axes(show_head(maps, 1))
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), maps.weights[0, 1])
    assert image.get_clim() == (0, 1)
    assert image.get_cmap().name == WEIGHT_MAP
    assert image.origin == "upper"


@pytest.mark.parametrize(
    "sentence, leftward",
    [
        ("החתול ישב על", True),
        ("«القط» جلس على", True),
        ("<s> חתול ישב", True),
        ("[CLS] القطة [SEP]", True),
        ("<s> the cat", False),
        ("the חתול sat", False),
        ("1 2 ?", False),
    ],
)
def test_columns_run_as_the_words_do(sentence, leftward):
    maps = random_maps(sentence.split(), 2)
    for picture in (show_head(maps, 1, numbers=False), show_heads(maps)):
        pixels = render(picture)[0]
        ax = map_axes(picture)[-1]
        box = ax.get_window_extent()
        for i, row in enumerate(maps.weights[0, 1]):
            y = len(pixels) - (box.y1 - (i + 0.5) * box.height / 3)
            shown = [
                pixels[int(y), int(box.x0 + (j + 0.5) * box.width / 3)]
                for j in range(3)
            ]
            wanted = matplotlib.colormaps[WEIGHT_MAP](row, bytes=True)[:, :3]
            wanted = wanted[::-1] if leftward else wanted
            np.testing.assert_allclose(shown, wanted, atol=8)  # 256 colours
        places = [label.get_window_extent().x0 for label in ax.get_xticklabels()]
        assert sorted(places, reverse=leftward) == places


def test_layer_and_head_are_the_ones_asked_for():
    maps = random_maps(many_words(3), heads=4, layers=3)
    picture = show_head(maps, 3, 1)
    np.testing.assert_array_equal(
        map_axes(picture)[0].images[0].get_array(), maps.weights[1, 3]
    )
    assert picture.get_suptitle() == "layer 2, head 4"
    python = "\nIn Python: layer=1, head=3."
    assert picture.alt == describe(maps, 3, 1) + python
    assert show_lines(maps, 0, 3, 1).alt == describe(maps, 3, 1, 0) + python
    assert "Python" not in show_lines(maps, 0, heads=[3, 2], layer=1).alt
    assert "Python" not in show_head(random_maps(many_words(3), heads=4), 3).alt
    picture = show_heads(maps, 2, heads=[3, 0])
    assert picture.get_suptitle() == "layer 3"
    for ax, head in zip(map_axes(picture), (3, 0), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), maps.weights[2, head])
        assert ax.get_title() == f"head {head + 1}"


def test_axes_carry_the_words_and_say_who_looks_at_whom(maps):
    picture = show_head(maps)
    (ax,) = map_axes(picture)
    assert labels(ax.yaxis) == labels(ax.xaxis) == maps.tokens
    assert list(ax.get_xticks()) == list(ax.get_yticks()) == list(range(11))
    assert ax.get_ylabel() == "query: the word that looks"
    assert ax.get_xlabel() == "key: the word that is looked at"
    assert picture.get_suptitle() == "head 1: subject"
    assert "attention weight" in [text.get_text() for text in all_texts(picture)]


def test_rows_are_drawn_downwards_and_columns_to_the_right(maps):
    """The pixels: "sat", row 3, looks at "cat", column 2."""
    picture = show_head(maps, numbers=False)
    pixels = render(picture)[0]
    (ax,) = map_axes(picture)

    def at(row, column):
        x, y = ax.transData.transform((column, row))
        return pixels[round(len(pixels) - y), round(x)].astype(int)

    one, zero = (
        np.array(matplotlib.colormaps[WEIGHT_MAP](x, bytes=True)[:3]).astype(int)
        for x in (1.0, 0.0)
    )
    assert abs(at(3, 2) - one).max() <= 8
    assert abs(at(2, 3) - zero).max() <= 8


def test_numbers_are_in_their_cells_and_can_be_read(maps):
    (ax,) = map_axes(show_head(maps))
    texts = cell_texts(ax)
    assert texts[9, 8] == "0.97" and texts[9, 6] == "0.03"
    assert (9, 7) not in texts  # 0.00
    weights = np.array([[0.004, 0.3, 0.7], [0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    (ax,) = map_axes(show_head(AttentionMaps(list("abc"), weights)))
    assert len(ax.texts) == 7
    for text in ax.texts:
        column, row = text.get_position()
        ground = matplotlib.colormaps[WEIGHT_MAP](weights[row, column])
        assert contrast(text.get_color(), ground[:3]) >= 4.5


def test_numbers_up_to_twelve_words_or_as_asked():
    few, more = random_maps(many_words(12)), random_maps(many_words(13))
    assert map_axes(show_head(few))[0].texts
    assert not map_axes(show_head(more))[0].texts
    assert not map_axes(show_head(few, numbers=False))[0].texts
    assert map_axes(show_head(more, numbers=True))[0].texts


def test_all_heads_are_side_by_side_on_one_scale(maps):
    picture = show_heads(maps)
    panels = map_axes(picture)
    assert [ax.get_title() for ax in panels] == [
        "head 1: subject",
        "head 2: referent",
        "head 3: word before",
    ]
    for i, ax in enumerate(panels):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), maps.weights[0, i])
        assert image.get_clim() == (0, 1)
    assert len(picture.axes) == 4  # and one colour bar
    assert labels(panels[0].yaxis) == maps.tokens
    assert all(labels(ax.xaxis) == maps.tokens for ax in panels)
    assert labels(panels[1].yaxis) == []
    boxes = [ax.get_position() for ax in panels]
    assert boxes[0].x1 < boxes[1].x0 and boxes[0].y0 == boxes[1].y0
    assert any("rows: the word that looks" in text.get_text() for text in picture.texts)


@pytest.mark.parametrize("n, heads", [(2, 8), (8, 4), (12, 8), (20, 12), (60, 16)])
def test_heads_do_not_overlap_and_stay_within_the_page(n, heads):
    picture = show_heads(random_maps(many_words(n), heads))
    picture.draw_without_rendering()
    panels = map_axes(picture)
    assert len(panels) == heads
    boxes = [ax.get_tightbbox() for ax in panels]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
    assert picture.get_figwidth() <= 7.55
    told = min(n, max(3, 36 // heads))  # rows a head, or the alt would have no end
    assert [part.count(" gives ") for part in picture.alt.splitlines()] == [
        told
    ] * heads


def test_where_words_do_not_fit_their_places_stand():
    picture = show_heads(random_maps(many_words(22), 12))
    assert labels(map_axes(picture)[0].yaxis) == ["1", "5", "10", "15", "20"]
    assert list(map_axes(picture)[0].get_yticks()) == [0, 4, 9, 14, 19]
    assert any("numbers: the words' places" in t.get_text() for t in picture.texts)


def test_a_film_has_a_row_for_each_head_and_a_column_for_each_time():
    film = {f"step {t}": random_maps(many_words(6), 3, 2, seed=t) for t in (0, 9, 80)}
    picture = show_film(film, [(1, 2), (0, 0)])
    panels = map_axes(picture)
    places = [(layer, head, m) for layer, head in [(1, 2), (0, 0)] for m in film]
    assert len(panels) == len(places) == 6
    for ax, (layer, head, title) in zip(panels, places):
        (image,) = ax.images
        np.testing.assert_array_equal(
            image.get_array(), film[title].weights[layer, head]
        )
        assert image.get_clim() == (0, 1)
        edge = matplotlib.colors.to_hex(ax.spines["left"].get_edgecolor()).upper()
        assert edge == HEAD_COLORS[head]
    boxes = [ax.get_position() for ax in panels]
    assert boxes[0].x1 < boxes[1].x0 < boxes[2].x0 and boxes[0].y0 == boxes[2].y0
    assert boxes[0].x0 == boxes[3].x0 and boxes[3].y1 < boxes[0].y0
    assert labels(panels[3].yaxis) == many_words(6) and not labels(panels[1].yaxis)
    assert labels(panels[2].xaxis) == many_words(6) and not labels(panels[3].xaxis)
    texts = [text.get_text() for text in picture.texts]
    assert {*film, "layer 2, head 3", "layer 1, head 1"} <= set(texts)
    told = picture.alt.splitlines()
    assert len(told) == 6
    best = film["step 9"].weights[1, 2].argmax(axis=-1)
    arrows = ", ".join(f"word{i} → word{j}" for i, j in enumerate(best))
    assert told[1] == f"step 9, layer 2, head 3: {arrows}."


def test_a_film_of_many_words_counts_them():
    film = {str(t): random_maps(many_words(25)) for t in range(6)}
    picture = show_film(film, [(0, 0)])
    for axis in (map_axes(picture)[0].yaxis, map_axes(picture)[5].xaxis):
        assert labels(axis) == ["1", "5", "10", "15", "20", "25"]
        assert list(axis.get_ticklocs()) == [0, 4, 9, 14, 19, 24]
    assert any("numbers: the words' places" in t.get_text() for t in picture.texts)
    assert all(", and 13 more." in line for line in picture.alt.splitlines()[:6])


def test_the_last_title_of_a_film_has_the_room_to_the_right():
    title, maps = "der Hund bellt laut der Hund", random_maps(many_words(7))
    for film in ({title: maps}, {title: maps, f"{title}.": maps}):
        texts = [text.get_text() for text in show_film(film, [(0, 0)]).texts]
        assert [name in texts for name in film] == [*[False] * (len(film) - 1), True]


def test_a_film_of_words_that_look_at_others():
    weights = np.zeros((1, 1, 2, 3))
    weights[..., [0, 1], [2, 0]] = 1
    maps = AttentionMaps(["it", "is"], weights, keys=["es", "ist", "da"])
    picture = show_film({"now": maps}, [(0, 0)])
    (panel,) = map_axes(picture)
    assert labels(panel.yaxis) == ["it", "is"]
    assert labels(panel.xaxis) == ["es", "ist", "da"]
    assert picture.alt == "now, head 1: it → da, is → es."
    other = AttentionMaps(["it", "is"], weights, keys=["es", "ist", "dort"])
    with pytest.raises(ValueError, match="of different words"):
        show_film({"now": maps, "then": other}, [(0, 0)])


def test_descriptions_of_one_word_and_of_a_row_without_weight():
    one = AttentionMaps(["a"], np.ones((1, 1, 1)))
    assert describe(one) == 'Head 1, 1 word. "a" gives 1.00 of its attention to "a".'
    one = AttentionMaps(["a"], np.full((1, 1, 3), 1 / 3), keys=list("xyz"))
    assert describe(one).startswith("Head 1, 1 word looks at 3. ")
    hidden = AttentionMaps(["a", "b"], [[0.0, 0.0], [0.0, 1.0]])
    said = show_film({"now": hidden}, [(0, 0)]).alt
    assert said == "now, head 1: a \u2192 nothing, b \u2192 b."
    said = show_matrix([[-1e9]], ["r"], ["c"], title="scores").alt
    assert said == 'scores: 1 row, 1 column. "r": \u22121e+09.'


@pytest.mark.parametrize(
    ("film", "heads", "message"),
    [
        ({}, [(0, 0)], "nothing to draw"),
        ({"a": 5}, [], "nothing to draw"),
        ({"a": 5, "b": 6}, [(0, 0)], "of different words"),
        ({"a": 5}, [(1, 0)], "layer is 1"),
        ({"a": 5}, [(0, 2)], "head is 2"),
        ({"a": 61}, [(0, 0)], "there are 61 words"),
    ],
)
def test_a_film_that_cannot_be_drawn(film, heads, message):
    maps = {title: random_maps(many_words(n), 2) for title, n in film.items()}
    with pytest.raises(ValueError, match=message):
        show_film(maps, heads)


def test_a_head_has_its_colour_everywhere():
    maps = random_maps(many_words(4), 10)
    panels = map_axes(show_heads(maps))
    for head in (0, 1, 7, 8):
        wanted = matplotlib.colors.to_rgba(HEAD_COLORS[head % 8])
        for ax in (panels[head], map_axes(show_head(maps, head))[0]):
            for spine in ax.spines.values():
                assert spine.get_edgecolor() == wanted
        colors = {color for color, _, _ in lines(show_lines(maps, 0, head))}
        assert colors == {HEAD_COLORS[head % 8]}


def test_head_colours_can_be_told_from_white_and_from_each_other():
    assert len(set(HEAD_COLORS)) == 8
    assert all(contrast(color, "white") >= 3 for color in HEAD_COLORS)
    assert HEAD_COLORS[:4] == ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    assert (WEIGHT_MAP, DIFFERENCE_MAP) == ("magma_r", "PuOr")  # safe and monotonic


# ---- lines


def test_lines_go_to_the_words_with_their_weights(maps):
    picture = show_lines(maps, "was")
    texts = all_texts(picture)
    height = {
        t.get_text(): t.get_position()[1] for t in texts
    }  # of the keys, drawn last
    ends = {round(y, 6): width for _, width, y in lines(picture)}
    assert set(ends) == {round(height["it"], 6), round(height["mat"], 6)}
    assert ends[round(height["it"], 6)] > ends[round(height["mat"], 6)]
    assert height["0.97"] == height["it"] and height["0.03"] == height["mat"]
    assert sum(t.get_text().startswith("0.") for t in texts) == 2
    boxed = [t.get_text() for t in texts if t.get_bbox_patch()]
    assert boxed == ["was"]
    assert "what “was” looks at" in picture.get_suptitle()
    assert picture.get_suptitle().startswith("head 1: subject")


@pytest.mark.parametrize("sizes", [(2, 5), (7, 3), (1, 12), (12, 1), (40, 3), (3, 40)])
def test_figures_of_words_that_look_at_other_words(sizes):
    asks, asked = many_words(sizes[0]), [f"k{i}" for i in range(sizes[1])]
    rows = np.random.default_rng(0).dirichlet(np.ones(sizes[1]), (2, sizes[0]))
    maps = AttentionMaps(asks, rows, keys=asked)
    best = asked[rows[0, -1].argmax()]
    (ax,) = map_axes(show_head(maps))
    assert (labels(ax.yaxis), labels(ax.xaxis)) == (asks, asked)
    np.testing.assert_array_equal(ax.images[0].get_array(), rows[0])
    panels = map_axes(show_heads(maps))
    for i, ax in enumerate(panels):
        np.testing.assert_array_equal(ax.images[0].get_array(), rows[i])
        x, y = (abs(np.diff(side)[0]) for side in (ax.get_xlim(), ax.get_ylim()))
        assert (x, y) == sizes[::-1]
        wide, high = ax.get_window_extent().width / x, ax.get_window_extent().height / y
        assert wide == pytest.approx(high)  # a cell is a square
    picture = show_lines(maps, len(asks) - 1)
    written = [text.get_text() for text in all_texts(picture)]
    assert all(word in written for word in (*asks, *asked))
    starts = {p.get_path().vertices[0, 1] for p in picture.findobj(PathPatch)}
    assert len(starts) == 1
    assert f'"{asks[-1]}" gives {rows[0, -1].max():.2f}' in picture.alt
    assert f'"{best}"' in picture.alt
    look = "1 word looks" if sizes[0] == 1 else f"{sizes[0]} words look"
    assert f"{look} at {sizes[1]}." in describe(maps)
    for figure in (show_head(maps), show_heads(maps), picture):
        figure.draw_without_rendering()
        width, height = figure.get_size_inches() * figure.dpi
        for text in all_texts(figure):
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.y0 >= -1, text
            assert box.x1 <= width + 1 and box.y1 <= height + 1, text


def test_every_line_starts_at_the_word(maps):
    for word in (0, 3, 10):
        picture = show_lines(maps, word, 2)
        starts = {p.get_path().vertices[0, 1] for p in picture.findobj(PathPatch)}
        (query,) = (t for t in all_texts(picture) if t.get_bbox_patch())
        assert query.get_text() == maps.tokens[word]
        assert starts == {query.get_position()[1]}


def test_a_note_beside_a_row_speaks_of_that_row():
    rows = np.full((2, 3, 3), 1 / 3)
    rows[0, 1] = [0.5, 0.22, 0]
    rows[1, 1] = [0.1, 0.1, 0]
    maps = AttentionMaps(["a", "b", "c"], rows, note="Some is hidden.")
    said = "Some is hidden. Of this row 28% is not shown."
    assert show_lines(maps, "b").alt.endswith(said)
    assert said in " ".join(
        text.get_text() for text in all_texts(show_lines(maps, "b"))
    )
    assert show_lines(maps, "a").alt.endswith("Some is hidden.")
    both = show_lines(maps, "b", heads=[0, 1]).alt
    assert both.endswith("Of this row 28% and 80% is not shown, head by head.")


def test_a_word_means_its_first_occurrence():
    maps = random_maps(["the", "cat", "the"])
    assert show_lines(maps, "the").alt == show_lines(maps, 0).alt
    assert show_lines(maps, 2).alt != show_lines(maps, 0).alt


def test_several_heads_in_their_colours(maps):
    picture = show_lines(maps, "was", heads=[0, 2])
    assert {color for color, _, _ in lines(picture)} == {HEAD_COLORS[0], HEAD_COLORS[2]}
    texts = [text.get_text() for text in all_texts(picture)]
    assert {"head 1: subject", "head 3: word before", "head 1", "head 3"} <= set(texts)
    assert "1.00" in texts and "0.97" in texts
    assert picture.alt == "\n".join(describe(maps, head, 0, "was") for head in (0, 2))


# ---- matrices


def test_matrix_shows_its_numbers():
    matrix = np.array([[1.5, 0.0, -2.25], [100.4, 12.34, -np.inf]])
    picture = show_matrix(matrix, ["a", "b"], ["x", "y", "z"], title="Scores")
    (ax,) = map_axes(picture)
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array().filled(-np.inf), matrix)
    assert labels(ax.yaxis) == ["a", "b"] and labels(ax.xaxis) == ["x", "y", "z"]
    assert cell_texts(ax) == {
        (0, 0): "1.50",
        (0, 2): "−2.25",
        (1, 0): "100",
        (1, 1): "12.3",
        (1, 2): "−∞",
    }
    assert picture.get_suptitle() == "Scores"
    assert image.get_clim() == (-100.4, 100.4)
    assert image.get_cmap().name == DIFFERENCE_MAP
    bar = picture.axes[-1]
    assert labels(bar.yaxis) == ["−100", "−50.2", "0", "50.2", "100"]
    assert picture.alt == (
        'Scores: 2 rows, 3 columns. "a": 1.50, 0, −2.25. "b": 100, 12.3, −∞.'
    )


def test_matrix_without_negative_numbers_has_a_scale_from_zero():
    def image(matrix, **options):
        picture = show_matrix(matrix, ["a"], ["x", "y"], title="", **options)
        return map_axes(picture)[0].images[0]

    assert image([[1, 4]]).get_clim() == (0, 4)
    assert image([[1, 4]]).get_cmap().name == WEIGHT_MAP
    assert image([[0, 0]]).get_clim() == (0, 1)
    assert image([[0.1, 0.2]], low=-1, high=1).get_clim() == (-1, 1)
    assert image([[0.1, 0.2]], low=-1, high=1).get_cmap().name == DIFFERENCE_MAP
    assert image([[-3, 1]]).get_clim() == (-3, 3)
    assert image([[-3, 1]], high=5).get_clim() == (-5, 5)


def test_a_weight_matrix_of_24_x_8_is_legible():
    matrix = np.random.default_rng(0).integers(-500, 501, (24, 8))
    picture = show_matrix(matrix, many_words(24), many_words(8), title="W_Q")
    (ax,) = map_axes(picture)
    assert len(ax.texts) == np.count_nonzero(matrix)
    assert picture.get_figwidth() <= 7.55
    i, j = divmod(int(matrix.argmax()), 8)
    assert f'{matrix.max()}, is at "word{i}", "word{j}"' in picture.alt


def test_a_large_matrix_says_where_its_ends_are_with_digits_that_tell_them_apart():
    matrix = np.full((9, 9), 0.01)
    matrix[2, 3], matrix[5, 1], matrix[7, 0] = 0.035, 0.041, 0.008
    names = many_words(9), many_words(9)
    assert show_matrix(matrix, *names, title="m").alt == (
        "m: 9 rows, 9 columns."
        ' The largest number, 0.041, is at "word5", "word1".'
        ' The smallest number, 0.008, is at "word7", "word0".'
    )
    matrix[8, 8], matrix[7, 0] = 0.041 + 1e-9, 0.01  # rounding, not another number
    assert show_matrix(matrix, *names, title="m").alt == (
        "m: 9 rows, 9 columns."
        ' The largest number, 0.04, is at "word5", "word1" and 1 more.'
        ' The smallest number, 0.01, is at "word0", "word0" and 77 more.'
    )


def test_matrix_numbers_are_left_out_where_they_do_not_fit():
    wide = np.full((2, 24), 0.25)
    names = ["a", "b"], many_words(24)
    assert not map_axes(show_matrix(wide, *names, title=""))[0].texts
    assert map_axes(show_matrix(wide, *names, title="", numbers=True))[0].texts


@pytest.mark.parametrize(
    ("columns", "number", "written", "inches"),
    [
        (2, 0, None, 0.35),
        (2, 0.25, None, 0.51),
        (2, 0.25, False, 0.35),
        (24, 0.25, None, 0.25),
        (60, 0.25, None, 0.2),
    ],
)
def test_cells_of_a_matrix_are_as_wide_as_they_need(columns, number, written, inches):
    matrix, names = np.full((2, columns), number), (["a", "b"], many_words(columns))
    picture = show_matrix(matrix, *names, title="", numbers=written)
    (ax,) = map_axes(picture)
    wide = ax.get_position().width * picture.get_figwidth() / columns
    assert abs(wide - inches) < 0.01


# ---- in words


def test_description_names_the_largest_share_of_every_word(maps):
    text = describe(maps)
    assert text.startswith('Head 1 (subject), 11 words. "<s>" gives 1.00 of its att')
    assert '; "sat" gives 1.00 to "cat"; ' in text
    assert '; "was" gives 0.97 to "it"; ' in text
    assert text.count(" gives ") == 11
    assert text.count(" of its attention") == 1
    assert describe(maps, 1, word="it") == (
        'Head 2 (referent): "it" gives 0.97 of its attention to "cat" and '
        '0.03 to "mat".'
    )


def test_description_of_equal_shares_does_not_depend_on_the_last_digit():
    weights = np.full((6, 6), 1 / 6)
    weights[1] = [0.25, 0.25 + 1e-9, 0.25, 0.25, 0, 0]
    weights[2] = [0, 0.5 - 1e-9, 0.5, 0, 0, 0]
    weights[3] = 0
    text = describe(AttentionMaps(list("abcdef"), weights))
    assert text == (
        'Head 1, 6 words. "a" gives 0.17 of its attention to each of 6 words; '
        '"b" gives 0.25 to each of "a", "b", "c" and "d"; '
        '"c" gives 0.50 to each of "b" and "c"; '
        '"d" gives nothing to any word; "e" gives 0.17 to each of 6 words; '
        '"f" gives 0.17 to each of 6 words.'
    )


def test_description_of_many_words_is_cut():
    maps = random_maps(many_words(30), 2, 3)
    text = describe(maps, 1, 2)
    assert text.startswith("Layer 3, head 2, 30 words. ")
    assert text.count(" gives ") == 12 and text.endswith("; and 18 more.")
    assert describe(maps, rows=2).count(" gives ") == 2


def test_every_figure_carries_its_description(maps):
    assert show_head(maps, 2).alt == describe(maps, 2)
    assert show_lines(maps, "it", 1).alt == describe(maps, 1, 0, "it")
    assert show_heads(maps).alt == "\n".join(describe(maps, head) for head in range(3))


def test_the_note_of_the_maps_is_shown_and_told():
    maps = attend("The wug sat")
    for picture in (show_head(maps), show_heads(maps), show_lines(maps, "wug")):
        shown = " ".join(text.get_text() for text in all_texts(picture))
        assert "Not in the lexicon: wug." in shown
        assert picture.alt.endswith(maps.note)


def test_example():
    assert doctest.testmod(mha_utils.heatmaps).failed == 0


# ---- words of any kind


HOSTILE_MAPS = random_maps(
    HOSTILE,
    heads=2,
    names=("$x^2$ <i>", "猫 القطة 👩‍👩‍👧"),
    note="Not known: 👩‍👩‍👧, $x$, \0, " + "y" * 900,
)
HOSTILE_FIGURES = {
    "head": lambda: show_head(HOSTILE_MAPS, 1),
    "heads": lambda: show_heads(HOSTILE_MAPS),
    "film": lambda: show_film({"$x^2$ \0": HOSTILE_MAPS}, [(0, 0), (0, 1)]),
    "lines": lambda: show_lines(HOSTILE_MAPS, 6, heads=[0, 1]),
    "matrix": lambda: show_matrix(
        HOSTILE_MAPS.weights[0, 0], HOSTILE, HOSTILE, title="$\\frac{ 👩 \0" + "y" * 99
    ),
}


@pytest.mark.parametrize("kind", HOSTILE_FIGURES)
def test_hostile_words_are_drawn_as_text_and_without_a_warning(kind, caplog):
    picture = HOSTILE_FIGURES[kind]()
    data = render(picture)[1]
    assert not caplog.records
    texts = [text.get_text() for text in all_texts(picture)]
    assert not any(text.get_parse_math() for text in picture.findobj(Text))
    assert r"$\frac{" in texts and "x" * 13 + "…" in texts
    assert not any(bad in text for text in texts for bad in ("\0", "\u202e", "👩"))
    assert picture.get_figwidth() <= 7.7
    note = " ".join(texts)
    assert "#5, #6, " in note and "not in this figure's fonts" in note
    alt = data["text/plain"]
    alt.encode()  # no half of a surrogate pair
    assert "\0" not in alt and "\u202e" not in alt and "x" * 14 not in alt


def test_words_are_shown_as_they_are_where_they_can_be():
    (ax,) = map_axes(HOSTILE_FIGURES["head"]())
    shown = dict(zip(HOSTILE, labels(ax.yaxis), strict=True))
    assert shown[r"$\frac{"] == r"$\frac{"
    assert shown["<b>&amp;"] == "<b>&amp;"
    assert shown["naïve"] == "naïve"
    assert shown["👩‍👩‍👧"] == "#5"
    assert shown["a\0b"] == r"a\x00b"
    assert shown["\n"] == r"\n"
    assert shown[""] == "#15"
    assert shown["x" * 300] == "x" * 13 + "…"
    assert shown["e" + "\u0301" * 300] == "e…"  # not torn from its accents


@pytest.mark.parametrize(("joiner", "kept"), [(11, 13), (12, 11), (13, 12), (14, 13)])
def test_no_word_is_cut_beside_a_joiner(joiner, kept):
    word = "x" * joiner + "\u200d" + "x" * 9
    assert clean(word) == word[:kept] + "…"


def test_a_text_is_longer_than_a_word():
    assert plain("x" * 60) == "x" * 60
    assert plain("x" * 61) == "x" * 59 + "…"


def test_right_to_left_scripts_only_where_matplotlib_can_shape_them(monkeypatch):
    maps = random_maps(["القطة", "cat"])

    def first():
        return labels(map_axes(show_head(maps))[0].yaxis)[0]

    monkeypatch.setattr(ft2font, "__libraqm_version__", "0.10", raising=False)
    assert first() == "القطة"
    monkeypatch.delattr(ft2font, "__libraqm_version__")
    assert first() == "#1"


awkward = st.sampled_from(
    [*"aZ9_ \t\n.!'’-$\\{<é中の한سة", "\0", "\x1f", "\u2028", "\u3000", "\ufeff"]
    + [
        "\u0301",
        "\u200d",
        "\u200c",
        "\u200b",
        "\ufe0f",
        "\u20e3",
        "क",
        "ि",
        "्",
        "\u202e",
    ]
    + [
        "👍",
        "🏽",
        "👩",
        "🇫",
        "🇷",
        "❤",
        "\ud800",
        "\udc00",
        "\U0010ffff",
        "\ue000",
        "\u0600",
    ]
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.text(awkward | st.characters(), max_size=20), min_size=1, max_size=9)
)
def test_any_words_at_all_can_be_drawn(words):
    maps = random_maps(words, note=" ".join(words))
    data = render(show_lines(maps, 0))[1]
    data["text/plain"].encode()


# ---- the picture


def test_one_picture_is_one_image_with_its_words(maps):
    picture = show_head(maps)
    data, metadata = picture._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == picture.alt
    width = round(96 * picture.get_figwidth())
    assert metadata == {"image/png": {"alt": picture.alt, "width": width}}
    with Image.open(io.BytesIO(data["image/png"])) as image:
        assert image.width == pytest.approx(1.5 * width, abs=1)
        assert not {"Software", "Creation Time"} & set(image.info)


def test_a_notebook_shows_one_image_before_and_after_pyplot(maps):
    """After pyplot, IPython draws figures its own way; words and size must stay."""
    picture = show_head(maps)
    shell = InteractiveShell(warn_venv=False)  # ours need not be the active one
    before, told = shell.display_formatter.format(picture)
    select_figure_formats(shell, {"png"}, bbox_inches="tight")
    after, told_after = shell.display_formatter.format(picture)
    assert set(before) == set(after) == {"image/png", "text/plain"}
    assert before["text/plain"] == after["text/plain"] == picture.alt
    assert told == told_after
    assert len(after["image/png"]) * 3 / 4 < 1.2 * len(before["image/png"])  # base64


def test_a_figure_that_was_shown_keeps_no_pixels(maps):
    """IPython keeps every figure that was shown, with 2 to 5 MB of pixels each."""

    def renderers():
        gc.collect()
        return sum(type(kept) is RendererAgg for kept in gc.get_objects())

    picture, before = show_heads(maps), renderers()
    shell = InteractiveShell(warn_venv=False)
    for formats in ((), {"png"}):  # without pyplot and with it
        select_figure_formats(shell, formats, bbox_inches="tight")
        for _ in range(2):
            shell.display_formatter.format(picture)
        assert renderers() == before


def test_same_figure_same_bytes(maps):
    first, second = (
        show_heads(maps)._repr_mimebundle_()[0]["image/png"] for _ in range(2)
    )
    assert first == second
    picture = show_lines(maps, "it")
    assert render(picture)[1] == render(picture)[1]


@pytest.mark.parametrize("options", [{}, {"layout": "none"}])
def test_any_plot_can_be_a_picture(options):
    picture = Picture(alt="A curve.", figsize=(5, 3), **options)
    assert isinstance(picture, Figure)
    ax = picture.subplots()
    ax.loglog([1, 1000], [1, 10])
    ax.set_title("$x^2$")
    pixels, data, metadata = render(picture)
    assert data["text/plain"] == "A curve." == picture.alt
    assert metadata["image/png"]["width"] == 480
    assert pixels.shape == (432, 720, 3)
    assert ax.title.get_parse_math()  # formulas are for authors
    assert all(label.get_parse_math() for label in ax.get_xticklabels())
    assert bool(picture.get_layout_engine()) == (not options)


def unusual_settings():
    """Change every switch and number of Matplotlib's settings, all at once."""
    found = {}
    for name, value in matplotlib.rcParamsDefault.items():
        # What opens windows, caches files or needs a TeX is no style.
        apart = ("backend", "interactive", "toolbar", "_internal", "text.usetex")
        if isinstance(value, (bool, int, float)) and not name.startswith(apart):
            found[name] = not value if isinstance(value, bool) else 2 * value + 1
    with matplotlib.rc_context():
        for name in list(found):
            try:
                matplotlib.rcParams[name] = found[name]
            except (ValueError, RuntimeError):  # such as a share above 1
                del found[name]
    return found


SKETCHED = {"path.sketch": (1, 100, 2), "savefig.bbox": "tight", "text.hinting": "none"}
DARK = {"text.color": "white", "axes.facecolor": "black", "savefig.facecolor": "black"}


@pytest.mark.parametrize(
    "settings",
    [
        unusual_settings(),
        SKETCHED,
        DARK | {"xtick.color": "white", "ytick.labelcolor": "white"},
        {"font.family": ["serif"], "font.size": 4, "text.parse_math": True},
        {"axes.grid": True, "savefig.dpi": 300, "image.origin": "lower"},
        "ggplot",
        "dark_background",
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} settings",
)
def test_a_style_of_the_reader_does_not_change_our_figures(maps, settings):
    plain = [show_head(maps), show_lines(maps, "it"), show_heads(maps)]
    with matplotlib.rc_context():
        if isinstance(settings, str):
            style.use(settings)
        else:
            matplotlib.rcParams.update(settings)
        styled = [show_head(maps), show_lines(maps, "it"), show_heads(maps)]
        styled = [render(picture)[0] for picture in styled]
        kept = matplotlib.rcParams["font.size"], matplotlib.rcParams["text.parse_math"]
        show_head(maps)
        left = matplotlib.rcParams["font.size"], matplotlib.rcParams["text.parse_math"]
        assert kept == left
    for one, other in zip(plain, styled, strict=True):
        np.testing.assert_array_equal(render(one)[0], other)
    assert (styled[0][0] == 255).all()  # white, whatever the theme


LEGIBLE = {
    "head": lambda maps, long: show_head(maps),
    "one word": lambda maps, long: show_head(random_maps(["cat"])),
    "long head": lambda maps, long: show_head(long),
    "heads": lambda maps, long: show_heads(maps),
    "eight heads": lambda maps, long: show_heads(random_maps(maps.tokens, 8)),
    "long heads": lambda maps, long: show_heads(long),
    "film": lambda maps, long: show_film({"now": maps, "then": maps}, [(0, 1)]),
    "long film": lambda maps, long: show_film(
        {f"step {t}": long for t in range(0, 500, 100)}, [(0, 1), (2, 2), (5, 11)]
    ),
    "lines": lambda maps, long: show_lines(maps, "it", 1),
    "several": lambda maps, long: show_lines(maps, "was", heads=[0, 1, 2]),
    "long lines": lambda maps, long: show_lines(long, 5),
    "matrix": lambda maps, long: show_matrix(
        np.eye(6), maps.tokens[:6], maps.tokens[:6], title="Eye"
    ),
}


@pytest.mark.parametrize("name", LEGIBLE)
def test_figures_fit_the_page_and_their_text_is_large_and_inside(name, maps):
    picture = LEGIBLE[name](maps, random_maps(many_words(25), 12, 6))
    assert picture.get_figwidth() <= 7.55
    assert all(text.get_fontsize() >= 12 for text in all_texts(picture))
    pixels, data, _ = render(picture)
    assert len(data["image/png"]) < 120_000
    for text in all_texts(picture):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= pixels.shape[1] and box.y1 <= pixels.shape[0], text
    level = [t for t in all_texts(picture) if t.get_visible() and not t.get_rotation()]
    level = [text.get_window_extent() for text in level]
    places = [ax.get_position() for ax in picture.axes]
    for boxes in (level, places):
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    if title := picture.get_suptitle():
        (x,) = (
            t.get_window_extent().x0 for t in picture.texts if title == t.get_text()
        )
        assert x < 0.2 * 144
    for ax in map_axes(picture):  # labels do not run into each other
        rows = [t.get_window_extent().y0 for t in ax.get_yticklabels() if t.get_text()]
        assert all(below - above <= -0.16 * 144 for above, below in zip(rows, rows[1:]))


def test_a_long_sentence_makes_a_larger_figure():
    picture = show_head(random_maps(many_words(MAX_WORDS)))
    assert labels(map_axes(picture)[0].xaxis) == many_words(MAX_WORDS)
    assert picture.get_figwidth() > 7.5
    render(picture)


# ---- what cannot be drawn


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: show_head(m, 3), "head is 3; it must be from 0 to 2"),
        (lambda m: show_head(m, -1), "head is -1; it must be from 0 to 2"),
        (lambda m: show_head(m, 0, 1), "layer is 1; it must be from 0 to 0"),
        (lambda m: show_heads(m, 2), "layer is 2; it must be from 0 to 0"),
        (lambda m: show_heads(m, heads=[0, 5]), "head is 5"),
        (lambda m: show_heads(m, heads=[]), "heads is empty"),
        (lambda m: show_lines(m, "it", 7), "head is 7"),
        (lambda m: show_lines(m, "it", heads=[-2]), "head is -2"),
        (lambda m: show_lines(m, "dog"), "no word 'dog'; the words are <s>, The, cat,"),
        (lambda m: show_lines(m, 11), "word is 11; it must be from 0 to 10"),
        (lambda m: show_lines(m, -1), "word is -1; it must be from 0 to 10"),
        (lambda m: describe(m, 4), "head is 4"),
        (lambda m: describe(m, word="dog"), "no word 'dog'"),
    ],
)
def test_heads_layers_and_words_that_there_are_not(maps, call, message):
    with pytest.raises(ValueError, match=message):
        call(maps)


def test_too_many_words():
    maps = random_maps(many_words(MAX_WORDS + 1))
    for show in (show_head, show_heads, lambda maps: show_lines(maps, 0)):
        with pytest.raises(ValueError, match="61 words, and a figure holds at most 60"):
            show(maps)
    with pytest.raises(ValueError, match="at most 60"):
        show_matrix(np.ones((61, 1)), many_words(61), ["a"], title="")


@pytest.mark.parametrize(
    "matrix, message",
    [
        (np.ones((2, 3)), r"shape \(2, 3\); for 2 rows and 2 columns .*\(2, 2\)"),
        (np.ones(2), r"shape \(2,\)"),
        ([[0, np.nan], [0, 0]], "NaN or"),
        ([[0, np.inf], [0, 0]], "NaN or"),
    ],
)
def test_matrices_that_cannot_be_drawn(matrix, message):
    with pytest.raises(ValueError, match=message):
        show_matrix(matrix, ["a", "b"], ["x", "y"], title="")


def test_nothing_of_the_caller_is_written_to():
    maps = attend(SENTENCE)
    weights, matrix = maps.weights.copy(), np.array([[0.0, -np.inf], [1.0, 2.0]])
    show_head(maps), show_heads(maps), show_lines(maps, 1)
    show_matrix(matrix, ["a", "b"], ["x", "y"], title="")
    np.testing.assert_array_equal(maps.weights, weights)
    np.testing.assert_array_equal(matrix, [[0.0, -np.inf], [1.0, 2.0]])


def test_pyplot_is_not_imported():
    program = (
        "import sys\n"
        "from mha_utils.heatmaps import show_head\n"
        "from mha_utils.sentences import attend\n"
        "show_head(attend('The cat sat'))._repr_mimebundle_()\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ
    )
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr
