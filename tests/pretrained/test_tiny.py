"""The tiny model that stands in where only equality counts."""

import numpy as np
import pytest
from tiny_bert import write

from mha_utils.pretrained import NoModelError, PretrainedModel, download, load
from mha_utils.pretrained.tiny import MAX_PIECES, PIECES, WholeWords, tiny_checkpoint

pytestmark = pytest.mark.filterwarnings("error")


def test_without_the_model_it_stands_in_and_says_what_it_is(world, capsys):
    with pytest.raises(NoModelError):
        load()
    model = load(tiny=True)
    said = capsys.readouterr().out
    assert "could not be had" in said
    assert "random weights. What it says of sentences means nothing" in said
    same = PretrainedModel(tiny_checkpoint()).embedding("The cat sat")
    assert (model.embedding("The cat sat") == same).all()


def test_it_cuts_no_word(world):
    maps = load(tiny=True).attend("don't wake 東京 👍")
    assert maps.tokens == ["[CLS]", "don't", "wake", "東", "京", "👍", "[SEP]"]
    assert maps.note == "The weights are random: these maps mean nothing."


def test_special_tokens_have_numbers_of_their_own():
    first, *words, last = WholeWords().cut(" ".join(map(str, range(1000))))
    assert (first.id, last.id) == (0, 1)
    assert {word.id for word in words} == set(range(2, PIECES))


def test_with_the_model_it_is_not_used(world):
    write(download.cache_folder())
    assert load(tiny=True).d_model == 12


def test_its_heads_and_words_differ():
    """Or a wrong way to attend would look right."""
    model = PretrainedModel(tiny_checkpoint())
    np.testing.assert_allclose(model.hidden("The cat sat").std(axis=1), 1, rtol=1e-6)
    weights = model.attend("The cat sat on the mat").weights
    assert weights.max(-1).mean() > 2 / weights.shape[-1]
    heads = weights.reshape(-1, weights[0, 0].size)
    assert np.corrcoef(heads)[np.triu_indices(len(heads), 1)].max() < 0.9
    ours, theirs = map(model.embedding, ("The cat sat", "the dog sat"))
    assert (model.embedding("THE CAT SAT") == ours).all() and ours @ theirs < 0.999


def test_what_it_cannot_read_is_refused():
    model = PretrainedModel(tiny_checkpoint())
    with pytest.raises(ValueError, match="no words"):
        model.attend(" ")
    assert len(model.hidden("cat " * (MAX_PIECES - 2))) == MAX_PIECES
    with pytest.raises(ValueError, match=f"at most {MAX_PIECES}"):
        model.attend("cat " * (MAX_PIECES - 1))
