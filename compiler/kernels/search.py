"""argmax, argmin and the k best of a row.

    for each row in parallel:
        for each block: best[block] = the first of its best elements
        for r in 0..k:
            out[r] = the best of best
            best[its block] = the best element there that comes after out[r]

A row of n elements has about sqrt(n) blocks. NaN is the best of all, as in numpy. The lanes are
neighbouring rows, or each lane searches its own part of a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import isqrt

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, bound, kernel, loop, nest, registers, vector_at
from compiler.kernels.operators import dtype_of, integers, is_nan, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, stored, unravel
from compiler.kernels.vector import Evaluator, spread
from compiler.kernels.workload import Bound, Workload
from targets import Profile

Better = Callable[[Expr, Expr], Expr]
Element = Callable[[Expr], Expr]
Allowed = Callable[[Expr, Expr], Expr]  # place, element


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
    version = 2

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
    search = Search(better(work.operator == "relax.argmax"), source.dtype)
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
        found = search.row(
            lambda i: source.at((*index[:axis], i, *index[axis:])), shape[axis], lanes
        )
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
        found = search.lanes(
            lambda i: source.at((*at[:axis], i, *at[axis:])), source.shape[axis], lane, count
        )
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
    search = Search(better(bool(largest)), source.dtype)
    size = extent if extent < 8 * lanes else -(-isqrt(extent) // lanes) * lanes
    blocks = -(-extent // size)

    def row(index: Index) -> None:
        best, where = registers(blocks, 1, source.dtype), registers(blocks, 1, "int32")
        bests, places = (stored(b, (blocks,), str(b.dtype)) for b in (best, where))

        def fill(block: Expr, allowed: Allowed) -> None:
            """The last block ends at the row's end, and leaves out what the one before it has."""
            first = bound(block * size)
            start = bound(tirx.min(first, extent - size)) if extent % size else first

            def own(at: Expr, element: Expr) -> Expr:
                return tirx.And(tirx.GE(at, first), allowed(at, element))

            found = search.row(
                lambda i: source.at((*index, start + i)), size, lanes, lambda i: start + i, own
            )
            T.buffer_store(where, found, [block])
            element = source.at((*index, tirx.max(found, 0)))
            T.buffer_store(best, Evaluator(tirx.Var("lane", "int32"), 1)(element), [block])

        with loop(blocks) as block:
            fill(block, lambda at, element: tirx.GE(at, ZERO))
        with loop(count) as r:
            found = search.row(
                lambda i: bests.at((i,)), blocks, lanes, lambda i: places.at((i,)),
                lambda at, element: tirx.GE(at, ZERO),
            )  # fmt: skip
            found = T.bind(tirx.max(found, 0))
            T.buffer_store(out, found.astype("int64"), [ravel((*index, r), (*outer, count))])
            block = T.bind(found // size)
            fill(block, search.behind(found, T.bind(best[block])))

    nest(tuple(outer), row, source.size >= PARALLEL_WORK)


class Search:
    """The first of the best elements, by its index."""

    def __init__(self, before: Better, dtype: str) -> None:
        self.before, self.dtype = before, dtype

    def behind(self, place: Expr, element: Expr) -> Allowed:
        """What comes after an element."""

        def allowed(i: Expr, v: Expr) -> Expr:
            tie = tirx.And(tirx.Not(self.before(v, element)), tirx.GT(i, place))
            return tirx.Or(self.before(element, v), tie)

        return allowed

    def lanes(self, element: Element, extent: int, lane: tirx.Var, count: int) -> Expr:
        """For each lane the best along an axis."""
        best, where = registers(1, count, self.dtype), registers(1, count, "int32")
        slot = vector_at(0, count)
        T.buffer_store(best, Evaluator(lane, count)(element(ZERO)), [slot])
        T.buffer_store(where, Evaluator(lane, count)(ZERO), [slot])
        if extent > 1:
            with loop(extent - 1) as i:
                at = bound(i + 1)
                self._keep(best, where, slot, Evaluator(lane, count)(element(at)), at, None, count)
        return T.bind(where[slot])

    def row(
        self,
        element: Element,
        extent: int,
        lanes: int,
        place: Element = lambda i: i,
        allowed: Allowed | None = None,
    ) -> Expr:
        """The place of the best of a row, of those that are allowed. -1: there is none."""
        best, where = registers(1, lanes, self.dtype), registers(1, lanes, "int32")
        single, found = registers(1, 1, self.dtype), registers(1, 1, "int32")
        whole, lane = extent // lanes, tirx.Var("lane", "int32")
        T.buffer_store(found, tirx.const(-1, "int32"), [0])
        T.buffer_store(single, tirx.const(0, self.dtype), [0])
        if whole:
            slot = vector_at(0, lanes)
            T.buffer_store(where, Evaluator(lane, lanes)(tirx.const(-1, "int32")), [slot])
            T.buffer_store(best, Evaluator(lane, lanes)(tirx.const(0, self.dtype)), [slot])
            with loop(whole) as i:
                first = bound(i * lanes)
                value, at = (Evaluator(lane, lanes)(f(first + lane)) for f in (element, place))
                self._keep(best, where, slot, value, at, allowed, lanes)
            with loop(lanes) as i:
                self._keep_first(single, found, T.bind(best[i]), T.bind(where[i]))
        if extent % lanes:
            with loop(extent % lanes) as i:
                value, at = (
                    T.bind(Evaluator(lane, 1)(f(bound(i + whole * lanes))))
                    for f in (element, place)
                )
                self._keep(single, found, 0, value, at, allowed, 1)
        return T.bind(found[0])

    def _keep(
        self,
        best: tirx.Buffer,
        where: tirx.Buffer,
        slot: Expr | int,
        value: Expr,
        at: Expr,
        allowed: Allowed | None,
        lanes: int,
    ) -> None:
        """best, where = value, at if that is better and allowed."""
        v, b = tirx.Var("v", self.dtype), tirx.Var("b", self.dtype)
        i, w = tirx.Var("i", "int32"), tirx.Var("w", "int32")
        wins = tirx.Or(tirx.LT(w, ZERO), self.before(v, b))
        if allowed is not None:
            wins = tirx.And(wins, allowed(i, v))
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
