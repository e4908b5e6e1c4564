"""The page that `Explorer.save_html` writes, opened from the disk without a network."""

import xml.etree.ElementTree as ET

import pytest
from browser import until
from test_explorer_page import (
    HOSTILE,
    LAYERED,
    MINUS,
    SENTENCE,
    across,
    check,
    control,
    layered,
    long,
    message,
    plain,
    sentence_box,
    violations,
)

from mha_utils.explorer import Explorer
from mha_utils.maps import AttentionMaps
from mha_utils.sentences import attend

ONLY = "Without Python this page has its examples only: choose one of them."
DOG = "The dog saw the bird because it was old"
HARD = HOSTILE | {
    "end of the script": "</script><script>window.hacked=1</script> <!--<script>",
    "names that objects have": "__proto__ constructor",
    "braces": "{saved} {{ %s \\u003c \\",
    "line separators": "a\u2028b \u2029 \x85 c",
    "half a pair": "a \ud800 b",
}


@pytest.fixture(scope="module")
def offline(chromium):
    context = chromium.browser.new_context(offline=True)
    yield context
    context.close()


@pytest.fixture
def opened(offline, tmp_path):
    """Return a function that saves an explorer and opens what was saved.

    The page may ask for nothing but itself, and no script may report an error.
    """
    page, wrong = offline.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text))
    page.on("request", lambda request: wrong.append(request.url))
    path = tmp_path / "explorer.html"

    def save_and_open(explorer):
        explorer.save_html(path)
        page.goto(path.as_uri())
        return page.locator(".mha-explorer")

    yield save_and_open
    page.close()
    assert {url for url in wrong if not url.startswith("blob:")} == {path.as_uri()}


def test_all_that_needs_no_kernel_works(opened):
    widget = Explorer(attend, SENTENCE, examples=[DOG, "A tree"], head=1, word=8)
    widget.sentence, widget.head, widget.causal = "The dog", 0, False
    page = opened(widget)
    check(page, attend(SENTENCE), head=1, word=8)  # as it began
    control(page, "radio", "Head 3 word before").click()
    control(page, "combobox", "Word").select_option("11 tired")
    check(page, attend(SENTENCE), head=2, word=10)
    control(page, "combobox", MINUS).select_option("1 subject")
    check(page, attend(SENTENCE), head=2, word=10, minus=0)
    control(page, "combobox", MINUS).select_option("none")
    assert page.get_attribute("data-number") == "1"  # of the picture: still the first

    offered = control(page, "combobox", "Examples")
    texts = [option.text_content() for option in offered.locator("option").all()]
    assert texts == ["choose …", SENTENCE, DOG, "A tree"]
    offered.select_option(DOG)
    check(page, attend(DOG), head=2)  # where no one is tired
    assert sentence_box(page).input_value() == DOG
    sentence_box(page).fill("A tree")  # typing one does, too
    check(page, attend("A tree"), head=2)
    box = page.locator(".mha-cells rect").nth(4)
    box.hover(force=True)
    assert "of its attention to" in page.locator(".mha-words").text_content()
    control(page, "checkbox", "Projector size").check()
    until(check, page, attend("A tree"), head=2)
    control(page, "button", "Reset").click()
    until(check, page, attend(SENTENCE), head=1, word=8)
    for name in ("Causal mask", "Temperature"):
        assert not page.get_by_label(name, exact=True).is_visible()


def test_another_sentence_is_answered_in_words(opened):
    page = opened(Explorer(attend, SENTENCE, examples=[DOG, "dog " * 100]))
    box = sentence_box(page)
    for typed in ("The dog slept", "constructor", "__proto__", ""):
        box.fill(typed)
        assert message(page) == f"{ONLY} The last picture stays."
        assert box.input_value() == typed and box.get_attribute("aria-invalid")
        check(page, attend(SENTENCE))
    control(page, "radio", "Head 2 referent").click()  # and it is alive
    check(page, attend(SENTENCE), head=1)
    page.page.wait_for_timeout(1100)  # no complaint about a kernel comes later
    assert message(page) == f"{ONLY} The last picture stays."
    control(page, "combobox", "Examples").select_option(DOG)
    check(page, attend(DOG), head=1)
    assert message(page) == ""
    control(page, "combobox", "Examples").select_option("dog " * 100)
    assert "101 words" in message(page) and "at most 100" in message(page)
    check(page, attend(DOG), head=1)


def test_no_sentence_is_offered_that_is_not_in_the_file(opened):
    def source(sentence):
        if sentence == "unknown":
            error = ValueError("unknown is not known")
            error.suggestion = "another"
            raise error
        return layered(sentence)

    page = opened(Explorer(source, LAYERED, examples=["unknown"]))
    control(page, "combobox", "Examples").select_option("unknown")
    assert message(page).startswith("unknown is not known")
    assert not page.locator(".mha-message button").is_visible()
    sentence_box(page).fill("another")
    assert message(page).startswith(ONLY)
    assert not page.locator(".mha-message button").is_visible()


def test_layers_other_keys_and_shared_heads(opened):
    page = opened(Explorer(layered, LAYERED, layer=1, head=2, word=1))
    check(page, layered(LAYERED), layer=1, head=2, word=1)
    control(page, "combobox", "Layer").select_option("1")
    check(page, layered(LAYERED), head=2, word=1)
    page = opened(Explorer(across, "a b | the cat", examples=["the | ישב החתול"]))
    check(page, across("a b | the cat"))
    control(page, "combobox", "Examples").select_option("the | ישב החתול")
    check(page, across("the | ישב החתול"), leftward=True)


def test_a_window_stays_where_no_kernel_has_others(opened):
    page = opened(Explorer(long, "long", examples=["a b"], max_words=200, word=70))
    assert message(page).endswith("Shown are rows 65–128 and columns 1–64.")
    assert not page.get_by_label("Rows", exact=True).is_visible()
    assert page.locator(".mha-labels > text").count() == 64
    word = control(page, "combobox", "Word")
    assert word.locator("option:checked").text_content() == "71 w70"
    control(page, "combobox", "Examples").select_option("a b")
    check(page, long("a b"))


@pytest.mark.parametrize("sentence", HARD.values(), ids=HARD)
def test_what_is_saved_is_never_markup(opened, sentence):
    def source(text):
        maps = layered(text)
        return AttentionMaps(maps.tokens, maps.weights, [sentence] * 4, sentence)

    page = opened(Explorer(source, "a b", examples=[sentence]))
    line = " ".join(sentence.splitlines()).replace("\ud800", "\ufffd")
    control(page, "combobox", "Examples").select_option(index=2)
    maps = layered(line)
    check(page, AttentionMaps([plain(word) for word in maps.tokens], maps.weights))
    names = page.page.locator("script, b, i, img").evaluate_all(
        "all => all.map(node => node.type)"
    )
    assert names == ["application/json", "module"]
    assert page.page.evaluate("window.hacked") is None
    first = opened(Explorer(source, sentence))
    check(first, AttentionMaps([plain(word) for word in maps.tokens], maps.weights))


def test_pictures_are_saved_and_their_text_is_text(opened):
    page = opened(Explorer(attend, SENTENCE, head=1))
    with page.page.expect_download() as download:
        control(page, "button", "Save SVG").click()
    texts = ET.parse(download.value.path()).iter("{http://www.w3.org/2000/svg}text")
    said = [node.text for node in texts]
    for word in attend(SENTENCE).tokens:
        assert said.count(word) >= 2, "a word of a row and of a column"
    assert {"Head 2 referent", "query", "key"} < set(said)
    with page.page.expect_download() as download:
        control(page, "button", "Save PNG").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [390, 1366])
def test_axe_finds_no_violation_in_the_whole_page(opened, width):
    page = opened(Explorer(layered, LAYERED, examples=["a b"]))
    page.page.set_viewport_size({"width": width, "height": 768})
    assert violations(page.page, "html") == []
    sentence_box(page).fill("another")
    assert message(page).startswith(ONLY)
    assert violations(page.page, "html") == []
