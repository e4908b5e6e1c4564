"""A tiny BERT with random weights: it knows nothing, and needs nothing.

It stands in where the real model cannot be had, for one question only: do two ways to
attend give the same numbers? What it says of a sentence means nothing.
"""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mha_utils.pretrained.checkpoint import Checkpoint
from mha_utils.pretrained.wordpiece import Piece
from mha_utils.text import spans

LAYERS, HEADS, D_MODEL, WIDE, PIECES, MAX_PIECES = 2, 12, 48, 96, 100, 128


def tiny_checkpoint() -> Checkpoint:
    """Return a checkpoint of two layers with twelve heads, the same one each time."""
    return Checkpoint(
        num_layers=LAYERS,
        num_heads=HEADS,
        d_model=D_MODEL,
        max_pieces=MAX_PIECES,
        epsilon=1e-12,
        tokenizer=WholeWords(),
        tensors=_random_tensors(),
        notes=("The weights are random: these maps mean nothing.",),
    )


class WholeWords:
    """Cuts no word: each is one piece, and its letters choose its number."""

    def cut(self, text: str) -> list[Piece]:
        """Return the words as pieces, with the special tokens."""
        pieces = [Piece(0, "[CLS]", None)]
        for start, stop in spans(text):
            word = text[start:stop]
            # The first two numbers are those of the special tokens.
            number = 2 + crc32(word.lower().encode()) % (PIECES - 2)
            pieces.append(Piece(number, word, (start, stop)))
        return [*pieces, Piece(1, "[SEP]", None)]


def _random_tensors() -> dict[str, NDArray[np.float32]]:
    """Draw BERT's tensors so that a wrong way to attend turns the vectors visibly."""
    rng = np.random.default_rng(0)
    tensors: dict[str, NDArray[np.float32]] = {}

    def draw(name: str, *shape: int) -> None:
        tensors[name] = rng.normal(0, 0.3, shape).astype(np.float32)

    def dense(name: str, n_out: int, n_in: int) -> None:
        draw(f"{name}.weight", n_out, n_in)
        draw(f"{name}.bias", n_out)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = np.ones(D_MODEL, np.float32)
        tensors[f"{name}.bias"] = np.zeros(D_MODEL, np.float32)

    draw("embeddings.word_embeddings.weight", PIECES, D_MODEL)
    draw("embeddings.position_embeddings.weight", MAX_PIECES, D_MODEL)
    draw("embeddings.token_type_embeddings.weight", 1, D_MODEL)
    norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        name = f"encoder.layer.{i}"
        for kind in ("query", "key", "value"):
            dense(f"{name}.attention.self.{kind}", D_MODEL, D_MODEL)
        dense(f"{name}.attention.output.dense", D_MODEL, D_MODEL)
        norm(f"{name}.attention.output.LayerNorm")
        dense(f"{name}.intermediate.dense", WIDE, D_MODEL)
        dense(f"{name}.output.dense", D_MODEL, WIDE)
        norm(f"{name}.output.LayerNorm")
    return tensors
