"""Transposed convolutions as convolutions: of output phases, or, where the weights are not known,
of a stretched image.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import tvm
from tvm import relax

from compiler.kernels.operators import shape_of
from compiler.passes.rewriter import Rewriter, array_of, constant


def lower_transposed(module: tvm.IRModule) -> tvm.IRModule:
    return _Lowerer(module).run()


class _Lowerer(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and value.op.name == "relax.nn.conv2d_transpose":
            weight = array_of(value.args[1])
            if weight is None:
                return self._stretched(value, var.name)
            return self._phases(value, weight, var.name)
        return self.again(var, value)

    def _stretched(self, call: relax.Call, name: str) -> relax.Expr:
        """Zeros between the pixels, then a convolution with the turned kernel."""
        data, weight = (self.use(a) for a in call.args)
        n, channels, *size = shape_of(data)
        in_channels, per_group, *kernel = shape_of(weight)
        groups, strides, dilation = (
            int(call.attrs.groups),
            _pair(call.attrs.strides),
            _pair(call.attrs.dilation),
        )
        apart = self.emit(relax.op.reshape(data, (n, channels, size[0], 1, size[1], 1)), name)
        gaps = [0] * 7 + [strides[0] - 1] + [0] * 3 + [strides[1] - 1]
        padded = self.emit(relax.op.nn.pad(apart, gaps), name)
        long = [s * e for s, e in zip(size, strides, strict=True)]
        stretched = self.emit(relax.op.reshape(padded, (n, channels, *long)), name)
        grouped = (groups, in_channels // groups, per_group, *kernel)
        turned = self.emit(relax.op.flip(relax.op.flip(weight, 2), 3), name)
        turned = self.emit(relax.op.reshape(turned, grouped), name)
        turned = self.emit(relax.op.permute_dims(turned, [0, 2, 1, 3, 4]), name)
        turned = self.emit(
            relax.op.reshape(turned, (groups * per_group, in_channels // groups, *kernel)), name
        )
        before = [
            (k - 1) * d - int(p)
            for k, d, p in zip(kernel, dilation, call.attrs.padding, strict=False)
        ]
        reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        after = [
            o + r - b - e
            for o, r, b, e in zip(shape_of(call)[2:], reach, before, long, strict=True)
        ]
        inside = self._cropped(stretched, before, after, long, name)
        padding = [max(p, 0) for p in (*before, *after)]
        conv = relax.op.nn.conv2d(
            inside, turned, padding=padding, dilation=list(dilation), groups=groups
        )
        return self.emit(conv, name)

    def _cropped(
        self, data: relax.Expr, before: list[int], after: list[int], size: list[int], name: str
    ) -> relax.Expr:
        """Negative margins cut."""
        begin = [max(-b, 0) for b in before]
        end = [s + min(a, 0) for s, a in zip(size, after, strict=True)]
        if not any(begin) and end == size:
            return data
        return self.emit(relax.op.strided_slice(data, [2, 3], begin, end), name)

    def _phases(self, call: relax.Call, weight: np.ndarray, name: str) -> relax.Expr:
        """One convolution that computes the s x s output phases as channels, then their
        interleaving.

        Output y = s * q + p collects the kernel rows k with (y + pad - k * dilation) divisible by
        s.
        """
        strides, dilation, groups = (
            _pair(call.attrs.strides),
            _pair(call.attrs.dilation),
            int(call.attrs.groups),
        )
        top, left = (int(p) for p in call.attrs.padding[:2])
        phases_h = _phases(weight.shape[2], strides[0], top, dilation[0])
        phases_w = _phases(weight.shape[3], strides[1], left, dilation[1])
        kernel, before = _phase_kernel(weight, groups, phases_h, phases_w)
        n, _, height, width = shape_of(call.args[0])
        out_channels, out_h, out_w = shape_of(call)[1:]
        blocks = (-(-out_h // strides[0]), -(-out_w // strides[1]))
        after = [
            b + k - 1 - p - e
            for b, k, p, e in zip(blocks, kernel.shape[2:], before, (height, width), strict=True)
        ]
        data = self.use(call.args[0])
        crop = [max(-p, 0) for p in before]
        if any(crop):
            data = self.emit(relax.op.strided_slice(data, [2, 3], crop, [height, width]), name)
        pads = [max(p, 0) for p in (*before, *after)]
        conv = self.emit(
            relax.op.nn.conv2d(data, constant(kernel), padding=pads, groups=groups), name
        )
        if any(a < 0 for a in after):
            conv = self.emit(relax.op.strided_slice(conv, [2, 3], [0, 0], list(blocks)), name)
        s, t = strides
        split = self.emit(relax.op.reshape(conv, (n, out_channels, s, t, *blocks)), name)
        moved = self.emit(relax.op.permute_dims(split, [0, 1, 4, 2, 5, 3]), name)
        whole = self.emit(
            relax.op.reshape(moved, (n, out_channels, blocks[0] * s, blocks[1] * t)), name
        )
        if (blocks[0] * s, blocks[1] * t) == (out_h, out_w):
            return whole
        return self.emit(relax.op.strided_slice(whole, [2, 3], [0, 0], [out_h, out_w]), name)


def _pair(values: Iterable[int]) -> tuple[int, int]:
    first, second = (int(v) for v in values)
    return first, second


def _phases(extent: int, stride: int, padding: int, dilation: int) -> list[dict[int, int]]:
    """For each phase p of the output: input offset -> kernel index, where out[s*q + p] += in[q +
    offset] * w[k].
    """
    phases = []
    for p in range(stride):
        taps = {}
        for k in range(extent):
            distance = p + padding - k * dilation
            if distance % stride == 0:
                taps[distance // stride] = k
        phases.append(taps)
    return phases


def _phase_kernel(
    weight: np.ndarray, groups: int, rows: list[dict[int, int]], columns: list[dict[int, int]]
) -> tuple[np.ndarray, tuple[int, int]]:
    """IOHW weights as OIHW weights of O * s * t channels, and the padding before that their offsets
    need.
    """
    in_channels, per_group = weight.shape[:2]
    low = [min((min(t) for t in phases if t), default=0) for phases in (rows, columns)]
    high = [max((max(t) for t in phases if t), default=0) for phases in (rows, columns)]
    size = [h - b + 1 for b, h in zip(low, high, strict=True)]
    grouped = weight.reshape(groups, in_channels // groups, per_group, *weight.shape[2:]).transpose(
        0, 2, 1, 3, 4
    )
    flat = grouped.reshape(groups * per_group, in_channels // groups, *weight.shape[2:])  # OIHW
    kernel = np.zeros((flat.shape[0], len(rows), len(columns), flat.shape[1], *size), weight.dtype)
    for p, row in enumerate(rows):
        for q, column in enumerate(columns):
            for y, ky in row.items():
                for x, kx in column.items():
                    kernel[:, p, q, :, y - low[0], x - low[1]] = flat[:, :, ky, kx]
    return kernel.reshape(-1, flat.shape[1], *size), (-low[0], -low[1])
