"""The text of the course: linked in order, spelled right, its terms explained."""

import re
import subprocess
import sys

import nbformat
import pytest
from refresh import NOTEBOOKS, ROOT

START, *LESSONS = NOTEBOOKS
READ = [*LESSONS, START]
NAMES = ["--ignore-words-list", "pinter"]
PAGES = [ROOT / "README.md", ROOT / "notebooks" / "for_teachers.md"]


def markdown(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def prose(path):
    """Return a page's text without code, formulas, links and their addresses."""
    text = path.read_text("utf-8") if path.suffix == ".md" else None
    text = text or "\n\n".join(markdown(path))
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<[^>]+>|<!--.*?-->", "", text, flags=re.S)
    return re.sub(r"\]\([^)]*\)|`[^`\n]*`|^\[\w+\]:.*", "", text, flags=re.M)


@pytest.mark.parametrize("place", range(len(LESSONS)))
def test_lessons_are_linked_in_order(place):
    first, *_, last = markdown(LESSONS[place])
    number = int(LESSONS[place].name[:2])
    assert f"Lesson {number} of 10" in first
    assert re.search(r"\*Time\*: \d+ minutes\.", first)
    for text in (first, last):
        for word, other in (("previous", place - 1), ("next", place + 1)):
            if 0 <= other < len(LESSONS):
                assert f"({LESSONS[other].name})" in text, f"{word} in {text[:60]}"


def test_each_notebook_begins_with_how_to_run_it():
    """Also where it was opened again, or alone; the address is that of the README."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (repository,) = re.findall(r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/", readme)
    install = f"`%pip install git+https://github.com/{repository}`"
    for path in NOTEBOOKS:
        first = markdown(path)[0]
        for words in ("*Run → Run All Cells*", "“Error displaying widget”", install):
            assert words in first, path.name


def test_the_tables_of_lessons_are_complete():
    for page in (START, ROOT / "README.md"):
        text = page.read_text("utf-8")
        for lesson in LESSONS:
            assert lesson.name in text
            title = markdown(lesson)[0].partition("\n")[0].removeprefix("# ")
            assert title in text
            minutes = re.search(r"\*Time\*: (\d+) minutes", markdown(lesson)[0])[1]
            assert re.search(rf"{re.escape(lesson.name)}.*\| {minutes} \|", text)


def test_the_table_of_the_package_is_complete():
    readme = (ROOT / "README.md").read_text("utf-8")
    package = ROOT / "mha_utils"
    rooms = [*package.glob("[!_]*.py"), *package.glob("*/__init__.py")]
    for room in [*rooms, *package.glob("*.js")]:
        assert f"({room.relative_to(ROOT)})" in readme


def test_each_new_term_is_in_the_glossary():
    """A term is bold where it is explained first; bold sentences begin with a capital.

    A number, an instruction or a heading of a paragraph is no term.
    """
    glossary = "\n".join(markdown(START)).partition("## Glossary")[2]
    terms = re.findall(r"^\| ([^|]+?) \|", glossary, re.M)
    for lesson in LESSONS:
        opening, *rest = markdown(lesson)
        for term in re.findall(r"\*\*([a-z][a-z -]+)\*\*", "\n".join(rest)):
            assert term in terms, f"{term} of {lesson.name}"


def test_the_glossary_is_sorted_and_names_lessons_that_use_the_term():
    glossary = "\n".join(markdown(START)).partition("## Glossary")[2]
    for table in re.findall(r"(?:^\|.*\n?)+", glossary, re.M):
        rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
        terms = [term for term, *_ in rows]
        assert terms == sorted(terms)
        for term, _, number in rows:
            lesson = next(path for path in LESSONS if int(path.name[:2]) == int(number))
            used = re.sub(r"(e|)$", "", term.split()[0].partition("-")[0])
            assert used.lower() in "\n".join(markdown(lesson)).lower(), (
                f"{term}: {number}"
            )


@pytest.mark.parametrize("path", READ + PAGES, ids=lambda path: path.name)
def test_spelling(path, tmp_path):
    (tmp_path / "text.txt").write_text(prose(path), "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *NAMES, tmp_path / "text.txt"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_sentences_are_short(path):
    """At most 35 words in any, at most 14 on average; and no "simply"."""
    text = re.sub(r"^[|#].*|^[-\d*].*?\*\*", "", prose(path), flags=re.M)
    sentences = [
        sentence.split()
        for line in text.splitlines()
        for sentence in re.split(r"(?<=[.?!:])\s", line)
        if sentence.strip()
    ]
    lengths = [len(sentence) for sentence in sentences]
    longest = " ".join(max(sentences, key=len))
    assert max(lengths) <= 35, longest
    assert sum(lengths) / len(lengths) <= 14
    assert not re.search(r"\b(simply|obviously|trivially|of course)\b", text)
