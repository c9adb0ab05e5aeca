"""A folder with an artifact in, its latency or that of each of its calls out: timed by a C program,
in a process of its own.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import build
from compiler.errors import ServerError

LIMIT_S = 600.0  # beyond the time to measure: for a few runs at least, of a model that ends


@dataclass(frozen=True)
class BenchResult:
    """Times in ms per run. `threads` is what the process really had, `runs` those timed."""

    min_ms: float
    median_ms: float
    p90_ms: float
    p99_ms: float
    load_ms: float
    peak_rss_bytes: int
    threads: int
    runs: int


@dataclass(frozen=True)
class CallTimes:
    """One call of the plan in the running model, in ms."""

    kernel: str
    min_ms: float
    median_ms: float


@dataclass(frozen=True)
class ProfileResult:
    """Whole runs, a look at the clock after each call included, and the calls in their order."""

    min_ms: float
    median_ms: float
    runs: int
    calls: tuple[CallTimes, ...]


def bench(
    folder: Path, zig: str, threads: int | None, seconds: float = 2.0, rows: int = 1
) -> BenchResult:
    """Time the artifact on random inputs, after a warm-up; None leaves the threads to it. rows: if
    the model takes any number of them.

    Raises ServerError with the library's text where it does not run.
    """
    return BenchResult(**_timed(build.link_bench, zig, folder, folder, threads, seconds, rows))


def profile(
    folder: Path, zig: str, threads: int | None, seconds: float = 2.0, rows: int = 1
) -> ProfileResult:
    """Time every call of the artifact's plan likewise."""
    library = folder / "compiled.so"
    found = _timed(build.link_profile, zig, folder, library, threads, seconds, rows)
    calls = tuple(CallTimes(**call) for call in found.pop("calls"))
    return ProfileResult(**found, calls=calls)


def _timed(
    link: Callable[[str, Path], Path],
    zig: str,
    folder: Path,
    subject: Path,
    threads: int | None,
    seconds: float,
    rows: int,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="neoc-bench-") as scratch:
        program = link(zig, Path(scratch))
        numbers = map(str, (seconds, threads or 0, rows))
        command = [str(program), str(subject.resolve()), *numbers]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=seconds + LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ServerError(
                f"The model in {folder} did not end its runs on random inputs within "
                f"{seconds + LIMIT_S:g} s: a loop of it may have no end for them."
            ) from error
    if done.returncode:
        why = done.stderr.strip() or f"exit status {done.returncode}"
        raise ServerError(f"The model in {folder} could not be timed: {why}")
    times: dict[str, Any] = json.loads(done.stdout)
    return times
