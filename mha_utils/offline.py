"""Fill a folder from which the course installs and runs without any network.

Run ``python -m mha_utils.offline FOLDER`` in a copy of the repository. The folder is
for machines with the system and the version of Python that it was made with.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mha_utils.pretrained import NoModelError, find_files
from mha_utils.pretrained.download import proxy_in_use, what_pip_says

ROOT = Path(__file__).parent.parent
SOURCES = "pyproject.toml README.md LICENSE requirements.txt mha_utils".split()
LINKED = "README.md mha_utils tests".split()  # what links in the notebooks lead to
VERSION = "{}.{}".format(*sys.version_info)
PYTHON, SCRIPTS = f"python{VERSION}", ".venv/bin/"
if sys.platform == "win32":
    PYTHON, SCRIPTS = f"py -{VERSION}", ".venv\\Scripts\\"
README = f"""\
A course on multi-head attention, for rooms without internet.

This folder is for {platform.system()} ({platform.machine()}) with Python {VERSION}.
Copy it to the machine's disk, open a terminal in the copy, and type once:

    {PYTHON} -m venv .venv
    {SCRIPTS}pip install --no-index --find-links wheels -r requirements.txt

Whenever you want to learn, type:

    {SCRIPTS}jupyter lab --notebook-dir=. notebooks/00_start_here.ipynb

JupyterLab opens the start page in your browser.
"""
MODEL = """
The folder model has the model of lesson 7 (all-MiniLM-L6-v2, Apache-2.0). It is found
as long as .venv stands beside it.
"""
NO_MODEL = """
The model of lesson 7 is not in this folder. All other lessons run.
"""


def prepare(folder: Path) -> None:
    """Fill a folder, new or empty, with wheels, notebooks, the model, and a README.

    Raises
    ------
    ValueError
        If this module stands in no copy of the repository, or `folder` is not empty.
    RuntimeError
        If pip cannot have the packages.
    OSError
        If the folder cannot be written.
    """
    if not (ROOT / "requirements.txt").is_file():
        raise ValueError(
            f"There is no requirements.txt in {ROOT}. The folder is made from a copy "
            f"of the course's repository: use the environment of such a copy."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty. Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # It gets its name when it is whole: half a folder is never taken for it.
    unfinished = f"{folder.name}.unfinished-"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=unfinished) as place:
        ready = Path(place, "ready")
        for name in ("notebooks", *LINKED):
            _copy(ROOT / name, ready / name)
        _collect_wheels(ready, Path(place, "source"))
        text = README + _write_model(ready / "model")
        (ready / "README.txt").write_text(text, "utf-8")
        if folder.exists():
            folder.rmdir()  # Windows gives no name that is taken
        ready.rename(folder)


def _copy(path: Path, copy: Path) -> None:
    """Copy a file, or a folder without what programs leave in it."""
    if path.is_dir():
        junk = shutil.ignore_patterns(
            ".*", "*.unfinished-*", "__pycache__", "screenshots"
        )
        shutil.copytree(path, copy, ignore=junk)
    else:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _collect_wheels(ready: Path, source: Path) -> None:
    """Let pip make the course's wheel and fetch all others."""
    # Made from a copy: setuptools packs what earlier versions left in its folder.
    source.mkdir()
    for name in SOURCES:
        _copy(ROOT / name, source / name)
    print("Collecting the packages (100 MB, a minute or more) ...", flush=True)
    command = [sys.executable, "-m", "pip", "wheel", "-r", "requirements.txt"]
    command += ["--wheel-dir", str(ready / "wheels")]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if done.returncode:
        said = "\n".join([what_pip_says(done.stderr), *proxy_in_use()])
        raise RuntimeError(
            "pip cannot have the packages. Is there a connection to the internet, and "
            f"room on the disk? pip says:\n{said}"
        )
    lines = (source / "requirements.txt").read_text("utf-8").splitlines()
    needed = [line for line in lines if not line.startswith("#")]
    text = "\n".join(needed).replace("-e .", "mha_utils") + "\n"
    (ready / "requirements.txt").write_text(text, "utf-8")


def _write_model(target: Path) -> str:
    """Write the verified files, if they can be had; return what to say of them."""
    try:
        files = find_files()
    except NoModelError as error:
        print(f"{error}\nThe folder is made without the model, for the other lessons.")
        return NO_MODEL
    target.mkdir()
    for name, data in files.items():
        (target / name).write_bytes(data)
    return MODEL


def main() -> None:
    """Prepare the folder that the command line names, or say why it cannot be."""
    parser = argparse.ArgumentParser("python -m mha_utils.offline", description=__doc__)
    parser.add_argument("folder", help="a new folder, on a memory stick for instance")
    folder = Path(parser.parse_args().folder).resolve()
    try:
        prepare(folder)
    except (RuntimeError, ValueError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{folder} cannot be written: {error}")
    size = sum(path.stat().st_size for path in folder.rglob("*")) / 1e6
    print(f"{folder} is ready ({size:.0f} MB). README.txt in it says how to install.")


if __name__ == "__main__":
    main()
