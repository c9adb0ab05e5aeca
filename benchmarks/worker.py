"""A rival in a process of its own, which runs when it is told to and sleeps else.

    parent -> child  {"run": seconds} | {"answers": file} | {"peak": ""}, a line each
    child -> parent  what came of it, a line each; the first says how loading went

Thread pools that spin would disturb each other in one process, and its memory would tell nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.runners import RUNNERS, Arrays
from benchmarks.timing import timed

ROOT = Path(__file__).parent.parent


class WorkerError(Exception):
    """The process ended; the text is its last words."""


@dataclass(frozen=True)
class Ready:
    """What a rival told when it had loaded its model."""

    version: str
    load_ms: float


class Worker:
    """A rival, from its start to its end: a context manager."""

    def __init__(
        self, kind: str, model: Path, feed: Arrays, threads: int, python: str = sys.executable
    ) -> None:
        self.title = RUNNERS[kind].title
        self._command = [python, "-m", "benchmarks.worker", kind, str(model), str(threads)]
        self._feed = feed

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="neoc-worker-"))
            self._folder = Path(folder)
            self._words = stack.enter_context(open(self._folder / "words", "w+"))
            np.savez(self._folder / "feed.npz", allow_pickle=False, **self._feed)
            self._process = subprocess.Popen(
                [*self._command, str(self._folder / "feed.npz")],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words,
                text=True,
            )  # fmt: skip
            stack.enter_context(self._process)
            stack.callback(self._process.kill)
            self.ready = Ready(**self._hear())
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, seconds: float) -> list[float]:
        times: list[float] = self._ask({"run": seconds})
        return times

    def answers(self) -> Arrays:
        path = self._folder / "answers.npz"
        self._ask({"answers": str(path)})
        with np.load(path) as file:
            return dict(file)

    def peak_bytes(self) -> int:
        """The most memory that it had, without what it had before it loaded the model."""
        return int(self._ask({"peak": ""}))

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        line = json.dumps(request).encode() + b"\n"
        with suppress(BrokenPipeError):  # its last words are better
            os.write(self._process.stdin.fileno(), line)
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        self._process.wait()
        self._words.seek(0)
        words = self._words.read().strip().splitlines() or [f"status {self._process.returncode}"]
        raise WorkerError(f"{self.title}: {words[-1]}")


def memory(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def main(kind: str, model: str, threads: str, feed: str) -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print must not be heard as answers

    def tell(value: Any) -> None:
        print(json.dumps(value), file=out, flush=True)

    runner = RUNNERS[kind]()
    with np.load(feed) as file:
        arrays = dict(file)
    before, start = memory("VmRSS"), time.perf_counter()
    runner.load(Path(model), arrays, int(threads))
    tell({"version": runner.version, "load_ms": 1e3 * (time.perf_counter() - start)})
    for line in sys.stdin:
        [(what, value)] = json.loads(line).items()
        if what == "run":
            tell(timed(runner.run, value))
        elif what == "answers":
            runner.run()
            np.savez(value, allow_pickle=False, **runner.answers())
            tell(value)
        else:
            tell(memory("VmHWM") - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
