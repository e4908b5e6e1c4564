"""The explorer: attention maps of any sentence, drawn in the browser.

The kernel computes the maps and sends them once for each sentence; choosing a head or a
word, comparing and hovering happen in the page (`mha_utils.page`) and ask nobody. Words
are drawn by the browser, with its fonts and in their own writing direction, as text.

Drawing in the page was chosen because it was the fastest of the ways measured, and asks
the kernel least.
"""

import inspect
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from math import isqrt
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from matplotlib import colormaps

from mha_utils.maps import AttentionMaps
from mha_utils.page import front_end, read
from mha_utils.picture import DIFFERENCE_MAP, HEAD_COLORS, WEIGHT_MAP
from mha_utils.text import well_formed

_CONTROLS = ("causal", "special", "temperature")  # that a source may ask for
_WINDOW = ("rows", "columns")  # of large maps, the first that are shown
# What a page gets and draws at once. With 144 heads of 200 words (23 MB) it took seven
# times as long to appear as with 100 words (6 MB).
_MAX_BYTES, _MAX_WORDS, _MAX_HEADS = 8_000_000, 100, 2000
_SIDE = 64  # of a window, in words
_NOTHING = {
    "tokens": [],
    "keys": [],
    "groups": 1,
    "shape": [0] * 4,
    "weights": b"",
    "head_names": [],
    "note": "",
    "why": None,
    "window": None,
}
# The browser itself refuses whatever is not in the file. Two modules in one script see
# each other's functions, without an import, which a page opened from a disk cannot do.
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
img-src blob:; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ margin: 0; }}
h1 {{ margin: 10px 12px 0; font: 600 16px system-ui, sans-serif; }}
{css}</style>
<main><h1>Attention maps</h1></main>
<noscript>This page draws its maps with JavaScript, which is switched off.</noscript>
<script type="application/json">{saved}</script>
<script type="module">
{explorer}
{alone}
const saved = document.querySelector("[type='application/json']").textContent;
const model = standIn(readSaved(saved));
render({{ model, el: document.querySelector("main") }});
</script>
</html>
"""


class Explorer(anywidget.AnyWidget):
    """Show who attends to whom in the heads of a source, on any sentence.

    Parameters
    ----------
    attend : callable
        ``attend(sentence)`` returns `AttentionMaps`, or raises an exception whose
        message tells the reader what is wrong with the sentence; a sentence in the
        exception's ``suggestion`` is offered instead. If `attend` takes keyword
        arguments ``causal``, ``special`` (whether [CLS] and [SEP] are shown) or
        ``temperature`` with a default, the explorer shows a control for them.
    sentence : str
        The sentence to begin with.
    examples : sequence of str
        Other sentences worth a look, offered in a list beside the box.
    layer, head : int
        What to show first, counted from 0. If another sentence gives this head nothing
        to look at, one of its layer is shown that has more to see, until the reader has
        chosen a head.
    word : int
        The word whose row is shown as lines, counted from 0; if -1, the word that gives
        most of its attention to others. A word stays chosen in a sentence that has it.
    compare : int
        The head whose map is subtracted; -1 for none.
    max_words : int
        Longer sentences are refused in words; above 30 letters and signs for each word
        already before the maps are computed. Of more than 100 words, or 8 MB of maps,
        the page gets a window of at most 64 x 64 words, without reasons (`why`), and
        lets the reader choose which. Of up to 2000 heads all are shown.

    Attributes
    ----------
    sentence, causal, special, temperature, layer, head, word, compare
        What the controls show. Setting them from Python moves the controls.
    rows, columns
        Where the window of large maps begins, counted from 0; else 0.

    Raises
    ------
    ValueError
        If the first sentence has no maps, or layer, head, word or compare are not
        among them.
    """

    _esm = front_end()
    _css = read("explorer.css")

    sentence = traitlets.Unicode().tag(sync=True)
    causal = traitlets.Bool(None, allow_none=True).tag(sync=True)
    special = traitlets.Bool(None, allow_none=True).tag(sync=True)
    temperature = traitlets.Float(None, allow_none=True).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    word = traitlets.Int(-1).tag(sync=True)
    compare = traitlets.Int(-1).tag(sync=True)
    rows = traitlets.Int(0).tag(sync=True)
    columns = traitlets.Int(0).tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    """Words, maps and messages: one message, so that they always belong together."""
    shown = traitlets.Bool(True).tag(sync=True)
    """Whether a page shows the explorer; if none does, the maps are freed."""
    examples = traitlets.List(traitlets.Unicode()).tag(sync=True)
    initial = traitlets.Dict().tag(sync=True)
    colors = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        attend: Callable[..., AttentionMaps],
        sentence: str = "The cat sat on the mat",
        *,
        examples: Sequence[str] = (),
        layer: int = 0,
        head: int = 0,
        word: int = -1,
        compare: int = -1,
        max_words: int = 100,
    ) -> None:
        parameters = inspect.signature(attend).parameters
        controls = {
            name: parameters[name].default
            for name in _CONTROLS
            if name in parameters and isinstance(parameters[name].default, (int, float))
        }
        chosen = {"layer": layer, "head": head, "word": word, "compare": compare}
        inputs = {"sentence": well_formed(sentence), **controls}
        self._attend, self._max_words = attend, max_words
        self._kept: tuple[dict, AttentionMaps] | None = None  # the last inputs and maps
        picture = {"number": 1, **self._answer(inputs | {"rows": word})}
        if picture["error"]:
            raise ValueError(picture["error"])
        layers, heads, n, _ = self._maps(inputs).weights.shape
        for name, low, high in (
            ("layer", 0, layers),
            ("head", 0, heads),
            ("word", -1, n),
            ("compare", -1, heads),
        ):
            if not low <= chosen[name] < high:
                raise ValueError(
                    f"{name} is {chosen[name]}; it must be from {low} to {high - 1}"
                )
        start = picture["inputs"] | chosen
        super().__init__(
            **start,
            picture=picture,
            initial=start,
            colors=_colors(),
            examples=[well_formed(example) for example in examples],
        )
        self.observe(self._update, ["sentence", *_CONTROLS, *_WINDOW, "shown"])
        self.on_msg(lambda _, asked, __: self.set_state(asked))  # by the page

    def __repr__(self) -> str:
        return f"Explorer of {self.initial['sentence']!r}; it needs a running kernel"

    @traitlets.validate("sentence")
    def _validate_sentence(self, proposal: dict) -> str:
        return well_formed(proposal["value"])

    def _update(self, change: object) -> None:
        """Send the maps of what the controls show, or free them if nobody looks."""
        if not self.shown:
            self._kept = None
            self.picture = _NOTHING | {"number": self.picture["number"] + 1}
            return
        inputs = {
            name: getattr(self, name)
            for name in ("sentence", *_CONTROLS, *_WINDOW)
            if getattr(self, name) is not None
        }
        known = self.picture.get("inputs", {})
        if inputs != {"rows": 0, "columns": 0} | known:  # several changes, one picture
            self._show(inputs)

    def refresh(self) -> None:
        """Ask the source again for the same sentence, because it has changed itself."""
        if self.shown:
            self._kept = None
            self._show(self.picture["inputs"])

    def _show(self, inputs: dict) -> None:
        number = self.picture["number"] + 1
        self.picture = {**self.picture, **self._answer(inputs), "number": number}
        for name in _WINDOW:  # as far as there are such words
            setattr(self, name, self.picture["inputs"].get(name, 0))

    def save_html(self, path: str | Path) -> None:
        """Write a page that shows the explorer without Python and without a network.

        It begins as this explorer began, with the first sentence, and offers the
        `examples`, whose maps are computed now. Layers, heads and words are chosen and
        pictures saved as here. Other sentences, a mask or a temperature need Python.

        Parameters
        ----------
        path : str or Path
            Of the file, such as ``"explorer.html"``. One that exists is replaced.

        Raises
        ------
        ValueError
            If the source no longer has maps of the first sentence.
        """
        texts = [self.initial["sentence"], *self.examples]
        lines = dict.fromkeys(" ".join(text.splitlines()) for text in texts)
        asked = (*_CONTROLS, *_WINDOW)
        controls = {k: self.initial[k] for k in asked if k in self.initial}
        pictures = [
            self._answer({"sentence": line} | controls)
            # No switches, and no other sentence to offer: they would ask Python.
            | {"inputs": {"sentence": line}, "suggestion": ""}
            for line in lines  # as a box holds them
        ]
        if pictures[0]["error"]:
            raise ValueError(pictures[0]["error"])
        start = {k: v for k, v in self.initial.items() if k not in controls}
        start |= pictures[0]["inputs"]
        state = start | {
            "initial": start,
            "examples": list(lines),
            "colors": self.colors,
        }
        saved = json.dumps({"state": state, "pictures": pictures}, default=_encode)
        page = _PAGE.format(
            title=escape(start["sentence"]),
            saved=saved.replace("<", "\\u003c"),  # nothing in it can end the script
            css=self._css,
            explorer=self._esm,
            alone=read("alone.js"),
        )
        Path(path).write_text(page, encoding="utf-8")

    def _maps(self, inputs: dict) -> AttentionMaps:
        """Return the maps for these inputs, for which the source is asked once."""
        asked = {name: inputs[name] for name in inputs if name not in _WINDOW}
        if self._kept is None or self._kept[0] != asked:
            self._kept = None  # large maps go before others come
            controls = {name: asked[name] for name in asked if name != "sentence"}
            maps = self._attend(asked["sentence"], **controls)
            if not isinstance(maps, AttentionMaps):
                raise ValueError(
                    f"attend returned {type(maps).__name__}; the explorer needs "
                    f"AttentionMaps(tokens, weights)."
                )
            self._kept = asked, maps
        return self._kept[1]

    def _answer(self, inputs: dict) -> dict:
        """Compute the maps for these inputs; if there are none, say why."""
        at = [inputs.get(name, 0) for name in _WINDOW]
        inputs = {name: inputs[name] for name in inputs if name not in _WINDOW}
        answer = {"inputs": inputs, "error": "", "suggestion": ""}
        try:
            # Ten thousand signs may be as many words, and their maps gigabytes.
            if (length := len(inputs["sentence"])) > 30 * self._max_words:
                raise ValueError(
                    f"This sentence has {length} letters and signs; the explorer reads "
                    f"at most {30 * self._max_words}."
                )
            maps = self._maps(inputs)
            if (most := max(maps.weights.shape[2:])) > self._max_words:
                raise ValueError(
                    f"This sentence has {most} words; the explorer draws at most "
                    f"{self._max_words}."
                )
            _need_few_heads(maps)
            rows, columns, window = _window(maps, *at)
            weights = np.ascontiguousarray(maps.weights[..., rows, columns], "<f4")
            begin = {} if window is None else {n: window[n] for n in _WINDOW}
            return answer | {
                "inputs": inputs | begin,
                "tokens": maps.tokens[rows],
                "keys": maps.keys[columns],
                "groups": int(maps.num_kv_heads),
                "shape": list(weights.shape),
                "weights": weights.tobytes(),
                "head_names": list(maps.head_names),
                "note": maps.note,
                "why": None if window else _reasons(maps),
                "window": window,
            }
        except ValueError as error:
            said = str(error) or "attend failed: ValueError"
            suggestion = well_formed(str(getattr(error, "suggestion", "")))
            return answer | {"error": said, "suggestion": suggestion}
        # Shown where the learner looks, not lost in a log; the page waits for an
        # answer, also when the kernel was interrupted.
        except (Exception, KeyboardInterrupt) as error:
            return answer | {"error": f"attend failed: {type(error).__name__}: {error}"}


def _need_few_heads(maps: AttentionMaps) -> None:
    """Refuse more heads than a page can show, and say how to give fewer."""
    layers, heads = maps.weights.shape[:2]
    if layers * heads > _MAX_HEADS:
        part = "layer" if heads <= _MAX_HEADS else f"layer, :{_MAX_HEADS}"
        raise ValueError(
            f"These are {layers * heads} heads; the explorer shows at most "
            f"{_MAX_HEADS}. Give fewer: AttentionMaps(tokens, maps.weights[{part}])."
        )


def _window(
    maps: AttentionMaps, row: int, column: int
) -> tuple[slice, slice, dict | None]:
    """Return what of the maps is sent: all, or a window with this row and column."""
    layers, heads, *total = maps.weights.shape
    if max(total) <= _MAX_WORDS and 4 * maps.weights.size <= _MAX_BYTES:
        return slice(None), slice(None), None
    side = min(_SIDE, isqrt(_MAX_BYTES // (4 * layers * heads)))
    row, column = (
        max(0, min(at, n - 1)) // side * side
        for at, n in zip((row, column), total, strict=True)
    )
    window = {"rows": row, "columns": column, "side": side, "total": total}
    return slice(row, row + side), slice(column, column + side), window


def _encode(data: bytes) -> dict[str, str]:
    return {"base64": b64encode(data).decode()}


def _reasons(maps: AttentionMaps) -> dict | None:
    """Return what makes the scores, where the source gives it."""
    if maps.why is None:
        return None
    queries, keys, names = maps.why
    return {
        "queries": np.ascontiguousarray(queries, "<f4").tobytes(),
        "keys": np.ascontiguousarray(keys, "<f4").tobytes(),
        "names": [list(own) for own in names],
    }


def _colors() -> dict[str, bytes | list[str]]:
    """Return the colours of the static figures: the two maps as 256 RGB bytes each."""
    steps = np.arange(256)
    return {
        "weights": colormaps[WEIGHT_MAP](steps, bytes=True)[:, :3].tobytes(),
        "difference": colormaps[DIFFERENCE_MAP](steps, bytes=True)[:, :3].tobytes(),
        "heads": list(HEAD_COLORS),
    }
