"""A real TensorBoard on a folder, asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 90.0
LOAD_SECONDS = 60.0


class TensorBoardServer:
    """Answers of a running server.

    Attributes:
        url: With the port, ends in a slash.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str | int) -> bytes:
        """The body of an answer; `path` without a leading slash."""
        address = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        with urllib.request.urlopen(address, timeout=30) as answer:
            return bytes(answer.read())

    def json(self, path: str, **query: str | int) -> Any:
        """An answer in JSON."""
        return json.loads(self.get(path, **query))

    def tags(self, plugin: str, run: str = ".") -> set[str]:
        """What the server offers of one run for ``images``, ``histograms`` or ``scalars``."""
        return set(self.json(f"data/plugin/{plugin}/tags").get(run, {}))

    def wait_for(self, done: Callable[[TensorBoardServer], bool]) -> None:
        """Waits until the server has loaded what is asked for; says so where it does not in `LOAD_SECONDS`."""
        end = time.monotonic() + LOAD_SECONDS
        while not done(self):
            assert time.monotonic() < end, f"TensorBoard has not loaded its data in {LOAD_SECONDS:.0f} s"
            time.sleep(0.2)


@contextmanager
def serve(folder: Path, *, fast_loader: bool = False) -> Iterator[TensorBoardServer]:
    """Runs ``python -m tensorboard.main`` on a folder, on a port that is free, until the block ends.

    Args:
        folder: With the event files, at any depth.
        fast_loader: Whether to let the data server load them, TensorBoard's default where it is installed.
    """
    log = folder.parent / f"{folder.name}.tensorboard.log"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1"]
    command += ["--port", "0", f"--load_fast={'auto' if fast_loader else 'false'}", "--reload_interval", "1"]
    command += ["--samples_per_plugin", "images=1000"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        yield TensorBoardServer(_address(process, log))
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"http://\S+:\d+/", log.read_text()):
            return found.group()
        time.sleep(0.1)
    raise AssertionError(f"TensorBoard did not start in {START_SECONDS:.0f} s:\n{log.read_text()}")
