"""Resized plain images, [N, C, H, W] -> [N, C, H', W'].

    for each output row of each channel in parallel:
        line = the input rows it is made of, weighted                 # nothing to do for nearest
        for each vector of columns: out = sum(weight * the elements of line it is made of)

Where the columns lie is known, so that a vector's elements are shuffled out of one or two vectors
of the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import (
    PARALLEL_WORK,
    TASKS,
    bound,
    kernel,
    loop,
    runs,
    vector_at,
    within,
    workspace,
)
from compiler.kernels.operators import shape_of
from compiler.kernels.resampling import Sampling
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import Expr, Value
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Bound, Workload, operands_of
from targets import Profile


class Resize(Template):
    name = "resize"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == "neoc.resize"

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            _Emitter(work, work.bind(buffers), buffers[-1], profile.isa.lanes).emit()
        return done[0]


class _Emitter:
    def __init__(self, work: Workload, bound_: Bound, out: tirx.Buffer, lanes: int) -> None:
        assert work.anchor is not None
        image, *_ = operands_of(work.anchor)
        self.data, self.rows, _, *self.weights = bound_.anchor_buffers()
        self.out, self.lanes, self.dtype = out, lanes, str(self.data.dtype)
        *self.planes, self.height, self.width = shape_of(image)
        self.shape = shape_of(work.anchor)
        self.columns, _ = Sampling.of(work.anchor).table(self.width, self.shape[3])
        self.taps = self.columns.shape[1]
        self.accumulated = tirx.Var("accumulated", self.dtype)
        anchor = Value(self.shape, self.dtype, lambda _: self.accumulated)
        self.result = bound_.result(anchor)

    def emit(self) -> None:
        planes, height = math.prod(self.planes), self.shape[2]
        count = -(-height // min(height, -(-2 * TASKS // planes)))  # rows of a task
        pieces = -(-height // count)
        work = math.prod(self.shape) * self.taps
        with loop(planes * pieces, parallel=work >= PARALLEL_WORK) as task:
            plane, first = bound(task // pieces), bound(task % pieces * count)
            line = workspace(self.width, self.dtype) if self.weights else None
            with loop(within(count, first, height)) as row:
                y = bound(first + row)
                if line is None:
                    self._row(plane, y, self.data, self._start(plane, y, 0))
                else:
                    self._mix(plane, y, line)
                    self._row(plane, y, line, tirx.const(0, "int32"))

    def _start(self, plane: Expr, y: Expr, tap: int) -> Expr:
        """Where an input row begins that an output row is made of."""
        row = self.rows[y + tap * self.shape[2]]
        return bound((plane * self.height + row) * self.width)

    def _mix(self, plane: Expr, y: Expr, line: tirx.Buffer) -> None:
        starts = [self._start(plane, y, tap) for tap in range(self.taps)]
        shares = [T.bind(self.weights[0][y + tap * self.shape[2]]) for tap in range(self.taps)]

        def mix(x: Expr | int, width: int) -> None:
            parts = [
                self.data[vector_at(start + x, width)] * _spread(share, width)
                for start, share in zip(starts, shares, strict=True)
            ]
            T.buffer_store(line, _sum(parts), [vector_at(x, width)])

        whole = self.width // self.lanes
        with loop(whole) as i:
            if whole:
                mix(i * self.lanes, self.lanes)
        for x, width in runs(self.width % self.lanes, self.lanes):
            mix(whole * self.lanes + x, width)

    def _row(self, plane: Expr, y: Expr, line: tirx.Buffer, start: Expr) -> None:
        """An output row from its line, which begins at `start`."""
        lane = tirx.Var("lane", "int32")
        n, c = bound(plane // self.planes[1]), bound(plane % self.planes[1])
        target = bound((plane * self.shape[2] + y) * self.shape[3])
        for x, width in runs(self.shape[3], self.lanes):
            known: dict[int, Expr] = {}
            parts = []
            for tap in range(self.taps):
                places = [int(p) for p in self.columns[x : x + width, tap]]
                part = self._gathered(line, start, places, known)
                if self.weights:
                    part = part * self.weights[1][vector_at(x + tap * self.shape[3], width)]
                parts.append(part)
            given = {self.accumulated: T.bind(_sum(parts))}
            index = (
                n,
                c,
                y,
                tirx.const(x, "int32") + lane if width > 1 else tirx.const(x, "int32"),
            )
            value = Evaluator(lane, width, given)(self.result.at(index))
            T.buffer_store(self.out, value, [vector_at(target + x, width)])

    def _gathered(
        self, line: tirx.Buffer, start: Expr, places: Sequence[int], known: dict[int, Expr]
    ) -> Expr:
        """The elements at some places of a line. known: vectors that are already loaded."""
        width, least = len(places), min(places)

        def vector(first: int) -> Expr:
            if first not in known:
                known[first] = T.bind(line[vector_at(start + first, width)])
            return known[first]

        if width == 1:
            return line[start + least]
        for count in (1, 2):
            first = min(least, self.width - count * width)
            if first >= 0 and max(places) - first < count * width:
                vectors = [vector(first + n * width) for n in range(count)]
                return tirx.Shuffle(vectors, [p - first for p in places])
        elements = [T.bind(line[start + place]) for place in places]
        return tirx.Shuffle(elements, list(range(width)))


def _spread(value: Expr, width: int) -> Expr:
    return tirx.Broadcast(value, width) if width > 1 else value


def _sum(parts: Sequence[Expr]) -> Expr:
    total, *rest = parts
    for part in rest:
        total = total + part
    return total
