"""The notebooks as slides and on paper: headings begin slides, and all of it fits."""

import re

import nbformat
import pytest
from nbconvert import HTMLExporter, SlidesExporter
from refresh import NOTEBOOKS, ROOT
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


A4_WIDTH = (210 - 2 * 10) / 25.4 * 96  # pixels, between the margins of a browser


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_line_of_code_is_cut_off_on_paper(path, chromium):
    """At the scale that the teachers' page names; output is wrapped, code is not."""
    guide = (ROOT / "notebooks" / "for_teachers.md").read_text("utf-8")
    scale = int(re.search(r"print it with a scale of (\d+) %", guide)[1]) / 100
    html, _ = HTMLExporter().from_filename(str(path))
    page = chromium.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_viewport_size({"width": round(A4_WIDTH / scale), "height": 1000})
    page.emulate_media(media="print")
    page.set_content(html, wait_until="domcontentloaded")
    whole = page.locator(".jp-InputArea-editor pre").evaluate_all(
        "cells => cells.map((p) => [p.scrollWidth <= p.clientWidth, p.innerText])"
    )
    page.close()
    assert whole
    assert [text for fits, text in whole if not fits] == []
