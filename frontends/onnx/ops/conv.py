"""Convolutions. One-dimensional ones run as two-dimensional ones of height one."""

import math
from collections.abc import Sequence

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, rank, shape
from frontends.onnx.ops.window import per_axis, resolve


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
    spatial, kernel = _spatial(x, w, kernel_shape)
    if shape(x)[1] != shape(w)[1] * group or shape(w)[0] % group:
        raise ModelError(f"a kernel {shape(w)} in {group} groups does not fit an input {shape(x)}")
    window = resolve(
        spatial, kernel, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad
    )
    padding = window.before + window.after
    if min(padding) < 0:
        raise ModelError(f"attribute pads is negative: {list(pads)}")
    flat = len(spatial) == 1
    y = b(
        R.nn.conv2d,
        _raised(b, x) if flat else x,
        _raised(b, w) if flat else w,
        strides=(1, *window.strides) if flat else window.strides,
        padding=(0, padding[0], 0, padding[1]) if flat else padding,
        dilation=(1, *window.dilations) if flat else window.dilations,
        groups=group,
        data_layout="NCHW",
        kernel_layout="OIHW",
    )
    return _lowered(b, _biased(b, y, bias), flat)


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
    spatial, kernel = _spatial(x, w, kernel_shape)
    axes = len(spatial)
    strides = per_axis(strides, axes, 1, "strides")
    dilations = per_axis(dilations, axes, 1, "dilations")
    extra = per_axis(output_padding, axes, 0, "output_padding")
    full = [
        (s - 1) * stride + (k - 1) * d + 1
        for s, stride, k, d in zip(spatial, strides, kernel, dilations, strict=True)
    ]
    if auto_pad.startswith("SAME") and not output_shape:
        output_shape = [s * stride for s, stride in zip(spatial, strides, strict=True)]
    if output_shape:
        begins, sizes = _centred(full, extra, output_shape[-axes:], auto_pad)
    else:
        given = tuple(pads) if auto_pad == "NOTSET" and pads else (0,) * (2 * axes)
        begins = list(given[:axes])
        sizes = [
            f + e - p - q for f, e, p, q in zip(full, extra, begins, given[axes:], strict=True)
        ]
    flat = axes == 1
    y = _transposed(
        b,
        _raised(b, x) if flat else x,
        _raised(b, w) if flat else w,
        strides=[1, *strides] if flat else list(strides),
        dilations=[1, *dilations] if flat else list(dilations),
        begins=[0, *begins] if flat else begins,
        ends=[
            f - p - s
            for f, p, s in zip(
                [1, *full] if flat else full,
                [0, *begins] if flat else begins,
                [1, *sizes] if flat else sizes,
                strict=True,
            )
        ],
        group=group,
    )
    return _lowered(b, _biased(b, y, bias), flat)


def _transposed(
    b: Builder,
    x: Value,
    w: Value,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    begins: Sequence[int],
    ends: Sequence[int],
    group: int,
) -> Value:
    """begins, ends: how much of the full result is cut off; below zero, how much zero is added."""
    grow = [max(0, -e) for e in ends]
    within = all(g < s for g, s in zip(grow, strides, strict=True)) and min(begins) >= 0
    y = b(
        R.nn.conv2d_transpose,
        x,
        w,
        strides=tuple(strides),
        padding=(*begins, *[max(0, e) for e in ends]) if within else (0, 0, 0, 0),
        output_padding=tuple(grow) if within else (0, 0),
        dilation=tuple(dilations),
        groups=group,
        data_layout="NCHW",
        kernel_layout="IOHW",
    )
    if within:
        return y
    sizes = shape(y)[2:]
    stop = [s - max(0, e) for s, e in zip(sizes, ends, strict=True)]
    kept = [range(max(0, p), e) for p, e in zip(begins, stop, strict=True)]
    y = b.pick(y, [range(d) for d in shape(y)[:2]] + kept)
    top, left = (max(0, -p) for p in begins)
    return b(R.nn.pad, y, pad_width=[0, 0, 0, 0, top, grow[0], left, grow[1]], pad_value=0.0)


def _centred(
    full: Sequence[int], extra: Sequence[int], wanted: Sequence[int], auto_pad: str
) -> tuple[list[int], list[int]]:
    """Begins for a given output shape: half the surplus, an odd one by SAME_UPPER at the end."""
    surplus = [max(0, f + e - w) for f, e, w in zip(full, extra, wanted, strict=True)]
    odd = 0 if auto_pad == "SAME_UPPER" else 1
    return [(s + odd) // 2 for s in surplus], list(wanted)


def _spatial(
    x: Value, w: Value, kernel_shape: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    spatial, kernel = shape(x)[2:], shape(w)[2:]
    if len(spatial) not in (1, 2) or rank(w) != rank(x):
        raise ModelError(
            f"an input {shape(x)} with a kernel {shape(w)} is not implemented; "
            "one or two spatial dimensions are"
        )
    if kernel_shape and tuple(kernel_shape) != kernel:
        raise ModelError(
            f"attribute kernel_shape is {list(kernel_shape)}, the kernel {list(kernel)}"
        )
    return spatial, kernel


def _raised(b: Builder, x: Value) -> Value:
    """[A, B, W] -> [A, B, 1, W]"""
    dims = shape(x)
    return b.reshape(x, (*dims[:2], 1, dims[2]))


def _lowered(b: Builder, x: Value, flat: bool) -> Value:
    dims = shape(x)
    return b.reshape(x, (*dims[:2], dims[3])) if flat else x


def _biased(b: Builder, y: Value, bias: Value | None) -> Value:
    if bias is None:
        return y
    return b(R.add, y, b.reshape(bias, (1, math.prod(shape(bias)), 1, 1)))


OPS: Table = {"Conv": conv, "ConvTranspose": conv_transpose}
