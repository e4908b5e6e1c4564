"""The explorer in JupyterLab, as a reader has it; `test_explorer_page.py` has the rest.

What is here needs JupyterLab itself: its cells, keys, styles, files and exports.
"""

import ast
import inspect
import os
import subprocess
import sys

import nbformat
import pytest
from browser import ROOT, open_notebook, run_all, until
from test_explorer_page import (
    LAYERED,
    MINUS,
    READ,
    SENTENCE,
    check,
    control,
    drag,
    fits,
    layered,
    message,
    sentence_box,
    smallest_sizes,
    until_message,
    violations,
)

from mha_utils.sentences import attend

NOTEBOOK = (
    "import numpy as np\nfrom mha_utils.explorer import Explorer\n"
    "from mha_utils.maps import AttentionMaps\n"
    "from mha_utils.sentences import attend\n" + inspect.getsource(layered),
    f"a = Explorer(attend, {SENTENCE!r}, head=1, word=8)\na",
    f"b = Explorer(layered, {LAYERED!r}, layer=1, head=2, word=1)\nb",
)


def in_kernel(page, code: str, value: str = "None") -> object:
    """Run code in the notebook's kernel; return the value of an expression after it."""
    answer = page.evaluate(
        """async ([code, value]) => {
            const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
            const request = { code, user_expressions: { value }, store_history: false };
            return (await session.kernel.requestExecute(request).done).content;
        }""",
        [code, value],
    )
    assert answer["status"] == "ok", answer
    return ast.literal_eval(answer["user_expressions"]["value"]["data"]["text/plain"])


def kernel_says(page, value: str, expected: object) -> None:
    assert in_kernel(page, "", value) == expected


def activate_cell(page, index: int) -> None:
    page.evaluate(
        """(index) => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.deselectAll();
            content.activeCellIndex = index;
        }""",
        index,
    )


def command(page, name: str, **arguments) -> None:
    page.evaluate(
        "([name, arguments]) => window.jupyterapp.commands.execute(name, arguments)",
        [name, arguments],
    )


@pytest.fixture(scope="module")
def shared(lab_server, chromium):
    """Open one notebook with two explorers, for all tests that leave it whole."""
    name = lab_server.write("explorers.ipynb", *NOTEBOOK)
    page = open_notebook(chromium, lab_server, name)
    run_all(page)
    page.locator(".mha-explorer").nth(1).wait_for()
    yield page
    page.close()
    lab_server.stop_kernels()


@pytest.fixture
def page(shared):
    """Give the shared page as it was in the beginning; no script may report errors."""
    shared.errors.clear()
    yield shared
    shared.set_viewport_size({"width": 1366, "height": 768})
    for explorer in shared.locator(".mha-explorer").all():
        control(explorer, "checkbox", "Projector size").uncheck()
        control(explorer, "button", "Reset").click()
    a, b = shared.locator(".mha-explorer").all()
    until(check, a, attend(SENTENCE), head=1, word=8)
    until(check, b, layered(LAYERED), layer=1, head=2, word=1)
    assert shared.errors == []


@pytest.fixture
def a(page):
    """The explorer of the hand-built heads: head 2, the word "it" (8) at first."""
    return page.locator(".mha-explorer").nth(0)


# ---- a lesson, as a reader goes through it
def use(page, explorer, sentence: str, controls: str) -> None:
    """Type a sentence key by key, drag the temperature and choose a word."""
    box = sentence_box(explorer)
    box.fill("")
    box.press_sequentially(sentence)
    if controls == "all heads":
        maps = attend(sentence)
        word = maps.tokens.index("it")  # which was chosen before
        until(check, explorer, maps, head=1, word=word)
        control(explorer, "radio", "Head 1 subject").click()
        check(explorer, maps, word=word)
    drag(page, control(explorer, "slider", "Temperature"), 1)
    control(explorer, "combobox", "Word").select_option("2")

    def sharp():
        titles = explorer.evaluate(READ)["labels"]
        assert [t for *_, leans, t in titles if leans][-1] == sentence.split()[-1]
        assert message(explorer) == ""

    until(sharp)
    assert page.errors == []


def test_lesson(lab_server, chromium):
    page = open_notebook(chromium, lab_server, "03_multi_head_attention.ipynb")
    try:
        run_all(page)
        explorer = page.locator(".mha-explorer").first
        use(page, explorer, "The dog slept because it was old", "all heads")
    finally:
        page.close()
        lab_server.stop_kernels()


def test_stored_lesson_shows_every_figure_and_names_its_explorer_until_it_is_run(
    lab_server, chromium
):
    name = "01_single_head_attention.ipynb"
    page = open_notebook(chromium, lab_server, name)  # not trusted, and nothing is run
    try:

        def shown():
            widths = figures(page)
            wanted = stored_figures(ROOT / "notebooks" / name)
            assert len(widths) == wanted > 0 and all(widths), widths
            said = page.locator(".jp-OutputArea-output").all_text_contents()
            assert any("it needs a running kernel" in text for text in said)

        until(shown)
        assert page.locator(".mha-explorer").count() == 0
        run_all(page)
        # This lesson defines what its explorer shows.
        use(page, page.locator(".mha-explorer"), "The bird saw the dog", "one head")
    finally:
        page.close()
        lab_server.stop_kernels()


# ---- among JupyterLab's own styles, panels and keys
def test_dark_theme_changes_nothing_and_axe_finds_no_violation(page, a):
    assert violations(page) == []
    assert message(a) == ""
    sentence_box(a).fill("")
    control(a, "combobox", MINUS).select_option("0")
    until_message(a, "no word")
    command(page, "apputils:change-theme", theme="JupyterLab Dark")
    page.locator("body[data-jp-theme-light='false']").wait_for(state="attached")
    try:
        assert violations(page) == []
        colors = (
            "root => [getComputedStyle(root).color, getComputedStyle(root).background]"
        )
        ink, paper = a.evaluate(colors)
        assert "rgb(26, 26, 26)" in ink and "rgb(255, 255, 255)" in paper
    finally:
        command(page, "apputils:change-theme", theme="JupyterLab Light")
        page.locator("body[data-jp-theme-light='true']").wait_for(state="attached")


def test_jupyterlab_takes_no_keys(page, a):
    cells = "() => window.jupyterapp.shell.currentWidget.model.toJSON().cells"
    before = page.evaluate(cells)
    for node in (
        control(a, "radio", "Head 2 referent"),
        control(a, "slider", "Temperature"),
        control(a, "checkbox", "Causal mask"),
        control(a, "combobox", "Word"),
        control(a, "button", "Reset"),
        a.locator(".mha-stage"),
        sentence_box(a),
    ):
        node.focus()
        for key in ("b", "x", "m", "d", "d", "ArrowDown", "ArrowLeft"):
            page.keyboard.press(key)
            where = "() => document.activeElement.closest('.mha-explorer') !== null"
            assert page.evaluate(where), f"{key} took the focus away"
    assert page.evaluate(cells) == before
    assert sentence_box(a).input_value().count("bxmdd") == 1


def test_text_is_never_smaller_than_14_pixels(page):
    sizes = smallest_sizes(page)
    assert {"text", "span", "button", "option", "p"} <= set(sizes)
    assert min(sizes.values()) >= 13.99, sizes


@pytest.mark.parametrize("sidebar", [True, False], ids=["sidebar", ""])
def test_everything_fits(page, a, sidebar):
    if not sidebar:
        command(page, "application:toggle-left-area")
    try:
        for width in (1366, 1024):
            for projector in (False, True):
                page.set_viewport_size({"width": width, "height": 768})
                control(a, "checkbox", "Projector size").set_checked(projector)
                until(fits, a)
                check(a, attend(SENTENCE), head=1, word=8)
    finally:
        if not sidebar:
            command(page, "application:toggle-left-area")


# ---- coming and going
def test_two_views_of_one_explorer(page, a):
    activate_cell(page, 1)
    command(page, "notebook:insert-cell-below")
    try:
        page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content"
            ".activeCell.model.sharedModel.setSource('a')"
        )
        command(page, "notebook:run-cell")
        other = page.locator(".mha-explorer").nth(1)
        page.locator(".mha-explorer").nth(2).wait_for()
        control(other, "radio", "Head 1 subject").click()
        for view in (a, other):
            until(check, view, attend(SENTENCE), head=0, word=8)
        sentence_box(a).fill("The dog slept")
        for view in (a, other):
            until(check, view, attend("The dog slept"), head=0)
        assert sentence_box(other).input_value() == "The dog slept"
    finally:
        activate_cell(page, 2)
        command(page, "notebook:delete-cell")
    # What the closed view freed is there again for the one that stays.
    until(kernel_says, page, "len(a.picture['weights']) > 0", True)
    control(a, "radio", "Head 3 word before").click()
    until(check, a, attend("The dog slept"), head=2)


@pytest.mark.parametrize("keys", [False, True], ids=["", "keys"])
def test_rerun_frees_the_explorer_before(page, a, keys):
    in_kernel(page, "old = a")
    if keys:  # JupyterLab keeps some key events, and the nodes they were meant for
        a.locator(".mha-stage").press("Tab")
    page.evaluate(
        """() => {
            const root = document.querySelector(".mha-explorer");
            const keep = (name) => new WeakRef(root.querySelector(name));
            window.old = [".mha-stage svg", ".mha-cells rect"].map(keep);
            window.oldCanvas = keep("canvas");
            window.oldRoot = new WeakRef(root);
        }"""
    )
    activate_cell(page, 1)
    command(page, "notebook:run-cell")
    until(check, a, attend(SENTENCE), head=1, word=8)
    page.evaluate("() => document.activeElement.blur()")
    page.mouse.move(0, 0)
    tools = page.context.new_cdp_session(page)

    def gone():
        tools.send("HeapProfiler.collectGarbage")
        kept = "() => window.old.filter((node) => node.deref()).length"
        assert page.evaluate(kept) == 0
        assert not page.evaluate("() => window.oldCanvas.deref()?.width")
        assert not page.evaluate("() => window.oldRoot.deref()?.parentElement")

    until(gone)
    tools.detach()
    freed = "(old is not a, len(old.picture['weights']), len(a.picture['weights']) > 0)"
    until(kernel_says, page, freed, (True, 0, True))
    in_kernel(page, "old.sentence = 'nobody looks'; old.head = 0; del old")


# ---- without a kernel
def figures(page) -> list[int]:
    """Return how wide each figure of a page is in itself, 0 if it is broken."""
    return page.locator(".jp-OutputArea-output img").evaluate_all(
        """async (images) => {
            for (const image of images) await image.decode().catch(() => {});
            return images.map((image) => image.checkVisibility() && image.naturalWidth);
        }"""
    )


def stored_figures(path) -> int:
    cells = nbformat.read(path, 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_exported_page_shows_every_figure(lab_server, chromium):
    name = "01_single_head_attention.ipynb"
    wanted = stored_figures(lab_server.folder / name)
    command = ["nbconvert", "--to", "html", "--execute", "--output", "exported", name]
    subprocess.run(
        [sys.executable, "-m", *command],
        cwd=lab_server.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    page = chromium.new_page()
    try:
        page.route("http*://**", lambda route: route.abort())  # nor the internet
        page.goto((lab_server.folder / "exported.html").as_uri())
        widths = figures(page)
        assert len(widths) == wanted > 0 and all(widths), widths
    finally:
        page.close()
