"""A model's answers in a file, for where the model cannot be had: written and read.

An npz file of arrays by their questions, see `question`. The maps are rounded, so that
the file stays small.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.maps import AttentionMaps
from mha_utils.pretrained.bert import PretrainedModel
from mha_utils.pretrained.pieces import without_special
from mha_utils.text import words


def question(
    seed: int | None, sentence: str, off: Iterable[tuple[int, int]] | None = None
) -> str:
    """Name an answer; `seed` is that of random weights, None stands for trained ones.

    Without `off`: the maps (num_layers, num_heads, n, n) with special tokens, the
    square roots of the weights times 255, as uint8. With it: the vector (d_model,), as
    float16.
    """
    if off is None:
        return json.dumps([seed, sentence])
    heads = sorted([int(layer), int(head)] for layer, head in off)
    return json.dumps([seed, sentence, heads])


class Recorder:
    """A model that remembers in `answers` what it answers.

    Parameters
    ----------
    model : PretrainedModel
    answers : dict
        Is filled with arrays by their questions.
    seed : int, optional
        Of the model's random weights; none: they are the trained ones.
    """

    def __init__(
        self,
        model: PretrainedModel,
        answers: dict[str, NDArray],
        seed: int | None = None,
    ) -> None:
        self._model, self._answers, self._seed = model, answers, seed

    def with_random_weights(self, *, seed: int) -> "Recorder":
        """Return a recorder of the random model, which fills the same `answers`."""
        model = self._model.with_random_weights(seed=seed)
        return Recorder(model, self._answers, seed)

    def attend(self, sentence: str, special: bool = True) -> AttentionMaps:
        """Return the model's maps and remember them."""
        maps = self._model.attend(sentence)
        roots = np.sqrt(maps.weights)  # (layers, h, n, n)
        key = question(self._seed, sentence)
        self._answers[key] = np.rint(255 * roots).astype(np.uint8)
        return maps if special else without_special(maps)

    def embedding(
        self, sentence: str, off: Iterable[tuple[int, int]] = ()
    ) -> NDArray[np.float32]:
        """Return the model's vector and remember it."""
        off = list(off)
        answer = self._model.embedding(sentence, off)  # (d,)
        key = question(self._seed, sentence, off)
        self._answers[key] = answer.astype(np.float16)
        return answer


def write_answers(path: str | Path, answers: Mapping[str, NDArray]) -> None:
    """Write what a `Recorder` remembers."""
    np.savez_compressed(path, **answers)  # type: ignore[arg-type]


def read_answers(path: str | Path) -> dict[str, NDArray]:
    """Read what `write_answers` wrote."""
    with np.load(path) as file:
        return dict(file)


class StoredModel:
    """Answers that a `PretrainedModel` gave, for where the model cannot be had.

    Parameters
    ----------
    answers : dict
        What `read_answers` read.
    seed : int, optional
        Of the random weights the answers come from; none: of the trained ones.
    """

    def __init__(
        self, answers: Mapping[str, NDArray], *, seed: int | None = None
    ) -> None:
        self._answers, self._seed = answers, seed

    def with_random_weights(self, *, seed: int) -> "StoredModel":
        """Return the answers of a model with these random weights."""
        return StoredModel(self._answers, seed=seed)

    def attend(self, sentence: str, special: bool = True) -> AttentionMaps:
        """Return maps as `PretrainedModel.attend` does; for others raise ValueError."""
        roots = self._answer(sentence).astype(np.float32) / 255  # (layers, h, n, n)
        maps = AttentionMaps(["[CLS]", *words(sentence), "[SEP]"], roots**2)
        return maps if special else without_special(maps)

    def embedding(
        self, sentence: str, off: Iterable[tuple[int, int]] = ()
    ) -> NDArray[np.float32]:
        """Return a vector as `PretrainedModel.embedding` does; or raise ValueError."""
        return self._answer(sentence, off).astype(np.float32)  # (d,)

    def _answer(self, *about: Any) -> NDArray:
        key = question(self._seed, *about)
        if key not in self._answers:
            some = list(dict.fromkeys(json.loads(key)[1] for key in self._answers))[:3]
            raise ValueError(
                "The model is not here, and nothing is stored for this. There are "
                f"answers for a few sentences only, such as: {' / '.join(some)}"
            )
        return self._answers[key]
