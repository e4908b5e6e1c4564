"""Heads that learn while one watches: a button, a bar of progress, and the explorer."""

import asyncio
import html
import time

from ipywidgets import HTML, Button, HBox, IntProgress, VBox

from mha_utils.controls import LARGE, SAYS, WRAPPED
from mha_utils.explorer import Explorer
from mha_utils.training import Training


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
        self._go = Button(description="Train", style=LARGE, layout=wide)
        self._next = Button(description="Another seed", style=LARGE, layout=wide)
        self._go.on_click(self._start_or_pause)
        self._next.on_click(self._another_seed)
        self._bar, self._text = IntProgress(max=self.training.steps), HTML()
        self._say()
        row = HBox([self._go, self._next, self._bar, self._text], layout=WRAPPED)
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
        self._text.value = SAYS.format(role="status", text=html.escape(text))
