"""Time `import mha_utils` in a fresh interpreter that has imported NumPy already.

Run with `python tests/benchmarks/startup.py`. Prints the median milliseconds of 30
starts, and NumPy's own for comparison; the goal is 30 ms at most.
"""

import statistics
import subprocess
import sys

STARTS = 30
CODE = """
from time import perf_counter
start = perf_counter()
import numpy
middle = perf_counter()
import mha_utils
print(middle - start, perf_counter() - middle)
"""


def main():
    """Print the two medians."""
    command = [sys.executable, "-c", CODE]
    times = []
    for _ in range(STARTS + 1):
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append([1e3 * float(seconds) for seconds in run.stdout.split()])
    numpy_ms, ours_ms = map(
        statistics.median, zip(*times[1:])
    )  # the first fills caches
    print(f"import numpy              {numpy_ms:6.1f} ms")
    print(f"import mha_utils after it {ours_ms:6.1f} ms, goal 30")


if __name__ == "__main__":
    main()
