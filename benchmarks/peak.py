"""`python -m benchmarks peak`: how fast this machine multiplies and adds, and reads memory."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import targets
from benchmarks.provenance import heading, provenance
from compiler import build

NATIVE = Path(__file__).parent / "native"
MEMORY_BYTES = 1 << 28  # at least: four times the last cache, if that is more
FLAGS = ("-mcpu=native", "-ffp-contract=fast", "-O3")


@dataclass(frozen=True)
class Peak:
    """Of all threads together. memory: beyond every cache; cache: in the last of them."""

    gflops_per_s: float
    memory_gbytes_per_s: float
    cache_gbytes_per_s: float


def measure(threads: int) -> Peak:
    profile = targets.get("host")
    memory, cache = max(MEMORY_BYTES, 4 * profile.l3_bytes), profile.l3_bytes // 2 or 1 << 20
    flags = (*FLAGS, f"-DBYTES={4 * profile.isa.lanes}")
    return Peak(**native([NATIVE / "peak.c"], [threads, memory, cache], flags))


def native(sources: Sequence[Path], arguments: Sequence[int], flags: Sequence[str] = ()) -> Any:
    """The JSON that a C program prints."""
    with tempfile.TemporaryDirectory(prefix="neoc-native-") as scratch:
        target = targets.get("host").zig
        program = build.link_program(target, sources, Path(scratch, "program"), flags)
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=2, help="that work at once (default: 2)")


def run(options: argparse.Namespace) -> int:
    peak = measure(options.threads)
    print(f"multiply and add  {peak.gflops_per_s:8.1f} GFLOP/s, single precision")
    print(f"read memory       {peak.memory_gbytes_per_s:8.1f} GB/s")
    print(f"read last cache   {peak.cache_gbytes_per_s:8.1f} GB/s")
    print(heading(provenance(options.threads, {})))
    return 0
