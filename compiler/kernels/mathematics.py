"""Which program stands for a mathematical intrinsic of vectors; what has none stays an instruction
of LLVM.
"""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import tirx

from compiler.kernels import doubles, polynomials
from compiler.kernels.value import Expr, element_type, lanes_of, typed


def call(expr: tvm.ir.Call, arguments: Sequence[Expr]) -> Expr:
    """The intrinsic call `expr` of vectors."""
    name, kind = str(expr.op.name), element_type(expr)
    lanes = max((lanes_of(a) for a in arguments), default=1)
    if name in doubles.FUNCTIONS:
        arguments = [polynomials.settled(a) for a in arguments]
    if kind == "float32" and name in polynomials.FUNCTIONS:
        return polynomials.FUNCTIONS[name](arguments[0])
    if kind == "float64" and name in doubles.FUNCTIONS:
        return doubles.FUNCTIONS[name](*arguments)
    if kind == "float32" and name in doubles.FUNCTIONS:
        wide = [tirx.Cast(typed("float64", lanes), a) for a in arguments]
        return tirx.Cast(typed("float32", lanes), doubles.FUNCTIONS[name](*wide))
    return tvm.ir.Call(expr.op, list(arguments), ret_ty=tvm.ir.PrimType(typed(kind, lanes)))
