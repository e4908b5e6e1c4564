"""A tiny checkpoint of BERT with random weights, and what BERT is in plain words."""

import json
import struct
from math import erf

import numpy as np
import tokenizers

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


def as_electra(tensors):
    """Return the same encoder's config and tensors as ELECTRA's files have them."""
    config = CONFIG | {"model_type": "electra", "embedding_size": 12}
    return config, {f"electra.{name}": tensor for name, tensor in tensors.items()}


def as_distilbert(tensors):
    """Return config and tensors as DistilBERT's files have them: no kinds of text."""
    config = {"model_type": "distilbert", "dim": 12, "n_layers": 2, "n_heads": 3}
    config |= {"max_position_embeddings": 16, "activation": "gelu"}
    tensors = dict(tensors)
    del tensors["embeddings.token_type_embeddings.weight"]
    words = {  # the longer first
        "attention.output.LayerNorm": "sa_layer_norm",
        "attention.output.dense": "attention.out_lin",
        "attention.self.query": "attention.q_lin",
        "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin",
        "intermediate.dense": "ffn.lin1",
        "output.dense": "ffn.lin2",
        "output.LayerNorm": "output_layer_norm",
        "encoder.layer": "transformer.layer",
    }
    for ours, theirs in words.items():
        tensors = {k.replace(ours, theirs): tensor for k, tensor in tensors.items()}
    return config, tensors


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
