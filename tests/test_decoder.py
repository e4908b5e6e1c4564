"""Tests of the decoder: right gradients, any words, heads switched off, what it learns.

Tests with "live" in their names train a model, or ask PyTorch.
"""

import os

import numpy as np
import pytest

from mha_utils import MultiHeadAttention, causal_mask, softmax, split_heads
from mha_utils.attention import positions
from mha_utils.decoder import (
    NEW,
    SLOTS,
    Decoder,
    DecoderTraining,
    Texts,
    draw,
    followers,
)

TEXT = "cat mat dog cat mat"
SIZES = [(1, 1), (2, 1), (2, 4), (3, 2)]


def in_float64(model):
    model.parameters = {k: a.astype(np.float64) for k, a in model.parameters.items()}
    return model


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    ids = draw(3, rng, n=9).ids
    return ids[:, :-1], ids[:, 1:] - 1, rng.integers(0, 20, (3, 1)) + np.arange(10)


def loss_and_gradient(model, batch):
    ids, wanted, places = batch
    scores, _ = model.forward(ids, places)
    shares = softmax(scores)
    is_next = np.eye(SLOTS)[wanted]
    return -np.log((shares * is_next).sum(-1)).sum(), model.backward(shares - is_next)


@pytest.mark.parametrize(("num_layers", "num_heads"), SIZES)
def test_gradients_by_finite_differences(batch, num_layers, num_heads):
    model, rng = in_float64(Decoder(num_layers, num_heads, 0)), np.random.default_rng(1)
    _, gradient = loss_and_gradient(model, batch)
    assert set(gradient) == set(model.parameters)
    for name, array in model.parameters.items():
        assert gradient[name].shape == array.shape
        direction, step = rng.normal(size=array.shape), 1e-6
        array += step * direction
        above, _ = loss_and_gradient(model, batch)
        array -= 2 * step * direction
        below, _ = loss_and_gradient(model, batch)
        array += step * direction
        wanted = (above - below) / (2 * step)
        np.testing.assert_allclose((gradient[name] * direction).sum(), wanted, 1e-6)


@pytest.mark.parametrize(("num_layers", "num_heads"), SIZES)
def test_gradients_live_beside_pytorch(batch, num_layers, num_heads):
    try:
        import torch
    except ImportError:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("torch is not installed")
    model = in_float64(Decoder(num_layers, num_heads, 0))
    loss, gradient = loss_and_gradient(model, batch)
    ids, wanted, places = batch
    p = {
        name: torch.tensor(array, requires_grad=True)
        for name, array in model.parameters.items()
    }
    b, n = ids.shape
    x = p["words"][ids] + torch.tensor(2 * positions(30, 48)[places])
    for layer in range(num_layers):
        q, k, v = (
            (x @ p[name][layer]).view(b, n, num_heads, -1).transpose(1, 2)
            for name in ("w_q", "w_k", "w_v")
        )
        z = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + z.transpose(1, 2).reshape(b, n, 48) @ p["w_o"][layer]
    theirs = torch.nn.functional.cross_entropy(
        (x @ p["next"]).flatten(0, 1), torch.tensor(wanted).flatten(), reduction="sum"
    )
    theirs.backward()
    np.testing.assert_allclose(loss, theirs.item(), 1e-9)
    for name, tensor in p.items():
        np.testing.assert_allclose(gradient[name], tensor.grad.numpy(), 1e-6, 1e-9)


def layers_of_the_course(model, x):
    """Run x through layers that `MultiHeadAttention` computes."""
    for layer in range(model.num_layers):
        w_q, w_k, w_v, w_o = (model.parameters[f"w_{c}"][layer] for c in "qkvo")
        heads = (split_heads(w, model.num_heads) for w in (w_q, w_k, w_v))
        mha = MultiHeadAttention(*heads, w_o)
        output, weights = mha(x, mask=causal_mask(x.shape[-2]))
        yield weights
        x = x + output
    yield x


@pytest.mark.parametrize(("num_layers", "num_heads"), SIZES)
def test_layers_are_those_of_the_course_on_a_residual_stream(num_layers, num_heads):
    model = in_float64(Decoder(num_layers, num_heads, 3))
    ids = draw(2, np.random.default_rng(0)).ids
    places = np.array([[0], [7]]) + np.arange(ids.shape[1])
    scores, weights = model.forward(ids, places)
    x = model.parameters["words"][ids] + 2 * positions(40, 48)[places]
    *maps, last = layers_of_the_course(model, x)
    assert weights.shape == (2, num_layers, num_heads, 26, 26)
    np.testing.assert_allclose(weights, np.stack(maps, axis=1), atol=1e-12)
    np.testing.assert_allclose(scores, last @ model.parameters["next"], atol=1e-9)


def test_what_comes_later_changes_nothing_before():
    model = Decoder(2, 2, 0)
    ids = draw(2, np.random.default_rng(0)).ids
    scores, _ = model.forward(ids)
    other = ids.copy()
    other[:, 10:] = 1
    again, _ = model.forward(other)
    np.testing.assert_allclose(scores[:, :10], again[:, :10], atol=1e-5)
    assert not np.allclose(scores[:, 10:], again[:, 10:])


def test_looking_between_forward_and_backward_changes_no_gradient(batch):
    model = in_float64(Decoder(2, 1, 0))
    ids, wanted, places = batch
    scores, _ = model.forward(ids, places)
    model.attend(TEXT)
    model.jobs()
    model.next_words(TEXT, off=[(0, 0)], ablation="mean")
    gradient = model.backward(scores)
    model.forward(ids, places)
    for name, array in model.backward(scores).items():
        np.testing.assert_array_equal(gradient[name], array)


# ---- texts
@pytest.mark.parametrize(
    ("n", "shortest", "longest"), [(24, 3, 11), (60, 3, 3), (40, 12, 20)]
)
def test_texts_say_the_same_words_again_and_again(n, shortest, longest):
    sizes = {"n": n, "shortest": shortest, "longest": longest}
    as_in_training = sizes == {"n": 24, "shortest": 3, "longest": 11}
    texts = draw(200, np.random.default_rng(1), **{} if as_in_training else sizes)
    assert texts.ids.shape == (200, n + 2) and texts.known.shape == (200, n + 1)
    periods = set()
    for ids, known in zip(texts.ids.tolist(), texts.known.tolist()):
        assert ids[0] == 0
        period = len(set(ids)) - 1
        assert ids[1:] == [ids[1 + i % period] for i in range(n + 1)]
        seen = [token in ids[1:i] for i, token in enumerate(ids[:-1])]
        assert known == [i > 0 and before for i, before in enumerate(seen)]
        periods.add(period)
    assert periods == set(range(shortest, longest + 1))
    assert set(texts.ids.flatten()) == set(range(SLOTS + 1))


def test_what_followed_before():
    tokens = "a b c a d a b".split()
    assert followers(tokens) == [[], [], [], [1], [], [1, 4], [2]]
    assert followers([]) == []
    assert followers(["a", "a", "a"]) == [[], [1], [1, 2]]


# ---- any words
@pytest.mark.parametrize(
    "text",
    [
        "eins zwei drei eins zwei",
        "🐱 🐶 🐭 🐱 🐶",
        "猫 кот cat 猫 кот",
        "قط كلب فأر قط كلب",
        "Cat mat dog cat MAT",
    ],
)
def test_any_words_of_any_language_take_the_same_slots(text):
    model = Decoder(2, 2, 0)
    maps, same = model.attend(text), model.attend(TEXT)
    assert maps.tokens == ["<s>", *text.split()]
    np.testing.assert_array_equal(maps.weights, same.weights)
    assert maps.weights.shape == (2, 2, 6, 6)
    names = dict(zip(text.split()[:3], TEXT.split()[:3])) | {NEW: NEW}
    told = [(names[word], share) for word, share in model.next_words(text)]
    assert told == model.next_words(TEXT)


def test_probabilities_are_those_of_the_scores():
    model = Decoder(2, 1, 4)
    scores, _ = model.forward(np.array([[0, 1, 2, 3, 1, 2]]))
    shares = softmax(scores[0, -1].astype(float))
    told = model.next_words(TEXT)
    assert [share for _, share in told] == sorted((s for _, s in told), reverse=True)
    told = dict(told)
    assert set(told) == {"cat", "mat", "dog", NEW}
    np.testing.assert_allclose(
        [told["cat"], told["mat"], told["dog"], told[NEW]],
        [*shares[:3], shares[3:].sum()],
        1e-4,
    )


def test_a_text_may_fill_all_slots_and_no_more():
    model = Decoder(1, 1, 0)
    text = " ".join(f"w{i}" for i in range(SLOTS))
    told = model.next_words(text + " w3")
    assert len(told) == 5 and NEW not in dict(told)
    with pytest.raises(ValueError, match="41 different words, and the model has 40"):
        model.attend(text + " more")
    with pytest.raises(ValueError, match="41 different words, and the model has 40"):
        model.next_words(text + " more")


@pytest.mark.parametrize("text", ["", "  \n "])
def test_a_text_without_a_word_is_refused(text):
    for ask in (Decoder(1, 1, 0).attend, Decoder(1, 1, 0).next_words):
        with pytest.raises(ValueError, match="no word in this text"):
            ask(text)


def test_long_texts():
    model = Decoder(1, 1, 0)
    assert "These are 500 words" in model.attend("cat mat " * 250).note
    assert "texts of 24" in model.attend("cat mat " * 33).note
    assert model.attend("cat mat " * 32).note == ""
    with pytest.raises(ValueError, match="1002 words; 1000 are the most"):
        model.attend("cat mat " * 501)


def test_a_text_in_which_nothing_repeats_says_so():
    model = Decoder(1, 1, 0)
    for text in ("cat", "one two three"):
        assert "nothing tells which word comes next" in model.attend(text).note
    assert model.attend(TEXT).note == ""
    assert len(model.next_words("cat")) == 2


# ---- heads switched off
def without(model, layer, head, bring):
    """Return a model whose head brings the same vector, (d,), to every word."""
    other, d_v = in_float64(Decoder(model.num_layers, model.num_heads, 0)), 48 // 2
    other.parameters = {k: a.copy() for k, a in model.parameters.items()}
    own = slice(head * d_v, (head + 1) * d_v)
    w_o = other.parameters["w_o"][layer]
    w_o[own] = 0
    return other, bring @ model.parameters["w_o"][layer][own]


@pytest.mark.parametrize("head", [0, 1])
def test_a_head_switched_off_brings_nothing(head):
    model = in_float64(Decoder(2, 2, 5))
    for layer in (0, 1):
        other, _ = without(model, layer, head, np.zeros(24))
        off = [(layer, head)]
        maps, wanted = model.attend(TEXT, off=off), other.attend(TEXT)
        np.testing.assert_allclose(maps.weights, wanted.weights)
        assert model.next_words(TEXT, off=off) == other.next_words(TEXT)
        texts = draw(20, np.random.default_rng(3))
        assert model.right(texts, off=off) == other.right(texts)
    everything = [(layer, h) for layer in (0, 1) for h in (0, 1)]
    x = model.parameters["words"][2] + 2 * positions(6, 48)[-1]
    shares = softmax(x @ model.parameters["next"])
    told = dict(model.next_words(TEXT, off=everything))
    np.testing.assert_allclose(told["mat"], shares[1])


def test_a_head_switched_off_may_bring_its_mean():
    model = in_float64(Decoder(1, 2, 5))
    texts = draw(50, np.random.default_rng(9))
    x = model.parameters["words"][texts.ids[:, :-1]] + 2 * positions(25, 48)
    weights, _ = layers_of_the_course(model, x)
    z = weights[:, 1] @ x @ model.parameters["w_v"][0][:, 24:]  # (b, n, d_v)
    other, brought = without(model, 0, 1, z.mean(axis=(0, 1)))
    x = model.parameters["words"][[[0, 1, 2, 3, 1, 2]]] + 2 * positions(6, 48)
    *_, last = layers_of_the_course(other, x)
    shares = softmax((last[0, -1] + brought) @ model.parameters["next"])
    told = dict(model.next_words(TEXT, off=[(0, 1)], ablation="mean"))
    np.testing.assert_allclose([told[w] for w in ("cat", "mat", "dog")], shares[:3])


def test_the_second_layer_reads_what_the_first_wrote():
    model = Decoder(2, 2, 0)
    whole, off = model.attend(TEXT), model.attend(TEXT, off=[(0, 1)])
    np.testing.assert_array_equal(whole.weights[0], off.weights[0])
    assert not np.allclose(whole.weights[1], off.weights[1])
    np.testing.assert_array_equal(
        whole.weights, model.attend(TEXT, off=[(1, 0)]).weights
    )


def test_heads_that_are_off_may_come_one_by_one():
    model, text = Decoder(2, 2, 0), "cat mat dog cat mat"
    off = [(0, 0), (1, 1)]
    for ablation in ("zero", "mean"):
        told = model.next_words(text, off=off, ablation=ablation)
        assert told == model.next_words(text, off=iter(off), ablation=ablation)
        assert told == model.next_words(text, off=np.array(off), ablation=ablation)
        assert told != model.next_words(text)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 3), (5, 4), (3, 41)])
def test_texts_repeat_themselves_within_the_slots(shortest, longest):
    with pytest.raises(ValueError, match=f"longest is {longest}; .* 1 to 40 words"):
        draw(2, np.random.default_rng(0), shortest=shortest, longest=longest)


@pytest.mark.parametrize("head", [(2, 0), (0, 1), (-1, 0), (0, -1)])
def test_a_head_that_is_not_there(head):
    with pytest.raises(ValueError, match="there is no head .*from 0 to 1, heads"):
        Decoder(2, 1, 0).attend(TEXT, off=[head])


def test_another_ablation():
    with pytest.raises(ValueError, match='"zero" or "mean"'):
        Decoder(2, 1, 0).next_words(TEXT, ablation="none")


# ---- scores
def test_jobs_are_shares_counted_word_by_word():
    model, texts = Decoder(2, 2, 0), draw(6, np.random.default_rng(2))
    _, weights = model.forward(texts.ids[:, :-1])
    sums = {job: [] for job in model.jobs()}
    before, followed, rest = sums.values()
    for text, maps in zip(texts.ids[:, :-1].tolist(), weights):
        for i, token in enumerate(text):
            then = [j + 1 for j in range(1, i) if text[j] == token]
            before += [maps[:, :, i, i - 1]] if i > 1 else []
            followed += [maps[:, :, i, then].sum(axis=-1)] if then else []
            rest += [] if then or not i else [maps[:, :, i, 0]]
    for job, mass in model.jobs(texts).items():
        np.testing.assert_allclose(mass, np.mean(sums[job], axis=0), 1e-5)
        assert mass.shape == (2, 2)
    asked = model.jobs(draw(20, np.random.default_rng(9)))
    for job, mass in model.jobs().items():
        np.testing.assert_array_equal(mass, asked[job])


def test_right_counts_only_what_can_be_known():
    model, texts = Decoder(2, 1, 0), draw(30, np.random.default_rng(2))
    scores, _ = model.forward(texts.ids[:, :-1])
    right = [
        scores[k, i].argmax() + 1 == texts.ids[k, i + 1]
        for k, i in np.argwhere(texts.known)
    ]
    assert model.right(texts) == np.mean(right)
    cheat = texts.ids.copy()
    cheat[:, 1:] = np.where(texts.known, scores.argmax(axis=-1) + 1, 0)
    assert model.right(texts) < 0.2
    some = Texts(texts.ids[:, :2], np.ones((30, 1), bool))
    first = scores[:, 0].argmax(axis=-1) + 1 == texts.ids[:, 1]
    assert model.right(some) == first.mean()


@pytest.mark.parametrize("num_heads", [0, -1, 5, 96])
def test_a_number_of_heads_that_does_not_fit(num_heads):
    with pytest.raises(ValueError, match=f"equally by {num_heads} heads; .*24 or 48"):
        Decoder(2, num_heads, 0)


def test_a_model_without_layers():
    with pytest.raises(ValueError, match="num_layers is 0; a model needs at least 1"):
        Decoder(0, 1, 0)


# ---- what is learned
@pytest.fixture(scope="module")
def live_training():
    training = DecoderTraining(1, 300)
    training.run()
    return training


@pytest.fixture(scope="module")
def unseen():
    return draw(200, np.random.default_rng(6))


def test_two_layers_learn_live_what_followed_before(live_training, unseen):
    model = live_training.model
    assert model.right(unseen) > 0.98
    before, followed, rest = (job[:, 0] for job in model.jobs(unseen).values())
    assert before[0] > 0.8 and before[1] < 0.1
    assert followed[0] < 0.1 and followed[1] > 0.9
    assert rest[1] > 0.8
    assert live_training.losses[0] > 3.5 and live_training.losses[-1] < 1.6


def test_a_live_head_is_lost_without_the_one_it_builds_on(live_training, unseen):
    model = live_training.model
    for ablation in ("zero", "mean"):
        for off in ([(0, 0)], [(1, 0)]):
            assert model.right(unseen, off=off, ablation=ablation) < 0.3
    i, j = 5, 3  # the second mat, and dog, which followed the first
    assert model.attend(TEXT).weights[1, 0, i, j] > 0.9
    assert model.attend(TEXT, off=[(0, 0)]).weights[1, 0, i, j] < 0.3
    assert model.next_words(TEXT)[0][0] == "dog"
    assert model.next_words(TEXT, off=[(0, 0)])[0][0] != "dog"


def test_a_text_is_continued_live_word_by_word(live_training):
    text = "der Hund bellt laut und der"
    for _ in range(8):
        text += " " + live_training.model.next_words(text)[0][0]
    assert text == "der Hund bellt laut und " * 2 + "der Hund bellt laut"


def test_longer_texts_are_continued_live(live_training):
    longer = draw(50, np.random.default_rng(7), n=60)
    assert live_training.model.right(longer) > 0.95
    rarer = draw(50, np.random.default_rng(7), n=40, shortest=12, longest=18)
    assert live_training.model.right(rarer) > 0.9


@pytest.mark.parametrize("seed", [300, 301])
def test_one_layer_does_not_learn_it_live(unseen, seed):
    training = DecoderTraining(4, seed, num_layers=1)
    training.run()
    assert training.model.right(unseen) < 0.4


def test_live_training_stops_resumes_and_keeps_a_film():
    once, twice = (DecoderTraining(1, 1, steps=40) for _ in range(2))
    once.run()
    twice.run(15)
    twice.run()
    assert once.losses == twice.losses and len(once.losses) == 40
    for name, array in once.model.parameters.items():
        np.testing.assert_array_equal(array, twice.model.parameters[name])
    np.testing.assert_array_equal(
        once.at(40).attend(TEXT).weights, once.model.attend(TEXT).weights
    )
    first = Decoder(2, 1, 1).attend(TEXT).weights
    np.testing.assert_array_equal(once.at(0).attend(TEXT).weights, first)


@pytest.mark.parametrize("learning_rate", [0.2, 1, 1e9, 1e30])
def test_a_live_explosion_is_explained(learning_rate):
    training = DecoderTraining(1, 0, learning_rate=learning_rate)
    with pytest.raises(ValueError, match="learning_rate .* is too large; try 0.01"):
        training.run()
    assert np.isfinite(training.model.attend(TEXT).weights).all()
