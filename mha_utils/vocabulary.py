"""The words that trained heads know, and a sentence of these for one with others."""

from collections.abc import Sequence

from mha_utils.grammar import (
    ADJECTIVES,
    ADVERBS,
    ALONE,
    CONJUNCTIONS,
    NOUNS,
    NUMBER,
    PAD,
    POSTURES,
    PREPOSITIONS,
    WITH_OBJECT,
)
from mha_utils.sentences import LEXICON, readings
from mha_utils.text import START, words


def known_words() -> dict[str, tuple[str, ...]]:
    """Return the words of the grammar by kind, each word once."""

    def with_s(of_them: Sequence[str]) -> tuple[str, ...]:
        return tuple(word + ending for word in of_them for ending in ("", "s"))

    return {
        "people, he": with_s(NOUNS["he"]),
        "people, she": with_s(NOUNS["she"]),
        "animals": with_s(NOUNS["it"]),
        "things": with_s(NOUNS["thing"]),
        "verbs": with_s(ALONE),
        "verbs with an object": with_s(WITH_OBJECT),
        "verbs before on": POSTURES,
        "to be": ("is", "are", "was", "were"),
        "pronouns": ("he", "she", "it", "they", "him", "her", "them"),
        "adjectives": ADJECTIVES,
        "adverbs": ADVERBS,
        "prepositions": (*PREPOSITIONS, "on"),
        "conjunctions": CONJUNCTIONS,
        "others": ("the", "that"),
    }


class UnknownWordsError(ValueError):
    """A sentence has words that the heads do not know.

    Parameters
    ----------
    message : str
    suggestion : str
        A sentence like it, of words that they know; "" if there is none.
    """

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.suggestion = suggestion


def suggest(sentence: str) -> str:
    """Write a sentence like this one with words of the grammar.

    A word that the grammar lacks gives way to one of its kind, by the lexicon of
    `sentences`: a noun of the same number and pronoun, a verb that agrees. What the
    grammar has no place for, such as "can" or "very", is left out.

    Examples
    --------
    >>> suggest("A woman will eat my soup because she is ready.")
    'the girl eats the mat because she is old'
    """
    tokens = [token for token in words(sentence) if any(map(str.isalpha, token))]
    kinds = [set(reading.split()) for reading in readings(tokens, LEXICON)]
    draft = _Draft()
    for i, token in enumerate(tokens):
        draft.add(token.lower(), kinds[i], kinds[i + 1 :])
    return " ".join(draft.words)


_INSTEAD = {
    **dict.fromkeys(("i", "we", "you", "who"), "they"),
    **dict.fromkeys(("me", "us", "themselves"), "them"),
    **{"himself": "him", "herself": "her", "itself": "it"},
    **dict.fromkeys("his its their one two three four five six ten".split(), "the"),
}
_HELPERS = frozenset(
    "can could will would shall should must may might do does did".split()
)
_JOINTS = frozenset("and but or if so although though before after until since".split())
_BE = ("is", "are", "was", "were")
_BEFORE_VERBS = ("to", "have", "has", "had", *_BE)


class _Draft:
    """A sentence as it grows, and the number that its next verb must have."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._plural = self._helped = False  # helped: after "can", which is left out
        self._chosen: dict[str, str] = {}  # the same word always gives way to the same

    def add(self, word: str, kind: set[str], rest: list[set[str]]) -> None:
        """Add a word, or what stands for it, or nothing.

        `kind` and `rest` are the features of the word and of those that follow.
        """
        last = self.words[-1] if self.words else ""
        if word not in LEXICON and last in ("the", *ADJECTIVES):
            kind = {"noun", "singular", "animate", "it"}  # by its place
        new = self._instead(word, kind, rest, last)
        self._helped = new == "" and (self._helped or _helps(word, rest))
        if not new or new == last == "the" or {new, last} <= {*PREPOSITIONS, "on"}:
            return
        is_noun = "noun" in kind
        if is_noun and new != word and last not in ("the", *ADJECTIVES):
            self.words.append("the")
        if (is_noun or "subject" in kind) and not self._of_a_preposition():
            self._plural = "singular" not in kind
        self.words.append(new)

    def _instead(
        self, word: str, kind: set[str], rest: list[set[str]], last: str
    ) -> str:
        after = rest[0] if rest else set()
        if _helps(word, rest):
            return ""
        if word in _INSTEAD:
            return _INSTEAD[word]
        if word in NUMBER and word not in (START, PAD) and not self._helped:
            return word
        if "verb" in kind:
            return self._verb(word, after, last)
        if "noun" in kind:
            nouns = NOUNS[_stands_for(word, kind)]
            ending = "" if "singular" in kind else "s"
            return self._choose(word, [noun + ending for noun in nouns])
        if "adjective" in kind:
            return self._choose(word, ADJECTIVES)
        if word in _JOINTS:
            if not self.words:
                return "when"
            two = set(self.words) & _VERBS and any("verb" in kind for kind in rest)
            return "while" if two else "near"
        if "preposition" in kind:
            return "near"
        if word.endswith("ly") and "verb" in after:
            return self._choose(word, ADVERBS)
        return "the" if "determiner" in kind else ""

    def _verb(self, word: str, after: set[str], last: str) -> str:
        """Make a verb agree; behind a verb stands no other."""
        if word in ("am", "be", "been", "being"):
            return _BE[self._plural]
        if last in _VERBS:
            return ""
        objects = {"determiner", "noun", "pronoun", "adjective"} & after
        stem = word if word in _VERBS else word.removesuffix("ing").removesuffix("ed")
        same = [verb for verb in ALONE + WITH_OBJECT if stem in (verb, verb + "s")]
        verb = (same or [self._choose(word, WITH_OBJECT if objects else ALONE)])[0]
        return verb + "s" * (not self._plural)

    def _choose(self, word: str, candidates: Sequence[str]) -> str:
        """Choose the first that the sentence does not have yet."""
        taken = {*self.words, *self._chosen.values()}
        fresh = [c for c in candidates if c not in taken]
        return self._chosen.setdefault(word, (fresh or list(candidates))[0])

    def _of_a_preposition(self) -> bool:
        """Whether a noun that is added now hangs on a preposition."""
        for word in reversed(self.words):
            if word not in ("the", *ADJECTIVES):
                return word in (*PREPOSITIONS, "on")
        return False


_VERBS = frozenset(
    (*_BE, *POSTURES, *(v + s for v in ALONE + WITH_OBJECT for s in ("", "s")))
)


def _helps(word: str, rest: list[set[str]]) -> bool:
    """Whether a word only helps a verb that follows: the grammar has no such words."""
    before_a_verb = bool(rest) and "verb" in rest[0] and word in _BEFORE_VERBS
    return word in _HELPERS or before_a_verb


def _stands_for(word: str, kind: set[str]) -> str:
    """Say which of `NOUNS` a noun belongs to; that of its singular for a plural."""
    if "animate" not in kind:
        return "thing"
    singular = set(LEXICON.get(word.removesuffix("s"), "").split())
    return next((k for k in ("he", "she", "it") if k in kind | singular), "he")
