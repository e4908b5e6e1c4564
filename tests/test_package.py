"""The package as others install it: complete, outside the checkout, light to import."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import mutate
import pytest

from mha_utils.page import MODULES, front_end, read

ROOT = Path(__file__).parents[1]
MADE = ("__pycache__", ".ipynb_checkpoints")  # by Python and JupyterLab, as they run


def files(folder):
    """Return the paths of the package's files, as a wheel writes them."""
    return {
        path.relative_to(folder).as_posix()
        for path in (folder / "mha_utils").rglob("*")
        if path.is_file() and not set(MADE) & set(path.parts)
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Unpack the wheel, built from a copy of the sources, into a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(
        ROOT / "mha_utils",
        source / "mha_utils",
        ignore=shutil.ignore_patterns(*MADE),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "from setuptools.build_meta import build_wheel; build_wheel('.')"  # as pip
    made = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = source.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(code, path, cwd=None):
    """Run code in a new Python that finds the package in `path` alone.

    Where it can be so, texts without a named encoding are ASCII there.
    """
    ascii_texts = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **ascii_texts, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_wheel_holds_every_file_of_the_package(installed):
    assert files(installed) == files(ROOT)
    kinds = {Path(name).suffix for name in files(installed)}
    assert kinds >= {".py", ".js", ".css", ".csv", ".npz", ".txt"}


def test_the_package_works_outside_the_checkout(installed, tmp_path):
    code = """if True:
        import contextlib, io, json, pkgutil, sys
        from importlib import import_module
        import mha_utils
        for module in pkgutil.walk_packages(mha_utils.__path__, "mha_utils."):
            import_module(module.name)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            mha_utils.checks.check("weights", lambda query, key: query @ key.T)
        widget = mha_utils.explorer.Explorer(mha_utils.sentences.attend, "The cat sat")
        loaded = {
            name: module.__file__
            for name, module in sys.modules.items()
            if name.partition(".")[0] == "mha_utils"
        }
        print(json.dumps([loaded, said.getvalue(), widget._esm, widget._css]))
    """
    loaded, said, esm, css = run(code, installed, cwd=tmp_path)
    for name, path in loaded.items():  # an editable install would step in
        assert Path(path).is_relative_to(installed), name
    modules = [name for name in files(ROOT) if name.endswith(".py")]
    assert len(loaded) == len(modules)
    assert said.startswith("Not yet")
    assert (esm, css) == (front_end(), read("explorer.css"))


def test_a_module_of_the_page_imports_what_it_uses():
    known = {}  # what is exported: the module that exports it
    for module in MODULES:
        code = read(f"{module}.js")
        imports = re.findall(r'(?m)^import {([^}]*)} from "./(.*).js";\n', code)
        imported = {}
        for names, origin in imports:
            imported |= dict.fromkeys(re.findall(r"\w+", names), origin)
        body = re.sub(r'(?m)^import [^;]*;|//.*|"[^"\n]*"', "", code)
        used = {
            name: origin
            for name, origin in known.items()
            if re.search(rf"(?<!\w)(?<!\w\.){name}\b(?!:)", body)
        }
        assert imported == used, module
        exported = re.findall(r"(?m)^export .*?(\w+)(?: =|\()", code)
        known |= dict.fromkeys(exported, module)


def loaded_by(statement):
    """Return the names of all modules that a statement loads."""
    code = f"""if True:
        import json, sys
        before = set(sys.modules)
        {statement}
        print(json.dumps(sorted(set(sys.modules) - before)))
    """
    return set(run(code, ROOT))


def test_importing_the_package_loads_numpy_alone():
    families = {name.partition(".")[0] for name in loaded_by("import mha_utils")}
    assert families - sys.stdlib_module_names == {"mha_utils", "numpy"}


def test_a_lesson_that_only_predicts_loads_no_trainer_and_no_explorer():
    loaded = loaded_by("from mha_utils.controls import predict")
    assert "mha_utils.controls" in loaded
    assert not loaded & {"mha_utils.training", "mha_utils.explorer"}


PROGRAMS = [
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "tests").glob("*/*.py"))
    if "ArgumentParser" in path.read_text("utf-8")
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_starts_as_the_readme_runs_it(program):
    said = subprocess.run(
        [sys.executable, program, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr


def test_faults_are_drawn_in_every_module():
    code = {
        path.relative_to(ROOT / "mha_utils").with_suffix("").as_posix()
        for path in (ROOT / "mha_utils").rglob("*.py")
        if "def " in path.read_text("utf-8")
    }
    scripts = [*(ROOT / "mha_utils").rglob("*.js"), ROOT / mutate.HEADS]
    code |= {path.relative_to(ROOT).as_posix() for path in scripts}
    assert set(mutate.TESTS) == code
    source = (ROOT / mutate.HEADS).read_text("utf-8")
    faults = {text for *_, text in mutate.faults_in_javascript(source)}
    assert {";", " < ", " || ", " - ", " * ", " !== ", "1.0"} <= faults
