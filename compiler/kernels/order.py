"""Rows in ascending order, and the places of what is true.

    neoc.order(rows [n, m]) -> int64 [n]: the rows' numbers, by their first elements, equal ones by
                               their second, ...; rows that are equal stay in their order
    neoc.places(mask) -> int64 [size]: where it is true, counted through the whole tensor; then 0

Both run on one thread: they are about what becomes of a model's few results.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import bound, kernel, loop, registers, workspace
from compiler.kernels.operators import is_nan
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Value, element_type, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload
from targets import Profile

Before = Callable[[Expr, Expr], Expr]  # two places -> whether the first must come first


class Order(Template):
    name = "order"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == "neoc.order"

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            [rows], out = work.bind(buffers).operands(), buffers[-1]
            count, width = rows.shape
            places = workspace(2 * count, "int32")
            with loop(count) as i:
                T.buffer_store(places, i, [i])

            def before(a: Expr, b: Expr) -> Expr:
                return _row_before(rows, width, a, b)

            start = merge_sort(places, count, before)
            with loop(count) as i:
                T.buffer_store(out, places[start + i].astype("int64"), [i])
        return done[0]


class Places(Template):
    name = "places"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == "neoc.places"

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            [mask], out = work.bind(buffers).operands(), buffers[-1]
            found = collect(out, mask.size, lambda i: mask.at(unravel(i, mask.shape)))
            with T.serial(0, mask.size - found) as i:
                T.buffer_store(out, tirx.const(0, "int64"), [found + i])
        return done[0]


def scalar(expr: Expr) -> Expr:
    """Computed once, here."""
    return T.bind(Evaluator(tirx.Var("lane", "int32"), 1)(expr))


def collect(out: tirx.Buffer, extent: int, chosen: Callable[[Expr], Expr]) -> Expr:
    """The places below `extent` that are chosen, into out; how many there are.

    No branch: every place is written behind those that were chosen before it.
    """
    count = registers(1, 1, "int32")
    T.buffer_store(count, ZERO, [0])
    with loop(extent) as i:
        at = T.bind(count[0])
        T.buffer_store(out, i.astype(str(out.dtype)), [at])
        T.buffer_store(count, at + scalar(chosen(i)).astype("int32"), [0])
    return T.bind(count[0])


def merge_sort(places: tirx.Buffer, count: int, before: Before) -> Expr:
    """Sorts the first `count` of `places`, which has room for twice as many, and returns where
    they start then. Sorted runs of 1, 2, 4, ... are merged from one half into the other.
    """
    run, source = registers(1, 1, "int32"), registers(1, 1, "int32")
    T.buffer_store(run, tirx.const(1, "int32"), [0])
    T.buffer_store(source, ZERO, [0])
    with T.While(run[0] < count):
        width, start = T.bind(run[0]), T.bind(source[0])
        with T.serial(0, tirx.floordiv(count + 2 * width - 1, 2 * width)) as pair:
            _merge(places, start, count - start, bound(pair * 2 * width), width, count, before)
        T.buffer_store(run, 2 * width, [0])
        T.buffer_store(source, count - start, [0])
    return T.bind(source[0])


def _merge(
    places: tirx.Buffer,
    source: Expr,
    target: Expr,
    first: Expr,
    width: Expr,
    count: int,
    before: Before,
) -> None:
    """Two runs that stand side by side: of equal places the left one's comes first."""
    middle = T.bind(tirx.min(first + width, count))
    end = T.bind(tirx.min(first + 2 * width, count))
    cursor = registers(1, 1, "int32")
    T.buffer_store(cursor, first, [0])
    with T.serial(0, end - first) as n:
        i = T.bind(cursor[0])
        j = T.bind(middle + (n - (i - first)))
        a = T.bind(places[source + tirx.min(i, middle - 1)])
        b = T.bind(places[source + tirx.min(j, count - 1)])
        right_first = T.bind(before(b, a))
        left = tirx.And(i < middle, tirx.Or(j >= end, tirx.Not(right_first)))
        left = T.bind(left.astype("int32"))
        T.buffer_store(places, tirx.Select(left > 0, a, b), [target + first + n])
        T.buffer_store(cursor, i + left, [0])


def _row_before(rows: Value, width: int, a: Expr, b: Expr) -> Expr:
    """By the first element in which they differ."""
    column, verdict = registers(1, 1, "int32"), registers(1, 1, "int32")
    T.buffer_store(column, ZERO, [0])
    T.buffer_store(verdict, ZERO, [0])
    with T.While(tirx.And(column[0] < width, verdict[0] == 0)):
        at = T.bind(column[0])
        x, y = (scalar(rows.at((row, at))) for row in (a, b))
        less, more = (_less(p, q).astype("int32") for p, q in ((x, y), (y, x)))
        T.buffer_store(verdict, less - more, [0])
        T.buffer_store(column, at + 1, [0])
    return verdict[0] > 0


def _less(x: Expr, y: Expr) -> Expr:
    """NaN is the largest, as numpy sorts."""
    if element_type(x) == "bool":
        x, y = x.astype("int8"), y.astype("int8")
    return tirx.Or(x < y, tirx.And(is_nan(y), tirx.Not(is_nan(x))))
