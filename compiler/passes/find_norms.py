"""Normalisations that were exported as arithmetic, as one operator each.

(x - mean x) / sqrt(mean (x - mean x)^2 + e)  -> layer_norm
x / sqrt(mean x^2 + e)                        -> rms_norm

Both over the last axis. The root may also stand as a reciprocal that is multiplied with.
Scales and shifts that follow are fused later, as element-wise calls behind any kernel are. Equal
calls must be one before.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from compiler.kernels.operators import shape_of
from compiler.passes.rewriter import Rewriter, constant, number_of


def find_norms(module: tvm.IRModule) -> tvm.IRModule:
    return _Finder(module).run()


class _Finder(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and str(value.ty.dtype) == "float32":
            operands = [self.use(a) for a in value.args]
            pairs = [operands, operands[::-1]] if value.op.name == "relax.multiply" else []
            pairs += [operands] if value.op.name == "relax.divide" else []
            for data, other in pairs:
                root = other if value.op.name == "relax.divide" else self._reciprocal(other)
                norm = self._norm(data, root)
                if norm is not None:
                    return self.emit(norm, var.name)
        return self.again(var, value)

    def _made_by(self, expr: relax.Expr | None, operator: str) -> list[relax.Expr] | None:
        """The operands of the call of `operator` behind a variable."""
        call = self.producer.get(expr) if isinstance(expr, relax.Var) else None
        return list(call.args) if call is not None and call.op.name == operator else None

    def _reciprocal(self, expr: relax.Expr) -> relax.Expr | None:
        """1 / x or rsqrt(x) -> what stands for the root: x, or the call of rsqrt."""
        if self._made_by(expr, "relax.rsqrt") is not None:
            return expr
        division = self._made_by(expr, "relax.divide")
        return division[1] if division is not None and number_of(division[0]) == 1.0 else None

    def _norm(self, data: relax.Expr, root: relax.Expr | None) -> relax.Expr | None:
        inside = self._made_by(root, "relax.sqrt") or self._made_by(root, "relax.rsqrt")
        total = self._made_by(inside[0], "relax.add") if inside is not None else None
        if total is None:
            return None
        epsilon = number_of(total[1])
        squares = self._mean(total[0])
        if epsilon is None or squares is None or not self._is_square(squares, data):
            return None
        ones = constant(np.ones(shape_of(data)[-1:], np.float32))
        centred = self._made_by(data, "relax.subtract")
        mean = self._mean(centred[1]) if centred is not None else None
        if centred is not None and mean is not None and mean.same_as(centred[0]):
            return relax.op.nn.layer_norm(
                centred[0], ones, ones, [-1], epsilon, center=False, scale=False
            )
        return relax.op.nn.rms_norm(data, ones, [-1], epsilon)

    def _mean(self, expr: relax.Expr) -> relax.Expr | None:
        """x of mean(x) over the last axis, which stays as 1."""
        call = self.producer.get(expr) if isinstance(expr, relax.Var) else None
        if call is None or call.op.name != "relax.mean" or not bool(call.attrs.keepdims):
            return None
        rank, axes = len(shape_of(call)), call.attrs.axis
        is_last = axes is not None and [int(a) % rank for a in axes] == [rank - 1]
        return call.args[0] if is_last else None

    def _is_square(self, expr: relax.Expr, of: relax.Expr) -> bool:
        power = self._made_by(expr, "relax.power")
        if power is not None:
            return number_of(power[1]) == 2.0 and bool(power[0].same_as(of))
        factors = self._made_by(expr, "relax.multiply") or self._made_by(expr, "relax.square")
        return factors is not None and all(f.same_as(of) for f in factors)
