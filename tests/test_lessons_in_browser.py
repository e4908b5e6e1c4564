"""All lessons in JupyterLab and Chromium: widgets are drawn, and controls answer."""

import re
import shutil

import nbformat
import pytest
from browser import ROOT, open_notebook, run_all, until
from lessons import shows_widget, widgets_and_needs
from refresh import NOTEBOOKS
from test_explorer_page import violations


@pytest.fixture
def opened(lab_server, chromium):
    """Open notebooks by name; close them and end their kernels afterwards."""
    pages = []

    def open_it(name, *sources):
        if sources:
            lab_server.write(name, *sources)
        pages.append(open_notebook(chromium, lab_server, name))
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()
    lab_server.stop_kernels()


OPEN_AND_RUN = """async ([path, ids]) => {
    const { commands } = window.jupyterapp;
    const { content, context, sessionContext } =
        await commands.execute("docmanager:open", { path });
    await context.ready;
    await sessionContext.ready;
    const cells = content.widgets.filter((cell) => ids.includes(cell.model.id));
    content.activeCellIndex = content.widgets.indexOf(cells[0]);
    content.deselectAll();
    cells.forEach((cell) => content.select(cell));
    const done = await commands.execute("notebook:run-cell");
    const outputs = cells.flatMap((cell) => cell.model.outputs.toJSON());
    return [done, outputs.filter((output) => output.ename || output.name === "stderr")];
}"""
DRAWN = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(({ node }) => node.querySelector(".jupyter-widgets, .mha-cells rect"))
    .filter(({ node }) => !node.querySelector("[role=alert]"))
    .map((cell) => cell.model.id)"""
CLOSE = """async () => {
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.sessionContext.shutdown();
    panel.dispose();
}"""


@pytest.fixture(scope="module")
def lab(lab_server, chromium):
    """One page of JupyterLab in which the lessons are opened one after the other."""
    page = open_notebook(chromium, lab_server, NOTEBOOKS[0].name)
    yield page
    page.close()
    lab_server.stop_kernels()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_widget_is_drawn(lab, path):
    """The whole lesson is opened; `lessons.py` says why not every cell is run."""
    lab.errors.clear()
    cells = widgets_and_needs(nbformat.read(path, as_version=4))
    ids = [cell.id for cell in cells]
    assert lab.evaluate(OPEN_AND_RUN, [path.name, ids]) == [True, []]
    widgets = [cell.id for cell in cells if shows_widget(cell)]

    def drawn():
        assert lab.evaluate(DRAWN) == widgets

    until(drawn)
    lab.wait_for_timeout(300)  # an error may be told late
    assert lab.errors == []
    lab.evaluate(CLOSE)


def test_links_to_the_source_open_it(opened, lab_server):
    """From the folder and the page with which the README's first command starts."""
    page = "notebooks/00_start_here.ipynb"
    said = (ROOT / "README.md").read_text("utf-8")
    assert f".venv/bin/jupyter lab --notebook-dir=. {page}\n" in said
    for name in ("README.md", page):
        copy = lab_server.folder / "course" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)
    page = opened(f"course/{page}")
    page.get_by_role("link", name="package", exact=True).click()
    page.locator(".lm-TabBar-tabLabel", has_text="README.md").wait_for()


PLAY = """
from mha_utils.controls import play
from mha_utils.picture import Picture

def draw(height, on, how):
    if height > 3:
        raise ValueError("too <i>high</i>")
    return Picture(alt=f"{height:.2f} {on}", figsize=(8, 1 + height), layout=None)

play(draw, height=(0, 4, 1), on=True, how=["in words as long as a line", "short"])
"""
PANEL = """
from mha_utils.training_panel import TrainingPanel

panel = TrainingPanel(num_heads=4, seed=0, sentence="the cat sat on the mat")
panel.training.steps = 100_000  # so that the test is the first to stop
panel
"""
LONG = """
from ipywidgets import VBox
from mha_utils.controls import predict
from mha_utils.decoder import Decoder, DecoderTraining
from mha_utils.decoder_panel import DecoderPanel
from mha_utils.training_panel import TrainingPanel

text = "cat mat dog cat mat"
of_two_layers = TrainingPanel(1, 0, text, training=DecoderTraining)
asked = predict("sometimes one, sometimes the other", "no")
VBox([of_two_layers, DecoderPanel(Decoder(2, 1, 0), text), asked])
"""


@pytest.fixture(scope="module")
def run(lab_server, chromium):
    """Run a notebook with a figure to play with, a training, and long texts."""
    name = lab_server.write("controls.ipynb", PLAY, PANEL, LONG)
    page = open_notebook(chromium, lab_server, name)
    run_all(page)
    yield page
    assert page.errors == []
    page.close()
    lab_server.stop_kernels()


def output(page, cell: int):
    """Return where the output of a code cell is."""
    return page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")


@pytest.fixture
def lesson(opened):
    """A page with two predictions, what comes out of them, and a section after them."""
    return opened(
        "prediction.ipynb",
        "from mha_utils.controls import predict\npredict('yes', 'no')",
        " We ask.",
        "def nothing_to_show(): pass",
        "print('It is so.')\n1 + 1",
        " The answer is yes.",
        "predict('odd', 'even')",
        "2 + 2",
        " The answer is even.",
        " ## Another section",
        "3 + 3",
        " No question.",
    )


def readable(page):
    """Return what the page shows of results and texts."""
    shown = page.locator(".jp-RenderedMarkdown, .jp-RenderedText").all()
    return [box.inner_text().strip("¶ \n") for box in shown if box.is_visible()]


SECTION = ["Another section", "6", "No question."]


def keeps_its_keys(page, control):
    """Fail if JupyterLab takes a key from it, such as one that inserts a cell."""
    control.focus()
    for key in ("b", "x", "m", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        assert control.evaluate("node => node === document.activeElement"), key
    style = control.evaluate("node => getComputedStyle(node).outlineStyle")
    assert style == "solid"


def test_results_are_folded_until_an_answer_is_chosen(lesson):
    result = (
        "getComputedStyle(node.querySelector('.jp-OutputArea'), '::before').content"
    )

    def shows(*texts):
        assert readable(lesson) == [*texts, *SECTION]

    def heading(cell):
        return lesson.locator(".jp-Cell").nth(cell).evaluate(f"node => {result}")

    assert readable(lesson)[:3] == [
        "We ask.",
        "The answer is yes.",
        "The answer is even.",
    ]
    run_all(lesson)
    until(shows)
    assert heading(3) == '"Folded until you choose an answer above."'
    first, second = (output(lesson, number) for number in (0, 3))
    keeps_its_keys(lesson, first.get_by_role("button", name="yes", exact=True))
    lesson.keyboard.press("Tab")
    lesson.keyboard.press("Enter")
    until(shows, "We ask.", "It is so.", "2", "The answer is yes.")
    assert heading(3) == '"Your prediction: no. What came out:"'
    assert [heading(2), heading(5)] == ["none", "none"]  # no result, not yet chosen
    first.get_by_role("status").filter(has_text="You chose “no”.").wait_for()
    buttons = first.locator("button:visible")
    assert buttons.all_text_contents() == ["yes", "no"]
    assert buttons.nth(1).evaluate("n => n === document.activeElement")
    assert buttons.nth(1).locator(".fa-check").count() == 1
    assert violations(lesson, ".jp-Cell:first-child .jp-OutputArea-output") == []
    buttons.nth(0).click()
    first.get_by_role("status").filter(has_text="You chose “yes”.").wait_for()
    second.get_by_role("button", name="show what comes out").click()
    until(
        shows,
        "We ask.",
        "It is so.",
        "2",
        "The answer is yes.",
        "4",
        "The answer is even.",
    )


LINES = """output => {
    const pre = output.querySelector("pre"), text = document.createRange();
    text.selectNodeContents(pre);
    const tops = [...text.getClientRects()].map((line) => Math.round(line.top));
    return [new Set(tops).size, getComputedStyle(pre.parentNode).overflowX];
}"""


# Returns what stands on both sides of each end of a line.
ENDS = """output => {
    const words = output.querySelector("pre").firstChild;
    const letter = document.createRange();
    const top = (at) => {
        letter.setStart(words, at);
        letter.setEnd(words, at + 1);
        return letter.getBoundingClientRect().top;
    };
    const text = words.textContent.trimEnd(), ends = [];
    for (let at = 1; at < text.length; at++)
        if (top(at) > top(at - 1) + 3) ends.push(text.slice(at - 1, at + 1));
    return ends;
}"""


def test_on_a_narrow_page_lines_are_broken_between_words_and_in_no_table(opened):
    page = opened(
        "narrow.ipynb",
        "from mha_utils.controls import predict, table\npredict('yes', 'no')",
        "table(**{'a long name ' * 9: [1]})",
        "print('said in many words ' * 9)",
    )
    size = page.viewport_size
    run_all(page)
    page.get_by_role("button", name="show what comes out").click()
    page.evaluate("jupyterapp.shell.collapseLeft()")
    page.set_viewport_size({"width": 390, "height": 768})
    try:
        assert output(page, 1).evaluate(LINES) == [2, "auto"]
        ends = output(page, 2).evaluate(ENDS)
        assert ends and all(" " in end for end in ends)
    finally:
        page.set_viewport_size(size)
        page.evaluate("jupyterapp.shell.expandLeft()")


def test_an_error_is_never_folded(lesson):
    lesson.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[3].model"
        ".sharedModel.setSource('1 / 0')"
    )
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_all(lesson)
    assert any("ZeroDivisionError" in text for text in readable(lesson))
    lesson.errors.clear()


def test_a_figure_to_play_with(run):
    cell = output(run, 0)
    image = cell.locator("img")

    def says(alt):
        assert image.get_attribute("alt") == alt
        height = image.evaluate("image => image.complete && image.naturalHeight")
        assert abs(height - 144 * (1 + float(alt.split()[0]))) <= 1

    def shows_the_last_good_picture():  # of those the kernel was asked for
        height, on = image.get_attribute("alt").split()
        assert 2.5 < float(height) <= 3 and on == "False"
        says(f"{height} {on}")

    until(says, "1.00 True")
    labels = [cell.locator(".widget-label", has_text=n) for n in ("height", "how")]
    boxes = [label.bounding_box() for label in labels]
    assert len({box["x"] + box["width"] for box in boxes}) == 1
    assert all(
        label.evaluate("n => n.scrollWidth <= n.clientWidth") for label in labels
    )
    texts = cell.locator(":is(.widget-label, .widget-checkbox span, select, output)")
    size = "nodes => nodes.map((node) => getComputedStyle(node).fontSize)"
    assert set(texts.evaluate_all(size)) == {"16px"}
    assert violations(run, ".widget-vbox:has(.mha-slider)") == []
    slider = cell.get_by_role("slider", name="height")
    choice = cell.get_by_role("combobox")
    slider.focus()
    run.keyboard.press("ArrowRight")
    until(says, "1.04 True")
    for control in (slider, choice):
        keeps_its_keys(run, control)
    until(says, "1.04 True")
    cell.get_by_role("checkbox", name="on").uncheck()
    until(says, "1.04 False")
    for _ in range(60):
        slider.press("ArrowRight")
    cell.get_by_role("alert").filter(has_text="ValueError: too <i>high</i>").wait_for()
    until(shows_the_last_good_picture)


# Returns what reaches beyond the cell's output on the right, where nothing scrolls, and
# buttons whose text ends in dots.
BEYOND = """output => {
    const edge = output.getBoundingClientRect().right + 1;
    return [...output.querySelectorAll("*")]
        .filter((node) => node.checkVisibility() && !node.closest(".mha-explorer"))
        .filter((node) => node.getBoundingClientRect().right > edge
            || (node.tagName === "BUTTON" && node.scrollWidth > node.clientWidth))
        .map((node) => `${node.tagName}.${node.className}`);
}"""


def nothing_beyond(output):
    beyond = output.evaluate(BEYOND)
    assert beyond == [], beyond


def test_on_a_narrow_page_nothing_is_cut_off(run):
    size = run.viewport_size
    run.evaluate("jupyterapp.shell.collapseLeft()")
    run.set_viewport_size({"width": 400, "height": 768})
    try:
        for cell in map(output, [run] * 3, range(3)):
            cell.scroll_into_view_if_needed()
            until(nothing_beyond, cell)
        assert output(run, 0).locator("img").bounding_box()["width"] > 200
    finally:
        run.set_viewport_size(size)
        run.evaluate("jupyterapp.shell.expandLeft()")


def test_with_forced_colours_buttons_have_an_outline_and_progress_is_seen(run):
    progress = output(run, 1).locator(".progress")
    button = output(run, 1).get_by_role("button", name="Train", exact=True)
    run.emulate_media(forced_colors="active")
    try:
        style = button.evaluate("n => getComputedStyle(n).borderStyle")
        assert style == "solid"
        kept = "node => getComputedStyle(node).forcedColorAdjust"
        assert progress.evaluate(kept) == "none"
    finally:
        run.emulate_media(forced_colors="none")


# Keeps every picture of all heads, however seldom a test reads the page.
WATCH = """root => {
    const picture = () => root.querySelector(".mha-glance canvas").toDataURL();
    window.pictures = new Set([picture()]);
    const watch = new MutationObserver(() => pictures.add(picture()));
    watch.observe(root, { attributeFilter: ["data-number"] });
}"""


def test_training_is_watched_paused_and_resumed(run):
    cell = output(run, 1)
    explorer = cell.locator(".mha-explorer")
    explorer.locator("svg").first.wait_for()
    said = cell.get_by_role("status").filter(has_text="step")

    def step():
        return int(re.search(r"step (\d+)", said.text_content())[1])

    explorer.evaluate(WATCH)
    cell.get_by_role("button", name="Train", exact=True).click()

    def trained(least):
        assert step() >= least

    def watched():
        trained(600)
        assert run.evaluate("() => pictures.size") > 3  # it changed meanwhile

    until(watched)
    sentence = explorer.get_by_role("textbox", name="Sentence")
    sentence.fill("the dogs sleep")  # the kernel answers while it trains

    def answered():
        assert explorer.locator(".mha-cells rect").count() == 16
        assert step() < 100_000

    until(answered)
    cell.get_by_role("button", name="Pause", exact=True).click()
    cell.get_by_role("button", name="Train", exact=True).wait_for()
    paused = step()
    assert 600 <= paused < 100_000
    run.wait_for_timeout(500)
    assert step() == paused
    cell.get_by_role("button", name="Another seed", exact=True).click()
    cell.get_by_role("status").filter(has_text="seed 1, step").wait_for()
    until(trained, 1100)
    said.filter(has_text="play the film").wait_for()
    slider = cell.get_by_role("slider", name="film", disabled=False)
    slider.press("Home")
    cell.get_by_text("After 0 steps:").wait_for()
    assert slider.get_attribute("aria-valuetext") == "after 0 steps"
    slider.press("ArrowRight")
    cell.get_by_text("After 28 steps:").wait_for()
    for theme, light in (("Dark", "false"), ("Light", "true")):
        run.evaluate(
            "(theme) => window.jupyterapp.commands.execute("
            "'apputils:change-theme', { theme })",
            f"JupyterLab {theme}",
        )
        run.locator(f"body[data-jp-theme-light='{light}']").wait_for(state="attached")
        assert violations(run, ".widget-vbox:has(> .mha-keys)") == []


ENDLESS = (
    "from mha_utils.checks import check",
    "def my_weights(query, key):\n    while True:\n        query = query + 0",
    "check('weights', my_weights)",
    "print('still', 'here')",
)


def test_an_endless_loop_can_be_interrupted(opened):
    page = opened("endless.ipynb", *ENDLESS)
    page.evaluate(
        "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
    )

    def busy():
        assert page.locator(".jp-InputPrompt").all_text_contents()[2] == "[*]:"

    until(busy)
    page.wait_for_timeout(500)
    page.evaluate(
        "() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')"
    )

    def stopped():
        said = "".join(page.locator(".jp-OutputArea-output").all_text_contents())
        assert "Stopped: your function was still running" in said
        assert "query = query + 0" in said or "while True" in said
        assert "still here" in said  # the next cell ran as if nothing had happened

    until(stopped)
    assert page.errors == []
