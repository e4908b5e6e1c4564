"""Store what lesson 7 asks its model, for readers who cannot have the model.

Run with `python tests/tools/store_answers.py` after a change of the lesson's sentences.
It runs the lesson's cells and writes every answer into `notebooks/stored_answers.npz`;
the maps are rounded, so that the file stays small.
"""

import os

import nbformat
import numpy as np
from refresh import ROOT

from mha_utils import pretrained

LESSON = ROOT / "notebooks" / "07_heads_in_a_real_model.ipynb"
STORED = LESSON.with_name("stored_answers.npz")


class Recorder:
    """A model that remembers what it answers."""

    def __init__(self, model, answers, seed=None):
        self.model, self.answers, self.seed = model, answers, seed

    def with_random_weights(self, *, seed):
        return Recorder(self.model.with_random_weights(seed=seed), self.answers, seed)

    def attend(self, sentence, special=True):
        roots = np.sqrt(self.model.attend(sentence).weights)  # (layers, h, n, n)
        key = pretrained.question(self.seed, sentence)
        self.answers[key] = np.rint(255 * roots).astype(np.uint8)
        return self.model.attend(sentence, special)

    def embedding(self, sentence, ablate=()):
        answer = self.model.embedding(sentence, ablate)  # (d,)
        key = pretrained.question(self.seed, sentence, ablate)
        self.answers[key] = answer.astype(np.float16)
        return answer


def main():
    """Run the lesson with a recorder in place of its model."""
    answers = {}
    model = Recorder(pretrained.load(), answers)
    pretrained.load = lambda **_: model
    os.chdir(LESSON.parent)
    names = {}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    np.savez_compressed(STORED, **answers)
    print(f"\n{len(answers)} answers, {STORED.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
