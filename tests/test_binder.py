"""What Binder builds, built here without Docker: the same versions, in the same order.

repo2docker, Binder's builder, starts from an environment of its own, whose versions are
in its lock file, and adds what `binder/` says. It is exactly Binder's where the tests
run with the Python of `binder/runtime.txt`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lessons import all_widgets
from refresh import ROOT, to_text

VERSION = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
# What of Binder's environment the course meets. The rest, pip installs as it likes.
BASE = "jupyterlab jupyter_server jupyterlab_widgets ipywidgets ipykernel nbclient"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="repo2docker does not run on Windows"
)


def base_versions():
    """Read the versions of BASE from repo2docker's lock file."""
    import repo2docker

    folder = Path(repo2docker.__file__).parent / "buildpacks" / "conda"
    lock = (folder / f"environment.py-{VERSION}-linux-64.lock").read_text()
    versions = dict(re.findall(r"/([a-z_0-9-]+)-([0-9.]+)-[^-/]*\.conda", lock))
    return {name: versions[name] for name in BASE.split()}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Copy what git would hand out, with the changes not committed yet."""
    folder = tmp_path_factory.mktemp("binder") / "course"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():  # and was not deleted since
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(course):
    """Build the environment; return a function that runs a command in it."""
    prefix = course.parent / "environment"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "JUPYTER"))
    }
    environment["OPENBLAS_NUM_THREADS"] = "1"  # as binder/start has it
    environment["PATH"] = os.pathsep.join([f"{prefix}/bin", os.environ["PATH"]])

    def run(command, *arguments):
        done = subprocess.run(
            [*command.split(), *arguments],
            cwd=course,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
    pins = " ".join(f"{name}=={version}" for name, version in base_versions().items())
    run(f"pip install --no-compile {pins}")
    run("pip install --no-compile -r binder/requirements.txt")
    run("binder/postBuild")
    return run


def test_dockerfile_installs_the_course_after_copying_it(course):
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", course]
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert f"python={VERSION}" in said
    steps = [
        "src/ ${REPO_DIR}/",
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "RUN ./binder/postBuild",
        "binder/start",
    ]
    places = [said.find(step) for step in steps]
    assert -1 not in places, said
    assert places == sorted(places), said


def test_kernel_and_widgets_run_in_what_binder_builds(built, course):
    assert "No broken requirements" in built("pip check")
    installed = built("pip list --format=freeze").split()
    kept = {f"{name}=={version}" for name, version in base_versions().items()}
    assert kept <= set(installed)
    (course / "notebooks" / "widgets.ipynb").write_text(to_text(all_widgets()), "utf-8")
    built("python tests/tools/refresh.py --check notebooks/widgets.ipynb")


def test_what_binder_builds_is_small(built):
    """At most 700 MB of packages, without what Python itself brings."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(built("python", "-c", code).strip())
    sizes = {
        folder.name: sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        for folder in site.iterdir()
        if folder.is_dir()
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    told = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest)
    print(f"{sum(sizes.values()) / 1e6:.0f} MB, of which {told}")
    assert sum(sizes.values()) < 700e6, told


def test_binders_address_opens_the_start_page(built):
    """JupyterLab as Binder starts it, at the path in the README's address."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (path,) = re.findall(r"mybinder\.org/v2/gh/\S+\?urlpath=lab/tree/(\S+)", readme)
    code = """
import contextlib, sys, time, urllib.request
from jupyter_server.serverapp import list_running_servers
from subprocess import Popen
server = Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
    "--IdentityProvider.token=", "--ServerApp.port_retries=50"])
try:
    for _ in range(1200):  # for two minutes: the machine may be busy
        found = [s for s in list_running_servers() if s["pid"] == server.pid]
        with contextlib.suppress(OSError):  # it does not listen yet
            for address in ("lab/tree/", "api/contents/") if found else ():
                answer = urllib.request.urlopen(found[0]["url"] + address + sys.argv[1])
                print(answer.status, answer.read().decode())
            if found:
                break
        time.sleep(0.1)
finally:
    server.terminate()
    server.wait()
"""
    said = built("python", "-c", code, path)
    assert "<title>JupyterLab</title>" in said
    assert '"type": "notebook"' in said or '"type":"notebook"' in said


def test_the_start_script_gives_each_kernel_one_thread_and_memory_back():
    command = [ROOT / "binder" / "start", "env"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "OPENBLAS_NUM_THREADS=1" in said.split("\n")
    # A hub gets the same from the teacher's guide, and its own place for the model.
    guide = (ROOT / "notebooks" / "for_teachers.md").read_text("utf-8")
    hub = json.loads(re.search(r"Spawner.environment = ({.*?})", guide)[1])
    assert hub.pop("MHA_UTILS_CACHE") and len(hub) == 3
    assert {f"{name}={value}" for name, value in hub.items()} <= {*said.split("\n")}


def test_the_build_goes_on_without_the_model(tmp_path):
    """What is done last on Binder must not fail because a download did."""
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(tmp_path),
        "MHA_UTILS_CACHE": str(tmp_path),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    done = subprocess.run(
        [ROOT / "binder" / "postBuild"],
        env=os.environ | offline,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "could not be fetched" in done.stdout
