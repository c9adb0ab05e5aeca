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
from compiler.passes.rewriter import Rewriter, is_region

MOVED = frozenset(
    [
        *MOVES,
        *OPERATORS,
        *(f"relax.{name}" for name in ("concat", "split", "where")),
        *(f"relax.scatter_{name}" for name in ("elements", "nd")),
    ]
)


def store_narrow(module: tvm.IRModule) -> tvm.IRModule:
    """Raises ClientError, naming every operator that would have to compute."""
    bindings = module["main"].body.blocks[0].bindings
    calls = [b.value for b in bindings if isinstance(b.value, relax.Call)]
    if refused := [named for call in calls if (named := _computes(call))]:
        raise ClientError(
            f"The model needs {', '.join(dict.fromkeys(refused))}, which no kernel computes. "
            "Cast to float32 around it."
        )
    return _Storer(module).run()


def _computes(call: relax.Call) -> str:
    """The operator and the type, where they need a kernel that knows the type's numbers."""
    if is_region(call):
        return ""
    narrow = sorted({dtype_of(t) for t in tensors_of(call)} & CARRIERS.keys())
    combined = str(getattr(call.attrs, "reduction", "update")) != "update"
    if narrow and (operator_of(call) not in MOVED or combined):
        return f"{operator_of(call)} of {narrow[0]}"
    return ""


class _Storer(Rewriter):
    def parameter(self, var: relax.Var) -> relax.Var:
        return relax.Var(var.name, _carried(var.ty))

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if not isinstance(value, relax.Call):
            return self.again(var, value)
        if operator_of(value) not in OPERATORS:
            return self.again(var, value)
        return self._retyped(var, value)

    def again(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        return self._retyped(var, value) if is_region(value) else super().again(var, value)

    def _retyped(self, var: relax.Var, call: relax.Call) -> relax.Var:
        arguments = [self.use(a) for a in call.args]
        made = relax.Call(call.op, arguments, call.attrs, [_carried(call.ty)])
        return self.emit(made, var.name)


def _carried(kind: relax.Type) -> relax.Type:
    if isinstance(kind, relax.TupleType):
        return relax.TupleType([_carried(field) for field in kind.fields])
    dtype = str(kind.dtype)
    return relax.TensorType(kind.shape, CARRIERS.get(dtype, dtype))
