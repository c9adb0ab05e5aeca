"""Convolutions and pools that stayed plain: their border becomes a copy with margins, for kernels
without any.

    conv2d(x, w, padding)  -> conv2d(pad(x), w)
    max_pool2d(x, padding) -> neoc.max_window(pad(x, least))
    avg_pool2d(x, padding) -> neoc.sum_window(pad(x)) * (1 / count)
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from compiler.kernels.operators import shape_of
from compiler.passes.rewriter import Rewriter, constant, own


def open_windows(module: tvm.IRModule) -> tvm.IRModule:
    return _Opener(module).run()


class _Opener(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        rules = {
            "relax.nn.conv2d": self._conv2d,
            "relax.nn.max_pool2d": self._max_pool,
            "relax.nn.avg_pool2d": self._avg_pool,
        }
        rule = rules.get(value.op.name) if isinstance(value, relax.Call) else None
        if rule is None or len(shape_of(value)) != 4:
            return self.again(var, value)
        return rule(value, var.name)

    def _padded(self, data: relax.Expr, padding: list[int], fill: float, name: str) -> relax.Expr:
        if not any(padding):
            return data
        top, left, bottom, right = padding
        widths = [0, 0, 0, 0, top, bottom, left, right]
        return self.emit(relax.op.nn.pad(data, widths, "constant", fill), name)

    def _conv2d(self, call: relax.Call, name: str) -> relax.Expr:
        data, weight = (self.use(a) for a in call.args)
        a = call.attrs
        padded = self._padded(data, [int(p) for p in a.padding], 0.0, name)
        strides, dilation = ([int(v) for v in values] for values in (a.strides, a.dilation))
        conv = relax.op.nn.conv2d(
            padded, weight, strides=strides, dilation=dilation, groups=int(a.groups)
        )
        return self.emit(conv, name)

    def _window(self, call: relax.Call, operator: str, fill: float, name: str) -> relax.Expr:
        a = call.attrs
        padded = self._padded(self.use(call.args[0]), _reached(call), fill, name)
        sizes = [
            relax.ShapeExpr([int(v) for v in values])
            for values in (a.pool_size, a.strides, a.dilation)
        ]
        return self.emit(own(operator, [padded, *sizes], shape_of(call), str(call.ty.dtype)), name)

    def _max_pool(self, call: relax.Call, name: str) -> relax.Expr:
        kind = np.dtype(str(call.ty.dtype))
        least = -np.inf if kind.kind == "f" else float(np.iinfo(kind).min)
        return self._window(call, "neoc.max_window", least, name)

    def _avg_pool(self, call: relax.Call, name: str) -> relax.Expr:
        total = self._window(call, "neoc.sum_window", 0.0, name)
        share = (1.0 / _counts(call)).astype(str(call.ty.dtype))
        return self.emit(relax.op.multiply(total, constant(share)), name)


def _reached(call: relax.Call) -> list[int]:
    """The margins, grown at the end where ceil_mode lets a window reach beyond them."""
    a = call.attrs
    top, left, *after = (int(p) for p in a.padding)
    for axis, before in enumerate((top, left)):
        reach = (shape_of(call)[2 + axis] - 1) * int(a.strides[axis])
        reach += (int(a.pool_size[axis]) - 1) * int(a.dilation[axis]) + 1
        after[axis] = max(after[axis], reach - before - shape_of(call.args[0])[2 + axis])
    return [top, left, *after]


def _counts(call: relax.Call) -> np.ndarray:
    """[1, 1, H', W']: how many elements each mean is over: those of the image, or of its margins,
    too.
    """
    a = call.attrs
    padding = [int(p) for p in a.padding]
    axes = []
    for axis in range(2):
        size = shape_of(call.args[0])[2 + axis]
        counted = bool(a.count_include_pad)
        low, high = (-padding[axis], size + padding[2 + axis]) if counted else (0, size)
        starts = np.arange(shape_of(call)[2 + axis]) * int(a.strides[axis]) - padding[axis]
        taps = starts[:, None] + np.arange(int(a.pool_size[axis])) * int(a.dilation[axis])
        axes.append(((taps >= low) & (taps < high)).sum(axis=1))
    counts = np.maximum(np.outer(*axes), 1)
    return np.asarray(counts, np.float64)[None, None]
