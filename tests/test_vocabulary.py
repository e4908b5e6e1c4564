"""The words that trained heads know, and the sentences that are suggested."""

import re

import pytest
from hypothesis import given
from test_lexicon import ORDINARY
from test_text import any_text

from mha_utils.grammar import NUMBER, PAD, sentences
from mha_utils.text import START
from mha_utils.training import InkLayer
from mha_utils.vocabulary import UnknownWordsError, known_words, suggest

LAYER = InkLayer(2, 0)


def test_every_word_of_the_grammar_is_listed_once():
    listed = [word for of_them in known_words().values() for word in of_them]
    assert sorted(listed) == sorted(set(NUMBER) - {START, PAD})
    assert "cats" in known_words()["animals"]
    assert "cat" not in known_words()["people, he"]


SUGGESTED = {
    "A woman will buy my soup because she is ready.": (
        "the girl sees the mat because she is old"
    ),
    "Tom likes Mary because she is rich.": "the boy likes the girl because she is old",
    "The camels are very dangerous animals": "the cats are old dogs",
    "The children shouted and they giggled": "the boys sleep while they rest",
    "The teachers near the wug yell loudly": "the boys near the cat sleep",
    "He is reading a letter in the bus": "he sees the mat near the chair",
    "I saw him when I slowly shouted": "they see him when they often sleep",
    "The boy can see two camels": "the boy sees the cats",
    "The girl can follow": "the girl follows",
    "It has eaten its cheese": "it sees the mat",
    "A fox saw the fox": "the cat sees the cat",  # the same word, the same instead
    "The cat sat on the mat because it was tired": (
        "the cat sat on the mat because it was tired"
    ),
    # List 1 of the Harvard sentences, IEEE 1969
    "The birch canoe slid on the smooth planks.": (
        "the mat sleeps on the old mats"  # of two nouns in a row there is one
    ),
    "Glue the sheet to the dark blue background.": (
        "they see the mat near the old small chair"
    ),
    "It's easy to tell the depth of a well.": "it is old near the chair",
    "These days a chicken leg is a rare dish.": "the mats are the old chair",
    "Rice is often served in round bowls.": "the mat sleeps near the mats",
    "The juice of lemons makes fine punch.": (
        "the mat near the mats sees the old chair"
    ),
    "The box was thrown beside the parked truck.": (
        "the mat sleeps beside the old chair"
    ),
    "The hogs were fed chopped corn and garbage.": "the mats sleep near the chair",
    "Four hours of steady work faced us.": "the mats near the old mat sleep",
    "A large size in stockings is hard to sell.": "the old mat near the cat is small",
    "The boy and the wug run": "the boy near the cat runs",
    "She can not fly and catch it.": "she sleeps",
    "The woman rests behind the": "the girl rests",
    "I love you": "they love them",
    "The dog barked at me": "the dog near them",
    "London is bigger than Paris": "the mat is old",  # not "is old chair"
    "It rains": "",  # a word alone is no sentence
    "wug": "",
    "": "",
}


@pytest.mark.parametrize("sentence", SUGGESTED)
def test_a_word_gives_way_to_one_of_its_kind(sentence):
    assert suggest(sentence) == SUGGESTED[sentence]


def test_sentences_of_the_grammar_stay_as_they_are():
    some = [str(s) for s in sentences(500, 3)]
    changed = [s for s in some if suggest(s) != s]
    assert changed == []


@given(any_text)
def test_what_is_suggested_can_be_read(text):
    suggestion = suggest(text)
    assert set(suggestion.split()) <= set(NUMBER) - {START, PAD}
    assert not re.search(r"\b(the|near|on)( the)?( near| on|$)", suggestion)
    if suggestion:
        assert LAYER.attend(suggestion).tokens == [START, *suggestion.split()]


def test_ordinary_sentences_are_read_at_a_click():
    for sentence in ORDINARY:
        try:
            LAYER.attend(sentence)
        except UnknownWordsError as error:
            assert str(error).startswith("Not in the grammar: ")
            assert str(error).endswith(f"With known words: {error.suggestion}")
            assert len(error.suggestion.split()) >= 2
            LAYER.attend(error.suggestion)


def test_a_suggestion_that_is_none_or_long_is_not_in_the_message():
    for sentence in ("wug", "The wugs sleep because " * 9):
        with pytest.raises(UnknownWordsError, match="lists them.$") as caught:
            LAYER.attend(sentence)
    assert caught.value.suggestion.startswith("the ")
