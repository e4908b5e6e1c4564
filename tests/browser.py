"""JupyterLab in a headless Chromium, for the tests and benchmarks of what readers see.

Some go through Notebook 7 and Firefox too. All is served to this machine alone, from a
folder that it may write to.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NAMES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
}
NO_BROWSER = (
    "There is no {} on this machine. Install it, on Debian or Ubuntu by `apt-get "
    "install {}`, elsewhere from its own site."
)
PATIENCE = 120  # seconds: machines of continuous integration are slow, and busy
APPS = {  # and where each opens a notebook
    "jupyterlab": ("LabApp", "lab/tree"),
    "notebook": ("JupyterNotebookApp", "notebooks"),
}


def find_browser(kind: str = "chromium") -> str | None:
    """Return the path of the system's browser of this kind, or None."""
    return next(filter(None, map(shutil.which, NAMES[kind])), None)


def need_browser(kind: str) -> None:
    """Without this browser skip the test, but fail where `CI` is set."""
    if find_browser(kind) is None:
        why = NO_BROWSER.format(kind.title(), NAMES[kind][0])
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@dataclass
class Server:
    """A running JupyterLab, or Notebook 7."""

    folder: Path
    port: int
    token: str
    app: str = "jupyterlab"
    process: subprocess.Popen | None = None

    def api(self, path: str, method: str = "GET", content: object = None) -> object:
        """Ask the server itself, not a kernel."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
            data=None if content is None else json.dumps(content).encode(),
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or "null")

    def write(self, name: str, *sources: str) -> str:
        """Write a notebook into the served folder; return its name.

        Each source is a code cell, or a text if it begins with a space.
        """
        code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
        cells = [text(s[1:]) if s[:1] == " " else code(s) for s in sources]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
        nbformat.write(notebook, self.folder / name)
        return name

    def stop_kernels(self) -> None:
        """End the kernels, which outlive the pages that started them."""
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", "DELETE")


def free_port() -> int:
    """Return a port that nobody has, and that no kernel takes before the server does.

    Systems give away those from 32,768 on to whoever asks for any, as kernels do.
    """
    for port in secrets.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("of 100 ports none is free")


@contextlib.contextmanager
def serve(folder: Path, before: Server | None = None, app: str = "jupyterlab"):
    """Serve JupyterLab from `folder`, untouched by the user's settings.

    At the address of the server that was there `before`, if it is given.
    """
    if before is None:
        before = Server(folder, free_port(), secrets.token_hex(16), app)
    server = replace(before)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        settings = Path(home) / "config" / "labconfig" / "page_config.json"
        settings.parent.mkdir(parents=True)
        news = "@jupyterlab/apputils-extension:announcements"  # would ask the internet
        settings.write_text(json.dumps({"disabledExtensions": {news: True}}))
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": f"{home}/ipython",
            "JUPYTER_CONFIG_DIR": f"{home}/config",
            "JUPYTER_DATA_DIR": f"{home}/data",
            "JUPYTER_RUNTIME_DIR": f"{home}/runtime",
            "JUPYTERLAB_SETTINGS_DIR": f"{home}/settings",
            "JUPYTERLAB_WORKSPACES_DIR": f"{home}/workspaces",
        }
        command = [
            *(sys.executable, "-m", server.app, "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={server.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={folder}",
            f"--IdentityProvider.token={server.token}",
            f"--{APPS[server.app][0]}.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
            "--KernelRestarter.time_to_dead=0.2",  # a dead kernel is noticed at once
        ]
        log = Path(home) / "log"
        with log.open("wb") as output:
            process = server.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError):
                    server.api("status")
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{server.app} does not start:\n{log.read_text()}"
                    )
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Line:
    """A local port that leads to another one: late, silent or cut, when wanted."""

    def __init__(self, port: int, seconds: float = 0) -> None:
        self._to, self._seconds = port, seconds  # late by so much each way
        self._is_cut, self._silent = False, (False, False)
        self._writers, self._loop = set(), asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        start = asyncio.start_server(self._connect, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.port = server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break all connections, and refuse new ones until `mend`."""
        self._is_cut = True
        for writer in tuple(self._writers):
            self._loop.call_soon_threadsafe(writer.transport.abort)

    def silence(self, there: bool, back: bool) -> None:
        """Lose what is sent in these directions, without a word, until `mend`."""
        self._silent = there, back

    def mend(self) -> None:
        """Let connections, and all that is sent, through again."""
        self._is_cut, self._silent = False, (False, False)

    async def _connect(self, reader, writer) -> None:
        if self._is_cut:
            return writer.transport.abort()
        try:
            other = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:  # the server has ended
            return writer.transport.abort()
        other_reader, other_writer = other
        both = {writer, other_writer}
        self._writers |= both
        await asyncio.gather(
            self._pipe(reader, other_writer, 0), self._pipe(other_reader, writer, 1)
        )
        self._writers -= both

    async def _pipe(self, reader, writer, way: int) -> None:
        queue = asyncio.Queue()

        async def send():
            while item := await queue.get():
                due, data = item
                await asyncio.sleep(due - self._loop.time())
                writer.write(data)
            writer.close()

        sender = asyncio.create_task(send())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self._silent[way]:
                    queue.put_nowait((self._loop.time() + self._seconds, data))
        queue.put_nowait(None)
        with contextlib.suppress(ConnectionError):
            await sender


@contextlib.contextmanager
def browse(playwright, kind: str = "chromium", size: tuple[int, int] = (1366, 768)):
    """Start a browser; yield a Playwright context whose pages have this size."""
    how = {"executable_path": find_browser(kind)}
    if kind == "firefox":  # the system's own is driven by WebDriver BiDi
        browser = playwright.firefox.launch(channel="moz-firefox", **how)
    else:
        quiet = ["--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(args=quiet, **how)
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(1000 * PATIENCE)
    try:
        yield context
    finally:
        browser.close()


def open_notebook(context, server: Server, name: str, port: int | None = None):
    """Open a notebook in JupyterLab; return the page once its kernel is idle.

    The page keeps the errors that its scripts report in the list ``page.errors``.
    """
    page = context.new_page()
    page.errors = []

    def report(text):
        # What builds the website is installed here, too, and only works in JupyterLite.
        # JupyterLab reports what it had asked a kernel that went away (its issue 9521).
        if not any(part in text for part in ("@jupyterlite/", "Canceled future for ")):
            page.errors.append(text)

    page.on("pageerror", lambda error: report(str(error)))
    page.on("console", lambda said: report(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: dialog.accept())  # leave without saving
    page.goto(
        f"http://127.0.0.1:{port or server.port}/{APPS[server.app][1]}/{name}"
        f"?token={server.token}&reset"
    )
    page.wait_for_function(
        """() => {
            const notebook = window.jupyterapp?.shell.currentWidget;
            return notebook?.context?.isReady
              && notebook.sessionContext?.session?.kernel?.status === "idle";
        }"""
    )
    return page


def run_all(page) -> None:
    """Run all cells and wait for the last; fail if one of them fails."""
    command = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
    failed = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    stderr = page.locator("[data-mime-type='application/vnd.jupyter.stderr']")
    done = page.evaluate(command)
    said = failed.all_text_contents() + stderr.all_text_contents()
    assert done and not said, f"Run All failed: {said}"


def until(check, *arguments, seconds: float = PATIENCE, **options):
    """Call `check` until it no longer raises AssertionError; return what it returns."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check(*arguments, **options)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.03)
