"""Time the explorer in JupyterLab and Chromium, beside other ways to draw the same.

Run with `python tests/benchmarks/explorer.py`; needs Chromium, and to compare with
BertViz, torch and `pip install bertviz --no-deps`. Prints medians and 95th percentiles
in milliseconds, all from one run.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from browser import Line, browse, open_notebook, run_all, serve
from playwright.sync_api import sync_playwright

SETUP = '''
import gc, io, os, time
import ipywidgets, matplotlib, numpy as np
from matplotlib.figure import Figure
from mha_utils import MultiHeadAttention
from mha_utils.explorer import Explorer
from mha_utils.maps import AttentionMaps
from mha_utils.picture import WEIGHT_MAP

layer = MultiHeadAttention.random(64, 8, seed=0)

def attend(sentence, temperature=1.0):
    """Attend with 8 heads; the words stand for random vectors."""
    tokens = sentence.split()
    x = np.array([np.random.default_rng(len(t)).normal(size=64) for t in tokens])
    return AttentionMaps(tokens, layer(x / temperature)[1])

def big(sentence):
    tokens = sentence.split()
    n = len(tokens)
    scores = np.random.default_rng(n).normal(size=(12, 12, n, n)) * 3
    powers = np.exp(scores)
    return AttentionMaps(tokens, powers / powers.sum(-1, keepdims=True))

def memory():
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

TWELVE = "one two three four five six seven eight nine ten eleven twelve"
THIRTY = " ".join(f"word{i}" for i in range(30))
def png(figure):
    figure.savefig(file := io.BytesIO(), format="png", dpi=96)
    return file.getvalue()

def draw(maps):
    """Draw all heads with their words, from nothing."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    images = []
    for h, ax in enumerate(figure.subplots(2, 4).flat):
        images.append(ax.imshow(maps.weights[0, h], WEIGHT_MAP, vmin=0, vmax=1))
        ax.set_xticks(range(len(maps.tokens)), maps.tokens, rotation=90)
        ax.set_yticks(range(len(maps.tokens)), maps.tokens)
        ax.set_title(f"Head {h + 1}")
    return figure, images
'''
EXPLORERS = (
    "small = Explorer(attend, TWELVE)\nsmall",
    "large = Explorer(big, THIRTY)\nlarge",
)
REBUILT = """
text, image = ipywidgets.Text(TWELVE), ipywidgets.Image()
def changed(_):
    image.value = png(draw(attend(text.value))[0])
changed(None)
text.observe(changed, "value")
ipywidgets.VBox([text, image])
"""
# The words do not change here, so that only the maps are drawn anew.
BLITTED = """
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
text, image = ipywidgets.Text(TWELVE), ipywidgets.Image()
figure, images = draw(attend(TWELVE))
canvas = FigureCanvasAgg(figure)
for shown in images:
    shown.set_visible(False)
canvas.draw()
background = canvas.copy_from_bbox(figure.bbox)
for shown in images:
    shown.set_visible(True)
def changed(_):
    canvas.restore_region(background)
    for shown, weights in zip(images, attend(text.value).weights[0]):
        shown.set_data(weights)
        shown.axes.draw_artist(shown)
    file = io.BytesIO()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    picture.save(file, "png", compress_level=1)
    image.value = file.getvalue()
changed(None)
text.observe(changed, "value")
ipywidgets.VBox([text, image])
"""

# What happens from the event to the end of the frame that shows its effect: scripts,
# style, layout and paint. It begins with a frame, so that waiting for one is left out,
# and ends with what the page does first after it.
IN_PAGE = """async ([index, what, times]) => {
    const root = document.querySelectorAll(".mha-explorer")[index];
    root.scrollIntoView();
    const heads = [...root.querySelectorAll("[role=radio]")];
    const words = [...root.querySelectorAll("select")]
        .find(({ labels }) => labels[0].innerText.startsWith("Word"));
    const stage = root.querySelector(".mha-stage");
    const box = root.querySelector(".mha-cells").getBoundingClientRect();
    const act = {
        head: (k) => heads[(7 * k + 1) % heads.length].click(),
        word: (k) => {
            words.value = (5 * k + 1) % words.length;
            words.dispatchEvent(new Event("input"));
        },
        hover: (k) => stage.dispatchEvent(new PointerEvent("pointermove", {
            clientX: box.x + (0.37 * k % 1) * box.width,
            clientY: box.y + (0.61 * k % 1) * box.height,
        })),
    }[what];
    const taken = [];
    for (let k = 0; k < times; k++) {
        await new Promise(requestAnimationFrame);
        const start = performance.now();
        act(k);
        await scheduler.postTask(() => {}, { priority: "user-blocking" });
        taken.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 60));
    }
    return taken;
}"""

# From a change in the sentence box to its picture on the screen.
END_TO_END = """async ([selector, times]) => {
    const box = document.querySelector(`${selector} input[type=text]`);
    const state = () =>
        document.querySelector(`${selector}[data-number]`)?.dataset.number
        ?? document.querySelector(`${selector} img`).src;
    const taken = [];
    for (let k = 0; k < times; k++) {
        const before = state();
        const start = performance.now();
        box.value = box.value.replace(/\\w+$/, "x".repeat(1 + k % 9));
        box.dispatchEvent(new Event("input", { bubbles: true }));
        do await new Promise(requestAnimationFrame); while (state() === before);
        await document.querySelector(`${selector} img`)?.decode();
        await new Promise(requestAnimationFrame);
        taken.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 100));
    }
    return taken;
}"""

# Forty values of the temperature slider in a second.
DRAG = """async () => {
    const root = document.querySelector(".mha-explorer");
    const slider = root.querySelector("input[type=range]");
    const first = Number(root.dataset.number);
    for (let k = 1; k <= 40; k++) {
        slider.value = k / 10;
        slider.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 25));
    }
    const end = performance.now();
    let last = end, number = root.dataset.number;
    while (performance.now() < end + 1000) {
        await new Promise(requestAnimationFrame);
        if (root.dataset.number !== number) last = performance.now();
        number = root.dataset.number;
    }
    return [Number(number) - first, last - end];
}"""

KERNEL = """
def timed(explorer, source):
    beyond = []
    for k in range(100):
        sentence = explorer.initial["sentence"] + "x" * (k % 9)
        start = time.perf_counter()
        explorer.sentence = sentence
        middle = time.perf_counter()
        source(sentence)
        beyond.append(1e3 * (2 * middle - start - time.perf_counter()))
        time.sleep(0.01)
    explorer.sentence = explorer.initial["sentence"]
    return beyond
"""

BERTVIZ = """
import torch
from bertviz import head_view
def view():
    maps = attend(TWELVE)
    weights = tuple(torch.tensor(w, dtype=torch.float32)[None] for w in maps.weights)
    return head_view(weights, maps.tokens, html_action="return")
taken = []
for _ in range(30):
    start = time.perf_counter()
    view()
    taken.append(1e3 * (time.perf_counter() - start))
"""


def in_kernel(page, code: str, value: str = "None"):
    """Run code in the notebook's kernel; return a number or numbers."""
    answer = page.evaluate(
        """async ([code, value]) => {
            const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
            const request = { code, user_expressions: { value }, store_history: false };
            const content = (await session.kernel.requestExecute(request).done).content;
            return content.user_expressions.value.data["text/plain"];
        }""",
        [code, value],
    )
    return None if answer == "None" else np.array(answer.strip("[]").split(","), float)


def report(name: str, taken) -> None:
    """Print a line of the table."""
    middle, most = np.percentile(taken, [50, 95])
    print(f"{name:58}{middle:9.1f}{most:9.1f}", flush=True)


def explorers(context, server) -> None:
    """Print what the explorer does within the page, and in the kernel."""
    server.write("explorers.ipynb", SETUP + KERNEL, *EXPLORERS, "memory()")
    page = open_notebook(context, server, "explorers.ipynb")
    run_all(page)
    page.locator(".mha-explorer").nth(1).wait_for()
    for index, size in enumerate(("8 heads x 12 words", "144 heads x 30 words")):
        for what in ("head", "word", "hover"):
            report(
                f"{what} in the page, {size}", page.evaluate(IN_PAGE, [index, what, 60])
            )
    for name, source in (("small", "attend"), ("large", "big")):
        beyond = in_kernel(page, "", f"timed({name}, {source})")
        report(f"kernel beyond attend, {name}", beyond)
        sent = in_kernel(page, "", f"len({name}.picture['weights'])")
        print(f"{'  kB of weights':58}{sent[0] / 1e3:9.1f}")
    pictures, lag = page.evaluate(DRAG)
    print(
        f"{'slider, 40 values in 1 s: pictures, and ms to the last':58}"
        f"{pictures:9.0f}{lag:9.1f}"
    )
    for name in ("small", "large"):
        start = in_kernel(page, "", "memory()")
        for k in range(500 if name == "small" else 100):
            in_kernel(
                page, f"{name}.sentence = {name}.initial['sentence'] + 'x' * {k % 9}"
            )
        grown = in_kernel(page, "", "memory()") - start
        print(f"{f'MB more after changes of the sentence, {name}':58}{grown[0]:9.1f}")
        start = in_kernel(page, "", "memory()")
        for _ in range(20):
            page.evaluate(
                """async (index) => {
                    const { content } = window.jupyterapp.shell.currentWidget;
                    content.deselectAll();
                    content.activeCellIndex = index;
                    await window.jupyterapp.commands.execute("notebook:run-cell");
                }""",
                1 + (name == "large"),
            )
        time.sleep(1)
        grown = in_kernel(page, "", "memory()") - start
        print(f"{f'MB more after 20 re-runs of the cell, {name}':58}{grown[0]:9.1f}")
    page.close()
    server.stop_kernels()


def bertviz(context, server) -> None:
    """Print what BertViz's head view of the same weights costs the kernel."""
    server.write("bertviz.ipynb", SETUP, BERTVIZ)
    page = open_notebook(context, server, "bertviz.ipynb")
    try:
        run_all(page)
    except AssertionError as error:
        print(f"BertViz does not run here: {str(error)[:200]}")
    else:
        report("BertViz head view, kernel alone", in_kernel(page, "", "taken"))
        size = in_kernel(page, "", "len(view().data)")
        print(f"{'  kB of HTML for each sentence':58}{size[0] / 1e3:9.1f}")
        print("  Its page needs scripts from the internet, so it is not drawn here.")
    page.close()
    server.stop_kernels()


def main():
    """Print the table."""
    print(f"{'':58}{'median':>9}{'95 %':>9}")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        serve(Path(folder)) as server,
        sync_playwright() as playwright,
        browse(playwright) as context,
    ):
        explorers(context, server)
        server.write("explorer.ipynb", SETUP, EXPLORERS[0])
        server.write("rebuilt.ipynb", SETUP, REBUILT)
        server.write("blitted.ipynb", SETUP, BLITTED)
        slow = Line(server.port, 0.05).port
        for name in ("explorer", "blitted", "rebuilt"):
            selector = ".mha-explorer" if name == "explorer" else ".widget-vbox"
            for port, route in ((server.port, "loopback"), (slow, "100 ms away")):
                page = open_notebook(context, server, f"{name}.ipynb", port)
                page.locator(".jp-Notebook").wait_for()
                run_all(page)
                page.locator(f"{selector} input[type=text]").wait_for()
                report(
                    f"a new sentence, {name}, {route}",
                    page.evaluate(END_TO_END, [selector, 25]),
                )
                page.close()
                server.stop_kernels()
        bertviz(context, server)


if __name__ == "__main__":
    main()
