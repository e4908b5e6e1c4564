"""Say where a notebook's slides begin, so that it can be presented.

A heading begins a slide. What follows goes below, as long as it fits on the screen; if
not, or if it would answer a prediction at once, it begins a slide below. Presented at
`WIDTH` x `HEIGHT`, as the README says, a screen of 1024 x 768 shows each slide whole.
"""

import base64
import math
import re

import nbformat

WIDTH, HEIGHT = 1280, 960
ROOM = 860  # of HEIGHT, because heights are estimated
# Pixels in nbconvert's slides: a line of text and of code, and what is around a cell.
LINE, CODE_LINE, AROUND = 26, 23, 45
CHARACTERS = 110  # in a line of text


def slide_types(cells: list[nbformat.NotebookNode]) -> list[str]:
    """Return each cell's type: "slide", "subslide", "skip", or "-" for the same one."""
    types, used, asked = [], 0, False
    for cell in cells:
        height = estimated_height(cell)
        if cell.id == "imports":
            types.append("skip")
            continue
        if cell.cell_type == "markdown" and cell.source.startswith(("# ", "## ")):
            types.append("slide")
            used = 0
        elif used + height > ROOM or asked and cell.cell_type == "code":
            types.append("subslide")
            used = 0
        else:
            types.append("-")
        used += height
        asked = cell.source.startswith("predict(")
    return types


def estimated_height(cell: nbformat.NotebookNode) -> float:
    """Estimate a cell's height on a slide, in pixels."""
    if cell.cell_type == "code":
        lines = cell.source.count("\n") + 1
        return AROUND + CODE_LINE * lines + sum(map(output_height, cell.outputs))
    # Folded text takes no room but for the line that unfolds it.
    text = re.sub(r"<details>.*?</details>", "folded", cell.source, flags=re.DOTALL)
    height = AROUND
    for line in text.splitlines():
        wrapped = math.ceil(len(re.sub(r"\]\([^)]*\)", "", line)) / CHARACTERS)
        large = 2 if line.startswith(("#", "$$", "|")) else 1
        height += LINE * (large * wrapped if line else 0.6)
    return height


def output_height(output: nbformat.NotebookNode) -> float:
    """Estimate the height of an output of a code cell."""
    data = output.get("data", {})
    if "image/png" in data:
        header = base64.b64decode(data["image/png"][:32])
        width, height = (int.from_bytes(header[i : i + 4]) for i in (16, 20))
        shown = output.metadata.get("image/png", {}).get("width", width)
        return AROUND + height * shown / width
    text = output.get("text", data.get("text/plain", ""))
    return AROUND + CODE_LINE * len(text.splitlines())
