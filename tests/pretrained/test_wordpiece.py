"""Pieces are those of the tokenizers package, on any text; another form is refused."""

import json
import sys
import unicodedata

import pytest
from any_text import dates, generated
from tiny_bert import tokenizer_json
from tokenizers import Tokenizer

from mha_utils.pretrained import NoModelError, find_files, load
from mha_utils.pretrained.checkpoint import read_checkpoint
from mha_utils.pretrained.wordpiece import LONGEST, Piece

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def both():
    """Return the tokenizer of lesson 7's model, and the same one of the package."""
    try:
        files = find_files()
    except NoModelError as error:
        pytest.skip(str(error))
    theirs = Tokenizer.from_buffer(files["tokenizer.json"])
    theirs.no_padding()
    theirs.no_truncation()
    return read_checkpoint(files).tokenizer, theirs


@pytest.fixture(scope="module")
def sorted_otherwise(both):
    """Return the characters for which the package's tables, of Unicode 8, are too old.

    It takes no mark away, and cuts at no punctuation, that it does not know as such.
    """
    theirs = both[1]
    found = []
    for char in map(chr, range(128, sys.maxunicode + 1)):
        kind = unicodedata.category(char)
        if kind[0] in "MPS" or kind == "Cf":
            gone = theirs.normalizer.normalize_str(f"a{char}b") == "ab"
            cut = len(theirs.pre_tokenizer.pre_tokenize_str(f"a{char}b")) == 3
            if (gone, cut) != (kind in ("Mn", "Cf"), kind[0] == "P"):
                found.append(char)
    assert 300 < len(found) < 1500
    return set(found)


def as_pieces(encoding):
    spans = [
        None if added else span
        for added, span in zip(encoding.special_tokens_mask, encoding.offsets)
    ]
    return list(map(Piece, encoding.ids, encoding.tokens, spans))


@pytest.mark.parametrize(
    "sentences", [dates(), generated(10_000)], ids=["dates", "any"]
)
def test_pieces_are_those_of_the_package(both, sorted_otherwise, sentences):
    ours, theirs = both
    count = 0
    for sentence in sentences:
        text = sentence.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if sorted_otherwise.isdisjoint(text):
            assert ours.cut(text) == as_pieces(theirs.encode(text)), text
            count += 1
    assert count > 500


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1])
def test_words_of_any_length(both, length):
    ours, theirs = both
    for letter in ("a", "\u00e9", "\ud55c"):
        text = "the " + letter * length
        assert ours.cut(text) == as_pieces(theirs.encode(text))


@pytest.mark.parametrize(
    "how",
    [
        {"lowercase": False},
        {"lowercase": False, "strip_accents": True},
        {"strip_accents": False},
        {"handle_chinese_chars": False},
        {"clean_text": False},
    ],
)
def test_other_ways_to_normalise_are_followed(tiny, how):
    read = json.loads(tokenizer_json())
    letters = "CcAaTtÉé中国"
    for number, piece in enumerate([*letters, *(f"##{c}" for c in letters)], start=10):
        read["model"]["vocab"][piece] = number
    read["normalizer"] |= how
    read["truncation"] = read["padding"] = None
    (tiny / "tokenizer.json").write_text(json.dumps(read))
    ours = load(tiny)._checkpoint.tokenizer
    theirs = Tokenizer.from_str(json.dumps(read))
    for text in ("Cat cat", "CÉtÉ ée", "a中国t", "a\u200bt c\ufffdt\x07a\tt"):
        assert ours.cut(text) == as_pieces(theirs.encode(text)), text


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("model", {"type": "BPE"}, "model type 'BPE'; only 'WordPiece'"),
        ("model", {"unk_token": "[?]"}, "unk_token '\\[\\?\\]'"),
        ("model", {"continuing_subword_prefix": "@@"}, "subword_prefix '@@'"),
        ("model", {"max_input_chars_per_word": 9}, "chars_per_word 9"),
        ("model", {"vocab": {"[CLS]": -1}}, "numbers for the tokens in the vocabulary"),
        (
            "model",
            {"vocab": {"[CLS]": "1"}},
            "numbers for the tokens in the vocabulary",
        ),
        ("model", {"vocab": {"[SEP]": 3}}, "no \\[CLS\\]"),
        ("normalizer", {"type": "NFKC"}, "normalizer type 'NFKC'"),
        ("pre_tokenizer", {"type": "Metaspace"}, "pre_tokenizer type 'Metaspace'"),
    ],
)
def test_another_tokenizer_is_refused(tiny, part, change, words):
    read = json.loads(tokenizer_json())
    read[part] |= change
    (tiny / "tokenizer.json").write_text(json.dumps(read))
    with pytest.raises(ValueError, match=words):
        load(tiny).attend("the cat")


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([{"content": "<x>", "id": 4, "lstrip": True}], "not supported here: '<x>'"),
        ([{"content": "<x>"}], "another form"),
        ([{"content": "", "id": 4}], "not supported here"),
        ([{"content": "<x>", "id": -4}], "numbers for the tokens in added_tokens"),
        (3, "another form"),
    ],
)
def test_tokens_added_in_another_way_are_refused(tiny, tokens, words):
    read = json.loads(tokenizer_json())
    read["added_tokens"] = tokens
    (tiny / "tokenizer.json").write_text(json.dumps(read))
    with pytest.raises(ValueError, match=words):
        load(tiny)
