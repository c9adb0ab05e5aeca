"""The sizes of a matrix product, how it is cut into tasks and blocks, and what that should cost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from compiler.kernels.emit import LINE
from compiler.kernels.geometry import FMA_LATENCY, LOADS_PER_CYCLE, even, multiplying
from compiler.kernels.operators import dtype_of, integers, shape_of
from compiler.kernels.template import Point
from compiler.kernels.workload import Workload, operands_of
from targets import Profile

# Cycles: around a tile; to move one vector. Bytes a cycle: from the second cache; from memory.
TILE, MOVE, L2_PER_CYCLE, STREAM = 20, 3, 24, 4
# Of a left side whose rows lie across: tiles that read it so; its copy against one of rows.
APART, TURNED = 1.1, 4


@dataclass(frozen=True)
class Views:
    """Where a product reads: of each operand its start and the elements from one to the next along
    the axes of the batch and the matrix. The result's axes, (*batch, row, column), are in `order`.
    neoc.matmul(left, right, sizes, views, order) says it, relax.matmul reads plain matrices.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, work: Workload) -> Views:
        assert work.anchor is not None
        views, order = (integers(o) for o in operands_of(work.anchor)[3:])
        half = len(views) // 2
        return cls(tuple(views[:half]), tuple(views[half:]), tuple(order))

    @classmethod
    def plain(cls, left: tuple[int, ...], right: tuple[int, ...], batch: int) -> Views:
        def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
            steps = [math.prod(shape[n + 1 :]) if e > 1 else 0 for n, e in enumerate(shape[:-2])]
            missing = [0] * (batch - len(steps))
            return (0, *missing, *steps[max(len(steps) - batch, 0) :], shape[-1], 1)

        return cls(strides(left), strides(right), tuple(range(batch + 2)))

    @property
    def turned(self) -> tuple[bool, bool]:
        """Whether neighbours in a row of the left and of the right side lie apart."""
        return self.left[-1] != 1, self.right[-1] != 1


@dataclass(frozen=True)
class Product:
    """Sizes of a product: batch matrices of rows x depth times depth x columns. A right side
    without batch axes makes the left one a single tall matrix.
    """

    batch: tuple[int, ...]
    rows: int
    columns: int
    depth: int
    lanes: int
    constant: bool
    views: Views
    left: int = 4  # bytes of an element
    right: int = 4
    together: int = 1  # steps of the depth that one instruction takes: two of integers

    @classmethod
    def of(cls, work: Workload, lanes: int) -> Product:
        assert work.anchor is not None
        if work.operator == "neoc.matmul":
            *outer, rows, columns, depth = integers(operands_of(work.anchor)[2])
            return cls(tuple(outer), rows, columns, depth, lanes, False, Views.of(work))
        operands = operands_of(work.anchor)[:2]
        left, right = (shape_of(o) for o in operands)
        left_bytes, right_bytes = (np.dtype(dtype_of(o)).itemsize for o in operands)
        together = 1 if dtype_of(work.anchor) == "float32" else 2
        out = shape_of(work.anchor)
        is_one = all(e == 1 for e in right[:-2])
        batch, rows = ((), math.prod(out[:-1])) if is_one else (out[:-2], out[-2])
        return cls(
            batch,
            rows,
            out[-1],
            left[-1],
            lanes,
            is_one and parameter_of(work, 1) in work.constants,
            Views.plain(left, right, len(batch)),
            left_bytes,
            right_bytes,
            together,
        )

    @property
    def panels(self) -> int:
        return -(-self.columns // self.lanes)


def parameter_of(work: Workload, operand: int) -> int:
    """The number of the parameter that is an operand of the anchor: it absorbs no producers."""
    assert work.anchor is not None
    expr = operands_of(work.anchor)[operand]
    return next(n for n, p in enumerate(work.function.params) if p.same_as(expr))


@dataclass(frozen=True)
class Blocks:
    """How a product is cut. tiles: sizes of the row tiles, in at most two sizes, the larger first;
    chunk, stack: groups of panels and row tiles of one task; span: how much of K at once.
    """

    shape: Product
    vectors: int
    tiles: tuple[int, ...]
    chunk: int
    stack: int
    span: int

    @classmethod
    def of(cls, shape: Product, point: Point, profile: Profile) -> Blocks:
        vectors, span = point["vectors"], point["span"]
        tiles = tuple(even(shape.rows, point["rows"]))
        row_bytes = shape.left * span * tiles[0]
        stacks = -(-len(tiles) // max(profile.l2_bytes * 3 // 4 // row_bytes, 1))
        stack = -(-len(tiles) // stacks)
        groups = -(-shape.panels // vectors)
        others = math.prod(shape.batch) * -(-len(tiles) // stack)
        most = groups if point["copy"] or not shape.constant else 1
        if span < shape.depth:
            column_bytes = 4 * stack * tiles[0] * vectors * shape.lanes
            most = min(groups, max(profile.l2_bytes // 2 // column_bytes, 1))
        chunk = _balanced(groups, others, most, profile.cores)
        return cls(shape, vectors, tiles, chunk, stack, span)

    @property
    def groups(self) -> int:
        return -(-self.shape.panels // self.vectors)

    @property
    def chunks(self) -> int:
        return -(-self.groups // self.chunk)

    @property
    def stacks(self) -> int:
        return -(-len(self.tiles) // self.stack)

    @property
    def spans(self) -> int:
        return self.shape.depth // self.span

    @property
    def tasks(self) -> int:
        return math.prod(self.shape.batch) * self.chunks * self.stacks

    @property
    def width(self) -> int:
        """Columns of a group."""
        return self.vectors * self.shape.lanes

    @property
    def panel(self) -> int:
        """Elements of a group's panel in one span of K."""
        return self.span * self.width

    @property
    def stride(self) -> int:
        """Elements from one copied row to the next: an odd number of lines, so that rows differ in
        cache sets.
        """
        lines = -(-self.span * self.shape.left // LINE) | 1
        return lines * (LINE // self.shape.left)

    def pack(self, right: np.ndarray) -> np.ndarray:
        """[K, N] -> [span][group][k][vectors * L], with zeros behind the last column. Of integers
        two k stand beside each other: [span][group][k / 2][vectors * L][2].
        """
        s = self.shape
        padded = np.zeros((s.depth, self.groups * self.width), right.dtype)
        padded[:, : s.columns] = right.reshape(s.depth, s.columns)
        steps = self.span // s.together
        cut = padded.reshape(self.spans, steps, s.together, self.groups, self.width)
        return np.ascontiguousarray(cut.transpose(0, 3, 1, 4, 2)).reshape(-1)


def _balanced(groups: int, others: int, most: int, cores: int) -> int:
    """Groups a task: the most that keep all cores busy to the end."""

    def busiest(chunk: int) -> int:
        return -(-others * -(-groups // chunk) // cores) * chunk

    return min(range(1, most + 1), key=lambda c: (busiest(c), -c))


def _largest_share(blocks: Blocks, cores: int) -> float:
    """The busiest core's part of all work. Of one row of tasks the last is the narrowest."""
    tasks = -(-blocks.tasks // cores)
    if blocks.tasks == blocks.chunks:
        panels = blocks.shape.panels
        return min(tasks * blocks.chunk * blocks.vectors, panels) / panels
    return tasks / blocks.tasks


def cycles(blocks: Blocks, copies: bool, profile: Profile) -> float:
    """Estimated cycles of the busiest core: arithmetic and what is done for every tile and task, or
    the stream of the right side from memory.
    """
    shape, lanes = blocks.shape, blocks.shape.lanes
    full, narrow = divmod(shape.panels, blocks.vectors)
    widths = {blocks.vectors: full, narrow: 1} if narrow else {blocks.vectors: full}
    heights = Counter(blocks.tiles)
    # a panel that the rows beside it push out of the first cache costs more than one that streams
    panel, beside = shape.right * blocks.panel, shape.left * blocks.span * blocks.tiles[0]
    late = 0.04 if panel > profile.l1_bytes else 0.12 * (panel + beside > profile.l1_bytes)
    late += 0.10 * (panel + beside * blocks.stack > profile.l2_bytes)
    far = 1 + late * profile.fma_per_cycle / 2  # seen at two: data come no faster for those
    latency = FMA_LATENCY if shape.together == 1 else 1

    def tile(rows: int, vectors: int) -> float:
        loads = (vectors + rows) / LOADS_PER_CYCLE
        units = multiplying(vectors, rows, profile, shape.together > 1)
        close = (max(units, loads, latency) + loads / 4) * far
        step = max(close, vectors * lanes * shape.right * shape.together / L2_PER_CYCLE)
        steps = blocks.span // shape.together
        return blocks.spans * (steps * step + TILE + rows * vectors * (1 + (blocks.spans > 1)))

    one = sum(n * m * tile(h, w) for h, n in heights.items() for w, m in widths.items())
    batch = math.prod(shape.batch)
    apart, across = shape.views.turned
    one *= APART if apart and not copies else 1.0
    moved = shape.rows * shape.depth * blocks.chunks * (TURNED if apart else 1) if copies else 0
    packed = shape.columns * shape.depth * blocks.stacks
    moved += 0 if shape.constant else packed * (3 if across else 2)
    total = batch * (one + moved / lanes * MOVE)
    busiest = total * _largest_share(blocks, profile.cores)
    weights = shape.right * shape.columns * shape.depth
    stream = weights * shape.constant / profile.cores / STREAM
    return max(busiest, stream) + min(busiest, stream) / 10 + blocks.tasks / profile.cores * TILE
