"""Tensors as strides over the variable in whose memory their elements lie.

Splitting, moving and slicing of axes become strides; a number that multiplies all elements is the
view's factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from tvm import relax

from compiler.kernels.operators import VIEWS, integers, shape_of
from compiler.passes.rewriter import number_of

MOVES = (*VIEWS, "relax.permute_dims", "relax.strided_slice")


@dataclass(frozen=True)
class View:
    """Elements of a variable, times a factor."""

    root: relax.Expr
    start: int
    strides: tuple[int, ...]
    factor: float


def view_of(
    expr: relax.Expr, producer: Mapping[relax.Var, relax.Call], factors: bool = True
) -> View:
    """The tensor as strides over the earliest variable that has its elements in place, where
    `factors` says so also times a factor.
    """
    chain: list[relax.Call] = []
    best = viewed(expr, chain)
    assert best is not None
    while (call := producer.get(expr)) is not None:
        factor = factor_of(call) if factors else None
        if factor is None and call.op.name not in MOVES:
            break
        chain.insert(0, call)
        expr = factor[0] if factor is not None else call.args[0]
        if (view := viewed(expr, chain)) is None:
            break
        best = view
    return best


def undoes(call: relax.Call, made: relax.Call | None) -> bool:
    """Whether a permutation undoes the one that made its operand."""
    if made is None or made.op.name != "relax.permute_dims":
        return False
    return [axes_of(made)[a] for a in axes_of(call)] == list(range(len(axes_of(call))))


def viewed(root: relax.Expr, chain: list[relax.Call]) -> View | None:
    """What a chain of calls selects of `root`, by numpy's views; None: it needs a copy."""
    shape = shape_of(root)
    steps = [4 * math.prod(shape[n + 1 :]) for n in range(len(shape))]
    memory = np.empty(1, np.float32)
    array, factor = as_strided(memory, shape, steps), 1.0
    for call in chain:
        scaled = factor_of(call)
        if scaled is not None:
            factor *= scaled[1]
        elif call.op.name == "relax.permute_dims":
            array = array.transpose(axes_of(call))
        elif call.op.name == "relax.strided_slice":
            if (cut := _slices(call, array.shape)) is None:
                return None
            array = array[cut]
        else:
            try:
                array = array.reshape(shape_of(call), copy=False)
            except ValueError:
                return None
    start = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return View(root, start // 4, tuple(s // 4 for s in array.strides), factor)


def _slices(call: relax.Call, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    axes, begin, end = (integers(a) for a in call.args[1:4])
    steps = integers(call.args[4]) if len(call.args) > 4 else [1] * len(axes)
    if any(step != 1 for step in steps):
        return None
    cut = [slice(None)] * len(shape)
    for axis, first, last in zip(axes, begin, end, strict=True):
        cut[axis] = slice(first, last)
    return tuple(cut)


def axes_of(call: relax.Call) -> list[int]:
    rank = len(shape_of(call))
    axes = call.attrs.axes
    return [int(a) % rank for a in axes] if axes is not None else list(reversed(range(rank)))


def factor_of(call: relax.Call) -> tuple[relax.Expr, float] | None:
    """What is multiplied by a number, and the number."""
    if call.op.name == "relax.multiply":
        for data, factor in (call.args, reversed(call.args)):
            number = number_of(factor)
            if number is not None and shape_of(data) == shape_of(call):
                return data, number
    if call.op.name == "relax.divide" and shape_of(call.args[0]) == shape_of(call):
        number = number_of(call.args[1])
        return (call.args[0], 1.0 / number) if number else None
    return None
