"""Tests of live training: it trains, pauses, begins anew, and says what it does."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from mha_utils.training_panel import TrainingPanel


@pytest.fixture
def panel():
    panel = TrainingPanel(3, 5, "the cat sat")
    panel.training.steps = 60  # a second's work
    return panel


def buttons(panel):
    return panel.children[0].children[:2]


def said(panel):
    return panel.children[0].children[3].value


def run(coroutine):
    """Run it in a thread: in this one the browser tests' own loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_panel_trains_and_shows_it(panel):
    first = panel.explorer.picture
    go, _ = buttons(panel)
    assert "step 0 of" in said(panel)
    assert go.description == "Train"

    async def train():
        go.click()
        await until(lambda: go.description == "Pause")
        await until(lambda: go.description == "Train")

    run(train())
    assert panel.training.step == 60
    assert "step 60 of 60, error 0." in said(panel)
    assert panel.explorer.picture["number"] > first["number"]
    assert panel.explorer.picture["weights"] != first["weights"]
    weights = panel.training.layer.attend("the cat sat").weights
    assert panel.explorer.picture["weights"] == weights.astype("<f4").tobytes()


def test_a_panel_can_be_paused_and_resumed(panel):
    panel.training.steps = 800
    go, _ = buttons(panel)

    async def train():
        go.click()
        await until(lambda: panel.training.step > 0)
        go.click()
        await until(lambda: go.description == "Train")
        paused = panel.training.step
        assert paused < 800
        await asyncio.sleep(0.05)
        assert panel.training.step == paused
        panel.training.steps = paused + 10
        go.click()
        await until(lambda: panel.training.step == paused + 10)

    run(train())


def test_another_seed_is_another_training(panel):
    _, another = buttons(panel)
    before = panel.training

    async def train():
        another.click()
        await until(lambda: panel.training.step > 0)
        panel.training.steps = panel.training.step
        await until(lambda: buttons(panel)[0].description == "Train")

    run(train())
    assert panel.training is not before
    assert before.step == 0
    assert "seed 6" in said(panel)


def test_an_explosion_is_told_in_the_panel(panel):
    panel.training.learning_rate = 1e4

    async def train():
        buttons(panel)[0].click()
        await until(lambda: "learning_rate" in said(panel))
        await until(lambda: buttons(panel)[0].description == "Train")

    run(train())
    assert "too large; try 0.01" in said(panel)
