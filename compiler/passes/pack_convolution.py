"""Convolutions of packed images: weights are packed, and a gate in front is moved into them."""

from __future__ import annotations

import math

import numpy as np
from tvm import relax

from compiler.kernels.geometry import WIDEST
from compiler.kernels.operators import shape_of
from compiler.passes.layouts import Layouts
from compiler.passes.rewriter import array_of, constant, own
from compiler.passes.scattered import Scattered

# Of a convolution with weights of a type: the type of the sums. Integers multiply 16-bit numbers.
WEIGHTS = {"float32": "float32", "int8": "int32", "int16": "int32"}


def convolution(at: Layouts, call: relax.Call, name: str) -> relax.Expr | None:
    data, weight = call.args[0], array_of(call.args[1])
    if weight is None or str(weight.dtype) not in WEIGHTS or not isinstance(data, relax.Var):
        return None
    in_channels, groups = shape_of(data)[1], int(call.attrs.groups)
    padding = [int(p) for p in call.attrs.padding]
    target, kind = at.packed_shape(shape_of(call)), WEIGHTS[str(weight.dtype)]
    depthwise = _keeps_lanes(weight, groups, in_channels, at.lanes)
    wide = weight.shape[3] > WIDEST and any(padding)
    alone = groups == 1 and kind == "float32"
    if data in at.scattered and data not in at.packed and alone and not wide:
        return _gathered(at, call, at.scattered[data], weight, name)
    data, gate = _gated(at, data, weight) if alone else (data, None)
    few = in_channels < at.lanes and kind == "float32"
    source = _plain(at, data) if few and not at.is_packed(data) and not depthwise else at.pack(data)
    if wide:
        top, left, bottom, right = padding
        width = [0, 0, 0, 0, top, bottom, left, right, *[0] * (2 * len(shape_of(source)) - 8)]
        source, padding = at.emit(relax.op.nn.pad(source, width), name), [0, 0, 0, 0]
    sizes = [
        relax.ShapeExpr([int(v) for v in values])
        for values in (call.attrs.strides, padding, call.attrs.dilation)
    ]
    if depthwise:
        packed = at.pack_array(weight.transpose(1, 0, 2, 3), 0.0)  # [C/groups, P, KH, KW, L]
        packed = packed[0] if len(packed) == 1 else packed.transpose(1, 2, 3, 0, 4)
        return at.emit(
            own("neoc.depthwise", [source, constant(packed), *sizes], target, "float32"), name
        )
    array = pack_weight(weight, groups, at.lanes)
    panels: relax.Expr = constant(array if kind == "float32" else pack_pairs(array))
    if gate is not None:
        panels = at.emit(relax.op.multiply(panels, _per_input(at, gate)), name)
    counts = relax.ShapeExpr([groups, in_channels, weight.shape[0]])
    return at.emit(own("neoc.conv2d", [source, panels, *sizes, counts], target, kind), name)


def _keeps_lanes(weight: np.ndarray, groups: int, in_channels: int, lanes: int) -> bool:
    """Whether a vector of the result is made of the one vector of the data in its place: both hold
    several groups whole.
    """
    outputs, group = weight.shape[:2]
    return groups > 1 and outputs == in_channels and lanes % group == 0 and group < lanes


def _plain(at: Layouts, data: relax.Var) -> relax.Expr:
    """An image of few channels as it is: channels last if they are so, [N, 1, H, W, C]."""
    plain = at.use(data)
    made = at.producer.get(plain)
    if not isinstance(made, relax.Call) or made.op.name != "relax.permute_dims":
        return plain
    if [int(a) for a in made.attrs.axes or ()] != [0, 3, 1, 2]:
        return plain
    batch, *image = shape_of(made.args[0])
    return at.emit(relax.op.reshape(made.args[0], (batch, 1, *image)), data.name)


def _gated(at: Layouts, data: relax.Var, weight: np.ndarray) -> tuple[relax.Var, relax.Var | None]:
    """x and g of data = x * g, one number a channel: conv(x * g, w) = conv(x, w * g), if there
    are fewer weights than data and nothing else reads them.
    """
    product = at.made.get(data)
    shape = shape_of(data)
    if product is None or product.op.name != "relax.multiply" or at.uses[data] > 1:
        return data, None
    for x, gate in (product.args, reversed(product.args)):
        per_channel = isinstance(gate, relax.Var) and shape_of(gate) == (1, shape[1], 1, 1)
        if at.is_packed(x) and shape_of(x) == shape and per_channel and shape[0] == 1:
            smaller = weight.size < math.prod(shape)
            return (x, gate) if smaller and shape[2:] != (1, 1) else (data, None)
    return data, None


def _per_input(at: Layouts, gate: relax.Var) -> relax.Expr:
    """[1, C, 1, 1] -> [C, 1], as packed weights [panels, KH, KW, C, L] are scaled."""
    channels = shape_of(gate)[1]
    flat = at.emit(relax.op.reshape(at.pack(gate), (-1,)), gate.name)
    if shape_of(flat) != (channels,):
        flat = at.emit(relax.op.strided_slice(flat, [0], [0], [channels]), gate.name)
    return at.emit(relax.op.reshape(flat, (channels, 1)), gate.name)


def _gathered(
    at: Layouts, call: relax.Call, data: Scattered, weight: np.ndarray, name: str
) -> relax.Expr:
    """A convolution that finds each channel by a table of positions in the image."""
    sizes = [
        relax.ShapeExpr([int(v) for v in values])
        for values in (call.attrs.strides, call.attrs.padding, call.attrs.dilation)
    ]
    plane = math.prod(shape_of(call.args[0])[2:])
    panel, lane = np.divmod(data.places(), at.lanes)
    table = constant((panel * plane * at.lanes + lane).astype(np.int32))
    channels = len(data.channels)
    packed = constant(pack_weight(weight, 1, at.lanes))
    counts = relax.ShapeExpr([1, channels, weight.shape[0]])
    operands = [at.beside(data.read, name), packed, *sizes, counts, table]
    target = at.packed_shape(shape_of(call))
    return at.emit(own("neoc.gathered_conv2d", operands, target, "float32"), name)


def pack_pairs(panels: np.ndarray) -> np.ndarray:
    """[..., reach, L] -> [..., reach / 2, L, 2] as it is read in pairs of channels, in the shape
    [..., reach, L]; an odd reach gets a channel of zeros.
    """
    *outer, reach, lanes = panels.shape
    even = np.zeros((*outer, reach + reach % 2, lanes), panels.dtype)
    even[..., :reach, :] = panels
    return even.reshape(*outer, -1, 2, lanes).swapaxes(-1, -2).reshape(even.shape)


def pack_weight(weight: np.ndarray, groups: int, lanes: int) -> np.ndarray:
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
        at = (o // per_group_out - first[p]) * per_group_in
        packed[p, :, :, at : at + per_group_in, lane] = weight[o].transpose(1, 2, 0)
    return packed
