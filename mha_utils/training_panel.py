"""Heads that learn while one watches: buttons, the explorer, and the film of it."""

import asyncio
import html
import time
from collections.abc import Callable

import numpy as np
from ipywidgets import HTML, Button, HBox, IntProgress, IntSlider, VBox

from mha_utils.controls import LARGE, SAYS, WRAPPED
from mha_utils.explorer import Explorer
from mha_utils.training import Trainer, Training


class TrainingPanel(VBox):
    """Watch heads learn: train, pause, go on, or begin again with another seed.

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
        The maps, drawn anew four times a second while the model learns.
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
        wide = {"width": "auto", "height": "auto"}
        self._go = Button(description="Train", style=LARGE, layout=wide)
        self._next = Button(description="Another seed", style=LARGE, layout=wide)
        self._go.on_click(self._start_or_pause)
        self._next.on_click(self._another_seed)
        self._bar, self._text = IntProgress(max=self.training.steps), HTML()
        self._film = IntSlider(description="film", readout=False, max=0, disabled=True)
        # Not ipywidgets' own Play, whose buttons have no names to be read out.
        self._play = Button(
            description="Play the film", style=LARGE, layout=wide, disabled=True
        )
        self._play.on_click(self._play_or_stop)
        self._playing: asyncio.Task | None = None
        self._jobs = HTML()
        self._film.observe(self._show_film, "value")
        self._say()
        self._say_jobs(0)
        row = HBox([self._go, self._next, self._bar, self._text], layout=WRAPPED)
        film = HBox([self._play, self._film, self._jobs], layout=WRAPPED)
        super().__init__([row, film, self.explorer])

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
        self._start_or_pause()

    async def _train(self) -> None:
        """Train a quarter of a second at a time, so that the page can be answered."""
        training, self._go.description = self.training, "Pause"
        self._film.disabled = self._play.disabled = True
        if self._playing:
            self._playing.cancel()
        try:
            while training.step < training.steps:
                until = time.perf_counter() + 0.25
                while training.step < training.steps and time.perf_counter() < until:
                    training.run(5)
                self._say()
                self._show(training.model, training.step)
                await asyncio.sleep(0.002)
        except ValueError as error:  # the loss exploded
            self._say(str(error))
        finally:
            if training is self.training:  # else another seed has begun
                self._running, self._go.description = None, "Train"
                self._wind()

    def _wind(self) -> None:
        """Give the slider the film so far, and show its end."""
        last = len(self.training.film) - 1
        self._film.max = self._film.value = last
        self._film.disabled = self._play.disabled = last == 0

    def _play_or_stop(self, _: object) -> None:
        if self._playing:
            self._playing.cancel()
        else:
            self._playing = asyncio.get_running_loop().create_task(self._play_film())

    async def _play_film(self) -> None:
        """Show picture after picture, from the chosen one; from the end, all again."""
        self._play.description = "Stop"
        begin = self._film.value
        try:
            for place in range(begin if begin < self._film.max else 0, self._film.max):
                self._film.value = place
                await asyncio.sleep(0.2)
            self._film.value = self._film.max
        finally:
            self._playing, self._play.description = None, "Play the film"

    def _show_film(self, change: dict) -> None:
        if not self._running:
            step = list(self.training.film)[change["new"]]
            self._show(self.training.at(step), step)

    def _show(self, model: object, step: int) -> None:
        self._shown = model
        self.explorer.refresh()
        self._say_jobs(step)

    def _say_jobs(self, step: int) -> None:
        """Name for each job the head that does most of it, with a bar."""
        told = [f"After {step} steps:"]
        for job, shares in self._shown.jobs().items():
            layer, head = np.unravel_index(shares.argmax(), shares.shape)
            whose = f"layer {layer + 1}, " if len(shares) > 1 else ""
            label, share = f"{job}, {whose}head {head + 1}", shares.max()
            meter = f"<meter value='{share:.2f}' aria-label='{html.escape(label)}'>"
            told.append(f"{html.escape(label)} {meter}</meter> {share:.2f}")
        line = "&emsp;".join(
            f"<span style='white-space: nowrap'>{t}</span>" for t in told
        )
        self._jobs.value = f"<p style='font-size: 14px; margin: 0'>{line}</p>"

    def _say(self, error: str = "") -> None:
        training = self.training
        self._bar.value = training.step
        loss = f"{training.losses[-1]:.3f}" if training.losses else "not known yet"
        done = f"seed {self._seed}, step {training.step} of {training.steps}"
        then = "; now play the film, or type another sentence"
        text = f"{done}, error {loss}" + then * (training.step == training.steps)
        self._text.value = SAYS.format(role="status", text=html.escape(error or text))
