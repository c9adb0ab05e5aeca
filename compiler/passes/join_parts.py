"""Concatenations and slices that are contiguous in memory become neoc.join and neoc.part, which
compute nothing (see joins.py).

    concat(a, b, x) -> join(a, b, copy(x))    x: an input, a constant, or part of another join
    strided_slice(a) -> part(a)

Nested joins are opened. A concatenation that would have to copy everything stays one kernel.
"""

from __future__ import annotations

import math

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.joins import nbytes, place_joins
from compiler.kernels.operators import VIEWS, dtype_of, integers, shape_of
from compiler.kernels.workload import operator_of
from compiler.passes.rewriter import Rewriter, own


def join_parts(module: tvm.IRModule, alignment: int) -> tvm.IRModule:
    """alignment: of every part, in bytes."""
    return _Joiner(module, alignment).run()


class _Joiner(Rewriter):
    """`joins`: for every concatenation that is one of memory its parts, in old variables."""

    def __init__(self, module: tvm.IRModule, alignment: int) -> None:
        super().__init__(module)
        self.alignment = alignment
        bindings = self.function.body.blocks[0].bindings
        self.made = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}
        self.joins: dict[relax.Var, list[relax.Expr]] = {}
        for var, call in self.made.items():
            if operator_of(call) == "relax.concat" and self._is_contiguous(call):
                self.joins[var] = self._leaves(call)
        fixed = {v for v in self._parts() if isinstance(v, relax.Var) and not self._is_own(v)}
        places = place_joins(self.joins, fixed)
        for var, parts in list(self.joins.items()):
            if all((var, n) in places.copied for n in range(len(parts))):
                del self.joins[var]
        self.places = place_joins(self.joins, fixed)

    def _is_contiguous(self, concat: relax.Call) -> bool:
        parts = list(concat.args[0].fields)
        axis = int(concat.attrs.axis) % len(shape_of(concat))
        aligned = all(nbytes(part) % self.alignment == 0 for part in parts[:-1])
        return aligned and math.prod(shape_of(concat)[:axis]) == 1 and all(map(nbytes, parts))

    def _parts(self) -> list[relax.Expr]:
        return [part for parts in self.joins.values() for part in parts]

    def _leaves(self, concat: relax.Call) -> list[relax.Expr]:
        """The operands behind their views, those of nested joins in their stead."""
        found: list[relax.Expr] = []
        for field in concat.args[0].fields:
            source = self._behind_views(field)
            found.extend(self.joins.get(source, [source]))
        return found

    def _behind_views(self, expr: relax.Expr) -> relax.Expr:
        while expr in self.made and operator_of(self.made[expr]) in VIEWS:
            expr = self.made[expr].args[0]
        return expr

    def _is_own(self, var: relax.Var) -> bool:
        """Whether a kernel writes the variable, and it alone."""
        return var in self.made and not self._is_part(self.made[var])

    def _is_part(self, call: relax.Call) -> bool:
        """A contiguous slice of something stored."""
        start = _start(call) if operator_of(call) == "relax.strided_slice" else None
        if start is None or start * np.dtype(dtype_of(call)).itemsize % self.alignment:
            return False
        return self._behind_views(call.args[0]) in self.made

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if var in self.joins:
            parts = [self._part(var, n, part) for n, part in enumerate(self.joins[var])]
            return self.emit(own("neoc.join", parts, shape_of(var), dtype_of(var)), var.name)
        if isinstance(value, relax.Call) and self._is_part(value):
            operands = [self.use(value.args[0]), relax.ShapeExpr([_start(value)])]
            return self.emit(own("neoc.part", operands, shape_of(var), dtype_of(var)), var.name)
        return self.again(var, value)

    def _part(self, join: relax.Var, number: int, part: relax.Expr) -> relax.Expr:
        new = self.use(part)
        if (join, number) not in self.places.copied and not isinstance(part, GenericConst):
            return new
        return self.emit(relax.op.astype(new, dtype_of(part)), "copy")


def _start(call: relax.Call) -> int | None:
    """The first element of a slice that is contiguous."""
    source, target = shape_of(call.args[0]), shape_of(call)
    cut = [axis for axis, extent in enumerate(source) if target[axis] != extent]
    steps = integers(call.args[4]) if len(call.args) > 4 else []
    if len(cut) != 1 or any(step != 1 for step in steps) or math.prod(target[: cut[0]]) != 1:
        return None
    axes, begin = integers(call.args[1]), integers(call.args[2])
    first = next(b for a, b in zip(axes, begin, strict=True) if a % len(source) == cut[0])
    start = (first % source[cut[0]] if first < 0 else first) * math.prod(source[cut[0] + 1 :])
    return int(start) if nbytes(call) else None
