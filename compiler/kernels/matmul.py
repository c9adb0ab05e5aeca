"""Matrix products: [..., M, K] x [..., K, N], the right side packed in panels.

    for each (batch, chunk of panel groups, block of row tiles) in parallel:
        for each block of K:
            for each group of the chunk: for each tile of rows:
                acc[rows][vectors] += left[r, k] * panel[k, v * L : (v + 1) * L]
        out = epilogue(acc)

A constant right side is packed at compile time: [block of K][group][k][vectors * L], so that a
task reads it once from end to end. Any other is packed by the task. Sums of earlier blocks of K
wait in a workspace. Integers are multiplied two k at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.arithmetic import Arithmetic, Floats, Pairs
from compiler.kernels.emit import (
    LINE,
    REGION,
    below,
    either,
    kernel,
    loop,
    prefetch,
    registers,
    store_row,
    vector_at,
    within,
    workspace,
)  # fmt: skip
from compiler.kernels.geometry import fits
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.product import Blocks, Product, cycles, parameter_of
from compiler.kernels.template import Packing, Point, Space, Template
from compiler.kernels.tile import UNROLLED, Tile
from compiler.kernels.transpose import BLOCK, transposed
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload, operands_of
from targets import Profile

FLOATS = ("float32",) * 3
INTEGERS = {("int16", "int8", "int32"), ("int16", "int16", "int32")}  # of an even depth


class Matmul(Template):
    name = "matmul"
    version = 2

    def accepts(self, work: Workload, profile: Profile) -> bool:
        if work.operator == "neoc.matmul":
            return True
        if work.operator != "relax.matmul" or work.anchor is None:
            return False
        ranks = [len(shape_of(o)) for o in operands_of(work.anchor)]
        types = tuple(dtype_of(t) for t in (*operands_of(work.anchor), work.anchor))
        empty = 0 in (*shape_of(work.anchor), *shape_of(operands_of(work.anchor)[0]))
        known = parameter_of(work, 1) in work.constants
        computed = types == FLOATS or (types in INTEGERS and known)
        return min(ranks) >= 2 and computed and not empty

    def space(self, work: Workload, profile: Profile) -> Space:
        shape = Product.of(work, profile.isa.lanes)
        cuts = [shape.depth // n for n in range(2, 13) if shape.depth % n == 0]
        whole = [c for c in cuts if c % shape.together == 0]
        spans = [c for c in whole if shape.constant and 192 <= c <= 512]
        return Space({
            "rows": tuple(r for r in range(1, 15) if r <= shape.rows),
            "vectors": tuple(v for v in (1, 2, 3, 4, 6, 8) if v <= shape.panels),
            "span": (shape.depth, *spans),
            "copy": (0, 1) if shape.rows > 1 else (0,),
        })  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        shape = Product.of(work, profile.isa.lanes)
        rows, vectors = point["rows"], point["vectors"]
        if not fits(vectors, rows, profile, shape.together > 1):
            return math.inf
        return cycles(Blocks.of(shape, point, profile), bool(point["copy"]), profile)

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        shape = Product.of(work, profile.isa.lanes)
        if not shape.constant:
            return {}
        blocks = Blocks.of(shape, point, profile)
        name = f"panels of {blocks.width}, {blocks.span} deep"
        elements = shape.depth * blocks.groups * blocks.width
        return {parameter_of(work, 1): Packing(name, (elements,), blocks.pack)}

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        blocks = Blocks.of(Product.of(work, profile.isa.lanes), point, profile)
        packed = self.packing(work, profile, point)
        parameters = [
            (packed[n].shape, dtype) if n in packed else (shape, dtype)
            for n, (shape, dtype) in enumerate(work.parameters)
        ]
        with kernel(name, parameters) as (buffers, done):
            parallel = cycles(blocks, bool(point["copy"]), profile) > REGION
            arithmetic = (
                Floats(profile.isa.lanes) if blocks.shape.together == 1 else Pairs.of(profile)
            )
            _Emitter(blocks, arithmetic, bool(point["copy"]), work, buffers).emit(parallel)
        return done[0]


class _Emitter:
    """Writes one product. Where a task is: batch, its first group, tile and row."""

    batch: Index
    group: Expr
    tile: Expr
    row: Expr
    panels: tirx.Buffer
    rows: tirx.Buffer | None
    waiting: tirx.Buffer | None

    def __init__(
        self,
        blocks: Blocks,
        arithmetic: Arithmetic,
        copies: bool,
        work: Workload,
        buffers: Sequence[tirx.Buffer],
    ) -> None:
        self.arithmetic = arithmetic
        self.blocks, self.shape, self.copies, self.out = blocks, blocks.shape, copies, buffers[-1]
        self.long_epilogue = work.calls_mathematics
        self.left, self.right = (buffers[parameter_of(work, n)] for n in (0, 1))
        self.accumulated = tirx.Var("accumulated", arithmetic.sums)
        assert work.anchor is not None
        self.full = shape_of(work.anchor)
        anchor = Value(self.full, arithmetic.sums, lambda _: self.accumulated)
        self.result = work.bind(buffers).result(anchor)

    def emit(self, parallel: bool) -> None:
        b = self.blocks
        inner = b.chunks * b.stacks
        with loop(b.tasks, parallel) as task:
            self.batch = unravel(T.bind(task // inner), self.shape.batch)
            self.group = T.bind(task // b.stacks % b.chunks * b.chunk)
            self.tile = T.bind(task % b.stacks * b.stack)
            self.row = T.bind(self._first_row(self.tile))
            self._task()

    def _task(self) -> None:
        b = self.blocks
        tall = b.stack * b.tiles[0]
        groups, tiles = within(b.chunk, self.group, b.groups), self._tiles()
        self.panels = self.right if self.shape.constant else self._packed()
        self.rows = workspace(tall * b.stride, str(self.left.dtype)) if self.copies else None
        held = (b.chunk * tall * b.width, self.arithmetic.sums)
        self.waiting = workspace(*held) if b.spans > 1 else None
        with loop(b.spans) as span:
            if self.copies:
                self._copy(span)
            with loop(groups) as g:
                with loop(tiles) as t:
                    self._place(span, g, t)

    def _tiles(self) -> int | Expr:
        return within(self.blocks.stack, self.tile, len(self.blocks.tiles))

    def _first_row(self, tile: Expr) -> Expr:
        tiles = self.blocks.tiles
        large = tiles.count(tiles[0])
        return tile * tiles[0] - (tirx.max(tile - large, 0) if large < len(tiles) else 0)

    def _index(self, row: Expr) -> Index:
        """Where a row of the matrix lies in the result, without the column."""
        if not self.shape.batch:
            return unravel(row, self.full[:-1])
        at = (*self.batch, row)
        return tuple(at[axis] for axis in self.shape.views.order[:-1])

    def _target(self, row: Expr, index: Index) -> Expr:
        """Where a row of the matrix begins in the result."""
        return (ravel(index, self.full[:-1]) if self.shape.batch else row) * self.shape.columns

    def _matrix(self, view: tuple[int, ...]) -> Expr:
        """Where an operand's matrix begins, of this task's batch."""
        start, *steps = view
        return tirx.const(start, "int32") + sum(
            (i * step for i, step in zip(self.batch, steps, strict=False) if step), ZERO
        )

    def _packed(self) -> tirx.Buffer:
        """The task's part of a right side that is not constant, in panels."""
        b, s = self.blocks, self.shape
        panels, ragged = workspace(b.chunk * b.panel), s.columns % s.lanes
        first = self.group * b.vectors
        down, across = s.views.right[-2:]
        matrix = T.bind(self._matrix(s.views.right))
        with loop(within(b.chunk * b.vectors, first, s.panels)) as p:
            column = T.bind((first + p) * s.lanes)
            base = T.bind(p // b.vectors * b.panel + p % b.vectors * s.lanes)

            def store(k: Expr, offset: Expr, lanes: int) -> None:
                lane = tirx.Var("lane", "int32")
                at = column + (lane if lanes > 1 else offset)
                vector = Evaluator(lane, lanes)(self.right[matrix + k * down + at * across])
                T.buffer_store(panels, vector, [vector_at(base + k * b.width + offset, lanes)])

            def squares() -> None:
                """Of a right side that lies across, as many columns as lanes."""
                with loop(s.depth // s.lanes) as i:
                    k = T.bind(i * s.lanes)
                    start = matrix + k + column * across
                    rows = [T.bind(self.right[vector_at(start + n * across, s.lanes)])
                            for n in range(s.lanes)]  # fmt: skip
                    for n, vector in enumerate(transposed(rows)):
                        at = vector_at(base + (k + n) * b.width, s.lanes)
                        T.buffer_store(panels, vector, [at])

            def whole() -> None:
                turned = down == 1 and across > 1 and s.lanes >= BLOCK
                done = s.depth // s.lanes * s.lanes if turned else 0
                if done:
                    squares()
                if done < s.depth:
                    with loop(s.depth - done) as k:
                        store(k + done, ZERO, s.lanes)

            def part() -> None:
                with loop(s.depth) as k:
                    with loop(ragged) as i:
                        store(k, i, 1)

            either(below(column, s.columns - ragged, bool(ragged), s.panels > 1), whole, part)
        return panels

    def _copy(self, span: Expr) -> None:
        """The task's rows of one span of K."""
        b, rows = self.blocks, self.rows
        end = self._first_row(self.tile + self._tiles())
        start = T.bind(span * b.span)
        view = self.shape.views.left
        with loop(T.bind(end - self.row)) as r:
            begin = T.bind(self._matrix(view) + (self.row + r) * view[-2])
            source = Value((self.shape.depth,), str(self.left.dtype),
                           lambda k: self.left[begin + k[0] * view[-1]])  # fmt: skip
            store_row(
                rows, source, (), start, b.span, self.shape.lanes,
                lambda k: r * b.stride + (k[0] - start),
            )  # fmt: skip

    def _place(self, span: Expr, g: Expr, t: Expr) -> None:
        """One tile of one group, each of two sizes at most."""
        b = self.blocks
        group, tile = T.bind(self.group + g), T.bind(self.tile + t)
        row = T.bind(self._first_row(tile))
        full, narrow = divmod(self.shape.panels, b.vectors)
        large = b.tiles.count(b.tiles[0])

        def sized(rows: int, vectors: int) -> None:
            self._tile(Tile(rows, vectors, self.arithmetic), span, g, t, group, row)

        def wide(vectors: int) -> None:
            either(
                below(tile, large, large < len(b.tiles), True),
                lambda: sized(b.tiles[0], vectors),
                lambda: sized(b.tiles[-1], vectors),
            )

        either(
            below(group, full, narrow > 0, full > 0),
            lambda: wide(b.vectors),
            lambda: wide(narrow),
        )

    def _tile(self, tile: Tile, span: Expr, g: Expr, t: Expr, group: Expr, row: Expr) -> None:
        b, s, lanes = self.blocks, self.shape, self.shape.lanes
        waits = (
            T.bind(((g * b.stack + t) * b.tiles[0]) * b.width) if self.waiting is not None else ZERO
        )
        acc = tile.zeros()
        if self.waiting is not None:
            with T.If(span > 0):
                with T.Then():
                    tile.load(acc, self.waiting, waits)
        left, start, step, along = self._left(span, row)
        number = span * b.groups + group if self.shape.constant else g
        panel = T.bind(number * b.panel)
        buffer = self.panels

        def ahead(i: Expr) -> None:
            lines = b.panel * s.right // LINE
            line = tirx.min(t * (b.span // UNROLLED) + i, lines - 1)
            prefetch(buffer, panel + b.panel + line * (LINE // s.right))

        tile.accumulate(
            acc,
            lambda r, k: self.arithmetic.spread(left, start + r * step + k * along),
            lambda v, k: self.arithmetic.weights(
                buffer, panel + k * b.width + v * lanes * s.together
            ),
            b.span,
            ahead if self.shape.constant else None,
        )
        if self.waiting is None:
            self._finish(tile, acc, row, group)
            return
        either(
            span < b.spans - 1,
            lambda: tile.store(acc, self.waiting, waits),
            lambda: self._finish(tile, acc, row, group),
        )

    def _left(self, span: Expr, row: Expr) -> tuple[tirx.Buffer, Expr, int, int]:
        """The left side: a buffer, where a row begins in it, elements to the next row and to the
        next in a row.
        """
        b = self.blocks
        if self.rows is not None:
            return self.rows, T.bind((row - self.row) * b.stride), b.stride, 1
        *_, down, along = self.shape.views.left
        start = self._matrix(self.shape.views.left) + row * down + span * (b.span * along)
        return self.left, T.bind(start), down, along

    def _finish(self, tile: Tile, acc: tirx.Buffer, row: Expr, group: Expr) -> None:
        s, b = self.shape, self.blocks
        first = T.bind(group * b.width)
        ragged = s.columns % s.lanes

        def finish(value: Expr, r: Expr | int, v: int) -> None:
            index = self._index(row + r)
            column = T.bind(first + v * s.lanes)
            target = T.bind(self._target(row + r, index) + column)

            def store(held: Expr, offset: Expr, lanes: int) -> None:
                lane = tirx.Var("lane", "int32")
                at = self.result.at((*index, column + (lane if lanes > 1 else offset)))
                final = Evaluator(lane, lanes, {self.accumulated: held})(at)
                T.buffer_store(self.out, final, [vector_at(target + offset, lanes)])

            def part() -> None:
                kept = registers(1, s.lanes, self.arithmetic.sums)
                T.buffer_store(kept, value, [vector_at(0, s.lanes)])
                with loop(ragged) as i:
                    store(kept[i], i, 1)

            last = v == tile.vectors - 1
            either(
                below(column, s.columns - ragged, bool(ragged) and last, s.panels > 1),
                lambda: store(value, ZERO, s.lanes),
                part,
            )

        (tile.looped if self.long_epilogue else tile.each)(acc, finish)
