"""What the first page needs to answer as its reader types: lexicon, heads, a start."""

import base64
import json

from mha_utils import sentences
from mha_utils.explorer import Explorer
from mha_utils.lexicon import OR
from mha_utils.text import START

SENTENCE = "The cat sat on the mat because it was tired"
MAX_WORDS = 100


def live_data() -> str:
    """Return it as JSON; the website's `live.js` reads it."""
    explorer = Explorer(sentences.attend, SENTENCE, head=1, word=8, max_words=MAX_WORDS)
    layer = sentences.hand_built_heads()
    lexicon: dict[str, list[str]] = {}
    for word, features in sentences.LEXICON.items():
        lexicon.setdefault(features, []).append(word)
    data = {
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
    }
    state = {name: getattr(explorer, name) for name in Explorer.class_own_traits()}
    state["picture"] = state["picture"] | {"why": None}  # heads.js gives weights alone
    return json.dumps({"state": state, "data": data}, default=_encode)


def _encode(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
