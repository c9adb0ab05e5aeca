"""Matrix products: [..., M, K] x [..., K, N], the right side packed in panels if it is a constant.

    for each (batch, group of panels, tile of rows) in parallel:
        acc[rows][vectors] = 0; for k: acc[r][v] += a[r, k] * b[k, v * L : (v + 1) * L]
        out = epilogue(acc)

The last tile of rows, and of columns where b is not packed, is moved back so that it ends at the
edge: its elements are computed twice and no tile is masked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import kernel, loop, registers, vector_at
from compiler.kernels.geometry import FMA_LATENCY, FMA_PER_CYCLE, LOADS_PER_CYCLE, fits
from compiler.kernels.operators import shape_of
from compiler.kernels.template import Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Value, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Bound, Workload, operands_of
from targets import Profile


@dataclass(frozen=True)
class Product:
    """Sizes of a product. panels: those of the packed right side, or of its N columns."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    out: tuple[int, ...]
    rows: int
    columns: int
    depth: int
    packed: bool
    lanes: int

    @classmethod
    def of(cls, work: Workload, lanes: int) -> Product:
        assert work.anchor is not None
        left, right = (shape_of(o) for o in operands_of(work.anchor)[:2])
        out = shape_of(work.anchor)
        packed = work.operator == "neoc.matmul"
        return cls(left, right, out, out[-2], out[-1], left[-1], packed, lanes)

    @property
    def panels(self) -> int:
        return -(-self.columns // self.lanes)

    @property
    def batch(self) -> tuple[int, ...]:
        return self.out[:-2]


class Matmul(Template):
    name = "matmul"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        if work.operator == "neoc.matmul":
            return True
        if work.operator != "relax.matmul" or work.anchor is None:
            return False
        left, right = (shape_of(o) for o in operands_of(work.anchor))
        is_plain = len(left) >= 2 and len(right) >= 2 and work.output[1] == "float32"
        return is_plain and right[-1] >= profile.isa.lanes and work.anchor.ty.dtype == "float32"

    def space(self, work: Workload, profile: Profile) -> Space:
        shape = Product.of(work, profile.isa.lanes)
        return Space({
            "rows": tuple(r for r in range(1, 15) if r <= shape.rows),
            "vectors": tuple(v for v in (1, 2, 3, 4, 6, 8) if v <= shape.panels),
        })  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        rows, vectors = point["rows"], point["vectors"]
        if not fits(vectors, rows, profile):
            return math.inf
        few = 1 - rows * 1e-6  # of equals the tallest
        return _cycles(Product.of(work, profile.isa.lanes), rows, vectors, profile) * few

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        shape = Product.of(work, profile.isa.lanes)
        with kernel(name, work.parameters) as (buffers, done):
            _Emitter(shape, point["rows"], point["vectors"], work.bind(buffers), buffers[-1]).emit()
        return done[0]


def _cycles(shape: Product, rows: int, vectors: int, profile: Profile) -> float:
    step = max(vectors * rows / FMA_PER_CYCLE, (vectors + rows) / LOADS_PER_CYCLE, FMA_LATENCY)
    if shape.rows == 1:
        step = max(step, vectors * shape.lanes * 4 / 24)  # limited by the stream of the right side
    pieces = math.prod(shape.batch) * -(-shape.rows // rows) * -(-shape.panels // vectors)
    return step * shape.depth * -(-pieces // profile.cores)


class _Emitter:
    def __init__(
        self, shape: Product, rows: int, vectors: int, bound: Bound, out: tirx.Buffer
    ) -> None:
        self.shape, self.rows, self.vectors, self.out = shape, rows, vectors, out
        self.left, self.right = bound.anchor_buffers()
        self.accumulated = tirx.Var("accumulated", "float32")
        self.result = bound.result(Value(shape.out, "float32", lambda _: self.accumulated))

    def emit(self) -> None:
        s = self.shape
        tiles, groups = -(-s.rows // self.rows), -(-s.panels // self.vectors)
        batch = math.prod(s.batch)
        work = 2 * batch * s.rows * s.columns * s.depth
        with loop(batch * groups * tiles, parallel=work > 20_000) as task:
            index = unravel(T.bind(task // (groups * tiles)) if batch > 1 else ZERO, s.batch)
            group, tile = T.bind(task // tiles % groups), T.bind(task % tiles)
            row = T.bind(tirx.min(tile * self.rows, s.rows - self.rows))
            self._group(index, group, row)

    def _group(self, batch: tuple[Expr, ...], group: Expr, row: Expr) -> None:
        """The last group may hold fewer panels."""
        full, rest = divmod(self.shape.panels, self.vectors)
        if not rest:
            self._tile(batch, group * self.vectors, row, self.vectors)
        else:
            with T.If(group < full):
                with T.Then():
                    self._tile(batch, group * self.vectors, row, self.vectors)
                with T.Else():
                    self._tile(batch, tirx.const(full * self.vectors, "int32"), row, rest)

    def _tile(self, batch: tuple[Expr, ...], panel: Expr, row: Expr, vectors: int) -> None:
        s, lanes = self.shape, self.shape.lanes
        acc = registers(self.rows * vectors, lanes)
        for i in range(self.rows * vectors):
            T.buffer_store(
                acc,
                tirx.Broadcast(tirx.const(0.0, "float32"), lanes),
                [vector_at(i * lanes, lanes)],
            )
        left = T.bind((self._matrix(batch, s.left) * s.left[-2] + row) * s.depth)
        right = [self._panel(batch, panel + v) for v in range(vectors)]
        step = lanes if s.packed else s.columns
        with T.serial(0, s.depth) as k:
            b = [T.bind(self.right[vector_at(at + k * step, lanes)]) for at in right]
            for r in range(self.rows):
                a = T.bind(tirx.Broadcast(self.left[left + r * s.depth + k], lanes))
                for v in range(vectors):
                    slot = vector_at((r * vectors + v) * lanes, lanes)
                    T.buffer_store(acc, acc[slot] + a * b[v], [slot])
        for v in range(vectors):
            for r in range(self.rows):
                self._store(
                    acc[vector_at((r * vectors + v) * lanes, lanes)], batch, row + r, panel + v
                )

    def _matrix(self, batch: tuple[Expr, ...], shape: tuple[int, ...]) -> Expr:
        """The number of the operand's matrix for a batch index, which broadcasts."""
        flat: Expr = ZERO
        own = shape[:-2]
        for index, extent in zip(batch[len(batch) - len(own) :], own, strict=True):
            flat = flat * extent + (index if extent > 1 else 0)
        return flat

    def _column(self, panel: Expr) -> Expr:
        """A panel's first column. Unpacked, the last panel is moved back to end at the edge."""
        s = self.shape
        first = panel * s.lanes
        return (
            first if s.packed or s.columns % s.lanes == 0 else tirx.min(first, s.columns - s.lanes)
        )

    def _panel(self, batch: tuple[Expr, ...], panel: Expr) -> Expr:
        s = self.shape
        if s.packed:
            return T.bind(panel * (s.depth * s.lanes))
        return T.bind(self._matrix(batch, s.right) * (s.depth * s.columns) + self._column(panel))

    def _store(self, value: Expr, batch: tuple[Expr, ...], row: Expr, panel: Expr) -> None:
        """A whole vector, or the valid elements of the last packed panel."""
        s, lanes = self.shape, self.shape.lanes
        column = T.bind(self._column(panel))
        flat: Expr = ZERO
        for index, extent in zip(batch, s.batch, strict=True):
            flat = flat * extent + index
        target = T.bind((flat * s.rows + row) * s.columns + column)
        ragged = s.columns % lanes if s.packed else 0

        def whole() -> None:
            lane = tirx.Var("lane", "int32")
            at = self.result.at((*batch, row, column + lane))
            T.buffer_store(
                self.out,
                Evaluator(lane, lanes, {self.accumulated: value})(at),
                [vector_at(target, lanes)],
            )

        def part() -> None:
            held = T.bind(value)
            for i in range(ragged):
                at = self.result.at((*batch, row, column + i))
                single = Evaluator(
                    tirx.Var("lane", "int32"), 1, {self.accumulated: tirx.Shuffle([held], [i])}
                )(at)
                T.buffer_store(self.out, single, [target + i])

        if not ragged:
            whole()
        elif s.panels == 1:
            part()
        else:
            with T.If(panel < s.panels - 1):
                with T.Then():
                    whole()
                with T.Else():
                    part()
