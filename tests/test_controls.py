"""Tests of the small controls: they show what they say, and survive errors."""

import base64
import re

import numpy as np
import pytest

from mha_utils.controls import play, predict, progress, table
from mha_utils.picture import Picture


def lines(made):
    return repr(made).split("\n")


def test_a_table_sets_words_left_and_numbers_right():
    made = table(word=["a", "tired"], score=np.array([4, 1234]), weight_of_it=[0.5, 1])
    assert lines(made) == [
        "word    score   weight of it",
        "a           4           0.50",
        "tired   1,234           1.00",
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (-0.001, "0.00"),
        (np.float32(0.125), "0.12"),
        (np.float64(-1.005), "-1.00"),
        (2.0, "2.00"),
        (np.int64(7), "7"),
        (12345.678, "12,345.68"),
        (np.inf, "inf"),
        (np.nan, "nan"),
        (True, "yes"),
        (np.False_, "no"),
        ("two\nlines", "two\\nlines"),
        ("\u202edrow", "drow"),
        ("<b>", "<b>"),
        (None, "None"),
    ],
)
def test_a_cell_of_a_table(cell, text):
    assert lines(table(x=[cell]))[1].strip() == text


def test_digits_of_a_table():
    assert lines(table(digits=4, x=[0.5, 2])) == ["     x", "0.5000", "2.0000"]


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("weight_of_it", "weight of it"),
        ("d_k", "d_k"),
        ("largest_d_model", "largest d_model"),
        ("n_q_and_n_k", "n_q and n_k"),
        ("W_O_rows", "W_O rows"),
        ("found_k", "found k"),
    ],
)
def test_a_symbol_keeps_its_underscore_in_a_heading(name, heading):
    assert lines(table(**{name: [1]}))[0].strip() == heading


def test_columns_of_wide_letters_stay_below_each_other():
    made = lines(table(word=["猫", "cafe\u0301", "cat"], x=["|", "|", "|"]))
    assert made == ["word   x", "猫     |", "cafe\u0301   |", "cat    |"]


def test_generators_are_columns_and_empty_ones_too():
    assert lines(table(x=(i for i in range(2)), y=iter("ab")))[1:] == ["0   a", "1   b"]
    assert lines(table(x=[], y=[])) == ["x   y"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"word": "abc", "weight": [1, 2]}, "one length; there is word 3, weight 2"),
        ({}, "there is None"),
    ],
)
def test_columns_that_make_no_table_are_named(columns, said):
    with pytest.raises(ValueError, match=said):
        table(**columns)


@pytest.mark.parametrize("n", [1, 3, 10, 37, 123])
def test_progress_prints_ten_marks_at_most(capsys, n):
    assert list(progress(iter(range(n)))) == list(range(n))
    assert capsys.readouterr().out == "#" * min(n, 10) + "\n"


def test_progress_marks_what_is_done(capsys):
    items = progress("ab")
    next(items)
    assert capsys.readouterr().out == ""
    next(items)
    assert capsys.readouterr().out == "#"


def test_a_prediction_is_chosen_and_changed():
    prediction = predict("yes", "no", "it depends")
    *buttons, show, reply, _ = prediction.children
    assert [button.description for button in buttons] == ["yes", "no", "it depends"]
    assert "Folded until you choose" in reply.value
    assert "display: none" in reply.value
    for number in (1, 2):
        buttons[number].click()
        assert [b.icon for b in buttons] == ["check" * (i == number) for i in range(3)]
        assert f"You chose “{buttons[number].description}”." in reply.value
        assert "display: none" not in reply.value
    assert show.layout.display == "none"


def test_what_keeps_keys_is_loaded_once():
    assert predict("yes", "no").children[-1] is predict("odd", "even").children[-1]


def test_a_result_is_shown_when_asked_for():
    *answers, show, reply, _ = predict("yes", "no").children
    show.click()
    assert "What came out" in reply.value
    assert "display: none" not in reply.value
    assert [answer.icon for answer in answers] == ["", ""]


def test_an_answer_is_never_markup():
    answer = '</style><b>"yes" \\'
    prediction = predict(answer, "größer")
    prediction.children[0].click()
    reply = prediction.children[-2]
    value = reply.value
    assert value.count("</style>") == 1
    assert r"\3c /style>\3c b>\"yes\" \\" in value  # inside the style
    assert "&lt;/style&gt;&lt;b&gt;" in value  # inside the text
    prediction.children[1].click()
    assert reply.value.count("größer") == 2


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
    a, b = box.children[2:-1]
    b.value = 2
    assert shown(box) == ("a is 1.0 &amp; b is 2.0", 432)
    a.value = 0
    assert shown(box)[0] == "a is 0.0 &amp; b is 2.0"


def test_sliders_have_names_ends_and_steps(box):
    assert [(s.description, s.min, s.max, s.step) for s in box.children[2:-1]] == [
        ("a", -1, 4, 0.05),
        ("b", 0, 2, 0.02),
    ]
    assert {s.label_width for s in box.children[2:-1]} == {"2.2ch"}


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
    boxes, choice = box.children[2:-1]
    assert boxes.children[0].description == "head 1"
    assert boxes.layout.flex_flow == "wrap"
    assert choice.style.description_width == "initial"  # nothing below it to fit to
    assert shown(box)[0] == "True zero"
    boxes.children[0].value = False
    choice.value = "mean"
    assert shown(box)[0] == "False mean"
