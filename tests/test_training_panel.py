"""Tests of live training: it trains, pauses, begins anew, and says what it does."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from mha_utils import training_panel
from mha_utils.decoder import DecoderTraining
from mha_utils.maps import AttentionMaps
from mha_utils.training_panel import TrainingPanel


@pytest.fixture
def panel(monkeypatch):
    monkeypatch.setattr(training_panel, "_PAUSE", 0.01)
    monkeypatch.setattr(training_panel, "_FRAME", 0.03)
    panel = TrainingPanel(3, 8, "the cat sat")
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
    go, another = buttons(panel)
    before = panel.training

    async def train():
        another.click()
        await until(lambda: panel.training.step > 0)
        assert not go.disabled
        assert "seed 9" in said(panel)
        left, step = panel.training, panel.training.step
        another.click()
        await until(lambda: panel.training.step > 30)
        assert left.step == step
        panel.training.steps = panel.training.step
        await until(lambda: go.description == "Train")

    run(train())
    assert panel.training is not before
    assert before.step == 0
    assert "seed 10" in said(panel)


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
    return panel.children[1].children[:3]


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
    assert play.disabled and slider.disabled and slider.says == ["after 0 steps"]
    assert "After 0 steps" in jobs.value


def test_the_film_shows_each_step_again(panel):
    finish(panel)
    play, slider, jobs = film(panel)
    steps = list(panel.training.film)
    assert steps[0] == 0 and steps[-1] == 60 and len(steps) > 30
    assert slider.says == [f"after {step} steps" for step in steps]
    assert slider.value == slider.max == len(steps) - 1
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
    assert slider.value == len(slider.says) - 1 == len(panel.training.film) - 1
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
        await until(lambda: 2 <= slider.value < 10)
        assert play.description == "Stop"
        play.click()
        await until(lambda: play.description == "Play the film")
        stopped = list(seen)
        await asyncio.sleep(0.1)
        assert seen == stopped
        play.click()
        await until(lambda: slider.value == 10)
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
        await until(lambda: 1 <= slider.value < 20)
        buttons(panel)[0].click()
        await until(lambda: panel.training.step > 20)
        now, slider.value = shown(panel), 0  # moved before the page knew
        assert shown(panel) == now
        await until(lambda: panel.training.step == 40)
        await until(lambda: buttons(panel)[0].description == "Train")

    run(both())
    assert play.description == "Play the film"
    assert slider.value == len(slider.says) - 1 == len(panel.training.film) - 1


def test_each_job_names_the_head_that_does_most_of_it(panel):
    jobs = panel.training.layer.jobs()
    said = film(panel)[2].value
    for job, shares in jobs.items():
        best = int(shares[0].argmax())
        bar = f"<span style='white-space: nowrap'><meter value='{shares[0, best]:.2f}'"
        assert f"{job}, head {best + 1} {bar}" in said


def test_first_steps_are_shown_one_by_one_and_later_nothing_waits(panel, monkeypatch):
    now, pictures = 0.0, []

    def run_a_step(steps):
        nonlocal now
        now += 0.004 * steps
        panel.training.step += steps
        panel.training.losses += [0.5] * steps

    async def sleep(seconds):
        nonlocal now
        now += seconds
        await asyncio.sleep(0)

    clock = SimpleNamespace(perf_counter=lambda: now)
    waits = SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop)
    monkeypatch.setattr(training_panel, "time", clock)
    monkeypatch.setattr(training_panel, "asyncio", waits)
    monkeypatch.setattr(training_panel, "_PAUSE", 0.25)
    panel.training.steps, panel.training.run = 800, run_a_step
    panel.explorer.observe(
        lambda _: pictures.append((panel.training.step, now)), "picture"
    )
    finish(panel)
    steps, times = zip(*pictures)
    assert steps[:7] == (1, 2, 4, 8, 16, 32, 64)
    assert all(later - earlier > 0.249 for earlier, later in pairwise(times[:7]))
    assert now < 800 * 0.004 + 7 * 0.25


def given(panel):
    """What each row gives to words but itself and the start, (layers, h, n)."""
    weights = panel.training.model.attend(panel.explorer.sentence).weights
    off_diagonal = weights * (1 - np.eye(weights.shape[-1]))
    return off_diagonal[..., 1:].sum(axis=-1)


def looks_at(panel):
    explorer = panel.explorer
    return explorer.layer, explorer.head, explorer.word


def test_it_opens_on_the_row_that_gives_most_to_others(panel):
    rows = given(panel)
    assert rows[looks_at(panel)] == rows.max() > 0.5
    assert looks_at(panel)[:2] != (0, 0)


def test_a_row_that_no_longer_looks_gives_way(panel):
    opened = looks_at(panel)
    panel.training.steps = 1
    finish(panel)
    assert looks_at(panel) == opened and given(panel)[opened] > 0.5
    of_head = slice(16 * opened[1], 16 * (opened[1] + 1))
    panel.training.layer.parameters["w_k"][:, of_head] = 0  # it looks at all alike
    panel.training.run = lambda steps: setattr(panel.training, "step", 2)
    panel.training.steps = 2
    finish(panel)
    rows = given(panel)
    assert looks_at(panel) != opened and rows[looks_at(panel)] == rows.max()


def test_the_film_is_watched_in_one_row(panel):
    panel.training.steps = 10
    finish(panel)
    row = looks_at(panel)
    for place in range(10):
        film(panel)[1].value = place
        assert looks_at(panel) == row


def test_a_chosen_head_shows_a_row_of_its_own():
    shares, panel = two_words([[0.9, 0.1], [0.2, 0.8]])
    assert looks_at(panel) == (0, 0, 0)
    panel.explorer.head = 1
    assert looks_at(panel) == (0, 1, 1)
    for shares[1], row in ([0.9, 0.6], 1), ([0.3, 0.2], 0), ([0.1, 0.2], 1):
        panel._show(panel.training.model, 1)
        panel._look()
        assert looks_at(panel) == (0, 1, row)  # though head 0 has more to see


def test_a_chosen_word_stays(panel):
    panel.training.steps = 10
    panel.explorer.word = 1
    panel.explorer.head = 1
    finish(panel)
    assert looks_at(panel) == (0, 1, 1)


def test_a_word_let_go_gives_way(panel):
    panel.training.steps = 1
    panel.explorer.word = -1
    finish(panel)
    assert panel.explorer.word >= 0


def two_words(shares):
    """A panel of heads of two words, by what each word gives to the other, (h, 2)."""
    shares = np.array(shares)

    def attend(sentence):
        to_other = shares[:, :, None]  # (h, 2, 1)
        rows = np.where(np.eye(2), 1 - to_other, to_other)  # (h, 2, 2)
        return AttentionMaps(["a", "b"], rows)

    model = SimpleNamespace(attend=attend, jobs=dict)
    training = SimpleNamespace(model=model, step=0, steps=1, losses=[], film={0: {}})
    return shares, TrainingPanel(1, 0, "a b", training=lambda *of: training)


def test_a_row_that_looks_stays_though_another_looks_more():
    shares, panel = two_words([[0.6, 0.4]])
    rows = [panel.explorer.word]
    for shares[0] in (0.55, 0.9), (0.45, 0.9):
        panel._show(panel.training.model, 1)
        panel._look()
        rows.append(panel.explorer.word)
    assert rows == [0, 0, 1]


def test_it_says_what_can_be_done(panel):
    go, another = buttons(panel)
    assert "Press Train." not in said(panel) and "Press Train" in said(panel)
    panel.training.run(2)
    panel.training.steps = 4
    panel._wind()
    panel._say()
    assert "Press Train to go on, or play the film so far" in said(panel)
    finish(panel)
    for offer in ("play the film", "choose a head", "another sentence", "Another seed"):
        assert offer in said(panel)
    assert "Press Train" not in said(panel)
    assert go.disabled and not another.disabled


def test_another_model_is_watched_the_same_way():
    panel = TrainingPanel(1, 0, "cat mat dog cat mat", training=DecoderTraining)
    panel.training.steps = 60
    finish(panel)
    assert panel.explorer.picture["shape"] == [2, 1, 6, 6]
    assert "what followed before, layer " in film(panel)[2].value
