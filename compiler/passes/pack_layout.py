"""Gives every tensor the layout that was planned for it (see layout_plan.py) and packs the
constants: [N, C, H, W] becomes [N, C/L, H, W, L] around convolutions.

Convolutions produce packed tensors; pools, element-wise operators, spatial means, concatenations
and slices may; a product with a constant reads all of a packed image in a row; anything else reads
the plain tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.operators import ELEMENTWISE, integers, shape_of
from compiler.kernels.workload import operator_of, tensors_of
from compiler.passes.layout_plan import Costs, Estimates, flat_images, plan_layouts
from compiler.passes.layouts import Layouts
from compiler.passes.pack_convolution import convolution
from compiler.passes.rewriter import array_of, constant, own

Shape = tuple[int, ...]
POOLS = {
    "relax.nn.max_pool2d": relax.op.nn.max_pool2d,
    "relax.nn.avg_pool2d": relax.op.nn.avg_pool2d,
}


def pack_layout(module: tvm.IRModule, lanes: int, costs: Costs | None = None) -> tvm.IRModule:
    """costs: of operators and transforms; None: estimates."""
    planned = plan_layouts(module["main"], lanes, costs or Estimates(lanes))
    return _Packer(module, lanes, planned).run()


class _Packer(Layouts):
    def __init__(self, module: tvm.IRModule, lanes: int, planned: Mapping[relax.Var, bool]) -> None:
        super().__init__(module, lanes)
        self.planned = planned
        self.flat = flat_images(self.function, lanes)
        self.rules: dict[str, Callable[[relax.Call, str], relax.Expr | None]] = {
            "relax.nn.conv2d": partial(convolution, self),
            "relax.nn.max_pool2d": self._pool,
            "relax.nn.avg_pool2d": self._pool,
            "relax.mean": self._spatial,
            "relax.sum": self._spatial,
            "relax.max": self._spatial,
            "relax.min": self._spatial,
            "relax.concat": self._concat,
            "relax.strided_slice": self._slice,
            "relax.nn.pad": self._pad,
            "relax.matmul": self._matmul,
            "neoc.resize": self._resize,
            **dict.fromkeys(ELEMENTWISE, self._elementwise),
        }

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if not self.planned.get(var, True):
            return self.again(var, value)
        if var in self.planned and operator_of(value) != "relax.nn.conv2d":
            self._pack_operands(value)
        if isinstance(value, relax.Call) and operator_of(value) in self.rules:
            done = self.rules[operator_of(value)](value, var.name)
            if done is not None and shape_of(done) == shape_of(var):
                return done
            if done is not None:
                self.packed[var] = done
                return var  # stands for "no plain form yet"
        if isinstance(value, relax.Call) and (scattered := self.scatter(value)) is not None:
            self.scattered[var] = scattered
            return var
        return self.again(var, value)

    def _pack_operands(self, call: relax.Call) -> None:
        """The images that an operator reads packed, or scattered over packed tensors."""
        for operand in tensors_of(call):
            if operand in self.planned and shape_of(operand)[1] > 1:
                if operand not in self.scattered:
                    self.pack(operand)

    # ---- rules: the packed result, the plain result, or None to leave the call as it is ----

    def _pool(self, call: relax.Call, name: str) -> relax.Expr | None:
        data = call.args[0]
        if str(call.ty.dtype) != "float32" or (
            shape_of(data)[1] * 2 <= self.lanes and not self.is_packed(data)
        ):
            return None
        pool = POOLS[call.op.name]
        a, layout = call.attrs, f"NCHW{self.lanes}c"
        sizes = (list(a.pool_size), list(a.strides), list(a.padding), list(a.dilation))
        modes = (bool(a.ceil_mode), bool(a.count_include_pad), layout, layout)
        return self.emit(pool(self.pack(data), *sizes, *modes), name)

    def _spatial(self, call: relax.Call, name: str) -> relax.Expr | None:
        """A reduction over height, width or both."""
        data, axes = call.args[0], [int(a) % 4 for a in call.attrs.axis or (0,)]
        if not self.is_packed(data) or not set(axes) <= {2, 3}:
            return None
        reduce = {
            "relax.mean": relax.op.mean,
            "relax.sum": relax.op.sum,
            "relax.max": relax.op.max,
            "relax.min": relax.op.min,
        }
        kept = self.emit(reduce[call.op.name](self.pack(data), axes, keepdims=True), name)
        if bool(call.attrs.keepdims):
            return kept
        image = tuple(1 if a in axes else e for a, e in enumerate(shape_of(data)))
        plain = self.unpack(kept, image, name)
        return self.emit(relax.op.reshape(plain, shape_of(call)), name)

    def _concat(self, call: relax.Call, name: str) -> relax.Expr | None:
        parts = list(call.args[0].fields)
        if len(shape_of(call)) != 4 or not all(p in self.packed for p in parts):
            return None
        axis = int(call.attrs.axis) % 4
        if axis == 1 and any(shape_of(p)[1] % self.lanes for p in parts[:-1]):
            return None
        return self.emit(relax.op.concat([self.pack(p) for p in parts], axis), name)

    def _slice(self, call: relax.Call, name: str) -> relax.Expr | None:
        data = call.args[0]
        if data not in self.packed:
            return None
        axes, begin, end = (integers(a) for a in call.args[1:4])
        steps = integers(call.args[4]) if len(call.args) > 4 else [1] * len(axes)
        shape = shape_of(data)
        axes = [a % 4 for a in axes]
        for n, axis in enumerate(axes):
            if axis == 1:
                first = begin[n] % shape[1] if begin[n] < 0 else begin[n]
                last = min(end[n], shape[1])
                if first % self.lanes or steps[n] != 1 or last < 0:
                    return None
                begin[n], end[n] = first // self.lanes, -(-last // self.lanes)
        return self.emit(relax.op.strided_slice(self.pack(data), axes, begin, end, steps), name)

    def _pad(self, call: relax.Call, name: str) -> relax.Expr | None:
        data, widths = call.args[0], [int(w) for w in call.attrs.pad_width]
        if not self.is_packed(data) or any(widths[:4]):
            return None
        mode, fill = str(call.attrs.pad_mode), float(call.attrs.pad_value)
        return self.emit(relax.op.nn.pad(self.pack(data), [*widths, 0, 0], mode, fill), name)

    def _matmul(self, call: relax.Call, name: str) -> relax.Expr | None:
        """Of a flat image: the constant's rows take the order of the packed channels."""
        flat, weight = call.args[0], array_of(call.args[1])
        image = self.made[flat].args[0] if flat in self.flat else None
        if image not in self.packed or weight is None:
            return None
        places = np.arange(len(weight), dtype=np.int32).reshape(1, *shape_of(image)[1:])
        rows = self.pack_array(places, 0).reshape(-1)
        data = self.emit(relax.op.reshape(self.packed[image], shape_of(flat)), name)
        return self.emit(relax.op.matmul(data, constant(weight[rows]), call.attrs.out_dtype), name)

    def _resize(self, call: relax.Call, name: str) -> relax.Expr | None:
        data, *tables = tensors_of(call)
        if not self.is_packed(data):
            return None
        target = self.packed_shape(shape_of(call))
        return self.emit(
            own("neoc.packed_resize", [self.pack(data), *tables], target, str(call.ty.dtype)), name
        )

    def _elementwise(self, call: relax.Call, name: str) -> relax.Expr | None:
        shape = shape_of(call)
        if len(shape) != 4 or not any(
            self.is_packed(a) and shape_of(a)[1] == shape[1] for a in call.args
        ):
            return None
        if shape[1] == 1 and any(
            not self.is_packed(a) for a in call.args if isinstance(a, relax.Var)
        ):
            return None
        operands = [
            self._operand(a, shape, 1.0 if n == 1 and "divide" in call.op.name else 0.0)
            for n, a in enumerate(call.args)
        ]
        return self.emit(relax.Call(call.op, operands, call.attrs, call.ty_args), name)

    def _operand(self, expr: relax.Expr, shape: Shape, fill: float) -> relax.Expr:
        """An operand of an element-wise call in the packed layout; one channel or fewer axes
        broadcast.
        """
        if isinstance(expr, GenericConst):
            array = array_of(expr)
            assert array is not None
            return (
                expr
                if array.size == 1 and array.ndim <= 1
                else constant(self.pack_array(_four(array), fill))
            )
        if not isinstance(expr, relax.Var):
            return expr
        own_shape = shape_of(expr)
        if len(own_shape) == 4 and (
            own_shape[1] == shape[1] or (self.is_packed(expr) and own_shape[1] > 1)
        ):
            return self.pack(expr)
        if (
            len(own_shape) == 4
            or own_shape in ((), (1,))
            or len(own_shape) < 3
            or own_shape[-3] == 1
        ):
            four = (1,) * (4 - len(own_shape)) + own_shape
            return self.emit(relax.op.reshape(self.use(expr), (*four, 1)), expr.name)
        plain = self.emit(relax.op.reshape(self.use(expr), (1, *own_shape)), expr.name)
        return self.emit(
            own("neoc.pack", [plain], self.packed_shape((1, *own_shape)), str(expr.ty.dtype)),
            expr.name,
        )


def _four(array: np.ndarray) -> np.ndarray:
    return array.reshape((1,) * (4 - array.ndim) + array.shape)
