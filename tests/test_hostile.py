"""Anything typed, any array, any checkpoint: a right answer or a clear message.

`pytest --hypothesis-profile=many tests/test_hostile.py` tries twenty times as much.
"""

import json
import warnings
from functools import partial

import numpy as np
import pytest
from host import Host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tiny_bert import CONFIG, random_tensors, safetensors, tokenizer_json

from mha_utils import (
    MultiHeadAttention,
    causal_mask,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from mha_utils.explorer import Explorer
from mha_utils.pretrained import PretrainedModel
from mha_utils.pretrained.checkpoint import read_checkpoint
from mha_utils.sentences import AttentionMaps, attend

patient = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# ---- anything typed into the real explorer in the real browser
def spaced(sentence):
    """Look from every word, cut at spaces alone, at all words alike."""
    n = len(tokens := sentence.split(" "))
    if n > 100:
        raise ValueError(f"has {n} words")
    return AttentionMaps(tokens, np.full((1, 2, n, n), 1 / n))


PIECES = (
    "<img src=x onerror=window.hacked=1>", "</text><script>window.hacked=1</script>",
    "&lt;b&gt;", '" onload="window.hacked=1', r"$\frac{", "**b**", "[a](javascript:1)",
    "\x1b[31m", "\0", "\u202e\u202d", "\u2066\u2069", "\u200b\u200d\ufeff",
    "e" + "\u0301" * 60, "👨‍👩‍👧‍👦", "🇫🇷", "\U0001f3fd", "\ud83d", "\udc00",
    "\ufffe\uffff", "\ufdfd", "שלום", "القط", "猫", "a\nb\rc\td", "\u2028", "\u00a0",
    "constructor", "__proto__", "%s{0}", "x" * 500,
)  # fmt: skip
pieces = st.sampled_from(PIECES) | st.text(st.characters(), max_size=12)
texts = (
    st.text(st.characters(), max_size=60)
    | st.lists(pieces, max_size=30).map(" ".join)
    | st.builds(lambda piece, n: (piece * n)[:10_000], pieces, st.integers(1, 10_000))
)

TYPE = """async ([index, units]) => {
    const root = document.querySelectorAll(".mha-explorer")[index];
    const box = root.querySelector("input[type=text]");
    const before = root.dataset.number, was = box.value;
    box.value = String.fromCharCode(...units);
    const typed = box.value.toWellFormed();
    box.dispatchEvent(new Event("input"));
    const stop = performance.now() + 10_000;
    while (typed !== was && root.dataset.number === before && performance.now() < stop)
        await new Promise((done) => setTimeout(done, 2));
    const labels = [...root.querySelectorAll(".mha-labels > text > title")];
    const allowed = "div label span input select option button canvas p svg rect text "
        + "g path title circle output";
    return {
        answered: typed === was || root.dataset.number !== before,
        kept: box.value.toWellFormed() === typed,
        message: root.querySelector(".mha-message p").textContent,
        words: labels.map((label) => label.textContent),
        foreign: [...root.querySelectorAll("*")].map((node) => node.localName)
            .filter((name) => !allowed.split(" ").includes(name)),
        hacked: window.hacked ?? false,
    };
}"""


@pytest.fixture(scope="module")
def page(chromium):
    host = Host(chromium)
    host.show(Explorer(attend))
    host.show(Explorer(spaced))
    yield host.page
    host.page.close()


def drawable(text):
    """Put marks in place of what no picture can hold, as the explorer does."""
    hidden = [*range(9), *range(0xB, 0x20), 0x7F, 0xFFFE, 0xFFFF]
    turning = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    return text.translate(dict.fromkeys(hidden + turning, "\ufffd"))


@pytest.mark.parametrize("index, source", [(0, attend), (1, spaced)])
def test_anything_typed_is_shown_or_refused_in_words(page, index, source):
    last = ["The", "cat", "sat", "on", "the", "mat"]
    last = attend(" ".join(last)).tokens if source is attend else last

    @settings(patient, max_examples=settings.default.max_examples // 2)
    @given(texts)
    def type_it(text):
        nonlocal last
        units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2").tolist()
        said = page.evaluate(TYPE, [index, units])
        # A one-line box drops line ends; half a pair becomes the mark for that.
        sentence = text.replace("\r", "").replace("\n", "")
        sentence = sentence.encode("utf-16", "surrogatepass").decode(
            "utf-16", "replace"
        )
        try:
            if len(sentence) > 3000:
                raise ValueError(f"has {len(sentence)} letters and signs")
            words = source(sentence).tokens
            refusal = "" if len(words) <= 100 else f"has {len(words)} words"
        except ValueError as error:
            refusal = str(error)
        if not refusal:
            last = words
        assert said["answered"] and said["kept"] and not said["hacked"], said
        assert said["foreign"] == []
        assert drawable(refusal) in said["message"]
        assert bool(refusal) == ("The last picture stays." in said["message"])
        assert said["words"] == [drawable(word) for word in last]

    type_it()
    type_it.hypothesis.inner_test("The dog slept")  # and it lives
    assert page.errors == []


# ---- any array into the core
DTYPES = (
    "f2 f4 f8 g i1 u8 ? c8 O S3 U2 m8[s] M8[D]".split()
    + [np.dtype([("a", "f4"), ("b", "i2")])]
)  # fmt: skip
odd_floats = st.sampled_from(
    [0.0, -0.0, 1.0, -1.5, 5e-324, 1e-40, 6e4, 7e4, 3e38, 1e300, 1.7e308]
    + [np.inf, -np.inf, np.nan]
)


shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def odd_arrays(draw, shape=shapes):
    """Draw an array of any dtype, memory order, stride and subclass, or a list."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(shape)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            x = draw(arrays(np.float64, shape, elements=odd_floats)).astype(dtype)
    else:
        x = np.zeros(shape, dtype)
    how = draw(st.sampled_from("CFbrlnm"))
    if how == "F":
        x = np.asfortranarray(x)
    elif how == "b" and x.ndim:
        x = np.broadcast_to(x[:1], x.shape)
    elif how == "r" and x.ndim:
        x = x[::-1]
    elif how == "l":
        return x.tolist()
    elif how == "n":
        return draw(st.sampled_from([None, "words", 3, [[1, 2], [3]], object()]))
    elif how == "m" and x.ndim == 2:
        x = x.view(np.matrix)
    x.flags.writeable = False
    return x


LAYER = MultiHeadAttention.random(d_model=4, num_heads=2, seed=0)
fitting = st.tuples(st.integers(0, 3), st.just(4))
any_array = odd_arrays() | odd_arrays(fitting)
CALLS = {
    "softmax": (lambda x, axis: softmax(x, axis), (any_array, st.integers(-3, 3))),
    "attention": (scaled_dot_product_attention, (any_array,) * 3),
    "masked attention": (
        lambda x, mask: scaled_dot_product_attention(x, x, x, mask),
        (odd_arrays(fitting), any_array),
    ),
    "split": (split_heads, (any_array, st.integers(-1, 5) | any_array)),
    "merge": (merge_heads, (any_array,)),
    "causal": (causal_mask, (st.integers(-2, 4) | any_array,) * 2),
    "layer": (lambda *a: LAYER(*a), (any_array, any_array)),
    "contributions": (lambda x: LAYER.contributions(x), (any_array,)),
    "new layer": (MultiHeadAttention, (any_array,) * 4),
}


@pytest.mark.parametrize("name", CALLS)
def test_any_array_is_answered_or_refused_in_words(name):
    call, inputs = CALLS[name]

    @patient
    @given(st.tuples(*inputs))
    def try_it(given_):
        before = [
            np.array(x, copy=True) if isinstance(x, np.ndarray) else 0 for x in given_
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                answer = call(*given_)
            except (ValueError, TypeError) as error:
                assert len(str(error)) > 10, error
                return
        for x, copy in zip(given_, before):
            if isinstance(x, np.ndarray):
                np.testing.assert_array_equal(x, copy)
        for part in answer if isinstance(answer, tuple) else (answer,):
            moved = name in ("split", "merge")  # which look at no number
            if not moved and isinstance(part, np.ndarray) and part.dtype.kind == "f":
                assert not np.isnan(part).any()

    try_it()


# ---- any checkpoint into the model
SOUND = {
    "config.json": json.dumps(CONFIG).encode(),
    "tokenizer.json": tokenizer_json(),
    "model.safetensors": safetensors(random_tensors()),
}
LENGTH = int.from_bytes(SOUND["model.safetensors"][:8], "little")
ODD = (
    "null", "true", "false", "-1", "0", "1", "2.5", "1000000000", "9223372036854775808",
    "1e300", "1e-300", "1e999", "NaN", '""', '"12"', '"../../etc/passwd"', '"F64"',
    '"I8"', r'"\ud800"', "[]", "{}", "[0]", "[[]]", '{"a": 1}', "[0, 1e30]",
    f"[0, {2**70}]", f"[{'1,' * 99}1]", "",
)  # fmt: skip
odd_values = st.sampled_from(ODD)  # as JSON; of "" nothing is left


def places(value):
    """Return all places in a JSON document: what holds them, and the key there."""
    keys = value if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def change(document, edits):
    """Put odd values into a JSON document, or leave a part of it out."""
    document = json.loads(document)
    for which, value in edits:
        if not (found := places(document)):
            break
        holder, key = found[which % len(found)]
        if value:
            holder[key] = json.loads(value)
        else:
            del holder[key]
    return json.dumps(document).encode()


def change_header(edits):
    numbers = SOUND["model.safetensors"][8 + LENGTH :]
    header = change(SOUND["model.safetensors"][8 : 8 + LENGTH], edits)
    return len(header).to_bytes(8, "little") + header + numbers


def change_numbers(edits):
    numbers = np.frombuffer(SOUND["model.safetensors"], np.uint8)[8 + LENGTH :].copy()
    numbers = numbers.view("<f4")
    for which, number in edits:
        numbers[which % len(numbers)] = number
    return SOUND["model.safetensors"][: 8 + LENGTH] + numbers.tobytes()


def edits_of(values):
    return st.lists(st.tuples(st.integers(0, 10_000), values), min_size=1, max_size=4)


@pytest.mark.parametrize(
    "name, edits, apply",
    [
        ("config.json", edits_of(odd_values), partial(change, SOUND["config.json"])),
        (
            "tokenizer.json",
            edits_of(odd_values),
            partial(change, SOUND["tokenizer.json"]),
        ),
        ("model.safetensors", edits_of(odd_values), change_header),
        ("model.safetensors", edits_of(st.floats(width=32)), change_numbers),
    ],
    ids=["config", "tokenizer", "header", "numbers"],
)
def test_any_checkpoint_is_read_or_refused_in_words(name, edits, apply):
    @patient
    @given(edits)
    def try_it(edits):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                model = PretrainedModel(read_checkpoint(SOUND | {name: apply(edits)}))
                weights = model.attend("the cats sat").weights
            except ValueError as error:
                assert len(str(error)) > 10, error
                return
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)

    try_it()
