"""The pure functions of `mha_utils.page`, called in a bare page, sizes generated."""

import math
import re

import numpy as np
import pytest
from host import Host

from mha_utils.explorer import Explorer
from mha_utils.maps import AttentionMaps
from mha_utils.sentences import attend


@pytest.fixture(scope="module")
def page(chromium):
    host = Host(chromium)
    host.show(Explorer(attend, "cat"))  # which loads the module
    yield host.page
    assert host.page.errors == []
    host.page.close()


@pytest.fixture(scope="module")
def call(page):
    """Return a function that calls an export of the module with some arguments."""
    return lambda name, *arguments: page.evaluate(
        "([name, arguments]) => explorer[name](...arguments)", [name, arguments]
    )


# ---- layout
@pytest.fixture(scope="module")
def layouts(page):
    """Lay out maps of many sizes in pages of many widths."""
    sizes = [
        {
            **{"nq": nq, "nk": nk, "wide": wide, "wideKey": other, "tall": tall},
            **{"room": room, "projector": projector, "glances": glances},
        }
        for glances in ([0], [400], [400, 200])
        for tall in (360, 647, 1200)
        for nk in (1, 2, 5, 11, 17, 30, 100)
        for nq in {nk, 1, nk + 7}
        for wide, other in ((40, 40), (63, 63), (40, 110), (110, 40))
        for room in (0, 280, 390, 640, 800, 820, 910, 1366, 3840)
        for projector in (False, True)
    ]
    places = page.evaluate("sizes => sizes.map(explorer.layout)", sizes)
    return list(zip(sizes, places, strict=True))


def test_all_that_is_laid_out_is_inside_the_drawing(layouts):
    for size, place in layouts:
        nq, nk, side = size["nq"], size["nk"], place["side"]
        assert place["left"] >= size["wide"] + 6, size  # the names of the rows
        wide = size["wideKey"]
        slanted = wide * math.sin(math.radians(50))
        assert place["top"] - 8 - slanted >= 26, size  # those of the columns
        assert place["right"] == place["left"] + nk * side <= place["width"], size
        assert place["bottom"] == place["top"] + nq * side <= place["height"], size
        listed = nk if place["beside"] else max(nq, nk)  # of a column, below the map
        assert place["rows"] + listed * side <= place["height"], size
        x, y, across = place["scale"]
        assert across >= 60, size
        if place["beside"]:  # "difference −1" and "1", right of the title
            assert 22 + place["title"] <= x - 94 and place["title"] >= 150, size
            assert x + across + 16 <= place["width"] and y + 12 <= 26, size
        else:  # "difference of weights", below the map
            assert x + across + 180 <= place["width"], size
            assert place["bottom"] <= y and y + 12 <= place["rows"], size
        leaning = wide * math.cos(math.radians(50))
        assert place["right"] - 0.45 * side + leaning <= place["width"], size
        assert place["right"] + 40 <= place["width"], size  # the word "key"
        assert place["numbers"] <= place["width"], size


def test_cells_and_list_do_not_overlap(layouts):
    for size, place in layouts:
        assert 17 <= place["side"] <= 28, size  # a label of 14 px fits into its row
        fan = place["end"] - place["start"]  # of the lines
        assert 44 <= fan <= (130 if place["beside"] else 100), size
        # A name of the list, and then a number of 6 signs.
        assert place["numbers"] - place["end"] - 6 >= size["wideKey"] + 40, size
        if place["beside"]:
            assert place["start"] == place["right"], size
            assert place["rows"] == place["top"], size
        else:
            assert place["start"] == place["left"], size
            assert place["rows"] >= place["bottom"] + 26, size


def room_for_map(size, place):
    glance = size["glances"][place["glance"]] if place["glance"] >= 0 else 0
    return max(0, size["room"] - 16 - glance)


def test_list_stands_below_only_where_there_is_no_room(layouts):
    for size, place in layouts:
        room = room_for_map(size, place)
        least = size["wide"] + size["wideKey"] + 72 + size["nk"] * 17 + 44
        low = 1.2 if size["projector"] else 1
        assert place["beside"] == (least * low <= room), size
        if place["beside"]:  # and then no part has to be scrolled to
            assert (place["numbers"] + 4) * place["zoom"] <= room + 1e-9, size
    assert {place["beside"] for _, place in layouts} == {True, False}


def test_on_a_phone_numbers_and_scale_are_on_the_screen(layouts):
    """Where there is no room for them beside the map, nor for the whole map."""
    narrow = 0
    for size, place in layouts:
        room = room_for_map(size, place) / place["zoom"]
        if not place["beside"]:
            if size["wide"] + size["wideKey"] + 72 + 44 <= room:
                assert place["numbers"] + 4 <= room + 1e-9, size
                narrow += place["end"] - place["start"] < 100
            if 20 + 60 + 190 <= room:
                assert place["scale"][0] + place["scale"][2] + 190 <= room + 1e-9, size
    assert narrow


def test_heads_stand_beside_the_map_where_there_is_room(layouts):
    """As they are, or else turned; or else, beside a map that scrolls."""
    for size, place in layouts:
        low = 1.2 if size["projector"] else 1
        least = (size["wide"] + size["wideKey"] + 116 + size["nk"] * 17) * low
        fitting = [size["room"] - 16 - wide >= least for wide in size["glances"]]
        if any(fitting):
            assert place["glance"] == fitting.index(True), size
        elif place["glance"] >= 0:
            assert place["glance"] == len(fitting) - 1 and not place["beside"], size
            assert size["room"] - size["glances"][-1] >= 460 * low, size
        else:
            assert size["room"] - size["glances"][-1] < 460 * low, size
    assert {place["glance"] for _, place in layouts} == {-1, 0, 1}


def test_a_map_beside_the_heads_is_as_high_as_the_screen_leaves_or_scrolls(layouts):
    for size, place in layouts:
        if place["glance"] >= 0 and place["beside"] and size["nq"] >= size["nk"]:
            high = place["zoom"] * (place["height"] + 222)
            scrolls = place["side"] == 17 and place["zoom"] in (1, 1.2)
            assert high <= size["tall"] + 1e-9 or scrolls, size


def test_projector_size_enlarges_by_a_fifth_to_three_sevenths(layouts):
    zooms = {place["zoom"] for size, place in layouts if size["projector"]}
    assert 1.2 <= min(zooms) and max(zooms) == pytest.approx(20 / 14)
    assert len(zooms) > 2  # and by what just fits, in between
    assert {place["zoom"] for size, place in layouts if not size["projector"]} == {1}


def test_wide_pages_make_nothing_smaller(layouts):
    last = {}
    for size, place in layouts:  # from narrow to wide
        if place["beside"] and place["glance"] >= 0:
            key = str([size[name] for name in size if name != "room"])
            key += str(place["glance"])
            at = (place["zoom"], place["side"] * (not size["projector"]))
            assert at >= last.get(key, (0, 0)), size
            last[key] = at


@pytest.mark.parametrize("leftward", [False, True])
def test_under_a_point_is_the_cell_that_is_drawn_there(call, leftward):
    nq, nk = 5, 3
    size = {"nq": nq, "nk": nk, "wide": 50, "wideKey": 90, "glances": [0]}
    size |= {"tall": 647, "room": 900, "projector": False}
    place = call("layout", size)
    left, top, side = place["left"], place["top"], place["side"]
    maps = {"nq": nq, "nk": nk, "leftward": leftward}
    for i in range(nq):
        for j in range(nk):
            at = nk - 1 - j if leftward else j
            for part in (0, 0.99):
                x, y = left + (at + part) * side, top + (i + part) * side
                assert call("under", x, y, maps, place) == [i, j]
        assert call("under", left - 1, top + (i + 0.5) * side, maps, place) == [i, None]
    for x, y in (
        (place["right"] + 0.1, top + 1),
        (left + 1, top - 0.1),
        (left + 1, place["bottom"] + 0.1),
    ):
        assert call("under", x, y, maps, place) is None


# ---- what is looked at
@pytest.mark.parametrize(
    "asked, chosen",
    [
        ((0, 0, -1, 0), (0, 0, -1, 0)),
        ((1, 2, 0, 3), (1, 2, 0, 3)),
        ((2, 3, 1, 3), (1, 2, 1, 3)),  # the last layer and head
        ((-1, -5, -9, -1), (0, 0, -1, 2)),  # the word that is worth seeing, below
        ((99, 1, 99, 99), (1, 1, 2, 1)),
        ((0, 2, 2, 0), (0, 2, -1, 0)),  # not compared with itself
    ],
)
def test_choice_is_among_what_there_is(call, asked, chosen):
    names = ("layer", "head", "compare", "word")
    weights = np.zeros((2, 3, 4, 4))
    weights[..., 0], weights[0, 0, 1, 1], weights[0, 0, 2, 1] = 0.5, 0.5, 0.4
    weights[1, 2, 1, 2], weights[1, 2, 3, 3] = 0.1, 0.5
    words = ["<s>", "a", "b", "c"]
    maps = {"numLayers": 2, "numHeads": 3, "nq": 4, "nk": 4, "words": words}
    maps |= {"keys": words, "weights": weights.ravel().tolist(), "first": [0, 0]}
    assert call("choose", dict(zip(names, asked)), maps) == dict(zip(names, chosen))


def test_a_word_is_found_again_in_another_sentence(call):
    maps = {"words": ["the", "cat", "the", "mat"]}
    assert call("placeOf", "the", 2, maps) == 2
    assert call("placeOf", "the", 3, maps) == 0
    assert call("placeOf", "dog", 1, maps) == -1


READ = """([picture, bytes, before]) => {
    const buffer = Uint8Array.from([...Array(before).fill(255), ...bytes, 255]).buffer;
    const weights = new DataView(buffer, before, bytes.length);
    const maps = explorer.readPicture({ ...picture, weights });
    return { ...maps, weights: [...maps.weights] };
}"""
PICTURE = {
    "number": 3,
    "inputs": {"sentence": "a b"},
    "error": "",
    "note": "new \0 word",
    "shape": [1, 2, 2, 2],
    "tokens": ["a\u202e", "b"],
    "keys": ["c", "d\x1b"],
    "groups": 1,
    "head_names": ["<i>one</i>", "two\x1b"],
}


@pytest.fixture(scope="module")
def read(page):
    """Return a function that calls `readPicture` with weights from amid a message."""
    weights = np.arange(8, dtype="<f4") / 8
    return lambda **changes: page.evaluate(
        READ, [PICTURE | changes, list(weights.tobytes()), 3]
    )


def test_picture_is_read(read):
    maps = read()
    assert maps["weights"] == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]
    assert [maps["numLayers"], maps["numHeads"]] == [1, 2]
    assert [maps["nq"], maps["nk"], maps["inGroup"]] == [2, 2, 2]
    assert maps["words"] == ["a\ufffd", "b"] and maps["number"] == 3
    assert maps["keys"] == ["c", "d\ufffd"]
    assert maps["headNames"] == ["<i>one</i>", "two\ufffd"]
    assert (maps["message"], maps["isError"]) == ("new \ufffd word", False)
    assert maps["inputs"] == {"sentence": "a b"}


WINDOW = {"rows": 64, "columns": 0, "side": 64, "total": [100, 512]}


def test_a_window_says_what_it_costs_and_what_is_shown(read):
    assert read()["first"] == [0, 0]
    maps = read(window=WINDOW, note="", inputs={"sentence": "a", "rows": 64})
    assert maps["first"] == [64, 0]
    assert maps["message"] == (
        "These 2 maps of 100 × 512 words are 0.4 MB. Shown are rows 65–100 and columns "
        "1–64; choose others beside the sentence."
    )
    # A page without Python has no others.
    maps = read(window=WINDOW, shape=[1, 1, 2, 2], note="A note.")
    assert maps["message"].startswith("A note. This map of 100 × 512 words is 0.2 MB.")
    assert maps["message"].endswith("columns 1–64.")
    for error in ("No", "No."):
        said = read(window=WINDOW, error=error)["message"]
        assert said == "No. The last picture stays."


def test_an_error_is_read_before_a_note(read):
    maps = read(error="No \0 word.")
    assert maps["message"] == "No \ufffd word. The last picture stays."
    assert maps["isError"] is True


@pytest.mark.parametrize(
    "words, leftward",
    [
        (["cat", "שלום"], False),
        (["שלום", "cat"], True),
        (["123", "…", "قط"], True),
        (["ܫܠܡܐ", "x"], True),
        (["ދިވެހި", "x"], True),
        (["1", "2"], False),
        (["猫", "שלום"], False),
        (["<s>", "שלום", "cat"], True),
        (["[CLS]", "قط", "[SEP]"], True),
        (["[CLS]", "cat", "שלום", "[SEP]"], False),
        (["<s>"], False),
    ],
)
def test_the_first_letter_says_where_the_columns_run(read, words, leftward):
    assert read(keys=words)["leftward"] is leftward


def test_a_head_that_rests_names_one_that_does_not(call):
    weights = np.zeros((1, 3, 3, 3))
    weights[..., 0] = 1  # all look at the start
    maps = {"numLayers": 1, "numHeads": 3, "nq": 3, "nk": 3, "first": [0, 0]}
    maps |= {"words": ["<s>", "a", "b"], "keys": ["<s>", "a", "b"]}
    maps["headNames"] = ["x", "y", "z"]

    def rests(head, compare=-1):
        choice = {"layer": 0, "head": head, "compare": compare, "word": 1}
        scene = {"maps": maps | {"weights": weights.ravel().tolist()}, "choice": choice}
        return call("sayResting", scene)

    assert rests(0) == ""  # as all the others
    weights[0, 1, 2, :2] = [0.9, 0.1]
    weights[0, 2, 2, :2] = [0.2, 0.8]
    said = (
        " Here the words of this head hardly look at others; head 3 z has more to see."
    )
    assert rests(0) == said
    assert rests(1) == said
    assert rests(2) == rests(0, compare=1) == ""
    weights[0, 1, 2, :2] = [0.22, 0.78]
    assert rests(0) == said.replace("3 z", "2 y")  # about as much: the first


def test_what_is_shown_of_another_sentence(call):
    weights = np.zeros((1, 3, 4, 4))
    weights[..., 0] = 1  # all look at the start
    weights[0, 1, 2, :2] = weights[0, 2, 3, :2] = [0.1, 0.9]
    words = ["<s>", "a", "b", "."]
    maps = {"numLayers": 1, "numHeads": 3, "nq": 4, "nk": 4, "first": [0, 0]}
    maps |= {"words": words, "keys": words, "weights": weights.ravel().tolist()}

    def look(**asked):
        asked = {"layer": 0, "head": 0, "compare": -1, "word": 2} | asked
        shown = call("lookFor", asked, maps)
        assert {**asked, **shown} == shown
        return shown["head"], shown["word"]

    assert look() == (1, 2)  # what gives most in head 2 is a comma
    assert look(word=1) == look(word=-1) == (1, -1)  # a word that looks at none
    assert look(head=1, word=1) == (1, 1) and look(compare=2) == (0, 2)
    assert look(head=2) == (1, 2)


# ---- in words
def said(
    call,
    weights,
    *,
    cell=None,
    names=(),
    keys=("the", "cat", "sat"),
    layers=1,
    view=None,
    window=None,
    **choice,
):
    """Let the explorer say a row of two heads' maps of three words."""
    maps = {
        "numLayers": layers,
        "numHeads": 2,
        "nq": 3,
        "nk": 3,
        "words": ["the", "cat", "sat"],
        "keys": list(keys),
        "weights": weights,
        "window": window,
        "headNames": list(names),
        "leftward": False,
    }
    choice = {"layer": 0, "head": 0, "compare": -1, "word": 2} | choice
    view = {"byKey": False, "key": -1, "all": False, "hidden": []} | (view or {})
    text = call("sayLine", {"maps": maps, "choice": choice, "view": view, "cell": cell})
    return text.replace("\u2068", "").replace("\u2069", "")


ONE = [1, 0, 0, 0.25, 0.75, 0, 0.2, 0.797, 0.003]
TWO = [1, 0, 0, 0.5, 0.5, 0, 0.6, 0.398, 0.002]


def test_a_row_is_told_from_its_largest_share_on(call):
    # A share below half a percent is not told, but the largest always is.
    gives = "Head 1: “sat” gives 0.80 of its attention to “cat”, 0.20 to “the”."
    assert said(call, ONE + TWO) == gives
    assert said(call, ONE + TWO, word=0, head=1, names=["a", "b"]) == (
        "Head 2 b: “the” gives 1.00 of its attention to “the”."
    )
    assert said(call, [0] * 18) == "Head 1: “sat” gives 0.00 of its attention to “the”."
    assert said(call, (ONE + TWO) * 2, layers=2, layer=1).startswith("Layer 2, head 1:")


def test_what_is_looked_at_is_named_by_the_keys(call):
    keys = ["die", "Katze", "saß"]
    assert said(call, ONE + TWO, keys=keys) == (
        "Head 1: “sat” gives 0.80 of its attention to “Katze”, 0.20 to “die”."
    )
    assert said(call, ONE + TWO, keys=keys, cell=[1, 0]) == (
        "Head 1: “cat” gives 0.250 of its attention to “die”."
    )


def test_a_window_says_how_much_it_hides(call):
    hidden = (
        " of its attention to “cat”, 0.10 to “the”, 0.50 to words that are not shown."
    )
    weights = [1, 0, 0, 1, 0, 0, 0.1, 0.4, 0] + TWO
    assert said(call, weights, window=WINDOW) == f"Head 1: “sat” gives 0.40{hidden}"
    assert "not shown" not in said(call, weights)
    assert "not shown" not in said(call, weights, window=WINDOW, word=1)
    assert "not shown" not in said(call, weights, window=WINDOW, cell=[2, 0])
    column = {"byKey": True, "key": 2}
    assert "not shown" not in said(call, weights, window=WINDOW, view=column)


def test_a_cell_is_told_to_three_places(call):
    assert said(call, ONE + TWO, cell=[1, 0]) == (
        "Head 1: “cat” gives 0.250 of its attention to “the”."
    )


def test_a_difference_is_told_with_its_sign(call):
    assert said(call, ONE + TWO, compare=1) == (
        "“sat”: head 1 minus head 2 is -0.40 to “the”, 0.40 to “cat”."
    )
    assert said(call, ONE + ONE, compare=1) == (
        "“sat”: head 1 minus head 2 is 0.00 everywhere."
    )
    assert said(call, ONE + ONE, compare=1, cell=[2, 0]).endswith("0.000 to “the”.")
    assert said(call, ONE + TWO, head=1, compare=0, cell=[2, 0], names=["x", "y"]) == (
        "“sat”: head 2 y minus head 1 x is 0.400 to “the”."
    )


def test_a_column_is_told_by_who_looks(call):
    column = {"byKey": True, "key": 0}
    assert said(call, ONE + TWO, view=column) == (
        "Head 1: “the” gets 1.00 of the attention of “the”, 0.25 of “cat”, "
        "0.20 of “sat”."
    )
    assert said(call, ONE + TWO, view=column, compare=1) == (
        "“the”: head 1 minus head 2 is -0.40 from “sat”, -0.25 from “cat”."
    )
    assert said(call, ONE + TWO, view=column | {"key": 2}) == (
        "Head 1: no word looks at “sat”."
    )
    # The word under the pointer in the text, and a cell, which is told as in a row.
    keys = ["die", "Katze", "saß"]
    assert said(call, ONE + TWO, view=column, cell=[None, 1], keys=keys) == (
        "Head 1: “Katze” gets 0.80 of the attention of “sat”, 0.75 of “cat”."
    )
    assert said(call, ONE + TWO, view=column, cell=[1, 0], keys=keys) == (
        "Head 1: “cat” gives 0.250 of its attention to “die”."
    )


def test_all_heads_are_told_by_their_largest_share(call):
    every = {"all": True}
    assert said(call, ONE + TWO, view=every, names=["a", "b"]) == (
        "All heads, “sat”: 1 a gives 0.80 to “cat”, 2 b gives 0.60 to “the”."
    )
    assert said(
        call, (ONE + TWO) * 2, view=every, layers=2, layer=1, cell=[1, None]
    ) == ("Layer 2, all heads, “cat”: 1 gives 0.75 to “cat”, 2 gives 0.50 to “the”.")
    column = every | {"byKey": True, "key": 1, "hidden": [0]}
    assert said(call, ONE + TWO, view=column) == (
        "All heads, “cat”: 2 gets 0.50 from “cat”."
    )
    none = every | {"hidden": [0, 1]}
    assert said(call, ONE + TWO, view=none) == "All heads, “sat”: none is drawn."
    single = said(call, ONE + TWO, view=every, cell=[1, 0])
    assert single == "Head 1: “cat” gives 0.250 of its attention to “the”."
    assert "minus" in said(call, ONE + TWO, view=every, compare=1)


# ---- why
def sent(source, sentence, **options):
    """Return an explorer's maps and what the page would read of it, as JSON."""
    maps = source(sentence, **options)
    picture = Explorer(lambda _: maps, sentence).picture
    numbers = lambda name: np.frombuffer(picture["why"][name], "<f4").tolist()  # noqa: E731
    layers, heads, nq, nk = maps.weights.shape
    sizes = {"numLayers": layers, "numHeads": heads, "nq": nq, "nk": nk}
    why = {name: numbers(name) for name in ("queries", "keys")}
    why["names"] = picture["why"]["names"]
    weights = np.frombuffer(picture["weights"], "<f4").tolist()
    words = {"words": maps.tokens, "keys": maps.keys, "headNames": []}
    return maps, sizes | words | {"weights": weights, "why": why}


def generated(sentence):
    """Give two layers of three heads of random words that look into other words."""
    rng = np.random.default_rng(len(sentence))
    nq, nk = len(asks := sentence.split()), len(asked := sentence.split()[::2])
    queries = rng.normal(size=(2, 3, nq, 6)) * 3
    keys = rng.normal(size=(2, 3, nk, 6)) * 3
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(6)
    scores[:, :, 0, 1:] = -np.inf  # a mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    names = ["a", "b", "a", "<i>c</i>", "d", "e"]  # two columns of one name
    return AttentionMaps(asks, weights, keys=asked, why=(queries, keys, names))


WORDS = "the a old cats dog sat it slept because was on mat wug they them".split()
SENTENCES = [
    " ".join(np.random.default_rng(seed).choice(WORDS, 3 + seed)) for seed in range(8)
]


@pytest.mark.parametrize("temperature", [0.1, 1.0, 4.0, None])
def test_parts_give_the_score_and_it_gives_the_weights(page, temperature):
    source, options = attend, {"temperature": temperature}
    if temperature is None:
        source, options = generated, {}
    for sentence in SENTENCES:
        maps, read = sent(source, sentence, **options)
        layers, heads, nq, nk = maps.weights.shape
        parts = page.evaluate(
            """([maps, layers, heads]) => [...Array(layers).keys()].map((layer) =>
                [...Array(heads).keys()].map((head) => maps.words.map((_, i) =>
                    maps.keys.map((_, j) =>
                        explorer.partsOf(maps, { layer, head }, i, j)))))""",
            [read, layers, heads],
        )
        for layer in range(layers):
            for head in range(heads):
                own = parts[layer][head]
                assert set(own[0][0]) == set(maps.why[2][head])
                scores = np.array([[sum(p.values()) for p in row] for row in own])
                weights = maps.weights[layer, head]
                scores[weights == 0] = -np.inf
                powers = np.exp(scores - scores.max(-1, keepdims=True))
                shares = powers / powers.sum(-1, keepdims=True)
                np.testing.assert_allclose(shares, weights, atol=0.0005)


def why(call, read, i, j, **choice):
    """Let the explorer say why one word looks at another."""
    view = {"byKey": False, "key": j, "all": False, "hidden": []}
    choice = {"layer": 0, "head": 0, "compare": -1, "word": i} | choice
    text = call("sayWhy", {"maps": read, "choice": choice, "view": view})
    return text.replace("\u2068", "").replace("\u2069", "")


def test_why_sat_looks_at_cat(call):
    _, read = sent(attend, "The cat sat on the mat")
    assert why(call, read, 3, 2) == (
        "Why “sat” → “cat”: q·k/√8 = 35.4 subject + 10.6 singular + 10.6 alive "
        "− 1.77 nearness = 54.8; e^54.8 / row's sum = 1.000"
    )
    assert why(call, read, 3, -1) == why(call, read, 3, 2)  # that is most of the row
    assert why(call, read, 3, 6) == (
        "Why “sat” → “mat” is 0: the mask hides this word. Its score does not count."
    )
    assert why(call, read, 3, 3).startswith("Why “sat” → “sat”: q·k/√8 = −35.4 subject")
    assert why(call, read, 0, 0).endswith("; e^141 / row's sum = 1.000")


def test_why_tells_the_largest_parts_and_adds_up_the_rest(call):
    sentence = "a b c d e f g"
    maps, read = sent(generated, sentence)
    queries, keys, (names, *_) = maps.why
    for layer, head, i, j in ((0, 0, 2, 1), (1, 2, 6, 3), (1, 0, 1, 0)):
        said = why(call, read, i, j, layer=layer, head=head)
        parts = {}
        for name, q, k in zip(names, queries[layer, head, i], keys[layer, head, j]):
            parts[name] = parts.get(name, 0) + q * k / np.sqrt(6)
        order = sorted(parts, key=lambda name: -abs(parts[name]))
        terms = [(parts[name], name) for name in order[:4]]
        terms.append((sum(parts[name] for name in order[4:]), "of 1 more"))
        shown, total = (
            said.replace("−", "-").split(": ")[1].split("; ")[0].split(" = ")[1:]
        )
        found = re.findall(r"([+-]? ?[\d.]+) (of 1 more|\S+)", shown)
        assert [name for _, name in found] == [name for _, name in terms]
        numbers = [float(number.replace(" ", "")) for number, _ in found]
        np.testing.assert_allclose(numbers, [part for part, _ in terms], atol=0.051)
        assert float(total) == pytest.approx(sum(parts.values()), abs=0.051)
        weight = maps.weights[layer, head, i, j]
        assert said.endswith(f"/ row's sum = {weight:.3f}")


@pytest.mark.parametrize(
    "value, places, text",
    [
        (0.12345, 3, "0.123"),
        (-0.0004, 3, "0.000"),  # no minus before nothing
        (-0.0006, 3, "-0.001"),
        (1, 2, "1.00"),
    ],
)
def test_digits(call, value, places, text):
    assert call("digits", value, places) == text
