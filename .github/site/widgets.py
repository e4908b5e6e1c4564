"""What lessons show with a running kernel, saved so that a page shows it without one.

A lesson is run here no further than its explorers need it. The website's `live.js`
reads what `saved_widgets` returns.
"""

import ast
import contextlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from symtable import symtable

import nbformat
from live import state

from mha_utils import sentences
from mha_utils.explorer import Explorer
from mha_utils.training_panel import TrainingPanel, best_heads

WITH_EXPLORER = {"Explorer", "TrainingPanel", "DecoderPanel"}
# Where a lesson names no sentence to try; those that a source refuses are left out.
OTHERS = [
    "The dogs that the girl follows sleep",
    "The king saw the queen because she was tired",
    "The dog that chased the cat slept",
]


def last_call(source: str) -> ast.Call | None:
    """Return the call that a cell ends with, if it ends with one of a plain name."""
    match ast.parse(source).body[-1:]:
        case [ast.Expr(ast.Call(ast.Name()) as call)]:
            return call
    return None


def saved_widgets(path: Path) -> dict[str, dict]:
    """Return for each cell with an explorer, by its id, what the page needs."""
    cells = nbformat.read(path, as_version=4).cells
    shown = {}  # the call that makes an explorer: its cell
    program = []
    for cell in (cell for cell in cells if cell.cell_type == "code"):
        program += ast.parse(cell.source).body
        call = last_call(cell.source)
        if call is not None and call.func.id in WITH_EXPLORER:
            shown[program[-1]] = cell
    names: dict = {}
    saved = {}
    for statement in _needed(program, shown):
        with contextlib.redirect_stdout(io.StringIO()):  # bars of progress
            if cell := shown.get(statement):
                code = compile(ast.Expression(statement.value), path.name, "eval")
                saved[cell.id] = _save(eval(code, names), _quoted(cells, cell))
            else:
                code = compile(ast.Module([statement], []), path.name, "exec")
                exec(code, names)
    return saved


def _needed(program: list[ast.stmt], shown: dict) -> list[ast.stmt]:
    """Return those statements of a program by which what is shown comes about."""
    wanted, kept = set(), []
    for statement in reversed(program):
        nodes = list(ast.walk(statement))
        if statement in shown or wanted & set(_made(statement, nodes)):
            wanted |= {node.id for node in nodes if isinstance(node, ast.Name)}
            kept.append(statement)
    return kept[::-1]


def _made(statement: ast.stmt, nodes: list[ast.AST]) -> Iterator[str]:
    """Name what a statement makes, or changes by a method or in a part."""
    for symbol in symtable(ast.unparse(statement), "", "exec").get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            yield symbol.get_name()
    for node in nodes:
        match node:
            case (
                ast.Expr(ast.Call(ast.Attribute(ast.Name(name))))
                | ast.Attribute(ast.Name(name), ctx=ast.Store())
                | ast.Subscript(ast.Name(name), ctx=ast.Store())
            ):
                yield name


def _quoted(cells: list, cell: dict) -> list[str]:
    """Return the sentences of two words or more that a section speaks of."""
    headings = [i for i, c in enumerate(cells) if c.source.startswith("#")]
    place = cells.index(cell)
    first = max(i for i in headings if i < place)
    end = min((i for i in headings if i > place), default=len(cells))
    text = "\n".join(c.source for c in cells[first:end] if c.cell_type == "markdown")
    return re.findall(r"“([^\W\d_]+(?: [^\W\d_]+)+)”", text)


def _save(widget: object, examples: list[str]) -> dict:
    """Return the state of an explorer or a panel, and its answers for the examples."""
    explorer = widget if isinstance(widget, Explorer) else widget.explorer
    if explorer is widget:
        explorer.examples = [*explorer.examples, *(examples or OTHERS)]
    else:
        explorer.examples = examples
    if explorer._attend is sentences.attend:
        return {"state": state(explorer), "heads": True}
    saved = _answers(explorer)
    saved["pictures"] = [p for p in saved["pictures"] if not p["error"]]
    saved["state"]["examples"] = [p["inputs"]["sentence"] for p in saved["pictures"]]
    if isinstance(widget, TrainingPanel):
        saved["film"] = _film(widget)
    return saved


def _answers(explorer: Explorer) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        explorer.save_html(page)
        match = re.search('"application/json">(.*)</script>', page.read_text("utf-8"))
    return json.loads(match[1])


def _film(panel: TrainingPanel) -> list[dict]:
    """Train to the end; return the maps and the heads' jobs after each part of it."""
    training, sentence = panel.training, panel.explorer.sentence
    training.run()
    film = []
    for step in training.film:
        model = training.at(step)
        (picture,) = _answers(Explorer(model.attend, sentence))["pictures"]
        jobs = [(job, round(share, 2)) for job, share in best_heads(model)]
        changed = {name: picture[name] for name in ("weights", "why")}
        film.append({"step": step, "picture": changed, "jobs": jobs})
    return film
