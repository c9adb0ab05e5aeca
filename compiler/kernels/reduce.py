"""Reductions over axes: sum, mean, max, min, prod of a fused expression.

Two loop nests: where the innermost axis stays, its elements are the lanes of the accumulators; where it is
reduced, each lane gathers its own part of the row, and the lanes are combined at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, kernel, loop, registers, vector_at
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import FIXED, Point, Space
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Bound, Workload
from targets import Profile


@dataclass(frozen=True)
class Monoid:
    start: Callable[[str], Expr]
    combine: Callable[[Expr, Expr], Expr]


MONOIDS = {
    "relax.sum": Monoid(lambda t: tirx.const(0, t), lambda a, b: a + b),
    "relax.mean": Monoid(lambda t: tirx.const(0, t), lambda a, b: a + b),
    "relax.prod": Monoid(lambda t: tirx.const(1, t), lambda a, b: a * b),
    "relax.max": Monoid(lambda t: _least(t), tirx.max),
    "relax.min": Monoid(lambda t: tirx.max_value(t) if not t.startswith("float") else tirx.const(float("inf"), t), tirx.min),
}
INDEPENDENT = 4  # accumulators of one row: as many as hide an addition's latency


def _least(dtype: str) -> Expr:
    return tirx.const(float("-inf"), dtype) if dtype.startswith("float") else tirx.min_value(dtype)


class Reduce:
    name = "reduce"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in MONOIDS

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def default(self, work: Workload, profile: Profile) -> Point:
        return {}

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            _Emitter(work, work.bind(buffers), buffers[-1], profile.isa.lanes).emit()
        return done[0]


class _Emitter:
    def __init__(self, work: Workload, bound: Bound, out: tirx.Buffer, lanes: int) -> None:
        call = work.anchor
        assert call is not None
        self.source = bound.operands()[0]
        rank = len(self.source.shape)
        axes = call.attrs.axis
        self.reduced = sorted(int(a) % rank for a in axes) if axes is not None else list(range(rank))
        self.kept = [a for a in range(rank) if a not in self.reduced]
        self.keepdims = bool(call.attrs.keepdims)
        self.dtype, self.lanes, self.out = dtype_of(call), lanes, out
        self.monoid = MONOIDS[work.operator]
        self.count = math.prod(self.source.shape[a] for a in self.reduced)
        self.scale = self.count if work.operator == "relax.mean" else None
        self.accumulated = tirx.Var("accumulated", self.dtype)
        self.result = bound.result(Value(shape_of(call), self.dtype, lambda _: self.accumulated))

    def emit(self) -> None:
        shape = self.source.shape
        inner_kept = bool(self.kept) and self.kept[-1] == len(shape) - 1 and shape[-1] > 1
        parallel = self.source.size >= PARALLEL_WORK
        if inner_kept:
            self._lanes_kept(parallel)
        else:
            self._lanes_reduced(parallel)

    def _index(self, kept: Index, reduced: Index) -> Index:
        place = dict(zip(self.kept, kept, strict=True)) | dict(zip(self.reduced, reduced, strict=True))
        return tuple(place[a] for a in range(len(place)))

    def _out_index(self, kept: Index) -> Index:
        if not self.keepdims:
            return kept
        place = dict(zip(self.kept, kept, strict=True))
        return tuple(place.get(a, ZERO) for a in range(len(self.source.shape)))

    def _extents(self, axes: list[int]) -> tuple[int, ...]:
        return tuple(self.source.shape[a] for a in axes)

    def _lanes_kept(self, parallel: bool) -> None:
        *outer, inner = self._extents(self.kept)
        whole, rest = divmod(inner, self.lanes)
        vectors = -(-inner // self.lanes)
        with loop(math.prod(outer) * vectors, parallel) as task:
            at = unravel(T.bind(task // vectors) if math.prod(outer) > 1 else ZERO, tuple(outer))
            piece = T.bind(task % vectors)

            def columns(count: int, first: Expr) -> None:
                self._column((*at, first), count)

            def singles() -> None:
                with loop(rest) as i:
                    columns(1, T.bind(whole * self.lanes + i))

            if not rest:
                columns(self.lanes, T.bind(piece * self.lanes))
            elif not whole:
                singles()
            else:
                with T.If(piece < whole):
                    with T.Then():
                        columns(self.lanes, T.bind(piece * self.lanes))
                    with T.Else():
                        singles()

    def _column(self, kept: Index, lanes: int) -> None:
        """`lanes` neighbouring results, each lane its own."""
        acc = registers(1, lanes, self.dtype)
        slot = vector_at(0, lanes)
        start = self.monoid.start(self.dtype)
        T.buffer_store(acc, tirx.Broadcast(start, lanes) if lanes > 1 else start, [slot])
        lane = tirx.Var("lane", "int32")
        place = (*kept[:-1], kept[-1] + lane if lanes > 1 else kept[-1])
        for reduced in self._walk(self._extents(self.reduced)):
            value = Evaluator(lane, lanes)(self.source.at(self._index(place, reduced)))
            T.buffer_store(acc, self.monoid.combine(acc[slot], value), [slot])
        self._store(T.bind(acc[slot]), kept, place, lane, lanes)

    def _walk(self, extents: tuple[int, ...]):  # type: ignore[no-untyped-def]
        """Nested loops over the reduced axes, as one index."""
        return _nest(extents, ())

    def _lanes_reduced(self, parallel: bool) -> None:
        kept = self._extents(self.kept)
        *outer, inner = self._extents(self.reduced)
        with loop(math.prod(kept), parallel) as task:
            place = unravel(task, kept)
            whole, rest = divmod(inner, self.lanes)
            independent = min(INDEPENDENT, whole)
            total = registers(1, 1, self.dtype)
            T.buffer_store(total, self.monoid.start(self.dtype), [0])
            if whole:
                acc = registers(independent, self.lanes, self.dtype)
                for i in range(independent):
                    T.buffer_store(acc, tirx.Broadcast(self.monoid.start(self.dtype), self.lanes), [vector_at(i * self.lanes, self.lanes)])
            for around in _nest(tuple(outer), ()):
                if whole:
                    self._row(acc, independent, place, around, whole)
                if rest:
                    with loop(rest) as i:
                        self._single(total, place, (*around, whole * self.lanes + i))
            if whole:
                self._combine(acc, independent, total)
            lane = tirx.Var("lane", "int32")
            self._store(T.bind(total[0]), place, place, lane, 1)

    def _row(self, acc: tirx.Buffer, independent: int, place: Index, around: Index, whole: int) -> None:
        lanes, lane = self.lanes, tirx.Var("lane", "int32")

        def add(slot_number: int, first: Expr) -> None:
            slot = vector_at(slot_number * lanes, lanes)
            value = Evaluator(lane, lanes)(self.source.at(self._index(place, (*around, first + lane))))
            T.buffer_store(acc, self.monoid.combine(acc[slot], value), [slot])

        with loop(whole // independent) as i:
            for n in range(independent):
                add(n, (i * independent + n) * lanes)
        for n in range(whole % independent):
            add(n, tirx.const((whole - whole % independent + n) * lanes, "int32"))

    def _single(self, total: tirx.Buffer, place: Index, reduced: Index) -> None:
        value = Evaluator(tirx.Var("lane", "int32"), 1)(self.source.at(self._index(place, reduced)))
        T.buffer_store(total, self.monoid.combine(total[0], value), [0])

    def _combine(self, acc: tirx.Buffer, independent: int, total: tirx.Buffer) -> None:
        vector = acc[vector_at(0, self.lanes)]
        for n in range(1, independent):
            vector = T.bind(self.monoid.combine(vector, acc[vector_at(n * self.lanes, self.lanes)]))
        T.buffer_store(total, self.monoid.combine(total[0], across(T.bind(vector), self.lanes, self.monoid.combine)), [0])

    def _store(self, value: Expr, kept: Index, place: Index, lane: tirx.Var, lanes: int) -> None:
        if self.scale is not None:
            divisor = tirx.const(self.scale, self.dtype)
            value = T.bind(value / (tirx.Broadcast(divisor, lanes) if lanes > 1 else divisor))
        evaluated = Evaluator(lane, lanes, {self.accumulated: value})(self.result.at(self._out_index(place)))
        target = ravel(self._out_index(kept), self.result.shape)
        T.buffer_store(self.out, evaluated, [vector_at(target, lanes)])


def across(vector: Expr, lanes: int, combine: Callable[[Expr, Expr], Expr]) -> Expr:
    """The lanes of a vector combined, by halves."""
    parts = [tirx.Shuffle([vector], [i]) for i in range(lanes)] if lanes <= 2 else []
    while lanes > 2:
        lanes //= 2
        low = tirx.Shuffle([vector], list(range(lanes)))
        high = tirx.Shuffle([vector], list(range(lanes, 2 * lanes)))
        vector = T.bind(combine(low, high))
        parts = [tirx.Shuffle([vector], [i]) for i in range(lanes)]
    return T.bind(combine(parts[0], parts[1]))


def _nest(extents: tuple[int, ...], index: Index):  # type: ignore[no-untyped-def]
    if not extents:
        yield index
        return
    with loop(extents[0]) as i:
        yield from _nest(extents[1:], (*index, i))


