"""The sizes of a convolution, and what a register tile for it costs: they choose its schedule."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from tvm import relax

from compiler.kernels.operators import dtype_of, integers, shape_of
from compiler.kernels.workload import Workload
from targets import Profile

SMALL_IMAGE = 64  # output pixels up to which every tile is written out with its own border
UNROLLED_TAPS = 640  # pixels x taps that may be written out so
WIDEST = 11  # kernel columns written out; wider kernels are looped over and come without padding
BLOCK = 64  # columns of one task of a 1x1 convolution
FMA_LATENCY, LOADS_PER_CYCLE = 4, 2
VECTORS_PER_FMA = 2  # of all operations: integers are widened, multiplied and added
TILE, TASK = 20, 60  # cycles around the loops of a tile, and of a task
MEMORY = 7  # bytes a cycle that all cores together read from memory


def pair(sizes: relax.ShapeExpr) -> tuple[int, int]:
    """The first two of some integers."""
    first, second, *_ = integers(sizes)
    return first, second


@dataclass(frozen=True)
class Geometry:
    """A convolution's sizes. reach: input channels that one panel of output channels reads."""

    batch: int
    in_channels: int
    height: int
    width: int
    block: int  # input channels that stand together: lanes if packed, 1 if not
    panels: int
    out_height: int
    out_width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]  # top, left
    dilation: tuple[int, int]
    groups: int
    out_channels: int
    reach: int
    lanes: int
    item: int = 4  # bytes of a weight
    whole: bool = False  # integers, two channels at a time

    @classmethod
    @lru_cache(maxsize=16)  # a template asks for every point of its space
    def of(cls, work: Workload) -> Geometry:
        assert work.anchor is not None
        data, weight, stride, padding, dilation, channels = work.anchor.args[1:7]
        batch, _, height, width, *block = shape_of(data)
        panels, kernel_h, kernel_w, reach, lanes = shape_of(weight)
        groups, in_channels, out_channels = integers(channels)
        out = shape_of(work.anchor)
        return cls(
            batch=batch,
            in_channels=in_channels,
            height=height,
            width=width,
            block=block[0] if block else 1,
            panels=panels,
            out_height=out[2],
            out_width=out[3],
            kernel=(kernel_h, kernel_w),
            stride=pair(stride),
            padding=pair(padding),
            dilation=pair(dilation),
            groups=groups,
            out_channels=out_channels,
            reach=reach,
            lanes=lanes,
            item=np.dtype(dtype_of(weight)).itemsize,
            whole=dtype_of(weight) != "float32",
        )

    @property
    def pointwise(self) -> bool:
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.padding == (0, 0) and (
            (self.out_height, self.out_width) == (self.height, self.width)
        )  # fmt: skip

    @property
    def pixels(self) -> int:
        return self.out_height * self.out_width

    def flat(self) -> Geometry:
        """A pointwise convolution as one long row."""
        pixels = self.pixels
        return replace(self, height=1, width=pixels, out_height=1, out_width=pixels)

    @property
    def mode(self) -> str:
        # no other template takes layers of integers whose code would be long
        most = UNROLLED_TAPS // 4 if self.whole else UNROLLED_TAPS
        if self.pixels <= SMALL_IMAGE and self.pixels * math.prod(self.kernel) <= most:
            return "image"
        return "flat" if self.pointwise else "rows"

    def in_one_group(self, vectors: int) -> bool:
        """Whether so many neighbouring panels read the same input channels."""
        per_group = self.out_channels // self.groups
        return vectors == 1 or (
            vectors <= self.panels and (self.groups == 1 or per_group % (vectors * self.lanes) == 0)
        )

    @property
    def weight_bytes(self) -> int:
        return self.item * self.panels * self.lanes * self.reach * self.kernel[0] * self.kernel[1]

    @property
    def data_bytes(self) -> int:
        return (2 if self.whole else 4) * self.in_channels * self.height * self.width

    @property
    def flops(self) -> int:
        return (
            2
            * self.batch
            * self.panels
            * self.lanes
            * self.pixels
            * self.reach
            * self.kernel[0]
            * self.kernel[1]
        )


def even(extent: int, most: int) -> list[int]:
    """The extent in as few parts as possible, none above `most`, as equal as can be: 14, 6 -> 5,
    5, 4.
    """
    parts = -(-extent // most)
    return [extent // parts + (i < extent % parts) for i in range(parts)]


def fits(vectors: int, columns: int, profile: Profile, whole: bool = False) -> bool:
    """Accumulators, one weight vector each and the broadcast value in the register file. A value
    that several products read has a register even where an operand could be broadcast. whole: also
    the products of integers.
    """
    weights = vectors if columns > 1 else 1
    others = 2 if whole else int(vectors > 1 or not profile.isa.embedded_broadcast)
    return vectors * columns + weights + others <= profile.isa.registers


def blocks(shape: Geometry, groups: int, cores: int) -> list[int]:
    """Pixels of each task of a pointwise convolution: about BLOCK, in as many tasks as keep all
    cores busy to the end. groups: tasks that share a block.
    """
    fewest, tasks = -(-shape.pixels // BLOCK), shape.batch * groups

    def busiest(pieces: int) -> int:
        return -(-tasks * pieces // cores) * -(-shape.pixels // pieces)

    pieces = min(range(fewest, fewest + fewest // 4 + 2), key=lambda p: (busiest(p), p))
    return even(shape.pixels, -(-shape.pixels // pieces))


def cycles(
    shape: Geometry, vectors: int, columns: int, profile: Profile, panels_first: bool = False
) -> float:
    """Estimated cycles of the busiest core: the slowest of arithmetic, loads, latency, and weights
    from L2, and what stands around the loops. A step takes one channel, or two of integers, whose
    sums wait for an addition only.
    """
    together, latency = (2, 1) if shape.whole else (1, FMA_LATENCY)
    depth = shape.reach // together * shape.kernel[0] * shape.kernel[1]

    def step(v: int, n: int) -> float:
        fits_l1 = (
            v * shape.lanes * shape.item * shape.reach * shape.kernel[0] * shape.kernel[1]
            < profile.l1_bytes // 2
        )
        stream = 0.0 if fits_l1 else v * shape.lanes * shape.item * together / 24
        units = multiplying(v, n, profile, shape.whole)
        return max(units, (v + n) / LOADS_PER_CYCLE, latency, stream)

    def piece(v: int, extent: int) -> float:
        tiles = Counter(even(extent, columns))
        return TASK + sum(count * (depth * step(v, n) + TILE) for n, count in tiles.items())

    groups = filled(shape.panels, vectors)
    extents = {
        "rows": [shape.out_width] * shape.out_height,
        "image": [shape.pixels],
        "flat": blocks(shape, len(groups), profile.cores),
    }[shape.mode]
    heights, height = np.unique(groups, return_inverse=True)
    widths, width = np.unique(extents, return_inverse=True)
    kinds = np.array([[piece(int(v), int(e)) for e in widths] for v in heights])
    tasks = kinds[height][:, width]
    order = tasks if panels_first else tasks.T
    return busiest(np.tile(order.ravel(), shape.batch), profile.cores)


def filled(extent: int, most: int) -> list[int]:
    """14, 4 -> 4, 4, 4, 2"""
    return [min(most, extent - start) for start in range(0, extent, most)]


def busiest(tasks: np.ndarray, cores: int) -> float:
    """What the core with most to do takes for its share, as runtime/pool.c gives them out."""
    shares = min(cores, len(tasks))
    starts = [len(tasks) * n // shares for n in range(shares)]
    return float(np.add.reduceat(tasks, starts).max())


def multiplying(vectors: int, columns: int, profile: Profile, whole: bool) -> float:
    """Cycles of a step's arithmetic."""
    products = vectors * columns
    others = (2 * products + vectors) / VECTORS_PER_FMA if whole else 0.0
    return max(products, others) / profile.fma_per_cycle


def waiting(weight_bytes: int, hidden: float) -> float:
    """Cycles that a kernel waits for weights that no cache holds. hidden: cycles of its arithmetic
    that go on meanwhile.
    """
    reading = weight_bytes / MEMORY
    return max(reading - hidden, reading / 4)
