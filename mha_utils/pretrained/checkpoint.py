"""A checkpoint read from its files: sizes, tensors by name, and the tokenizer.

Nothing in the files is trusted: what cannot be a BERT is refused here, in words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mha_utils.pretrained.pieces import Tokenizer
from mha_utils.pretrained.wordpiece import LONGEST, WordPiece

FILES = ("config.json", "model.safetensors", "tokenizer.json")
FAMILIES = ("bert", "distilbert", "electra")
# DistilBERT's words and BERT's, in config.json and in the names of tensors.
SIZES = {
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "dim": "hidden_size",
    "activation": "hidden_act",
}
PARTS = {
    "transformer.layer": "encoder.layer",
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
    "Norm.gamma": "Norm.weight",  # BERT's own, once
    "Norm.beta": "Norm.bias",
}
DTYPES = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a model is built from; another model is built from another checkpoint.

    Parameters
    ----------
    num_layers, num_heads, d_model, max_pieces : int
    epsilon : float
        What the layer norms add to the variance.
    tokenizer : WordPiece, or another that can `cut`
    tensors : dict of arrays
        The weights by the names that BERT has for them, as they are in the file.
    notes : tuple of str
        What a reader of the model's maps should know.
    """

    num_layers: int
    num_heads: int
    d_model: int
    max_pieces: int
    epsilon: float
    tokenizer: Tokenizer
    tensors: Mapping[str, NDArray]
    notes: tuple[str, ...] = ()

    def tensor(self, name: str, *shape: int | None) -> NDArray[np.float32]:
        """Return a tensor as float32; None stands for any length but 0.

        Raises
        ------
        ValueError
            If it is not there, has another shape, or holds NaN or infinity.
        """
        _need_tensor(self.tensors, name, shape)
        with np.errstate(over="ignore"):  # refused below
            tensor = self.tensors[name].astype(np.float32, copy=False)
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity in float32")
        return tensor

    def with_random_weights(self, *, seed: int) -> "Checkpoint":
        """Return it with normal weights, standard deviation 0.02, and its own norms."""
        rng = np.random.default_rng(seed)
        drawn = {
            name: tensor
            if "LayerNorm" in name
            else 0.02 * rng.standard_normal(tensor.shape, np.float32)
            for name, tensor in self.tensors.items()
        }
        return replace(self, tensors=drawn)


def read_files(folder: Path, *, mapped: bool = False) -> dict[str, bytes | mmap]:
    """Read a checkpoint's files, or map those with the weights.

    A map is shared by all programs that read the file, but the file must not change.
    Weights in several files are found by ``model.safetensors.index.json``.

    Returns
    -------
    files : dict of bytes
        The contents of config.json, tokenizer.json and each file of weights.

    Raises
    ------
    FileNotFoundError, ValueError
        If one is not there or not a file. The message says what is there instead.
    """
    folder = folder.expanduser()
    weights = _weights_in(folder)
    for name in (*FILES, *weights):
        if (folder / name).exists() and not (folder / name).is_file():
            raise ValueError(f"{folder / name} is not a file")
    for name in ("config.json", "tokenizer.json", *weights):
        _need_file(folder, name)
    files: dict[str, bytes | mmap] = {
        name: (folder / name).read_bytes() for name in ("config.json", "tokenizer.json")
    }
    for name in weights:
        with open(folder / name, "rb") as file:
            files[name] = (
                mmap(file.fileno(), 0, access=ACCESS_READ) if mapped else file.read()
            )
    for name, data in files.items():
        _need_no_pointer(name, data)
    return files


def _weights_in(folder: Path) -> list[str]:
    """Name the files that hold the weights: one, or those that an index lists."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists() or not index.is_file():
        return ["model.safetensors"]
    shards = _json(index.name, index.read_bytes()).get("weight_map")
    if not isinstance(shards, dict) or not all(
        isinstance(name, str) and name == Path(name).name for name in shards.values()
    ):
        raise ValueError(f"{index.name} lists no files in its weight_map")
    return sorted(set(shards.values()))


def read_checkpoint(files: Mapping[str, bytes | mmap]) -> Checkpoint:
    """Read the contents of config.json, tokenizer.json and the files of weights.

    Raises
    ------
    ValueError
        If they are damaged or not a checkpoint of the BERT family.
    """
    config = _json("config.json", files["config.json"])
    _need_family(config)
    if config.get("model_type") == "distilbert":
        config = {SIZES.get(name, name): value for name, value in config.items()}
    _need_bert(config)
    tensors: dict[str, NDArray] = {}
    for name, data in files.items():
        if name.endswith(".safetensors"):
            tensors |= read_safetensors(data)
    if config.get("model_type") == "distilbert":  # which does not count texts
        none = np.zeros((1, _size(config, "hidden_size")), np.float32)
        tensors["embeddings.token_type_embeddings.weight"] = none
    return Checkpoint(
        num_layers=_size(config, "num_hidden_layers"),
        num_heads=_size(config, "num_attention_heads"),
        d_model=_size(config, "hidden_size"),
        max_pieces=_size(config, "max_position_embeddings"),
        epsilon=_epsilon(config),
        tokenizer=_tokenizer(files["tokenizer.json"]),
        tensors=tensors,
    )


def read_safetensors(data: bytes | mmap) -> dict[str, NDArray]:
    """Read the floating-point tensors of a safetensors file, as views of `data`.

    The format: eight bytes for the header's length, a JSON header with the dtype, shape
    and place of each tensor, then the numbers (https://github.com/huggingface/
    safetensors). Names become those that BERT has today; integers are left out.

    Raises
    ------
    ValueError
        If the file is truncated, or its header is not to be trusted.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError("model.safetensors is truncated inside its header")
    header = _json("model.safetensors' header", data[8 : 8 + length])
    numbers = memoryview(data)[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind, shape, start, stop = _described(name, entry)
        _need_end(name, stop, len(numbers))
        if kind.startswith(("F", "BF")):
            dtype = _dtype(name, kind)
            _need_bytes(name, kind, shape, prod(shape) * dtype.itemsize, stop - start)
            tensor = np.frombuffer(numbers[start:stop], dtype).reshape(shape)
            if kind == "BF16":  # the upper half of a float32
                tensor = (tensor.astype(np.uint32) << 16).view(np.float32)
            tensors[_name_today(name)] = tensor
    return tensors


def _name_today(name: str) -> str:
    """Drop the family, ``bert.`` for instance, and use the words of today's BERT."""
    for family in FAMILIES:
        name = name.removeprefix(f"{family}.")
    for other, word in PARTS.items():
        name = name.replace(other, word)
    return name


def _json(name: str, data: bytes | mmap) -> dict:
    try:
        value = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name} holds {type(value).__name__}, not a dictionary")
    return value


def _tokenizer(data: bytes | mmap) -> WordPiece:
    """Read a tokenizer; what it says of filling up and cutting off is left aside."""
    read = _json("tokenizer.json", data)
    _need_wordpiece(read)
    normalizer = read["normalizer"]
    accents, lowercase = (normalizer.get(n) for n in ("strip_accents", "lowercase"))
    added = _added_tokens(read)
    return WordPiece(
        _numbers("the vocabulary", read["model"].get("vocab")) | added,
        tuple(added),
        clean=bool(normalizer.get("clean_text")),
        chinese=bool(normalizer.get("handle_chinese_chars")),
        accents=bool(lowercase if accents is None else accents),
        lowercase=bool(lowercase),
    )


def _added_tokens(read: dict) -> dict[str, int]:
    """Return the tokens that are taken as they are typed, and their numbers."""
    tokens = read.get("added_tokens") or []
    try:
        added = {token["content"]: token["id"] for token in tokens}
        other = [
            token["content"]
            for token in tokens
            for how in ("single_word", "lstrip", "rstrip", "normalized")
            if token.get(how)
        ]
    except (TypeError, KeyError, AttributeError):
        raise ValueError("tokenizer.json has added_tokens of another form") from None
    if other or "" in added:
        raise ValueError(
            f"tokenizer.json adds tokens in a way that is not supported here: "
            f"{', '.join(map(repr, other))}"
        )
    return _numbers("added_tokens", added)


def _numbers(name: str, numbers: object) -> dict[str, int]:
    """Return it if it gives texts numbers; else refuse."""
    if not isinstance(numbers, dict) or not all(
        isinstance(token, str) and type(number) is int and number >= 0
        for token, number in numbers.items()
    ):
        raise ValueError(f"tokenizer.json lacks numbers for the tokens in {name}")
    return numbers


def _need_file(folder: Path, name: str) -> None:
    if (folder / name).is_file():
        return
    needed = ", ".join(FILES)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}. load() takes a folder with {needed}; it "
            f"downloads no model by its name"
        )
    if name.endswith(".safetensors") and (folder / "pytorch_model.bin").exists():
        raise FileNotFoundError(
            f"{folder} has pytorch_model.bin, which is not read: it could run code. "
            f"Store the model with model.save_pretrained(folder, "
            f"safe_serialization=True)"
        )
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "nothing"
    raise FileNotFoundError(
        f"{folder} has no {name}. A checkpoint needs {needed}; there is: {there}"
    )


def _need_no_pointer(name: str, data: bytes | mmap) -> None:
    if data[:40].startswith(b"version https://git-lfs"):
        raise ValueError(
            f"{name} is a Git LFS pointer of {len(data)} bytes, not the file itself; "
            f"fetch that with: git lfs pull"
        )


def _need_family(config: dict) -> None:
    family = config.get("model_type", "bert")
    if family not in FAMILIES:
        raise ValueError(
            f"config.json has model_type {family!r}; read are {', '.join(FAMILIES)}. "
            f"Others, RoBERTa too, count places or cut words otherwise"
        )
    wide, d = (config.get(name) for name in ("embedding_size", "hidden_size"))
    if family == "electra" and wide != d:
        raise ValueError(
            f"config.json has embedding_size {wide} and hidden_size {d}; only ELECTRA "
            f"models in which both are equal are read, such as the base and large ones"
        )


def _need_bert(config: dict) -> None:
    for name, known in (
        ("hidden_act", "gelu"),
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),  # whose words see only what stands before them
    ):
        if config.get(name, known) != known:
            raise ValueError(
                f"config.json has {name} {config[name]!r}; only {known!r} is "
                f"supported here"
            )


def _need_wordpiece(read: dict) -> None:
    for part, name, known in (
        ("model", "type", "WordPiece"),
        ("model", "unk_token", "[UNK]"),
        ("model", "continuing_subword_prefix", "##"),
        ("model", "max_input_chars_per_word", LONGEST),
        ("normalizer", "type", "BertNormalizer"),
        ("pre_tokenizer", "type", "BertPreTokenizer"),
    ):
        holder = read.get(part)
        found = holder.get(name) if isinstance(holder, dict) else None
        if found != known:
            raise ValueError(
                f"tokenizer.json has {part} {name} {found!r}; only {known!r} is "
                f"supported here"
            )


def _size(config: dict, name: str) -> int:
    size = config.get(name)
    if type(size) is not int or size < 1:
        raise ValueError(f"config.json lacks a size: {name} is {size!r}")
    return size


def _epsilon(config: dict) -> float:
    epsilon = config.get("layer_norm_eps", 1e-12)
    if not isinstance(epsilon, float) or not 1e-30 < epsilon < 1:
        raise ValueError(
            f"config.json has layer_norm_eps {epsilon!r}; it must be a "
            f"small number, such as 1e-12"
        )
    return epsilon


def _described(name: str, entry: object) -> tuple[str, list[int], int, int]:
    """Return kind, shape, start and stop of a tensor from its entry in the header."""
    try:
        kind, shape, (start, stop) = (
            entry[key]  # type: ignore[index]  # what is no dictionary is refused
            for key in ("dtype", "shape", "data_offsets")
        )
        sound = all(type(i) is int and i >= 0 for i in (*shape, start, stop))
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"model.safetensors describes {name!r} wrongly: {entry!r}")
    return str(kind), shape, start, stop


def _dtype(name: str, kind: str) -> np.dtype:
    if kind not in DTYPES:
        readable = ", ".join(DTYPES)
        raise ValueError(f"{name} has dtype {kind}; only {readable} can be read")
    return np.dtype(DTYPES[kind])


def _need_end(name: str, stop: int, length: int) -> None:
    if stop > length:
        raise ValueError(
            f"model.safetensors is truncated: {name} ends at byte {stop} of {length}"
        )


def _need_bytes(name: str, kind: str, shape: list[int], need: int, have: int) -> None:
    if need != have:
        raise ValueError(
            f"{name} of shape {tuple(shape)} and dtype {kind} needs {need} bytes, "
            f"but has {have}"
        )


def _need_tensor(
    tensors: Mapping[str, NDArray], name: str, shape: tuple[int | None, ...]
) -> None:
    if name not in tensors:
        raise ValueError(f"model.safetensors has no tensor {name}; is it a BERT?")
    found = tensors[name].shape
    fits = len(found) == len(shape) and 0 not in found
    if not fits or any(want not in (None, have) for want, have in zip(shape, found)):
        needed = ", ".join("at least 1" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {found}; config.json asks for ({needed})")
