"""A lexicon of word features, and three attention heads built by hand.

A *source* of attention is any function ``attend(sentence)`` that returns
`AttentionMaps`; figures and the explorer need nothing else. This module holds the first
source of the course: three heads whose matrices are small enough to read, so that one
can see why a head looks where it looks.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import MultiHeadAttention, causal_mask, positions
from mha_utils.lexicon import OR, load
from mha_utils.maps import AttentionMaps
from mha_utils.text import START, words

FEATURES = tuple(
    "start noun verb adjective determiner preposition pronoun subject "
    "he she it they animate singular plural action".split()
)
"""What is written about a word, a column each. *subject*: can be one (he, not him);
*he*, *she*, *it*, *they*: the pronoun that can stand for it; *action*: a verb whose
subject is alive. Verbs have a number as nouns do: *sleeps* is singular, *sat* both."""

PRONOUNS = ("he", "she", "it", "they")
WAVES = tuple(f"{wave} {10**i}" for i in range(4) for wave in ("sin", "cos"))
COLUMNS = FEATURES + WAVES
"""Names of the d_model = 24 numbers of a word: its features, then its position."""


LEXICON = load()
"""Word -> its features, as names with spaces between; `lexicon.OR` between the readings
of a word that can be two things. Add your own words with
``LEXICON | {"wug": "noun subject singular animate it"}``."""

_ARTICLES = frozenset("the a an my your his its our their every no".split())
_BEFORE_VERBS = frozenset(
    "i he she we they who can could will would shall should must may might".split()
)


def features(tokens: list[str], lexicon: dict[str, str] = LEXICON) -> NDArray:
    """Look up the words' features: 1 where a word has one, else 0; (n, len(FEATURES)).

    A word that is not in the lexicon has none. `START` has the feature *start*. Of a
    word that can be two things the commoner one is taken, with two exceptions: from an
    article or an owner to its noun no word is a verb, as in "the old watch" or "Tom's
    broken chair"; and after "I", "they", "can" and their like it is one.

    Raises
    ------
    ValueError
        If the lexicon gives a word a feature that is not in `FEATURES`.
    """
    x = np.zeros((len(tokens), len(FEATURES)))
    for row, token, reading in zip(x, tokens, readings(tokens, lexicon), strict=True):
        for name in reading.split():
            if name not in FEATURES:
                raise ValueError(
                    f"the lexicon gives {token!r} the feature {name!r}; "
                    f"the features are {', '.join(FEATURES)}"
                )
            row[FEATURES.index(name)] = 1
    return x


def readings(tokens: list[str], lexicon: dict[str, str]) -> Iterator[str]:
    """Choose what each word is here, by the words before it alone."""
    before, in_phrase = "", False  # a phrase: from an article to its noun
    for token in tokens:
        known = "start" if token == START else _look_up(token, lexicon)
        possible = (known or "").split(OR)
        verbs = [reading for reading in possible if "verb" in reading.split()]
        others = [reading for reading in possible if reading not in verbs]
        if in_phrase and others:
            reading = others[0]
        elif in_phrase and verbs[0].endswith("singular plural"):
            reading = "adjective"  # "the broken chair", "the sleeping dog"
        elif before in _BEFORE_VERBS and verbs:
            reading = verbs[0]
        else:
            reading = possible[0]
        yield reading
        before = token.lower()
        owner = reading == "determiner" and before.endswith(("'s", "\u2019s"))
        describes = known is not None and reading in ("adjective", "")
        in_phrase = before in _ARTICLES or owner or (in_phrase and describes)


def unknown_words(tokens: list[str], lexicon: dict[str, str] = LEXICON) -> list[str]:
    """Return the words, numbers and punctuation aside, that the lexicon lacks."""
    return [
        token
        for token in dict.fromkeys(tokens)
        if token != START
        and _look_up(token, lexicon) is None
        and any(char.isalpha() for char in token)
    ]


def _look_up(token: str, lexicon: dict[str, str]) -> str | None:
    """Find a word as it is written, or else in lower case; "Tom's" is an owner."""
    plain = token.replace("\u2019", "'")
    known = lexicon.get(plain, lexicon.get(plain.lower()))
    if known is None and plain.endswith("'s"):
        return None if _look_up(plain[:-2], lexicon) is None else "determiner"
    return known


class Head(NamedTuple):
    """A head built by hand: what a word asks, and what every word answers.

    Each entry is one wish: W_Q[column of the word that asks, question] times W_K[column
    of the word that is asked, question]. The layer adds the wishes up over the
    questions and divides by sqrt(8) before the softmax.
    """

    questions: tuple[str, ...]
    """The head's eight questions, d_k = 8: the columns of its W_Q and W_K."""
    queries: dict[tuple[str, str], float]
    keys: dict[tuple[str, str], float]
    biases: dict[str, float]
    """Added to the queries of all words."""


# 500 sin((j - i)/100) = 500 (sin j/100 cos i/100 - cos j/100 sin i/100): the wish falls
# by about 5 for each word that word j stands before word i. The start stands outside of
# this order: its own position, (0, 1), is taken off.
_NEAR_QUERY = {("cos 100", "near sin"): 500, ("sin 100", "near cos"): -500}
_NEAR_KEY = {
    ("sin 100", "near sin"): 1,
    ("cos 100", "near cos"): 1,
    ("start", "near cos"): -1,
}

# A verb looks for a subject that agrees with it, the nearer the better; one that does
# something looks for someone alive. A verb that finds none, and any other word, looks
# at the start.
SUBJECT = Head(
    ("start", "subject", "singular", "plural", "alive", "near sin", "near cos", "-"),
    queries={
        ("verb", "start"): -380,
        ("verb", "subject"): 100,
        ("singular", "singular"): 30,
        ("plural", "plural"): 30,
        ("action", "alive"): 30,
        **_NEAR_QUERY,
    },
    keys={
        ("start", "start"): 1,
        ("subject", "subject"): 1,
        ("verb", "subject"): -1,
        ("singular", "singular"): 1,
        ("plural", "plural"): 1,
        ("animate", "alive"): 1,
        **_NEAR_KEY,
    },
    biases={"start": 400},
)

# A pronoun looks for a noun that it can stand for, alive rather than not, the nearer
# the better. A pronoun that finds none, and any other word, looks at the start.
REFERENT = Head(
    ("start", "he", "she", "it", "they", "alive", "near sin", "near cos"),
    queries={
        ("pronoun", "start"): -350,
        **{(pronoun, pronoun): 150 for pronoun in PRONOUNS},
        ("pronoun", "alive"): 30,
        **_NEAR_QUERY,
    },
    keys={
        ("start", "start"): 1,
        **{(pronoun, pronoun): 1 for pronoun in PRONOUNS},
        **{("pronoun", pronoun): -1 for pronoun in PRONOUNS},  # a pronoun is no answer
        ("animate", "alive"): 1,
        ("pronoun", "alive"): -1,
        **_NEAR_KEY,
    },
    biases={"start": 400},
)


def _one_step_back() -> dict[tuple[str, str], float]:
    """Turn a position back by one step: each pair of sine and cosine by its angle."""
    entries: dict[tuple[str, str], float] = {}
    for sin, cos, step in zip(WAVES[::2], WAVES[1::2], (1.0, 0.1, 0.01, 0.001)):
        entries |= {
            (sin, sin): 80 * np.cos(step),
            (cos, sin): -80 * np.sin(step),
            (sin, cos): 80 * np.sin(step),
            (cos, cos): 80 * np.cos(step),
        }
    return entries


# Each word asks for its own position turned back by one step, and each position answers
# for itself.
WORD_BEFORE = Head(
    WAVES,
    queries=_one_step_back(),
    keys={(wave, wave): 1 for wave in WAVES},
    biases={},
)

HEADS = {"subject": SUBJECT, "referent": REFERENT, "word before": WORD_BEFORE}
HEAD_NAMES = tuple(HEADS)
QUESTIONS = {name: head.questions for name, head in HEADS.items()}
FOUND = ("start", "noun", "verb", *PRONOUNS, "animate")
"""What every head brings back of the words it looks at: the columns of its W_V."""


def hand_built_heads(temperature: float = 1.0) -> MultiHeadAttention:
    """Build the layer with the three `HEADS`, d_model 24, d_k = d_v = 8.

    The columns of d_model are `COLUMNS`. W_O writes what the heads `FOUND`, added up
    over the heads, into the columns of their names. Made for sentences of up to about
    100 words.

    Parameters
    ----------
    temperature : float
        The scores are divided by it: below 1 the heads are sharper, above 1 softer.

    Raises
    ------
    ValueError
        If `temperature` is not a positive number.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    heads, found = HEADS.values(), {(name, name): 1.0 for name in FOUND}
    w_q = np.array([matrix(h.queries, COLUMNS, h.questions) for h in heads])
    w_k = np.array([matrix(h.keys, COLUMNS, h.questions) for h in heads])
    w_v = np.array([matrix(found, COLUMNS, FOUND) for _ in heads])  # (h, d, d_v)
    w_o = np.vstack([matrix(found, FOUND, COLUMNS) for _ in heads])  # (h*d_v, d)
    b_q = np.array([[h.biases.get(q, 0.0) for q in h.questions] for h in heads])
    return MultiHeadAttention(w_q / temperature, w_k, w_v, w_o, b_q=b_q / temperature)


def matrix(
    entries: dict[tuple[str, str], float],
    rows: tuple[str, ...],
    columns: tuple[str, ...],
) -> NDArray:
    """Write out a matrix of which only some entries, (row, column): number, are not 0.

    Raises
    ------
    ValueError
        If an entry names a row or a column that there is not.
    """
    full = np.zeros((len(rows), len(columns)))
    for (row, column), number in entries.items():
        if row not in rows or column not in columns:
            raise ValueError(f"no entry ({row!r}, {column!r}) in {rows} x {columns}")
        full[rows.index(row), columns.index(column)] = number
    return full


def embed(tokens: list[str], lexicon: dict[str, str] = LEXICON) -> NDArray:
    """Write each word as its features and its position, (n, 24), columns `COLUMNS`."""
    return np.hstack([features(tokens, lexicon), positions(len(tokens), len(WAVES))])


def attend(
    sentence: str,
    *,
    layer: MultiHeadAttention | None = None,
    lexicon: dict[str, str] = LEXICON,
    causal: bool = True,
    temperature: float = 1.0,
) -> AttentionMaps:
    """Run the hand-built heads on a sentence.

    The word `START` is put in front: it is where a head looks that has nothing to look
    for, because a softmax row must give its 1 to something.

    Parameters
    ----------
    sentence : str
    layer : MultiHeadAttention, optional
        Another layer on the same 24 columns, for instance with a matrix you changed.
    lexicon : dict
        The words that are known, and their features.
    causal : bool
        Whether a word sees only itself and what stands before it, which the hand-built
        heads count on.
    temperature : float
        See `hand_built_heads`; leave it at 1 with a `layer` of your own.

    Returns
    -------
    maps : AttentionMaps
        One layer; its note names the words that the lexicon lacks.

    Raises
    ------
    ValueError
        If the sentence has no word in it, or both `layer` and `temperature` are given.
    """
    tokens = words(sentence)
    if not tokens:
        raise ValueError("There is no word in this sentence. Type at least one.")
    if layer is None:
        layer = hand_built_heads(temperature)
    elif temperature != 1:
        raise ValueError("temperature works on the built-in heads only, not on `layer`")
    tokens = [START, *tokens]
    mask = causal_mask(len(tokens)) if causal else None
    x = embed(tokens, lexicon)  # (n, d)
    _, weights = layer(x, mask=mask)  # (h, n, n)
    unknown = unknown_words(tokens, lexicon)
    note = ""
    if unknown:
        some = [
            word if len(word) <= 20 else word[:19] + "\u2026" for word in unknown[:6]
        ]
        more = f" and {len(unknown) - 6} more" if len(unknown) > 6 else ""
        note = (
            f"Not in the lexicon: {', '.join(some)}{more}. The heads see where such a "
            f"word stands, but not what it is."
        )
    names = HEAD_NAMES if layer.num_heads == len(HEAD_NAMES) else ()
    return AttentionMaps(tokens, weights, names, note, why=_why(layer, x))


def _why(
    layer: MultiHeadAttention, x: NDArray
) -> tuple[NDArray, NDArray, list[list[str]]] | None:
    """Return queries, keys and questions, of heads that ask as the built-in do."""
    asked = [list(head.questions) for head in HEADS.values()]
    if (layer.num_heads, layer.d_k) != (len(asked), len(asked[0])):
        return None
    queries, keys, _ = layer._project(x, None)  # (h, n, d_k), (g, n, d_k)
    keys = np.repeat(keys, layer.num_heads // layer.num_kv_heads, axis=0)  # (h, n, d_k)
    names = [["nearness" if "near" in q else q for q in own] for own in asked]
    return queries, keys, names
