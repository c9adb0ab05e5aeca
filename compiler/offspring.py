"""The processes below this one: none outlives it, whatever they start themselves. Linux only."""

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <sys/prctl.h>
POLL_S = 0.01
_prctl_of_libc = ctypes.CDLL(None, use_errno=True).prctl  # here, for a forked child may not load


def adopt() -> None:
    """Orphans below this process become its children, not those of the system's first process."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """When the thread that started this process ends, SIGKILL comes."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_all(known: int | None = None) -> int:
    """Kill and reap every process below this one; the status of `known`. Orphans arrive here one
    generation at a time, if this process adopts them."""
    status = 0
    while True:
        for child in children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            ended, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if ended == known:
            status = os.waitstatus_to_exitcode(code)
        elif ended == 0:
            time.sleep(POLL_S)


def children() -> list[int]:
    """By /proc: its `children` file is not in every kernel."""
    mine, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError, ValueError):
                stat = Path(f"/proc/{entry}/stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == mine:
                    found.append(int(entry))
    return found


def _prctl(option: int, value: int) -> None:
    if _prctl_of_libc(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
