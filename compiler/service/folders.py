"""Working folders of jobs: gone with their worker, however it ends.

A worker holds a lock on its folder for as long as it lives. What another can lock belongs to nobody
any more.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "neoc-job-"


@contextmanager
def working() -> Iterator[Path]:
    """An empty folder. It gets its name when it is locked, so that nobody sweeps it before."""
    unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    lock = os.open(unlocked, os.O_RDONLY)
    folder = unlocked.with_name(unlocked.name.removeprefix("."))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(folder)
        yield folder
    finally:
        for path in (folder, unlocked):
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def sweep() -> None:
    """Remove those of this user's workers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another's, or locked, or gone just now
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
