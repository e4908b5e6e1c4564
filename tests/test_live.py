"""What the website's pages do without a kernel: heads, explorers, film, predictions."""

import json
import random
import sys

import numpy as np
import pytest
from browser import ROOT, until
from walk_site import serve

from mha_utils.explorer import Explorer
from mha_utils.page import FOLDER
from mha_utils.sentences import LEXICON, attend
from mha_utils.text import words

SITE = ROOT / ".github" / "site"
sys.path.insert(0, str(SITE))
from live import encode, first_explorer, heads_data, state  # noqa: E402

ASK = """([sentences, inputs]) => sentences.map(
    (sentence) => window.heads.attend({ sentence, ...inputs }, window.data))"""


def save(folder, name, widget):
    text = json.dumps(widget, default=encode)
    (folder / "live" / f"{name}.json").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of the first page, without the website around them."""
    folder = tmp_path_factory.mktemp("live")
    for file in (*FOLDER.glob("*.js"), *(SITE / "_static").glob("*.js")):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "live").mkdir()
    save(folder, "heads", heads_data())
    save(folder, "index", {"state": state(first_explorer()), "heads": True})
    (folder / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<div id="live"></div><script type="module">'
        'window.heads = await import("./heads.js");'
        'const { draw, fetchHeads } = await import("./live.js");'
        "window.data = await fetchHeads();"
        'const node = document.getElementById("live");'
        'node.dataset.live = "index";'
        "window.model = await draw(node);</script>"
    )
    return folder


@pytest.fixture(scope="module")
def page(chromium, folder):
    page = chromium.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    with serve(folder) as address:
        page.goto(address)
        page.wait_for_function("window.model")
        yield page
        assert not errors
        page.close()


def generated(n):
    """Yield sentences of known and unknown words, and of signs that stick together."""
    rng = random.Random(0)
    known = sorted(LEXICON)
    sticky = "aZ9 .!'’-_[]#€°≤é中のゔゖカー゛한सक्ة👍🏽🇫🇷\u0301\u200d\u200b\ufeff\t\x00"
    likely = "the a my they he can must watch broken Tom's dog’s who old very".split()
    for i in range(n):
        if i % 3 == 0:
            yield "".join(rng.choices(sticky, k=rng.randrange(1, 30)))
            continue
        some = rng.choices(known, k=rng.randrange(1, 12)) + rng.choices(likely, k=6)
        rng.shuffle(some)
        yield " ".join(word.title() if rng.random() < 0.1 else word for word in some)


@pytest.mark.parametrize(
    "inputs",
    [{"causal": True, "temperature": 1}, {"causal": False, "temperature": 3}],
)
def test_maps_are_the_packages(page, inputs):
    sentences = list(generated(600))
    answers = page.evaluate(ASK, [sentences, inputs])
    refused = 0
    for sentence, answer in zip(sentences, answers, strict=True):
        try:
            maps = attend(sentence, **inputs)
        except ValueError as error:
            assert answer["error"] == str(error)
            refused += 1
            continue
        assert answer["tokens"] == list(maps.tokens), sentence
        assert answer["note"] == maps.note
        weights = np.reshape(answer["weights"], maps.weights.shape)
        np.testing.assert_allclose(weights, maps.weights, atol=1e-9, err_msg=sentence)
        for name, theirs in zip(("queries", "keys"), maps.why):
            ours = np.reshape(answer[name], theirs.shape)
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=sentence)
    assert 0 < refused < 100


@pytest.mark.parametrize("sentence", ["", "cat " * 100, "a" * 3001, "cat " * 99])
def test_what_is_refused_is_refused_in_the_same_words(page, sentence):
    explorer = Explorer(attend, "the cat")
    explorer.sentence = sentence
    inputs = {"causal": True, "temperature": 1}
    (answer,) = page.evaluate(ASK, [[sentence], inputs])
    assert answer["error"] == explorer.picture["error"]


def test_the_picture_has_the_form_of_the_kernels(page):
    explorer = Explorer(attend, "the dog")
    explorer.sentence = "the cat sat"
    found = page.evaluate(
        """() => {
            model.send({ sentence: "the cat sat" });
            const { weights, ...rest } = model.get("picture");
            rest.why = { names: rest.why.names };
            return [rest, Array.from(new Float32Array(weights.buffer))];
        }"""
    )
    rest = {k: v for k, v in explorer.picture.items() if k != "weights"}
    rest["why"] = {"names": rest["why"]["names"]}  # the others are compared above
    assert found[0] == json.loads(json.dumps(rest))
    expected = np.frombuffer(explorer.picture["weights"], "<f4")
    np.testing.assert_allclose(found[1], expected, atol=1e-6)


def test_it_answers_as_one_types(page):
    box = page.get_by_role("textbox", name="Sentence")
    box.fill("The queen said that she slept")

    def shown():
        text = page.locator("#live").text_content()
        assert "queen" in text and "she" in text and "tired" not in text

    until(shown)
    assert len(words("The queen said that she slept")) == 6
    box.fill("zyzzyva sleeps")
    until(lambda: _has(page, "Not in the lexicon: zyzzyva"))
    box.fill("")
    until(lambda: _has(page, "There is no word in this sentence. Type at least one."))


def _has(page, text):
    assert text in page.locator("#live").text_content()
