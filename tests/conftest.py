"""JupyterLab and Chromium for the browser tests, started once; the model at hand."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import pytest
from browser import ROOT, browse, need_browser, serve
from hypothesis import Phase, settings

# Tests run side by side: threads of NumPy's would wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from mha_utils import pretrained  # noqa: E402

settings.register_profile("course", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "few", settings.get_profile("course"), max_examples=5, phases=[Phase.generate]
)
settings.register_profile("many", max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "course"))
SCREENSHOTS = Path(__file__).parent / "screenshots"


def pytest_sessionstart():
    """Fetch the model, or lesson 7 would show the download, which is not stored."""
    with contextlib.suppress(pretrained.NoModelError):  # the lesson's test tells why
        pretrained.load()


@pytest.fixture(scope="session")
def lessons_folder(tmp_path_factory):
    """A copy of the course's notebooks, in which JupyterLab may write."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    leave = shutil.ignore_patterns(".ipynb_checkpoints")
    return shutil.copytree(ROOT / "notebooks", folder, ignore=leave)


@pytest.fixture(scope="session")
def lab_server(chromium, lessons_folder):
    """Serve a copy of the course's notebooks in JupyterLab, if there is Chromium."""
    with serve(lessons_folder) as server:
        yield server


@pytest.fixture(scope="session")
def playwright():
    """Start what drives the browsers; it can run only once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright):
    """Start Chromium, once for all tests."""
    need_browser("chromium")
    with browse(playwright) as context:
        yield context


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a screenshot of every page that is open when a test fails."""
    report = yield
    context = getattr(item, "funcargs", {}).get("chromium")
    if report.failed and context is not None:
        SCREENSHOTS.mkdir(exist_ok=True)
        for i, page in enumerate(context.pages):
            name = re.sub(r"\W+", "-", f"{item.name}-{report.when}-{i}")
            with contextlib.suppress(Exception):  # the test's own failure matters more
                page.screenshot(path=SCREENSHOTS / f"{name}.png", timeout=5000)
    return report
