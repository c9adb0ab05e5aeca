"""Worker processes: so many, started again when they die, ended with this one."""

import subprocess
import sys
import time
from contextlib import suppress

from compiler.service.worker import Options

HASTE_S = 5.0  # a worker that lives no longer is not started again before


class Fleet:
    """Call `tend` every now and then."""

    def __init__(self, count: int, options: Options) -> None:
        self._options = options
        self._workers: list[subprocess.Popen[bytes] | None] = [None] * count
        self._started = [-HASTE_S] * count

    @property
    def count(self) -> int:
        return len(self._workers)

    def tend(self) -> None:
        """Start those that are not running."""
        now = time.monotonic()
        for number, worker in enumerate(self._workers):
            if worker is not None and worker.poll() is None:
                continue
            if worker is not None and worker.stdin:
                worker.stdin.close()
                self._workers[number] = None
            if now - self._started[number] >= HASTE_S:
                self._workers[number] = self._start()
                self._started[number] = now

    def stop(self) -> None:
        """They give their jobs back and end within the grace time, or are killed; a compilation
        ends with its worker in any case."""
        alive = [worker for worker in self._workers if worker is not None]
        for worker in alive:
            assert worker.stdin
            with suppress(BrokenPipeError):
                worker.stdin.close()
        end = time.monotonic() + self._options.grace_s + self._options.lease_s
        for worker in alive:
            try:
                worker.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._workers = [None] * len(self._workers)

    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers if worker is not None]

    def _start(self) -> "subprocess.Popen[bytes]":
        """The options go through a pipe: a database's URL may hold a password, and everybody sees
        arguments."""
        command = [sys.executable, "-m", "compiler.service.worker"]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert worker.stdin
        with suppress(BrokenPipeError):
            worker.stdin.write(self._options.to_line())
            worker.stdin.flush()
        return worker
