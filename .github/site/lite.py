"""Put JupyterLite into the website: every lesson runs in the reader's browser.

Python there is Pyodide. It, the packages and the course's own are served from the
website itself, and nothing else is asked for.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from packaging.utils import canonicalize_name
from pyodide_lock import PyodideLockSpec
from pyodide_lock.utils import add_wheels_to_spec

from mha_utils.pretrained import NoModelError, find_files
from mha_utils.pretrained.website import halved, write_parts

RUNTIME = "pyodide.mjs pyodide.js pyodide.asm.js pyodide.asm.wasm python_stdlib.zip"
# What Pyodide 0.27.7 has compiled or as it needs it, and with it what that depends on.
COMPILED = "numpy matplotlib ipython jedi"
# What it lacks, in Python alone. The kernel's package manager needs a newer micropip
# than Pyodide has, which is content with Pyodide's Python.
ADDED = (
    "ipywidgets anywidget psygnal comm jupyterlab_widgets typing_extensions "
    "threadpoolctl micropip==0.10.0"
)
KERNEL = "piplite pyodide_kernel ipykernel widgetsnbextension"
LATER = "fonttools"  # is fetched when a cell imports it; Matplotlib writes PDF with it
UNUSED = "pytz matplotlib-pyodide"  # though Pyodide's Matplotlib asks for them
# What is not read in the rest: files for JupyterLab, which has its own, samples, fonts
# for PDF, what is for Fortran and C, and pictures of other kinds. The kernel asks for
# Jedi by its name; without what is in it IPython completes names by itself.
NEEDLESS = re.compile(
    r"\.data/|/labextension/|^(jedi|parso)/"
    r"|/mpl-data/(sample_data|fonts/(afm|pdfcorefonts))/|^numpy/(f2py|.*include)/"
    r"|^PIL/_(imagingft|imagingmath|imagingmorph|imagingtk|webp)\."
)
# Modules that nothing imports by itself: compiled they are larger.
UNCOMPILED = r"/pygments/lexers/(?!_|python)"
# Seen from Python's own address, lite/extensions/@jupyterlite/.../static/....js
MODEL = "../../../../static/model"
SHARED = Path(sys.prefix, "share", "jupyter", "labextensions")
EXTENSIONS = (
    "@jupyterlite/pyodide-kernel-extension",
    "@jupyter-widgets/jupyterlab-manager",
    "anywidget",
)


def add_lite(out: Path, course: Path, pyodide: Path) -> None:
    """Fill `out` with JupyterLite, from the course's files and Pyodide's."""
    folder = course.parent / "lite"
    served = folder / "static" / "pyodide"
    served.mkdir(parents=True)
    packages = _add_packages(served, course, pyodide)
    model = _small_model()
    kernel = {
        "pyodideUrl": "./static/pyodide/pyodide.mjs",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {
            "packages": packages,
            "env": {"MHA_UTILS_WEBSITE_MODEL": MODEL} if model else {},
        },
    }
    data = {
        "appName": "See multi-head attention work",
        "faviconUrl": "./icon.svg",  # its own has 319 kB
        "exposeAppInBrowser": True,  # for notice.js and the tests
        "showLoadingIndicator": True,
        # Else every lesson opened before is opened again, with a Python of its own.
        "enableMemoryStorage": True,
        "workspacesStorageDrivers": ["memoryStorageDriver"],
        "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
    }
    (folder / "jupyter-lite.json").write_text(
        json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": data})
    )
    extensions = [str(SHARED / name) for name in EXTENSIONS]
    config = {
        "apps": ["lab"],
        "ignore_sys_prefix": True,
        "federated_extensions": extensions,
        "extra_ignore_contents": [r"\.npz$"],  # Python has them in its package
    }
    (folder / "jupyter_lite_config.json").write_text(
        json.dumps({"LiteBuildConfig": config})
    )
    command = [sys.executable, "-m", "jupyter", "lite", "build"]
    command += ["--lite-dir", folder, "--contents", course, "--output-dir", out]
    command += ["--no-sourcemaps", "--no-unused-shared-packages"]
    _run(*command, cwd=folder)
    here = Path(__file__).parent
    shutil.copy(here / "notice.js", out)
    shutil.copy(here / "_static" / "icon.svg", out)
    worker = out / "service-worker.js"
    first = (here / "no_network.js").read_text("utf-8")  # who listens first may answer
    worker.write_text(first + worker.read_text("utf-8"), "utf-8")
    page = out / "lab" / "index.html"
    head, tag, rest = page.read_text("utf-8").partition("<head>")
    if not tag:
        raise SystemExit(f"{page} has no <head> for notice.js.")
    script = '<script src="../notice.js"></script>'
    page.write_text(f"{head}{tag}\n    {script}{rest}", "utf-8")
    if model:
        write_parts(model, out / "static" / "model")


def _add_packages(served: Path, course: Path, pyodide: Path) -> list[str]:
    """Copy the runtime and the packages, write their lock, and name them."""
    lock = PyodideLockSpec.from_json(pyodide / "pyodide-lock.json")
    kept: dict = {}
    wanted = COMPILED.split()
    while wanted:
        name = canonicalize_name(wanted.pop())
        kept[name] = lock.packages[name]
        wanted += set(kept[name].depends) - {*kept, *UNUSED.split()}
    compiled = [known.file_name for known in kept.values()]
    for name in RUNTIME.split() + compiled:
        shutil.copy(pyodide / name, served)
    pip = [sys.executable, "-m", "pip", "-q"]
    package = shutil.copytree(course, course.parent / "package")  # pip writes there
    _run(*pip, "wheel", "--no-deps", "-w", served, package)
    _run(
        *(*pip, "download", "--no-deps", "--only-binary=:all:", "--platform=any"),
        *("--python-version=3.12", "--ignore-requires-python", "-d", served),
        *ADDED.split(),
    )
    kernel = SHARED / "@jupyterlite" / "pyodide-kernel-extension" / "static" / "pypi"
    for name in KERNEL.split():
        shutil.copy(sorted(kernel.glob(f"{name}-*.whl"))[-1], served)
    wheels = [path for path in served.glob("*.whl") if path.name not in compiled]
    lock.packages = kept
    lock = add_wheels_to_spec(lock, sorted(wheels), served)
    _lighten(served, lock.info.python)
    preloaded = lock.packages.keys() - LATER.split()
    for known in lock.packages.values():
        known.depends = sorted(preloaded & set(map(canonicalize_name, known.depends)))
        data = (served / known.file_name).read_bytes()
        known.sha256 = hashlib.sha256(data).hexdigest()
    lock.to_json(served / "pyodide-lock.json")
    return sorted(preloaded)


def _lighten(served: Path, version: str) -> None:
    """Leave out of the archives what is not read, and compile what is Python.

    Python starts in the browser in half the time when it need not compile.
    """
    name = "python" + ".".join(version.split(".")[:2])
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    python = shutil.which(name, path=places)
    # A manager of Pythons may have the name alone.
    if python and subprocess.run([python, "--version"], capture_output=True).returncode:
        python = None
    if python is None:
        print(f"There is no {name} here: Python in the lessons will start more slowly.")
    for archive in (*served.glob("*.whl"), served / "python_stdlib.zip"):
        is_wheel = archive.suffix == ".whl"
        there = f"{name}/site-packages" if is_wheel else name.replace(".", "") + ".zip"
        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(archive, folder, "zip")
            if python:
                how = ["-q", "-s", folder, "-p", f"/lib/{there}", "-x", UNCOMPILED]
                if not archive.name.startswith("mha_utils"):  # whose source is shown
                    how.append("-b")
                how.append("--invalidation-mode=unchecked-hash")
                _run(python, "-m", "compileall", *how, folder)
            with ZipFile(archive, "w", ZIP_DEFLATED) as light:
                for path in sorted(filter(Path.is_file, Path(folder).rglob("*"))):
                    inside = path.relative_to(folder).as_posix()
                    twice = path.suffix == ".py" and path.with_suffix(".pyc").exists()
                    if not twice and not NEEDLESS.search(inside):
                        info = ZipInfo(inside)  # of no date: same files, same archive
                        light.writestr(info, path.read_bytes(), ZIP_DEFLATED, 9)


def _small_model() -> dict | None:
    """Return the files of lesson 7's model, its weights rounded, or None."""
    try:
        files = find_files()
    except NoModelError as error:
        print(f"{error}\nThe website is built without it: stored answers stand in.")
        return None
    return files | {"model.safetensors": halved(files["model.safetensors"])}


def _run(*command: object, cwd: Path | None = None) -> None:
    ran = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if ran.returncode:
        raise SystemExit(ran.stdout.decode(errors="replace"))
