"""A folder with an artifact in, its latency out: timed by a C program, in a process of its own."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from compiler import build
from compiler.errors import ServerError


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


def bench(folder: Path, zig: str, threads: int | None, seconds: float = 2.0) -> BenchResult:
    """Time the artifact on random inputs, after a warm-up; None leaves the threads to it.

    Raises ServerError with the library's text where it does not run.
    """
    with tempfile.TemporaryDirectory(prefix="neoc-bench-") as scratch:
        program = build.link_bench(zig, Path(scratch))
        command = [str(program), str(folder.resolve()), str(seconds), str(threads or 0)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if done.returncode:
        why = done.stderr.strip() or f"exit status {done.returncode}"
        raise ServerError(f"The model in {folder} could not be timed: {why}")
    return BenchResult(**json.loads(done.stdout))
