"""Small things the lessons are made of: a table, a prediction, a figure to play with.

The controls are ordinary ipywidgets, reachable and operable by keyboard.
"""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from ipywidgets import HTML, Button, Checkbox, DOMWidget, Dropdown, HBox, VBox

from mha_utils.lettering import clean
from mha_utils.picture import Picture
from mha_utils.widgets import Slider, keep_keys

LARGE = {"font_size": "16px"}
WRAPPED = {"flex_flow": "wrap", "align_items": "center"}
FITS = {"max_width": "calc(100% - 4px)"}  # without its margins
# A prediction folds what follows it in the notebook, down to the next heading or the
# next prediction: texts, and what code printed or drew. An error is never folded.
ASKS = ".jp-Cell:has(.NAME)"
ENDS = f"{ASKS} ~ .jp-Cell:is(:has(h2), :has([class*=prediction-]))"
FOLDS = f"{ASKS} ~ .jp-Cell:not({ENDS}, {ENDS} ~ *)"
FOLDED = f"""{FOLDS}.jp-MarkdownCell,
{FOLDS} .jp-OutputArea-child:not(:has([data-mime-type*=err])) {{ display: none }}"""
SHOWS = ".jp-CodeCell:has(.jp-OutputArea-child)"
# The heading stands above the first result, not under a cell that shows nothing.
HEADED = f"""{FOLDS}{SHOWS}:not({ASKS} ~ {SHOWS} ~ *) .jp-OutputArea::before {{
content: HEADING; font-weight: bold; margin-left: var(--jp-cell-prompt-width) }}
"""
# JupyterLab breaks long lines within words. What a check says is broken between them;
# on a narrow page, where prompts stand above outputs, tables are scrolled.
LINES = """.jp-RenderedText[data-mime-type$=stdout] pre { word-break: normal }
@media (max-width: 760px) {
.jp-OutputArea::before { margin-left: 0 !important }
.jp-OutputArea-output[data-mime-type="text/plain"] pre { white-space: pre } }
"""
# With forced colours no ground is left to tell a button from text.
FORCED = """@media (forced-colors: active) {
.jupyter-button { border: 1px solid ButtonText !important } }
"""
SAYS = "<p role='{role}' style='font-size: 16px; margin: 0'>{text}</p>"


class Table:
    """Columns of words and numbers that read as text; made by `table`."""

    def __init__(self, columns: dict[str, list[str]], numeric: set[str]) -> None:
        self._columns, self._numeric = columns, numeric

    def __repr__(self) -> str:
        padded = []
        for name, cells in self._columns.items():
            wide = max(map(_width, (name, *cells)))
            pad = str.rjust if name in self._numeric else str.ljust
            padded.append([pad(c, wide - _width(c) + len(c)) for c in (name, *cells)])
        return "\n".join("   ".join(row).rstrip() for row in zip(*padded))


def table(*, digits: int = 2, **columns: Iterable[Any]) -> Table:
    """Put columns side by side: words to the left, numbers to the right.

    Parameters
    ----------
    digits : int
        How many decimals a number has that is not whole.
    **columns
        The cells of each column, under its name. ``_`` in a name becomes a space, but
        in d_k, n_q and the like it stays.

    Raises
    ------
    ValueError
        If there is no column, or one is longer than another.

    Examples
    --------
    >>> table(word=["cat", "sat"], weight=[0.166, 0.467], first=[False, True])
    word   weight   first
    cat      0.17   no
    sat      0.47   yes
    """
    lists = {_heading(name): list(cells) for name, cells in columns.items()}
    lengths = {name: len(cells) for name, cells in lists.items()}
    if len(set(lengths.values())) != 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(
            f"a table needs columns of one length; there is {said or None}"
        )
    numeric = {name for name, cells in lists.items() if all(map(_is_number, cells))}
    for name in numeric:
        if not all(isinstance(cell, Integral) for cell in lists[name]):
            lists[name] = list(map(float, lists[name]))
    text = {name: [_cell(c, digits) for c in cells] for name, cells in lists.items()}
    return Table(text, numeric)


def _heading(name: str) -> str:
    symbol = r"(?:^|(?<=_))[dnW]_"  # such as d_model
    return re.sub(symbol, lambda match: match[0][0] + "\0", name).translate(
        {ord("_"): " ", 0: "_"}
    )


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, (bool, np.bool_))


def _cell(cell: Any, digits: int) -> str:
    if isinstance(cell, (bool, np.bool_)):
        return "yes" if cell else "no"
    if isinstance(cell, Integral):
        return f"{int(cell):,}"
    if isinstance(cell, Real):
        return f"{round(float(cell), digits) + 0.0:,.{digits}f}"  # no -0.00
    return clean(str(cell), 60)


def _width(text: str) -> int:
    """Count the columns of a text in a fixed-width font."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return (
        len(text)
        + wide
        - sum(unicodedata.category(c) in ("Mn", "Me", "Cf") for c in text)
    )


def progress(items: Iterable[Any]) -> Iterator[Any]:
    """Hand out the items, and print a ``#`` for each tenth of them that is done."""
    items = list(items)
    for number, item in enumerate(items, start=1):
        yield item
        if number * 10 // len(items) > (number - 1) * 10 // len(items):
            print("#", end="", flush=True)
    print()


class Prediction(HBox):
    """Answers to choose from; what follows stays folded until one is chosen."""

    def __init__(self, options: tuple[str, ...]) -> None:
        if len(options) < 2:
            raise ValueError(f"{len(options)} answers to choose from; give at least 2")
        self._options = options
        self._reply = HTML()
        self._answers = [self._button(option, self._commit) for option in options]
        self._asked = self._button("show what comes out", self._show)
        super().__init__([*self._answers, self._asked, self._reply], layout=WRAPPED)
        keep_keys(self)
        self._name = f"prediction-{self.model_id}"
        self.add_class(self._name)
        self._say("", "Folded until you choose an answer above.", FOLDED)

    def _button(self, text: str, when: Callable[[Button], None]) -> Button:
        layout = {"width": "auto", "height": "auto"}
        button = Button(description=text, style=LARGE, layout=layout)
        button.on_click(when)
        return button

    def _commit(self, chosen: Button) -> None:
        for button in self._answers:
            button.icon = "check" if button is chosen else ""
        self._asked.layout.display = "none"  # nothing is folded any more
        text = (
            f"You chose “{chosen.description}”. Compare it with what comes out below."
        )
        self._say(text, f"Your prediction: {chosen.description}. What came out:")

    def _show(self, _: Button) -> None:
        self._say("It is shown below.", "What came out:")

    def _say(self, reply: str, heading: str, folded: str = "") -> None:
        """Answer beside the buttons, head the result, and fold what is to come."""
        heading = json.dumps(heading, ensure_ascii=False).replace(
            "<", r"\3c "
        )  # it stands in a style
        style = HEADED.replace("HEADING", heading) + folded
        style = LINES + FORCED + style.replace("NAME", self._name)
        reply = SAYS.format(role="status", text=html.escape(reply))
        self._reply.value = f"<style>{style}</style>{reply}"

    def __repr__(self) -> str:
        return "Your prediction: " + " · ".join(self._options)


def predict(*options: str) -> Prediction:
    """Ask the reader to commit to one of these answers before the experiment.

    In JupyterLab the rest of the section is folded until an answer is chosen, or the
    result is asked for. Without a kernel the answers and the result are read as text.
    """
    return Prediction(options)


def play(
    draw: Callable[..., Picture],
    **controls: tuple[float, float, float] | bool | list[str],
) -> VBox:
    """Show what `draw` returns, drawn anew whenever a control changes.

    Parameters
    ----------
    draw : callable
        ``draw(name=value, ...)`` returns a `Picture`. What it raises is shown below the
        last good picture.
    **controls
        For each argument of `draw`: a slider's lowest, highest and first number; True
        or False for a box to tick; or a list of strings to choose from.
    """
    labelled = [name for name, what in controls.items() if not isinstance(what, bool)]
    # Sliders below each other begin at one place; a letter is seldom wider than 1.2ch.
    wide = f"{1.2 * max(map(len, labelled)) + 1}ch" if labelled[1:] else "initial"
    made = {name: _control(name, what, wide) for name, what in controls.items()}
    picture, message = HTML(), HTML()

    def show(_: object = None) -> None:
        try:
            drawn = draw(**{name: control.value for name, control in made.items()})
        except Exception as error:  # shown where the reader looks, not lost in a log
            text = f"{type(error).__name__}: {html.escape(str(error))}"
            message.value = SAYS.format(role="alert", text=text)
            return
        data, metadata = drawn._repr_mimebundle_()
        png = base64.b64encode(data["image/png"]).decode()
        picture.value = (
            f"<style>{FORCED}</style><img src='data:image/png;base64,{png}' "
            f"alt='{html.escape(drawn.alt)}' "
            f"width='{metadata['image/png']['width']}' style='max-width: 100%'>"
        )
        message.value = ""

    for control in made.values():
        control.observe(show, "value")
    show()
    boxes = HBox(
        [control for control in made.values() if isinstance(control, Checkbox)],
        layout=WRAPPED,
    )
    others = [control for control in made.values() if control not in boxes.children]
    shown = [picture, message, *([boxes] if boxes.children else []), *others]
    return keep_keys(VBox(shown))


def _control(name: str, what: tuple | bool | list, label_width: str) -> DOMWidget:
    name = name.replace("_", " ")
    wide = {"description_width": label_width}
    if isinstance(what, bool):
        layout = {"width": "auto", "margin": "0 24px 0 0"}  # nearer to its own label
        return Checkbox(what, description=name, indent=False, layout=layout)
    if isinstance(what, list):
        return Dropdown(options=what, description=name, style=wide, layout=FITS)
    low, high, start = what
    return Slider(
        description=name,
        min=low,
        max=high,
        step=(high - low) / 100,
        value=start,
        label_width=label_width,
        layout=FITS | {"width": "28em"},
    )
