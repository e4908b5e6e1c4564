"""The explorer's part in the kernel; tests/test_explorer_page.py looks at the page."""

import base64
import functools
import html
import json
import re

import ipywidgets
import numpy as np
import pytest

from mha_utils.explorer import Explorer
from mha_utils.heatmaps import HEAD_COLORS
from mha_utils.maps import AttentionMaps
from mha_utils.sentences import attend

SENTENCE = "The cat sat on the mat because it was tired"


def uniform(sentence):
    """Give 8 heads that attend to all words alike, and one word per character."""
    if "crash" in sentence:
        raise RuntimeError("<b>broken</b>")
    n = len(sentence)
    return AttentionMaps(list(sentence), np.full((8, n, n), 1 / n))


def drawn(explorer):
    """Return the weights that the page has."""
    weights = np.frombuffer(explorer.picture["weights"], "<f4")
    return weights.reshape(explorer.picture["shape"])


def agrees(explorer, maps):
    """Whether the page has these maps, and no message of an error."""
    return (
        explorer.picture["tokens"] == maps.tokens
        and explorer.picture["keys"] == maps.keys
        and explorer.picture["error"] == ""
        and np.array_equal(drawn(explorer), maps.weights.astype("f4"))
    )


@pytest.fixture
def messages(monkeypatch):
    """Return the list of names and sizes of all that is sent to the page."""
    sent = []
    send = ipywidgets.Widget.send_state

    def listen(self, key=None):
        if isinstance(self, Explorer):
            sent.append(key if isinstance(key, str) else set(key))
        send(self, key)

    monkeypatch.setattr(ipywidgets.Widget, "send_state", listen)
    return sent


def test_first_picture():
    explorer = Explorer(attend, SENTENCE, head=1, word=8, compare=2)
    assert agrees(explorer, attend(SENTENCE))
    assert explorer.picture["head_names"] == ["subject", "referent", "word before"]
    chosen = (explorer.layer, explorer.head, explorer.word, explorer.compare)
    assert chosen == (0, 1, 8, 2)


def test_colors_are_those_of_the_figures():
    colors = Explorer(attend).colors
    assert colors["heads"] == list(HEAD_COLORS)
    assert len(colors["weights"]) == len(colors["difference"]) == 3 * 256


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("sentence", ["tree", SENTENCE, "The wug slept", "猫 坐"])
def test_every_control_from_end_to_end(sentence, causal, temperature):
    explorer = Explorer(attend, SENTENCE)
    explorer.sentence = sentence
    explorer.causal = causal
    explorer.temperature = temperature
    assert agrees(explorer, attend(sentence, causal=causal, temperature=temperature))


def test_note_of_the_source_is_sent():
    explorer = Explorer(attend, "The wug slept")
    assert "wug" in explorer.picture["note"]
    explorer.sentence = "The cat slept"
    assert explorer.picture["note"] == ""


@pytest.mark.parametrize(
    "source, causal, temperature, special",
    [
        (attend, True, 1.0, None),
        (uniform, None, None, None),
        (functools.partial(attend, causal=False), False, 1.0, None),
        (functools.partial(attend, temperature=2), True, 2.0, None),
        (lambda text, temperature=0.5: uniform(text), None, 0.5, None),
        (lambda text, causal=None: uniform(text), None, None, None),
        (lambda text, special=True: uniform(text), None, None, True),
        (lambda text, special=False: uniform(text), None, None, False),
    ],
)
def test_controls_are_those_of_the_source(source, causal, temperature, special):
    explorer = Explorer(source)
    assert explorer.causal is causal
    assert explorer.special is special
    assert explorer.temperature == temperature


def test_an_error_keeps_the_last_picture():
    explorer = Explorer(attend, SENTENCE)
    explorer.sentence = ""
    assert explorer.picture["error"] == (
        "There is no word in this sentence. Type at least one."
    )
    assert explorer.picture["inputs"]["sentence"] == ""
    assert explorer.picture["tokens"] == attend(SENTENCE).tokens
    assert np.array_equal(drawn(explorer), attend(SENTENCE).weights.astype("f4"))
    explorer.temperature = -1.0
    assert "There is no word" in explorer.picture["error"]
    explorer.sentence = SENTENCE
    assert "temperature is -1.0" in explorer.picture["error"]
    explorer.temperature = 2.0
    assert agrees(explorer, attend(SENTENCE, temperature=2))


def test_an_exception_in_the_source_is_shown():
    explorer = Explorer(uniform, "fine")
    explorer.sentence = "crash"
    assert explorer.picture["error"] == "attend failed: RuntimeError: <b>broken</b>"
    explorer.sentence = "x" * 101
    assert "101 words" in explorer.picture["error"]
    explorer.sentence = "x" * 100
    assert agrees(explorer, uniform("x" * 100))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_without_a_message_is_shown_too(error):
    def source(sentence):
        if sentence == "stop":
            raise error
        return uniform(sentence)

    explorer = Explorer(source, "go")
    explorer.sentence = "stop"
    assert explorer.picture["error"].startswith(f"attend failed: {error.__name__}")


def test_a_source_that_returns_no_maps_is_named():
    with pytest.raises(ValueError, match="^attend returned tuple; the explorer needs"):
        Explorer(lambda sentence: (["a"], np.ones((1, 1, 1))))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"head": 3}, "head is 3; it must be from 0 to 2"),
        ({"head": -1}, "head is -1"),
        ({"layer": 1}, "layer is 1; it must be from 0 to 0"),
        ({"word": 11}, "word is 11; it must be from -1 to 10"),
        ({"compare": 3}, "compare is 3; it must be from -1 to 2"),
        ({"max_words": 10}, "11 words; the explorer draws at most 10"),
    ],
)
def test_bad_arguments_are_named_and_leave_no_widget(options, message):
    before = len(ipywidgets.widgets.widget._instances)
    with pytest.raises(ValueError, match=message):
        Explorer(attend, SENTENCE, **options)
    with pytest.raises(ValueError, match="no word"):
        Explorer(attend, "")
    assert len(ipywidgets.widgets.widget._instances) == before


def test_more_heads_than_a_page_can_show_are_refused():
    """What the message advises is drawn."""
    tokens, weights = ["a"] * 3, np.full((2, 2001, 3, 3), 1 / 3, np.float32)
    with pytest.raises(ValueError, match="4002 heads; the explorer shows at most 2000"):
        Explorer(lambda _: AttentionMaps(tokens, weights))
    with pytest.raises(ValueError, match=r"maps.weights\[layer, :2000\]"):
        Explorer(lambda _: AttentionMaps(tokens, weights))
    few = AttentionMaps(tokens, weights[1, :2000])
    assert Explorer(lambda _: few).picture["shape"] == [1, 2000, 3, 3]
    with pytest.raises(ValueError, match=r"maps.weights\[layer\]"):
        Explorer(lambda _: AttentionMaps(tokens, weights[:, :1500]))


# ---- windows of large maps
@functools.cache
def large(layers, heads, n_q, n_k=None):
    """Give maps in which no two windows are alike."""
    n_k = n_k or n_q
    weights = np.random.default_rng(0).random((layers, heads, n_q, n_k), np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    asks, asked = ([f"{w}{i}" for i in range(n)] for w, n in (("q", n_q), ("k", n_k)))
    return AttentionMaps(asks, weights, keys=asked if n_k != n_q else asks)


def shows(explorer, maps, rows, columns, side):
    """Whether the page has this window of the maps, and nothing else."""
    i, j = slice(rows, rows + side), slice(columns, columns + side)
    picture, window = explorer.picture, {"rows": rows, "columns": columns}
    window |= {"side": side, "total": list(maps.weights.shape[2:])}
    return (
        picture["window"] == window
        and {"rows": rows, "columns": columns}.items() <= picture["inputs"].items()
        and (explorer.rows, explorer.columns) == (rows, columns)
        and (picture["tokens"], picture["keys"]) == (maps.tokens[i], maps.keys[j])
        and np.array_equal(drawn(explorer), maps.weights[..., i, j])
    )


@pytest.mark.parametrize(
    ("layers", "heads", "n_q", "n_k", "side"),
    [
        (12, 12, 512, None, 64),
        (12, 12, 118, None, 64),
        (1, 1, 101, None, 64),
        (1, 3, 1, 2048, 64),
        (1, 3, 2048, 1, 64),
        (40, 50, 40, None, 31),  # few words, but so many heads
    ],
)
def test_of_large_maps_a_window_is_sent(layers, heads, n_q, n_k, side):
    maps = large(layers, heads, n_q, n_k)
    explorer = Explorer(lambda _: maps, "a", max_words=3000)
    assert shows(explorer, maps, 0, 0, side)
    assert len(explorer.picture["weights"]) <= 8_000_000
    last = (maps.weights.shape[2] - 1) // side * side
    explorer.rows = last
    assert shows(explorer, maps, last, 0, side)
    for hostile in (10**9, last + 1):  # inside, or as far as there are words
        explorer.columns = hostile
        column = min(hostile, maps.weights.shape[3] - 1) // side * side
        assert shows(explorer, maps, last, column, side)
    explorer.rows = explorer.columns = -(10**9)
    assert shows(explorer, maps, 0, 0, side)


def test_a_source_is_asked_once_for_all_windows(messages):
    asked = []

    def source(sentence, causal=True):
        asked.append((sentence, causal))
        return large(2, 2, 150) if sentence == "long" else uniform(sentence)

    explorer = Explorer(source, "long", max_words=200, word=130)
    assert shows(explorer, large(2, 2, 150), 128, 0, 64)  # where the word is
    assert explorer.initial["rows"] == 128
    messages.clear()
    explorer.columns = 64
    assert messages.count("picture") == 1
    assert shows(explorer, large(2, 2, 150), 128, 64, 64)
    assert asked == [("long", True)]
    explorer.refresh()  # unless it has changed
    assert asked == [("long", True)] * 2
    assert shows(explorer, large(2, 2, 150), 128, 64, 64)
    explorer.causal = False
    assert asked[2:] == [("long", False)]
    explorer.sentence = "short"
    assert explorer.picture["window"] is None and agrees(explorer, uniform("short"))
    assert (explorer.rows, explorer.columns) == (0, 0)
    assert "rows" not in explorer.picture["inputs"]
    explorer.rows = 64  # there is no such window, and none is asked for
    assert asked[3:] == [("short", False)] and agrees(explorer, uniform("short"))
    explorer.shown = False
    explorer.shown = True
    assert asked[4:] == [("short", False)]  # nothing was kept while nobody looked


def test_up_to_100_words_are_sent_whole_with_their_reasons():
    sentence = "cat " * 99
    explorer = Explorer(attend, sentence, max_words=200)
    assert agrees(explorer, attend(sentence)) and explorer.picture["why"]
    explorer.sentence = sentence + "cat"
    assert explorer.picture["window"]["total"] == [101, 101]
    assert explorer.picture["why"] is None  # a window does not know the row's sum


def test_a_text_too_long_to_be_a_sentence_never_reaches_the_source():
    """Ten thousand signs can be ten thousand words, and their maps gigabytes."""
    asked = []

    def source(sentence):
        asked.append(sentence)
        return attend("The cat")

    explorer = Explorer(source, "a" * 3000)
    explorer.sentence = "☕" * 3001
    assert asked == ["a" * 3000]
    said = "This sentence has 3001 letters and signs; the explorer reads at most 3000."
    assert explorer.picture["error"] == said


def test_one_message_for_each_change(messages):
    explorer = Explorer(attend, SENTENCE)
    messages.clear()
    explorer.sentence = "The dog slept"
    assert messages.count("picture") == 1
    messages.clear()
    # Several at once, as the page sends them on a reset.
    explorer.set_state({"sentence": "A cat", "causal": False, "temperature": 2.0})
    pictures = [keys for keys in messages if "picture" in keys]
    assert len(pictures) == 1
    assert agrees(explorer, attend("A cat", causal=False, temperature=2.0))
    messages.clear()
    explorer.set_state({"head": 2, "word": 1})
    assert not any("picture" in keys for keys in messages)


def test_what_is_sent_is_small():
    explorer = Explorer(uniform, "twelve words")
    assert explorer.picture["shape"] == [1, 8, 12, 12]
    assert len(explorer.picture["weights"]) == 4 * 8 * 12 * 12
    rest = {k: v for k, v in explorer.picture.items() if k != "weights"}
    assert len(explorer.picture["weights"]) + len(str(rest)) < 10_000


def test_what_makes_the_scores_is_sent_where_a_source_gives_it():
    assert Explorer(uniform, "none").picture["why"] is None
    explorer = Explorer(attend, "The cat sat")
    why = explorer.picture["why"]
    maps = attend("The cat sat")
    for name, given in zip(("queries", "keys"), maps.why):
        sent = np.frombuffer(why[name], "<f4").reshape(1, 3, 4, 8)
        np.testing.assert_array_equal(sent, given.astype("f4"))
    assert why["names"] == [list(own) for own in maps.why[2]]
    explorer.shown = False
    assert explorer.picture["why"] is None


def test_halves_of_surrogate_pairs_are_replaced():
    explorer = Explorer(attend, "cat \ud800")
    assert explorer.sentence == explorer.initial["sentence"] == "cat \ufffd"
    explorer.sentence = "\udc00 dog"
    assert explorer.sentence == "\ufffd dog"
    explorer.picture["inputs"]["sentence"].encode()


def test_maps_are_freed_while_nobody_looks():
    calls = []

    def source(sentence):
        calls.append(sentence)
        return uniform(sentence)

    explorer = Explorer(source, "first")
    explorer.shown = False  # as the page says when the cell's output is gone
    assert explorer.picture["weights"] == b""
    explorer.sentence = "second"
    assert calls == ["first"]
    explorer.shown = True
    assert calls == ["first", "second"]
    assert agrees(explorer, uniform("second"))


def test_repr_is_the_same_in_every_run():
    text = f"Explorer of {SENTENCE!r}; it needs a running kernel"
    explorer = Explorer(attend, SENTENCE)
    explorer.sentence = "another"
    assert repr(explorer) == text
    data = explorer._repr_mimebundle_()
    assert (data[0] if isinstance(data, tuple) else data)["text/plain"] == text


# ---- a page without Python; tests/test_alone.py opens it
def test_a_saved_page_has_the_first_window(tmp_path):
    explorer = Explorer(lambda _: large(2, 2, 150), "long", max_words=200, word=130)
    explorer.columns = 64
    data, _ = saved(explorer, tmp_path / "page.html")
    (picture,) = data["pictures"]
    assert picture["window"] | {"side": 64} == {
        **{"rows": 128, "columns": 0, "side": 64, "total": [150, 150]}
    }
    assert picture["inputs"] == {"sentence": "long"}  # the page cannot ask for others
    assert data["state"]["word"] == data["state"]["initial"]["word"] == 130
    assert "rows" not in data["state"]["initial"]


def saved(explorer, path):
    """Return what a saved page has as data, and all else that is in it."""
    explorer.save_html(path)
    data = re.compile(r'(?<=<script type="application/json">).*?(?=</script>)', re.S)
    page = path.read_text(encoding="utf-8")
    (text,) = data.findall(page)
    return json.loads(text), data.sub("", page)


def test_a_page_has_the_maps_of_all_examples_to_the_last_digit(tmp_path):
    others = ["The dog slept", "", "The wug slept", "The\ncat"]
    explorer = Explorer(attend, SENTENCE, examples=others, head=1)
    explorer.sentence, explorer.causal, explorer.head = "A tree", False, 2
    data, _ = saved(explorer, tmp_path / "page.html")
    lines = [SENTENCE, *others[:3], "The cat"]  # the box of the page has one line
    chosen = {"sentence": SENTENCE, "layer": 0, "head": 1, "word": -1, "compare": -1}
    state = data["state"]
    assert state["initial"] == chosen == {name: state[name] for name in chosen}
    assert state["examples"] == lines
    assert [picture["inputs"] for picture in data["pictures"]] == [
        {"sentence": line} for line in lines
    ]
    assert "no word" in data["pictures"].pop(2)["error"]
    lines.remove("")
    for line, picture in zip(lines, data["pictures"], strict=True):
        maps = attend(line)
        weights = base64.b64decode(picture["weights"]["base64"])
        assert weights == maps.weights.astype("<f4").tobytes()
        assert picture["tokens"] == maps.tokens and picture["note"] == maps.note
        assert picture["shape"] == list(maps.weights.shape)
    colors = base64.b64decode(state["colors"]["weights"]["base64"])
    assert colors == explorer.colors["weights"]


def test_a_page_of_ten_examples_is_small(tmp_path):
    def source(sentence):
        n = len(tokens := sentence.split())
        weights = np.random.default_rng(n).dirichlet(np.ones(n), (8, n))
        return AttentionMaps(tokens, weights)

    words = [f"word{i}" for i in range(12)]
    examples = [" ".join(words[i:] + words[:i]) for i in range(1, 11)]
    explorer = Explorer(source, " ".join(words), examples=examples)
    explorer.save_html(tmp_path / "page.html")
    assert explorer.picture["shape"] == [1, 8, 12, 12]
    assert (tmp_path / "page.html").stat().st_size <= 150_000


@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>hacked()</script>",
        "<!-- <script>",
        "</title><img src=x onerror=hacked()>",
        "{title} {0} %s \\u003c",
        "\ud800 \0 \u2028",
    ],
)
def test_what_is_written_into_a_page_is_data(tmp_path, hostile):
    def source(sentence):
        return AttentionMaps([hostile], np.ones((1, 1, 1)), [hostile], hostile)

    plain, rest = saved(Explorer(uniform, "a"), tmp_path / "plain.html")
    data, page = saved(Explorer(source, hostile), tmp_path / "page.html")
    (picture,) = data["pictures"]
    assert picture["tokens"] == picture["head_names"] == [hostile]
    assert picture["note"] == hostile
    said = data["state"]["sentence"]
    assert page == rest.replace("<title>a<", f"<title>{html.escape(said)}<")


def test_a_source_that_has_no_maps_left_writes_no_page(tmp_path):
    known = ["cat"]

    def source(sentence):
        if sentence not in known:
            raise ValueError(f"{sentence} is not known")
        return uniform(sentence)

    explorer = Explorer(source, "cat", examples=["dog"])
    explorer.save_html(tmp_path / "page.html")  # an example may have none
    known.clear()
    with pytest.raises(ValueError, match="cat is not known"):
        explorer.save_html(tmp_path / "other.html")
    assert not (tmp_path / "other.html").exists()


def test_numbers_of_numpy_are_written_too(tmp_path):
    def source(sentence):
        maps = np.full((4, 2, 2), 0.5)
        return AttentionMaps(["a", "b"], maps, num_kv_heads=np.int64(2))

    data, _ = saved(Explorer(source), tmp_path / "page.html")
    assert data["pictures"][0]["groups"] == 2
