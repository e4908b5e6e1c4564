"""The notebooks as slides: headings begin them, and each fits on the screen."""

import nbformat
import pytest
from nbconvert import SlidesExporter
from refresh import NOTEBOOKS
from slides import HEIGHT, WIDTH, slide_types


def cells(*sources):
    """Make cells: code where a source begins with "code:"."""
    made = []
    for number, source in enumerate(sources):
        if source.startswith("code:"):
            cell = nbformat.v4.new_code_cell(source.removeprefix("code:"))
        else:
            cell = nbformat.v4.new_markdown_cell(source)
        cell.id = "imports" if "import" in source else f"cell-{number}"
        made.append(cell)
    return made


def test_headings_begin_slides():
    given = cells("# Title", "code:import x", "code:1", "## Next", "text")
    assert slide_types(given) == ["slide", "skip", "-", "slide", "-"]


def test_what_does_not_fit_goes_below():
    long = "code:" + "\n".join("x" * 20)
    assert slide_types(cells("## A", long, long, "text")) == [
        "slide",
        "-",
        "subslide",
        "-",
    ]


def test_a_prediction_is_not_answered_on_its_slide():
    given = cells("## A", "code:predict('yes', 'no')", "code:print('no')", "text")
    assert slide_types(given) == ["slide", "-", "subslide", "-"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_slide_fits(path, chromium):
    """Measure each slide as wide as it is presented, without reveal.js, which scales.

    What cannot be had from the internet is not waited for.
    """
    html, _ = SlidesExporter().from_filename(str(path))
    page = chromium.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.set_content(html, wait_until="domcontentloaded")
    heights = page.evaluate(
        """async () => {
            await Promise.all([...document.images].map((image) => image.decode()));
            return [...document.querySelectorAll("section")]
                .filter((slide) => !slide.querySelector("section"))
                .map((slide) => [slide.offsetHeight, slide.textContent.trim()]);
        }"""
    )
    page.close()
    assert len(heights) > 3
    for height, text in heights:
        assert 0 < height <= HEIGHT, text[:100]
