"""Put single faults into the package, and see whether the tests notice.

Run with `python tests/tools/mutate.py [--sample N] [--own] [module ...]`, where a
process can fork. For each module, and each file of JavaScript, it draws N faults with a
fixed seed, puts one at a time into a clone of the last commit, and runs the tests that
know the module, and then (but for `--own`) the lessons, whose outputs are stored. It
prints the share noticed, and the faults that were not. That the tests pass without a
fault is tried first.
"""

import argparse
import ast
import importlib
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADS = ".github/site/_static/heads.js"


def names_in(room: str, ending: str = "py") -> list[str]:
    """Return the modules of a package in the package."""
    files = (ROOT / "mha_utils" / room).glob(f"[!_]*.{ending}")
    return sorted(path.stem for path in files)


def file_of(module: str) -> str:
    """Return where a module is, from the course's root."""
    return module if module.endswith(".js") else f"mha_utils/{module}.py"


def tests_of(module: str) -> list[str]:
    """Return where a module's own tests are: folders, files, and its examples."""
    folders = [f"tests/{name}" for name in TESTS[module]]
    paths = [
        it if (ROOT / it).is_dir() else f"tests/test_{it[6:]}.py" for it in folders
    ]
    return paths if module.endswith(".js") else [*paths, file_of(module)]


# The module's own tests: files tests/test_NAME.py, or a folder of them.
TESTS = {
    "attention": ["attention"],
    "guards": ["attention"],
    "maps": ["maps"],
    "text": ["text"],
    "lexicon": ["lexicon", "sentences"],
    "sentences": ["sentences"],
    "grammar": ["grammar", "training"],
    "vocabulary": ["vocabulary"],
    "scores": ["scores", "pretrained"],
    "training": ["training", "decoder"],
    "decoder": ["decoder"],
    "checks": ["checks"],
    **{f"exercises/{name}": ["checks"] for name in names_in("exercises")},
    "picture": ["heatmaps"],
    "lettering": ["heatmaps"],
    "heatmaps": ["heatmaps"],
    "diagram": ["diagram"],
    "explorer": ["explorer", "explorer_page"],
    "controls": ["controls", "lessons_in_browser"],
    "widgets": ["controls", "lessons_in_browser"],
    "training_panel": ["training_panel", "lessons_in_browser"],
    "decoder_panel": ["decoder_panel"],
    "pretrained/__init__": ["pretrained"],
    **{f"pretrained/{name}": ["pretrained"] for name in names_in("pretrained")},
    "pretrained/own": ["pretrained", "own_model"],
    "page/__init__": ["explorer_js", "live"],
    "offline": ["offline"],
    "data/__init__": ["data"],
    **{
        f"mha_utils/page/{name}.js": ["explorer_js", "explorer_page", "alone", "live"]
        for name in names_in("page", "js")
    },
    "mha_utils/page/alone.js": ["alone"],
    HEADS: ["live"],
}
LESSONS = [  # with the docstrings' examples; compared in text and picture
    "mha_utils",
    "tests/test_notebooks.py::test_stored_outputs_are_fresh",
    "tests/test_notebooks.py::test_figures_look_as_they_are_stored",
]
SWAPS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=",
    ast.NotEq: "==", ast.In: "not in", ast.NotIn: "in", ast.Is: "is not",
    ast.IsNot: "is", ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*",
    ast.FloorDiv: "*", ast.Mod: "*", ast.Pow: "*", ast.BitAnd: "|", ast.BitOr: "&",
    ast.And: "or", ast.Or: "and",
}  # fmt: skip


def faults(source: str) -> Iterator[tuple[int, int, str]]:
    """Yield where in the encoded source a fault goes: start, end, what is put there."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def begin(node) -> int:
        return starts[node.lineno - 1] + node.col_offset

    def end(node) -> int:
        return starts[node.end_lineno - 1] + node.end_col_offset

    def inside(node) -> Iterator[ast.AST]:
        """Walk through what runs: no types, no texts."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                    yield child
                    yield from inside(child)

    code = source.encode()
    for node in inside(ast.parse(source)):
        match node:
            case ast.Compare(left, [kind, *_], [right, *_]) | ast.BinOp(
                left, kind, right
            ) if type(kind) in SWAPS:
                between = code[end(left) : begin(right)].decode()
                kept = "".join(c for c in between if c in "()")
                if "#" not in between and not kept:
                    yield end(left), begin(right), f" {SWAPS[type(kind)]} "
            case ast.BoolOp(kind, [left, right, *_]):
                if code[end(left) : begin(right)].strip() in (b"and", b"or"):
                    yield end(left), begin(right), f" {SWAPS[type(kind)]} "
            case ast.UnaryOp(ast.Not(), operand):
                yield begin(node), begin(operand), ""
            case ast.Constant(bool() as value):
                yield begin(node), end(node), str(not value)
            case ast.Constant(int() | float() as value):
                yield begin(node), end(node), str(value + 1)
            case ast.Return(ast.AST() as value) if ast.unparse(value) != "None":
                yield begin(value), end(value), "None"
            case ast.If(test=test):
                yield (
                    begin(test),
                    end(test),
                    f"not ({code[begin(test) : end(test)].decode()})",
                )
            case ast.Expr(ast.Call()) | ast.Raise() | ast.AugAssign():
                yield begin(node), end(node), "pass"
            case ast.Call(keywords=[ast.keyword(arg=str()) as keyword, *_]):
                rest = code[end(keyword) :].lstrip()
                if rest[:1] in (b",", b")"):
                    more = len(code) - end(keyword) - len(rest) + (rest[:1] == b",")
                    yield begin(keyword), end(keyword) + more, ""


JS_SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "===": "!==", "!==": "===", "+": "-",
    "-": "+", "*": "/", "/": "*", "&&": "||", "||": "&&",
}  # fmt: skip
JS_TEXTS = re.compile(  # what is no code: comments, texts, patterns
    r"""//.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"""
    r"""|(?<=[(,=:!?\[ ])/(?![/* ])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*"""
)
JS_FAULTS = (  # where a fault fits, and what it puts there
    (r" (<=?|>=?|[!=]==|[-+*/]|&&|\|\|) ", lambda was: f" {JS_SWAPS[was.strip()]} "),
    (r"\b(?:true|false)\b", lambda was: "false" if was == "true" else "true"),
    (r"(?<![\w.#$])\d+(?:\.\d+)?(?![\w.])", lambda was: str(float(was) + 1)),
    (r"(?<=\) )return\b[^;{}]*;", lambda was: ";"),
    (r"(?<=\bif )\((?:[^()]|\([^()]*\))*\)", lambda was: f"(!{was})"),
    (r"(?m)(?<=^ )\s*[\w.?]+\([^(){};]*\);$", lambda was: ";"),
)


def faults_in_javascript(source: str) -> Iterator[tuple[int, int, str]]:
    """Yield where in the encoded source a fault goes, as `faults` does."""
    hidden = JS_TEXTS.sub(lambda text: "\n".join(
        "@" * len(line) for line in text[0].split("\n")), source)  # fmt: skip
    for pattern, change in JS_FAULTS:
        for found in re.finditer(pattern, hidden):
            start, end = found.span()
            begin = len(source[:start].encode())
            was = source[start:end]
            yield begin, begin + len(was.encode()), change(was)


def put(source: str, fault: tuple[int, int, str]) -> bytes:
    """Return the encoded source with the fault in it."""
    start, end, text = fault
    code = source.encode()
    return code[:start] + text.encode() + code[end:]


def valid(source: str, fault: tuple[int, int, str]) -> bool:
    """Return whether Python would read it at all."""
    try:
        ast.parse(put(source, fault))
    except SyntaxError:
        return False
    return True


def run(course: Path, paths: list[str]) -> None:
    """Run tests in a process of its own; it ends with 0 if they pass."""
    os.setsid()  # what the tests start can be ended with them
    os.chdir(course)
    sys.path.insert(0, str(course))
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    options = ["-xq", "--numprocesses=0", "-p", "no:cacheprovider"]
    os._exit(int(pytest.main([*options, *paths])))


def fails(course: Path, paths: list[str]) -> bool:
    """Run tests; a fault that makes them hang is noticed, too."""
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=run, args=(course, paths))
    process.start()
    process.join(900)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode != 0


def main() -> None:
    """Print the table and the survivors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--own", action="store_true", help="without the lessons")
    arguments = parser.parse_args()
    lessons = [] if arguments.own else [LESSONS]
    # Loaded once, for all processes: what does not change.
    for library in (
        "numpy",
        "matplotlib.pyplot",
        "ipywidgets",
        "anywidget",
        "nbformat",
    ):
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        os.environ["PYTHONPATH"], os.environ["OPENBLAS_NUM_THREADS"] = str(course), "1"
        # Two faults of one length, within a second, would look like one to Python.
        os.environ["PYTHONDONTWRITEBYTECODE"], sys.dont_write_bytecode = "1", True
        subprocess.run(["git", "clone", "-q", ROOT, course], check=True)
        if lessons and fails(course, LESSONS):
            sys.exit("The lessons' tests fail without any fault.")
        for module in arguments.modules:
            tests = tests_of(module)
            if fails(course, tests):
                sys.exit(f"The tests of {module} fail without any fault.")
            path = course / file_of(module)
            source = path.read_text("utf-8")
            if path.suffix == ".js":
                every = sorted(set(faults_in_javascript(source)))
            else:
                every = [it for it in sorted(set(faults(source))) if valid(source, it)]
            some = random.Random(0).sample(every, min(arguments.sample, len(every)))
            survivors = []
            for start, end, text in some:
                path.write_bytes(put(source, (start, end, text)))
                if not any(fails(course, paths) for paths in [tests, *lessons]):
                    line = source.encode()[:end].count(b"\n") + 1
                    was = source.encode()[start:end].decode()
                    survivors.append(f"  line {line}: {was!r} -> {text!r}")
            path.write_bytes(source.encode())
            caught = len(some) - len(survivors)
            print(f"{module:20}{caught:4} of {len(some)}, of {len(every)} possible")
            print(*survivors, sep="\n", end="\n" * bool(survivors), flush=True)


if __name__ == "__main__":
    main()
