"""The model as the website has it: rounded, cut into parts, fetched in the browser."""

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mha_utils import scores
from mha_utils.data import data_file
from mha_utils.pretrained import (
    NoModelError,
    PretrainedModel,
    download,
    find_files,
    load,
    website,
)
from mha_utils.pretrained.checkpoint import (
    read_checkpoint,
    read_files,
    read_safetensors,
)


def small(files):
    return files | {"model.safetensors": website.halved(files["model.safetensors"])}


def test_halved_weights_are_the_nearest_of_16_bits(tiny):
    weights = (tiny / "model.safetensors").read_bytes()
    before, after = read_safetensors(weights), read_safetensors(website.halved(weights))
    assert list(before) == list(after)
    for name, tensor in after.items():
        assert tensor.dtype == "<f2"
        np.testing.assert_allclose(tensor, before[name], rtol=2**-11, atol=1e-7)


@pytest.mark.parametrize("part", [100, 1000, 10**6])
def test_parts_are_put_together_again(tiny, tmp_path, monkeypatch, capsys, part):
    monkeypatch.setattr(website, "PART", part)
    monkeypatch.setattr(website, "get", lambda address: Path(address).read_bytes())
    files, folder = read_files(tiny), tmp_path / "static" / "model"
    website.write_parts(files, folder)
    count = len(list(folder.iterdir()))
    got = website.fetch_parts(str(folder))
    assert capsys.readouterr().out == "." * count + "\n"
    assert b"Apache License" in got.pop("LICENSE") and got == files


def test_a_whole_last_part_is_not_the_last(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(website, "get", lambda address: Path(address).read_bytes())
    files = read_files(tiny)
    website.write_parts(files, tmp_path / "one")
    monkeypatch.setattr(website, "PART", (tmp_path / "one" / "0").stat().st_size)
    website.write_parts(files, tmp_path / "two")
    assert (tmp_path / "two" / "1").read_bytes() == b""
    assert website.fetch_parts(str(tmp_path / "two"))["config.json"]


@pytest.fixture
def browser(tiny, world, tmp_path, monkeypatch):
    """Python in the browser, and a website that has the tiny checkpoint."""
    files = small(read_files(tiny))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    website.write_parts(files, tmp_path / "parts")
    monkeypatch.setattr(download, "SHA256_HALVED", digests)
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setenv("MHA_UTILS_WEBSITE_MODEL", str(tmp_path / "parts"))
    monkeypatch.setattr(website, "get", lambda address: Path(address).read_bytes())
    return tmp_path / "parts" / "0"


def test_in_the_browser_the_website_s_model_answers(browser, tiny, world, capsys):
    model = load()
    assert "(42 MB) from this website" in capsys.readouterr().out and not world
    mine, theirs = (m.attend("the cat sat") for m in (model, load(tiny)))
    np.testing.assert_allclose(mine.weights, theirs.weights, atol=0.01)


def damage(part):
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)


@pytest.mark.parametrize(
    "spoil",
    [
        damage,
        lambda part: part.unlink(),
        lambda part: part.write_bytes(b"<html>404</html>"),
        lambda part: download.SHA256_HALVED.update({"config.json": "0"}),
        lambda part: download.SHA256_HALVED.update({"other.json": "0"}),
    ],
    ids=["damaged", "missing", "another file", "another model", "incomplete"],
)
def test_what_the_website_lacks_is_said(browser, spoil):
    spoil(browser)
    with pytest.raises(NoModelError, match="could not be fetched .*\nIs there a conn"):
        load()


def test_a_website_without_the_model_says_so(browser, monkeypatch):
    monkeypatch.delenv("MHA_UTILS_WEBSITE_MODEL")
    with pytest.raises(NoModelError, match="is not on this website.* Run this lesson"):
        load()


class Request:
    """Stands in for the browser's XMLHttpRequest; the real one is in the lessons."""

    new = classmethod(lambda cls: cls())

    def open(self, method, address, waits_not):
        self.status = {"there": 200, "gone": 404}.get(address)
        self.waits = not waits_not

    def send(self):
        if self.status is None:
            raise RuntimeError("NetworkError")
        assert self.waits and self.responseType == "arraybuffer"
        self.response = SimpleNamespace(to_bytes=lambda: b"numbers")


def test_an_answer_of_the_browser(monkeypatch):
    monkeypatch.setitem(sys.modules, "js", SimpleNamespace(XMLHttpRequest=Request))
    assert website.get("there") == b"numbers"
    with pytest.raises(OSError, match="gone answers 404"):
        website.get("gone")
    with pytest.raises(OSError, match="nowhere cannot be reached: NetworkError"):
        website.get("nowhere")


def test_what_the_rounding_changes_in_the_real_model():
    """On every fifth sentence of lesson 7; what the module says is of all of them."""
    try:
        files = find_files()
    except NoModelError as error:
        pytest.skip(str(error))
    files = small(files)
    for name, expected in download.SHA256_HALVED.items():
        assert hashlib.sha256(files[name]).hexdigest() == expected
    rounded, whole = PretrainedModel(read_checkpoint(files)), load()
    texts = [t for t, _ in scores.read_labelled(data_file("labelled_sentences.txt"))]
    vectors = []
    for text in texts[::5]:
        mine, theirs = rounded.attend(text).weights, whole.attend(text).weights
        assert 0 < np.abs(mine - theirs).max() < 0.0014
        vectors.append([model.embedding(text) for model in (rounded, whole)])
    mine, theirs = np.swapaxes(vectors, 0, 1)
    assert np.abs(mine - theirs).max() < 0.0003
    assert np.abs(mine @ mine.T - theirs @ theirs.T).max() < 0.0005
