"""Train decoders over ten seeds; store what each learned, for lesson 8.

Run with `python tests/tools/decoder_sweep.py`; takes about a minute. For two layers of
one head and for one layer of four it stores how often the next word is right: in texts
like those of training, with the first layer's heads switched off, and in texts of other
lengths. It also stores how much attention the best head of the first and of the last
layer gives to what each job asks for. Writes decoder_sweep.csv among the package's
data. The seeds are those below, none is left out.
"""

import csv
import sys

import numpy as np

from mha_utils.data import data_file
from mha_utils.decoder import Decoder, DecoderTraining, draw

FILE = data_file("decoder_sweep.csv")
MODELS = ((2, 1), (1, 4))  # layers and heads of each
SEEDS = range(100, 110)
OTHER_TEXTS = {  # words in a text, and after how many it repeats itself
    "48 words": (48, 3, 11),
    "100 words": (100, 3, 11),
    "200 words": (200, 3, 11),
    "again after 12 to 20": (48, 12, 20),
    "again after 30 to 40": (96, 30, 40),
}
JOBS = ("the word before", "what followed before", "rest at the start")
COLUMNS = [
    *("layers", "heads", "seed", "right", "untrained", "zero", "mean"),
    *(f"{where} layer: {job}" for where in ("first", "last") for job in JOBS),
    *OTHER_TEXTS,
]


def texts(n: int, shortest: int, longest: int):
    """Draw the texts to ask: always the same ones."""
    rng = np.random.default_rng(20)
    return draw(200, rng, n=n, shortest=shortest, longest=longest)


def row(num_layers: int, num_heads: int, seed: int) -> list:
    """Train one decoder; return its line of the file."""
    training = DecoderTraining(num_heads, seed, num_layers=num_layers)
    training.run()
    model, asked = training.model, texts(24, 3, 11)
    first = [(0, head) for head in range(num_heads)]
    jobs = model.jobs(asked)
    numbers = [
        model.right(asked),
        Decoder(num_layers, num_heads, seed).right(asked),
        *(model.right(asked, off=first, ablation=by) for by in ("zero", "mean")),
        *(jobs[job][layer].max() for layer in (0, -1) for job in JOBS),
        *(model.right(texts(*sizes)) for sizes in OTHER_TEXTS.values()),
    ]
    return [num_layers, num_heads, seed, *np.round(numbers, 3).tolist()]


def main():
    """Write the file."""
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for num_layers, num_heads in MODELS:
            for seed in SEEDS:
                writer.writerow(row(num_layers, num_heads, seed))
            print(f"{num_layers} layers done", file=sys.stderr)


if __name__ == "__main__":
    main()
