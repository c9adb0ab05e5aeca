"""`python -m benchmarks runtime`: what a call of a plan and a parallel region cost."""

from __future__ import annotations

import argparse

from benchmarks.peak import NATIVE, add_options, native
from benchmarks.provenance import heading, provenance
from compiler import build

__all__ = ["add_options", "run"]

WHAT = {
    "call_ns": "a call of a kernel that does nothing",
    "region_ns": "a parallel region, one after the other",
    "after_20_us_ns": "a parallel region after 20 us of serial work",
    "after_1_ms_ns": "a parallel region after 1 ms of serial work",
    "after_sleep_ns": "a run's first region, the threads having slept",
}


def measure(threads: int) -> dict[str, float]:
    """ns of each of WHAT."""
    sources = [build.RUNTIME / name for name in build.LIBRARY_SOURCES]
    found: dict[str, float] = native([*sources, NATIVE / "regions.c"], [threads])
    return found


def run(options: argparse.Namespace) -> int:
    for name, ns in measure(options.threads).items():
        print(f"{ns:10.1f} ns  {WHAT[name]}")
    print(heading(provenance(options.threads, {})))
    return 0
