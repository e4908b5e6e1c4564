"""The drawing of the layer: every part is there once, and the marked one is marked."""

from itertools import combinations

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation, Text

from mha_utils.diagram import PARTS, show_layer
from mha_utils.picture import HEAD_COLORS

HEADS_PARTS = ("project", "attend")


def texts(picture):
    found = (t for t in picture.findobj(Text) if not isinstance(t, Annotation))
    return [text.get_text() for text in found if text.get_text()]


def marked(picture):
    boxes = picture.findobj(FancyBboxPatch)
    return [box for box in boxes if to_hex(box.get_facecolor()) != "#ffffff"]


@pytest.mark.parametrize("num_heads", [1, 2, 3, 4])
def test_each_head_has_its_boxes_in_its_colour(num_heads):
    picture = show_layer(num_heads)
    edges = [to_hex(b.get_edgecolor()).upper() for b in picture.findobj(FancyBboxPatch)]
    for color in HEAD_COLORS[:num_heads]:
        assert edges.count(color) == len(HEADS_PARTS)
    assert len(edges) == 2 * num_heads + 3
    assert [t for t in texts(picture) if t.startswith("head ")] == [
        f"head {i + 1}" for i in range(num_heads)
    ]
    assert marked(picture) == []


@pytest.mark.parametrize(("num_heads", "drawn"), [(1, 1), (4, 4), (9, 3)])
def test_boxes_stand_apart_and_arrows_lead_from_one_to_the_next(num_heads, drawn):
    picture = show_layer(num_heads)
    boxes = [box.get_bbox() for box in picture.findobj(FancyBboxPatch)]
    right, bottom = picture.get_size_inches()
    assert all(0 < b.x0 and b.x1 < right for b in boxes)
    assert all(0 < b.y0 and b.y1 < bottom for b in boxes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    arrows = picture.findobj(Annotation)
    assert len(arrows) == 3 * drawn + 1
    for arrow in arrows:
        (x1, y1), (x2, y2) = arrow.xyann, arrow.xy
        assert sum(0 < x1 - b.x1 < 0.1 and b.y0 < y1 < b.y1 for b in boxes) == 1
        assert sum(0 < b.x0 - x2 < 0.1 and b.y0 < y2 < b.y1 for b in boxes) == 1
    names = [t for t in picture.findobj(Text) if t.get_text().startswith("head ")]
    for x, y in (name.get_position() for name in names):
        assert sum(b.x0 == x and 0 < b.y0 - y < 0.2 for b in boxes) == 1


@pytest.mark.parametrize("mark", PARTS)
def test_the_part_in_question_is_marked_and_told(mark):
    picture = show_layer(3, mark=mark)
    assert len(marked(picture)) == (3 if mark in HEADS_PARTS else 1)
    assert f"Marked: {PARTS[mark]}." in picture.alt
    assert all(part in picture.alt for part in PARTS.values())


def test_of_many_heads_the_first_and_the_last_are_drawn():
    names = [t for t in texts(show_layer(32)) if t.startswith("head ")]
    assert names == ["head 1", "head 2", "head 32"]
    assert [t for t in texts(show_layer(5)) if t == "head 4"] == []
    assert "\u22ee" not in texts(show_layer(4))
    assert show_layer(32).alt.startswith("A layer of 32 heads")


def test_dots_stand_where_heads_are_left_out():
    picture = show_layer(32)
    found = {t.get_text(): t.get_position() for t in picture.findobj(Text)}
    boxes = [box.get_bbox() for box in picture.findobj(FancyBboxPatch)]
    project, attend = boxes[-4:-2]  # of head 2, the last that is drawn before them
    x, y = found["\u22ee"]
    assert project.x1 < x < attend.x0
    assert attend.y1 + 0.1 < y < found["head 32"][1] - 0.1


def test_heads_that_share_say_whose_keys_they_read():
    """The others are drawn as they were."""
    picture = show_layer(4, num_kv_heads=2, mark="project")
    own = [text for text in texts(picture) if text.startswith("Q =")]
    assert [text.count("K = x W_K") for text in own] == [1, 0, 1, 0]
    assert own[1].endswith("of head 1") and own[3].endswith("of head 3")
    told = (
        "each head's own Q = x W_Q, and 2 pairs of K = x W_K and V = x W_V, each "
        "shared by 2 neighbouring heads"
    )
    assert picture.alt.count(told) == 2
    assert "each shared by 3 neighbouring" in show_layer(6, num_kv_heads=2).alt
    assert "1 pair of K = x W_K and V = x W_V, shared by all heads" in (
        show_layer(4, num_kv_heads=1).alt
    )
    assert texts(show_layer(3, num_kv_heads=3)) == texts(show_layer(3))
    with pytest.raises(ValueError, match="4 heads cannot share 3"):
        show_layer(4, num_kv_heads=3)


def test_names_are_shown_as_text():
    picture = show_layer(2, head_names=["$x$", "<b>"])
    assert {"head 1: $x$", "head 2: <b>"} <= set(texts(picture))
    picture._repr_mimebundle_()


@pytest.mark.parametrize("g", [3, 1])
def test_every_text_is_large_and_inside_its_box(g):
    names = ("subject", "referent", "before")
    picture = show_layer(3, mark="attend", head_names=names, num_kv_heads=g)
    picture._repr_mimebundle_()
    boxes = [box.get_window_extent() for box in picture.findobj(FancyBboxPatch)]
    for text in picture.findobj(Text):
        if text.get_text() and not text.get_text().startswith("head "):
            assert text.get_fontsize() >= 12
            at = text.get_window_extent()
            inside = [b for b in boxes if b.x0 <= at.x0 and at.x1 <= b.x1]
            assert any(b.y0 <= at.y0 and at.y1 <= b.y1 for b in inside), text


def test_one_head_is_one():
    assert show_layer(1).alt.startswith("A layer of 1 head: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mark": "W_O"}, "no part 'W_O'; mark one of words, project, attend"),
        ({"num_heads": 0}, "num_heads is 0; a layer needs at least 1"),
        ({"num_heads": 3, "head_names": ["a"]}, "1 head_names for 3 heads"),
    ],
)
def test_what_cannot_be_drawn_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        show_layer(**options)
