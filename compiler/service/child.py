"""A job's child process: the `neoc compile` command itself, with an environment of its own.

What it prints for programs is all that is known of it: a line of JSON for every step on standard
error, and one with the outcome on standard output.
"""

import json
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from compiler import job, offspring
from compiler.service.store import Event

# What a compilation needs of this process's environment; AWS_ are the storage's credentials.
# Neither the database's nor the keys' secrets are ever in it.
PASSED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "TVM_NUM_THREADS"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("NEOC_RECORDS", "NEOC_MAX_INPUT_BYTES"),
)
FILES = 4096  # open at once
LINE = 1 << 16  # bytes of one; a longer one is cut
RESULT = 1 << 22  # bytes of an outcome


@dataclass(frozen=True)
class Order:
    """What is to be run: `command` and its options, the request it reads, where it works."""

    command: Sequence[str]
    request: Mapping[str, Any]
    folder: Path
    storage_endpoint: str | None = None


class Child:
    """Ends with the block, at the latest."""

    def __init__(self, order: Order) -> None:
        self._result = order.folder / "result.json"
        request = order.folder / "request.json"
        request.write_text(json.dumps(order.request))
        with request.open("rb") as given, self._result.open("wb") as result:
            self._process = subprocess.Popen(
                order.command,
                stdin=given,
                stdout=result,
                stderr=subprocess.PIPE,
                cwd=order.folder,
                env=environment(os.environ, order),
                start_new_session=True,
                preexec_fn=partial(_bounded, os.getpid()),
            )
        assert self._process.stderr
        self._errors = self._process.stderr
        os.set_blocking(self._errors.fileno(), False)
        self._ended = os.pidfd_open(self._process.pid)
        self._partial, self._silent = b"", False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._process.wait()
        self._errors.close()
        os.close(self._ended)

    def events(self, timeout_s: float) -> list[Event]:
        """What it said since, after waiting for something to happen."""
        awaited = [self._ended] if self._silent else [self._ended, self._errors.fileno()]
        select.select(awaited, [], [], timeout_s)
        found: list[Event] = []
        with suppress(BlockingIOError):
            while not self._silent:
                more = os.read(self._errors.fileno(), LINE)
                self._silent = not more
                *lines, rest = (self._partial + more).split(b"\n")
                self._partial = rest if len(rest) < LINE else b""
                found += map(_event, lines)
        return found

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int:
        """As subprocess gives it; negative for a signal."""
        return self._process.wait()

    def result(self) -> dict[str, Any] | None:
        """The outcome it told, or none if it ended before."""
        with self._result.open("rb") as file:
            data = file.read(RESULT)
        try:
            members = json.loads(data)
        except ValueError:
            return None
        return members if isinstance(members, dict) and "status" in members else None

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        """To its whole group, of which it is the leader until it has been waited for."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def environment(given: Mapping[str, str], order: Order) -> dict[str, str]:
    found = {k: v for k, v in given.items() if k in PASSED or k.startswith("AWS_")}
    if order.storage_endpoint:
        found["AWS_ENDPOINT_URL_S3"] = order.storage_endpoint
    return job.environment({**found, "TMPDIR": str(order.folder)})


def _bounded(parent: int) -> None:
    """In the child, before its program."""
    offspring.die_with_parent()
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_DATA, memory),
    ):
        _, hard = resource.getrlimit(what)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))


def _event(line: bytes) -> Event:
    """Times of the monotonic clock as the epoch's."""
    try:
        members = json.loads(line)
        at = members["at"] + time.time() - time.monotonic()
        return Event(at, str(members["kind"]), str(members["name"]), members["value"])
    except (ValueError, TypeError, KeyError):
        return Event(time.time(), "note", line.decode(errors="replace"))
