"""A reader's own attention in the model: as good as the course's, or refused."""

import warnings

import numpy as np
import pytest
from tiny_bert import plain_forward, random_tensors

from mha_utils.attention import MultiHeadAttention
from mha_utils.pretrained import PretrainedModel, load
from mha_utils.pretrained.own import OwnAttention
from mha_utils.pretrained.tiny import tiny_checkpoint

pytestmark = pytest.mark.filterwarnings("error")


def attend(x, w_q, w_k, w_v, w_o, num_heads, mask, *, scale=None, axis=-1, turn=False):
    """Attend as a reader would write it, with room for mistakes."""
    query, key, value = (np.split(x @ w, num_heads, axis=1) for w in (w_q, w_k, w_v))
    found, maps = [], []
    for q, k, v in zip(query, key, value):
        scores = np.exp(q @ k.T / (scale or np.sqrt(k.shape[1])))
        maps.append(scores * mask / (scores * mask).sum(axis, keepdims=True))
        found.append((maps[-1].T if turn else maps[-1]) @ v)
    return np.concatenate(found, axis=1) @ w_o, np.array(maps)


@pytest.fixture(params=["a checkpoint", "no checkpoint"])
def model(request, tiny):
    if request.param == "a checkpoint":
        return load(tiny)
    return PretrainedModel(tiny_checkpoint())


def test_a_right_one_gives_what_the_model_gives(model):
    mine = model.with_attention(attend)
    for sentence in ("cat", "the cat sat", "The cats sat. The cat sat sitting."):
        for off in ((), [(0, 1)], [(0, 0), (1, 1), (1, 2)]):
            np.testing.assert_allclose(
                mine.embedding(sentence, off),
                model.embedding(sentence, off),
                atol=1e-5,
            )
        ours, theirs = (m.attend(sentence) for m in (mine, model))
        assert ours.tokens == theirs.tokens
        np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-5)


def test_it_is_the_reader_s_that_attends(tiny):
    """In all layers: each is left with nothing of the course's but the biases b_o."""
    asked = []

    def nothing(x, w_q, w_k, w_v, w_o, num_heads, mask):
        asked.append([w.shape for w in (x, w_q, w_k, w_v, w_o, mask)])
        return np.zeros((len(x), w_o.shape[1])), np.full((num_heads, *mask.shape), 0.1)

    model = load(tiny).with_attention(nothing)
    tensors = random_tensors()
    for i in range(2):
        tensors[f"encoder.layer.{i}.attention.output.dense.weight"][:] = 0
    x, _ = plain_forward(tensors, [2, 4, 5, 3])
    np.testing.assert_allclose(model.hidden("the cat"), x, atol=1e-5)
    assert asked == [[(4, 13), (13, 12), (13, 12), (13, 12), (12, 12), (4, 4)]] * 2
    assert (model.attend("the cat").weights == np.float32(0.1)).all()
    other = load(tiny).with_attention(lambda *a: attend(*a, scale=5))
    every = [(layer, head) for layer in range(2) for head in range(3)]
    np.testing.assert_allclose(other.hidden("the cat", every), x, atol=1e-5)


def test_a_layer_without_biases_is_one_too():
    rng = np.random.default_rng(0)
    layer = MultiHeadAttention(
        *(rng.normal(size=(3, 6, k)) for k in (2, 2, 4)), rng.normal(size=(12, 6))
    )
    x = rng.normal(size=(5, 6))
    output, weights = OwnAttention(attend, layer, 1)(x)
    np.testing.assert_allclose(output, layer(x)[0], atol=1e-5)
    np.testing.assert_allclose(weights, layer(x)[1], atol=1e-5)


def test_with_random_weights_it_stays_the_reader_s(model):
    mine = model.with_attention(attend)
    drawn, theirs = (m.with_random_weights(seed=1) for m in (mine, model))
    asked = drawn.embedding("the cat")
    np.testing.assert_allclose(asked, theirs.embedding("the cat"), atol=1e-5)
    broken = model.with_attention(lambda *_: None).with_random_weights(seed=1)
    with pytest.raises(ValueError, match="returned nothing"):
        broken.embedding("the cat")


@pytest.mark.parametrize(
    "mistake", [{"scale": 1}, {"scale": 5}, {"axis": 0}, {"turn": True}], ids=str
)
def test_a_wrong_one_gives_another_vector(model, mistake):
    wrong = model.with_attention(lambda *a: attend(*a, **mistake))
    off = wrong.embedding("the cat sat") - model.embedding("the cat sat")
    assert np.abs(off).max() > 0.003


GIVEN = (
    r"\. It was given x \(5, 13\), w_q \(13, 12\), w_k \(13, 12\), w_v \(13, 12\), "
    r"w_o \(12, 12\), num_heads 3, mask \(5, 5\)\.$"
)


@pytest.mark.parametrize(
    "result, words",
    [
        (None, "returned nothing; it needs two arrays: the output"),
        (lambda out, maps: out, r"returned one array of shape \(5, 12\); it needs two"),
        (lambda out, maps: [out], "returned a list of 1; it needs two arrays"),
        (lambda out, maps: 3.0, "returned one float; it needs two arrays"),
        (
            lambda out, maps: (out[:, :4], maps),
            r"returned output of shape \(5, 4\); it needs \(n, d\) = \(5, 12\)",
        ),
        (
            lambda out, maps: (maps, out),
            r"returned output of shape \(3, 5, 5\); it needs \(n, d\) = \(5, 12\)",
        ),
        (
            lambda out, maps: (out, maps[0]),
            r"returned maps of shape \(5, 5\); it needs \(h, n, n\) = \(3, 5, 5\)",
        ),
        (
            lambda out, maps: (out * np.nan, maps),
            r"returned output \(5, 12\) with NaN or infinity in it",
        ),
        (
            lambda out, maps: (out, maps.astype(float) * 1e200),
            r"returned maps \(3, 5, 5\) with NaN or infinity in it",
        ),
        (lambda out, maps: (out * 1j, maps), "returned output of dtype complex"),
        (
            lambda out, maps: (out, "maps"),
            "returned maps of dtype <U4; it needs real n",
        ),
        (lambda out, maps: (out, [[1], [1, 2]]), "returned maps that NumPy cannot rea"),
        (lambda out, maps: {}["W_Q"], "raised KeyError: 'W_Q'"),
        (lambda out, maps: out @ out, "raised ValueError: matmul"),
    ],
)
def test_what_it_returns_is_refused_in_words(tiny, result, words):
    def my_layer(*arguments):
        return result and result(*attend(*arguments))

    model = load(tiny).with_attention(my_layer)
    start = "^my_layer, in layer 1 of the model, "
    for ask in (model.attend, model.embedding):
        with pytest.raises(ValueError, match=f"{start}{words}.*{GIVEN}"):
            ask("the cat sat")


def test_the_layer_that_fails_is_named_by_its_number(tiny):
    calls = []

    def my_layer(*arguments):
        calls.append(arguments)
        return attend(*arguments) if len(calls) < 2 else None

    with pytest.raises(ValueError, match="^my_layer, in layer 2 of the model, return"):
        load(tiny).with_attention(my_layer).hidden("the cat sat")


def test_it_cannot_change_the_model(tiny):
    """Neither the weights, which are read-only, nor the words, which are a copy."""
    model = load(tiny)

    def changes_words(x, *others):
        result = attend(x, *others)
        x[:] = 0
        return result

    mine = model.with_attention(changes_words)
    np.testing.assert_allclose(mine.hidden("cats"), model.hidden("cats"), atol=1e-4)
    for place, name in enumerate(("w_q", "w_k", "w_v", "w_o"), start=1):

        def changes(*arguments, place=place):
            arguments[place][0] = 0

        with pytest.raises(ValueError, match="raised ValueError: .* read-only"):
            model.with_attention(changes).hidden("cats")
        assert (getattr(model.layers[0], name) != 0).all(), name


def test_tensors_are_taken_as_they_come(tiny):
    torch = pytest.importorskip("torch")

    def tensors(*arguments):
        return [torch.tensor(a, requires_grad=True) for a in attend(*arguments)]

    model = load(tiny)
    found = model.with_attention(tensors).embedding("the cat sat")
    np.testing.assert_allclose(found, model.embedding("the cat sat"), atol=1e-5)


def test_an_interrupt_stays_one(tiny):
    def stopped(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(tiny).with_attention(stopped).hidden("cats")


def test_warnings_of_the_reader_s_are_seen(tiny):
    def warns(*arguments):
        warnings.warn("mine", stacklevel=1)
        return attend(*arguments)

    with pytest.warns(UserWarning, match="mine"):
        load(tiny).with_attention(warns).hidden("cats")


def test_what_cannot_be_called_is_refused_at_once(tiny):
    with pytest.raises(TypeError, match="takes the function itself, .* not ndarray"):
        load(tiny).with_attention(np.ones(3))
