"""Small controls for the lessons: commit to a prediction, move sliders below a figure.

Both are made of ordinary ipywidgets, reachable and operable by keyboard.
"""

import base64
import html
from collections.abc import Callable

from ipywidgets import HTML, Button, FloatSlider, HBox, VBox

from mha_utils.heatmaps import Picture


class Prediction(HBox):
    """Buttons with answers of which the reader chooses one, for good."""

    def __init__(self, options: tuple[str, ...]) -> None:
        if len(options) < 2:
            raise ValueError(f"{len(options)} answers to choose from; give at least 2")
        self._options = options
        self._reply = HTML(layout={"align_self": "center"})
        super().__init__(
            [*map(self._button, options), self._reply], layout={"flex_flow": "wrap"}
        )

    def _button(self, option: str) -> Button:
        button = Button(
            description=option,
            style={"font_size": "16px"},
            layout={"width": "auto", "height": "auto"},
        )
        button.on_click(self._commit)
        return button

    def _commit(self, chosen: Button) -> None:
        for button in self.children[:-1]:
            button.disabled = True
        chosen.icon = "check"
        self._reply.value = (
            "<span role='status' style='font-size: 16px'>Noted. "
            "Now run the next cell and compare.</span>"
        )

    def __repr__(self) -> str:
        return "Your prediction: " + " · ".join(self._options)


def predict(*options: str) -> Prediction:
    """Ask the reader to commit to one of these answers before the experiment.

    It tells nobody what is right: the next cell shows it. Without a kernel the answers
    are read as text.
    """
    return Prediction(options)


def sliders(draw: Callable[..., Picture], **ranges: tuple[float, float, float]) -> VBox:
    """Show what `draw` returns, drawn anew whenever a slider moves.

    Parameters
    ----------
    draw : callable
        ``draw(name=number, ...)`` returns a `Picture`. What it raises is shown below
        the last good picture.
    **ranges
        For each argument of `draw`: the lowest number, the highest, and the first.
    """
    controls = {
        name: FloatSlider(
            start,
            min=low,
            max=high,
            step=(high - low) / 100,
            description=name,
            style={"description_width": "initial"},
            layout={"width": "28em"},
        )
        for name, (low, high, start) in ranges.items()
    }
    picture, message = HTML(), HTML()

    def show(_=None) -> None:
        try:
            drawn = draw(**{name: slider.value for name, slider in controls.items()})
        except Exception as error:  # shown where the reader looks, not lost in a log
            message.value = (
                f"<p role='alert' style='font-size: 16px'>{type(error).__name__}: "
                f"{html.escape(str(error))}</p>"
            )
            return
        data, metadata = drawn._repr_mimebundle_()
        png = base64.b64encode(data["image/png"]).decode()
        picture.value = (
            f"<img src='data:image/png;base64,{png}' alt='{html.escape(drawn.alt)}' "
            f"width='{metadata['image/png']['width']}'>"
        )
        message.value = ""

    for slider in controls.values():
        slider.observe(show, "value")
    show()
    return VBox([picture, message, *controls.values()])
