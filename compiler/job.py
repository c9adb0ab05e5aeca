"""One compilation as processes that always end: within the limit, when asked to, when it crashes.

The parent's half; compiler/guard.py is the other. Progress comes back as JSON lines over a pipe of
its own, because libraries print to standard output.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from compiler import knobs
from compiler.errors import REASON_LIMIT, ClientError, exit_status_of
from compiler.progress import Event, Sink
from compiler.request import CompileRequest

DRIVER = "compiler.driver:compile"
CLEAN_UP_S = 10.0  # for killing, undoing an upload on a slow network, removing the folder


@dataclass(frozen=True)
class Task:
    """What the parent writes to standard input, as one line. driver: `module:function`.
    deadline: seconds of CLOCK_MONOTONIC, or none."""

    request: CompileRequest
    driver: str
    deadline: float | None

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Task":
        members = json.loads(line)
        return cls(CompileRequest(**members["request"]), members["driver"], members["deadline"])


@dataclass(frozen=True)
class Verdict:
    """How the worker ended. status: as subprocess gives it, negative for a signal. result: what
    it left, {"artifact": ...} or {"reason": ...}; none when it was killed before."""

    cause: str
    status: int
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Outcome:
    """How a job ended. phases: name and seconds, in order. size in bytes. reason: the API's
    FailureReason, empty when it completed."""

    status: Literal["COMPLETED", "FAILED"]
    seconds: float
    phases: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...] = ()
    uri: str | None = None
    digest: str | None = None
    size: int | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def exit_status(self) -> int:
        return exit_status_of(self.reason) if self.reason else 0


def run(request: CompileRequest, sink: Sink, *, driver: str = DRIVER) -> Outcome:
    """Compile in other processes and wait for the end. sink sees every progress event.

    An exception in here, such as KeyboardInterrupt, stops the job and leaves nothing behind.
    """
    started = time.monotonic()
    deadline = started + request.max_runtime_s if request.max_runtime_s else None
    history = _History(started)
    verdict: Verdict | None = None
    with _guarded(Task(request, driver, deadline)) as lines:
        for members in map(json.loads, lines):
            if members["kind"] == "end":
                verdict = Verdict(**members["verdict"])
            else:
                event = Event(**members)
                history.add(event)
                sink(event)
    return history.outcome(verdict, request)


@contextmanager
def _guarded(task: Task) -> Iterator[IO[bytes]]:
    """The guard's events as lines. Leaving ends its standard input, which stops what still runs."""
    with tempfile.TemporaryDirectory(prefix="neoc-", ignore_cleanup_errors=True) as folder:
        reading, writing = os.pipe()
        with open(reading, "rb") as events:
            try:
                guard = _start(writing, folder, task.request.keep)
            finally:
                os.close(writing)
            try:
                _send(guard, task)
                yield events
            finally:
                _stop(guard, folder)


def _start(events: int, folder: str, keep: str | None) -> "subprocess.Popen[bytes]":
    with _log(keep) as log:
        return subprocess.Popen(
            _command(events, folder),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[events],
            start_new_session=True,
            env=environment(os.environ),
        )


def _command(events: int, folder: str) -> list[str]:
    return [sys.executable, "-m", "compiler.guard", str(events), folder]


def _send(guard: "subprocess.Popen[bytes]", task: Task) -> None:
    assert guard.stdin is not None
    with suppress(BrokenPipeError):  # a guard that died at once is told by its missing verdict
        guard.stdin.write(task.to_line())
        guard.stdin.flush()


def _stop(guard: "subprocess.Popen[bytes]", folder: str) -> None:
    """End the guard's input and wait: it kills all that is below it and cleans up."""
    assert guard.stdin is not None
    with suppress(BrokenPipeError):
        guard.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        guard.wait(CLEAN_UP_S)
    if guard.returncode == 0:
        return
    # It hangs, or something killed it: what it left is in its group, and another one cleans up.
    with suppress(ProcessLookupError):
        os.killpg(guard.pid, signal.SIGKILL)
    guard.wait()
    null = subprocess.DEVNULL
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            _command(1, folder),
            stdin=null,
            stdout=null,
            stderr=null,
            env=environment(os.environ),
            timeout=CLEAN_UP_S,
            check=False,
        )


@contextmanager
def _log(keep: str | None) -> Iterator[IO[Any] | int]:
    """Where the compiler process prints, stack traces included."""
    if knobs.current().trace:
        yield sys.stderr
    elif keep is None:
        yield subprocess.DEVNULL
    else:
        try:
            Path(keep).mkdir(parents=True, exist_ok=True)
            log = (Path(keep) / "log.txt").open("wb")
        except OSError as error:
            raise ClientError(f"--keep {keep} cannot be written: {error.strerror}.") from error
        with log:
            yield log


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """This very compiler in every Python below, whatever lies in the current folder."""
    here = str(Path(__file__).parents[1])
    theirs = inherited.get("PYTHONPATH")
    path = os.pathsep.join([here, theirs] if theirs else [here])
    return {**inherited, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


class _History:
    """What the events told, for the outcome."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._begun: list[tuple[str, float]] = []
        self._warnings: list[str] = []

    def add(self, event: Event) -> None:
        if event.kind == "phase":
            self._begun.append((event.name, event.at))
        elif event.kind == "warning":
            self._warnings.append(event.name)

    def outcome(self, verdict: Verdict | None, request: CompileRequest) -> Outcome:
        now = time.monotonic()
        ends = (*(begin for _, begin in self._begun[1:]), now)
        phases = tuple(
            (name, end - begin) for (name, begin), end in zip(self._begun, ends, strict=False)
        )
        seconds, warnings = now - self._started, tuple(self._warnings)
        result = (verdict.result if verdict else None) or {}
        if artifact := result.get("artifact"):
            return Outcome("COMPLETED", seconds, phases, warnings, **artifact)
        late = verdict is not None and verdict.cause == "timeout"
        told = late_reason(request.max_runtime_s) if late else result.get("reason")
        reason = told or self._death(verdict)
        return Outcome("FAILED", seconds, phases, warnings, reason=reason[:REASON_LIMIT])

    def _death(self, verdict: Verdict | None) -> str:
        """Why there is no result: the process died without leaving one."""
        during = f"during {self._begun[-1][0]}" if self._begun else "before the first phase"
        status = verdict.status if verdict else -signal.SIGKILL
        if status == -signal.SIGKILL:
            hint = "the machine probably ran out of memory."
        else:
            hint = "this is a bug of neoc; run again with NEOC_TRACE=1 and report what it prints."
        how = f"died of signal {signal.Signals(-status).name}" if status < 0 else "ended early"
        return f"ServerError: the compiler process {how} {during}; {hint}"


def late_reason(limit_s: int | None) -> str:
    return (
        "ClientError: CompilationTimeout: the job exceeded StoppingCondition.MaxRuntimeInSeconds "
        f"= {limit_s}. Raise the limit or simplify the model."
    )
