"""`python -m benchmarks kernels NET`: every kernel call of a network, beside its least time.

Times are medians in the running network; see benchmarks/floors.py for the rest.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import artifacts, floors, models, peak, suite
from benchmarks.artifacts import compiled, of_suite, real
from benchmarks.floors import Floor
from benchmarks.peak import Peak
from benchmarks.provenance import heading, provenance
from compiler import bench, calls
from compiler import run as runner

SECONDS = 3.0
PERCENT = ("% FMA", "floor, ms", "% floor")


def run(options: argparse.Namespace) -> int:
    net = (of_suite if options.net in suite.NETS else real)(options.net)
    how = artifacts.how(options)
    archive, _ = compiled(net, how)
    highest = peak.measure(options.threads)
    with runner.unpack(archive) as artifact:
        link = artifact.manifest["target"]["link"]
        profile = bench.profile(artifact.folder, link, options.threads, options.seconds)
        rows = calls.rows(profile, artifact.manifest["kernels"])
        kernels = floors.kernels(net, artifact.manifest["kernels"], options.threads)
    least = floors.floors(rows, kernels, highest)
    for line in table(rows, least, highest):
        print(line)
    known = provenance(options.threads, {})
    print(f"\n{net.name}, {how.label}: {profile.median_ms:.3f} ms a run, {len(rows)} calls")
    print(f"time by template: {summary(rows)}")
    print(f"floor: {sum(floor.ms for floor in least):.3f} ms for all calls together")
    print(
        f"peak: {highest.gflops_per_s} GFLOP/s, {highest.memory_gbytes_per_s} GB/s from memory, "
        f"{highest.cache_gbytes_per_s} GB/s from the last cache"
    )
    print(heading(known))
    if options.json:
        written = known | {"net": net.name, "how": how.label, "peak": asdict(highest)}
        both = zip(rows, least, strict=True)
        written["calls"] = [asdict(row) | {"floor": asdict(floor)} for row, floor in both]
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    return 0


def table(rows: Sequence[calls.Row], least: Sequence[Floor], highest: Peak) -> list[str]:
    """Slowest first."""
    cells = []
    for row, floor in sorted(zip(rows, least, strict=True), key=lambda pair: -pair[0].ms):
        fma = f"{row.gflops_per_s / highest.gflops_per_s:.0%}" if row.flops else ""
        share = f"{floor.ms / row.ms:.0%}" if row.ms else ""
        own = row.cells()
        cells.append((*own[:4], fma, f"{floor.ms:.4f}", share, *own[4:], floor.reason))
    return list(calls.lines((*calls.HEAD[:4], *PERCENT, *calls.HEAD[4:], "because"), cells))


def summary(rows: Sequence[calls.Row]) -> str:
    """The time's share of each template."""
    shares: dict[str, float] = {}
    for row in rows:
        shares[row.template] = shares.get(row.template, 0.0) + row.share
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{template} {share:.0%}" for template, share in ordered)


def add_options(parser: argparse.ArgumentParser) -> None:
    names = [*suite.NETS, *(name for name in models.ROWS if name not in suite.NETS)]
    parser.add_argument("net", choices=names, metavar="NET", help=", ".join(names))
    artifacts.add_options(parser)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="to measure for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
