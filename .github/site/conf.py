"""Sphinx makes the website of the course's own files; `build.py` calls it."""

import ast
import html
import json
import os
import re
import subprocess
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from live import encode, first_explorer, heads_data, state
from myst_parser.parsers.sphinx_ import MystParser
from widgets import last_call, saved_widgets

from mha_utils.page import FOLDER

# What of it needs a kernel, and so one of the ways to run a lesson.
IN_PYTHON = {
    "heads": "The three heads answer here; the rest of the lesson runs in Python: ",
    "Explorer": "Here it has the sentences of its list. Yours need Python: ",
    "TrainingPanel": "Here is the film of one training. To train needs Python: ",
    "DecoderPanel": "Here it has the texts of its list. Yours, the next words and the "
    "switches need Python: ",
    "play": "Its sliders and switches need Python: ",
    "check": "The checks need Python: ",
}
NO_NAME = "OWNER/NAME"  # stands in the lessons until they have an address
project = "See multi-head attention work"
html_title = project
author = ""
extensions = ["myst_nb"]
source_suffix = {".ipynb": "myst-nb", ".md": "myst-nb", ".py": "module"}
include_patterns = ["*.md", "notebooks/**", "mha_utils/**.py"]
linked = ["torch_reference", "pretrained/test_website", "tools/*"]
include_patterns += [f"tests/{name}.py" for name in linked]
nb_execution_mode = "off"  # the outputs that are stored are tested
nb_ipywidgets_js = {}  # no scripts of another host
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
html_theme = "sphinx_book_theme"
html_theme_options = {
    "navbar_persistent": [],  # the search stands beside the page
    "show_toc_level": 2,
    "use_fullscreen_button": False,
}
html_context = {"default_mode": "auto"}  # dark where the reader's system is
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_static_path += [*map(str, FOLDER.glob("*.js")), str(FOLDER / "explorer.css")]
html_css_files = ["site.css", "explorer.css"]
html_js_files = [("live.js", {"type": "module"})]
html_show_copyright = html_show_sphinx = False


def repository() -> str:
    """Return owner/name of the repository on GitHub that builds this, or nothing."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return name
    command = ["git", "-C", os.environ["COURSE"], "remote", "get-url", "origin"]
    remote = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    match = re.search(r"github\.com[:/]([^/]+/[^/]+?)(\.git)?$", remote)
    return match[1] if match else ""


def ways(page: str) -> dict[str, str]:
    """Return where a lesson can be run, by what the button says."""
    links = {}
    if Path(os.environ["OUT"], "lite").exists():
        links["Run it here"] = f"../lite/lab/index.html?path={page}.ipynb"
    if name := repository():
        branch = os.environ.get("GITHUB_REF_NAME", "main")
        binder = f"https://mybinder.org/v2/gh/{name}/{branch}?urlpath=lab/tree/{page}"
        links["Binder"] = f"{binder}.ipynb"
        colab = f"https://colab.research.google.com/github/{name}/blob/{branch}/{page}"
        links["Colab"] = f"{colab}.ipynb"
    return links | {"Download": f"../_sources/{page}.ipynb"}


def ways_row(page: str, text: str = "") -> str:
    """Return the ways to run a lesson as HTML, after a text."""
    links = "".join(
        f'<a href="{html.escape(url)}">{name}</a>' for name, url in ways(page).items()
    )
    return f'<p class="ways">{text}{links}</p>'


def bring_to_life(app, page: str, content: list[str]) -> None:
    """Replace what needs a kernel in a lesson by what the page does without one."""
    path = Path(app.env.doc2path(page))
    if path.suffix != ".ipynb":
        return
    saved = saved_widgets(path)
    for name, widget in saved.items():
        save(app, f"{path.stem}-{name}", widget)
    notebook = json.loads(content[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and (said := alive(page, cell, saved)):
            shown = [o for o in cell["outputs"] if o["output_type"] == "stream"]
            data = {"data": {"text/html": said}, "metadata": {}}
            cell["outputs"] = [*shown, {"output_type": "display_data", **data}]
    content[0] = json.dumps(notebook).replace(NO_NAME, repository() or NO_NAME)


def alive(page: str, cell: dict, saved: dict) -> str:
    """Return the HTML that stands for a cell's output, if that needs a kernel."""
    call = last_call("".join(cell["source"]))
    if call is None:
        return ""
    if cell["id"] in saved:
        kind = "heads" if "heads" in saved[cell["id"]] else call.func.id
        name = f"{Path(page).name}-{cell['id']}"
        text = "Here an explorer is drawn, with JavaScript."
        row = ways_row(page, IN_PYTHON[kind])
        return f'<div class="live" data-live="{name}">{text}</div>{row}'
    if call.func.id == "predict":
        options = [ast.literal_eval(option) for option in call.args]
        given = html.escape(json.dumps(options))
        text = html.escape("Your prediction: " + " · ".join(options))
        return f'<div class="predict" data-options="{given}">{text}</div>'
    if call.func.id == "play" or cell["id"] == "exercise-1-check":
        return ways_row(page, IN_PYTHON[call.func.id])
    return ""


def save(app, name: str, widget: dict) -> None:
    """Write what `live.js` fetches."""
    folder = Path(app.outdir, "_static", "live")
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(widget, default=encode)
    (folder / f"{name}.json").write_text(text, "utf-8")


def save_heads(app) -> None:
    """Write the hand-built heads, and the first page's explorer of them."""
    save(app, "heads", heads_data())
    save(app, "index", {"state": state(first_explorer()), "heads": True})


class ModuleParser(MystParser):
    """A page for a module of the package: its code, to be read."""

    supported = ("module",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Show the file as it is, under its path."""
        path = Path(document["source"]).relative_to(document.settings.env.srcdir)
        text = f"# {path.as_posix()}\n\n````python\n{inputstring}\n````"
        super().parse(f"---\norphan: true\n---\n{text}", document)


def describe_figures(app, document: nodes.document) -> None:
    """Give each figure the words and the width that its output says."""
    source = Path(document["source"])
    if source.suffix != ".ipynb":
        return
    figures = [
        output["metadata"]["image/png"]
        for cell in json.loads(source.read_text("utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    made = "jupyter_execute"  # the folder that outputs are written to
    images = [i for i in document.findall(nodes.image) if made in i["uri"]]
    for image, figure in zip(images, figures, strict=True):
        image["alt"], image["width"] = figure["alt"], f"{figure['width']}px"


def add_ways(app, page: str, template: str, context: dict, document) -> None:
    """Put the ways to run a lesson below its title."""
    if document and document["source"].endswith(".ipynb"):
        row = ways_row(page)
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{row}", 1)


def setup(app) -> None:
    """Connect the above."""

    def draw(display):
        def visit(translator, node):
            formula = convert(node.astext(), display=display)
            translator.body.append(f'<span class="formula">{formula}</span>')
            raise nodes.SkipNode

        return visit, None

    app.add_html_math_renderer("mathml", draw("inline"), draw("block"))
    app.add_source_parser(ModuleParser)
    app.connect("builder-inited", save_heads)
    app.connect("source-read", bring_to_life)
    app.connect("doctree-read", describe_figures)
    app.connect("html-page-context", add_ways)
