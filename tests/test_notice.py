"""What JupyterLite's page says of a browser, beside a page that stands in for it."""

import pytest
from browser import ROOT, browse, until

SCRIPT = (ROOT / ".github" / "site" / "notice.js").read_text("utf-8")
ADDRESS = "http://localhost/lite/lab/index.html?path=notebooks/03_heads.ipynb"
SAID = "() => [...document.querySelectorAll('[role=status] p')].map((p) => p.innerText)"
KERNEL = """(status) => {
    const kernel = { status };
    const currentWidget = { sessionContext: { session: { kernel } } };
    window.jupyterapp = { shell: { currentWidget } };
}"""


@pytest.fixture
def opened(playwright):
    """Open the page, in a new browser that keeps what others left in no case."""
    with browse(playwright) as context:

        def open_it(before="", address=ADDRESS, clock=False):
            page = context.new_page()
            page.errors = []
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            if clock:
                page.clock.install()
            page.add_init_script(before)
            script = f"<script>{SCRIPT}</script>" if "/lite/" in address else ""
            html = f"<!doctype html><html><head>{script}</head><body><p>Lab</p>"
            answer = {"content_type": "text/html", "body": html}
            page.route("http://localhost/**", lambda route: route.fulfill(**answer))
            page.goto(address)
            return page

        yield open_it


def says(page, *beginnings):
    def check():
        said = page.evaluate(SAID)
        assert len(said) == len(beginnings), said
        assert all(map(str.startswith, said, beginnings)), said
        assert page.get_by_role("status").is_visible() == bool(said)

    until(check)
    assert not page.errors


def test_python_is_announced_until_it_is_there(opened):
    page = opened()
    says(page, "Python is starting. The first time about 40 MB")
    for status in ("starting", "unknown"):
        page.evaluate(KERNEL, status)
        page.wait_for_timeout(600)
        says(page, "Python is starting.")
    page.evaluate(KERNEL, "idle")
    says(page)


def test_python_that_does_not_come_is_said_and_may_still_come(opened):
    page = opened(clock=True)
    page.clock.fast_forward(125_000)
    says(page, "Python has not started yet. Is there a connection")
    page.evaluate(KERNEL, "busy")
    page.clock.fast_forward(1000)
    says(page)


@pytest.mark.parametrize("name", ["WebAssembly", "Worker", "BroadcastChannel"])
def test_an_old_browser_gets_a_sentence_and_a_way_out(opened, name):
    page = opened(f"delete window.{name}")
    says(page, f"This browser cannot run Python in a page: it has no {name}.")
    assert page.inner_text("a") == "Read the lesson, or run it elsewhere."
    there = "http://localhost/notebooks/03_heads.html"
    assert page.evaluate("document.querySelector('a').href") == there


def test_a_browser_without_import_is_old(opened):
    page = opened("window.Function = () => { throw SyntaxError('import'); }")
    says(page, "This browser cannot run Python in a page: it has no import.")


def test_an_address_is_no_markup(opened):
    address = ADDRESS.replace("03_heads", '"><b>%E0%A4')
    page = opened("delete window.WebAssembly", address)
    assert page.locator("a").count() == 1 and page.locator("b").count() == 0
    assert page.evaluate("document.querySelector('a').host") == "localhost"


NO_STORAGE = """Object.defineProperty(window, "indexedDB", {
    get() { throw new DOMException("denied", "SecurityError"); } })"""


def test_a_browser_that_keeps_nothing_is_named(opened):
    page = opened(NO_STORAGE)
    says(page, "Python is starting.", "This browser keeps nothing here: ")
    page.get_by_role("button").last.click()
    says(page, "Python is starting.")


def test_full_storage_is_named(opened):
    page = opened(address="http://localhost/other.html")  # which stores nothing
    full = {"origin": "http://localhost", "quotaSize": 1000}
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", full)
    page.evaluate(SCRIPT)
    says(page, "Python is starting.", "This browser keeps nothing here: ")


def test_a_lost_network_is_said_while_it_lasts(opened):
    page = opened()
    page.evaluate(KERNEL, "idle")
    says(page)
    page.context.set_offline(True)
    says(page, "There is no network. What is open goes on.")
    page.context.set_offline(False)
    says(page)


@pytest.mark.parametrize("width", [390, 1366])
def test_on_a_phone_the_list_of_files_gives_way_until_python_is_there(opened, width):
    page = opened()
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate(
        """() => {
            window.times = 0;
            const shell = { currentWidget: {}, collapseLeft: () => (times += 1) };
            window.jupyterapp = { shell };
        }"""
    )
    page.wait_for_timeout(1600)  # JupyterLab opens it again, and is answered
    assert (page.evaluate("times") > 1) == (width == 390)
    page.evaluate(
        """() => {
            const session = { kernel: { status: "idle" } };
            jupyterapp.shell.currentWidget.sessionContext = { session };
        }"""
    )
    page.wait_for_timeout(600)
    times = page.evaluate("times")
    page.wait_for_timeout(600)
    assert page.evaluate("times") == times and not page.errors


def test_no_network_is_said_from_the_beginning(opened):
    page = opened("Object.defineProperty(navigator, 'onLine', { value: false })")
    says(page, "Python is starting.", "There is no network.")
