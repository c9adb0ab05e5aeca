"""Convolutions. One-dimensional ones run as two-dimensional ones of height one."""

import functools
import math
from collections.abc import Sequence
from typing import Any

from frontends.model import ModelError
from frontends.onnx.builder import Builder, Function, R, Table, Value, rank, shape
from frontends.onnx.ops.window import per_axis, resolve

# What a spatial axis of one element means in each attribute that has a number an axis.
UNIT_AXIS = {
    "dilations": 1,
    "kernel_shape": 1,
    "output_padding": 0,
    "output_shape": 1,
    "strides": 1,
}


def one_axis_too(convolution: Function) -> Function:
    """Widens x [N, C, W] and w [A, B, K] to height one, and takes it from the result."""

    @functools.wraps(convolution)  # the signature stays the op's schema
    def wide(b: Builder, x: Value, w: Value, bias: Value | None = None, **attributes: Any) -> Value:
        if rank(x) != 3 or rank(w) != 3:
            return convolution(b, x, w, bias, **attributes)
        for name in UNIT_AXIS.keys() & attributes.keys():
            attributes[name] = (UNIT_AXIS[name], *attributes[name])
        if pads := attributes.get("pads"):
            attributes["pads"] = (0, pads[0], 0, *pads[1:])
        y = convolution(b, _raised(b, x), _raised(b, w), bias, **attributes)
        return b.reshape(y, (*shape(y)[:2], shape(y)[3]))

    return wide


def _raised(b: Builder, x: Value) -> Value:
    return b.reshape(x, (*shape(x)[:2], 1, shape(x)[2]))


@one_axis_too
def conv(
    b: Builder,
    x: Value,
    w: Value,
    bias: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """x [N, C, *S], w [O, C/group, *K] -> [N, O, *S']; one or two spatial dimensions."""
    _check(x, w, kernel_shape)
    if shape(x)[1] != shape(w)[1] * group or shape(w)[0] % group:
        raise ModelError(f"a kernel {shape(w)} in {group} groups does not fit an input {shape(x)}")
    window = resolve(
        shape(x)[2:],
        shape(w)[2:],
        strides=strides,
        dilations=dilations,
        pads=pads,
        auto_pad=auto_pad,
    )
    if min(window.before + window.after) < 0:
        raise ModelError(f"attribute pads is negative: {list(pads)}")
    y = b(
        R.nn.conv2d,
        x,
        w,
        strides=window.strides,
        padding=window.before + window.after,
        dilation=window.dilations,
        groups=group,
        data_layout="NCHW",
        kernel_layout="OIHW",
    )
    return _biased(b, y, bias)


@one_axis_too
def conv_transpose(
    b: Builder,
    x: Value,
    w: Value,
    bias: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    output_padding: Sequence[int] = (),
    output_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """x [N, C, *S], w [C, O/group, *K] -> [N, O, *S']; one or two spatial dimensions."""
    _check(x, w, kernel_shape)
    strides = per_axis(strides, 2, 1, "strides")
    dilations = per_axis(dilations, 2, 1, "dilations")
    extra = per_axis(output_padding, 2, 0, "output_padding")
    full = [
        (s - 1) * stride + (k - 1) * d + 1
        for s, stride, k, d in zip(shape(x)[2:], strides, shape(w)[2:], dilations, strict=True)
    ]
    if auto_pad.startswith("SAME") and not output_shape:
        output_shape = [s * stride for s, stride in zip(shape(x)[2:], strides, strict=True)]
    if output_shape:
        wanted = output_shape[-2:]
        begins = _centred(full, extra, wanted, auto_pad)
        ends = [f - p - s for f, p, s in zip(full, begins, wanted, strict=True)]
    else:
        given = per_axis(pads if auto_pad == "NOTSET" else (), 4, 0, "pads")
        begins = list(given[:2])
        ends = [p - e for p, e in zip(given[2:], extra, strict=True)]
    y = _cropped(b, x, w, begins, ends, strides=strides, dilation=dilations, groups=group)
    return _biased(b, y, bias)


def _cropped(
    b: Builder, x: Value, w: Value, begins: Sequence[int], ends: Sequence[int], **attributes: Any
) -> Value:
    """begins, ends: how much of the full result is cut off; below zero, how much zero is added."""
    grow = tuple(max(0, -e) for e in ends)
    cut = tuple(max(0, e) for e in ends)
    transpose = functools.partial(
        R.nn.conv2d_transpose, data_layout="NCHW", kernel_layout="IOHW", **attributes
    )
    if min(begins) >= 0 and all(g < s for g, s in zip(grow, attributes["strides"], strict=True)):
        return b(transpose, x, w, padding=(*begins, *cut), output_padding=grow)
    y = b(transpose, x, w)
    spans = zip(begins, shape(y)[2:], cut, strict=True)
    kept = [range(max(0, p), size - e) for p, size, e in spans]
    y = b.pick(y, [range(d) for d in shape(y)[:2]] + kept)
    top, left = (max(0, -p) for p in begins)
    return b(R.nn.pad, y, pad_width=[0, 0, 0, 0, top, grow[0], left, grow[1]], pad_value=0.0)


def _centred(
    full: Sequence[int], extra: Sequence[int], wanted: Sequence[int], auto_pad: str
) -> list[int]:
    """Begins for a given output shape: half the surplus, an odd one by SAME_UPPER at the end."""
    surplus = [max(0, f + e - w) for f, e, w in zip(full, extra, wanted, strict=True)]
    odd = 0 if auto_pad == "SAME_UPPER" else 1
    return [(s + odd) // 2 for s in surplus]


def _check(x: Value, w: Value, kernel_shape: Sequence[int]) -> None:
    if rank(x) != 4 or rank(w) != 4:
        raise ModelError(
            f"an input {shape(x)} with a kernel {shape(w)} is not implemented; "
            "one or two spatial dimensions are"
        )
    if kernel_shape and tuple(kernel_shape) != shape(w)[2:]:
        raise ModelError(
            f"attribute kernel_shape is {list(kernel_shape)}, the kernel {list(shape(w)[2:])}"
        )


def _biased(b: Builder, y: Value, bias: Value | None) -> Value:
    if bias is None:
        return y
    return b(R.add, y, b.reshape(bias, (1, math.prod(shape(bias)), 1, 1)))


OPS: Table = {"Conv": conv, "ConvTranspose": conv_transpose}
