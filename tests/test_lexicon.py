"""The file of words, and the forms that are derived from it."""

import re
import time

import pytest

from mha_utils import lexicon
from mha_utils.data import data_file
from mha_utils.lexicon import ONE, OR, OTHERS, SEVERAL, VERBS
from mha_utils.sentences import FEATURES, unknown_words
from mha_utils.text import words

LEXICON = lexicon.load()
ENTRIES = [
    line.split("\t")
    for line in data_file("lexicon.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_the_file_has_one_word_a_line_in_order():
    names = [word for word, _ in ENTRIES]
    assert len(names) >= 1500
    assert names == sorted(set(names))
    assert all(word == word.lower().strip() and " " not in word for word in names)


def test_every_reading_is_a_kind_or_features():
    kinds = {*ONE, *VERBS, *OTHERS}
    for word, readings in ENTRIES:
        for reading in readings.split(OR):
            kind, brackets = re.fullmatch(
                r"([^()]*?)(?: \(([a-z ]+)\))?", reading
            ).groups()
            assert kind in kinds or set(kind.split()) <= set(FEATURES), word
            assert not brackets or kind in {*ONE, *VERBS, "adjective"}, word


def test_the_file_names_its_sources_and_their_terms():
    text = data_file("lexicon.txt").read_text("utf-8")
    for source in ("SCOWL", "WordNet 3.0 Copyright 2006", "MIT License", "Census"):
        assert source in text


FORMS = {
    # word: other forms, by rule and without
    "walk": "walks walked walking",
    "stop": "stops stopped stopping",
    "help": "helps helped helping",
    "bake": "bakes baked baking",
    "agree": "agrees agreed agreeing",
    "try": "tries tried trying",
    "play": "plays played playing",
    "tie": "ties tied tying",
    "watch": "watches watched watching",
    "kiss": "kisses kissed kissing",
    "begin": "begins began begun beginning",
    "go": "goes went gone going",
    "put": "puts putting",
    "house": "houses",
    "box": "boxes",
    "city": "cities",
    "boy": "boys",
    "child": "children",
    "woman": "women",
    "leaf": "leaves",
    "potato": "potatoes",
    "big": "bigger biggest",
    "nice": "nicer nicest",
    "happy": "happier happiest happily",
    "good": "better best",
    "quick": "quickly",
    "gentle": "gently",
    "basic": "basically",
}
NO_FORMS = "stoped stopps trys catchs boxs childs womans goed happyer"


@pytest.mark.parametrize("word", FORMS)
def test_forms_are_derived(word):
    for form in [word, *FORMS[word].split()]:
        assert form in LEXICON


def test_what_is_no_form_is_not_derived():
    assert not set(NO_FORMS.split()) & set(LEXICON)


def test_forms_have_the_features_of_their_number():
    assert LEXICON["boys"] == SEVERAL["man"]
    assert LEXICON["houses"].split(OR)[0] == SEVERAL["thing"]
    assert LEXICON["ate"] == LEXICON["eating"] == "verb action singular plural"
    assert LEXICON["put"].startswith("verb action singular plural")
    assert LEXICON["walks"] == "verb action singular / noun subject plural they"
    # a form that is a word of its own, too
    assert LEXICON["saw"].startswith("verb action singular plural")
    assert LEXICON["left"].startswith("verb singular plural")


# The words of the first edition's lessons, whose maps must stay what they were.
LESSONS = {
    "noun subject singular animate he": (
        "boy man king uncle father brother son actor tom john peter"
    ),
    "noun subject singular animate she": (
        "girl woman queen aunt mother sister daughter actress anna mary lucy"
    ),
    "noun subject singular animate he she": (
        "teacher doctor student child friend artist baker pilot"
    ),
    "noun subject singular animate it": (
        "cat dog horse bird mouse rabbit lion cow frog bear animal"
    ),
    "noun subject plural animate they": (
        "boys kings cats dogs girls men women children people mice teachers"
    ),
    "noun subject singular it": (
        "mat chair tree wall table ball book house car box cup door bed floor garden "
        "suitcase trophy street river letter cake window apple sofa mirror song"
    ),
    "noun subject plural they": "mats trees boxes letters trophies",
    "noun subject singular plural animate it they": "sheep",
    "verb action singular": "sits sees eats lies catches cries opens finds buys",
    "verb action plural": (
        "sit sleep run see sing eat stand lie know hear catch buy like follow help "
        "chase walk look watch love want play smile rest wait laugh cry open push say"
    ),
    "verb action singular plural": (
        "sat slept ran saw sang ate stood lay knew read caught liked cried said found"
    ),
    "verb singular": "is was has does fits falls",
    "verb plural": "am are were have do fit fall",
    "verb singular plural": "did had fell can could will would should must may",
    "subject plural animate": "i you we",
    "subject animate": "who",
    "pronoun subject singular animate she": "she",
    "pronoun subject plural animate they": "they",
    "pronoun he": "him his himself",
    "pronoun it": "its itself",
    "determiner": "the a an this these those my your our every some no",
    "preposition": "on in at under over near behind beside by with to from of into for",
    "adjective": (
        "tired old small big quick quiet proud happy sad hungry red black white warm "
        "cold new young little good late asleep afraid dirty loud kind"
    ),
    "": "me us because and but while when if that not very often never always quickly",
}


def test_words_of_the_lessons_are_what_they_were():
    for features, of_them in LESSONS.items():
        for word in of_them.split():
            assert LEXICON[word].split(OR)[0] == features, word


# The first twenty sentences of six words or more of a list that others made, of the
# McGuffey readers (1836 and later, public domain): none was chosen.
ORDINARY = """
I see a boy and a girl.
The boy can see the girl.
I can see the girl and the boy.
The boy and the dog run.
The hen will run at the cat.
The dog and hen run at the cat.
I see one dog and two cats.
She saw Rover run off with the hat.
Here come Jack and Jill on a red sled.
The Hare runs from the Dog.
The Fox will eat the Hen.
The rat ran from the box.
The man with the big hat has a cow.
The baby can not have the bird.
She can not fly and catch it.
I have four apples on this plate.
If I put two apples on the box, I shall leave two apples on the plate.
Four apples are two apples and two apples.
If I put three apples on the box, I shall leave one apple on the plate.
Four apples are three apples and one apple.
""".strip().split("\n")


def test_the_words_of_ordinary_sentences_are_known():
    assert [unknown_words(words(sentence)) for sentence in ORDINARY] == [
        ["Rover"] if "Rover" in sentence else [] for sentence in ORDINARY
    ]


def test_contractions_and_owners_are_known():
    assert (
        unknown_words(words("Don't wake Tom's cat, it's Anna’s and she'll cry")) == []
    )
    assert unknown_words(["wug's", "'s"]) == ["wug's", "'s"]


def test_loading_is_quick():
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        lexicon.load()
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.1  # 0.02 s where nothing else runs
