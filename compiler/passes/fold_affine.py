"""Multiplications and additions of per-channel constants after a convolution, folded into its
weights and bias.

This is what becomes of batch normalisation: (conv(x, w) + b) * s + t = conv(x, w * s) + (b * s +
t).
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.operators import shape_of
from compiler.passes.rewriter import Rewriter, array_of, constant


def fold_affine(module: tvm.IRModule) -> tvm.IRModule:
    return _Folder(module).run()


class _Folder(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and value.op.name in ("relax.multiply", "relax.add"):
            folded = self._fold(value, var.name)
            if folded is not None:
                return folded
        return self.again(var, value)

    def _fold(self, call: relax.Call, name: str) -> relax.Expr | None:
        left, right = call.args
        data, factor = (right, left) if isinstance(left, GenericConst) else (left, right)
        channels = _per_channel(array_of(factor), shape_of(call))
        if (
            channels is None
            or not isinstance(data, relax.Var)
            or self.uses[data] > 1
            or shape_of(data) != shape_of(call)
        ):
            return None
        made = self.producer.get(self.use(data))
        if made is None or not isinstance(made, relax.Call):
            return None
        if call.op.name == "relax.add":
            return self._add(made, channels, name)
        return self._scale(made, channels, name)

    def _add(self, made: relax.Call, shift: np.ndarray, name: str) -> relax.Expr | None:
        """x + b + t -> x + (b + t)"""
        bias = bias_of(made)
        if bias is None:
            return None
        return self.emit(relax.op.add(made.args[0], _column(bias + shift, made)), name)

    def _scale(self, made: relax.Call, scale: np.ndarray, name: str) -> relax.Expr | None:
        bias = bias_of(made)
        if bias is not None:
            conv = self.producer.get(made.args[0])
            if conv is None or not _is_conv(conv):
                return None
            return self.emit(
                relax.op.add(self._scaled(conv, scale, name), _column(bias * scale, made)), name
            )
        return self._scaled(made, scale, name) if _is_conv(made) else None

    def _scaled(self, conv: relax.Call, scale: np.ndarray, name: str) -> relax.Var:
        weight = array_of(conv.args[1])
        assert weight is not None
        axis = 0 if conv.op.name == "relax.nn.conv2d" else 1  # OIHW, IOHW
        factor = scale.reshape([-1 if d == axis else 1 for d in range(4)])
        scaled = (weight.astype("float64") * factor).astype(weight.dtype)
        return self.emit(relax.Call(conv.op, [conv.args[0], constant(scaled)], conv.attrs), name)


def _is_conv(call: relax.Expr) -> bool:
    if not isinstance(call, relax.Call) or not isinstance(call.args[-1], GenericConst):
        return False
    transposed = call.op.name == "relax.nn.conv2d_transpose" and int(call.attrs.groups) == 1
    return call.op.name == "relax.nn.conv2d" or transposed


def bias_of(call: relax.Call) -> np.ndarray | None:
    """The per-channel constant that a call adds, in double precision."""
    if call.op.name != "relax.add" or not isinstance(call.args[0], relax.Var):
        return None
    return _per_channel(array_of(call.args[1]), shape_of(call))


def _per_channel(array: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """A constant that broadcasts along all axes but the channels of NCHW, as a vector of
    channels.
    """
    if array is None or len(shape) != 4 or array.ndim > 4:
        return None
    full = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if full.shape[0] != 1 or full.shape[2:] != (1, 1) or full.shape[1] not in (1, shape[1]):
        return None
    return np.broadcast_to(full.reshape(-1), (shape[1],)).astype("float64")


def _column(channels: np.ndarray, like: relax.Call) -> GenericConst:
    return constant(channels.reshape(1, -1, 1, 1).astype(str(like.ty.dtype)))
