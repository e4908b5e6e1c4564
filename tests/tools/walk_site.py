"""Walk through the built website in a real browser before it is published.

``python tests/tools/walk_site.py FOLDER [notebook ...]`` serves the folder that
`.github/site/build.py` has filled. It follows the links of its pages, reads each page,
light and dark, by axe's rules, and uses what answers there without Python. Then it
opens each lesson in JupyterLite, runs all of it, compares what it says with what is
stored, and uses its controls. With names it does that for these notebooks alone. Only
a website that passes is published.
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
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import browse, until
from refresh import NOTEBOOKS, differences, keep_measured, normalise, to_text

SECONDS = 300  # for one lesson, on a busy machine
READY = """() => {
    const notebook = window.jupyterapp?.shell.currentWidget;
    return notebook?.context?.isReady
        && notebook.sessionContext?.session?.kernel?.status === "idle";
}"""
RUN = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
SHOW = """(id) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.findIndex((it) => it.model.id === id);
    return content.scrollToItem(content.activeCellIndex, "center");
}"""
SOLVE = """async ([id, source]) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    const cell = (id) => content.widgets.find((it) => it.model.id === id);
    const run = async (one) => {
        content.deselectAll();
        content.activeCellIndex = content.widgets.indexOf(one);
        await window.jupyterapp.commands.execute("notebook:run-cell");
    };
    cell(id).model.sharedModel.setSource(source);
    await run(cell(id));
    const check = cell(`${id}-check`);
    await run(check);
    return JSON.stringify(check.model.outputs.toJSON());
}"""
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


class Page(HTMLParser):
    """What a page links to and loads, what it can be linked by, and its figures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.loads, self.ids, self.figures = [], [], {""}, []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Take notes."""
        has = dict(attributes)
        self.ids |= {has[key] for key in ("id", "name") if has.get(key)}
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if tag in ("script", "img") and has.get("src"):
            self.loads.append(has["src"])
        if tag == "link" and has.get("href"):
            self.loads.append(has["href"])
        if tag == "img":
            self.figures.append(has.get("alt"))


def read_pages(site: Path) -> dict[Path, Page]:
    """Return all pages but JupyterLite's own, and the theme's templates."""
    paths = [p for p in site.rglob("*.html") if {"lite", "_static"}.isdisjoint(p.parts)]
    return {path: Page(path) for path in paths}


def follow_links(pages: dict[Path, Page]) -> list[str]:
    """Return the links that lead nowhere, and what is loaded from another host."""
    wrong = []
    for path, page in pages.items():
        for address in page.links + page.loads:
            parts = urlsplit(address)
            if parts.scheme in ("https", "http", "mailto") or parts.netloc:
                if address in page.loads:
                    wrong.append(f"{path.name} loads {address}")
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not to.is_file() and address != "#":
                wrong.append(f"{path.name} leads to {address}")
            if to in pages and parts.fragment and "search" not in to.name:
                if parts.fragment not in pages[to].ids:
                    wrong.append(f"{path.name} leads to {address}")
    return wrong


NO_FETCH = {"preload": False}  # else axe looks for style sheets where they are not
UNFOLD = """() => {
    for (const button of document.querySelectorAll(".predict > button:last-of-type"))
        button.click();
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    return document.querySelectorAll("[data-live]").length;
}"""


def listen(context, address: str):
    """Return a new page; in ``page.wrong`` it keeps what goes wrong there."""
    page = context.new_page()
    page.wrong = []

    def note(response) -> None:
        if response.status > 399 or not response.url.startswith(address):
            page.wrong.append(f"{response.url} {response.status}")

    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("response", lambda it: it.url.startswith("http") and note(it))
    return page


def unfold(page) -> None:
    """Show all that is folded, and wait for the explorers."""
    for number in range(page.evaluate(UNFOLD)):
        place = page.locator("[data-live]").nth(number)
        place.scroll_into_view_if_needed()
        place.locator(".mha-cells rect").first.wait_for()


def inspect(page, url: str) -> list[str]:
    """Return what axe finds in a page with all unfolded, light and dark."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(url)
        unfold(page)
        page.wait_for_timeout(600)  # the theme's colours fade in, its tab stops follow
        for rule in Axe().run(page, options=NO_FETCH).response["violations"]:
            html = rule["nodes"][0]["html"]
            found.append(f"{url}, {scheme}: {rule['id']}, as in {html}")
    return found


def use_pages(page, address: str) -> None:
    """Use what answers without Python; raise AssertionError if it does not."""
    page.goto(f"{address}/index.html")
    type_sentence(page)

    page.goto(f"{address}/notebooks/03_multi_head_attention.html")
    wait_for_explorers(page)
    folded = page.locator("p", has_text="The answer is: most of it.")
    assert not folded.is_visible()
    page.get_by_role("button", name="most of it", exact=True).click()
    assert folded.is_visible()
    assert "Your prediction: most of it." in page.locator("main").inner_text()
    page.locator("details").first.locator("summary").click()
    assert page.locator("details").first.get_attribute("open") is not None
    unfold(page)
    type_sentence(page)
    other = page.locator(".mha-explorer").nth(1)
    said = tell(other)
    other.get_by_role("radio").nth(1).click()
    assert tell(other) != said

    page.goto(f"{address}/notebooks/05_heads_that_specialise.html")
    wait_for_explorers(page)
    unfold(page)
    film = page.locator(".film")
    explorer = page.locator(".live", has=film).locator(".mha-explorer")
    film.get_by_role("slider").focus()
    page.keyboard.press("Home")
    assert "After 0 steps:" in film.inner_text()
    said = tell(explorer)
    page.keyboard.press("End")
    assert "After 0 steps:" not in film.inner_text() and tell(explorer) != said
    page.keyboard.press("Home")
    film.get_by_role("button", name="Play the film").click()
    film.get_by_text("After 0 steps:").wait_for(state="detached")
    film.get_by_role("button", name="Stop").click()
    explorer = page.locator(".mha-explorer").nth(1)
    said = tell(explorer)
    explorer.get_by_role("combobox", name="Examples").select_option(
        "the mat sat on the cat"
    )
    assert tell(explorer) != said

    page.goto(f"{address}/search.html?q=residual")
    page.locator("#search-results a").first.wait_for()


def wait_for_explorers(page) -> None:
    """Wait until all are drawn, which moves what stands below them."""
    page.wait_for_function(
        """() => [...document.querySelectorAll("[data-live]")]
            .every((node) => node.querySelector(".mha-explorer"))"""
    )


def tell(explorer) -> str:
    """Return what an explorer says of the chosen row."""
    return explorer.locator(".mha-words").inner_text()


def shows(place, text: str) -> None:
    """Fail if a text is not there."""
    assert text in place.text_content()


def type_sentence(page) -> None:
    """Ask the hand-built heads of a page."""
    explorer = page.locator(".mha-explorer").first
    explorer.get_by_role("textbox").fill("The queen said that she slept")
    explorer.get_by_role("radio", name="2 referent").click()
    explorer.get_by_role("combobox", name="Word").select_option("6 she")
    until(lambda: shows(explorer, "gives 1.00 of its attention to “\u2068queen"))


def use_controls(page, path: Path) -> None:
    """Use what a lesson that was run in JupyterLite has; AssertionError if it fails."""
    name = path.name
    cells = {c.id: c.source for c in nbformat.read(path, as_version=4).cells}
    if name.startswith("02"):  # sliders, which a prediction folds
        page.evaluate(SHOW, "triangle-predict")
        page.get_by_role("button", name="yes, with large scores", exact=True).click()
        page.evaluate(SHOW, "triangle-sliders")
        figure = page.locator(".jupyter-widgets img").first
        before = figure.get_attribute("alt")
        page.locator(".jupyter-widgets input[type=range]").first.press("End")
        until(lambda: differs(figure, before), seconds=60)
    if name.startswith("03"):  # a prediction, an explorer
        page.evaluate(SHOW, "nothing-predict")
        page.get_by_role("button", name="most of it", exact=True).click()
        page.get_by_text("You chose “most of it”.").wait_for()
        page.evaluate(SHOW, "explorer")
        type_sentence(page)
    if name.startswith("05"):  # the training panel, a check
        page.evaluate(SHOW, "live-code")
        page.get_by_role("button", name="Train", exact=True).click()
        page.get_by_text(re.compile("step ([3-9]|[0-9]{2})[0-9] of ")).wait_for()
        page.get_by_role("button", name="Pause", exact=True).click()  # there is a film
        page.get_by_role("button", name="Play the film").click()
        solution = cells["exercise-1-solution"].partition("```python\n")[2]
        said = page.evaluate(SOLVE, ["exercise-1", solution.partition("```")[0]])
        assert "Right" in said, said


def differs(figure, before: str) -> None:
    """Fail while a figure is the same."""
    assert figure.get_attribute("alt") != before


def main(folder: str, *names: str) -> int:
    """Walk through pages and lessons; return 1 if something is wrong."""
    from playwright.sync_api import sync_playwright

    site = Path(folder).resolve()
    wrong = []
    with serve(site) as address, sync_playwright() as playwright:
        if not names:
            wrong += walk_pages(playwright, site, address)
        for path in map(Path, names or NOTEBOOKS):
            wrong += walk_lesson(playwright, path, address)
    return int(bool(wrong))


def walk_pages(playwright, site: Path, address: str) -> list[str]:
    """Follow links, use and read all pages; say and return what is wrong."""
    pages = read_pages(site)
    wrong = follow_links(pages)
    for kind in ("chromium", "firefox"):
        with browse(playwright, kind) as context:
            use_pages(page := listen(context, address), address)
            wrong += page.wrong
    with browse(playwright) as context:
        page = listen(context, address)
        for path in pages:
            wrong += inspect(page, f"{address}/{path.relative_to(site).as_posix()}")
        wrong += page.wrong
    print("\n".join([f"{len(pages)} pages", *wrong]), flush=True)
    return wrong


def walk_lesson(playwright, path: Path, address: str) -> list[str]:
    """Run a lesson in JupyterLite and use it; say and return what is wrong."""
    from playwright.sync_api import Error

    with browse(playwright) as context:
        begin = time.monotonic()
        page = open_lesson(context, address, path.name)
        ready = time.monotonic()
        wrong = run_lesson(page, path)
        end = time.monotonic()
        try:
            use_controls(page, path)
        except (AssertionError, Error) as error:
            wrong.append(f"{path.name}, its controls: {error!r}")
    times = f"Python after {ready - begin:.0f} s, run in {end - ready:.0f} s"
    print("\n".join([f"{path.name}: {times}", *wrong]), flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
