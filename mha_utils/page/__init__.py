"""The explorer's front end: what its page runs, in modules that each can be read alone.

`explorer.js` says how they work together. Widgets load one text, which cannot import
the files beside it, and a saved page is one file: there the modules are joined. The
website serves them as they are.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
MODULES = ("reading", "paper", "controls", "glance", "map", "explorer")
"""Each imports from those before it; no two define the same name."""


def read(name: str) -> str:
    """Return the text of a file of the page."""
    return (FOLDER / name).read_text(encoding="utf-8")


def front_end() -> str:
    """Return the explorer's modules as one."""
    texts = (read(f"{module}.js") for module in MODULES)
    return "\n".join(re.sub(r"(?m)^import [^;]*;\n", "", text) for text in texts)
