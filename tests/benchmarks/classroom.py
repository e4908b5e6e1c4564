"""A class on one server: memory and processor time of many learners' kernels.

Run with `python tests/benchmarks/classroom.py`; needs Linux, which tells how much
memory processes share. First one learner goes through all lessons and leaves them open.
Then for each lesson a class opens it at the same moment, and everybody runs all cells.
Everybody has a kernel of their own behind one JupyterLab server, as in a browser.

Memory is the proportional set size: what processes share counts once for all together.
Set OPENBLAS_NUM_THREADS=1 to see the class with one thread for each kernel.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import websocket  # comes with JupyterLab's server

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from browser import ROOT, serve
from refresh import NOTEBOOKS


class Learner:
    """Somebody with a notebook open: a session, a kernel, its process."""

    def __init__(self, server, name: str, path: Path) -> None:
        self.server = server
        self.cells = [
            cell.source
            for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code"
        ]
        notebook = {"path": name, "type": "notebook", "name": name}
        start = {**notebook, "kernel": {"name": "python3"}}
        session = server.api("sessions", "POST", start)
        self.kernel, self.session = session["kernel"]["id"], session["id"]

    def run_all(self) -> bool:
        """Run all cells; return whether each of them ended well."""
        address = (
            f"ws://127.0.0.1:{self.server.port}/api/kernels/{self.kernel}/channels"
            f"?token={self.server.token}"
        )
        with contextlib.closing(websocket.create_connection(address)) as channel:
            self.pid = self.run(channel, "", {"pid": "__import__('os').getpid()"})
            return all(self.run(channel, cell) for cell in self.cells)

    def run(self, channel, code: str, expressions: dict | None = None) -> object:
        """Run one cell; return the value asked for, or whether the cell ended well."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "",
            "session": self.session,
            "version": "5.3",
        }
        content = {"code": code, "user_expressions": expressions or {}}
        parts = {"header": header, "parent_header": {}, "metadata": {}}
        channel.send(json.dumps({**parts, "content": content, "channel": "shell"}))
        while True:
            said = channel.recv()
            message = {} if isinstance(said, bytes) else json.loads(said)
            if message.get("parent_header", {}).get("msg_id") != header["msg_id"]:
                continue  # what is for widgets, which are bytes, or of another cell
            if message["header"]["msg_type"] == "execute_reply":
                break
        content = message["content"]
        if expressions:
            return int(content["user_expressions"]["pid"]["data"]["text/plain"])
        return content["status"] == "ok"

    def leave(self) -> None:
        """End the kernel."""
        self.server.api(f"sessions/{self.session}", "DELETE")


def megabytes(pid: int) -> float:
    """Return the proportional set size of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (kilobytes,) = (line.split()[1] for line in text.split("\n") if line[:4] == "Pss:")
    return int(kilobytes) / 1000


def processor_seconds(pid: int) -> float:
    """Return what a process has used of the processors, threads and all."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def report(name: str, server, learners: list[Learner], done: list[bool], took: float):
    """Print a line of the table."""
    each = statistics.mean(megabytes(learner.pid) for learner in learners)
    work = statistics.mean(processor_seconds(learner.pid) for learner in learners)
    whole = (each * len(learners) + megabytes(server.process.pid)) / 1000
    print(
        f"{name:32} {each:7.0f} {whole:8.2f} {work:8.1f} {took:8.0f}"
        f"   {sum(done)} of {len(done)}",
        flush=True,
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("--lessons", nargs="*", help="numbers, such as 01 05")
    arguments = parser.parse_args()
    lessons = [
        path
        for path in NOTEBOOKS
        if not arguments.lessons or path.name[:2] in arguments.lessons
    ]
    print(f"{'':32} {'MB each':>7} {'GB all':>8} {'CPU s':>8} {'done s':>8}   lessons")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
        with serve(Path(folder)) as server:
            alone = [Learner(server, path.name, path) for path in lessons]
            start = time.perf_counter()
            done = [learner.run_all() for learner in alone]
            took = time.perf_counter() - start
            report(f"one learner, {len(lessons)} open", server, alone, done, took)
            for learner in alone:
                learner.leave()
            count = arguments.learners
            for path in lessons if count else ():
                names = [f"{i}-{path.name}" for i in range(count)]
                start = time.perf_counter()
                with ThreadPoolExecutor(count) as pool:
                    learners = list(
                        pool.map(lambda name: Learner(server, name, path), names)  # noqa: B023
                    )
                    done = list(pool.map(Learner.run_all, learners))
                took = time.perf_counter() - start
                name = f"{count} in {path.stem[:22]}"
                report(name, server, learners, done, took)
                for learner in learners:
                    learner.leave()


if __name__ == "__main__":
    main()
