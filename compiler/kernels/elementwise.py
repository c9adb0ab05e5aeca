"""Element-wise and data-moving kernels, and those that write several boxes (concat, pad)."""

from __future__ import annotations

from tvm import relax, tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import kernel, store_value
from compiler.kernels.moves import clamp
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import Expr, Value
from compiler.kernels.workload import Workload
from targets import Profile


class Empty(Template):
    """A tensor without elements."""

    name = "empty"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return 0 in work.output[0]

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (_, done):
            T.evaluate(0)
        return done[0]


class Elementwise(Template):
    """for each row in parallel: for each vector of the row: out = f(in...)"""

    name = "elementwise"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.anchor is None

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        with kernel(name, work.parameters) as (buffers, done):
            store_value(buffers[-1], work.bind(buffers).result(), profile.isa.lanes)
        return done[0]


class Pieces(Template):
    """Each operand of a concat, or a padded tensor and its margins, copied to its box of the
    output.
    """

    name = "pieces"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in ("relax.concat", "relax.nn.pad")

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        assert work.anchor is not None
        with kernel(name, work.parameters) as (buffers, done):
            operands = work.bind(buffers).operands()
            boxes = (
                _concat(work.anchor, operands)
                if work.operator == "relax.concat"
                else _pad(work.anchor, operands)
            )
            for origin, value in boxes:
                store_value(
                    buffers[-1], value, profile.isa.lanes, within=work.output[0], origin=origin
                )
        return done[0]


Boxes = list[tuple[tuple[int, ...], Value]]


def _concat(call: relax.Call, operands: list[Value]) -> Boxes:
    rank = len(operands[0].shape)
    axis = int(call.attrs.axis) % rank
    boxes, start = [], 0
    for value in operands:
        boxes.append((tuple(start if d == axis else 0 for d in range(rank)), value))
        start += value.shape[axis]
    return boxes


def _pad(call: relax.Call, operands: list[Value]) -> Boxes:
    """The inside, then for each axis the margins before and after it."""
    source, shape = operands[0], shape_of(call)
    widths = [int(w) for w in call.attrs.pad_width]
    before = widths[0::2]
    mode = str(call.attrs.pad_mode)
    if mode != "constant":
        return [((0,) * len(shape), _mirrored(source, shape, before, mode, dtype_of(call)))]
    fill = tirx.const(float(call.attrs.pad_value), dtype_of(call)) if len(call.args) < 2 else None
    boxes: Boxes = [(tuple(before), source)]
    low, high = [0] * len(shape), list(shape)
    for axis, (first, extent) in enumerate(zip(before, source.shape, strict=True)):
        for start, stop in ((0, first), (first + extent, shape[axis])):
            if stop > start:
                box = [high[d] - low[d] for d in range(len(shape))]
                box[axis] = stop - start
                origin = [low[d] if d != axis else start for d in range(len(shape))]
                boxes.append((tuple(origin), Value(tuple(box), dtype_of(call), lambda _: fill)))
        low[axis], high[axis] = first, first + extent
    return boxes


def _mirrored(
    source: Value, shape: tuple[int, ...], before: list[int], mode: str, dtype: str
) -> Value:
    def inside(index: Expr, width: int, extent: int) -> Expr:
        at = index - width
        if mode == "circular":
            return tirx.floormod(at, extent)
        if mode == "reflect":
            at = tirx.abs(at)
            at = tirx.Select(at >= extent, 2 * (extent - 1) - at, at)
        return clamp(at, extent)

    return Value(
        shape,
        dtype,
        lambda i: source.at(
            tuple(
                inside(d, w, e) if w or s != e else d
                for d, w, e, s in zip(i, before, source.shape, shape, strict=True)
            )
        ),
    )
