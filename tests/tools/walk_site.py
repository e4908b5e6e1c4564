"""Run every lesson on the built website in a real browser, and compare its outputs.

``python tests/tools/walk_site.py FOLDER [notebook ...]`` serves the folder that
`.github/site/build.py` has filled, opens each lesson in JupyterLite, runs all of it,
and compares what it says with what is stored. Only a website that passes is published.
The website's pretrained model has rounded weights: a number of two digits may differ by
a hundredth. Where the website was built without the model, a lesson that needs it is
not compared. It must come to its end.
"""

import contextlib
import functools
import http.server
import json
import re
import sys
import threading
import time
from itertools import zip_longest
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import browse
from refresh import NOTEBOOKS, differences, keep_measured, normalise, to_text

SECONDS = 300  # for one lesson, on a busy machine
READY = """() => {
    const notebook = window.jupyterapp?.shell.currentWidget;
    return notebook?.context?.isReady
        && notebook.sessionContext?.session?.kernel?.status === "idle";
}"""
RUN = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
READ = "() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model)"
NO_MODEL = "is not on this website"  # says the package, and stored answers stand in
FETCHED = "(42 MB) from this website"
NUMBER = re.compile(r"\b\d+\.\d\d\b")
FONTS = "Matplotlib is building the font cache; this may take a moment.\n"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files as GitHub Pages does, and tells nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(folder: Path):
    """Serve a folder to this machine alone; yield its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def open_lesson(context, address: str, name: str):
    """Open a notebook in JupyterLite; return the page once Python is there.

    The page keeps in ``page.foreign`` what it asked of other hosts.
    """
    page = context.new_page()
    page.foreign = []

    def note(request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            page.foreign.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{address}/lite/lab/index.html?path=notebooks/{name}")
    page.wait_for_function(READY, timeout=1000 * SECONDS)
    return page


def run_lesson(page, path: Path) -> list[str]:
    """Run all cells; return what differs from the stored notebook, as lines."""
    page.set_default_timeout(1000 * SECONDS)
    done = page.evaluate(RUN)
    stored = nbformat.read(path, as_version=4)
    fresh = normalise(nbformat.from_dict(json.loads(page.evaluate(READ))))
    rounded = FETCHED in to_text(fresh)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output
                for output in cell.outputs
                if output.get("text") != FONTS and FETCHED not in output.get("text", "")
            ]
    fresh = normalise(fresh)  # where slides begin depends on the outputs
    keep_measured(fresh, stored)
    says, expected = to_text(fresh), to_text(stored)
    if rounded:
        says = keep_near(says, expected)
    diff = [] if NO_MODEL in says else differences(path.name, expected, says)
    diff += [f"{path.name} asks {url}" for url in page.foreign]
    return diff if done else [f"{path.name} stops at an error", *diff]


def keep_near(fresh: str, stored: str) -> str:
    """Put back stored numbers of two digits where fresh ones are a hundredth off."""
    lines = []
    for new, old in zip_longest(fresh.splitlines(), stored.splitlines(), fillvalue=""):
        numbers = [list(map(float, NUMBER.findall(line))) for line in (new, old)]
        same = NUMBER.split(new) == NUMBER.split(old)
        near = same and all(abs(a - b) < 0.011 for a, b in zip(*numbers))
        lines.append(old if near else new)
    return "\n".join(lines) + "\n"


def main(folder: str, *names: str) -> int:
    """Walk through the lessons; return 1 if one of them differs."""
    from playwright.sync_api import sync_playwright

    failed = False
    with serve(Path(folder)) as address, sync_playwright() as playwright:
        for path in map(Path, names or NOTEBOOKS):
            with browse(playwright) as context:
                begin = time.monotonic()
                page = open_lesson(context, address, path.name)
                ready = time.monotonic()
                diff = run_lesson(page, path)
                end = time.monotonic()
            times = f"Python after {ready - begin:.0f} s, run in {end - ready:.0f} s"
            print("\n".join([f"{path.name}: {times}", *diff]), flush=True)
            failed |= bool(diff)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
