"""The NumPy transformer, held against plain equations and against transformers."""

import os

import numpy as np
import pytest
from tiny_bert import PIECES, plain_forward, random_tensors, write

from mha_utils.attention import (
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from mha_utils.pretrained import NoModelError, download, load

pytestmark = pytest.mark.filterwarnings("error")

SENTENCES = [
    "Birds sing.",
    "The cat sat on the mat because it was tired.",
    "Antidisestablishmentarianism isn't a well-known word; is it?",
    "ÉCOLE naïve Straße, 東京 and Москва cost $3.50!",
    "👍 means yes",
    "The trophy did not fit in the suitcase because it was too big. " * 12,
]


def test_forward_pass_equals_the_plain_one(tiny):
    model = load(tiny)
    x, maps = plain_forward(random_tensors(), [2, 4, 5, 6, 3])
    np.testing.assert_allclose(model.hidden("the cat sat"), x, atol=1e-5)
    shown = model.attend("the cat sat")
    assert shown.tokens == ["[CLS]", "the", "cat", "sat", "[SEP]"]
    np.testing.assert_allclose(shown.weights, maps, atol=1e-5)


def test_ablating_a_head_equals_zeroing_its_rows_of_w_o(tiny):
    tensors = random_tensors()
    for i, columns in ((0, slice(4, 8)), (1, slice(0, 8))):
        w_o = tensors[f"encoder.layer.{i}.attention.output.dense.weight"]
        w_o[:, columns] = 0
    x, _ = plain_forward(tensors, [2, 4, 5, 3])
    model, off = load(tiny), [(0, 1), (1, 0), (1, 1), (1, 1)]
    np.testing.assert_allclose(model.hidden("the cat", off), x, atol=2e-5)
    mean = x.mean(0)
    np.testing.assert_allclose(
        model.embedding("the cat", off), mean / np.linalg.norm(mean), atol=1e-5
    )
    assert np.abs(model.hidden("the cat") - x).max() > 0.01


def test_layers_are_the_attention_of_the_course(tiny):
    tensors, layers = random_tensors(), load(tiny).layers
    assert len(layers) == 2
    for i, mha in enumerate(layers):
        name = f"encoder.layer.{i}.attention"
        for kind in ("query", "key", "value"):
            w = tensors[f"{name}.self.{kind}.weight"]
            b = tensors[f"{name}.self.{kind}.bias"]
            for head in range(3):
                rows = slice(4 * head, 4 * head + 4)
                assert (getattr(mha, f"w_{kind[0]}")[head] == w[rows].T).all()
                assert (getattr(mha, f"b_{kind[0]}")[head] == b[rows]).all()
        assert (mha.w_o == tensors[f"{name}.output.dense.weight"].T).all()
        assert (mha.b_o == tensors[f"{name}.output.dense.bias"]).all()


def test_a_word_of_equal_numbers_is_normalised_to_the_bias(tiny):
    norm = load(tiny).blocks[0].first_norm
    np.testing.assert_array_equal(norm(np.ones((2, norm.bias.size))), [norm.bias] * 2)


def test_words_go_through_the_blocks_one_by_one(tiny):
    model, whole = load(tiny), load(tiny).hidden("the cat")
    x = model.hidden("the cat", blocks=0)
    t = {name: tensor.astype(float) for name, tensor in random_tensors().items()}
    first = t["embeddings.word_embeddings.weight"][[2, 4, 5, 3]]
    first = first + t["embeddings.position_embeddings.weight"][:4]
    first = first + t["embeddings.token_type_embeddings.weight"][0]
    first -= first.mean(1, keepdims=True)
    first /= first.std(1, keepdims=True)
    first *= t["embeddings.LayerNorm.weight"]
    np.testing.assert_allclose(x, first + t["embeddings.LayerNorm.bias"], atol=1e-5)
    for number, block in enumerate(model.blocks, start=1):
        x, weights = block(x, [])
        assert (model.hidden("the cat", blocks=number) == x).all()
        assert (weights == model.attend("the cat").weights[number - 1]).all()
    assert number == 2 and (x == whole).all()


@pytest.mark.parametrize("head", [(2, 0), (0, 3), (-1, 0)])
def test_a_head_that_is_not_there_is_refused(tiny, head):
    with pytest.raises(ValueError, match="there is no head .*layers go from 0 to 1"):
        load(tiny).hidden("the cat", [head])


@pytest.mark.parametrize("blocks", [-1, 3])
def test_blocks_that_are_not_there_are_refused(tiny, blocks):
    with pytest.raises(ValueError, match=f"blocks is {blocks}; .* from 0 to 2"):
        load(tiny).hidden("the cat", blocks=blocks)


def test_random_weights_are_a_control(tiny):
    model = load(tiny)
    before = model.hidden("the cat")
    one, same, other = (
        model.with_random_weights(seed=s).hidden("the cat") for s in (1, 1, 2)
    )
    assert (one == same).all() and (model.hidden("the cat") == before).all()
    assert np.abs(one - other).max() > 0.01 and np.abs(one - before).max() > 0.01


def missing(what):
    if os.environ.get("CI"):
        pytest.fail(f"{what}, but CI must compare with transformers")
    pytest.skip(what)


@pytest.fixture(scope="module")
def real():
    try:
        return load()
    except NoModelError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def theirs(real):
    """Build the same model in transformers, from the files that were verified."""
    try:
        import torch  # noqa: F401 - without it BertModel imports, and fails later
        from transformers import BertModel
    except ImportError:
        missing("transformers or torch is not installed")
    places = (download.cache_folder(), download.hub_snapshot())
    folder = next(p for p in places if (p / "config.json").exists())
    return BertModel.from_pretrained(folder, attn_implementation="eager").eval()


SIZES = {
    "vocab_size": len(PIECES),
    "max_position_embeddings": 16,
    "initializer_range": 0.6,
}
BERT_SAYS = SIZES | {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
}
FAMILIES = {
    "Bert": BERT_SAYS,
    "Electra": BERT_SAYS | {"embedding_size": 12},
    "DistilBert": SIZES | {"dim": 12, "n_layers": 2, "n_heads": 3, "hidden_dim": 20},
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "head", ["Model", "ForMaskedLM"]
)  # names without a prefix, with
@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_agree_with_transformers(tmp_path, family, head):
    try:
        import torch
        import transformers
    except ImportError:
        missing("transformers or torch is not installed")
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**FAMILIES[family])
    config._attn_implementation = "eager"
    made = getattr(transformers, family + head)(config).eval()
    write(tmp_path)
    made.save_pretrained(tmp_path)
    ids = [2, 4, 5, 6, 3]
    with torch.no_grad():
        answer = made.base_model(torch.tensor([ids]), output_attentions=True)
    x, weights = load(tmp_path)._forward(ids)
    maps = torch.cat(answer.attentions)
    np.testing.assert_allclose(weights, maps, atol=1e-5, rtol=0)
    np.testing.assert_allclose(x, answer.last_hidden_state[0], atol=1e-5, rtol=0)
    assert np.std(weights) > 0.1  # heads of a model this small do look somewhere


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("sentence", SENTENCES)
def test_agrees_with_transformers(real, theirs, sentence):
    import torch

    ids, _, members, _ = real._cut(sentence)
    with torch.no_grad():
        answer = theirs(torch.tensor([ids]), output_attentions=True)
    maps = torch.cat(answer.attentions).numpy()
    x, weights = real._forward(ids)
    np.testing.assert_allclose(weights, maps, atol=1e-5, rtol=0)
    np.testing.assert_allclose(x, answer.last_hidden_state[0], atol=1e-5, rtol=0)
    words = members / members.sum(1, keepdims=True) @ maps @ members.T
    np.testing.assert_allclose(real.attend(sentence).weights, words, atol=1e-5)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_reader_s_attention_does_as_well_in_the_real_model(real, sentence):
    def attend(x, w_q, w_k, w_v, w_o, num_heads, mask):
        query, key, value = (split_heads(x @ w, num_heads) for w in (w_q, w_k, w_v))
        z, weights = scaled_dot_product_attention(query, key, value, mask)
        return merge_heads(z) @ w_o, weights

    mine = real.with_attention(attend)
    found, expected = mine.embedding(sentence), real.embedding(sentence)
    np.testing.assert_allclose(found, expected, atol=5e-6)
    found, expected = mine.attend(sentence), real.attend(sentence)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-4)


def test_the_real_model_refuses_more_than_512_pieces(real):
    assert len(real.hidden("cat " * 510)) == 512
    with pytest.raises(ValueError, match="513 word pieces; .* at most 512"):
        real.attend("cat " * 511)


def test_the_real_model_has_a_head_for_the_next_word(real):
    """Layer 2, head 9, counted from 1: the word after, in every sentence."""
    hits = []
    for sentence in SENTENCES[:3]:
        weights = real.attend(sentence, special=False).weights[1, 8].copy()
        np.fill_diagonal(weights, -1)
        hits += list(weights.argmax(-1)[:-1] == np.arange(1, len(weights)))
    assert np.mean(hits) > 0.9
