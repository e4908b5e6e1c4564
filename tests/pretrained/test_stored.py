"""Answers recorded and given again, and when they stand in for the model."""

import numpy as np
import pytest
from tiny_bert import write

from mha_utils import pretrained
from mha_utils.pretrained import download, load
from mha_utils.pretrained.stored import Recorder, question, write_answers

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def stored(tiny, tmp_path):
    """Write what the tiny model answers to two questions, and a random one to one."""
    answers = {}
    model = Recorder(load(tiny), answers)
    model.attend("the cat sat")
    model.embedding("the cat sat", [(1, 2), (0, 1)])
    model.with_random_weights(seed=3).attend("the cat sat", special=False)
    write_answers(tmp_path / "stored.npz", answers)
    return tmp_path / "stored.npz"


def test_without_the_model_stored_answers_stand_in(tiny, world, stored, capsys):
    model, real = load(stored=stored), load(tiny)
    assert isinstance(model, pretrained.StoredModel)
    said = capsys.readouterr().out
    assert "could not be had" in said and "answers stored" in said
    for special in (True, False):
        mine, theirs = (m.attend("the cat sat", special) for m in (model, real))
        assert mine.tokens == theirs.tokens and mine.note == theirs.note
        np.testing.assert_allclose(mine.weights, theirs.weights, atol=0.004)
    off = [(0, 1), (1, 2)]
    mine, theirs = (m.embedding("the cat sat", off) for m in (model, real))
    np.testing.assert_allclose(mine, theirs, atol=0.001)
    mine, theirs = (
        m.with_random_weights(seed=3).attend("the cat sat") for m in (model, real)
    )
    np.testing.assert_allclose(mine.weights, theirs.weights, atol=0.004)


def test_what_is_not_stored_is_refused_in_words(world, stored):
    model = load(stored=stored)
    for ask in (
        lambda: model.attend("a dog"),
        lambda: model.embedding("the cat sat"),
        lambda: model.with_random_weights(seed=4).attend("the cat sat"),
    ):
        with pytest.raises(ValueError, match="nothing is stored for this"):
            ask()
    with pytest.raises(ValueError, match="such as: the cat sat$"):
        model.attend("a dog")


def test_three_of_the_stored_sentences_are_named(tiny, world, tmp_path):
    answers = {}
    for sentence in ("the cat", "the mat", "the cats", "the mats"):
        Recorder(load(tiny), answers).attend(sentence)
    write_answers(tmp_path / "four.npz", answers)
    with pytest.raises(ValueError, match="such as: the cat / the mat / the cats$"):
        load(stored=tmp_path / "four.npz").attend("a dog")


def test_a_recorder_answers_as_its_model(tiny):
    model, answers = load(tiny), {}
    recorder = Recorder(model, answers)
    for special in ([], [True], [False]):
        mine, theirs = (m.attend("the cats", *special) for m in (recorder, model))
        assert (mine.weights == theirs.weights).all()
        assert (mine.tokens, mine.note) == (theirs.tokens, theirs.note)
    off = [(0, 1), (1, 2)]
    mine = recorder.embedding("the cats", (pair for pair in off))
    assert (mine == model.embedding("the cats", off)).all()
    assert list(answers) == [
        question(None, "the cats"),
        question(None, "the cats", off),
    ]


def test_with_the_model_nothing_stored_is_used(world):
    write(download.cache_folder())
    assert load(stored="not there.npz").num_heads == 3
