"""Train with 1 to 8 heads over ten seeds; store what each layer learned.

Run with `python tests/tools/sweep.py`; takes about twelve minutes. For each relation it
stores the share of right answers in sentences of unseen structure, where there is
something to find and where there is nothing; the share in sentences with unseen pairs
of words; and how much attention its head gives to the right word. Writes among the
package's data heads_sweep.csv and long_sweep.csv, for lesson 6, the second with three
heads and three times as many steps; and shared_sweep.csv, for lesson 9: eight heads
that share keys and values, or questions and values. The seeds are those below, none is
left out.
"""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mha_utils.data import data_file
from mha_utils.grammar import RELATIONS, sentences
from mha_utils.scores import gold_mass, match_heads
from mha_utils.training import InkLayer, Training, accuracy, training_corpus

FILE = data_file("heads_sweep.csv")
LONG_FILE = data_file("long_sweep.csv")
SHARED_FILE = data_file("shared_sweep.csv")
NUM_HEADS = (1, 2, 3, 4, 6, 8)
SEEDS = range(200, 210)
OWN = ((8, 8, 8), (8, 4, 4), (8, 2, 2), (8, 1, 1), (1, 8, 1))
"""Different W_Q, W_K and W_V in a layer of eight heads; the last is the control."""
QUESTIONS = ("found", "nothing", "found, unseen pairs", "mass")
MEASURED = [
    f"{relation}: {question}" for question in QUESTIONS for relation in RELATIONS
]
COLUMNS = ["num_heads", "seed", *MEASURED]
SHARED_COLUMNS = ["w_q", "w_k", "w_v", "seed", *MEASURED]


class OneQuestion(Training):
    """Heads that ask the same and bring back the same, each with keys of its own."""

    def __init__(self, num_heads: int, seed: int, **options: Any) -> None:
        super().__init__(num_heads, seed, **options)
        for name in ("w_q", "w_v"):
            matrix = self.layer.parameters[name]
            heads = np.split(matrix, num_heads, axis=1)
            matrix[:] = np.hstack([heads[0]] * num_heads)

    def _loss_and_gradient(self) -> tuple[float, dict[str, np.ndarray]]:
        """Let what all heads have to say about the common matrices add up."""
        loss, gradient = super()._loss_and_gradient()
        for name in ("w_q", "w_v"):
            heads = np.split(gradient[name], self.layer.num_heads, axis=1)
            gradient[name] = np.hstack([sum(heads)] * self.layer.num_heads)
        return loss, gradient


def masses(layer: InkLayer) -> np.ndarray:
    """Return each head's mass for each relation, (3, h), on unseen structures."""
    some = [(layer.attend(str(s)), s.links) for s in sentences(200, 1, "structures")]
    return np.array(
        [gold_mass([(m, links[r]) for m, links in some])[0] for r in RELATIONS]
    )


def row(num_heads: int, seed: int, **options: Any) -> list:
    """Train one layer; return its line of the file."""
    return [num_heads, seed, *measured(Training(num_heads, seed, **options))]


def shared_row(w_q: int, w_k: int, w_v: int, seed: int) -> list:
    """Train one layer of eight heads; return its line of the other file."""
    if w_q == 1:
        training: Training = OneQuestion(8, seed)
    else:
        training = Training(8, seed, num_kv_heads=w_k)
    return [w_q, w_k, w_v, seed, *measured(training)]


def measured(training: Training) -> list[float]:
    """Train, and measure what was learned."""
    training.run()
    corpus = training_corpus("structures")
    found = accuracy(training.layer, corpus)
    nothing = accuracy(training.layer, corpus, nothing=True)
    pairs = accuracy(training.layer, training_corpus("pairs"))
    mass = masses(training.layer)
    own = (
        mass[range(3), match_heads(mass)] if mass.shape[1] >= 3 else mass.max(axis=1)
    )  # with fewer heads than relations, the best head of each
    numbers = np.round([*found, *nothing, *pairs, *own], 3)
    return list(map(float, numbers))


def write(path: Path, columns: list[str], rows: Iterable[list]) -> None:
    """Write a file of results, a line as soon as it is there."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for line in rows:
            writer.writerow(line)
            print(*line[:4], file=sys.stderr)


def main():
    """Write all files."""
    write(FILE, COLUMNS, (row(h, seed) for h in NUM_HEADS for seed in SEEDS))
    write(LONG_FILE, COLUMNS, (row(3, seed, steps=3300) for seed in SEEDS))
    shared = (shared_row(*own, seed) for own in OWN for seed in SEEDS)
    write(SHARED_FILE, SHARED_COLUMNS, shared)


if __name__ == "__main__":
    main()
