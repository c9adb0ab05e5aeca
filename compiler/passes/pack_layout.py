"""Gives every tensor the layout that was planned for it (see layout_plan.py) and packs the
constants: [N, C, H, W] becomes [N, C/L, H, W, L] around convolutions.

Convolutions produce packed tensors; pools, element-wise operators, spatial means, concatenations
and slices may; anything else reads the plain tensor. Transforms are emitted where the two meet.
Lanes beyond the channels hold values that nothing reads: every operator either keeps lanes apart
or knows the channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.geometry import WIDEST
from compiler.kernels.operators import ELEMENTWISE, integers, shape_of
from compiler.kernels.workload import operator_of, tensors_of
from compiler.passes.layout_plan import Costs, Estimates, plan_layouts
from compiler.passes.rewriter import Rewriter, array_of, constant, own
from compiler.passes.scattered import Scattered, beside

Shape = tuple[int, ...]
POOLS = {
    "relax.nn.max_pool2d": relax.op.nn.max_pool2d,
    "relax.nn.avg_pool2d": relax.op.nn.avg_pool2d,
}


def pack_layout(module: tvm.IRModule, lanes: int, costs: Costs | None = None) -> tvm.IRModule:
    """costs: of operators and transforms; None: estimates."""
    planned = plan_layouts(module["main"], lanes, costs or Estimates(lanes))
    return _Packer(module, lanes, planned).run()


class _Packer(Rewriter):
    """`new` holds the plain form of a variable, `packed` the packed one; either is made from the
    other on demand.
    """

    def __init__(self, module: tvm.IRModule, lanes: int, planned: Mapping[relax.Var, bool]) -> None:
        super().__init__(module)
        self.lanes, self.planned = lanes, planned
        self.packed: dict[relax.Var, relax.Var] = {}
        self.scattered: dict[relax.Var, Scattered] = {}
        bindings = self.function.body.blocks[0].bindings
        self.made = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}
        self.rules: dict[str, Callable[[relax.Call, str], relax.Expr | None]] = {
            "relax.nn.conv2d": self._conv2d,
            "relax.nn.max_pool2d": self._pool,
            "relax.nn.avg_pool2d": self._pool,
            "relax.mean": self._spatial,
            "relax.sum": self._spatial,
            "relax.max": self._spatial,
            "relax.min": self._spatial,
            "relax.concat": self._concat,
            "relax.strided_slice": self._slice,
            "relax.nn.pad": self._pad,
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
        if isinstance(value, relax.Call) and (scattered := self._scatter(value)) is not None:
            self.scattered[var] = scattered
            return var
        return self.again(var, value)

    def use(self, expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Var) and self.new.get(expr) is not None:
            if self.new[expr].same_as(expr) and self._is_concat_of_packed(expr):
                self.new[expr] = self.again(expr, self.made[expr])
            elif self.new[expr].same_as(expr):
                self.new[expr] = self._unpack(self._pack(expr), shape_of(expr), expr.name)
        return super().use(expr)

    # ---- between the layouts ----

    def _pack_operands(self, call: relax.Call) -> None:
        """The images that an operator reads packed, or scattered over packed tensors."""
        for operand in tensors_of(call):
            if operand in self.planned and shape_of(operand)[1] > 1:
                if operand not in self.scattered:
                    self._pack(operand)

    def _panels(self, channels: int) -> int:
        return -(-channels // self.lanes)

    def _packed_shape(self, shape: Shape) -> Shape:
        return (shape[0], self._panels(shape[1]), *shape[2:], self.lanes)

    def _unpack(self, packed: relax.Var, shape: Shape, name: str) -> relax.Expr:
        if shape[2] * shape[3] == 1 and shape[1] % self.lanes == 0:
            return self.emit(relax.op.reshape(packed, shape), name)
        return self.emit(own("neoc.unpack", [packed], shape, str(packed.ty.dtype)), name)

    def _pack(self, var: relax.Var) -> relax.Expr:
        if var not in self.packed and var in self.scattered:
            self.packed[var] = self._collected(self.scattered[var], shape_of(var), var.name)
        elif var not in self.packed:
            plain, shape = self.use(var), shape_of(var)
            target = self._packed_shape(shape)
            if shape[2] * shape[3] == 1 and shape[1] % self.lanes == 0:
                self.packed[var] = self.emit(relax.op.reshape(plain, target), var.name)
            else:
                self.packed[var] = self.emit(
                    own("neoc.pack", [plain], target, str(var.ty.dtype)), var.name
                )
        return self.packed[var]

    def _is_packed(self, expr: relax.Expr) -> bool:
        return isinstance(expr, relax.Var) and (expr in self.packed or expr in self.scattered)

    def _is_concat_of_packed(self, var: relax.Var) -> bool:
        call = self.made[var]
        return operator_of(call) == "relax.concat" and all(
            part in self.packed or part not in self.scattered for part in call.args[0].fields
        )

    def _scatter(self, call: relax.Call) -> Scattered | None:
        """Slices, permutations and concatenations of whole channels that cut panels."""
        if operator_of(call) == "relax.concat":
            if len(shape_of(call)) != 4 or int(call.attrs.axis) % 4 != 1:
                return None
            parts = [self._channels(part) for part in call.args[0].fields]
            known = [part for part in parts if part is not None]
            return beside(known, self.producer) if len(known) == len(parts) else None
        numbers = _channel_numbers(call)
        data = self._channels(call.args[0]) if numbers is not None else None
        return data.chosen(numbers) if data is not None and numbers is not None else None

    def _channels(self, expr: relax.Expr) -> Scattered | None:
        if expr in self.scattered:
            return self.scattered[expr]
        return Scattered.of(self.packed[expr], shape_of(expr)[1]) if expr in self.packed else None

    def _beside(self, tensors: tuple[relax.Var, ...], name: str) -> relax.Expr:
        return tensors[0] if len(tensors) == 1 else self.emit(relax.op.concat(tensors, 1), name)

    def _collected(self, channels: Scattered, shape: Shape, name: str) -> relax.Var:
        target = self._packed_shape(shape)
        places = np.zeros(target[1] * self.lanes, np.int32)
        places[: shape[1]] = channels.places()
        data = self._beside(channels.read, name)
        operands = [data, constant(places)]
        return self.emit(own("neoc.select", operands, target, str(data.ty.dtype)), name)

    def _pack_array(self, array: np.ndarray, fill: float) -> np.ndarray:
        """[N, C, H, W] -> [N, C/L, H, W, L]; one channel is kept as it is, for broadcasting."""
        n, c, h, w = array.shape
        if c == 1:
            return array[..., None]
        padded = np.full((n, self._panels(c) * self.lanes, h, w), fill, array.dtype)
        padded[:, :c] = array
        return padded.reshape(n, -1, self.lanes, h, w).transpose(0, 1, 3, 4, 2)

    # ---- rules: the packed result, the plain result, or None to leave the call as it is ----

    def _conv2d(self, call: relax.Call, name: str) -> relax.Expr | None:
        data, weight = call.args[0], array_of(call.args[1])
        if weight is None or weight.dtype != np.float32 or not isinstance(data, relax.Var):
            return None
        in_channels, groups = shape_of(data)[1], int(call.attrs.groups)
        padding = [int(p) for p in call.attrs.padding]
        target = self._packed_shape(shape_of(call))
        depthwise = groups == in_channels == weight.shape[0] and groups > 1
        wide = weight.shape[3] > WIDEST and any(padding)
        if data in self.scattered and data not in self.packed and groups == 1 and not wide:
            return self._gathered(call, self.scattered[data], weight, name)
        data, gate = self._gated(data, weight) if groups == 1 else (data, None)
        source = (
            self.use(data)
            if in_channels < self.lanes and not self._is_packed(data) and not depthwise
            else self._pack(data)
        )
        if wide:
            width = [
                0,
                0,
                0,
                0,
                padding[0],
                padding[2],
                padding[1],
                padding[3],
                *[0] * (2 * len(shape_of(source)) - 8),
            ]
            source, padding = self.emit(relax.op.nn.pad(source, width), name), [0, 0, 0, 0]
        sizes = [
            relax.ShapeExpr([int(v) for v in values])
            for values in (call.attrs.strides, padding, call.attrs.dilation)
        ]
        if depthwise:
            packed = self._pack_array(weight.transpose(1, 0, 2, 3), 0.0)[0]  # [P, KH, KW, L]
            return self.emit(
                own("neoc.depthwise", [source, constant(packed), *sizes], target, "float32"), name
            )
        panels: relax.Expr = constant(pack_weight(weight, groups, in_channels, self.lanes))
        if gate is not None:
            panels = self.emit(relax.op.multiply(panels, self._per_input(gate)), name)
        counts = relax.ShapeExpr([groups, in_channels, weight.shape[0]])
        return self.emit(
            own("neoc.conv2d", [source, panels, *sizes, counts], target, "float32"), name
        )

    def _gated(self, data: relax.Var, weight: np.ndarray) -> tuple[relax.Var, relax.Var | None]:
        """x and g of data = x * g, one number a channel: conv(x * g, w) = conv(x, w * g), if there
        are fewer weights than data and nothing else reads them.
        """
        product = self.made.get(data)
        shape = shape_of(data)
        if product is None or product.op.name != "relax.multiply" or self.uses[data] > 1:
            return data, None
        for x, gate in (product.args, reversed(product.args)):
            per_channel = isinstance(gate, relax.Var) and shape_of(gate) == (1, shape[1], 1, 1)
            if self._is_packed(x) and shape_of(x) == shape and per_channel and shape[0] == 1:
                smaller = weight.size < math.prod(shape)
                return (x, gate) if smaller and shape[2:] != (1, 1) else (data, None)
        return data, None

    def _per_input(self, gate: relax.Var) -> relax.Expr:
        """[1, C, 1, 1] -> [C, 1], as packed weights [panels, KH, KW, C, L] are scaled."""
        channels = shape_of(gate)[1]
        flat = self.emit(relax.op.reshape(self._pack(gate), (-1,)), gate.name)
        if shape_of(flat) != (channels,):
            flat = self.emit(relax.op.strided_slice(flat, [0], [0], [channels]), gate.name)
        return self.emit(relax.op.reshape(flat, (channels, 1)), gate.name)

    def _gathered(
        self, call: relax.Call, data: Scattered, weight: np.ndarray, name: str
    ) -> relax.Expr:
        """A convolution that finds each channel by a table of positions in the image."""
        sizes = [
            relax.ShapeExpr([int(v) for v in values])
            for values in (call.attrs.strides, call.attrs.padding, call.attrs.dilation)
        ]
        plane = math.prod(shape_of(call.args[0])[2:])
        panel, lane = np.divmod(data.places(), self.lanes)
        table = constant((panel * plane * self.lanes + lane).astype(np.int32))
        channels = len(data.channels)
        packed = constant(pack_weight(weight, 1, channels, self.lanes))
        counts = relax.ShapeExpr([1, channels, weight.shape[0]])
        operands = [self._beside(data.read, name), packed, *sizes, counts, table]
        target = self._packed_shape(shape_of(call))
        return self.emit(own("neoc.gathered_conv2d", operands, target, "float32"), name)

    def _pool(self, call: relax.Call, name: str) -> relax.Expr | None:
        data = call.args[0]
        if str(call.ty.dtype) != "float32" or (
            shape_of(data)[1] * 2 <= self.lanes and not self._is_packed(data)
        ):
            return None
        pool = POOLS[call.op.name]
        a, layout = call.attrs, f"NCHW{self.lanes}c"
        sizes = (list(a.pool_size), list(a.strides), list(a.padding), list(a.dilation))
        modes = (bool(a.ceil_mode), bool(a.count_include_pad), layout, layout)
        return self.emit(pool(self._pack(data), *sizes, *modes), name)

    def _spatial(self, call: relax.Call, name: str) -> relax.Expr | None:
        """A reduction over height and width."""
        data, axes = call.args[0], call.attrs.axis
        if not self._is_packed(data) or axes is None or sorted(int(a) % 4 for a in axes) != [2, 3]:
            return None
        reduce = {
            "relax.mean": relax.op.mean,
            "relax.sum": relax.op.sum,
            "relax.max": relax.op.max,
            "relax.min": relax.op.min,
        }
        kept = self.emit(reduce[call.op.name](self._pack(data), [2, 3], keepdims=True), name)
        if bool(call.attrs.keepdims):
            return kept
        plain = self._unpack(kept, (*shape_of(call), 1, 1), name)
        return self.emit(relax.op.reshape(plain, shape_of(call)), name)

    def _concat(self, call: relax.Call, name: str) -> relax.Expr | None:
        parts = list(call.args[0].fields)
        if len(shape_of(call)) != 4 or not all(p in self.packed for p in parts):
            return None
        axis = int(call.attrs.axis) % 4
        if axis == 1 and any(shape_of(p)[1] % self.lanes for p in parts[:-1]):
            return None
        return self.emit(relax.op.concat([self._pack(p) for p in parts], axis), name)

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
        return self.emit(relax.op.strided_slice(self._pack(data), axes, begin, end, steps), name)

    def _pad(self, call: relax.Call, name: str) -> relax.Expr | None:
        data, widths = call.args[0], [int(w) for w in call.attrs.pad_width]
        if not self._is_packed(data) or any(widths[:4]):
            return None
        mode, fill = str(call.attrs.pad_mode), float(call.attrs.pad_value)
        return self.emit(relax.op.nn.pad(self._pack(data), [*widths, 0, 0], mode, fill), name)

    def _resize(self, call: relax.Call, name: str) -> relax.Expr | None:
        _, data, *tables = call.args
        if not self._is_packed(data):
            return None
        target = self._packed_shape(shape_of(call))
        return self.emit(
            own("neoc.resize", [self._pack(data), *tables], target, str(call.ty.dtype)), name
        )

    def _elementwise(self, call: relax.Call, name: str) -> relax.Expr | None:
        shape = shape_of(call)
        if len(shape) != 4 or not any(
            self._is_packed(a) and shape_of(a)[1] == shape[1] for a in call.args
        ):
            return None
        if shape[1] == 1 and any(
            not self._is_packed(a) for a in call.args if isinstance(a, relax.Var)
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
                else constant(self._pack_array(_four(array), fill))
            )
        if not isinstance(expr, relax.Var):
            return expr
        own_shape = shape_of(expr)
        if len(own_shape) == 4 and (
            own_shape[1] == shape[1] or (self._is_packed(expr) and own_shape[1] > 1)
        ):
            return self._pack(expr)
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
            own("neoc.pack", [plain], self._packed_shape((1, *own_shape)), str(expr.ty.dtype)),
            expr.name,
        )


def _channel_numbers(call: relax.Call) -> list[int] | None:
    """The channels that a slice or a permutation of an image takes."""
    if operator_of(call) not in ("relax.strided_slice", "relax.take"):
        return None
    shape = shape_of(call.args[0])
    if len(shape) != 4:
        return None
    if operator_of(call) == "relax.take":
        chosen = array_of(call.args[1])
        if chosen is None or chosen.ndim != 1 or int(call.attrs.axis or 0) % 4 != 1:
            return None
        return [int(c) % shape[1] for c in chosen]
    steps = integers(call.args[4]) if len(call.args) > 4 else [1]
    axes, begin, end = (integers(a) for a in call.args[1:4])
    if len(axes) != 1 or axes[0] % 4 != 1:
        return None
    return list(range(shape[1])[begin[0] : end[0] : steps[0]])


def pack_weight(weight: np.ndarray, groups: int, in_channels: int, lanes: int) -> np.ndarray:
    """[O, I/groups, KH, KW] -> [panels, KH, KW, reach, L], in the order in which the kernel reads
    it.

    A panel's lanes may belong to several groups: it then reads the channels of them all (its
    reach), with zeros.
    """
    out_channels, per_group_in, kernel_h, kernel_w = weight.shape
    per_group_out = out_channels // groups
    panels = -(-out_channels // lanes)
    first = [p * lanes // per_group_out for p in range(panels)]
    last = [(min((p + 1) * lanes, out_channels) - 1) // per_group_out for p in range(panels)]
    reach = max(b - a + 1 for a, b in zip(first, last, strict=True)) * per_group_in
    packed = np.zeros((panels, kernel_h, kernel_w, reach, lanes), weight.dtype)
    for o in range(out_channels):
        p, lane = divmod(o, lanes)
        start = min(first[p] * per_group_in, in_channels - reach)
        at = o // per_group_out * per_group_in - start
        packed[p, :, :, at : at + per_group_in, lane] = weight[o].transpose(1, 2, 0)
    return packed


def _four(array: np.ndarray) -> np.ndarray:
    return array.reshape((1,) * (4 - array.ndim) + array.shape)
