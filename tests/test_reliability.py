"""A killed kernel, a restarted server, a lost line: nothing of the learner's is lost.

What a learner typed stands in the page and, once saved, in the file; Run All brings
everything back; and the explorer says in words that nobody answers.
"""

import shutil

import nbformat
import psutil
import pytest
from browser import ROOT, Line, open_notebook, run_all, serve, until

MINE = "# typed by the learner"
LESSON = "03_multi_head_attention.ipynb"
SENTENCE = "The cat sat on the mat because it was tired"  # the lesson's own
START = f"<s> {SENTENCE}"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "notebooks", folder := tmp_path / "notebooks")
    return folder


def open_and_type(chromium, server, name, port=None):
    """Open a lesson and type a line of one's own into its first exercise."""
    page = open_notebook(chromium, server, name, port)
    page.evaluate(
        """async () => {
            const { content } = window.jupyterapp.shell.currentWidget;
            const cell = content.widgets.find(({ model }) => model.id === "exercise-1");
            content.deselectAll();
            content.activeCellIndex = content.widgets.indexOf(cell);
            await content.scrollToCell(content.activeCell);
            await window.jupyterapp.commands.execute("notebook:enter-edit-mode");
        }"""
    )
    page.keyboard.press("Control+End")
    page.keyboard.type("\n" + MINE)
    return page


def dismiss(page, text):
    """Read JupyterLab's dialog, and close it."""
    dialog = page.locator(".jp-Dialog").filter(has_text=text)
    dialog.wait_for(timeout=30_000)
    dialog.get_by_role("button").last.click()


def type_sentence(page, sentence):
    page.locator(".mha-explorer").first.get_by_role("textbox").fill(sentence)


def shown(page):
    """Return what the first explorer says, what is typed in it, and its words."""
    explorer = page.locator(".mha-explorer").first
    return (
        explorer.locator(".mha-message").text_content(),
        explorer.get_by_role("textbox").input_value(),
        explorer.locator(".mha-list text:not(.mha-number)").all_text_contents(),
    )


def says(page, message, sentence, words):
    now = shown(page)
    assert message in now[0]
    assert now[1:] == (sentence, words.split())


def runs_and_keeps(page, path):
    """Run all cells again and save; what was typed is in the page and in the file."""
    run_all(page)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    cells = nbformat.read(path, 4).cells
    (exercise,) = (cell for cell in cells if cell.id == "exercise-1")
    assert exercise.source.endswith(MINE)
    counts = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert all(counts), counts


def test_kernel_killed_in_mid_lesson(chromium, folder):
    with serve(folder) as server:
        page = open_and_type(chromium, server, LESSON)
        page.evaluate(
            "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )
        page.locator(".mha-explorer").first.wait_for()
        (kernel,) = server.api("kernels")
        for process in psutil.Process(server.process.pid).children(recursive=True):
            if kernel["id"] in " ".join(process.cmdline()):
                process.kill()
        dismiss(page, "appears to have died. It will restart automatically")
        type_sentence(page, "The dog slept")
        until(says, page, "run this cell again", "The dog slept", START)
        runs_and_keeps(page, folder / LESSON)
        until(says, page, "", SENTENCE, START)
        assert page.errors == []
        page.close()


def test_server_restarted_with_the_explorer_open(chromium, folder):
    with serve(folder) as server:
        page = open_and_type(chromium, server, LESSON)
        run_all(page)
        page.locator(".mha-explorer").first.scroll_into_view_if_needed()
    type_sentence(page, "The dog slept")
    until(says, page, "does not answer", "The dog slept", START)
    with serve(folder, server) as server:
        dismiss(page, "A connection to the Jupyter server could not be established")
        page.wait_for_function(  # JupyterLab notices that the old kernel is gone
            "() => !window.jupyterapp.shell.currentWidget.sessionContext.session",
            timeout=60_000,
        )
        says(page, "does not answer", "The dog slept", START)
        run_all(page)  # JupyterLab 4.6 starts a kernel with the first cell, and stops
        runs_and_keeps(page, folder / LESSON)
        until(says, page, "", SENTENCE, START)
        page.close()


def test_line_lost_for_a_moment(chromium, folder):
    with serve(folder) as server:
        line = Line(server.port)
        page = open_and_type(chromium, server, LESSON, line.port)
        run_all(page)
        type_sentence(page, "The dog slept")
        until(says, page, "", "The dog slept", "<s> The dog slept")
        line.cut()
        type_sentence(page, "The dogs slept")
        until(says, page, "does not answer", "The dogs slept", "<s> The dog slept")
        line.mend()
        until(says, page, "", "The dogs slept", "<s> The dogs slept", seconds=60)
        type_sentence(page, "The cats slept")
        until(says, page, "", "The cats slept", "<s> The cats slept")
        runs_and_keeps(page, folder / LESSON)
        page.close()
