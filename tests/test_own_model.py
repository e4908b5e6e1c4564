"""Your own model works too: the code of README and lesson 7, with tiny models."""

import ast
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from mha_utils.explorer import Explorer

ROOT = Path(__file__).parents[1]
SENTENCE = "The cat sat on the mat"
SIZES = {"vocab_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4}


def code_of(text):
    return re.findall(r"```python\n(.*?)```", text, re.S)


def code_of_lesson(cell_id):
    path = ROOT / "notebooks" / "07_heads_in_a_real_model.ipynb"
    [cell] = [c for c in nbformat.read(path, as_version=4).cells if c.id == cell_id]
    [code] = code_of(cell.source)
    return code


@pytest.fixture(scope="module")
def transformers():
    try:
        import torch
        import transformers
    except ImportError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error.name} is missing, but CI must ask it for its maps")
        pytest.skip(
            f"{error.name} is missing: pip install -r tests/requirements-torch.txt"
        )
    torch.manual_seed(0)
    return transformers


def save(transformers, model, folder):
    """Write a model with random weights, and a tokenizer for the words of SENTENCE."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "</s>", "<unk>", *dict.fromkeys(SENTENCE.split())]
    cut = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "<unk>"))
    cut.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=cut,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def run(code, names):
    """Run a block as a cell does: return what its last line shows."""
    *lines, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        lines, last = [*lines, last], None
    exec(compile(ast.Module(lines, []), "block", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "block", "eval"), names)


@pytest.fixture
def encoder(transformers, tmp_path, monkeypatch):
    config = transformers.BertConfig(hidden_size=32, intermediate_size=32, **SIZES)
    save(transformers, transformers.BertModel(config), tmp_path / "my_model")
    monkeypatch.chdir(tmp_path)


def blocks_of_an_encoder():
    [code] = [
        c for c in code_of((ROOT / "README.md").read_text("utf-8")) if "eager" in c
    ]
    return {"README": code, "lesson 7": code_of_lesson("own-model")}


def maps_of(names, **inputs):
    """What the model itself says, asked in another way than the code asks."""
    ids = names["tokenizer"](SENTENCE, return_tensors="pt")["input_ids"]
    return names["model"](ids, **inputs, output_attentions=True)


def stacked(layers):
    return np.stack([layer[0].detach().numpy() for layer in layers])


@pytest.mark.parametrize("place", ["README", "lesson 7"])
def test_an_encoder_is_shown(encoder, place):
    explorer = run(blocks_of_an_encoder()[place], names := {})
    assert isinstance(explorer, Explorer)
    assert explorer.picture["tokens"] == SENTENCE.split()
    assert explorer.picture["shape"] == [2, 4, 6, 6]
    shown = np.frombuffer(explorer.picture["weights"], "<f4").reshape(2, 4, 6, 6)
    np.testing.assert_allclose(shown, stacked(maps_of(names).attentions), atol=1e-6)


def test_the_function_has_six_lines():
    for code in blocks_of_an_encoder().values():
        lines = [line for line in code.splitlines() if line and "import" not in line]
        assert len(lines) == 6 + 1  # and the line that shows it


def test_a_decoder_whose_heads_share_keys(transformers, encoder, tmp_path):
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=32, num_key_value_heads=2, **SIZES
    )
    save(transformers, transformers.LlamaModel(config), tmp_path / "my_model")
    run(blocks_of_an_encoder()["lesson 7"], names := {})
    run(code_of_lesson("own-model-decoder"), names)
    maps = names["attend"](SENTENCE)
    assert maps.num_kv_heads == 2
    assert maps.tokens == maps.keys == SENTENCE.split()
    assert not np.triu(maps.weights, 1).any()
    np.testing.assert_allclose(
        maps.weights, stacked(maps_of(names).attentions), atol=1e-6
    )
    assert Explorer(names["attend"], SENTENCE).picture["groups"] == 2


@pytest.mark.parametrize("kind", ["T5", "Bart"])
def test_one_text_looks_into_another(transformers, encoder, tmp_path, kind):
    sizes = {"d_model": 32, "vocab_size": 12, "decoder_start_token_id": 0}
    if kind == "T5":
        sizes |= {"num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 32}
    else:
        for side in ("encoder", "decoder"):
            sizes |= {f"{side}_layers": 2, f"{side}_attention_heads": 4}
            sizes |= {f"{side}_ffn_dim": 32}
        sizes |= {"pad_token_id": 0, "eos_token_id": 1, "forced_eos_token_id": 1}
        sizes |= {"bos_token_id": 0}
    config = getattr(transformers, f"{kind}Config")(**sizes)
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    save(transformers, model, tmp_path / "my_translator")
    run(blocks_of_an_encoder()["lesson 7"], names := {})
    run(code_of_lesson("own-model-cross"), names)
    maps = names["attend"](SENTENCE)
    assert maps.keys == SENTENCE.split()
    assert maps.tokens[0] == "<pad>"  # the sign that starts the writing
    assert maps.weights.shape == (2, 4, len(maps.tokens), 6)
    ids = names["tokenizer"](SENTENCE, return_tensors="pt")["input_ids"]
    written = names["model"].generate(ids, max_new_tokens=40)
    theirs = maps_of(names, decoder_input_ids=written).cross_attentions
    np.testing.assert_allclose(maps.weights, stacked(theirs), atol=1e-6)
    explorer = Explorer(names["attend"], SENTENCE)
    assert explorer.picture["keys"] == SENTENCE.split()


def test_a_model_that_keeps_no_maps(encoder):
    code = blocks_of_an_encoder()["README"].replace('"eager"', '"sdpa"')
    with pytest.raises(ValueError, match=r"no maps.*attn_implementation='eager'"):
        run(code, {})


def test_dropout_left_on(encoder):
    code = blocks_of_an_encoder()["README"].replace("\n\n\ndef", "\nmodel.train()\ndef")
    with pytest.raises(ValueError, match=r"dropout may be left on.*model\.eval\(\)"):
        run(code, {})


def test_a_batch(encoder):
    code = blocks_of_an_encoder()["README"].replace("r(sentence,", "r([sentence] * 3,")
    with pytest.raises(ValueError, match="maps of 3 sentences.*one sentence at a time"):
        run(code, {})
