"""Anything typed, any array, any checkpoint: a right answer or a clear message.

`pytest --hypothesis-profile=many tests/test_hostile.py` tries twenty times as much.
"""

import json
import tracemalloc
import warnings
from copy import deepcopy
from importlib.util import find_spec

import numpy as np
import pytest
from browser import browse, need_browser
from host import Host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tiny_bert import (
    CONFIG,
    as_distilbert,
    as_electra,
    random_tensors,
    safetensors,
    tokenizer_json,
)

from mha_utils import (
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
from mha_utils.decoder import NEW, Decoder
from mha_utils.explorer import Explorer
from mha_utils.maps import ROUNDING, AttentionMaps
from mha_utils.pretrained import PretrainedModel
from mha_utils.pretrained.checkpoint import read_checkpoint
from mha_utils.sentences import attend
from mha_utils.training import InkLayer
from mha_utils.vocabulary import known_words, suggest

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


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def page(request, playwright):
    need_browser(request.param)
    with browse(playwright, request.param) as context:
        host = Host(context)
        host.show(Explorer(attend))
        host.show(Explorer(spaced))
        yield host.page


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


def real_heads():
    tensors = random_tensors()
    tensors["embeddings.position_embeddings.weight"] = np.zeros((4000, 12), "<f4")
    config = CONFIG | {"max_position_embeddings": 4000}
    return PretrainedModel(read_checkpoint(files(config, tensors))).attend


@pytest.mark.parametrize(
    "make, word",
    [
        pytest.param(lambda: attend, "猫", id="hand-built heads"),
        pytest.param(lambda: InkLayer(8, seed=0).attend, "the ", id="trained heads"),
        pytest.param(lambda: Decoder(2, 4, seed=0).attend, "cat mat ", id="two layers"),
        pytest.param(real_heads, "cat ", id="real heads"),
    ],
)
def test_too_many_words_are_refused_before_there_are_maps(make, word):
    """A map of the hand-built heads has 216 MB at 3,000 words."""
    source, text = make(), word * 3000
    explorer = Explorer(source, "the cat sleeps")
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"000 words; 1000 are the most"):
        source(text)
    explorer.sentence = text
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert explorer.picture["error"]
    assert most < 5e6


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
    "rotate": (rotate, (any_array, st.none() | any_array)),
    "rotate with a base": (
        lambda x, places, base: rotate(x, places, base=base),
        (odd_arrays(fitting), odd_arrays(st.tuples(st.integers(0, 3))), odd_floats),
    ),
    "padding": (padding_mask, (any_array, st.integers(-2, 4))),
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


# ---- anything that a model may give as its maps
@st.composite
def odd_maps(draw):
    """Draw the arguments of maps: right ones, with none, one or a few faults."""
    n_q, n_k, h, layers = (draw(st.integers(1, 4)) for _ in range(4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    queries = rng.normal(size=(layers, h, n_q, 2))
    keys = rng.normal(size=(layers, h, n_k, 2))
    weights = softmax(queries @ keys.swapaxes(-1, -2) / np.sqrt(2))
    given_ = {
        "tokens": [f"q{i}" for i in range(n_q)],
        "weights": weights,
        "keys": [f"k{i}" for i in range(n_k)],
        "why": draw(st.sampled_from([None, (queries, keys, ["a", "b"])])),
        "num_kv_heads": draw(st.sampled_from([None, 1, h])),
        "head_names": draw(st.sampled_from([(), ["a head"] * h])),
    }
    another_form(draw, given_)
    for fault in draw(st.lists(st.sampled_from(FAULTS), max_size=3)):
        fault(draw, given_)
    return given_


def put_a_number(draw, given_):
    number, place = draw(odd_floats), draw(st.integers(0, 999))
    why = given_["why"]
    made = isinstance(why, tuple) and len(why) == 3 and why[0] is not None
    if made and draw(st.booleans()):
        queries, keys, names = why[0].copy(), why[1].copy(), why[2]
        queries[..., 0] = keys[..., place % 2] = number
        given_["why"] = queries, keys, names
        return
    weights = given_["weights"]
    if isinstance(weights, np.ndarray) and weights.size and weights.dtype.kind == "f":
        weights = weights.astype(float)
        weights.flat[place % weights.size] = number
        given_["weights"] = weights


def another_form(draw, given_):
    weights = given_["weights"]
    if not isinstance(weights, np.ndarray) or weights.dtype.kind == "O":
        return
    how = draw(st.sampled_from(FORMS))
    if how == "torch":
        import torch

        if weights.dtype.kind == "f":
            kind = draw(st.sampled_from([torch.bfloat16, torch.float64]))
            weights = torch.tensor(weights).to(kind).requires_grad_()
    elif how == "array":
        return
    elif how in ("layers", "sentence") and weights.ndim:
        front = (None,) if how == "sentence" else ()
        weights = draw(st.sampled_from([list, tuple]))(
            layer[front] for layer in weights
        )
    elif how in ("f2", "i8", "O"):
        with np.errstate(all="ignore"):
            weights = weights.astype(how)
    elif how == "first" and weights.ndim and len(weights):
        weights = weights[0]
    else:
        weights = weights.T if how == "T" else weights.tolist()
    given_["weights"] = weights


def another_value(draw, given_):
    name = draw(st.sampled_from(sorted(given_)))
    words = st.lists(st.text(st.characters(), max_size=5), max_size=5)
    values = [None, (), [], "word", 0, -1, 3, {}, (None,) * 3, [None], object]
    given_[name] = draw(st.sampled_from(values) | words | odd_arrays())


FORMS = "array list layers sentence first f2 i8 O T".split()
FORMS += ["torch"] * 2 if find_spec("torch") else []
FAULTS = [put_a_number, another_form, another_value]


def test_any_maps_are_taken_or_refused_in_words():
    taken, refused = set(), set()

    @patient
    @given(odd_maps())
    def try_it(given_):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                maps = AttentionMaps(**given_)
            except (ValueError, TypeError) as error:
                assert len(str(error)) > 10, error
                refused.add(str(error)[:9])
                return
        assert maps.weights.shape[2:] == (len(maps.tokens), len(maps.keys))
        assert maps.weights.dtype.kind == "f" and np.isfinite(maps.weights).all()
        assert (maps.weights >= 0).all()
        assert (maps.weights.sum(axis=-1, dtype=float) <= 1 + ROUNDING).all()
        assert maps.weights.shape[1] % maps.num_kv_heads == 0
        if maps.why is not None:
            queries, keys, names = maps.why
            assert queries.shape[:3] == maps.weights.shape[:3]
            assert [len(own) for own in names] == [keys.shape[-1]] * keys.shape[1]
        taken.add(type(given_["weights"]))

    try_it()
    assert len(taken) >= 3 and len(refused) >= 3, (taken, refused)


# ---- anything into a cache, and then a text's next words
BAD_STEPS = {
    "wider": lambda x: (x[..., :3], {}),
    "NaN": lambda x: (np.full_like(x, np.nan), {}),
    "overflow": lambda x: (np.full_like(x, np.finfo(x.dtype).max), {}),
    "another batch": lambda x: (np.stack([x] * 3), {}),
    "another dtype": lambda x: (x.astype("f4" if x.dtype == "f8" else "f8"), {}),
    "a context": lambda x: (x, {"context": x}),
    "a mask that does not fit": lambda x: (x, {"mask": np.ones((5, 7, 9), bool)}),
    "a mask of numbers": lambda x: (x, {"mask": np.ones((len(x), 1), int)}),
    "words": lambda x: ("words", {}),
    "one word as a vector": lambda x: (x[..., 0, :].ravel()[:1], {}),
}


def test_a_cache_survives_what_is_refused():
    seen = set()

    @patient
    @given(
        st.sampled_from([(2, 1), (2, 2), (4, 2)]),
        st.sampled_from([(), (1,), (2,), (2, 1)]),
        st.sampled_from(["f2", "f4", "f8"]),
        st.lists(
            st.integers(0, 5) | st.sampled_from([*BAD_STEPS, "layer"]), max_size=9
        ),
    )
    def try_it(heads, front, dtype, steps):
        h, g = heads
        mha, other = (
            MultiHeadAttention.random(4, h, num_kv_heads=g, seed=seed)
            for seed in (1, 2)
        )
        n = sum(step for step in steps if isinstance(step, int))
        x = np.random.default_rng(n).normal(size=(*front, n + 1, 4)).astype(dtype)
        cache, found, at = KeyValueCache(), [], 0
        for step in steps:
            if isinstance(step, int):
                found.append(mha(x[..., at : at + step, :], cache=cache))
                at += step
                assert cache.num_words == at
                continue
            new, more = BAD_STEPS.get(step, lambda x: (x, {}))(x[..., at : at + 1, :])
            layer = other if step == "layer" else mha
            before = cache.num_words, cache.nbytes
            try:  # an empty cache takes some of these
                layer(new, cache=deepcopy(cache), **more)
            except ValueError as error:
                assert len(str(error)) > 10, error
                seen.add(step)
                with pytest.raises(ValueError):
                    layer(new, cache=cache, **more)
                assert (cache.num_words, cache.nbytes) == before
        whole = mha(x[..., :at, :], mask=causal_mask(at))
        near = {"rtol": 0, "atol": 4e-3 if dtype == "f2" else 1e-5}
        at = 0
        for output, weights in found:
            end = at + output.shape[-2]
            np.testing.assert_allclose(output, whole[0][..., at:end, :], **near)
            np.testing.assert_allclose(weights, whole[1][..., at:end, :end], **near)
            at = end

    try_it()
    assert seen == {*BAD_STEPS, "layer"}


# ---- any text into what reads texts without a page
def test_any_text_is_continued_or_refused_in_words():
    decoder = Decoder(2, 1, seed=0)
    many = st.integers(35, 50).map(lambda n: " ".join(map(str, range(n))))

    @patient
    @given(texts | many)
    def try_it(text):
        try:
            maps = decoder.attend(text)
        except ValueError as error:
            assert str(error).startswith(("There is no word", "This "))
            with pytest.raises(ValueError):
                decoder.next_words(text)
            return
        n = len(maps.tokens)
        assert maps.weights.shape == (2, 1, n, n)
        assert (np.triu(maps.weights, 1) == 0).all()
        likely = decoder.next_words(text)
        assert 0 < sum(share for _, share in likely) < 1 + 1e-5
        assert {word for word, _ in likely} <= {NEW, *maps.tokens}

    try_it()


def test_what_is_suggested_has_known_words_only():
    known = {word for group in known_words().values() for word in group}
    likely = (
        "the dogs was sheep's I can't who woman him children sheep and because of very "
        "running slowly than THE Dog’s two wéb ſtraße İ ß"
    ).split()

    @patient
    @given(
        texts | st.lists(st.sampled_from(likely) | pieces, max_size=20).map(" ".join)
    )
    def try_it(text):
        try:
            suggested = suggest(text)
        except ValueError as error:
            assert "words; 1000 are the most" in str(error)
        else:
            assert set(suggested.split()) <= known

    try_it()


# ---- any checkpoint into the model
def files(config, tensors):
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": tokenizer_json(),
        "model.safetensors": safetensors(tensors),
    }


SOUND = {
    "BERT": files(CONFIG, random_tensors()),
    "DistilBERT": files(*as_distilbert(random_tensors())),
    "ELECTRA": files(*as_electra(random_tensors())),
}
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


def change_header(weights, edits):
    length = int.from_bytes(weights[:8], "little")
    header = change(weights[8 : 8 + length], edits)
    return len(header).to_bytes(8, "little") + header + weights[8 + length :]


def change_numbers(weights, edits):
    start = 8 + int.from_bytes(weights[:8], "little")
    numbers = np.frombuffer(weights, np.uint8)[start:].copy().view("<f4")
    for which, number in edits:
        numbers[which % len(numbers)] = number
    return weights[:start] + numbers.tobytes()


def edits_of(values):
    return st.lists(st.tuples(st.integers(0, 10_000), values), min_size=1, max_size=4)


CHANGES = {
    "config": ("config.json", edits_of(odd_values), change),
    "tokenizer": ("tokenizer.json", edits_of(odd_values), change),
    "header": ("model.safetensors", edits_of(odd_values), change_header),
    "numbers": ("model.safetensors", edits_of(st.floats(width=32)), change_numbers),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("kind", SOUND)
def test_any_checkpoint_is_read_or_refused_in_words(kind, what):
    name, edits, apply = CHANGES[what]

    @patient
    @given(edits)
    def try_it(edits):
        changed = {name: apply(SOUND[kind][name], edits)}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                model = PretrainedModel(read_checkpoint(SOUND[kind] | changed))
                weights = model.attend("the cats sat").weights
            except ValueError as error:
                assert len(str(error)) > 10, error
                return
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)

    try_it()
