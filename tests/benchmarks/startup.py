"""Time what a learner waits for: the import, the first picture, lesson 1 under nbval.

Run with `python tests/benchmarks/startup.py`; it prints medians and takes a minute.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "01_single_head_attention.ipynb"
IMPORT = """
from time import perf_counter
start = perf_counter()
import numpy
middle = perf_counter()
import mha_utils
print(middle - start, perf_counter() - middle)
"""


def import_seconds() -> list[float]:
    """Return the seconds to import NumPy, and then mha_utils, in a new interpreter."""
    command = [sys.executable, "-c", IMPORT]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(seconds) for seconds in run.stdout.split()]


def first_picture_seconds() -> list[float]:
    """Return the seconds from starting a kernel to lesson 1's first picture."""
    notebook = nbformat.read(LESSON, as_version=4)
    pictures = [
        i
        for i, cell in enumerate(notebook.cells)
        if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))
    ]
    notebook.cells = notebook.cells[: pictures[0] + 1]
    start = time.perf_counter()
    NotebookClient(
        notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"]
    ).execute(cwd=str(LESSON.parent))
    return [time.perf_counter() - start]


def nbval_seconds() -> list[float]:
    """Return the seconds that lesson 1 takes under nbval."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", str(LESSON)]
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    return [time.perf_counter() - start]


def medians(measure, times: int) -> list[float]:
    """Return the medians of several measurements, after one that fills caches."""
    measure()
    return [
        statistics.median(column) for column in zip(*(measure() for _ in range(times)))
    ]


def main():
    """Print the table."""
    numpy, ours = medians(import_seconds, 20)
    print(f"import numpy                     {1e3 * numpy:6.0f} ms")
    print(f"import mha_utils after it        {1e3 * ours:6.0f} ms, goal 30 ms")
    (picture,) = medians(first_picture_seconds, 5)
    print(f"fresh kernel to first picture    {picture:6.1f} s,  goal 3 s")
    (nbval,) = medians(nbval_seconds, 3)
    print(f"lesson 1 through nbval           {nbval:6.1f} s,  goal 20 s")


if __name__ == "__main__":
    main()
