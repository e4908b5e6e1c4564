"""Build the website of the course: ``python .github/site/build.py FOLDER``.

The pages are made by Sphinx, from the notebooks with the outputs that are stored.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def build(out: Path) -> None:
    """Fill a folder with the website."""
    os.environ |= {"COURSE": str(ROOT), "OUT": str(out)}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "course"
        no = shutil.ignore_patterns("__pycache__", ".*")
        for name in ("notebooks", "mha_utils", "tests"):
            shutil.copytree(ROOT / name, source / name, ignore=no)
        for path in (ROOT / "README.md", ROOT / "LICENSE", HERE / "index.md"):
            shutil.copy(path, source)
        options = ["-c", str(HERE), "-d", f"{folder}/doctrees", "-W", "--keep-going"]
        if sphinx(["-q", *options, str(source), str(out)]):
            raise SystemExit("Sphinx found something wrong with the pages, see above.")


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
