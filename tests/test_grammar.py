"""Tests of the grammar: its relations are what a reader would say, and certain."""

import random
import re

import pytest

from mha_utils import grammar
from mha_utils.grammar import (
    ADJECTIVES,
    ADVERBS,
    ALONE,
    CONJUNCTIONS,
    HELD_OUT,
    MAX_WORDS,
    NOUNS,
    NUMBER,
    OBJECT_FORM,
    PAD,
    POSTURES,
    RELATIONS,
    STRUCTURES,
    WITH_OBJECT,
    WORDS,
    Structure,
    encode,
    holds_unseen_pair,
    sentences,
)
from mha_utils.lexicon import OR
from mha_utils.sentences import LEXICON, START

KIND = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
PRONOUNS = {"he", "she", "it", "they", "him", "her", "them"}
COURSE = "the cat sat on the mat because it was tired"


@pytest.fixture(scope="module", params=["", "structures", "pairs"])
def some(request):
    return sentences(1000, 3, request.param)


def kind(word):
    """Say what a noun or pronoun is: its kind, and whether there are several."""
    if word in PRONOUNS:
        subject_form = {v: k for k, v in OBJECT_FORM.items()}.get(word, word)
        return subject_form, subject_form == "they"
    return KIND.get(word) or KIND.get(word[:-1]), word not in KIND


def is_noun(word):
    return word in KIND or word[:-1] in KIND


def is_verb(word):
    return word in {"is", "are", "was", "were", *POSTURES} or (
        word not in KIND
        and word not in PRONOUNS
        and any(word in (v, v + "s") for v in [*WITH_OBJECT, *ALONE])
    )


def test_every_verb_has_a_subject_that_fits(some):
    for sentence in some:
        words, links = sentence.words, sentence.links["subject"]
        assert set(links) == {i for i, word in enumerate(words) if is_verb(word)}
        for verb, subject in links.items():
            assert subject < verb
            what, several = kind(words[subject])
            assert what and what != "thing"
            if words[verb] not in POSTURES:
                singular = words[verb] in {"is", "was"} or words[verb].endswith("s")
                assert several != singular, sentence


def test_some_nouns_have_an_adjective(some):
    before = [
        words[place - 1] in ADJECTIVES
        for words in (sentence.words for sentence in some)
        for place, word in enumerate(words)
        if is_noun(word)
    ]
    assert 0.2 < sum(before) / len(before) < 0.35


def test_no_other_noun_could_be_the_subject(some):
    """Between a verb and its subject every noun is of the other number, or a thing."""
    for sentence in some:
        words = sentence.words
        for verb, subject in sentence.links["subject"].items():
            for other in range(subject + 1, verb):
                if is_noun(words[other]):
                    what, several = kind(words[other])
                    assert what == "thing" or several != kind(words[subject])[1]


def test_no_noun_in_front_fits_the_first_verb(some):
    for sentence in some:
        words = sentence.words
        verb, subject = min(sentence.links["subject"].items())
        for other in range(verb):
            if is_noun(words[other]) and other != subject:
                what, several = kind(words[other])
                assert what == "thing" or several != kind(words[subject])[1]


def test_every_pronoun_has_one_referent(some):
    """Derived again: of all nouns before it just one can be meant."""
    for sentence in some:
        words, links = sentence.words, sentence.links["referent"]
        pronouns = [i for i, word in enumerate(words) if word in PRONOUNS]
        assert list(links) == pronouns
        assert len(pronouns) == 1
        (pronoun,) = pronouns
        wanted, several = kind(words[pronoun])
        fitting = [
            i
            for i in range(pronoun)
            if is_noun(words[i])
            and kind(words[i])[0] != "thing"
            and (kind(words[i])[1] if several else kind(words[i]) == (wanted, False))
        ]
        if words[pronoun] in ("him", "her", "them") or fitting != [links[pronoun]]:
            # "the dogs like it": the verb's own subject stands between and is excluded.
            own = sentence.links["subject"].get(pronoun - 1)
            fitting = [i for i in fitting if i != own]
        assert fitting == [links[pronoun]], sentence


def test_there_are_many_words_and_each_is_written():
    assert len(NUMBER) - 2 >= 200
    written = {word for s in sentences(3000, 0) for word in s.words}
    assert written == set(WORDS) - {PAD}


def test_all_forms_are_regular():
    """The grammar makes plurals and third persons with -s alone."""
    for word in [*KIND, *ALONE, *WITH_OBJECT]:
        assert word + "s" in LEXICON, word
        features = {r.split()[0] for r in LEXICON[word + "s"].split(OR)}
        assert ("noun" if word in KIND else "verb") in features


def test_nouns_are_what_the_lexicon_says():
    for noun, what in KIND.items():
        features = set(LEXICON[noun].split(OR)[0].split())
        assert ("animate" in features) == (what != "thing"), noun
        assert ("it" if what == "thing" else what) in features, noun


def test_word_before(some):
    for sentence in some:
        n = len(sentence.words)
        assert sentence.links["word before"] == {i: i - 1 for i in range(2, n)}


def test_no_fixed_distance_gives_the_answer_away():
    some = sentences(2000, 0)
    for relation, most in (("subject", 0.45), ("referent", 0.25)):
        distances = [i - j for s in some for i, j in s.links[relation].items()]
        commonest = max(set(distances), key=distances.count)
        assert distances.count(commonest) / len(distances) < most


def test_sentences_are_different_and_short(some):
    assert len({str(sentence) for sentence in some}) == len(some)
    for sentence in some:
        assert sentence.words[0] == START
        assert len(sentence.words) <= MAX_WORDS
        assert set(sentence.words) <= set(WORDS)


def test_what_is_unseen_is_said_by_its_name():
    with pytest.raises(ValueError, match="unseen is 'pair'"):
        sentences(3, 0, "pair")


def test_nothing_unseen_leaks_into_training():
    trained = {str(sentence) for sentence in sentences(3000, 0)}
    for unseen in ("structures", "pairs"):
        assert not trained & {str(s) for s in sentences(500, 1, unseen)}
    assert COURSE not in trained
    assert not any(map(holds_unseen_pair, sentences(3000, 0)))
    assert all(map(holds_unseen_pair, sentences(500, 2, "pairs")))
    assert 0.2 < len(HELD_OUT) / len(STRUCTURES) < 0.3


def test_held_out_structures_are_held_out():
    """The plainest sentence with a place is one of them."""
    adverb, posture, conjunction = map("|".join, (ADVERBS, POSTURES, CONJUNCTIONS))
    plain = re.compile(
        rf"the (\w+ )?\w+ (({adverb}) )?({posture}) on the (\w+ )?\w+ "
        rf"({conjunction}) (he|she|it|they) (was|were) \w+"
    )
    assert Structure(False, False, "", "place", "adjective") in HELD_OUT
    assert not any(plain.fullmatch(str(s)) for s in sentences(3000, 0))
    assert not any(plain.fullmatch(str(s)) for s in sentences(500, 2, "pairs"))
    assert any(plain.fullmatch(str(s)) for s in sentences(500, 1, "structures"))


def test_the_sentence_of_the_course_is_one_of_the_grammar(monkeypatch):
    few = {kind: nouns[:4] for kind, nouns in NOUNS.items()}
    monkeypatch.setattr(grammar, "NOUNS", few)  # else it takes millions of sentences
    for name in ("ADJECTIVES", "ADVERBS", "CONJUNCTIONS", "POSTURES"):
        monkeypatch.setattr(grammar, name, getattr(grammar, name)[:3])
    rng, structure = random.Random(0), Structure(False, False, "", "place", "adjective")
    drawn = (grammar._write(rng, structure) for _ in range(300_000))
    found = next(sentence for sentence in drawn if str(sentence) == COURSE)
    assert found.arrows("subject") == "sat → cat, was → it"
    assert found.arrows("referent") == "it → cat"


def test_the_same_seed_writes_the_same():
    assert list(map(str, sentences(20, 5))) == list(map(str, sentences(20, 5)))
    assert list(map(str, sentences(20, 5))) != list(map(str, sentences(20, 6)))


def test_encoding_keeps_words_and_links(some):
    corpus = encode(some)
    assert len(NUMBER) == len(WORDS)
    for sentence, ids, gold, real in zip(some, *corpus):
        n = len(sentence.words)
        assert [WORDS[i] for i in ids[:n]] == sentence.words
        assert real.sum() == n - 1
        assert real[1:n].all()
        for r, relation in enumerate(RELATIONS):
            links = sentence.links[relation]
            assert {i: j for i, j in enumerate(gold[:, r]) if j} == links
