"""Resizing of images, [N, C, H, W] or [N, C/L, H, W, L]: nearest and linear.

A row and a column are looked up apart: output y falls at input f(y), and nearest takes the pixel at the rounded
position, linear mixes the two around it. Source: ONNX Resize, coordinate_transformation_mode and nearest_mode.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax, tirx

from compiler.kernels.emit import kernel, store_value
from compiler.kernels.operators import clamp, shape_of
from compiler.kernels.template import FIXED, Point, Space
from compiler.kernels.value import Expr, Index, Value
from compiler.kernels.workload import Workload
from targets import Profile

METHODS = ("nearest_neighbor", "linear")


def _number(value: float) -> Expr:
    return tirx.const(value, "float32")


def _align_corners(i: Expr, source: int, size: int) -> Expr:
    return i * _number((source - 1) / (size - 1)) if size > 1 else _number(0.0) * i


# Mode -> the position in the input, for the output index (a float), the input's and the output's extent.
COORDINATES: dict[str, Callable[[Expr, int, int], Expr]] = {
    "half_pixel": lambda i, source, size: (
        (i + _number(0.5)) * _number(source / size) - _number(0.5)
    ),
    "pytorch_half_pixel": lambda i, source, size: (
        (i + _number(0.5)) * _number(source / size) - _number(0.5) if size > 1 else _number(0.0) * i
    ),
    "asymmetric": lambda i, source, size: i * _number(source / size),
    "align_corners": _align_corners,
    "tf_half_pixel_for_nn": lambda i, source, size: (i + _number(0.5)) * _number(source / size),
}
ROUNDING: dict[str, Callable[[Expr], Expr]] = {
    "round": lambda x: tirx.floor(x + _number(0.5)),
    "round_prefer_ceil": lambda x: tirx.floor(x + _number(0.5)),
    "round_prefer_floor": lambda x: tirx.ceil(x - _number(0.5)),
    "floor": tirx.floor,
    "ceil": tirx.ceil,
    "": lambda x: tirx.floor(x + _number(0.5)),
}


class Resize:
    name = "resize"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        if work.operator != "relax.image.resize2d" or work.anchor is None:
            return False
        attrs = work.anchor.attrs
        return attrs.method in METHODS and attrs.coordinate_transformation_mode in COORDINATES

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def default(self, work: Workload, profile: Profile) -> Point:
        return {}

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        assert work.anchor is not None
        with kernel(name, work.parameters) as (buffers, done):
            bound = work.bind(buffers)
            resized = _resized(work.anchor, bound.operands()[0])
            store_value(buffers[-1], bound.result(resized), profile.isa.lanes)
        return done[0]


def _resized(call: relax.Call, source: Value) -> Value:
    shape, attrs = shape_of(call), call.attrs
    position = COORDINATES[str(attrs.coordinate_transformation_mode)]
    along = _nearest(str(attrs.rounding_method)) if attrs.method == "nearest_neighbor" else _linear

    def mixed(index: Index, axes: tuple[int, ...]) -> Expr:
        """The source at an index that is the input's already but for these axes."""
        if not axes:
            return source.at(index)
        axis, *others = axes

        def at(i: Expr) -> Expr:
            inside = clamp(i, source.shape[axis])
            return mixed((*index[:axis], inside, *index[axis + 1 :]), tuple(others))

        if source.shape[axis] == shape[axis]:
            return mixed(index, tuple(others))
        return along(at, position(index[axis].astype("float32"), source.shape[axis], shape[axis]))

    return Value(shape, source.dtype, lambda index: mixed(index, (2, 3)))


def _nearest(rounding: str) -> Callable[[Callable[[Expr], Expr], Expr], Expr]:
    return lambda at, where: at(ROUNDING[rounding](where).astype("int32"))


def _linear(at: Callable[[Expr], Expr], where: Expr) -> Expr:
    low = tirx.floor(where)
    share = where - low
    first = low.astype("int32")
    return at(first) * (_number(1.0) - share) + at(first + 1) * share
