"""Tests of the exercise checks: each mistake is called by its own name."""

import numpy as np
import pytest

from mha_utils import causal_mask, scaled_dot_product_attention
from mha_utils.checks import EXERCISES, check


def exp_rows(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=-1, keepdims=True)


def masked(scores, allowed):
    return np.where(allowed, scores, -np.inf)


def each_head(x, w_q, w_k, w_v):
    return [
        scaled_dot_product_attention(x @ w_q[i], x @ w_k[i], x @ w_v[i])[0]
        for i in range(len(w_q))
    ]


def root(k):
    return np.sqrt(k.shape[-1])


RIGHT = {
    "weights": lambda q, k: exp_rows(q @ k.T / root(k)),
    "causal weights": lambda q, k: exp_rows(
        masked(q @ k.T / root(k), causal_mask(len(q)))
    ),
    "heads": lambda *a: np.stack(each_head(*a)),
}

WRONG = [  # exercise, answer as a learner would write it, what the check must say
    ("weights", lambda q, k: exp_rows(q @ k.T), "not divided by √d_k"),
    ("weights", lambda q, k: exp_rows(q @ k.T / k.shape[-1]), "divided by d_k"),
    ("weights", lambda q, k: q @ k.T / root(k), "softmax is still to come"),
    ("weights", lambda q, k: np.exp(q @ k.T / root(k)), "sum of its row"),
    (
        "weights",
        lambda q, k: exp_rows((q @ k.T / root(k)).T).T,
        "each column adds up to 1",
    ),
    (
        "weights",
        lambda q, k: np.exp(q @ k.T / root(k)) / np.exp(q @ k.T / root(k)).sum(),
        "all numbers together",
    ),
    ("weights", lambda q, k: exp_rows(k @ q.T / root(k)), "query and key are swapped"),
    ("weights", lambda q, k: None, "Your turn"),
    ("weights", lambda q, k: [[1.0]], "not list"),
    ("weights", lambda q, k: np.array("x"), "real numbers"),
    ("weights", lambda q, k: np.ones((5, 5)), "shape (5, 5), not (2, 2)"),
    ("weights", lambda q, k: np.full((len(q), len(k)), np.nan), "NaN"),
    ("weights", lambda q, k: RIGHT["weights"](q, k) + 0.01, "entry [0, 0] should be"),
    ("weights", lambda q, k: q @ k.missing, "in the line"),
    ("causal weights", RIGHT["weights"], "mask is missing"),
    (
        "causal weights",
        lambda q, k: RIGHT["weights"](q, k) * causal_mask(len(q)),
        "after the softmax",
    ),
    (
        "causal weights",
        lambda q, k: exp_rows(masked(q @ k.T / root(k), ~causal_mask(len(q)))),
        "turned round",
    ),
    (
        "causal weights",
        lambda q, k: exp_rows(q @ k.T / root(k) * causal_mask(len(q))),
        "e^0 is 1",
    ),
    (
        "causal weights",
        lambda q, k: exp_rows(
            masked(q @ k.T / root(k), causal_mask(len(q)) & ~np.eye(len(q), dtype=bool))
        ),
        "diagonal is allowed",
    ),
    (
        "causal weights",
        lambda q, k: exp_rows(masked(q @ k.T, causal_mask(len(q)))),
        "not divided by √d_k",
    ),
    ("heads", lambda x, q, k, v: np.stack(each_head(x, k, q, v)), "swapped"),
    ("heads", lambda *a: np.mean(each_head(*a), axis=0), "averaged"),
    ("heads", lambda *a: np.sum(each_head(*a), axis=0), "added up"),
    ("heads", lambda *a: np.concatenate(each_head(*a), axis=1), "side by side"),
    ("heads", lambda *a: np.concatenate(each_head(*a)), "below each other"),
    ("heads", lambda *a: np.stack(each_head(*a), axis=1), "second axis"),
    ("heads", lambda *a: np.stack([each_head(*a)[0]] * len(a[1])), "its own matrices"),
    (
        "heads",
        lambda x, q, k, v: np.stack(
            [
                scaled_dot_product_attention(x @ q[i], x @ k[i], x @ v[i])[1]
                for i in range(len(q))
            ]
        ),
        "these are the weights",
    ),
    (
        "heads",
        lambda x, q, k, v: np.stack(each_head(x, q * root(q), k, v)),
        "not divided by √d_k",
    ),
]


@pytest.mark.filterwarnings("ignore:invalid value")  # a learner's 0/0
@pytest.mark.parametrize(("exercise", "answer", "says"), WRONG)
def test_each_mistake_is_called_by_its_name(exercise, answer, says, capsys):
    check(exercise, answer)
    said = capsys.readouterr().out
    assert says in said
    assert not said.startswith("Right")


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_right_answer_is_right(exercise, capsys):
    check(exercise, RIGHT[exercise])
    assert capsys.readouterr().out == "Right.\n"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_no_mistake_is_taken_for_another(exercise, capsys):
    messages = EXERCISES[exercise].mistakes
    for message, wrong in messages.items():
        with np.errstate(all="ignore"):
            check(exercise, wrong)
        assert message in capsys.readouterr().out


def test_a_changed_argument_is_noticed(capsys):
    def answer(q, k):
        q /= root(k)
        return exp_rows(q @ k.T)

    check("weights", answer)
    assert "changes its argument number 1" in capsys.readouterr().out


def test_the_line_that_raised_is_shown(capsys):
    def answer(q, k):
        return q @ k  # the transpose is missing

    check("causal weights", lambda q, k: answer(q, np.ones((3, 5))))
    said = capsys.readouterr().out
    assert "ValueError" in said
    assert "return q @ k  # the transpose is missing" in said


def test_a_result_instead_of_a_function(capsys):
    check("weights", np.ones(2))
    assert "the function itself" in capsys.readouterr().out


def test_an_unknown_exercise():
    with pytest.raises(ValueError, match="there is weights, causal weights, heads"):
        check("wieghts", print)
