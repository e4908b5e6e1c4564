"""Tests of the exercise checks: each mistake is called by its own name."""

import numpy as np
import pytest

from mha_utils import causal_mask, scaled_dot_product_attention, sentences
from mha_utils.checks import check
from mha_utils.exercises import EXERCISES


def exp_rows(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
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


def columns(matrix, num_heads):
    """Cut a flat matrix into one for each head, written as a loop."""
    return np.split(matrix, num_heads, axis=1)


def maps(x, w_q, w_k, num_heads, mask):
    return np.stack(
        [
            exp_rows(masked(x @ q @ (x @ k).T / root(q), mask))
            for q, k in zip(columns(w_q, num_heads), columns(w_k, num_heads))
        ]
    )


def layer(x, w_q, w_k, w_v, w_o, num_heads, mask):
    values = [x @ v for v in columns(w_v, num_heads)]
    weights = maps(x, w_q, w_k, num_heads, mask)
    return np.hstack([a @ v for a, v in zip(weights, values)]) @ w_o


def reshaped(x, w_q, w_k, num_heads, mask, w_v=None):
    """Maps, and what they find, of heads that were cut by a reshape alone."""
    q, k, v = (
        (x @ (w_q if w is None else w)).reshape(num_heads, len(x), -1)
        for w in (w_q, w_k, w_v)
    )
    weights = exp_rows(masked(q @ k.swapaxes(1, 2) / root(q), mask))
    return weights, weights @ v


def determiners(scale=8.0):
    w_q = np.zeros((4, 4))
    w_q[1, 0] = scale
    return w_q


def turned(steps, scale=1.0):
    """Write a W_Q that looks so many words back, by the angles themselves."""
    w_q = np.zeros((24, 8))
    for pair, step in enumerate((1.0, 0.1, 0.01, 0.001)):
        c, s = np.cos(steps * step), np.sin(steps * step)
        i = 2 * pair
        w_q[16 + i : 18 + i, i : i + 2] = 80 * scale * np.array([[c, s], [-s, c]])
    return w_q


RIGHT = {
    "weights": lambda q, k: exp_rows(q @ k.T / root(k)),
    "causal weights": lambda q, k: exp_rows(
        masked(q @ k.T / root(k), causal_mask(len(q)))
    ),
    "determiners": determiners,
    "shares": lambda t, v: (
        np.linalg.inv(np.column_stack([v, np.ones(3)]).T) @ [*t, 1.0]
    ),
    "loss": lambda a, b: 1 - a**2 / (a**2 + b**2),
    "unmix": lambda mix, z: np.linalg.solve(mix, z.reshape(2, -1)).reshape(z.shape),
    "heads": lambda *a: np.stack(each_head(*a)),
    "new word": lambda: {"wug": "noun subject singular animate it"},
    "two back": lambda: turned(2),
    "concatenate": lambda z: np.hstack(list(z)),
    "contributions": lambda z, w_o: np.stack(
        [z_i @ w for z_i, w in zip(z, np.split(w_o, len(z)))]
    ),
    "split": lambda x, h: np.stack(columns(x, h)),
    "mass": lambda w, links: np.mean([w[:, i, j] for i, j in links], axis=0),
    "hits": lambda w, links: np.mean(
        [w[:, i].argmax(axis=1) == j for i, j in links], axis=0
    ),
    "ablation": lambda parts, keep: sum(
        part if stays else np.tile(part.mean(axis=0), (len(part), 1))
        for part, stays in zip(parts, keep)
    ),
    "parameters": lambda d, h: h * (3 * d * (d // h) + (d // h) * d),
    "likeness": lambda w: np.array(
        [[np.minimum(a, b).sum() / len(a) for b in w] for a in w]
    ),
    "word map": lambda w, m: np.array(
        [[w[a > 0][:, b > 0].sum(axis=1).mean() for b in m] for a in m]
    ),
    "targets": lambda w: np.array(
        [
            max((j for j in range(1, len(w) - 1) if j != i), key=lambda j: w[i, j]) - 1
            for i in range(1, len(w) - 1)
        ]
    ),
    "softmax": exp_rows,
    "masked weights": lambda q, k, m: exp_rows(masked(q @ k.T / root(k), m)),
    "self-attention": lambda x, q, k, v, m: (
        exp_rows(masked(x @ q @ (x @ k).T / root(q), m)) @ (x @ v)
    ),
    "maps": maps,
    "layer": layer,
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
    ("weights", lambda q, k: (q @ k.T).astype(complex), "not complex128"),
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
        lambda q, k: np.nan_to_num(
            exp_rows(masked(q @ k.T / root(k), ~causal_mask(len(q))))
        ),
        "turned round",
    ),
    (
        "causal weights",
        lambda q, k: exp_rows(q @ k.T / root(k) * causal_mask(len(q))),
        "e^0 is 1",
    ),
    (
        "causal weights",
        lambda q, k: np.nan_to_num(
            exp_rows(masked(q @ k.T / root(k), np.tri(len(q), k=-1) > 0))
        ),
        "diagonal is allowed",
    ),
    (
        "causal weights",
        lambda q, k: exp_rows(masked(q @ k.T, causal_mask(len(q)))),
        "not divided by √d_k",
    ),
    ("determiners", lambda: determiners().T, "rows and columns are swapped"),
    ("determiners", lambda: determiners(3), "not strongly enough"),
    ("determiners", lambda: np.zeros((4, 4)), "row of nouns is empty"),
    ("determiners", lambda: np.eye(4) * 9, "Not yet: cat gives them 0.0"),
    ("determiners", lambda: np.ones((4, 2)), "shape is (4, 2)"),
    ("determiners", lambda: None, "Your turn"),
    ("determiners", lambda: undefined, "NameError"),  # noqa: F821
    ("shares", lambda t, v: np.linalg.pinv(v.T) @ t, "do not add up to 1"),
    (
        "shares",
        lambda t, v: np.linalg.pinv(v.T) @ t / (np.linalg.pinv(v.T) @ t).sum(),
        "no longer mix to the target",
    ),
    ("shares", lambda t, v: exp_rows(v @ t), "not the shares"),
    ("shares", lambda t, v: np.ones(3) / 3, "that is the middle"),
    (
        "shares",
        lambda t, v: 1 / np.hypot(*(v - t).T) / (1 / np.hypot(*(v - t).T)).sum(),
        "how near a corner is",
    ),
    ("loss", lambda a, b: 1 - b**2 / (a**2 + b**2), "the other value"),
    ("loss", lambda a, b: 1 - a / (a + b), "variances are squares"),
    ("loss", lambda a, b: (a - 1) ** 2 + b**2, "reads the mix as it is"),
    ("loss", lambda a, b: a / (a**2 + b**2), "best factor for the mix"),
    ("loss", lambda a, b: np.ones(a.shape), "both together"),
    ("loss", lambda a, b: 0.5, "result has shape (), not (1,)"),
    ("unmix", lambda mix, z: np.tensordot(mix, z, 1), "mixes once more"),
    (
        "unmix",
        lambda mix, z: np.tensordot(np.linalg.inv(mix).T, z, 1),
        "rows and columns of the inverse",
    ),
    ("unmix", lambda mix, z: np.tensordot(1 / mix, z, 1), "number by number"),
    ("unmix", lambda mix, z: RIGHT["unmix"](mix, z)[::-1], "wrong order"),
    (
        "unmix",
        lambda mix, z: np.stack([z[0] / mix[0, 0], z[1] / mix[1, 1]]),
        "only scaled",
    ),
    ("heads", lambda x, q, k, v: np.stack(each_head(x, k, q, v)), "swapped"),
    ("heads", lambda x, q, k, v: np.stack(each_head(x, q, k, k)), "keys are handed"),
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
    ("new word", lambda: "noun", "return a dictionary"),
    ("new word", lambda: {"wug": "noon"}, "noon"),
    ("new word", lambda: {"wug": "adjective"}, "which kind of word"),
    ("new word", lambda: {"wug": "noun it"}, "slept gives wug only"),
    (
        "new word",
        lambda: {"wug": "noun subject singular animate he"},
        "it gives wug only",
    ),
    ("two back", lambda: turned(1), "look 1 back"),
    ("two back", lambda: turned(-2), "look 2 ahead"),
    ("two back", lambda: turned(3), "look 3 back"),
    ("two back", lambda: turned(0), "look at themselves"),
    ("two back", lambda: turned(2, scale=0.1), "scores are too small"),
    ("two back", lambda: np.zeros((24, 8)), "no fixed place"),
    ("two back", lambda: np.zeros((8, 24)), "shape is (8, 24)"),
    (
        "concatenate",
        lambda z: z.reshape(z.shape[1], -1),
        "reshaped without a transpose",
    ),
    ("concatenate", lambda z: np.concatenate(list(z)), "below each other"),
    ("concatenate", lambda z: np.mean(z, axis=0), "averaged"),
    ("concatenate", lambda z: sum(z), "added up"),
    ("concatenate", lambda z: np.dstack(list(z)).reshape(z.shape[1], -1), "alternate"),
    (
        "contributions",
        lambda z, w: np.hstack(list(z)) @ w,
        "this is the output",
    ),
    (
        "contributions",
        lambda z, w: np.stack([a @ w[: a.shape[1]] for a in z]),
        "all of yours use the first",
    ),
    (
        "contributions",
        lambda z, w: np.stack([a @ w[i :: len(z)] for i, a in enumerate(z)]),
        "every h-th row",
    ),
    (
        "contributions",
        lambda z, w: RIGHT["contributions"](z, w) / len(z),
        "divided by the number of heads",
    ),
    ("split", lambda x, h: x.reshape(h, x.shape[0], -1), "cuts rows, not columns"),
    ("split", lambda x, h: x.reshape(x.shape[0], h, -1), "the second axis"),
    (
        "split",
        lambda x, h: np.stack([x[:, i::h] for i in range(h)]),
        "every h-th number",
    ),
    (
        "mass",
        lambda w, links: np.mean([w[:, j, i] for i, j in links], axis=0),
        "swapped",
    ),
    ("mass", lambda w, links: sum(w[:, i, j] for i, j in links), "not their mean"),
    ("mass", lambda w, links: RIGHT["hits"](w, links), "not how much it gets"),
    ("mass", lambda w, links: np.mean(w), "result has shape ()"),
    ("hits", lambda w, links: RIGHT["mass"](w, links), "not how often it is first"),
    (
        "hits",
        lambda w, links: RIGHT["hits"](w.swapaxes(1, 2), links),
        "looked for in columns",
    ),
    ("hits", lambda w, links: RIGHT["hits"](w, links) * len(links), "is a count"),
    ("ablation", lambda parts, keep: parts[keep].sum(axis=0), "must add its mean"),
    ("ablation", lambda parts, keep: RIGHT["ablation"](parts, ~keep), "turned round"),
    (
        "ablation",
        lambda parts, keep: RIGHT["ablation"](parts, keep) / len(keep),
        "add up",
    ),
    ("parameters", lambda d, h: 3 * d**2, "W_O is missing"),
    ("parameters", lambda d, h: 4 * d * (d // h), "one head only"),
    ("parameters", lambda d, h: h * 3 * d * d + d * d, "not d_model"),
    ("parameters", lambda d, h: 7, "given 8, 2, it should be 256"),
    ("likeness", lambda w: 1 - RIGHT["likeness"](w), "Take it from 1"),
    ("likeness", lambda w: 2 * RIGHT["likeness"](w) - 1, "must be halved"),
    ("word map", lambda w, m: m @ w @ m.T, "looks with their mean"),
    ("word map", lambda w, m: m @ w @ m.T / m.sum(axis=1), "are swapped"),
    ("word map", lambda w, m: RIGHT["word map"](w, m).T, "transposed"),
    (
        "word map",
        lambda w, m: RIGHT["word map"](w, m) / m.sum(axis=1),
        "columns are averaged too",
    ),
    ("targets", lambda w: RIGHT["targets"](w) + 1, "Count among the words"),
    ("targets", lambda w: w[1:-1, 1:-1].argmax(axis=1), "find itself"),
    ("targets", lambda w: w[1:-1].argmax(axis=1), ""),
    ("targets", lambda w: RIGHT["targets"](w.T), "who looks at the word"),
    ("softmax", lambda s: exp_rows(s.swapaxes(-1, -2)).swapaxes(-1, -2), "each column"),
    (
        "softmax",
        lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum(),
        "all numbers together",
    ),
    (
        "softmax",
        lambda s: np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True),
        "e^1000 is too large",
    ),
    ("softmax", lambda s: s / s.sum(axis=-1, keepdims=True), "divided by their sum"),
    (
        "softmax",
        lambda s: np.exp(s) / np.exp(s).sum(axis=-1),
        "ValueError: operands could not be broadcast",
    ),
    ("masked weights", lambda q, k, m: RIGHT["weights"](q, k), "mask is missing"),
    (
        "masked weights",
        lambda q, k, m: RIGHT["weights"](q, k) * m,
        "after the softmax",
    ),
    (
        "masked weights",
        lambda q, k, m: np.nan_to_num(exp_rows(masked(q @ k.T / root(k), ~m))),
        "turned round",
    ),
    (
        "masked weights",
        lambda q, k, m: exp_rows(masked(q @ k.T, m)),
        "not divided by √d_k",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: exp_rows(x @ q @ (x @ k).T / root(q)) @ (x @ v),
        "mask is missing",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: (
            exp_rows(masked(x @ q @ (x @ k).T / root(x), m)) @ (x @ v)
        ),
        "√d_model",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: exp_rows(masked(x @ q @ (x @ k).T / root(q), m)) @ x,
        "words themselves",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: exp_rows(masked(x @ q @ (x @ k).T / root(q), m)),
        "these are the weights",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: RIGHT["self-attention"](x, q, k, k, m),
        "in place of the values",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: RIGHT["self-attention"](x, k, q, v, m),
        "swapped",
    ),
    ("maps", lambda *a: maps(*a).mean(axis=0), "averaged"),
    ("maps", lambda x, q, k, h, m: maps(x, q, k, h, np.ones_like(m)), "is missing"),
    ("maps", lambda x, q, k, h, m: maps(x, k, q, h, m), "swapped"),
    ("maps", lambda x, q, k, h, m: maps(x, q / h**0.5, k, h, m), "√d_model"),
    ("layer", lambda *a: layer(*a[:4], np.eye(len(a[4])), *a[5:]), "left out"),
    ("layer", lambda *a: layer(*a[:4], a[4].T, *a[5:]), "W_O is transposed"),
    ("layer", lambda *a: layer(*a[:5], 1, a[6]), "one head with all columns"),
    ("layer", lambda x, q, k, v, *a: layer(x, q, k, k, *a), "in place of the values"),
    ("layer", lambda x, q, k, v, *a: layer(x, k, q, v, *a), "swapped"),
    (
        "layer",
        lambda x, q, k, v, w, h, m: layer(x, q * root(q) / h**0.5, k, v, w, h, m),
        "not divided by √d_k",
    ),
    (
        "layer",
        lambda x, q, k, v, w, h, m: layer(x, q / h**0.5, k, v, w, h, m),
        "√d_model",
    ),
    (
        "layer",
        lambda x, q, k, v, w, h, m: (
            (maps(x, q, k, h, m) @ np.stack(columns(x @ v, h))).reshape(len(x), -1) @ w
        ),
        "on the way out",
    ),
    # scores with a mask, in lessons 1 and 8
    *(
        (name, answer, says)
        for says, make in {
            "divided by d_k. It is": lambda q, k, m: exp_rows(
                masked(q @ k.T / k.shape[-1], m)
            ),
            "these are the scores": lambda q, k, m: masked(q @ k.T / root(k), m),
            "not yet divided by the sum": lambda q, k, m: np.exp(
                masked(q @ k.T / root(k), m)
            ),
            "each column adds up": lambda q, k, m: (
                np.exp(masked(q @ k.T / root(k), m))
                / np.exp(masked(q @ k.T / root(k), m)).sum(axis=0)
            ),
            "all numbers together": lambda q, k, m: (
                np.exp(masked(q @ k.T / root(k), m))
                / np.exp(masked(q @ k.T / root(k), m)).sum()
            ),
            "query and key are swapped": lambda q, k, m: exp_rows(
                masked(k @ q.T / root(k), m)
            ),
        }.items()
        for name, answer in (
            ("masked weights", make),
            ("causal weights", lambda q, k, make=make: make(q, k, causal_mask(len(q)))),
        )
    ),
    (
        "masked weights",
        lambda q, k, m: exp_rows(q @ k.T / root(k) * m),
        "forbidden scores are set to 0",
    ),
    (
        "masked weights",
        lambda q, k, m: exp_rows(masked(q @ k.T / root(k), ~m)),  # a row of NaN
        "turned round",
    ),
    ("loss", lambda a, b: b**2, "what v2 adds"),
    (
        "contributions",
        lambda z, w: np.stack([a @ b for a, b in zip(z, np.split(w, len(z))[::-1])]),
        "wrong order",
    ),
    (
        "contributions",
        lambda z, w: z @ w.T.reshape(len(z), z.shape[-1], -1),
        "W_O is transposed",
    ),
    (
        "mass",
        lambda w, links: np.array([[a[i, j] for i, j in links] for a in w]),
        "links one by one",
    ),
    (
        "mass",
        lambda w, links: np.array([w[:, i, j].mean() for i, j in links]),
        "the mean runs over the heads",
    ),
    ("hits", lambda w, links: RIGHT["hits"](w, links).mean(), "all heads together"),
    (
        "hits",
        lambda w, links: RIGHT["hits"](w, [(j, i) for i, j in links]),
        "to and from are swapped",
    ),
    *(
        (
            "ablation",
            lambda parts, keep, mean=mean, join=join: join(
                [
                    p if stays else mean(p, parts) + 0 * p
                    for p, stays in zip(parts, keep)
                ]
            ),
            says,
        )
        for says, mean, join in (
            ("mean runs over the heads", lambda p, parts: sum(parts) / len(parts), sum),
            ("one number as the mean", lambda p, parts: p.mean(), sum),
            ("still apart", lambda p, parts: p.mean(axis=0), np.stack),
        )
    ),
    ("parameters", lambda d, h: h * 3 * (d // h) ** 2 + d * d, "not (d_k, d_k)"),
    ("parameters", lambda d, h: h * (3 * d * (d // h) + d * d), "one W_O for all"),
    *(
        ("likeness", lambda w, over=over: 1 - over(w[:, None] - w) / 2, says)
        for says, over in (
            ("sum over the rows", lambda x: abs(x).sum(axis=(2, 3))),
            ("runs over rows and columns", lambda x: abs(x).mean(axis=(2, 3))),
            ("without the absolute value", lambda x: x.sum(axis=-1).mean(axis=-1)),
        )
    ),
    ("softmax", np.exp, "not yet divided by the sum"),
    (
        "self-attention",
        lambda x, q, k, v, m: RIGHT["self-attention"](x, q, k, v, ~m),
        "turned round",
    ),
    (
        "self-attention",
        lambda x, q, k, v, m: RIGHT["self-attention"](x, q * root(q), k, v, m),
        "not divided by √d_k",
    ),
    ("maps", lambda x, q, k, h, m: maps(x, q, k, h, ~m), "turned round"),
    (
        "maps",
        lambda x, q, k, h, m: maps(x, q * (q.shape[1] / h) ** 0.5, k, h, m),
        "not divided by √d_k",
    ),
    ("maps", lambda *a: reshaped(*a)[0], "reshape without transpose"),
    ("layer", lambda *a: layer(*a[:6], ~a[6]), "turned round"),
    ("layer", lambda *a: layer(*a[:6], a[6] | True), "mask is missing"),
    (
        "layer",
        lambda x, q, k, v, w, h, m: np.hstack(list(reshaped(x, q, k, h, m, v)[1])) @ w,
        "on the way in",
    ),
    (
        "layer",
        lambda x, q, k, v, w, h, m: (
            reshaped(x, q, k, h, m, v)[1].reshape(len(x), -1) @ w
        ),
        "both reshapes",
    ),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a learner's 0/0 and e^1000
@pytest.mark.parametrize(("exercise", "answer", "says"), WRONG)
def test_each_mistake_is_called_by_its_name(exercise, answer, says, capsys):
    check(exercise, answer)
    said = capsys.readouterr().out
    assert says in said
    assert not said.startswith("Right")


@pytest.mark.parametrize("exercise", ["softmax", "masked weights"])
def test_mistakes_are_tried_without_a_warning(exercise, capsys):
    check(exercise, lambda *given: RIGHT[exercise](*given) + 1)
    assert "should be" in capsys.readouterr().out


@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_mistake_has_a_wrong_answer_here(exercise):
    said = [says for name, _, says in WRONG if name == exercise]
    assert said
    for message in getattr(EXERCISES[exercise], "mistakes", ()):
        assert any(says in message for says in said), message


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_right_answer_is_right(exercise, capsys):
    check(exercise, RIGHT[exercise])
    assert capsys.readouterr().out.startswith("Right")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "exercise", [name for name, exercise in EXERCISES.items() if not callable(exercise)]
)
def test_no_mistake_is_taken_for_another(exercise, capsys):
    messages = EXERCISES[exercise].mistakes
    for message, wrong in messages.items():
        check(exercise, wrong)
        assert message in capsys.readouterr().out


def test_another_word_with_the_same_features_is_right(capsys):
    check("new word", lambda: {"wug": sentences.LEXICON["dog"]})
    assert capsys.readouterr().out.startswith("Right")


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
    assert "an array of the shape (2, 2), an array of the shape (2, 2)" in said


def test_an_interrupted_loop_says_where_it_was(capsys):
    def answer(q, k):
        raise KeyboardInterrupt  # as Interrupt Kernel does in an endless loop

    check("weights", answer)
    said = capsys.readouterr().out
    assert said.startswith("Stopped: your function was still running")
    assert "raise KeyboardInterrupt  # as" in said


def test_a_result_instead_of_a_function(capsys):
    check("weights", np.ones(2))
    assert "the function itself" in capsys.readouterr().out


def test_an_unknown_exercise():
    with pytest.raises(ValueError, match="there is weights, causal weights, determ"):
        check("wieghts", print)


def test_nan_where_a_zero_belongs_is_no_right_answer(capsys):
    """A forbidden word has the weight 0; a NaN there is a mistake, if a small one."""

    def answer(q, k):
        weights = exp_rows(masked(q @ k.T / root(k), causal_mask(len(q))))
        return np.where(weights == 0, np.nan, weights)

    check("causal weights", answer)
    assert "there is NaN in the result" in capsys.readouterr().out
