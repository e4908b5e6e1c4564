"""The folded solutions solve their exercises.

In a notebook the cell `exercise-1` is a stub, `exercise-1-check` checks it, and
`exercise-1-solution` holds the solution, folded.
"""

import re

import nbformat
import pytest
from refresh import NOTEBOOKS, execute, merge_streams

LESSONS = NOTEBOOKS[1:]  # the start page has no exercises


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_solution_is_right(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    exercises = [name for name in cells if re.fullmatch(r"exercise-\d+", name)]
    assert exercises
    for name in exercises:
        solution = re.search(
            r"```python\n(.*?)```", cells[f"{name}-solution"].source, re.S
        )
        cells[name].source = solution[1]
    nbformat.write(notebook, tmp_path / path.name)
    cells = {cell.id: cell for cell in execute(tmp_path / path.name, path.parent).cells}
    for name in exercises:
        (output,) = merge_streams(cells[f"{name}-check"].outputs)
        lines = output.text.splitlines()
        assert all(line.startswith("Right") for line in lines), output.text
