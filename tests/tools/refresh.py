"""Execute the notebooks and store their outputs in a form that stays the same.

`python tests/tools/refresh.py [--check] [notebook ...]` runs each notebook, or those
named, from top to bottom in a fresh kernel. What is stored depends on its cells alone:
a second run changes no byte. With --check nothing is written. The outputs are compared
with the stored ones, images by their size only, because their bytes differ from one
Matplotlib to the next. A cell tagged `measured` shows times of this machine: its stored
picture stays as long as its text is the same; clear its output, and it is drawn anew.
Where slides begin is stored too.
"""

import argparse
import base64
import copy
import difflib
import json
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from slides import slide_types

from mha_utils import pretrained

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 300  # for one cell
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
RULES = re.findall(
    "^regex: (.*)\nreplace: (.*)$",
    (ROOT / "tests" / "nbval_sanitize.cfg").read_text("utf-8"),
    re.MULTILINE,
)


def execute(path: Path, folder: Path | None = None) -> nbformat.NotebookNode:
    """Run a notebook in its own folder, if no other is given; return it as it comes."""
    notebook = nbformat.read(path, as_version=4)
    running = 0

    def note(cell: nbformat.NotebookNode, cell_index: int) -> None:
        nonlocal running
        running = cell_index + 1

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=SECONDS,
        record_timing=False,
        on_cell_start=note,
        resources={"metadata": {"path": str(folder or path.parent)}},
        extra_arguments=["--log-level=ERROR"],  # else it warns of TCP on the terminal
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        message = re.sub(r"\x1b\[[\d;]*m", "", str(error))  # colours of the traceback
        raise RuntimeError(f"{path.name}, cell {running}: {message}") from None
    return notebook


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy without what changes from run to run or from machine to machine."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)  # and so no state of widgets
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                data = output.get("data", {})
                # The number of a model means nothing outside the kernel that made it:
                # what stays of a widget is the sentence that stands for it.
                data.pop(WIDGET, None)
                if "text/plain" in data:
                    data["text/plain"] = sanitise(data["text/plain"])
    for cell, slide_type in zip(notebook.cells, slide_types(notebook.cells)):
        cell.metadata["slideshow"] = {"slide_type": slide_type}
    return notebook


def keep_measured(fresh: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> None:
    """Put back the stored pictures of cells that show times, if their text is equal."""
    for new, old in zip(fresh.cells, stored.cells):
        if "measured" in new.metadata.get("tags", []) and old.get("outputs"):
            texts = [
                [output.get("data", {}).get("text/plain") for output in cell.outputs]
                for cell in (new, old)
            ]
            if texts[0] == texts[1]:
                for output, stored_output in zip(new.outputs, old.outputs):
                    if "data" in output:
                        output.data = stored_output.data


def merge_streams(outputs: list) -> list:
    """Join consecutive pieces of one stream, which the kernel cuts by the clock."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def sanitise(text: str) -> str:
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return text


def to_text(notebook: nbformat.NotebookNode) -> str:
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def differences(name: str, stored: str, fresh: str) -> list[str]:
    """Compare two texts of one notebook; return the lines of a diff for each cell."""
    stored, fresh = sizes_for_images(stored), sizes_for_images(fresh)
    if stored == fresh:
        return []
    diff = []
    for i, (old, new) in enumerate(zip(parts(stored), parts(fresh), strict=True)):
        place = f"{name}, cell {i}" if i else f"{name}, metadata"
        diff += difflib.unified_diff(
            old, new, f"{place}, stored", f"{place}, fresh", lineterm=""
        )
    return diff or [f"{name}: only white space differs"]


def sizes_for_images(text: str) -> str:
    """Replace each PNG image by its width and height."""

    def size(match: re.Match) -> str:
        header = base64.b64decode(match[2][:32])
        width, height = header[16:20], header[20:24]
        return f"{match[1]}{int.from_bytes(width)} x {int.from_bytes(height)}"

    return re.sub(r'("image/png": ")([^"]*)', size, text)


def parts(text: str) -> list[list[str]]:
    """Cut a notebook's text into lines, the metadata first, then each cell."""
    notebook = json.loads(text)
    cells = notebook.pop("cells")
    return [
        json.dumps(part, indent=1, ensure_ascii=False).splitlines()
        for part in (notebook, *cells)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Refresh, or check; return 1 if a cell failed or the check found a difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("notebooks", nargs="*", type=Path, default=NOTEBOOKS)
    options = parser.parse_args(arguments)
    pretrained.load()  # here, or a notebook would store how it was downloaded
    failed = False
    for path in options.notebooks:
        print(f"{path.name}: ", end="", flush=True)
        try:
            notebook = execute(path)
        except RuntimeError as error:
            print(f"failed\n{error}")
            failed = True
            continue
        stored = path.read_text("utf-8")
        notebook = normalise(notebook)
        keep_measured(notebook, nbformat.reads(stored, as_version=4))
        fresh = to_text(notebook)
        if options.check:
            diff = differences(path.name, stored, fresh)
            print("\n".join(["differs", *diff]) if diff else "as stored")
            failed |= bool(diff)
        else:
            path.write_bytes(fresh.encode("utf-8"))
            print("unchanged" if fresh == stored else "refreshed")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
