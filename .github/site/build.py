"""Build the website: ``python .github/site/build.py FOLDER [PYODIDE]``.

The pages are made by Sphinx, from the notebooks with the outputs that are stored. With
PYODIDE, a folder with the files of a Pyodide release, the lessons run in the browser.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# What the theme leaves to be wished: it has its icons as a font, and again as a script
# of 1.5 MB; the sidebar is no landmark; and an empty corner of a table is no heading.
MENDED = (
    (r'<script defer src="[^"]*/fontawesome\.js[^>]*></script>\n?', ""),
    (
        '<div id="pst-primary-sidebar"',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Site"',
    ),
    (r'<th class="head"><p></p></th>', "<td></td>"),
)
sys.path.insert(0, str(ROOT))  # the course that is here, not one that is installed


def build(out: Path, pyodide: Path | None = None) -> None:
    """Fill a folder with the website."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        no = shutil.ignore_patterns("__pycache__", ".*")
        for name in ("notebooks", "mha_utils", "tests"):
            shutil.copytree(ROOT / name, course / name, ignore=no)
        for name in ("README.md", "LICENSE", "pyproject.toml"):
            shutil.copy(ROOT / name, course)
        if pyodide:
            from lite import add_lite  # needs more packages than the pages do

            add_lite(out / "lite", course, pyodide)
        shutil.copy(HERE / "index.md", course)
        os.environ |= {"COURSE": str(ROOT), "OUT": str(out)}
        options = ["-c", str(HERE), "-d", f"{folder}/doctrees", "-W", "--keep-going"]
        if sphinx(["-q", *options, str(course), str(out)]):
            raise SystemExit("Sphinx found something wrong with the pages, see above.")
    _mend(out)


def _mend(out: Path) -> None:
    """Mend in the pages what the theme gets wrong, and drop what they do not load."""
    for page in out.rglob("*.html"):
        text = page.read_text("utf-8")
        for pattern, better in MENDED:
            text = re.sub(pattern, better, text)
        page.write_text(text, "utf-8")
    scripts = out / "_static" / "scripts"
    for extra in {*scripts.glob("fontawesome*"), *out.glob("_static/**/*.map")}:
        extra.unlink()


if __name__ == "__main__":
    build(*(Path(name).resolve() for name in sys.argv[1:]))
