"""Work in forked processes, one for each task, as many at once as asked for: a task that crashes or
never ends harms nothing but itself, and none outlives this process.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


@dataclass(frozen=True)
class _Child:
    task: int
    pid: int
    ended: int  # a file descriptor, readable when it has ended
    deadline: float


def run(
    task: Callable[[int], None],
    count: int,
    processes: int,
    limit_s: float = 600.0,
    end: float = math.inf,
) -> list[int]:
    """task(0) .. task(count - 1), each in a process of its own for limit_s seconds at most, and
    none beyond `end`, by CLOCK_MONOTONIC.

    Returns the numbers of those that failed or were not begun.
    """
    failed: list[int] = []
    running: list[_Child] = []
    waiting = iter(range(count))
    try:
        while True:
            while len(running) < processes and time.monotonic() < end:
                if (number := next(waiting, None)) is None:
                    break
                running.append(_start(task, number, min(time.monotonic() + limit_s, end)))
            if not running:
                return [*failed, *waiting]
            _wait(running)
            now = time.monotonic()
            for child in list(running):
                status = _reap(child, kill=now >= child.deadline)
                if status is not None:
                    running.remove(child)
                    failed += [child.task] if status else []
    finally:
        for child in running:
            _reap(child, kill=True)


def _start(task: Callable[[int], None], number: int, deadline: float) -> _Child:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _work(task, number, parent)
    return _Child(number, pid, os.pidfd_open(pid), deadline)


def _work(task: Callable[[int], None], number: int, parent: int) -> NoReturn:
    status = 1
    # Garbage of the parent stays: the end of what has threads there, as a session of ONNX Runtime
    # does, would wait for them here for ever.
    gc.freeze()
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            task(number)
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)  # TVM's threads may hang an ordinary exit


def _wait(running: list[_Child]) -> None:
    """Until one has ended or is over its time."""
    poller = select.poll()
    for child in running:
        poller.register(child.ended, select.POLLIN)
    left = min(child.deadline for child in running) - time.monotonic()
    poller.poll(max(0, left) * 1000 + 1)


def _reap(child: _Child, kill: bool) -> int | None:
    """Its status, or None while it runs."""
    if kill:
        signal.pidfd_send_signal(child.ended, signal.SIGKILL)
    pid, status = os.waitpid(child.pid, 0 if kill else os.WNOHANG)
    if pid == 0:
        return None
    os.close(child.ended)
    return status
