"""argmax, argmin and the k best of a row: a search for the best element behind the last one found.

    for each row in parallel:
        for r in 0..k: out[r] = the first of the best elements that come after out[r - 1]

NaN is the best of all, as in numpy. The lanes are neighbouring rows, or each lane searches its own
part of a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, bound, kernel, loop, nest, registers, vector_at
from compiler.kernels.operators import dtype_of, integers, is_nan, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator, spread
from compiler.kernels.workload import Bound, Workload
from targets import Profile

Better = Callable[[Expr, Expr], Expr]


def better(largest: bool) -> Better:
    """Whether x comes before y. Equal elements are in the order of their indices."""

    def before(x: Expr, y: Expr) -> Expr:
        if str(x.ty.dtype) == "bool":
            x, y = x.astype("int8"), y.astype("int8")
        strictly = tirx.GT(x, y) if largest else tirx.LT(x, y)
        if not str(x.ty.dtype).startswith("float"):
            return strictly
        return tirx.Or(strictly, tirx.And(is_nan(x), tirx.Not(is_nan(y))))

    return before


class Choice(Template):
    name = "search"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in ("relax.argmax", "relax.argmin", "neoc.topk")

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            bound_ = work.bind(buffers)
            if work.operator == "neoc.topk":
                _topk(work, bound_, buffers[-1], profile.isa.lanes)
            else:
                _argument(work, bound_, buffers[-1], profile.isa.lanes)
        return done[0]


def _argument(work: Workload, bound_: Bound, out: tirx.Buffer, lanes: int) -> None:
    call = work.anchor
    assert call is not None
    source = bound_.operands()[0]
    if call.attrs.axis is None:
        flat = source
        source = Value((flat.size,), flat.dtype, lambda i: flat.at(unravel(i[0], flat.shape)))
    shape = source.shape
    axis = 0 if call.attrs.axis is None else int(call.attrs.axis) % len(shape)
    search = Search(better(work.operator == "relax.argmax"), source.dtype, shape[axis])
    place = tirx.Var("place", "int32")
    result = bound_.result(
        Value(shape_of(call), dtype_of(call), lambda _: place.astype(dtype_of(call)))
    )
    before, behind = shape[:axis], shape[axis + 1 :]

    def store(found: Expr, index: Index, lane: tirx.Var, count: int) -> None:
        at = result.at(_position(index, axis, len(shape), len(result.shape), lane, count))
        value = Evaluator(lane, count, {place: found})(at)
        target = ravel(index, (*before, *behind))
        T.buffer_store(out, value, [vector_at(target, count)])

    parallel = math.prod(shape) >= PARALLEL_WORK
    if math.prod(behind) > 1:
        _over_lanes(source, axis, search, store, lanes, parallel)
        return

    def row(index: Index) -> None:
        found = search.row(lambda i: source.at((*index[:axis], i, *index[axis:])), lanes)
        store(found, index, tirx.Var("lane", "int32"), 1)

    nest((*before, *behind), row, parallel)


def _position(index: Index, axis: int, rank: int, kept: int, lane: tirx.Var, count: int) -> Index:
    """The result's index: the last varies with the lane, and the searched axis may stay as 1."""
    place = (*index[:-1], index[-1] + lane) if count > 1 else index
    if kept == rank:
        return (*place[:axis], ZERO, *place[axis:])
    return place if kept else ()


def _over_lanes(
    source: Value, axis: int, search: Search, store: Callable[..., None], lanes: int, parallel: bool
) -> None:
    before, behind = source.shape[:axis], source.shape[axis + 1 :]
    *middle, inner = behind
    outer = (*before, *middle)

    def columns(index: Index, first: Expr, count: int) -> None:
        lane = tirx.Var("lane", "int32")
        last = first + lane if count > 1 else first
        at = (*index, last)
        found = search.lanes(lambda i: source.at((*at[:axis], i, *at[axis:])), lane, count)
        store(found, (*index, first), lane, count)

    def row(index: Index) -> None:
        done, width = 0, lanes
        while done < inner:
            with loop((inner - done) // width) as i:
                if inner - done >= width:
                    columns(index, bound(i * width + done), width)
            done += (inner - done) // width * width
            width //= 2

    nest(outer, row, parallel)


def _topk(work: Workload, bound_: Bound, out: tirx.Buffer, lanes: int) -> None:
    """neoc.topk(data, (k, largest)) of the last axis -> int64 [..., k]"""
    call = work.anchor
    assert call is not None
    source = bound_.operands()[0]
    count, largest = integers(call.args[-1])
    *outer, extent = source.shape
    search = Search(better(bool(largest)), source.dtype, extent)

    def row(index: Index) -> None:
        before, value = registers(1, 1, "int32"), registers(1, 1, source.dtype)
        T.buffer_store(before, tirx.const(-1, "int32"), [0])
        T.buffer_store(value, tirx.const(0, source.dtype), [0])
        start = ravel((*index, ZERO), (*outer, count))
        with loop(count) as r:
            last, best = T.bind(before[0]), T.bind(value[0])
            found = search.row(lambda i: source.at((*index, i)), lanes, (last, best))
            found = T.bind(tirx.max(found, 0))
            T.buffer_store(out, found.astype("int64"), [start + r])
            T.buffer_store(before, found, [0])
            single = Evaluator(tirx.Var("lane", "int32"), 1)(source.at((*index, found)))
            T.buffer_store(value, single, [0])

    nest(tuple(outer), row, source.size * count >= PARALLEL_WORK)


class Search:
    """The first of the best elements, by its index."""

    def __init__(self, before: Better, dtype: str, extent: int) -> None:
        self.before, self.dtype, self.extent = before, dtype, extent

    def lanes(self, element: Callable[[Expr], Expr], lane: tirx.Var, count: int) -> Expr:
        """For each lane the best along the axis."""
        best, where = registers(1, count, self.dtype), registers(1, count, "int32")
        slot = vector_at(0, count)
        T.buffer_store(best, Evaluator(lane, count)(element(ZERO)), [slot])
        T.buffer_store(where, Evaluator(lane, count)(ZERO), [slot])
        if self.extent > 1:
            with loop(self.extent - 1) as i:
                at = bound(i + 1)
                self._keep(best, where, slot, Evaluator(lane, count)(element(at)), at, None, count)
        return T.bind(where[slot])

    def row(
        self, element: Callable[[Expr], Expr], lanes: int, last: tuple[Expr, Expr] | None = None
    ) -> Expr:
        """The best of a row; with `last` (index, element) the best that comes after it. -1: there
        is none.
        """
        best, where = registers(1, lanes, self.dtype), registers(1, lanes, "int32")
        single, place = registers(1, 1, self.dtype), registers(1, 1, "int32")
        whole = self.extent // lanes
        T.buffer_store(place, tirx.const(-1, "int32"), [0])
        T.buffer_store(single, tirx.const(0, self.dtype), [0])
        if whole:
            slot, lane = vector_at(0, lanes), tirx.Var("lane", "int32")
            T.buffer_store(where, Evaluator(lane, lanes)(tirx.const(-1, "int32")), [slot])
            T.buffer_store(best, Evaluator(lane, lanes)(tirx.const(0, self.dtype)), [slot])
            with loop(whole) as i:
                first = bound(i * lanes)
                at = Evaluator(lane, lanes)(first + lane)
                self._keep(
                    best,
                    where,
                    slot,
                    Evaluator(lane, lanes)(element(first + lane)),
                    at,
                    last,
                    lanes,
                )
            with loop(lanes) as i:
                self._keep_first(single, place, T.bind(best[i]), T.bind(where[i]))
        if self.extent % lanes:
            with loop(self.extent % lanes) as i:
                at = bound(i + whole * lanes)
                value = T.bind(Evaluator(tirx.Var("lane", "int32"), 1)(element(at)))
                self._keep(single, place, 0, value, at, last, 1)
        return T.bind(place[0])

    def _keep(
        self,
        best: tirx.Buffer,
        where: tirx.Buffer,
        slot: Expr | int,
        value: Expr,
        at: Expr,
        last: tuple[Expr, Expr] | None,
        lanes: int,
    ) -> None:
        """best, where = value, at if that is better and, with `last`, comes after it."""
        v, b = tirx.Var("v", self.dtype), tirx.Var("b", self.dtype)
        i, w = tirx.Var("i", "int32"), tirx.Var("w", "int32")
        wins = tirx.Or(tirx.LT(w, ZERO), self.before(v, b))
        if last is not None:
            index, element = last
            tie = tirx.And(tirx.Not(self.before(v, element)), tirx.GT(i, index))
            later = tirx.Or(self.before(element, v), tie)
            wins = tirx.And(wins, tirx.Or(tirx.LT(index, ZERO), later))
        given = {v: value, b: best[slot], i: at, w: where[slot]}
        given = {var: spread(e, lanes) for var, e in given.items()}
        lane = tirx.Var("lane", "int32")
        new_best = T.bind(Evaluator(lane, lanes, given)(tirx.Select(wins, v, b)))
        new_where = T.bind(Evaluator(lane, lanes, given)(tirx.Select(wins, i, w)))
        T.buffer_store(best, new_best, [slot])
        T.buffer_store(where, new_where, [slot])

    def _keep_first(self, single: tirx.Buffer, place: tirx.Buffer, v: Expr, i: Expr) -> None:
        """One lane's best into the row's: of equal ones the smaller index."""
        b, w = T.bind(single[0]), T.bind(place[0])
        tie = tirx.And(tirx.Not(self.before(b, v)), tirx.LT(i, w))
        wins = tirx.Or(tirx.LT(w, ZERO), tirx.Or(self.before(v, b), tie))
        wins = tirx.And(tirx.GE(i, ZERO), wins)
        new_best, new_place = T.bind(tirx.Select(wins, v, b)), T.bind(tirx.Select(wins, i, w))
        T.buffer_store(single, new_best, [0])
        T.buffer_store(place, new_place, [0])
