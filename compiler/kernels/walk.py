"""Axes that can be walked as one: fewer loops, and vectors that need not end where a short axis
does.

    out[i, j] = a[i * 7 + j] + b[0]  over [5, 7]   ->   out[m] = a[m] + b[0]  over [35]

Two neighbouring axes merge if every load is linear in them and sees only i * extent + j, and
nothing else depends on them. The indices are simplified on the way: what reshapes composed of
divisions is gone afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tvm
from tvm import tirx
from tvm.ir import TensorLoad
from tvm.sym import Analyzer

from compiler.kernels.value import ZERO, Expr, Value, key_of
from compiler.kernels.vector import operands, rebuilt, substituted


class Walk:
    """A value at symbolic indices, whose axes are merged in place."""

    def __init__(self, value: Value) -> None:
        self.dtype = value.dtype
        self.shape = list(value.shape)
        self.axes = [tirx.Var(f"i{n}", "int32") for n in range(len(self.shape))]
        places = tuple(v if e > 1 else ZERO for v, e in zip(self.axes, self.shape, strict=True))
        self.expr = replaced(value.at(places), self._simplified)

    def merge(self, axis: int) -> bool:
        """Walks `axis` and the next one as one, if that is possible."""
        first, second = self.shape[axis : axis + 2]
        if not self.mergeable(axis):
            return False
        kept, gone = (axis, axis + 1) if second == 1 else (axis + 1, axis)
        if 1 not in (first, second):
            row, column = self.axes[axis : axis + 2]
            merged = tirx.Var("m", "int32")
            strides = self._strides
            self.expr = replaced(
                self.expr,
                lambda load: load.source[
                    substituted(load.indices[0], {row: ZERO, column: ZERO})
                    + merged * strides[key_of(load)]
                ],
            )
            self.axes[kept] = merged
        self.shape[axis : axis + 2] = [first * second]
        del self.axes[gone]
        if 1 not in (first, second):
            self.expr = replaced(self.expr, self._simplified)
        return True

    def value(self) -> Value:
        def compute(indices: tuple[Expr, ...]) -> Expr:
            return substituted(self.expr, dict(zip(self.axes, indices, strict=True)))

        return Value(tuple(self.shape), self.dtype, compute)

    def _analyzer(self) -> Analyzer:
        analyzer = Analyzer()
        for var, extent in zip(self.axes, self.shape, strict=True):
            analyzer.bind(var, tvm.ir.Range(0, extent))
        return analyzer

    def _simplified(self, load: TensorLoad) -> Expr:
        return load.source[self._analyzer().simplify(load.indices[0])]

    def mergeable(self, axis: int) -> bool:
        if 1 in self.shape[axis : axis + 2]:
            return True
        row, column = self.axes[axis : axis + 2]
        loads: list[TensorLoad] = []
        if _appears_outside_loads(self.expr, (row, column), loads, set(), set()):
            return False
        analyzer = self._analyzer()
        self._strides: dict[object, int] = {}
        for load in loads:
            index = load.indices[0]
            corner = substituted(index, {row: ZERO, column: ZERO})
            step = analyzer.simplify(
                substituted(index, {row: ZERO, column: tirx.const(1, "int32")}) - corner
            )
            if not isinstance(step, tirx.IntImm):
                return False
            linear = (row * self.shape[axis + 1] + column) * step
            rest = analyzer.simplify(index - corner - linear)
            if not isinstance(rest, tirx.IntImm) or int(rest) != 0:
                return False
            self._strides[key_of(load)] = int(step)
        return True


def merged(
    value: Value, within: tuple[int, ...], origin: tuple[int, ...]
) -> tuple[Value, tuple[int, ...], tuple[int, ...]]:
    """A value that fills a box of a row-major tensor, with as few axes as possible."""
    if len(value.shape) < 2 or value.size <= 1:
        return value, within, origin
    walk = Walk(value)
    whole, corner = list(within), list(origin)
    for axis in reversed(range(len(value.shape) - 1)):
        filled = corner[axis + 1] == 0 and whole[axis + 1] == walk.shape[axis + 1]
        if filled and walk.merge(axis):
            corner[axis : axis + 2] = [corner[axis] * whole[axis + 1]]
            whole[axis : axis + 2] = [whole[axis] * whole[axis + 1]]
    assert math.prod(walk.shape) == value.size
    return walk.value(), tuple(whole), tuple(corner)


def _appears_outside_loads(
    expr: Expr,
    wanted: tuple[tirx.Var, ...],
    loads: list[TensorLoad],
    seen: set[object],
    seen_inside: set[object],
) -> bool:
    """Whether a variable stands anywhere but in an index; collects the loads, inner ones too.

    What was seen inside of an index may stand outside as well.
    """
    if key_of(expr) in seen:
        return False
    seen.add(key_of(expr))
    if isinstance(expr, TensorLoad):
        loads.append(expr)
        _appears_outside_loads(expr.indices[0], wanted, loads, seen_inside, seen_inside)
        return False
    if any(expr.same_as(v) for v in wanted):
        return True
    parts = operands(expr)
    return any([_appears_outside_loads(o, wanted, loads, seen, seen_inside) for o in parts])


def replaced(expr: Expr, change: Callable[[TensorLoad], Expr]) -> Expr:
    """The expression with its outermost loads changed; what occurs twice stays one object."""
    done: dict[object, tuple[Expr, Expr]] = {}

    def visit(e: Expr) -> Expr:
        if key_of(e) not in done:
            done[key_of(e)] = (
                e,
                change(e)
                if isinstance(e, TensorLoad)
                else rebuilt(e, [visit(o) for o in operands(e)]),
            )
        return done[key_of(e)][1]

    return visit(expr)
