"""all-MiniLM-L6-v2 on the course's website, small enough to fetch: written and read.

Its numbers have 16 bits in place of 32, which halves the file. On the 123 sentences of
lesson 7 no weight in a map moves by more than 0.0014, no number of a sentence's vector
by more than 0.0003, and no similarity of two sentences by more than 0.0005. For all six
relations the same head is chosen, and it is right as often. (8 bits, with a scale for
each row, would move a weight by up to 0.071, a similarity by up to 0.012, and how often
five of the six heads are right.)

The files are zipped and cut into parts, so that progress can be shown.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path

from mha_utils.pretrained.checkpoint import read_safetensors

PART = 2**22  # bytes; a part with fewer is the last one
LICENSE = """\
all-MiniLM-L6-v2 by the authors of Sentence-Transformers, under the Apache License 2.0,
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
Changed: the weights are rounded to 16 bits.
"""


def halved(weights: bytes | mmap) -> bytes:
    """Round the weights of a safetensors file to float16; return such a file."""
    tensors = read_safetensors(weights)
    numbers, header = bytearray(), {}
    for name, tensor in tensors.items():
        start = len(numbers)
        numbers += tensor.astype("<f2").tobytes()
        place = [start, len(numbers)]
        header[name] = {"dtype": "F16", "shape": tensor.shape, "data_offsets": place}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(numbers)


def write_parts(files: Mapping[str, bytes | mmap], folder: Path) -> None:
    """Write the files of a checkpoint into a new folder, for `fetch_parts`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in {**files, "LICENSE": LICENSE.encode()}.items():
            zipped.writestr(name, data)
    data = archive.getvalue()
    folder.mkdir(parents=True)
    for i in range(len(data) // PART + 1):
        (folder / str(i)).write_bytes(data[i * PART : (i + 1) * PART])


def fetch_parts(address: str) -> dict[str, bytes | mmap]:
    """Fetch what `write_parts` wrote, and print a dot for each part.

    Raises
    ------
    OSError
        If a part does not come.
    """
    parts: list[bytes] = []
    while not parts or len(parts[-1]) == PART:
        parts.append(get(f"{address}/{len(parts)}"))
        print(".", end="", flush=True)
    print()
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def get(address: str) -> bytes:
    """Fetch an address in the browser, where Python waits in a thread of its own."""
    from js import XMLHttpRequest  # type: ignore[import-not-found]  # Pyodide's

    request = XMLHttpRequest.new()
    request.open("GET", address, False)
    request.responseType = "arraybuffer"
    try:
        request.send()
    except Exception as error:  # JavaScript's, which only Pyodide knows
        raise OSError(f"{address} cannot be reached: {error}") from None
    if request.status != 200:
        raise OSError(f"{address} answers {request.status}")
    return request.response.to_bytes()
