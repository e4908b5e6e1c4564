"""The words that trained heads know, and a sentence of these for one with others."""

import re
from collections.abc import Sequence

from mha_utils.grammar import (
    ADJECTIVES,
    ADVERBS,
    ALONE,
    CONJUNCTIONS,
    NOUNS,
    POSTURES,
    PREPOSITIONS,
    WITH_OBJECT,
)
from mha_utils.sentences import LEXICON, readings
from mha_utils.text import words


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
    grammar has no place for, such as "can", "very" or a second noun, is left out.

    Examples
    --------
    >>> suggest("A woman will eat my soup because she is ready.")
    'the girl sees the mat because she is old'
    """
    is_short = r"(?i)\b(he|she|it|that|there)['\u2019]s\b"
    whole = [re.sub(is_short, r"\1 is", token).split() for token in words(sentence)]
    tokens = [token for some in whole for token in some if any(map(str.isalpha, token))]
    kinds = [set(reading.split()) for reading in readings(tokens, LEXICON)]
    draft = _Draft()
    for i, token in enumerate(tokens):
        draft.add(token.lower(), kinds[i], kinds[i + 1 :])
    return draft.finish()


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
_PARTS = {  # of speech, by the kinds of `known_words`
    **dict.fromkeys(("people, he", "people, she", "animals", "things"), "noun"),
    **{"verbs": "verb alone", "verbs before on": "verb alone"},
    **{"verbs with an object": "verb", "to be": "be"},
    **{"pronouns": "pronoun", "adjectives": "adjective", "adverbs": "adverb"},
    **{"prepositions": "preposition", "conjunctions": "conjunction"},
}
_PART = {
    word: _PARTS.get(kind, word)  # "the" and "that" are parts of their own
    for kind, of_them in known_words().items()
    for word in of_them
}
_PHRASE = {"the", "adjective", "noun", "pronoun"}
_VERBS = {"be", "verb", "verb alone"}
_GO_ON = {"preposition", "conjunction", "adverb"}
_AFTER = {  # what may follow
    "": _PHRASE | _GO_ON | _VERBS,
    "the": {"adjective", "noun"},
    "adjective": {"adjective", "noun"},
    "predicate": _GO_ON | {"noun"},  # an adjective behind "is"
    "noun": _GO_ON | _VERBS | {"that"},
    "pronoun": _GO_ON | _VERBS,
    "verb": _PHRASE | _GO_ON | _VERBS,
    "verb alone": _GO_ON | _VERBS,
    "be": _PHRASE | {"adverb", "preposition"},
    "adverb": _PHRASE | _VERBS | {"preposition", "conjunction"},
    "preposition": _PHRASE,
    "conjunction": _PHRASE | _GO_ON,
    "that": _PHRASE | _VERBS | {"adverb"},
}


class _Draft:
    """A sentence as it grows, and the number that its next verb must have."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._parts = [""]  # of speech, of these words
        self._verbs = 1  # that may still come
        self._skips = False  # a phrase for which there is no place
        self._agrees = True  # whether verbs still have the subjects that they had
        self._plural = self._helped = False  # helped: after "can", which is left out
        self._chosen: dict[str, str] = {}  # the same word always gives way to the same

    def add(self, word: str, kind: set[str], rest: list[set[str]]) -> None:
        """Add a word, or what stands for it, or nothing.

        `kind` and `rest` are the features of the word and of those that follow.
        """
        if self._parts[-1] in ("the", "adjective", "preposition"):  # by its place
            if word not in LEXICON:
                kind = {"noun", "singular", "animate", "it"}
            elif "verb" in kind or not kind:
                kind = {"noun", "plural" if word.endswith("s") else "singular"}
        new = self._instead(word, kind, rest)
        self._helped = new == "" and (self._helped or _helps(word, rest))
        one = {"noun", "singular"} <= kind
        if not new or not self._fits(_PART[new], one):
            if new == "the":
                self._skips, self._agrees = True, False
            return
        part, is_noun = _PART[new], _PART[new] == "noun"
        if part in _VERBS and not self.words:  # "Open the door"
            self._put("they")
            self._plural = True
            new = self._verb(word, rest[0] if rest else set())
        if part == "adjective" and self._parts[-1] in ("be", "adverb"):
            part = "predicate"
        elif (part == "adjective" or (is_noun and new != word)) and (
            self._parts[-1] not in ("the", "adjective", "predicate")
        ):
            self._put("the")
        if (is_noun or "subject" in kind) and not self._of_a_preposition():
            self._plural = "singular" not in kind
        self._put(new, part)

    def finish(self) -> str:
        """Return the sentence, without what leads to nothing at its end."""
        if "conjunction" in self._parts[2:]:  # with a clause that has no verb
            last = len(self._parts) - 1 - self._parts[::-1].index("conjunction")
            if not _VERBS & {*self._parts[last:]}:
                del self._parts[last:], self.words[last - 1 :]
        leads = {"the", "adjective", "preposition", "conjunction", "that", "be"}
        while self._parts[-1] in leads:
            self._parts.pop()
            self.words.pop()
        return " ".join(self.words) if self.words[1:] else ""

    def _put(self, word: str, part: str = "") -> None:
        self._skips = False
        self.words.append(word)
        self._parts.append(part or _PART[word])
        if self._parts[-1] in _VERBS:
            self._verbs -= 1
        elif self._parts[-1] in ("conjunction", "that"):
            self._verbs += 1

    def _fits(self, part: str, one: bool) -> bool:
        """Whether the grammar has a place for such a word, or `one` thing, now."""
        if one and self._parts[-1] == "predicate":  # "is old mat"
            return False
        if part in _VERBS and not self._verbs:
            return False
        if self._skips and part in ("adjective", "noun"):
            return False
        # "Near the dogs the cat rests", "because the cat rests it is tired"
        begins = self._parts[1:2] in (["preposition"], ["conjunction"])
        if begins and self._verbs and part in ("the", "pronoun"):
            return self._parts[-1] not in ("the", "adjective", "be")
        return part in _AFTER[self._parts[-1]]

    def _instead(self, word: str, kind: set[str], rest: list[set[str]]) -> str:
        after = rest[0] if rest else set()
        if _helps(word, rest):
            return ""
        if word == "you" and self._parts[-1] in ("verb", "preposition"):
            return "them"
        if word in _INSTEAD:
            return _INSTEAD[word]
        agrees = self._agrees or _PART.get(word) not in _VERBS
        if word in _PART and agrees and not self._helped:
            return word
        if "verb" in kind:
            return self._verb(word, after)
        if "noun" in kind:
            nouns = NOUNS[_stands_for(word, kind)]
            ending = "" if "singular" in kind else "s"
            return self._choose(word, [noun + ending for noun in nouns])
        if "adjective" in kind:
            return self._choose(word, ADJECTIVES)
        if word in _JOINTS:
            if not self.words:
                return "when"
            two = not self._verbs and any("verb" in kind for kind in rest)
            self._agrees = False  # two subjects become one
            return "while" if two else "near"
        if "preposition" in kind:
            return "near"
        if word.endswith("ly") and "verb" in after:
            return self._choose(word, ADVERBS)
        return "the" if "determiner" in kind else ""

    def _verb(self, word: str, after: set[str]) -> str:
        """Make a verb agree."""
        if word in ("am", "be", "been", "being", "is", "are"):
            return _BE[self._plural]
        if word in ("was", "were", *POSTURES):
            return _BE[2 + self._plural] if word in _BE else word
        objects = {"determiner", "noun", "pronoun", "adjective"} & after
        stem = word if word in _PART else word.removesuffix("ing").removesuffix("ed")
        fitting = WITH_OBJECT if objects else ALONE + WITH_OBJECT
        same = [verb for verb in fitting if stem in (verb, verb + "s")]
        verb = (same or [self._choose(word, WITH_OBJECT if objects else ALONE)])[0]
        return verb + "s" * (not self._plural)

    def _choose(self, word: str, candidates: Sequence[str]) -> str:
        """Choose the first that the sentence does not have yet."""
        taken = {*self.words, *self._chosen.values()}
        fresh = [c for c in candidates if c not in taken]
        return self._chosen.setdefault(word, (fresh or list(candidates))[0])

    def _of_a_preposition(self) -> bool:
        """Whether a noun that is added now hangs on a preposition."""
        before = [part for part in self._parts if part not in ("the", "adjective")]
        return before[-1] == "preposition"


def _helps(word: str, rest: list[set[str]]) -> bool:
    """Whether a word only helps a verb that follows: the grammar has no such words."""
    verbs = ["verb" in kind for kind in rest[:2]]
    before_a_verb = verbs[:1] == [True] or (verbs == [False, True] and not rest[0])
    return word in _HELPERS or (word in _BEFORE_VERBS and before_a_verb)


def _stands_for(word: str, kind: set[str]) -> str:
    """Say which of `NOUNS` a noun belongs to; that of its singular for a plural."""
    if "animate" not in kind:
        return "thing"
    singular = set(LEXICON.get(word.removesuffix("s"), "").split())
    return next((k for k in ("he", "she", "it") if k in kind | singular), "he")
