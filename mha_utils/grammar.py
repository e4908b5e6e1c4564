"""A small English grammar whose sentences know who relates to whom.

Training needs sentences in which the answer is certain: a verb's subject, a pronoun's
referent, the word before. No fixed distance gives the first two away: phrases and
clauses with other nouns stand between. What is ambiguous is thrown away.
"""

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mha_utils.text import START

RELATIONS = ("subject", "referent", "word before")
"""From a verb to its subject, from a pronoun to what it stands for, from a word to the
one before it."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NOUNS = {
    "he": _words(
        "boy king uncle waiter father brother son prince actor grandfather dad"
    ),
    "she": _words(
        "girl queen aunt nurse mother sister daughter mom grandmother widow maid"
    ),
    "it": _words(
        "cat dog horse bird cow rabbit frog bear lion duck pig goat donkey snake"
    ),
    "thing": _words(
        "mat chair tree wall table bed sofa car door boat book rock gate roof house "
        "garden"
    ),
}
ADJECTIVES = _words(
    "old small tired quick quiet proud big young happy sad hungry cold warm strong "
    "kind thirsty"
)
ADVERBS = _words("often never always sometimes still")
PREPOSITIONS = _words("near behind beside by with under")
CONJUNCTIONS = _words("because while when as")
ALONE = _words("sleep rest run sing wait smile eat play walk jump swim laugh")
"""Verbs without an object."""
WITH_OBJECT = _words(
    "see like follow help know hear love want call visit meet find need pull"
)
POSTURES = _words("sat stood lay slept")
"""Only the living do this, so a mat is no subject."""
OBJECT_FORM = {"he": "him", "she": "her", "it": "it", "they": "them"}

_SINGULAR = [noun for nouns in NOUNS.values() for noun in nouns]
_ANY_NOUN = {noun + ending for noun in _SINGULAR for ending in ("", "s")}
PAD = "<pad>"
WORDS = (
    *(START, PAD, "the", "that", "on", "is", "are", "was", "were"),
    *("he", "she", "it", "they", "him", "her", "them"),
    *(ADJECTIVES + ADVERBS + PREPOSITIONS + CONJUNCTIONS + POSTURES),
    *(noun + ending for noun in _SINGULAR for ending in ("", "s")),
    *(verb + ending for verb in ALONE + WITH_OBJECT for ending in ("", "s")),
)
"""All words of the grammar; the place of a word in it is the word's number."""
NUMBER = {word: number for number, word in enumerate(WORDS)}
MAX_WORDS = 16  # with the start


class Structure(NamedTuple):
    """What a sentence is made of."""

    conjunction_first: bool  # "because the cat rests it ...", or "... because it ..."
    front: bool  # "near the dogs the cat rests"
    modifier: str  # "", "phrase": the cat near the dogs, "clause": that rests, "both"
    after_verb: str  # "", "object": sees the girl, "place": sat on the mat
    second: (
        str  # "adjective": it is tired, "alone", "object", "pronoun": the dogs like it
    )


# How often each modifier comes: the hard ones more often.
_OFTEN = {"": 1, "phrase": 4, "clause": 1, "both": 4}
STRUCTURES = tuple(
    structure
    for first in (False, True)
    for front in (False, True)
    for modifier in _OFTEN
    for after_verb in ("", "object", "place")
    for second in ("adjective", "alone", "object", "pronoun")
    if not (front and modifier == "phrase")
    and not (first and second == "pronoun")
    and not (after_verb == "place" and second != "adjective")
    for structure in [Structure(first, front, modifier, after_verb, second)]
)
HELD_OUT = frozenset(random.Random(7).sample(STRUCTURES, len(STRUCTURES) // 4))
"""Structures that training never sees."""


@dataclass
class Sentence:
    """Words, the start first, and who relates to whom.

    Parameters
    ----------
    words : list of n strings
    links : dict
        For each of `RELATIONS` the places {from: to}, counted from 0, the start.
    """

    words: list[str] = field(default_factory=lambda: [START])
    links: dict[str, dict[int, int]] = field(
        default_factory=lambda: {relation: {} for relation in RELATIONS}
    )

    def __str__(self) -> str:
        return " ".join(self.words[1:])

    def arrows(self, relation: str) -> str:
        """Write a relation as text: "sat → cat, was → it"."""
        return ", ".join(
            f"{self.words[i]} → {self.words[j]}"
            for i, j in self.links[relation].items()
        )

    def _add(self, word: str) -> int:
        if len(self.words) > 1:
            self.links["word before"][len(self.words)] = len(self.words) - 1
        self.words.append(word)
        return len(self.words) - 1

    def _verb(self, verb: str, subject: int) -> None:
        self.links["subject"][self._add(verb)] = subject


def sentences(n: int, seed: int, unseen: str = "") -> list[Sentence]:
    """Write `n` different sentences.

    Parameters
    ----------
    n, seed : int
    unseen : str
        "" for sentences to train on. "structures" for sentences whose `HELD_OUT`
        structure is never among those; "pairs" for a known structure with a noun and
        verb that never meet there, as the cat and "sat" never do.

    Raises
    ------
    ValueError
        If `unseen` is none of these.
    """
    if unseen not in ("", "structures", "pairs"):
        raise ValueError(f'unseen is {unseen!r}; it is "", "structures" or "pairs"')
    rng = random.Random(seed)
    structures = [s for s in STRUCTURES if (s in HELD_OUT) == (unseen == "structures")]
    often = [_OFTEN[structure.modifier] for structure in structures]
    found: dict[str, Sentence] = {}
    while len(found) < n:
        sentence = _write(rng, *rng.choices(structures, often))
        if sentence is not None and (
            unseen == "structures" or holds_unseen_pair(sentence) == (unseen == "pairs")
        ):
            found[str(sentence)] = sentence
    return list(found.values())


def holds_unseen_pair(sentence: Sentence) -> bool:
    """Whether a noun is the subject of a verb that it never is in training.

    One pair of noun and verb in six is kept back, "cat" and "sat" among them.
    """
    return any(
        _pair(sentence.words[j], sentence.words[i]) == _pair("cat", "sat")
        for i, j in sentence.links["subject"].items()
        if sentence.words[j] in _ANY_NOUN
    )


def _pair(noun: str, verb: str) -> int:
    return zlib.crc32(f"{noun.rstrip('s')} {verb.rstrip('s')}".encode()) % 6


def _write(rng: random.Random, structure: Structure) -> Sentence | None:
    """Write a sentence of this structure; None if it is ambiguous or too long."""
    sentence = Sentence()
    mine, other, third = rng.sample(("he", "she", "it"), 3)
    plural, past = rng.random() < 0.5, structure.after_verb == "place"
    answers: list[tuple[int, str]] = []  # what a pronoun can stand for: place, pronoun

    def noun(kind: str, plural: bool) -> int:
        sentence._add("the")
        if rng.random() < 0.3:
            sentence._add(rng.choice(ADJECTIVES))
        place = sentence._add(rng.choice(NOUNS[kind]) + "s" * plural)
        if kind != "thing":
            answers.append((place, "they" if plural else kind))
        return place

    def distractor() -> None:
        """Add a noun that cannot be the subject: of the other number, or a thing."""
        if past or rng.random() < 0.3:
            noun("thing", rng.random() < 0.5 if past else not plural)
        else:
            noun(other, not plural)

    def verb(verbs: Sequence[str], subject: int, plural: bool) -> None:
        sentence._verb(rng.choice(verbs) + "s" * (not plural), subject)

    if structure.conjunction_first:
        sentence._add(rng.choice(CONJUNCTIONS))
    if structure.front:
        sentence._add(rng.choice(PREPOSITIONS))
        distractor()
    subject = noun(mine, plural)
    if structure.modifier == "phrase":
        sentence._add(rng.choice(PREPOSITIONS))
        distractor()
    elif structure.modifier:
        sentence._add("that")
        both = structure.modifier == "both"
        verb(WITH_OBJECT if both else ALONE, subject, plural)
        if both:
            distractor()
    if rng.random() < 0.25:
        sentence._add(rng.choice(ADVERBS))
    if past:
        sentence._verb(rng.choice(POSTURES), subject)
        sentence._add("on")
        noun("thing", rng.random() < 0.5)
    elif structure.after_verb == "object":
        verb(WITH_OBJECT, subject, plural)
        noun(third, rng.random() < 0.5)
    else:
        verb(ALONE, subject, plural)
    if not structure.conjunction_first:
        sentence._add(rng.choice(CONJUNCTIONS))

    referent, pronoun = rng.choice(answers)
    if [p for _, p in answers].count(pronoun) > 1:
        return None  # it could stand for two
    if structure.second == "pronoun":
        # "the dogs like it": their verb must have one subject that fits, too.
        numbers = {word.endswith("s") for word in sentence.words if word in _ANY_NOUN}
        plural = not numbers.pop()
        if numbers or (pronoun == "they") == plural:
            return None
        kind = rng.choice([k for k in ("he", "she", "it") if k != pronoun])
        subject = noun(kind, plural)
        verb(WITH_OBJECT, subject, plural)
        sentence.links["referent"][sentence._add(OBJECT_FORM[pronoun])] = referent
    else:
        plural = pronoun == "they"
        subject = sentence._add(pronoun)
        sentence.links["referent"][subject] = referent
        if structure.second == "adjective":
            be = (("is", "are"), ("was", "were"))[past][plural]
            sentence._verb(be, subject)
            sentence._add(rng.choice(ADJECTIVES))
        else:
            if rng.random() < 0.5:
                sentence._add(rng.choice(ADVERBS))
            verb(
                WITH_OBJECT if structure.second == "object" else ALONE, subject, plural
            )
            if structure.second == "object":
                noun(rng.choice(list(NOUNS)), rng.random() < 0.5)
    return sentence if len(sentence.words) <= MAX_WORDS else None


class Corpus(NamedTuple):
    """Sentences as numbers, the shorter ones filled up with `PAD`."""

    ids: NDArray
    """(b, n) the words' numbers in `WORDS`"""
    gold: NDArray
    """(b, n, 3) where each word should look for each relation; 0, the start, is for
    nothing"""
    real: NDArray
    """(b, n) True for words, False for the start and what fills up"""


def encode(sentences: Sequence[Sentence]) -> Corpus:
    """Write sentences as numbers."""
    shape = len(sentences), max(len(sentence.words) for sentence in sentences)
    ids = np.full(shape, NUMBER[PAD])
    gold = np.zeros((*shape, len(RELATIONS)), int)
    for k, sentence in enumerate(sentences):
        ids[k, : len(sentence.words)] = [NUMBER[word] for word in sentence.words]
        for r, relation in enumerate(RELATIONS):
            for i, j in sentence.links[relation].items():
                gold[k, i, r] = j
    return Corpus(ids, gold, (ids != NUMBER[PAD]) & (ids != NUMBER[START]))
