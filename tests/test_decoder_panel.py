"""Tests of the decoder's panel: the next words follow the text and the switches."""

import html

import pytest

from mha_utils.decoder import Decoder
from mha_utils.decoder_panel import DecoderPanel

TEXT = "cat mat dog cat mat"


@pytest.fixture
def panel():
    return DecoderPanel(Decoder(2, 2, 0), TEXT)


def switches(panel):
    return panel.children[0].children


def said(panel):
    return html.unescape(panel.children[1].value)


def says(panel, text, **options):
    """Tell whether the panel shows what the model says to this text."""
    model = Decoder(2, 2, 0)
    weights = model.attend(text, **options).weights.astype("<f4").tobytes()
    words = [f"{w} {share:.2f}" for w, share in model.next_words(text, **options)]
    return panel.explorer.picture[
        "weights"
    ] == weights and f"Next: {', '.join(words)}<" in said(panel)


def test_it_opens_on_the_last_layer_with_all_heads_on(panel):
    assert panel.explorer.layer == 1
    assert [box.description for box in switches(panel)[:4]] == [
        f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2)
    ]
    assert says(panel, TEXT)
    assert "needs a running kernel" in repr(panel)
    assert panel.children[0].layout.flex_flow == "wrap"  # on a narrow page, too


def test_a_head_is_switched_off_and_on_again(panel):
    switches(panel)[1].value = False
    assert says(panel, TEXT, off=[(0, 1)])
    assert not says(panel, TEXT)
    switches(panel)[2].value = False
    assert says(panel, TEXT, off=[(0, 1), (1, 0)])
    switches(panel)[4].value = "mean"
    assert says(panel, TEXT, off=[(0, 1), (1, 0)], ablation="mean")
    for box in switches(panel)[:4]:
        box.value = True
    assert says(panel, TEXT)


def test_another_text_has_other_next_words(panel):
    switches(panel)[0].value = False
    panel.explorer.sentence = "der Hund bellt der"
    assert says(panel, "der Hund bellt der", off=[(0, 0)])


def test_a_refused_text_has_no_next_words(panel):
    panel.explorer.sentence = ""
    assert "no word" in panel.explorer.picture["error"]
    assert "Next" not in said(panel)
    panel.explorer.sentence = TEXT
    assert says(panel, TEXT)


def test_words_are_shown_as_text(panel):
    panel.explorer.sentence = "<b> <b>"
    assert "<b>" not in panel.children[1].value
    assert says(panel, "<b> <b>")
