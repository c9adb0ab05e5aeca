"""Cumulative sums along an axis that is not the last: neighbouring columns are the lanes.

    for each column in parallel: acc = 0; for i: acc += x[i]; out[i] = acc

Sums along the last axis, and long ones, come here transposed or in blocks (see
passes/lower_operators.py).
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, bound, kernel, loop, nest, registers, vector_at
from compiler.kernels.fold import accumulator_type
from compiler.kernels.operators import dtype_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import Expr, Index, ravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload
from targets import Profile


class Scan(Template):
    name = "scan"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return (
            work.operator == "relax.cumsum"
            and work.anchor is not None
            and work.anchor.attrs.axis is not None
        )

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        call = work.anchor
        assert call is not None
        with kernel(name, work.parameters) as (buffers, done):
            source, out = work.bind(buffers).operands()[0], buffers[-1]
            axis, exclusive = int(call.attrs.axis) % len(source.shape), bool(call.attrs.exclusive)
            dtype = dtype_of(call)
            kind = accumulator_type(dtype)
            extent, shape = source.shape[axis], source.shape

            def columns(index: Index, lanes: int) -> None:
                """index: of all axes but the scanned one."""
                acc = registers(1, lanes, kind)
                slot, lane = vector_at(0, lanes), tirx.Var("lane", "int32")
                T.buffer_store(acc, Evaluator(lane, lanes)(tirx.const(0, kind)), [slot])
                with loop(extent) as i:
                    first = (*index[:axis], i, *index[axis:])
                    place = (*first[:-1], first[-1] + lane) if lanes > 1 else first
                    value = Evaluator(lane, lanes)(source.at(place).astype(kind))
                    before = T.bind(acc[slot])
                    total = T.bind(before + value)
                    T.buffer_store(acc, total, [slot])
                    stored = tirx.Var("stored", kind)
                    given = {stored: before if exclusive else total}
                    cast = Evaluator(lane, lanes, given)(stored.astype(dtype))
                    T.buffer_store(out, cast, [vector_at(ravel(first, shape), lanes)])

            parallel = source.size >= PARALLEL_WORK
            others = (*shape[:axis], *shape[axis + 1 :])
            if axis == len(shape) - 1:
                nest(others, lambda i: columns(i, 1), parallel)
            else:
                _pieces(others, columns, profile.isa.lanes, parallel)
        return done[0]


def _pieces(
    others: tuple[int, ...], columns: Callable[[Index, int], None], lanes: int, parallel: bool
) -> None:
    """All columns by whole vectors, then halves, quarters, ... of one."""
    *outer, inner = others
    done = 0
    while done < inner:
        if count := (inner - done) // lanes:
            start, width = done, lanes

            def piece(index: Index, start: int = start, width: int = width) -> None:
                at: Expr = index[-1] * width + start
                columns((*index[:-1], bound(at)), width)

            nest((*outer, count), piece, parallel)
        done += count * lanes
        lanes //= 2
