"""One walk in each place where the course is read: two apps, two browsers."""

import pytest
from browser import browse, need_browser, open_notebook, run_all, serve, until
from test_browser import use

PLACES = [
    (app, kind)
    for app in ("jupyterlab", "notebook")
    for kind in ("chromium", "firefox")
]


@pytest.fixture(scope="module", params=PLACES, ids="-".join)
def place(request, playwright, lessons_folder):
    """An app's server and the pages of a browser."""
    app, kind = request.param
    need_browser(kind)
    with serve(lessons_folder, app=app) as server, browse(playwright, kind) as context:
        yield server, context


def test_a_lesson(place):
    """The first answer is chosen, the rest is shown, and a sentence is typed."""
    server, context = place
    page = open_notebook(context, server, "03_multi_head_attention.ipynb")
    page.errors.clear()  # Notebook 7.6 reports one of its own
    run_all(page)
    explorer = page.locator(".mha-explorer").first
    explorer.wait_for()
    use(page, explorer, "The dog slept because it was old", "all heads")
    folded = page.locator("p", has_text="The answer is: most of it.")
    assert not folded.is_visible()
    page.get_by_role("button", name="most of it", exact=True).click()

    def unfolded():
        assert folded.is_visible()

    until(unfolded)
    assert page.errors == []
    page.close()
    server.stop_kernels()
