"""One job at a time measures on a machine: kernels that share cores with another's tell nothing."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from compiler import knobs, progress

FILE = "measuring.lock"  # in the user's cache folder
POLL_S = 0.1


@contextmanager
def alone(limit_s: float) -> Iterator[bool]:
    """Waits for so many seconds at most; gives whether this job has the machine for the block. The
    lock ends with the process at the latest."""
    path = knobs.current().cache / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        progress.warning(
            f"{path} cannot be written ({error.strerror}): what was measured may have shared the "
            "machine with another job's measurements."
        )
        yield True
        return
    with file:
        yield _locked(file.fileno(), time.monotonic() + limit_s)


def _locked(descriptor: int, end: float) -> bool:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
        if not told:
            progress.note("waits for another job's measurements")
            told = True
        time.sleep(POLL_S)
