"""Train with 1 to 8 heads over ten seeds; store what each layer learnt, for lesson 6.

Run with `python tests/tools/sweep.py`; takes about 3 minutes. For each relation it
stores the share of right answers in sentences of unseen structure, where there is
something to find and where there is nothing; the share in sentences with unseen pairs
of words; and how much attention its head gives to the right word. Writes
heads_sweep.csv among the package's data. The seeds are those below, none is left out.
"""

import csv
import sys

import numpy as np

from mha_utils.data import data_file
from mha_utils.grammar import RELATIONS, sentences
from mha_utils.scores import gold_mass, match_heads
from mha_utils.training import InkLayer, Training, accuracy, training_corpus

FILE = data_file("heads_sweep.csv")
NUM_HEADS = (1, 2, 3, 4, 6, 8)
SEEDS = range(200, 210)
QUESTIONS = ("found", "nothing", "found, unseen pairs", "mass")
COLUMNS = ["num_heads", "seed"] + [
    f"{relation}: {question}" for question in QUESTIONS for relation in RELATIONS
]


def masses(layer: InkLayer) -> np.ndarray:
    """Return each head's mass for each relation, (3, h), on unseen structures."""
    some = [(layer.attend(str(s)), s.links) for s in sentences(200, 1, "structures")]
    return np.array(
        [gold_mass([(m, links[r]) for m, links in some])[0] for r in RELATIONS]
    )


def row(num_heads: int, seed: int) -> list:
    """Train one layer; return its line of the file."""
    training = Training(num_heads, seed)
    training.run()
    corpus = training_corpus("structures")
    found = accuracy(training.layer, corpus)
    nothing = accuracy(training.layer, corpus, nothing=True)
    pairs = accuracy(training.layer, training_corpus("pairs"))
    mass = masses(training.layer)
    own = (
        mass[range(3), match_heads(mass)] if num_heads >= 3 else mass.max(axis=1)
    )  # with fewer heads than relations, the best head of each
    numbers = np.round([*found, *nothing, *pairs, *own], 3)
    return [num_heads, seed, *map(float, numbers)]


def main():
    """Write the file."""
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for num_heads in NUM_HEADS:
            for seed in SEEDS:
                writer.writerow(row(num_heads, seed))
            print(f"{num_heads} heads done", file=sys.stderr)


if __name__ == "__main__":
    main()
