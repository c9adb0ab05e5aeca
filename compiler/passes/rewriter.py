"""Rewrites "main" binding by binding, in order: what the passes that emit new calls share."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.operators import REGIONS
from compiler.kernels.workload import operator_of


def own(
    operator: str, operands: list[relax.Expr], shape: tuple[int, ...], dtype: str
) -> relax.Call:
    """A call of one of our own operators; integers travel as ShapeExpr."""
    return relax.op.call_pure_packed(operator, *operands, ty_args=relax.TensorType(shape, dtype))


class Rewriter:
    """Override `visit` to emit other calls for one. `producer` knows the call behind every
    variable emitted so far.
    """

    def __init__(self, module: tvm.IRModule) -> None:
        self.function = module["main"]
        self.builder = relax.BlockBuilder()
        self.new: dict[relax.Var, relax.Expr] = {}
        self.producer: dict[relax.Var, relax.Call] = {}
        self.uses = use_counts(self.function)

    def run(self) -> tvm.IRModule:
        params = [self.parameter(p) for p in self.function.params]
        self.new.update(zip(self.function.params, params, strict=True))
        with self.builder.function("main", params):
            with self.builder.dataflow():
                for binding in self.function.body.blocks[0].bindings:
                    if binding.var.same_as(self.function.body.body):
                        continue
                    visit = self.again if is_region(binding.value) else self.visit
                    self.new[binding.var] = visit(binding.var, binding.value)
                result = self.builder.emit_output(self.finish(self.outputs()))
            self.builder.emit_func_output(result)
        return relax.transform.DeadCodeElimination()(self.builder.get())

    def parameter(self, var: relax.Var) -> relax.Var:
        return relax.Var(var.name, var.ty)

    def outputs(self) -> list[relax.Expr]:
        """The old expressions that main returns, in order."""
        body = self.function.body
        returned = next(b.value for b in body.blocks[0].bindings if b.var.same_as(body.body))
        return list(returned.fields)

    def finish(self, outputs: list[relax.Expr]) -> relax.Expr:
        return relax.Tuple([self.use(o) for o in outputs])

    def use(self, expr: relax.Expr) -> relax.Expr:
        """The new expression for an old operand."""
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([self.use(f) for f in expr.fields])
        return self.new.get(expr, expr) if isinstance(expr, relax.Var) else expr

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        return self.again(var, value)

    def again(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        """The same call of the new operands."""
        if isinstance(value, relax.Call):
            arguments = [self.use(a) for a in value.args]
            return self.emit(relax.Call(value.op, arguments, value.attrs, value.ty_args), var.name)
        if isinstance(value, relax.TupleGetItem):
            return self.emit(relax.TupleGetItem(self.use(value.tuple_value), value.index), var.name)
        return self.use(value)

    def emit(self, value: relax.Expr, name: str) -> relax.Var:
        var = self.builder.emit(value, name)
        if isinstance(value, relax.Call):
            self.producer[var] = value
        return var


def is_region(expr: relax.Expr) -> bool:
    """Whether a call runs other functions: what it reads and gives is plain."""
    return isinstance(expr, relax.Call) and operator_of(expr) in REGIONS


def use_counts(function: relax.Function) -> dict[relax.Var, int]:
    """How often each variable of main is read."""
    counts: dict[relax.Var, int] = {}

    def count(expr: relax.Expr) -> None:
        if isinstance(expr, relax.Var):
            counts[expr] = counts.get(expr, 0) + 1

    for binding in function.body.blocks[0].bindings:
        relax.analysis.post_order_visit(binding.value, count)
    count(function.body.body)
    return counts


def array_of(expr: relax.Expr) -> np.ndarray | None:
    """A constant's value."""
    return np.asarray(expr.value.numpy()) if isinstance(expr, GenericConst) else None


def number_of(expr: relax.Expr) -> float | None:
    """The value of a constant of one element."""
    array = array_of(expr)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def constant(array: np.ndarray) -> GenericConst:
    return relax.const(np.ascontiguousarray(array), str(array.dtype))
