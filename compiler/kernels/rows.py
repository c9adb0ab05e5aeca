"""Softmax, log-softmax, layer and RMS normalisation: a task does one row, which stays in its cache
between the passes.

    softmax:     m = max x;  s = sum of out = exp(x - m);  out = out / s
    log-softmax: m = max x;  s = sum exp(x - m);  out = x - (m + log s)
    layer norm:  mean;  variance around it;
                 out = (x - mean) / sqrt(variance + epsilon) * gamma + beta
    RMS norm:    out = x / sqrt(mean of squares + epsilon) * gamma
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, kernel, loop, registers, runs, store_row, vector_at
from compiler.kernels.fold import INDEPENDENT, SUM, Monoid, across, least
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Bound, Workload
from targets import Profile

MAX = Monoid(least, tirx.max)  # NaN comes through exp


class Rows(Template):
    name = "rows"
    version = 2

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return (
            work.operator in EMITTERS
            and dtype_of(work.anchor) in ("float32", "float64")
            and _trailing(work)
        )

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        assert work.anchor is not None
        shape = shape_of(work.anchor)
        depth = len(_axes(work))
        outer, inner = shape[: len(shape) - depth], shape[len(shape) - depth :]
        with kernel(name, work.parameters) as (buffers, done):
            bound = work.bind(buffers)
            with loop(math.prod(outer), parallel=math.prod(shape) >= PARALLEL_WORK) as task:
                place = tuple(
                    T.bind(i) if not isinstance(i, tirx.IntImm) else i for i in unravel(task, outer)
                )
                row = _Row(
                    place, inner, profile.isa.lanes, buffers[-1], shape, dtype_of(work.anchor)
                )
                EMITTERS[work.operator](work, bound, row)
        return done[0]


def _axes(work: Workload) -> list[int]:
    assert work.anchor is not None
    rank = len(shape_of(work.anchor))
    if work.operator in ("relax.nn.layer_norm", "relax.nn.rms_norm"):
        return sorted(int(a) % rank for a in work.anchor.attrs.axes)
    return [int(work.anchor.attrs.axis) % rank]


def _trailing(work: Workload) -> bool:
    assert work.anchor is not None
    rank, axes = len(shape_of(work.anchor)), _axes(work)
    return axes == list(range(rank - len(axes), rank))


class _Row:
    """The elements of one row, walked by vectors."""

    def __init__(
        self,
        place: Index,
        inner: tuple[int, ...],
        lanes: int,
        out: tirx.Buffer,
        shape: tuple[int, ...],
        dtype: str,
    ) -> None:
        self.place, self.inner, self.lanes, self.out, self.shape = place, inner, lanes, out, shape
        self.dtype, self.extent = dtype, math.prod(inner)

    def index(self, at: Expr) -> Index:
        return (*self.place, *unravel(at, self.inner))

    def reduce(self, monoid: Monoid, element: Callable[[Expr], Expr], keeps: bool = False) -> Expr:
        """All elements combined, by several accumulators of a vector each. keeps: the elements are
        stored, too.
        """
        whole, rest = divmod(self.extent, self.lanes)
        # what is kept takes long to compute, and its constants need the registers
        independent = min(1 if keeps else INDEPENDENT, whole)
        total = registers(1, 1, self.dtype)
        T.buffer_store(total, monoid.start(self.dtype), [0])
        lane = tirx.Var("lane", "int32")

        def evaluated(first: Expr, width: int) -> Expr:
            value = T.bind(Evaluator(lane, width)(element(first + lane if width > 1 else first)))
            if keeps:
                T.buffer_store(self.out, value, [vector_at(self.start + first, width)])
            return value

        if whole:
            acc = registers(independent, self.lanes, self.dtype)
            for n in range(independent):
                T.buffer_store(
                    acc,
                    tirx.Broadcast(monoid.start(self.dtype), self.lanes),
                    [vector_at(n * self.lanes, self.lanes)],
                )

            def add(n: int, first: Expr) -> None:
                slot = vector_at(n * self.lanes, self.lanes)
                value = evaluated(first, self.lanes)
                T.buffer_store(acc, monoid.combine(acc[slot], value), [slot])

            with loop(whole // independent) as i:
                for n in range(independent):
                    add(n, (i * independent + n) * self.lanes)
            for n in range(whole % independent):
                add(n, tirx.const((whole - whole % independent + n) * self.lanes, "int32"))
            vector = acc[vector_at(0, self.lanes)]
            for n in range(1, independent):
                vector = T.bind(monoid.combine(vector, acc[vector_at(n * self.lanes, self.lanes)]))
            T.buffer_store(total, across(T.bind(vector), self.lanes, monoid.combine), [0])
        for n, width in runs(rest, self.lanes):
            value = evaluated(tirx.const(whole * self.lanes + n, "int32"), width)
            part = across(value, width, monoid.combine) if width > 1 else value
            T.buffer_store(total, monoid.combine(total[0], part), [0])
        return T.bind(total[0])

    @property
    def start(self) -> Expr:
        return ravel((*self.place, *[ZERO] * len(self.inner)), self.shape)

    def store(self, element: Callable[[Expr], Expr]) -> None:
        value = Value((self.extent,), str(self.out.dtype), lambda i: element(i[0]))
        start = self.start
        store_row(self.out, value, (), ZERO, self.extent, self.lanes, lambda i: start + i[0])

    def stored(self, at: Expr) -> Expr:
        """What `reduce` kept."""
        return self.out[self.start + at]


def _result(
    work: Workload, bound: Bound, row: _Row, element: Callable[[Expr], Expr]
) -> Callable[[Expr], Expr]:
    """An element of the row after everything fused behind the anchor."""
    assert work.anchor is not None
    value = bound.result(
        Value(
            shape_of(work.anchor),
            row.dtype,
            lambda i: element(ravel(i[len(row.place) :], row.inner)),
        )
    )
    return lambda at: value.at(row.index(at))


def _softmax(work: Workload, bound: Bound, row: _Row) -> None:
    source = bound.operands()[0]
    largest = row.reduce(MAX, lambda i: source.at(row.index(i)))

    def power(i: Expr) -> Expr:
        return tirx.exp(source.at(row.index(i)) - largest)

    if str(row.out.dtype) != row.dtype:  # too coarse to keep the powers
        total = T.bind(tirx.const(1.0, row.dtype) / row.reduce(SUM, power))
        row.store(_result(work, bound, row, lambda i: power(i) * total))
        return
    scale = T.bind(tirx.const(1.0, row.dtype) / row.reduce(SUM, power, keeps=True))
    row.store(_result(work, bound, row, lambda i: row.stored(i) * scale))


def _log_softmax(work: Workload, bound: Bound, row: _Row) -> None:
    source = bound.operands()[0]
    largest = row.reduce(MAX, lambda i: source.at(row.index(i)))
    total = row.reduce(SUM, lambda i: tirx.exp(source.at(row.index(i)) - largest))
    shift = T.bind(largest + Evaluator(tirx.Var("lane", "int32"), 1)(tirx.log(total)))
    row.store(_result(work, bound, row, lambda i: source.at(row.index(i)) - shift))


def _layer_norm(work: Workload, bound: Bound, row: _Row) -> None:
    assert work.anchor is not None
    attrs = work.anchor.attrs
    source, gamma, beta = bound.operands()
    count = tirx.const(float(row.extent), row.dtype)
    mean = T.bind(row.reduce(SUM, lambda i: source.at(row.index(i))) / count)

    def centred(i: Expr) -> Expr:
        return source.at(row.index(i)) - mean

    def squared(i: Expr) -> Expr:
        value = centred(i)
        return value * value

    variance = T.bind(row.reduce(SUM, squared) / count)
    scale = T.bind(
        tirx.const(1.0, row.dtype)
        / tirx.sqrt(variance + tirx.const(float(attrs.epsilon), row.dtype))
    )

    def normal(i: Expr) -> Expr:
        value = centred(i) * scale
        value = value * gamma.at(unravel(i, row.inner)) if bool(attrs.scale) else value
        return value + beta.at(unravel(i, row.inner)) if bool(attrs.center) else value

    row.store(_result(work, bound, row, normal))


def _rms_norm(work: Workload, bound: Bound, row: _Row) -> None:
    assert work.anchor is not None
    source, gamma = bound.operands()
    count = tirx.const(float(row.extent), row.dtype)

    def squared(i: Expr) -> Expr:
        value = source.at(row.index(i))
        return value * value

    mean = T.bind(row.reduce(SUM, squared) / count)
    epsilon = tirx.const(float(work.anchor.attrs.epsilon), row.dtype)
    scale = T.bind(tirx.const(1.0, row.dtype) / tirx.sqrt(mean + epsilon))

    def normal(i: Expr) -> Expr:
        return source.at(row.index(i)) * scale * gamma.at(unravel(i, row.inner))

    row.store(_result(work, bound, row, normal))


EMITTERS: dict[str, Callable[[Workload, Bound, _Row], None]] = {
    "relax.nn.softmax": _softmax,
    "relax.nn.log_softmax": _log_softmax,
    "relax.nn.layer_norm": _layer_norm,
    "relax.nn.rms_norm": _rms_norm,
}
