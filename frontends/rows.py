"""A model for any number of rows: the same for several numbers of them, in one module."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import tvm
from tvm import relax

from frontends.model import BLOCKS, Model, Signature, Tensor, more_rows

MOST = 1 << 27  # elements of a value: what every row has much of is made in smaller blocks


def free(load: Callable[[int], Model], fewer_columns: bool = False) -> Model:
    """load: for so many rows. It has one input, and all outputs begin with the rows."""
    first = load(1)
    most = MOST // _widest(first.module["main"])
    functions = {"main": first.module["main"]}
    functions |= {more_rows(n): load(n).module["main"] for n in BLOCKS[1:] if n <= most}
    inputs, outputs = first.signature.inputs, first.signature.outputs
    signature = Signature(tuple(map(_any, inputs)), tuple(map(_any, outputs)), fewer_columns)
    return replace(first, module=tvm.IRModule(functions), signature=signature)


def _widest(function: relax.Function) -> int:
    """Elements of the largest value."""
    bindings = [binding.var for block in function.body.blocks for binding in block.bindings]
    return max(
        (math.prod(map(int, var.ty.shape)) for var in bindings if hasattr(var.ty, "shape")),
        default=1,
    )


def _any(tensor: Tensor) -> Tensor:
    return replace(tensor, shape=(-1, *tensor.shape[1:]))
