"""The process between a job's parent and its compiler: a job always ends and leaves nothing behind.

    job (the parent) -> guard -> worker (the driver) -> zig, verify, ...

    python -m compiler.guard FD FOLDER

The guard starts the worker and waits for the first of: the worker's end, the deadline, the end of
its standard input (the parent wants to stop, or died). Then it kills every process below it,
undoes an upload under way, removes FOLDER, and writes the verdict to FD, where the worker writes
its progress. It never computes, so it answers at once whatever the worker does. Started without
any input it only cleans up, for a guard that died.
"""

import faulthandler
import gc
import json
import math
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from compiler import clock, errors, offspring, progress, storage
from compiler.artifact import Artifact
from compiler.job import Task, Verdict
from compiler.request import CompileRequest

GARBAGE = 100_000  # objects between two collections; the usual 700 cost a short job half a second


def main(events: int, folder: Path) -> None:
    os.set_inheritable(events, False)  # zig must not keep the parent waiting for the pipe's end
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    control = os.dup(0)
    with open(os.devnull) as null:
        os.dup2(null.fileno(), 0)
    offspring.adopt()
    try:
        line = _read_line(control)
        verdict = _guard(Task.from_line(line), control, events, folder) if line else None
        _undo(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # the parent may be gone
        if verdict:
            _write(events, {"kind": "end", "verdict": asdict(verdict)})


def _guard(task: Task, control: int, events: int, folder: Path) -> Verdict:
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        os.close(control)
        _work(task, events, folder, guard)
    cause = _wait(worker, control, task.deadline)
    return Verdict(cause, offspring.kill_all(worker), _read(folder / "result.json"))


def _undo(folder: Path) -> None:
    """Take back an upload that was announced, unless the artifact was given."""
    announced, result = _read(folder / "upload.json"), _read(folder / "result.json")
    if announced and not (result and "artifact" in result):
        storage.undo(announced)


def _wait(worker: int, control: int, deadline: float | None) -> str:
    """Why waiting ended: `exited`, `stopped` or `timeout`."""
    ended = os.pidfd_open(worker)
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    poller.register(control, select.POLLIN)
    left = None if deadline is None else math.ceil(max(0, deadline - time.monotonic()) * 1000)
    ready = {descriptor for descriptor, _ in poller.poll(left)}
    if ended in ready:
        return "exited"
    return "stopped" if control in ready else "timeout"


def _work(task: Task, events: int, folder: Path, guard: int) -> None:
    """The worker's life. It never returns into the guard's code."""
    status = 1
    try:
        offspring.die_with_parent()
        if os.getppid() != guard:  # it died before the line above
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable()
        gc.set_threshold(GARBAGE)
        _replace(folder / "result.json", _compile(task, _reporter(events, folder), folder))
        sys.stdout.flush()
        sys.stderr.flush()
        status = 0
    finally:
        os._exit(status)  # TVM's threads may hang an ordinary exit


def _compile(task: Task, sink: progress.Sink, folder: Path) -> dict[str, Any]:
    """Run the driver; its artifact, or the reason there is none, as JSON-able members."""
    try:
        progress.listen(sink)
        clock.start(task.deadline)
        for name in ("tmp", "work"):
            (folder / name).mkdir()
        os.environ["TMPDIR"] = str(folder / "tmp")
        artifact = _driver(task.driver)(task.request, folder / "work")
        members = {
            "uri": artifact.uri,
            "digest": artifact.digest,
            "size": artifact.path.stat().st_size,
            "manifest": dict(artifact.manifest),
        }
        json.dumps(members)
        return {"artifact": members}
    except BaseException as error:
        traceback.print_exc()
        return {"reason": errors.reason(error)}


def _driver(name: str) -> Callable[[CompileRequest, Path], Artifact]:
    module, _, function = name.partition(":")
    found: Callable[[CompileRequest, Path], Artifact] = getattr(import_module(module), function)
    return found


def _reporter(events: int, folder: Path) -> progress.Sink:
    """Events go to the parent; an upload under way is also written down for the guard."""

    def report(event: progress.Event) -> None:
        if event.name == "upload" and event.kind == "value":
            _replace(folder / "upload.json", event.value)
        else:
            _write(events, asdict(event))

    return report


def _write(events: int, members: dict[str, Any]) -> None:
    """One write a line: whole lines from several threads do not mix up to PIPE_BUF bytes."""
    data = json.dumps(members).encode() + b"\n"
    while data:
        data = data[os.write(events, data) :]


def _replace(path: Path, members: dict[str, Any]) -> None:
    """Written whole or not at all: the writer may be killed at any time."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(members))
    partial.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return found


def _read_line(descriptor: int) -> bytes:
    """One line, or what came before the end; unbuffered, so that polling sees the end."""
    data = b""
    while not data.endswith(b"\n"):
        if not (more := os.read(descriptor, 65536)):
            return b""
        data += more
    return data


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
