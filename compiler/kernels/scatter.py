"""Scatters: a copy of the data, into which updates are then put one after the other where they may
collide.

    scatter_elements: for all but the scattered axis in parallel:
                          for i: out[.., index[i], ..] = update[i]
    scatter_nd:       for i: for a slice, in parallel and by vectors: out[index[i]] = update[i]
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, bound, kernel, loop, nest, store_row, store_value
from compiler.kernels.moves import at_position
from compiler.kernels.operators import greater, lesser
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload
from targets import Profile

COMBINE: dict[str, Callable[[Expr, Expr], Expr]] = {
    "update": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "max": greater,
    "min": lesser,
}


class Scatter(Template):
    name = "scatter"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return (
            work.operator in ("relax.scatter_elements", "relax.scatter_nd")
            and work.anchor is not None
            and str(work.anchor.attrs.reduction) in COMBINE
        )

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        call = work.anchor
        assert call is not None
        reduction = str(call.attrs.reduction)
        with kernel(name, work.parameters) as (buffers, done):
            data, indices, updates = work.bind(buffers).operands()
            out = buffers[-1]
            store_value(out, data, profile.isa.lanes)
            if work.operator == "relax.scatter_elements":
                axis = int(call.attrs.axis) % len(data.shape)
                _elements(out, data, indices, updates, axis, COMBINE[reduction])
            else:
                _slices(out, data, indices, updates, reduction, profile.isa.lanes)
        return done[0]


def _scalar(expr: Expr) -> Expr:
    return T.bind(Evaluator(tirx.Var("lane", "int32"), 1)(expr))


def _elements(
    out: tirx.Buffer,
    data: Value,
    indices: Value,
    updates: Value,
    axis: int,
    combine: Callable[[Expr, Expr], Expr],
) -> None:
    """Only updates along the axis can meet at one place."""
    others = (*indices.shape[:axis], *indices.shape[axis + 1 :])

    def line(index: Index) -> None:
        with loop(indices.shape[axis]) as i:
            place = (*index[:axis], i, *index[axis:])
            chosen = _scalar(at_position(indices.at(place), data.shape[axis]))
            target = bound(ravel((*index[:axis], chosen, *index[axis:]), data.shape))
            T.buffer_store(out, _scalar(combine(out[target], updates.at(place))), [target])

    nest(others, line, indices.size >= PARALLEL_WORK)


def _slices(
    out: tirx.Buffer, data: Value, indices: Value, updates: Value, reduction: str, lanes: int
) -> None:
    """updates [places, slice]. Places run in order; parallel are pieces of the slice, or, where the
    last of colliding updates need not win, the places.
    """
    *batch, depth = indices.shape
    places, width = math.prod(batch), math.prod(data.shape[depth:])
    combine = COMBINE[reduction]

    def put(i: Expr, start: Expr, count: int) -> None:
        at = unravel(i, tuple(batch))
        coordinates = [
            _scalar(at_position(indices.at((*at, tirx.const(n, "int32"))), data.shape[n]))
            for n in range(depth)
        ]
        base = bound(ravel(tuple(coordinates), data.shape[:depth]) * width if depth else ZERO)
        new = Value(
            (width,), data.dtype, lambda s: updates.at((*at, *unravel(s[0], data.shape[depth:])))
        )
        merged = Value((width,), data.dtype, lambda s: combine(out[base + s[0]], new.at(s)))
        store_row(out, merged, (), start, count, lanes, lambda s: base + s[0])

    parallel = updates.size >= PARALLEL_WORK
    if reduction == "update" and width < 16 * lanes:
        nest((places,), lambda i: put(i[0], ZERO, width), parallel)
        return
    chunk = min(4 * lanes, width)

    def piece(index: Index) -> None:
        with loop(places) as i:
            put(i, bound(index[0] * chunk), chunk)

    nest((width // chunk,), piece, parallel)
    if rest := width % chunk:
        with loop(places) as i:
            put(i, tirx.const(width - rest, "int32"), rest)
