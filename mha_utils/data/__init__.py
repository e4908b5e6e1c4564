"""Files that lessons read, found in whatever folder a lesson runs.

Sentences with their answers, and what took long to compute: the results of sixty
trainings, and what PyTorch and the model of lesson 7 answered.
"""

from importlib.resources import files
from pathlib import Path


def data_file(name: str) -> Path:
    """Return where a file of this folder is, such as heads_sweep.csv."""
    return Path(str(files(__name__) / name))
