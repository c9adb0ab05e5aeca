"""Operators of torch that its exporter of TorchScript does not know, as ONNX; for a script of
confined.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

Formula = Callable[..., Any]
LAST = 2**63 - 1  # as the end of a slice: the last element, too


def register(opset: int) -> None:
    import torch

    known = {**SYMBOLICS, **{name: _of_floats(formula) for name, formula in FORMULAS.items()}}
    for name, symbolic in known.items():
        torch.onnx.register_custom_op_symbolic(f"aten::{name}", symbolic, opset)


def diff(g: Any, x: Any, n: Any, dim: Any, prepend: Any, append: Any) -> Any:
    """x[1:] - x[:-1] along dim, n times; of bools where they differ. Source: torch.diff."""
    import torch
    from torch.onnx import symbolic_helper as helper

    times, axis = (helper._get_const(v, "i", "n or dim of diff") for v in (n, dim))
    parts = [v for v in (prepend, x, append) if not helper._is_none(v)] if times else [x]
    kinds = [torch.onnx.JitScalarType.from_value(part) for part in parts]
    kind = torch.onnx.JitScalarType.from_dtype(
        functools.reduce(torch.promote_types, (kind.dtype() for kind in kinds))
    )
    cast = [g.op("Cast", part, to_i=kind.onnx_type()) for part in parts]
    made = g.op("Concat", *cast, axis_i=axis) if len(cast) > 1 else x
    step = "Xor" if kind.dtype() is torch.bool else "Sub"
    for _ in range(times):
        later, earlier = (
            helper._slice_helper(g, made, [axis], [start], [end])
            for start, end in ((1, LAST), (0, -1))
        )
        made = g.op(step, later, earlier)
    return made


def trunc(g: Any, x: Any) -> Any:
    from torch.onnx import symbolic_helper as helper

    if not helper._is_fp(x):
        return x
    return g.op("Mul", g.op("Sign", x), g.op("Floor", g.op("Abs", x)))


SYMBOLICS: Mapping[str, Formula] = {"diff": diff, "trunc": trunc}


def plain(kind: str) -> Formula:
    """An operator that ONNX has, too."""
    return lambda g, x: g.op(kind, x)


def number(g: Any, value: float) -> Any:
    """Of the type of what it meets."""
    import torch

    return g.op("Constant", value_t=torch.tensor(value))


def expm1(g: Any, x: Any) -> Any:
    """2 sinh(x/2) exp(x/2) keeps the digits of a small x."""
    half = g.op("Mul", x, number(g, 0.5))
    small = g.op("Mul", g.op("Mul", g.op("Sinh", half), g.op("Exp", half)), number(g, 2.0))
    is_small = g.op("Less", g.op("Abs", x), number(g, 0.5))
    return g.op("Where", is_small, small, g.op("Sub", g.op("Exp", x), number(g, 1.0)))


FORMULAS: Mapping[str, Formula] = {
    **{kind.lower(): plain(kind) for kind in ("Acosh", "Asinh", "Atanh", "Cosh", "Sinh")},
    "deg2rad": lambda g, x: g.op("Mul", x, number(g, math.pi / 180)),
    "erfc": lambda g, x: g.op("Sub", number(g, 1.0), g.op("Erf", x)),
    "exp2": lambda g, x: g.op("Pow", number(g, 2.0), x),
    "expm1": expm1,
    "frac": lambda g, x: g.op("Sub", x, trunc(g, x)),
    "rad2deg": lambda g, x: g.op("Mul", x, number(g, 180 / math.pi)),
}


def _of_floats(formula: Formula) -> Formula:
    """Whole numbers become such first."""

    def symbolic(g: Any, x: Any) -> Any:
        import torch
        from torch.onnx import JitScalarType
        from torch.onnx import symbolic_helper as helper

        if not helper._is_fp(x):
            x = g.op("Cast", x, to_i=JitScalarType.from_dtype(torch.float32).onnx_type())
        return formula(g, x)

    return symbolic
