"""Small controls for the lessons: a prediction, a figure to play with, live training.

All are made of ordinary ipywidgets, reachable and operable by keyboard.
"""

import asyncio
import base64
import html
import time
from collections.abc import Callable

from ipywidgets import (
    HTML,
    Button,
    Checkbox,
    Dropdown,
    FloatSlider,
    HBox,
    IntProgress,
    VBox,
)

from mha_utils.explorer import Explorer
from mha_utils.heatmaps import Picture
from mha_utils.training import Training

_LARGE = {"font_size": "16px"}
_WRAPPED = {"flex_flow": "wrap", "align_items": "center"}
_SAYS = "<p role='{role}' style='font-size: 16px; margin: 0'>{text}</p>"


class Prediction(HBox):
    """Buttons with answers of which the reader chooses one, for good."""

    def __init__(self, options: tuple[str, ...]) -> None:
        if len(options) < 2:
            raise ValueError(f"{len(options)} answers to choose from; give at least 2")
        self._options = options
        self._reply = HTML()
        super().__init__([*map(self._button, options), self._reply], layout=_WRAPPED)

    def _button(self, option: str) -> Button:
        button = Button(
            description=option,
            style=_LARGE,
            layout={"width": "auto", "height": "auto"},
        )
        button.on_click(self._commit)
        return button

    def _commit(self, chosen: Button) -> None:
        for button in self.children[:-1]:
            button.disabled = button is not chosen  # which keeps the keyboard's focus
        chosen.icon = "check"
        text = "Noted. Now run the next cell and compare."
        self._reply.value = _SAYS.format(role="status", text=text)

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
            message.value = _SAYS.format(role="alert", text=text)
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
        layout=_WRAPPED,
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


class TrainingPanel(VBox):
    """Watch heads learn: train, pause, go on, or begin again with another seed.

    Parameters
    ----------
    num_heads, seed : int
        As of `Training`.
    sentence : str
        The sentence whose maps are shown.

    Attributes
    ----------
    training : Training
        What is being trained now.
    explorer : Explorer
        The maps, drawn anew four times a second while the layer learns.
    """

    def __init__(self, num_heads: int, seed: int, sentence: str) -> None:
        self.training = Training(num_heads, seed)
        self._seed = seed
        self._running: asyncio.Task | None = None
        self.explorer = Explorer(
            lambda sentence: self.training.layer.attend(sentence), sentence
        )
        wide = {"width": "auto", "height": "auto"}
        self._go = Button(description="Train", style=_LARGE, layout=wide)
        self._next = Button(description="Another seed", style=_LARGE, layout=wide)
        self._go.on_click(self._start_or_pause)
        self._next.on_click(self._another_seed)
        self._bar, self._text = IntProgress(max=self.training.steps), HTML()
        self._say()
        row = HBox([self._go, self._next, self._bar, self._text], layout=_WRAPPED)
        super().__init__([row, self.explorer])

    def __repr__(self) -> str:
        return "A training to watch; it needs a running kernel"

    def _start_or_pause(self, _: object = None) -> None:
        if self._running:
            self._running.cancel()
        else:
            self._running = asyncio.get_running_loop().create_task(self._train())

    def _another_seed(self, _: object) -> None:
        if self._running:
            self._running.cancel()
            self._running = None
        self._seed += 1
        self.training = Training(self.training.layer.num_heads, self._seed)
        self._start_or_pause()

    async def _train(self) -> None:
        """Train a quarter of a second at a time, so that the page can be answered."""
        training, self._go.description = self.training, "Pause"
        try:
            while training.step < training.steps:
                until = time.perf_counter() + 0.25
                while training.step < training.steps and time.perf_counter() < until:
                    training.run(5)
                self._say()
                self.explorer.refresh()
                await asyncio.sleep(0.002)
        except ValueError as error:  # the loss exploded
            self._say(str(error))
        finally:
            if training is self.training:  # else another seed has begun
                self._running, self._go.description = None, "Train"

    def _say(self, error: str = "") -> None:
        training = self.training
        self._bar.value = training.step
        loss = f"{training.losses[-1]:.3f}" if training.losses else "not known yet"
        done = f"seed {self._seed}, step {training.step} of {training.steps}"
        text = error or f"{done}, error {loss}"
        self._text.value = _SAYS.format(role="status", text=html.escape(text))
