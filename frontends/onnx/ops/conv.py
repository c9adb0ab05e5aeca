"""Convolutions. One-dimensional ones run as two-dimensional ones of height one."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

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


def deeper_too(convolution: Function) -> Function:
    """More than two spatial axes: for each place of the kernel along the first of them, the images
    that it meets through the rest of the kernel, summed.
    """

    @functools.wraps(convolution)
    def deep(b: Builder, x: Value, w: Value, bias: Value | None = None, **given: Any) -> Value:
        axes = rank(x) - 2
        if axes < 3 or rank(w) != rank(x):
            return convolution(b, x, w, bias, **given)
        (n, c, _, *rest), taps = shape(x), shape(w)[2]
        window = resolve(
            shape(x)[2:],
            shape(w)[2:],
            strides=given.get("strides", ()),
            dilations=given.get("dilations", ()),
            pads=given.get("pads", ()),
            auto_pad=given.get("auto_pad", "NOTSET"),
        )
        inner = {"pads": window.before[1:] + window.after[1:], "group": given.get("group", 1)}
        inner |= {"strides": window.strides[1:], "dilations": window.dilations[1:]}
        margins = [0] * (2 * rank(x))
        margins[4:6] = window.before[0], window.after[0]
        padded = b(R.nn.pad, x, pad_width=margins) if any(margins) else x
        total: Value | None = None
        for tap in range(taps):
            first = tap * window.dilations[0]
            stop = first + (window.output[0] - 1) * window.strides[0] + 1
            met = range(first, stop, window.strides[0])
            slices = b.pick(padded, [range(n), range(c), met, *map(range, rest)])
            order = (0, 2, 1, *range(3, rank(x)))
            images = b.reshape(b.transpose(slices, order), (n * len(met), c, *rest))
            y = deep(b, images, _tap(b, w, tap), None, **inner)
            total = y if total is None else b(R.add, total, y)
        assert total is not None
        outputs = b.reshape(total, (n, window.output[0], *shape(total)[1:]))
        y = b.transpose(outputs, (0, 2, 1, *range(3, rank(x))))
        return y if bias is None else _biased(b, y, bias)

    return deep


def _tap(b: Builder, w: Value, tap: int) -> Value:
    """The kernel at one place along its first spatial axis."""
    spans = [range(d) for d in shape(w)]
    spans[2] = range(tap, tap + 1)
    return b.reshape(
        w[:, :, tap : tap + 1] if isinstance(w, np.ndarray) else b.pick(w, spans),
        (*shape(w)[:2], *shape(w)[3:]),
    )


@deeper_too
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
    """x [N, C, *S], w [O, C/group, *K] -> [N, O, *S']"""
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
    """x [N, C, *S], w [C, O/group, *K] -> [N, O, *S']"""
    _check(x, w, kernel_shape, rank(x))
    axes = rank(x) - 2
    strides = per_axis(strides, axes, 1, "strides")
    dilations = per_axis(dilations, axes, 1, "dilations")
    extra = per_axis(output_padding, axes, 0, "output_padding")
    full = [
        (s - 1) * stride + (k - 1) * d + 1
        for s, stride, k, d in zip(shape(x)[2:], strides, shape(w)[2:], dilations, strict=True)
    ]
    if auto_pad.startswith("SAME") and not output_shape:
        output_shape = [s * stride for s, stride in zip(shape(x)[2:], strides, strict=True)]
    if output_shape:
        wanted = output_shape[-axes:]
        begins = _centred(full, extra, wanted, auto_pad)
        ends = [f - p - s for f, p, s in zip(full, begins, wanted, strict=True)]
    else:
        given = per_axis(pads if auto_pad == "NOTSET" else (), 2 * axes, 0, "pads")
        begins = list(given[:axes])
        ends = [p - e for p, e in zip(given[axes:], extra, strict=True)]
    if axes > 2:
        y = _spaced(b, x, w, begins, ends, strides=strides, dilations=dilations, group=group)
        return _biased(b, y, bias)
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


def _spaced(
    b: Builder,
    x: Value,
    w: Value,
    begins: Sequence[int],
    ends: Sequence[int],
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Value:
    """By definition: the convolution of x with zeros between its elements, by the mirrored kernel.
    Pads below zero cut.
    """
    channels, per_group, *kernel = shape(w)
    for i, stride in enumerate(strides):
        lead, length, *rest = math.prod(shape(x)[: 2 + i]), *shape(x)[2 + i :]
        spread = b.reshape(x, (lead, length, 1, math.prod(rest)))
        spread = b(R.nn.pad, spread, pad_width=[0, 0, 0, 0, 0, stride - 1, 0, 0])
        spread = b.reshape(spread, (*shape(x)[: 2 + i], length * stride, *rest))
        kept = [range(d) for d in shape(spread)]
        kept[2 + i] = range((length - 1) * stride + 1)
        x = b.pick(spread, kept)
        w = np.flip(w, 2 + i) if isinstance(w, np.ndarray) else b(R.flip, w, axis=2 + i)
    halves = b.reshape(w, (group, channels // group, per_group, *kernel))
    order = (0, 2, 1, *range(3, rank(halves)))
    turned = b.reshape(b.transpose(halves, order), (group * per_group, channels // group, *kernel))
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    sides = [[r - p for r, p in zip(reach, side, strict=True)] for side in (begins, ends)]
    kept = [range(max(0, -lo), n - max(0, -hi))
            for lo, hi, n in zip(*sides, shape(x)[2:], strict=True)]  # fmt: skip
    x = b.pick(x, [*map(range, shape(x)[:2]), *kept])
    pads = [max(0, p) for side in sides for p in side]
    return conv(b, x, turned, pads=pads, dilations=dilations, group=group)


def _centred(
    full: Sequence[int], extra: Sequence[int], wanted: Sequence[int], auto_pad: str
) -> list[int]:
    """Begins for a given output shape: half the surplus, an odd one by SAME_UPPER at the end."""
    surplus = [max(0, f + e - w) for f, e, w in zip(full, extra, wanted, strict=True)]
    odd = 0 if auto_pad == "SAME_UPPER" else 1
    return [(s + odd) // 2 for s in surplus]


def _check(x: Value, w: Value, kernel_shape: Sequence[int], axes: int = 4) -> None:
    if rank(x) != axes or rank(w) != axes or axes < 4:
        raise ModelError(f"a kernel {shape(w)} does not fit an input {shape(x)}")
    if kernel_shape and tuple(kernel_shape) != shape(w)[2:]:
        raise ModelError(
            f"attribute kernel_shape is {list(kernel_shape)}, the kernel {list(shape(w)[2:])}"
        )


def _biased(b: Builder, y: Value, bias: Value | None) -> Value:
    if bias is None:
        return y
    wide = (1, math.prod(shape(bias))) + (1,) * (rank(y) - 2)
    return b(R.add, y, b.reshape(bias, wide))


OPS: Table = {"Conv": conv, "ConvTranspose": conv_transpose}
