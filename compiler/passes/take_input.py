"""A recurrent layer of one row takes over its input's product, which it makes while its steps wait
for their weights (kernels/ahead.py).

    lstm(matmul(x, w) + b, r, ...) -> lstm_of_input(x, w, b, r, ...)

Only where each core reads its weights from the second cache: recurrent ones that fit the first are
multiplied as fast as they are read, and of larger ones the input's would be read too often.
"""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.cells import TAKING_INPUT
from compiler.kernels.operators import VIEWS, dtype_of, shape_of
from compiler.kernels.workload import operands_of, operator_of, tensors_of
from compiler.passes.rewriter import Rewriter, own
from targets import Profile

LEAST_STEPS = 16
DEPTH = 4  # divides an input's, or its product cannot be cut into equal pieces


def take_input(module: tvm.IRModule, profile: Profile) -> tvm.IRModule:
    return _Taker(module, profile).run()


class _Taker(Rewriter):
    def __init__(self, module: tvm.IRModule, profile: Profile) -> None:
        super().__init__(module)
        self.profile = profile
        bindings = self.function.body.blocks[0].bindings
        self.made = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        product = self._input_of(value) if isinstance(value, relax.Call) else None
        if product is None:
            return self.again(var, value)
        _, *rest = map(self.use, operands_of(value))
        operands = [self.use(product[0]), *product[1:], *rest]
        name = f"{operator_of(value)}_of_input"
        return self.emit(own(name, operands, shape_of(var), dtype_of(var)), var.name)

    def _input_of(self, layer: relax.Call) -> tuple[relax.Expr, ...] | None:
        """What a layer's input is, multiplied with and moved by, if that is better made ahead."""
        if f"{operator_of(layer)}_of_input" not in TAKING_INPUT:
            return None
        total = self._alone(operands_of(layer)[0], "relax.add")
        product = self._alone(total.args[0], "relax.matmul") if total is not None else None
        if total is None or product is None:
            return None
        (x, weight), bias = product.args, total.args[1]
        constant = isinstance(weight, GenericConst) and isinstance(bias, GenericConst)
        if not constant or len(shape_of(x)) != 2 or shape_of(bias) != shape_of(weight)[1:]:
            return None
        depth = shape_of(x)[1]
        even = depth > 0 and depth % DEPTH == 0
        return (x, weight, bias) if even and self._gains(layer, depth) else None

    def _gains(self, layer: relax.Call, depth: int) -> bool:
        given, weight, state, *_ = tensors_of(layer)
        steps, batch, columns = shape_of(given)
        directions, _, units = shape_of(state)
        one = batch == directions == 1 and steps >= LEAST_STEPS
        recurrent, both = (4 * columns * n // self.profile.cores for n in (units, units + depth))
        streams = self.profile.l1_bytes // 2 < recurrent and both <= self.profile.l2_bytes
        whole = units % self.profile.isa.lanes == 0
        return one and streams and whole and isinstance(weight, GenericConst)

    def _alone(self, expr: relax.Expr, operator: str) -> relax.Call | None:
        """The call of an operator behind a variable, through views, that nothing else reads."""
        call = self.made.get(expr) if self.uses.get(expr) == 1 else None
        if call is not None and operator_of(call) in VIEWS:
            return self._alone(call.args[0], operator)
        return call if call is not None and operator_of(call) == operator else None
