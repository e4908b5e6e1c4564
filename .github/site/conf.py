"""Sphinx makes the website of the course's own files; `build.py` calls it."""

import html
import json
import os
import re
import subprocess
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from myst_parser.parsers.sphinx_ import MystParser

project = "See multi-head attention work"
html_title = project
author = ""
extensions = ["myst_nb"]
source_suffix = {".ipynb": "myst-nb", ".md": "myst-nb", ".py": "module"}
include_patterns = ["*.md", "notebooks/**", "mha_utils/**.py"]
include_patterns += ["tests/torch_reference.py", "tests/tools/*.py"]  # linked to
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
html_static_path += [f"../../mha_utils/explorer.{kind}" for kind in ("js", "css")]
html_css_files = ["site.css", "explorer.css"]
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
        links = "".join(
            f'<a href="{html.escape(url)}">{name}</a>'
            for name, url in ways(page).items()
        )
        row = f'<p class="ways">{links}</p>'
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
    app.connect("doctree-read", describe_figures)
    app.connect("html-page-context", add_ways)
