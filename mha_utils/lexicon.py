"""The words that the hand-built heads know, read from a file and inflected by rule.

`data/lexicon.txt` has one word a line, and says what is in it and where it comes from.
Plurals, the forms of verbs and comparisons are derived here; irregular ones stand in
the file, in brackets behind their word.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from mha_utils.data import data_file

ONE = {
    "man": "noun subject singular animate he",
    "woman": "noun subject singular animate she",
    "person": "noun subject singular animate he she",
    "animal": "noun subject singular animate it",
    "thing": "noun subject singular it",
}
"""Kinds of nouns in the file, with their features."""
SEVERAL = dict.fromkeys(ONE, "noun subject plural animate they") | {
    "thing": "noun subject plural they"
}
VERBS = {"action": "verb action", "verb": "verb"}
OTHERS = {f"{kind}'s name": ONE[kind] for kind in ("man", "woman", "person")} | {
    "name": ONE["thing"],
    "adjective, -er": "adjective",
    "other": "",
}
OR = " / "
"""Stands between the readings of a word, the commoner one first."""


def load() -> dict[str, str]:
    """Return each word with its features, names with spaces between.

    Where a word has two readings, `OR` stands between them.
    """
    text = data_file("lexicon.txt").read_text("utf-8")
    words_of: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        word, _, readings = line.partition("\t")
        words_of[readings].append(word)
    del words_of[""]  # what is said about the file
    listed: dict[str, str] = {}
    derived: dict[str, str] = {}
    for readings, words in words_of.items():
        first, *others = readings.split(OR)
        for forms, features in _forms(first, words):
            into = listed if forms is words else derived
            into.update(dict.fromkeys(forms, features))
        for reading in others:
            for forms, features in _forms(reading, words):
                into = listed if forms is words else derived
                for form in forms:
                    into[form] = (
                        into[form] + OR + features if form in into else features
                    )
    return derived | listed  # what is listed counts: "saw" is more than a form of "see"


def _forms(reading: str, words: list[str]) -> Iterator[tuple[list[str], str]]:
    """Write out the forms of the words of one reading, each with its features.

    The words themselves come as the list that was given.
    """
    kind, _, brackets = reading.rstrip(")").partition(" (")
    irregular = brackets.split()
    if kind in ONE:
        yield words, ONE[kind]
        yield irregular or _s(words), SEVERAL[kind]
    elif kind in VERBS:
        ing = [form for form in irregular if form.endswith("ing")]
        past = [form for form in irregular if not form.endswith("ing")]
        both = VERBS[kind] + " singular plural"
        yield words, both if words[0] in past else VERBS[kind] + " plural"
        yield _s(words), VERBS[kind] + " singular"
        yield [form for form in past or _ed(words) if form != words[0]], both
        yield ing or _ing(words), both
    else:
        yield words, OTHERS.get(kind, kind)
        yield irregular, kind
        if kind.startswith("adjective"):
            yield _ly(words), ""
        if kind == "adjective, -er":
            yield [form[:-1] + "r" for form in _ed(words)], "adjective"
            yield [form[:-1] + "st" for form in _ed(words)], "adjective"


def _s(words: list[str]) -> list[str]:
    """Write the plural of nouns, or the third person of verbs."""
    return _end(words, (r"([sxz]|[cs]h)$", r"\1e"), (r"(?<![aeiou])y$", "ie"), end="s")


# "stop", "stopped": a short word whose one vowel stands before its last letter
_DOUBLE = r"^([^aeiou\n]*[aeiou])([bdgklmnprt])$", r"\1\2\2"


def _ed(words: list[str]) -> list[str]:
    """Write the past of verbs."""
    return _end(words, _DOUBLE, (r"e$", ""), (r"(?<![aeiou])y$", "i"), end="ed")


def _ing(words: list[str]) -> list[str]:
    """Write verbs with -ing."""
    return _end(words, _DOUBLE, (r"ie$", "y"), (r"(?<![eoy])e$", ""), end="ing")


def _ly(words: list[str]) -> list[str]:
    """Write the adverbs of adjectives."""
    return _end(
        words, (r"y$", "i"), (r"ic$", "ical"), (r"(?<![aeiou])le$", ""), end="ly"
    )


def _end(words: list[str], *changes: tuple[str, str], end: str) -> list[str]:
    """Change how the words end, then put an ending behind; all at once is quicker."""
    text = "\n".join(words)
    for pattern, instead in changes:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return (text.replace("\n", end + "\n") + end).split("\n")
