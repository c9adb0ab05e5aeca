"""What a Winograd convolution should take, in cycles of the busiest core."""

from __future__ import annotations

from collections import Counter

from compiler.kernels.geometry import FMA_LATENCY, FMA_PER_CYCLE, LOADS_PER_CYCLE, waiting
from compiler.kernels.winograd_stages import Tiling
from targets import Profile

REGISTER_TILE = 30  # cycles to clear and to store one
REGION = 2000  # cycles to start and end a parallel region
SPILLED = 8  # bytes a cycle between L2 and what lies behind it
TRANSFORM = 1.3  # what a transform takes over its stores and arithmetic


def estimate(t: Tiling, staged: bool, profile: Profile) -> float:
    cores = profile.cores
    units = t.planes * t.groups
    pass_cycles = _pass(t)
    if staged:
        tiles: float = -(-t.count // cores)
        runs: float = t.held // t.rows * -(-units // cores) / units
    else:
        tiles = min(-(-t.blocks // cores) * t.block, t.count)
        runs = -(-tiles // t.rows)
    products = runs * pass_cycles
    weight_bytes = 4 * t.planes * t.shape.reach * t.width
    wait = waiting(weight_bytes, products / max(runs if not staged else t.held // t.rows, 1))
    return products + tiles * _transforms(t) + wait + _traffic(t, staged, tiles, profile)


def _pass(t: Tiling) -> float:
    """One register tile of every group of every plane."""
    s = t.shape
    groups = Counter({t.vectors: s.panels // t.vectors, s.panels % t.vectors: 1})
    del groups[0]

    def tile(v: int) -> float:
        step = max(t.rows * v / FMA_PER_CYCLE, (t.rows + v) / LOADS_PER_CYCLE, FMA_LATENCY)
        return step * s.reach + REGISTER_TILE

    return t.planes * sum(tile(v) * count for v, count in groups.items())


def _transforms(t: Tiling) -> float:
    """Both, for all channels of one tile: a store a cycle, two operations a cycle."""
    down, across = t.down, t.across
    into = (
        2 * t.planes
        + (down.samples * across.input_operations + across.samples * down.input_operations) / 2
    )
    out = (
        down.outputs * (across.samples + 2 * across.outputs)
        + (across.samples * down.output_operations + down.outputs * across.output_operations) / 2
    )
    return TRANSFORM * (into * t.depth / t.shape.lanes + out * t.shape.panels)


def _traffic(t: Tiling, staged: bool, tiles: float, profile: Profile) -> float:
    """What does not stay in the L2 cache between the stages: it is written and read once."""
    moved = 8 * t.planes * tiles * (t.depth + t.width)
    held = 4 * t.planes * t.held * (t.depth + t.width)
    if staged:
        return moved / SPILLED * (1 - 1 / profile.cores) + 3 * REGION
    return moved / SPILLED * max(0.0, 1 - 0.9 * profile.l2_bytes / held) + REGION
