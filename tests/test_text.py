"""Words of any script, and of text that is none."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mha_utils.text import MAX_WORDS, words

pytestmark = pytest.mark.filterwarnings("error")


awkward = st.sampled_from(
    [
        *"aZ9_ \t\n.!'’-$\\{<é中の한س",
        "\0",
        "\x1f",
        "\u00a0",
        "\u2028",
        "\u3000",
        "\ufeff",
    ]
    + ["\u0301", "\u200d", "\u200c", "\u200b", "\ufe0f", "\u20e3", "क", "ि", "्", "ة"]
    + ["👍", "🏽", "👩", "🇫", "🇷", "❤", "\ud800", "\udc00", "\U0010ffff", "\ue000"]
)
any_text = st.text(st.characters(), max_size=40) | st.text(awkward, max_size=20)


def visible(text):
    """Letters, digits, punctuation and symbols; marks and skin tones need a base."""
    return [
        char
        for char in unicodedata.normalize("NFC", text)
        if unicodedata.category(char)[0] in "LNPS" and not "🏻" <= char <= "🏿"
    ]


@given(any_text)
def test_words_of_any_text_are_its_visible_characters_in_order(text):
    tokens = words(text)
    joined = "".join(tokens)
    assert "" not in tokens and not any(char.isspace() for char in joined)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in joined)
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert visible(joined) == visible(whole)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't wake the well-known cat!", "Don't|wake|the|well-known|cat|!"),
        ("the dogs’ rock’n’roll -- ok?", "the|dogs|’|rock’n’roll|-|-|ok|?"),
        ("In 2017, at 3.5 %", "In|2017|,|at|3|.|5|%"),
        ("  spaces\tand\n\nlines\u00a0\u3000 ", "spaces|and|lines"),
        ("cafe\u0301 na\u0131\u0308ve", "café|naı̈ve"),
        ("我爱猫。", "我|爱|猫|。"),
        ("cat和dog", "cat|和|dog"),
        ("ねこはカメラ", "ね|こ|は|カ|メ|ラ"),
        ("고양이가 잔다", "고양이가|잔다"),
        ("القِطّة نائمة", "القِطّة|نائمة"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("बिल्ली सो रही है।", "बिल्ली|सो|रही|है|।"),
        ("क्\u200dष", "क्\u200dष"),
        ("I 👍🏽 cats 👍🏻👍🏿", "I|👍🏽|cats|👍🏻|👍🏿"),
        ("👩‍👩‍👧‍👦❤️‍🔥", "👩‍👩‍👧‍👦|❤️‍🔥"),
        ("🇫🇷🇩🇪🇦🇿🇫", "🇫🇷|🇩🇪|🇦🇿|🇫"),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿|1️⃣"),
        ("cat\0dog", "cat|dog"),
        ("\ud800 lone", "\ufffd|lone"),
        ("$\\frac{1}{2}$", "$|\\|frac|{|1|}|{|2|}|$"),
        ("<img src=x onerror=alert(1)>", "<|img|src|=|x|onerror|=|alert|(|1|)|>"),
        ("<s>", "<|s|>"),
        ("", ""),
        (" \0\n\u200b\ufeff", ""),
    ],
)
def test_words(text, tokens):
    assert words(text) == [token for token in tokens.split("|") if token]


@pytest.mark.parametrize("char", ["\U0001fae8", "\U0001fae9", "\ue000"])
def test_characters_newer_than_this_python_and_private_ones_are_kept(char):
    assert words(f"cat {char}") == ["cat", char]


def test_too_many_words_are_counted_and_refused():
    assert len(words("猫" * MAX_WORDS)) == 1000
    with pytest.raises(ValueError, match="has 1001 words; 1000 are the most"):
        words("猫" * 1001)


@pytest.mark.parametrize("no_text", [["The", "cat"], b"The cat", None, 3])
def test_what_is_no_text_is_named(no_text):
    kind = type(no_text).__name__
    with pytest.raises(TypeError, match=f"text in quotes, and this is a {kind}"):
        words(no_text)
