"""The lexicon, its features, and whether the hand-built heads hit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lexicon import ORDINARY
from test_text import any_text

from mha_utils import MultiHeadAttention
from mha_utils.attention import positions
from mha_utils.lexicon import OR, load
from mha_utils.sentences import (
    COLUMNS,
    FEATURES,
    HEAD_NAMES,
    HEADS,
    LEXICON,
    attend,
    embed,
    features,
    hand_built_heads,
    matrix,
    unknown_words,
)
from mha_utils.text import START, words

pytestmark = pytest.mark.filterwarnings("error")


@given(any_text)
def test_any_text_with_a_word_in_it_can_be_attended_to(text):
    if not words(text):
        with pytest.raises(ValueError, match="no word"):
            attend(text)
    else:
        maps = attend(text)
        assert maps.tokens == [START, *words(text)]
        np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-12)


def test_features_are_looked_up():
    x = features([START, "The", "CATS", "wug"])
    assert x.shape == (4, len(FEATURES))
    names = said([START, "The", "CATS", "wug"])
    assert names[:2] == [{"start"}, {"determiner"}]
    assert names[2] == {"noun", "subject", "plural", "animate", "they"}
    assert names[3] == set()


def test_every_feature_in_the_lexicon_exists_and_is_used():
    readings = [r for names in LEXICON.values() for r in names.split(OR)]
    assert {name for r in readings for name in r.split()} == set(FEATURES) - {"start"}
    assert all(word == word.lower() for word in LEXICON)


def test_the_heads_know_the_words_of_the_file():
    assert LEXICON == load()


def test_regular_forms_are_in_the_lexicon():
    for word in "sleeps catches pushes cries reads".split():
        assert LEXICON[word].split(OR)[0] == "verb action singular"
    for word in "cats boxes children".split():
        assert "plural" in LEXICON[word] and "singular" not in LEXICON[word]


def test_words_can_be_added_to_the_lexicon():
    wug = LEXICON | {"wug": "noun subject singular animate it"}
    np.testing.assert_array_equal(*features(["Wug", "cat"], wug))
    assert unknown_words(["wug"], wug) == []
    maps = attend("The wug sleeps because it is tired", lexicon=wug)
    assert maps.note == "" and arrows(maps) == ["sleeps>wug", "it>wug", "is>it"]


def test_feature_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'wug' the feature 'verbal'.*noun, verb"):
        features(["wug"], {"wug": "verbal"})


def test_unknown_words_are_named_once_without_numbers_and_punctuation():
    tokens = [START, *words("The wug, 2 wugs 👍 and the wug wugn’t")]
    assert unknown_words(tokens) == ["wug", "wugs", "wugn’t"]
    assert unknown_words(["don’t"], {"don't": ""}) == []


def test_embedding_is_features_then_positions():
    tokens = [START, "cat", "sat"]
    x = embed(tokens)
    assert x.shape == (3, len(COLUMNS)) and len(COLUMNS) == 24
    np.testing.assert_array_equal(x[:, : len(FEATURES)], features(tokens))
    np.testing.assert_array_equal(x[:, len(FEATURES) :], positions(3, 8))
    assert COLUMNS[len(FEATURES) :][:4] == ("sin 1", "cos 1", "sin 10", "cos 10")


def test_matrix_writes_entries_where_they_are_named():
    assert matrix({("b", "x"): 2.0}, ("a", "b"), ("x", "y")).tolist() == [
        [0, 0],
        [2, 0],
    ]
    with pytest.raises(ValueError, match="'c', 'x'"):
        matrix({("c", "x"): 1.0}, ("a",), ("x",))


def said(tokens):
    """Return the names of each word's features, where it stands."""
    return [{FEATURES[c] for c in np.flatnonzero(row)} for row in features(tokens)]


def arrows(maps, at_least=0.8):
    """Say where verbs and pronouns look, "verb>subject", in the sentence's order.

    All other words must look at the start, and every look must be a clear one.
    """
    found = []
    for i, (word, names) in enumerate(zip(maps.tokens, said(maps.tokens))):
        for head, kind in enumerate(("verb", "pronoun")):
            row = maps.weights[0, head, i]
            assert row.max() > at_least, f"{word} looks nowhere in particular"
            if kind in names:
                found.append(f"{word}>{maps.tokens[row.argmax()]}")
            else:
                assert row.argmax() == 0, f"{word}, no {kind}, does not look at {START}"
    return found


SENTENCES = {
    # the lesson's own
    "The cat sat on the mat because it was tired": "sat>cat it>cat was>it",
    # distractors of the other number between subject and verb
    "The cat near the dogs often sleeps": "sleeps>cat",
    "The dogs near the cat often sleep": "sleep>dogs",
    "The woman behind the tables sings": "sings>woman",
    "The women near the river sing": "sing>women",
    "The mother of the boys smiles": "smiles>mother",
    "The mothers of the boy smile": "smile>mothers",
    "The box under the tables is big and it is red": "is>box it>box is>it",
    "The boxes under the table are red": "are>boxes",
    # distractors that are not alive
    "The mouse in the box ate": "ate>mouse",
    "The old man by the window always reads": "reads>man",
    "The pilot with the cake laughed": "laughed>pilot",
    # a clause between subject and verb
    "The cat that the dogs chase sleeps": "chase>dogs sleeps>cat",
    "The dogs that the cat chases sleep": "chases>cat sleep>dogs",
    "Who slept": "slept>Who",
    # two clauses, two subjects
    "The baker opened the door and the children ran into the house": (
        "opened>baker ran>children"
    ),
    "The king sings when the queen sleeps": "sings>king sleeps>queen",
    # auxiliaries
    "The ball would fall": "would>ball fall>ball",
    "The children did not sleep": "did>children sleep>children",
    # referents told by gender
    "Mary likes Tom because he is kind": "likes>Mary he>Tom is>he",
    "Tom likes Mary because she is kind": "likes>Tom she>Mary is>she",
    "The boy saw the girls because he looked": "saw>boy he>boy looked>he",
    "The king visited the queen and she smiled": "visited>king she>queen smiled>she",
    "The queen visited the king and she smiled": "visited>queen she>queen smiled>she",
    # by number
    "The boys chased the ball and they laughed": "chased>boys they>boys laughed>they",
    "The father thanked the doctors because they helped him": (
        "thanked>father they>doctors helped>they him>father"
    ),
    "Peter bought the books because he likes them": (
        "bought>Peter he>Peter likes>he them>books"
    ),
    "The letters fall and they are white": "fall>letters they>letters are>they",
    # by being alive
    "The dog was near the tree and it slept": "was>dog it>dog slept>it",
    # possessives and reflexives
    "The girl near the boys sings her song": "sings>girl her>girl",
    "The boys near the girl sing their songs": "sing>boys their>boys",
    "The lion looks at the mirror and sees itself": (
        "looks>lion sees>lion itself>lion"
    ),
    # nobody to look at
    "It was cold": "It><s> was>It",
    "They sleep": "They><s> sleep>They",
    "Sleep and run": "Sleep><s> run><s>",
    "Him she saw": "Him><s> she><s> saw>she",
    "The girls smile but he cried": "smile>girls he><s> cried>he",
    "Mary saw him": "saw>Mary him><s>",
    "Tom likes her": "likes>Tom her><s>",
    # with "I", "you" and "we"
    "You read because I asked": "read>You asked>I",
    "I saw that the cat slept": "saw>I slept>cat",
    "We know that the dog sat": "know>We sat>dog",
    "I was near the dogs": "was>I",
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_verbs_look_at_their_subjects_and_pronouns_at_their_referents(sentence):
    maps = attend(sentence)
    assert maps.note == ""
    assert arrows(maps) == SENTENCES[sentence].split()


# The ordinary sentences of test_lexicon.py, as a reader would answer.
ORDINARY_ANSWERS = """
see>I
can>boy see>boy
can>I see>I
run>dog
will>hen run>hen
run>hen
see>I
She><s> saw>She run>Rover
come><s>
runs>Hare
will>Fox eat>Fox
ran>rat
has>man
can>baby have>baby
She><s> can>She fly>She catch>She it>bird
have>I
put>I shall>I leave>I
are>apples
put>I shall>I leave>I
are>apples
""".strip().split("\n")
WRONG = {
    "She saw Rover run off with the hat.": "run>She",  # Rover is not in the lexicon
    "The man with the big hat has a cow.": "has>hat",  # the nearer of two that agree
    "She can not fly and catch it.": "it><s>",  # the bird is a sentence away
}


def test_ordinary_sentences_are_read_as_people_read_them():
    """Of two subjects, "the boy and the dog", the nearer one counts as right."""
    for sentence, answers in zip(ORDINARY, ORDINARY_ANSWERS, strict=True):
        found = arrows(attend(sentence))
        wrong = sorted(set(found) - set(answers.split()))
        assert wrong == [w for w in [WRONG.get(sentence)] if w], sentence
        assert len(found) == len(answers.split())


AMBIGUOUS = {
    # a word that is a noun and a verb: the commoner one, if nothing tells more
    "The boys watch the birds": {"watch": "verb"},
    "The old watch was on the table": {"watch": "noun", "was": "verb"},
    "The walk in the park was long": {"walk": "noun", "park": "noun"},
    "The children walk to the park": {"walk": "verb"},
    "They book a room": {"book": "verb"},
    "He reads his book": {"book": "noun"},
    "I can book a very quiet room": {"book": "verb", "room": "noun"},
    "Tom’s broken chair fell": {"broken": "adjective", "chair": "noun", "fell": "verb"},
    "The window has broken": {"broken": "verb"},
    "Anna's play was long": {"play": "noun"},
    "The sleeping dogs smile": {"sleeping": "adjective", "smile": "verb"},
    "The dogs are sleeping": {"sleeping": "verb"},
    "The wug runs": {"runs": "verb"},  # an unknown word ends what the article began
    # limits: two nouns, and an article's noun that is an adjective
    "The children want help": {"help": "verb"},
    "The old walk slowly": {"walk": "noun"},
}


@pytest.mark.parametrize("sentence", AMBIGUOUS)
def test_a_word_that_can_be_two_things_is_one(sentence):
    tokens = words(sentence)
    for word, kind in AMBIGUOUS[sentence].items():
        names = said(tokens)[tokens.index(word)]
        assert names & {"noun", "verb", "adjective"} == {kind}, word


def test_what_follows_changes_no_features():
    tokens = words("Tom's old watch books can play the walk")
    for n in range(len(tokens)):
        np.testing.assert_array_equal(features(tokens)[:n], features(tokens[:n]))


LIMITS = [
    # (sentence, who looks, at whom, at whom it should): of two that agree, the nearer
    ("The cat near the dog sleeps", "sleeps", "dog", "cat"),
    ("The dog saw the cat and ran", "ran", "cat", "dog"),
    ("The trophy did not fit in the box as it was big", "it", "box", "trophy"),
    # a pronoun looks outside of its own clause no more than inside
    ("Tom saw John because the king loved him", "him", "king", "John"),
    # of "Anna and Mary" a single word is found
    ("Anna and Mary sleep", "sleep", "Mary", "Anna"),
    # "sheep" and "slept" agree twice, in the singular and in the plural
    ("The sheep knew that the dog slept", "slept", "sheep", "dog"),
    # nouns that are also verbs
    ("The children want help", "help", "children", START),
    # agreement, and being alive, outweigh about six words of distance
    (
        "The pilot with the cake in the old red car laughed",
        "laughed",
        "car",
        "pilot",
    ),
    (
        "The cat near the dogs and the birds and the frogs often sleeps",
        "sleeps",
        "frogs",
        "cat",
    ),
]


@pytest.mark.parametrize(("sentence", "word", "found", "meant"), LIMITS)
def test_known_limits_of_the_hand_built_heads(sentence, word, found, meant):
    """Word order and features are all these heads have: no grammar, no meaning."""
    maps = attend(sentence)
    assert f"{word}>{found}" in arrows(maps, at_least=0.5)
    assert meant in maps.tokens


def test_subject_that_follows_its_verb_is_found_without_the_causal_mask():
    assert arrows(attend("Is the cat asleep ?")) == [f"Is>{START}"]
    assert arrows(attend("Is the cat asleep ?", causal=False)) == ["Is>cat"]


sentences = st.lists(st.sampled_from(sorted(LEXICON)), min_size=1, max_size=60).map(
    " ".join
)


@pytest.mark.parametrize("n", [1, 60, 100])
def test_word_before_is_found_in_long_sentences_of_unknown_words(n):
    weights = attend("wug " * n).weights[0, HEAD_NAMES.index("word before")]
    assert (np.diag(weights, -1) > 0.95).all()


@given(sentences)
def test_word_before_gets_nearly_all_attention(sentence):
    weights = attend(sentence).weights[0, HEAD_NAMES.index("word before")]
    assert (np.diag(weights, -1) > 0.95).all()
    assert weights[0, 0] == 1


@given(sentences)
def test_who_finds_nobody_looks_at_the_start(sentence):
    maps, seen = attend(sentence), set()
    for i, names in enumerate(said(maps.tokens)):
        lonely = [
            "verb" not in names or "subject" not in seen,
            "pronoun" not in names or not names & seen & {"he", "she", "it", "they"},
        ]
        assert (maps.weights[0, :2, i, 0][lonely] > 0.8).all()
        seen |= names & {"subject"} if "pronoun" in names else names


@given(sentences, st.booleans(), st.sampled_from([0.1, 1.0, 20.0]))
def test_rows_sum_to_1(sentence, causal, temperature):
    maps = attend(sentence, causal=causal, temperature=temperature)
    n = len(words(sentence)) + 1
    assert maps.tokens[0] == START and maps.weights.shape == (1, 3, n, n)
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-12)


@given(sentences)
def test_causal_switch(sentence):
    n = len(words(sentence)) + 1
    later = np.triu(np.ones((n, n), bool), 1)
    assert (attend(sentence).weights[..., later] == 0).all()
    seen = attend(sentence, causal=False).weights
    assert (seen[..., later] > 0).any()
    before = attend(f"{sentence} cat").weights[..., :n, :n]
    np.testing.assert_allclose(before, attend(sentence).weights, atol=1e-12)


def test_higher_temperature_makes_every_row_softer():
    sharpness = [
        attend("The cat sat on the mat because it was tired", temperature=t)
        .weights[0, :, 2:]
        .max(-1)
        for t in (0.5, 1, 2, 5, 20, 100)
    ]
    for sharper, softer in zip(sharpness, sharpness[1:]):
        assert (softer <= sharper).all() and softer.mean() < sharper.mean()


def test_temperature_divides_the_scores():
    x = embed([START, "cat", "sat"])
    plain, softer = hand_built_heads()(x)[1], hand_built_heads(4)(x)[1]
    rescaled = plain**0.25 / (plain**0.25).sum(-1, keepdims=True)
    np.testing.assert_allclose(softer, rescaled, atol=1e-9)


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        hand_built_heads(temperature)


def test_size_of_the_hand_built_layer():
    layer = hand_built_heads()
    sizes = (layer.num_heads, layer.d_model, layer.d_k, layer.d_v)
    assert sizes == (len(HEAD_NAMES), 24, 8, 8)
    assert attend("cats").head_names == HEAD_NAMES


def test_words_answer_alike_and_only_the_wish_for_the_start_is_always_there():
    for head in HEADS.values():
        assert {abs(answer) for answer in head.keys.values()} == {1}
    always = [[400 * (q == "start") for q in head.questions] for head in HEADS.values()]
    np.testing.assert_array_equal(hand_built_heads().b_q, always)
    for head in (HEADS["subject"], HEADS["referent"]):  # readers add their wishes up
        assert {wish % 10 for wish in head.queries.values()} == {0}


def test_head_brings_back_the_features_of_what_it_found():
    tokens = [START, *words("The cat sat on the mat because it was tired")]
    found = hand_built_heads().contributions(embed(tokens), mask=np.tri(11, dtype=bool))
    referent_of_it = found[HEAD_NAMES.index("referent"), tokens.index("it")]
    for name, share in {"noun": 1, "animate": 1, "it": 1, "verb": 0, "she": 0}.items():
        assert abs(referent_of_it[COLUMNS.index(name)] - share) < 0.05


def test_changed_layer_changes_the_maps():
    layer = hand_built_heads()
    layer.w_q[HEAD_NAMES.index("referent")] = 0
    layer.b_q[HEAD_NAMES.index("referent")] = 0
    before, after = (
        attend("The cat slept because it was tired", layer=chosen).weights[0]
        for chosen in (None, layer)
    )
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], atol=1e-12)
    np.testing.assert_allclose(after[1, -1], 1 / 8)


def test_layer_with_another_number_of_heads_has_no_names():
    maps = attend("The cat sat", layer=MultiHeadAttention.random(24, 4, seed=0))
    assert maps.head_names == () and maps.weights.shape == (1, 4, 4, 4)


def test_layer_and_temperature_exclude_each_other():
    with pytest.raises(ValueError, match="temperature .* not on `layer`"):
        attend("The cat sat", layer=hand_built_heads(), temperature=2)


def test_unknown_words_are_named_in_the_note():
    note = attend("The wug sat near the cat , wug").note
    assert "lexicon: wug." in note and "cat" not in note
    assert attend("The cat sat !").note == ""


def test_note_stays_short():
    many = " ".join(f"wug{letter}" for letter in "abcdefgh")
    assert "wugf and 2 more." in attend(many).note
    assert "wugf and 1 more." in attend(many[:-5]).note
    assert "wugf. The" in attend(many[:-10]).note
    assert f"lexicon: {'w' * 20}. The" in attend("w" * 20).note
    assert f"lexicon: {'w' * 19}…. The" in attend("w" * 21).note
    assert len(attend("w" * 5000).note) < 150


@pytest.mark.parametrize("sentence", ["", "  \n", "\0", "\u200b"])
def test_sentence_without_a_word_is_refused(sentence):
    with pytest.raises(ValueError, match="no word"):
        attend(sentence)
