"""Checkpoints: what is read, and what is refused, in words."""

import json
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
from tiny_bert import as_distilbert, as_electra, random_tensors, with_header, write

from mha_utils.pretrained import PretrainedModel, load
from mha_utils.pretrained.checkpoint import (
    FILES,
    read_checkpoint,
    read_files,
    read_safetensors,
)

pytestmark = pytest.mark.filterwarnings("error")


def test_old_names_other_floats_and_integers_are_read(tmp_path):
    plain = load(write(tmp_path / "plain"))
    old = {
        "bert."
        + name.replace("Norm.weight", "Norm.gamma").replace(
            "Norm.bias", "Norm.beta"
        ): tensor.astype("<f8")
        for name, tensor in random_tensors().items()
    } | {"embeddings.position_ids": np.arange(16)}
    model = load(write(tmp_path / "old", tensors=old))
    assert (model.hidden("the cat") == plain.hidden("the cat")).all()
    assert model.hidden("the cat").dtype == np.float32


def test_distilbert_and_electra_are_bert_in_other_words(tmp_path):
    tensors = random_tensors()
    plain = load(write(tmp_path / "bert")).hidden("the cat")
    config, electra = as_electra(tensors)
    folder = write(tmp_path / "electra", config=config, tensors=electra)
    assert (load(folder).hidden("the cat") == plain).all()

    tensors["embeddings.token_type_embeddings.weight"][0] = 0
    plain = load(write(tmp_path / "no texts", tensors=tensors)).hidden("the cat")
    config, distilbert = as_distilbert(tensors)
    distil = write(tmp_path / "distilbert", tensors=distilbert)
    (distil / "config.json").write_text(json.dumps(config))
    assert (load(distil).hidden("the cat") == plain).all()


def test_bfloat16_is_the_upper_half_of_a_float32():
    halves = np.array([0x3F80, 0xC040, 0x0000, 0x4049], "<u2")  # 1, -3, 0, 3.140625
    header = {"x": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    tensor = read_safetensors(with_header(header, halves.tobytes()))["x"]
    assert tensor.dtype == np.float32
    assert tensor.tolist() == [[1, -3], [0, 3.140625]]


def test_weights_in_several_files_are_read(tmp_path):
    whole, parts = write(tmp_path / "whole"), write(tmp_path / "parts")
    names, places = list(random_tensors()), {}
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        part = {name: random_tensors()[name] for name in some}
        shard = f"model-0000{number}-of-00002.safetensors"
        made = write(tmp_path / shard, tensors=part) / "model.safetensors"
        made.rename(parts / shard)
        places |= dict.fromkeys(some, shard)
    (parts / "model.safetensors").unlink()
    index = parts / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert (load(parts).hidden("the cat") == load(whole).hidden("the cat")).all()
    (parts / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="no model-00002-of-00002.safetensors"):
        load(parts)
    for bad in ({}, {"weight_map": ["a"]}, {"weight_map": {"x": "../elsewhere"}}):
        index.write_text(json.dumps(bad))
        with pytest.raises(ValueError, match="lists no files in its weight_map"):
            load(parts)


def test_text_files_are_read_as_any_editor_saves_them(tiny):
    before = load(tiny).hidden("the cat")
    (tiny / "model.safetensors").rename(tiny / "a.safetensors")
    index = {"weight_map": dict.fromkeys(random_tensors(), "a.safetensors")}
    (tiny / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("config.json", "tokenizer.json", "model.safetensors.index.json"):
        text = json.dumps(json.loads((tiny / name).read_bytes()), indent=1)
        (tiny / name).write_bytes(f"\ufeff{text}\n".replace("\n", "\r\n").encode())
    assert (load(tiny).hidden("the cat") == before).all()


def test_a_folder_may_begin_with_a_tilde(tiny, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny.parent))
    monkeypatch.setenv("USERPROFILE", str(tiny.parent))
    assert load(f"~/{tiny.name}").num_layers == 2


def test_what_is_no_checkpoint_is_said_with_what_is_there(tiny):
    with pytest.raises(FileNotFoundError, match="no folder bert-base-uncased.*by its"):
        load("bert-base-uncased")
    (tiny / "model.safetensors").rename(tiny / "weights.safetensors")
    with pytest.raises(
        FileNotFoundError, match="no model.safetensors.*there is: config.json, .*weig"
    ):
        load(tiny)
    (tiny / "pytorch_model.bin").touch()
    with pytest.raises(FileNotFoundError, match="pytorch_model.bin.*safe_serializatio"):
        load(tiny)


@pytest.mark.parametrize("name", FILES)
def test_a_pointer_of_git_lfs_is_named(tiny, name):
    pointer = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 90868\n"
    )
    (tiny / name).write_text(pointer)
    with pytest.raises(ValueError, match=f"{name} is a Git LFS pointer of 70 bytes"):
        load(tiny)


def test_weights_are_views_of_the_map(tiny):
    """So that all kernels of a machine share them."""
    name, files = "encoder.layer.1.output.dense.weight", read_files(tiny, mapped=True)
    tensor = read_checkpoint(files).tensor(name, 12, 20)
    assert (tensor == random_tensors()[name]).all()
    mapped = np.frombuffer(files["model.safetensors"], np.uint8)
    assert np.shares_memory(tensor, mapped)


def test_random_weights_are_drawn_in_the_order_of_the_file(tiny):
    """Stored outputs of the lesson rest on it."""
    checkpoint = read_checkpoint(read_files(tiny))
    drawn, rng = checkpoint.with_random_weights(seed=5), np.random.default_rng(5)
    assert list(drawn.tensors) == list(random_tensors())
    for name, tensor in random_tensors().items():
        expected = tensor
        if "LayerNorm" not in name:
            expected = np.float32(0.02) * rng.standard_normal(tensor.shape, np.float32)
        assert (drawn.tensors[name] == expected).all(), name
        assert (checkpoint.tensors[name] == tensor).all(), name


@pytest.mark.parametrize(
    "config, words",
    [
        ({"is_decoder": True}, "is_decoder True; only False is supported"),
        (
            {"model_type": "gpt2"},
            "model_type 'gpt2'; read are bert, distilbert, electra",
        ),
        ({"model_type": "roberta"}, "model_type 'roberta'.* RoBERTa too, count places"),
        (
            {"model_type": "electra", "embedding_size": 8},
            "embedding_size 8 and hidden_size 12; only ELECTRA",
        ),
        ({"model_type": "distilbert", "activation": "relu"}, "hidden_act 'relu'"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_size": None}, "lacks a size"),
        ({"hidden_size": 24}, "has shape .* config.json asks for"),
        ({"num_hidden_layers": 3}, "no tensor encoder.layer.2"),
        ({"num_attention_heads": 5}, "5 equal heads"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_hidden_layers": 10**9}, "no tensor encoder.layer.2"),
        ({"max_position_embeddings": 2.0}, "max_position_embeddings is 2.0"),
        ({"layer_norm_eps": None}, "layer_norm_eps None"),
        ({"layer_norm_eps": -1e-12}, "layer_norm_eps -1e-12"),
        ({"layer_norm_eps": 1.0}, "layer_norm_eps 1.0"),
    ],
)
def test_another_architecture_is_refused(tmp_path, config, words):
    with pytest.raises(ValueError, match=words):
        load(write(tmp_path, config=config))


def test_damaged_files_are_refused(tiny):
    for name, data, words in (
        ("tokenizer.json", b"{}", "tokenizer.json has model type None"),
        ("tokenizer.json", b"{", "tokenizer.json is not JSON"),
        ("config.json", b"{", "config.json is not JSON"),
        ("config.json", b"[]", "holds list"),
        ("config.json", b"[" * 100_000, "config.json is not JSON"),
    ):
        whole = (tiny / name).read_bytes()
        (tiny / name).write_bytes(data)
        with pytest.raises(ValueError, match=words):
            load(tiny)
        (tiny / name).write_bytes(whole)
    tensors = random_tensors()
    tensors["encoder.layer.1.output.dense.bias"][3] = np.nan
    with pytest.raises(ValueError, match="layer.1.output.dense.bias holds NaN"):
        load(write(tiny, tensors=tensors))
    tensors = random_tensors()
    tensors["embeddings.LayerNorm.bias"] = np.full(12, 1e300)
    with pytest.raises(ValueError, match="LayerNorm.bias holds NaN or infinity"):
        load(write(tiny, tensors=tensors))
    for name in (
        "embeddings.LayerNorm.weight",
        "encoder.layer.1.output.LayerNorm.weight",
    ):
        tensors = random_tensors() | {name: np.full(12, 3e38, "<f4")}
        with pytest.raises(ValueError, match="numbers overflow; are these weights a B"):
            load(write(tiny, tensors=tensors)).attend("cats")
    tensors = random_tensors()
    tensors["embeddings.token_type_embeddings.weight"] = np.ones((0, 12), "<f4")
    with pytest.raises(ValueError, match=r"\(0, 12\); .* \(at least 1, 12\)"):
        load(write(tiny, tensors=tensors))
    tensors = random_tensors()
    tensors["embeddings.word_embeddings.weight"] = np.ones((5, 12), "<f4")
    with pytest.raises(ValueError, match="do not belong together"):
        load(write(tiny, tensors=tensors)).attend("cats")
    (tiny / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        load(tiny)


def test_a_tensor_of_another_shape_is_named(tiny):
    checkpoint, tensors = read_checkpoint(read_files(tiny)), random_tensors()
    for name, tensor in tensors.items():
        for other in (np.concatenate([tensor, tensor[..., :1]], -1), tensor[None]):
            wrong = replace(checkpoint, tensors=tensors | {name: other})
            with pytest.raises(ValueError, match=f"^{name} has shape .* asks for"):
                PretrainedModel(wrong)


@pytest.mark.parametrize("name", FILES)
def test_what_is_not_a_file_is_refused(tiny, name):
    (tiny / name).unlink()
    (tiny / name).mkdir()
    with pytest.raises(ValueError, match=f"{name} is not a file"):
        load(tiny)
    (tiny / name).rmdir()
    if hasattr(os, "mkfifo"):  # reading one would wait for ever
        os.mkfifo(tiny / name)
        with pytest.raises(ValueError, match=f"{name} is not a file"):
            load(tiny)


def test_every_truncation_of_the_weights_is_refused(tiny):
    data = (tiny / "model.safetensors").read_bytes()
    for length in [*range(0, 12), *range(12, len(data), 997), len(data) - 1]:
        with pytest.raises(ValueError, match="truncated|not JSON"):
            read_safetensors(data[:length])


def entry(dtype="F32", shape=(2,), data_offsets=(0, 8)):
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": data_offsets}}


@pytest.mark.parametrize(
    "data, words",
    [
        (struct.pack("<Q", 2**63) + b"{}", "truncated"),
        (with_header(b"\xff"), "not JSON"),
        (with_header([1]), "holds list"),
        (with_header({"x": 3}, bytes(8)), "wrongly"),
        (with_header({"x": {"dtype": "F32"}}, bytes(8)), "wrongly"),
        (with_header(entry(shape=[-2]), bytes(8)), "wrongly"),
        (with_header(entry(shape=[2.0]), bytes(8)), "wrongly"),
        (with_header(entry(shape=[True, 2]), bytes(8)), "wrongly"),
        (with_header(entry(shape="22"), bytes(8)), "wrongly"),
        (with_header(entry(data_offsets=[-8, 0]), bytes(8)), "wrongly"),
        (with_header(entry(data_offsets=[0, 8, 8]), bytes(8)), "wrongly"),
        (with_header(entry(data_offsets=[8, 16]), bytes(8)), "truncated"),
        (with_header(entry(data_offsets=[8, 0]), bytes(8)), "needs 8 bytes"),
        (with_header(entry(shape=[2**62, 8]), bytes(8)), "bytes, but has 8"),
        (with_header(entry("F64"), bytes(8)), "needs 16 bytes"),
        (with_header(entry(shape=[1]), bytes(8)), "needs 4 bytes, but has 8"),
        (with_header(entry("BF16", data_offsets=[0, 2]), bytes(8)), "needs 4 bytes"),
        (with_header(entry("F8_E4M3", data_offsets=[0, 2]), bytes(8)), "dtype F8"),
    ],
)
def test_a_hostile_header_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        read_safetensors(data)
