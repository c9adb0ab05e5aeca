"""Attention: softmax(Q K' * scale + mask) V of every head, its scores in cache.

    for each (batch, head, part of the queries) in parallel:
        pack K * scale and V in panels
        for each tile of rows of Q:
            scores[rows][keys] = Q K' + mask                # in the first cache
            scores = exp(scores - largest), total = their sum
            out = scores V / total

Operands are read where they lie: neoc.attention(q, k, v, *masks, scale, sizes, views) has for each
of them where it begins and the elements from one to the next along (batch, head, row, element).
The result is [batch, rows, heads, width], as what follows wants it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels import polynomials
from compiler.kernels.arithmetic import Floats
from compiler.kernels.emit import (
    REGION,
    below,
    either,
    kernel,
    loop,
    registers,
    vector_at,
    within,
    workspace,
)  # fmt: skip
from compiler.kernels.fold import SUM, across
from compiler.kernels.geometry import LOADS_PER_CYCLE, even, fits
from compiler.kernels.operators import integers, number
from compiler.kernels.template import Point, Space, Template
from compiler.kernels.tile import Tile
from compiler.kernels.transpose import BLOCK, transposed
from compiler.kernels.value import ZERO, Expr, Value, ravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload, operands_of, tensors_of
from targets import Profile

EXP, MOVE = 16, 8  # cycles of an exponential, and to gather a vector
LEAST = -math.inf
CHAINS = 4  # comparisons that need not wait for each other


@dataclass(frozen=True)
class Heads:
    """Sizes and views. safe: a row without a number is 0, as torch has it."""

    batch: int
    heads: int
    rows: int
    keys: int
    depth: int
    width: int
    safe: bool
    views: tuple[tuple[int, ...], ...]  # of q, k, v, masks: start and strides
    scale: float
    lanes: int

    @classmethod
    def of(cls, work: Workload, lanes: int) -> Heads:
        assert work.anchor is not None
        scale, sizes, views = operands_of(work.anchor)[-3:]
        batch, heads, rows, keys, depth, width, safe = integers(sizes)
        flat = integers(views)
        cut = tuple(tuple(flat[n : n + 5]) for n in range(0, len(flat), 5))
        return cls(batch, heads, rows, keys, depth, width, bool(safe), cut, number(scale), lanes)

    def panels(self, columns: int) -> int:
        return -(-columns // self.lanes)


class Attention(Template):
    name = "attention"
    version = 2

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == "neoc.attention"

    def space(self, work: Workload, profile: Profile) -> Space:
        shape = Heads.of(work, profile.isa.lanes)
        return Space({
            "rows": tuple(r for r in range(1, 15) if r <= shape.rows),
            "vectors": (1, 2, 3, 4),
            "parts": tuple(p for p in (1, 2, 3, 4) if p <= shape.rows),
        })  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        rows, vectors, parts = point["rows"], point["vectors"], point["parts"]
        if not fits(vectors, rows, profile):
            return math.inf
        s = Heads.of(work, profile.isa.lanes)
        step = max(rows * vectors / profile.fma_per_cycle, (rows + vectors) / LOADS_PER_CYCLE, 4)
        groups = [-(-s.panels(n) // vectors) for n in (s.keys, s.width)]
        tile = step * (groups[0] * s.depth + groups[1] * s.keys) + 20 * sum(groups)
        part = -(-s.rows // parts)
        task = -(-part // rows) * tile + part * s.panels(s.keys) * EXP
        task += s.keys * (s.depth * MOVE + s.width) / s.lanes
        return task * -(-s.batch * s.heads * parts // profile.cores)

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            parallel = self.cost(work, profile, point) > REGION
            _Emitter(work, profile.isa.lanes, point, buffers).emit(parallel)
        return done[0]


class _Emitter:
    def __init__(
        self, work: Workload, lanes: int, point: Point, buffers: Sequence[tirx.Buffer]
    ) -> None:
        self.shape = Heads.of(work, lanes)
        self.height, self.vectors, self.parts = point["rows"], point["vectors"], point["parts"]
        params = list(work.function.params)
        assert work.anchor is not None
        self.operands = [
            buffers[next(n for n, p in enumerate(params) if p.same_as(t))]
            for t in tensors_of(work.anchor)
        ]
        self.out = buffers[-1]
        self.accumulated = tirx.Var("accumulated", "float32")
        s = self.shape
        self.full = (s.batch, s.rows, s.heads, s.width)
        value = Value(self.full, "float32", lambda _: self.accumulated)
        self.result = work.bind(buffers).result(value)

    def emit(self, parallel: bool) -> None:
        s = self.shape
        part = -(-s.rows // self.parts)
        with loop(s.batch * s.heads * -(-s.rows // part), parallel) as task:
            pieces = -(-s.rows // part)
            self.batch = T.bind(task // (s.heads * pieces))
            self.head = T.bind(task // pieces % s.heads)
            first = T.bind(task % pieces * part)
            self.keys = self._packed(1, s.depth, s.keys, s.scale)
            self.values = self._packed(2, s.keys, s.width, 1.0)
            self.stride = s.panels(s.keys) * s.lanes
            self.scores = workspace(self.height * self.stride)
            self.shares = workspace(self.height)
            tiles = even(part, self.height)
            large = tiles.count(tiles[0])
            count = within(part, first, s.rows)
            self._tiles(first, count, tiles, large)

    def _tiles(self, first: Expr, count: int | Expr, tiles: list[int], large: int) -> None:
        """Tiles of two heights; the last part moves its tiles back so that they end at the edge."""
        s, part = self.shape, sum(tiles)
        start = first if s.rows % part == 0 else T.bind(tirx.min(first, s.rows - part))
        for height, run, before in (
            (tiles[0], large, 0),
            (tiles[-1], len(tiles) - large, large * tiles[0]),
        ):
            if run:
                with loop(run) as t:
                    self._tile(
                        Tile(height, self.vectors, Floats(s.lanes)),
                        T.bind(start + before + t * height),
                    )

    def _element(self, operand: int, row: Expr, at: Expr) -> Expr:
        """An element of q, k, v or a mask, of this task's batch and head."""
        start, *strides = self.shape.views[operand]
        place: Expr = tirx.const(start, "int32")
        for index, stride in zip((self.batch, self.head, row, at), strides, strict=True):
            place = place + index * stride if stride else place
        return self.operands[operand][place]

    def _packed(self, operand: int, depth: int, columns: int, scale: float) -> tirx.Buffer:
        """[group][k][vectors * L] of k, by its rows, or of v, by its elements; with zeros behind
        the last column.
        """
        s, width = self.shape, self.vectors * self.shape.lanes
        panels = s.panels(columns)
        packed = workspace(-(-panels // self.vectors) * depth * width)
        lane = tirx.Var("lane", "int32")

        def element(k: Expr, column: Expr) -> Expr:
            value = self._element(operand, *((column, k) if operand == 1 else (k, column)))
            return value * tirx.const(scale, "float32") if scale != 1.0 else value

        with loop(panels) as p:
            column = T.bind(p * s.lanes)
            base = T.bind(p // self.vectors * (depth * width) + p % self.vectors * s.lanes)

            def whole() -> None:
                along = self.shape.views[operand][4 if operand == 1 else 3]
                done = depth // s.lanes * s.lanes if along == 1 and s.lanes >= BLOCK else 0
                with loop(done // s.lanes) as i:
                    if done:
                        square(T.bind(i * s.lanes))
                with loop(depth - done) as k:
                    if done < depth:
                        vector = Evaluator(lane, s.lanes)(element(k + done, column + lane))
                        at = vector_at(base + (k + done) * width, s.lanes)
                        T.buffer_store(packed, vector, [at])

            def square(first: Expr) -> None:
                """Of as many rows of k as lanes, whose elements lie side by side."""
                rows = [Evaluator(lane, s.lanes)(element(first + lane, column + n))
                        for n in range(s.lanes)]  # fmt: skip
                for n, vector in enumerate(transposed([T.bind(v) for v in rows])):
                    T.buffer_store(packed, vector, [vector_at(base + (first + n) * width, s.lanes)])

            def part() -> None:
                zero = tirx.Broadcast(tirx.const(0.0, "float32"), s.lanes)
                with loop(depth) as k:
                    T.buffer_store(packed, zero, [vector_at(base + k * width, s.lanes)])
                    with loop(columns % s.lanes) as i:
                        single = Evaluator(lane, 1)(element(k, column + i))
                        T.buffer_store(packed, single, [base + k * width + i])

            ragged = columns % s.lanes
            either(below(p, columns // s.lanes, bool(ragged), columns > ragged), whole, part)
        return packed

    def _tile(self, tile: Tile, row: Expr) -> None:
        s, lanes = self.shape, self.shape.lanes

        def query(r: int, k: Expr) -> Expr:
            return self._element(0, row + r, k)

        def keep(value: Expr, r: Expr | int, column: Expr) -> None:
            T.buffer_store(self.scores, value, [vector_at(r * self.stride + column, lanes)])

        self._product(tile, query, self.keys, s.depth, s.keys, keep)
        with loop(tile.rows) as r:
            self._softmax(T.bind(r * self.stride), T.bind(row + r), r)

        def power(r: int, k: Expr) -> Expr:
            return self.scores[r * self.stride + k]

        def finish(value: Expr, r: Expr | int, column: Expr) -> None:
            self._store(value, self.shares[r], T.bind(row + r), column)

        self._product(tile, power, self.values, s.keys, s.width, finish)

    def _product(
        self,
        tile: Tile,
        left: Callable[[int, Expr], Expr],
        panels: tirx.Buffer,
        depth: int,
        columns: int,
        finish: Callable[[Expr, Expr | int, Expr], None],
    ) -> None:
        """A tile's rows of a product with packed panels; finish(vector, row, its column)."""
        lanes = tile.lanes
        full, narrow = divmod(self.shape.panels(columns), tile.vectors)
        width = tile.vectors * lanes

        def group(number: Expr | int, vectors: int) -> None:
            part = Tile(tile.rows, vectors, tile.arithmetic)
            acc = part.zeros()
            base = T.bind(tirx.const(0, "int32") + number * (depth * width))
            part.accumulate(
                acc,
                lambda r, k: tirx.Broadcast(left(r, k), lanes),
                lambda v, k: panels[vector_at(base + k * width + v * lanes, lanes)],
                depth,
            )
            part.each(acc, lambda x, r, v: finish(x, r, T.bind(ZERO + number * width + v * lanes)))

        if full:
            with loop(full) as g:
                group(g, tile.vectors)
        if narrow:
            group(full, narrow)

    def _softmax(self, start: Expr, row: Expr, r: Expr) -> None:
        """A row of scores to powers, in place, and one over their sum."""
        s, lanes = self.shape, self.shape.lanes
        whole, rest = divmod(s.keys, lanes)
        chains = max(min(CHAINS, whole), 1)
        largest, total = registers(chains, lanes), registers(1, lanes)
        slots = [vector_at(n * lanes, lanes) for n in range(chains)]
        like = self.scores[vector_at(0, lanes)]
        for slot in slots:
            T.buffer_store(largest, polynomials.like(like, LEAST), [slot])
        T.buffer_store(total, polynomials.like(like, 0.0), [slots[0]])

        def compare(vector: Expr | int, slot: Expr) -> None:
            value = self._masked(start, row, T.bind(ZERO + vector * lanes), lanes)
            T.buffer_store(largest, tirx.max(value, largest[slot]), [slot])

        with loop(whole // chains) as i:
            for n, slot in enumerate(slots if whole else ()):
                compare(i * chains + n, slot)
        for n in range(whole % chains):
            compare(whole // chains * chains + n, slots[n])
        if rest:
            value = self._ragged(start, row, whole * lanes, rest)
            T.buffer_store(largest, tirx.max(value, largest[slots[0]]), [slots[0]])
        most = T.bind(largest[slots[0]])
        for slot in slots[1:]:
            most = T.bind(tirx.max(most, largest[slot]))
        most = across(most, lanes, tirx.max)
        with loop(whole + bool(rest)) as p:
            at = vector_at(start + p * lanes, lanes)
            power = polynomials.exp(self.scores[at] - tirx.Broadcast(most, lanes))
            T.buffer_store(self.scores, power, [at])
            T.buffer_store(total, total[slots[0]] + power, [slots[0]])
        sum_ = across(T.bind(total[slots[0]]), lanes, SUM.combine)
        T.buffer_store(self.shares, tirx.const(1.0, "float32") / sum_, [r])

    def _ragged(self, start: Expr, row: Expr, column: int, rest: int) -> Expr:
        """The last vector of a row, in place; least behind the last key. By scalars it would be
        stored in parts and read as a whole, which a processor waits for.
        """
        lanes = self.shape.lanes
        at = vector_at(start + column, lanes)
        value: Expr = self.scores[at]
        zero = tirx.const(0.0, "float32")
        for operand in range(3, len(self.operands)):
            mask = [T.bind(self._element(operand, row, tirx.const(column + i, "int32")))
                    for i in range(rest)]  # fmt: skip
            value = value + tirx.Shuffle([*mask, *[zero] * (lanes - rest)], list(range(lanes)))
        least = polynomials.like(value, LEAST)
        kept = [n if n < rest else lanes + n for n in range(lanes)]
        value = T.bind(tirx.Shuffle([T.bind(value), least], kept))
        T.buffer_store(self.scores, value, [at])
        return value

    def _masked(self, start: Expr, row: Expr, column: Expr, count: int) -> Expr:
        """A vector of scores with what is added to it, in place."""
        at, lane = vector_at(start + column, count), tirx.Var("lane", "int32")
        value: Expr = self.scores[at]
        if len(self.operands) == 3:
            return value
        for operand in range(3, len(self.operands)):
            value = value + Evaluator(lane, count)(self._element(operand, row, column + lane))
        value = T.bind(value)
        T.buffer_store(self.scores, value, [at])
        return value

    def _store(self, value: Expr, share: Expr, row: Expr, column: Expr) -> None:
        s, lanes = self.shape, self.shape.lanes
        ragged = s.width % lanes
        target = T.bind(ravel((self.batch, row, self.head, column), self.full))
        share = tirx.Broadcast(T.bind(share), lanes)
        held = value * share
        if s.safe:
            zero = tirx.Broadcast(tirx.const(0.0, "float32"), lanes)
            held = polynomials.select(tirx.GT(share, zero), held, zero)
        held = T.bind(held)

        def store(vector: Expr, offset: Expr, count: int) -> None:
            lane = tirx.Var("lane", "int32")
            at = column + (lane if count > 1 else offset)
            final = self.result.at((self.batch, row, self.head, at))
            evaluated = Evaluator(lane, count, {self.accumulated: vector})(final)
            T.buffer_store(self.out, evaluated, [vector_at(target + offset, count)])

        def part() -> None:
            kept = registers(1, lanes)
            T.buffer_store(kept, held, [vector_at(0, lanes)])
            with loop(ragged) as i:
                store(kept[i], i, 1)

        either(
            below(column, s.width - ragged, bool(ragged), s.width > ragged),
            lambda: store(held, ZERO, lanes),
            part,
        )
