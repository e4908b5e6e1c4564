"""Sentences cut into pieces; maps of pieces turned into maps of words."""

import numpy as np
import pytest
from any_text import dates, generated
from tiny_bert import plain_forward, random_tensors, tokenizer_json

from mha_utils.pretrained import NoModelError, load
from mha_utils.pretrained.pieces import cut
from mha_utils.text import words

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
    mean = f"{share:.0%} on average over all heads and words"
    assert hidden.note == f"Not shown: [CLS] and [SEP], {mean}."


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
    text = tokenizer_json().replace(b'"[UNK]":1', b'"[?]":1')
    (tiny / "tokenizer.json").write_bytes(text)
    model = load(tiny)
    assert model.attend("the cat").tokens[1:-1] == ["the", "cat"]
    with pytest.raises(ValueError, match="cannot cut this: .*UNK"):
        model.attend("zyzzyva")


@pytest.fixture(scope="module")
def tokenizer():
    try:
        return load()._checkpoint.tokenizer
    except NoModelError as error:
        pytest.skip(str(error))


def squeezed(text):
    return "".join(words(text))


@pytest.mark.parametrize(
    "sentences", [dates(), generated(10_000)], ids=["dates", "any"]
)
def test_each_piece_has_its_word(tokenizer, sentences):
    count = 0
    for sentence in sentences:
        clean = sentence.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        expected = [piece.id for piece in tokenizer.cut(clean)]
        if len(expected) == 2:
            continue
        pieces = cut(tokenizer, sentence, 512)
        assert pieces.ids == expected
        assert pieces.tokens[0] == "[CLS]" and pieces.tokens[-1] == "[SEP]"
        members = pieces.members
        assert members.shape == (len(pieces.tokens), len(pieces.ids))
        assert (members.sum(0) == 1).all() and (members.sum(1) >= 1).all()
        assert (np.diff(members.argmax(0)) >= 0).all(), "words out of order"
        typed, rest = "".join(pieces.tokens[1:-1]), squeezed(clean)
        for char in typed:  # what the model ignores may be missing, nothing else
            assert char in rest, (sentence, pieces.tokens)
            rest = rest[rest.index(char) + 1 :]
        count += 1
    assert count > 500


@pytest.mark.parametrize(
    ("sentence", "tokens", "pieces"),
    [
        ("10€", ["10", "€"], ["10", "##€"]),
        ("20°C", ["20", "°", "C"], ["20", "##°", "##c"]),
        ("a≤b", ["a", "≤", "b"], ["a", "##≤", "##b"]),
        ("Don't", ["Don't"], ["don", "'", "t"]),
        ("ねこ", ["ね", "こ"], ["ね", "##こ"]),
        ("The [MASK] sat", ["The", "[MASK]", "sat"], ["the", "[MASK]", "sat"]),
        ("[foo]", ["[", "foo", "]"], ["[", "foo", "]"]),
    ],
)
def test_signs_belong_to_their_words(tokenizer, sentence, tokens, pieces):
    found = cut(tokenizer, sentence, 512)
    assert found.tokens[1:-1] == tokens
    assert found.ids[1:-1] == [tokenizer.vocabulary[piece] for piece in pieces]


def test_a_special_token_that_is_typed_is_said(tokenizer):
    said = "The model reads [MASK] as a token of its own."
    assert cut(tokenizer, "The [MASK] sat on [MASK]", 512).notes == [said]
    assert cut(tokenizer, "The mask sat [", 512).notes == []
