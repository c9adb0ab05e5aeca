"""Windows over a packed image, one channel a lane: depthwise convolution, convolution in groups of
so few channels that a vector holds several groups, and pooling.

    for each row of each channel panel in parallel: for each tile of columns:
        acc[columns] = start
        for ky, kx inside the image:
            acc[x] = combine(acc[x], data[y + ky, x + kx], w[ky, kx])

In groups, w[ky, kx] are as many vectors as a group has channels: the first for the first channel of
each group, which a shuffle of the data spreads over the lanes of its group.

As in conv2d.py nothing is padded: border tiles leave out the taps outside the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, prod

from tvm import relax, tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, kernel, loop, registers, vector_at
from compiler.kernels.geometry import even
from compiler.kernels.operators import integers, shape_of
from compiler.kernels.template import Point, Space, Template
from compiler.kernels.value import Expr, Value
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload
from targets import Profile

Combine = Callable[[Expr, Expr, Expr | None], Expr]  # accumulator, datum, weight


@dataclass(frozen=True)
class Window:
    """A window sliding over [N, P, H, W, L] -> [N, P, H', W', L]."""

    batch: int
    panels: int
    height: int
    width: int
    lanes: int
    out_height: int
    out_width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    group: int = 1  # channels that a channel of the result is made of

    @classmethod
    def of(cls, call: relax.Call) -> Window:
        group = 1
        if call.op.name == "relax.call_pure_packed":
            data, weight, stride, padding, dilation, *_ = call.args[1:]
            kernel, group = shape_of(weight)[1:3], prod(shape_of(weight)[3:-1])
            sizes = [kernel, *(integers(s) for s in (stride, padding, dilation))]
        else:
            data, a = call.args[0], call.attrs
            sizes = [[int(v) for v in s] for s in (a.pool_size, a.strides, a.padding, a.dilation)]
        (kh, kw), (sy, sx), (top, left, bottom, right), (dy, dx) = sizes
        batch, panels, height, width, lanes = shape_of(data)
        return cls(
            batch=batch,
            panels=panels,
            height=height,
            width=width,
            lanes=lanes,
            out_height=shape_of(call)[2],
            out_width=shape_of(call)[3],
            kernel=(kh, kw),
            stride=(sy, sx),
            padding=(top, left, bottom, right),
            dilation=(dy, dx),
            group=group,
        )


class Depthwise(Template):
    name = "depthwise"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == "neoc.depthwise"

    def space(self, work: Workload, profile: Profile) -> Space:
        assert work.anchor is not None
        return _columns(Window.of(work.anchor), profile)

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        return _cost(work, point)

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        return _window(work, point, name, 0.0, lambda acc, x, w: acc + x * w)


class Pool(Template):
    name = "pool"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return (
            work.operator in ("relax.nn.max_pool2d", "relax.nn.avg_pool2d")
            and len(shape_of(work.anchor)) == 5
        )

    def space(self, work: Workload, profile: Profile) -> Space:
        assert work.anchor is not None
        return _columns(Window.of(work.anchor), profile)

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        return _cost(work, point)

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        if work.operator == "relax.nn.max_pool2d":
            return _window(work, point, name, float("-inf"), lambda acc, x, w: tirx.max(acc, x))
        return _window(work, point, name, 0.0, lambda acc, x, w: acc + x)


def _columns(shape: Window, profile: Profile) -> Space:
    most = profile.isa.registers - 4  # leaves room for the weight and the data in flight
    return Space({"columns": tuple(c for c in range(1, most + 1) if c <= shape.out_width)})


def _cost(work: Workload, point: Point) -> float:
    """Few tiles of equal width; at most 8 columns, which hides the latency of two FMA units."""
    assert work.anchor is not None
    tiles = even(Window.of(work.anchor).out_width, point["columns"])
    return inf if tiles[0] > 8 else len(tiles) + tiles[0] / 100


def _window(
    work: Workload, point: Point, name: str, start: float, combine: Combine
) -> tirx.PrimFunc:
    assert work.anchor is not None
    s = Window.of(work.anchor)
    with kernel(name, work.parameters) as (buffers, done):
        bound = work.bind(buffers)
        data, *weight = bound.anchor_buffers()
        accumulated = tirx.Var("accumulated", "float32")
        result = bound.result(Value(shape_of(work.anchor), "float32", lambda _: accumulated))
        emitter = _Emitter(
            s, work.anchor, data, weight[0] if weight else None, buffers[-1], result, accumulated
        )
        emitter.emit(point["columns"], start, combine)
    return done[0]


@dataclass
class _Emitter:
    shape: Window
    call: relax.Call
    data: tirx.Buffer
    weight: tirx.Buffer | None
    out: tirx.Buffer
    result: Value
    accumulated: tirx.Var

    def emit(self, columns: int, start: float, combine: Combine) -> None:
        s = self.shape
        work = s.batch * s.panels * s.out_height * s.out_width * s.lanes * s.kernel[0] * s.kernel[1]
        with loop(s.batch * s.panels * s.out_height, parallel=work >= 2 * PARALLEL_WORK) as task:
            plane, y = T.bind(task // s.out_height), T.bind(task % s.out_height)
            low, high = self._valid(y)
            first = 0
            segments: list[tuple[int, int, int, bool]] = []
            for size in even(s.out_width, columns):
                left = first * s.stride[1] - s.padding[1]
                right = left + (size - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1]
                inside = left >= 0 and right < s.width
                if inside and segments and segments[-1][3] and segments[-1][1] == size:
                    segments[-1] = (*segments[-1][:2], segments[-1][2] + 1, True)
                else:
                    segments.append((first, size, 1, inside))
                first += size
            for at, size, run, inside in segments:
                with loop(run) as i:
                    x = T.bind(at + i * size) if run > 1 else tirx.const(at, "int32")
                    self._tile(
                        plane, y, x, size, None if inside else at, (low, high), start, combine
                    )

    def _valid(self, y: Expr) -> tuple[Expr, Expr]:
        """The ky whose row lies inside the image."""
        s = self.shape
        top, dy = s.padding[0] - y * s.stride[0], s.dilation[0]
        low = tirx.max(tirx.floordiv(top + dy - 1, dy), 0)
        high = tirx.min(tirx.floordiv(top + s.height + dy - 1, dy), s.kernel[0])
        return T.bind(low), T.bind(high)

    def _tile(
        self,
        plane: Expr,
        y: Expr,
        x: Expr,
        size: int,
        border: int | None,
        rows: tuple[Expr, Expr],
        start: float,
        combine: Combine,
    ) -> None:
        s, lanes = self.shape, self.shape.lanes
        acc = registers(size, lanes)
        for i in range(size):
            T.buffer_store(
                acc,
                tirx.Broadcast(tirx.const(start, "float32"), lanes),
                [vector_at(i * lanes, lanes)],
            )
        low, high = rows
        with T.serial(0, high - low) as k:
            ky = T.bind(low + k)
            corner = (
                plane * s.height + y * s.stride[0] - s.padding[0] + ky * s.dilation[0]
            ) * s.width
            corner = T.bind((corner + x * s.stride[1] - s.padding[1]) * lanes)
            for kx in range(s.kernel[1]):
                weights = self._weights(plane, ky, kx)
                for i in self._inside(size, border, kx):
                    slot = vector_at(i * lanes, lanes)
                    at = corner + (i * s.stride[1] + kx * s.dilation[1]) * lanes
                    for datum, w in zip(self._spread(at), weights, strict=True):
                        T.buffer_store(acc, combine(acc[slot], datum, w), [slot])
        self._store(acc, plane, y, x, size, border, rows)

    def _weights(self, plane: Expr, ky: Expr, kx: int) -> list[Expr | None]:
        s = self.shape
        if self.weight is None:
            return [None]
        tap = (plane % s.panels * s.kernel[0] + ky) * s.kernel[1] + kx
        places = [vector_at((tap * s.group + c) * s.lanes, s.lanes) for c in range(s.group)]
        return [T.bind(self.weight[place]) for place in places]

    def _spread(self, position: Expr) -> list[Expr]:
        """A vector of the data: for each channel of a group, that of every lane's own group."""
        s = self.shape
        datum = self.data[vector_at(position, s.lanes)]
        if s.group == 1:
            return [datum]
        held, firsts = T.bind(datum), [n // s.group * s.group for n in range(s.lanes)]
        return [tirx.Shuffle([held], [n + c for n in firsts]) for c in range(s.group)]

    def _inside(self, size: int, border: int | None, kx: int) -> list[int]:
        s = self.shape
        return [
            i
            for i in range(size)
            if border is None
            or 0 <= (border + i) * s.stride[1] - s.padding[1] + kx * s.dilation[1] < s.width
        ]

    def _store(
        self,
        acc: tirx.Buffer,
        plane: Expr,
        y: Expr,
        x: Expr,
        size: int,
        border: int | None,
        rows: tuple[Expr, Expr],
    ) -> None:
        s, lanes = self.shape, self.shape.lanes
        lane = tirx.Var("lane", "int32")
        n, panel = T.bind(plane // s.panels), T.bind(plane % s.panels)
        for i in range(size):
            value = acc[vector_at(i * lanes, lanes)]
            if self.call.op.name == "relax.nn.avg_pool2d":
                value = T.bind(value / tirx.Broadcast(self._count(y, i, border, rows), lanes))
            index = (n, panel, y, x + i if i else x, lane)
            stored = Evaluator(lane, lanes, {self.accumulated: value})(self.result.at(index))
            T.buffer_store(
                self.out,
                stored,
                [vector_at(((plane * s.out_height + y) * s.out_width + x + i) * lanes, lanes)],
            )

    def _count(self, y: Expr, i: int, border: int | None, rows: tuple[Expr, Expr]) -> Expr:
        """How many elements an average is over: those inside the image, or inside the padded
        image.
        """
        s = self.shape
        if not bool(self.call.attrs.count_include_pad):
            columns = (
                sum(i in self._inside(s.out_width, border, kx) for kx in range(s.kernel[1]))
                if border is not None
                else s.kernel[1]
            )
            return (rows[1] - rows[0]).astype("float32") * tirx.const(float(columns), "float32")
        below = s.height + s.padding[2] - (y * s.stride[0] - s.padding[0])
        height = tirx.min(tirx.floordiv(below + s.dilation[0] - 1, s.dilation[0]), s.kernel[0])
        if border is None:
            columns = s.kernel[1]
        else:
            right = s.width + s.padding[3] - ((border + i) * s.stride[1] - s.padding[1])
            columns = min(-(-right // s.dilation[1]), s.kernel[1])
        return height.astype("float32") * tirx.const(float(columns), "float32")
