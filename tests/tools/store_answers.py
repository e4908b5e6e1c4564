"""Store what lesson 7 asks its model, for readers who cannot have the model.

Run with `python tests/tools/store_answers.py` after a change of the lesson's sentences.
It runs the lesson's cells and writes every answer into `stored_answers.npz` among the
package's data.
"""

import nbformat
from refresh import ROOT

from mha_utils import pretrained
from mha_utils.data import data_file
from mha_utils.pretrained.stored import Recorder, write_answers

LESSON = ROOT / "notebooks" / "07_heads_in_a_real_model.ipynb"
STORED = data_file("stored_answers.npz")


def main():
    """Run the lesson with a recorder in place of its model."""
    answers = {}
    model = Recorder(pretrained.load(), answers)
    pretrained.load = lambda **_: model
    names = {}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    write_answers(STORED, answers)
    print(f"\n{len(answers)} answers, {STORED.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
