"""Run all benchmarks in turn, on a machine with nothing else to do, in 15 minutes.

Run with `python tests/benchmarks`; needs torch, transformers, autograd and Chromium,
and `pip install bertviz --no-deps` to compare with BertViz. Ours and theirs are timed
in turn, in one run, so that both meet the same machine. `classroom.py` is apart: it
fills the machine with learners for twenty minutes.
"""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

NAMES = ("attention", "training", "pretrained", "startup", "explorer")
PACKAGES = ("numpy", "torch", "transformers", "autograd", "matplotlib", "jupyterlab")


def main() -> None:
    """Print the machine, the versions and each benchmark's table."""
    print(f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}")
    versions = (f"{package} {version(package)}" for package in PACKAGES)
    print(f"Python {platform.python_version()},", ", ".join(versions))
    for name in NAMES:
        print(f"\n{name}", flush=True)
        program = Path(__file__).with_name(f"{name}.py")
        subprocess.run([sys.executable, program], check=True)


if __name__ == "__main__":
    main()
