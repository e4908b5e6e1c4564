"""How often a lesson is executed, and what each time finds that no other does.

1. nbval: as it is stored, with the stubs of its exercises. It compares every text.
2. `test_notebooks.py`: with the folded solutions in place of the stubs, and with the
   network cut off where the machine allows it. The solutions are right and change no
   other cell, no cell asks the internet, the pictures are as stored, and so is what
   `refresh.py` would store.
3. `test_lessons_in_browser.py`: JupyterLab opens the whole lesson. What it draws itself
   are widgets, so their cells are run there, and what these need.
4. `test_binder.py`: the same cells of all lessons in one notebook. Only Jupyter's
   packages are older there; it starts a kernel and makes the widgets.
5. `test_offline.py`: the same notebook with what is installed from the folder. What the
   other cells need is there, too: every file is compared, every module imported.

Which cells need which is read from the names in them.
"""

import ast
import functools
import re
import shutil
import subprocess
import sys

import nbformat
from refresh import NOTEBOOKS, normalise

UNSHARE = ["unshare", "--map-root-user", "--net"]
# A new network namespace holds one interface, the loopback, and that is down. Jupyter
# talks to its kernels over it.
LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
"""
CUT_OFF = [*UNSHARE, sys.executable, "-c", LOOPBACK_UP]  # then the command
STANDS_FOR_WIDGET = re.compile("^Your prediction: |; it needs a running kernel$")


@functools.cache
def can_cut_off():
    """Tell whether this machine lets a command run without a network."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    return subprocess.run([*UNSHARE, "true"]).returncode == 0


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def names(cell):
    """Return the names that a cell makes, and those that it uses."""
    made, used = set(), set()
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef):
            made.add(node.name)
    return made, used


def shows_widget(cell):
    """Tell it from the sentence that is stored in place of a widget."""
    texts = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return any(map(STANDS_FOR_WIDGET.search, texts))


def widgets_and_needs(notebook):
    """Return the cells that show widgets, what they need, and always the imports."""
    imports, *rest = code_cells(notebook)
    missing, kept = set(), []
    for cell in reversed(rest):
        made, used = names(cell)
        if shows_widget(cell) or made & missing:
            missing |= used
            kept.insert(0, cell)
    return [imports, *kept]


def all_widgets():
    """Return one notebook of these cells of all lessons, as it would be stored."""
    cells = []
    for path in NOTEBOOKS:
        for cell in widgets_and_needs(nbformat.read(path, as_version=4)):
            cell.id = f"{path.stem[:2]}-{cell.id}"
            cell.execution_count = len(cells) + 1
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = cell.execution_count
            cells.append(cell)
    return normalise(nbformat.v4.new_notebook(cells=cells))
