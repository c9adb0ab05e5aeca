"""Operators of torch that its exporter of TorchScript does not know, as ONNX; for a script of
confined.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

LAST = 2**63 - 1  # as the end of a slice: the last element, too


def register(opset: int) -> None:
    import torch

    for name, symbolic in SYMBOLICS.items():
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


SYMBOLICS: Mapping[str, Callable[..., Any]] = {"diff": diff}
