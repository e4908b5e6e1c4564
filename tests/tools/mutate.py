"""Put single faults into the package, and see whether the tests notice.

Run with `python tests/tools/mutate.py [--sample N] [module ...]`. For each module it
draws N faults with a fixed seed, puts one at a time into a clone of the last commit,
and runs the tests that know the module, and then the lessons, whose outputs are stored.
It prints the share noticed, and the faults that were not. That the tests pass without a
fault is tried first.
"""

import argparse
import ast
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def names_in(room: str) -> list[str]:
    """Return the modules of a package in the package."""
    return sorted(path.stem for path in (ROOT / "mha_utils" / room).glob("[!_]*.py"))


def tests_of(name: str) -> str:
    """Return where the tests of this name are: a folder, or a file."""
    folder = ROOT / "tests" / name
    return f"tests/{name}" if folder.is_dir() else f"tests/test_{name}.py"


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
    "training_panel": ["training_panel", "lessons_in_browser"],
    "decoder_panel": ["decoder_panel"],
    **{f"pretrained/{name}": ["pretrained"] for name in names_in("pretrained")},
    "offline": ["offline"],
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


def fails(course: Path, paths: list[str]) -> bool:
    """Run tests; a fault that makes them hang is noticed, too."""
    command = [sys.executable, "-m", "pytest", "-xq", "--numprocesses=0"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(course),
        "OPENBLAS_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            [*command, *paths],
            cwd=course,
            env=environment,
            capture_output=True,
            timeout=900,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main() -> None:
    """Print the table and the survivors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--sample", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        subprocess.run(["git", "clone", "-q", ROOT, course], check=True)
        if fails(course, LESSONS):
            sys.exit("The lessons' tests fail without any fault.")
        for module in arguments.modules:
            tests = [tests_of(name) for name in TESTS[module]]
            if fails(course, tests):
                sys.exit(f"The tests of {module} fail without any fault.")
            path = course / "mha_utils" / f"{module}.py"
            source = path.read_text("utf-8")
            every = [
                fault for fault in sorted(set(faults(source))) if valid(source, fault)
            ]
            some = random.Random(0).sample(every, min(arguments.sample, len(every)))
            survivors = []
            for start, end, text in some:
                path.write_bytes(put(source, (start, end, text)))
                if not (fails(course, tests) or fails(course, LESSONS)):
                    line = source.encode()[:end].count(b"\n") + 1
                    was = source.encode()[start:end].decode()
                    survivors.append(f"  line {line}: {was!r} -> {text!r}")
            path.write_bytes(source.encode())
            caught = len(some) - len(survivors)
            print(f"{module:20}{caught:4} of {len(some)}, of {len(every)} possible")
            print(*survivors, sep="\n", end="\n" * bool(survivors), flush=True)


if __name__ == "__main__":
    main()
