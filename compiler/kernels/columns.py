"""Softmax and log-softmax along an axis that is not the last: neighbouring columns are the lanes.

    for each tile of columns in parallel:
        for i: kept[i] = x[i];  m = max(m, x[i])
        softmax:     for i: kept[i] = exp(kept[i] - m);  s += kept[i]
                     for i: out[i] = kept[i] * (1 / s)
        log-softmax: for i: s += exp(kept[i] - m)
                     for i: out[i] = kept[i] - (m + log s)

The tile is kept in a cache: rows that lie a power of two apart would drive each other out of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import (
    LINE,
    PARALLEL_WORK,
    TASKS,
    bound,
    kernel,
    loop,
    runs,
    vector_at,
    workspace,
)
from compiler.kernels.fold import least
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator, spread
from compiler.kernels.walk import Walk
from compiler.kernels.workload import Workload
from targets import Profile

OPERATORS = ("relax.nn.softmax", "relax.nn.log_softmax")


class Columns(Template):
    name = "columns"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        call = work.anchor
        if call is None or work.operator not in OPERATORS:
            return False
        shape = shape_of(call)
        is_float = dtype_of(call) in ("float32", "float64")
        return is_float and int(call.attrs.axis) % len(shape) < len(shape) - 1

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        call = work.anchor
        assert call is not None
        with kernel(name, work.parameters) as (buffers, done):
            bound_ = work.bind(buffers)
            share = tirx.Var("share", dtype_of(call))
            given = Walk(bound_.operands()[0])
            result = Walk(bound_.result(Value(shape_of(call), dtype_of(call), lambda _: share)))
            axis = _merge(given, result, int(call.attrs.axis) % len(given.shape))
            columns = _Columns(given.value(), result.value(), share, axis, buffers[-1], profile)
            columns.emit(work.operator == "relax.nn.log_softmax")
        return done[0]


def _merge(given: Walk, result: Walk, axis: int) -> int:
    """Walks neighbouring axes as one, but for `axis`; its number afterwards."""
    for n in reversed(range(len(given.shape) - 1)):
        if axis not in (n, n + 1) and given.mergeable(n) and result.mergeable(n):
            given.merge(n)
            result.merge(n)
            axis -= n < axis
    return axis


@dataclass
class _Columns:
    given: Value
    result: Value
    share: tirx.Var
    axis: int
    out: tirx.Buffer
    profile: Profile

    def emit(self, logarithm: bool) -> None:
        shape, dtype = self.given.shape, self.given.dtype
        *outer, inner = shape[: self.axis] + shape[self.axis + 1 :]
        extent, tile = shape[self.axis], self._tile(inner, math.prod(outer))
        pieces = -(-inner // tile)
        rows = math.prod(outer) * pieces
        with loop(rows, parallel=self.given.size >= PARALLEL_WORK) as task:
            *index, piece = (bound(i) for i in unravel(task, (*outer, pieces)))
            first = bound(tirx.min(piece * tile, inner - tile)) if pieces > 1 else piece
            kept = workspace(extent * tile, dtype)
            most, total = workspace(tile, dtype), workspace(tile, dtype)
            sweep = _Sweep(tile, self.profile.isa.lanes)
            sweep.fill(most, least(dtype))
            sweep.fill(total, tirx.const(0, dtype))
            self._keep(sweep, tuple(index), first, kept, most)
            self._powers(sweep, kept, most, total, not logarithm)
            self._shift(sweep, most, total, logarithm)
            self._store(sweep, tuple(index), first, kept, most, logarithm)

    def _tile(self, inner: int, outer: int) -> int:
        """Columns of a tile: whole vectors that fill half of the nearest cache and share the
        columns evenly; at least a cache line of them.
        """
        lanes, size = self.profile.isa.lanes, LINE // 4
        if inner < lanes:
            return inner
        room = self.profile.l1_bytes // (2 * 4 * self.given.shape[self.axis])
        room = max(min(room, inner * outer // TASKS), size)
        pieces = -(-inner // room)
        return min(-(-inner // pieces // lanes) * lanes, inner // lanes * lanes)

    def _at(self, index: Index, i: Expr, column: Expr) -> Index:
        place = (*index, column)
        return (*place[: self.axis], i, *place[self.axis :])

    def _keep(
        self, sweep: _Sweep, index: Index, first: Expr, kept: tirx.Buffer, most: tirx.Buffer
    ) -> None:
        lane = tirx.Var("lane", "int32")

        def keep(i: Expr, x: Expr, width: int) -> None:
            column = first + x + lane if width > 1 else first + x
            value = T.bind(Evaluator(lane, width)(self.given.at(self._at(index, i, column))))
            slot = vector_at(x, width)
            T.buffer_store(kept, value, [vector_at(i * sweep.tile + x, width)])
            T.buffer_store(most, tirx.max(most[slot], value), [slot])  # NaN comes through exp

        sweep.rows(self.given.shape[self.axis], keep)

    def _powers(
        self,
        sweep: _Sweep,
        kept: tirx.Buffer,
        most: tirx.Buffer,
        total: tirx.Buffer,
        keeps: bool,
    ) -> None:
        def add(i: Expr, x: Expr, width: int) -> None:
            slot, place = vector_at(x, width), vector_at(i * sweep.tile + x, width)
            power = T.bind(_applied(tirx.exp, kept[place] - most[slot], width))
            if keeps:
                T.buffer_store(kept, power, [place])
            T.buffer_store(total, total[slot] + power, [slot])

        sweep.rows(self.given.shape[self.axis], add)

    def _shift(self, sweep: _Sweep, most: tirx.Buffer, total: tirx.Buffer, logarithm: bool) -> None:
        """most = what makes a share of what is kept."""

        def shift(_: Expr, x: Expr, width: int) -> None:
            slot = vector_at(x, width)
            if logarithm:
                value = most[slot] + _applied(tirx.log, total[slot], width)
            else:
                value = spread(tirx.const(1.0, self.given.dtype), width) / total[slot]
            T.buffer_store(most, value, [slot])

        sweep.rows(1, shift)

    def _store(
        self,
        sweep: _Sweep,
        index: Index,
        first: Expr,
        kept: tirx.Buffer,
        shift: tirx.Buffer,
        logarithm: bool,
    ) -> None:
        lane = tirx.Var("lane", "int32")

        def store(i: Expr, x: Expr, width: int) -> None:
            slot, place = vector_at(x, width), vector_at(i * sweep.tile + x, width)
            share = kept[place] - shift[slot] if logarithm else kept[place] * shift[slot]
            column = bound(first + x)
            at = self._at(index, i, column + lane if width > 1 else column)
            value = Evaluator(lane, width, {self.share: T.bind(share)})(self.result.at(at))
            target = ravel(self._at(index, i, column), self.given.shape)
            T.buffer_store(self.out, value, [vector_at(target, width)])

        sweep.rows(self.given.shape[self.axis], store)


@dataclass(frozen=True)
class _Sweep:
    """Walks over a tile by vectors."""

    tile: int
    lanes: int

    def rows(self, extent: int, body: Callable[[Expr, Expr, int], None]) -> None:
        """body(row, column, vector's width)"""
        whole = self.tile // self.lanes
        with ExitStack() as stack:
            i = stack.enter_context(loop(extent))
            if whole:
                with loop(whole) as x:
                    body(i, bound(x * self.lanes), self.lanes)
            for x, width in runs(self.tile % self.lanes, self.lanes):
                body(i, tirx.const(x, "int32"), width)

    def fill(self, buffer: tirx.Buffer, value: Expr) -> None:
        self.rows(
            1,
            lambda _, x, width: T.buffer_store(buffer, spread(value, width), [vector_at(x, width)]),
        )


def _applied(function: Callable[[Expr], Expr], value: Expr, width: int) -> Expr:
    """A mathematical function of a vector."""
    x = tirx.Var("x", str(value.ty.dtype).split("x")[0])
    return Evaluator(tirx.Var("lane", "int32"), width, {x: T.bind(value)})(function(x))
