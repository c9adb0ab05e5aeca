"""Convolutions, products and pools of any type and layout, where no faster template accepts them.

    out[n, o, y, x] = sum over c, ky, kx of
                      data[n, c, y * s + ky * d, x * s + kx * d] * weight[o, c, ky, kx]
    out[..., i, j]  = sum over k of left[..., i, k] * right[..., k, j]
    out[n, c, y, x] = max or sum over ky, kx of data[n, c, y * s + ky * d, x * s + kx * d]

Borders were padded before (see passes/open_windows.py), so that every load is inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import relax, tirx

from compiler.kernels.emit import kernel
from compiler.kernels.fold import GREATEST, SUM, Fold, Monoid, accumulator_type
from compiler.kernels.operators import dtype_of, integers, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value
from compiler.kernels.workload import Workload
from targets import Profile


@dataclass(frozen=True)
class Sum:
    """What an output element folds: over which extents, which elements, how."""

    reduced: tuple[int, ...]
    element: Callable[[Index, Index], Expr]
    monoid: Monoid


class Contraction(Template):
    name = "contraction"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in SUMS

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        call = work.anchor
        assert call is not None
        shape, dtype = shape_of(call), dtype_of(call)
        kind = accumulator_type(dtype)
        with kernel(name, work.parameters) as (buffers, done):
            bound = work.bind(buffers)
            total = SUMS[work.operator](call, [_as(v, kind) for v in bound.operands()])
            accumulated = tirx.Var("accumulated", kind)
            value = accumulated.astype(dtype) if kind != dtype else accumulated
            result = bound.result(Value(shape, dtype, lambda _: value))
            kept = tuple(e for e in shape if e > 1)

            def full(index: Index) -> Index:
                left = iter(index)
                return tuple(next(left) if e > 1 else ZERO for e in shape)

            fold = Fold(
                kept,
                total.reduced,
                lambda k, r: total.element(full(k), r),
                total.monoid,
                kind,
                accumulated,
                lambda k: result.at(full(k)),
                buffers[-1],
            )
            lanes = profile.isa.lanes
            rows_are_short = not kept or kept[-1] < lanes <= total.reduced[-1]
            fold.emit(lanes, lanes_kept=not rows_are_short)
        return done[0]


def _as(value: Value, dtype: str) -> Value:
    if value.dtype == dtype:
        return value
    return Value(value.shape, dtype, lambda i: value.at(i).astype(dtype))


def _product(call: relax.Call, operands: list[Value]) -> Sum:
    left, right = operands

    def element(index: Index, reduced: Index) -> Expr:
        *batch, row, column = index
        return _matrix(left, batch, row, reduced[0]) * _matrix(right, batch, reduced[0], column)

    return Sum((left.shape[-1],), element, SUM)


def _matrix(value: Value, batch: list[Expr], row: Expr, column: Expr) -> Expr:
    """An element; the batch axes broadcast."""
    own = value.shape[:-2]
    place = [i if e > 1 else ZERO for i, e in zip(batch[len(batch) - len(own) :], own, strict=True)]
    return value.at((*place, row, column))


def _convolution(call: relax.Call, operands: list[Value]) -> Sum:
    data, weight = operands
    strides, dilation = ([int(v) for v in getattr(call.attrs, n)] for n in ("strides", "dilation"))
    reach, per_group = weight.shape[1], weight.shape[0] // int(call.attrs.groups)
    grouped = int(call.attrs.groups) > 1

    def element(index: Index, reduced: Index) -> Expr:
        n, o, y, x = index
        c, ky, kx = reduced
        channel = tirx.floordiv(o, per_group) * reach + c if grouped else c
        at = (n, channel, y * strides[0] + ky * dilation[0], x * strides[1] + kx * dilation[1])
        return data.at(at) * weight.at((o, c, ky, kx))

    return Sum((reach, *weight.shape[2:]), element, SUM)


def _pool(monoid: Monoid) -> Callable[[relax.Call, list[Value]], Sum]:
    def pool(call: relax.Call, operands: list[Value]) -> Sum:
        """neoc.max_window, neoc.sum_window: sizes, strides and dilation are the call's last
        arguments.
        """
        size, strides, dilation = (integers(a) for a in call.args[-3:])
        data = operands[0]

        def element(index: Index, reduced: Index) -> Expr:
            n, c, y, x = index
            ky, kx = reduced
            return data.at(
                (n, c, y * strides[0] + ky * dilation[0], x * strides[1] + kx * dilation[1])
            )

        return Sum(tuple(size), element, monoid)

    return pool


SUMS: dict[str, Callable[[relax.Call, list[Value]], Sum]] = {
    "relax.matmul": _product,
    "relax.nn.conv2d": _convolution,
    "neoc.max_window": _pool(GREATEST),
    "neoc.sum_window": _pool(SUM),
}
