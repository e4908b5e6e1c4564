"""JupyterLab and Chromium for the browser tests, started once; the model at hand."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import pytest
from browser import NO_CHROMIUM, ROOT, browse, find_chromium, serve
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
def lab_server(chromium, tmp_path_factory):
    """Serve a copy of the course's notebooks in JupyterLab, if there is Chromium."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(
        ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    with serve(folder) as server:
        yield server


@pytest.fixture(scope="session")
def chromium():
    """Start Chromium; without one skip the test, but fail where `CI` is set."""
    if find_chromium() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_CHROMIUM)
    with browse() as context:
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
