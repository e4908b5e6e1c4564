"""Sentences cut into pieces; maps of pieces turned into maps of words."""

import numpy as np
import pytest
from tiny_bert import plain_forward, random_tensors, tokenizer_json

from mha_utils.pretrained import load

pytestmark = pytest.mark.filterwarnings("error")


def test_word_pieces_are_joined_as_clark_et_al_do(tiny):
    _, maps = plain_forward(random_tensors(), [2, 5, 7, 6, 8, 9, 3])
    pieces = [[0], [1, 2], [3, 4], [5], [6]]
    shown = load(tiny).attend("cats satting.")
    assert shown.tokens == ["[CLS]", "cats", "satting", ".", "[SEP]"]
    for i, asks in enumerate(pieces):
        for j, asked in enumerate(pieces):
            expected = maps[:, :, asks][..., asked].sum(-1).mean(-1)
            np.testing.assert_allclose(shown.weights[..., i, j], expected, atol=1e-5)


def test_special_tokens_can_be_hidden(tiny):
    model = load(tiny)
    shown, hidden = (model.attend("the cats.", special=s) for s in (True, False))
    np.testing.assert_allclose(shown.weights.sum(-1), 1, atol=1e-5)
    assert hidden.tokens == shown.tokens[1:-1] == ["the", "cats", "."]
    assert (hidden.weights == shown.weights[..., 1:-1, 1:-1]).all()
    share = shown.weights[..., 1:-1, [0, -1]].sum(-1).mean()
    assert hidden.note == f"Not shown: the {share:.0%} that go to [CLS] and [SEP]."


def test_a_long_sentence_is_refused_not_cut(tiny):
    model = load(tiny)
    assert len(model.hidden("cat " * 14)) == 16  # as many as there are positions
    with pytest.raises(ValueError, match="17 word pieces; the model reads at most 16"):
        model.attend("cat " * 15)


@pytest.mark.parametrize("nothing", ["", "  ", "\u200b", "\n\t"])
def test_no_words_is_said(tiny, nothing):
    with pytest.raises(ValueError, match="no words"):
        load(tiny).attend(nothing)


def test_unknown_words_are_named(tiny):
    maps = load(tiny).attend("the 👍 中 क्षि 👍 cat")
    assert maps.tokens[1:-1] == ["the", "👍", "中", "क्षि", "👍", "cat"]
    assert maps.note == "The model does not know 👍, 中, क्षि."
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-5)


def test_a_tokenizer_without_a_piece_for_unknown_words_says_so(tiny):
    text = tokenizer_json().replace(b'"unk_token":"[UNK]"', b'"unk_token":"[?]"')
    (tiny / "tokenizer.json").write_bytes(text)
    model = load(tiny)
    with pytest.raises(ValueError, match="cannot cut this: .*UNK"):
        model.attend("zyzzyva")
