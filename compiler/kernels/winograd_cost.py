"""What a Winograd convolution should take, in cycles of the busiest core."""

from __future__ import annotations

from collections import Counter

from compiler.kernels.emit import REGION
from compiler.kernels.geometry import FMA_LATENCY, MEMORY
from compiler.kernels.winograd_stages import Tiling
from targets import Profile

REGISTER_TILE = 30  # cycles to clear and to store one
LOADS = 1.3  # a cycle, where most spread a scalar: 13 tiles by 1 vector are slower than 6 by 2
SPILLED = 8  # bytes a cycle between L2 and what lies behind it
NEAR = 24  # bytes a cycle out of L2
ALONE = 4.5  # bytes a cycle that one core reads from memory
FAR = 0.25  # more for a pass whose weights and data are twice what the first cache holds
TRANSFORM = 1.3  # what a transform takes over its stores and arithmetic
HOLDING = 2e-9  # more for each byte of workspace: of equals the one that needs less memory


def estimate(t: Tiling, staged: bool, profile: Profile) -> float:
    cores = profile.cores
    units = t.planes * t.groups
    share: float = -(-units // cores) / units if staged else 1
    passes = 1 if staged else -(-t.blocks // cores)  # over the weights
    tiles = t.count / cores if staged else min(passes * t.block, t.count)
    runs = t.held // t.rows if staged else -(-tiles // t.rows)
    weight_bytes = 4 * t.planes * t.shape.reach * t.width
    bandwidth = SPILLED if 2 * weight_bytes > profile.l2_bytes else NEAR
    first = passes * _pass(t, bandwidth, profile)
    products = (first + (runs - passes) * _pass(t, NEAR, profile)) * share
    # Every pass fetches its share of the weights that come next.
    reading = weight_bytes / min(MEMORY, ALONE * cores)
    wait = max(reading - products, reading / 8)
    transforms = tiles * _transforms(t, profile) + _traffic(t, staged, tiles, profile)
    return (products + transforms + wait) * (1 + HOLDING * _held(t))


def _held(t: Tiling) -> int:
    """Bytes of one workspace."""
    return 4 * t.planes * t.held * (t.depth + t.width)


def _pass(t: Tiling, bandwidth: float, profile: Profile) -> float:
    """One register tile of every group of every plane; bandwidth: of the weights."""
    s = t.shape
    groups = Counter({t.vectors: s.panels // t.vectors, s.panels % t.vectors: 1})
    del groups[0]

    def tile(v: int) -> float:
        arithmetic, loads = t.rows * v / profile.fma_per_cycle, (t.rows + v) / LOADS
        step = max(arithmetic, loads, FMA_LATENCY, v * s.lanes * 4 / bandwidth)
        beyond = 4 * s.reach * (v * s.lanes + t.rows) / profile.l1_bytes - 1
        return step * s.reach * (1 + FAR * min(max(beyond, 0.0), 1.0)) + REGISTER_TILE

    return t.planes * sum(tile(v) * count for v, count in groups.items())


def _transforms(t: Tiling, profile: Profile) -> float:
    """Both, for all channels of one tile: an operation for each multiply-add that there might be,
    and half as many stores.
    """
    down, across = t.down, t.across
    into = (
        2 * t.planes
        + (down.samples * across.input_operations + across.samples * down.input_operations) / 2
    )
    out = (
        down.outputs * (across.samples + 2 * across.outputs)
        + (across.samples * down.output_operations + down.outputs * across.output_operations) / 2
    )
    slower = TRANSFORM * 2 / profile.fma_per_cycle
    return slower * (into * t.depth / t.shape.lanes + out * t.shape.panels)


def _traffic(t: Tiling, staged: bool, tiles: float, profile: Profile) -> float:
    """What does not stay in the L2 caches between the stages: it is written and read once."""
    cores = profile.cores
    moved = 8 * t.planes * tiles * (t.depth + t.width)
    held = _held(t)  # by all cores together, or by each
    near = profile.l2_bytes * (cores if staged else 1)
    crossing = 1 - 1 / cores if staged else 0.0
    far = moved * max(crossing, 1 - 0.9 * near / held)
    last = max(profile.l3_bytes, near)
    bandwidth = SPILLED if 2 * held * (1 if staged else cores) < last else MEMORY / cores
    return far / bandwidth + REGION * (3 if staged else 1)
