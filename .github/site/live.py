"""The hand-built heads for the website's pages, which compute them without a kernel."""

import base64

from mha_utils import sentences
from mha_utils.explorer import Explorer
from mha_utils.lexicon import OR
from mha_utils.text import START

SENTENCE = "The cat sat on the mat because it was tired"
MAX_WORDS = 100


def heads_data() -> dict:
    """Return lexicon and heads, for the website's `heads.js`."""
    layer = sentences.hand_built_heads()
    questions = sentences.attend("it").why[2]
    lexicon: dict[str, list[str]] = {}
    for word, features in sentences.LEXICON.items():
        lexicon.setdefault(features, []).append(word)
    return {
        "lexicon": {features: " ".join(words) for features, words in lexicon.items()},
        "start": START,
        "or": OR,
        "articles": sorted(sentences._ARTICLES),
        "beforeVerbs": sorted(sentences._BEFORE_VERBS),
        "columns": sentences.COLUMNS,
        "waves": len(sentences.WAVES),
        "maxWords": MAX_WORDS,
        "heads": [
            {"w_q": w_q.tolist(), "b_q": b_q.tolist(), "w_k": w_k.tolist()}
            for w_q, b_q, w_k in zip(layer.w_q, layer.b_q, layer.w_k)
        ],
        "questions": questions,
    }


def first_explorer() -> Explorer:
    """Return the explorer of the first page."""
    return Explorer(sentences.attend, SENTENCE, head=1, word=8, max_words=MAX_WORDS)


def state(explorer: Explorer) -> dict:
    """Return what an explorer's page begins with, where `heads.js` answers."""
    return {name: getattr(explorer, name) for name in Explorer.class_own_traits()}


def encode(value: bytes) -> dict[str, str]:
    """Write bytes as JSON; for `json.dumps`."""
    return {"base64": base64.b64encode(value).decode()}
