"""Tests of live training: it trains, pauses, begins anew, and says what it does."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from mha_utils.decoder import DecoderTraining
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


def film(panel):
    """Return the film's button, its slider, and what is said beside them."""
    return panel.children[1].children


def finish(panel):
    async def train():
        buttons(panel)[0].click()
        await until(lambda: buttons(panel)[0].description == "Pause")
        await until(lambda: buttons(panel)[0].description == "Train")

    run(train())


def shown(panel):
    return panel.explorer.picture["weights"]


def test_before_training_there_is_no_film(panel):
    play, slider, jobs = film(panel)
    assert play.disabled and slider.disabled and slider.max == 0
    assert "After 0 steps" in jobs.value


def test_the_film_shows_each_step_again(panel):
    finish(panel)
    play, slider, jobs = film(panel)
    steps = list(panel.training.film)
    assert steps[0] == 0 and steps[-1] == 60 and len(steps) > 30
    assert slider.max == slider.value == len(steps) - 1
    assert not play.disabled and not slider.disabled
    assert "play the film" in said(panel)
    for place in (0, 7, len(steps) - 1):
        slider.value = place
        weights = panel.training.at(steps[place]).attend("the cat sat").weights
        assert shown(panel) == weights.astype("<f4").tobytes()
        assert f"After {steps[place]} steps" in jobs.value
    slider.value = 0
    panel.explorer.sentence = "the girl sat"
    weights = panel.training.at(0).attend("the girl sat").weights
    assert shown(panel) == weights.astype("<f4").tobytes()


def test_a_paused_film_goes_on_after_the_pause(panel):
    panel.training.steps = 40
    panel.training.run(10)
    finish(panel)
    _, slider, _ = film(panel)
    slider.value = 3
    panel.training.steps = 80
    finish(panel)
    assert panel.training.step == 80
    assert slider.value == slider.max == len(panel.training.film) - 1
    weights = panel.training.layer.attend("the cat sat").weights
    assert shown(panel) == weights.astype("<f4").tobytes()


def test_the_film_plays_stops_and_begins_again(panel):
    panel.training.steps = 10
    finish(panel)
    play, slider, _ = film(panel)
    seen = []
    slider.observe(lambda change: seen.append(change["new"]), "value")

    async def watch():
        play.click()
        await until(lambda: slider.value == 2)
        assert play.description == "Stop"
        play.click()
        await until(lambda: play.description == "Play the film")
        stopped = list(seen)
        await asyncio.sleep(0.3)
        assert seen == stopped
        play.click()
        await until(lambda: slider.value == slider.max)
        await until(lambda: play.description == "Play the film")

    run(watch())
    assert seen == list(range(11))


def test_training_on_stops_the_film(panel):
    panel.training.steps = 20
    finish(panel)
    play, slider, _ = film(panel)
    panel.training.steps = 40

    async def both():
        play.click()
        await until(lambda: slider.value == 1)
        buttons(panel)[0].click()
        await until(lambda: panel.training.step == 40)
        await until(lambda: buttons(panel)[0].description == "Train")

    run(both())
    assert play.description == "Play the film"
    assert slider.value == slider.max == len(panel.training.film) - 1


def test_each_job_names_the_head_that_does_most_of_it(panel):
    jobs = panel.training.layer.jobs()
    said = film(panel)[2].value
    for job, shares in jobs.items():
        best = int(shares[0].argmax())
        assert f"{job}, head {best + 1} <meter value='{shares[0, best]:.2f}'" in said


def test_another_model_is_watched_the_same_way():
    panel = TrainingPanel(1, 0, "cat mat dog cat mat", training=DecoderTraining)
    panel.training.steps = 60
    finish(panel)
    assert panel.explorer.picture["shape"] == [2, 1, 6, 6]
    assert "what followed before, layer " in film(panel)[2].value
