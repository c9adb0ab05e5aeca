"""Tensors of numbers that no kernel computes with (bfloat16, 8- and 4-bit floats, small integers)
become tensors of the unsigned integers that hold their bits. They are only moved, encoded and
decoded: see kernels/narrow.py.
"""

from __future__ import annotations

import tvm
from tvm import relax

from compiler.errors import ClientError
from compiler.kernels.moves import MOVES
from compiler.kernels.narrow import CARRIERS, OPERATORS
from compiler.kernels.operators import dtype_of
from compiler.kernels.workload import operator_of, tensors_of
from compiler.passes.rewriter import Rewriter

MOVED = frozenset(
    [
        *MOVES,
        *OPERATORS,
        *(f"relax.{name}" for name in ("concat", "split", "where")),
        *(f"relax.scatter_{name}" for name in ("elements", "nd")),
    ]
)


def store_narrow(module: tvm.IRModule) -> tvm.IRModule:
    return _Storer(module).run()


class _Storer(Rewriter):
    def parameter(self, var: relax.Var) -> relax.Var:
        return relax.Var(var.name, _carried(var.ty))

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if not isinstance(value, relax.Call):
            return self.again(var, value)
        narrow = sorted({dtype_of(t) for t in tensors_of(value)} & CARRIERS.keys())
        combined = str(getattr(value.attrs, "reduction", "update")) != "update"
        if narrow and (operator_of(value) not in MOVED or combined):
            raise ClientError(
                f"The model needs {operator_of(value)} of {narrow[0]}, which no kernel computes. "
                "Cast to float32 around it."
            )
        if operator_of(value) not in OPERATORS:
            return self.again(var, value)
        call = relax.Call(
            value.op, [self.use(a) for a in value.args], value.attrs, [_carried(value.ty)]
        )
        return self.emit(call, var.name)


def _carried(kind: relax.TensorType) -> relax.TensorType:
    dtype = str(kind.dtype)
    return relax.TensorType(kind.shape, CARRIERS.get(dtype, dtype))
