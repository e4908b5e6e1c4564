"""Tests of the small controls: they show what they say, and survive errors."""

import asyncio
import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from mha_utils.controls import TrainingPanel, play, predict
from mha_utils.heatmaps import Picture


def test_a_prediction_is_chosen_once():
    prediction = predict("yes", "no", "it depends")
    *buttons, reply = prediction.children
    assert [button.description for button in buttons] == ["yes", "no", "it depends"]
    assert reply.value == ""
    buttons[1].click()
    assert [button.icon for button in buttons] == ["", "check", ""]
    assert [button.disabled for button in buttons] == [True, False, True]
    assert "Noted" in reply.value


def test_a_prediction_reads_without_a_kernel():
    assert repr(predict("yes", "no")) == "Your prediction: yes · no"


def test_one_answer_is_no_choice():
    with pytest.raises(ValueError, match="1 answers to choose from; give at least 2"):
        predict("yes")


def draw(a, b):
    if a > 3:
        raise ValueError("a <b>large</b> a")
    return Picture(alt=f"a is {a:.1f} & b is {b:.1f}", figsize=(1 + b, 1), layout=None)


@pytest.fixture
def box():
    return play(draw, a=(-1, 4, 1), b=(0, 2, 1))


def shown(box):
    """Read the picture's text and size back from what the page is given."""
    html = box.children[0].value
    png = base64.b64decode(re.search("base64,([^']+)'", html)[1])
    assert png.startswith(b"\x89PNG")
    return re.search("alt='([^']+)'", html)[1], int.from_bytes(png[16:20])


def test_a_slider_draws_anew(box):
    assert shown(box) == ("a is 1.0 &amp; b is 1.0", 288)
    a, b = box.children[2:]
    b.value = 2
    assert shown(box) == ("a is 1.0 &amp; b is 2.0", 432)
    a.value = 0
    assert shown(box)[0] == "a is 0.0 &amp; b is 2.0"


def test_sliders_have_names_ends_and_steps(box):
    assert [(s.description, s.min, s.max, s.step) for s in box.children[2:]] == [
        ("a", -1, 4, 0.05),
        ("b", 0, 2, 0.02),
    ]


def test_an_error_is_shown_below_the_last_good_picture(box):
    a = box.children[2]
    before = shown(box)
    a.value = 4
    assert shown(box) == before
    assert "ValueError: a &lt;b&gt;large&lt;/b&gt; a" in box.children[1].value
    a.value = 2
    assert shown(box)[0].startswith("a is 2.0")
    assert box.children[1].value == ""


def test_boxes_and_choices():
    def draw(head_1, how):
        return Picture(alt=f"{head_1} {how}", figsize=(1, 1), layout=None)

    box = play(draw, head_1=True, how=["zero", "mean"])
    boxes, choice = box.children[2:]
    assert boxes.children[0].description == "head 1"
    assert shown(box)[0] == "True zero"
    boxes.children[0].value = False
    choice.value = "mean"
    assert shown(box)[0] == "False mean"


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
