"""What a reader types, cut into words: any script, and whatever else is in it."""

import re
import unicodedata

START = "<s>"
"""Stands before the first word, so that a head with nothing to look for can rest."""
MAX_WORDS = 1000
"""The most that a sentence may have. A head's map has a number for each pair of words,
so it is too late to refuse ten thousand of them when there is a map."""


def well_formed(text: str) -> str:
    """Replace halves of surrogate pairs, which no program could print or send.

    Raises
    ------
    TypeError
        If it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"a sentence is a text in quotes, and this is a {type(text).__name__}; "
            f"of a list of words ' '.join(...) makes one"
        )
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def words(sentence: str) -> list[str]:
    """Cut a sentence into words; each punctuation mark is a word of its own.

    Works for any script: accents, vowel signs and emoji modifiers stay with what they
    modify, and Chinese or Japanese text, written without spaces, is cut into
    characters. "don't" and "well-known" are one word each.

    Raises
    ------
    TypeError
        If the sentence is no text.
    ValueError
        If there are more than `MAX_WORDS`.

    Examples
    --------
    >>> words("Don't wake the cat!")
    ["Don't", 'wake', 'the', 'cat', '!']
    """
    text = unicodedata.normalize("NFC", well_formed(sentence))
    return [text[start:stop] for start, stop in spans(text)]


def spans(text: str) -> list[tuple[int, int]]:
    """Return where each of the `words` of a text begins and ends."""
    kinds = "".join(map(_kind, text))  # one letter for each character
    found = [match.span() for match in _WORD.finditer(kinds)]
    if len(found) > MAX_WORDS:
        raise ValueError(
            f"This sentence has {len(found)} words; {MAX_WORDS} are the most."
        )
    return found


# In terms of `_kind`: a word with its apostrophes and hyphens; a flag; anything else
# with the marks on it and whatever a joiner glues to it.
_WORD = re.compile(r"L[LMJ]*(?:AL[LMJ]*)*|FM*FM*|[^ MJ][MJ]*(?:(?<=J)[^ ][MJ]*)*")


def _kind(char: str) -> str:
    """Say in one letter how `words` treats a character."""
    category = unicodedata.category(char)
    if char == "\u200d":
        return "J"  # the joiner: what follows belongs to what stands before
    if category[0] == "M" or category == "Cf" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return "M"  # marks: accents, vowel signs, skin tones
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        return "F"  # regional letters, two of which make a flag
    if category[0] == "Z" or category == "Cc":
        return " "
    if unicodedata.name(char, "").startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA")):
        return "C"  # written without spaces
    if char in "'\u2019-":
        return "A"
    return "L" if category[0] in "LN" or char == "_" else "S"
