"""What a kernel call takes at least on this machine, and what of the rest can be computed.

The floor is the longer of two times: its multiplications and additions at the measured peak, and
its bytes at the measured bandwidth of where they lie: weights in memory, if those of the network
exceed the last cache, all else in that cache. A share above 100 % comes from nearer caches, or from
Winograd, whose operations are counted as the direct convolution's.

Reasons follow from the schedule, and are shares of the FMA peak that it can reach; what is not
computed is not said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import tvm_ffi
from tvm import tirx

import frontends.onnx
import targets
from benchmarks.artifacts import Network
from benchmarks.peak import Peak
from compiler import pipeline
from compiler.calls import Row
from compiler.kernels import templates
from compiler.kernels.geometry import (
    FMA_LATENCY,
    LOADS_PER_CYCLE,
    Geometry,
    blocks,
    even,
    filled,
)  # fmt: skip
from compiler.kernels.product import Blocks, Product
from compiler.kernels.template import Schedule
from compiler.kernels.winograd_stages import Tiling
from compiler.lowered import Kernel
from frontends.model import DataInputConfig
from targets import Profile

DENSE = ("neoc.conv2d", "neoc.gathered_conv2d", "relax.matmul", "neoc.matmul")
GOOD = 0.85  # of the FMA peak: such a call needs no reason
TOLD = 0.97  # of the peak: a bound above that explains little


@dataclass(frozen=True)
class Floor:
    """Of one call, in ms. reason: what keeps it from the FMA peak; empty where that is near, or not
    computed."""

    fma_ms: float
    memory_ms: float
    reason: str = ""

    @property
    def ms(self) -> float:
        return max(self.fma_ms, self.memory_ms)


def kernels(net: Network, manifest: Sequence[Mapping[str, Any]], threads: int) -> dict[str, Kernel]:
    """The artifact's kernels by name, from the network and its manifest's schedules."""
    profile = replace(targets.get("host"), cores=threads)
    shapes: DataInputConfig = {name: array.shape for name, array in net.feed.items()}
    module = pipeline.lower(frontends.onnx.load(net.path, shapes).module, profile)
    works = pipeline.workloads(module)
    found = {}
    for row in manifest:
        work = works[row["name"]]
        named = {template.name: template for template in templates(work, profile)}
        schedule = Schedule(named[row["template"]], row["point"])
        found[row["name"]] = Kernel(row["name"], work, schedule, profile)
    return found


def floors(rows: Sequence[Row], known: Mapping[str, Kernel], peak: Peak) -> list[Floor]:
    weights = {name: weight_bytes(kernel) for name, kernel in known.items()}
    total = sum(weights[row.kernel] for row in rows)
    found = []
    for row in rows:
        kernel = known[row.kernel]
        cold = weights[row.kernel] if total > kernel.profile.l3_bytes else 0
        fma_ms = row.flops / peak.gflops_per_s / 1e6
        cold_ms = cold / peak.memory_gbytes_per_s / 1e6
        memory_ms = cold_ms + (row.bytes - cold) / peak.cache_gbytes_per_s / 1e6
        floor = Floor(fma_ms, memory_ms)
        if kernel.work.operator in DENSE and fma_ms < GOOD * row.ms:
            floor = replace(floor, reason=reason(kernel, floor, cold_ms))
        found.append(floor)
    return found


def weight_bytes(kernel: Kernel) -> int:
    """Of the constants that it reads, as they are stored."""
    parameters, packing = kernel.work.parameters, kernel.packing
    return sum(
        prod(packing[n].shape if n in packing else parameters[n][0])
        * np.dtype(parameters[n][1]).itemsize
        for n in kernel.work.constants
    )


def reason(kernel: Kernel, floor: Floor, cold_ms: float) -> str:
    """What bounds a dense kernel, each bound alone, as shares of the time or of the peak."""
    parts = []
    if floor.memory_ms > floor.fma_ms:
        parts.append(f"bytes take {floor.memory_ms / floor.fma_ms:.1f} x the FMA time")
    elif cold_ms > (1 - TOLD) * floor.fma_ms:
        parts.append(f"weights from memory take {cold_ms / floor.fma_ms:.0%} of the FMA time")
    cut = CUTS.get(kernel.schedule.template.name)
    bounds = cut(kernel) if cut else {}
    cores = kernel.profile.cores
    for count in tasks(kernel):
        bounds[f"{count} tasks keep {cores} threads busy for {{}}"] = balance(count, cores)
    parts += [text.format(f"{share:.0%}") for text, share in bounds.items() if share < TOLD]
    return ", ".join(parts)


def balance(count: int, cores: int) -> float:
    """The share of the time that equal tasks keep all cores busy."""
    return count / (-(-count // cores) * cores)


def tasks(kernel: Kernel) -> list[int]:
    """Of every parallel region; one task where there is none."""
    found: list[int] = []

    def visit(loop: tirx.For) -> None:
        if loop.kind == tirx.ForKind.PARALLEL:
            found.append(int(loop.extent))

    tvm_ffi.structural_walk(kernel.emit(kernel.name).body, (tirx.For, visit))
    return found or [1]


def _direct(kernel: Kernel) -> dict[str, float]:
    shape, point = Geometry.of(kernel.work), kernel.schedule.point
    extent = shape.out_width if shape.mode == "rows" else shape.pixels
    groups = filled(shape.panels, point["vectors"])
    flat = shape.mode == "flat"
    cuts = blocks(shape, len(groups), kernel.profile.cores) if flat else [extent]
    rows = [tile for cut in cuts for tile in even(cut, point["columns"])]
    return {LANES: _filled(shape), REGISTERS: reached(rows, groups, kernel.profile)}


def _winograd(kernel: Kernel) -> dict[str, float]:
    shape, point = Geometry.of(kernel.work), kernel.schedule.point
    t = Tiling(shape, point["tile"], 1, point["rows"], point["vectors"])
    image = shape.batch * shape.pixels / (t.count * t.down.outputs * t.across.outputs)
    groups = filled(shape.panels, t.vectors)
    return {
        LANES: _filled(shape),
        IMAGE: image,
        REGISTERS: reached([t.rows], groups, kernel.profile),
    }


def _product(kernel: Kernel) -> dict[str, float]:
    shape = Product.of(kernel.work, kernel.profile.isa.lanes)
    cut = Blocks.of(shape, kernel.schedule.point, kernel.profile)
    groups = filled(shape.panels, cut.vectors)
    lanes = shape.columns / (shape.panels * shape.lanes)
    return {LANES: lanes, REGISTERS: reached(cut.tiles, groups, kernel.profile)}


LANES, IMAGE = "channels fill {} of the lanes", "the image fills {} of its tiles"
REGISTERS = "register tiles can reach {}"
# The shares of a schedule that do work, by its template.
CUTS: Mapping[str, Callable[[Kernel], dict[str, float]]] = {
    "conv2d": _direct, "winograd": _winograd, "matmul": _product,
}  # fmt: skip


def _filled(shape: Geometry) -> float:
    return shape.out_channels / (shape.panels * shape.lanes)


def reached(rows: Iterable[int], vectors: Iterable[int], profile: Profile) -> float:
    """The share of the FMA peak that register tiles of these sizes admit: a step of
    the depth loads its vectors and scalars, and waits for the sums of the step before.
    """
    tiles = [(r, v) for r in rows for v in vectors]
    arithmetic = [r * v / profile.fma_per_cycle for r, v in tiles]
    loads = [(r + v) / LOADS_PER_CYCLE for r, v in tiles]
    steps = [max(a, b, FMA_LATENCY) for a, b in zip(arithmetic, loads, strict=True)]
    return sum(arithmetic) / sum(steps)
