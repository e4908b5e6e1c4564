"""Time what a learner waits for: installing, the import, the first picture; and nbval.

Run with `python tests/benchmarks/startup.py`; it prints medians and takes some minutes.
"""

import statistics
import subprocess
import sys
import tempfile
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


def nbval_seconds(path: Path = LESSON) -> list[float]:
    """Return the seconds that lesson 1, or all of a folder, takes under nbval."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-n0", str(path)]
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    return [time.perf_counter() - start]


def clone_seconds() -> list[float]:
    """Return the seconds from cloning to installed, and to the first picture."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
        subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=folder, check=True)
        command = [".venv/bin/pip", "install", "-q", "-r", "requirements.txt"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        installed = time.perf_counter() - start
        code = "import startup; startup.first_picture_seconds()"
        command = [f"{folder}/.venv/bin/python", "-c", code]
        subprocess.run(command, cwd=f"{folder}/tests/benchmarks", check=True)
        return [installed, time.perf_counter() - start]


def medians(measure, times: int) -> list[float]:
    """Return the medians of several measurements, after one that fills caches."""
    measure()
    return [
        statistics.median(column) for column in zip(*(measure() for _ in range(times)))
    ]


def main():
    """Print the table."""
    installed, drawn = clone_seconds()
    print(f"from a fresh clone to installed  {installed:6.0f} s")
    print(f"... and to the first picture     {drawn:6.0f} s")
    numpy, ours = medians(import_seconds, 20)
    print(f"import numpy                     {1e3 * numpy:6.0f} ms")
    print(f"import mha_utils after it        {1e3 * ours:6.0f} ms, goal 30 ms")
    (picture,) = medians(first_picture_seconds, 5)
    print(f"fresh kernel to first picture    {picture:6.1f} s,  goal 3 s")
    (nbval,) = medians(nbval_seconds, 3)
    print(f"lesson 1 through nbval           {nbval:6.1f} s,  goal 20 s")
    (nbval,) = nbval_seconds(LESSON.parent)
    print(f"the whole course through nbval   {nbval:6.0f} s,  goal 180 s")


if __name__ == "__main__":
    main()
