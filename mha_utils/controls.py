"""Small controls for the lessons: a prediction, a figure to play with.

All are made of ordinary ipywidgets, reachable and operable by keyboard.
"""

import base64
import html
from collections.abc import Callable

from ipywidgets import (
    HTML,
    Button,
    Checkbox,
    Dropdown,
    FloatSlider,
    HBox,
    VBox,
)

from mha_utils.picture import Picture

LARGE = {"font_size": "16px"}
WRAPPED = {"flex_flow": "wrap", "align_items": "center"}
SAYS = "<p role='{role}' style='font-size: 16px; margin: 0'>{text}</p>"


class Prediction(HBox):
    """Buttons with answers of which the reader chooses one, for good."""

    def __init__(self, options: tuple[str, ...]) -> None:
        if len(options) < 2:
            raise ValueError(f"{len(options)} answers to choose from; give at least 2")
        self._options = options
        self._reply = HTML()
        super().__init__([*map(self._button, options), self._reply], layout=WRAPPED)

    def _button(self, option: str) -> Button:
        button = Button(
            description=option,
            style=LARGE,
            layout={"width": "auto", "height": "auto"},
        )
        button.on_click(self._commit)
        return button

    def _commit(self, chosen: Button) -> None:
        for button in self.children[:-1]:
            button.disabled = button is not chosen  # which keeps the keyboard's focus
        chosen.icon = "check"
        text = "Noted. Now run the next cell and compare."
        self._reply.value = SAYS.format(role="status", text=text)

    def __repr__(self) -> str:
        return "Your prediction: " + " · ".join(self._options)


def predict(*options: str) -> Prediction:
    """Ask the reader to commit to one of these answers before the experiment.

    It tells nobody what is right: the next cell shows it. Without a kernel the answers
    are read as text.
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
    made = {name: _control(name, what) for name, what in controls.items()}
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
            f"<img src='data:image/png;base64,{png}' alt='{html.escape(drawn.alt)}' "
            f"width='{metadata['image/png']['width']}'>"
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
    return VBox([picture, message, *([boxes] if boxes.children else []), *others])


def _control(name: str, what: tuple | bool | list) -> FloatSlider | Checkbox | Dropdown:
    name = name.replace("_", " ")
    wide = {"description_width": "initial"}
    if isinstance(what, bool):
        layout = {"width": "auto"}
        return Checkbox(what, description=name, indent=False, layout=layout)
    if isinstance(what, list):
        return Dropdown(options=what, description=name, style=wide)
    low, high, start = what
    return FloatSlider(
        start,
        min=low,
        max=high,
        step=(high - low) / 100,
        description=name,
        style=wide,
        layout={"width": "28em"},
    )
