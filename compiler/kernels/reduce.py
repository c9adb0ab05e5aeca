"""Reductions over axes: sum, mean, max, min, prod of a fused expression."""

from __future__ import annotations

import math

from tvm import tirx

from compiler.kernels.emit import kernel
from compiler.kernels.fold import GREATEST, LEAST, PRODUCT, SUM, Fold, accumulator_type
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value
from compiler.kernels.walk import Walk
from compiler.kernels.workload import Bound, Workload
from targets import Profile

MONOIDS = {
    "relax.sum": SUM,
    "relax.mean": SUM,
    "relax.prod": PRODUCT,
    "relax.max": GREATEST,
    "relax.min": LEAST,
}


class Reduce(Template):
    """for each kept index in parallel: fold the reduced axes (see fold.py)"""

    name = "reduce"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in MONOIDS

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            _emit(work, work.bind(buffers), buffers[-1], profile.isa.lanes)
        return done[0]


def _emit(work: Workload, bound: Bound, out: tirx.Buffer, lanes: int) -> None:
    call = work.anchor
    assert call is not None
    source = bound.operands()[0]
    rank, axes = len(source.shape), call.attrs.axis
    reduced = [int(a) % rank for a in axes] if axes is not None else list(range(rank))
    is_reduced = [a in reduced for a in range(rank)]
    dtype = accumulator_type(dtype_of(call))
    accumulated = tirx.Var("accumulated", dtype)
    result = bound.result(
        Value(shape_of(call), dtype_of(call), lambda _: _final(work, accumulated))
    )
    kept = _over_kept(result, source.shape, is_reduced, bool(call.attrs.keepdims))
    inner, outer = Walk(source), Walk(kept)
    is_reduced = _merge(inner, outer, is_reduced)
    folded, stored = inner.value(), outer.value()

    def element(k: Index, r: Index) -> Expr:
        left, right = iter(k), iter(r)
        value = folded.at(tuple(next(right if is_red else left) for is_red in is_reduced))
        return value.astype(dtype) if dtype != folded.dtype else value

    extents = tuple(e for e, r in zip(inner.shape, is_reduced, strict=True) if r)
    fold = Fold(
        stored.shape, extents, element, MONOIDS[work.operator], dtype, accumulated, stored.at, out
    )
    fold.emit(lanes, lanes_kept=bool(is_reduced) and not is_reduced[-1] and inner.shape[-1] > 1)


def _final(work: Workload, accumulated: Expr) -> Expr:
    """An element of the reduction, of its accumulator."""
    assert work.anchor is not None
    kind = dtype_of(work.anchor)
    if work.operator == "relax.mean":
        elements = math.prod(shape_of(work.anchor.args[0])) // max(
            math.prod(shape_of(work.anchor)), 1
        )
        accumulated = accumulated / tirx.const(elements, str(accumulated.ty.dtype))
    return accumulated.astype(kind) if str(accumulated.ty.dtype) != kind else accumulated


def _over_kept(
    result: Value, shape: tuple[int, ...], is_reduced: list[bool], keepdims: bool
) -> Value:
    """The result without the reduced axes that it keeps as 1."""
    kept = tuple(e for e, r in zip(shape, is_reduced, strict=True) if not r)
    if not keepdims:
        return Value(kept, result.dtype, result.at)

    def compute(index: Index) -> Expr:
        left = iter(index)
        return result.at(tuple(ZERO if r else next(left) for r in is_reduced))

    return Value(kept, result.dtype, compute)


def _merge(inner: Walk, outer: Walk, is_reduced: list[bool]) -> list[bool]:
    """Walks neighbouring axes as one: both reduced, or both kept, and nothing forbids it."""
    left = list(is_reduced)
    for axis in reversed(range(len(is_reduced) - 1)):
        if left[axis] != left[axis + 1] or not inner.mergeable(axis):
            continue
        if not left[axis]:
            place = left[:axis].count(False)
            if not outer.mergeable(place):
                continue
            outer.merge(place)
        inner.merge(axis)
        del left[axis]
    return left
