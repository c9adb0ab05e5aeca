"""Operators of torch that its exporter of TorchScript does not know, as ONNX; for a script of
confined.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from frontends import formulas

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
    return x if _is_whole(x) else g.op("Mul", g.op("Sign", x), g.op("Floor", g.op("Abs", x)))


SYMBOLICS: Mapping[str, Formula] = {"diff": diff, "trunc": trunc}


@dataclass(frozen=True)
class Emitter:
    """Adds nodes to a graph of torch's exporter."""

    graph: Any

    def __call__(self, kind: str, *inputs: Any) -> Any:
        return self.graph.op(kind, *inputs)

    def number(self, value: float) -> Any:
        """In single precision, as all that is computed."""
        import torch

        return self.graph.op("Constant", value_t=torch.tensor(float(value)))


def plain(kind: str) -> Formula:
    """An operator that ONNX has, too."""
    return lambda b, x: b(kind, x)


FORMULAS: Mapping[str, Formula] = {
    **{kind.lower(): plain(kind) for kind in ("Acosh", "Asinh", "Atanh", "Cosh", "Sinh")},
    "deg2rad": lambda b, x: b("Mul", x, b.number(math.pi / 180)),
    "erfc": formulas.erfc,
    "exp2": lambda b, x: b("Pow", b.number(2), x),
    "expm1": formulas.expm1,
    "frac": lambda b, x: b("Sub", x, trunc(b.graph, x)),
    "log1p": formulas.log1p,
    "rad2deg": lambda b, x: b("Mul", x, b.number(180 / math.pi)),
}


def _of_floats(formula: Formula) -> Formula:
    """Whole numbers become such first."""

    def symbolic(g: Any, x: Any) -> Any:
        import torch

        if _is_whole(x):
            kind = torch.onnx.JitScalarType.from_dtype(torch.float32)
            x = g.op("Cast", x, to_i=kind.onnx_type())
        return formula(Emitter(g), x)

    return symbolic


def _is_whole(x: Any) -> bool:
    """Whether it is known to be no float: the exporter loses some types."""
    from torch.onnx import JitScalarType
    from torch.onnx import symbolic_helper as helper

    unknown = JitScalarType.UNDEFINED
    return not helper._is_fp(x) and JitScalarType.from_value(x, unknown) != unknown
