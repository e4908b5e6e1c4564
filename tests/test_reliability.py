"""A killed kernel, a restarted server, a lost line: nothing of the learner's is lost.

What a learner typed stands in the page and, once saved, in the file; Run All brings
everything back; and the explorer says in words that nobody answers.
"""

import nbformat
import psutil
import pytest
from browser import Line, open_notebook, run_all, serve, until
from test_explorer_page import check, control, message, sentence_box

from mha_utils.sentences import attend

MINE = "# typed by the learner"
SENTENCE = "The cat sat on the mat because it was tired"
START = f"<s> {SENTENCE}"
LESSON = (  # an explorer, a cell that runs for a while, an exercise
    "from mha_utils.explorer import Explorer\nfrom mha_utils.sentences import attend",
    f"Explorer(attend, {SENTENCE!r}, head=1, word=8)",
    "import time\ntime.sleep(1)",
    "def my_weights(query, key):\n    ...",
)


@pytest.fixture
def opened(lab_server, chromium):
    """Open the lesson; close it and end its kernel afterwards."""
    pages = []

    def open_it(port=None):
        pages.append(open_and_type(chromium, lab_server, port))
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()
    lab_server.stop_kernels()


def open_and_type(chromium, server, port=None):
    """Open the lesson and type a line of one's own into its exercise."""
    page = open_notebook(chromium, server, server.write("lesson.ipynb", *LESSON), port)
    page.evaluate(
        """async () => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.deselectAll();
            content.activeCellIndex = content.widgets.length - 1;
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
    dialog.wait_for()
    dialog.get_by_role("button").last.click()


def look_around(page):
    """Ask the server now for its kernels, which JupyterLab does every ten seconds."""
    page.evaluate(
        "() => { window.jupyterapp.serviceManager.sessions.refreshRunning()"
        ".catch(() => {}); }"
    )


def wait_for_line(page, status):
    page.wait_for_function(
        """status => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
            .connectionStatus === status""",
        arg=status,
    )


def type_sentence(page, sentence):
    sentence_box(page.locator(".mha-explorer")).fill(sentence)


def says(page, said, sentence, words):
    explorer = page.locator(".mha-explorer")
    assert said in message(explorer)
    assert sentence_box(explorer).input_value() == sentence
    names = explorer.locator(".mha-list text:not(.mha-number)").all_text_contents()
    assert names == words.split()


def runs_and_keeps(page, server):
    """Run all cells again and save; what was typed is in the page and in the file."""
    run_all(page)
    until(check, page.locator(".mha-explorer"), attend(SENTENCE), head=1, word=8)
    says(page, "", SENTENCE, START)
    assert message(page.locator(".mha-explorer")) == ""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    cells = nbformat.read(server.folder / "lesson.ipynb", 4).cells
    assert cells[-1].source == f"{LESSON[-1]}\n    {MINE}"
    counts = [cell.execution_count for cell in cells]
    assert all(counts), counts


def test_kernel_killed_and_restarted(lab_server, opened):
    page = opened()
    explorer = page.locator(".mha-explorer")
    page.evaluate(
        "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
    )
    explorer.wait_for()
    (kernel,) = lab_server.api("kernels")
    for process in psutil.Process(lab_server.process.pid).children(recursive=True):
        if kernel["id"] in " ".join(process.cmdline()):
            process.kill()
    dismiss(page, "appears to have died. It will restart automatically")
    type_sentence(page, "The dog slept")
    until(says, page, "run this cell again", "The dog slept", START)
    control(explorer, "radio", "Head 1 subject").click()  # which needs no kernel
    check(explorer, attend(SENTENCE), word=8)
    runs_and_keeps(page, lab_server)

    page.evaluate(
        """async () => {
            const { sessionContext } = window.jupyterapp.shell.currentWidget;
            await sessionContext.session.kernel.restart();
        }"""
    )
    type_sentence(page, "The dog slept")
    until(says, page, "run this cell again", "The dog slept", START)
    runs_and_keeps(page, lab_server)
    assert page.errors == []


def test_server_restarted_with_the_explorer_open(chromium, tmp_path):
    with serve(tmp_path) as server:
        page = open_and_type(chromium, server)
        run_all(page)
        page.locator(".mha-explorer").scroll_into_view_if_needed()
    type_sentence(page, "The dog slept")
    until(says, page, "No answer yet", "The dog slept", START)
    look_around(page)
    with serve(tmp_path, server) as server:
        dismiss(page, "A connection to the Jupyter server could not be established")
        look_around(page)
        page.wait_for_function(  # JupyterLab notices that the old kernel is gone
            "() => !window.jupyterapp.shell.currentWidget.sessionContext.session"
        )
        says(page, "No answer yet", "The dog slept", START)
        run_all(page)  # JupyterLab 4.6 starts a kernel with the first cell, and stops
        runs_and_keeps(page, server)
        page.close()


def test_line_lost_for_a_moment(lab_server, opened):
    line = Line(lab_server.port)
    page = opened(line.port)
    run_all(page)
    type_sentence(page, "The dog slept")
    until(says, page, "", "The dog slept", "<s> The dog slept")
    # JupyterLab tries again seven times, after waits that grow and are drawn at random;
    # here after 0.2, 0.8, 2.2, 5.2, 11.4 and 24 seconds. Then it gives up.
    page.evaluate("() => { Math.random = () => 0.2; }")
    before = "The dog slept"
    for sentence, silence in (
        ("The dogs slept", None),  # typed when JupyterLab knows that the line is cut
        ("The cats slept", (True, False)),  # what was asked is lost
        ("The mice slept", (False, True)),  # the answer is lost
        ("The birds slept", (True, False)),
    ):
        if silence:
            line.silence(*silence)
        else:
            line.cut()
            wait_for_line(page, "connecting")
        type_sentence(page, sentence)
        until(says, page, "No answer yet", sentence, f"<s> {before}")
        line.cut()
        line.mend()
        until(says, page, "", sentence, f"<s> {sentence}")
        before = sentence
    type_sentence(page, "The cats sat")
    until(says, page, "", "The cats sat", "<s> The cats sat")
    runs_and_keeps(page, lab_server)
