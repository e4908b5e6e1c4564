"""The folder for rooms without internet: what is in it, what is said when it cannot be
made, and the course installed from it and run with the network cut off.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from lessons import CUT_OFF, all_widgets, can_cut_off
from refresh import ROOT, to_text

from mha_utils import offline
from mha_utils.pretrained import SHA256, NoModelError

LOOK_OUT = """
import errno, socket
print([name for _, name in socket.if_nameindex()])
for address in ("1.1.1.1", "8.8.8.8"):
    with socket.socket() as there:
        there.settimeout(10)
        print(errno.errorcode.get(there.connect_ex((address, 443))))
"""
IMPORT_ALL = """
import importlib, pathlib, mha_utils
folder = pathlib.Path(mha_utils.__file__).parent
for module in folder.rglob("*.py"):
    name = ".".join(module.relative_to(folder.parent).with_suffix("").parts)
    importlib.import_module(name.removesuffix(".__init__"))
print(folder)
"""
ASK_MODEL = """
from mha_utils import pretrained
print(pretrained.load().attend("The cat sat").weights.shape)
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Stand in for the repository, pip and the model; return what pip was asked."""
    source = tmp_path / "repository"
    (source / "mha_utils").mkdir(parents=True)
    (source / "notebooks" / ".ipynb_checkpoints").mkdir(parents=True)
    (source / "notebooks" / "01.ipynb").write_text("{}")
    (source / "tests" / "__pycache__").mkdir(parents=True)
    (source / "tests" / "test.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).touch()
    text = "# Why.\n-e .\njupyterlab>=4.4\n"
    (source / "requirements.txt").write_text(text)
    monkeypatch.setattr(offline, "ROOT", source)
    monkeypatch.setattr(offline, "find_files", lambda: dict.fromkeys(SHA256, b"{}"))
    asked = []

    def pip(command, cwd, **_):
        asked.append(command)
        assert (cwd / "mha_utils").is_dir() and (cwd / "requirements.txt").is_file()
        wheels = Path(command[command.index("--wheel-dir") + 1])
        wheels.mkdir()
        (wheels / "mha_utils.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    return asked


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that runs the command for a folder and returns what it says."""

    def make(folder):
        monkeypatch.setattr(sys, "argv", ["offline", str(folder)])
        with pytest.raises(SystemExit) as stopped:
            offline.main()
        return str(stopped.value)

    return make


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def contents(folder):
    """Return the bytes of every file, but for what Python and Jupyter keep aside."""
    files = {p.relative_to(folder): p for p in folder.rglob("*") if p.is_file()}
    aside = (".", "__pycache__")
    return {
        name.as_posix(): path.read_bytes()
        for name, path in files.items()
        if not any(part.startswith(aside) for part in name.parts)
    }


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_folder_holds_what_a_room_needs(course, tmp_path, monkeypatch, capsys, there):
    folder = tmp_path / "deep" / "room"
    if there:
        folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["offline", str(folder)])
    offline.main()
    assert names(folder.parent) == [
        "room",
        "room/README.md",
        "room/README.txt",
        "room/mha_utils",
        "room/model",
        *(f"room/model/{name}" for name in sorted(SHA256)),
        "room/notebooks",
        "room/notebooks/01.ipynb",
        "room/requirements.txt",
        "room/tests",
        "room/tests/test.py",
        "room/wheels",
        "room/wheels/mha_utils.whl",
    ]
    needed = (folder / "requirements.txt").read_text("utf-8")
    assert needed == "mha_utils\njupyterlab>=4.4\n"
    said = (folder / "README.txt").read_text("utf-8")
    scripts = r".venv\Scripts" + "\\" if sys.platform == "win32" else ".venv/bin/"
    assert "--no-index --find-links wheels -r requirements.txt" in said
    assert said.count(f"    {scripts}") == 2
    assert "{}.{}".format(*sys.version_info) in said
    assert "folder model" in said
    said = capsys.readouterr().out
    assert "Collecting the packages" in said and f"{folder} is ready (0 MB)" in said


def test_folder_is_made_without_the_model(course, tmp_path, monkeypatch, capsys):
    def find_files():
        raise NoModelError("The model could not be had.")

    monkeypatch.setattr(offline, "find_files", find_files)
    folder = tmp_path / "room"
    offline.prepare(folder)
    assert not (folder / "model").exists()
    said = capsys.readouterr().out
    assert "could not be had" in said and "without the model" in said
    said = (folder / "README.txt").read_text("utf-8")
    assert "The model of lesson 7 is not in this folder" in said


def test_outside_a_repository_it_is_said(make, tmp_path, monkeypatch):
    monkeypatch.setattr(offline, "ROOT", tmp_path / "site-packages")
    said = make(tmp_path / "room")
    assert "no requirements.txt in" in said and "site-packages" in said
    assert names(tmp_path) == []


def test_what_is_there_is_refused_and_kept(course, make, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").touch()
    before = names(tmp_path)
    for name in ("full", "full/thesis.txt", "file"):
        assert f"{name} exists and is not empty. Name a new" in make(tmp_path / name)
    assert names(tmp_path) == before and not course


def test_without_a_network_it_is_said(make, tmp_path, monkeypatch):
    """Let the real pip look where there is nothing."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    said = make(tmp_path / "room")
    assert "connection to the internet" in said
    assert "No matching distribution found for setuptools" in said
    assert names(tmp_path) == []
    monkeypatch.setenv("https_proxy", "http://ann:secret@proxy.school:8080")
    said = make(tmp_path / "room")
    assert "downloads go through the proxy http://proxy.school:8080" in said
    assert "secret" not in said


def test_a_pip_that_cannot_start_is_quoted(course, make, tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "No module named pip")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    assert "pip says:\nNo module named pip" in make(tmp_path / "room")


def test_a_folder_that_cannot_be_written_is_named(course, make, tmp_path):
    (tmp_path / "file").touch()
    said = make(tmp_path / "file" / "room")
    assert f"{tmp_path / 'file' / 'room'} cannot be written: " in said


@pytest.mark.parametrize(
    "error, said",
    [(OSError(28, "No space left on device"), "written: .*No space"), (None, None)],
    ids=["disk full", "interrupted"],
)
def test_what_is_not_finished_is_not_kept(
    course, make, tmp_path, monkeypatch, error, said
):
    before = names(tmp_path)

    def break_off():
        (place,) = tmp_path.glob("room*")  # what a power cut would leave
        assert place.name.startswith("room.unfinished-")
        raise error or KeyboardInterrupt

    monkeypatch.setattr(offline, "find_files", break_off)
    if error:
        assert re.search(said, make(tmp_path / "room"))
    else:
        with pytest.raises(KeyboardInterrupt):
            offline.prepare(tmp_path / "room")
    assert names(tmp_path) == before
    monkeypatch.setattr(offline, "find_files", dict)
    offline.prepare(tmp_path / "room")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Make the folder with the command that README.md names, connected."""
    if not can_cut_off():
        # Not even where CI is set is this a failure: a container may forbid it for
        # good. Where it can be allowed, .github/workflows/ci.yml does and checks it.
        pytest.skip("this machine does not let `unshare -rn` cut the network off")
    folder = tmp_path_factory.mktemp("offline") / "room"
    command = "python -m mha_utils.offline"
    assert f"{command} " in (ROOT / "README.md").read_text("utf-8")
    command = [sys.executable, *command.split()[1:], folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def cut_off(room):
    """Return a function that runs a command in the folder, without network or home."""
    home = room.parent / "home"
    home.mkdir()
    environment = {
        "PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin",
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,  # which may name folders with wheels
        "PIP_NO_COMPILE": "1",  # most of what is installed is never imported
        "OPENBLAS_NUM_THREADS": "1",  # threads that wait for a busy machine: 4 x slower
    }

    def run(command):
        done = subprocess.run(
            [*CUT_OFF, *command],
            cwd=room,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    return run


def test_course_runs_without_a_network(room, cut_off):
    """Type what README.txt says, then show the widgets of all lessons."""
    assert cut_off([sys.executable, "-c", LOOK_OUT]).split() == [
        "['lo']",
        "ENETUNREACH",
        "ENETUNREACH",
    ]
    said = (room / "README.txt").read_text("utf-8")
    *install, start = re.findall("^    (.+)$", said, re.M)
    assert any("pip install --no-index" in command for command in install)
    for command in install:
        cut_off(shlex.split(command))
    assert "No broken requirements" in cut_off([".venv/bin/pip", "check"])
    assert cut_off([*shlex.split(start), "--version"])

    python = ".venv/bin/python"  # with -P, as JupyterLab: what is here is to be read
    package = Path(cut_off([python, "-P", "-c", IMPORT_ALL]).strip())
    assert package.is_relative_to(room / ".venv")
    assert contents(package) == contents(ROOT / "mha_utils")
    assert contents(room / "notebooks") == contents(ROOT / "notebooks")
    for page in (room / "notebooks").iterdir():
        if page.suffix in (".ipynb", ".md"):
            for link in re.findall(r"\]\((\.\./[^)#]+)", page.read_text("utf-8")):
                assert (page.parent / link).exists(), f"{link} in {page.name}"
    (room / "notebooks" / "widgets.ipynb").write_text(to_text(all_widgets()), "utf-8")
    refresh = ROOT / "tests" / "tools" / "refresh.py"
    cut_off([python, refresh, "--check", "notebooks/widgets.ipynb"])
    assert cut_off([python, "-P", "-c", ASK_MODEL]) == "(6, 12, 5, 5)\n"
