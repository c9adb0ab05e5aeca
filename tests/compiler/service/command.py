"""Commands that stand in for `neoc` in tests of workers: command.py NAME, then neoc's options."""

import json
import os
import resource
import signal
import sys
import time
from functools import partial
from pathlib import Path

from compiler import cli, job


def hang() -> None:
    """Deaf to SIGTERM, blind to its limit."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(json.dumps({"kind": "phase", "name": "build", "value": None, "at": time.monotonic()}),
          file=sys.stderr, flush=True)  # fmt: skip
    time.sleep(600)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tell() -> None:
    """How it was started, as the reason of a failure."""
    limits = {
        name: resource.getrlimit(getattr(resource, name))
        for name in ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_DATA")
    }
    told = {
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "limits": limits,
        "request": json.load(sys.stdin),
    }
    print("a library talks", file=sys.stderr)
    print(json.dumps({"status": "FAILED", "reason": "ClientError: told", "told": told}))


def main() -> None:
    name = sys.argv.pop(1)
    if command := {"hang": hang, "die": die, "tell": tell}.get(name):
        command()
        return
    job.run = partial(job.run, driver=f"drivers:{name}")
    cli.main()


if __name__ == "__main__":
    main()
