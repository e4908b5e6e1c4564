"""Heads that learn while one watches: buttons, the explorer, and the film of it."""

import asyncio
import html
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ipywidgets import HTML, Button, HBox, IntProgress, VBox
from numpy.typing import NDArray

from mha_utils.controls import LARGE, SAYS, WRAPPED
from mha_utils.explorer import Explorer
from mha_utils.text import START
from mha_utils.training import Trainer, Training
from mha_utils.widgets import Slider, keep_keys

_PAUSE = 0.25  # seconds from picture to picture, while it learns
_FRAME = 0.2  # and while the film is played


class TrainingPanel(VBox):
    """Watch heads learn: train, pause, go on, or begin again with another seed.

    The first steps are shown one by one, then ever more of them a picture. The explorer
    goes to a row that looks at other words, until the reader has chosen one.

    Beside a pause and at the end, the film's slider shows the heads as they were after
    each fortieth of the steps, and its button plays them one after the other.

    Parameters
    ----------
    num_heads, seed : int
        As of `Training`.
    sentence : str
        The sentence whose maps are shown.
    training : callable
        ``training(num_heads, seed)`` returns the `Trainer` to watch; `Training` if not
        given.

    Attributes
    ----------
    training : Trainer
        What is being trained now.
    explorer : Explorer
        The maps, drawn anew at most four times a second while the model learns.
    """

    def __init__(
        self,
        num_heads: int,
        seed: int,
        sentence: str,
        training: Callable[[int, int], Trainer] = Training,
    ) -> None:
        self._make, self._num_heads, self._seed = training, num_heads, seed
        self.training = training(num_heads, seed)
        self._shown = self.training.model
        self._running: asyncio.Task | None = None
        self.explorer = Explorer(
            lambda sentence: self._shown.attend(sentence), sentence
        )
        self._place, self._word = (0, 0), -1  # that the panel itself has gone to
        self._look()
        self.explorer.observe(lambda _: self._look(), ["layer", "head"])
        wide = {"width": "auto", "height": "auto"}
        self._go = Button(description="Train", style=LARGE, layout=wide)
        self._next = Button(description="Another seed", style=LARGE, layout=wide)
        self._go.on_click(self._start_or_pause)
        self._next.on_click(self._another_seed)
        self._bar, self._text = IntProgress(max=self.training.steps), HTML()
        self._film = Slider(description="film", step=1, layout={"width": "14em"})
        # Not ipywidgets' own Play, whose buttons have no names to be read out.
        self._play = Button(description="Play the film", style=LARGE, layout=wide)
        self._play.on_click(self._play_or_stop)
        self._playing: asyncio.Task | None = None
        self._jobs = HTML()
        self._film.observe(self._show_film, "value")
        self._say()
        self._wind()
        self._say_jobs(0)
        row = [self._go, self._next, self._bar, self._text]
        film = [self._play, self._film, self._jobs]
        rows = [keep_keys(HBox(controls, layout=WRAPPED)) for controls in (row, film)]
        super().__init__([*rows, self.explorer])

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
        self.training = self._make(self._num_heads, self._seed)
        self._go.disabled = False
        self._start_or_pause()

    async def _train(self) -> None:
        """Train for a quarter of a second at most, so that the page can be answered.

        At first for fewer steps: as many as there were. The rest of the time is there
        for looking.
        """
        training, self._go.description = self.training, "Pause"
        self._film.disabled = self._play.disabled = True
        if self._playing:
            self._playing.cancel()
        error = ""
        try:
            while training.step < training.steps:
                until = time.perf_counter() + _PAUSE
                last = min(2 * training.step or 1, training.steps)
                while training.step < last and time.perf_counter() < until:
                    training.run(1)
                self._say()
                self._show(training.model, training.step)
                self._look()
                await asyncio.sleep(max(0.002, until - time.perf_counter()))
        except ValueError as exploded:
            error = str(exploded)
        finally:
            if training is self.training:  # else another seed has begun
                self._running = None
                self._wind()
                self._go.description = "Train"
                self._say(error)

    def _look(self) -> None:
        """Go to a row that looks at other words, if the one on show does not.

        A head or a word that the reader has chosen stays.
        """
        explorer, word = self.explorer, self.explorer.word
        given = _given_to_others(explorer.picture)  # (layers, h, n)
        if word not in (-1, self._word) or not given.size:
            return
        place = explorer.layer, explorer.head
        if 0 <= word < given.shape[-1] and given[*place, word] > 0.5:
            return
        if place != self._place:
            self._word = explorer.word = int(given[place].argmax())
            return
        layer, head, word = map(int, np.unravel_index(given.argmax(), given.shape))
        self._place, self._word = (layer, head), word
        with explorer.hold_trait_notifications():
            explorer.layer, explorer.head, explorer.word = layer, head, word

    def _wind(self) -> None:
        """Give the slider the film so far, and show its end."""
        steps, training = list(self.training.film), self.training
        with self._film.hold_sync():
            self._film.says = [f"after {step} steps" for step in steps]
            self._film.max = self._film.value = len(steps) - 1
            self._film.disabled = len(steps) == 1
        self._play.disabled = self._film.disabled
        self._go.disabled = training.step >= training.steps

    def _play_or_stop(self, _: object) -> None:
        if self._playing:
            self._playing.cancel()
        else:
            self._playing = asyncio.get_running_loop().create_task(self._play_film())

    async def _play_film(self) -> None:
        """Show picture after picture, from the chosen one; from the end, all again."""
        self._play.description = "Stop"
        begin, last = self._film.value, self._film.max
        try:
            for place in range(int(begin) if begin < last else 0, int(last)):
                self._film.value = place
                await asyncio.sleep(_FRAME)
            self._film.value = last
        finally:
            self._playing, self._play.description = None, "Play the film"

    def _show_film(self, change: dict) -> None:
        if not self._running:
            step = list(self.training.film)[int(change["new"])]
            self._show(self.training.at(step), step)

    def _show(self, model: object, step: int) -> None:
        self._shown = model
        self.explorer.refresh()
        self._say_jobs(step)

    def _say_jobs(self, step: int) -> None:
        """Say who does which job best, with bars."""
        told = [f"After {step} steps:"]
        for job, share in best_heads(self._shown):
            label = html.escape(job)
            meter = f"<meter value='{share:.2f}' aria-label='{label}'></meter>"
            bar = f"<span style='white-space: nowrap'>{meter} {share:.2f}</span>"
            told.append(f"{label} {bar}")
        apart = "display: inline-block; margin-right: 1em"
        line = " ".join(f"<span style='{apart}'>{t}</span>" for t in told)
        self._jobs.value = f"<p style='font-size: 14px; margin: 0'>{line}</p>"

    def _say(self, error: str = "") -> None:
        training = self.training
        self._bar.value = training.step
        text = f"seed {self._seed}, step {training.step} of {training.steps}"
        if training.losses:
            text += f", error {training.losses[-1]:.3f}"
        if not self._running and training.step >= training.steps:
            text += (
                ". Done: play the film, choose a head or a word, type another "
                "sentence, or press Another seed"
            )
        elif not self._running:
            go_on = " to go on, or play the film so far" * bool(training.step)
            text += f". Press Train{go_on}"
        self._text.value = SAYS.format(role="status", text=html.escape(error or text))


def best_heads(model: Any) -> list[tuple[str, float]]:
    """Name each job and the head that does most of it, with its share, 0 to 1."""
    named = []
    for job, shares in model.jobs().items():  # (layers, h)
        layer, head = np.unravel_index(shares.argmax(), shares.shape)
        whose = f"layer {layer + 1}, " if len(shares) > 1 else ""
        named.append((f"{job}, {whose}head {head + 1}", float(shares.max())))
    return named


def _given_to_others(picture: dict) -> NDArray:
    """Return how much each row gives to words other than itself, (layers, h, n)."""
    weights = np.frombuffer(picture["weights"], "<f4").reshape(picture["shape"]).copy()
    n = weights.shape[-1]
    weights[..., range(n), range(n)] = 0
    return weights[..., [token != START for token in picture["tokens"]]].sum(axis=-1)
